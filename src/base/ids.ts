// Branded numbers: two kinds of id never mix (tenancy K6).

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** A keyspace's id (24 bits on TiKV). Made only by the store's keyspace directory. */
export type KeyspaceId = Branded<number, 'KeyspaceId'>
/** The number that stands in a table's keys; changes when a table is rewritten, unlike its OID. */
export type TableId = Branded<number, 'TableId'>
/** The number that stands in an index's keys. */
export type IndexId = Branded<number, 'IndexId'>
/** A store timestamp: TSO on TiKV, commit counter on the embedded store. */
export type Timestamp = Branded<bigint, 'Timestamp'>
/** A PostgreSQL object id. Plain number: OIDs are SQL values too. */
export type Oid = number

export const keyspaceId = (n: number): KeyspaceId => n as KeyspaceId
export const tableId = (n: number): TableId => n as TableId
export const indexId = (n: number): IndexId => n as IndexId
export const timestamp = (n: bigint): Timestamp => n as Timestamp
