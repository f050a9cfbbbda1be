// The range table and the names visible in it: adding entries, finding columns and relations by name, and the errors when there is none.

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { type Alias, nameList, type RangeVar } from '../parser/nodes.ts'
import { typeCollation } from './coerce.ts'
import { type CteEntry, errorAt, type MutablePermission, type NsColumn, type NsItem, type ParseState, querySubselect } from './context.ts'
import type { Expr, Var } from './expr.ts'
import { fuzzyColumn } from './fuzzy.ts'
import { makeVar } from './make.ts'
import type { JoinType, NamedRteColumn, Query, RangeTblEntry, RteColumn, RteFunction } from './query.ts'
import { schemaOid } from './type-name.ts'

/** attnum → name and type of the system columns. */
export const SYSTEM_COLUMNS: Readonly<Record<string, { readonly attno: number; readonly type: Oid }>> = {
  ctid: { attno: -1, type: T.tid },
  xmin: { attno: -2, type: T.xid },
  cmin: { attno: -3, type: T.cid },
  xmax: { attno: -4, type: T.xid },
  cmax: { attno: -5, type: T.cid },
  tableoid: { attno: -6, type: T.oid },
}

const SYSTEM_NAMES = new Map(Object.entries(SYSTEM_COLUMNS).map(([name, { attno }]) => [attno, name]))

export function systemColumnName(attno: number): string | undefined {
  return SYSTEM_NAMES.get(attno)
}

// --- relations by name

const KIND_NAMES: Readonly<Record<string, string>> = { r: 'table', v: 'view', S: 'sequence', i: 'index', c: 'composite type' }
export const relkindName = (kind: string): string => KIND_NAMES[kind] ?? 'relation'

export interface RelationOptions {
  readonly missingOk?: boolean
  /** pg_class.relkind letters that will do; others are 42809 "x" is not a table. */
  readonly kinds?: string
}

export function findRelation(state: ParseState, range: RangeVar): RelationInfo | null {
  const { catalog, searchPath } = state.ctx
  const name = range.relname!
  if (range.catalogname !== undefined && range.catalogname !== state.ctx.eval.session.database) {
    throw errorAt(
      state,
      SQLSTATE.featureNotSupported,
      `cross-database references are not implemented: "${range.catalogname}.${range.schemaname}.${name}"`,
      range.location ?? 0,
    )
  }
  if (range.schemaname !== undefined) {
    const namespace = catalog.namespaceByName(range.schemaname)
    return namespace === null ? null : catalog.relationByName(namespace.oid, name)
  }
  for (const namespace of searchPath) {
    const relation = catalog.relationByName(namespace, name)
    if (relation !== null) return relation
  }
  return null
}

/** parserOpenTable: 42P01 when there is no such relation. */
export function openRelation(state: ParseState, range: RangeVar): RelationInfo {
  const found = findRelation(state, range)
  if (found !== null) return found
  const location = range.location ?? 0
  if (range.schemaname !== undefined) {
    throw errorAt(state, SQLSTATE.undefinedTable, `relation "${range.schemaname}.${range.relname}" does not exist`, location)
  }
  for (let level: ParseState | null = state; level !== null; level = level.parent) {
    if (level.futureCtes.includes(range.relname!)) {
      throw errorAt(state, SQLSTATE.undefinedTable, `relation "${range.relname}" does not exist`, location, {
        detail: `There is a WITH item named "${range.relname}", but it cannot be referenced from this part of the query.`,
        hint: 'Use WITH RECURSIVE, or re-order the WITH items to remove forward references.',
      })
    }
  }
  throw errorAt(state, SQLSTATE.undefinedTable, `relation "${range.relname}" does not exist`, location)
}

export function schemaExists(state: ParseState, range: RangeVar): void {
  if (range.schemaname !== undefined) schemaOid(state, range.schemaname, range.location ?? 0)
}

// --- adding entries

function pushItem(state: ParseState, rte: RangeTblEntry, relation: RelationInfo | null, columns: readonly (NsColumn | null)[]): NsItem {
  state.rtable.push(rte)
  state.relations.push(relation)
  return {
    rtindex: state.rtable.length,
    rte,
    refname: rte.refname,
    columns,
    relation,
    relVisible: true,
    colsVisible: true,
    lateralOnly: false,
    lateralOk: true,
    returning: 'default',
  }
}

function columnsOf(rtindex: number, names: readonly (string | null)[], types: readonly RteColumn[]): NsColumn[] {
  return types.map((column, i) => ({
    name: names[i] ?? '?column?',
    varno: rtindex,
    attno: i + 1,
    type: column.type,
    typmod: column.typmod,
    collation: column.collation,
    hidden: false,
  }))
}

/** Names after applying an alias's column list; too many is 42P10. */
function aliasedNames(state: ParseState, refname: string, names: readonly (string | null)[], alias: Alias | undefined): (string | null)[] {
  const given = nameList(alias?.colnames)
  if (given.length === 0) return [...names]
  const result = [...names]
  let next = 0
  for (let i = 0; i < result.length && next < given.length; i++) if (result[i] !== null) result[i] = given[next++]!
  if (next < given.length) {
    throw errorAt(
      state,
      SQLSTATE.invalidColumnReference,
      `table "${refname}" has ${next} columns available but ${given.length} columns specified`,
      undefined,
    )
  }
  return result
}

function newPermission(relation: Oid): MutablePermission {
  return {
    relation,
    requiredSelect: true,
    requiredInsert: false,
    requiredUpdate: false,
    requiredDelete: false,
    rowMarked: false,
    selectedColumns: new Set(),
    insertedColumns: new Set(),
    updatedColumns: new Set(),
    checkAs: 0,
  }
}

export function addRelation(
  state: ParseState,
  relation: RelationInfo,
  alias: Alias | undefined,
  inh: boolean,
  inFromClause: boolean,
  permission = -1,
): NsItem {
  const refname = alias?.aliasname ?? relation.name
  // -1: a permission entry of its own.
  let index = permission
  if (permission === -1) {
    state.permissions.push(newPermission(relation.oid))
    index = state.permissions.length - 1
  }
  const colNames = aliasedNames(
    state,
    refname,
    relation.columns.map((column) => (column.dropped ? null : column.name)),
    alias,
  )
  const rtindex = state.rtable.length + 1
  const columns = relation.columns.map((column, i) =>
    column.dropped
      ? null
      : {
          name: colNames[i]!,
          varno: rtindex,
          attno: column.attnum,
          type: column.type,
          typmod: column.typmod,
          collation: column.collation,
          hidden: false,
        },
  )
  const rte: RangeTblEntry = {
    kind: 'relation',
    relation: relation.oid,
    relkind: relation.relkind,
    inh,
    permission: index,
    ...(alias?.colnames === undefined || alias.colnames.length === 0 ? {} : { aliasedCols: alias.colnames.length }),
    refname,
    hasAlias: alias !== undefined,
    colNames,
    lateral: false,
    inFromClause,
  }
  return pushItem(state, rte, relation, columns)
}

export function addSubquery(state: ParseState, subquery: Query, alias: Alias | undefined, lateral: boolean, inFromClause: boolean): NsItem {
  const refname = alias?.aliasname ?? 'unnamed_subquery'
  const outputs = querySubselect(subquery)
  const colNames = aliasedNames(
    state,
    refname,
    outputs.map((column) => column.name),
    alias,
  )
  const columns = columnsOf(state.rtable.length + 1, colNames, outputs)
  const rte: RangeTblEntry = {
    kind: 'subquery',
    subquery,
    view: 0,
    securityBarrier: false,
    refname,
    hasAlias: alias !== undefined,
    colNames,
    lateral,
    inFromClause,
  }
  const item = pushItem(state, rte, null, columns)
  if (alias === undefined) item.relVisible = false
  return item
}

export function addValues(
  state: ParseState,
  lists: readonly (readonly Expr[])[],
  types: readonly RteColumn[],
  alias: Alias | undefined,
  lateral: boolean,
  inFromClause: boolean,
): NsItem {
  const refname = alias?.aliasname ?? '*VALUES*'
  const colNames = aliasedNames(
    state,
    refname,
    types.map((_, i) => `column${i + 1}`),
    alias,
  )
  const columns = columnsOf(state.rtable.length + 1, colNames, types)
  return pushItem(
    state,
    { kind: 'values', lists, columns: types, refname, hasAlias: alias !== undefined, colNames, lateral, inFromClause },
    null,
    columns,
  )
}

export function addFunction(
  state: ParseState,
  functions: RteFunction['functions'],
  ordinality: boolean,
  refname: string,
  alias: Alias | undefined,
  lateral: boolean,
): NsItem {
  const types: NamedRteColumn[] = functions.flatMap((fn) => [...fn.columns])
  if (ordinality) types.push({ name: 'ordinality', type: T.int8, typmod: -1, collation: 0 })
  const colNames = aliasedNames(
    state,
    refname,
    types.map((column) => column.name),
    alias,
  )
  const columns = columnsOf(state.rtable.length + 1, colNames, types)
  return pushItem(
    state,
    { kind: 'function', functions, ordinality, refname, hasAlias: alias !== undefined, colNames, lateral, inFromClause: true },
    null,
    columns,
  )
}

export function addCte(state: ParseState, cte: CteEntry, levelsUp: number, alias: Alias | undefined): NsItem {
  const refname = alias?.aliasname ?? cte.name
  const selfReference = cte.open
  const types = cte.columns
  const names = types.map((column) => column.name)
  const own = types.length - cte.carried
  const colNames = [...aliasedNames(state, refname, names.slice(0, own), alias), ...names.slice(own)]
  // Those that SEARCH and CYCLE add stand in the * of the query that has the WITH, not in those of queries inside it.
  const columns = columnsOf(state.rtable.length + 1, colNames, types).map((column, i) =>
    i < own || levelsUp === 0 ? column : { ...column, hidden: true },
  )
  const rte: RangeTblEntry = {
    kind: 'cte',
    cteName: cte.name,
    levelsUp,
    selfReference,
    columns: types,
    refname,
    hasAlias: alias !== undefined,
    colNames,
    lateral: false,
    inFromClause: true,
  }
  return pushItem(state, rte, null, columns)
}

export function addJoin(
  state: ParseState,
  joinType: JoinType,
  columns: readonly NsColumn[],
  names: readonly (string | null)[],
  aliasVars: readonly Expr[],
  mergedCols: number,
  alias: Alias | undefined,
  usingAlias: Alias | undefined,
): NsItem {
  const refname = alias?.aliasname ?? 'unnamed_join'
  const colNames = aliasedNames(state, refname, names, alias)
  const rtindex = state.rtable.length + 1
  // An alias hides what is inside: its columns are the join's own, as merged ones are that come from neither side.
  let own = columns
  if (alias !== undefined) own = columns.map((column, i) => ({ ...column, name: colNames[i]!, varno: rtindex, attno: i + 1 }))
  else if (mergedCols > 0) own = columns.map((column) => (column.varno === 0 ? { ...column, varno: rtindex } : column))
  const rte: RangeTblEntry = {
    kind: 'join',
    joinType,
    aliasVars,
    mergedCols,
    ...(usingAlias !== undefined && { usingAlias: usingAlias.aliasname! }),
    refname,
    hasAlias: alias !== undefined,
    colNames,
    lateral: false,
    inFromClause: true,
  }
  const item = pushItem(state, rte, null, own)
  item.relVisible = alias !== undefined
  return item
}

// --- permissions

export function permissionOf(state: ParseState, rtindex: number): MutablePermission | null {
  const rte = state.rtable[rtindex - 1]
  return rte?.kind === 'relation' && rte.permission >= 0 ? state.permissions[rte.permission]! : null
}

export function levelState(state: ParseState, levelsUp: number): ParseState {
  let level = state
  for (let i = 0; i < levelsUp; i++) level = level.parent!
  return level
}

/** The column is read: 42501 without SELECT on it. */
export function markSelected(state: ParseState, node: Expr): void {
  if (node.kind === 'Var') {
    const level = levelState(state, node.levelsUp)
    const permission = permissionOf(level, node.varno)
    if (permission !== null) {
      permission.requiredSelect = true
      permission.selectedColumns.add(node.attno)
      return
    }
    const rte = level.rtable[node.varno - 1]
    if (rte?.kind === 'join' && node.attno > 0) markSelected(level, rte.aliasVars[node.attno - 1]!)
  } else if (node.kind === 'CoalesceExpr') for (const arg of node.args) markSelected(state, arg)
  else if (node.kind === 'RelabelType' || node.kind === 'FuncExpr' || node.kind === 'CoerceViaIO') {
    for (const arg of node.kind === 'FuncExpr' ? node.args : [node.arg]) markSelected(state, arg)
  }
}

// --- finding columns

export function columnVar(column: NsColumn, levelsUp: number, location: number): Var {
  return makeVar(column.varno, column.attno, column, levelsUp, location)
}

function ambiguous(state: ParseState, name: string, location: number) {
  return errorAt(state, SQLSTATE.ambiguousColumn, `column reference "${name}" is ambiguous`, location)
}

/** A column of one item by name; null when it has none. `origin` is where the reference stands (for errors). */
export function itemColumn(origin: ParseState, item: NsItem, levelsUp: number, name: string, location: number): Var | null {
  let found: NsColumn | null = null
  for (const column of item.columns) {
    if (column === null || column.name !== name) continue
    if (found !== null) throw ambiguous(origin, name, location)
    found = column
  }
  if (found !== null) return columnVar(found, levelsUp, location)
  if (item.rte.kind !== 'relation' || item.relation?.relkind === 'v') return null
  const system = Object.hasOwn(SYSTEM_COLUMNS, name) ? SYSTEM_COLUMNS[name]! : null
  if (system === null) return null
  if (origin.kind === 'check' && system.attno !== -6) {
    throw errorAt(origin, SQLSTATE.invalidColumnReference, `system column "${name}" reference in check constraint is invalid`, location)
  }
  if (origin.kind === 'generated' && system.attno !== -6) {
    throw errorAt(origin, SQLSTATE.invalidColumnReference, `cannot use system column "${name}" in column generation expression`, location)
  }
  return makeVar(item.rtindex, system.attno, { type: system.type, typmod: -1, collation: 0 }, levelsUp, location)
}

function checkLateral(state: ParseState, item: NsItem, location: number): void {
  if (!item.lateralOnly || item.lateralOk) return
  const name = item.refname
  const isTarget = item.rtindex === state.targetItem?.rtindex
  throw errorAt(
    state,
    SQLSTATE.invalidColumnReference,
    `invalid reference to FROM-clause entry for table "${name}"`,
    location,
    isTarget
      ? { hint: `There is an entry for table "${name}", but it cannot be referenced from this part of the query.` }
      : { detail: 'The combining JOIN type must be INNER or LEFT for a LATERAL reference.' },
  )
}

/** An unqualified column, in this query or an outer one. */
export function columnByName(state: ParseState, name: string, localOnly: boolean, location: number): Var | null {
  let levelsUp = 0
  for (let level: ParseState | null = state; level !== null; level = level.parent) {
    let result: Var | null = null
    for (const item of level.namespace) {
      if (!item.colsVisible || (item.lateralOnly && !level.lateralActive)) continue
      const found = itemColumn(state, item, levelsUp, name, location)
      if (found === null) continue
      if (result !== null) throw ambiguous(state, name, location)
      checkLateral(level, item, location)
      result = found
    }
    if (result !== null || localOnly) return result
    levelsUp++
  }
  return null
}

export interface FoundItem {
  readonly item: NsItem
  readonly levelsUp: number
}

/** A relation by the name it goes by in this query or an outer one. */
export function itemByName(state: ParseState, schema: string | null, name: string, location: number): FoundItem | null {
  let relation: Oid = 0
  if (schema !== null) {
    const namespace = state.ctx.catalog.namespaceByName(schema)
    relation = namespace === null ? 0 : (state.ctx.catalog.relationByName(namespace.oid, name)?.oid ?? 0)
    if (relation === 0) return null
  }
  let levelsUp = 0
  for (let level: ParseState | null = state; level !== null; level = level.parent) {
    let result: NsItem | null = null
    for (const item of level.namespace) {
      if (!item.relVisible || (item.lateralOnly && !level.lateralActive)) continue
      const { rte } = item
      if (schema === null ? item.refname !== name : rte.kind !== 'relation' || rte.hasAlias || rte.relation !== relation) continue
      if (result !== null) throw errorAt(state, SQLSTATE.ambiguousAlias, `table reference "${name}" is ambiguous`, location)
      checkLateral(level, item, location)
      result = item
    }
    if (result !== null) return { item: result, levelsUp }
    levelsUp++
  }
  return null
}

export function missingRelation(state: ParseState, schema: string | null, name: string, location: number) {
  let found: RangeTblEntry | null = null
  let index = -1
  let owner: ParseState = state
  const namespace = schema === null ? null : state.ctx.catalog.namespaceByName(schema)
  const wanted = namespace === null ? 0 : (state.ctx.catalog.relationByName(namespace.oid, name)?.oid ?? 0)
  search: for (let level: ParseState | null = state; level !== null; level = level.parent) {
    for (const [i, rte] of level.rtable.entries()) {
      const real = rte.kind === 'relation' ? level.relations[i]?.name : rte.kind === 'cte' ? rte.cteName : null
      const matches =
        rte.refname === name || (schema === null ? real === name : rte.kind === 'relation' && wanted !== 0 && rte.relation === wanted)
      if (rte.kind !== 'join' && matches) {
        found = rte
        index = i + 1
        owner = level
        break search
      }
    }
  }
  if (found === null) return errorAt(state, SQLSTATE.undefinedTable, `missing FROM-clause entry for table "${name}"`, location)
  const message = `invalid reference to FROM-clause entry for table "${name}"`
  const visible = owner.namespace.some((item) => item.rtindex === index && item.relVisible)
  if (found.hasAlias && found.refname !== name && visible) {
    return errorAt(state, SQLSTATE.undefinedTable, message, location, {
      hint: `Perhaps you meant to reference the table alias "${found.refname}".`,
    })
  }
  const lateral = owner.namespace.some((item) => item.rtindex === index && item.lateralOnly && item.lateralOk && !owner.lateralActive)
  return errorAt(state, SQLSTATE.undefinedTable, message, location, {
    detail: `There is an entry for table "${found.refname}", but it cannot be referenced from this part of the query.`,
    ...(lateral ? { hint: 'To reference that table, you must mark this subquery with LATERAL.' } : {}),
  })
}

export function missingColumn(state: ParseState, relname: string | null, name: string, location: number) {
  const message = relname === null ? `column "${name}" does not exist` : `column ${relname}.${name} does not exist`
  const match = fuzzyColumn(state, relname, name)
  const fail = (fields: { detail?: string; hint?: string }) => errorAt(state, SQLSTATE.undefinedColumn, message, location, fields)
  if (match.exact.length > 1) {
    return fail({
      detail: `There are columns named "${name}", but they are in tables that cannot be referenced from this part of the query.`,
      ...(relname === null ? { hint: 'Try using a table-qualified name.' } : {}),
    })
  }
  const [exact] = match.exact
  if (exact !== undefined) {
    const lateral = exact.level.namespace.some(
      (item) => item.rte === exact.rte && item.lateralOnly && item.lateralOk && !exact.level.lateralActive,
    )
    const qualified = exact.level.namespace.some((item) => item.rte === exact.rte && item.relVisible && !item.lateralOnly)
    return fail({
      detail: `There is a column named "${name}" in table "${exact.rte.refname}", but it cannot be referenced from this part of the query.`,
      ...(lateral
        ? { hint: 'To reference that column, you must mark this subquery with LATERAL.' }
        : relname === null && qualified
          ? { hint: 'To reference that column, you must use a table-qualified name.' }
          : {}),
    })
  }
  const [first, second] = match.close
  if (first === undefined) return fail({})
  const one = `the column "${first.table}.${first.column}"`
  const two = second === undefined ? '' : ` or the column "${second.table}.${second.column}"`
  return fail({ hint: `Perhaps you meant to reference ${one}${two}.` })
}

// --- whole rows

/** `t` as a value: the row of an item. */
export function wholeRow(state: ParseState, item: NsItem, levelsUp: number, location: number): Expr {
  const { rte } = item
  if (rte.kind === 'join') {
    const columns = item.columns.filter((column) => column !== null)
    const args = columns.map((column) => columnVar(column, levelsUp, location))
    for (const arg of args) markSelected(state, arg)
    return {
      kind: 'RowExpr',
      args,
      colNames: columns.map((column) => column.name),
      type: T.record,
      typmod: -1,
      collation: 0,
      format: 'implicit',
      location,
    }
  }
  let type: Oid = T.record
  if (rte.kind === 'relation') {
    type = item.relation?.rowType || T.record
  } else if (rte.kind === 'function' && rte.functions.length === 1 && !rte.ordinality) {
    const [only] = rte.functions
    const row = state.ctx.catalog.type(only!.expr.type)
    if (row?.typtype === 'c' || (row?.typtype === 'd' && state.ctx.catalog.type(row.typbasetype)?.typtype === 'c')) type = row.oid
    else if (only!.expr.type !== T.record) {
      return makeVar(
        item.rtindex,
        1,
        { type: only!.expr.type, typmod: -1, collation: typeCollation(state, only!.expr.type) },
        levelsUp,
        location,
      )
    }
  }
  const result = makeVar(item.rtindex, 0, { type, typmod: -1, collation: 0 }, levelsUp, location)
  markSelected(state, result)
  return result
}
