// Programs in other languages as tests: run to their end against a server of ours, with their output as the reason when they fail.

import { spawn, spawnSync } from 'node:child_process'
import type { TestServer } from './server.ts'

/** Whether `command args` runs and succeeds. */
export function works(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

/** Where the drivers find the server. */
export const driverEnv = (server: TestServer): Record<string, string> => ({
  PGHOST: '127.0.0.1',
  PGPORT: String(server.port),
  PGPASSWORD: 'admin',
})

/** Null when the program ended with status 0, otherwise the end of what it said. */
export function failureOf(command: string, args: readonly string[], cwd: string, env: Record<string, string>): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.utf8Slice()).slice(-20_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', reject)
    child.on('close', (code) => resolve(code === 0 ? null : output))
  })
}
