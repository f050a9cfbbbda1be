// getObjectDescription: how messages name an object ("table t", "constraint c on table t", "column a of table t").

import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { describeObject as describeObjectAt, type NameSource, relationText as relationTextIn } from '../../catalog/object-identity.ts'
import { relkindWord } from '../../catalog/privileges.ts'
import type { ObjectRecord } from '../../catalog/records.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { typeText } from '../../catalog/type-names.ts'
import { quoteIdentifier } from '../types/quote.ts'
import type { CommandContext } from './context.ts'
import { load } from './names.ts'

const named = (c: CommandContext): NameSource => ({ snapshot: c.snapshot, searchPath: c.ctx.session.searchPath(true) })

/** Qualified unless the search path finds it. */
export const relationText = (c: CommandContext, relation: Pick<RelationInfo, 'oid' | 'name' | 'namespace'>): string =>
  relationTextIn(named(c), relation)

export async function describeObject(c: CommandContext, record: ObjectRecord): Promise<string> {
  switch (record.kind) {
    case 'relation':
      return load(() => `${relkindWord(record.value.kind)} ${relationText(c, record.value)}`)
    case 'namespace':
      return `schema ${quoteIdentifier(record.value.name)}`
    case 'type':
      return load(() => `type ${typeText(c.snapshot, c.ctx.session.searchPath(true), record.value.oid)}`)
    case 'role':
      return `role ${quoteIdentifier(record.value.name)}`
    default:
      return 'object'
  }
}

/** By address; null when it is gone. A view's rule goes by the view's name. */
export async function describeAddress(c: CommandContext, address: ObjectAddress): Promise<string | null> {
  return load(() => {
    if (address.classId === CLASS.relation && address.subId === 0) {
      // a composite type's relation goes by the type
      const relation = c.snapshot.relation(address.objId)
      if (relation?.relkind === 'c') return `type ${relationText(c, relation)}`
    }
    if (address.classId !== CLASS.rewrite) return describeObjectAt(named(c), address)
    const view = c.snapshot.relation(address.objId)
    return view === null ? null : `view ${relationText(c, view)}`
  })
}
