// Subqueries in FROM that only project a join become part of the join tree above them. Below an outer join their columns must become NULL with
// their row, and what their WHERE asks of neighbours outside that join's side becomes part of its ON.

import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import type { PlannerContext } from '../context.ts'
import { mapExprDeep, mapQuery, type QueryMapper, shiftLevels } from '../expr-tree.ts'
import { mapTree, type TreeJoin, type TreeNode, toFrom, treeRels } from '../join-tree.ts'
import { TABLE_OID_ATTNO } from '../plan.ts'
import { isVolatile, strictVars } from '../volatility.ts'
import { foldConstants } from './fold-constants.ts'
import { EMPTY_RTE } from './inline-ctes.ts'
import { appendLevel, isPlainSelect, type Level, type Prepare } from './level.ts'
import { relsOfLevel, treeLooksOutside } from './pull-up-sublinks.ts'

/** A pulled-up condition that looks at relations outside the place where it stood. */
interface Waiting {
  readonly qual: Expr
  readonly outside: ReadonlySet<number>
}

interface Place {
  readonly nullable: boolean
  readonly inFrom: boolean
  /** The lowest join above that is no inner one: no condition may leave it. */
  readonly join: TreeJoin | null
  /** Below `join`: taken by the lowest node that has all their relations. */
  readonly waiting: Waiting[]
}

const NONE: ReadonlySet<number> = new Set()

/** Pulled-up subqueries by range table index: their columns are put in place all over the level once the tree has been walked. */
type Pulled = Map<number, { readonly columns: readonly TargetEntry[]; readonly outside: ReadonlySet<number> }>

export function pullUpSubqueries(level: Level, ctx: PlannerContext, prepare: Prepare): void {
  const pulled: Pulled = new Map()
  level.tree = toFrom(pullUp(level.tree, level, ctx, prepare, pulled, { nullable: false, inFrom: true, join: null, waiting: [] }))
  if (pulled.size > 0) substitute(level, pulled)
}

function pullUp(node: TreeNode, level: Level, ctx: PlannerContext, prepare: Prepare, pulled: Pulled, place: Place): TreeNode {
  if (node.kind === 'from') {
    const waiting: Waiting[] = []
    const items = node.items.map((item) => pullUp(item, level, ctx, prepare, pulled, { ...place, inFrom: true, waiting }))
    if (place.join === null || pulled.size === 0) return { ...node, items }
    for (const qual of node.quals) waiting.push({ qual, outside: outsideOfColumns(qual, pulled) })
    const within = waiting.some((one) => one.outside.size > 0) ? treeRels(node) : NONE
    const isSettled = (one: Waiting): boolean => isSubset(one.outside, within)
    place.waiting.push(...waiting.filter((one) => !isSettled(one)))
    return { ...node, items, quals: waiting.filter(isSettled).map((one) => one.qual) }
  }
  if (node.kind === 'join') {
    const outerJoin = node.type === 'left' || node.type === 'full'
    const below = { inFrom: false, join: node, waiting: [] as Waiting[] }
    const left = pullUp(node.left, level, ctx, prepare, pulled, { ...below, nullable: place.nullable || node.type === 'full' })
    const right = pullUp(node.right, level, ctx, prepare, pulled, { ...below, nullable: place.nullable || outerJoin })
    return { ...node, left, right, quals: [...below.waiting.map((one) => one.qual), ...node.quals] }
  }
  const rte = level.rtable[node.rti - 1]!
  if (rte.kind !== 'subquery' || rte.securityBarrier || !isPlainSelect(rte.subquery) || rte.subquery.sortClause.length > 0) return node
  const sub = prepare(rte.subquery, ctx)
  if (sub.tree.items.length === 0 && (!place.inFrom || place.join !== null)) return node
  const targets = sub.query.targetList.filter((entry) => !entry.resjunk)
  if (targets.some((entry) => isVolatile(entry.expr, ctx.catalog))) return node
  // A condition that looks outside may wait there for its relations only as long as no outer join has to know it.
  if (sub.tree.items.some(treeLooksOutside)) return node
  if (rte.lateral && place.join !== null) {
    const within = treeRels(place.join)
    if (![...targets.map((entry) => entry.expr), ...sub.tree.quals].every((expr) => isSubset(outsideOf(expr, pulled), within))) return node
  }
  let asNullable: readonly TargetEntry[] = targets
  if (place.nullable) {
    if (usesWholeRow(level, node.rti)) return node
    const guarded = guardedTargets(targets, sub, rte.lateral, ctx)
    if (guarded === null) return node
    asNullable = guarded
  }
  const outside = sub.tree.quals.map((qual) => (place.join === null ? NONE : outsideOf(qual, pulled)))
  const { query, tree } = appendLevel(level, { ...sub, query: { ...sub.query, targetList: asNullable } })
  // Nothing scans it any more: what it held would be walked with every rewrite above.
  level.rtable[node.rti - 1] = EMPTY_RTE
  // As a whole row it has the names that the alias gives.
  pulled.set(node.rti, {
    columns: query.targetList.map((entry, i) => ({
      ...entry,
      expr: foldConstants(entry.expr, ctx),
      resname: rte.colNames[i] ?? entry.resname,
    })),
    outside: place.join === null ? NONE : union(targets.map((entry) => outsideOf(entry.expr, pulled))),
  })
  const stays: Expr[] = []
  for (const [i, qual] of tree.quals.entries()) {
    if (outside[i]!.size === 0) stays.push(qual)
    else place.waiting.push({ qual, outside: outside[i]! })
  }
  return { ...tree, quals: stays }
}

function union(sets: readonly ReadonlySet<number>[]): ReadonlySet<number> {
  return new Set(sets.flatMap((set) => [...set]))
}

/** What a subquery's expression takes from its neighbours, looking through those pulled up before. */
function outsideOf(expr: Expr, pulled: Pulled): ReadonlySet<number> {
  const rels = relsOfLevel(expr, 1)
  return union([rels, ...[...rels].map((rti) => pulled.get(rti)?.outside ?? NONE)])
}

/** What a condition takes from outside the place of the pulled-up subqueries whose columns it uses. */
function outsideOfColumns(qual: Expr, pulled: Pulled): ReadonlySet<number> {
  return union([...relsOfLevel(qual, 0)].map((rti) => pulled.get(rti)?.outside ?? NONE))
}

function isSubset(some: ReadonlySet<number>, all: ReadonlySet<number>): boolean {
  for (const one of some) if (!all.has(one)) return false
  return true
}

/**
 * The columns so that each is NULL where an outer join above made the row: those that are not so by themselves ask for a column that no row is
 * without. Null where there is none, or where a subquery that can be planned by itself (it is not LATERAL) would compute them.
 */
function guardedTargets(targets: readonly TargetEntry[], sub: Level, lateral: boolean, ctx: PlannerContext): readonly TargetEntry[] | null {
  let present: Expr | null = null
  const guarded: TargetEntry[] = []
  for (const entry of targets) {
    const { expr } = entry
    if (expr.kind === 'Var' && expr.levelsUp === 0) {
      guarded.push(entry)
      continue
    }
    if (!lateral) return null
    let strict = false
    strictVars(expr, false, ctx.catalog, () => {
      strict = true
    })
    if (strict) {
      guarded.push(entry)
      continue
    }
    present ??= rowIsPresent(sub)
    if (present === null) return null
    const { type, typmod, collation } = expr
    const absent: Expr = { kind: 'Const', value: null, type, typmod, collation, location: -1 }
    guarded.push({
      ...entry,
      expr: {
        kind: 'CaseExpr',
        arg: null,
        whens: [{ condition: present, result: expr }],
        defaultResult: absent,
        type,
        typmod,
        collation,
        location: -1,
      },
    })
  }
  return guarded
}

/** True in every row of the subquery, false where an outer join fills its columns with NULLs. */
function rowIsPresent(sub: Level): Expr | null {
  const table = sub.tree.items.find((item) => item.kind === 'rel' && sub.rtable[item.rti - 1]!.kind === 'relation')
  if (table?.kind !== 'rel') return null
  const arg: Expr = {
    kind: 'Var',
    varno: table.rti,
    attno: TABLE_OID_ATTNO,
    levelsUp: 0,
    type: 26,
    typmod: -1,
    collation: 0,
    location: -1,
  }
  return { kind: 'NullTest', arg, isNull: false, argIsRow: false, type: 16, typmod: -1, collation: 0, location: -1 }
}

/** Whether the row as such is asked for: below an outer join it is NULL, which a row of NULLs is not. */
function usesWholeRow(level: Level, rti: number): boolean {
  let found = false
  const mapper: QueryMapper = {
    expr(expr, depth) {
      if (expr.kind === 'Var' && expr.varno === rti && expr.attno === 0 && expr.levelsUp === depth) found = true
      return found ? expr : undefined
    },
  }
  mapQuery({ ...level.query, rtable: level.rtable }, 0, mapper)
  mapTree(level.tree, (expr) => mapExprDeep(expr, 0, mapper))
  return found
}

function substitute(level: Level, pulled: Pulled): void {
  const mapper: QueryMapper = {
    expr(expr, depth) {
      if (expr.kind !== 'Var' || expr.levelsUp !== depth) return undefined
      const targets = pulled.get(expr.varno)?.columns
      if (targets === undefined) return expr
      const local = mapExprDeep(columnOf(targets, expr), 0, mapper)
      return depth === 0 ? local : mapExprDeep(local, 0, shiftLevels(depth))
    },
  }
  level.substitute = mapper
  const query = mapQuery({ ...level.query, rtable: level.rtable }, 0, mapper)
  level.rtable = [...query.rtable]
  level.query = query
  level.tree = mapTree(level.tree, (expr) => mapExprDeep(expr, 0, mapper))
}

function columnOf(targets: readonly TargetEntry[], wanted: Expr & { kind: 'Var' }): Expr {
  if (wanted.attno !== 0) return targets[wanted.attno - 1]!.expr
  return {
    kind: 'RowExpr',
    args: targets.map((entry) => entry.expr),
    colNames: targets.map((entry) => entry.resname ?? ''),
    format: 'implicit',
    type: wanted.type,
    typmod: wanted.typmod,
    collation: wanted.collation,
    location: -1,
  }
}
