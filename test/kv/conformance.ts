// What every store must do, run against a store made by a factory. Capabilities say what may be left out; nothing else may.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prefixEnd } from '../../src/base/bytes.ts'
import { CancelToken } from '../../src/base/cancel.ts'
import { PgError } from '../../src/base/errors.ts'
import { timestamp } from '../../src/base/ids.ts'
import { SQLSTATE } from '../../src/base/sqlstate.ts'
import { KvError, type KvErrorKind } from '../../src/storage/kv-error.ts'
import {
  type IsolationLevel,
  type KeyRange,
  type Keyspace,
  LOCK_GONE,
  LOCK_SKIPPED,
  LOCKED,
  LOCKED_CHANGED,
  type LockOptions,
  type ScanOptions,
  type Store,
  type Transaction,
} from '../../src/storage/store.ts'

export interface StoreUnderTest {
  readonly store: Store
  dispose(): Promise<void>
}

export const key = (text: string): Buffer => Buffer.from(`t${text}`)
const bytes = (text: string): Buffer => Buffer.from(text)
export const wholeTable: KeyRange = { start: Buffer.from('t'), end: prefixEnd(Buffer.from('t'))! }
export const exclusive: LockOptions = { mode: 'exclusive', wait: 'block', timeoutMs: 5000 }

export async function drain(txn: Transaction, range: KeyRange, options: ScanOptions = {}): Promise<[string, string][]> {
  const scanner = txn.scan(range, options)
  const entries: [string, string][] = []
  for (;;) {
    const batch = await scanner.next()
    if (batch === null) break
    const { data, bounds } = batch
    for (let i = 0; i < batch.count; i++) {
      entries.push([data.latin1Slice(bounds[4 * i]!, bounds[4 * i + 1]!), data.latin1Slice(bounds[4 * i + 2]!, bounds[4 * i + 3]!)])
    }
  }
  scanner.close()
  return entries
}

export async function failure(work: () => unknown): Promise<KvError> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(KvError)
    return error as KvError
  }
  throw new Error('expected a KvError, got none')
}

async function expectKind(kind: KvErrorKind, work: () => unknown): Promise<KvError> {
  const error = await failure(work)
  expect(error.kind).toBe(kind)
  return error
}

const text = (value: Buffer | null): string | null => (value === null ? null : value.toString('latin1'))
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** True while the promise has not settled after a moment. */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => false,
    () => false,
  )
  return Promise.race([settled, pause(40).then(() => true)])
}

export function describeStore(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`store ${name}`, () => {
    let under: StoreUnderTest
    let store: Store
    let number = 0

    beforeAll(async () => {
      under = await make()
      store = under.store
    })
    afterAll(() => under.dispose())

    const run = Math.random().toString(36).slice(2, 10)
    const fresh = async (): Promise<Keyspace> => store.open(await store.keyspaces.create(`conf-${run}-${number++}`))
    const begin = (keyspace: Keyspace, isolation: IsolationLevel = 'read committed'): Transaction => keyspace.begin({ isolation })

    async function write(keyspace: Keyspace, entries: Record<string, string | null>): Promise<void> {
      const txn = begin(keyspace)
      const keys = Object.keys(entries).map(key)
      await txn.lockKeys(keys, exclusive)
      for (const [name, value] of Object.entries(entries)) {
        if (value === null) await txn.delete(key(name))
        else await txn.put(key(name), bytes(value))
      }
      await txn.commit()
    }
    const lock = (txn: Transaction, name: string, options: Partial<LockOptions> = {}) =>
      txn.lockKeys([key(name)], { ...exclusive, ...options })

    describe('reads and snapshots', () => {
      test('own writes are seen at once, by others after the commit', async () => {
        const keyspace = await fresh()
        const writer = begin(keyspace)
        const reader = begin(keyspace)
        expect(await reader.get(key('a'))).toBeNull()
        await writer.insert(key('a'), bytes('1'))
        expect(text(await writer.get(key('a')))).toBe('1')
        await reader.refreshReadTs()
        expect(await reader.get(key('a'))).toBeNull()
        expect(await writer.commit()).not.toBeNull()
        expect(await reader.get(key('a'))).toBeNull()
        await reader.refreshReadTs()
        expect(text(await reader.get(key('a')))).toBe('1')
        await reader.rollback()
      })

      test('a snapshot keeps seeing what it saw, through updates, deletions and insertions anew', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1', b: '1', c: '1' })
        const first = begin(keyspace, 'repeatable read')
        expect(await drain(first, wholeTable)).toEqual([
          ['ta', '1'],
          ['tb', '1'],
          ['tc', '1'],
        ])
        await write(keyspace, { a: '2', b: null, d: '2' })
        const second = begin(keyspace, 'repeatable read')
        expect(await drain(second, wholeTable)).toEqual([
          ['ta', '2'],
          ['tc', '1'],
          ['td', '2'],
        ])
        await write(keyspace, { a: null, b: '3', c: '3' })
        const third = begin(keyspace, 'repeatable read')
        for (const reverse of [false, true]) {
          const turn = <T>(entries: T[]): T[] => (reverse ? entries.reverse() : entries)
          expect(await drain(first, wholeTable, { reverse })).toEqual(
            turn([
              ['ta', '1'],
              ['tb', '1'],
              ['tc', '1'],
            ]),
          )
          expect(await drain(second, wholeTable, { reverse })).toEqual(
            turn([
              ['ta', '2'],
              ['tc', '1'],
              ['td', '2'],
            ]),
          )
          expect(await drain(third, wholeTable, { reverse })).toEqual(
            turn([
              ['tb', '3'],
              ['tc', '3'],
              ['td', '2'],
            ]),
          )
        }
        expect(text(await first.get(key('b')))).toBe('1')
        expect(await second.get(key('b'))).toBeNull()
        expect((await first.batchGet([key('a'), key('d')])).map(text)).toEqual(['1', null])
        for (const txn of [first, second, third]) await txn.rollback()
      })

      test('the newest versions are read past the snapshot and past locks', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const reader = begin(keyspace)
        expect(text(await reader.get(key('a')))).toBe('1')
        await write(keyspace, { a: '2' })
        await write(keyspace, { b: '1' })
        const locker = begin(keyspace)
        await locker.lockKeys([key('a'), key('b')], exclusive)
        await locker.put(key('a'), bytes('3'))
        await reader.insert(key('c'), bytes('own'))
        expect((await reader.newest([key('a'), key('b'), key('c'), key('d')])).map(text)).toEqual(['2', '1', 'own', null])
        expect(text(await reader.get(key('a')))).toBe('1')
        for (const txn of [reader, locker]) await txn.rollback()
      })

      test('a key that is gone is not locked where only existing ones are wanted', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1', b: '1', c: '1' })
        const late = begin(keyspace)
        expect(text(await late.get(key('a')))).toBe('1')
        await write(keyspace, { a: null, b: '2' })
        const { status } = await late.lockKeys([key('a'), key('b'), key('c')], { ...exclusive, onlyExisting: true })
        expect([...status]).toEqual([LOCK_GONE, LOCKED_CHANGED, LOCKED])
        await write(keyspace, { a: '3' })
        const other = begin(keyspace)
        await expectKind('lockNotAvailable', () => other.lockKeys([key('b')], { ...exclusive, wait: 'nowait' }))
        for (const txn of [late, other]) await txn.rollback()
      })

      test('timestamps grow and a transaction that wrote nothing has none', async () => {
        const keyspace = await fresh()
        const stamps: bigint[] = []
        for (let i = 0; i < 3; i++) {
          const txn = begin(keyspace)
          await txn.insert(key(String(i)), bytes(''))
          stamps.push((await txn.commit())!)
        }
        expect(stamps[0]! < stamps[1]! && stamps[1]! < stamps[2]!).toBe(true)
        const reader = begin(keyspace)
        await reader.get(key('0'))
        expect(await reader.commit()).toBeNull()
      })

      test('scans merge own writes, both ways, with limits and empty values', async () => {
        const keyspace = await fresh()
        await write(keyspace, { b: 'B', d: 'D', f: 'F', h: '' })
        const txn = begin(keyspace)
        for (const name of ['a', 'c', 'e', 'z']) await txn.insert(key(name), bytes(`own ${name}`))
        await lock(txn, 'd')
        await txn.put(key('d'), bytes('own d'))
        await lock(txn, 'f')
        await txn.delete(key('f'))
        const all = [
          ['ta', 'own a'],
          ['tb', 'B'],
          ['tc', 'own c'],
          ['td', 'own d'],
          ['te', 'own e'],
          ['th', ''],
          ['tz', 'own z'],
        ]
        expect(await drain(txn, wholeTable)).toEqual(all)
        expect(await drain(txn, wholeTable, { reverse: true })).toEqual([...all].reverse())
        for (let limit = 1; limit <= 8; limit++) {
          expect(await drain(txn, wholeTable, { limit })).toEqual(all.slice(0, limit))
          expect(await drain(txn, wholeTable, { limit, reverse: true })).toEqual([...all].reverse().slice(0, limit))
        }
        expect(await drain(txn, { start: key('b'), end: key('d') })).toEqual(all.slice(1, 3))
        expect(await drain(txn, { start: key('b'), end: key('d') }, { reverse: true })).toEqual(all.slice(1, 3).reverse())
        expect(await drain(txn, { start: key('b'), end: key('b') })).toEqual([])
        expect((await drain(txn, wholeTable, { keysOnly: true })).map(([k]) => k)).toEqual(all.map(([k]) => k))
        await txn.rollback()
        const after = begin(keyspace)
        expect((await drain(after, wholeTable)).length).toBe(4)
        await after.rollback()
      })

      test('scans of many batches, with own writes strewn in', async () => {
        const keyspace = await fresh()
        const seed = begin(keyspace)
        const expected = new Map<string, string>()
        const name = (n: number): string => n.toString().padStart(6, '0')
        for (let i = 0; i < 5000; i += 2) {
          await seed.insert(key(name(i)), bytes(`s${i}`))
          expected.set(`t${name(i)}`, `s${i}`)
        }
        await seed.commit()
        const txn = begin(keyspace)
        for (let i = 1; i < 5000; i += 6) {
          await txn.insert(key(name(i)), bytes(`o${i}`))
          expected.set(`t${name(i)}`, `o${i}`)
        }
        const entries = [...expected].sort(([a], [b]) => (a < b ? -1 : 1))
        expect(await drain(txn, wholeTable)).toEqual(entries)
        expect(await drain(txn, wholeTable, { reverse: true })).toEqual([...entries].reverse())
        expect(await drain(txn, wholeTable, { limit: 1700 })).toEqual(entries.slice(0, 1700))
        await txn.rollback()
      })

      test('keys of any bytes, and keys that begin with one another', async () => {
        const keyspace = await fresh()
        const names = ['t', 't\0', 't\0\0', 't\0\xff', 't\x01', 'ta', 'taa', 't\xff', 't\xff\xff']
        const txn = begin(keyspace)
        for (const name of names) await txn.insert(Buffer.from(name, 'latin1'), Buffer.from(name, 'latin1'))
        await txn.commit()
        const old = begin(keyspace, 'repeatable read')
        expect((await drain(old, wholeTable)).map(([k]) => k)).toEqual([...names].sort())
        // older versions of keys that are prefixes of each other must not be taken for one another
        const later = begin(keyspace)
        for (const name of names) {
          await later.lockKeys([Buffer.from(name, 'latin1')], exclusive)
          await later.put(Buffer.from(name, 'latin1'), bytes('new'))
        }
        await later.commit()
        expect(await drain(old, wholeTable)).toEqual([...names].sort().map((name) => [name, name]))
        for (const name of names) expect(text(await old.get(Buffer.from(name, 'latin1')))).toBe(name)
        await old.rollback()
      })

      test('large values', async () => {
        const keyspace = await fresh()
        const sizes = [1, 255, 256, 257, 4000, 70_000, 1_000_000, 5_000_000]
        const txn = begin(keyspace)
        for (const size of sizes) await txn.insert(key(`v${size}`), Buffer.alloc(size, size & 0xff))
        await txn.commit()
        const reader = begin(keyspace)
        for (const size of sizes) expect((await reader.get(key(`v${size}`)))!.equals(Buffer.alloc(size, size & 0xff))).toBe(true)
        const seen = (await drain(reader, wholeTable)).map(([, value]) => value.length).sort((a, b) => a - b)
        expect(seen).toEqual(sizes)
        await reader.rollback()
      })

      test('what is read is the caller’s to keep, what is written is copied', async () => {
        const keyspace = await fresh()
        const value = bytes('before')
        const txn = begin(keyspace)
        await txn.insert(key('a'), value)
        value.fill(0)
        const read = (await txn.get(key('a')))!
        expect(text(read)).toBe('before')
        await txn.put(key('a'), bytes('after!'))
        expect(text(read)).toBe('before')
        await txn.commit()
        const reader = begin(keyspace)
        const first = (await reader.get(key('a')))!
        await reader.get(key('b'))
        expect(text(first)).toBe('after!')
        await reader.rollback()
      })
    })

    describe('limits', () => {
      test('keys at the limit pass, above it are refused', async () => {
        const keyspace = await fresh()
        const { maxKeyBytes } = store.capabilities
        const txn = begin(keyspace)
        const longest = Buffer.alloc(maxKeyBytes, 0x74)
        await txn.insert(longest, bytes('x'))
        await expectKind('keyTooLarge', () => txn.insert(Buffer.alloc(maxKeyBytes + 1, 0x74), bytes('x')))
        await txn.commit()
        const again = begin(keyspace)
        await again.lockKeys([longest], exclusive)
        await again.put(longest, bytes('y'))
        await again.commit()
        const reader = begin(keyspace)
        expect(text(await reader.get(longest))).toBe('y')
        await reader.rollback()
      })

      test('a read-only transaction refuses to write', async () => {
        const keyspace = await fresh()
        const txn = keyspace.begin({ isolation: 'read committed', readOnly: true })
        await expectKind('readOnly', () => txn.put(key('a'), bytes('1')))
        await expectKind('readOnly', () => txn.insert(key('a'), bytes('1')))
        await txn.rollback()
      })
    })

    describe('inserting', () => {
      test('an existing key is refused and named; a deleted one may be inserted again', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const txn = begin(keyspace)
        const error = await expectKind('alreadyExists', () => txn.insertMany([key('b'), key('a')], [bytes('2'), bytes('2')]))
        expect(Buffer.from(error.key!).equals(key('a'))).toBe(true)
        await txn.rollback()
        const second = begin(keyspace)
        await lock(second, 'a')
        await second.delete(key('a'))
        await second.insert(key('a'), bytes('again'))
        await expectKind('alreadyExists', () => second.insert(key('a'), bytes('twice')))
        await second.commit()
        const reader = begin(keyspace)
        expect(text(await reader.get(key('a')))).toBe('again')
        await reader.rollback()
      })

      test('two inserters of one key: the second waits, then finds it or not', async () => {
        const keyspace = await fresh()
        for (const outcome of ['commit', 'rollback'] as const) {
          const name = `k-${outcome}`
          const first = begin(keyspace)
          const second = begin(keyspace)
          await first.insert(key(name), bytes('first'))
          const pending = Promise.resolve(second.insert(key(name), bytes('second')))
          pending.catch(() => undefined)
          expect(await waits(pending)).toBe(true)
          await first[outcome]()
          if (outcome === 'commit') await expectKind('alreadyExists', () => pending)
          else await pending
          await second.rollback()
        }
      })
    })

    describe('locks', () => {
      test('an exclusive lock makes others wait, and tells them of the change', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const first = begin(keyspace)
        const second = begin(keyspace)
        expect(text(await second.get(key('a')))).toBe('1')
        expect((await lock(first, 'a', { returnValues: true })).values!.map(text)).toEqual(['1'])
        const pending = Promise.resolve(lock(second, 'a', { returnValues: true }))
        expect(await waits(pending)).toBe(true)
        await first.put(key('a'), bytes('2'))
        await first.commit()
        const result = await pending
        expect([...result.status]).toEqual([LOCKED_CHANGED])
        expect(result.values!.map(text)).toEqual(['2'])
        await second.put(key('a'), bytes('3'))
        await second.commit()
        const reader = begin(keyspace)
        expect(text(await reader.get(key('a')))).toBe('3')
        await reader.rollback()
      })

      test('after a rollback the waiter finds nothing changed', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const first = begin(keyspace)
        const second = begin(keyspace)
        await second.get(key('a'))
        await lock(first, 'a')
        await first.put(key('a'), bytes('2'))
        const pending = Promise.resolve(lock(second, 'a', { returnValues: true }))
        expect(await waits(pending)).toBe(true)
        await first.rollback()
        const result = await pending
        expect([...result.status]).toEqual([LOCKED])
        expect(result.values!.map(text)).toEqual(['1'])
        await second.rollback()
      })

      test('NOWAIT fails at once, SKIP LOCKED answers which', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1', b: '1', c: '1' })
        const holder = begin(keyspace)
        await lock(holder, 'b')
        const other = begin(keyspace)
        await expectKind('lockNotAvailable', () => other.lockKeys([key('a'), key('b')], { ...exclusive, wait: 'nowait' }))
        const skipped = await other.lockKeys([key('a'), key('b'), key('c')], { ...exclusive, wait: 'skip', returnValues: true })
        expect([...skipped.status]).toEqual([LOCKED, LOCK_SKIPPED, LOCKED])
        expect(skipped.values!.map(text)).toEqual(['1', null, '1'])
        await holder.rollback()
        await other.rollback()
      })

      test.each([
        ['locked first', false, true],
        ['locked first, autocommit', true, true],
        ['locked afterwards, autocommit', true, false],
      ])('insert finds a key that exists under an own lock: %s', async (_, autocommit, lockFirst) => {
        const keyspace = await fresh()
        await write(keyspace, { a: 'kept' })
        const txn = keyspace.begin({ isolation: 'read committed', autocommit })
        await expectKind('alreadyExists', async () => {
          if (lockFirst) await lock(txn, 'a')
          await txn.insert(key('a'), bytes('lost'))
          if (!lockFirst) await lock(txn, 'a')
          await txn.put(key('a'), bytes('lost, too'))
          await txn.commit()
        })
        await txn.rollback()
        const reader = begin(keyspace)
        expect(text(await reader.get(key('a')))).toBe('kept')
        await reader.rollback()
      })

      test('all or nothing: a failed call leaves no lock behind', async () => {
        const keyspace = await fresh()
        const holder = begin(keyspace)
        await lock(holder, 'b')
        const failing = begin(keyspace)
        await expectKind('lockNotAvailable', () => failing.lockKeys([key('a'), key('b')], { ...exclusive, wait: 'nowait' }))
        const third = begin(keyspace)
        await lock(third, 'a', { wait: 'nowait' })
        for (const txn of [holder, failing, third]) await txn.rollback()
      })

      test('a wait ends with its time-out or its cancellation, and the queue moves on', async () => {
        const keyspace = await fresh()
        const holder = begin(keyspace)
        await lock(holder, 'a')
        const impatient = begin(keyspace)
        await expectKind('lockTimeout', () => lock(impatient, 'a', { timeoutMs: 30 }))
        const cancel = new CancelToken()
        const cancelled = keyspace.begin({ isolation: 'read committed', cancel })
        const pending = Promise.resolve(lock(cancelled, 'a', { timeoutMs: 0 }))
        pending.catch(() => undefined)
        const next = begin(keyspace)
        const granted = Promise.resolve(lock(next, 'a'))
        expect(await waits(pending)).toBe(true)
        cancel.cancel(new PgError(SQLSTATE.queryCanceled, 'canceling statement due to user request'))
        await expect(pending).rejects.toMatchObject({ code: SQLSTATE.queryCanceled })
        await holder.rollback()
        await granted
        for (const txn of [impatient, cancelled, next]) await txn.rollback()
      })

      test('waiters are served in the order they came', async () => {
        const keyspace = await fresh()
        const holder = begin(keyspace)
        await lock(holder, 'a')
        const order: number[] = []
        const all = [1, 2, 3].map(async (n) => {
          const txn = begin(keyspace)
          await lock(txn, 'a')
          order.push(n)
          await txn.rollback()
        })
        await pause(20)
        await holder.rollback()
        await Promise.all(all)
        expect(order).toEqual([1, 2, 3])
      })

      test('a circle of waits is a deadlock for one of them', async () => {
        const keyspace = await fresh()
        const txns = [0, 1, 2].map(() => begin(keyspace))
        for (let i = 0; i < 3; i++) await lock(txns[i]!, `k${i}`)
        const outcomes = await Promise.all(
          txns.map(async (txn, i) => {
            try {
              await pause(i * 20)
              await lock(txn, `k${(i + 1) % 3}`)
              await txn.rollback()
              return 'locked'
            } catch (error) {
              await txn.rollback()
              return (error as KvError).kind
            }
          }),
        )
        expect(outcomes.filter((outcome) => outcome === 'deadlock').length).toBe(1)
        expect(outcomes.filter((outcome) => outcome === 'locked').length).toBe(2)
      })

      test('locks end with the transaction, and a lock one holds is had', async () => {
        const keyspace = await fresh()
        const txn = begin(keyspace)
        await lock(txn, 'a')
        await lock(txn, 'a')
        await txn.commit()
        const other = begin(keyspace)
        await lock(other, 'a', { wait: 'nowait' })
        await other.rollback()
      })

      test('shared locks: many holders, upgrade, and upgrades that meet', async (context) => {
        if (!store.capabilities.sharedLocks) context.skip('the store has no shared locks')
        const keyspace = await fresh()
        const [a, b, c] = [begin(keyspace), begin(keyspace), begin(keyspace)]
        const shared: Partial<LockOptions> = { mode: 'shared' }
        await lock(a!, 'x', shared)
        await lock(b!, 'x', shared)
        await expectKind('lockNotAvailable', () => lock(c!, 'x', { wait: 'nowait' }))
        const upgrade = Promise.resolve(lock(a!, 'x'))
        upgrade.catch(() => undefined)
        expect(await waits(upgrade)).toBe(true)
        await expectKind('deadlock', () => lock(b!, 'x'))
        await b!.rollback()
        await upgrade
        await expectKind('lockNotAvailable', () => lock(c!, 'x', { ...shared, wait: 'nowait' }))
        await a!.rollback()
        await lock(c!, 'x', shared)
        await c!.rollback()
      })
    })

    describe('isolation', () => {
      test('repeatable read: the first committer wins', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const txn = begin(keyspace, 'repeatable read')
        expect(text(await txn.get(key('a')))).toBe('1')
        await write(keyspace, { a: '2' })
        const error = await expectKind('writeConflict', () => lock(txn, 'a'))
        expect(error.retryable).toBe(true)
        await txn.rollback()
      })

      test('repeatable read waits for the other writer before it fails, or goes on', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        for (const outcome of ['commit', 'rollback'] as const) {
          const first = begin(keyspace)
          const second = begin(keyspace, 'repeatable read')
          await second.get(key('a'))
          await lock(first, 'a')
          await first.put(key('a'), bytes('x'))
          const pending = Promise.resolve(lock(second, 'a'))
          pending.catch(() => undefined)
          expect(await waits(pending)).toBe(true)
          await first[outcome]()
          if (outcome === 'commit') await expectKind('writeConflict', () => pending)
          else await pending
          await second.rollback()
          if (outcome === 'commit') await write(keyspace, { a: '1' })
        }
      })

      test('an autocommit statement whose row changed under it may be retried', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const txn = keyspace.begin({ isolation: 'read committed', autocommit: true })
        expect(text(await txn.get(key('a')))).toBe('1')
        await write(keyspace, { a: '2' })
        const error = await failure(async () => {
          await txn.put(key('a'), bytes('3'))
          await txn.commit()
        })
        expect(error.kind).toBe('writeConflict')
        expect(error.retryable).toBe(true)
        await txn.rollback()
        const again = keyspace.begin({ isolation: 'read committed', autocommit: true })
        expect(text(await again.get(key('a')))).toBe('2')
        await again.put(key('a'), bytes('3'))
        await again.commit()
      })

      test('a commit after its limit is refused whole', async () => {
        const keyspace = await fresh()
        const txn = begin(keyspace)
        await txn.insert(key('a'), bytes('1'))
        await expectKind('schemaChanged', () => txn.commit({ maxCommitTs: timestamp(1n) }))
        const reader = begin(keyspace)
        expect(await reader.get(key('a'))).toBeNull()
        await reader.rollback()
      })

      const serializable = (what: string, body: (keyspace: Keyspace) => Promise<void>): void => {
        test(`serializable: ${what}`, async (context) => {
          if (!store.capabilities.serializable) context.skip('the store does not offer SERIALIZABLE')
          await body(await fresh())
        })
      }

      async function oneFails(work: (() => Promise<unknown>)[]): Promise<void> {
        const kinds: string[] = []
        for (const step of work) {
          try {
            await step()
            kinds.push('ok')
          } catch (error) {
            kinds.push((error as KvError).kind)
          }
        }
        expect(kinds.filter((kind) => kind === 'serialization').length).toBeGreaterThanOrEqual(1)
        expect(kinds.filter((kind) => kind !== 'serialization' && kind !== 'ok')).toEqual([])
      }

      serializable('write skew on two keys', async (keyspace) => {
        await write(keyspace, { a: '1', b: '1' })
        const one = begin(keyspace, 'serializable')
        const two = begin(keyspace, 'serializable')
        for (const txn of [one, two]) await txn.batchGet([key('a'), key('b')])
        await lock(one, 'a')
        await one.put(key('a'), bytes('0'))
        await lock(two, 'b')
        await two.put(key('b'), bytes('0'))
        await oneFails([async () => one.commit(), async () => two.commit()])
      })

      serializable('write skew through a predicate: phantoms', async (keyspace) => {
        const one = begin(keyspace, 'serializable')
        const two = begin(keyspace, 'serializable')
        expect(await drain(one, wholeTable)).toEqual([])
        expect(await drain(two, wholeTable)).toEqual([])
        await one.insert(key('x'), bytes('1'))
        await two.insert(key('y'), bytes('1'))
        await oneFails([async () => one.commit(), async () => two.commit()])
      })

      serializable('the read-only transaction anomaly', async (keyspace) => {
        await write(keyspace, { x: '0', y: '0' })
        const withdraw = begin(keyspace, 'serializable')
        expect((await withdraw.batchGet([key('x'), key('y')])).map(text)).toEqual(['0', '0'])
        const deposit = begin(keyspace, 'serializable')
        await deposit.get(key('y'))
        await lock(deposit, 'y')
        await deposit.put(key('y'), bytes('20'))
        await deposit.commit()
        const report = begin(keyspace, 'serializable')
        expect((await report.batchGet([key('x'), key('y')])).map(text)).toEqual(['0', '20'])
        await report.commit()
        await expectKind('serialization', async () => {
          await lock(withdraw, 'x')
          await withdraw.put(key('x'), bytes('-11'))
          await withdraw.commit()
        })
        await withdraw.rollback()
      })

      serializable('no failure without a cycle', async (keyspace) => {
        await write(keyspace, { a: '1', b: '1', c: '1', d: '1' })
        const one = begin(keyspace, 'serializable')
        const two = begin(keyspace, 'serializable')
        await one.get(key('a'))
        await two.get(key('c'))
        await lock(one, 'b')
        await one.put(key('b'), bytes('2'))
        await lock(two, 'd')
        await two.put(key('d'), bytes('2'))
        await one.commit()
        await two.commit()
      })
    })

    describe('savepoints', () => {
      test('rolling back undoes writes and releases locks taken since, again and again', async () => {
        const keyspace = await fresh()
        await write(keyspace, { a: '1' })
        const txn = begin(keyspace)
        await txn.insert(key('b'), bytes('1'))
        const outer = txn.savepoint()
        await lock(txn, 'a')
        await txn.put(key('a'), bytes('2'))
        await txn.put(key('b'), bytes('2'))
        const inner = txn.savepoint()
        await txn.delete(key('b'))
        await txn.insert(key('c'), bytes('3'))
        expect(await drain(txn, wholeTable)).toEqual([
          ['ta', '2'],
          ['tc', '3'],
        ])
        await txn.rollbackTo(inner)
        expect(await drain(txn, wholeTable)).toEqual([
          ['ta', '2'],
          ['tb', '2'],
        ])
        await txn.rollbackTo(outer)
        expect(await drain(txn, wholeTable)).toEqual([
          ['ta', '1'],
          ['tb', '1'],
        ])
        if (store.kind === 'embedded') {
          const other = begin(keyspace)
          await lock(other, 'a', { wait: 'nowait' })
          await other.rollback()
        }
        await txn.insert(key('c'), bytes('4'))
        await txn.rollbackTo(outer)
        await txn.insert(key('d'), bytes('5'))
        await txn.commit()
        const reader = begin(keyspace)
        expect(await drain(reader, wholeTable)).toEqual([
          ['ta', '1'],
          ['tb', '1'],
          ['td', '5'],
        ])
        await reader.rollback()
      })
    })

    describe('transactions beyond memory', () => {
      const many = 80_000
      const name = (n: number): Buffer => key(n.toString().padStart(8, '0'))

      async function fill(txn: Transaction, from: number, to: number, value: string): Promise<void> {
        for (let i = from; i < to; i += 500) {
          const keys: Buffer[] = []
          for (let n = i; n < Math.min(to, i + 500); n++) keys.push(name(n))
          await txn.insertMany(
            keys,
            keys.map(() => bytes(value)),
          )
        }
      }
      async function count(txn: Transaction): Promise<number> {
        const scanner = txn.scan(wholeTable, { keysOnly: true })
        let total = 0
        for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) total += batch.count
        return total
      }

      test('are invisible until the commit and whole afterwards', async () => {
        const keyspace = await fresh()
        await write(keyspace, { '00000007': 'old' })
        const txn = begin(keyspace)
        await lock(txn, '00000007')
        await txn.delete(key('00000007'))
        await fill(txn, 0, many, 'v')
        expect(await count(txn)).toBe(many)
        expect(text(await txn.get(name(7)))).toBe('v')
        const other = begin(keyspace)
        expect(await count(other)).toBe(1)
        expect(text(await other.get(name(7)))).toBe('old')
        // its locks hold wherever they are kept
        await expectKind('lockNotAvailable', () => other.lockKeys([name(100)], { ...exclusive, wait: 'nowait' }))
        const blocked = Promise.resolve(other.insert(name(200), bytes('mine')))
        blocked.catch(() => undefined)
        expect(await waits(blocked)).toBe(true)
        await txn.commit()
        await expectKind('alreadyExists', () => blocked)
        expect(await count(other)).toBe(1)
        await other.refreshReadTs()
        expect(await count(other)).toBe(many)
        await other.rollback()
        await pause(300)
        const late = begin(keyspace)
        expect(await count(late)).toBe(many)
        await late.rollback()
      })

      test('leave nothing when rolled back', async () => {
        const keyspace = await fresh()
        await write(keyspace, { '00000007': 'old' })
        const txn = begin(keyspace)
        await lock(txn, '00000007')
        await txn.put(key('00000007'), bytes('new'))
        await fill(txn, 8, many, 'v')
        await txn.rollback()
        const reader = begin(keyspace)
        expect(await drain(reader, wholeTable)).toEqual([['t00000007', 'old']])
        await fill(reader, 8, 1000, 'mine')
        await reader.commit()
        await pause(300)
        const late = begin(keyspace)
        expect(await count(late)).toBe(993)
        expect(text(await late.get(name(999)))).toBe('mine')
        await late.rollback()
      })

      test('roll back to savepoints', async () => {
        const keyspace = await fresh()
        const txn = begin(keyspace)
        await fill(txn, 0, 1000, 'first')
        const savepoint = txn.savepoint()
        for (let i = 0; i < 1000; i += 2) await txn.put(name(i), bytes('second'))
        await fill(txn, 1000, many, 'third')
        await txn.delete(name(1))
        expect(await count(txn)).toBe(many - 1)
        await txn.rollbackTo(savepoint)
        expect(await count(txn)).toBe(1000)
        expect(text(await txn.get(name(0)))).toBe('first')
        expect(text(await txn.get(name(1)))).toBe('first')
        await fill(txn, 2000, 2100, 'fourth')
        await txn.commit()
        const reader = begin(keyspace)
        expect(await count(reader)).toBe(1100)
        expect(new Set((await drain(reader, wholeTable)).map(([, v]) => v))).toEqual(new Set(['first', 'fourth']))
        await reader.rollback()
      })
    })

    describe('keyspaces', () => {
      test('nothing of one is seen in another', async () => {
        const [one, two] = [await fresh(), await fresh()]
        await write(one, { a: 'one' })
        await write(two, { a: 'two' })
        const [x, y] = [begin(one), begin(two)]
        expect(text(await x.get(key('a')))).toBe('one')
        expect(text(await y.get(key('a')))).toBe('two')
        // nor do locks meet
        await lock(x, 'a', { wait: 'nowait' })
        await lock(y, 'a', { wait: 'nowait' })
        await x.rollback()
        await y.rollback()
      })

      test('names are unique for ever, states are obeyed, a purge leaves nothing', async () => {
        const { keyspaces } = store
        const label = `life-${run}`
        const meta = await keyspaces.create(label, { purpose: 'test' })
        expect(meta).toMatchObject({ name: label, state: 'enabled', config: { purpose: 'test' } })
        expect(await keyspaces.load(label)).toEqual(meta)
        expect(await keyspaces.loadById(meta.id)).toEqual(meta)
        expect(await keyspaces.load('no-such-keyspace')).toBeNull()
        expect((await keyspaces.list()).some(({ id }) => id === meta.id)).toBe(true)
        await expectKind('keyspaceExists', () => keyspaces.create(label))
        await expectKind('invalidName', () => keyspaces.create('a.b'))
        await expectKind('invalidName', () => keyspaces.create(''))

        const seen: string[] = []
        const stop = keyspaces.watch((changed) => seen.push(`${changed.id} ${changed.state}`))
        const keyspace = await store.open(meta)
        await write(keyspace, { a: '1', b: '2' })
        expect(await keyspace.storageBytes()).toBeGreaterThan(0)
        const disabled = await keyspaces.setState(meta.id, 'disabled')
        expect(disabled.state).toBe('disabled')
        // Tenancy decides who may log in; it reads the roles of a disabled keyspace to do so.
        await store.open(disabled)
        await keyspaces.setState(meta.id, 'enabled')
        const again = await store.open((await keyspaces.load(label))!)
        const reader = begin(again)
        expect(text(await reader.get(key('b')))).toBe('2')
        await reader.rollback()
        expect((await keyspaces.setConfig(meta.id, { purpose: null, tier: 'gold' })).config).toEqual({ tier: 'gold' })
        stop()
        expect(seen).toContain(`${meta.id} disabled`)

        await keyspaces.setState(meta.id, 'archived')
        const erased = await keyspaces.purge(meta.id)
        expect(erased.keysErased).toBeGreaterThanOrEqual(2)
        expect((await keyspaces.purge(meta.id)).keysErased).toBe(0)
        expect((await keyspaces.loadById(meta.id))?.state ?? 'tombstone').toBe('tombstone')
        await expectKind('keyspaceUnavailable', () => store.open(meta))
        await expectKind('keyspaceExists', () => keyspaces.create(label))
        const next = await keyspaces.create(`${label}-2`)
        expect(next.id).not.toBe(meta.id)
        const empty = begin(await store.open(next))
        expect(await drain(empty, wholeTable)).toEqual([])
        await empty.rollback()
      })
    })
  })
}
