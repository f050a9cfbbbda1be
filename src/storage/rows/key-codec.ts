// Keys of several columns from the types' memcomparable forms: descending columns inverted, NULLs marked, and ranges for scans. // hot

import { ByteWriter, keyAfter, prefixEnd } from '../../base/bytes.ts'
import type { KeyCodec } from '../../base/codec.ts'
import type { Datum } from '../../base/datum.ts'
import type { KeyRange } from '../store.ts'
import type { IndexPart, PrimaryKeyPart } from './layout.ts'

/** Before a column of an index entry. NULLs sort where the index says, whatever the direction. */
const PRESENT = 0x80
const NULL_FIRST = 0x00
const NULL_LAST = 0xff

export function invert(bytes: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) bytes[i] = ~bytes[i]! & 0xff
}

export function writeIndexPart(part: IndexPart, value: Datum, out: ByteWriter): void {
  if (value === null) {
    out.u8(part.nullsFirst ? NULL_FIRST : NULL_LAST)
    return
  }
  out.u8(PRESENT)
  const start = out.length
  part.codec.write(value, out)
  if (part.descending) invert(out.buffer, start, out.length)
}

let inverted = Buffer.alloc(2048)

/** Ascending view of a descending column's bytes: [0, length) of a shared buffer. */
function ascending(buffer: Buffer, start: number, end: number): Buffer {
  const size = end - start
  if (inverted.length < size) inverted = Buffer.alloc(size * 2)
  for (let i = 0; i < size; i++) inverted[i] = ~buffer[start + i]! & 0xff
  return inverted
}

/** The offset behind a column that starts at `start` (no null marker). */
export function skipColumn(codec: KeyCodec, descending: boolean, buffer: Buffer, start: number, end: number): number {
  return descending ? start + codec.skip(ascending(buffer, start, end), 0) : codec.skip(buffer, start)
}

/** The column's value, undefined when its key form is lossy. [start, end) holds exactly the column. */
export function readColumn(codec: KeyCodec, descending: boolean, buffer: Buffer, start: number, end: number): Datum | undefined {
  return descending ? codec.read(ascending(buffer, start, end), 0, end - start) : codec.read(buffer, start, end)
}

export const isNullMarker = (marker: number): boolean => marker !== PRESENT

/** A condition on the column behind the equal ones: `low` and `high` in the column's own order. */
export interface ColumnRange {
  readonly low: { readonly value: NonNullable<Datum>; readonly inclusive: boolean } | null
  readonly high: { readonly value: NonNullable<Datum>; readonly inclusive: boolean } | null
}

type AnyPart = PrimaryKeyPart | IndexPart
const hasMarker = (part: AnyPart): part is IndexPart => 'nullsFirst' in part

const scratch = new ByteWriter(512)

function writePart(part: AnyPart, value: Datum, out: ByteWriter): void {
  if (hasMarker(part)) writeIndexPart(part, value, out)
  else {
    const start = out.length
    part.codec.write(value!, out)
    if (part.descending) invert(out.buffer, start, out.length)
  }
}

/**
 * The keys under `prefix` whose first columns equal `equal` (NULL there means IS NULL) and whose next column lies in `range`: `{low: null,
 * high: null}` means IS NOT NULL, null no condition. `parts` are the key's columns in order.
 */
export function scanRange(prefix: Buffer, parts: readonly AnyPart[], equal: readonly Datum[], range: ColumnRange | null): KeyRange {
  const out = scratch.reset()
  out.bytes(prefix)
  for (let i = 0; i < equal.length; i++) writePart(parts[i]!, equal[i]!, out)
  const base = out.finish()
  const part = parts[equal.length]
  if (range === null || part === undefined) return { start: base, end: prefixEnd(base)! }
  const lower = part.descending ? range.high : range.low
  const upper = part.descending ? range.low : range.high
  const bound = (value: NonNullable<Datum>): Buffer => {
    const writer = scratch.reset()
    writer.bytes(base)
    writePart(part, value, writer)
    return writer.finish()
  }
  const present = hasMarker(part) ? Buffer.concat([base, Buffer.from([PRESENT])]) : base
  let start = present
  if (lower !== null) {
    start = bound(lower.value)
    // behind every key that continues this value
    if (!lower.inclusive) start = prefixEnd(start)!
  }
  let end = prefixEnd(present)!
  if (upper !== null) {
    end = bound(upper.value)
    if (upper.inclusive) end = prefixEnd(end)!
  }
  // an empty range still needs start <= end
  if (Buffer.compare(start, end) > 0) end = start
  return { start, end }
}

/** Keys strictly behind `key`, for going on after it. */
export const behind = keyAfter
