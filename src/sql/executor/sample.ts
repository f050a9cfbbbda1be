// A random sample of a table's rows, drawn while they stream by: every row has the same chance, at most `size` rows (and a bounded number of
// bytes) are held, and a row that is not taken is not decoded. // hot

import type { Row } from '../../base/datum.ts'
import { LIMITS } from '../../base/limits.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { rowRange } from '../../storage/rows/keys.ts'
import { compileRowReader } from '../../storage/rows/row-codec.ts'
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

export async function sampleTable(access: TableAccess, wanted: readonly number[], size: number, cx: Compilation): Promise<TableSample> {
  const { layout, descriptor } = access
  const reader = compileRowReader(layout, wanted)
  const width = descriptor.columns.length
  const scanner = cx.state.txn.scan(rowRange(layout.id))
  const slicer = makeSlicer(cx.state)
  slicer.start()
  const reservoir = new Reservoir(size)
  let totalRows = 0
  let totalBytes = 0
  try {
    for (;;) {
      const next = scanner.next()
      const batch = next instanceof Promise ? await next : next
      if (batch === null) break
      const { data, bounds, count } = batch
      for (let i = 0; i < count * 4; i += 2) totalBytes += bounds[i + 1]! - bounds[i]!
      while (reservoir.next < totalRows + count) {
        const i = (reservoir.next - totalRows) * 4
        const decoded = reader.read(data, bounds[i]!, bounds[i + 1]!, bounds[i + 2]!, bounds[i + 3]!)
        const row: Row = new Array(width).fill(null)
        for (let k = 0; k < wanted.length; k++) row[wanted[k]!] = decoded[k]!
        reservoir.add(reservoir.next, bounds[i + 3]! - bounds[i]!, row)
      }
      totalRows += count
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
  } finally {
    scanner.close()
  }
  reservoir.rows.sort((a, b) => a.at - b.at)
  return { rows: reservoir.rows.map((taken) => taken.row), totalRows, totalBytes }
}
