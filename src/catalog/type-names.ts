// A type's name as SQL prints it in a session: qualified unless the search path finds it.

import type { Oid } from '../base/ids.ts'

import { formatType } from '../sql/functions/format-type.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import type { CatalogSnapshot } from './snapshot.ts'

/** `visible(namespace, name)`: whether an unqualified name finds the type of that schema. Null typmod: format_type_be. */
export function typeText(snapshot: CatalogSnapshot, searchPath: readonly string[], oid: Oid, typmod: number | null = null): string {
  return formatType(
    oid,
    typmod,
    (type) => snapshot.type(type) ?? undefined,
    (type) => {
      const name = quoteIdentifier(type.typname)
      for (const path of searchPath) {
        const namespace = snapshot.namespaceByName(path)
        const found = namespace === null ? null : snapshot.typeByName(namespace.oid, type.typname)
        if (found !== null) {
          if (found.oid === type.oid) return name
          break
        }
      }
      const namespace = snapshot.namespace(snapshot.type(type.oid)?.typnamespace ?? 0)
      return namespace === null ? name : `${quoteIdentifier(namespace.name)}.${name}`
    },
  )
}
