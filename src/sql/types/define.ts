// Builds a TypeSupport from what a family must say, filling in what follows from it.

import type { ByteWriter } from '../../base/bytes.ts'
import type { KeyCodec, ValueCodec } from '../../base/codec.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { decodeUtf8 } from '../../base/utf8.ts'
import { writeUtf8 } from './chars.ts'
import type { EvalContext, IoSettings } from './eval-context.ts'
import type { Present, TypeSupport } from './type.ts'

/** A family's own parts, typed with the form of its values. Without `receive`/`send` the binary form is the text form's bytes. */
export interface TypeParts<T extends Present> {
  input(text: string, typmod: number, ctx: EvalContext): T
  output(value: T, io: IoSettings): string
  writeText?(value: T, out: ByteWriter, io: IoSettings): void
  receive?(buffer: Buffer, start: number, end: number, typmod: number, ctx: EvalContext): T
  send?(value: T, out: ByteWriter): void
  compare?(a: T, b: T): number
  hashKey?(value: T): string | number | bigint | boolean
  size(value: T): number
  value: { write(value: T, out: ByteWriter): void; read(buffer: Buffer, start: number, end: number): T }
  key: {
    write(value: T, out: ByteWriter): void
    skip(buffer: Buffer, start: number): number
    read(buffer: Buffer, start: number, end: number): T | undefined
    readonly lossless: boolean
  } | null
}

export function defineType<T extends Present>(parts: TypeParts<T>): TypeSupport {
  const { input, output } = parts
  return {
    input,
    output: output as TypeSupport['output'],
    writeText: (parts.writeText ??
      ((value: T, out: ByteWriter, io: IoSettings) => writeUtf8(output(value, io), out))) as TypeSupport['writeText'],
    receive: parts.receive ?? ((buffer, start, end, typmod, ctx) => input(decodeUtf8(buffer, start, end), typmod, ctx)),
    send: (parts.send ?? ((value: T, out: ByteWriter) => writeUtf8(output(value, TEXT_IO), out))) as TypeSupport['send'],
    compare: (parts.compare ?? null) as TypeSupport['compare'],
    hashKey: (parts.hashKey ?? null) as TypeSupport['hashKey'],
    size: parts.size as TypeSupport['size'],
    value: parts.value as ValueCodec,
    key: parts.key as KeyCodec | null,
  }
}

/** Settings under which output text reads back the same: for text that goes into casts' binary forms, keys and dumps. */
export const TEXT_IO: IoSettings = {
  dateStyle: 'ISO',
  dateOrder: 'MDY',
  intervalStyle: 'postgres',
  timeZoneAbbreviations: 'Default',
  timeZone: 'UTC',
  extraFloatDigits: 1,
  byteaOutput: 'hex',
  xmlBinary: 'base64',
  standardConformingStrings: true,
}

/** 22P02 as input functions word it. */
export function invalidInput(type: string, text: string): PgError {
  return new PgError(SQLSTATE.invalidTextRepresentation, `invalid input syntax for type ${type}: "${text}"`)
}

/** 22003 as input functions word it. */
export function outOfRangeInput(type: string, text: string): PgError {
  return new PgError(SQLSTATE.numericValueOutOfRange, `value "${text}" is out of range for type ${type}`)
}

/** 22P03 when a binary value has the wrong length. */
export function binaryLength(actual: number, expected: number): void {
  if (actual < expected) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
  if (actual > expected) throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'incorrect binary data format')
}
