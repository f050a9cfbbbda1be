// The target of INSERT, UPDATE, DELETE and MERGE.

import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { RangeVar } from '../parser/nodes.ts'
import { errorAt, type NsItem, type ParseState } from './context.ts'
import { addRelation, openRelation } from './relation.ts'

export type TargetPrivilege = 'insert' | 'update' | 'delete'

/** Opens the target, gives it a range table entry, and checks that it is a kind of relation that takes rows. */
export function setTarget(
  state: ParseState,
  range: RangeVar,
  inFrom: boolean,
  privileges: readonly TargetPrivilege[],
): { item: NsItem; relation: RelationInfo } {
  const relation = openRelation(state, range)
  if (relation.relkind === 'i' || relation.relkind === 'c') {
    throw errorAt(state, SQLSTATE.wrongObjectType, `cannot open relation "${relation.name}"`, range.location ?? 0, {
      detail:
        relation.relkind === 'i' ? 'This operation is not supported for indexes.' : 'This operation is not supported for composite types.',
    })
  }
  const item = addRelation(state, relation, range.alias, range.inh ?? false, inFrom)
  const permission = state.permissions[(item.rte as { permission: number }).permission]!
  permission.requiredSelect = false
  permission.requiredInsert = privileges.includes('insert')
  permission.requiredUpdate = privileges.includes('update')
  permission.requiredDelete = privileges.includes('delete')
  state.target = relation
  state.targetItem = item
  if (relation.relkind === 'S') {
    throw errorAt(state, SQLSTATE.wrongObjectType, `cannot change sequence "${relation.name}"`, undefined)
  }
  if (relation.relkind === 'r' && relation.descriptor === null) {
    throw errorAt(state, SQLSTATE.insufficientPrivilege, `permission denied: "${relation.name}" is a system catalog`, undefined)
  }
  return { item, relation }
}
