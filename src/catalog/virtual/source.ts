// What virtual relations are computed from: the keyspace's records.

import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { ReaderSnapshot } from '../catalog-snapshot.ts'
import type { RelationDescriptor } from '../descriptors.ts'
import type { ObjectRecord } from '../records.ts'
import { withCatalog } from '../snapshot.ts'

export interface VirtualSource {
  readonly snapshot: ReaderSnapshot
  /** The name the client asked for: one keyspace is one database. */
  readonly database: string
  /** A stored expression over no relation's columns as SQL. */
  expressionText(stored: string): string
}

export function records(source: VirtualSource): MaybePromise<ObjectRecord[]> {
  return andThen(source.snapshot.reader.objects(), (entries) => entries.map((entry) => entry.value))
}

/** The keyspace's relations; one when its OID (or an index's) is given, none when it is another's. */
export function relations(source: VirtualSource, oid: Oid | null = null): MaybePromise<RelationDescriptor[]> {
  if (oid !== null)
    return withCatalog(() => {
      const record = source.snapshot.record(oid)
      if (record?.kind === 'relation') return [record.value]
      const table =
        record?.kind === 'index' || record?.kind === 'constraint' || record?.kind === 'attrdef'
          ? source.snapshot.record(record.table)
          : null
      return table?.kind === 'relation' ? [table.value] : []
    })
  return andThen(records(source), (all) => all.flatMap((record) => (record.kind === 'relation' ? [record.value] : [])))
}

export const roleNameOf =
  (source: VirtualSource) =>
  (oid: Oid): string =>
    source.snapshot.role(oid)?.name ?? String(oid)
