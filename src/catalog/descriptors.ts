// What the catalogue keeps of each user object: immutable, JSON-able records in the keyspace's `m` keys. Built-in objects are rows of
// sql/builtin and never stand here. Field names follow PostgreSQL's catalogue columns in camelCase.

import type { IndexId, Oid, TableId } from '../base/ids.ts'
import type { StoredValue } from '../sql/types/stored-value.ts'

/** A bound expression or query written out (sql/analyzer/stored.ts reads and writes it); opaque to the catalogue. */
export type StoredNode = string

/** aclitem: bit sets of ACL_* (catalog/acl.ts). grantee 0 = PUBLIC. */
export interface AclItem {
  readonly grantee: Oid
  readonly grantor: Oid
  readonly privileges: number
  readonly grantOptions: number
}
/** Null = the default privileges of its kind of object. */
export type Acl = readonly AclItem[] | null

export interface NamespaceDescriptor {
  readonly oid: Oid
  readonly name: string
  readonly owner: Oid
  readonly acl: Acl
}

export interface RoleDescriptor {
  readonly oid: Oid
  readonly name: string
  readonly superuser: boolean
  readonly inherit: boolean
  readonly createRole: boolean
  readonly createDb: boolean
  readonly canLogin: boolean
  readonly replication: boolean
  readonly bypassRls: boolean
  readonly connectionLimit: number
  /** SCRAM verifier; null = no password. Never leaves catalog/ and auth/. */
  readonly password: string | null
  /** timestamptz µs; null = for ever; 'infinity' is kept as text. */
  readonly validUntil: number | 'infinity' | null
  /** ALTER ROLE … SET. */
  readonly settings: Readonly<Record<string, string>>
  /** Roles this role is a member of. */
  readonly memberOf: readonly {
    readonly oid: Oid
    readonly role: Oid
    readonly grantor: Oid
    readonly admin: boolean
    readonly inherit: boolean
    readonly set: boolean
  }[]
}

export interface NotNullConstraint {
  readonly oid: Oid
  readonly name: string
  readonly noInherit: boolean
  /** Rows from before it may have NULLs. Absent: none has. */
  readonly notValid?: boolean
}

export interface ColumnDescriptor {
  /** attnum, from 1; never used again after a drop, so it is also the column id in stored rows. */
  readonly attnum: number
  readonly name: string
  readonly type: Oid
  readonly typmod: number
  /** Of an array: how many dimensions it was declared with, which binds nobody. Absent in older records: 1. */
  readonly dims?: number
  readonly collation: Oid
  readonly notNull: boolean
  /** The not-null constraint's name and OID (PostgreSQL 18 names them); null where there is none. */
  readonly notNullConstraint: NotNullConstraint | null
  readonly dropped: boolean
  readonly default: { readonly oid: Oid; readonly expr: StoredNode } | null
  /** GENERATED ALWAYS AS (expr): `default.expr` is the expression. */
  readonly generated: '' | 's' | 'v'
  readonly identity: '' | 'a' | 'd'
  /** Sequence of an identity column, else 0. */
  readonly identitySequence: Oid
  /** Value that rows written before ADD COLUMN … DEFAULT have; null = NULL. */
  readonly missingValue: StoredValue | null
  readonly acl: Acl
  readonly statisticsTarget: number | null
  readonly storage: string
  readonly compression: string
  readonly options: readonly string[] | null
}

export interface IndexColumn {
  /** attnum, or 0: `expr` holds the expression. */
  readonly attnum: number
  readonly expr: StoredNode | null
  /** Of an expression: what the column is called. Absent: `expr`. */
  readonly name?: string
  readonly type: Oid
  readonly collation: Oid
  readonly opclass: Oid
  readonly descending: boolean
  readonly nullsFirst: boolean
}

export type IndexState = 'public' | 'delete-only' | 'write-only' | 'invalid'

export interface IndexDescriptor {
  readonly oid: Oid
  readonly name: string
  readonly id: IndexId
  readonly accessMethod: Oid
  readonly unique: boolean
  readonly primary: boolean
  /** Of a DEFERRABLE constraint: rows may have the same key for a while. Absent: no. */
  readonly deferrable?: boolean
  readonly nullsNotDistinct: boolean
  readonly columns: readonly IndexColumn[]
  /** INCLUDE columns' attnums. */
  readonly include: readonly number[]
  readonly predicate: StoredNode | null
  readonly state: IndexState
  readonly options: readonly string[] | null
}

/** Whether there are never two rows of one key: the index is unique, and at once. */
export function provesUnique(index: IndexDescriptor): boolean {
  return index.unique && index.deferrable !== true
}

/** Whether the index is the table's own order: rows are found by its key and nothing else. */
export function isRowKey(index: IndexDescriptor): boolean {
  return index.primary && provesUnique(index)
}

export type ForeignKeyAction = 'a' | 'r' | 'c' | 'n' | 'd'
export type ConstraintDescriptor = {
  readonly oid: Oid
  readonly name: string
  readonly deferrable: boolean
  readonly deferred: boolean
  readonly validated: boolean
  readonly enforced: boolean
} & (
  | { readonly type: 'c'; readonly expr: StoredNode; readonly columns: readonly number[]; readonly noInherit: boolean }
  | { readonly type: 'p' | 'u'; readonly index: Oid; readonly columns: readonly number[] }
  | {
      readonly type: 'f'
      readonly columns: readonly number[]
      readonly referencedTable: Oid
      readonly referencedColumns: readonly number[]
      /** The unique index of the referenced table that the key uses. */
      readonly referencedIndex: Oid
      readonly onUpdate: ForeignKeyAction
      readonly onDelete: ForeignKeyAction
      readonly matchType: 's' | 'f'
      /** ON DELETE SET NULL|DEFAULT (columns); empty = all. */
      readonly deleteSetColumns: readonly number[]
      /** Equality operators pk = fk, pk = pk, fk = fk, one per column. */
      readonly pfEqOps: readonly Oid[]
      readonly ppEqOps: readonly Oid[]
      readonly ffEqOps: readonly Oid[]
    }
)

export interface TableDescriptor {
  readonly id: TableId
  /** OID of the primary key's index, or 0: rows then have hidden row ids. The primary key's columns are the row's key. */
  readonly primaryKey: Oid
  readonly indexes: readonly IndexDescriptor[]
  readonly constraints: readonly ConstraintDescriptor[]
  /** Foreign keys of other tables (or this one) that refer to this table. */
  readonly inboundForeignKeys: readonly { readonly table: Oid; readonly constraint: Oid }[]
  readonly nextIndexId: number
  /** ANALYZE's and the store's estimate; -1 = never analyzed. */
  readonly relTuples: number
  readonly relPages: number
  readonly rowSecurity: boolean
  readonly forceRowSecurity: boolean
  readonly replicaIdentity: string
  /** The index that REPLICA IDENTITY USING INDEX named, while it is there. */
  readonly replicaIdentityIndex?: Oid
  /** The index that CLUSTER took last, while it is there; 0 or absent: none. */
  readonly clusteredIndex?: Oid
  /** ON COMMIT DELETE ROWS or DROP; only temporary tables have one. */
  readonly onCommit?: 'delete' | 'drop'
}

export interface SequenceDescriptor {
  readonly type: Oid
  readonly start: string
  readonly increment: string
  readonly min: string
  readonly max: string
  readonly cache: number
  readonly cycle: boolean
  /** Owning column ('auto' = serial, 'internal' = identity); null = free. */
  readonly ownedBy: { readonly table: Oid; readonly attnum: number; readonly deptype: 'a' | 'i' } | null
  /** Number in the keys of its counter; changes on RESTART of a transaction's own. */
  readonly counterId: number
}

export interface ViewDescriptor {
  readonly query: StoredNode
  readonly checkOption: 'none' | 'local' | 'cascaded'
  readonly securityBarrier: boolean
  readonly securityInvoker: boolean
}

/** pg_class.relkind: r table, v view, S sequence, c composite type. Indexes stand inside their table (`indexTable` finds it). */
export interface RelationDescriptor {
  readonly oid: Oid
  readonly name: string
  readonly namespace: Oid
  readonly owner: Oid
  readonly kind: 'r' | 'v' | 'S' | 'c'
  readonly persistence: 'p' | 'u' | 't'
  readonly acl: Acl
  /** OIDs of its row type and that type's array; 0 for sequences. */
  readonly rowType: Oid
  readonly rowArrayType: Oid
  /** attnum - 1 → column; dropped ones stay in place. */
  readonly columns: readonly ColumnDescriptor[]
  readonly options: readonly string[] | null
  readonly table: TableDescriptor | null
  readonly sequence: SequenceDescriptor | null
  readonly view: ViewDescriptor | null
  /** Grows with each change of this descriptor: plan caches compare it. */
  readonly version: number
}

/** A user type that is not a row type: room for enums, domains, ranges. */
export interface TypeDescriptor {
  readonly oid: Oid
  readonly name: string
  readonly namespace: Oid
  readonly owner: Oid
  readonly acl: Acl
  readonly arrayType: Oid
  readonly definition:
    | { readonly kind: 'enum'; readonly labels: readonly { readonly oid: Oid; readonly label: string; readonly sortOrder: number }[] }
    | {
        readonly kind: 'domain'
        readonly baseType: Oid
        readonly typmod: number
        /** As a column's. */
        readonly dims?: number
        readonly collation: Oid
        readonly notNullConstraint: { readonly oid: Oid; readonly name: string } | null
        readonly default: StoredNode | null
        /** As it was printed when it was declared (pg_type.typdefault). Absent in older records. */
        readonly defaultText?: string
        readonly checks: readonly { readonly oid: Oid; readonly name: string; readonly expr: StoredNode; readonly validated: boolean }[]
      }
}

/** A domain's named constraints, NOT NULL included; none of any other type. */
export function domainConstraints({
  definition,
}: Pick<TypeDescriptor, 'definition'>): readonly { readonly oid: Oid; readonly name: string }[] {
  if (definition.kind !== 'domain') return []
  return definition.notNullConstraint === null ? definition.checks : [...definition.checks, definition.notNullConstraint]
}

/** Whether no row has NULL in the column. */
export function provesNotNull(column: { readonly notNull: boolean } & Partial<Pick<ColumnDescriptor, 'notNullConstraint'>>): boolean {
  return column.notNull && column.notNullConstraint?.notValid !== true
}

/** A table's named constraints, its columns' NOT NULL included. */
export function tableConstraints(table: RelationDescriptor): readonly { readonly oid: Oid; readonly name: string }[] {
  return [...(table.table?.constraints ?? []), ...table.columns.flatMap((column) => column.notNullConstraint ?? [])]
}

/** One of a relation's or column's `name=value` options. */
export function optionValue(options: readonly string[] | null, name: string): string | null {
  return options?.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1) ?? null
}
