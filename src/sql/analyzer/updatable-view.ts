// INSERT, UPDATE, DELETE and MERGE on a simple view, turned into the same on the relation it selects from (rewriteTargetView).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { PermissionInfo } from '../../catalog/privileges.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { AnalyzeContext } from './context.ts'
import type { Expr, TargetEntry, Var } from './expr.ts'
import { andOf } from './make.ts'
import type { FromExpr, JoinTreeNode, Query, RteRelation, WithCheckOption } from './query.ts'
import { unlessMissing } from './row-presence.ts'
import { rebase, viewQuery } from './view-query.ts'
import { mapQueryVars } from './walker.ts'

type Event = 'insert' | 'update' | 'delete' | 'merge'

/** Why a view takes no changes, as PostgreSQL words it; null when it takes them. */
export function notUpdatableReason(view: Query): string | null {
  const none = 'are not automatically updatable.'
  if (view.distinctClause.length > 0) return `Views containing DISTINCT ${none}`
  if (view.groupClause.length > 0 || view.groupingSets.length > 0) return `Views containing GROUP BY ${none}`
  if (view.havingQual !== null) return `Views containing HAVING ${none}`
  if (view.setOperations !== null) return `Views containing UNION, INTERSECT, or EXCEPT ${none}`
  if (view.cteList.length > 0) return `Views containing WITH ${none}`
  if (view.limitOffset !== null || view.limitCount !== null) return `Views containing LIMIT or OFFSET ${none}`
  if (view.hasAggs) return `Views that return aggregate functions ${none}`
  if (view.hasWindowFuncs) return `Views that return window functions ${none}`
  if (view.hasTargetSRFs) return `Views that return set-returning functions ${none}`
  const single = 'Views that do not select from a single table or view are not automatically updatable.'
  const [only, ...more] = view.jointree.fromlist
  if (only === undefined || more.length > 0 || only.kind !== 'RangeTblRef') return single
  const rte = view.rtable[only.rtindex - 1]!
  return rte.kind === 'relation' && (rte.relkind === 'r' || rte.relkind === 'v') ? null : single
}

/** The base column behind a view column, or why it cannot be written. */
function baseColumn(entry: TargetEntry | undefined, baseRti: number): number | string {
  if (entry === undefined) return 'View columns that are not columns of their base relation are not updatable.'
  const { expr } = entry
  if (expr.kind !== 'Var' || expr.varno !== baseRti || expr.levelsUp !== 0) {
    return 'View columns that are not columns of their base relation are not updatable.'
  }
  if (expr.attno < 0) return 'View columns that refer to system columns are not updatable.'
  return expr.attno === 0 ? 'View columns that return whole-row references are not updatable.' : expr.attno
}

/** The relation that a change of the view changes, and its column behind each of the view's (0 = none); null if it takes no changes. */
export function updatableColumns(view: Query): { readonly base: Oid; readonly columns: readonly number[] } | null {
  if (notUpdatableReason(view) !== null) return null
  const { rtindex } = view.jointree.fromlist[0] as { rtindex: number }
  const columns = view.targetList
    .filter((entry) => !entry.resjunk)
    .map((entry) => {
      const found = baseColumn(entry, rtindex)
      return typeof found === 'number' ? found : 0
    })
  return { base: (view.rtable[rtindex - 1] as RteRelation).relation, columns }
}

const VERBS: Readonly<Record<Event, readonly [string, string, string]>> = {
  insert: ['insert into', 'inserting into the view', 'INSERT'],
  update: ['update', 'updating the view', 'UPDATE'],
  delete: ['delete from', 'deleting from the view', 'DELETE'],
  merge: ['merge into', 'merging into the view', 'MERGE'],
}

export function rewriteViewTarget(query: Query, ctx: AnalyzeContext): Query {
  const rti = query.resultRelation
  const target = query.rtable[rti - 1] as RteRelation
  const info = ctx.catalog.relation(target.relation)!
  const view = viewQuery(info, ctx)
  const event = query.commandType as Event
  const reason = notUpdatableReason(view)
  if (reason !== null) {
    const [verb, doing, name] = VERBS[event]
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `cannot ${verb} view "${info.name}"`, {
      detail: reason,
      hint: `To enable ${doing}, provide an INSTEAD OF ${name} trigger or an unconditional ON ${name} DO INSTEAD rule.`,
    })
  }
  const columns = view.targetList.filter((entry) => !entry.resjunk)
  const baseRti = (view.jointree.fromlist[0] as { rtindex: number }).rtindex
  const base = view.rtable[baseRti - 1] as RteRelation
  const baseInfo = ctx.catalog.relation(base.relation)!
  const written = (entry: TargetEntry, what: string): number => {
    const found = baseColumn(columns[entry.resno - 1], baseRti)
    if (typeof found === 'number') return found
    throw new PgError(SQLSTATE.featureNotSupported, `cannot ${what} column "${columns[entry.resno - 1]?.resname}" of view "${info.name}"`, {
      detail: found,
    })
  }
  const remap = (list: readonly TargetEntry[], what: string): TargetEntry[] => {
    const assigned = new Set<number>()
    return list.map((entry) => {
      if (entry.resjunk) return entry
      const resno = written(entry, what)
      if (assigned.has(resno)) {
        throw new PgError(SQLSTATE.syntaxError, `multiple assignments to same column "${baseInfo.columns[resno - 1]!.name}"`)
      }
      assigned.add(resno)
      return { ...entry, resno }
    })
  }

  // Entries of the view itself: the target, EXCLUDED, OLD and NEW.
  const own = new Set([rti, query.onConflict?.excludedRti ?? 0, query.returningOld, query.returningNew])
  own.delete(0)
  const replaceVar = (expr: Expr, depth: number): Expr | null => {
    if (expr.kind !== 'Var' || expr.levelsUp !== depth || !own.has(expr.varno)) return null
    // A view has no system columns: it is asked whether there is a row.
    if (expr.attno < 0) return null
    const mayMiss = expr.varno === query.returningOld || expr.varno === query.returningNew
    if (expr.attno > 0) {
      const column = move(columns[expr.attno - 1]!.expr, expr.varno, depth)
      return mayMiss && column.kind !== 'Var' ? unlessMissing(expr.varno, depth, column) : column
    }
    const row: Expr = {
      kind: 'RowExpr',
      args: columns.map((column) => move(column.expr, expr.varno, depth)),
      colNames: null,
      format: 'implicit',
      type: expr.type,
      typmod: -1,
      collation: 0,
      location: -1,
    }
    return mayMiss ? unlessMissing(expr.varno, depth, row) : row
  }
  const mapped = mapQueryVars(query, replaceVar, 0)
  const permission = basePermission(query.permissions[target.permission]!, columns, baseRti, view, info, baseInfo.oid)
  const permissions = [...mapped.permissions, permission]
  const rtable = mapped.rtable.map((rte, i) => {
    if (!own.has(i + 1)) return rte
    const entry: RteRelation = {
      ...(rte as RteRelation),
      relation: baseInfo.oid,
      relkind: baseInfo.relkind,
      inh: base.inh,
      permission: (rte as RteRelation).permission < 0 ? -1 : permissions.length - 1,
      colNames: baseInfo.columns.map((column) => (column.dropped ? null : column.name)),
    }
    return entry
  })
  const quals = view.jointree.quals === null ? null : move(view.jointree.quals, rti, 0)
  let checks: readonly WithCheckOption[] = mapped.withCheckOptions
  const checkOption = info.descriptor?.view?.checkOption ?? 'none'
  const inherits = checks.length > 0
  if ((checkOption !== 'none' || inherits) && quals !== null && event !== 'delete')
    checks = [{ relname: info.name, qual: quals }, ...checks]
  else if (checkOption === 'cascaded' && event !== 'delete') checks = [...checks]
  const result: Query = {
    ...mapped,
    rtable,
    permissions,
    withCheckOptions: checks,
    hasSubLinks: mapped.hasSubLinks || view.hasSubLinks,
    targetList:
      event === 'insert'
        ? remap(mapped.targetList, 'insert into')
        : event === 'update'
          ? remap(mapped.targetList, 'update')
          : mapped.targetList,
    jointree:
      event === 'update' || event === 'delete' ? { ...mapped.jointree, quals: andOf([mapped.jointree.quals, quals]) } : mapped.jointree,
    mergeJoinCondition: mapped.mergeJoinCondition,
    mergeActions: mapped.mergeActions.map((action) =>
      action.command === 'insert' || action.command === 'update'
        ? { ...action, targetList: remap(action.targetList, action.command === 'insert' ? 'insert into' : 'update') }
        : action,
    ),
    onConflict: mapped.onConflict === null ? null : { ...mapped.onConflict, set: remap(mapped.onConflict.set, 'update') },
  }
  return event === 'merge' && quals !== null ? { ...result, jointree: restrictTarget(result, quals) } : result
}

/** MERGE joins the target's rows that `quals` let through, whatever is joined how. */
function restrictTarget({ jointree, resultRelation }: Query, quals: Expr): FromExpr {
  const target = mergeTarget(jointree, resultRelation)
  const restricted: FromExpr = {
    kind: 'FromExpr',
    fromlist: [{ kind: 'RangeTblRef', rtindex: resultRelation }],
    quals: andOf([target?.kind === 'FromExpr' ? target.quals : null, quals]),
  }
  return { ...jointree, fromlist: [...jointree.fromlist.filter((item) => item !== target), restricted] }
}

/** Where the FROM list of a MERGE names its target: bare, or with the conditions of views it was reached through; null where it does not. */
export function mergeTarget(jointree: FromExpr, target: number): JoinTreeNode | null {
  const isTarget = (item: JoinTreeNode): boolean =>
    item.kind === 'RangeTblRef'
      ? item.rtindex === target
      : item.kind === 'FromExpr' && item.fromlist.length === 1 && isTarget(item.fromlist[0]!)
  return jointree.fromlist.find(isTarget) ?? null
}

/** A view's expression over its base (entry `baseRti`) as one over entry `rti` of the query, `depth` levels further in. */
function move(expr: Expr, rti: number, depth: number): Expr {
  return rebase(expr, rti, depth)
}

function basePermission(
  outer: PermissionInfo,
  columns: readonly TargetEntry[],
  baseRti: number,
  view: Query,
  info: RelationInfo,
  base: Oid,
): PermissionInfo {
  const inner = view.permissions[(view.rtable[baseRti - 1] as RteRelation).permission]
  const through = (attnums: readonly number[]): number[] =>
    attnums.flatMap((attnum) => {
      const expr = columns[attnum - 1]?.expr
      return expr?.kind === 'Var' && (expr as Var).varno === baseRti ? [expr.attno] : []
    })
  return {
    relation: base,
    requiredSelect: (inner?.requiredSelect ?? false) || outer.requiredSelect,
    requiredInsert: outer.requiredInsert,
    requiredUpdate: outer.requiredUpdate,
    requiredDelete: outer.requiredDelete,
    rowMarked: outer.rowMarked,
    selectedColumns: inner?.selectedColumns ?? [],
    insertedColumns: through(outer.insertedColumns),
    updatedColumns: through(outer.updatedColumns),
    // Whoever asks, also through a view that checks as its owner.
    checkAs: info.descriptor?.view?.securityInvoker ? 0 : info.owner,
  }
}
