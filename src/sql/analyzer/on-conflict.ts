// ON CONFLICT: the columns, expressions or constraint that choose the arbiter indexes, and the SET … WHERE of DO UPDATE.

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { nameList, nodeAs, type OnConflictClause } from '../parser/nodes.ts'
import { updateTargets } from './assignments.ts'
import { assignCollations, assignListCollations } from './collate.ts'
import { errorAt, type ParseState } from './context.ts'
import { transformCondition, transformExpr } from './expr-entry.ts'
import type { Arbiter, ArbiterElement, OnConflict, RteRelation } from './query.ts'
import { addRelation, permissionOf } from './relation.ts'
import { lookupCollation } from './type-name.ts'

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
  let arbiter: Arbiter | null = null
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
      arbiter = { index, elements: [], where: null }
    } else {
      const elements = (infer.indexElems ?? []).map((node): ArbiterElement => {
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
      arbiter = { index: 0, elements, where }
    }
    state.namespace = saved
  }
  if (!update) return { action: 'nothing', arbiter, set: [], where: null, excludedRti: 0 }

  const target = state.targetItem!
  // what would have been inserted is read by leave to read the target's columns
  const excluded = addRelation(state, relation, { aliasname: 'excluded' }, false, false, (target.rte as RteRelation).permission)
  target.relVisible = true
  target.colsVisible = true
  state.namespace = [target, excluded]
  const set = updateTargets(state, clause.targetList ?? [], relation)
  assignListCollations(state, set)
  const where = clause.whereClause === undefined ? null : transformCondition(state, clause.whereClause, 'where', 'WHERE')
  return { action: 'update', arbiter, set, where, excludedRti: excluded.rtindex }
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
