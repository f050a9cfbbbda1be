// format_type over a catalogue snapshot: how a type is named in messages and in \d.

import type { Oid } from '../../base/ids.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import { formatType as format } from '../functions/format-type.ts'
import { typeNameInPath } from './catalog-source.ts'

const DEFAULT_PATH: readonly Oid[] = [11, 2200]

/** `typmod` null = none was asked for (format_type_be); -1 = none is there. */
export function formatType(
  catalog: CatalogSnapshot,
  type: Oid,
  typmod: number | null = null,
  searchPath: readonly Oid[] = DEFAULT_PATH,
): string {
  return format(
    type,
    typmod,
    (oid) => catalog.type(oid) ?? undefined,
    (row) => typeNameInPath(catalog, searchPath, row),
  )
}
