// CREATE SCHEMA with its elements. ALTER and DROP are in rename.ts, owner.ts and drop.ts.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import { databaseMask, permissionDenied } from '../../catalog/privileges.ts'
import { checkCanSetRole } from '../../catalog/roles.ts'
import type { CreateSchemaStmt, Node } from '../parser/nodes.ts'
import { quoteIdentifier } from '../types/quote.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defaultAclFor } from './default-privileges.ts'
import { load, roleOfSpec } from './names.ts'

export async function createSchema(
  c: CommandContext,
  stmt: CreateSchemaStmt,
  execute: (c: CommandContext, node: Node) => Promise<CommandResult>,
): Promise<CommandResult> {
  const user = c.ctx.session.currentUser
  const spec = stmt.authrole
  const owner = spec === undefined ? (await load(() => c.snapshot.role(user)))! : await load(() => roleOfSpec(c, spec))
  const name = stmt.schemaname ?? owner.name
  if (await load(() => databaseMask(c.snapshot, user, ACL.create) === 0)) throw permissionDenied('database', c.ctx.session.database)
  await load(() => checkCanSetRole(c.snapshot, user, owner))
  if (name.startsWith('pg_'))
    throw new PgError(SQLSTATE.reservedName, `unacceptable schema name "${name}"`, {
      detail: 'The prefix "pg_" is reserved for system schemas.',
    })
  if ((await load(() => c.snapshot.namespaceByName(name))) !== null) {
    if (!stmt.if_not_exists) throw new PgError(SQLSTATE.duplicateSchema, `schema "${name}" already exists`)
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.duplicateSchema, message: `schema "${name}" already exists, skipping` })
    return { tag: 'CREATE SCHEMA' }
  }
  const oid = await c.writer.newOid()
  await c.writer.createNamespace({ oid, name, owner: owner.oid, acl: await defaultAclFor(c, 'n', owner.oid, 0) })
  if ((stmt.schemaElts ?? []).length > 0) {
    // the elements see the new schema first
    const path = c.ctx.settings.show('search_path', false)!
    c.ctx.settings.set('search_path', `${quoteIdentifier(name)}${path.trim() === '' ? '' : `, ${path}`}`, true)
    try {
      for (const element of inOrder((stmt.schemaElts ?? []).map((one) => inSchema(one, name)))) await execute(c, element)
    } finally {
      c.ctx.settings.set('search_path', path, true)
    }
  }
  return { tag: 'CREATE SCHEMA' }
}

/** Kinds in the order in which they may need each other; each as written. */
const ORDER = ['CreateSeqStmt', 'CreateStmt', 'ViewStmt', 'IndexStmt', 'CreateTrigStmt', 'GrantStmt']

const kindOf = (element: Node): number => ORDER.indexOf(Object.keys(element)[0]!)

const inOrder = (elements: readonly Node[]): Node[] => [...elements].sort((a, b) => kindOf(a) - kindOf(b))

/** The element with its object placed in the schema, unless it says so itself. */
function inSchema(element: Node, schema: string): Node {
  const [tag, content] = Object.entries(element)[0] as [string, Record<string, unknown>]
  const field = { CreateStmt: 'relation', CreateSeqStmt: 'sequence', ViewStmt: 'view', IndexStmt: 'relation' }[tag]
  if (field === undefined) {
    if (tag === 'GrantStmt') return element
    throw notSupported('this statement is not supported inside CREATE SCHEMA')
  }
  const target = content[field] as { schemaname?: string }
  if (target.schemaname !== undefined && target.schemaname !== schema)
    throw new PgError(
      SQLSTATE.invalidSchemaDefinition,
      `CREATE specifies a schema (${target.schemaname}) different from the one being created (${schema})`,
    )
  return { [tag]: { ...content, [field]: { ...target, schemaname: schema } } } as unknown as Node
}
