// macaddr and macaddr8: canonical lower case text with colons, so that text order is their order.

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { writeAscii } from './codecs.ts'
import { binaryLength, defineType, invalidInput } from './define.ts'
import { hashBytes, hashBytesExtended } from './hash.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

const bytesOf = (value: string): Buffer => Buffer.from(value.replaceAll(':', ''), 'hex')
const textOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')

/** One to two digits per group when separated; otherwise groups of fixed width. */
const FORMS: readonly RegExp[] = [
  /^\s*([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2})\s*$/i,
  /^\s*([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})\s*$/i,
  /^\s*([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})[:-]([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\s*$/i,
  /^\s*([0-9a-f]{2})([0-9a-f]{2})([.-])([0-9a-f]{2})([0-9a-f]{2})\3([0-9a-f]{2})([0-9a-f]{2})\s*$/i,
  /^\s*([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\s*$/i,
]

function input(text: string): string {
  for (const form of FORMS) {
    const match = form.exec(text)
    if (match === null) continue
    return match
      .slice(1)
      .filter((part) => part !== '.' && part !== '-')
      .map((part) => part.padStart(2, '0').toLowerCase())
      .join(':')
  }
  throw invalidInput('macaddr', text)
}

/** Six bytes become eight with FF FE in the middle. */
const widen = (bytes: readonly number[]): number[] => [...bytes.slice(0, 3), 0xff, 0xfe, ...bytes.slice(3)]

function input8(text: string): string {
  const body = text.trim()
  const bytes: number[] = []
  let separator: string | null = null
  let at = 0
  while (at < body.length) {
    const pair = body.slice(at, at + 2)
    if (bytes.length === 8 || !/^[0-9a-fA-F]{2}$/.test(pair)) throw invalidInput('macaddr8', text)
    bytes.push(Number.parseInt(pair, 16))
    at += 2
    const next = body[at]
    if (next === ':' || next === '-' || next === '.') {
      separator ??= next
      if (separator !== next || at === body.length - 1) throw invalidInput('macaddr8', text)
      at++
    }
  }
  if (bytes.length !== 6 && bytes.length !== 8) throw invalidInput('macaddr8', text)
  return textOf(Uint8Array.from(bytes.length === 6 ? widen(bytes) : bytes))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function macType(width: 6 | 8): TypeSupport {
  const write = (value: string, out: ByteWriter): void => out.bytes(bytesOf(value))
  const read = (buffer: Buffer, start: number): string => textOf(buffer.subarray(start, start + width))
  return defineType<string>({
    input: width === 6 ? input : input8,
    output: (value) => value,
    writeText: writeAscii,
    receive(buffer, start, end) {
      if (width === 8 && end - start === 6) return textOf(Uint8Array.from(widen([...buffer.subarray(start, end)])))
      binaryLength(end - start, width)
      return read(buffer, start)
    },
    send: write,
    compare,
    hashKey: (value) => value,
    size: () => 48,
    value: { write, read },
    key: { write, skip: (_buffer, start) => start + width, read, lossless: true },
  })
}

export const macaddrTypes = { macaddr: macType(6), macaddr8: macType(8) }

const map = (value: string, change: (byte: number, index: number) => number): string => textOf(bytesOf(value).map(change))
function zip(a: string, b: string, change: (x: number, y: number) => number): string {
  const other = bytesOf(b)
  return map(a, (byte, i) => change(byte, other[i]!))
}

export const macaddrProcs = {
  macaddr_cmp: compare,
  macaddr_eq: (a, b) => a === b,
  macaddr_ne: (a, b) => a !== b,
  macaddr_lt: (a, b) => a < b,
  macaddr_le: (a, b) => a <= b,
  macaddr_gt: (a, b) => a > b,
  macaddr_ge: (a, b) => a >= b,
  hashmacaddr: (a) => hashBytes(bytesOf(a)),
  hashmacaddrextended: (a, seed) => hashBytesExtended(bytesOf(a), seed),
  macaddr_not: (a) => map(a, (byte) => ~byte & 0xff),
  macaddr_and: (a, b) => zip(a, b, (x, y) => x & y),
  macaddr_or: (a, b) => zip(a, b, (x, y) => x | y),
  macaddr_trunc: (a) => map(a, (byte, i) => (i < 3 ? byte : 0)),
  macaddrtomacaddr8: (a) => textOf(Uint8Array.from(widen([...bytesOf(a)]))),
  macaddr8_cmp: compare,
  macaddr8_eq: (a, b) => a === b,
  macaddr8_ne: (a, b) => a !== b,
  macaddr8_lt: (a, b) => a < b,
  macaddr8_le: (a, b) => a <= b,
  macaddr8_gt: (a, b) => a > b,
  macaddr8_ge: (a, b) => a >= b,
  // PostgreSQL hashes macaddr8 by its bytes too.
  hashmacaddr8: (a) => hashBytes(bytesOf(a)),
  hashmacaddr8extended: (a, seed) => hashBytesExtended(bytesOf(a), seed),
  macaddr8_not: (a) => map(a, (byte) => ~byte & 0xff),
  macaddr8_and: (a, b) => zip(a, b, (x, y) => x & y),
  macaddr8_or: (a, b) => zip(a, b, (x, y) => x | y),
  macaddr8_trunc: (a) => map(a, (byte, i) => (i < 3 ? byte : 0)),
  macaddr8_set7bit: (a) => map(a, (byte, i) => (i === 0 ? byte | 2 : byte)),
  macaddr8tomacaddr(a) {
    const bytes = bytesOf(a)
    if (bytes[3] !== 0xff || bytes[4] !== 0xfe)
      throw new PgError(SQLSTATE.numericValueOutOfRange, 'macaddr8 data out of range to convert to macaddr', {
        hint: 'Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.',
      })
    return textOf(Uint8Array.from([...bytes.subarray(0, 3), ...bytes.subarray(5)]))
  },
} satisfies Procs
