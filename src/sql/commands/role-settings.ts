// ALTER ROLE … [IN DATABASE …] SET and ALTER DATABASE … SET: settings that a login starts with.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { settingsKey } from '../../catalog/keys.ts'
import { mustBeOwner, ownsObject } from '../../catalog/privileges.ts'
import { isAdminOf } from '../../catalog/roles.ts'
import { settingByName } from '../builtin/pg-settings.ts'
import type { AlterDatabaseSetStmt, AlterRoleSetStmt, VariableSetStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { load, roleOfSpec } from './names.ts'
import { setText } from './set-text.ts'

function applied(c: CommandContext, old: Readonly<Record<string, string>>, set: VariableSetStmt): Record<string, string> {
  if (set.kind === 'VAR_RESET_ALL') return {}
  const name = settingByName(set.name!)?.name ?? set.name!
  const { settings } = c.ctx
  const { [name]: _, ...rest } = old
  const value = (text: string): Record<string, string> => {
    settings.check(name, text)
    return { ...old, [name]: text }
  }
  switch (set.kind) {
    case 'VAR_SET_VALUE':
      return value(setText(name, set.args ?? []))
    case 'VAR_SET_CURRENT':
      return value(settings.show(name, false)!)
    case 'VAR_SET_DEFAULT':
    case 'VAR_RESET':
      if (Object.keys(old).length > 0) settings.check(name, null)
      return rest
    default:
      throw notSupported('this form of SET is not supported here')
  }
}

async function settingsOf(c: CommandContext, role: number): Promise<Readonly<Record<string, string>>> {
  return ((await c.catalog.fetch(settingsKey(role))) as Readonly<Record<string, string>> | null) ?? {}
}

export async function alterRoleSet(c: CommandContext, stmt: AlterRoleSetStmt): Promise<CommandResult> {
  const user = c.ctx.session.currentUser
  const me = (await load(() => c.snapshot.role(user)))!
  if (stmt.database !== undefined && stmt.database !== c.ctx.session.database)
    throw new PgError(SQLSTATE.undefinedDatabase, `database "${stmt.database}" does not exist`)
  if (stmt.role === undefined) {
    if (!me.superuser)
      throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to alter setting', {
        detail: 'Only roles with the SUPERUSER attribute may alter settings globally.',
      })
    await c.writer.setSettings(0, applied(c, await settingsOf(c, 0), stmt.setstmt!))
    return { tag: 'ALTER ROLE' }
  }
  const role = await load(() => roleOfSpec(c, stmt.role!))
  if (role.superuser && !me.superuser)
    throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to alter role', {
      detail: 'Only roles with the SUPERUSER attribute may alter roles with the SUPERUSER attribute.',
    })
  if (role.oid !== user && !(me.superuser || (me.createRole && (await load(() => isAdminOf(c.snapshot, user, role.oid))))))
    throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to alter role', {
      detail: `Only roles with the CREATEROLE attribute and the ADMIN option on role "${role.name}" may alter this role.`,
    })
  if (stmt.database !== undefined) await c.writer.setSettings(role.oid, applied(c, await settingsOf(c, role.oid), stmt.setstmt!))
  else await c.writer.alterRole(role.oid, (old) => ({ ...old, settings: applied(c, old.settings, stmt.setstmt!) }))
  return { tag: 'ALTER ROLE' }
}

export async function alterDatabaseSet(c: CommandContext, stmt: AlterDatabaseSetStmt): Promise<CommandResult> {
  if (stmt.dbname !== c.ctx.session.database) throw new PgError(SQLSTATE.undefinedDatabase, `database "${stmt.dbname}" does not exist`)
  const owner = await load(() => ownsObject(c.snapshot, c.snapshot.database().owner, c.ctx.session.currentUser))
  if (!owner) throw mustBeOwner('database', stmt.dbname!)
  await c.writer.setSettings(0, applied(c, await settingsOf(c, 0), stmt.setstmt!))
  return { tag: 'ALTER DATABASE' }
}
