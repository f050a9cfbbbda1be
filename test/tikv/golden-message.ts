// Recorded messages (JSON, protobuf's field names) as messages to send; each recording has its own way to write bytes, numbers and texts.

import type { Field, Fields } from '../../src/storage/tikv/proto/message.ts'

export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject {
  [name: string]: Json
}

export interface Notation {
  bytes(from: Json): Buffer
  integer(from: Json): bigint
  text(from: string): string
}

export function messageOf(fields: Fields, json: JsonObject, notation: Notation): Record<string, unknown> {
  const value = (field: Field, from: Json): unknown => {
    if (field.repeated) return (from as Json[]).map((one) => value({ ...field, repeated: false }, one))
    switch (field.kind) {
      case 'message':
        return messageOf(field.message!.fields, from as JsonObject, notation)
      case 'bytes':
        return notation.bytes(from)
      case 'uint64':
      case 'int64':
        return notation.integer(from)
      case 'enum':
        return typeof from === 'string' && from in field.values! ? field.values![from] : Number(from)
      case 'string':
        return notation.text(String(from))
      case 'bool':
        return from
      default:
        return Number(notation.integer(from))
    }
  }
  return Object.fromEntries(
    Object.entries(json).map(([name, from]) => {
      const field = fields[name]
      if (!field) throw new Error(`no field ${name}`)
      return [name, value(field, from)]
    }),
  )
}
