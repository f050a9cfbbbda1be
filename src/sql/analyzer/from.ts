// FROM: relations, sub-selects, functions, VALUES, joins. Each item adds range table entries and answers its place in the join tree and the
// names it makes visible.

import { notSupported } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { COERCION } from '../functions/coercion-path.ts'
import { type Alias, type Node, type NodeOf, nameList, nodeAs, nodeTag } from '../parser/nodes.ts'
import { coerceType, commonType, typeCollation, typeName } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { type CteEntry, errorAt, type NsColumn, type NsItem, type ParseState } from './context.ts'
import type { Expr, Var } from './expr.ts'
import { transformCondition, transformExpr } from './expr-entry.ts'
import { resultColumns } from './fields.ts'
import { expandJsonTable } from './json-table.ts'
import { exprLocation } from './location.ts'
import { andOf, relabel } from './make.ts'
import { makeOp } from './operators.ts'
import type { JoinTreeNode, JoinType, NamedRteColumn, RteFunction } from './query.ts'
import { addCte, addFunction, addJoin, addRelation, addSubquery, columnVar, markSelected, openRelation } from './relation.ts'
import { analyzeSubquery } from './subquery.ts'
import { sampleCondition } from './table-sample.ts'
import { figureName } from './target.ts'
import { lookupCollation, resolveType } from './type-name.ts'

export interface FromItem {
  readonly node: JoinTreeNode
  /** The item itself, whose columns a join of it merges. */
  readonly top: NsItem
  readonly namespace: NsItem[]
}

export function transformFrom(state: ParseState, list: readonly Node[]): void {
  for (const node of list) {
    const item = transformFromItem(state, node)
    checkConflicts(state, state.namespace, item.namespace)
    for (const entry of item.namespace) {
      entry.lateralOnly = true
      entry.lateralOk = true
    }
    state.joinlist.push(item.node)
    state.namespace = [...state.namespace, ...item.namespace]
  }
  for (const entry of state.namespace) {
    entry.lateralOnly = false
    entry.lateralOk = true
  }
}

export function checkConflicts(state: ParseState, left: readonly NsItem[], right: readonly NsItem[]): void {
  for (const a of left) {
    if (!a.relVisible) continue
    for (const b of right) {
      if (!b.relVisible || a.refname !== b.refname) continue
      // Two schemas' tables of one name may stand side by side as long as neither has an alias.
      if (a.rte.kind === 'relation' && !a.rte.hasAlias && b.rte.kind === 'relation' && !b.rte.hasAlias && a.rte.relation !== b.rte.relation)
        continue
      throw errorAt(state, SQLSTATE.duplicateAlias, `table name "${b.refname}" specified more than once`, undefined)
    }
  }
}

function leaf(item: NsItem): FromItem {
  return { node: { kind: 'RangeTblRef', rtindex: item.rtindex }, top: item, namespace: [item] }
}

function transformFromItem(state: ParseState, node: Node): FromItem {
  const n = node as NodeOf
  switch (nodeTag(node)) {
    case 'RangeVar':
      return leaf(rangeVar(state, n.RangeVar))
    case 'RangeSubselect': {
      const { subquery, alias, lateral } = n.RangeSubselect
      const saved = state.lateralActive
      state.lateralActive = lateral ?? false
      const query = analyzeSubquery(state, subquery!, { kind: 'from subselect', locked: isLocked(state, alias?.aliasname ?? null) })
      state.lateralActive = saved
      return leaf(addSubquery(state, query, alias, lateral ?? false, true))
    }
    case 'RangeFunction':
      return leaf(rangeFunction(state, n.RangeFunction))
    case 'JoinExpr':
      return transformJoin(state, n.JoinExpr)
    case 'JsonTable':
      return transformFromItem(state, expandJsonTable(state, n.JsonTable))
    case 'RangeTableSample':
      return tableSample(state, n.RangeTableSample)
    default:
      throw notSupported(`${nodeTag(node)} in FROM is not supported`)
  }
}

function tableSample(state: ParseState, sample: NodeOf['RangeTableSample']): FromItem {
  const from = transformFromItem(state, sample.relation!)
  return { ...from, node: { kind: 'FromExpr', fromlist: [from.node], quals: sampleCondition(state, sample, from.top) } }
}

export function isLocked(state: ParseState, name: string | null): boolean {
  if (state.lockedFromParent) return true
  return state.lockedNames !== null && (state.lockedNames.length === 0 || (name !== null && state.lockedNames.includes(name)))
}

/** A WITH item by name, in this query or an outer one. */
export function findCte(state: ParseState, name: string): { cte: CteEntry; levelsUp: number } | null {
  let levelsUp = 0
  for (let level: ParseState | null = state; level !== null; level = level.parent) {
    const cte = level.ctes.find((entry) => entry.name === name)
    if (cte !== undefined) return { cte, levelsUp }
    levelsUp++
  }
  return null
}

function rangeVar(state: ParseState, range: NodeOf['RangeVar']): NsItem {
  if (range.schemaname === undefined) {
    const found = findCte(state, range.relname!)
    if (found !== null) {
      const { cte } = found
      cte.refcount++
      if (!cte.open && cte.query.commandType !== 'select' && cte.query.returningList.length === 0) {
        throw errorAt(state, SQLSTATE.featureNotSupported, `WITH query "${cte.name}" does not have a RETURNING clause`, range.location ?? 0)
      }
      return addCte(state, cte, found.levelsUp, range.alias)
    }
  }
  const relation = openRelation(state, range)
  if (relation.relkind === 'i' || relation.relkind === 'c') {
    throw errorAt(state, SQLSTATE.wrongObjectType, `cannot open relation "${relation.name}"`, range.location ?? 0, {
      detail:
        relation.relkind === 'i' ? 'This operation is not supported for indexes.' : 'This operation is not supported for composite types.',
    })
  }
  return addRelation(state, relation, range.alias, range.inh ?? false, true)
}

function rangeFunction(state: ParseState, node: NodeOf['RangeFunction']): NsItem {
  const saved = state.lateralActive
  state.lateralActive = true
  const functions: { expr: Expr; columns: NamedRteColumn[] }[] = []
  const names: string[] = []
  for (const [call, definitions] of functionItems(node)) {
    const fname = figureName(call!)
    names.push(fname)
    state.lastSrf = null
    const expr = transformExpr(state, call!, 'from function')
    assignCollations(state, expr)
    const own = nodeAs(definitions, 'List')?.items
    functions.push({
      expr,
      columns: functionColumns(
        state,
        expr,
        fname,
        own ?? (node.is_rowsfrom ? [] : (node.coldeflist ?? [])),
        node.alias,
        functions.length === 0 && !node.is_rowsfrom,
      ),
    })
  }
  state.lateralActive = saved
  if (node.is_rowsfrom && (node.coldeflist?.length ?? 0) > 0 && functions.length > 1) {
    throw errorAt(
      state,
      SQLSTATE.syntaxError,
      'ROWS FROM() with multiple functions cannot have a column definition list',
      (node.coldeflist![0] as NodeOf).ColumnDef.location,
      {
        hint: 'Put a separate column definition list for each function inside ROWS FROM().',
      },
    )
  }
  if (node.ordinality && (node.coldeflist?.length ?? 0) > 0) {
    throw errorAt(
      state,
      SQLSTATE.syntaxError,
      'WITH ORDINALITY cannot be used with a column definition list',
      (node.coldeflist![0] as NodeOf).ColumnDef.location,
      {
        hint: 'Put the column definition list inside ROWS FROM().',
      },
    )
  }
  const refname = node.alias?.aliasname ?? names[0]!
  return addFunction(state, functions, node.ordinality ?? false, refname, node.alias, (node.lateral ?? false) || usesOuter(functions))
}

/** The calls with their own column definitions; unnest(a, b) stands for one unnest beside the other. */
function functionItems(node: NodeOf['RangeFunction']): [Node, Node | undefined][] {
  return (node.functions ?? []).flatMap((item): [Node, Node | undefined][] => {
    const [call, definitions] = nodeAs(item, 'List')!.items!
    const raw = nodeAs(call, 'FuncCall')
    const args = raw?.args ?? []
    const plain =
      raw !== undefined && args.length > 1 && nameList(raw.funcname).at(-1) === 'unnest' && raw.over === undefined && !raw.func_variadic
    if (!plain || (nodeAs(definitions, 'List')?.items?.length ?? 0) > 0) return [[call!, definitions]]
    return args.map((arg): [Node, Node | undefined] => [{ FuncCall: { ...raw, args: [arg] } }, undefined])
  })
}

function usesOuter(functions: RteFunction['functions']): boolean {
  const walk = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return false
    if ((value as Expr).kind === 'Var' && (value as Var).levelsUp === 0) return true
    return Object.values(value).some(walk)
  }
  return functions.some((fn) => walk(fn.expr))
}

function functionColumns(
  state: ParseState,
  expr: Expr,
  fname: string,
  definitions: readonly Node[],
  alias: Alias | undefined,
  single: boolean,
): NamedRteColumn[] {
  const row = state.ctx.catalog.type(expr.type)
  const composite = row?.typtype === 'd' ? state.ctx.catalog.type(row.typbasetype) : row
  const location = exprLocation(expr)
  const outs = expr.kind === 'FuncExpr' && expr.type === T.record ? resultColumns(state, expr) : []
  if (definitions.length > 0) {
    if (composite?.typtype === 'c') {
      throw errorAt(
        state,
        SQLSTATE.syntaxError,
        'a column definition list is redundant for a function returning a named composite type',
        (definitions[0] as NodeOf).ColumnDef.location,
      )
    }
    if (outs.length > 0) {
      throw errorAt(
        state,
        SQLSTATE.syntaxError,
        'a column definition list is redundant for a function with OUT parameters',
        (definitions[0] as NodeOf).ColumnDef.location,
      )
    }
    if (expr.type !== T.record) {
      throw errorAt(
        state,
        SQLSTATE.syntaxError,
        'a column definition list is only allowed for functions returning "record"',
        (definitions[0] as NodeOf).ColumnDef.location,
      )
    }
    return definitions.map((item) => {
      const column = (item as NodeOf).ColumnDef
      const type = resolveType(state, column.typeName!)
      if (column.collClause === undefined) return { name: column.colname!, ...type }
      if (type.collation === 0)
        throw errorAt(
          state,
          SQLSTATE.datatypeMismatch,
          `collations are not supported by type ${typeName(state, type.type)}`,
          column.collClause.location,
        )
      const collation = lookupCollation(state, nameList(column.collClause.collname), column.collClause.location ?? -1)
      return { name: column.colname!, ...type, collation }
    })
  }
  if (composite?.typtype === 'c') {
    const columns = state.ctx.catalog.relation(composite.typrelid)?.columns ?? []
    return columns.filter((column) => !column.dropped).map(({ name, type, typmod, collation }) => ({ name, type, typmod, collation }))
  }
  if (expr.type === T.record) {
    if (outs.length > 0) return [...outs]
    throw errorAt(state, SQLSTATE.syntaxError, 'a column definition list is required for functions returning "record"', location)
  }
  if (row?.typtype === 'p' && expr.type !== T.cstring && expr.type !== T.void && expr.type !== T.anyarray) {
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      `function "${fname}" in FROM has unsupported return type ${typeName(state, expr.type)}`,
      location,
    )
  }
  // A function with one OUT parameter gives its column that name; else the alias or the function names it.
  const proc = expr.kind === 'FuncExpr' ? state.ctx.catalog.proc(expr.funcId) : null
  const outIndex = proc?.proargmodes?.findIndex((mode) => mode === 'o' || mode === 't' || mode === 'b') ?? -1
  const outName = outIndex < 0 ? '' : (proc?.proargnames?.[outIndex] ?? '')
  const name = outName !== '' ? outName : single && alias !== undefined ? alias.aliasname! : fname
  return [
    { name, type: expr.type, typmod: expr.typmod, collation: expr.collation !== 0 ? expr.collation : typeCollation(state, expr.type) },
  ]
}

// --- joins

const JOIN_TYPES: Readonly<Record<string, JoinType>> = { JOIN_INNER: 'inner', JOIN_LEFT: 'left', JOIN_FULL: 'full', JOIN_RIGHT: 'right' }

/** The columns that a join of this item has, and as what. */
interface Side {
  readonly columns: readonly NsColumn[]
  readonly names: readonly (string | null)[]
  readonly vars: readonly Expr[]
}

function sideOf({ top }: FromItem): Side {
  const { rte } = top
  if (rte.kind === 'join') {
    // What a join below passes on this one passes on as it is: there may be very many.
    const columns = top.columns as readonly NsColumn[]
    const isPassed = rte.mergedCols === 0 && !rte.hasAlias
    return { columns, names: rte.colNames, vars: isPassed ? rte.aliasVars : columns.map((column) => columnVar(column, 0, -1)) }
  }
  const columns = top.columns.filter((column) => column !== null)
  return { columns, names: columns.map((column) => column.name), vars: columns.map((column) => columnVar(column, 0, -1)) }
}

function transformJoin(state: ParseState, node: NodeOf['JoinExpr']): FromItem {
  const joinType = JOIN_TYPES[node.jointype ?? 'JOIN_INNER']!
  const left = transformFromItem(state, node.larg!)
  // A table looks at nothing else.
  const isLateral = nodeTag(node.rarg!) !== 'RangeVar'
  const outer = state.namespace
  if (isLateral) {
    const lateralOk = joinType === 'inner' || joinType === 'left'
    for (const item of left.namespace) {
      item.lateralOnly = true
      item.lateralOk = lateralOk
    }
    state.namespace = [...outer, ...left.namespace]
  }
  const right = transformFromItem(state, node.rarg!)
  state.namespace = outer
  checkConflicts(state, left.namespace, right.namespace)
  if (isLateral) {
    for (const item of left.namespace) {
      item.lateralOnly = false
      item.lateralOk = true
    }
  }
  const inside = [...left.namespace, ...right.namespace]
  const leftSide = sideOf(left)
  const rightSide = sideOf(right)
  const { columns: leftColumns } = leftSide
  const { columns: rightColumns } = rightSide
  const using = node.isNatural
    ? leftColumns.map((column) => column.name).filter((name) => rightColumns.some((column) => column.name === name))
    : nameList(node.usingClause)
  let columns: NsColumn[] = []
  let aliasVars: Expr[] = []
  let names: (string | null)[] = []
  let quals: Expr | null = null
  const mergedLeft = new Set<NsColumn>()
  const mergedRight = new Set<NsColumn>()
  if (using.length > 0) {
    const conditions: Expr[] = []
    for (const [i, name] of using.entries()) {
      if (using.indexOf(name) !== i)
        throw errorAt(state, SQLSTATE.duplicateColumn, `column name "${name}" appears more than once in USING clause`, undefined)
      const l = usingColumn(state, leftColumns, name, 'left')
      const r = usingColumn(state, rightColumns, name, 'right')
      mergedLeft.add(l)
      mergedRight.add(r)
      const lv = columnVar(l, 0, -1)
      const rv = columnVar(r, 0, -1)
      markSelected(state, lv)
      markSelected(state, rv)
      const saved = state.kind
      state.kind = 'join using'
      const made = makeOp(state, { schema: null, name: '=' }, lv, rv, -1)
      state.kind = saved
      assignCollations(state, made)
      conditions.push(made)
      const merged = mergeColumn(state, joinType, lv, rv)
      assignCollations(state, merged)
      const plain = merged === lv ? l : merged === rv ? r : null
      columns.push(
        plain === null
          ? {
              name,
              varno: 0,
              attno: columns.length + 1,
              type: merged.type,
              typmod: merged.typmod,
              collation: merged.collation,
              hidden: false,
            }
          : { ...plain, name },
      )
      aliasVars.push(merged)
      names.push(name)
    }
    quals = andOf(conditions)
  }
  const mergedCols = columns.length
  for (const [side, merged] of [
    [leftSide, mergedLeft],
    [rightSide, mergedRight],
  ] as const) {
    const isKept = (_: unknown, i: number): boolean => !merged.has(side.columns[i]!)
    const kept =
      merged.size === 0 ? side : { columns: side.columns.filter(isKept), names: side.names.filter(isKept), vars: side.vars.filter(isKept) }
    columns = columns.concat(kept.columns)
    aliasVars = aliasVars.concat(kept.vars)
    names = names.concat(kept.names)
  }
  if (node.quals !== undefined) {
    const saved = state.namespace
    // ON sees the joined items and outer queries, nothing else of this FROM.
    state.namespace = inside
    quals = transformCondition(state, node.quals, 'join on', 'JOIN/ON')
    state.namespace = saved
  }
  const top = addJoin(state, joinType, columns, names, aliasVars, mergedCols, node.alias, node.join_using_alias)
  let namespace: NsItem[]
  if (node.alias !== undefined) namespace = [top]
  else {
    // The others inside are not since a join below took them in.
    left.top.colsVisible = false
    right.top.colsVisible = false
    namespace = [...inside, top]
  }
  if (node.join_using_alias !== undefined) {
    const merged: NsItem = {
      ...top,
      refname: node.join_using_alias.aliasname!,
      columns: top.columns.slice(0, mergedCols),
      relVisible: true,
      colsVisible: false,
    }
    checkConflicts(state, inside, [merged])
    if (node.alias === undefined) namespace = [...namespace, merged]
  }
  return {
    node: { kind: 'JoinExpr', joinType, left: left.node, right: right.node, quals, rtindex: top.rtindex },
    top,
    namespace,
  }
}

function usingColumn(state: ParseState, columns: readonly NsColumn[], name: string, side: 'left' | 'right'): NsColumn {
  const found = columns.filter((column) => column.name === name)
  if (found.length === 0) {
    throw errorAt(state, SQLSTATE.undefinedColumn, `column "${name}" specified in USING clause does not exist in ${side} table`, undefined)
  }
  if (found.length > 1) {
    throw errorAt(state, SQLSTATE.ambiguousColumn, `common column name "${name}" appears more than once in ${side} table`, undefined)
  }
  return found[0]!
}

function mergeColumn(state: ParseState, joinType: JoinType, left: Var, right: Var): Expr {
  const type = commonType(state, [left, right], 'JOIN/USING')
  const typmod = left.type === right.type && left.typmod === right.typmod ? left.typmod : -1
  const adapt = (side: Var): Expr => {
    if (side.type !== type) return coerceType(state, side, type, typmod, COERCION.implicit, 'implicit', -1)
    return side.typmod === typmod ? side : relabel(side, type, typmod, 'implicit', -1)
  }
  const l = adapt(left)
  const r = adapt(right)
  switch (joinType) {
    case 'inner':
      return l.kind === 'Var' ? l : r.kind === 'Var' ? r : l
    case 'left':
      return l
    case 'right':
      return r
    default:
      return { kind: 'CoalesceExpr', args: [l, r], type, typmod, collation: 0, location: -1 }
  }
}
