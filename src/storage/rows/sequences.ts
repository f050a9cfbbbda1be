// Sequences: numbers that nobody gets twice, crash or not. State lies under one key per sequence; values are taken in blocks by a transaction
// of its own, so a crash (or a lost block) leaves a gap, as PostgreSQL's log-ahead of 32 does. Blocks grow while they are used up quickly.

import { PgError } from '../../base/errors.ts'
import type { TableId } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { Keyspace, Transaction } from '../store.ts'
import { rowIdKey, sequenceKey } from './keys.ts'

export interface SequenceParameters {
  /** For messages. */
  readonly name: string
  readonly start: bigint
  readonly increment: bigint
  readonly min: bigint
  readonly max: bigint
  readonly cycle: boolean
}

export interface SequenceState {
  readonly lastValue: bigint
  readonly isCalled: boolean
}

/** One to give out and PostgreSQL's 32 ahead. */
const FIRST_BLOCK = 33
const LARGEST_BLOCK = 4096
/** Row ids are 48 bits of which nobody sees a gap: a load takes so many at once that it need not wait for each other batch's. */
const LARGEST_ROW_ID_BLOCK = 1 << 18
/** A block used up within this time makes the next one larger. */
const QUICK_MS = 1000
const LOCK_TIMEOUT_MS = 10_000
/** Sequences whose blocks are kept in memory per keyspace. */
const MAX_BLOCKS = 10_000

/** Values taken from the store and not given out yet. */
interface Block {
  next: bigint
  left: number
  size: number
  takenAt: number
  last: bigint | null
  refill: Promise<void> | null
}

const encodeState = (state: SequenceState): Buffer => {
  const out = Buffer.alloc(10)
  out[0] = 1
  out[1] = state.isCalled ? 1 : 0
  out.writeBigInt64BE(state.lastValue, 2)
  return out
}
const decodeState = (bytes: Buffer): SequenceState => ({ isCalled: bytes[1] === 1, lastValue: bytes.readBigInt64BE(2) })

const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const isSafe = (value: bigint): boolean => value <= SAFE && value >= -SAFE
const int8 = (value: bigint): number | bigint => (isSafe(value) ? Number(value) : value)

export class Sequences {
  readonly #keyspace: Keyspace
  readonly #blocks = new Map<string, Block>()

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** The next value, as int8's datum form. 2200H when the sequence is used up. */
  nextval(id: number, parameters: SequenceParameters): MaybePromise<number | bigint> {
    return andThen(this.#next(sequenceKey(id), parameters), int8)
  }

  /** `count` values in ascending call order; for COPY and INSERT of many rows. */
  nextvals(id: number, parameters: SequenceParameters, count: number): MaybePromise<(number | bigint)[]> {
    return this.#many(sequenceKey(id), parameters, count, [])
  }

  /** Hidden row ids for a table without a primary key. */
  rowIds(table: TableId, count: number): MaybePromise<number[]> {
    return this.#many(rowIdKey(table), ROW_IDS, count, []) as MaybePromise<number[]>
  }

  /** Takes from block after block until `values` are `count`. */
  #many(key: Buffer, parameters: SequenceParameters, count: number, values: (number | bigint)[]): MaybePromise<(number | bigint)[]> {
    const block = this.#block(key)
    takeMany(block, parameters.increment, count - values.length, values)
    return values.length === count ? values : this.#refilled(key, block, parameters).then(() => this.#many(key, parameters, count, values))
  }

  #next(key: Buffer, parameters: SequenceParameters): MaybePromise<bigint> {
    const block = this.#block(key)
    if (block.left > 0) return take(block, parameters.increment)
    return this.#refilled(key, block, parameters).then(() => this.#next(key, parameters))
  }

  #block(key: Buffer): Block {
    const name = key.latin1Slice()
    let block = this.#blocks.get(name)
    if (block === undefined) {
      if (this.#blocks.size >= MAX_BLOCKS) this.#blocks.clear()
      block = { next: 0n, left: 0, size: FIRST_BLOCK, takenAt: 0, last: null, refill: null }
      this.#blocks.set(name, block)
    }
    return block
  }

  /** Whoever finds a block used up waits for the same new one. */
  #refilled(key: Buffer, block: Block, parameters: SequenceParameters): Promise<void> {
    block.refill ??= this.#refill(key, block, parameters).finally(() => {
      block.refill = null
    })
    return block.refill
  }

  async #refill(key: Buffer, block: Block, parameters: SequenceParameters): Promise<void> {
    const now = performance.now()
    if (parameters === ROW_IDS) block.size = Math.min(block.size * 2, LARGEST_ROW_ID_BLOCK)
    else if (block.takenAt > 0) block.size = now - block.takenAt < QUICK_MS ? Math.min(block.size * 2, LARGEST_BLOCK) : FIRST_BLOCK
    await this.#change(key, async (txn, stored) => {
      const { increment, min, max } = parameters
      let first: bigint
      if (stored === null || !stored.isCalled) first = stored === null ? parameters.start : stored.lastValue
      else first = stored.lastValue + increment
      if (first > max || first < min) {
        if (!parameters.cycle) throw exhausted(parameters, increment > 0n)
        first = increment > 0n ? min : max
      }
      const room = increment > 0n ? (max - first) / increment : (first - min) / -increment
      const count = room + 1n < BigInt(block.size) ? Number(room + 1n) : block.size
      await txn.put(key, encodeState({ lastValue: first + BigInt(count - 1) * increment, isCalled: true }))
      return () => {
        block.next = first
        block.left = count
        block.takenAt = now
      }
    })
  }

  /** Runs a change of the state in a transaction of its own; what it answers is applied after the commit. */
  async #change(key: Buffer, change: (txn: Transaction, stored: SequenceState | null) => Promise<() => void>): Promise<void> {
    const txn = this.#keyspace.begin({ isolation: 'read committed' })
    let apply: () => void
    try {
      const locked = await txn.lockKeys([key], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })
      const bytes = locked.values![0] ?? null
      apply = await change(txn, bytes === null ? null : decodeState(bytes))
      await txn.commit()
    } catch (error) {
      await txn.rollback()
      throw error
    }
    apply()
  }

  /** setval: takes effect at once and stays, whatever becomes of the caller's transaction. */
  async setval(id: number, parameters: SequenceParameters, value: bigint, isCalled: boolean): Promise<void> {
    if (value < parameters.min || value > parameters.max) {
      throw new PgError(
        SQLSTATE.numericValueOutOfRange,
        `setval: value ${value} is out of bounds for sequence "${parameters.name}" (${parameters.min}..${parameters.max})`,
      )
    }
    const key = sequenceKey(id)
    const block = this.#blocks.get(key.latin1Slice())
    await block?.refill
    await this.#change(key, async (txn) => {
      await txn.put(key, encodeState({ lastValue: value, isCalled }))
      return () => this.forget(id)
    })
  }

  /** Where a restarted sequence begins, under a fresh id that nobody uses yet: at once, so that the transaction's own nextval sees it. */
  initialize(id: number, state: SequenceState): Promise<void> {
    return this.#change(sequenceKey(id), async (txn) => {
      await txn.put(sequenceKey(id), encodeState(state))
      return () => this.forget(id)
    })
  }

  /** What `SELECT last_value, is_called FROM seq` shows. */
  state(id: number, parameters: SequenceParameters): MaybePromise<SequenceState> {
    return andThen(this.stored(id), (state) => state ?? { lastValue: parameters.start, isCalled: false })
  }

  /** Values taken from the store that this process has not given out. */
  ahead(id: number): number {
    return this.#blocks.get(sequenceKey(id).latin1Slice())?.left ?? 0
  }

  /** The same, null for a sequence never used. */
  stored(id: number): MaybePromise<SequenceState | null> {
    const key = sequenceKey(id)
    const block = this.#blocks.get(key.latin1Slice())
    if (block !== undefined && block.last !== null) return { lastValue: block.last, isCalled: true }
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true, latest: true })
    return andThen(txn.get(key), (bytes) => andThen(txn.rollback(), () => (bytes === null ? null : decodeState(bytes))))
  }

  /** After the sequence was altered or dropped: unused values of its block are given up. */
  forget(id: number): void {
    this.#blocks.delete(sequenceKey(id).latin1Slice())
  }
}

const ROW_IDS: SequenceParameters = { name: 'row id', start: 1n, increment: 1n, min: 1n, max: 2n ** 48n - 1n, cycle: false }

function take(block: Block, increment: bigint): bigint {
  const value = block.next
  block.next += increment
  block.left--
  block.last = value
  return value
}

/** Up to `count` values of the block; numbers need no bigint each. */
function takeMany(block: Block, increment: bigint, count: number, into: (number | bigint)[]): void {
  const taken = Math.min(count, block.left)
  if (taken === 0) return
  const last = block.next + BigInt(taken - 1) * increment
  if (isSafe(block.next) && isSafe(last)) {
    const first = Number(block.next)
    const step = Number(increment)
    for (let i = 0; i < taken; i++) into.push(first + i * step)
  } else for (let i = 0; i < taken; i++) into.push(int8(block.next + BigInt(i) * increment))
  block.next = last + increment
  block.left -= taken
  block.last = last
}

function exhausted(parameters: SequenceParameters, ascending: boolean): PgError {
  const bound = ascending
    ? `maximum value of sequence "${parameters.name}" (${parameters.max})`
    : `minimum value of sequence "${parameters.name}" (${parameters.min})`
  return new PgError(SQLSTATE.sequenceGeneratorLimitExceeded, `nextval: reached ${bound}`)
}
