// ON CONFLICT: the arbiter indexes inferred from columns, expressions or a constraint's name, and the SET … WHERE of DO UPDATE.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { IndexDescriptor } from '../../catalog/descriptors.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { opclassByOid, opclassesByName } from '../builtin/pg-index.ts'
import { nameList, nodeAs, type OnConflictClause } from '../parser/nodes.ts'
import { updateTargets } from './assignments.ts'
import { assignCollations, assignListCollations } from './collate.ts'
import { errorAt, type ParseState } from './context.ts'
import type { Expr } from './expr.ts'
import { transformCondition, transformExpr } from './expr-entry.ts'
import type { OnConflict, RteRelation } from './query.ts'
import { addRelation, permissionOf } from './relation.ts'
import { readStoredExpr } from './stored.ts'
import { lookupCollation } from './type-name.ts'
import { throughViews } from './updatable-view.ts'
import { equalExpr } from './walker.ts'

interface Element {
  /** Over the target, entry 1. */
  readonly expr: Expr
  readonly collation: Oid
  readonly opclass: string | null
}

export function transformOnConflict(state: ParseState, clause: OnConflictClause, relation: RelationInfo): OnConflict {
  const update = clause.action === 'ONCONFLICT_UPDATE'
  const infer = clause.infer
  if (update && infer === undefined) {
    throw errorAt(
      state,
      SQLSTATE.syntaxError,
      'ON CONFLICT DO UPDATE requires inference specification or constraint name',
      clause.location ?? 0,
      {
        hint: 'For example, ON CONFLICT (column_name).',
      },
    )
  }
  let arbiters: Oid[] = []
  if (infer !== undefined) {
    // Inference sees the target only.
    const saved = state.namespace
    const target = state.targetItem!
    target.relVisible = true
    target.colsVisible = true
    state.namespace = [target]
    if (infer.conname !== undefined) {
      const { index, columns } = arbiterConstraint(state, relation, infer.conname)
      // as if the columns were named
      const permission = permissionOf(state, target.rtindex)!
      permission.requiredSelect = true
      for (const attnum of columns) permission.selectedColumns.add(attnum)
      arbiters = [index]
    } else {
      const elements = (infer.indexElems ?? []).map((node): Element => {
        const elem = nodeAs(node, 'IndexElem')!
        for (const [given, what] of [
          [elem.ordering !== undefined && elem.ordering !== 'SORTBY_DEFAULT', 'ASC/DESC'],
          [elem.nulls_ordering !== undefined && elem.nulls_ordering !== 'SORTBY_NULLS_DEFAULT', 'NULLS FIRST/LAST'],
        ] as const) {
          if (given)
            throw errorAt(state, SQLSTATE.invalidColumnReference, `${what} is not allowed in ON CONFLICT clause`, infer.location ?? 0)
        }
        const raw =
          elem.name === undefined ? elem.expr! : { ColumnRef: { fields: [{ String: { sval: elem.name } }], location: infer.location ?? 0 } }
        const expr = transformExpr(state, raw, 'index expression')
        assignCollations(state, expr)
        const collation = elem.collation === undefined ? 0 : lookupCollation(state, nameList(elem.collation), infer.location ?? 0)
        const opclass = elem.opclass === undefined ? null : nameList(elem.opclass).at(-1)!
        return { expr, collation, opclass }
      })
      const where = infer.whereClause === undefined ? null : transformCondition(state, infer.whereClause, 'index predicate', 'WHERE')
      const exprs = elements.map((element) => element.expr)
      const reached = throughViews(relation, where === null ? exprs : [...exprs, where], state.ctx)
      if (reached !== null) {
        const mapped = elements.map((element, i) => ({ ...element, expr: reached.exprs[i]! }))
        arbiters = inferArbiters(reached.table, mapped, where === null ? null : reached.exprs.at(-1)!)
      }
      // A view that takes no changes says so itself.
      if (arbiters.length === 0 && reached !== null) {
        throw new PgError(
          SQLSTATE.invalidColumnReference,
          'there is no unique or exclusion constraint matching the ON CONFLICT specification',
        )
      }
    }
    state.namespace = saved
  }
  if (!update) return { action: 'nothing', arbiters, set: [], where: null, excludedRti: 0 }

  const target = state.targetItem!
  // what would have been inserted is read by leave to read the target's columns
  const excluded = addRelation(state, relation, { aliasname: 'excluded' }, false, false, (target.rte as RteRelation).permission)
  target.relVisible = true
  target.colsVisible = true
  state.namespace = [target, excluded]
  const set = updateTargets(state, clause.targetList ?? [], relation)
  assignListCollations(state, set)
  const where = clause.whereClause === undefined ? null : transformCondition(state, clause.whereClause, 'where', 'WHERE')
  return { action: 'update', arbiters, set, where, excludedRti: excluded.rtindex }
}

function arbiterConstraint(state: ParseState, relation: RelationInfo, name: string): { index: Oid; columns: readonly number[] } {
  const constraint = relation.descriptor?.table?.constraints.find((c) => c.name === name)
  if (constraint === undefined) {
    throw errorAt(state, SQLSTATE.undefinedObject, `constraint "${name}" for table "${relation.name}" does not exist`, undefined)
  }
  if (constraint.type !== 'p' && constraint.type !== 'u') {
    throw errorAt(state, SQLSTATE.wrongObjectType, 'constraint in ON CONFLICT clause has no associated index', undefined)
  }
  return constraint
}

/** Unique indexes over exactly these columns and expressions, whose predicate the inference's WHERE implies. */
function inferArbiters(relation: RelationInfo, elements: readonly Element[], where: Expr | null): Oid[] {
  const result: Oid[] = []
  for (const index of relation.descriptor?.table?.indexes ?? []) {
    if (!index.unique || index.state === 'invalid' || !covers(index, elements)) continue
    if (index.predicate !== null && !implies(where, atRelation(readStoredExpr(index.predicate)))) continue
    result.push(index.oid)
  }
  return result
}

/** Stored expressions of a table name it as relation 1, and so is the target of an INSERT the first entry: nothing to renumber. */
function atRelation(expr: Expr): Expr {
  return expr
}

function covers(index: IndexDescriptor, elements: readonly Element[]): boolean {
  const matches = (element: Element, column: IndexDescriptor['columns'][number]): boolean => {
    if (element.collation !== 0 && element.collation !== column.collation) return false
    if (
      element.opclass !== null &&
      !opclassesByName(index.accessMethod, element.opclass).some((row) => row.opcfamily === opclassByOid(column.opclass)?.opcfamily)
    ) {
      return false
    }
    const { expr } = element
    if (column.attnum !== 0) return expr.kind === 'Var' && expr.attno === column.attnum
    return column.expr !== null && equalExpr(expr, atRelation(readStoredExpr(column.expr)))
  }
  return (
    elements.every((element) => index.columns.some((column) => matches(element, column))) &&
    index.columns.every((column) => elements.some((element) => matches(element, column)))
  )
}

/** Each conjunct of the predicate stands in the condition: enough of implication for inference. */
function implies(where: Expr | null, predicate: Expr): boolean {
  if (where === null) return false
  const parts = (expr: Expr): readonly Expr[] => (expr.kind === 'BoolExpr' && expr.op === 'and' ? expr.args.flatMap(parts) : [expr])
  const given = parts(where)
  return parts(predicate).every((part) => given.some((expr) => equalExpr(expr, part)))
}
