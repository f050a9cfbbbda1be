// pg_get_constraintdef, pg_get_indexdef, pg_get_viewdef and relatives: an object as the SQL that makes it.

import type { Oid } from '../base/ids.ts'
import type { PgProcRow } from '../sql/builtin/data/rows.ts'
import { indexByOid, pgConstraints, systemViewByOid } from '../sql/builtin/pg-class.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import { type ConstraintDescriptor, type IndexDescriptor, provesNotNull } from './descriptors.ts'
import { type NameSource, qualified } from './object-identity.ts'
import type { RelationInfo } from './snapshot.ts'
import { typeText } from './type-names.ts'

/** Stored trees and what holds them as SQL; sql/analyzer's ruleutils does it. */
export interface Deparser {
  /** `relation`: whose columns the expression names, null = none. */
  expression(stored: string, relation: RelationInfo | null, pretty: boolean): string
  view(query: string, columns: readonly string[], pretty: boolean): string
  /** CREATE INDEX …, or with `column` > 0 that key alone. */
  index(table: RelationInfo, index: IndexDescriptor, column: number, pretty: boolean): string
  constraint(table: RelationInfo, constraint: ConstraintDescriptor, pretty: boolean): string
  /** A constraint of a domain; `check` null = NOT NULL. */
  domainConstraint(check: { readonly expr: string; readonly validated: boolean } | null, pretty: boolean): string
}

export interface DefinitionSource extends NameSource {
  readonly deparser: Deparser
}

export function constraintDefinitionByOid(source: DefinitionSource, oid: Oid, pretty: boolean): string | null {
  const record = source.snapshot.record(oid)
  if (record?.kind === 'domain-constraint') {
    const definition = source.snapshot.userType(record.domain)?.definition
    if (definition?.kind !== 'domain') return null
    return source.deparser.domainConstraint(definition.checks.find((check) => check.oid === oid) ?? null, pretty)
  }
  if (record?.kind !== 'constraint') return pgConstraints().find((row) => row.oid === oid)?.conbin ?? null
  const table = source.snapshot.relation(record.table)
  const relation = table?.descriptor
  if (table === null || relation == null) return null
  const constraint = relation.table?.constraints.find((other) => other.oid === oid)
  if (constraint !== undefined) return source.deparser.constraint(table, constraint, pretty)
  const column = relation.columns.find((other) => other.notNullConstraint?.oid === oid)
  if (column === undefined) return null
  const { noInherit } = column.notNullConstraint!
  return `NOT NULL ${quoteIdentifier(column.name)}${noInherit ? ' NO INHERIT' : ''}${provesNotNull(column) ? '' : ' NOT VALID'}`
}

export function indexDefinition(source: DefinitionSource, oid: Oid, column: number, pretty: boolean): string | null {
  const table = source.snapshot.indexTable(oid)
  if (table === null) return null
  const index = table.descriptor?.table?.indexes.find((other) => other.oid === oid)
  return index === undefined ? builtinIndexDefinition(source, oid, column) : source.deparser.index(table, index, column, pretty)
}

function builtinIndexDefinition(source: DefinitionSource, oid: Oid, column: number): string | null {
  const row = indexByOid(oid)
  const index = source.snapshot.relation(oid)
  const table = row === undefined ? null : source.snapshot.relation(row.indrelid)
  if (row === undefined || index === null || table === null) return null
  const names = row.indkey.map((attnum) => quoteIdentifier(table.columns[attnum - 1]?.name ?? ''))
  if (column > 0) return names[column - 1] ?? ''
  return `CREATE ${row.indisunique ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(index.name)} ON ${qualified(source.snapshot, table)} USING btree (${names.join(', ')})`
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
  return source.deparser.view(
    view.query,
    relation.columns.map((column) => column.name),
    pretty,
  )
}

// --- functions ---------------------------------------------------------------------------------------------------------------------------

const MODES: Readonly<Record<string, string>> = { i: '', o: 'OUT ', b: 'INOUT ', v: 'VARIADIC ' }

export function functionArguments(source: DefinitionSource, proc: PgProcRow): string {
  const types = proc.proallargtypes ?? proc.proargtypes
  const parts: string[] = []
  for (const [i, type] of types.entries()) {
    const mode = proc.proargmodes?.[i] ?? 'i'
    if (mode === 't') continue
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
