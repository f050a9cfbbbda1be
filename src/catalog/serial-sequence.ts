// pg_get_serial_sequence: the sequence that a column owns (serial, identity, OWNED BY), whatever the column's default says.

import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import { ADDRESS_LENGTH, CLASS, parseAddress, reverseDependencyPrefix } from './keys.ts'
import { type RelationInfo, withCatalog } from './snapshot.ts'

/** The first that was made, where there are several; null where there is none. */
export function serialSequence(snapshot: ReaderSnapshot, relation: RelationInfo, column: string): MaybePromise<string | null> {
  const found = relation.columns.find((other) => !other.dropped && other.name === column)
  if (found === undefined) throw new PgError(SQLSTATE.undefinedColumn, `column "${column}" of relation "${relation.name}" does not exist`)
  const prefix = reverseDependencyPrefix(CLASS.relation, relation.oid)
  return andThen(snapshot.reader.scan(prefix), (entries) => {
    const dependents = entries.map(({ key }) => parseAddress(key, 2 + ADDRESS_LENGTH))
    return withCatalog(() => {
      for (const { classId, objId } of dependents) {
        const sequence = classId === CLASS.relation ? snapshot.relation(objId) : null
        const owner = sequence?.descriptor?.sequence?.ownedBy
        if (owner?.table !== relation.oid || owner.attnum !== found.attnum) continue
        return `${quoteIdentifier(snapshot.namespace(sequence!.namespace)!.name)}.${quoteIdentifier(sequence!.name)}`
      }
      return null
    })
  })
}
