// INSERT, UPDATE, DELETE and MERGE: ModifyTable over a plan that supplies rows, keys and old versions.

import { notSupported } from '../../base/errors.ts'
import type { Steps } from '../../base/long-work.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { Expr, TargetEntry } from '../analyzer/expr.ts'
import type { FromExpr, JoinExpr, MergeAction, Query } from '../analyzer/query.ts'
import { unlessMissing } from '../analyzer/row-presence.ts'
import { mergeTarget } from '../analyzer/updatable-view.ts'
import { arbiterIndexes } from './arbiters.ts'
import { makeRoot, type Root } from './context.ts'
import { COST } from './cost.ts'
import { planCtes } from './ctes.ts'
import { makeVar, mapExprDeep, mapTargets, replace } from './expr-tree.ts'
import { columnVars, recheckQuals, rowKey, xminSlot } from './lock-rows.ts'
import { cheapest, collectAtoms, common, overInput, Slots } from './paths/path.ts'
import { INNER_VAR, type ModifyTable, NEW_VAR, type Plan, SCAN_VAR } from './plan.ts'
import { finishLevel, planJoinTree, planQuery, planSubquery } from './plan-level.ts'
import type { JoinedLevel } from './planned-level.ts'
import { overlap } from './relids.ts'
import { foldConstants } from './rewrite/fold-constants.ts'
import { inlineCtes } from './rewrite/inline-ctes.ts'
import { flattenJoinAliases } from './rewrite/join-aliases.ts'
import { type MultiAssignments, multiAssignments, planSubLinks } from './sublinks.ts'

export function* planModify(source: Query, parent: Root | null, root: Root = makeRoot(parent!.glob, source, parent)): Steps<Plan> {
  const query = flattenJoinAliases(inlineCtes(source, root.catalog))
  root.query = query
  yield* planCtes(root, planQuery)
  const rte = query.rtable[query.resultRelation - 1]!
  if (rte.kind !== 'relation') throw notSupported('cannot modify something that is no table')
  const info = root.catalog.relation(rte.relation)
  if (info?.descriptor?.table == null) throw notSupported(`cannot change relation "${rte.refname}"`)
  const plan = yield* query.commandType === 'insert' ? insert(query, root, info) : changeRows(query, root, rte.relation)
  return finishLevel(plan, root)
}

const NO_LINKS: MultiAssignments = new Map()

const prepareIn =
  (root: Root) =>
  (expr: Expr): Expr =>
    planSubLinks(foldConstants(expr, root.glob), root, planSubquery, NO_LINKS)

/** A SET list of ON CONFLICT or MERGE, sub-selects of multi-column assignments included. */
function prepareSet(targets: readonly TargetEntry[], root: Root): readonly TargetEntry[] {
  const multi = multiAssignments(targets)
  return mapTargets(
    targets.filter((entry) => !entry.resjunk),
    (expr) => planSubLinks(foldConstants(expr, root.glob), root, planSubquery, multi),
  )
}

/** Conditions and lists over the target row: its Vars become those of `varno`, EXCLUDED's those of INNER_VAR. */
function overTarget(expr: Expr, query: Query, root: Root, slots: Slots | null): Expr {
  const { resultRelation, returningOld, returningNew } = query
  const excluded = query.onConflict?.excludedRti ?? 0
  const varnoOf = (rti: number): number => {
    if (rti === resultRelation) return SCAN_VAR
    if (rti === returningNew) return NEW_VAR
    return rti === returningOld || rti === excluded ? INNER_VAR : 0
  }
  return replace(expr, (e) => {
    if (e.kind !== 'Var' || e.levelsUp !== 0) return undefined
    const varno = varnoOf(e.varno)
    if (varno === 0) return slots === null ? e : overInput(e, slots)
    if (e.attno !== 0) return makeVar(varno, e.attno, e)
    const row: Expr = {
      kind: 'RowExpr',
      args: columnVars({ root, query }, resultRelation).map((column) => ({ ...column, varno })),
      colNames: null,
      format: 'implicit',
      type: e.type,
      typmod: e.typmod,
      collation: e.collation,
      location: -1,
    }
    return e.varno === returningOld || e.varno === returningNew ? unlessMissing(varno, 0, row) : row
  })
}

/** What RETURNING takes from relations other than the target. */
function otherAtoms(exprs: readonly Expr[], query: Query, slots: Slots): void {
  const atoms = new Slots()
  collectAtoms(exprs, atoms)
  const own = new Set([query.resultRelation, query.returningOld, query.returningNew, query.onConflict?.excludedRti ?? 0])
  for (const atom of atoms.exprs) if (atom.kind === 'Var' && !own.has(atom.varno)) slots.add(atom)
}

interface Shared {
  readonly returning: readonly TargetEntry[] | null
  readonly checkOptions: ModifyTable['checkOptions']
}

function sharedParts(query: Query, root: Root): { returning: readonly TargetEntry[]; checks: Query['withCheckOptions'] } {
  const prepare = prepareIn(root)
  return {
    returning: mapTargets(query.returningList, prepare),
    checks: query.withCheckOptions.map((option) => ({ ...option, qual: prepare(option.qual) })),
  }
}

function finishShared(parts: ReturnType<typeof sharedParts>, query: Query, root: Root, slots: Slots | null): Shared {
  return {
    returning: query.returningList.length === 0 ? null : mapTargets(parts.returning, (expr) => overTarget(expr, query, root, slots)),
    checkOptions: parts.checks.map((option) => ({ ...option, qual: overTarget(option.qual, query, root, null) })),
  }
}

function modifyTable(
  fields: Omit<ModifyTable, 'kind' | 'targetList' | 'quals' | 'rows' | 'startupCost' | 'totalCost' | 'width' | 'initPlans'>,
): Plan {
  const { input, returning } = fields
  const total = input.totalCost + input.rows * COST.get
  return { kind: 'ModifyTable', ...common(returning ?? [], [], returning === null ? 0 : input.rows, input.startupCost, total), ...fields }
}

function* insert(query: Query, root: Root, info: RelationInfo): Steps<Plan> {
  const entries = query.targetList.filter((entry) => !entry.resjunk)
  const select: Query = {
    ...query,
    commandType: 'select',
    resultRelation: 0,
    targetList: entries,
    returningList: [],
    cteList: [],
    onConflict: null,
  }
  // The rows come from a query of the same level: its InitPlans and CTEs are this level's.
  const inner: Root = { ...root, query: select }
  inner.query = select
  const joined = yield* planQuery(select, root.parent, null, inner)
  const input = joined.path.build(joined.columns)
  const parts = sharedParts(query, root)
  const prepare = prepareIn(root)
  const { onConflict } = query
  return modifyTable({
    command: 'insert',
    relation: info.oid,
    input,
    columns: entries.map((entry) => entry.resno),
    keySlot: 0,
    rowSlots: [],
    xminSlot: 0,
    sourceSlot: 0,
    set: [],
    recheck: [],
    restartOnChange: false,
    onConflict:
      onConflict === null
        ? null
        : {
            action: onConflict.action,
            arbiters: arbiterIndexes(onConflict.arbiter, query.resultRelation, info, root.glob),
            set: mapTargets(prepareSet(onConflict.set, root), (expr) => overTarget(expr, query, root, null)),
            where: onConflict.where === null ? null : overTarget(prepare(onConflict.where), query, root, null),
          },
    mergeActions: [],
    ...finishShared(parts, query, root, null),
  })
}

/** MERGE's join of source and target, as wide as its actions need. */
function mergeTree(query: Query): FromExpr {
  const kinds = new Set(query.mergeActions.map((action) => action.matchKind))
  const target = mergeTarget(query.jointree, query.resultRelation)
  const source: FromExpr = { ...query.jointree, fromlist: query.jointree.fromlist.filter((item) => item !== target) }
  const unmatchedSource = kinds.has('not matched by target')
  const unmatchedTarget = kinds.has('not matched by source')
  const join: JoinExpr = {
    kind: 'JoinExpr',
    joinType: unmatchedSource && unmatchedTarget ? 'full' : unmatchedSource ? 'left' : unmatchedTarget ? 'right' : 'inner',
    left: source.fromlist.length === 1 && source.quals === null ? source.fromlist[0]! : source,
    right: target ?? { kind: 'RangeTblRef', rtindex: query.resultRelation },
    quals: query.mergeJoinCondition,
    rtindex: 0,
  }
  return { kind: 'FromExpr', fromlist: [join], quals: null }
}

function withTarget(query: Query): FromExpr {
  const includes = (node: FromExpr | JoinExpr['left']): boolean =>
    node.kind === 'RangeTblRef'
      ? node.rtindex === query.resultRelation
      : node.kind === 'FromExpr'
        ? node.fromlist.some(includes)
        : includes(node.left) || includes(node.right)
  if (includes(query.jointree)) return query.jointree
  return { ...query.jointree, fromlist: [{ kind: 'RangeTblRef', rtindex: query.resultRelation }, ...query.jointree.fromlist] }
}

/** UPDATE, DELETE and MERGE. */
function* changeRows(query: Query, root: Root, relation: number): Steps<Plan> {
  const merge = query.commandType === 'merge'
  const target = query.resultRelation
  const key = rowKey(target)
  const columns = columnVars({ root, query }, target)
  const parts = sharedParts(query, root)
  const prepare = prepareIn(root)
  const actions = query.mergeActions.map((action) => ({
    ...action,
    qual: action.qual === null ? null : prepare(action.qual),
    targetList: prepareSet(action.targetList, root),
  }))
  const actionExprs = actions.flatMap((action) => [
    ...(action.qual === null ? [] : [action.qual]),
    ...action.targetList.map((entry) => entry.expr),
  ])
  const marker = merge ? sourceMarker(query, root) : null
  const extra = [key, ...columns, ...parts.returning.map((entry) => entry.expr), ...actionExprs, ...(marker === null ? [] : [marker])]
  root.query = { ...query, jointree: merge ? mergeTree(query) : withTarget(query), cteList: [], sortClause: [], groupClause: [] }
  const joined = yield* planJoinTree(root, extra)
  const set = query.commandType === 'update' ? joined.query.targetList.filter((entry) => !entry.resjunk) : []
  const slots = new Slots()
  const keySlot = slots.push(key)
  const rowSlots = columns.map((column) => ({ attnum: column.attno, slot: slots.push(column) }))
  const sourceSlot = marker === null ? 0 : slots.add(marker)
  collectAtoms([...set.map((entry) => entry.expr), ...actionExprs.map((expr) => pulled(expr, joined))], slots)
  const bit = joined.problem.bitOf.get(target)!
  const recheck = recheckQuals(joined, bit)
  collectAtoms(recheck, slots)
  otherAtoms(
    parts.returning.map((entry) => pulled(entry.expr, joined)),
    query,
    slots,
  )
  const path = cheapest(joined.paths)
  const over = (expr: Expr) => overInput(pulled(expr, joined), slots)
  const overActions = actions.map(
    (action): MergeAction => ({
      ...action,
      qual: action.qual === null ? null : over(action.qual),
      targetList: mapTargets(action.targetList, over),
    }),
  )
  const touched = joined.special.some((join) => overlap(join.synLeft | join.synRight, bit))
  return modifyTable({
    command: query.commandType,
    relation,
    input: path.build(slots.exprs),
    columns: [],
    keySlot,
    rowSlots,
    xminSlot: xminSlot(slots, target),
    sourceSlot,
    set: mapTargets(set, over),
    recheck: recheck.map(over),
    restartOnChange: touched && !merge,
    onConflict: null,
    mergeActions: overActions,
    ...finishShared({ ...parts, returning: mapTargets(parts.returning, (expr) => pulled(expr, joined)) }, query, root, slots),
  })
}

/** Columns of subqueries that were pulled up while the join was planned. */
function pulled(expr: Expr, joined: JoinedLevel): Expr {
  const { substitute } = joined
  return substitute === null ? expr : mapExprDeep(expr, 0, substitute)
}

/** Something of the source that is never NULL in a source row; needed only where a target row may have none. */
function sourceMarker(query: Query, root: Root): Expr | null {
  if (!query.mergeActions.some((action) => action.matchKind === 'not matched by source')) return null
  for (const item of query.jointree.fromlist) {
    if (item.kind !== 'RangeTblRef' || item.rtindex === query.resultRelation) continue
    const rte = query.rtable[item.rtindex - 1]!
    if (rte.kind === 'relation' && root.catalog.relation(rte.relation)?.descriptor?.table != null) return rowKey(item.rtindex)
  }
  throw notSupported('MERGE with WHEN NOT MATCHED BY SOURCE needs a table as its source')
}
