// Parameters of a client that does not speak UTF-8: their text, and what of their binary forms is text.

import { isAscii } from 'node:buffer'
import { notSupported } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import type { SingleByteEncoding } from '../base/single-byte-encodings.ts'
import type { PgTypeRow } from '../sql/builtin/data/rows.ts'
import { procByOid } from '../sql/builtin/pg-proc.ts'
import { decoded, utf8Of } from '../sql/types/chars.ts'

interface TypeRows {
  type(oid: Oid): PgTypeRow | null
}

/** The binary form is text; jsonb and jsonpath put a version before it, which is ASCII. */
// biome-ignore format: a list
const OF_TEXT: ReadonlySet<string> = new Set(['textrecv', 'varcharrecv', 'bpcharrecv', 'namerecv', 'unknownrecv', 'cstring_recv', 'json_recv',
  'jsonb_recv', 'jsonpath_recv', 'xml_recv', 'enum_recv'])
/** The binary form holds those of others. */
const OF_OTHERS: ReadonlySet<string> = new Set(['array_recv', 'record_recv'])
/** Categories of types without text: numbers, dates, times, network addresses, Booleans, bit strings, ranges. */
const NO_TEXT: ReadonlySet<string> = new Set(['N', 'D', 'T', 'I', 'B', 'V', 'R'])

export class IncomingText {
  readonly #encoding: SingleByteEncoding
  readonly #types: TypeRows

  constructor(encoding: SingleByteEncoding, types: TypeRows) {
    this.#encoding = encoding
    this.#types = types
  }

  text(bytes: Buffer): string {
    return decoded(bytes, this.#encoding)
  }

  /** The binary form with its text in UTF-8. One that holds others is not looked into: 0A000 if there could be text in it. */
  binary(bytes: Buffer, type: Oid): Buffer {
    let row = this.#types.type(type)
    while (row?.typtype === 'd') row = this.#types.type(row.typbasetype)
    const receive = procByOid(row?.typreceive ?? 0)?.prosrc ?? ''
    if (OF_TEXT.has(receive)) return utf8Of(this.text(bytes))
    if (OF_OTHERS.has(receive) && !isAscii(bytes) && this.#mayHoldText(row!)) {
      throw notSupported(
        `binary parameters of type ${row!.typname} in client_encoding ${this.#encoding.name} are not supported`,
        'Send them as text, or use client_encoding UTF8.',
      )
    }
    return bytes
  }

  #mayHoldText(row: PgTypeRow): boolean {
    if (row.typelem === 0) return !NO_TEXT.has(row.typcategory)
    const element = this.#types.type(row.typelem)
    return element === null || this.#mayHoldText(element)
  }
}
