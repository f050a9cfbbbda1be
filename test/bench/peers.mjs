// Starts what the benchmarks compare: pg-keyspace from dist/, and PostgreSQL if it is installed. Both listen on loopback without TLS.

import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** CPU seconds a process and its ended children have used; null where /proc does not tell. */
function cpuSeconds(pid) {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return null
  const fields = readFileSync(file, 'utf8').split(') ').at(-1).split(' ')
  // utime, stime, cutime, cstime in hundredths of a second
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / 100
}

/** `{ name, pid, env, stop }`; env is what libpq programs need to reach it. `channels`: more of the child's stdio. */
export async function startOurs(extra = {}, channels = []) {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-bench-'))
  const child = spawn(process.execPath, [path.join(root, 'dist', 'main.js')], {
    env: {
      ...process.env,
      PG_PORT: '0',
      METRICS_PORT: '0',
      DATA_DIR: dataDir,
      OPERATOR_PASSWORD: 'operator',
      LOG_LEVEL: 'error',
      MAX_CONNECTIONS: '5000',
      ...extra,
    },
    stdio: ['ignore', 'pipe', 'inherit', ...channels],
  })
  const lines = createInterface({ input: child.stdout })
  const ready = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.includes('"listening"')) resolve(JSON.parse(line))
      else console.error(line)
    })
    child.on('exit', (code) => reject(new Error(`pg-keyspace ended with ${code}`)))
  })
  return {
    name: 'pg-keyspace',
    pid: child.pid,
    child,
    dataDir,
    cpu: () => cpuSeconds(child.pid),
    port: ready.pg_port,
    env: {
      PGHOST: '127.0.0.1',
      PGPORT: String(ready.pg_port),
      PGUSER: 'bench.admin',
      PGPASSWORD: 'admin',
      PGDATABASE: 'bench',
      PGSSLMODE: 'disable',
    },
    async stop() {
      child.removeAllListeners('exit')
      child.kill('SIGTERM')
      await new Promise((resolve) => child.once('exit', resolve))
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

function postgresBin() {
  const base = '/usr/lib/postgresql'
  if (!existsSync(base)) return null
  const newest = readdirSync(base).sort((a, b) => Number(b) - Number(a))[0]
  const bin = path.join(base, newest, 'bin')
  return existsSync(path.join(bin, 'initdb')) ? bin : null
}

export const hasPostgres = () => postgresBin() !== null

/**
 * Null when PostgreSQL is not installed. Durable as ours (fsync and synchronous_commit on), passwords checked as ours (SCRAM-SHA-256: most
 * of a login is the client's work on that), its defaults otherwise. `settings`: name=value.
 */
export async function startPostgres(settings = []) {
  const bin = postgresBin()
  if (bin === null) return null
  const dataDir = mkdtempSync(path.join(tmpdir(), 'pg-bench-'))
  const port = await freePort()
  const asRoot = userInfo().uid === 0
  const run = (command) => {
    const done = asRoot
      ? spawnSync('su', ['postgres', '-s', '/bin/sh', '-c', command], { encoding: 'utf8' })
      : spawnSync('sh', ['-c', command], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`${command}: ${done.stderr}`)
  }
  if (asRoot) {
    const uid = Number(spawnSync('id', ['-u', 'postgres'], { encoding: 'utf8' }).stdout)
    chownSync(dataDir, uid, uid)
  }
  const passwordFile = path.join(dataDir, 'password')
  writeFileSync(passwordFile, 'bench\n', { mode: 0o644 })
  run(`${bin}/initdb -D ${dataDir}/data -A scram-sha-256 --pwfile=${passwordFile} -U bench --locale=C.UTF-8 -E UTF8`)
  run(
    `${bin}/pg_ctl -D ${dataDir}/data -w -l ${dataDir}/log -o "-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=500${settings.map((setting) => ` -c ${setting}`).join('')}" start`,
  )
  run(`PGPASSWORD=bench ${bin}/createdb -h 127.0.0.1 -p ${port} -U bench bench`)
  const postmaster = Number(readFileSync(`${dataDir}/data/postmaster.pid`, 'utf8').split('\n')[0])
  return {
    name: 'PostgreSQL',
    cpu: () => cpuSeconds(postmaster),
    version: spawnSync(path.join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout.trim(),
    port,
    env: { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'bench', PGPASSWORD: 'bench', PGDATABASE: 'bench', PGSSLMODE: 'disable' },
    async stop() {
      run(`${bin}/pg_ctl -D ${dataDir}/data -m immediate stop`)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
