// Names as they must be written to be found again: relations, functions, operators, types, collations; unique names of range table entries.

import type { Oid } from '../../../base/ids.ts'
import { collationByOid } from '../../builtin/catalogs.ts'
import { formatType } from '../../functions/format-type.ts'
import { quoteIdentifier } from '../../types/quote.ts'
import { typeNameInPath } from '../catalog-source.ts'
import type { Expr } from '../expr.ts'
import type { JoinExpr, JoinTreeNode, Query } from '../query.ts'
import type { DeparseContext, Names } from './writer.ts'

const PG_CATALOG = 11

/** `name`, qualified unless the search path finds this very relation first. */
export function relationName(ctx: DeparseContext, oid: Oid, hidden: ReadonlySet<string> = new Set()): string {
  const relation = ctx.catalog.relation(oid)
  if (relation === null) return `${oid}`
  let visible = false
  for (const schema of ctx.searchPath) {
    const found = ctx.catalog.relationByName(schema, relation.name)
    if (found === null) continue
    visible = found.oid === oid
    break
  }
  return visible && !hidden.has(relation.name) ? quoteIdentifier(relation.name) : qualifiedRelationName(ctx, oid)
}

export function qualifiedRelationName(ctx: DeparseContext, oid: Oid): string {
  const relation = ctx.catalog.relation(oid)!
  const schema = ctx.catalog.namespace(relation.namespace)?.name ?? 'pg_temp'
  return `${quoteIdentifier(schema)}.${quoteIdentifier(relation.name)}`
}

export function typeText(ctx: DeparseContext, type: Oid, typmod: number): string {
  return formatType(
    type,
    typmod,
    (oid) => ctx.catalog.type(oid) ?? undefined,
    (row) => typeNameInPath(ctx.catalog, ctx.searchPath, row),
  )
}

function qualify(ctx: DeparseContext, namespace: Oid, name: string, found: (schema: Oid) => boolean): string {
  if (namespace === PG_CATALOG) return quoteIdentifier(name)
  for (const schema of ctx.searchPath) {
    if (schema === namespace) return quoteIdentifier(name)
    if (found(schema)) break
  }
  return `${quoteIdentifier(ctx.catalog.namespace(namespace)?.name ?? 'pg_temp')}.${quoteIdentifier(name)}`
}

export function functionName(ctx: DeparseContext, oid: Oid): string {
  const proc = ctx.catalog.proc(oid)
  if (proc === null) return `${oid}`
  return qualify(ctx, proc.pronamespace, proc.proname, (schema) => ctx.catalog.procsByName(schema, proc.proname).length > 0)
}

export function operatorText(ctx: DeparseContext, oid: Oid): string {
  const operator = ctx.catalog.operator(oid)
  if (operator === null) return `${oid}`
  if (operator.oprnamespace === PG_CATALOG || ctx.searchPath.includes(operator.oprnamespace)) return operator.oprname
  return `OPERATOR(${quoteIdentifier(ctx.catalog.namespace(operator.oprnamespace)?.name ?? '?')}.${operator.oprname})`
}

export function collationText(oid: Oid): string {
  return quoteIdentifier(collationByOid(oid)?.collname ?? String(oid))
}

/** Every entry's name, made unique in this query and those around it. */
export function levelNames(ctx: DeparseContext, query: Query, outer: readonly Names[]): Names {
  const used = new Set<string>()
  for (const level of outer) for (const name of level.refnames) if (name !== null) used.add(name)
  const refnames = query.rtable.map((rte): string | null => {
    if (rte.kind === 'join' && !rte.hasAlias) return null
    let name = rte.refname
    if (rte.kind === 'relation' && !rte.hasAlias) name = ctx.catalog.relation(rte.relation)?.name ?? name
    let unique = name
    for (let n = 1; used.has(unique); n++) unique = `${name}_${n}`
    used.add(unique)
    return unique
  })
  return { query, refnames, columns: levelColumns(ctx, query) }
}

/**
 * Column names by entry. A relation's columns go by the names they have now, unless the alias named them; only those that a USING merged
 * must keep the name they had then.
 */
function levelColumns(ctx: DeparseContext, query: Query): (string | null)[][] {
  const columns = query.rtable.map((rte): (string | null)[] => {
    if (rte.kind !== 'relation') return [...rte.colNames]
    let aliased = rte.aliasedCols ?? 0
    return (ctx.catalog.relation(rte.relation)?.columns ?? []).map((column, i) => {
      if (column.dropped) return null
      return aliased-- > 0 ? (rte.colNames[i] ?? column.name) : column.name
    })
  })
  // A merged column has one name in the join and on both its sides, whatever they called it; an outer join's word goes first.
  const given = new Map<string, string>()
  const nameSide = (side: Expr, name: string): void => {
    if (side.kind === 'CoalesceExpr') for (const arg of side.args) nameSide(arg, name)
    else if (side.kind === 'Var') {
      given.set(`${side.varno} ${side.attno}`, name)
      keepName(columns[side.varno - 1]!, side.attno - 1, name)
      const rte = query.rtable[side.varno - 1]!
      if (rte.kind === 'join') nameSide(rte.aliasVars[side.attno - 1]!, name)
    } else if ('arg' in side && side.arg !== null) nameSide(side.arg as Expr, name)
    else if (side.kind === 'FuncExpr') nameSide(side.args[0]!, name)
  }
  const walk = (node: JoinTreeNode): void => {
    if (node.kind === 'FromExpr') node.fromlist.forEach(walk)
    if (node.kind !== 'JoinExpr') return
    const rte = query.rtable[node.rtindex - 1]!
    if (rte.kind === 'join' && rte.mergedCols > 0)
      for (const [i, equal] of mergeConditions(node).entries()) {
        if (equal.kind !== 'OpExpr') continue
        const outer = rte.hasAlias ? undefined : equal.args.map((side) => given.get(varKey(side))).find((name) => name !== undefined)
        const name = outer ?? rte.colNames[i]!
        columns[node.rtindex - 1]![i] = name
        for (const side of equal.args) nameSide(side, name)
      }
    walk(node.left)
    walk(node.right)
  }
  walk(query.jointree)
  return columns
}

/** Which column a side of a USING's comparison is, under its casts. */
function varKey(side: Expr): string {
  if (side.kind === 'Var') return `${side.varno} ${side.attno}`
  if ('arg' in side && side.arg !== null) return varKey(side.arg as Expr)
  return side.kind === 'FuncExpr' ? varKey(side.args[0]!) : ''
}

/** USING's comparisons, one a merged column. */
const mergeConditions = ({ quals }: JoinExpr): readonly Expr[] =>
  quals?.kind === 'BoolExpr' && quals.op === 'and' ? quals.args : quals === null ? [] : [quals]

/** Column `i` is called `name`; another that has come to be called so makes room. */
function keepName(names: (string | null)[], i: number, name: string): void {
  if (names[i] === name) return
  const other = names.indexOf(name)
  names[i] = name
  if (other < 0) return
  let n = 1
  while (names.includes(`${name}_${n}`)) n++
  names[other] = `${name}_${n}`
}
