// What virtual relations are computed from: the keyspace's records.

import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { ReaderSnapshot } from '../catalog-snapshot.ts'
import type { RelationDescriptor } from '../descriptors.ts'
import { withCatalog } from '../snapshot.ts'
import type { CatalogReader } from '../transaction.ts'

export interface VirtualSource {
  readonly snapshot: ReaderSnapshot
  /** The name the client asked for: one keyspace is one database. */
  readonly database: string
  /** A stored expression over no relation's columns as SQL. */
  expressionText(stored: string): string
}

/** The relation that an OID is of, or is an index's, a constraint's or a default's of. */
export function relationOf(source: VirtualSource, oid: Oid): MaybePromise<RelationDescriptor[]> {
  return withCatalog(() => {
    const record = source.snapshot.record(oid)
    if (record?.kind === 'relation') return [record.value]
    const table =
      record?.kind === 'index' || record?.kind === 'constraint' || record?.kind === 'attrdef' ? source.snapshot.record(record.table) : null
    return table?.kind === 'relation' ? [table.value] : []
  })
}

/** The same source over another reader. */
export const sourceOver = (source: VirtualSource, reader: CatalogReader): VirtualSource => ({
  ...source,
  snapshot: new ReaderSnapshot(reader),
})

export const roleNameOf =
  (source: VirtualSource) =>
  (oid: Oid): string =>
    source.snapshot.role(oid)?.name ?? String(oid)
