// Compares every index of a table with the table: each row has exactly the entries it must have, and no entry is without its row.

import type { Datum, Row } from '../../src/base/datum.ts'
import type { RelationDescriptor } from '../../src/catalog/descriptors.ts'
import type { Compilation } from '../../src/sql/executor/compilation.ts'
import { accessOf } from '../../src/sql/executor/table-layout.ts'
import { indexKey, indexRange, rowRange } from '../../src/storage/rows/keys.ts'
import { compileRowReader } from '../../src/storage/rows/row-codec.ts'
import type { Transaction } from '../../src/storage/store.ts'

async function entries(txn: Transaction, range: { start: Uint8Array; end: Uint8Array }): Promise<[Buffer, Buffer][]> {
  const found: [Buffer, Buffer][] = []
  const scanner = txn.scan(range)
  for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) {
    for (let i = 0, at = 0; i < batch.count; i++, at += 4) {
      const cut = (from: number): Buffer => Buffer.from(batch!.data.subarray(batch!.bounds[from]!, batch!.bounds[from + 1]!))
      found.push([cut(at), cut(at + 2)])
    }
  }
  scanner.close()
  return found
}

/** What is wrong, in words; empty when all is well. `cx.state.txn` reads. */
export async function checkIndexes(descriptor: RelationDescriptor, cx: Compilation): Promise<string[]> {
  const access = accessOf(descriptor, cx)
  const { layout } = access
  const { txn } = cx.state
  const kept = descriptor.columns.map((_, i) => i).filter((i) => !descriptor.columns[i]!.dropped)
  const reader = compileRowReader(layout, kept)
  const rows: { key: Buffer; row: Row }[] = []
  for (const [key, value] of await entries(txn, rowRange(layout.id))) {
    const read = reader.readPair(key, value)
    const row: Datum[] = new Array(descriptor.columns.length).fill(null)
    for (let i = 0; i < kept.length; i++) row[kept[i]!] = read[i]!
    rows.push({ key, row })
  }
  const problems: string[] = []
  for (const { descriptor: index, layout: indexLayout } of access.indexes.values()) {
    if (indexLayout === null || index.state !== 'public') continue
    const wanted = new Map<string, Buffer>()
    for (const { key, row } of rows) {
      if (indexLayout.predicate !== null && !indexLayout.predicate(row)) continue
      wanted.set(indexKey(layout, indexLayout, row, key).key.toString('hex'), key)
    }
    const found = new Set((await entries(txn, indexRange(layout.id, indexLayout.id))).map(([key]) => key.toString('hex')))
    for (const [entry, key] of wanted)
      if (!found.has(entry)) problems.push(`${index.name}: row ${key.toString('hex')} has no entry ${entry}`)
    for (const entry of found) if (!wanted.has(entry)) problems.push(`${index.name}: entry ${entry} has no row`)
  }
  return problems
}
