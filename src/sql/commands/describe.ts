// getObjectDescription: how messages name an object ("table t", "constraint c on table t", "column a of table t").

import type { Oid } from '../../base/ids.ts'
import type { RelationDescriptor } from '../../catalog/descriptors.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { relkindWord } from '../../catalog/privileges.ts'
import type { ObjectRecord } from '../../catalog/records.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { typeText } from '../../catalog/type-names.ts'
import { quoteIdentifier } from '../types/quote.ts'
import type { CommandContext } from './context.ts'
import { load } from './names.ts'

/** Qualified unless the search path finds it. */
export function relationText(c: CommandContext, relation: Pick<RelationInfo, 'oid' | 'name' | 'namespace'>): string {
  for (const path of c.ctx.session.searchPath(true)) {
    const namespace = c.snapshot.namespaceByName(path)
    const found = namespace === null ? null : c.snapshot.relationByName(namespace.oid, relation.name)
    if (found === null) continue
    if (found.oid === relation.oid) return quoteIdentifier(relation.name)
    break
  }
  const namespace = c.snapshot.namespace(relation.namespace)?.name
  return namespace === undefined ? quoteIdentifier(relation.name) : `${quoteIdentifier(namespace)}.${quoteIdentifier(relation.name)}`
}

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

function inTable(c: CommandContext, table: Oid): RelationDescriptor | null {
  return c.snapshot.relation(table)?.descriptor ?? null
}

/** By address; null when it is gone. */
export async function describeAddress(c: CommandContext, address: ObjectAddress): Promise<string | null> {
  return load(() => {
    const record = c.snapshot.record(address.objId)
    switch (address.classId) {
      case CLASS.relation: {
        const relation = c.snapshot.relation(address.objId)
        if (relation === null) return null
        const text = `${relkindWord(relation.relkind)} ${relationText(c, relation)}`
        return address.subId === 0 ? text : `column ${quoteIdentifier(relation.columns[address.subId - 1]?.name ?? '')} of ${text}`
      }
      case CLASS.constraint: {
        if (record?.kind !== 'constraint') return null
        const table = inTable(c, record.table)
        if (table === null) return null
        const name =
          table.table?.constraints.find((constraint) => constraint.oid === address.objId)?.name ??
          table.columns.find((column) => column.notNullConstraint?.oid === address.objId)?.notNullConstraint?.name
        return `constraint ${quoteIdentifier(name ?? '')} on table ${relationText(c, table)}`
      }
      case CLASS.attrdef: {
        if (record?.kind !== 'attrdef') return null
        const table = inTable(c, record.table)
        if (table === null) return null
        return `default value for column ${quoteIdentifier(table.columns[record.attnum - 1]!.name)} of table ${relationText(c, table)}`
      }
      case CLASS.type:
        return `type ${typeText(c.snapshot, c.ctx.session.searchPath(true), address.objId)}`
      case CLASS.namespace:
        return `schema ${quoteIdentifier(c.snapshot.namespace(address.objId)?.name ?? '')}`
      case CLASS.rewrite: {
        const view = c.snapshot.relation(address.objId)
        return view === null ? null : `view ${relationText(c, view)}`
      }
      default:
        return null
    }
  })
}
