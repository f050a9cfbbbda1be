// What Agg works with: one aggregate call over many groups, its state per group.

import type { Datum, Row } from '../../../base/datum.ts'
import type { Compiled } from '../expr/compiled.ts'

export interface Accumulator {
  /** States for groups up to `groups` exist. */
  ensure(groups: number): void
  /** Takes each row into its group; a negative group is passed over. */
  add(rows: readonly Row[], count: number, groups: Int32Array): void
  /** To be asked (and awaited) after each `add`: work by which what came finds room in files; null when there is none. */
  readonly makeRoom: (() => Promise<void> | null) | null
  /** Work that `result` may not do at once, giving way to the event loop: to be asked (and awaited) before it, until it answers null. */
  readonly prepare: ((group: number) => Promise<void> | null) | null
  /** The group's value; may be asked once, or until long work no longer suspends it; groups in their order. `row`: for direct arguments. */
  result(group: number, row: Row): Datum
  /** Whether long work may suspend `result`. */
  readonly suspends: boolean
  /** Only this group, the last one, goes on, as group 0. */
  keep(group: number): void
  clear(): void
}

/** Arguments as compiled over the input's rows. */
export interface AggregateInput {
  readonly args: readonly Compiled[]
  readonly direct: readonly Compiled[]
  readonly filter: Compiled | null
}

/** What an Agg's table and states hold together. */
export interface AggregateMemory {
  /** Takes the bytes, or throws 53200. */
  charge(bytes: number): void
  /** Whether there is room for so many bytes within work_mem, or the part of it that everyone has; they are taken then. `own`: what one has. */
  tryCharge(bytes: number, own: number): boolean
  release(bytes: number): void
}

/** A number per group, zero at first. */
export class PerGroup {
  /** Another array after `ensure` and `clear`. */
  values = new Float64Array(64)

  ensure(groups: number): void {
    const old = this.values
    if (groups <= old.length) return
    this.values = new Float64Array(Math.max(groups, old.length * 2))
    this.values.set(old)
  }

  /** Only this group goes on, as group 0. */
  keep(group: number): void {
    const value = this.values[group]!
    this.values.fill(0)
    this.values[0] = value
  }

  /** Most runs have few groups, and a fresh array costs more than wiping a small one. */
  clear(): void {
    if (this.values.length > 64) this.values = new Float64Array(64)
    else this.values.fill(0)
  }
}

/** What the states of each group hold. */
export class GroupBytes {
  readonly #bytes = new PerGroup()
  #total = 0

  get total(): number {
    return this.#total
  }

  ensure(groups: number): void {
    this.#bytes.ensure(groups)
  }

  add(group: number, bytes: number): void {
    const { values } = this.#bytes
    values[group] = values[group]! + bytes
    this.#total += bytes
  }

  /** All but this group are given up; answers their bytes. */
  keep(group: number): number {
    const freed = this.#total - this.#bytes.values[group]!
    this.#bytes.keep(group)
    this.#total -= freed
    return freed
  }

  /** The group is given up; answers its bytes. */
  drop(group: number): number {
    const own = this.#bytes.values[group]!
    this.#bytes.values[group] = 0
    this.#total -= own
    return own
  }

  /** All groups are given up; answers their bytes. */
  clear(): number {
    const total = this.#total
    this.#bytes.clear()
    this.#total = 0
    return total
  }
}
