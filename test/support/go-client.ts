// The Go program around client-go (test/client-go), built for a test. It needs Go, and its module proxy the first time.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('../client-go/', import.meta.url))

export const hasGo = spawnSync('go', ['version']).status === 0
if (!hasGo) process.stderr.write('tests with client-go are skipped: there is no Go on this machine\n')

export interface GoClient {
  readonly program: string
  remove(): void
}

export async function buildGoClient(): Promise<GoClient> {
  const directory = mkdtempSync(path.join(tmpdir(), 'client-go-'))
  const program = path.join(directory, process.platform === 'win32' ? 'client.exe' : 'client')
  const child = spawn('go', ['build', '-o', program, '.'], { cwd: source, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.utf8Slice()).slice(-10_000)
  })
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new Error(`go build failed:\n${errors}`)
  return { program, remove: () => rmSync(directory, { recursive: true, force: true }) }
}
