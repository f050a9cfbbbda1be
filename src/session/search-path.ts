// search_path, resolved: which schemas names are looked up in, in which order, and where new objects go.

import type { Oid } from '../base/ids.ts'
import { ACL } from '../catalog/acl.ts'
import type { ReaderSnapshot } from '../catalog/catalog-snapshot.ts'
import { namespaceMask } from '../catalog/privileges.ts'
import { PG_CATALOG_NAMESPACE } from '../catalog/records.ts'
import { splitIdentifiers } from './settings/special.ts'

export interface SearchPath {
  readonly setting: string
  readonly role: Oid
  readonly version: string
  /** Schemas to search: the session's temporary one and pg_catalog first unless the setting places them. */
  readonly oids: readonly Oid[]
  /** The same without what is searched implicitly: current_schemas(false). */
  readonly explicit: readonly Oid[]
  /** Where unqualified new objects go; null = nowhere. */
  readonly creation: Oid | null
  /** Equal keys = equal look-ups under one catalogue version. */
  readonly key: string
}

/** Schemas that do not exist or may not be used are passed over, as PostgreSQL does. */
export function resolveSearchPath(snapshot: ReaderSnapshot, setting: string, role: Oid, roleName: string): SearchPath {
  const explicit: Oid[] = []
  for (const name of splitIdentifiers(setting) ?? []) {
    const namespace = snapshot.namespaceByName(name === '$user' ? roleName : name)
    if (namespace === null || explicit.includes(namespace.oid)) continue
    if (namespaceMask(snapshot, namespace.oid, role, ACL.usage) === 0) continue
    explicit.push(namespace.oid)
  }
  const oids = explicit.includes(PG_CATALOG_NAMESPACE) ? [...explicit] : [PG_CATALOG_NAMESPACE, ...explicit]
  const temporary = snapshot.namespaceByName('pg_temp')
  if (temporary !== null && !oids.includes(temporary.oid)) oids.unshift(temporary.oid)
  return { setting, role, version: snapshot.version, oids, explicit, creation: explicit[0] ?? null, key: oids.join(',') }
}
