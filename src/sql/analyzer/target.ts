// Target lists: output columns with their names, * expanded; and assignment of values to columns (INSERT, UPDATE).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationColumn } from '../../catalog/snapshot.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { baseType, baseTypmod, COERCION } from '../functions/coercion-path.ts'
import { type Node, type NodeOf, nameList, nodeAs, nodeTag, stringOf } from '../parser/nodes.ts'
import { coerceToDomain, coerceToTarget, resolveUnknown, typeName } from './coerce.ts'
import { type ExprKind, errorAt, type Mutable, type NsItem, type ParseState } from './context.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { transform } from './expr-entry.ts'
import { fieldsOf } from './fields.ts'
import { exprLocation } from './location.ts'
import { targetEntry } from './make.ts'
import { columnVar, itemByName, levelState, markSelected, missingRelation } from './relation.ts'
import { transformSubscripts } from './subscripts.ts'

export function checkTargetCount(entries: readonly TargetEntry[]): void {
  if (entries.length > LIMITS.maxTargetEntries) {
    throw new PgError(SQLSTATE.tooManyColumns, `target lists can have at most ${LIMITS.maxTargetEntries} entries`)
  }
}

export function transformTargetList(state: ParseState, list: readonly Node[], kind: ExprKind): Mutable<TargetEntry>[] {
  const saved = state.kind
  state.kind = kind
  const entries: Mutable<TargetEntry>[] = []
  for (const item of list) {
    const target = nodeAs(item, 'ResTarget')!
    const star = starOf(target.val!)
    // Of thousands too many the rest is not looked at.
    if (kind === 'select target') checkTargetCount(entries)
    if (star !== null) {
      for (const { name, expr } of expandStar(state, target.val!, star)) entries.push(targetEntry(expr, state.nextResno++, name))
      continue
    }
    entries.push(transformTarget(state, target.val!, null, target.name ?? null, false))
  }
  if (state.multiAssign.length > 0 && kind === 'select target') state.multiAssign = []
  state.kind = saved
  return entries
}

export function transformTarget(
  state: ParseState,
  node: Node,
  done: Expr | null,
  name: string | null,
  resjunk: boolean,
): Mutable<TargetEntry> {
  let expr = done ?? transform(state, node)
  if (expr.kind === 'SubLink' && expr.linkType === 'multiexpr') expr = { ...expr, linkType: 'expr' }
  const resname = resjunk ? name : (name ?? figureName(node))
  return targetEntry(expr, state.nextResno++, resname, resjunk)
}

/** The reference or indirection that ends in *; null for anything else. */
export function starOf(node: Node): 'column' | 'indirection' | null {
  const ref = nodeAs(node, 'ColumnRef')
  if (ref !== undefined) return nodeAs(ref.fields?.at(-1), 'A_Star') === undefined ? null : 'column'
  const indirection = nodeAs(node, 'A_Indirection')
  return nodeAs(indirection?.indirection?.at(-1), 'A_Star') === undefined ? null : 'indirection'
}

interface Expanded {
  readonly name: string
  readonly expr: Expr
}

function expandStar(state: ParseState, node: Node, kind: 'column' | 'indirection'): Expanded[] {
  if (kind === 'indirection') {
    const raw = nodeAs(node, 'A_Indirection')!
    const steps = raw.indirection!.slice(0, -1)
    const row = transform(state, steps.length === 0 ? raw.arg! : { A_Indirection: { arg: raw.arg!, indirection: steps } })
    return expandRow(state, row)
  }
  const ref = nodeAs(node, 'ColumnRef')!
  const location = ref.location ?? 0
  const names = ref.fields!.slice(0, -1).map(stringOf)
  if (names.length === 0) {
    const result: Expanded[] = []
    let found = false
    for (const item of state.namespace) {
      if (!item.colsVisible) continue
      found = true
      result.push(...expandItem(state, item, 0, location))
    }
    if (!found) throw errorAt(state, SQLSTATE.syntaxError, 'SELECT * with no tables specified is not valid', location)
    return result
  }
  const relname = names.at(-1)!
  const schema = names.length > 1 ? names.at(-2)! : null
  const found = itemByName(state, schema, relname, location)
  if (found === null) {
    // x.y.* may be column y of relation x, or x.* a composite column.
    if (names.length === 1 || (names.length === 2 && itemByName(state, null, names[0]!, location) !== null)) {
      const column = names.length === 1 ? nameVisible(state, relname) : true
      if (column) return expandRow(state, transform(state, { ColumnRef: { fields: ref.fields!.slice(0, -1), location } }))
    }
    throw missingRelation(state, schema, relname, location)
  }
  return expandItem(state, found.item, found.levelsUp, location)
}

function nameVisible(state: ParseState, name: string): boolean {
  for (let level: ParseState | null = state; level !== null; level = level.parent) {
    if (level.namespace.some((item) => item.colsVisible && item.columns.some((column) => column?.name === name))) return true
  }
  return false
}

function expandItem(state: ParseState, item: NsItem, levelsUp: number, location: number): Expanded[] {
  const result: Expanded[] = []
  for (const column of item.columns) {
    if (column === null || column.hidden) continue
    const expr = columnVar(column, levelsUp, location)
    markSelected(state, expr)
    result.push({ name: column.name, expr })
  }
  if (result.length === 0 && item.rte.kind === 'relation') markWholeRead(state, item, levelsUp)
  return result
}

function markWholeRead(state: ParseState, item: NsItem, levelsUp: number): void {
  const level = levelState(state, levelsUp)
  if (item.rte.kind === 'relation') level.permissions[item.rte.permission]!.requiredSelect = true
}

function expandRow(state: ParseState, row: Expr): Expanded[] {
  if (row.kind === 'Var' && row.attno === 0) {
    const level = levelState(state, row.levelsUp)
    const item = level.namespace.find((entry) => entry.rtindex === row.varno)
    if (item !== undefined) return expandItem(state, item, row.levelsUp, row.location)
  }
  const fields = fieldsOf(state, row)
  if (fields.length === 0) {
    const type = state.ctx.catalog.type(baseType(state.source, row.type))
    if (type?.typtype !== 'c' && row.type !== T.record) {
      throw errorAt(state, SQLSTATE.wrongObjectType, `type ${typeName(state, row.type)} is not composite`, exprLocation(row))
    }
    throw errorAt(state, SQLSTATE.syntaxError, 'record type has not been registered', exprLocation(row))
  }
  return fields.flatMap((field, i) =>
    field === null
      ? []
      : [
          {
            name: field.name,
            expr:
              row.kind === 'RowExpr'
                ? row.args[i]!
                : {
                    kind: 'FieldSelect' as const,
                    arg: row,
                    fieldNum: i + 1,
                    type: field.type,
                    typmod: field.typmod,
                    collation: field.collation,
                    location: -1,
                  },
          },
        ],
  )
}

/** A list of expressions in which x.* stands for its columns (ROW, VALUES). DEFAULT stays as SetToDefault where allowed. */
export function expandExpressionList(state: ParseState, list: readonly Node[], allowDefault = false): Expr[] {
  return list.flatMap((item) => {
    const star = starOf(item)
    if (star !== null) return expandStar(state, item, star).map(({ expr }) => expr)
    const byDefault = nodeAs(item, 'SetToDefault')
    if (byDefault !== undefined && allowDefault) {
      return [{ kind: 'SetToDefault' as const, type: T.unknown, typmod: -1, collation: 0, location: byDefault.location ?? 0 }]
    }
    return [transform(state, item)]
  })
}

export function resolveTargetUnknowns(state: ParseState, list: Mutable<TargetEntry>[]): void {
  for (const entry of list) entry.expr = resolveUnknown(state, entry.expr)
}

/** Where the value of each output column comes from (RowDescription's table and column). */
export function markOrigins(state: ParseState, list: Mutable<TargetEntry>[]): void {
  for (const entry of list) {
    const origin = originOf(state, entry.expr)
    if (origin !== null) [entry.resorigtbl, entry.resorigcol] = origin
  }
}

function originOf(state: ParseState, expr: Expr): readonly [Oid, number] | null {
  if (expr.kind !== 'Var') return null
  const level = levelState(state, expr.levelsUp)
  const rte = level.rtable[expr.varno - 1]
  if (rte === undefined || expr.attno === 0) return null
  if (rte.kind === 'relation') return [rte.relation, expr.attno]
  if (rte.kind === 'subquery') {
    const inner = rte.subquery.targetList.find((entry) => !entry.resjunk && entry.resno === expr.attno)
    return inner === undefined || inner.resorigtbl === 0 ? null : [inner.resorigtbl, inner.resorigcol]
  }
  if (rte.kind === 'join') return originOf(level, rte.aliasVars[expr.attno - 1]!)
  if (rte.kind === 'cte' && !rte.selfReference) {
    let owner: ParseState | null = level
    for (let i = 0; i < rte.levelsUp && owner !== null; i++) owner = owner.parent
    const cte = owner?.ctes.find((entry) => entry.name === rte.cteName)
    const list =
      cte === undefined || cte.open ? undefined : cte.query.commandType === 'select' ? cte.query.targetList : cte.query.returningList
    const inner = list?.find((entry) => !entry.resjunk && entry.resno === expr.attno)
    return inner === undefined || inner.resorigtbl === 0 ? null : [inner.resorigtbl, inner.resorigcol]
  }
  return null
}

/** FigureColname: the name of an output column without AS. */
export function figureName(node: Node): string {
  return figure(node).name ?? '?column?'
}

/** The same for index expressions; null when nothing suggests itself. */
export function figureIndexName(node: Node): string | null {
  return figure(node).name
}

/** strength 1: only a type name; 2: a real name. */
function figure(node: Node): { name: string | null; strength: number } {
  const n = node as NodeOf
  const named = (name: string): { name: string; strength: number } => ({ name, strength: 2 })
  const nothing = { name: null, strength: 0 }
  switch (nodeTag(node)) {
    case 'ColumnRef': {
      const last = [...(n.ColumnRef.fields ?? [])].reverse().find((field) => nodeAs(field, 'String') !== undefined)
      return last === undefined ? nothing : named(stringOf(last))
    }
    case 'A_Indirection': {
      const last = [...(n.A_Indirection.indirection ?? [])].reverse().find((step) => nodeAs(step, 'String') !== undefined)
      return last === undefined ? figure(n.A_Indirection.arg!) : named(stringOf(last))
    }
    case 'FuncCall':
      return named(nameList(n.FuncCall.funcname).at(-1)!)
    case 'A_Expr':
      return n.A_Expr.kind === 'AEXPR_NULLIF' ? named('nullif') : nothing
    case 'TypeCast': {
      const inner = figure(n.TypeCast.arg!)
      if (inner.strength > 1) return inner
      const name = nameList(n.TypeCast.typeName?.names).at(-1)
      return name === undefined ? inner : { name, strength: 1 }
    }
    case 'CollateClause':
      return figure(n.CollateClause.arg!)
    case 'GroupingFunc':
      return named('grouping')
    case 'MergeSupportFunc':
      return named('merge_action')
    case 'SubLink':
      switch (n.SubLink.subLinkType) {
        case 'EXISTS_SUBLINK':
          return named('exists')
        case 'ARRAY_SUBLINK':
          return named('array')
        case 'EXPR_SUBLINK': {
          const select = nodeAs(n.SubLink.subselect, 'SelectStmt')
          let left = select
          while (left?.larg !== undefined) left = left.larg
          if (left?.valuesLists !== undefined) return named('column1')
          const [first] = left?.targetList ?? []
          const target = nodeAs(first, 'ResTarget')
          if (target === undefined) return nothing
          return named(target.name ?? figureName(target.val!))
        }
        default:
          return nothing
      }
    case 'CaseExpr': {
      const inner = n.CaseExpr.defresult === undefined ? nothing : figure(n.CaseExpr.defresult)
      return inner.strength > 1 ? inner : { name: 'case', strength: 1 }
    }
    case 'A_ArrayExpr':
      return named('array')
    case 'RowExpr':
      return named('row')
    case 'CoalesceExpr':
      return named('coalesce')
    case 'MinMaxExpr':
      return named(n.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest')
    case 'SQLValueFunction':
      return named(VALUE_NAMES[n.SQLValueFunction.op ?? ''] ?? '?column?')
    case 'XmlExpr':
      return named(XML_NAMES[n.XmlExpr.op ?? ''] ?? 'xmlserialize')
    case 'XmlSerialize':
      return named('xmlserialize')
    case 'JsonObjectConstructor':
      return named('json_object')
    case 'JsonArrayConstructor':
    case 'JsonArrayQueryConstructor':
      return named('json_array')
    case 'JsonObjectAgg':
      return named('json_objectagg')
    case 'JsonArrayAgg':
      return named('json_arrayagg')
    case 'JsonParseExpr':
      return named('json')
    case 'JsonScalarExpr':
      return named('json_scalar')
    case 'JsonSerializeExpr':
      return named('json_serialize')
    case 'JsonFuncExpr':
      return named(
        { JSON_EXISTS_OP: 'json_exists', JSON_QUERY_OP: 'json_query', JSON_VALUE_OP: 'json_value' }[n.JsonFuncExpr.op as string] ??
          '?column?',
      )
    default:
      return nothing
  }
}

const XML_NAMES: Readonly<Record<string, string>> = {
  IS_XMLCONCAT: 'xmlconcat',
  IS_XMLELEMENT: 'xmlelement',
  IS_XMLFOREST: 'xmlforest',
  IS_XMLPARSE: 'xmlparse',
  IS_XMLPI: 'xmlpi',
  IS_XMLROOT: 'xmlroot',
}
const VALUE_NAMES: Readonly<Record<string, string>> = {
  SVFOP_CURRENT_DATE: 'current_date',
  SVFOP_CURRENT_TIME: 'current_time',
  SVFOP_CURRENT_TIME_N: 'current_time',
  SVFOP_CURRENT_TIMESTAMP: 'current_timestamp',
  SVFOP_CURRENT_TIMESTAMP_N: 'current_timestamp',
  SVFOP_LOCALTIME: 'localtime',
  SVFOP_LOCALTIME_N: 'localtime',
  SVFOP_LOCALTIMESTAMP: 'localtimestamp',
  SVFOP_LOCALTIMESTAMP_N: 'localtimestamp',
  SVFOP_CURRENT_ROLE: 'current_role',
  SVFOP_CURRENT_USER: 'current_user',
  SVFOP_USER: 'user',
  SVFOP_SESSION_USER: 'session_user',
  SVFOP_CURRENT_CATALOG: 'current_catalog',
  SVFOP_CURRENT_SCHEMA: 'current_schema',
}

// --- assignment

/** A value made fit for column `column` of the target (transformAssignedExpr). */
export function assignTo(
  state: ParseState,
  expr: Expr,
  column: RelationColumn,
  indirection: readonly Node[],
  kind: 'insert target' | 'update target',
  location: number,
): Expr {
  if (column.attnum <= 0) {
    throw errorAt(state, SQLSTATE.featureNotSupported, `cannot assign to system column "${column.name}"`, location)
  }
  if (expr.kind === 'SetToDefault') {
    if (indirection.length > 0) {
      const isArray = nodeAs(indirection[0], 'A_Indices') !== undefined
      throw errorAt(
        state,
        SQLSTATE.featureNotSupported,
        isArray ? 'cannot set an array element to DEFAULT' : 'cannot set a subfield to DEFAULT',
        location,
      )
    }
    return { ...expr, type: column.type, typmod: column.typmod, collation: column.collation }
  }
  if (indirection.length > 0) {
    const item = state.targetItem!
    const container: Expr =
      kind === 'insert target'
        ? { kind: 'Const', value: null, type: column.type, typmod: column.typmod, collation: column.collation, location: -1 }
        : columnVar(item.columns[column.attnum - 1]!, 0, -1)
    return assignIndirection(state, container, column.name, false, column.type, column.typmod, indirection, expr, location)
  }
  const cast = coerceToTarget(state, expr, column.type, column.typmod, COERCION.assignment, 'implicit', -1)
  if (cast === null) {
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      `column "${column.name}" is of type ${typeName(state, column.type)} but expression is of type ${typeName(state, expr.type)}`,
      exprLocation(expr),
      { hint: 'You will need to rewrite or cast the expression.' },
    )
  }
  return cast
}

/** The old value of the part that the FieldStore or SubscriptingRef around it assigns to: what an assignment to a part of that part starts from. */
function oldPart(type: Oid, typmod: number, collation: Oid): Expr {
  return { kind: 'CaseTestExpr', type, typmod, collation, location: -1 }
}

function assignIndirection(
  state: ParseState,
  container: Expr,
  targetName: string,
  isSubscript: boolean,
  type: Oid,
  typmod: number,
  steps: readonly Node[],
  value: Expr,
  location: number,
): Expr {
  const [step, ...rest] = steps
  if (step === undefined) {
    const cast = coerceToTarget(state, value, type, typmod, COERCION.assignment, 'implicit', -1)
    if (cast !== null) return cast
    const shown = typeName(state, value.type)
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      isSubscript
        ? `subscripted assignment to "${targetName}" requires type ${typeName(state, type)} but expression is of type ${shown}`
        : `subfield "${targetName}" is of type ${typeName(state, type)} but expression is of type ${shown}`,
      location,
      { hint: 'You will need to rewrite or cast the expression.' },
    )
  }
  const base = baseType(state.source, type)
  const baseMod = baseTypmod(state.source, type, typmod)
  if (nodeAs(step, 'A_Indices') !== undefined) {
    const indices: NodeOf['A_Indices'][] = []
    let next = 0
    for (; next < steps.length; next++) {
      const index = nodeAs(steps[next]!, 'A_Indices')
      if (index === undefined) break
      indices.push(index)
    }
    const ref = transformSubscripts(state, container, base, indices, null, baseMod)
    const elementType = ref.isSlice ? ref.containerType : ref.elementType
    const inner = steps.slice(next)
    const assigned = assignIndirection(
      state,
      oldPart(elementType, ref.isSlice ? baseMod : -1, ref.collation),
      targetName,
      true,
      elementType,
      baseMod,
      inner,
      value,
      location,
    )
    const result: Expr = { ...ref, assign: assigned, type: base, collation: 0 }
    return base === type ? result : coerceToDomain(state, result, base, baseMod, type, COERCION.assignment, false, 'implicit', -1)
  }
  const name = stringOf(step)
  const row = state.ctx.catalog.type(base)
  if (row?.typtype !== 'c') {
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      `cannot assign to field "${name}" of column "${targetName}" because its type ${typeName(state, type)} is not a composite type`,
      location,
    )
  }
  const column = state.ctx.catalog.relation(row.typrelid)?.columns.find((c) => c.name === name && !c.dropped)
  if (column === undefined) {
    throw errorAt(
      state,
      SQLSTATE.undefinedColumn,
      `cannot assign to field "${name}" of column "${targetName}" because there is no such column in data type ${typeName(state, type)}`,
      location,
    )
  }
  const field = oldPart(column.type, column.typmod, column.collation)
  const assigned = assignIndirection(state, field, name, false, column.type, column.typmod, rest, value, location)
  const result: Expr = {
    kind: 'FieldStore',
    arg: container,
    newValues: [assigned],
    fieldNums: [column.attnum],
    type: base,
    typmod: -1,
    collation: 0,
    location: -1,
  }
  return base === type ? result : coerceToDomain(state, result, base, baseMod, type, COERCION.assignment, false, 'implicit', -1)
}
