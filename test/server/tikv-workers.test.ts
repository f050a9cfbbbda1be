// Several workers on one port over a (fake) TiKV cluster, as processes: connections are shared out, metrics are added up, a worker that dies is
// replaced and what it left behind is cleared, SIGTERM lets statements end. The embedded store refuses workers.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodeOfProcessId } from '../../src/server/node-mail.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { compileProgram } from '../support/compile.ts'

const root = path.join(import.meta.dirname, '../..')
let fake: Fake
let program: ReturnType<typeof compileProgram>
let dataDir: string
let server: ChildProcess
let port = 0
let metricsPort = 0
const log: string[] = []

beforeAll(async () => {
  program = compileProgram('src/main.ts')
  const built = path.dirname(path.dirname(program.file))
  if (!existsSync(path.join(built, 'config'))) symlinkSync(path.join(root, 'config'), path.join(built, 'config'))
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-workers-'))
  server = spawn(process.execPath, [program.file, '--workers', '2'], {
    env: {
      ...process.env,
      PD_ENDPOINTS: fake.pdAddress,
      PG_PORT: '0',
      METRICS_PORT: '0',
      DATA_DIR: dataDir,
      OPERATOR_PASSWORD: 'operator',
      AUTO_CREATE_KEYSPACES: 'true',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    server.stdout!.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n')) {
        if (line !== '') log.push(line)
        if (!line.includes('"listening"')) continue
        const ready = JSON.parse(line) as { pg_port: number; metrics_port: number; workers: number }
        port = ready.pg_port
        metricsPort = ready.metrics_port
        expect(ready.workers).toBe(2)
        resolve()
      }
    })
  })
}, 180_000)
afterAll(async () => {
  if (server.exitCode === null) server.kill('SIGKILL')
  await fake.close()
  program.dispose()
  rmSync(dataDir, { recursive: true, force: true })
})

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'workers.admin', password: 'admin', database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  return client
}
const nodeOf = async (client: pg.Client): Promise<number> =>
  nodeOfProcessId((await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number)
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const childrenOf = (pid: number): number[] =>
  spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .stdout.split('\n')
    .map(Number)
    .filter((child) => child > 0)

test('connections are shared out, and metrics are those of all workers', { timeout: 60_000 }, async () => {
  const clients: pg.Client[] = []
  for (let i = 0; i < 4; i++) clients.push(await connect())
  const nodes = await Promise.all(clients.map(nodeOf))
  expect(new Set(nodes).size).toBe(2)
  await clients[0]!.query('CREATE TABLE t (id serial PRIMARY KEY, v int)')
  const inserted = await Promise.all(
    clients.map(async (client, index) => {
      const ids: number[] = []
      for (let i = 0; i < 40; i++)
        ids.push((await client.query('INSERT INTO t (v) VALUES ($1) RETURNING id', [index])).rows[0].id as number)
      return ids
    }),
  )
  const ids = inserted.flat()
  expect(new Set(ids).size).toBe(ids.length)
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  expect(text).toMatch(/^pgkeyspace_sessions\{keyspace="workers"\} 4$/m)
  expect(text).toMatch(/^pgkeyspace_statements_total\{keyspace="workers",class="insert"\} 160$/m)
  expect((await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status).toBe(200)
  await Promise.all(clients.map((client) => client.end()))
})

test('a worker killed in the middle of everything leaves nothing that the others cannot clear', { timeout: 120_000 }, async () => {
  const clients: pg.Client[] = []
  for (let i = 0; i < 4; i++) clients.push(await connect())
  const nodes = await Promise.all(clients.map(nodeOf))
  const doomed = clients.filter((_, i) => nodes[i] === nodes[0])
  const others = clients.filter((_, i) => nodes[i] !== nodes[0])
  expect(doomed.length).toBeGreaterThan(1)
  const [definer, writer] = doomed as [pg.Client, pg.Client]
  const other = others[0]!
  await other.query('CREATE TABLE k (id int PRIMARY KEY, v int)')
  await other.query('CREATE TABLE d (id int PRIMARY KEY, v int)')
  await other.query('INSERT INTO k SELECT n, 0 FROM generate_series(1, 10) n')
  // One in a definition, one in a transaction with locks; which worker that is, its processes' list tells.
  await writer.query('BEGIN')
  await writer.query('UPDATE k SET v = 1')
  await definer.query('BEGIN')
  await definer.query('CREATE INDEX di ON d (v)')
  const before = childrenOf(server.pid!)
  expect(before.length).toBe(2)
  const gone = new Promise((resolve) => writer.once('end', resolve))
  for (const pid of before) {
    // The worker without which the writer gets no answer is the writer's.
    process.kill(pid, 'SIGSTOP')
    const answered = await Promise.race([
      writer.query('SELECT 1').then(
        () => true,
        () => false,
      ),
      pause(2000).then(() => false),
    ])
    if (!answered) process.kill(pid, 'SIGKILL')
    process.kill(pid, 'SIGCONT')
    if (!answered) break
  }
  await gone
  const startedAt = Date.now()
  await other.query('UPDATE k SET v = v + 10')
  await other.query('INSERT INTO d VALUES (1, 1)')
  const waitedMs = Date.now() - startedAt
  console.log(`locks and gates of a killed worker were cleared after ${waitedMs} ms`)
  expect((await other.query('SELECT min(v), max(v) FROM k')).rows).toEqual([{ min: 10, max: 10 }])
  expect((await other.query("SELECT count(*)::int AS n FROM pg_indexes WHERE tablename = 'd'")).rows).toEqual([{ n: 1 }])
  await other.query('CREATE INDEX di ON d (v)')
  expect((await other.query('SELECT id FROM d WHERE v = 1')).rows).toEqual([{ id: 1 }])
  // Another worker has taken its place.
  const end = Date.now() + 20_000
  while (childrenOf(server.pid!).length < 2 && Date.now() < end) await pause(100)
  const now = childrenOf(server.pid!)
  expect(now.length).toBe(2)
  expect(now.some((pid) => !before.includes(pid))).toBe(true)
  expect(log.some((line) => line.includes('another takes its place'))).toBe(true)
  await Promise.all(others.map((client) => client.end()))
})

test('SIGTERM lets running statements end, in every worker', { timeout: 60_000 }, async () => {
  const clients = [await connect(), await connect()]
  const running = clients.map((client) => client.query('SELECT pg_sleep(1)').then((result) => result.rowCount))
  await pause(200)
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGTERM')
  expect(await Promise.all(running)).toEqual([1, 1])
  expect(await ended).toBe(0)
})

test('the embedded store refuses workers', () => {
  const env = { ...process.env, WORKERS: '2', DATA_DIR: dataDir, PG_PORT: '0', METRICS_PORT: '0' }
  const done = spawnSync(process.execPath, [program.file], { env, encoding: 'utf8', timeout: 30_000 })
  expect(done.status).toBe(2)
  expect(done.stderr).toContain('WORKERS must be 1 without PD_ENDPOINTS')
})
