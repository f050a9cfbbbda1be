// Utility statements by node tag: definitions, roles, privileges, maintenance. Transaction control, settings, cursors, COPY, EXPLAIN and
// tenant statements are the session's own.

import { notSupported } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { type Node, type NodeOf, type NodeTag, nodeTag } from '../parser/nodes.ts'
import { alterTableStatement } from './alter-table.ts'
import { vacuum } from './analyze.ts'
import { cluster } from './cluster.ts'
import { comment } from './comment.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { createTable } from './create-table.ts'
import { createTableAs } from './create-table-as.ts'
import { alterDefaultPrivileges } from './default-privileges.ts'
import { alterDomain, createDomain } from './domain.ts'
import { drop } from './drop.ts'
import { dropSubscription, dropTablespace, dropUserMapping } from './drop-builtin.ts'
import { grant } from './grant.ts'
import { createIndex, reindex } from './index.ts'
import { checkpoint, lockTable } from './maintenance.ts'
import { alterObjectSchema, alterOwner, dropOwned, reassignOwned } from './owner.ts'
import { rename } from './rename.ts'
import { alterRole, createRole, dropRole } from './role.ts'
import { grantRole } from './role-membership.ts'
import { alterDatabaseSet, alterRoleSet } from './role-settings.ts'
import { createSchema } from './schema.ts'
import { selectInto } from './select-into.ts'
import { alterSequence, createSequence } from './sequence.ts'
import { truncate } from './truncate.ts'
import { alterEnum, createComposite, createEnum } from './types.ts'
import { createView } from './view.ts'

type Command<T extends NodeTag> = (c: CommandContext, stmt: NodeOf[T]) => Promise<CommandResult>
type Commands = { readonly [T in NodeTag]?: Command<T> }

const COMMANDS: Commands = {
  AlterDatabaseSetStmt: alterDatabaseSet,
  AlterDefaultPrivilegesStmt: alterDefaultPrivileges,
  AlterDomainStmt: alterDomain,
  AlterEnumStmt: alterEnum,
  AlterObjectSchemaStmt: alterObjectSchema,
  AlterOwnerStmt: alterOwner,
  AlterRoleSetStmt: alterRoleSet,
  AlterRoleStmt: alterRole,
  AlterSeqStmt: alterSequence,
  AlterTableStmt: alterTableStatement,
  CheckPointStmt: checkpoint,
  ClusterStmt: cluster,
  CommentStmt: comment,
  CompositeTypeStmt: createComposite,
  CreateDomainStmt: createDomain,
  CreateEnumStmt: createEnum,
  CreateRoleStmt: createRole,
  CreateSchemaStmt: (c, stmt) => createSchema(c, stmt, async (context, node) => executeUtility(node, context)),
  CreateSeqStmt: createSequence,
  CreateStmt: createTable,
  CreateTableAsStmt: createTableAs,
  DropOwnedStmt: dropOwned,
  DropRoleStmt: dropRole,
  DropStmt: drop,
  DropSubscriptionStmt: dropSubscription,
  DropTableSpaceStmt: dropTablespace,
  DropUserMappingStmt: dropUserMapping,
  GrantRoleStmt: grantRole,
  GrantStmt: grant,
  IndexStmt: createIndex,
  LockStmt: lockTable,
  ReassignOwnedStmt: reassignOwned,
  ReindexStmt: reindex,
  RenameStmt: rename,
  TruncateStmt: truncate,
  VacuumStmt: vacuum,
  ViewStmt: createView,
}

/** Statements PostgreSQL has and this server does not, with a word about what to do instead where there is one. */
const HINTS: Readonly<Record<string, string>> = {
  CreatedbStmt: 'One keyspace is one database. Use CREATE TENANT to make another.',
  DropdbStmt: 'One keyspace is one database. Use DROP TENANT.',
}

/** True when `executeUtility` is the one to call; SELECT … INTO too. */
export function isUtility(node: Node): boolean {
  const tag = nodeTag(node)
  return tag in COMMANDS || (tag === 'SelectStmt' && selectInto(node) !== null)
}

/** Runs one utility statement. It neither begins nor ends a transaction. */
export function executeUtility(node: Node, c: CommandContext): MaybePromise<CommandResult> {
  const tag = nodeTag(node)
  if (tag === 'SelectStmt') {
    const into = selectInto(node)
    if (into !== null) return createTableAs(c, into)
  }
  const command = COMMANDS[tag] as Command<NodeTag> | undefined
  if (command === undefined) throw notSupported(`${tag.replace(/Stmt$/, '')} is not supported`, HINTS[tag])
  return command(c, (node as NodeOf)[tag])
}
