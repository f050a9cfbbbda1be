// Descriptor → TableLayout: how storage/rows sees a table. Ordinals are attnum - 1; dropped columns stay in place and are never read.
// Cached per descriptor unless an index has expressions or a predicate, whose evaluators belong to one compilation.

import type { ColumnCodec, KeyCodec } from '../../base/codec.ts'
import type { Datum, Row } from '../../base/datum.ts'
import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { relationInfo } from '../../catalog/catalog-snapshot.ts'
import {
  type IndexColumn,
  type IndexDescriptor,
  provesUnique,
  type RelationDescriptor,
  type StoredNode,
  type TableDescriptor,
} from '../../catalog/descriptors.ts'
import type { IndexLayout, IndexPart, TableLayout } from '../../storage/rows/layout.ts'
import type { Expr } from '../analyzer/expr.ts'
import { indexDefinition } from '../analyzer/ruleutils/definitions.ts'
import { readStoredExpr } from '../analyzer/stored.ts'
import { TEXT_IO } from '../types/define.ts'
import { findBuiltinType } from '../types/registry.ts'
import { readStoredValue } from '../types/stored-value.ts'
import type { TypeSupport } from '../types/type.ts'
import type { Compilation } from './compilation.ts'
import { compileExpr } from './expr/compile.ts'
import { evaluator } from './expr/compiled.ts'
import type { ExprScope } from './expr/scope.ts'

/** A table as the executor uses it. */
export interface TableAccess {
  readonly descriptor: RelationDescriptor
  readonly table: TableDescriptor
  readonly layout: TableLayout
  /** By OID; null = the primary key. */
  readonly indexes: ReadonlyMap<Oid, { readonly descriptor: IndexDescriptor; readonly layout: IndexLayout | null }>
}

const DROPPED: ColumnCodec = {
  value: {
    write() {},
    read() {
      throw new Error('a dropped column was read')
    },
  },
  key: null,
}

/** SCAN_VAR attnos over a row that holds every column at attnum - 1. */
export const FULL_ROW_SCOPE: ExprScope = { holders: new Map() }

const cache = new WeakMap<RelationDescriptor, TableAccess>()

export function typeSupport(type: Oid, cx: Compilation): TypeSupport {
  return findBuiltinType(type) ?? cx.state.ctx.catalog.typeSupport(type)
}

/** Equal by the type's own comparison; NULLs are. */
export function sameDatum(a: Datum, b: Datum, type: Oid, cx: Compilation): boolean {
  if (a === null || b === null) return a === b
  if (a === b) return true
  const { compare } = typeSupport(type, cx)
  return compare !== null && compare(a, b) === 0
}

/** Equal and of one look: 1.0 and 1.00 are equal only. */
export function sameImage(a: Datum, b: Datum, type: Oid, cx: Compilation): boolean {
  if (a === null || b === null || Object.is(a, b)) return Object.is(a, b)
  if (!sameDatum(a, b, type, cx)) return false
  const { output } = typeSupport(type, cx)
  return output(a, TEXT_IO) === output(b, TEXT_IO)
}

export function tableAccess(relation: Oid, cx: Compilation): TableAccess {
  const descriptor = cx.catalog.relation(relation)?.descriptor
  if (descriptor?.table == null) throw new Error(`relation ${relation} is no table`)
  return accessOf(descriptor, cx)
}

export function accessOf(descriptor: RelationDescriptor, cx: Compilation): TableAccess {
  const known = cache.get(descriptor)
  if (known !== undefined) return known
  const table = descriptor.table!
  const codec = (type: Oid): TypeSupport => typeSupport(type, cx)
  const columns = descriptor.columns.map((column) => {
    if (column.dropped) return { id: column.attnum, codec: DROPPED, missingDefault: null }
    const support = codec(column.type)
    const missing = column.missingValue === null ? null : readStoredValue(column.missingValue, support, column.typmod, cx.state.ctx)
    return { id: column.attnum, codec: support, missingDefault: missing }
  })
  const primary = table.indexes.find((index) => index.oid === table.primaryKey) ?? null
  const layouts = new Map<Oid, { descriptor: IndexDescriptor; layout: IndexLayout | null }>()
  const indexes: IndexLayout[] = []
  let shareable = descriptor.columns.every((column) => column.dropped || findBuiltinType(column.type) !== null)
  for (const index of table.indexes) {
    if (index.oid === table.primaryKey) {
      layouts.set(index.oid, { descriptor: index, layout: null })
      continue
    }
    if (index.state === 'invalid') continue
    if (index.predicate !== null || index.columns.some((column) => column.attnum === 0)) shareable = false
    const layout = indexLayout(index, descriptor, cx)
    layouts.set(index.oid, { descriptor: index, layout })
    indexes.push(layout)
  }
  const layout: TableLayout = {
    id: table.id,
    columns,
    primaryKey:
      primary === null
        ? null
        : primary.columns.map((column) => ({
            column: column.attnum - 1,
            descending: column.descending,
            codec: keyCodec(column, descriptor, cx),
          })),
    primaryKeyViolation: primary === null ? null : violation(primary, descriptor, cx),
    indexes,
    referenced: table.inboundForeignKeys.length > 0,
  }
  const access: TableAccess = { descriptor, table, layout, indexes: layouts }
  if (shareable) cache.set(descriptor, access)
  return access
}

function keyCodec(column: IndexColumn, descriptor: RelationDescriptor, cx: Compilation): KeyCodec {
  const { key } = typeSupport(column.type, cx)
  if (key === null) throw new Error(`a column of type ${column.type} in an index of "${descriptor.name}" has no key form`)
  return key
}

/** A stored expression of the table, over a full row. */
export function storedEvaluator(expr: Expr, cx: Compilation): (row: Row) => Datum {
  const compiled = compileExpr(expr, FULL_ROW_SCOPE, cx)
  if (compiled.async) throw notSupported('functions written in SQL are not supported in indexes')
  return evaluator(compiled)
}

export function readStored(node: StoredNode, cx: Compilation): Expr {
  return cx.readStored === null ? readStoredExpr(node, (type) => typeSupport(type, cx)) : cx.readStored(node)
}

/** Layout of one index, also of one that is being built. */
export function indexLayout(index: IndexDescriptor, descriptor: RelationDescriptor, cx: Compilation): IndexLayout {
  const predicate = index.predicate === null ? null : storedEvaluator(readStored(index.predicate, cx), cx)
  return {
    id: index.id,
    unique: provesUnique(index),
    nullsNotDistinct: index.nullsNotDistinct,
    parts: index.columns.map(
      (column): IndexPart => ({
        column: column.attnum > 0 ? column.attnum - 1 : -1,
        value: column.attnum > 0 ? null : storedEvaluator(readStored(column.expr!, cx), cx),
        codec: keyCodec(column, descriptor, cx),
        descending: column.descending,
        nullsFirst: column.nullsFirst,
      }),
    ),
    include: index.include.map((attnum) => attnum - 1),
    predicate: predicate === null ? null : (row) => predicate(row) === true,
    violation: violation(index, descriptor, cx),
    writes: index.state !== 'delete-only',
  }
}

/** Whether an error may tell the current user the values of these columns; an expression (attnum 0) only whom the whole table is open to. */
export function mayRead(descriptor: RelationDescriptor, attnums: readonly number[], cx: Compilation): boolean {
  const readable = cx.state.store.readableColumns(descriptor.oid)
  return readable === null || attnums.every((attnum) => readable.has(attnum))
}

/** `Key (a, b)=(1, x)`. */
export function keyDetail(columns: readonly { name: string; value: Datum; type: Oid }[], cx: Compilation): string {
  const names = columns.map((column) => column.name).join(', ')
  const values = columns.map(({ value, type }) => (value === null ? 'null' : typeSupport(type, cx).output(value, TEXT_IO))).join(', ')
  return `Key (${names})=(${values})`
}

/** 23505 for a row whose key exists. */
function violation(index: IndexDescriptor, descriptor: RelationDescriptor, cx: Compilation): (row: Row) => PgError {
  const computed = index.columns.map((column) => (column.attnum > 0 ? null : storedEvaluator(readStored(column.expr!, cx), cx)))
  const attnums = index.columns.map((column) => column.attnum)
  return (row) => {
    const searchPath = cx.state.ctx.session.searchPath(true).flatMap((name) => cx.catalog.namespaceByName(name)?.oid ?? [])
    const context = { catalog: cx.catalog, searchPath, typeSupport: (type: Oid) => typeSupport(type, cx), io: TEXT_IO }
    const columns = index.columns.map((column, i) => ({
      name: indexDefinition(relationInfo(descriptor), index, context, true, i + 1),
      value: computed[i] == null ? row[column.attnum - 1]! : computed[i](row),
      type: column.type,
    }))
    const schema = cx.catalog.namespace(descriptor.namespace)?.name
    return new PgError(SQLSTATE.uniqueViolation, `duplicate key value violates unique constraint "${index.name}"`, {
      ...(mayRead(descriptor, attnums, cx) ? { detail: `${keyDetail(columns, cx)} already exists.` } : {}),
      ...(schema === undefined ? {} : { schema }),
      table: descriptor.name,
      constraint: index.name,
    })
  }
}
