// Defaults of INSERT and UPDATE (rewriteTargetListIU): columns not named get their default, DEFAULT its meaning, identity columns their next
// value; writing to generated columns is refused. Stored generated columns stand in no target list: the executor computes them from the
// finished row with `generatedColumns`.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ColumnDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import type { AnalyzeContext } from './context.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { makeConst, targetEntry } from './make.ts'
import type { Query, RteRelation, RteValues } from './query.ts'
import { readStoredExpr } from './stored.ts'

export function fillDefaults(query: Query, ctx: AnalyzeContext): Query {
  const target = query.rtable[query.resultRelation - 1] as RteRelation
  const relation = ctx.catalog.relation(target.relation)?.descriptor
  if (!relation) return query
  switch (query.commandType) {
    case 'insert': {
      const filled = insertDefaults(query, relation, ctx)
      if (filled.onConflict === null) return filled
      return { ...filled, onConflict: { ...filled.onConflict, set: updateDefaults(filled.onConflict.set, relation, ctx) } }
    }
    case 'update':
      return { ...query, targetList: updateDefaults(query.targetList, relation, ctx) }
    case 'merge':
      return {
        ...query,
        mergeActions: query.mergeActions.map((action) => {
          if (action.command === 'update') return { ...action, targetList: updateDefaults(action.targetList, relation, ctx) }
          if (action.command !== 'insert') return action
          return { ...action, targetList: rowDefaults(action.targetList, relation, action.override, ctx, () => false) }
        }),
      }
    default:
      return query
  }
}

/** A view's own defaults, where it has any. What an INSERT finds none for is left to the relation below; SET … = DEFAULT is then NULL. */
export function fillViewDefaults(query: Query, ctx: AnalyzeContext): Query {
  const target = query.rtable[query.resultRelation - 1] as RteRelation
  const columns = ctx.catalog.relation(target.relation)?.descriptor?.columns ?? []
  const defaults = new Map<number, Expr>()
  for (const column of columns) {
    const value = column.default === null ? null : columnDefault(column, ctx)
    if (value !== null) defaults.set(column.attnum, value)
  }
  const byDefault = (entry: TargetEntry): boolean => entry.expr.kind === 'SetToDefault' && !entry.resjunk
  const assigned = (list: readonly TargetEntry[]): TargetEntry[] =>
    list.map((entry) =>
      byDefault(entry) ? { ...entry, expr: defaults.get(entry.resno) ?? nullOf(columns[entry.resno - 1]!, ctx) } : entry,
    )
  const completed = (list: readonly TargetEntry[]): TargetEntry[] => {
    const missing = [...defaults].filter(([attnum]) => !list.some((entry) => entry.resno === attnum && !entry.resjunk))
    const given = list.map((entry) => (byDefault(entry) ? { ...entry, expr: defaults.get(entry.resno) ?? entry.expr } : entry))
    return [...given, ...missing.map(([attnum, value]) => targetEntry(value, attnum, target.colNames[attnum - 1]!))]
  }
  switch (query.commandType) {
    case 'insert': {
      const { rtable } = withRowDefaults(query, defaults)
      const onConflict = query.onConflict === null ? null : { ...query.onConflict, set: assigned(query.onConflict.set) }
      return { ...query, rtable, onConflict, targetList: completed(query.targetList) }
    }
    case 'update':
      return { ...query, targetList: assigned(query.targetList) }
    case 'merge': {
      const mergeActions = query.mergeActions.map((action) => ({
        ...action,
        targetList: action.command === 'insert' ? completed(action.targetList) : assigned(action.targetList),
      }))
      return { ...query, mergeActions }
    }
    default:
      return query
  }
}

/** DEFAULTs in the rows of a VALUES list that stand for these columns of the target. */
function withRowDefaults(query: Query, defaults: ReadonlyMap<number, Expr>): Query {
  const index = query.rtable.findIndex((rte) => rte.kind === 'values')
  const values = query.rtable[index] as RteValues | undefined
  if (values === undefined) return query
  const byColumn = new Map<number, Expr>()
  for (const { expr, resno } of query.targetList) {
    const value = defaults.get(resno)
    if (value !== undefined && expr.kind === 'Var' && expr.varno === index + 1 && expr.levelsUp === 0) byColumn.set(expr.attno, value)
  }
  const lists = values.lists.map((row) => row.map((expr, i) => (expr.kind === 'SetToDefault' ? (byColumn.get(i + 1) ?? expr) : expr)))
  return { ...query, rtable: query.rtable.with(index, { ...values, lists }) }
}

/** The expressions of stored generated columns, over relation 1 = the table. */
export function generatedColumns(relation: RelationDescriptor): { attnum: number; expr: Expr }[] {
  const result: { attnum: number; expr: Expr }[] = []
  for (const column of relation.columns) {
    if (!column.dropped && column.generated === 's' && column.default !== null) {
      result.push({ attnum: column.attnum, expr: readStoredExpr(column.default.expr) })
    }
  }
  return result
}

/** What DEFAULT means for a column; null when it is NULL. */
export function columnDefault(column: ColumnDescriptor, ctx: AnalyzeContext): Expr | null {
  if (column.identity !== '') {
    return { kind: 'NextValueExpr', sequence: column.identitySequence, type: column.type, typmod: -1, collation: 0, location: -1 }
  }
  const supportOf = (type: Oid) => ctx.eval.catalog.typeSupport(type)
  if (column.default !== null && column.generated === '') return readStoredExpr(column.default.expr, supportOf)
  const definition = ctx.catalog.userType(column.type)?.definition
  if (definition?.kind === 'domain' && definition.default !== null) return readStoredExpr(definition.default, supportOf)
  return null
}

/** NULL, which a domain may refuse. */
function nullOf(column: ColumnDescriptor, ctx: AnalyzeContext): Expr {
  const value = makeConst(column.type, column.typmod, column.collation, null, -1)
  if (!isDomain(column, ctx)) return value
  return {
    kind: 'CoerceToDomain',
    arg: value,
    type: column.type,
    typmod: -1,
    collation: column.collation,
    format: 'implicit',
    location: -1,
  }
}

const isDomain = (column: ColumnDescriptor, ctx: AnalyzeContext): boolean => ctx.catalog.type(column.type)?.typtype === 'd'

function refuseValue(column: ColumnDescriptor, insert: boolean): PgError {
  const message = insert
    ? `cannot insert a non-DEFAULT value into column "${column.name}"`
    : `column "${column.name}" can only be updated to DEFAULT`
  if (column.generated !== '') {
    return new PgError(SQLSTATE.generatedAlways, message, { detail: `Column "${column.name}" is a generated column.` })
  }
  return new PgError(SQLSTATE.generatedAlways, message, {
    detail: `Column "${column.name}" is an identity column defined as GENERATED ALWAYS.`,
    ...(insert ? { hint: 'Use OVERRIDING SYSTEM VALUE to override.' } : {}),
  })
}

function rowDefaults(
  list: readonly TargetEntry[],
  relation: RelationDescriptor,
  override: Query['override'],
  ctx: AnalyzeContext,
  isAllDefault: (expr: Expr) => boolean,
): TargetEntry[] {
  const result: TargetEntry[] = []
  for (const column of relation.columns) {
    if (column.dropped) continue
    const given = list.find((entry) => entry.resno === column.attnum && !entry.resjunk)
    const ownOnly = column.identity === 'a' || column.generated !== ''
    let useDefault = given === undefined || given.expr.kind === 'SetToDefault' || (ownOnly && isAllDefault(given.expr))
    if (!useDefault && column.identity === 'a' && override !== 'system') {
      if (override !== 'user') throw refuseValue(column, true)
      useDefault = true
    }
    if (!useDefault && column.identity === 'd' && override === 'user') useDefault = true
    if (column.generated !== '') {
      if (!useDefault) throw refuseValue(column, true)
      continue
    }
    if (!useDefault) {
      result.push(given!)
      continue
    }
    const value = columnDefault(column, ctx) ?? (given === undefined && !isDomain(column, ctx) ? null : nullOf(column, ctx))
    if (value !== null) result.push(targetEntry(value, column.attnum, column.name))
  }
  for (const entry of list) if (entry.resjunk) result.push(entry)
  return result
}

function insertDefaults(query: Query, relation: RelationDescriptor, ctx: AnalyzeContext): Query {
  // Several rows of VALUES: DEFAULT may stand in any of them.
  const index = query.rtable.findIndex((rte) => rte.kind === 'values')
  const values = query.rtable[index] as RteValues | undefined
  const columnOf = new Map<number, ColumnDescriptor>()
  for (const { expr, resno } of query.targetList) {
    if (expr.kind === 'Var' && expr.varno === index + 1 && expr.levelsUp === 0) columnOf.set(expr.attno, relation.columns[resno - 1]!)
  }
  const isDefault = (attno: number): boolean => values!.lists.every((row) => row[attno - 1]!.kind === 'SetToDefault')
  const allDefault = (expr: Expr): boolean =>
    values !== undefined && expr.kind === 'Var' && expr.varno === index + 1 && expr.levelsUp === 0 && isDefault(expr.attno)
  const targetList = rowDefaults(query.targetList, relation, query.override, ctx, allDefault)
  if (values === undefined || !values.lists.some((row) => row.some((expr) => expr.kind === 'SetToDefault'))) return { ...query, targetList }
  const read = new Set(targetList.flatMap(({ expr }) => (expr.kind === 'Var' && expr.varno === index + 1 ? [expr.attno] : [])))
  const lists = values.lists.map((row) =>
    row.map((expr, i): Expr => {
      // OVERRIDING USER VALUE: nobody looks at these values.
      if (columnOf.has(i + 1) && !read.has(i + 1)) return nullOf(columnOf.get(i + 1)!, ctx)
      if (expr.kind !== 'SetToDefault') return expr
      const column = columnOf.get(i + 1)
      if (column === undefined) return makeConst(expr.type, expr.typmod, expr.collation, null, -1)
      return columnDefault(column, ctx) ?? nullOf(column, ctx)
    }),
  )
  const rtable = query.rtable.map((rte, i) => (i === index ? { ...values, lists } : rte))
  return { ...query, rtable, targetList }
}

function updateDefaults(list: readonly TargetEntry[], relation: RelationDescriptor, ctx: AnalyzeContext): TargetEntry[] {
  const result: TargetEntry[] = []
  for (const entry of list) {
    const column = entry.resjunk ? undefined : relation.columns[entry.resno - 1]
    if (column === undefined) {
      result.push(entry)
      continue
    }
    const byDefault = entry.expr.kind === 'SetToDefault'
    if ((column.generated !== '' || column.identity === 'a') && !byDefault) throw refuseValue(column, false)
    if (column.generated !== '') continue
    result.push(byDefault ? { ...entry, expr: columnDefault(column, ctx) ?? nullOf(column, ctx) } : entry)
  }
  return result
}
