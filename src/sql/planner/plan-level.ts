// One query level: rewrites, join search, then the stages above the join. Answers a path, so that whoever stands above (a subquery scan, a
// set operation, ModifyTable) asks it for the columns it needs.

import { mapLong } from '../../base/begun-anew.ts'
import { PgError } from '../../base/errors.ts'
import { finished, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { Expr, TargetEntry } from '../analyzer/expr.ts'
import type { Query, RangeTblEntry } from '../analyzer/query.ts'
import { virtualColumns } from '../analyzer/virtual-columns.ts'
import type { BaseRel, JoinProblem } from './base-rel.ts'
import { makeRoot, type Root } from './context.ts'
import { COST, DEFAULTS } from './cost.ts'
import { planCtes } from './ctes.ts'
import { type EcMember, type EquivalenceClass, Equivalences, equalityFamily } from './equivalence.ts'
import { exprKey, makeAnd, mapExprDeep, mapList, mapTargets, some, splitAnd } from './expr-tree.ts'
import { groupRows } from './group-rows.ts'
import { mapTree, type TreeFrom, treeQuals, treeRels } from './join-tree.ts'
import { type Deconstructed, deconstruct, type Qual, withOuterJoins } from './joins/deconstruct.ts'
import { JoinSearch } from './joins/join-order.ts'
import { lockRowsPath } from './lock-rows.ts'
import { eachArm, eachPart } from './long-conditions.ts'
import { minMaxPath } from './min-max.ts'
import { ctePaths, findCte, functionPaths, functionRows, restrict, subqueryPaths, valuesPaths, virtualPaths } from './paths/other-scans.ts'
import { cheapest, common, fractionalCost, type Path, passThrough, targetList } from './paths/path.ts'
import { armOverScan, tablePaths } from './paths/scan.ts'
import type { Plan } from './plan.ts'
import type { JoinedLevel, PlannedLevel } from './planned-level.ts'
import { projectSetPath } from './project-set.ts'
import { isSeveral, NO_RELS, overlap, type Relids } from './relids.ts'
import { correlateQuery, outerParams } from './rewrite/correlate.ts'
import { derivedQuals } from './rewrite/derive-quals.ts'
import { splitConditions } from './rewrite/factor-or.ts'
import { foldConstants } from './rewrite/fold-constants.ts'
import { inlineCtes } from './rewrite/inline-ctes.ts'
import type { Level } from './rewrite/level.ts'
import { prepareLevel } from './rewrite/prepare.ts'
import { pushIntoSubquery } from './rewrite/push-into-subquery.ts'
import { reduceOuterJoins } from './rewrite/reduce-outer-joins.ts'
import { armSelectivity } from './selectivity.ts'
import { setOperationPath } from './set-operations.ts'
import {
  aggPaths,
  distinctPaths,
  limitPath,
  orderItems,
  type StageContext,
  significant,
  sortPath,
  targetByRef,
  windowPath,
} from './stages.ts'
import { multiAssignments, type PlanSubquery, planSubLinks } from './sublinks.ts'
import { isVolatile, returnsSet } from './volatility.ts'

/** Puts the level's InitPlans on its top node. */
export function finishLevel(plan: Plan, root: Root): Plan {
  return root.initPlans.length === 0 ? plan : { ...plan, initPlans: [...plan.initPlans, ...root.initPlans] }
}

export const planSubquery: PlanSubquery = (query, parent, fetch) => {
  const planned = finished(planQuery(query, parent, fetch))
  return { plan: finishLevel(planned.path.build(planned.columns), planned.root), columns: planned.columns }
}

/** Plans a SELECT. `fetch`: only so many rows will be asked for; null = all. */
export function* planQuery(
  source: Query,
  parent: Root | null,
  fetch: number | null,
  root: Root = makeRoot(parent!.glob, source, parent),
): Steps<PlannedLevel> {
  root.query = inlineCtes(source, root.catalog)
  yield* planCtes(root, planQuery)
  if (root.query.setOperations !== null) return yield* setOperationPath(root, fetch, planQuery)
  const joined = yield* planJoinTree(root)
  const columns = joined.query.targetList.filter((entry) => !entry.resjunk).map((entry) => entry.expr)
  return { path: stagesAbove(joined, fetch), columns, root, query: joined.query, ecs: joined.problem.ecs }
}

/** Everything up to the join: shared by SELECT and by the data-modifying statements. */
export function* planJoinTree(root: Root, extraTargets: readonly Expr[] = []): Steps<JoinedLevel> {
  const { glob, catalog } = root
  const level = prepareLevel(root.query, glob)
  const multi = multiAssignments(level.query.targetList)
  const hasSubLinks = level.query.hasSubLinks
  const prepare = (expr: Expr): Expr => {
    const folded = foldConstants(expr, glob)
    return hasSubLinks ? planSubLinks(folded, root, planSubquery, multi) : folded
  }
  const having = level.query.havingQual === null ? [] : splitAnd(prepare(level.query.havingQual))
  const targets = mapTargets(level.query.targetList, prepare)
  const limitCount = level.query.limitCount === null ? null : prepare(level.query.limitCount)
  const limitOffset = level.query.limitOffset === null ? null : prepare(level.query.limitOffset)
  const windowClause = level.query.windowClause.map((window) => ({
    ...window,
    frameStart: 'offset' in window.frameStart ? { ...window.frameStart, offset: prepare(window.frameStart.offset) } : window.frameStart,
    frameEnd: 'offset' in window.frameEnd ? { ...window.frameEnd, offset: prepare(window.frameEnd.offset) } : window.frameEnd,
  }))
  const query: Query = { ...level.query, targetList: targets, limitCount, limitOffset, windowClause }
  root.query = query
  // One row or none, whatever the tables hold: they are not even looked at.
  const isDegenerate = query.havingQual !== null && !query.hasAggs && query.groupClause.length === 0 && query.groupingSets.length === 0
  const source: TreeFrom = isDegenerate ? { kind: 'from', items: [], quals: [] } : level.tree
  let tree = mapTree(source, (expr) => (hasSubLinks ? planSubLinks(expr, root, planSubquery, multi) : expr))
  // A HAVING without aggregates filters the rows before they are grouped.
  const kept: Expr[] = []
  for (const qual of having) {
    const movable =
      query.groupClause.length > 0 &&
      query.groupingSets.length === 0 &&
      !isVolatile(qual, catalog) &&
      !some(qual, (e) => e.kind === 'Aggref' || e.kind === 'GroupingFunc')
    if (movable) tree = { ...tree, quals: [...tree.quals, qual] }
    else kept.push(qual)
  }
  const reduced = reduceOuterJoins(tree, catalog) as TreeFrom
  const scanned = new Set(treeRels(reduced))
  const rtable = level.rtable.map((rte, i) => (scanned.has(i + 1) ? prepareSource(rte, prepare) : rte))
  yield
  return yield* searchJoins(root, query, { ...level, rtable }, reduced, kept, extraTargets)
}

/** The expressions that are a relation's source made ready as those of the level are. */
function prepareSource(rte: RangeTblEntry, prepare: (expr: Expr) => Expr): RangeTblEntry {
  if (rte.kind === 'values') return { ...rte, lists: mapLong(rte.lists, (list) => mapList(list, prepare)) }
  if (rte.kind === 'function') return { ...rte, functions: rte.functions.map((call) => ({ ...call, expr: prepare(call.expr) })) }
  return rte
}

function* searchJoins(
  root: Root,
  query: Query,
  level: Level,
  tree: TreeFrom,
  having: readonly Expr[],
  extraTargets: readonly Expr[],
): Steps<JoinedLevel> {
  const rtis = [...treeRels(tree)]
  const bitOf = new Map(rtis.map((rti, i) => [rti, 1n << BigInt(i)]))
  const cache = new WeakMap<Expr, Relids>()
  const relids = (expr: Expr): Relids => {
    if (expr.kind === 'Const' || expr.kind === 'Param') return NO_RELS
    if (expr.kind === 'Var') return expr.levelsUp === 0 ? (bitOf.get(expr.varno) ?? NO_RELS) : NO_RELS
    const known = cache.get(expr)
    if (known !== undefined) return known
    let set = NO_RELS
    if (expr.kind === 'BoolExpr') for (const arg of expr.args) set |= relids(arg)
    else
      some(expr, (e) => {
        if ((e.kind === 'Var' && e.levelsUp === 0) || e.kind === 'CurrentOfExpr') set |= bitOf.get(e.varno) ?? NO_RELS
        return false
      })
    cache.set(expr, set)
    return set
  }
  yield* eachArm(treeQuals(tree), relids)
  const ecs = new Equivalences(root.catalog)
  const parts = deconstruct(tree, bitOf, relids, (qual) => splitConditions(qual, root.catalog))
  for (const mark of query.rowMarks) {
    const bit = bitOf.get(mark.rti) ?? NO_RELS
    const nullable = parts.joins.some(
      (join) =>
        ((join.type === 'left' || join.type === 'full') && overlap(join.synRight, bit)) ||
        (join.type === 'full' && overlap(join.synLeft, bit)),
    )
    if (nullable) {
      throw new PgError(
        SQLSTATE.featureNotSupported,
        `FOR ${mark.strength.toUpperCase()} cannot be applied to the nullable side of an outer join`,
      )
    }
  }
  const exprs = [...query.targetList.map((entry) => entry.expr), ...having, ...parts.quals.map((qual) => qual.expr)]
  const outside = level.substitute === null ? extraTargets : extraTargets.map((expr) => mapExprDeep(expr, 0, level.substitute!))
  const needed = yield* neededColumns([...exprs, ...outside, ...parts.joins.flatMap((join) => join.quals)], level)
  const rels: BaseRel[] = []
  const relOf = new Map<Relids, BaseRel>()
  const problem: JoinProblem = {
    root,
    rels,
    relOf,
    bitOf,
    ecs,
    relids,
    implied: new Map(),
    estimated: new WeakMap(),
    usefulKeys: new Set(),
  }
  const single = rtis.length === 0
  // Below an outer join a condition on nothing still belongs to its side.
  const oneTime = parts.quals
    .filter((qual) => relids(qual.expr) === NO_RELS && qual.everywhere && !isVolatile(qual.expr, root.catalog))
    .map((qual) => qual.expr)
  if (single) {
    return {
      root,
      query,
      problem,
      paths: [resultPath(parts.quals.map((qual) => qual.expr))],
      quals: [],
      having,
      special: [],
      substitute: level.substitute,
    }
  }
  const given = equivalent(parts, problem)
  for (const rti of rtis) {
    const rel = makeRel(root, level.rtable[rti - 1]!, rti, bitOf.get(rti)!, needed.get(rti) ?? new Set())
    rels.push(rel)
    relOf.set(rel.bit, rel)
  }
  const quals = [...given, ...derivedQuals(given, parts, problem)]
  noteUsefulKeys(problem, query, parts)
  const search: Deconstructed = {
    joins: parts.joins,
    quals: distribute(
      quals.filter((qual) => !oneTime.includes(qual.expr)),
      relOf,
    ),
  }
  for (const rel of rels) {
    yield* relPaths(rel, root, problem)
    // What an outer join may fill with NULLs is known only above it; a relation that stands below the same join reads it as it is there.
    const elsewhere = parts.joins.filter(({ synLeft, synRight }) => !overlap(synLeft | synRight, rel.bit))
    for (const [i, path] of rel.paths.entries())
      if (path.outer !== NO_RELS) rel.paths[i] = { ...path, outer: withOuterJoins(path.outer, elsewhere) }
  }
  const solved = yield* new JoinSearch(problem, search).solve()
  const paths = oneTime.length === 0 ? solved.paths : solved.paths.map((path) => oneTimeFilter(path, oneTime))
  return {
    root,
    query,
    problem,
    paths,
    quals: parts.quals.map((qual) => qual.expr),
    having,
    special: parts.joins,
    substitute: level.substitute,
  }
}

function noteUsefulKeys({ usefulKeys, ecs }: JoinProblem, query: Query, parts: Deconstructed): void {
  const clauses = [
    ...query.sortClause,
    ...query.groupClause,
    ...query.distinctClause,
    ...query.windowClause.flatMap((window) => [...window.partition, ...window.order]),
  ]
  for (const item of orderItems(clauses, query.targetList, ecs)) usefulKeys.add(item.pathKey.key)
  for (const qual of [...parts.quals.map((placed) => placed.expr), ...parts.joins.flatMap((join) => join.quals)]) {
    if (qual.kind === 'OpExpr' && qual.args.length === 2 && equalityFamily(qual.opNo) !== 0)
      for (const arg of qual.args) usefulKeys.add(ecs.orderKey(arg))
  }
  for (const ec of ecs.classes) if (ec.members.filter((member) => member.relids !== NO_RELS).length > 1) usefulKeys.add(ec.id)
}

/** attnos by range table index that any expression uses, sub-selects and lateral references included. */
function* neededColumns(exprs: readonly Expr[], level: Level): Steps<Map<number, Set<number>>> {
  const needed = new Map<number, Set<number>>()
  const note = (e: Expr): boolean => {
    if (e.kind === 'Var' && e.levelsUp === 0) {
      const set = needed.get(e.varno)
      if (set === undefined) needed.set(e.varno, new Set([e.attno]))
      else set.add(e.attno)
    }
    if (e.kind === 'Aggref') for (const arg of e.args) some(arg.expr, note)
    return false
  }
  yield* eachPart(exprs, (part) => some(part, note))
  for (const rte of level.rtable) {
    if (!rte.lateral) continue
    const found = outerParams()
    const glob = { execParams: 0 } as Root['glob']
    if (rte.kind === 'subquery') correlateQuery(rte.subquery, glob, found)
    else if (rte.kind === 'function') for (const call of rte.functions) some(call.expr, note)
    else if (rte.kind === 'values') for (const list of rte.lists) for (const expr of list) some(expr, note)
    for (const param of found.list) some(param.expr, note)
  }
  return needed
}

/** Takes equalities into the classes and gives back the other conditions, constants spread over each class. */
function equivalent(parts: Deconstructed, problem: JoinProblem): Qual[] {
  const rest: Qual[] = []
  const taken: { qual: Qual; expr: Expr & { kind: 'OpExpr' } }[] = []
  for (const qual of parts.quals) {
    const { expr } = qual
    const [left, right] = expr.kind === 'OpExpr' ? expr.args : []
    if (!qual.everywhere || expr.kind !== 'OpExpr' || left === undefined || right === undefined || isVolatile(expr, problem.root.catalog)) {
      rest.push(qual)
      continue
    }
    const l = { expr: left, relids: problem.relids(left) }
    const r = { expr: right, relids: problem.relids(right) }
    // Between different relations, or with a constant.
    const usable = (l.relids !== NO_RELS || r.relids !== NO_RELS) && !overlap(l.relids, r.relids)
    if (usable && problem.ecs.add(expr, l, r)) taken.push({ qual, expr })
    else rest.push(qual)
  }
  const restore = (ec: EquivalenceClass): void => {
    problem.ecs.dissolve(ec)
    for (const { qual, expr } of taken) {
      if (ec.members.some((member) => exprKey(member.expr) === exprKey(expr.args[0]!))) rest.push(qual)
    }
  }
  for (const ec of [...problem.ecs.classes]) {
    const constant = ec.members.find((member) => member.relids === NO_RELS)
    // Of one relation each; those of the same relation are made equal there, then any of them can stand for it in joins.
    const pairs: (readonly [EcMember, EcMember])[] = []
    let simple = true
    for (const [i, member] of ec.members.entries()) {
      if (constant !== undefined) {
        if (member !== constant) pairs.push([member, constant])
        continue
      }
      if (isSeveral(member.relids)) simple = false
      const earlier = ec.members.slice(0, i).find((other) => other.relids === member.relids)
      if (earlier !== undefined) pairs.push([earlier, member])
    }
    const derived = pairs.map(([left, right]) => ({
      expr: problem.ecs.clause(ec, left.expr, right.expr),
      required: left.relids === NO_RELS ? 1n : left.relids,
      everywhere: true,
    }))
    if (!simple || derived.some((clause) => clause.expr === null) || !joinable(ec, problem)) restore(ec)
    else for (const clause of derived) rest.push({ ...clause, expr: clause.expr! })
  }
  return rest
}

/** Any two members have an equality operator, which their types decide. */
function joinable(ec: EquivalenceClass, problem: JoinProblem): boolean {
  const ofType = new Map<number, Expr[]>()
  for (const { expr } of ec.members) {
    const known = ofType.get(expr.type)
    if (known === undefined) ofType.set(expr.type, [expr])
    else if (known.length < 2) known.push(expr)
  }
  const members = [...ofType.values()].flat()
  return members.every((a) => members.every((b) => a === b || problem.ecs.clause(ec, a, b) !== null))
}

/** Conditions on one relation go to it; the others wait for their joins. */
function distribute(quals: readonly Qual[], relOf: ReadonlyMap<Relids, BaseRel>): Qual[] {
  return quals.filter((qual) => {
    const rel = relOf.get(qual.required)
    rel?.quals.push(qual.expr)
    return rel === undefined
  })
}

const NO_COLUMNS: ReadonlySet<number> = new Set()

function makeRel(root: Root, rte: RangeTblEntry, rti: number, bit: Relids, needed: ReadonlySet<number>): BaseRel {
  const info = rte.kind === 'relation' ? root.catalog.relation(rte.relation) : null
  const table = info?.descriptor?.table ?? null
  const facts = info?.catalogTable ?? null
  const tuples =
    table === null ? (facts?.rows ?? DEFAULTS.relTuples) : table.relTuples < 0 ? DEFAULTS.relTuples : Math.max(1, table.relTuples)
  const width = Math.max(1, needed.size) * 8
  const virtual = info?.descriptor == null ? null : virtualColumns(info.descriptor, root.glob.stored)
  return {
    bit,
    rti,
    rte,
    info,
    table,
    virtual,
    tuples,
    distinctColumns: facts?.unique ?? NO_COLUMNS,
    quals: [],
    needed,
    rows: tuples,
    width,
    paths: [],
  }
}

function* relPaths(rel: BaseRel, root: Root, problem: JoinProblem): Steps<void> {
  yield
  const { rte } = rel
  const sized = rel as { -readonly [K in keyof BaseRel]: BaseRel[K] }
  switch (rte.kind) {
    case 'relation':
      yield* eachArm(rel.quals, (arm) => {
        armSelectivity(arm, problem)
        armOverScan(arm, rel)
      })
      restrict(rel, problem)
      if (rel.table !== null) tablePaths(rel, problem)
      else virtualPaths(rel, problem)
      return
    case 'function':
      sized.tuples = functionRows(
        rte.functions.map((call) => call.expr),
        root,
      )
      restrict(rel, problem)
      functionPaths(rel, problem)
      return
    case 'values':
      sized.tuples = Math.max(1, rte.lists.length)
      restrict(rel, problem)
      valuesPaths(rel, problem)
      return
    case 'cte': {
      sized.tuples = Math.max(1, findCte(root, rte.cteName, rte.levelsUp).rows)
      restrict(rel, problem)
      ctePaths(rel, root)
      return
    }
    case 'subquery':
      yield* subqueryRel(rel, root, problem)
      return
    case 'result':
      sized.tuples = 1
      rel.rows = 1
      rel.paths.push({ ...resultPath(rel.quals), width: rel.width })
      return
    default:
      throw new Error(`unexpected ${rte.kind} in a join tree`)
  }
}

/** Columns nobody asks for are not computed: NULL stands in their place. */
function withoutUnused(query: Query, needed: ReadonlySet<number>, catalog: Root['catalog']): Query {
  if (needed.has(0) || query.commandType !== 'select' || query.setOperations !== null || query.distinctClause.length > 0) return query
  const dropped = query.targetList.map((entry): TargetEntry => {
    const { expr } = entry
    const kept =
      entry.resjunk ||
      needed.has(entry.resno) ||
      entry.ressortgroupref !== 0 ||
      expr.kind === 'Var' ||
      expr.kind === 'Const' ||
      isVolatile(expr, catalog) ||
      some(expr, (e) => e.kind === 'Aggref' || e.kind === 'WindowFunc' || e.kind === 'GroupingFunc' || ('retset' in e && e.retset === true))
    if (kept) return entry
    const { type, typmod, collation } = expr
    return { ...entry, expr: { kind: 'Const', value: null, type, typmod, collation, location: -1 } }
  })
  return dropped.every((entry, i) => entry === query.targetList[i]) ? query : { ...query, targetList: dropped }
}

function* subqueryRel(rel: BaseRel, root: Root, problem: JoinProblem): Steps<void> {
  const { rte } = rel
  if (rte.kind !== 'subquery') return
  let subquery = withoutUnused(rte.subquery, rel.needed, root.catalog)
  if (!rte.securityBarrier) {
    for (let i = 0; i < rel.quals.length; ) {
      const pushed = pushIntoSubquery(subquery, rel.quals[i]!, rel.rti, root.catalog)
      if (pushed === null) i++
      else {
        subquery = pushed
        rel.quals.splice(i, 1)
      }
    }
  }
  const params = outerParams()
  const lateral = rte.lateral ? correlateQuery(subquery, root.glob, params) : subquery
  const outer = params.list.reduce((set, param) => set | problem.relids(param.expr), NO_RELS) & ~rel.bit
  const planned = yield* planQuery(lateral, root, null)
  const { path, columns } = planned
  const sized = rel as { -readonly [K in keyof BaseRel]: BaseRel[K] }
  sized.tuples = Math.max(1, path.rows)
  sized.distinctColumns = distinctColumns(planned.query)
  restrict(rel, problem)
  // The subquery's order, by its output columns.
  const byKey = new Map(columns.map((column, i) => [planned.ecs.orderKey(column), i + 1]))
  const order = []
  for (const key of path.order) {
    const attno = byKey.get(key.key)
    const column = attno === undefined ? undefined : columns[attno - 1]
    if (attno === undefined || column === undefined) break
    const { type, typmod, collation } = column
    const outside: Expr = { kind: 'Var', varno: rel.rti, attno, levelsUp: 0, type, typmod, collation, location: -1 }
    order.push({ key: problem.ecs.orderKey(outside), descending: key.descending, nullsFirst: key.nullsFirst })
  }
  subqueryPaths(rel, path, columns, (plan) => finishLevel(plan, planned.root), order, outer, params.list)
}

/** FROM-less: one row, if the conditions hold. */
function resultPath(quals: readonly Expr[]): Path {
  return {
    rows: 1,
    startup: 0,
    total: COST.tuple,
    width: 0,
    order: [],
    outer: NO_RELS,
    params: [],
    single: true,
    build: (targets) => ({
      kind: 'Result',
      ...common(targetList(targets), quals, 1, 0, COST.tuple),
      input: null,
      oneTimeFilter: null,
    }),
  }
}

/** Conditions on no relation: checked once, before anything is read. */
function oneTimeFilter(path: Path, quals: readonly Expr[]): Path {
  return {
    ...path,
    build: (targets) => ({
      kind: 'Result',
      ...common(passThrough(targets), [], path.rows, path.startup, path.total, path.width),
      input: path.build(targets),
      oneTimeFilter: makeAnd(quals),
    }),
  }
}

// --- above the join ---------------------------------------------------------------------------------------------------

function constantNumber(expr: Expr | null): number | null {
  return expr?.kind === 'Const' && expr.value !== null ? Number(expr.value) : null
}

function stagesAbove(joined: JoinedLevel, fetch: number | null): Path {
  const { root, query, problem, having } = joined
  const ctx: StageContext = { root, query, ecs: problem.ecs }
  const { ecs } = problem
  const grouped = query.hasAggs || query.groupClause.length > 0 || query.groupingSets.length > 0 || query.havingQual !== null
  let paths: readonly Path[] = joined.paths.filter((path) => path.outer === NO_RELS)
  if (paths.length === 0) paths = joined.paths
  let whole: Set<string> | null = null
  if (grouped) {
    const minMax = minMaxPath(joined, planSubquery)
    if (minMax !== null) paths = [minMax]
    else {
      const groups = groupCount(joined)
      paths = paths.flatMap((path) => aggPaths(path, having, groups, ctx))
    }
    whole = new Set(orderItems(query.groupClause, query.targetList, ecs).map((item) => exprKey(item.expr)))
  }
  const windowSets = setsOfWindows(query)
  if (windowSets.length > 0) {
    const perRow = functionRows(windowSets, root)
    const below = whole
    paths = paths.map((path) => projectSetPath(path, perRow, below))
    whole = new Set([...(below ?? []), ...windowSets.map(exprKey)])
  }
  const computed = whole
  if (query.hasWindowFuncs) paths = paths.map((path) => windowPath(path, ctx, computed))
  const order = orderItems(query.sortClause, query.targetList, ecs)
  const sets =
    query.hasTargetSRFs && query.targetList.some((entry) => returnsSet(entry.expr) && computed?.has(exprKey(entry.expr)) !== true)
  const distinct = orderItems(query.distinctClause, query.targetList, ecs).map((item) => item.expr)
  // Sets come after ORDER BY, and thus after what is made distinct before it, unless one of these is by a set.
  const bySet = [...order.map((item) => item.expr), ...distinct].some(returnsSet)
  const setsFirst = sets && (bySet || (distinct.length > 0 && order.length === 0))
  const perRow = sets
    ? functionRows(
        query.targetList.map((entry) => entry.expr),
        root,
      )
    : 1
  if (setsFirst) paths = paths.map((path) => projectSetPath(path, perRow, computed))
  if (query.distinctClause.length > 0) {
    paths = paths.flatMap((path) => distinctPaths(path, groupRows(distinct, path.rows, problem), ctx))
  }
  const count = constantNumber(query.limitCount)
  const offset = query.limitOffset === null ? 0 : constantNumber(query.limitOffset)
  const wanted = count !== null && offset !== null ? count + offset : query.limitCount !== null ? null : fetch
  const lateSets = sets && !setsFirst
  const topN = topNLimit(query, wanted, lateSets)
  if (order.length > 0) paths = paths.map((path) => sortPath(path, order, topN, ctx))
  if (lateSets) paths = paths.map((path) => projectSetPath(path, perRow, computed))
  const unknownLimit = query.limitCount !== null && wanted === null
  const best = paths.reduce((a, b) => {
    const limit = unknownLimit ? Math.max(1, a.rows * 0.1) : wanted
    return fractionalCost(b, limit) < fractionalCost(a, limit) ? b : a
  })
  let result = best
  if (query.rowMarks.length > 0) result = lockRowsPath(result, joined)
  if (query.limitCount !== null || query.limitOffset !== null) {
    const ties = query.limitOption === 'with ties' ? significant(order, ecs) : null
    result = limitPath(result, query.limitCount, query.limitOffset, ties)
  }
  return result
}

/** What windows are divided or ordered by and returns sets: its rows are there before the window functions look at them. */
function setsOfWindows(query: Query): Expr[] {
  if (!query.hasTargetSRFs || !query.hasWindowFuncs) return []
  const clauses = query.windowClause.flatMap((window) => [...window.partition, ...window.order])
  return clauses.map((clause) => targetByRef(query.targetList, clause.tleSortGroupRef)).filter(returnsSet)
}

/** What a sort may keep: nothing between it and the LIMIT drops or adds rows. */
function topNLimit(query: Query, rows: number | null, lateSets: boolean): { rows: number | null; expr: Expr } | null {
  const { limitCount, limitOffset } = query
  if (limitCount === null || query.limitOption === 'with ties' || query.rowMarks.length > 0 || lateSets) return null
  if (limitOffset === null) return { rows, expr: limitCount }
  if (limitCount.kind !== 'Const' || limitOffset.kind !== 'Const' || limitCount.value === null || limitOffset.value === null) return null
  return { rows, expr: { ...limitCount, value: Number(limitCount.value) + Number(limitOffset.value) } }
}

function groupCount(joined: JoinedLevel): number {
  const { query, problem } = joined
  const exprs = orderItems(query.groupClause, query.targetList, problem.ecs).map((item) => item.expr)
  return groupRows(exprs, cheapest(joined.paths).rows, problem)
}

/** Output columns in which no value occurs twice: the only one grouped by, or made distinct. */
function distinctColumns(query: Query): ReadonlySet<number> {
  const clauses = query.groupClause.length > 0 ? query.groupClause : query.distinctClause
  if (clauses.length !== 1 || query.groupingSets.length > 0 || query.hasTargetSRFs || query.setOperations !== null) return NO_COLUMNS
  const entry = query.targetList.find((candidate) => candidate.ressortgroupref === clauses[0]!.tleSortGroupRef)
  return entry === undefined || entry.resjunk ? NO_COLUMNS : new Set([entry.resno])
}
