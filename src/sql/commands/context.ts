// What a utility statement runs with: the transaction, its catalogue, the session's facts, and ports to what stands above or beside
// (password verifiers, running queries, building and checking table contents). The session makes one per statement.

import type { Datum, Row } from '../../base/datum.ts'
import type { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { ReaderSnapshot } from '../../catalog/catalog-snapshot.ts'
import type { ConstraintDescriptor, IndexDescriptor, RelationDescriptor, StoredNode } from '../../catalog/descriptors.ts'
import type { ObjectAddress } from '../../catalog/keys.ts'
import type { RelationLockMode } from '../../catalog/object-locks.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { CatalogTransaction } from '../../catalog/transaction.ts'
import type { CatalogWriter } from '../../catalog/writer.ts'
import type { Transaction } from '../../storage/store.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { Query } from '../analyzer/query.ts'
import type { AnalyzedTable, AnalyzeRequest } from '../executor/analyze.ts'
import type { ExecuteStmt, Node, TypeName } from '../parser/nodes.ts'
import type { EvalContext } from '../types/eval-context.ts'
import type { StoredValue } from '../types/stored-value.ts'

/** What an expression of a definition may refer to and what it is for (PostgreSQL's error texts differ). */
export interface ExpressionScope {
  readonly purpose: 'default' | 'generated' | 'check' | 'index' | 'index predicate' | 'using' | 'domain check'
  /** The relation whose columns may be named; null = none. */
  readonly relation: RelationInfo | null
  /** Assignment-coerced to this column's type (default, generated, using). */
  readonly target: { readonly column: string; readonly type: Oid; readonly typmod: number } | null
  /** VALUE of a domain's CHECK. */
  readonly domain?: { readonly type: Oid; readonly typmod: number }
  /** Another error in place of the one that says the value cannot be cast to the target. */
  readonly automatic?: (error: PgError) => PgError
}

/** The analyzer as DDL uses it. Implemented over sql/analyzer in analysis.ts; synchronous ones may throw CatalogMiss inside. */
export interface Analysis {
  /** `dims`: how many dimensions of an array are written. */
  typeName(node: TypeName): Promise<{ type: Oid; typmod: number; collation: Oid; dims: number }>
  /** `location`: where it stands in the statement. */
  collation(names: readonly string[], location?: number): Promise<Oid>
  expression(node: Node, scope: ExpressionScope): Promise<Expr>
  query(node: Node): Promise<Query>
  store(tree: Expr | Query): StoredNode
  loadExpression(stored: StoredNode): Expr
  /** The keyspace's own objects that the tree refers to; `relation` is what an expression's columns belong to, 0 for queries. */
  dependencies(tree: Expr | Query, relation: Oid): ObjectAddress[]
  /** The expression's text, for error messages and names (`lower(name)`). */
  deparse(stored: StoredNode, relation: Oid): string
}

/** Work on rows, done by the executor inside the same transaction. Descriptors given are the new ones. */
export interface DataPort {
  /** Enters every row of the table into a new index; 23505 when unique and violated. */
  buildIndex(table: RelationDescriptor, index: IndexDescriptor): Promise<void>
  /** Copies all rows of `from` into `to` (a new table id) with new column values; null = the column as it is. Checks and indexes included. */
  rewriteTable(from: RelationDescriptor, to: RelationDescriptor, values: readonly (Expr | null)[]): Promise<void>
  /** 23514, 23502 or 23503 in ALTER TABLE's words when an existing row violates it. */
  validateCheck(table: RelationDescriptor, constraint: ConstraintDescriptor): Promise<void>
  validateNotNull(table: RelationDescriptor, attnums: readonly number[]): Promise<void>
  validateForeignKey(table: RelationDescriptor, constraint: ConstraintDescriptor): Promise<void>
  /** A constant expression's value, for rows written before ADD COLUMN; undefined when it is not constant. */
  missingValue(expr: Expr): Promise<{ value: StoredValue | null } | undefined>
  /** Runs the query into the table; answers rows. */
  insertQuery(query: Query, into: RelationDescriptor): Promise<number>
  isEmpty(table: RelationDescriptor): Promise<boolean>
  /** What a sample of the rows tells of their number and their values. */
  analyze(table: RelationDescriptor, request: Omit<AnalyzeRequest, 'knownRows'>): Promise<AnalyzedTable>
  /** First value of a new or restarted sequence's counter (transactional: a fresh counter id). */
  resetSequence(counterId: number, lastValue: string, isCalled: boolean): Promise<void>
  /** Where the sequence stands, null = never used. */
  sequenceState(counterId: number): Promise<{ lastValue: string; isCalled: boolean } | null>
}

export interface CommandPorts {
  readonly data: DataPort
  /** What EXECUTE would run: the prepared statement's query, in which its arguments are constants. 42809 unless it is a SELECT. */
  executedQuery(node: ExecuteStmt): Promise<Query>
  /** A SCRAM verifier of a plain password, or the same text when it is a verifier already; null: the password is empty, which is none. */
  makeVerifier(password: string): MaybePromise<string | null>
  /** Whether an open cursor or a suspended portal of the session reads the relation. */
  isUsed(relation: Oid): boolean
  /** Whether checks of the table's rows wait for the end of the transaction: they know the rows as they are stored now. */
  hasPendingChecks(table: Oid): boolean
  /** Runs DDL made of other statements (CREATE SCHEMA's elements) in the same context. */
  readonly maxIdentifierBytes?: number
}

export interface CommandContext {
  readonly catalog: CatalogTransaction
  readonly snapshot: ReaderSnapshot
  readonly writer: CatalogWriter
  readonly txn: Transaction
  readonly ctx: EvalContext
  readonly analysis: Analysis
  readonly ports: CommandPorts
  /** Inside BEGIN … COMMIT, or one of several statements of an implicit transaction. */
  readonly inTransactionBlock: boolean
  /** 25001 there. */
  preventInTransactionBlock(command: string): void
  /** The statement's source: deparsed types and defaults never come from it, positions do. */
  readonly source: string
  /** Takes the relation's lock for this transaction: now or later; then the catalogue is read anew. */
  lock(oid: Oid, mode: RelationLockMode, name: string, wait?: boolean): MaybePromise<void>
}

export interface ResultColumn {
  readonly name: string
  readonly type: Oid
}
export interface CommandResult {
  /** Command tag, as CommandComplete sends it. */
  readonly tag: string
  readonly columns?: readonly ResultColumn[]
  readonly rows?: readonly Row[]
}

export type { Datum }
