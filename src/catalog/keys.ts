// Where the catalogue stands in a keyspace: the one place that documents the layout of its `m…` keys. Keys are readable text (UTF-8), OIDs
// as eight hexadecimal digits so that they sort; a key's text is also its name in caches. Values are JSON (records.ts) unless said otherwise.
//
//   mpg-keyspace                                    format marker, written by bootstrap
//   mc oid                                          next OID (decimal text); table ids and counter ids are OIDs too
//   mo OID                                          one record per object (records.ts), auxiliary ones of indexes, constraints, defaults too
//   mn class NAMESPACE name                         name → OID (decimal text); class: n schema, a role, r relation or index, t type
//   md CLASS OID SUB CLASS OID SUB                  dependency (dependent, referenced) → deptype letter
//   mD CLASS OID SUB CLASS OID SUB                  the same the other way round (referenced, dependent)
//   mt CLASS OID SUB                                comment (text)
//   mf                                              OIDs of the functions whose privileges were changed, which are rare: their calls look
//   ma ROLE NAMESPACE type                          default privileges: JSON acl; type as pg_default_acl.defaclobjtype
//   mA OID                                          what ANALYZE found out about a table (statistics.ts)
//   ms ROLE                                         settings: of the database (ROLE 0) or of a role in the database
//   mg ID                                           a table or counter id whose keys nobody refers to any more, or a temporary object
//                                                   does (temporary.ts): the clean-up job's work
//   mq ID, mr ID                                    counters of sequences and of row ids (storage/rows/keys.ts, sequences.ts)
//
// Where several nodes serve the keyspace (none of them holds what is not made again when it is lost):
//   mv                                              version of the catalogue and who wrote it (shared-versions.ts)
//   mw NODE                                         presence of a node (node-presence.ts)
//   mx OID, mX OID                                  a relation's gate: its record, and the key its holder keeps locked (gate-records.ts)
//   ml NUMBER, ml!                                  notifications and the head of their queue (session/store-notifications.ts)
//   mL TAG, mS TAG / HOLDER                         advisory locks: the lock's key, shared holders' (session/shared-advisory.ts)
//   mR ROLE / PLACE                                 a session of a role with a connection limit (server/connection-limits.ts)
//   mu NUMBER, mU QUESTION NUMBER                   nodes with sessions here, and what they answer each other (server/keyspace-peers.ts)
//   mz NODE, mY NODE                                in keyspace system: nodes by number and their mailboxes (server/node-mail.ts)
//
// Only the catalogue writes the keys of the first list, always inside a transaction that holds the key's lock.

import type { Oid } from '../base/ids.ts'
import { META } from '../storage/meta-prefixes.ts'

/** OIDs of the catalogues that object addresses name. */
export const CLASS = {
  type: 1247,
  proc: 1255,
  relation: 1259,
  role: 1260,
  authMembers: 1261,
  database: 1262,
  defaultAcl: 826,
  attrdef: 2604,
  constraint: 2606,
  language: 2612,
  namespace: 2615,
  opclass: 2616,
  operator: 2617,
  rewrite: 2618,
  trigger: 2620,
  collation: 3456,
  tablespace: 1213,
} as const

export const hex8 = (n: number): string => n.toString(16).padStart(8, '0')
const hex4 = (n: number): string => n.toString(16).padStart(4, '0')

/** pg_depend's way to name an object; subId is an attnum or 0. */
export interface ObjectAddress {
  readonly classId: Oid
  readonly objId: Oid
  readonly subId: number
}

export type NameClass = 'n' | 'a' | 'r' | 't'

export const MARKER_KEY = `${META.marker}g-keyspace`
export const OID_COUNTER_KEY = `${META.oidCounter} oid`
export const FUNCTION_ACLS_KEY = META.functionAcls
export const OBJECT_PREFIX = META.object
export const DEFAULT_ACL_PREFIX = META.defaultAcl
export const COMMENT_PREFIX = META.comment
export const DEPENDENCY_PREFIX = META.dependency
export const GARBAGE_PREFIX = META.garbage
export const SETTINGS_PREFIX = META.settings
export const STATISTICS_PREFIX = META.statistics

export const objectKey = (oid: Oid): string => `${META.object}${hex8(oid)}`
export const nameKey = (kind: NameClass, namespace: Oid, name: string): string => `${META.name}${kind}${hex8(namespace)}${name}`
export const namePrefix = (kind: NameClass, namespace: Oid): string => `${META.name}${kind}${hex8(namespace)}`
export const addressText = (a: ObjectAddress): string => `${hex8(a.classId)}${hex8(a.objId)}${hex4(a.subId)}`
export const dependencyKey = (from: ObjectAddress, to: ObjectAddress): string => `${META.dependency}${addressText(from)}${addressText(to)}`
export const reverseDependencyKey = (from: ObjectAddress, to: ObjectAddress): string =>
  `${META.reverseDependency}${addressText(to)}${addressText(from)}`
export const dependencyPrefix = (classId: Oid, objId: Oid): string => `${META.dependency}${hex8(classId)}${hex8(objId)}`
export const reverseDependencyPrefix = (classId: Oid, objId: Oid): string => `${META.reverseDependency}${hex8(classId)}${hex8(objId)}`
export const commentKey = (a: ObjectAddress): string => `${META.comment}${addressText(a)}`
export const commentPrefix = (classId: Oid, objId: Oid): string => `${META.comment}${hex8(classId)}${hex8(objId)}`
export const defaultAclKey = (role: Oid, namespace: Oid, type: string): string => `${META.defaultAcl}${hex8(role)}${hex8(namespace)}${type}`
export const parseDefaultAclKey = (key: string): { role: Oid; namespace: Oid; type: string } => ({
  role: Number.parseInt(key.slice(2, 10), 16),
  namespace: Number.parseInt(key.slice(10, 18), 16),
  type: key.slice(18),
})
export const settingsKey = (role: Oid): string => `${META.settings}${hex8(role)}`
export const statisticsKey = (table: Oid): string => `${META.statistics}${hex8(table)}`
export const connectionPlaceKey = (role: Oid, place: number): string => `${META.connectionPlace}${hex8(role)}/${place}`
export const garbageKey = (id: number): string => `${META.garbage}${hex8(id)}`

/** Reads an address back; `at` is the offset in the key's text. */
export function parseAddress(key: string, at: number): ObjectAddress {
  return {
    classId: Number.parseInt(key.slice(at, at + 8), 16),
    objId: Number.parseInt(key.slice(at + 8, at + 16), 16),
    subId: Number.parseInt(key.slice(at + 16, at + 20), 16),
  }
}
/** Length of an address in a key. */
export const ADDRESS_LENGTH = 20
