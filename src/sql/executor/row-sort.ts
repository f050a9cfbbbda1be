// Sorting an array of rows in memory. The first key is turned into a number per row that orders as the key does (integers, floats and times
// exactly; text by its first bytes), which a radix sort puts in order; rows with equal numbers are then compared in full. Stable. // hot

import type { Row } from '../../base/datum.ts'
import type { RowComparator } from './comparison.ts'
import type { Slicer } from './slicer.ts'

/** How the first key becomes a number. `exact`: equal numbers mean equal keys. */
export interface LeadingKey {
  readonly slot: number
  readonly kind: 'number' | 'text'
  readonly descending: boolean
  readonly nullsFirst: boolean
}

const TEXT_BYTES = 6

/** The first six UTF-8 bytes as one integer: orders as code points do. */
function textPrefix(text: string): number {
  let value = 0
  const n = Math.min(text.length, TEXT_BYTES)
  for (let i = 0; i < n; i++) {
    const c = text.charCodeAt(i)
    if (c >= 0x80) return encodedPrefix(text)
    value = value * 256 + c
  }
  for (let i = n; i < TEXT_BYTES; i++) value *= 256
  return value
}

function encodedPrefix(text: string): number {
  const bytes = Buffer.from(text.slice(0, TEXT_BYTES), 'utf8')
  let value = 0
  for (let i = 0; i < TEXT_BYTES; i++) value = value * 256 + (bytes[i] ?? 0)
  return value
}

/** Sort rows of fewer than this by comparison alone. */
const SMALL = 64
const RADIX_BITS = 11
const RADIX = 1 << RADIX_BITS

function smallSort(rows: Row[], compare: RowComparator): Row[] {
  return rows.sort(compare)
}

/** Comparison sort in runs, so that it can give way: for keys that have no number. */
async function mergeSort(rows: Row[], compare: RowComparator, slicer: Slicer): Promise<Row[]> {
  const RUN = 2048
  let source: Row[] = []
  for (let i = 0; i < rows.length; i += RUN) {
    const run = rows.slice(i, i + RUN).sort(compare)
    for (let k = 0; k < run.length; k++) source.push(run[k]!)
    const pause = slicer.pause()
    if (pause !== null) await pause
  }
  let target = new Array<Row>(source.length)
  for (let width = RUN; width < source.length; width *= 2) {
    for (let start = 0; start < source.length; start += 2 * width) {
      const middle = Math.min(start + width, source.length)
      const end = Math.min(start + 2 * width, source.length)
      let a = start
      let b = middle
      for (let k = start; k < end; k++) {
        target[k] = a < middle && (b >= end || compare(source[a]!, source[b]!) <= 0) ? source[a++]! : source[b++]!
        if ((k & 2047) === 0) {
          const pause = slicer.pause()
          if (pause !== null) await pause
        }
      }
    }
    const swap = source
    source = target
    target = swap
  }
  return source
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
  if (rows.length <= SMALL) return smallSort(rows, compare)
  const keys = leading === null ? null : leadingKeys(rows, leading)
  if (keys === null) return rows.length <= 4096 ? smallSort(rows, compare) : mergeSort(rows, compare, slicer)
  return rows.length <= 4096 ? finishNow(rows, keys, compare, leading!, rest) : radixSlow(rows, keys, compare, leading!, rest, slicer)
}

interface Keys {
  /** Upper and lower halves of an unsigned 64-bit form. */
  readonly high: Uint32Array
  readonly low: Uint32Array
  readonly exact: boolean
}

const NULL_LOW = 0
const NULL_HIGH = 0xffffffff

/** Null when some key has no number (a bigint beyond the safe range). */
function leadingKeys(rows: readonly Row[], leading: LeadingKey): Keys | null {
  const n = rows.length
  const values = new Float64Array(n)
  const { slot, kind, descending, nullsFirst } = leading
  const nulls: number[] = []
  for (let i = 0; i < n; i++) {
    const value = rows[i]![slot]!
    if (value === null) nulls.push(i)
    else if (kind === 'text') values[i] = textPrefix(value as string)
    else if (typeof value === 'number') values[i] = value === 0 ? 0 : value
    else if (typeof value === 'boolean') values[i] = value ? 1 : 0
    else return null
  }
  const words = new Uint32Array(values.buffer)
  const high = new Uint32Array(n)
  const low = new Uint32Array(n)
  const flip = descending ? 0xffffffff : 0
  for (let i = 0; i < n; i++) {
    // Little-endian doubles; the sign bit decides whether all bits or the sign alone turn, so that unsigned order is the numbers' order.
    let h = words[2 * i + 1]!
    let l = words[2 * i]!
    if (Number.isNaN(values[i])) {
      // NaN is above every number.
      h = 0xfff80001
      l = 0
    } else if ((h & 0x80000000) !== 0) {
      h = ~h >>> 0
      l = ~l >>> 0
    } else h = (h | 0x80000000) >>> 0
    high[i] = (h ^ flip) >>> 0
    low[i] = (l ^ flip) >>> 0
  }
  for (const i of nulls) {
    high[i] = nullsFirst ? NULL_LOW : NULL_HIGH
    low[i] = nullsFirst ? NULL_LOW : NULL_HIGH
  }
  return { high, low, exact: kind === 'number' }
}

/** One stable counting pass over `order` by 11 bits of a word; answers the new order, or the same when all digits are equal. */
function pass(order: Uint32Array, spare: Uint32Array, words: Uint32Array, shift: number, counts: Uint32Array): boolean {
  counts.fill(0)
  const n = order.length
  for (let i = 0; i < n; i++) counts[(words[order[i]!]! >>> shift) & (RADIX - 1)]!++
  if (counts[(words[order[0]!]! >>> shift) & (RADIX - 1)] === n) return false
  let total = 0
  for (let d = 0; d < RADIX; d++) {
    const c = counts[d]!
    counts[d] = total
    total += c
  }
  for (let i = 0; i < n; i++) {
    const item = order[i]!
    spare[counts[(words[item]! >>> shift) & (RADIX - 1)]!++] = item
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

class Radix {
  order: Uint32Array
  spare: Uint32Array
  readonly keys: Keys
  readonly counts = new Uint32Array(RADIX)

  constructor(keys: Keys) {
    const n = keys.high.length
    this.keys = keys
    this.order = new Uint32Array(n)
    this.spare = new Uint32Array(n)
    for (let i = 0; i < n; i++) this.order[i] = i
  }

  step(index: number): void {
    const [half, shift] = PASSES[index]!
    if (!pass(this.order, this.spare, this.keys[half], shift, this.counts)) return
    const swap = this.order
    this.order = this.spare
    this.spare = swap
  }

  /** End of the rows whose leading numbers equal those of the row at `start`. */
  rangeEnd(start: number): number {
    const { high, low } = this.keys
    const first = this.order[start]!
    let end = start + 1
    while (end < this.order.length && high[this.order[end]!] === high[first] && low[this.order[end]!] === low[first]) end++
    return end
  }
}

/** Orders the rows that share a leading number. NULLs and text prefixes that are all NULL alike need the rest (or full) comparison too. */
function settle(sorted: Row[], start: number, end: number, compare: RowComparator): void {
  if (end - start === 2) {
    if (compare(sorted[start]!, sorted[start + 1]!) > 0) {
      const swap = sorted[start]!
      sorted[start] = sorted[start + 1]!
      sorted[start + 1] = swap
    }
    return
  }
  const part = sorted.slice(start, end).sort(compare)
  for (let i = 0; i < part.length; i++) sorted[start + i] = part[i]!
}

function refinement(keys: Keys, compare: RowComparator, rest: RowComparator | null): RowComparator | null {
  return keys.exact ? rest : compare
}

function finishNow(rows: Row[], keys: Keys, compare: RowComparator, _leading: LeadingKey, rest: RowComparator | null): Row[] {
  const radix = new Radix(keys)
  for (let i = 0; i < PASSES.length; i++) radix.step(i)
  const n = rows.length
  const sorted = new Array<Row>(n)
  for (let i = 0; i < n; i++) sorted[i] = rows[radix.order[i]!]!
  const refine = refinement(keys, compare, rest)
  if (refine === null) return sorted
  for (let start = 0; start < n; ) {
    const end = radix.rangeEnd(start)
    if (end - start > 1) settle(sorted, start, end, refine)
    start = end
  }
  return sorted
}

async function radixSlow(
  rows: Row[],
  keys: Keys,
  compare: RowComparator,
  _leading: LeadingKey,
  rest: RowComparator | null,
  slicer: Slicer,
): Promise<Row[]> {
  const radix = new Radix(keys)
  for (let i = 0; i < PASSES.length; i++) {
    radix.step(i)
    const pause = slicer.pause()
    if (pause !== null) await pause
  }
  const n = rows.length
  const sorted = new Array<Row>(n)
  for (let i = 0; i < n; i++) sorted[i] = rows[radix.order[i]!]!
  const refine = refinement(keys, compare, rest)
  if (refine === null) return sorted
  let sinceCheck = 0
  for (let start = 0; start < n; ) {
    const end = radix.rangeEnd(start)
    if (end - start > 4096) {
      const part = await mergeSort(sorted.slice(start, end), refine, slicer)
      for (let i = 0; i < part.length; i++) sorted[start + i] = part[i]!
    } else if (end - start > 1) settle(sorted, start, end, refine)
    sinceCheck += end - start
    if (sinceCheck > 4096) {
      sinceCheck = 0
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
    start = end
  }
  return sorted
}
