// What a statement is, from its raw tree alone: command tag, whether it may run in a read-only transaction, whether it answers rows.

import { type Node, type NodeOf, type NodeTag, nodeTag } from './nodes.ts'
import type { ParsedStatement } from './parse.ts'

export interface StatementClass {
  /** CommandComplete's tag without a count, e.g. SELECT, CREATE TABLE. */
  readonly tag: string
  /** Planned and executed (SELECT, INSERT, UPDATE, DELETE, MERGE); everything else is a utility command. */
  readonly optimizable: boolean
  /** Writes nothing (25006 otherwise in a read-only transaction). */
  readonly readOnly: boolean
  /** Answers rows: decided by the tree alone for optimizable statements; for EXECUTE and FETCH it may. */
  readonly returnsRows: boolean
  /** BEGIN, COMMIT, ROLLBACK, SAVEPOINT …: allowed as such in a failed transaction block. */
  readonly transactionControl: boolean
}

const make = (tag: string, readOnly: boolean, returnsRows = false, transactionControl = false): StatementClass => ({
  tag,
  optimizable: false,
  readOnly,
  returnsRows,
  transactionControl,
})
const dml = (tag: string, readOnly: boolean, returnsRows: boolean): StatementClass => ({
  tag,
  optimizable: true,
  readOnly,
  returnsRows,
  transactionControl: false,
})

const OBJECT_NAMES: Readonly<Record<string, string>> = {
  OBJECT_AGGREGATE: 'AGGREGATE',
  OBJECT_COLLATION: 'COLLATION',
  OBJECT_COLUMN: 'TABLE',
  OBJECT_DATABASE: 'DATABASE',
  OBJECT_DOMAIN: 'DOMAIN',
  OBJECT_DOMCONSTRAINT: 'DOMAIN',
  OBJECT_EXTENSION: 'EXTENSION',
  OBJECT_FUNCTION: 'FUNCTION',
  OBJECT_INDEX: 'INDEX',
  OBJECT_MATVIEW: 'MATERIALIZED VIEW',
  OBJECT_OPERATOR: 'OPERATOR',
  OBJECT_POLICY: 'POLICY',
  OBJECT_PROCEDURE: 'PROCEDURE',
  OBJECT_PUBLICATION: 'PUBLICATION',
  OBJECT_ROLE: 'ROLE',
  OBJECT_ROUTINE: 'ROUTINE',
  OBJECT_RULE: 'RULE',
  OBJECT_SCHEMA: 'SCHEMA',
  OBJECT_SEQUENCE: 'SEQUENCE',
  OBJECT_SUBSCRIPTION: 'SUBSCRIPTION',
  OBJECT_TABCONSTRAINT: 'TABLE',
  OBJECT_TABLE: 'TABLE',
  OBJECT_TABLESPACE: 'TABLESPACE',
  OBJECT_TRIGGER: 'TRIGGER',
  OBJECT_TSCONFIGURATION: 'TEXT SEARCH CONFIGURATION',
  OBJECT_TSDICTIONARY: 'TEXT SEARCH DICTIONARY',
  OBJECT_TYPE: 'TYPE',
  OBJECT_ATTRIBUTE: 'TYPE',
  OBJECT_VIEW: 'VIEW',
  OBJECT_CAST: 'CAST',
  OBJECT_EVENT_TRIGGER: 'EVENT TRIGGER',
  OBJECT_FOREIGN_TABLE: 'FOREIGN TABLE',
  OBJECT_FOREIGN_SERVER: 'SERVER',
  OBJECT_LANGUAGE: 'LANGUAGE',
  OBJECT_STATISTIC_EXT: 'STATISTICS',
  OBJECT_LARGEOBJECT: 'LARGE OBJECT',
}
const objectName = (type: string | undefined): string => OBJECT_NAMES[type ?? ''] ?? 'TABLE'

const TRANSACTION_TAGS: Readonly<Record<string, string>> = {
  TRANS_STMT_BEGIN: 'BEGIN',
  TRANS_STMT_START: 'START TRANSACTION',
  TRANS_STMT_COMMIT: 'COMMIT',
  TRANS_STMT_ROLLBACK: 'ROLLBACK',
  TRANS_STMT_SAVEPOINT: 'SAVEPOINT',
  TRANS_STMT_RELEASE: 'RELEASE',
  TRANS_STMT_ROLLBACK_TO: 'ROLLBACK',
  TRANS_STMT_PREPARE: 'PREPARE TRANSACTION',
  TRANS_STMT_COMMIT_PREPARED: 'COMMIT PREPARED',
  TRANS_STMT_ROLLBACK_PREPARED: 'ROLLBACK PREPARED',
}

/** Tags that follow from the node's tag alone; `true` = may run in a read-only transaction. */
const PLAIN: Partial<Record<NodeTag, readonly [string, boolean]>> = {
  AlterDatabaseRefreshCollStmt: ['ALTER DATABASE', false],
  AlterDatabaseSetStmt: ['ALTER DATABASE', false],
  AlterDatabaseStmt: ['ALTER DATABASE', false],
  AlterDefaultPrivilegesStmt: ['ALTER DEFAULT PRIVILEGES', false],
  AlterDomainStmt: ['ALTER DOMAIN', false],
  AlterEnumStmt: ['ALTER TYPE', false],
  AlterEventTrigStmt: ['ALTER EVENT TRIGGER', false],
  AlterExtensionContentsStmt: ['ALTER EXTENSION', false],
  AlterFdwStmt: ['ALTER FOREIGN DATA WRAPPER', false],
  AlterForeignServerStmt: ['ALTER SERVER', false],
  AlterFunctionStmt: ['ALTER FUNCTION', false],
  AlterOpFamilyStmt: ['ALTER OPERATOR FAMILY', false],
  AlterRoleSetStmt: ['ALTER ROLE', false],
  AlterRoleStmt: ['ALTER ROLE', false],
  AlterSeqStmt: ['ALTER SEQUENCE', false],
  AlterStatsStmt: ['ALTER STATISTICS', false],
  AlterSystemStmt: ['ALTER SYSTEM', false],
  AlterTSConfigurationStmt: ['ALTER TEXT SEARCH CONFIGURATION', false],
  AlterTSDictionaryStmt: ['ALTER TEXT SEARCH DICTIONARY', false],
  AlterTableMoveAllStmt: ['ALTER TABLE', false],
  AlterTableSpaceOptionsStmt: ['ALTER TABLESPACE', false],
  CallStmt: ['CALL', true],
  CheckPointStmt: ['CHECKPOINT', true],
  ClosePortalStmt: ['CLOSE CURSOR', true],
  ClusterStmt: ['CLUSTER', false],
  CommentStmt: ['COMMENT', false],
  CompositeTypeStmt: ['CREATE TYPE', false],
  ConstraintsSetStmt: ['SET CONSTRAINTS', true],
  CreateAmStmt: ['CREATE ACCESS METHOD', false],
  CreateCastStmt: ['CREATE CAST', false],
  CreateDomainStmt: ['CREATE DOMAIN', false],
  CreateEnumStmt: ['CREATE TYPE', false],
  CreateEventTrigStmt: ['CREATE EVENT TRIGGER', false],
  CreateExtensionStmt: ['CREATE EXTENSION', false],
  CreateFdwStmt: ['CREATE FOREIGN DATA WRAPPER', false],
  CreateForeignServerStmt: ['CREATE SERVER', false],
  CreateOpClassStmt: ['CREATE OPERATOR CLASS', false],
  CreateOpFamilyStmt: ['CREATE OPERATOR FAMILY', false],
  CreatePLangStmt: ['CREATE LANGUAGE', false],
  CreatePolicyStmt: ['CREATE POLICY', false],
  CreateRangeStmt: ['CREATE TYPE', false],
  CreateRoleStmt: ['CREATE ROLE', false],
  CreateSchemaStmt: ['CREATE SCHEMA', false],
  CreateSeqStmt: ['CREATE SEQUENCE', false],
  CreateStatsStmt: ['CREATE STATISTICS', false],
  CreateStmt: ['CREATE TABLE', false],
  CreateTableSpaceStmt: ['CREATE TABLESPACE', false],
  CreateTrigStmt: ['CREATE TRIGGER', false],
  CreatedbStmt: ['CREATE DATABASE', false],
  DeclareCursorStmt: ['DECLARE CURSOR', true],
  DoStmt: ['DO', true],
  DropOwnedStmt: ['DROP OWNED', false],
  DropRoleStmt: ['DROP ROLE', false],
  DropSubscriptionStmt: ['DROP SUBSCRIPTION', false],
  DropTableSpaceStmt: ['DROP TABLESPACE', false],
  DropUserMappingStmt: ['DROP USER MAPPING', false],
  DropdbStmt: ['DROP DATABASE', false],
  IndexStmt: ['CREATE INDEX', false],
  ListenStmt: ['LISTEN', true],
  LoadStmt: ['LOAD', true],
  LockStmt: ['LOCK TABLE', true],
  NotifyStmt: ['NOTIFY', true],
  PrepareStmt: ['PREPARE', true],
  ReassignOwnedStmt: ['REASSIGN OWNED', false],
  RefreshMatViewStmt: ['REFRESH MATERIALIZED VIEW', false],
  ReindexStmt: ['REINDEX', false],
  RuleStmt: ['CREATE RULE', false],
  SecLabelStmt: ['SECURITY LABEL', false],
  TruncateStmt: ['TRUNCATE TABLE', false],
  UnlistenStmt: ['UNLISTEN', true],
  ViewStmt: ['CREATE VIEW', false],
}

/** The INTO of a UNION stands in its leftmost SELECT. */
export function intoOf(select: NodeOf['SelectStmt']): NodeOf['SelectStmt']['intoClause'] {
  let leftmost = select
  while (leftmost.intoClause === undefined && leftmost.larg !== undefined) leftmost = leftmost.larg
  return leftmost.intoClause
}

/** A SELECT that writes: SELECT INTO, row locks, a modifying CTE. */
function selectIsReadOnly(select: NodeOf['SelectStmt']): boolean {
  if (intoOf(select) !== undefined || (select.lockingClause?.length ?? 0) > 0) return false
  return ctesReadOnly(select.withClause)
}
function ctesReadOnly(clause: NodeOf['WithClause'] | undefined): boolean {
  return (clause?.ctes ?? []).every((cte) => {
    const query = (cte as NodeOf).CommonTableExpr.ctequery as NodeOf | undefined
    return query?.SelectStmt !== undefined && selectIsReadOnly(query.SelectStmt)
  })
}

export function classifyNode(node: Node): StatementClass {
  const tag = nodeTag(node)
  const n = node as NodeOf
  switch (tag) {
    case 'SelectStmt':
      if (intoOf(n.SelectStmt) !== undefined) return make('SELECT INTO', false)
      return dml('SELECT', selectIsReadOnly(n.SelectStmt), true)
    case 'InsertStmt':
      return dml('INSERT', false, n.InsertStmt.returningClause !== undefined)
    case 'UpdateStmt':
      return dml('UPDATE', false, n.UpdateStmt.returningClause !== undefined)
    case 'DeleteStmt':
      return dml('DELETE', false, n.DeleteStmt.returningClause !== undefined)
    case 'MergeStmt':
      return dml('MERGE', false, n.MergeStmt.returningClause !== undefined)
    case 'TransactionStmt': {
      const kind = n.TransactionStmt.kind ?? ''
      const prepared = kind.includes('PREPARE')
      return make(TRANSACTION_TAGS[kind] ?? 'TRANSACTION', !prepared, false, true)
    }
    case 'CopyStmt':
      return make('COPY', !n.CopyStmt.is_from)
    case 'ExplainStmt': {
      const analyze = (n.ExplainStmt.options ?? []).some((option) => (option as NodeOf).DefElem.defname === 'analyze')
      return make('EXPLAIN', analyze ? classifyNode(n.ExplainStmt.query!).readOnly : true, true)
    }
    case 'CreateTableAsStmt': {
      if (n.CreateTableAsStmt.is_select_into) return make('SELECT INTO', false)
      return make(n.CreateTableAsStmt.objtype === 'OBJECT_MATVIEW' ? 'CREATE MATERIALIZED VIEW' : 'CREATE TABLE AS', false)
    }
    case 'VariableSetStmt':
      return make(n.VariableSetStmt.kind?.startsWith('VAR_RESET') ? 'RESET' : 'SET', true)
    case 'VariableShowStmt':
      return make('SHOW', true, true)
    case 'DiscardStmt':
      return make(`DISCARD ${(n.DiscardStmt.target ?? 'DISCARD_ALL').slice(8)}`, true)
    case 'ExecuteStmt':
      return make('EXECUTE', true, true)
    case 'DeallocateStmt':
      return make(n.DeallocateStmt.isall || n.DeallocateStmt.name === undefined ? 'DEALLOCATE ALL' : 'DEALLOCATE', true)
    case 'FetchStmt':
      return make(n.FetchStmt.ismove ? 'MOVE' : 'FETCH', true, !n.FetchStmt.ismove)
    case 'DropStmt':
      return make(`DROP ${objectName(n.DropStmt.removeType)}`, false)
    case 'RenameStmt':
      return make(
        `ALTER ${objectName(n.RenameStmt.relationType && n.RenameStmt.renameType === 'OBJECT_COLUMN' ? n.RenameStmt.relationType : n.RenameStmt.renameType)}`,
        false,
      )
    case 'AlterObjectSchemaStmt':
      return make(`ALTER ${objectName(n.AlterObjectSchemaStmt.objectType)}`, false)
    case 'AlterOwnerStmt':
      return make(`ALTER ${objectName(n.AlterOwnerStmt.objectType)}`, false)
    case 'AlterTableStmt':
      return make(`ALTER ${objectName(n.AlterTableStmt.objtype)}`, false)
    case 'DefineStmt':
      return make(`CREATE ${objectName(n.DefineStmt.kind)}`, false)
    case 'GrantStmt':
      return make(n.GrantStmt.is_grant ? 'GRANT' : 'REVOKE', false)
    case 'GrantRoleStmt':
      return make(n.GrantRoleStmt.is_grant ? 'GRANT ROLE' : 'REVOKE ROLE', false)
    case 'CreateFunctionStmt':
      return make(n.CreateFunctionStmt.is_procedure ? 'CREATE PROCEDURE' : 'CREATE FUNCTION', false)
    case 'VacuumStmt':
      return make(n.VacuumStmt.is_vacuumcmd ? 'VACUUM' : 'ANALYZE', true)
    default: {
      const plain = PLAIN[tag]
      if (plain !== undefined) return make(plain[0], plain[1])
      return make(
        tag
          .replace(/Stmt$/, '')
          .replace(/([a-z])([A-Z])/g, '$1 $2')
          .toUpperCase(),
        false,
      )
    }
  }
}

export function classify(statement: ParsedStatement): StatementClass {
  if (statement.tenant === null) return classifyNode(statement.node!)
  const { tag, readOnly, returnsRows } = statement.tenant
  return make(tag, readOnly, returnsRows)
}
