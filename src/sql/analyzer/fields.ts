// The columns of row-valued expressions: composites, records with known columns, results of functions with OUT parameters.

import type { Oid } from '../../base/ids.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { elementType } from '../functions/coercion-path.ts'
import type { ParseState } from './context.ts'
import type { Expr, FuncExpr } from './expr.ts'
import type { Query, RteCte } from './query.ts'
import { itemColumn, levelState, markSelected } from './relation.ts'

/** Column `name` of a row-valued expression, or null. */
export function projectField(state: ParseState, name: string, row: Expr, location: number): Expr | null {
  if (row.kind === 'Var' && row.attno === 0) {
    const level = levelState(state, row.levelsUp)
    const item = level.namespace.find((entry) => entry.rtindex === row.varno)
    if (item !== undefined) {
      const column = itemColumn(state, item, row.levelsUp, name, location)
      if (column !== null) markSelected(state, column)
      return column
    }
  }
  const fields = fieldsOf(state, row)
  const index = fields.findIndex((field) => field !== null && field.name === name)
  if (index < 0) return null
  const field = fields[index]!
  return {
    kind: 'FieldSelect',
    arg: row,
    fieldNum: index + 1,
    type: field.type,
    typmod: field.typmod,
    collation: field.collation,
    location: -1,
  }
}

export interface Field {
  readonly name: string
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
}

/** The columns of a row-valued expression; empty when they are not known (an anonymous record). Null entries are dropped columns. */
export function fieldsOf(state: ParseState, row: Expr): readonly (Field | null)[] {
  const { catalog } = state.ctx
  const type = catalog.type(row.type)
  const composite = type?.typtype === 'd' ? catalog.type(type.typbasetype) : type
  if (composite?.typtype === 'c') {
    return (catalog.relation(composite.typrelid)?.columns ?? []).map((column) => (column.dropped ? null : column))
  }
  if (row.kind === 'RowExpr') {
    return row.args.map((arg, i) => ({
      name: row.colNames?.[i] ?? `f${i + 1}`,
      type: arg.type,
      typmod: arg.typmod,
      collation: arg.collation,
    }))
  }
  if (row.kind === 'FuncExpr') return resultColumns(state, row)
  if (row.kind === 'Var') {
    const level = levelState(state, row.levelsUp)
    const rte = level.rtable[row.varno - 1]
    if (row.attno === 0) {
      const item = level.namespace.find((entry) => entry.rtindex === row.varno)
      return item?.columns ?? []
    }
    const query = rte?.kind === 'subquery' ? rte.subquery : rte?.kind === 'cte' ? cteQuery(state, row.levelsUp, rte) : null
    if (query !== null) return outputFields(state, query, row.attno)
  }
  return []
}

/** The query of a CTE that is known by now; null inside its own recursive term. */
function cteQuery(state: ParseState, levelsUp: number, rte: RteCte): Query | null {
  const entry = levelState(state, levelsUp + rte.levelsUp).ctes.find((cte) => cte.name === rte.cteName)
  return entry === undefined || entry.open ? null : entry.query
}

/** The columns of the row that a query has as its column `resno`. */
function outputFields(state: ParseState, query: Query, resno: number): readonly (Field | null)[] {
  const expr = query.targetList.find((entry) => !entry.resjunk && entry.resno === resno)?.expr
  if (expr === undefined) return []
  if (expr.kind !== 'Var') return fieldsOf(state, expr)
  if (expr.levelsUp > 0) return []
  const rte = query.rtable[expr.varno - 1]
  if (rte?.kind === 'subquery') {
    return expr.attno === 0
      ? rte.colNames.map((name, i) => outputField(rte.subquery, name, i + 1))
      : outputFields(state, rte.subquery, expr.attno)
  }
  if (rte?.kind === 'values' && expr.attno === 0) return rte.columns.map((column, i) => ({ ...column, name: rte.colNames[i]! }))
  return []
}

function outputField(query: Query, name: string | null, resno: number): Field | null {
  const expr = query.targetList.find((entry) => !entry.resjunk && entry.resno === resno)?.expr
  return expr === undefined || name === null ? null : { name, type: expr.type, typmod: expr.typmod, collation: expr.collation }
}

/** OUT parameters of a function returning record; polymorphic ones resolved from the arguments. */
export function resultColumns(state: ParseState, call: FuncExpr): readonly Field[] {
  const proc = state.ctx.catalog.proc(call.funcId)
  if (proc === null || proc.proargmodes === null || proc.proallargtypes === null) return []
  const fields: Field[] = []
  const inputs: Oid[] = []
  for (const [i, mode] of proc.proargmodes.entries()) {
    if (mode !== 'o' && mode !== 't' && mode !== 'b') {
      inputs.push(proc.proallargtypes[i]!)
      continue
    }
    if (mode === 'b') inputs.push(proc.proallargtypes[i]!)
    const declared = proc.proallargtypes[i]!
    const type = resolveResult(state, proc.proargtypes, call, declared)
    const name = proc.proargnames?.[i]
    fields.push({
      name: name === undefined || name === '' ? `column${fields.length + 1}` : name,
      type,
      typmod: -1,
      collation: state.ctx.catalog.type(type)?.typcollation ?? 0,
    })
  }
  return fields
}

function resolveResult(state: ParseState, declared: readonly Oid[], call: FuncExpr, wanted: Oid): Oid {
  const ANY_ELEMENT: readonly Oid[] = [T.anyelement, T.anynonarray, T.anyenum, T.anycompatible, T.anycompatiblenonarray]
  const ANY_ARRAY: readonly Oid[] = [T.anyarray, T.anycompatiblearray]
  if (!ANY_ELEMENT.includes(wanted) && !ANY_ARRAY.includes(wanted)) return wanted
  for (const [i, type] of declared.entries()) {
    const actual = call.args[i]?.type ?? 0
    if (ANY_ELEMENT.includes(type)) return ANY_ARRAY.includes(wanted) ? (state.ctx.catalog.type(actual)?.typarray ?? 0) : actual
    if (ANY_ARRAY.includes(type)) return ANY_ARRAY.includes(wanted) ? actual : elementType(state.source, actual)
  }
  return wanted
}
