// What a type is, besides its functions: forms of a value outside (text, binary), in rows and in keys, and its order. One file per family implements it.

import type { ByteWriter } from '../../base/bytes.ts'
import type { ColumnCodec } from '../../base/codec.ts'
import type { Datum } from '../../base/datum.ts'
import type { EvalContext, IoSettings } from './eval-context.ts'

export type Present = NonNullable<Datum>

/**
 * A type's support, found by OID (`typeSupport` in registry.ts; arrays, domains and composites are composed from their parts). typinput,
 * typoutput, typreceive and typsend in pg_proc are bodies made from these, so that `int4in('7')` and a parameter go one way.
 */
export interface TypeSupport extends ColumnCodec {
  /** Text form in. PostgreSQL's errors: 22P02, 22003, 22007, … `typmod` -1 = none; with one, the length coercion of an input function. */
  input(text: string, typmod: number, ctx: EvalContext): Present
  output(value: Present, io: IoSettings): string
  /** output's bytes straight into `out` as UTF-8, without a length. // hot */
  writeText(value: Present, out: ByteWriter, io: IoSettings): void
  /** Binary form in: bytes [start, end) of `buffer`. 22P03 when malformed. */
  receive(buffer: Buffer, start: number, end: number, typmod: number, ctx: EvalContext): Present
  send(value: Present, out: ByteWriter): void
  /** Order of the default btree operator class; null for types without one. */
  readonly compare: ((a: Present, b: Present) => number) | null
  /** Values equal by the default hash/btree equality give the same primitive and others a different one: a Map key. Null where there is no equality. */
  readonly hashKey: ((value: Present) => string | number | bigint | boolean) | null
  /** Estimated bytes held by one value, for memory accounts. */
  size(value: Present): number
}

/** By typname. Each family exports one such table. */
export type TypeFamily = Readonly<Record<string, TypeSupport>>
