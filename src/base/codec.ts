// What storage needs of a type to keep its values, declared here because storage knows no SQL types and sql/types knows no storage.
// sql/types implements these per type; storage/rows calls them.

import type { ByteWriter } from './bytes.ts'
import type { Datum } from './datum.ts'

/** Compact form of one non-null value inside a row; need not keep order. `end` is exclusive. A format change needs a new row version. */
export interface ValueCodec {
  write(value: NonNullable<Datum>, out: ByteWriter): void
  read(buffer: Buffer, start: number, end: number): NonNullable<Datum>
}

/**
 * Memcomparable form of one non-null value inside a key: bytes order as the type's default btree operator class does (ascending; the key
 * codec inverts for DESC and marks NULLs). Self-delimiting: `skip` answers the offset behind the value.
 */
export interface KeyCodec {
  write(value: NonNullable<Datum>, out: ByteWriter): void
  skip(buffer: Buffer, start: number): number
  /** The value back, or undefined when the key form does not hold all of it (numeric's scale, for example): then an index-only scan may not return it. */
  read(buffer: Buffer, start: number, end: number): NonNullable<Datum> | undefined
  /** True when `read` gives back exactly the value written. */
  readonly lossless: boolean
}

/** Both codecs of a column's type. `key` is null for types without a btree order (json). */
export interface ColumnCodec {
  readonly value: ValueCodec
  readonly key: KeyCodec | null
}
