// uuid: canonical lower case text, so that text order is its order.

import { randomBytes, randomUUID } from 'node:crypto'
import type { ByteWriter } from '../../base/bytes.ts'
import { writeAscii } from './codecs.ts'
import { addInterval } from './datetime-math.ts'
import { binaryLength, defineType, invalidInput } from './define.ts'
import { hashBytes, hashBytesExtended } from './hash.ts'
import type { Procs } from './procs.ts'
import { sessionZone } from './timezone.ts'

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** Groups of four digits, each but the last optionally followed by a hyphen; braces around all. */
const LOOSE = /^(\{?)((?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4})(\}?)$/

function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function input(text: string): string {
  if (text.length === 36 && CANONICAL.test(text)) return text
  const match = LOOSE.exec(text)
  if (match === null || (match[1] === '') !== (match[3] === '')) throw invalidInput('uuid', text)
  return dashed(match[2]!.replaceAll('-', '').toLowerCase())
}

const nibble = (code: number): number => (code < 0x3a ? code - 0x30 : code - 0x57)

function write(value: string, out: ByteWriter): void {
  out.reserve(16)
  const buffer = out.buffer
  let at = out.length
  for (let i = 0; i < 36; i += 2) {
    if (value.charCodeAt(i) === 0x2d) i++
    buffer[at++] = (nibble(value.charCodeAt(i)) << 4) | nibble(value.charCodeAt(i + 1))
  }
  out.length = at
}

const read = (buffer: Buffer, start: number): string => dashed(buffer.toString('hex', start, start + 16))

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const bytesOf = (value: string): Buffer => Buffer.from(value.replaceAll('-', ''), 'hex')

export const uuidTypes = {
  uuid: defineType<string>({
    input,
    output: (value) => value,
    writeText: writeAscii,
    receive(buffer, start, end) {
      binaryLength(end - start, 16)
      return read(buffer, start)
    },
    send: write,
    compare,
    hashKey: (value) => value,
    size: () => 64,
    value: { write, read },
    key: { write, skip: (_buffer, start) => start + 16, read, lossless: true },
  }),
}

/** The last timestamp of a version 7 UUID, in 1/4096 ms: the next one is always later, within this process. */
let lastV7 = 0

function uuidv7(unixMs: number, shiftMs: number): string {
  let stamp = Math.floor(unixMs * 4096)
  if (stamp <= lastV7) stamp = lastV7 + 1
  lastV7 = stamp
  stamp += Math.floor(shiftMs * 4096)
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Math.floor(stamp / 4096), 0, 6)
  bytes.writeUInt16BE(0x7000 | (stamp % 4096), 6)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  return read(bytes, 0)
}

/** Microseconds from 2000-01-01 to milliseconds from 1970-01-01. */
const EPOCH_MS = 946684800000

const variantIsRfc = (value: string): boolean => /[89ab]/.test(value[19]!)

export const uuidProcs = {
  uuid_eq: (a, b) => a === b,
  uuid_ne: (a, b) => a !== b,
  uuid_lt: (a, b) => a < b,
  uuid_le: (a, b) => a <= b,
  uuid_gt: (a, b) => a > b,
  uuid_ge: (a, b) => a >= b,
  uuid_cmp: compare,
  uuid_hash: (a) => hashBytes(bytesOf(a)),
  uuid_hash_extended: (a, seed) => hashBytesExtended(bytesOf(a), seed),
  gen_random_uuid: () => randomUUID(),
  uuidv7: (ctx) => uuidv7(Number(ctx.clockTimestamp()) / 1000 + EPOCH_MS, 0),
  uuidv7_interval(shift, ctx) {
    const now = ctx.clockTimestamp()
    const shifted = addInterval(now, shift, sessionZone(ctx.io.timeZone))
    return uuidv7(Number(now) / 1000 + EPOCH_MS, (Number(shifted) - Number(now)) / 1000)
  },
  uuid_extract_version: (a) => (variantIsRfc(a) ? Number.parseInt(a[14]!, 16) : null),
  uuid_extract_timestamp(a) {
    if (!variantIsRfc(a)) return null
    const hex = a.replaceAll('-', '')
    if (hex[12] === '7') return (Number.parseInt(hex.slice(0, 12), 16) - EPOCH_MS) * 1000
    if (hex[12] !== '1') return null
    // Version 1 counts 100 ns from 1582-10-15.
    const ticks = BigInt(`0x${hex.slice(13, 16)}${hex.slice(8, 12)}${hex.slice(0, 8)}`)
    return Number(ticks / 10n - 13165977600000000n)
  },
} satisfies Procs
