// Background work: analyses tables that have changed much since they were analysed last, as PostgreSQL's autovacuum does: one at a time, never
// while somebody holds the table's lock, in slices like any other statement.

import { optionValue } from '../catalog/descriptors.ts'
import { OBJECT_PREFIX } from '../catalog/keys.ts'
import { LOCK } from '../catalog/object-locks.ts'
import { BOOTSTRAP_ROLE, BOOTSTRAP_ROLE_NAME, type ObjectRecord } from '../catalog/records.ts'
import { modified } from '../catalog/table-activity.ts'
import type { Logger } from '../observability/log.ts'
import type { Client } from '../pgwire/backend.ts'
import type { KeyspaceContext } from '../session/keyspace-context.ts'
import type { Services } from '../session/services.ts'
import { Session } from '../session/session.ts'
import { internalContext } from '../session/utility/definition.ts'
import { abortTransaction, commitTransaction } from '../session/utility/transaction.ts'
import { analyzeOne } from '../sql/commands/analyze.ts'
import { type Rounds, startRounds } from './rounds.ts'

/** autovacuum_analyze_threshold and autovacuum_analyze_scale_factor. */
const THRESHOLD = 50
const SCALE_FACTOR = 0.1

/** Nobody listens. */
const NO_CLIENT: Client = {
  processId: 0,
  request: {
    protocolVersion: 0x30000,
    parameters: new Map(),
    remoteAddress: null,
    remotePort: null,
    localAddress: null,
    localPort: null,
    tls: null,
  },
  bytesReceived: 0,
  bytesSent: 0,
  notice: () => undefined,
  parameterStatus: () => undefined,
  notification: () => undefined,
  terminate: () => undefined,
}

/** The tables whose changes have passed their threshold. */
async function aged(context: KeyspaceContext): Promise<number[]> {
  const changed = new Map([...context.activity.changedTables()].map(([id, rows]) => [id, modified(rows)]))
  if (![...changed.values()].some((count) => count > THRESHOLD)) return []
  const oids: number[] = []
  for (const { value } of await context.catalog.scan(OBJECT_PREFIX)) {
    const record = value as ObjectRecord
    if (record.kind !== 'relation' || record.value.kind !== 'r') continue
    const { oid, table, options } = record.value
    if (optionValue(options, 'autovacuum_enabled') === 'false') continue
    const threshold = Number(optionValue(options, 'autovacuum_analyze_threshold') ?? THRESHOLD)
    const factor = Number(optionValue(options, 'autovacuum_analyze_scale_factor') ?? SCALE_FACTOR)
    if ((changed.get(table!.id) ?? 0) > threshold + factor * Math.max(0, table!.relTuples)) oids.push(oid)
  }
  return oids
}

async function analyze(context: KeyspaceContext, services: Services, oid: number): Promise<void> {
  const identity = {
    keyspace: context,
    roleOid: BOOTSTRAP_ROLE,
    roleName: BOOTSTRAP_ROLE_NAME,
    superuser: true,
    connectionLimit: -1,
    settings: [],
    notice: null,
  }
  const session = new Session(services, identity, NO_CLIENT)
  session.startImplicit()
  try {
    await context.catalog.sync()
    const command = await internalContext(session)
    await command.lock(oid, LOCK.shareUpdateExclusive, '', false)
    await analyzeOne(command, oid, null, true, false)
  } catch (error) {
    await abortTransaction(session)
    throw error
  } finally {
    session.memory.releaseAll()
  }
  await commitTransaction(session)
}

export function startAutoanalyze(contexts: () => Iterable<KeyspaceContext>, services: Services, intervalMs: number, log: Logger): Rounds {
  return startRounds(intervalMs, async (isStopping) => {
    for (const context of [...contexts()]) {
      try {
        for (const oid of await aged(context)) {
          if (isStopping()) return
          await analyze(context, services, oid)
        }
      } catch (error) {
        // Its lock was taken, it was dropped, the store was away: the next round looks again.
        log.debug({ err: error, keyspace: context.name }, 'a table was not analysed')
      }
    }
  })
}
