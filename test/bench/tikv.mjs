// `npm run bench -- tikv`: what the way to TiKV costs. On one cluster (the fake one, or PD_ENDPOINTS) and in one run: requests per SQL statement, operations
// a second of this client, of client-go (if Go is installed), and of SQL statements that do the same; memory per keyspace and per region. The
// fake cluster is one process of JavaScript and the first to be busy: ratios count, not rates.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import pg from 'pg'
import { startOurs } from './peers.mjs'

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
const WORKERS = 8
const ROWS = 10_000
const WARM_SECONDS = 3

const rowKey = (i) => `bench/${String(i).padStart(8, '0')}`
const below = (n) => Math.floor(Math.random() * n)

/** First line of a program's standard output, as JSON. */
function firstLine(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)))
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)))
  })
}

async function startCluster() {
  const given = process.env.PD_ENDPOINTS
  if (given !== undefined) return { pd: given, counts: null, stop: () => {} }
  const child = spawn(process.execPath, [path.join(root, 'dist-test', 'test', 'fake-tikv', 'main.js'), '--stores', '1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const { pd, control } = await firstLine(child)
  const post = async (command) => (await fetch(control + command, { method: 'POST' })).json()
  return {
    pd,
    async counts(work) {
      await post('/reset')
      await work()
      const log = await post('/log')
      return { ...log.counts, ...Object.fromEntries(Object.entries(log.pd).map(([name, n]) => [`PD.${name}`, n])) }
    },
    stop: () => child.stdin.end(),
  }
}

/**
 * Runs of `work` a second by as many workers, and the CPU time of each; `cpu` tells the seconds used so far. What JavaScript compiles in its first
 * seconds belongs to neither: the work is done for WARM_SECONDS before it is counted.
 */
async function rate(seconds, cpu, work) {
  await runsIn(WARM_SECONDS, work)
  const before = cpu()
  const startedAt = performance.now()
  const done = await runsIn(seconds, work)
  const perSecond = done / ((performance.now() - startedAt) / 1000)
  return { perSecond, cpuMicros: ((cpu() - before) * 1e6) / done }
}

async function runsIn(seconds, work) {
  let done = 0
  const until = performance.now() + seconds * 1000
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      while (performance.now() < until) {
        await work(worker)
        done++
      }
    }),
  )
  return done
}

const ownCpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** The same operations as test/client-go/bench.go, by name. */
const operations = (keyspace) => {
  let next = 0
  const inTransaction = async (options, work) => {
    const txn = keyspace.begin(options)
    try {
      const result = await work(txn)
      await txn.commit()
      return result
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }
  const bytes = (text) => Buffer.from(text)
  return {
    'point read': () => keyspace.begin({ isolation: 'read committed', readOnly: true, latest: true }).get(bytes(rowKey(below(ROWS)))),
    'read of 20 keys': () =>
      inTransaction({ isolation: 'repeatable read', readOnly: true }, (txn) =>
        txn.batchGet(Array.from({ length: 20 }, () => bytes(rowKey(below(ROWS))))),
      ),
    'scan of 100 rows': () =>
      inTransaction({ isolation: 'repeatable read', readOnly: true }, async (txn) => {
        const start = below(ROWS - 100)
        const scanner = txn.scan({ start: bytes(rowKey(start)), end: bytes(rowKey(start + 100)) }, { limit: 100 })
        while ((await scanner.next()) !== null);
      }),
    'insert of one row': () =>
      inTransaction({ isolation: 'read committed', autocommit: true }, (txn) =>
        txn.put(bytes(`bench-js/${String(next++).padStart(8, '0')}`), bytes('some value of a row')),
      ),
    'lock, write and commit two rows': () =>
      inTransaction({ isolation: 'read committed' }, async (txn) => {
        const first = below(ROWS - 1)
        for (const key of [rowKey(first), rowKey(first + 1)].map(bytes)) {
          await txn.lockKeys([key], { mode: 'exclusive', wait: 'block', timeoutMs: 0, returnValues: true })
          await txn.put(key, bytes('some other value of a row'))
        }
      }),
  }
}

const SQL = {
  'point read': (client) => client.query({ name: 'p', text: 'SELECT v FROM t WHERE id = $1', values: [below(ROWS)] }),
  'read of 20 keys': (client) =>
    client.query({ name: 'b', text: 'SELECT v FROM t WHERE id = ANY ($1)', values: [Array.from({ length: 20 }, () => below(ROWS))] }),
  'scan of 100 rows': (client) => {
    const start = below(ROWS - 100)
    return client.query({ name: 's', text: 'SELECT v FROM t WHERE id >= $1 AND id < $2', values: [start, start + 100] })
  },
  'insert of one row': (client, worker, n) =>
    client.query({ name: 'i', text: 'INSERT INTO t VALUES ($1, $2)', values: [ROWS + worker * 10_000_000 + n, 'some value of a row'] }),
  'lock, write and commit two rows': async (client) => {
    const first = below(ROWS - 1)
    await client.query('BEGIN')
    for (const id of [first, first + 1])
      await client.query({ name: 'u', text: 'UPDATE t SET v = $1 WHERE id = $2', values: ['some other value', id] })
    await client.query('COMMIT')
  },
}

/** client-go's rates by name, or null. */
function clientGo(pd, keyspace, seconds) {
  if (spawnSync('go', ['version']).status !== 0) return null
  const directory = mkdtempSync(path.join(tmpdir(), 'pgk-bench-go-'))
  const program = path.join(directory, 'client')
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: path.join(root, 'test', 'client-go'), stdio: ['ignore', 2, 2] })
  if (built.status !== 0) throw new Error('go build failed')
  return {
    async run() {
      const child = spawn(program, ['-pd', pd, '-keyspace', keyspace, '-bench', String(seconds), '-workers', String(WORKERS)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const rates = {}
      for await (const line of createInterface({ input: child.stdout })) {
        const { name, perSecond, cpuMicros } = JSON.parse(line)
        rates[name] = { perSecond, cpuMicros }
      }
      return rates
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

async function requestsPerStatement(cluster, client) {
  const N = 20
  let id = 50_000_000
  const statements = {
    'SELECT by primary key': () => client.query(`SELECT v FROM t WHERE id = ${below(ROWS)}`),
    'SELECT of 20 by primary key': () => SQL['read of 20 keys'](client),
    'SELECT of a range of 100': () => SQL['scan of 100 rows'](client),
    'INSERT of one row': () => client.query(`INSERT INTO t VALUES (${id++}, 'x')`),
    'INSERT of 100 rows': () => client.query(`INSERT INTO t SELECT g, 'x' FROM generate_series(${(id += 100)}, ${id + 99}) g`),
    'UPDATE by primary key': () => client.query(`UPDATE t SET v = 'y' WHERE id = ${below(ROWS)}`),
    'DELETE by primary key': () => client.query(`DELETE FROM t WHERE id = ${--id}`),
    'BEGIN, 3 UPDATEs, COMMIT': async () => {
      await client.query('BEGIN')
      for (let i = 0; i < 3; i++) await client.query(`UPDATE t SET v = 'z' WHERE id = ${below(ROWS)}`)
      await client.query('COMMIT')
    },
  }
  console.log('\nrequests per statement')
  for (const [name, run] of Object.entries(statements)) {
    await run()
    const counts = await cluster.counts(async () => {
      for (let i = 0; i < N; i++) await run()
    })
    const shown = Object.entries(counts)
      .filter(([, n]) => n >= N / 4)
      .map(([command, n]) => `${command.replace(/^Kv/, '')} ${(n / N).toFixed(n % N === 0 ? 0 : 1)}`)
    console.log(`  ${name.padEnd(32)} ${shown.join(', ')}`)
  }
}

async function memory(pd) {
  const { connect } = await import(path.join(root, 'dist', 'storage', 'tikv', 'client.js'))
  const { RegionCache } = await import(path.join(root, 'dist', 'storage', 'tikv', 'region-cache.js'))
  const { encodeKey } = await import(path.join(root, 'dist', 'storage', 'tikv', 'codec.js'))
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const heap = async () => {
    for (let i = 0; i < 3; i++) {
      collect()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return process.memoryUsage().heapUsed + process.memoryUsage().external
  }
  console.log('\nmemory')
  const REGIONS = 20_000
  const before = await heap()
  const cache = new RegionCache(null)
  const peers = [1n, 2n, 3n].map((n) => ({ id: n, store_id: n, role: 0, is_witness: false }))
  const bound = (i) => encodeKey(Buffer.from(`x\0\0\x01t\0\0\0\x2ar${String(i).padStart(12, '0')}`, 'latin1'))
  for (let i = 0; i < REGIONS; i++) {
    const meta = { id: BigInt(i + 1), start_key: bound(i), end_key: bound(i + 1), region_epoch: { conf_ver: 1n, version: 1n }, peers }
    cache.insert(meta, peers[0], [])
  }
  console.log(`  ${'a region of the cache'.padEnd(32)} ${Math.round(((await heap()) - before) / cache.size)} bytes`)
  const KEYSPACES = 200
  // Another client makes them: this one knows none of them before.
  const maker = await connect({ pdEndpoints: pd.split(',') })
  for (let i = 0; i < KEYSPACES; i++) await maker.keyspace(`bench-${i}`, { create: true })
  await maker.close()
  const client = await connect({ pdEndpoints: pd.split(',') })
  const opened = [await client.keyspace('bench-0')]
  const first = await heap()
  for (let i = 1; i < KEYSPACES; i++) opened.push(await client.keyspace(`bench-${i}`))
  console.log(`  ${'an open keyspace of the client'.padEnd(32)} ${Math.round(((await heap()) - first) / (opened.length - 1))} bytes`)
  await client.close()
}

export async function benchTikv(seconds) {
  console.log(`${cpus().length} × ${cpus()[0].model}, Node ${process.version}`)
  const cluster = await startCluster()
  console.log(cluster.counts === null ? `cluster ${cluster.pd}` : 'fake cluster of one store')
  const name = cluster.counts === null ? `bench${Date.now().toString(36)}` : 'bench'
  const { openTikvStore } = await import(path.join(root, 'dist', 'storage', 'tikv', 'store.js'))
  const store = await openTikvStore({ pdEndpoints: cluster.pd.split(',') })
  const meta = await store.keyspaces.create(`${name}-kv`)
  const keyspace = await store.open(meta)
  const fill = keyspace.begin({ isolation: 'read committed', autocommit: true })
  for (let i = 0; i < ROWS; i++) await fill.put(Buffer.from(rowKey(i)), Buffer.from('some value of a row'))
  await fill.commit()

  const server = await startOurs({ PD_ENDPOINTS: cluster.pd, AUTO_CREATE_KEYSPACES: 'true' })
  const clients = []
  for (let i = 0; i < WORKERS; i++) {
    const client = new pg.Client({ host: '127.0.0.1', port: server.port, user: `${name}.admin`, password: 'admin', database: name })
    await client.connect()
    clients.push(client)
  }
  try {
    await clients[0].query('CREATE TABLE t (id int PRIMARY KEY, v text)')
    await clients[0].query(`INSERT INTO t SELECT g, 'some value of a row' FROM generate_series(0, ${ROWS - 1}) g`)
    const go = clientGo(cluster.pd, `${name}-kv`, seconds)
    const theirs = go === null ? null : await go.run()
    go?.remove()
    const own = operations(keyspace)
    const heads = ['client-go', 'this client', 'ratio', 'SQL', 'ratio', 'CPU µs: Go', 'this', 'server']
    console.log(
      `\noperations a second, ${WORKERS} at a time; CPU time of one operation (what stays comparable on a machine that others use, too)`,
    )
    console.log(`  ${''.padEnd(32)} ${heads.map((head) => head.padStart(12)).join('')}`)
    for (const [operation, run] of Object.entries(own)) {
      const mine = await rate(seconds, ownCpu, run)
      const counters = new Array(WORKERS).fill(0)
      const sql = await rate(seconds, server.cpu, (worker) => SQL[operation](clients[worker], worker, counters[worker]++))
      const other = theirs?.[operation] ?? { perSecond: Number.NaN, cpuMicros: Number.NaN }
      const cells = [
        other.perSecond.toFixed(0),
        mine.perSecond.toFixed(0),
        (mine.perSecond / other.perSecond).toFixed(2),
        sql.perSecond.toFixed(0),
        (sql.perSecond / other.perSecond).toFixed(2),
        ...[other, mine, sql].map(({ cpuMicros }) => cpuMicros.toFixed(0)),
      ]
      console.log(`  ${operation.padEnd(32)} ${cells.map((cell) => cell.padStart(12)).join('')}`)
    }
    console.log('  goal of SQL beside client-go: ≥ 0.7')
    if (cluster.counts !== null) await requestsPerStatement(cluster, clients[0])
    await memory(cluster.pd)
  } finally {
    for (const client of clients) await client.end()
    await server.stop()
    await store.close()
    cluster.stop()
  }
}
