// Sorting an array of rows in memory. The first key is turned into a number per row that orders as the key does (integers, floats and times
// exactly; text by its first bytes), which a radix sort puts in order; rows with equal numbers are then compared in full. Stable. // hot

import type { Row } from '../../base/datum.ts'
import { finished, runSteps, type Steps } from '../../base/long-work.ts'
import { mergeSort } from '../../base/merge-sort.ts'
import type { Slicer } from '../../base/slicer.ts'
import type { RowComparator } from './comparison.ts'

/** How the first key becomes a number. `exact`: equal numbers mean equal keys. */
export interface LeadingKey {
  readonly slot: number
  readonly kind: 'number' | 'text'
  readonly descending: boolean
  readonly nullsFirst: boolean
}

const TEXT_BYTES = 6

const NOT_ASCII = /[^\0-\x7f]/

/** Six UTF-8 bytes from byte `skip` on as one integer: orders as code points do. Behind the text there are zeros, which text never holds. */
function textPart(text: string, skip: number): number {
  let value = 0
  const end = skip + TEXT_BYTES
  if (skip > 0 && NOT_ASCII.test(text)) return encodedPart(text, skip)
  for (let i = skip; i < end; i++) {
    const c = i < text.length ? text.charCodeAt(i) : 0
    if (c >= 0x80) return encodedPart(text, skip)
    value = value * 256 + c
  }
  return value
}

function encodedPart(text: string, skip: number): number {
  const bytes = Buffer.from(text, 'utf8')
  let value = 0
  for (let i = skip; i < skip + TEXT_BYTES; i++) value = value * 256 + (bytes[i] ?? 0)
  return value
}

/** Sort rows of fewer than this by comparison alone. */
const SMALL = 64
const RADIX_BITS = 11
const RADIX = 1 << RADIX_BITS

/** One stretch of rows whose leading keys' bytes before `skip` are known to be equal. */
interface Task {
  readonly rows: Row[]
  readonly compare: RowComparator
  readonly leading: LeadingKey | null
  /** Orders rows whose leading keys are equal; null: nothing left to compare. */
  readonly rest: RowComparator | null
  readonly skip: number
}

/**
 * Sorts `rows`. `compare` is the full order; `rest` orders rows whose leading keys are equal (null: nothing left to compare).
 * Small inputs are sorted at once; larger ones give way to the event loop between passes.
 */
export function sortRows(
  rows: Row[],
  compare: RowComparator,
  leading: LeadingKey | null,
  rest: RowComparator | null,
  slicer: Slicer,
): Row[] | Promise<Row[]> {
  const task: Task = { rows, compare, leading, rest, skip: 0 }
  return rows.length <= AT_ONCE ? sortNow(task) : sortSlowly(task, slicer)
}

/** Sorted without giving way. */
const AT_ONCE = 4096

/** The keys as unsigned 64-bit numbers in two halves, and the row each belongs to. */
interface Keys {
  high: Uint32Array
  low: Uint32Array
  order: Uint32Array
  /** Bits in which some keys differ. */
  readonly highBits: number
  readonly lowBits: number
  /** Equal numbers mean equal leading keys. */
  readonly exact: boolean
}

const NULL_HIGH = 0xffffffff

/** Rows whose keys are made between two steps. */
const KEYS_AT_ONCE = 4096

/** The leading keys of rows as doubles. */
interface Numbers {
  readonly values: Float64Array
  readonly nulls: number[]
  /** Characters in the longest text. */
  longest: number
}

/** False when some key has no number (a bigint beyond the safe range). */
function numberKeys({ rows, leading, skip }: Task, into: Numbers, from: number, to: number): boolean {
  const { slot, kind } = leading!
  const { values, nulls } = into
  for (let i = from; i < to; i++) {
    const value = rows[i]![slot]!
    if (value === null) nulls.push(i)
    else if (kind === 'text') {
      const text = value as string
      if (text.length > into.longest) into.longest = text.length
      values[i] = textPart(text, skip)
    } else if (typeof value === 'number') values[i] = value === 0 ? 0 : value
    else if (typeof value === 'boolean') values[i] = value ? 1 : 0
    else return false
  }
  return true
}

/** Null when some key has no number. */
function* keysOf(task: Task): Steps<Keys | null> {
  const { rows, leading, skip } = task
  const n = rows.length
  const { slot, kind } = leading!
  const numbers: Numbers = { values: new Float64Array(n), nulls: [], longest: 0 }
  for (let from = 0; from < n; from += KEYS_AT_ONCE) {
    if (!numberKeys(task, numbers, from, Math.min(from + KEYS_AT_ONCE, n))) return null
    yield
  }
  const halves = halvesOf(numbers, leading!)
  yield
  // A text of so few characters has no byte behind this part, whatever they are.
  const { longest } = numbers
  const exact = kind === 'number' || longest * 3 <= skip + TEXT_BYTES || (longest <= skip + TEXT_BYTES && allAscii(rows, slot))
  return { ...halves, exact }
}

function halvesOf({ values, nulls }: Numbers, { kind, descending, nullsFirst }: LeadingKey): Omit<Keys, 'exact'> {
  const n = values.length
  const words = new Uint32Array(values.buffer)
  const high = new Uint32Array(n)
  const low = new Uint32Array(n)
  const order = new Uint32Array(n)
  const flip = descending ? 0xffffffff : 0
  for (let i = 0; i < n; i++) {
    // Little-endian doubles; the sign bit decides whether all bits or the sign alone turn, so that unsigned order is the numbers' order.
    const h = words[2 * i + 1]!
    const negative = h >>> 31 !== 0
    high[i] = (negative ? ~h : h | 0x80000000) ^ flip
    low[i] = (negative ? ~words[2 * i]! : words[2 * i]!) ^ flip
    order[i] = i
  }
  if (kind === 'number') {
    for (let i = 0; i < n; i++) {
      if (!Number.isNaN(values[i])) continue
      // NaN is above every number.
      high[i] = 0xfff80001 ^ flip
      low[i] = flip
    }
  }
  for (const i of nulls) {
    high[i] = nullsFirst ? 0 : NULL_HIGH
    low[i] = nullsFirst ? 0 : NULL_HIGH
  }
  let highBits = 0
  let lowBits = 0
  for (let i = 1; i < n; i++) {
    highBits |= high[i]! ^ high[0]!
    lowBits |= low[i]! ^ low[0]!
  }
  return { high, low, order, highBits, lowBits }
}

function allAscii(rows: readonly Row[], slot: number): boolean {
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i]![slot]!
    if (value !== null && NOT_ASCII.test(value as string)) return false
  }
  return true
}

const PASSES: readonly (readonly ['low' | 'high', number])[] = [
  ['low', 0],
  ['low', 11],
  ['low', 22],
  ['high', 0],
  ['high', 11],
  ['high', 22],
]

/** Stable counting passes over 11 bits each, lowest first; keys move with their rows' numbers. */
class Radix {
  readonly keys: Keys
  #spare: { high: Uint32Array; low: Uint32Array; order: Uint32Array }
  readonly #counts = new Uint32Array(RADIX)

  constructor(keys: Keys) {
    const n = keys.order.length
    this.keys = keys
    this.#spare = { high: new Uint32Array(n), low: new Uint32Array(n), order: new Uint32Array(n) }
  }

  /** False when all keys agree in these bits and nothing was done. */
  step(index: number): boolean {
    const [half, shift] = PASSES[index]!
    const { keys } = this
    const bits = half === 'low' ? keys.lowBits : keys.highBits
    if (((bits >>> shift) & (RADIX - 1)) === 0) return false
    const { high, low, order } = keys
    const to = this.#spare
    const words = half === 'low' ? low : high
    const counts = this.#counts
    counts.fill(0)
    const n = order.length
    for (let i = 0; i < n; i++) counts[(words[i]! >>> shift) & (RADIX - 1)]!++
    let total = 0
    for (let d = 0; d < RADIX; d++) {
      const c = counts[d]!
      counts[d] = total
      total += c
    }
    const { high: toHigh, low: toLow, order: toOrder } = to
    for (let i = 0; i < n; i++) {
      const at = counts[(words[i]! >>> shift) & (RADIX - 1)]!++
      toHigh[at] = high[i]!
      toLow[at] = low[i]!
      toOrder[at] = order[i]!
    }
    this.#spare = { high, low, order }
    keys.high = toHigh
    keys.low = toLow
    keys.order = toOrder
    return true
  }

  /** End of the rows whose numbers equal that of the row at `start`. */
  rangeEnd(start: number): number {
    const { high, low } = this.keys
    const h = high[start]!
    const l = low[start]!
    const n = high.length
    let end = start + 1
    while (end < n && high[end] === h && low[end] === l) end++
    return end
  }
}

/** What remains for rows with equal numbers: null = nothing. */
function refinement(task: Task, keys: Keys, part: Row[]): Task | null {
  const { leading, rest, compare, skip } = task
  if (keys.exact || part[0]![leading!.slot] === null) {
    return rest === null ? null : { rows: part, compare: rest, leading: null, rest: null, skip: 0 }
  }
  return { rows: part, compare, leading, rest, skip: skip + TEXT_BYTES }
}

/** Texts that agree in this many bytes are compared as they are. */
const MAX_SKIP = 60

const isUseful = (task: Task): boolean => task.leading !== null && task.rows.length > SMALL && task.skip <= MAX_SKIP

function gather(rows: readonly Row[], order: Uint32Array): Row[] {
  const n = order.length
  const sorted = new Array<Row>(n)
  for (let i = 0; i < n; i++) sorted[i] = rows[order[i]!]!
  return sorted
}

function sortNow(task: Task): Row[] {
  const { rows, compare } = task
  const keys = isUseful(task) ? finished(keysOf(task)) : null
  if (keys === null) return rows.sort(compare)
  const radix = new Radix(keys)
  for (let i = 0; i < PASSES.length; i++) radix.step(i)
  const sorted = gather(rows, keys.order)
  if (keys.exact && task.rest === null) return sorted
  for (let start = 0; start < sorted.length; ) {
    const end = radix.rangeEnd(start)
    if (end - start > 1) {
      const next = refinement(task, keys, sorted.slice(start, end))
      if (next !== null) put(sorted, start, sortNow(next))
    }
    start = end
  }
  return sorted
}

function put(rows: Row[], at: number, part: readonly Row[]): void {
  for (let i = 0; i < part.length; i++) rows[at + i] = part[i]!
}

async function sortSlowly(task: Task, slicer: Slicer): Promise<Row[]> {
  const { rows, compare } = task
  const keys = isUseful(task) ? await runSteps(keysOf(task), () => slicer.pause()) : null
  if (keys === null) return runSteps(mergeSort(rows, compare), () => slicer.pause())
  const rest = async (): Promise<void> => {
    const pause = slicer.pause()
    if (pause !== null) await pause
  }
  await rest()
  const radix = new Radix(keys)
  for (let i = 0; i < PASSES.length; i++) if (radix.step(i)) await rest()
  const sorted = gather(rows, keys.order)
  await rest()
  if (keys.exact && task.rest === null) return sorted
  let work = 0
  for (let start = 0; start < sorted.length; ) {
    const end = radix.rangeEnd(start)
    if (end - start > 1) {
      const next = refinement(task, keys, sorted.slice(start, end))
      if (next !== null) put(sorted, start, end - start > AT_ONCE ? await sortSlowly(next, slicer) : sortNow(next))
    }
    work += end - start
    if (work > AT_ONCE) {
      work = 0
      await rest()
    }
    start = end
  }
  return sorted
}
