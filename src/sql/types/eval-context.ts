// What a function body may ask of the session that runs it. Declared here, low, and implemented by session/: bodies know no session.

import type { CancelToken } from '../../base/cancel.ts'
import type { Notice } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { MemoryAccount } from '../../base/memory.ts'
import type { TypeSupport } from './type.ts'

/** The settings that change how values read and print. One immutable object, replaced as a whole by SET. */
export interface IoSettings {
  readonly dateStyle: 'ISO' | 'SQL' | 'Postgres' | 'German'
  readonly dateOrder: 'MDY' | 'DMY' | 'YMD'
  readonly intervalStyle: 'postgres' | 'postgres_verbose' | 'sql_standard' | 'iso_8601'
  /** IANA name, POSIX form or offset, as SET TIME ZONE took it. */
  readonly timeZone: string
  /** The set that says what abbreviations mean that the time zone does not use itself. */
  readonly timeZoneAbbreviations: string
  readonly extraFloatDigits: number
  readonly byteaOutput: 'hex' | 'escape'
  readonly xmlBinary: 'base64' | 'hex'
  readonly standardConformingStrings: boolean
  /** Who names what the reg* types print; without it they print OIDs. */
  readonly catalog?: CatalogLookup
}

/** Microseconds since 2000-01-01 UTC; number while safe, else bigint (see base/datum.ts). */
export type Micros = number | bigint

/** The columns of pg_type that a polymorphic body reads. */
export interface TypeShape {
  readonly oid: Oid
  readonly typname: string
  /** b base, c composite, d domain, e enum, p pseudo, r range, m multirange. */
  readonly typtype: string
  readonly typcategory: string
  /** Of an array: its element; of an element: its array; 0 = none. */
  readonly typelem: Oid
  readonly typarray: Oid
  readonly typbasetype: Oid
  readonly typtypmod: number
  readonly typrelid: Oid
}

/** Names and OIDs for the reg* types, has_*_privilege and the like; own catalogue and search path of the session. */
export interface CatalogLookup {
  /** Of any type, the tenant's own included. 42704 when there is none, 0A000 when it has no support yet. */
  typeSupport(oid: Oid): TypeSupport
  typeShape(oid: Oid): TypeShape | null
  /** Name and type of a composite type's columns (dropped ones left out). */
  compositeColumns(type: Oid): readonly { readonly name: string; readonly type: Oid; readonly typmod: number; readonly attnum: number }[]
  /** Resolves a possibly qualified, possibly quoted name; null when there is none. Errors on bad syntax (42602, 42601) and another database (0A000). */
  toRelation(name: string): Oid | null
  toType(name: string): { oid: Oid; typmod: number } | null
  /** 42704 or 3F000 when there is none. */
  requireType(name: string): { oid: Oid; typmod: number }
  toProc(name: string, withArguments: boolean): Oid[]
  toOperator(name: string, withArguments: boolean): Oid[]
  toNamespace(name: string): Oid | null
  toRole(name: string): Oid | null
  toCollation(name: string): Oid | null
  toTextSearchConfig(name: string): Oid | null
  toTextSearchDictionary(name: string): Oid | null
  /** The name as reg* output prints it: qualified only if the search path does not find it; null when the OID is unknown. */
  relationName(oid: Oid): string | null
  /** `typmod` null or not given: the type alone; -1: the type without a modifier, which `bpchar` says and `character` does not. */
  typeName(oid: Oid, typmod?: number | null): string | null
  procName(oid: Oid, withArguments: boolean): string | null
  operatorName(oid: Oid, withArguments: boolean): string | null
  namespaceName(oid: Oid): string | null
  roleName(oid: Oid): string | null
  collationName(oid: Oid): string | null
  textSearchConfigName(oid: Oid): string | null
  textSearchDictionaryName(oid: Oid): string | null
}

export interface SequenceAccess {
  /** `internal`: for an identity column, whose sequence needs no privilege of its own. */
  nextval(sequence: Oid, internal?: boolean): MaybePromise<number | bigint>
  currval(sequence: Oid): number | bigint
  lastval(): number | bigint
  setval(sequence: Oid, value: number | bigint, isCalled: boolean): MaybePromise<number | bigint>
}

/** Settings by name, custom ones (`app.tenant`) included. */
export interface SettingAccess {
  /** Null when unknown and `missingOk`; 42704 otherwise. */
  show(name: string, missingOk: boolean): string | null
  set(name: string, value: string, local: boolean): void
  /** What SET would refuse to do, as its error: for a value that later sessions start with; null: one that they no longer do. */
  check(name: string, value: string | null): void
}

/** Who runs this. */
export interface SessionFacts {
  readonly currentUser: Oid
  readonly sessionUser: Oid
  readonly currentUserName: string
  readonly sessionUserName: string
  readonly database: string
  readonly keyspace: string
  readonly backendPid: number
  readonly applicationName: string
  readonly clientAddress: string | null
  readonly clientPort: number | null
  readonly serverAddress: string | null
  readonly serverPort: number | null
  /** Microseconds as a timestamptz. */
  readonly backendStart: Micros
  readonly serverStart: Micros
  /** current_schemas(includeImplicit) */
  searchPath(includeImplicit: boolean): readonly string[]
}

export interface EvalContext {
  readonly io: IoSettings
  /** now(), statement_timestamp(), and the clock itself. */
  readonly transactionTimestamp: Micros
  readonly statementTimestamp: Micros
  clockTimestamp(): Micros
  /** random() and friends; seeded by setseed. Uniform in [0, 1). */
  random(): number
  setSeed(seed: number): void
  readonly session: SessionFacts
  readonly settings: SettingAccess
  readonly catalog: CatalogLookup
  readonly sequences: SequenceAccess
  readonly memory: MemoryAccount
  readonly cancel: CancelToken
  notice(notice: Notice): void
  /**
   * What only higher rooms can do (advisory locks, pg_cancel_backend, pg_get_viewdef, pg_relation_size, has_table_privilege …), by prosrc.
   * Those rooms register their bodies; sql/functions calls them without knowing where they live.
   */
  system(prosrc: string): ((...args: readonly unknown[]) => unknown) | undefined
}

/** The system function that checks a value (second argument, NULL included) by a domain's rules (OID, first argument). */
export const DOMAIN_CHECK = 'domain_check'
