// The official Go client against the fake cluster, over BatchCommands and with unary RPCs. It needs Go (and its module proxy the first time): without
// Go this is skipped and says so; with REQUIRE_GO=1, as in CI, that is a failure.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'

const source = fileURLToPath(new URL('../client-go/', import.meta.url))
const go = spawnSync('go', ['version'], { encoding: 'utf8' })
const hasGo = go.status === 0
if (!hasGo) process.stderr.write('client-go.test.ts is skipped: there is no Go on this machine\n')

interface Line {
  readonly name: string
  readonly ok: boolean
  readonly problem: string
}

/** Runs a program to its end; its output by lines. */
function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number | null; lines: string[]; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const lines: string[] = []
    let errors = ''
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.utf8Slice()).slice(-10_000)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, lines, errors }))
  })
}

test.runIf(process.env['REQUIRE_GO'] === '1')('Go is here', () => {
  expect(go.error).toBeUndefined()
  expect(hasGo).toBe(true)
})

describe.skipIf(!hasGo)('client-go', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'client-go-'))
  const program = path.join(directory, process.platform === 'win32' ? 'client.exe' : 'client')
  let fake: Fake

  beforeAll(async () => {
    const built = await run('go', ['build', '-o', program, '.'], source)
    expect(built.code, built.errors).toBe(0)
  }, 600_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test.each(['batch', 'unary'])(
    '%s',
    async (mode) => {
      fake = await startFake({ stores: 3, keyspaces: ['test', 'other'], pdPort: 0, seed: 1 })
      try {
        const args = ['-pd', fake.pdAddress, '-control', fake.controlUrl, ...(mode === 'unary' ? ['-unary'] : [])]
        const { code, lines, errors } = await run(program, args, directory)
        const results = lines.map((line) => JSON.parse(line) as Line)
        expect(results.filter((line) => !line.ok)).toEqual([])
        expect({ code, errors: code === 0 ? '' : errors }).toEqual({ code: 0, errors: '' })
        expect(results.length).toBe(31)
      } finally {
        await fake.close()
      }
    },
    300_000,
  )
})
