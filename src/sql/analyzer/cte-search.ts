// SEARCH and CYCLE of a recursive WITH item, written out: the item becomes a query around a recursion of the same name that carries the
// order (a path, or a depth), the mark and the path of cycles along as columns of its own.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Node, type NodeOf, nameList, nodeAs, type CommonTableExpr as RawCte } from '../parser/nodes.ts'
import { errorAt, type ParseState } from './context.ts'
import { findSelfReference } from './cte-scan.ts'
import { analyzeSubquery } from './subquery.ts'
import { figureName, starOf } from './target.ts'

type Select = NodeOf['SelectStmt']

const FIRST = '*TLOCRN*'
const NEXT = '*TROCRN*'
const DEPTH = '*DEPTH*'

const name = (sval: string): Node => ({ String: { sval } })
const column = (table: string, field: string): Node => ({ ColumnRef: { fields: [name(table), name(field)], location: -1 } })
const target = (val: Node, as: string): Node => ({ ResTarget: { name: as, val, location: -1 } })
const row = (args: readonly Node[]): Node => ({ RowExpr: { args: [...args], row_format: 'COERCE_EXPLICIT_CALL', location: -1 } })
const call = (fn: string, args: readonly Node[]): Node => ({
  FuncCall: { funcname: [name('pg_catalog'), name(fn)], args: [...args], location: -1 },
})
const binary = (kind: 'AEXPR_OP' | 'AEXPR_OP_ANY', op: string, lexpr: Node, rexpr: Node): Node => ({
  A_Expr: { kind, name: [name(op)], lexpr, rexpr, location: -1 },
})
const position = (value: number): Node => ({ A_Const: { ival: { ival: value }, location: -1 } })
const bigint = (value: number): Node => ({
  TypeCast: {
    arg: position(value),
    typeName: { names: [name('pg_catalog'), name('int8')], typemod: -1, location: -1 },
    location: -1,
  },
})
const from = (query: Select, alias: string, columns: readonly string[]): Node => ({
  RangeSubselect: { subquery: { SelectStmt: query }, alias: { aliasname: alias, colnames: columns.map(name) } },
})
const select = (targetList: readonly Node[], source: Node, where: Node | null = null): Select => ({
  targetList: [...targetList],
  fromClause: [source],
  ...(where === null ? {} : { whereClause: where }),
  op: 'SETOP_NONE',
  limitOption: 'LIMIT_OPTION_DEFAULT',
})

/** A recursion as written out here, or the item around it: the columns that SEARCH and CYCLE add are its last ones. */
export interface ExpandedCte extends RawCte {
  readonly carried?: number
}

/** A column that the recursion carries along. */
interface Carried {
  readonly name: string
  readonly first: Node
  readonly next: Node
}

export function expandSearchAndCycle(state: ParseState, item: RawCte, recursive: boolean): RawCte {
  const { search_clause: search, cycle_clause: cycle } = item
  if (search === undefined && cycle === undefined) return item
  const location = (search ?? cycle)!.location
  const cteName = item.ctename!
  const query = nodeAs(item.ctequery, 'SelectStmt')
  if (!recursive || query === undefined || findSelfReference(item.ctequery, cteName) === null)
    throw errorAt(state, SQLSTATE.syntaxError, 'WITH query is not recursive', item.location ?? 0)
  if (query.op !== 'SETOP_UNION') return item
  if (query.larg!.op !== 'SETOP_NONE')
    throw new PgError(SQLSTATE.featureNotSupported, 'with a SEARCH or CYCLE clause, the left side of the UNION must be a SELECT')
  if (query.rarg!.op !== 'SETOP_NONE' || query.rarg!.valuesLists !== undefined)
    throw new PgError(SQLSTATE.syntaxError, 'with a SEARCH or CYCLE clause, the right side of the UNION must be a SELECT')
  const columns = columnNames(state, item, query.larg!)
  const check = (list: readonly string[], what: string): void => {
    for (const [i, one] of list.entries()) {
      if (!columns.includes(one))
        throw errorAt(state, SQLSTATE.syntaxError, `${what} column "${one}" not in WITH query column list`, location)
      if (list.indexOf(one) !== i)
        throw errorAt(state, SQLSTATE.duplicateColumn, `${what} column "${one}" specified more than once`, location)
    }
  }
  const rowOf = (alias: string, list: readonly string[]): Node => row(list.map((one) => column(alias, one)))
  const array = (element: Node): Node => ({ A_ArrayExpr: { elements: [element], location: -1 } })
  const carried: Carried[] = []
  const outputs: Node[] = columns.map((one) => target(column(cteName, one), one))
  if (search !== undefined) {
    const by = nameList(search.search_col_list)
    check(by, 'search')
    const sequence = search.search_seq_column!
    fresh(state, columns, sequence, 'search sequence', location)
    if (search.search_breadth_first) {
      const deeper = binary('AEXPR_OP', '+', column(NEXT, DEPTH), bigint(1))
      const ranked = (depth: Node, alias: string): Node => row([depth, ...by.map((one) => column(alias, one))])
      carried.push({ name: DEPTH, first: bigint(0), next: deeper })
      carried.push({ name: sequence, first: ranked(bigint(0), FIRST), next: ranked(deeper, NEXT) })
    } else {
      carried.push({
        name: sequence,
        first: array(rowOf(FIRST, by)),
        next: call('array_append', [column(NEXT, sequence), rowOf(NEXT, by)]),
      })
    }
    outputs.push(target(column(cteName, sequence), sequence))
  }
  let where: Node | null = null
  if (cycle !== undefined) {
    const by = nameList(cycle.cycle_col_list)
    check(by, 'cycle')
    const mark = cycle.cycle_mark_column!
    const path = cycle.cycle_path_column!
    fresh(state, columns, mark, 'cycle mark', location)
    fresh(state, columns, path, 'cycle path', location)
    if (mark === path)
      throw errorAt(state, SQLSTATE.syntaxError, 'cycle mark column name and cycle path column name are the same', location)
    const sequence = search?.search_seq_column
    if (sequence === mark)
      throw errorAt(state, SQLSTATE.syntaxError, 'search sequence column name and cycle mark column name are the same', location)
    if (sequence === path)
      throw errorAt(state, SQLSTATE.syntaxError, 'search sequence column name and cycle path column name are the same', location)
    const value = cycle.cycle_mark_value!
    const otherwise = cycle.cycle_mark_default!
    const seen = binary('AEXPR_OP_ANY', '=', rowOf(NEXT, by), column(NEXT, path))
    const marked: Node = {
      CaseExpr: { args: [{ CaseWhen: { expr: seen, result: value, location: -1 } }], defresult: otherwise, location: -1 },
    }
    carried.push({ name: mark, first: otherwise, next: marked })
    carried.push({ name: path, first: array(rowOf(FIRST, by)), next: call('array_append', [column(NEXT, path), rowOf(NEXT, by)]) })
    outputs.push(target(column(cteName, mark), mark), target(column(cteName, path), path))
    where = binary('AEXPR_OP', '<>', column(NEXT, mark), value)
  }
  const own = (alias: string): Node[] => columns.map((one) => target(column(alias, one), one))
  const self = selfAlias(query.rarg!.fromClause ?? [], cteName)
  if (self === null)
    throw new PgError(
      SQLSTATE.featureNotSupported,
      `with a SEARCH or CYCLE clause, the recursive reference to WITH query "${cteName}" must be at the top level of its right-hand SELECT`,
    )
  const first = select([...own(FIRST), ...carried.map((one) => target(one.first, one.name))], from(query.larg!, FIRST, columns))
  if (query.rarg!.groupClause !== undefined || query.rarg!.havingClause !== undefined)
    throw new PgError(
      SQLSTATE.featureNotSupported,
      'with a SEARCH or CYCLE clause, GROUP BY in the right side of the UNION is not supported',
      {
        hint: 'Group in a subquery that the recursive reference is joined to.',
      },
    )
  const term: Select = {
    ...query.rarg!,
    targetList: [...(query.rarg!.targetList ?? []), ...carried.map((one) => target(column(self, one.name), one.name))],
    ...(isPlainDistinct(query.rarg!) ? { distinctClause: columns.map((_, i) => position(i + 1)) } : {}),
  }
  const all = [...columns, ...carried.map((one) => one.name)]
  const next = select([...own(NEXT), ...carried.map((one) => target(one.next, one.name))], from(term, NEXT, all), where)
  const recursion: ExpandedCte = {
    carried: carried.length,
    ctename: cteName,
    aliascolnames: all.map(name),
    ctematerialized: 'CTEMaterializeDefault',
    ctequery: { SelectStmt: { ...query, larg: first, rarg: next } },
    location: item.location ?? 0,
  }
  const around: Select = {
    ...select(outputs, { RangeVar: { relname: cteName, inh: true, relpersistence: 'p', location: -1 } }),
    withClause: { ctes: [{ CommonTableExpr: recursion }], recursive: true, location: item.location ?? 0 },
  }
  const { search_clause: _search, cycle_clause: _cycle, aliascolnames: _names, ...rest } = item
  const expanded: ExpandedCte = { ...rest, carried: outputs.length - columns.length, ctequery: { SelectStmt: around } }
  return expanded
}

/** SELECT DISTINCT, which what is carried along takes no part in. */
function isPlainDistinct({ distinctClause }: Select): boolean {
  return distinctClause !== undefined && Object.keys(distinctClause[0] ?? {}).length === 0
}

function fresh(state: ParseState, columns: readonly string[], own: string, what: string, location: number | undefined): void {
  if (columns.includes(own))
    throw errorAt(state, SQLSTATE.syntaxError, `${what} column name "${own}" already used in WITH query column list`, location)
}

/** What the item's columns are called: by its own list, else by what the first SELECT selects. */
function columnNames(state: ParseState, item: RawCte, query: Select): string[] {
  const given = nameList(item.aliascolnames)
  const lists = nodeAs(query.valuesLists?.[0], 'List')?.items
  if (lists !== undefined) return lists.map((_, i) => given[i] ?? `column${i + 1}`)
  const targets = (query.targetList ?? []).map((node) => (node as NodeOf).ResTarget)
  const starred = targets.some(({ val }) => starOf(val!) !== null)
  const names = starred ? selectedNames(state, query) : targets.map(({ name: own, val }) => own ?? figureName(val!))
  const found = names.map((one, i) => given[i] ?? one)
  return given.length > found.length ? given : found
}

/** The names behind a *, which only analysis knows; what it does to the WITH items so far is undone. */
function selectedNames(state: ParseState, query: Select): string[] {
  const counts = state.ctes.map((entry) => entry.refcount)
  const { targetList } = analyzeSubquery(state, { SelectStmt: query }, { kind: 'other' })
  for (const [i, entry] of state.ctes.entries()) entry.refcount = counts[i]!
  return targetList.filter((entry) => !entry.resjunk).map((entry) => entry.resname ?? '?column?')
}

/** What the recursive term calls the recursion. */
function selfAlias(items: readonly Node[], cteName: string): string | null {
  for (const item of items) {
    const range = nodeAs(item, 'RangeVar')
    if (range !== undefined && range.relname === cteName && range.schemaname === undefined) return range.alias?.aliasname ?? cteName
    const join = nodeAs(item, 'JoinExpr')
    const found = join === undefined ? null : selfAlias([join.larg!, join.rarg!], cteName)
    if (found !== null) return found
  }
  return null
}
