// A real server in this process, on the embedded store in a temporary directory, and clients of it. With STORE=tikv it runs on a fake cluster of its
// own, with PD_ENDPOINTS on a given one.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { silentLogger } from '../../src/observability/log.ts'
import { loadConfig } from '../../src/server/config.ts'
import { startServer } from '../../src/server/run.ts'
import { openEngine } from '../../src/server/server.ts'
import { startFake } from '../fake-tikv/fake.ts'
import type { SqlAnswer } from './slt.ts'

/** Whether startTestServer's servers stand on TiKV: no SERIALIZABLE, row locks FOR SHARE exclude one another. */
export const onTikv = process.env['STORE'] === 'tikv' || process.env['PD_ENDPOINTS'] !== undefined

const RUN = Date.now().toString(36).slice(-6)

/** A tenant of this run: on a given cluster those of earlier runs are still there. */
export const ownTenant = (name: string): string => (process.env['PD_ENDPOINTS'] === undefined ? name : `${name}_${RUN}`)

export interface TestServer {
  readonly port: number
  readonly metricsPort: number
  readonly dataDir: string
  /** A client logged in as `keyspace.user`; the tenant is made by the login if it is new. */
  connect(user?: string, options?: pg.ClientConfig): Promise<pg.Client>
  stop(): Promise<void>
}

export async function startTestServer(
  env: Record<string, string> = {},
  dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-')),
  /** `keep`: leave the data for a next start. */
  options: { keep?: boolean } = {},
): Promise<TestServer> {
  const wantsFake = process.env['STORE'] === 'tikv' && env['PD_ENDPOINTS'] === undefined && process.env['PD_ENDPOINTS'] === undefined
  const fake = wantsFake ? await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 }) : null
  const given = fake?.pdAddress ?? process.env['PD_ENDPOINTS']
  const config = loadConfig({
    args: [],
    env: {
      PG_PORT: '0',
      METRICS_PORT: '0',
      DATA_DIR: dataDir,
      OPERATOR_PASSWORD: 'operator',
      LOG_LEVEL: 'silent',
      SHUTDOWN_GRACE_MS: '100',
      AUTO_CREATE_KEYSPACES: 'true',
      ...(given === undefined ? {} : { PD_ENDPOINTS: given }),
      ...env,
    },
  })
  const server = await startServer(config, openEngine, silentLogger)
  const clients = new Set<pg.Client>()
  return {
    port: server.pgPort,
    metricsPort: server.metricsPort,
    dataDir,
    async connect(user = 'admin', clientOptions = {}) {
      const password = user.startsWith('system.') ? 'operator' : 'admin'
      const client = new pg.Client({ host: '127.0.0.1', port: server.pgPort, user, password, database: 'postgres', ...clientOptions })
      client.on('error', () => {})
      await client.connect()
      clients.add(client)
      return client
    },
    async stop() {
      await Promise.all([...clients].map((client) => client.end().catch(() => {})))
      await server.stop()
      await fake?.close()
      if (options.keep !== true) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

const asText = { getTypeParser: () => (value: string) => value }

/** Runs a text as one simple query and keeps everything the server said, values as text. */
export async function ask(client: pg.Client, sql: string): Promise<SqlAnswer> {
  const notices: { severity: string; message: string }[] = []
  const listen = (notice: { severity: string | undefined; message: string | undefined }) =>
    notices.push({ severity: notice.severity ?? '', message: notice.message ?? '' })
  client.on('notice', listen)
  try {
    const answer = await client.query({ text: sql, rowMode: 'array', types: asText as unknown as pg.CustomTypesConfig })
    const list = (Array.isArray(answer) ? answer : [answer]) as pg.QueryArrayResult[]
    return {
      results: list
        .filter((result) => result.command !== null)
        .map((result) => ({
          columns: result.fields.map((field) => ({ name: field.name, type: field.dataTypeID })),
          rows: result.rows as (string | null)[][],
          tag: tagOf(result),
        })),
      notices,
      error: null,
    }
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    const { code, message, detail, hint, position } = error
    return { results: [], notices, error: { code: code ?? '', message, detail, hint, position } }
  } finally {
    client.off('notice', listen)
  }
}

/** The driver keeps only the tag's word and number. */
function tagOf(result: pg.QueryArrayResult): string {
  const { command, rowCount } = result
  return rowCount === null ? command : `${command} ${rowCount}`
}
