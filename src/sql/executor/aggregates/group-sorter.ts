// Rows of many groups that found no room: sorted by group and keys in spill files, read back group by group. // hot

import type { Row } from '../../../base/datum.ts'
import type { Oid } from '../../../base/ids.ts'
import type { Slicer } from '../../../base/slicer.ts'
import type { SortKey } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { rowSize } from '../row-size.ts'
import { RowSorter } from '../row-sorter.ts'

/** Rows read at once, and their bytes. */
const ROWS_AT_ONCE = 256
const BYTES_AT_ONCE = 256 * 1024

/** int8 and its `<` and `=`. */
const GROUP_KEY: SortKey = { slot: 1, sortOp: 412, eqOp: 410, collation: 0, type: 20, descending: false, nullsFirst: false }

/** The next rows of a sorter, none at its end. */
function portion(sorter: RowSorter): Row[] {
  const rows: Row[] = []
  let bytes = 0
  for (let n = 0; n < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE; n++) {
    if (sorter.read(rows, n, n + 1) === n) break
    bytes += rowSize(rows[n]!)
  }
  return rows
}

/** The rows begin with their group's number; `types` and `keys` are of what follows it. */
export class GroupSorter {
  readonly #cx: Compilation
  readonly #types: readonly Oid[]
  readonly #keys: readonly SortKey[]
  readonly #slicer: Slicer
  #sorter: RowSorter | null = null
  #reading = false
  #rows: Row[] = []
  #at = 0

  constructor(cx: Compilation, types: readonly Oid[], keys: readonly SortKey[], slicer: Slicer) {
    this.#cx = cx
    this.#types = [GROUP_KEY.type, ...types]
    this.#keys = [GROUP_KEY, ...keys.map((key) => ({ ...key, slot: key.slot + 1 }))]
    this.#slicer = slicer
  }

  async add(rows: readonly Row[]): Promise<void> {
    if (this.#reading) await this.#readAgain()
    this.#sorter ??= this.#start()
    await this.#sorter.add(rows, rows.length)
  }

  #start(): RowSorter {
    const sorter = new RowSorter(this.#cx, this.#types, this.#keys, this.#slicer)
    sorter.start(Number.POSITIVE_INFINITY)
    return sorter
  }

  /** A group that has been sorted goes on: what was not read of it is sorted once more, with what comes. */
  async #readAgain(): Promise<void> {
    const before = this.#sorter
    let rows = this.#rows.slice(this.#at)
    this.#sorter = this.#start()
    this.#reading = false
    this.#rows = []
    this.#at = 0
    while (rows.length > 0) {
      await this.#sorter.add(rows, rows.length)
      rows = before === null ? [] : portion(before)
      const pause = this.#slicer.pause()
      if (pause !== null) await pause
    }
    before?.clear()
  }

  /** Before `read`. */
  async sort(): Promise<void> {
    if (this.#reading) return
    await this.#sorter?.finish()
    this.#reading = true
  }

  /** Whether there are rows that were not read. */
  get more(): boolean {
    if (this.#at < this.#rows.length) return true
    this.#rows = this.#sorter === null ? [] : portion(this.#sorter)
    this.#at = 0
    return this.#rows.length > 0
  }

  /** Some rows of the group, those of groups before having been read; null: it has no more. */
  read(group: number): Row[] | null {
    if (!this.more) return null
    const rows = this.#rows
    const from = this.#at
    while (this.#at < rows.length && rows[this.#at]![0] === group) this.#at++
    return this.#at > from ? rows.slice(from, this.#at) : null
  }

  clear(): void {
    this.#sorter?.clear()
    this.#sorter = null
    this.#reading = false
    this.#rows = []
    this.#at = 0
  }
}
