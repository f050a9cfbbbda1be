// DISTINCT whose order does not show (count, sum, min …): a set per group instead of a sort. Where the sets have grown to work_mem, values that
// are in none of them are put off until the group's value is asked for. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { Slicer } from '../../../base/slicer.ts'
import { combineKeys, type HashKey, hashKeyOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, evaluator } from '../expr/compiled.ts'
import { KeyTable } from '../key-table.ts'
import { PartitionedRows, RunCursor } from '../partitioned-rows.ts'
import { type Accumulator, type AggregateMemory, GroupBytes } from './accumulator.ts'

/** An entry of a set, besides a text's characters. */
const SET_ENTRY_BYTES = 48

/** Groups are often many: a set begins with room for so many entries. */
const SMALL_SET = 8

const entryBytes = (key: unknown): number => SET_ENTRY_BYTES + (typeof key === 'string' ? key.length : 0)

/** Rows of values put off begin with their group's number, counted from the first group there ever was. */
const INT8 = 20
const FIRST_VALUE = 1

/** What an aggregate over the distinct rows reads: the values in the rows that `distinctAccumulator` makes. */
export function distinctArguments(count: number): Compiled[] {
  return Array.from({ length: count }, (_, i): Compiled => {
    const slot = FIRST_VALUE + i
    return { async: false, eval: (row) => row[slot]!, slot, constant: false, value: null }
  })
}

const NONE = new KeyTable(SMALL_SET)

/** Rows for the inner aggregate, and the groups they go to. */
class Fresh {
  #rows: Row[] = []
  #groups = new Int32Array(1024)
  count = 0

  add(row: Row, group: number): void {
    if (this.count >= this.#groups.length) {
      const larger = new Int32Array(this.#groups.length * 2)
      larger.set(this.#groups)
      this.#groups = larger
    }
    this.#rows[this.count] = row
    this.#groups[this.count++] = group
  }

  give(inner: Accumulator): void {
    if (this.count === 0) return
    inner.add(this.#rows, this.count, this.#groups)
    this.#rows = []
    this.count = 0
  }
}

/** `inner`: over `distinctArguments`. */
export function distinctAccumulator(
  cx: Compilation,
  inner: Accumulator,
  args: readonly Compiled[],
  types: readonly number[],
  memory: AggregateMemory,
  slicer: Slicer,
): Accumulator {
  const evals = args.map(evaluator)
  const hashes: (HashKey | null)[] = types.map((type) => hashKeyOf(cx, type))
  const n = evals.length
  const held = new GroupBytes()
  const fresh = new Fresh()
  const keys = new Array<unknown>(n)
  const scratch = new Array<Datum>(FIRST_VALUE + n)
  let seen: KeyTable[] = []
  /** The number of group 0. */
  let first = 0
  let putOff = new PartitionedRows(cx, [INT8, ...types])
  /** Those of a group that is not complete yet. */
  let later = new PartitionedRows(cx, [INT8, ...types])

  const keyOf = (values: Row): unknown => {
    for (let k = 0; k < n; k++) {
      const value = values[FIRST_VALUE + k]!
      const hash = hashes[k]!
      keys[k] = value === null || hash === null ? value : hash(value)
    }
    return combineKeys(keys)
  }
  const putOffRow = (to: PartitionedRows, key: unknown, values: Row): void => to.put(combineKeys([values[0], key]), values)

  /** Works off what was put off of the groups before `end`. */
  const settle = async (end: number): Promise<void> => {
    slicer.start()
    // What was put off is in none of these.
    for (let group = 0; group < end; group++) {
      seen[group] = NONE
      memory.release(held.drop(group))
    }
    for (let partition = putOff.next(); partition !== null; partition = putOff.next()) {
      const sets = new Map<number, KeyTable>()
      let charged = 0
      const take = (values: Row): void => {
        const group = (values[0] as number) - first
        const key = keyOf(values)
        if (group >= end) {
          if (!later.open) later.start()
          putOffRow(later, key, values)
          return
        }
        let set = sets.get(group)
        if (putOff.open) {
          if (set === undefined || set.get(key) < 0) putOffRow(putOff, key, values)
          return
        }
        if (set === undefined) {
          set = new KeyTable(SMALL_SET)
          sets.set(group, set)
        }
        if (set.getOrSet(key, 0) >= 0) return
        fresh.add(values, group)
        const bytes = entryBytes(key)
        if (memory.tryCharge(bytes, charged)) charged += bytes
        else putOff.start()
      }
      const rows = new RunCursor(partition.runs[0])
      for (let block = rows.next(); block !== null; block = rows.next()) {
        for (const values of block) take(values)
        fresh.give(inner)
        const pause = slicer.pause()
        if (pause !== null) await pause
      }
      memory.release(charged)
    }
    putOff.clear()
    const swap = putOff
    putOff = later
    later = swap
  }

  /** Whether rows of that group may have been put off. */
  let pendingFrom = Number.POSITIVE_INFINITY
  return {
    suspends: inner.suspends,
    makeRoom: inner.makeRoom,
    prepare(group) {
      if (first + group >= pendingFrom) {
        // The last group may go on: it is worked off when its own value is asked for.
        const last = seen.length - 1
        pendingFrom = group < last ? first + last : Number.POSITIVE_INFINITY
        return settle(group < last ? last : last + 1)
      }
      return inner.prepare?.(group) ?? null
    },
    ensure(groups) {
      while (seen.length < groups) seen.push(new KeyTable(SMALL_SET))
      held.ensure(groups)
      inner.ensure(groups)
    },
    add(rows, count, groups) {
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        for (let k = 0; k < n; k++) scratch[FIRST_VALUE + k] = evals[k]!(rows[i]!)
        scratch[0] = first + g
        const key = keyOf(scratch)
        const set = seen[g]!
        if (putOff.open) {
          if (set.get(key) < 0) putOffRow(putOff, key, scratch)
          continue
        }
        if (set.getOrSet(key, 0) >= 0) continue
        fresh.add(scratch.slice(), g)
        const bytes = entryBytes(key)
        if (memory.tryCharge(bytes, held.total)) held.add(g, bytes)
        else {
          putOff.start()
          pendingFrom = first
        }
      }
      fresh.give(inner)
    },
    result: (group, row) => inner.result(group, row),
    keep(group) {
      seen = [seen[group]!]
      first += group
      memory.release(held.keep(group))
      inner.keep(group)
    },
    clear() {
      seen = []
      first = 0
      pendingFrom = Number.POSITIVE_INFINITY
      putOff.clear()
      later.clear()
      memory.release(held.clear())
      inner.clear()
    },
  }
}
