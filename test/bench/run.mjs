// `npm run bench`: pg-keyspace beside PostgreSQL in the same run; what counts is the ratio. `npm run bench -- tikv` is about TiKV (tikv.mjs),
// `npm run bench -- loop` about holds of the event loop (loop.mjs). Options: --seconds N (per measurement, default 5), --warm N (seconds of the same
// work before each measurement of pgbench, on both sides, default 5; 0 also measures what V8 compiles on its way), --rows N (COPY and analytics,
// default 1000000), --only NAME[,NAME…], --built (measure dist/ as it is: nothing is installed or compiled).

import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { build, buildFakeTikv, install } from '../../scripts/setup.mjs'
import { loginTimes } from './login-timing.mjs'
import { startOurs, startPostgres } from './peers.mjs'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '5' },
    warm: { type: 'string', default: '5' },
    rows: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    built: { type: 'boolean', default: false },
    cancel: { type: 'boolean', default: false },
  },
})
const seconds = Number(options.seconds)
const warm = Number(options.warm)
const rows = Number(options.rows)
const wanted = options.only?.split(',') ?? null

if (!options.built) {
  install()
  build()
  if (positionals[0] === 'tikv') buildFakeTikv()
}
if (positionals[0] === 'tikv') {
  const { benchTikv } = await import('./tikv.mjs')
  await benchTikv(seconds)
  process.exit(0)
}
if (positionals[0] === 'loop') {
  const { benchLoop } = await import('./loop.mjs')
  await benchLoop({ only: wanted, cancel: options.cancel })
  process.exit(0)
}

function run(peer, command, args, input) {
  const done = spawnSync(command, args, { env: { ...process.env, ...peer.env }, encoding: 'utf8', input, maxBuffer: 1 << 28 })
  if (done.status !== 0) throw new Error(`${peer.name}: ${command} ${args.join(' ')}: ${done.stderr}`)
  return done.stdout
}

/** The server's CPU seconds of the last measurement, by peer: what stays comparable on a machine that others use, too. */
const spent = new Map()
function measure(peer, work) {
  const before = peer.cpu()
  const result = work()
  // PostgreSQL counts a backend's time when it has ended
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  spent.set(peer, before === null ? null : peer.cpu() - before)
  return result
}

function pgbench(peer, ...args) {
  if (warm > 0) run(peer, 'pgbench', ['-n', '-T', String(warm), ...args])
  return measure(peer, () => {
    const out = run(peer, 'pgbench', ['-n', '-T', String(seconds), ...args])
    const transactions = Number(/actually processed: (\d+)/.exec(out)[1])
    counted.set(peer, transactions)
    return Number(/tps = ([\d.]+)/.exec(out)[1])
  })
}
/** Units of work of the last measurement, for CPU per unit. */
const counted = new Map()
function timed(peer, sql) {
  return measure(peer, () => {
    const start = performance.now()
    run(peer, 'psql', ['-qAtX', '-v', 'ON_ERROR_STOP=1', '-c', sql])
    counted.set(peer, 1)
    return (performance.now() - start) / 1000
  })
}
/** Best of three: the machine is noisy. */
const best = (peer, sql) => Math.min(timed(peer, sql), timed(peer, sql), timed(peer, sql))

const results = []
/** PostgreSQL's CPU time for a unit of work over ours. */
function cpuRatio() {
  const a = spent.get(ours)
  const b = theirs === null ? null : spent.get(theirs)
  if (a == null || b == null || a === 0 || b === 0) return null
  return b / counted.get(theirs) / (a / counted.get(ours))
}

function report(name, unit, ours, theirs, higherIsBetter, goal) {
  const ratio = theirs === null ? null : higherIsBetter ? ours / theirs : theirs / ours
  const cpu = theirs === null ? null : cpuRatio()
  results.push({ name, unit, ours, theirs, ratio, cpu, goal })
  const number = (n) => (n === null ? '-' : n >= 100 ? n.toFixed(0) : n.toPrecision(3))
  const two = (n) => (n === null ? '-' : n.toFixed(2)).padStart(6)
  console.log(
    `${name.padEnd(34)} ${number(ours).padStart(9)} ${number(theirs).padStart(9)} ${unit.padEnd(6)} ratio ${two(ratio)}  by CPU ${two(cpu)}  goal ${goal}`,
  )
}

const ours = await startOurs()
const theirs = await startPostgres()
const skip = (name) => wanted !== null && !wanted.includes(name)

console.log(
  `${cpus().length} × ${cpus()[0].model}, Node ${process.version}, ${theirs?.version ?? 'PostgreSQL is not installed: no ratios'}; durable commits on both (fsync), no TLS`,
)
console.log(`${''.padEnd(34)} ${'ours'.padStart(9)} ${'theirs'.padStart(9)}`)
const both = (fn) => [fn(ours), theirs === null ? null : fn(theirs)]
try {
  const needsPgbench = ['select', 'tpcb', 'connect', 'login'].some((name) => !skip(name))
  if (needsPgbench) for (const peer of [ours, theirs]) if (peer !== null) run(peer, 'pgbench', ['-i', '-q', '-s', '1'])
  if (!skip('select')) {
    for (const [mode, goal] of [
      ['simple', '≥ 0.9'],
      ['extended', '-'],
      ['prepared', '≥ 0.8'],
    ]) {
      const [a, b] = both((peer) => pgbench(peer, '-S', '-M', mode, '-c', '8', '-j', '2'))
      report(`pgbench -S -M ${mode}`, 'tps', a, b, true, goal)
    }
  }
  if (!skip('tpcb')) {
    // With one branch every transaction waits for the one before: that measures the latency of a single commit.
    const [one, oneOfTheirs] = both((peer) => pgbench(peer, '-M', 'prepared', '-c', '8', '-j', '2'))
    report('TPC-B, 8 clients, 1 branch', 'tps', one, oneOfTheirs, true, '-')
    // as pgbench's manual asks: at least as many branches as clients
    for (const peer of [ours, theirs]) if (peer !== null) run(peer, 'pgbench', ['-i', '-q', '-s', '10'])
    const [a, b] = both((peer) => pgbench(peer, '-M', 'prepared', '-c', '8', '-j', '2'))
    report('TPC-B, 8 clients, 10 branches', 'tps', a, b, true, '≥ 0.7')
  }
  if (!skip('connect')) {
    const [a, b] = both((peer) => pgbench(peer, '-S', '-C', '-c', '2', '-j', '2'))
    report('pgbench -C (connect)', 'tps', a, b, true, '≥ 0.5')
  }
  if (!skip('copy') || !skip('analytics')) {
    const file = path.join(tmpdir(), `pgk-bench-${process.pid}.tsv`)
    const lines = []
    for (let i = 0; i < rows; i++) lines.push(`${i}\t${i % 1000}\t${(i * 7919) % 1000003}\tpayload number ${i}`)
    writeFileSync(file, `${lines.join('\n')}\n`)
    for (const peer of [ours, theirs])
      if (peer !== null) timed(peer, 'CREATE TABLE facts (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL, note text)')
    const [a, b] = both((peer) => timed(peer, `\\copy facts FROM '${file}'`))
    rmSync(file)
    report(`COPY ${rows} rows in`, 's', a, b, false, '≥ 0.4')
    for (const peer of [ours, theirs]) {
      if (peer === null) continue
      timed(peer, 'CREATE TABLE dims (grp int PRIMARY KEY, name text)')
      timed(peer, "INSERT INTO dims SELECT g, 'group ' || g FROM generate_series(0, 999) g")
      timed(peer, 'ANALYZE')
    }
    for (const [name, sql, goal] of [
      ['scan with a filter', 'SELECT count(*) FROM facts WHERE val % 10 = 3', '≥ 0.1'],
      ['aggregate', 'SELECT count(*), sum(val), min(val), max(val) FROM facts', '≥ 0.1'],
      ['group by', 'SELECT grp, count(*), sum(val) FROM facts GROUP BY grp', '≥ 0.1'],
      ['join', 'SELECT d.name, sum(f.val) FROM facts f JOIN dims d USING (grp) GROUP BY d.name', '≥ 0.2'],
      ['sort', 'SELECT id FROM facts ORDER BY val, id OFFSET 999990', '-'],
      ['copy out', 'COPY facts TO STDOUT', '-'],
    ]) {
      const [x, y] = both((peer) => best(peer, sql))
      report(name, 's', x, y, false, goal)
    }
  }
  if (!skip('memory')) {
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${ours.pid}/status`, 'utf8'))[1])
    const clients = []
    const connect = async () => {
      const client = new pg.Client({ host: '127.0.0.1', port: ours.port, user: 'bench.admin', password: 'admin', database: 'bench' })
      await client.connect()
      clients.push(client)
    }
    for (let i = 0; i < 50; i++) await connect()
    const before = rss()
    for (let i = 0; i < 500; i++) await connect()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    report('memory per idle connection', 'KB', (rss() - before) / 500, null, false, '≤ 40')
    for (const client of clients) await client.end()
  }
  if (!skip('login')) {
    const times = await loginTimes(ours.port, 100)
    const spread = (which) => {
      const means = times.map((time) => time[which].mean)
      return (Math.max(...means) / Math.min(...means) - 1) * 100
    }
    for (const { kind, challenge, refusal } of times) {
      report(`login refused: ${kind}`, 'ms', refusal.mean, null, false, '-')
      console.log(
        `    median ${refusal.median.toFixed(2)} ms; challenge after ${challenge.mean.toFixed(3)} ms, median ${challenge.median.toFixed(3)}`,
      )
    }
    report('refusals differ by', '%', spread('refusal'), null, false, '≤ 5')
  }
  if (!skip('tenant')) {
    const operator = new pg.Client({ host: '127.0.0.1', port: ours.port, user: 'system.admin', password: 'operator', database: 'system' })
    await operator.connect()
    const times = []
    for (let i = 0; i < 30; i++) {
      const start = performance.now()
      await operator.query(`CREATE TENANT bench_${i}`)
      const created = performance.now() - start
      const login = new pg.Client({ host: '127.0.0.1', port: ours.port, user: `bench_${i}.admin`, password: 'admin', database: 'x' })
      await login.connect()
      const first = performance.now()
      await login.query('SELECT 1')
      times.push([created + performance.now() - first, performance.now() - start])
      await login.end()
    }
    await operator.end()
    const median = (k) => times.map((t) => t[k]).sort((x, y) => x - y)[15]
    report('CREATE TENANT + first query', 'ms', median(0), null, false, '≤ 10')
    report('the same with the first login', 'ms', median(1), null, false, '-')
  }
} finally {
  await ours.stop()
  await theirs?.stop()
}
console.log(JSON.stringify(results))
