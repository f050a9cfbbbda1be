// Whether an unqualified name finds an object: the first schema of the search path that has the name decides.

import type { Oid } from '../base/ids.ts'
import type { PgProcRow } from '../sql/builtin/data/rows.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import { PG_CATALOG_NAMESPACE } from './records.ts'

export function isRelationVisible(
  snapshot: ReaderSnapshot,
  searchPath: readonly Oid[],
  relation: { readonly oid: Oid; readonly namespace: Oid; readonly name: string },
): boolean {
  for (const namespace of searchPath) {
    const found = snapshot.relationByName(namespace, relation.name)
    if (found !== null) return found.oid === relation.oid
  }
  return false
}

export function procVisible(snapshot: ReaderSnapshot, searchPath: readonly Oid[], proc: PgProcRow): boolean {
  for (const namespace of searchPath) {
    if (namespace === proc.pronamespace) return true
    const same = snapshot
      .procsByName(namespace, proc.proname)
      .some(
        (other) =>
          other.proargtypes.length === proc.proargtypes.length && other.proargtypes.every((type, i) => type === proc.proargtypes[i]),
      )
    if (same) return false
  }
  return proc.pronamespace === PG_CATALOG_NAMESPACE
}
