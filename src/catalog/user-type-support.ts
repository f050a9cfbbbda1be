// TypeSupport of a tenant's own types: enums, domains, row types and the arrays over them. Composed per descriptor and remembered with it.

import type { ByteWriter } from '../base/bytes.ts'
import { notSupported, PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { decodeUtf8 } from '../base/utf8.ts'
import type { PgTypeRow } from '../sql/builtin/data/rows.ts'
import { arrayTypeSupport } from '../sql/types/array-type.ts'
import { defineType } from '../sql/types/define.ts'
import { DOMAIN_CHECK, type EvalContext } from '../sql/types/eval-context.ts'
import { compositeTypeSupport, withRowTypeOf } from '../sql/types/record.ts'
import { findBuiltinType } from '../sql/types/registry.ts'
import type { Present, TypeSupport } from '../sql/types/type.ts'
import type { TypeDescriptor } from './descriptors.ts'
import { FIRST_NORMAL_OID } from './records.ts'
import type { CatalogSnapshot } from './snapshot.ts'

const ANYARRAY: Oid = 2277
const TEXT_ARRAY: Oid = 1009

/** A support, and the own types that it was composed of: as long as these are what they were it is good. */
interface Composed {
  readonly support: TypeSupport
  readonly parts: ReadonlyMap<Oid, PgTypeRow>
}

/** By the pg_type row, which is one object as long as its descriptor is. */
const supports = new WeakMap<PgTypeRow, Composed>()

/** 42704 when there is no such type, 0A000 when it has no support yet. */
export function typeSupportOf(snapshot: CatalogSnapshot, oid: Oid): TypeSupport {
  return findBuiltinType(oid) ?? composed(snapshot, oid).support
}

function composed(snapshot: CatalogSnapshot, oid: Oid): Composed & { readonly row: PgTypeRow } {
  const row = snapshot.type(oid)
  if (row === null) throw new PgError(SQLSTATE.undefinedObject, `type with OID ${oid} does not exist`)
  let known = supports.get(row)
  if (known === undefined || !isCurrent(snapshot, known)) {
    const parts = new Map<Oid, PgTypeRow>()
    const partOf = (type: Oid): TypeSupport => {
      const builtin = findBuiltinType(type)
      if (builtin !== null) return builtin
      const part = composed(snapshot, type)
      parts.set(type, part.row)
      for (const [inner, innerRow] of part.parts) parts.set(inner, innerRow)
      return part.support
    }
    known = { support: build(snapshot, row, partOf), parts }
    supports.set(row, known)
  }
  return { ...known, row }
}

function isCurrent(snapshot: CatalogSnapshot, { parts }: Composed): boolean {
  for (const [oid, row] of parts) if (snapshot.type(oid) !== row) return false
  return true
}

function build(snapshot: CatalogSnapshot, row: PgTypeRow, supportOf: (type: Oid) => TypeSupport): TypeSupport {
  // Of pg_statistic's values their texts are shown; pg_attribute's are NULL
  if (row.oid === ANYARRAY) return supportOf(TEXT_ARRAY)
  if (row.typtype === 'd') return domainSupport(row, supportOf(row.typbasetype))
  if (row.typtype === 'c') {
    const relation = snapshot.relation(row.typrelid)
    if (relation === null) throw notSupported(`type ${row.typname} is not implemented`)
    return compositeTypeSupport({
      type: row.oid,
      fields: relation.columns
        .filter((column) => !column.dropped)
        .map(({ name, type, typmod, attnum }) => ({ name, type, typmod, attnum, support: supportOf(type) })),
    })
  }
  if (row.typtype === 'e') {
    const type = snapshot.userType(row.oid)!
    return enumSupport(type, snapshot.uncommittedLabels(type))
  }
  if (row.typcategory === 'A' && row.typelem !== 0) return arrayTypeSupport(supportOf(row.typelem), row.typelem, row.typdelim)
  throw notSupported(`type ${row.typname} is not implemented`)
}

export type EnumLabel = (TypeDescriptor['definition'] & { readonly kind: 'enum' })['labels'][number]

/** A roll-back would leave values without a label. */
export function unsafeLabel(label: string, type: TypeDescriptor, ctx: EvalContext): PgError {
  return new PgError(
    SQLSTATE.unsafeNewEnumValueUsage,
    `unsafe use of new value "${label}" of enum type ${ctx.catalog.typeName(type.oid) ?? type.name}`,
    { hint: 'New enum values must be committed before they can be used.' },
  )
}

/** Its base type's, whose input the domain's rules look at; the session knows how (domain-checks.ts), and where none is none were made. */
function domainSupport(row: PgTypeRow, base: TypeSupport): TypeSupport {
  if (row.oid < FIRST_NORMAL_OID) return base
  const checked = (value: Present, ctx: EvalContext): Present => {
    ctx.system(DOMAIN_CHECK)?.(row.oid, value)
    return value
  }
  const support: TypeSupport = {
    ...base,
    input: (text, _typmod, ctx) => checked(base.input(text, row.typtypmod, ctx), ctx),
    receive: (buffer, start, end, _typmod, ctx) => checked(base.receive(buffer, start, end, row.typtypmod, ctx), ctx),
  }
  return withRowTypeOf(base, support)
}

/** A label in memory; its OID in rows (labels may be renamed), its sort order in keys (orders never change). */
function enumSupport(type: TypeDescriptor, uncommitted: ReadonlySet<Oid>): TypeSupport {
  const labels = type.definition.kind === 'enum' ? type.definition.labels : []
  const byLabel = new Map(labels.map((label) => [label.label, label]))
  const byOid = new Map(labels.map((label) => [label.oid, label.label]))
  const byOrder = new Map(labels.map((label) => [label.sortOrder, label.label]))
  const found = (text: string, name = type.name): EnumLabel => {
    const label = byLabel.get(text)
    if (label !== undefined) return label
    throw new PgError(SQLSTATE.invalidTextRepresentation, `invalid input value for enum ${name}: "${text}"`)
  }
  const usable = (text: string, ctx: EvalContext): EnumLabel => {
    const label = byLabel.get(text) ?? found(text, ctx.catalog.typeName(type.oid) ?? type.name)
    if (uncommitted.has(label.oid)) throw unsafeLabel(label.label, type, ctx)
    return label
  }
  const stored = (label: string | undefined): string => {
    if (label === undefined) throw new PgError(SQLSTATE.dataCorrupted, `invalid internal value for enum ${type.name}`)
    return label
  }
  return defineType<string>({
    input: (text, _typmod, ctx) => usable(text, ctx).label,
    output: (value) => value,
    receive: (buffer, start, end, _typmod, ctx) => usable(decodeUtf8(buffer, start, end), ctx).label,
    send: (value, out) => {
      out.utf8(value)
    },
    compare: (a, b) => found(a).sortOrder - found(b).sortOrder,
    hashKey: (value) => value,
    size: (value) => 32 + 2 * value.length,
    value: {
      write: (value, out) => out.u32(found(value).oid),
      read: (buffer, start) => stored(byOid.get(buffer.readUInt32BE(start))),
    },
    key: {
      write: (value, out) => writeOrder(found(value).sortOrder, out),
      skip: (_buffer, start) => start + 8,
      read: (buffer, start) => stored(byOrder.get(readOrder(buffer, start))),
      lossless: true,
    },
  })
}

/** A float8 whose bytes sort as numbers do: sign bit flipped, negative ones inverted. */
function writeOrder(order: number, out: ByteWriter): void {
  out.f64(order)
  const at = out.length - 8
  const flip = order < 0 ? 0xff : 0
  for (let i = 0; i < 8; i++) out.buffer[at + i] = out.buffer[at + i]! ^ flip
  if (order >= 0) out.buffer[at] = out.buffer[at]! ^ 0x80
}

function readOrder(buffer: Buffer, start: number): number {
  const copy = Buffer.from(buffer.subarray(start, start + 8))
  if ((copy[0]! & 0x80) !== 0) copy[0] = copy[0]! ^ 0x80
  else for (let i = 0; i < 8; i++) copy[i] = copy[i]! ^ 0xff
  return copy.readDoubleBE(0)
}
