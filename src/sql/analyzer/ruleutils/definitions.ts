// pg_get_viewdef, pg_get_expr, pg_get_indexdef, pg_get_constraintdef.

import type { Oid } from '../../../base/ids.ts'
import type { ConstraintDescriptor, IndexDescriptor } from '../../../catalog/descriptors.ts'
import type { RelationInfo } from '../../../catalog/snapshot.ts'
import { amByOid, defaultOpclass, opclassByOid } from '../../builtin/pg-index.ts'
import { quoteIdentifier } from '../../types/quote.ts'
import type { Expr } from '../expr.ts'
import type { Query } from '../query.ts'
import { readStoredExpr } from '../stored.ts'
import { writeExpr } from './expr.ts'
import { collationText, qualifiedRelationName, relationName } from './names.ts'
import { writeQuery } from './query.ts'
import { type DeparseContext, type Names, Writer } from './writer.ts'

/** pg_get_viewdef; `columns` are the view's own names. */
export function viewDefinition(query: Query, columns: readonly string[], ctx: DeparseContext, pretty: boolean): string {
  const writer = new Writer(ctx, { paren: pretty, indent: true }, [], false, 0)
  writeQuery(writer, query, columns)
  return `${writer.text};`
}

/** pg_get_expr: over the columns of `relation` (unqualified), or of none. */
export function expressionText(expr: Expr, relation: RelationInfo | null, ctx: DeparseContext, pretty: boolean): string {
  const names: Names[] =
    relation === null ? [] : [{ query: null, refnames: [relation.name], columns: [relation.columns.map((column) => column.name)] }]
  const writer = new Writer(ctx, { paren: pretty, indent: true }, names, false, 0)
  writeExpr(writer, expr, false)
  return writer.text
}

const read = (stored: string, ctx: DeparseContext): Expr => readStoredExpr(stored, ctx.typeSupport)

/** Text of a stored default, check or generation expression. */
export function storedExpressionText(stored: string, relation: RelationInfo | null, ctx: DeparseContext, pretty = false): string {
  return expressionText(read(stored, ctx), relation, ctx, pretty)
}

function looksLikeFunction(expr: Expr): boolean {
  switch (expr.kind) {
    case 'FuncExpr':
      return expr.format === 'call' || expr.format === 'sql-syntax'
    case 'CoalesceExpr':
    case 'MinMaxExpr':
    case 'JsonConstructorExpr':
    case 'JsonExpr':
    case 'NullIfExpr':
    case 'SqlValueFunction':
      return true
    default:
      return false
  }
}

/** pg_get_indexdef; `column` from 1 gives that key column alone, 0 the whole statement. */
export function indexDefinition(table: RelationInfo, index: IndexDescriptor, ctx: DeparseContext, pretty: boolean, column = 0): string {
  const method = amByOid(index.accessMethod)?.amname ?? 'btree'
  const keys = index.columns.map((key): string => {
    let text: string
    if (key.attnum !== 0) text = quoteIdentifier(table.columns[key.attnum - 1]!.name)
    else {
      const expr = read(key.expr!, ctx)
      const inner = expressionText(expr, table, ctx, pretty)
      text = looksLikeFunction(expr) ? inner : `(${inner})`
    }
    if (column !== 0) return text
    const natural = key.attnum !== 0 ? table.columns[key.attnum - 1]!.collation : read(key.expr!, ctx).collation
    if (key.collation !== 0 && key.collation !== natural) text += ` COLLATE ${collationText(key.collation)}`
    text += opclassSuffix(index.accessMethod, key.opclass, key.type)
    if (method === 'btree') {
      if (key.descending) text += key.nullsFirst ? ' DESC' : ' DESC NULLS LAST'
      else if (key.nullsFirst) text += ' NULLS FIRST'
    }
    return text
  })
  const included = index.include.map((attnum) => quoteIdentifier(table.columns[attnum - 1]!.name))
  if (column !== 0) return keys[column - 1] ?? included[column - 1 - keys.length] ?? ''
  const name = pretty ? relationName(ctx, table.oid) : qualifiedRelationName(ctx, table.oid)
  let text = `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(index.name)} ON ${name} USING ${method} (${keys.join(', ')})`
  if (included.length > 0) text += ` INCLUDE (${included.join(', ')})`
  if (index.nullsNotDistinct) text += ' NULLS NOT DISTINCT'
  if (index.options !== null && index.options.length > 0) text += ` WITH (${optionsText(index.options)})`
  if (index.predicate !== null) text += ` WHERE ${expressionText(read(index.predicate, ctx), table, ctx, pretty)}`
  return text
}

function optionsText(options: readonly string[]): string {
  return options
    .map((option) => option.replace(/^([^=]+)=(.*)$/, (_, name: string, value: string) => `${name}='${value.replaceAll("'", "''")}'`))
    .join(', ')
}

function opclassSuffix(method: Oid, opclass: Oid, type: Oid): string {
  const row = opclassByOid(opclass)
  if (row === undefined) return ''
  if (row.opcdefault && (row.opcintype === type || defaultOpclass(method, type) === undefined)) return ''
  return ` ${quoteIdentifier(row.opcname)}`
}

const ACTIONS = { a: '', r: 'RESTRICT', c: 'CASCADE', n: 'SET NULL', d: 'SET DEFAULT' } as const

/** pg_get_constraintdef. */
export function constraintDefinition(table: RelationInfo, constraint: ConstraintDescriptor, ctx: DeparseContext, pretty: boolean): string {
  const list = (relation: RelationInfo, attnums: readonly number[]): string =>
    attnums.map((attnum) => quoteIdentifier(relation.columns[attnum - 1]!.name)).join(', ')
  let text: string
  switch (constraint.type) {
    case 'c': {
      const inner = expressionText(read(constraint.expr, ctx), table, ctx, pretty)
      text = `CHECK (${inner})${constraint.noInherit ? ' NO INHERIT' : ''}`
      break
    }
    case 'p':
    case 'u': {
      const index = table.descriptor?.table?.indexes.find((item) => item.oid === constraint.index)
      const distinct = index?.nullsNotDistinct ? ' NULLS NOT DISTINCT' : ''
      text = `${constraint.type === 'p' ? 'PRIMARY KEY' : `UNIQUE${distinct}`} (${list(table, constraint.columns)})`
      if (index !== undefined && index.include.length > 0) text += ` INCLUDE (${list(table, index.include)})`
      if (index?.options && index.options.length > 0) text += ` WITH (${optionsText(index.options)})`
      break
    }
    default: {
      const other = ctx.catalog.relation(constraint.referencedTable)!
      const name = relationName(ctx, other.oid)
      text = `FOREIGN KEY (${list(table, constraint.columns)}) REFERENCES ${name}(${list(other, constraint.referencedColumns)})`
      if (constraint.matchType === 'f') text += ' MATCH FULL'
      if (constraint.onUpdate !== 'a') text += ` ON UPDATE ${ACTIONS[constraint.onUpdate]}`
      if (constraint.onDelete !== 'a') text += ` ON DELETE ${ACTIONS[constraint.onDelete]}`
      if (constraint.deleteSetColumns.length > 0) text += ` (${list(table, constraint.deleteSetColumns)})`
    }
  }
  if (constraint.deferrable) text += ' DEFERRABLE'
  if (constraint.deferred) text += ' INITIALLY DEFERRED'
  if (!constraint.enforced) text += ' NOT ENFORCED'
  else if (!constraint.validated) text += ' NOT VALID'
  return text
}

/** pg_get_constraintdef for a domain's constraint; `check` null = NOT NULL. */
export function domainConstraintDefinition(
  check: { readonly expr: string; readonly validated: boolean } | null,
  ctx: DeparseContext,
  pretty: boolean,
): string {
  if (check === null) return 'NOT NULL'
  return `CHECK (${storedExpressionText(check.expr, null, ctx, pretty)})${check.validated ? '' : ' NOT VALID'}`
}
