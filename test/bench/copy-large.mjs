// COPY of many rows in and out, one transaction each, against a server of its own with a small heap: `node test/bench/copy-large.mjs [rows]`
// after `npm run build`; needs psql. Prints seconds, rows per second and the server's largest resident size; fails if a row is lost.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

const rows = Number(process.argv[2] ?? 10_000_000)
const heapMb = 512
const root = path.join(import.meta.dirname, '../..')
const dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-copy-'))
const env = { ...process.env, DATA_DIR: dataDir, PG_PORT: '0', METRICS_PORT: '0', OPERATOR_PASSWORD: 'operator', LOG_LEVEL: 'warn' }
const server = spawn(process.execPath, [`--max-old-space-size=${heapMb}`, path.join(root, 'dist/main.js')], {
  env,
  stdio: ['ignore', 'pipe', 'inherit'],
})
const port = await new Promise((resolve, reject) => {
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  createInterface({ input: server.stdout }).on('line', (line) => {
    if (line.includes('"listening"')) resolve(JSON.parse(line).pg_port)
  })
})

function psql(sql) {
  const child = spawn(
    'psql',
    ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', String(port), '-U', 'copy.admin', '-c', sql],
    {
      env: { ...process.env, PGPASSWORD: 'admin', PGSSLMODE: 'disable' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const ended = new Promise((resolve, reject) => {
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`psql ended with ${code}`))))
  })
  return { child, ended }
}

async function text(sql) {
  const { child, ended } = psql(sql)
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  await ended
  return out.trim()
}

const peakMb = () => Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024)
const report = (what, ms) =>
  console.log(`${what}: ${(ms / 1000).toFixed(1)} s, ${Math.round(rows / (ms / 1000))} rows/s, server's peak resident size ${peakMb()} MB`)

try {
  await text('CREATE TABLE big(id bigint PRIMARY KEY, a int, t text)')
  let start = performance.now()
  const into = psql('COPY big FROM STDIN')
  const CHUNK = 5000
  for (let from = 0; from < rows; from += CHUNK) {
    let chunk = ''
    for (let i = from; i < Math.min(from + CHUNK, rows); i++) chunk += `${i}\t${i % 1000}\trow number ${i} of the table\n`
    if (!into.child.stdin.write(chunk)) await new Promise((resolve) => into.child.stdin.once('drain', resolve))
  }
  into.child.stdin.end()
  await into.ended
  report(`COPY ${rows} rows in`, performance.now() - start)
  start = performance.now()
  const out = psql('COPY big TO STDOUT')
  let lines = 0
  out.child.stdout.on('data', (chunk) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++
  })
  await out.ended
  report(`COPY ${rows} rows out`, performance.now() - start)
  if (lines !== rows) throw new Error(`${lines} rows came out`)
  start = performance.now()
  const found = await text('SELECT count(*), sum(a), min(id), max(id) FROM big')
  report('count, sum, min and max over them', performance.now() - start)
  let sum = 0
  for (let i = 0; i < rows; i++) sum += i % 1000
  if (found !== `${rows}|${sum}|0|${rows - 1}`) throw new Error(`the table holds ${found}`)
} finally {
  server.removeAllListeners('exit')
  server.kill('SIGTERM')
  await new Promise((resolve) => server.once('exit', resolve))
  rmSync(dataDir, { recursive: true, force: true })
}
