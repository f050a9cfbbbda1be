// Protobuf messages from tables: `message('kvrpcpb.KeyRange', { start_key: bytes(1), end_key: bytes(2) })` gives the TypeScript types by
// inference and a reader and a writer compiled once from the table (a function text per message: a switch over tags, no look-ups per field).
// proto3 rules: defaults are not written, unknown fields are skipped, repeated scalars are packed and read either way, of a field sent twice
// the last counts. Field names are the protobuf names. 64-bit integers are bigint, bytes are Buffers (views into what was received).

import { EMPTY, Reader, WireError, Writer } from './wire.ts'

export type ScalarKind = 'uint32' | 'int32' | 'uint64' | 'int64' | 'bool' | 'string' | 'bytes' | 'enum'

/** Names and numbers of an enum, as a constant object. */
export type EnumTable = Readonly<Record<string, number>>

/** One field of a table. `Out` is what is read, `In` what may be written; both exist for the compiler only. */
export interface Field<Out = unknown, In = unknown> {
  readonly number: number
  readonly kind: ScalarKind | 'message' | 'map' | 'oneof'
  readonly repeated: boolean
  readonly message?: AnyMessage
  readonly values?: EnumTable
  /** Of a oneof: its alternatives by name. */
  readonly cases?: Readonly<Record<string, Field>>
  readonly out?: Out
  readonly in?: In
}

export type Fields = Readonly<Record<string, Field>>

type OutOf<F> = F extends Field<infer Out, infer _In> ? Out : never
type InOf<F> = F extends Field<infer _Out, infer In> ? In : never

/** A message as read: every field present, defaults filled in, absent messages undefined. */
export type Decoded<F extends Fields> = { -readonly [K in keyof F]: OutOf<F[K]> }
/** A message as written: what is left out or undefined is the default. */
export type Init<F extends Fields> = { readonly [K in keyof F]?: InOf<F[K]> | undefined }

export interface MessageType<F extends Fields> {
  readonly name: string
  readonly fields: F
  encode(value: Init<F>): Buffer
  decode(bytes: Uint8Array): Decoded<F>
  /** With no bytes: every default. */
  create(): Decoded<F>
  /** Reads up to `end`. */
  readFrom(reader: Reader, end: number): Decoded<F>
  writeTo(value: Init<F>, writer: Writer): void
}

/** Any message, where only its bytes and its table matter. */
export interface AnyMessage {
  readonly name: string
  readonly fields: Fields
  encode(value: object): Buffer
  decode(bytes: Uint8Array): object
  readFrom(reader: Reader, end: number): object
  writeTo(value: object, writer: Writer): void
}

export type MessageOf<M> = M extends MessageType<infer F> ? Decoded<F> : never
export type InitOf<M> = M extends MessageType<infer F> ? Init<F> : never

const scalar = <Out, In = Out>(kind: ScalarKind, number: number): Field<Out, In> => ({ number, kind, repeated: false })
export const uint32 = (number: number) => scalar<number>('uint32', number)
export const int32 = (number: number) => scalar<number>('int32', number)
export const uint64 = (number: number) => scalar<bigint>('uint64', number)
export const int64 = (number: number) => scalar<bigint>('int64', number)
export const bool = (number: number) => scalar<boolean>('bool', number)
export const string = (number: number) => scalar<string>('string', number)
export const bytes = (number: number) => scalar<Buffer, Uint8Array>('bytes', number)
/** An enum is a number of its table; a newer peer may send others. */
export const enumeration = <E extends EnumTable>(number: number, values: E): Field<E[keyof E], E[keyof E]> => ({
  number,
  kind: 'enum',
  repeated: false,
  values,
})
export const embedded = <F extends Fields>(number: number, type: MessageType<F>): Field<Decoded<F> | undefined, Init<F>> => ({
  number,
  kind: 'message',
  repeated: false,
  message: type as unknown as AnyMessage,
})
export const repeated = <Out, In>(field: Field<Out, In>): Field<NonNullable<Out>[], readonly In[]> => ({
  number: field.number,
  kind: field.kind,
  repeated: true,
  ...(field.message ? { message: field.message } : {}),
  ...(field.values ? { values: field.values } : {}),
})
/** map<string, string> */
export const stringMap = (number: number): Field<Map<string, string>, ReadonlyMap<string, string>> => ({
  number,
  kind: 'map',
  repeated: false,
})

type CaseOut<C extends Fields> = { [K in keyof C]: { readonly case: K; readonly value: NonNullable<OutOf<C[K]>> } }[keyof C]
type CaseIn<C extends Fields> = { [K in keyof C]: { readonly case: K; readonly value: InOf<C[K]> } }[keyof C]
/** One of several embedded messages: `{ case: 'Get', value: … }`. */
export const oneof = <C extends Fields>(cases: C): Field<CaseOut<C> | undefined, CaseIn<C>> => ({
  number: 0,
  kind: 'oneof',
  repeated: false,
  cases,
})

const TYPE_DEFAULTS: Record<string, string> = {
  uint32: '0',
  int32: '0',
  enum: '0',
  uint64: '0n',
  int64: '0n',
  bool: 'false',
  string: "''",
  bytes: 'EMPTY',
}
const isPacked = (field: Field): boolean => field.kind !== 'message' && field.kind !== 'string' && field.kind !== 'bytes'
const isDelimited = (field: Field): boolean => !isPacked(field) || field.kind === 'map'
const methodOf = (field: Field): string => (field.kind === 'enum' ? 'int32' : field.kind)
const tagOf = (field: Field): number => ((field.number << 3) | (isDelimited(field) ? 2 : 0)) >>> 0

/** The embedded messages a table names, in the order in which the texts below number them. */
function embeddedOf(fields: Fields): AnyMessage[] {
  const found: AnyMessage[] = []
  const note = (field: Field): void => {
    if (field.message && !found.includes(field.message)) found.push(field.message)
  }
  for (const field of Object.values(fields)) {
    note(field)
    if (field.cases) Object.values(field.cases).forEach(note)
  }
  return found
}

function readerText(fields: Fields, types: readonly AnyMessage[]): string {
  const read = (field: Field): string =>
    field.kind === 'message' ? `read${types.indexOf(field.message!)}(r, r.limit())` : `r.${methodOf(field)}()`
  const names = Object.keys(fields)
  const variables: string[] = []
  const cases: string[] = []
  const results: string[] = []
  names.forEach((name, i) => {
    const field = fields[name]!
    const v = `v${i}`
    if (field.kind === 'oneof') {
      variables.push(`${v} = undefined`)
      for (const [label, one] of Object.entries(field.cases!))
        cases.push(`case ${tagOf(one)}: ${v} = { case: '${label}', value: ${read(one)} }; break`)
      results.push(`${name}: ${v}`)
    } else if (field.kind === 'map') {
      variables.push(`${v} = new Map()`)
      cases.push(`case ${tagOf(field)}: mapEntry(r, ${v}); break`)
      results.push(`${name}: ${v}`)
    } else if (field.repeated) {
      variables.push(`${v} = undefined`)
      cases.push(`case ${tagOf(field)}: if (${v} === undefined) ${v} = [${read(field)}]; else ${v}.push(${read(field)}); break`)
      if (isPacked(field))
        cases.push(
          `case ${(field.number << 3) | 2}: { if (${v} === undefined) ${v} = []; const e = r.limit(); while (r.pos < e) ${v}.push(${read(field)}); break }`,
        )
      results.push(`${name}: ${v} === undefined ? [] : ${v}`)
    } else {
      variables.push(`${v} = ${field.kind === 'message' ? 'undefined' : TYPE_DEFAULTS[field.kind]}`)
      cases.push(`case ${tagOf(field)}: ${v} = ${read(field)}; break`)
      results.push(`${name}: ${v}`)
    }
  })
  return `
    ${variables.length > 0 ? `let ${variables.join(', ')}` : ''}
    while (r.pos < end) {
      const tag = r.uint32()
      switch (tag) {
        ${cases.join('\n')}
        default: r.skip(tag)
      }
    }
    if (r.pos !== end) r.truncated()
    return { ${results.join(', ')} }`
}

function writerText(fields: Fields, types: readonly AnyMessage[]): string {
  const embed = (field: Field, value: string): string =>
    `{ const e = w.size; write${types.indexOf(field.message!)}(${value}, w); w.uint32(w.size - e); w.uint32(${tagOf(field)}) }`
  const one = (field: Field, value: string): string =>
    field.kind === 'message' ? embed(field, value) : `w.${methodOf(field)}(${value}); w.uint32(${tagOf(field)})`
  const lines: string[] = []
  const numberOf = (field: Field): number => (field.cases ? Math.min(...Object.values(field.cases).map((c) => c.number)) : field.number)
  // From the last field to the first, since the writer runs backwards.
  const ordered = Object.entries(fields).sort(([, a], [, b]) => numberOf(b) - numberOf(a))
  for (const [name, field] of ordered) {
    lines.push(`v = m.${name}`)
    if (field.kind === 'oneof') {
      const arms = Object.entries(field.cases!).map(([label, arm]) => `case '${label}': ${one(arm, 'v.value')} break`)
      lines.push(`if (v !== undefined) switch (v.case) { ${arms.join('\n')}\n default: unknownCase('${name}', v.case) }`)
    } else if (field.kind === 'map') {
      lines.push(`if (v !== undefined && v.size > 0) mapWrite(w, v, ${tagOf(field)})`)
    } else if (field.repeated && isPacked(field)) {
      lines.push(`if (v !== undefined && v.length > 0) {
        const e = w.size
        for (let i = v.length - 1; i >= 0; i--) w.${methodOf(field)}(v[i])
        w.uint32(w.size - e); w.uint32(${(field.number << 3) | 2})
      }`)
    } else if (field.repeated) {
      lines.push(`if (v !== undefined) for (let i = v.length - 1; i >= 0; i--) { ${one(field, 'v[i]')} }`)
    } else if (field.kind === 'message') {
      lines.push(`if (v !== undefined) ${embed(field, 'v')}`)
    } else if (field.kind === 'bytes' || field.kind === 'string') {
      lines.push(`if (v !== undefined && v.length > 0) { ${one(field, 'v')} }`)
    } else {
      lines.push(`if (v !== undefined && v !== ${TYPE_DEFAULTS[field.kind]}) { ${one(field, 'v')} }`)
    }
  }
  return `let v\n${lines.join('\n')}`
}

function mapEntry(reader: Reader, map: Map<string, string>): void {
  const end = reader.limit()
  let key = ''
  let value = ''
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag === 10) key = reader.string()
    else if (tag === 18) value = reader.string()
    else reader.skip(tag)
  }
  map.set(key, value)
}

function mapWrite(writer: Writer, map: ReadonlyMap<string, string>, tag: number): void {
  for (const [key, value] of [...map].reverse()) {
    const before = writer.size
    writer.string(value)
    writer.uint32(18)
    writer.string(key)
    writer.uint32(10)
    writer.uint32(writer.size - before)
    writer.uint32(tag)
  }
}

function unknownCase(field: string, label: unknown): never {
  throw new WireError(`no alternative "${String(label)}" in ${field}`)
}

const shared = new Writer()

/** Makes a message type of its table. `name` is the full protobuf name, for error texts and tools. */
export function message<const F extends Fields>(name: string, fields: F): MessageType<F> {
  const types = embeddedOf(fields)
  const context = { EMPTY, mapEntry, mapWrite, unknownCase, reads: types.map((t) => t.readFrom), writes: types.map((t) => t.writeTo) }
  const locals = [
    'const { EMPTY, mapEntry, mapWrite, unknownCase, reads, writes } = context',
    ...types.map((_, i) => `const read${i} = reads[${i}], write${i} = writes[${i}]`),
  ].join('\n')
  // The texts hold nothing but field names and numbers of the tables in this directory.
  const compile = (parameters: string, body: string): unknown =>
    new Function('context', `'use strict'\n${locals}\nreturn function (${parameters}) {${body}\n}`)(context)
  const readFrom = compile('r, end', readerText(fields, types)) as (reader: Reader, end: number) => Decoded<F>
  const writeTo = compile('m, w', writerText(fields, types)) as (value: Init<F>, writer: Writer) => void
  return {
    name,
    fields,
    readFrom,
    writeTo,
    encode(value) {
      try {
        writeTo(value, shared)
        return shared.finish()
      } catch (error) {
        shared.reset()
        throw error
      }
    },
    decode: (bytes) => readFrom(new Reader(bytes), bytes.length),
    create: () => readFrom(new Reader(EMPTY), 0),
  }
}

/** A unary or streaming method of a gRPC service. */
export interface Method<Request extends Fields = Fields, Response extends Fields = Fields> {
  readonly path: string
  readonly request: MessageType<Request>
  readonly response: MessageType<Response>
}

export const method = <Q extends Fields, S extends Fields>(
  path: string,
  request: MessageType<Q>,
  response: MessageType<S>,
): Method<Q, S> => ({
  path,
  request,
  response,
})
