// What every new relation starts with, whatever its kind: its oid, the type of its rows, its owner's default privileges.

import type { Oid } from '../../base/ids.ts'
import type { RelationDescriptor } from '../../catalog/descriptors.ts'
import type { CommandContext } from './context.ts'
import { defaultAclFor } from './default-privileges.ts'

type Given = Pick<RelationDescriptor, 'name' | 'namespace' | 'kind' | 'persistence'>
type Part = Partial<Pick<RelationDescriptor, 'owner' | 'columns' | 'options' | 'table' | 'sequence' | 'view'>>

const ACL_KIND: Readonly<Record<string, 'S' | 'T'>> = { S: 'S', c: 'T' }

/** A relation of the current user's unless `part` names an owner; not stored yet. Sequences have no type of their rows; a composite type's privileges are a type's. */
export async function newRelation(c: CommandContext, given: Given, part: Part): Promise<RelationDescriptor> {
  const { namespace, kind } = given
  const owner = part.owner ?? c.ctx.session.currentUser
  const rowType = (): Promise<Oid> | Oid => (kind === 'S' ? 0 : c.writer.newOid(namespace))
  return {
    oid: await c.writer.newOid(namespace),
    ...given,
    owner,
    acl: await defaultAclFor(c, ACL_KIND[kind] ?? 'r', owner, namespace),
    rowType: await rowType(),
    rowArrayType: await rowType(),
    columns: [],
    options: null,
    table: null,
    sequence: null,
    view: null,
    version: 1,
    ...part,
  }
}
