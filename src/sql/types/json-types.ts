// TypeSupport of json (its text, validated) and jsonb (a tree).

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { LONG, longWork, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { decodeUtf8 } from '../../base/utf8.ts'
import { writeUtf8 } from './chars.ts'
import { defineType } from './define.ts'
import { parseJsonSteps, parseJsonText } from './json-text.ts'
import {
  compareJsonb,
  formatJsonb,
  formatJsonbSteps,
  isArrayValue,
  Jsonb,
  JsonbObject,
  type JsonbValue,
  jsonbHashKey,
  jsonbSize,
} from './jsonb.ts'
import { Numeric } from './numeric.ts'
import { numericTypes } from './numeric-type.ts'
import type { TypeFamily } from './type.ts'
import { readVarint, readVarintSize, writeVarint } from './varint.ts'

const numeric = numericTypes['numeric']!

// Row form of a node: tag, then what it needs. Strings and numbers carry their length.
const NULL = 0
const FALSE = 1
const TRUE = 2
const STRING = 3
const NUMBER = 4
const ARRAY = 5
const OBJECT = 6

function writeString(text: string, out: ByteWriter): void {
  // One byte of length is enough for most; otherwise the bytes move to make room.
  const at = out.length
  out.u8(0)
  const size = out.utf8(text)
  if (size < 0x80) {
    out.buffer[at] = size
    return
  }
  const room = size < 0x4000 ? 2 : size < 0x200000 ? 3 : size < 0x10000000 ? 4 : 5
  out.reserve(room)
  out.buffer.copyWithin(at + room, at + 1, at + 1 + size)
  out.length = at
  writeVarint(out, size)
  out.length = at + room + size
}

function writeNode(value: JsonbValue, out: ByteWriter): void {
  if (value === null) out.u8(NULL)
  else if (typeof value === 'boolean') out.u8(value ? TRUE : FALSE)
  else if (typeof value === 'string') {
    out.u8(STRING)
    writeString(value, out)
  } else if (value instanceof Numeric) {
    out.u8(NUMBER)
    out.u32(0)
    const from = out.length
    numeric.value.write(value, out)
    out.buffer.writeUInt32BE(out.length - from, from - 4)
  } else if (isArrayValue(value)) {
    out.u8(ARRAY)
    writeVarint(out, value.length)
    for (const item of value) writeNode(item, out)
  } else {
    out.u8(OBJECT)
    writeVarint(out, value.keys.length)
    for (let i = 0; i < value.keys.length; i++) {
      writeString(value.keys[i]!, out)
      writeNode(value.values[i]!, out)
    }
  }
}

/** Reads nodes one after another. */
class NodeReader {
  readonly buffer: Buffer
  at: number
  /** Of the last object at each depth. */
  readonly #keys: (readonly string[] | undefined)[] = []
  #told = 0

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer
    this.at = at
  }

  string(): string {
    const size = this.count()
    const text = this.buffer.utf8Slice(this.at, this.at + size)
    this.at += size
    return text
  }

  count(): number {
    const n = readVarint(this.buffer, this.at)
    this.at += readVarintSize(this.buffer, this.at)
    return n
  }

  node(depth = 0): JsonbValue {
    const tag = this.buffer[this.at++]!
    if (tag < ARRAY) return this.#scalar(tag)
    const n = this.count()
    const values: JsonbValue[] = new Array(n)
    if (tag === ARRAY) {
      for (let i = 0; i < n; i++) values[i] = this.node(depth + 1)
      return values
    }
    const last = this.#keys[depth]
    let own: string[] | null = last?.length === n ? null : []
    for (let i = 0; i < n; i++) {
      own = this.#key(own, last, i)
      values[i] = this.node(depth + 1)
    }
    return new JsonbObject(this.#keysOf(depth, own), values)
  }

  /** `node` in steps. */
  *steps(depth = 0): Steps<JsonbValue> {
    const tag = this.buffer[this.at]!
    if (tag < ARRAY || depth > STEPS_DEPTH) return this.node(depth)
    this.at++
    const n = this.count()
    const values: JsonbValue[] = new Array(n)
    const last = this.#keys[depth]
    let own: string[] | null = tag === ARRAY || last?.length === n ? null : []
    for (let i = 0; i < n; i++) {
      if (tag === OBJECT) own = this.#key(own, last, i)
      values[i] = this.buffer[this.at]! < ARRAY ? this.node(depth + 1) : yield* this.steps(depth + 1)
      if (this.at - this.#told > STEP_BYTES) {
        this.#told = this.at
        yield
      }
    }
    return tag === ARRAY ? values : new JsonbObject(this.#keysOf(depth, own), values)
  }

  #scalar(tag: number): JsonbValue {
    switch (tag) {
      case NULL:
        return null
      case FALSE:
        return false
      case TRUE:
        return true
      case STRING:
        return this.string()
      default: {
        const size = this.buffer.readUInt32BE(this.at)
        this.at += 4 + size
        return numeric.value.read(this.buffer, this.at - size, this.at) as Numeric
      }
    }
  }

  /** The next key; the objects of a list mostly have the same ones, and share them then (`own` null). */
  #key(own: string[] | null, last: readonly string[] | undefined, i: number): string[] | null {
    const key = this.string()
    if (own === null && last![i] === key) return null
    const keys = own ?? last!.slice(0, i)
    keys.push(key)
    return keys
  }

  #keysOf(depth: number, own: string[] | null): readonly string[] {
    if (own !== null) this.#keys[depth] = own
    return this.#keys[depth]!
  }
}

/** Deeper containers are read at once. */
const STEPS_DEPTH = 100
/** Bytes between two moments at which others may have their turn. */
const STEP_BYTES = 32 * 1024

const readSteps = (bytes: Buffer): Steps<JsonbValue> => new NodeReader(bytes, 0).steps()

// Key form: rank and size first, as the order does. Strings escape 0 and end in 0 1.
function writeKeyString(text: string, out: ByteWriter): void {
  const bytes = Buffer.from(text)
  for (const byte of bytes) {
    out.u8(byte)
    if (byte === 0) out.u8(0xff)
  }
  out.u8(0)
  out.u8(1)
}

function skipKeyString(buffer: Buffer, start: number): number {
  let at = start
  for (;;) {
    if (buffer[at++] !== 0) continue
    if (buffer[at++] === 1) return at
  }
}

function writeKeyNode(value: JsonbValue, out: ByteWriter): void {
  if (value === null) out.u8(1)
  else if (typeof value === 'string') {
    out.u8(2)
    writeKeyString(value, out)
  } else if (value instanceof Numeric) {
    out.u8(3)
    numeric.key!.write(value, out)
  } else if (typeof value === 'boolean') out.u8(value ? 5 : 4)
  else if (isArrayValue(value)) {
    out.u8(6)
    out.u32(value.length)
    for (const item of value) writeKeyNode(item, out)
  } else {
    out.u8(7)
    out.u32(value.keys.length)
    for (let i = 0; i < value.keys.length; i++) {
      writeKeyString(value.keys[i]!, out)
      writeKeyNode(value.values[i]!, out)
    }
  }
}

function skipKeyNode(buffer: Buffer, start: number): number {
  const tag = buffer[start]!
  if (tag === 2) return skipKeyString(buffer, start + 1)
  if (tag === 3) return numeric.key!.skip(buffer, start + 1)
  if (tag < 6) return start + 1
  const n = buffer.readUInt32BE(start + 1)
  let at = start + 5
  for (let i = 0; i < n; i++) {
    if (tag === 7) at = skipKeyString(buffer, at)
    at = skipKeyNode(buffer, at)
  }
  return at
}

/** What a tree takes for each byte of the row form, about. */
const TREE_PER_BYTE = 4

const parsed = (text: string, build: boolean): JsonbValue =>
  text.length > LONG ? longWork(parseJsonSteps, text, build) : parseJsonText(text, build)

const told = (value: Jsonb): string => (value.isLong ? longWork(formatJsonbSteps, value.root) : formatJsonb(value.root))

const jsonb = defineType<Jsonb>({
  input: (text) => new Jsonb(parsed(text, true)),
  output: (value) => told(value),
  receive(buffer, start, end) {
    if (end === start) throw new PgError(SQLSTATE.protocolViolation, 'no data left in message')
    const version = buffer[start]!
    if (version !== 1) throw new PgError(SQLSTATE.internalError, `unsupported jsonb version number ${version}`)
    return new Jsonb(parsed(decodeUtf8(buffer, start + 1, end), true))
  },
  send(value, out) {
    out.u8(1)
    writeUtf8(told(value), out)
  },
  compare: compareJsonb,
  hashKey: (value) => jsonbHashKey(value.root),
  size: (value) => 24 + (value.bytes === null ? jsonbSize(value.root) : value.bytes.length * TREE_PER_BYTE),
  value: {
    write(value, out) {
      if (value.bytes !== null) out.bytes(value.bytes)
      else writeNode(value.root, out)
    },
    read(buffer, start, end) {
      if (end - start <= LONG) return new Jsonb(new NodeReader(buffer, start).node())
      return new Jsonb(null, { bytes: Buffer.from(buffer.subarray(start, end)), read: readSteps })
    },
  },
  key: {
    write(value, out) {
      const root = value.root
      // An empty array at the top sorts below everything.
      if (isArrayValue(root) && root.length === 0) out.u8(0)
      else writeKeyNode(root, out)
    },
    skip: (buffer, start) => (buffer[start] === 0 ? start + 1 : skipKeyNode(buffer, start)),
    read: () => undefined,
    lossless: false,
  },
})

const json = defineType<string>({
  input(text) {
    parsed(text, false)
    return text
  },
  output: (value) => value,
  receive(buffer, start, end) {
    const text = decodeUtf8(buffer, start, end)
    parsed(text, false)
    return text
  },
  size: (value) => 24 + value.length * 2,
  value: { write: (value, out) => void out.utf8(value), read: (buffer, start, end) => buffer.utf8Slice(start, end) },
  key: null,
})

export const jsonTypes: TypeFamily = { json, jsonb }
