// Composition root: store, directory, logins and sessions put together into the Engine that the listener serves.

import cluster from 'node:cluster'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { makeVerifier, passwordToStore } from '../auth/verifier/scram-verifier.ts'
import { systemClock } from '../base/clock.ts'
import { PgError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { bootstrapKeyspace } from '../catalog/bootstrap.ts'
import { withCatalog } from '../catalog/snapshot.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import { ClientSession } from '../session/client-session.ts'
import type { KeyspaceContext } from '../session/keyspace-context.ts'
import { microsNow } from '../session/micros.ts'
import type { Peers } from '../session/peers.ts'
import type { SessionIdentity } from '../session/session.ts'
import { cachedTexts, loadParser } from '../sql/parser/parse.ts'
import { KvError } from '../storage/kv-error.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, KeyspaceMeta, Store } from '../storage/store.ts'
import { TenantDirectory } from '../tenancy/directory.ts'
import { TenantLifecycle } from '../tenancy/lifecycle.ts'
import { SYSTEM_TENANT } from '../tenancy/tenant.ts'
import { startAutoanalyze } from './autoanalyze.ts'
import { startCleanup } from './cleanup.ts'
import type { Config } from './config.ts'
import { withinLimit } from './connection-limits.ts'
import { bootstrapPassword, operatorPassword } from './first-passwords.ts'
import { KeyspacePeers } from './keyspace-peers.ts'
import { Keyspaces } from './keyspaces.ts'
import type { Engine } from './listener.ts'
import { Logins } from './login.ts'
import { openNodeMail } from './node-mail.ts'
import { createNodeSignals } from './node-signals.ts'
import { createObserver } from './observer.ts'
import { createSeals } from './sealed.ts'
import { createServices } from './services.ts'
import { openStore } from './store.ts'
import { watchTenants } from './tenant-watch.ts'
import { startWarmUp } from './warm-up.ts'

async function systemKeyspace(store: Store): Promise<KeyspaceMeta> {
  const existing = await store.keyspaces.load(SYSTEM_TENANT)
  if (existing !== null) return existing
  try {
    return await store.keyspaces.create(SYSTEM_TENANT)
  } catch (error) {
    // Another node was faster.
    const made = error instanceof KvError && error.kind === 'keyspaceExists' ? await store.keyspaces.load(SYSTEM_TENANT) : null
    if (made === null) throw error
    return made
  }
}

export async function openEngine(config: Config, log: Logger, metrics: Metrics): Promise<Engine<SessionIdentity>> {
  await loadParser()
  const store = await openStore(config, log, metrics)
  try {
    const systemMeta = await systemKeyspace(store)
    const system = await store.open(systemMeta)
    const operatorVerifier = await makeVerifier(operatorPassword(config, log))
    const firstPassword = bootstrapPassword(config, log)
    const bootstrapVerifier = await makeVerifier(firstPassword)
    await bootstrapKeyspace(system, operatorVerifier)
    const node = randomUUID()
    const mail = store.capabilities.multiNode ? await openNodeMail(system, node, log) : null
    const seals = createSeals()
    const peers = ({ keyspace, sessions }: KeyspaceContext): Peers | null =>
      mail === null ? null : new KeyspacePeers(keyspace, mail, seals, log, () => sessions.size > 0)
    const keyspaces = new Keyspaces(store, LIMITS.maxProcessMemory, { node, peers }, log)
    const lifecycle = new TenantLifecycle(store, new TenantDirectory(system), systemClock, (tenant) => keyspaces.end(tenant))
    await lifecycle.repair()
    if (store.kind === 'embedded' && (await lifecycle.directory.find(config.defaultKeyspace)) === null) {
      await lifecycle.create(config.defaultKeyspace, { region: null, retentionMs: null })
    }
    const spillDir = path.join(config.dataDir, cluster.isWorker ? `tmp-${cluster.worker!.id}` : 'tmp')
    rmSync(spillDir, { recursive: true, force: true })
    mkdirSync(spillDir, { recursive: true })
    const signals = mail === null ? null : createNodeSignals(mail, keyspaces, log)
    const services = createServices({
      signals,
      clock: systemClock,
      observe: createObserver(metrics, log, config.slowStatementMs),
      spillDir,
      lifecycle,
      keyspaces,
      log,
      serverStart: microsNow(systemClock),
      makeVerifier: passwordToStore,
    })
    const logins = new Logins(store, lifecycle, keyspaces, systemMeta, {
      bootstrapVerifier,
      operatorVerifier,
      makeBootstrapVerifier: () => makeVerifier(firstPassword),
      allowDefaultPassword: config.allowDefaultPassword,
      autoCreate: config.autoCreateKeyspaces,
      maxAutoCreated: LIMITS.autoCreatedKeyspaces,
    })
    const cleanup = startCleanup(() => keyspaces.contexts(), log)
    const autoanalyze =
      config.autoAnalyzeIntervalMs === 0 ? null : startAutoanalyze(() => keyspaces.contexts(), services, config.autoAnalyzeIntervalMs, log)
    metrics.cache('keyspace_contexts', () => keyspaces.size)
    metrics.cache('parse_trees', cachedTexts)
    metrics.memory('statements', () => keyspaces.memory.statements)
    metrics.memory('plans', () => keyspaces.memory.plans)
    const stopWarming = startWarmUp()
    let closing = false
    const stopWatching = store.capabilities.multiNode ? watchTenants(lifecycle.directory, keyspaces, log) : () => {}
    return {
      backend: {
        startup(identity, client) {
          const lost = () =>
            client.terminate(new PgError(SQLSTATE.adminShutdown, 'terminating connection: its place was lost', { severity: 'FATAL' }))
          const { peers: others } = identity.keyspace
          return andThen(others?.join(), () =>
            withinLimit(identity, lost, (leave) =>
              // What it is to start with may name roles that are not at hand.
              withCatalog(() => {
                const session = new ClientSession(services, identity, client)
                session.onClosed = () => {
                  if (leave !== null) services.background(leave())
                  others?.left()
                }
                return session
              }),
            ),
          )
        },
      },
      roles: logins,
      mockSecret: await mockSecret(system),
      ...(signals === null ? {} : { cancelKeys: signals.cancelKeys }),
      notReady: () => (closing ? 'shutting down' : null),
      async close() {
        closing = true
        stopWatching()
        stopWarming()
        await autoanalyze?.stop()
        await cleanup.stop()
        await mail?.close()
        await keyspaces.close()
        await store.close()
        rmSync(spillDir, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

const MOCK_SECRET_KEY = Buffer.from(`${META.directory}#mock-secret`)

/** Makes the salts of those who do not exist: one per cluster, kept in `system`, so that they stay the same over nodes and restarts. */
async function mockSecret(system: Keyspace): Promise<Buffer> {
  const txn = system.begin({ isolation: 'read committed' })
  try {
    const locked = await txn.lockKeys([MOCK_SECRET_KEY], { mode: 'exclusive', wait: 'block', timeoutMs: 10_000, returnValues: true })
    const stored = locked.values![0]!
    if (stored !== null) {
      await txn.rollback()
      return stored
    }
    const secret = randomBytes(32)
    await txn.put(MOCK_SECRET_KEY, secret)
    await txn.commit()
    return secret
  } catch (error) {
    await txn.rollback()
    throw error
  }
}
