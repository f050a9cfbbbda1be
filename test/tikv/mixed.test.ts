// This client and client-go on the same keys of one cluster: each reads what the other wrote, clears what the other left behind, and both move money
// between the same accounts.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import { KvError } from '../../src/storage/kv-error.ts'
import { TIKV_CAPABILITIES } from '../../src/storage/tikv/capabilities.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
import { TikvTransaction } from '../../src/storage/tikv/transaction.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { buildGoClient, type GoClient, hasGo } from '../support/go-client.ts'
import { type LockKind, leaveLocks } from './leave-locks.ts'

interface Answer {
  readonly values?: string[]
  readonly committed?: number
  readonly problem: string
}

const KINDS: readonly LockKind[] = ['optimistic', 'async', 'primary', 'pessimistic']

describe.skipIf(!hasGo).each(['batch', 'unary'])('with client-go, %s', (mode) => {
  let go: GoClient
  let fake: Fake
  let engine: Engine
  let child: ChildProcessWithoutNullStreams
  let lines: Interface
  const capability = new Capability(keyspaceId(1))

  beforeAll(async () => {
    go = await buildGoClient()
    fake = await startFake({ stores: 3, keyspaces: ['test', 'other'], pdPort: 0, seed: 1 })
    engine = new Engine({ pdEndpoints: [fake.pdAddress], batching: mode === 'batch' })
    await engine.start()
    child = spawn(go.program, ['-serve', '-pd', fake.pdAddress, '-control', fake.controlUrl, ...(mode === 'unary' ? ['-unary'] : [])])
    child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk))
    lines = createInterface({ input: child.stdout })
    // both clients find the keys of a transaction in two regions
    const boundary = `x\0\0\u0001m`
    const region = fake.cluster.regions.all().find(({ start }) => start !== '')!
    expect(region).toBeDefined()
    await fetch(`${fake.controlUrl}/split?key=${Buffer.from(boundary, 'latin1').toString('hex')}`, { method: 'POST' })
  }, 600_000)
  afterAll(async () => {
    child.stdin.end()
    await engine.close()
    await fake.close()
    go.remove()
  })

  async function ask(command: object): Promise<Answer> {
    const line = new Promise<string>((resolve) => lines.once('line', resolve))
    child.stdin.write(`${JSON.stringify(command)}\n`)
    const answer = JSON.parse(await line) as Answer
    expect(answer.problem).toBe('')
    return answer
  }
  const theirs = async (keys: readonly string[]): Promise<string[]> => (await ask({ op: 'get', keys })).values!
  const begin = (isolation: 'read committed' | 'repeatable read', autocommit = false): TikvTransaction =>
    new TikvTransaction(engine, capability, TIKV_CAPABILITIES, { isolation, autocommit })
  async function ours(keys: readonly string[]): Promise<string[]> {
    const txn = begin('repeatable read')
    const values = await txn.batchGet(keys.map((name) => Buffer.from(name)))
    await txn.rollback()
    return values.map((value) => value?.toString() ?? '')
  }
  async function put(keys: readonly string[], value: string): Promise<void> {
    const txn = begin('read committed', true)
    for (const name of keys) await txn.put(Buffer.from(name), Buffer.from(value))
    await txn.commit()
  }
  /** What the kind of lock comes to once its owner's time is up. */
  const outcome = (kind: LockKind): string => (kind === 'async' || kind === 'primary' ? 'left' : 'before')
  const names = (kind: LockKind, who: string): string[] => [`a-${who}-${kind}`, `b-${who}-${kind}`, `z-${who}-${kind}`]

  test('each reads what the other wrote', async () => {
    await put(['ours-a', 'z-ours'], 'one')
    expect(await theirs(['ours-a', 'z-ours', 'nothing'])).toEqual(['one', 'one', ''])
    await ask({ op: 'put', keys: ['theirs-a', 'z-theirs'], value: 'two' })
    expect(await ours(['theirs-a', 'z-theirs', 'nothing'])).toEqual(['two', 'two', ''])
  })

  test.each(KINDS)('locks that client-go left are cleared: %s', async (kind) => {
    const keys = names(kind, 'theirs')
    await put(keys, 'before')
    await ask({ op: 'leave', kind, keys, value: 'left' })
    fake.cluster.tso.advance(60_000)
    expect(await ours(keys)).toEqual(keys.map(() => outcome(kind)))
    const writer = begin('read committed')
    await writer.lockKeys(
      keys.map((name) => Buffer.from(name)),
      { mode: 'exclusive', wait: 'block', timeoutMs: 5000 },
    )
    for (const name of keys) await writer.put(Buffer.from(name), Buffer.from('after'))
    await writer.commit()
    expect(await theirs(keys)).toEqual(keys.map(() => 'after'))
  })

  test.each(KINDS)('locks that this client left are cleared by client-go: %s', async (kind) => {
    const keys = names(kind, 'ours')
    await put(keys, 'before')
    await leaveLocks(
      engine,
      capability,
      kind,
      keys.map((name) => Buffer.from(name)),
      Buffer.from('left'),
    )
    fake.cluster.tso.advance(60_000)
    expect(await theirs(keys)).toEqual(keys.map(() => outcome(kind)))
    await ask({ op: 'put', keys, value: 'after' })
    expect(await ours(keys)).toEqual(keys.map(() => 'after'))
  })

  test('one bank for both', { timeout: 120_000 }, async () => {
    const accounts = Array.from({ length: 8 }, (_, i) => `${i % 2 === 0 ? 'a' : 'z'}-account-${i}`)
    await put(accounts, '100')
    const going = ask({ op: 'bank', keys: accounts, transfers: 200 })
    let isOver = false
    void going.finally(() => {
      isOver = true
    })
    let committed = 0
    const worker = async (w: number): Promise<void> => {
      for (let i = 0; !isOver; i++) {
        const [from, to] = [(i * 3 + w) % 8, (i * 5 + w + 1) % 8]
        if (from === to) continue
        const isPessimistic = i % 2 === 0
        const txn = begin('repeatable read', !isPessimistic)
        const keys = [from, to].map((n) => Buffer.from(accounts[n]!))
        try {
          let values: (Buffer | null)[]
          if (isPessimistic) {
            values = (await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: 2000, returnValues: true })).values!
          } else values = await txn.batchGet(keys)
          const [a, b] = values.map((value) => Number(value!.toString()))
          await txn.put(keys[0]!, Buffer.from(String(a! - 1)))
          await txn.put(keys[1]!, Buffer.from(String(b! + 1)))
          await txn.commit()
          committed++
        } catch (error) {
          if (!(error instanceof KvError)) throw error
          expect(['writeConflict', 'deadlock', 'lockTimeout']).toContain(error.kind)
          await txn.rollback()
        }
        const sum = (await ours(accounts)).reduce((total, value) => total + Number(value), 0)
        expect(sum).toBe(800)
      }
    }
    await Promise.all([0, 1, 2].map(worker))
    const { committed: others } = await going
    expect((await theirs(accounts)).reduce((total, value) => total + Number(value), 0)).toBe(800)
    expect(others).toBeGreaterThan(0)
    expect(committed).toBeGreaterThan(0)
    console.log(`mixed bank, ${mode}: ${committed} ours, ${others} of client-go`)
  })
})
