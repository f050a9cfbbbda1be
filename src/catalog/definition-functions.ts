// pg_get_constraintdef, pg_get_indexdef, pg_get_viewdef and relatives: an object as the SQL that makes it.

import { notSupported } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { collationByOid } from '../sql/builtin/catalogs.ts'
import type { PgProcRow } from '../sql/builtin/data/rows.ts'
import { indexByOid, pgConstraints, systemViewByOid } from '../sql/builtin/pg-class.ts'
import { amByOid, opclassByOid } from '../sql/builtin/pg-index.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { ConstraintDescriptor, IndexColumn, IndexDescriptor, RelationDescriptor } from './descriptors.ts'
import { typeText } from './type-names.ts'
import { isRelationVisible } from './visibility.ts'

/** Stored trees as SQL; sql/analyzer's ruleutils gives it. */
export interface Deparser {
  /** `relation`: whose columns the expression names, 0 = none. */
  expression(stored: string, relation: Oid, pretty: boolean): string
  query(stored: string, columns: readonly string[], pretty: boolean): string
}

export const noDeparser: Deparser = {
  expression: () => {
    throw notSupported('stored expressions cannot be printed')
  },
  query: () => {
    throw notSupported('stored queries cannot be printed')
  },
}

export interface DefinitionSource {
  readonly snapshot: ReaderSnapshot
  /** Schemas by name, in order, implicit ones included. */
  readonly searchPath: readonly string[]
  readonly deparser: Deparser
}

export function pathOids(source: DefinitionSource): Oid[] {
  return source.searchPath.flatMap((name) => source.snapshot.namespaceByName(name)?.oid ?? [])
}

function relationName(source: DefinitionSource, relation: { oid: Oid; name: string; namespace: Oid }, always: boolean): string {
  if (!always && isRelationVisible(source.snapshot, pathOids(source), relation)) return quoteIdentifier(relation.name)
  return `${quoteIdentifier(source.snapshot.namespace(relation.namespace)?.name ?? '')}.${quoteIdentifier(relation.name)}`
}

const columnList = (relation: RelationDescriptor, attnums: readonly number[]): string =>
  attnums.map((attnum) => quoteIdentifier(relation.columns[attnum - 1]!.name)).join(', ')

const ACTIONS: Readonly<Record<string, string>> = { r: 'RESTRICT', c: 'CASCADE', n: 'SET NULL', d: 'SET DEFAULT' }

export function constraintDefinition(
  source: DefinitionSource,
  relation: RelationDescriptor,
  constraint: ConstraintDescriptor,
  pretty: boolean,
): string {
  let text: string
  switch (constraint.type) {
    case 'c':
      text = `CHECK (${source.deparser.expression(constraint.expr, relation.oid, pretty)})${constraint.noInherit ? ' NO INHERIT' : ''}`
      break
    case 'p':
    case 'u': {
      const index = relation.table!.indexes.find((other) => other.oid === constraint.index)!
      const word = constraint.type === 'p' ? 'PRIMARY KEY' : index.nullsNotDistinct ? 'UNIQUE NULLS NOT DISTINCT' : 'UNIQUE'
      text = `${word} (${columnList(relation, constraint.columns)})`
      if (index.include.length > 0) text += ` INCLUDE (${columnList(relation, index.include)})`
      if (index.options !== null) text += ` WITH (${index.options.join(', ')})`
      break
    }
    case 'f': {
      const referenced = source.snapshot.relation(constraint.referencedTable)!.descriptor!
      text = `FOREIGN KEY (${columnList(relation, constraint.columns)}) REFERENCES ${relationName(source, referenced, false)}(${columnList(referenced, constraint.referencedColumns)})`
      if (constraint.matchType === 'f') text += ' MATCH FULL'
      if (constraint.onUpdate !== 'a') text += ` ON UPDATE ${ACTIONS[constraint.onUpdate]}`
      if (constraint.onDelete !== 'a') text += ` ON DELETE ${ACTIONS[constraint.onDelete]}`
      if (constraint.deleteSetColumns.length > 0) text += ` (${columnList(relation, constraint.deleteSetColumns)})`
    }
  }
  if (constraint.deferrable) text += ' DEFERRABLE'
  if (constraint.deferred) text += ' INITIALLY DEFERRED'
  if (!constraint.enforced) text += ' NOT ENFORCED'
  else if (!constraint.validated) text += ' NOT VALID'
  return text
}

export function constraintDefinitionByOid(source: DefinitionSource, oid: Oid, pretty: boolean): string | null {
  const record = source.snapshot.record(oid)
  if (record?.kind !== 'constraint') return pgConstraints().find((row) => row.oid === oid)?.conbin ?? null
  const relation = source.snapshot.relation(record.table)?.descriptor
  if (relation == null) return null
  const constraint = relation.table?.constraints.find((other) => other.oid === oid)
  if (constraint !== undefined) return constraintDefinition(source, relation, constraint, pretty)
  const column = relation.columns.find((other) => other.notNullConstraint?.oid === oid)
  if (column === undefined) return null
  return `NOT NULL ${quoteIdentifier(column.name)}${column.notNullConstraint!.noInherit ? ' NO INHERIT' : ''}`
}

/** One key as CREATE INDEX writes it; with `bare` only the column or expression. */
function indexKeyText(
  source: DefinitionSource,
  relation: RelationDescriptor,
  index: IndexDescriptor,
  key: IndexColumn,
  pretty: boolean,
  bare: boolean,
): string {
  let text: string
  if (key.attnum !== 0) text = quoteIdentifier(relation.columns[key.attnum - 1]!.name)
  else {
    const expr = source.deparser.expression(key.expr!, relation.oid, pretty)
    // calls stand alone, everything else needs parentheses
    text =
      /^(?:"[^"]*"|[a-z_][a-z0-9_$]*)(?:\.(?:"[^"]*"|[a-z_][a-z0-9_$]*))?\(.*\)$/is.test(expr) && balanced(expr)
        ? expr
        : parenthesized(expr)
  }
  if (bare) return text
  const columnCollation = key.attnum === 0 ? 100 : relation.columns[key.attnum - 1]!.collation
  if (key.collation !== 0 && key.collation !== columnCollation)
    text += ` COLLATE ${quoteIdentifier(collationByOid(key.collation)?.collname ?? '')}`
  const opclass = opclassByOid(key.opclass)
  if (opclass !== undefined && !opclass.opcdefault) text += ` ${quoteIdentifier(opclass.opcname)}`
  if (index.accessMethod === 403) {
    if (key.descending) text += key.nullsFirst ? ' DESC' : ' DESC NULLS LAST'
    else if (key.nullsFirst) text += ' NULLS FIRST'
  }
  return text
}

/** The closing parenthesis at the end belongs to the first opening one. */
function balanced(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')' && --depth === 0 && i < text.length - 1) return false
  }
  return depth === 0
}

const parenthesized = (expr: string): string => (expr.startsWith('(') && balanced(expr) ? expr : `(${expr})`)

export function indexDefinition(source: DefinitionSource, oid: Oid, column: number, pretty: boolean): string | null {
  const table = source.snapshot.indexTable(oid)
  const relation = table?.descriptor ?? null
  if (relation === null) return table === null ? null : builtinIndexDefinition(source, oid, column)
  const index = relation.table!.indexes.find((other) => other.oid === oid)!
  if (column > 0) {
    const key = index.columns[column - 1]
    if (key !== undefined) return indexKeyText(source, relation, index, key, pretty, true)
    const attnum = index.include[column - 1 - index.columns.length]
    return attnum === undefined ? '' : quoteIdentifier(relation.columns[attnum - 1]!.name)
  }
  const keys = index.columns.map((key) => indexKeyText(source, relation, index, key, pretty, false)).join(', ')
  let text = `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(index.name)} ON ${relationName(source, relation, !pretty)} USING ${amByOid(index.accessMethod)!.amname} (${keys})`
  if (index.include.length > 0) text += ` INCLUDE (${columnList(relation, index.include)})`
  if (index.nullsNotDistinct) text += ' NULLS NOT DISTINCT'
  if (index.options !== null) text += ` WITH (${index.options.map((option) => option.replace(/=(.*)/s, "='$1'")).join(', ')})`
  if (index.predicate !== null) {
    const where = source.deparser.expression(index.predicate, relation.oid, pretty)
    text += ` WHERE ${where}`
  }
  return text
}

function builtinIndexDefinition(source: DefinitionSource, oid: Oid, column: number): string | null {
  const row = indexByOid(oid)
  const index = source.snapshot.relation(oid)
  const table = row === undefined ? null : source.snapshot.relation(row.indrelid)
  if (row === undefined || index === null || table === null) return null
  const names = row.indkey.map((attnum) => quoteIdentifier(table.columns[attnum - 1]?.name ?? ''))
  if (column > 0) return names[column - 1] ?? ''
  return `CREATE ${row.indisunique ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(index.name)} ON ${relationName(source, table, true)} USING btree (${names.join(', ')})`
}

export function viewDefinition(source: DefinitionSource, oid: Oid, pretty: boolean): string | null {
  const relation = source.snapshot.relation(oid)
  if (relation === null) return null
  if (relation.descriptor === null) {
    const text = systemViewByOid(oid)?.definition
    return text === undefined ? null : ` ${text.trim().replace(/;$/, '')};`
  }
  const view = relation.descriptor.view
  if (view === null) return 'Not a view'
  return source.deparser.query(
    view.query,
    relation.columns.map((column) => column.name),
    pretty,
  )
}

// --- functions ---------------------------------------------------------------------------------------------------------------------------

const MODES: Readonly<Record<string, string>> = { i: '', o: 'OUT ', b: 'INOUT ', v: 'VARIADIC ' }

export function functionArguments(source: DefinitionSource, proc: PgProcRow, identity: boolean): string {
  const types = proc.proallargtypes ?? proc.proargtypes
  const parts: string[] = []
  for (const [i, type] of types.entries()) {
    const mode = proc.proargmodes?.[i] ?? 'i'
    if (mode === 't' || (identity && mode === 'o')) continue
    const name = proc.proargnames?.[i] ?? ''
    parts.push(`${MODES[mode] ?? ''}${name === '' ? '' : `${quoteIdentifier(name)} `}${typeText(source.snapshot, source.searchPath, type)}`)
  }
  return parts.join(', ')
}

export function functionResult(source: DefinitionSource, proc: PgProcRow): string | null {
  if (proc.prokind === 'p') return null
  const table = (proc.proallargtypes ?? []).flatMap((type, i) =>
    proc.proargmodes?.[i] === 't'
      ? [`${quoteIdentifier(proc.proargnames?.[i] ?? '')} ${typeText(source.snapshot, source.searchPath, type)}`]
      : [],
  )
  if (table.length > 0) return `TABLE(${table.join(', ')})`
  return `${proc.proretset ? 'SETOF ' : ''}${typeText(source.snapshot, source.searchPath, proc.prorettype)}`
}
