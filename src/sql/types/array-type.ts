// TypeSupport of an array type, composed from its element's: text with PostgreSQL's quoting, binary, and the forms in rows and keys.

import type { ByteWriter } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { inParts, LONG, longWork, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ArrayDatum, compareArrays, countItems, emptyArray, MAX_DIMENSIONS, tooManyDimensions } from './array.ts'
import { defineType } from './define.ts'
import type { EvalContext, IoSettings } from './eval-context.ts'
import type { Present, TypeSupport } from './type.ts'
import { readVarint, readVarintSize, writeVarint } from './varint.ts'

const isSpace = (c: string | undefined): boolean => c === ' ' || (c !== undefined && c >= '\t' && c <= '\r')

const QUOTE = 0x22
const BACKSLASH = 0x5c

function malformed(text: string, detail: string): PgError {
  return new PgError(SQLSTATE.invalidTextRepresentation, `malformed array literal: "${text}"`, detail === '' ? {} : { detail })
}

/** array_in: an optional dimension decoration, then the braces. */
function parseArray(text: string, elementType: Oid, delimiter: string, element: (text: string) => Datum): ArrayDatum {
  if (text.length > LONG) return longWork(parseArraySteps, text, elementType, delimiter, element)
  const parser = arrayParser(text, elementType, delimiter, element)
  parser.read(Number.POSITIVE_INFINITY)
  return parser.result()
}

function* parseArraySteps(text: string, elementType: Oid, delimiter: string, element: (text: string) => Datum): Steps<ArrayDatum> {
  const parser = arrayParser(text, elementType, delimiter, element)
  while (!parser.read(ELEMENTS_AT_ONCE)) yield
  return parser.result()
}

/** Elements read or told between two moments at which others may have their turn. */
const ELEMENTS_AT_ONCE = 1024

const MAX_INT4 = 2147483647
const isInt4 = (bound: number): boolean => bound >= -MAX_INT4 - 1 && bound <= MAX_INT4

interface ArrayParser {
  /** Goes on by up to so many elements; true at the end. */
  read(elements: number): boolean
  result(): ArrayDatum
}

function arrayParser(text: string, elementType: Oid, delimiter: string, element: (text: string) => Datum): ArrayParser {
  let at = 0
  const skip = (): void => {
    while (isSpace(text[at])) at++
  }
  const dims: number[] = []
  const lowerBounds: number[] = []
  skip()
  while (text[at] === '[') {
    if (dims.length >= MAX_DIMENSIONS) throw tooManyDimensions(dims.length + 1)
    const match = /^\[\s*([+-]?\d+)\s*(?::\s*([+-]?\d+)\s*)?\]/.exec(text.slice(at, at + 64))
    if (match === null) {
      throw malformed(
        text,
        /^\[\s*\]/.test(text.slice(at)) ? '"[" must introduce explicitly-specified array dimensions.' : bracketDetail(text.slice(at)),
      )
    }
    const low = match[2] === undefined ? 1 : Number(match[1])
    const high = Number(match[2] ?? match[1])
    if (!isInt4(low) || !isInt4(high)) throw new PgError(SQLSTATE.programLimitExceeded, 'array bound is out of integer range')
    if (high === MAX_INT4) throw new PgError(SQLSTATE.programLimitExceeded, `array upper bound is too large: ${high}`)
    if (high < low) throw new PgError(SQLSTATE.arraySubscriptError, 'upper bound cannot be less than lower bound')
    dims.push(high - low + 1)
    lowerBounds.push(low)
    at += match[0].length
    skip()
  }
  const decorated = dims.length > 0
  if (decorated) {
    if (text[at] !== '=') throw malformed(text, 'Missing "=" after array dimensions.')
    at++
    skip()
    if (text[at] !== '{') throw malformed(text, 'Array contents must start with "{".')
  } else if (text[at] !== '{') throw malformed(text, 'Array value must start with "{" or dimension information.')

  const elements: Datum[] = []
  const found: number[] = []
  const mismatch = (): PgError =>
    malformed(
      text,
      decorated
        ? 'Specified array dimensions do not match array contents.'
        : 'Multidimensional arrays must have sub-arrays with matching dimensions.',
    )
  let leafDepth = -1
  /** The innermost open brace's, and how much stands in each that is open. */
  let depth = -1
  const counts: number[] = []
  let isAfterItem = false
  const open = (): void => {
    if (depth + 1 >= MAX_DIMENSIONS) throw tooManyDimensions(depth + 2)
    counts[++depth] = 0
    at++
    isAfterItem = false
    skip()
    if (text[at] === '}') close()
  }
  const close = (): void => {
    at++
    const count = counts[depth]!
    const expected = found[depth]
    if (expected === undefined) found[depth] = count
    else if (expected !== count) throw mismatch()
    if (--depth >= 0) counts[depth]!++
    isAfterItem = true
  }
  const read = (limit: number): boolean => {
    const end = elements.length + limit
    if (depth < 0) open()
    while (depth >= 0) {
      skip()
      const c = text[at]
      if (c === undefined) throw malformed(text, 'Unexpected end of input.')
      if (isAfterItem) {
        if (c === '}') close()
        else if (c === delimiter) {
          at++
          isAfterItem = false
        } else throw malformed(text, c === '{' ? 'Unexpected "{" character.' : 'Unexpected array element.')
      } else if (c === '{') {
        if (leafDepth >= 0 && depth >= leafDepth) throw mismatch()
        open()
      } else if (c === delimiter || c === '}') throw malformed(text, `Unexpected "${c}" character.`)
      else {
        if (elements.length >= end) return false
        if (leafDepth < 0) leafDepth = depth
        else if (leafDepth !== depth) throw mismatch()
        parseItem()
        counts[depth]!++
        isAfterItem = true
      }
    }
    return true
  }
  // What stands between backslashes is taken as a whole: a text grown by single characters costs many times as much.
  const parseItem = (): void => {
    let value = ''
    let from = at
    const takeEscaped = (): void => {
      if (at + 1 >= text.length) throw malformed(text, 'Unexpected end of input.')
      value += text.slice(from, at) + text[at + 1]
      at += 2
      from = at
    }
    if (text[at] === '"') {
      from = ++at
      for (;;) {
        const c = text.charCodeAt(at)
        if (c === QUOTE) break
        if (c === BACKSLASH) takeEscaped()
        else if (at++ >= text.length) throw malformed(text, 'Unexpected end of input.')
      }
      value += text.slice(from, at++)
      skip()
      const next = text[at]
      if (next !== undefined && next !== delimiter && next !== '}') throw malformed(text, 'Incorrectly quoted array element.')
      elements.push(element(value))
      return
    }
    let escaped = false
    let solid = at
    for (;;) {
      const c = text[at]
      if (c === undefined) throw malformed(text, 'Unexpected end of input.')
      if (c === delimiter || c === '}') break
      if (c === '{') throw malformed(text, 'Unexpected "{" character.')
      if (c === '"') throw malformed(text, 'Incorrectly quoted array element.')
      if (c === '\\') {
        takeEscaped()
        escaped = true
        solid = at
        continue
      }
      at++
      if (!isSpace(c)) solid = at
    }
    value += text.slice(from, solid)
    elements.push(!escaped && value.length === 4 && value.toLowerCase() === 'null' ? null : element(value))
  }
  const result = (): ArrayDatum => {
    skip()
    if (at < text.length) throw malformed(text, 'Junk after closing right brace.')
    if (elements.length === 0) {
      if (decorated) throw mismatch()
      return emptyArray(elementType)
    }
    if (decorated) {
      if (found.length !== dims.length || found.some((n, i) => n !== dims[i])) throw mismatch()
      countItems(dims)
      return new ArrayDatum(elementType, dims, lowerBounds, elements)
    }
    countItems(found)
    return new ArrayDatum(
      elementType,
      found,
      found.map(() => 1),
      elements,
    )
  }
  return { read, result }
}

function bracketDetail(rest: string): string {
  return /^\[\s*[+-]?\d+(\s*:\s*[+-]?\d+)?\s*($|[^\]\d:])/.test(rest)
    ? 'Missing "]" after array dimensions.'
    : '"[" must introduce explicitly-specified array dimensions.'
}

/** Whether array_out quotes this element. */
function needsQuotes(text: string, delimiter: string): boolean {
  if (text.length === 0) return true
  if (text.length === 4 && text.toLowerCase() === 'null') return true
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    // " \ { } space \t..\r
    if (c === 34 || c === 92 || c === 123 || c === 125 || c === 32 || (c >= 9 && c <= 13) || text[i] === delimiter) return true
  }
  return false
}

export function formatArray(a: ArrayDatum, delimiter: string, output: (element: Present) => string): string {
  if (a.elements.length === 0) return '{}'
  let prefix = ''
  if (a.lowerBounds.some((l) => l !== 1)) {
    for (let i = 0; i < a.dims.length; i++) prefix += `[${a.lowerBounds[i]}:${a.lowerBounds[i]! + a.dims[i]! - 1}]`
    prefix += '='
  }
  const innermost = a.dims[a.dims.length - 1]!
  const told = (before: string, from: number, to: number): string => {
    let out = before
    for (let i = from; i < to; i++) {
      if (i > 0) out += i % innermost === 0 ? braces(a.dims, i, delimiter) : delimiter
      const value = a.elements[i]!
      if (value === null) out += 'NULL'
      else {
        const text = output(value)
        out += needsQuotes(text, delimiter) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text
      }
    }
    return to === a.elements.length ? out + '}'.repeat(a.dims.length) : out
  }
  return inParts(a.elements.length, prefix + '{'.repeat(a.dims.length), told, ELEMENTS_AT_ONCE)
}

/** What stands before element `i`, the first of an innermost list. */
function braces(dims: readonly number[], i: number, delimiter: string): string {
  let lists = 0
  let size = 1
  while (lists < dims.length && i % (size * dims[dims.length - 1 - lists]!) === 0) size *= dims[dims.length - 1 - lists++]!
  return `${'}'.repeat(lists)}${delimiter}${'{'.repeat(lists)}`
}

function receiveArray(
  buffer: Buffer,
  start: number,
  end: number,
  typmod: number,
  ctx: EvalContext,
  element: TypeSupport,
  elementType: Oid,
): ArrayDatum {
  const bad = (message: string): PgError => new PgError(SQLSTATE.invalidBinaryRepresentation, message)
  const need = (at: number, size: number): void => {
    if (at + size > end) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
  }
  need(start, 12)
  const ndim = buffer.readInt32BE(start)
  const flags = buffer.readInt32BE(start + 4)
  const type = buffer.readUInt32BE(start + 8)
  if (ndim < 0) throw bad(`invalid number of dimensions: ${ndim}`)
  if (ndim > MAX_DIMENSIONS) throw tooManyDimensions(ndim)
  if (flags !== 0 && flags !== 1) throw bad('invalid array flags')
  if (type !== elementType) {
    throw new PgError(SQLSTATE.datatypeMismatch, `binary data has array element type ${type} instead of expected ${elementType}`)
  }
  let at = start + 12
  const dims: number[] = []
  const lowerBounds: number[] = []
  for (let i = 0; i < ndim; i++) {
    need(at, 8)
    dims.push(buffer.readInt32BE(at))
    lowerBounds.push(buffer.readInt32BE(at + 4))
    at += 8
    if (dims[i]! < 0) throw bad(`invalid array dimension: ${dims[i]}`)
  }
  const n = countItems(dims)
  if (n === 0) return emptyArray(elementType)
  const elements: Datum[] = []
  for (let i = 0; i < n; i++) {
    need(at, 4)
    const size = buffer.readInt32BE(at)
    at += 4
    if (size === -1) elements.push(null)
    else {
      if (size < -1) throw bad('insufficient data left in message')
      need(at, size)
      elements.push(element.receive(buffer, at, at + size, typmod, ctx))
      at += size
    }
  }
  if (at !== end) throw bad('incorrect binary data format')
  return new ArrayDatum(elementType, dims, lowerBounds, elements)
}

function sendArray(a: ArrayDatum, out: ByteWriter, element: TypeSupport, elementType: Oid): void {
  out.i32(a.dims.length)
  out.i32(a.elements.includes(null) ? 1 : 0)
  out.u32(elementType)
  for (let i = 0; i < a.dims.length; i++) {
    out.i32(a.dims[i]!)
    out.i32(a.lowerBounds[i]!)
  }
  for (const value of a.elements) {
    if (value === null) {
      out.i32(-1)
      continue
    }
    out.i32(0)
    const from = out.length
    element.send(value, out)
    out.buffer.writeInt32BE(out.length - from, from - 4)
  }
}

/** Value form: dimensions (with a flag for bounds other than 1), then each element as length + 1 (0 = NULL) and bytes. */
function writeValue(a: ArrayDatum, out: ByteWriter, element: TypeSupport): void {
  const plain = a.lowerBounds.every((l) => l === 1)
  out.u8(a.dims.length | (plain ? 0 : 0x80))
  for (const d of a.dims) writeVarint(out, d)
  if (!plain) for (const l of a.lowerBounds) out.i32(l)
  for (const value of a.elements) {
    if (value === null) {
      out.u8(0)
      continue
    }
    const from = out.length
    element.value.write(value, out)
    const size = out.length - from
    // The length goes in front: shift the bytes by its own size, one for short elements.
    const room = size + 1 < 0x80 ? 1 : size + 1 < 0x4000 ? 2 : size + 1 < 0x200000 ? 3 : size + 1 < 0x10000000 ? 4 : 5
    out.reserve(room)
    out.buffer.copyWithin(from + room, from, from + size)
    out.length = from
    writeVarint(out, size + 1)
    out.length = from + room + size
  }
}

function readValue(buffer: Buffer, start: number, element: TypeSupport, elementType: Oid): ArrayDatum {
  const head = buffer[start]!
  const ndim = head & 0x7f
  if (ndim === 0) return emptyArray(elementType)
  let at = start + 1
  const dims: number[] = []
  for (let i = 0; i < ndim; i++) {
    dims.push(readVarint(buffer, at))
    at += readVarintSize(buffer, at)
  }
  const lowerBounds: number[] = []
  for (let i = 0; i < ndim; i++) {
    if ((head & 0x80) === 0) lowerBounds.push(1)
    else {
      lowerBounds.push(buffer.readInt32BE(at))
      at += 4
    }
  }
  const n = countItems(dims)
  const elements: Datum[] = new Array(n)
  for (let i = 0; i < n; i++) {
    const size = readVarint(buffer, at)
    at += readVarintSize(buffer, at)
    if (size === 0) elements[i] = null
    else {
      elements[i] = element.value.read(buffer, at, at + size - 1)
      at += size - 1
    }
  }
  return new ArrayDatum(elementType, dims, lowerBounds, elements)
}

// Key form: 2 + element key, 3 for NULL (last), 1 at the end, then the shape, which only orders arrays equal in their elements.
const KEY_END = 1
const KEY_ELEMENT = 2
const KEY_NULL = 3

function skipKey(buffer: Buffer, start: number, element: TypeSupport): number {
  let at = start
  for (;;) {
    const tag = buffer[at++]!
    if (tag === KEY_END) return at + 1 + buffer[at]! * 8
    if (tag === KEY_ELEMENT) at = element.key!.skip(buffer, at)
  }
}

export function arrayTypeSupport(element: TypeSupport, elementType: Oid, delimiter: string): TypeSupport {
  const elementKey = element.key
  return defineType<ArrayDatum>({
    input: (text, typmod, ctx) => parseArray(text, elementType, delimiter, (item) => element.input(item, typmod, ctx)),
    output: (a, io: IoSettings) => formatArray(a, delimiter, (item) => element.output(item, io)),
    receive: (buffer, start, end, typmod, ctx) => receiveArray(buffer, start, end, typmod, ctx, element, elementType),
    send: (a, out) => sendArray(a, out, element, elementType),
    ...(element.compare === null ? {} : { compare: (a: ArrayDatum, b: ArrayDatum) => compareArrays(a, b, element.compare!) }),
    ...(element.hashKey === null ? {} : { hashKey: (a: ArrayDatum) => arrayHashKey(a, element.hashKey!) }),
    size: (a) => a.elements.reduce<number>((sum, item) => sum + (item === null ? 8 : 8 + element.size(item)), 96),
    value: { write: (a, out) => writeValue(a, out, element), read: (buffer, start) => readValue(buffer, start, element, elementType) },
    key:
      elementKey === null
        ? null
        : {
            lossless: elementKey.lossless,
            write(a, out) {
              for (const item of a.elements) {
                if (item === null) out.u8(KEY_NULL)
                else {
                  out.u8(KEY_ELEMENT)
                  elementKey.write(item, out)
                }
              }
              out.u8(KEY_END)
              out.u8(a.dims.length)
              for (const d of a.dims) out.u32(d)
              for (const l of a.lowerBounds) out.u32((l ^ 0x80000000) >>> 0)
            },
            skip: (buffer, start) => skipKey(buffer, start, element),
            read(buffer, start) {
              const elements: Datum[] = []
              let at = start
              for (;;) {
                const tag = buffer[at++]!
                if (tag === KEY_END) break
                if (tag === KEY_NULL) elements.push(null)
                else {
                  const end = elementKey.skip(buffer, at)
                  const item = elementKey.read(buffer, at, end)
                  if (item === undefined) return undefined
                  elements.push(item)
                  at = end
                }
              }
              const ndim = buffer[at++]!
              const dims: number[] = []
              const lowerBounds: number[] = []
              for (let i = 0; i < ndim; i++, at += 4) dims.push(buffer.readUInt32BE(at))
              for (let i = 0; i < ndim; i++, at += 4) lowerBounds.push((buffer.readUInt32BE(at) ^ 0x80000000) | 0)
              return new ArrayDatum(elementType, dims, lowerBounds, elements)
            },
          },
  })
}

/** Equal arrays, equal text: each element's key with its length, then the shape. */
export function arrayHashKey(a: ArrayDatum, hashKey: (value: Present) => string | number | bigint | boolean): string {
  let out = ''
  for (const item of a.elements) {
    if (item === null) out += 'N;'
    else {
      const key = hashKey(item)
      const text = String(key)
      out += typeof key === 'string' ? `s${text.length}:${text};` : `${text};`
    }
  }
  return `${out}${a.dims.join(',')}/${a.lowerBounds.join(',')}`
}
