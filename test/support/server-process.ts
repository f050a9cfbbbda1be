// A server as a process of its own, for tests that stall or kill one (SIGSTOP is a node that does not answer) or give it little memory.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { compileProgram } from './compile.ts'

export interface ServerProcess {
  readonly port: number
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void
  connect(user: string): Promise<pg.Client>
  /** The value of a metric, its labels as they are printed. */
  metric(name: string): Promise<number>
  stop(): void
}

/** `environment`: settings of its own, such as PD_ENDPOINTS. `flags`: Node's. */
export async function startServerProcess(
  environment: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const program = compileProgram('src/main.ts')
  const built = path.dirname(path.dirname(program.file))
  const config = path.join(built, 'config')
  if (!existsSync(config)) symlinkSync(path.join(import.meta.dirname, '../../config'), config)
  const dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-process-'))
  const child: ChildProcess = spawn(process.execPath, [...flags, program.file], {
    env: {
      ...process.env,
      PG_PORT: '0',
      METRICS_PORT: '0',
      DATA_DIR: dataDir,
      OPERATOR_PASSWORD: 'operator',
      AUTO_CREATE_KEYSPACES: 'true',
      LOG_LEVEL: 'warn',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const listening = await new Promise<{ pg_port: number; metrics_port: number }>((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    child.stdout!.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n'))
        if (line.includes('"listening"')) resolve(JSON.parse(line) as { pg_port: number; metrics_port: number })
    })
  })
  const { pg_port: port, metrics_port: metricsPort } = listening
  return {
    port,
    async metric(name) {
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
      const line = text.split('\n').find((one) => one.startsWith(`${name} `))
      if (line === undefined) throw new Error(`no metric ${name}`)
      return Number(line.slice(name.length + 1))
    },
    signal: (name) => child.kill(name),
    async connect(user) {
      const client = new pg.Client({ host: '127.0.0.1', port, user, password: 'admin', database: 'postgres' })
      client.on('error', () => {})
      await client.connect()
      return client
    },
    stop() {
      child.kill('SIGKILL')
      program.dispose()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
