// Tables through rows/ on the embedded store: codecs, writers, readers, unique checks, row locks, sequences.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prefixEnd } from '../../../../src/base/bytes.ts'
import type { Datum, Row } from '../../../../src/base/datum.ts'
import { PgError } from '../../../../src/base/errors.ts'
import { indexId, tableId } from '../../../../src/base/ids.ts'
import { SQLSTATE } from '../../../../src/base/sqlstate.ts'
import { builtinTypeSupport } from '../../../../src/sql/types/registry.ts'
import { KvError } from '../../../../src/storage/kv-error.ts'
import { openLmdbStore } from '../../../../src/storage/lmdb/store.ts'
import { scanRange } from '../../../../src/storage/rows/key-codec.ts'
import { gateKey, indexPrefix, keyLockOf, rowKey, rowPrefix, rowRange, tableRange } from '../../../../src/storage/rows/keys.ts'
import type { IndexLayout, TableLayout } from '../../../../src/storage/rows/layout.ts'
import { lockRows, type RowLockMode } from '../../../../src/storage/rows/locks.ts'
import {
  compileEntryReader,
  compileRowEncoder,
  compileRowReader,
  indexCovers,
  storedOrdinals,
} from '../../../../src/storage/rows/row-codec.ts'
import { Sequences } from '../../../../src/storage/rows/sequences.ts'
import { findByUnique, getRow, type RowScanner, scanIndex, scanIndexOnly, scanTable } from '../../../../src/storage/rows/table-reader.ts'
import { compileTableWriter } from '../../../../src/storage/rows/table-writer.ts'
import { type Keyspace, LOCK_GONE, LOCKED, type Store } from '../../../../src/storage/store.ts'

const int4 = builtinTypeSupport(23)
const text = builtinTypeSupport(25)

const violation = (name: string) => () => new PgError(SQLSTATE.uniqueViolation, `duplicate key value violates unique constraint "${name}"`)

function layoutOf(options: Partial<TableLayout> & { id?: TableLayout['id'] } = {}): TableLayout {
  return {
    id: tableId(16400),
    columns: [
      { id: 1, codec: int4, missingDefault: null },
      { id: 2, codec: text, missingDefault: null },
      { id: 3, codec: int4, missingDefault: null },
      { id: 5, codec: text, missingDefault: 'later' },
    ],
    primaryKey: [{ column: 0, descending: false, codec: int4.key! }],
    primaryKeyViolation: violation('t_pkey'),
    indexes: [],
    referenced: false,
    ...options,
  }
}

const index = (id: number, columns: readonly number[], options: Partial<IndexLayout> = {}): IndexLayout => ({
  id: indexId(id),
  unique: false,
  nullsNotDistinct: false,
  parts: columns.map((column) => ({
    column,
    value: null,
    codec: (column === 0 || column === 2 ? int4 : text).key!,
    descending: false,
    nullsFirst: false,
  })),
  include: [],
  predicate: null,
  violation: violation(`i${id}`),
  writes: true,
  ...options,
})

async function rowsOf(scanner: RowScanner): Promise<Row[]> {
  const rows: Row[] = []
  for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) rows.push(...batch.rows)
  scanner.close()
  return rows
}

let store: Store
let keyspace: Keyspace
let dataDir: string
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'pgks-rows-'))
  store = await openLmdbStore({ dataDir })
  keyspace = await store.open(await store.keyspaces.create('rows'))
})
afterAll(async () => {
  await store.close()
  rmSync(dataDir, { recursive: true, force: true })
})
const begin = () => keyspace.begin({ isolation: 'read committed' })
const all = [0, 1, 2, 3]

describe('row codec', () => {
  test('any row comes back, whole or in part', () => {
    const layout = layoutOf()
    const encoder = compileRowEncoder(layout, storedOrdinals(layout))
    const value = fc.oneof(fc.constant(null), fc.string({ maxLength: 40 }))
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        value,
        fc.option(fc.integer({ min: 0, max: 9 })),
        value,
        (a, b, c, d) => {
          const row: Row = [a, b, c, d]
          const stored = Buffer.from(encoder.encode(row))
          const key = rowKey(layout, row, 0)
          for (const wanted of [all, [], [3], [2, 0], [1, 1], [3, 2, 1, 0]]) {
            expect(compileRowReader(layout, wanted).readPair(key, stored)).toEqual(wanted.map((i) => row[i]))
          }
        },
      ),
    )
  })

  test('long rows, columns added later and columns dropped', () => {
    const layout = layoutOf()
    const row: Row = [1, 'x'.repeat(100_000), null, 'y'.repeat(70_000)]
    const stored = Buffer.from(compileRowEncoder(layout, storedOrdinals(layout)).encode(row))
    expect(compileRowReader(layout, all).readPair(rowKey(layout, row, 0), stored)).toEqual(row)

    const { columns } = layout
    const before = layoutOf({ columns: columns.slice(0, 3) })
    const old = Buffer.from(compileRowEncoder(before, storedOrdinals(before)).encode([1, 'b', 3]))
    expect(compileRowReader(layout, all).readPair(rowKey(layout, [1], 0), old)).toEqual([1, 'b', 3, 'later'])
    // column 2 dropped: ids 1, 3, 5
    const dropped = layoutOf({ columns: [columns[0]!, columns[2]!, columns[3]!] })
    expect(compileRowReader(dropped, [0, 1, 2]).readPair(rowKey(layout, row, 0), stored)).toEqual([1, null, row[3]])
    const sparse = Buffer.from(compileRowEncoder(dropped, storedOrdinals(dropped)).encode([1, 7, 'z']))
    expect(compileRowReader(dropped, [2, 1]).readPair(rowKey(layout, row, 0), sparse)).toEqual(['z', 7])
  })

  test('a row of a newer format is refused', () => {
    const layout = layoutOf()
    const stored = Buffer.from(compileRowEncoder(layout, storedOrdinals(layout)).encode([1, 'a', 2, 'b']))
    stored[0] = 2
    expect(() => compileRowReader(layout, all).readPair(rowKey(layout, [1], 0), stored)).toThrow(KvError)
  })
})

describe('keys', () => {
  test('are never shaped as TiDB rows and stay within their table', () => {
    const id = tableId(0x01020304)
    const { start, end } = tableRange(id)
    for (const key of [rowPrefix(id), indexPrefix(id, indexId(70000)), gateKey(id), keyLockOf(rowPrefix(id))]) {
      expect(Buffer.compare(key, start as Buffer) >= 0 && Buffer.compare(key, end as Buffer) < 0).toBe(true)
      expect(key[5]).not.toBe(0)
    }
  })

  test('ranges select what the condition says, whatever direction and NULLs', async () => {
    let id = 17000
    for (const descending of [false, true]) {
      for (const nullsFirst of [false, true]) {
        const base = index(1, [2, 1])
        const parts = base.parts.map((part) => ({ ...part, descending, nullsFirst }))
        const layout = layoutOf({ id: tableId(id++), indexes: [{ ...base, parts }] })
        const only = layout.indexes[0]!
        const txn = begin()
        const rows: Row[] = []
        let pk = 0
        for (const c of [null, -5, 0, 3, 7]) for (const b of [null, '', 'a', 'ab', 'b']) rows.push([pk++, b, c, 'd'])
        await compileTableWriter(layout).insert(txn, rows, null)
        const prefix = indexPrefix(layout.id, only.id)
        const select = async (equal: Datum[], range: Parameters<typeof scanRange>[3]): Promise<Row[]> =>
          rowsOf(scanIndex(txn, layout, only, compileRowReader(layout, [0]), { range: scanRange(prefix, parts, equal, range) }))
        const ids = (found: Row[]): number[] => found.map((row) => row[0] as number).sort((a, b) => a - b)
        const where = (test: (row: Row) => boolean): number[] => rows.filter(test).map((row) => row[0] as number)
        const low = (value: NonNullable<Datum>, inclusive: boolean) => ({ value, inclusive })
        expect(ids(await select([], null))).toEqual(where(() => true))
        expect(ids(await select([3], null))).toEqual(where((r) => r[2] === 3))
        expect(ids(await select([null], null))).toEqual(where((r) => r[2] === null))
        expect(ids(await select([], { low: null, high: null }))).toEqual(where((r) => r[2] !== null))
        for (const inclusive of [false, true]) {
          const within = (value: number | string, bound: number | string, up: boolean): boolean =>
            (up ? value > bound : value < bound) || (inclusive && value === bound)
          expect(ids(await select([], { low: low(0, inclusive), high: null }))).toEqual(
            where((r) => r[2] !== null && within(r[2] as number, 0, true)),
          )
          expect(ids(await select([], { low: null, high: low(3, inclusive) }))).toEqual(
            where((r) => r[2] !== null && within(r[2] as number, 3, false)),
          )
          expect(ids(await select([7], { low: low('a', inclusive), high: null }))).toEqual(
            where((r) => r[2] === 7 && r[1] !== null && within(r[1] as string, 'a', true)),
          )
          expect(ids(await select([7], { low: low('a', inclusive), high: low('b', inclusive) }))).toEqual(
            where((r) => r[2] === 7 && r[1] !== null && within(r[1] as string, 'a', true) && within(r[1] as string, 'b', false)),
          )
        }
        expect(await select([], { low: low(3, false), high: low(0, false) })).toEqual([])
        await txn.rollback()
      }
    }
  })
})

describe('tables', () => {
  const unique = index(2, [1], { unique: true })
  const covering = index(3, [2], { include: [3] })
  const partial = index(4, [1], { predicate: (row) => row[2] !== null && (row[2] as number) > 10 })
  const expression = index(5, [0], {
    parts: [{ column: -1, value: (row) => (row[0] as number) % 2, codec: int4.key!, descending: false, nullsFirst: false }],
  })
  const layout = layoutOf({ id: tableId(18000), indexes: [unique, covering, partial, expression] })
  const writer = compileTableWriter(layout)
  const reader = compileRowReader(layout, all)

  /** Every index must hold exactly the entries its rows ask for. */
  async function agree(txn: ReturnType<typeof begin>): Promise<Row[]> {
    const rows = await rowsOf(scanTable(txn, reader, { range: rowRange(layout.id) }))
    for (const each of layout.indexes) {
      const prefix = indexPrefix(layout.id, each.id)
      const found = await rowsOf(scanIndex(txn, layout, each, reader, { range: { start: prefix, end: prefixEnd(prefix)! } }))
      const expected = rows.filter((row) => each.predicate === null || each.predicate(row))
      const byKey = (a: Row, b: Row): number => (a[0] as number) - (b[0] as number)
      expect([...found].sort(byKey)).toEqual([...expected].sort(byKey))
    }
    return rows
  }

  test('random inserts, updates and deletes keep indexes and rows together', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            what: fc.constantFrom('insert', 'update', 'delete'),
            a: fc.integer({ min: 0, max: 12 }),
            to: fc.integer({ min: 0, max: 12 }),
            b: fc.option(fc.constantFrom('x', 'y', 'z', 'w')),
            c: fc.option(fc.integer({ min: 0, max: 20 })),
          }),
          { maxLength: 40 },
        ),
        async (steps) => {
          const txn = begin()
          const model = new Map<number, Row>()
          for (const { what, a, to, b, c } of steps) {
            const savepoint = txn.savepoint()
            try {
              const old = model.get(a)
              if (what === 'insert') {
                await writer.insert(txn, [[a, b, c, 'd']], null)
                model.set(a, [a, b, c, 'd'])
              } else if (old !== undefined && what === 'update') {
                await writer.update(txn, [rowKey(layout, old, 0)], [old], [[to, b, c, 'e']])
                model.delete(a)
                model.set(to, [to, b, c, 'e'])
              } else if (old !== undefined) {
                await writer.delete(txn, [rowKey(layout, old, 0)], [old])
                model.delete(a)
              }
            } catch (error) {
              expect(error).toMatchObject({ code: SQLSTATE.uniqueViolation })
              const duplicate = [...model.values()].some((row) => row[0] === to || row[0] === a || (b !== null && row[1] === b))
              expect(duplicate).toBe(true)
              await txn.rollbackTo(savepoint)
            }
          }
          const byKey = (x: Row, y: Row): number => (x[0] as number) - (y[0] as number)
          expect(await agree(txn)).toEqual([...model.values()].sort(byKey))
          await txn.rollback()
        },
      ),
      { numRuns: 60 },
    )
  })

  test('duplicates name the constraint; NULLs are distinct; conflicts are found for ON CONFLICT', async () => {
    const txn = begin()
    const keys = await writer.insert(
      txn,
      [
        [1, 'one', 1, 'd'],
        [2, null, 1, 'd'],
        [3, null, 1, 'd'],
      ],
      null,
    )
    await txn.commit()
    const again = begin()
    const clean = again.savepoint()
    await expect(async () => writer.insert(again, [[1, 'other', 1, 'd']], null)).rejects.toThrow(/t_pkey/)
    await expect(async () => writer.insert(again, [[9, 'one', 1, 'd']], null)).rejects.toThrow(/i2/)
    await again.rollbackTo(clean)
    const rows: Row[] = [
      [1, 'new', 1, 'd'],
      [9, 'one', 1, 'd'],
      [9, 'fresh', 1, 'd'],
    ]
    const conflicts = await writer.findConflicts(again, rows, [null, unique], { wait: 'block', timeoutMs: 1000 })
    expect(conflicts.map(({ row, index: at, key }) => [row, at === null ? 'pk' : 'i2', key.equals(keys[0]!)])).toEqual([
      [0, 'pk', true],
      [1, 'i2', true],
    ])
    expect(
      (
        await findByUnique(again, layout, unique, [
          [0, 'one'],
          [0, null],
          [0, 'none'],
        ])
      ).map((key) => key?.equals(keys[0]!) ?? null),
    ).toEqual([true, null, null])
    expect(await getRow(again, reader, keys[1]!)).toEqual([2, null, 1, 'd'])
    await again.rollback()
  })

  test('index-only scans answer covered columns and the row keys', async () => {
    expect(indexCovers(layout, covering, [2, 3, 0])).toBe(true)
    expect(indexCovers(layout, covering, [1])).toBe(false)
    const txn = begin()
    await writer.insert(
      txn,
      [
        [21, 'q', 5, 'inc'],
        [20, 'r', 5, 'luded'],
        [22, 's', null, null],
      ],
      null,
    )
    const prefix = indexPrefix(layout.id, covering.id)
    const entry = compileEntryReader(layout, covering, [3, 0, 2])
    const range = scanRange(prefix, covering.parts, [5], null)
    const scanner = scanIndexOnly(txn, entry, { range, withKeys: true })
    const batch = (await scanner.next())!
    scanner.close()
    expect(batch.rows).toEqual([
      ['luded', 20, 5],
      ['inc', 21, 5],
    ])
    expect(batch.keys!.map((key) => key.equals(rowKey(layout, [batch.rows[0]![1]!], 0)))).toEqual([true, false])
    expect(await rowsOf(scanIndexOnly(txn, entry, { range: { start: prefix, end: prefixEnd(prefix)! }, reverse: true, limit: 1 }))).toEqual(
      [[null, 22, null]],
    )
    await txn.rollback()
  })

  test('tables without a primary key', async () => {
    const heap = layoutOf({ id: tableId(18001), primaryKey: null, primaryKeyViolation: null, indexes: [index(1, [2])] })
    const sequences = new Sequences(keyspace)
    const txn = begin()
    const rows: Row[] = [
      [1, 'a', 1, 'x'],
      [1, 'a', 1, 'x'],
      [2, 'b', null, 'y'],
    ]
    const ids = await sequences.rowIds(heap.id, rows.length)
    expect(new Set(ids).size).toBe(3)
    await compileTableWriter(heap).insert(txn, rows, ids)
    expect(await rowsOf(scanTable(txn, compileRowReader(heap, all), { range: rowRange(heap.id) }))).toEqual(rows)
    await txn.rollback()
  })
})

describe('row locks conflict as PostgreSQL’s do', () => {
  const modes: RowLockMode[] = ['key share', 'share', 'no key update', 'update', 'removal']
  const conflicts: Record<RowLockMode, RowLockMode[]> = {
    'key share': ['update', 'removal'],
    share: ['no key update', 'update', 'removal'],
    'no key update': ['share', 'no key update', 'update', 'removal'],
    update: modes,
    removal: modes,
  }
  const layout = layoutOf({ id: tableId(18002) })
  const row: Row = [1, 'locked', null, 'x']
  const key = rowKey(layout, row, 0)
  beforeAll(async () => {
    const txn = begin()
    await compileTableWriter(layout).insert(txn, [row], null)
    await txn.commit()
  })
  for (const held of modes) {
    for (const wanted of modes) {
      test(`${wanted} while ${held} is held`, async () => {
        const [first, second] = [begin(), begin()]
        await lockRows(first, store.capabilities, [key], held, { wait: 'block', timeoutMs: 0 })
        const attempt = async () => lockRows(second, store.capabilities, [key], wanted, { wait: 'nowait', timeoutMs: 0 })
        if (conflicts[held].includes(wanted)) await expect(attempt()).rejects.toMatchObject({ kind: 'lockNotAvailable' })
        else await attempt()
        await first.rollback()
        await second.rollback()
      })
    }
  }

  test('a row that is gone is told of and not locked', async () => {
    const gone = rowKey(layout, [2, null, null, null], 0)
    for (const mode of ['share', 'no key update', 'update'] as const) {
      const [first, second] = [begin(), begin()]
      const { status } = await lockRows(first, store.capabilities, [gone, key], mode, { wait: 'block', timeoutMs: 0 })
      expect([...status]).toEqual([LOCK_GONE, LOCKED])
      await second.lockKeys([gone], { mode: 'exclusive', wait: 'nowait', timeoutMs: 0 })
      await first.rollback()
      await second.rollback()
    }
  })

  test('who waits for the key of a row that is deleted meanwhile is told', async () => {
    const layout = layoutOf({ id: tableId(18003), referenced: true })
    const writer = compileTableWriter(layout)
    const setup = begin()
    const rows: Row[] = [[1, 'parent', null, 'x']]
    const keys = await writer.insert(setup, rows, null)
    await setup.commit()
    const child = begin()
    expect(await child.get(keys[0]!)).not.toBeNull()
    const deleter = begin()
    await lockRows(deleter, store.capabilities, keys, 'update', { wait: 'block', timeoutMs: 0 })
    const waiting = Promise.resolve(lockRows(child, store.capabilities, keys, 'key share', { wait: 'block', timeoutMs: 0 }))
    await writer.delete(deleter, keys, rows)
    await deleter.commit()
    expect([...(await waiting).status]).toEqual([1])
    await child.refreshReadTs()
    expect(await child.get(keys[0]!)).toBeNull()
    await child.rollback()
  })
})

describe('sequences', () => {
  const parameters = { name: 's', start: 1n, increment: 1n, min: 1n, max: 2n ** 63n - 1n, cycle: false }
  const take = async (sequences: Sequences, id: number, count: number, other = parameters): Promise<(number | bigint)[]> => {
    const values: (number | bigint)[] = []
    for (let i = 0; i < count; i++) values.push(await sequences.nextval(id, other))
    return values
  }

  test('count up, never twice, also for two holders and after a crash', async () => {
    const one = new Sequences(keyspace)
    const two = new Sequences(keyspace)
    expect(await take(one, 1, 3)).toEqual([1, 2, 3])
    const mixed = (await Promise.all([take(one, 1, 100), take(two, 1, 100), take(one, 1, 100)])).flat()
    const after = await take(new Sequences(keyspace), 1, 10)
    expect(new Set([...mixed, ...after]).size).toBe(310)
  })

  test('a fresh sequence shows its start; setval takes effect', async () => {
    const sequences = new Sequences(keyspace)
    expect(await sequences.state(2, parameters)).toEqual({ lastValue: 1n, isCalled: false })
    expect(await take(sequences, 2, 2)).toEqual([1, 2])
    expect(await sequences.state(2, parameters)).toEqual({ lastValue: 2n, isCalled: true })
    await sequences.setval(2, parameters, 41n, true)
    expect(await sequences.state(2, parameters)).toEqual({ lastValue: 41n, isCalled: true })
    expect(await take(sequences, 2, 1)).toEqual([42])
    await sequences.setval(2, parameters, 7n, false)
    expect(await take(sequences, 2, 1)).toEqual([7])
    await expect(sequences.setval(2, parameters, 0n, true)).rejects.toMatchObject({ code: SQLSTATE.numericValueOutOfRange })
  })

  test('end at their bounds, or cycle; large values are bigints', async () => {
    const sequences = new Sequences(keyspace)
    const small = { ...parameters, max: 3n }
    expect(await take(sequences, 3, 3, small)).toEqual([1, 2, 3])
    await expect(take(sequences, 3, 1, small)).rejects.toMatchObject({ code: SQLSTATE.sequenceGeneratorLimitExceeded })
    expect(await take(sequences, 4, 5, { ...small, cycle: true })).toEqual([1, 2, 3, 1, 2])
    const down = { ...parameters, start: -1n, increment: -2n, min: -6n, max: -1n }
    expect(await take(sequences, 5, 3, down)).toEqual([-1, -3, -5])
    await expect(take(sequences, 5, 1, down)).rejects.toThrow(/minimum value/)
    expect(await take(sequences, 6, 2, { ...parameters, start: 2n ** 53n - 1n })).toEqual([2 ** 53 - 1, 2n ** 53n])
  })
})
