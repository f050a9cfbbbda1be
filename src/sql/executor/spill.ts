// Spill files: rows that do not fit into memory, in blocks of temporary files.
//
// Row format: u32 total bytes, then per datum a tag byte and its payload. Values are self-describing except objects, which are written by
// their type's ValueCodec; record shapes stay in memory beside the file.

import { ByteWriter } from '../../base/bytes.ts'
import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TemporaryFile } from '../../base/temporary-file.ts'
import { ArrayDatum } from '../types/array.ts'
import { RecordDatum, type RowType } from '../types/record.ts'
import type { TypeSupport } from '../types/type.ts'

/** A temporary file in `dir`; its failures are PostgreSQL's errors. */
export function openSpillFile(dir: string): TemporaryFile {
  return new TemporaryFile(dir, (what, error, isFull) => {
    const why = isFull ? 'No space left on device' : error.message
    return new PgError(isFull ? SQLSTATE.diskFull : SQLSTATE.ioError, `could not ${what} temporary file: ${why}`, { cause: error })
  })
}

const TAG = {
  null: 0,
  int: 1,
  double: 2,
  text: 3,
  false: 4,
  true: 5,
  bigint: 6,
  bytes: 7,
  object: 8,
  array: 9,
  record: 10,
  list: 11,
} as const

/** Writes and reads rows of known column types. One per file: it holds the shapes of the records in it. */
export class RowCodec {
  readonly #types: readonly Oid[]
  readonly #supportOf: (type: Oid) => TypeSupport
  readonly #shapes: RowType[] = []
  #at = 0

  constructor(types: readonly Oid[], supportOf: (type: Oid) => TypeSupport) {
    this.#types = types
    this.#supportOf = supportOf
  }

  write(row: Row, out: ByteWriter): void {
    const start = out.length
    out.u32(0)
    out.u16(row.length)
    for (let i = 0; i < row.length; i++) this.#writeDatum(row[i]!, this.#types[i] ?? 0, out)
    out.buffer.writeUInt32BE(out.length - start, start)
  }

  #writeDatum(value: Datum, type: Oid, out: ByteWriter): void {
    switch (typeof value) {
      case 'number':
        if ((value | 0) === value && !Object.is(value, -0)) {
          out.u8(TAG.int)
          out.i32(value)
        } else {
          out.u8(TAG.double)
          out.f64(value)
        }
        return
      case 'string': {
        out.u8(TAG.text)
        const at = out.length
        out.u32(0)
        // not within the call: writing may put another buffer in this one's place
        const size = out.utf8(value)
        out.buffer.writeUInt32BE(size, at)
        return
      }
      case 'boolean':
        out.u8(value ? TAG.true : TAG.false)
        return
      case 'bigint': {
        out.u8(TAG.bigint)
        const at = out.length
        out.u32(0)
        const size = out.utf8(value.toString())
        out.buffer.writeUInt32BE(size, at)
        return
      }
      default:
        this.#writeObject(value as object | null, type, out)
    }
  }

  #writeList(values: readonly Datum[], typeOf: (i: number) => Oid, out: ByteWriter): void {
    out.u32(values.length)
    for (let i = 0; i < values.length; i++) this.#writeDatum(values[i]!, typeOf(i), out)
  }

  #writeObject(value: object | null, type: Oid, out: ByteWriter): void {
    if (value === null) out.u8(TAG.null)
    else if (value instanceof Uint8Array) {
      out.u8(TAG.bytes)
      out.u32(value.length)
      out.bytes(value)
    } else if (value instanceof ArrayDatum) {
      out.u8(TAG.array)
      out.u32(value.elementType)
      out.u8(value.dims.length)
      for (let i = 0; i < value.dims.length; i++) {
        out.i32(value.dims[i]!)
        out.i32(value.lowerBounds[i]!)
      }
      this.#writeList(value.elements, () => value.elementType, out)
    } else if (value instanceof RecordDatum) {
      let shape = this.#shapes.indexOf(value.rowType)
      if (shape < 0) shape = this.#shapes.push(value.rowType) - 1
      out.u8(TAG.record)
      out.u32(shape)
      this.#writeList(value.values, (i) => value.rowType.fields[i]?.type ?? 0, out)
    } else if (Array.isArray(value)) {
      out.u8(TAG.list)
      this.#writeList(value as Datum[], () => 0, out)
    } else {
      out.u8(TAG.object)
      out.u32(type)
      const at = out.length
      out.u32(0)
      this.#supportOf(type).value.write(value, out)
      out.buffer.writeUInt32BE(out.length - at - 4, at)
    }
  }

  /** Decodes every row of a block. */
  readBlock(block: Buffer, rows: Row[]): void {
    for (let at = 0; at < block.length; ) {
      const end = at + block.readUInt32BE(at)
      rows.push(this.read(block, at))
      at = end
    }
  }

  read(buffer: Buffer, offset: number): Row {
    const count = buffer.readUInt16BE(offset + 4)
    this.#at = offset + 6
    const row = new Array<Datum>(count)
    for (let i = 0; i < count; i++) row[i] = this.#readDatum(buffer)
    return row
  }

  #readDatum(buffer: Buffer): Datum {
    const tag = buffer[this.#at++]!
    switch (tag) {
      case TAG.null:
        return null
      case TAG.int:
        this.#at += 4
        return buffer.readInt32BE(this.#at - 4)
      case TAG.double:
        this.#at += 8
        return buffer.readDoubleBE(this.#at - 8)
      case TAG.false:
        return false
      case TAG.true:
        return true
      default:
        return this.#readLong(tag, buffer)
    }
  }

  #u32(buffer: Buffer): number {
    this.#at += 4
    return buffer.readUInt32BE(this.#at - 4)
  }

  #i32(buffer: Buffer): number {
    this.#at += 4
    return buffer.readInt32BE(this.#at - 4)
  }

  #readList(buffer: Buffer): Datum[] {
    const values = new Array<Datum>(this.#u32(buffer))
    for (let i = 0; i < values.length; i++) values[i] = this.#readDatum(buffer)
    return values
  }

  #readLong(tag: number, buffer: Buffer): Datum {
    if (tag === TAG.array) {
      const elementType = this.#u32(buffer)
      const dimensions = buffer[this.#at++]!
      const dims: number[] = []
      const lowerBounds: number[] = []
      for (let i = 0; i < dimensions; i++) {
        dims.push(this.#i32(buffer))
        lowerBounds.push(this.#i32(buffer))
      }
      return new ArrayDatum(elementType, dims, lowerBounds, this.#readList(buffer))
    }
    if (tag === TAG.record) {
      const shape = this.#shapes[this.#u32(buffer)]!
      return new RecordDatum(shape, this.#readList(buffer))
    }
    if (tag === TAG.list) return this.#readList(buffer)
    const type = tag === TAG.object ? this.#u32(buffer) : 0
    const length = this.#u32(buffer)
    const start = this.#at
    this.#at += length
    if (tag === TAG.text) return buffer.utf8Slice(start, start + length)
    if (tag === TAG.bigint) return BigInt(buffer.latin1Slice(start, start + length))
    if (tag === TAG.bytes) return Buffer.from(buffer.subarray(start, start + length))
    return this.#supportOf(type).value.read(buffer, start, start + length)
  }
}

/** Collects rows into blocks of a file and reads them back in order: one partition of a hash, one run of a sort. */
export class SpillRun {
  readonly #file: TemporaryFile
  readonly #codec: RowCodec
  readonly #out = new ByteWriter(64 * 1024)
  readonly #blocks: number[] = []
  rows = 0
  bytes = 0

  constructor(file: TemporaryFile, codec: RowCodec) {
    this.#file = file
    this.#codec = codec
  }

  add(row: Row): void {
    this.#codec.write(row, this.#out)
    this.rows++
    if (this.#out.length >= BLOCK_BYTES) this.#flush()
  }

  #flush(): void {
    if (this.#out.length === 0) return
    const at = this.#file.append(this.#out.view())
    this.#blocks.push(at, this.#out.length)
    this.bytes += this.#out.length
    this.#out.reset()
  }

  /** No more rows; its write buffer is given back. */
  finish(): this {
    this.#flush()
    this.#out.buffer = EMPTY
    return this
  }

  get blockCount(): number {
    return this.#blocks.length / 2
  }

  readBlock(index: number): Row[] {
    const rows: Row[] = []
    this.#codec.readBlock(this.#file.read(this.#blocks[index * 2]!, this.#blocks[index * 2 + 1]!), rows)
    return rows
  }
}

const EMPTY = Buffer.alloc(0)
const BLOCK_BYTES = 32 * 1024
