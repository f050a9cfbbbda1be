// What stands behind an object's key: a descriptor with its kind, or a small pointer for objects that live inside another's descriptor.

import type { Oid } from '../base/ids.ts'
import type { AclItem, NamespaceDescriptor, RelationDescriptor, RoleDescriptor, TypeDescriptor } from './descriptors.ts'
import type { StatisticsRecord } from './statistics.ts'

/** The database itself, one per keyspace: pg_database's row and its OID in privileges. */
export interface DatabaseDescriptor {
  readonly oid: Oid
  readonly owner: Oid
  readonly acl: readonly AclItem[] | null
  readonly connectionLimit: number
}

/** The array over a user type or a relation's row type. Its name is not told by the element's: another type may have had `_element`. */
export type ArrayTypeRecord =
  | { readonly kind: 'arraytype'; readonly element: Oid; readonly name: string }
  | { readonly kind: 'rowtype'; readonly relation: Oid; readonly array: true; readonly name: string }

export type ObjectRecord =
  | { readonly kind: 'namespace'; readonly value: NamespaceDescriptor }
  | { readonly kind: 'role'; readonly value: RoleDescriptor }
  | { readonly kind: 'relation'; readonly value: RelationDescriptor }
  | { readonly kind: 'type'; readonly value: TypeDescriptor }
  | { readonly kind: 'database'; readonly value: DatabaseDescriptor }
  /** Row type of a relation. */
  | { readonly kind: 'rowtype'; readonly relation: Oid; readonly array: false }
  | ArrayTypeRecord
  | { readonly kind: 'index'; readonly table: Oid }
  | { readonly kind: 'constraint'; readonly table: Oid }
  | { readonly kind: 'domain-constraint'; readonly domain: Oid }
  | { readonly kind: 'attrdef'; readonly table: Oid; readonly attnum: number }
  /** Changed builtin objects (privileges granted on a builtin function or schema). */
  | { readonly kind: 'builtin-acl'; readonly acl: readonly AclItem[] }

/** Values of the other keys. */
export type CatalogValue = ObjectRecord | StatisticsRecord | string | readonly AclItem[] | Readonly<Record<string, string>> | FormatMarker

export interface FormatMarker {
  readonly product: 'pg-keyspace'
  readonly format: number
}
/** Formats this program writes. A newer one is refused at first use. */
export const FORMAT_VERSION = 1

/** OIDs below are PostgreSQL's own and builtin ones; user objects start here. */
export const FIRST_NORMAL_OID = 16384
/** The role that owns everything built in. PostgreSQL's bootstrap superuser; here nobody can log in as it. */
export const BOOTSTRAP_ROLE: Oid = 10
export const BOOTSTRAP_ROLE_NAME = 'pg_bootstrap'
/** pg_database_owner: whoever owns the database is a member. */
export const DATABASE_OWNER_ROLE: Oid = 6171
export const DATABASE_OID: Oid = 5
export const PUBLIC_NAMESPACE: Oid = 2200
export const PG_CATALOG_NAMESPACE: Oid = 11

export function encodeValue(value: CatalogValue): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8')
}
export function decodeValue(bytes: Buffer): CatalogValue {
  return JSON.parse(bytes.utf8Slice(0, bytes.length)) as CatalogValue
}
