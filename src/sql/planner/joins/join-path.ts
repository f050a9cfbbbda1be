// The ways to join two sets of relations: hash, merge, nested loop and lookup joins, each as a costed path.

import { type IndexDescriptor, isRowKey, provesUnique } from '../../../catalog/descriptors.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { operatorByOid, operatorByTypes } from '../../builtin/pg-operator.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import { COST } from '../cost.ts'
import { equalityFamily } from '../equivalence.ts'
import { isSubPlanExpr, some } from '../expr-tree.ts'
import { type IndexClause, indexClauses, indexUsable, matchIndex, predicateImplied } from '../paths/index-match.ts'
import {
  collectAtoms,
  common,
  commonOrder,
  isBeaten,
  orderSatisfies,
  overInput,
  type Path,
  type PathKey,
  passThrough,
  Slots,
  targetList,
} from '../paths/path.ts'
import { indexKeys, overScan } from '../paths/scan.ts'
import { INNER_VAR, OUTER_VAR, type Plan, type PlanJoinType, type SortKey } from '../plan.ts'
import { contains, NO_RELS, overlap, type Relids } from '../relids.ts'
import { conjunction } from '../selectivity.ts'

/** A set of joined relations. */
export interface JoinRel {
  readonly mask: Relids
  rows: number
  width: number
  readonly paths: Path[]
}

/** What is joined and which conditions belong to it. `left` is the outer side. */
export interface JoinShape {
  readonly type: PlanJoinType
  readonly left: JoinRel
  readonly right: JoinRel
  /** Decide which rows match. */
  readonly joinQuals: readonly Expr[]
  /** Checked on the joined rows (above an outer join). */
  readonly filterQuals: readonly Expr[]
}

/** One join to be done. */
export interface JoinStep extends JoinShape {
  readonly rows: number
  /** The conditions that are equalities between the sides. */
  readonly pairs: readonly KeyPair[]
  readonly hash: JoinKeys
  readonly merge: MergeKeys
}

/** Equalities that a way of joining matches by, and the conditions it checks besides. */
interface JoinKeys {
  readonly pairs: readonly KeyPair[]
  readonly rest: readonly Expr[]
}

interface MergeKeys extends JoinKeys {
  readonly leftOrder: readonly PathKey[]
  readonly rightOrder: readonly PathKey[]
}

export interface KeyPair {
  readonly left: Expr
  readonly right: Expr
  readonly operator: number
  readonly qual: Expr
  readonly type: number
  readonly collation: number
}

/** The conditions that are equalities between the sides, left side first. */
export function keyPairs(step: JoinShape, problem: JoinProblem): KeyPair[] {
  const pairs: KeyPair[] = []
  for (const qual of step.joinQuals) {
    if (qual.kind !== 'OpExpr' || qual.args.length !== 2 || equalityFamily(qual.opNo) === 0) continue
    const [a, b] = qual.args as [Expr, Expr]
    const ra = problem.relids(a)
    const rb = problem.relids(b)
    // A subquery's value is computed per pair, not kept as a key.
    if (ra === NO_RELS || rb === NO_RELS || some(qual, isSubPlanExpr)) continue
    const facts = { qual, type: a.type, collation: qual.inputCollation }
    if (contains(step.left.mask, ra) && contains(step.right.mask, rb)) pairs.push({ ...facts, left: a, right: b, operator: qual.opNo })
    else if (contains(step.right.mask, ra) && contains(step.left.mask, rb)) {
      const commuted = operatorByOid(qual.opNo)?.oprcom ?? 0
      if (commuted !== 0) pairs.push({ ...facts, left: b, right: a, operator: commuted })
    }
  }
  return pairs
}

function joinKeys({ joinQuals }: JoinShape, pairs: readonly KeyPair[]): JoinKeys {
  if (pairs.length === joinQuals.length) return { pairs, rest: [] }
  const keyed = new Set(pairs.map((pair) => pair.qual))
  return { pairs, rest: joinQuals.filter((qual) => !keyed.has(qual)) }
}

/** What all paths of a join have in common. */
export function joinStep(shape: JoinShape, pairs: readonly KeyPair[], rows: number, problem: JoinProblem): JoinStep {
  const mergeable = pairs.filter((pair) => operatorByOid(pair.operator)?.oprcanmerge === true)
  const order = (side: 'left' | 'right'): PathKey[] =>
    mergeable.map((pair) => ({ key: problem.ecs.orderKey(pair[side]), descending: false, nullsFirst: false }))
  const hashable = pairs.filter((pair) => operatorByOid(pair.operator)?.oprcanhash === true)
  return {
    ...shape,
    rows,
    pairs,
    hash: joinKeys(shape, hashable),
    merge: { ...joinKeys(shape, mergeable), leftOrder: order('left'), rightOrder: order('right') },
  }
}

/** Splits what `exprs` need between the two inputs. */
function inputSlots(exprs: readonly Expr[], step: JoinStep, problem: JoinProblem): { left: Slots; right: Slots } {
  const all = new Slots()
  collectAtoms(exprs, all)
  const left = new Slots()
  const right = new Slots()
  for (const atom of all.exprs) (overlap(problem.relids(atom), step.right.mask) ? right : left).push(atom)
  return { left, right }
}

function overJoin(expr: Expr, left: Slots, right: Slots): Expr {
  return overInput(overInput(expr, left, OUTER_VAR), right, INNER_VAR)
}

const outputMask = (type: PlanJoinType): 'both' | 'left' => (type === 'semi' || type === 'anti' ? 'left' : 'both')

const outerOf = (step: JoinStep, left: Path, right: Path): Relids =>
  left.outer === NO_RELS && right.outer === NO_RELS ? NO_RELS : (left.outer | right.outer) & ~(step.left.mask | step.right.mask)

/** Whether a side's path needs what only the other side of the join supplies. */
const needs = (path: Path, other: JoinRel): boolean => path.outer !== NO_RELS && overlap(path.outer, other.mask)

function joined(step: JoinStep, left: Path, right: Path): Pick<Path, 'rows' | 'width' | 'outer' | 'params' | 'single'> {
  return {
    rows: step.rows,
    width: outputMask(step.type) === 'left' ? left.width : left.width + right.width,
    outer: outerOf(step, left, right),
    params: [...left.params, ...right.params],
    single: left.single && right.single && step.type !== 'full',
  }
}

const NO_ORDER: readonly PathKey[] = []

const qualCost = (quals: readonly Expr[]): number => quals.length * COST.operator

/** `known`: the paths there are; none is made that one of them beats. */
export function hashJoinPath(step: JoinStep, left: Path, right: Path, problem: JoinProblem, known: readonly Path[]): Path | null {
  const { pairs, rest } = step.hash
  if (pairs.length === 0 || needs(right, step.left) || needs(left, step.right)) return null
  const startup = right.total + right.rows * COST.hashTuple
  const total =
    startup + left.total + left.rows * COST.hashTuple * 0.7 + step.rows * (COST.tuple + qualCost(rest) + qualCost(step.filterQuals))
  if (isBeaten(known, startup + left.startup, total, NO_ORDER, outerOf(step, left, right))) return null
  return {
    ...joined(step, left, right),
    startup: startup + left.startup,
    total,
    order: [],
    build: (targets) => {
      const slots = inputSlots([...targets, ...step.joinQuals, ...step.filterQuals], step, problem)
      const over = (expr: Expr) => overJoin(expr, slots.left, slots.right)
      return {
        kind: 'HashJoin',
        ...common(targetList(targets.map(over)), step.filterQuals.map(over), step.rows, startup + left.startup, total),
        joinType: step.type,
        left: left.build(slots.left.exprs),
        right: right.build(slots.right.exprs),
        leftKeys: pairs.map((pair) => over(pair.left)),
        rightKeys: pairs.map((pair) => over(pair.right)),
        operators: pairs.map((pair) => pair.operator),
        joinQuals: rest.map(over),
        innerUnique: right.single,
      }
    },
  }
}

/** What a path costs once it is sorted so. */
function sortedCost(path: Path, order: readonly PathKey[]): Pick<Path, 'startup' | 'total'> {
  if (orderSatisfies(path.order, order)) return path
  const n = Math.max(path.rows, 2)
  const startup = path.total + COST.sortCompare * n * Math.log2(n)
  return { startup, total: startup + path.rows * COST.operator }
}

/** Sorts `path` by `keys`, over an input column each. */
function sortedBy(path: Path, order: readonly PathKey[], exprs: readonly Expr[], sortKey: (i: number, slot: number) => SortKey): Path {
  if (orderSatisfies(path.order, order)) return path
  const { startup, total } = sortedCost(path, order)
  return {
    ...path,
    startup,
    total,
    order,
    build: (targets) => {
      const slots = new Slots(targets)
      const keys = exprs.map((expr, i) => sortKey(i, slots.add(expr)))
      return {
        kind: 'Sort',
        ...common(passThrough(slots.exprs), [], path.rows, startup, total),
        input: path.build(slots.exprs),
        keys,
        presorted: 0,
        limit: null,
      }
    },
  }
}

export function mergeJoinPath(step: JoinStep, left: Path, right: Path, problem: JoinProblem, known: readonly Path[]): Path | null {
  const { pairs, rest, leftOrder, rightOrder } = step.merge
  if (pairs.length === 0 || needs(right, step.left) || needs(left, step.right)) return null
  // Sorting both sides to merge them is what a hash join saves.
  const isPresorted = commonOrder(left.order, leftOrder) > 0 || commonOrder(right.order, rightOrder) > 0
  if (!isPresorted && step.type !== 'full') return null
  const leftCost = sortedCost(left, leftOrder)
  const rightCost = sortedCost(right, rightOrder)
  const startup = leftCost.startup + rightCost.startup
  const total = leftCost.total + rightCost.total + (left.rows + right.rows) * COST.operator * 2 + step.rows * (COST.tuple + qualCost(rest))
  const order = step.type === 'full' || step.type === 'right' ? NO_ORDER : leftOrder
  if (isBeaten(known, startup, total, order, outerOf(step, left, right))) return null
  const sorted = (path: Path, side: 'left' | 'right', by: readonly PathKey[]): Path =>
    sortedBy(
      path,
      by,
      pairs.map((pair) => pair[side]),
      (i, slot) => mergeSortKey(pairs[i]!, pairs[i]![side], slot),
    )
  return {
    ...joined(step, left, right),
    startup,
    total,
    order,
    build: (targets) => {
      const slots = inputSlots([...targets, ...step.joinQuals, ...step.filterQuals], step, problem)
      const over = (expr: Expr) => overJoin(expr, slots.left, slots.right)
      return {
        kind: 'MergeJoin',
        ...common(targetList(targets.map(over)), step.filterQuals.map(over), step.rows, startup, total),
        joinType: step.type,
        left: sorted(left, 'left', leftOrder).build(slots.left.exprs),
        right: sorted(right, 'right', rightOrder).build(slots.right.exprs),
        leftKeys: pairs.map((pair) => over(pair.left)),
        rightKeys: pairs.map((pair) => over(pair.right)),
        operators: pairs.map((pair) => pair.operator),
        descending: pairs.map(() => false),
        nullsFirst: pairs.map(() => false),
        joinQuals: rest.map(over),
      }
    },
  }
}

function mergeSortKey(pair: KeyPair, expr: Expr, slot: number): SortKey {
  const { sortOp, eqOp } = orderingOperators(expr.type, pair.operator)
  return { slot, sortOp, eqOp, collation: pair.collation, type: expr.type, descending: false, nullsFirst: false }
}

/** `<` and `=` of a type within the family of `equality`. */
function orderingOperators(type: number, equality: number): { sortOp: number; eqOp: number } {
  const operator = operatorByOid(equality)
  if (operator === undefined) return { sortOp: 0, eqOp: equality }
  const less = lessThan(type) ?? lessThan(operator.oprleft)
  return { sortOp: less ?? 0, eqOp: equality }
}

function lessThan(type: number): number | undefined {
  return operatorByTypes('<', type, type)?.oid
}

export function nestLoopPath(step: JoinStep, left: Path, right: Path, problem: JoinProblem, known: readonly Path[]): Path | null {
  if (step.type === 'right' || needs(left, step.right)) return null
  const parameterised = needs(right, step.left)
  // A full join without equalities has no other way; its right side must be the same for all left rows.
  if (step.type === 'full' && (parameterised || step.pairs.length > 0)) return null
  const materialize = !parameterised && !right.single && left.rows > 1 && step.type !== 'full'
  const rescan = materialize ? right.rows * COST.operator : right.total
  const loops = Math.max(1, left.rows)
  const halved = step.type === 'semi' || step.type === 'anti' ? 0.5 : 1
  const total =
    left.total +
    right.total +
    (loops - 1) * rescan * halved +
    loops * right.rows * halved * (COST.operator + qualCost(step.joinQuals)) +
    step.rows * (COST.tuple + qualCost(step.filterQuals))
  const startup = left.startup + right.startup
  const order = step.type === 'full' ? NO_ORDER : left.order
  if (isBeaten(known, startup, total, order, outerOf(step, left, right))) return null
  const supplied = right.params.filter((param) => overlap(problem.relids(param.expr), step.left.mask))
  return {
    ...joined(step, left, right),
    params: [...left.params, ...right.params.filter((param) => !supplied.includes(param))],
    startup,
    total,
    order,
    build: (targets) => {
      const slots = inputSlots([...targets, ...step.joinQuals, ...step.filterQuals, ...supplied.map((param) => param.expr)], step, problem)
      const over = (expr: Expr) => overJoin(expr, slots.left, slots.right)
      const inner = right.build(slots.right.exprs)
      const plan: Plan = materialize
        ? {
            kind: 'Materialize',
            ...common(passThrough(inner.targetList.map((entry) => entry.expr)), [], right.rows, right.startup, right.total, right.width),
            input: inner,
          }
        : inner
      return {
        kind: 'NestLoop',
        ...common(targetList(targets.map(over)), step.filterQuals.map(over), step.rows, startup, total),
        joinType: step.type,
        left: left.build(slots.left.exprs),
        right: plan,
        params: supplied.map((param) => ({ id: param.id, expr: over(param.expr) })),
        joinQuals: step.joinQuals.map(over),
        innerUnique: right.single,
      }
    },
  }
}

/** An index of the right side, one stored table, whose leading columns the join conditions give. */
export interface Lookup {
  readonly rel: BaseRel
  readonly type: Exclude<PlanJoinType, 'full' | 'right'>
  readonly index: IndexDescriptor
  readonly keys: readonly Expr[]
  /** At most one row per row of the left side. */
  readonly unique: boolean
  /** Of looking one up. */
  readonly cost: number
  readonly joinQuals: readonly Expr[]
  readonly scanQuals: readonly Expr[]
}

export function lookups(step: JoinStep, rel: BaseRel, problem: JoinProblem): Lookup[] {
  if (rel.table === null || step.type === 'full' || step.type === 'right') return []
  const found: Lookup[] = []
  const clauses: IndexClause[] = []
  for (const qual of [...step.joinQuals, ...rel.quals]) {
    for (const clause of indexClauses(qual, rel, problem, step.left.mask)) if (clause.op === '=') clauses.push(clause)
  }
  if (!clauses.some((clause) => problem.relids(clause.value!) !== NO_RELS)) return []
  for (const index of rel.table.indexes) {
    if (!indexUsable(index)) continue
    if (index.predicate !== null && !predicateImplied(index.predicate, rel, problem, rel.quals)) continue
    const match = matchIndex(index, indexKeys(index, rel, problem), clauses)
    if (match.equalColumns === 0 || !match.conditions.some((condition) => problem.relids(condition.value!) !== NO_RELS)) continue
    const conditions = match.conditions.slice(0, match.equalColumns)
    if (conditions.some((condition) => condition.op !== '=')) continue
    const unique = provesUnique(index) && conditions.length === index.columns.length
    const perKey = unique
      ? 1
      : Math.max(
          1,
          rel.tuples *
            conjunction(
              match.used.filter((qual) => qual.kind === 'OpExpr'),
              problem,
            ),
        )
    const { answered } = match
    found.push({
      rel,
      type: step.type,
      index,
      keys: conditions.map((condition) => condition.value!),
      unique,
      cost: (isRowKey(index) ? COST.get : COST.indexTuple + COST.get) * perKey + (unique ? 0 : COST.request * 0.3),
      joinQuals: step.joinQuals.filter((qual) => !answered.has(qual)),
      scanQuals: rel.quals.filter((qual) => !answered.has(qual)),
    })
  }
  return found
}

export function lookupJoinPath(step: JoinStep, left: Path, lookup: Lookup, problem: JoinProblem, known: readonly Path[]): Path | null {
  const { rel, type, index, keys, unique, joinQuals, scanQuals } = lookup
  const total = left.total + COST.request + left.rows * (lookup.cost + COST.tuple) + step.rows * (COST.tuple + qualCost(joinQuals))
  if (isBeaten(known, left.startup, total, left.order, left.outer)) return null
  return {
    rows: step.rows,
    width: left.width + (type === 'inner' || type === 'left' ? rel.width : 0),
    outer: left.outer,
    params: left.params,
    single: left.single && unique,
    startup: left.startup,
    total,
    order: left.order,
    build: (targets) => {
      const slots = inputSlots([...targets, ...joinQuals, ...step.filterQuals], step, problem)
      collectAtoms(keys, slots.left)
      const over = (expr: Expr) => overJoin(expr, slots.left, slots.right)
      const scanTargets = slots.right.exprs.map((expr) => overScan(expr, rel))
      return {
        kind: 'LookupJoin',
        ...common(targetList(targets.map(over)), step.filterQuals.map(over), step.rows, left.startup, total),
        joinType: type,
        left: left.build(slots.left.exprs),
        relation: rel.info!.oid,
        index: index.oid,
        keys: keys.map((key) => overInput(key, slots.left)),
        scanQuals: scanQuals.map((qual) => overScan(qual, rel)),
        scanTargetList: targetList(scanTargets),
        joinQuals: joinQuals.map(over),
      }
    },
  }
}

/** One row per distinct combination of values; null where they cannot be hashed. */
export function uniquePath(path: Path, keys: readonly { expr: Expr; operator: number; collation: number }[]): Path | null {
  const own = keys.map((key) => operatorByTypes('=', key.expr.type, key.expr.type))
  if (own.some((operator) => operator?.oprcanhash !== true)) return null
  const rows = Math.max(1, Math.round(path.rows * 0.7))
  const total = path.total + path.rows * COST.hashTuple
  return {
    ...path,
    rows,
    startup: path.startup,
    total,
    order: [],
    build: (targets) => {
      const slots = new Slots(targets)
      const sortKeys = keys.map((key, i): SortKey => {
        const { sortOp } = orderingOperators(key.expr.type, own[i]!.oid)
        const slot = slots.add(key.expr)
        return { slot, sortOp, eqOp: own[i]!.oid, collation: key.collation, type: key.expr.type, descending: false, nullsFirst: false }
      })
      const input = path.build(slots.exprs)
      return {
        kind: 'HashDistinct',
        ...common(passThrough(slots.exprs), [], rows, path.startup, total, path.width),
        input,
        keys: sortKeys,
      }
    },
  }
}
