// A random sample of a table's rows, drawn while they stream by: every row has the same chance, at most `size` rows (and a bounded number of
// bytes) are held, and a row that is not taken is not decoded. Of a table known to be large only short runs of rows at many places of its keys
// are read. // hot

import type { Row } from '../../base/datum.ts'
import { LIMITS } from '../../base/limits.ts'
import { runSteps } from '../../base/long-work.ts'
import { mergeSort } from '../../base/merge-sort.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { rowRange } from '../../storage/rows/keys.ts'
import { compileRowReader } from '../../storage/rows/row-codec.ts'
import type { KeyRange, KvBatch, ScanOptions } from '../../storage/store.ts'
import type { Compilation } from './compilation.ts'
import type { TableAccess } from './table-layout.ts'

export interface TableSample {
  /** Full rows in the table's own order; columns not asked for are NULL. */
  readonly rows: readonly Row[]
  readonly totalRows: number
  /** Of all keys and values. */
  readonly totalBytes: number
}

/** Rows chosen so far, by Li's algorithm L: how many rows to pass over before the next one is taken is known in advance. */
class Reservoir {
  readonly rows: { at: number; bytes: number; row: Row }[] = []
  #size: number
  #weight = 1
  #bytes = 0
  /** The next row to be taken. */
  next = 0

  constructor(size: number) {
    this.#size = size
  }

  add(at: number, bytes: number, row: Row): void {
    if (this.rows.length < this.#size) {
      this.rows.push({ at, bytes, row })
      this.#bytes += bytes
    } else {
      const victim = Math.floor(Math.random() * this.#size)
      this.#bytes += bytes - this.rows[victim]!.bytes
      this.rows[victim] = { at, bytes, row }
    }
    if (this.#bytes > LIMITS.sampleBytes && this.rows.length > 1) this.#halve()
    this.#skip(at)
  }

  #skip(at: number): void {
    if (this.rows.length < this.#size) {
      this.next = at + 1
      return
    }
    this.#weight *= Math.exp(Math.log(1 - Math.random()) / this.#size)
    this.next = at + 1 + Math.floor(Math.log(1 - Math.random()) / Math.log(1 - this.#weight))
  }

  /** A random half of a random sample is one. The reservoir then is as if it had had that size from the start. */
  #halve(): void {
    const keep = Math.max(1, this.rows.length >> 1)
    for (let i = 0; i < keep; i++) {
      const other = i + Math.floor(Math.random() * (this.rows.length - i))
      ;[this.rows[i], this.rows[other]] = [this.rows[other]!, this.rows[i]!]
    }
    this.rows.length = keep
    this.#bytes = this.rows.reduce((sum, kept) => sum + kept.bytes, 0)
    this.#size = keep
  }
}

/** A table known to have more rows is not read whole: rows are taken at many places of its keys. */
const READ_WHOLE = 1_000_000
/** Rows read at one place. */
const PLACE_ROWS = 128
/** Bytes behind the shared beginning of all keys by which places are told apart. */
const DIGITS = 8

export async function sampleTable(
  access: TableAccess,
  wanted: readonly number[],
  size: number,
  knownRows: number | null,
  cx: Compilation,
): Promise<TableSample> {
  const { layout, descriptor } = access
  const reader = compileRowReader(layout, wanted)
  const width = descriptor.columns.length
  const slicer = makeSlicer(cx.state)
  slicer.start()
  const reservoir = new Reservoir(size)
  let read = 0
  let bytes = 0
  const take = ({ data, bounds, count }: KvBatch): void => {
    for (let i = 0; i < count * 4; i += 2) bytes += bounds[i + 1]! - bounds[i]!
    while (reservoir.next < read + count) {
      const i = (reservoir.next - read) * 4
      const decoded = reader.read(data, bounds[i]!, bounds[i + 1]!, bounds[i + 2]!, bounds[i + 3]!)
      const row: Row = new Array(width).fill(null)
      for (let k = 0; k < wanted.length; k++) row[wanted[k]!] = decoded[k]!
      reservoir.add(reservoir.next, bounds[i + 3]! - bounds[i]!, row)
    }
    read += count
  }
  const readRange = async (range: KeyRange, options?: ScanOptions): Promise<void> => {
    const scanner = cx.state.txn.scan(range, options)
    try {
      for (;;) {
        const next = scanner.next()
        const batch = next instanceof Promise ? await next : next
        if (batch === null) return
        take(batch)
        const pause = slicer.pause()
        if (pause !== null) await pause
      }
    } finally {
      scanner.close()
    }
  }
  const whole = rowRange(layout.id)
  const places = knownRows !== null && knownRows > READ_WHOLE ? await placesOf(whole, Math.ceil(size / PLACE_ROWS), cx) : []
  if (places.length === 0) await readRange(whole)
  for (const [i, start] of places.entries()) await readRange({ start, end: places[i + 1] ?? whole.end }, { limit: PLACE_ROWS })
  const inOrder = await runSteps(
    mergeSort(reservoir.rows, (a, b) => a.at - b.at),
    () => slicer.pause(),
  )
  const scale = places.length === 0 || read === 0 ? 1 : knownRows! / read
  return { rows: inOrder.map((taken) => taken.row), totalRows: Math.round(read * scale), totalBytes: Math.round(bytes * scale) }
}

/** Keys spread evenly between the first and the last one, the first among them; none where the table is empty. */
async function placesOf(range: KeyRange, count: number, cx: Compilation): Promise<Buffer[]> {
  const first = await edge(range, false, cx)
  const last = await edge(range, true, cx)
  if (first === null || last === null) return []
  let shared = 0
  while (shared < first.length && first[shared] === last[shared]) shared++
  const numberOf = (key: Buffer): bigint => {
    const digits = Buffer.alloc(DIGITS)
    key.copy(digits, 0, shared)
    return digits.readBigUInt64BE()
  }
  const [from, to] = [numberOf(first), numberOf(last)]
  const prefix = first.subarray(0, shared)
  const places = [first]
  for (let i = 1; i < count; i++) {
    const tail = Buffer.alloc(DIGITS)
    tail.writeBigUInt64BE(from + ((to - from) * BigInt(i)) / BigInt(count))
    const place = Buffer.concat([prefix, tail])
    if (Buffer.compare(place, places[places.length - 1]!) > 0) places.push(place)
  }
  return places
}

async function edge(range: KeyRange, reverse: boolean, cx: Compilation): Promise<Buffer | null> {
  const scanner = cx.state.txn.scan(range, { limit: 1, keysOnly: true, reverse })
  try {
    const batch = await scanner.next()
    return batch === null ? null : Buffer.from(batch.data.subarray(batch.bounds[0]!, batch.bounds[1]!))
  } finally {
    scanner.close()
  }
}
