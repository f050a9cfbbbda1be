// The official Go client against the fake cluster, over BatchCommands and with unary RPCs. It needs Go (and its module proxy the first time): without
// Go this is skipped and says so; with REQUIRE_GO=1, as in CI, that is a failure.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { buildGoClient, type GoClient, hasGo } from '../support/go-client.ts'

interface Line {
  readonly name: string
  readonly ok: boolean
  readonly problem: string
}

/** Runs a program to its end; its output by lines. */
function run(command: string, args: readonly string[]): Promise<{ code: number | null; lines: string[]; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
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
  expect(hasGo).toBe(true)
})

describe.skipIf(!hasGo)('client-go', () => {
  let go: GoClient
  let fake: Fake

  beforeAll(async () => {
    go = await buildGoClient()
  }, 600_000)
  afterAll(() => go.remove())

  test.each(['batch', 'unary'])(
    '%s',
    async (mode) => {
      fake = await startFake({ stores: 3, keyspaces: ['test', 'other'], pdPort: 0, seed: 1 })
      try {
        const args = ['-pd', fake.pdAddress, '-control', fake.controlUrl, ...(mode === 'unary' ? ['-unary'] : [])]
        const { code, lines, errors } = await run(go.program, args)
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
