// SET, SHOW, RESET, DISCARD, SET TRANSACTION, SET ROLE, SET SESSION AUTHORIZATION, SET CONSTRAINTS.

import { notSupported, PgError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ReaderSnapshot } from '../../catalog/catalog-snapshot.ts'
import type { RoleDescriptor } from '../../catalog/descriptors.ts'
import { canSetRole, isSuperuser } from '../../catalog/roles.ts'
import type { ResultSink, RowShape } from '../../pgwire/backend.ts'
import { setText } from '../../sql/commands/set-text.ts'
import type { Node, NodeOf } from '../../sql/parser/nodes.ts'
import type { Session } from '../session.ts'
import { display } from '../settings/guc.ts'
import { NO_ROLE, type RoleValue } from '../settings/settings.ts'
import { discardTemporary } from '../temporary.ts'
import type { TransactionModes } from '../transaction-block.ts'
import { applyMode, isolationLevel } from './transaction.ts'

export function runSet(session: Session, node: NodeOf['VariableSetStmt']): MaybePromise<string> {
  const name = node.name ?? ''
  const local = node.is_local === true
  if (local && !session.block.inBlockOfAnyKind) {
    session.notice({
      severity: 'WARNING',
      code: SQLSTATE.noActiveSqlTransaction,
      message: 'SET LOCAL can only be used in transaction blocks',
    })
  }
  switch (node.kind) {
    case 'VAR_RESET_ALL':
      session.settings.resetAll()
      return 'RESET'
    case 'VAR_RESET':
    case 'VAR_SET_DEFAULT':
      reset(session, name, local)
      return node.kind === 'VAR_RESET' ? 'RESET' : 'SET'
    case 'VAR_SET_CURRENT':
      throw new PgError(SQLSTATE.featureNotSupported, 'SET … FROM CURRENT is not supported here')
    case 'VAR_SET_MULTI':
      setMulti(session, name, node.args ?? [])
      return 'SET'
    default:
      setOne(session, name, setText(name, node.args ?? []), local)
      return 'SET'
  }
}

/** SET and set_config. */
export function setOne(session: Session, name: string, text: string, local: boolean): void {
  switch (name.toLowerCase()) {
    case 'role':
      session.settings.assignRole('role', permittedRole(session, text), local)
      return
    case 'session_authorization':
      session.becomeSessionUser(permittedUser(session, text), local)
      return
    case 'transaction_isolation':
      setModes(session, { ...session.block.modes, isolation: isolationLevel(session, session.settings.normalized(name, text)) })
      return
    case 'transaction_read_only':
      setModes(session, { ...session.block.modes, readOnly: session.settings.normalized(name, text) === 'on' })
      return
    case 'transaction_deferrable':
      setModes(session, { ...session.block.modes, deferrable: session.settings.normalized(name, text) === 'on' })
      return
    default:
      session.settings.set(name, text, local)
  }
}

function reset(session: Session, name: string, local: boolean): void {
  switch (name.toLowerCase()) {
    case 'role':
      session.settings.assignRole('role', null, local)
      return
    case 'session_authorization':
      session.becomeSessionUser(null, local)
      return
    case 'transaction_isolation':
    case 'transaction_read_only':
    case 'transaction_deferrable':
      throw notSupported(`parameter "${name.toLowerCase()}" cannot be reset`)
    default:
      session.settings.set(name, null, local)
  }
}

/** What of a running transaction may still change. */
function setModes(session: Session, modes: TransactionModes): void {
  const { block } = session
  const tooLate = (message: string) => new PgError(SQLSTATE.activeSqlTransaction, message)
  if (modes.isolation !== block.modes.isolation && block.used) {
    throw tooLate('SET TRANSACTION ISOLATION LEVEL must be called before any query')
  }
  if (!modes.readOnly && block.modes.readOnly) {
    if (block.inSubtransaction) throw tooLate('cannot set transaction read-write mode inside a read-only transaction')
    if (block.used) throw tooLate('transaction read-write mode must be set before any query')
  }
  block.modes = modes
  session.showModes()
}

/** SET TRANSACTION and SET SESSION CHARACTERISTICS. */
function setMulti(session: Session, name: string, args: readonly Node[]): void {
  if (name === 'SESSION CHARACTERISTICS') {
    const modes = session.defaultModes()
    for (const arg of args) applyMode(session, modes, arg as NodeOf)
    session.settings.set('default_transaction_isolation', modes.isolation, false)
    session.settings.set('default_transaction_read_only', modes.readOnly ? 'on' : 'off', false)
    session.settings.set('default_transaction_deferrable', modes.deferrable ? 'on' : 'off', false)
    return
  }
  if (name !== 'TRANSACTION') throw new PgError(SQLSTATE.featureNotSupported, `SET ${name} is not supported`)
  if (!session.block.inBlockOfAnyKind) {
    session.notice({
      severity: 'WARNING',
      code: SQLSTATE.noActiveSqlTransaction,
      message: 'SET TRANSACTION can only be used in transaction blocks',
    })
  }
  const modes = { ...session.block.modes }
  for (const arg of args) applyMode(session, modes, arg as NodeOf)
  setModes(session, modes)
}

/** A value for `role`, if the session's user may have it. */
export function permittedRole(session: Session, name: string): RoleValue {
  if (name === NO_ROLE.text) return NO_ROLE
  const snapshot = session.planning.snapshot()
  const role = existingRole(snapshot, name)
  if (!canSetRole(snapshot, session.roles.session, role.oid)) {
    throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to set role "${name}"`)
  }
  return roleValue(role)
}

/** A value for `session_authorization`, if who logged in may have it. */
export function permittedUser(session: Session, name: string): RoleValue {
  const snapshot = session.planning.snapshot()
  const role = existingRole(snapshot, name)
  if (role.oid !== session.roles.authenticated && !isSuperuser(snapshot, session.roles.authenticated)) {
    throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to set session authorization "${role.name}"`)
  }
  return roleValue(role)
}

/** A setting that names no role has a wrong value. */
function existingRole(snapshot: ReaderSnapshot, name: string): RoleDescriptor {
  const role = snapshot.roleByName(name)
  if (role === null) throw new PgError(SQLSTATE.invalidParameterValue, `role "${name}" does not exist`)
  return role
}

const roleValue = ({ oid, name, superuser }: RoleDescriptor): RoleValue => ({ text: name, role: { oid, name, superuser } })

export function showColumns(session: Session, node: NodeOf['VariableShowStmt']): RowShape['columns'] {
  if (node.name?.toLowerCase() === 'all') return session.textColumns(['name', 'setting', 'description'])
  return session.textColumns([showName(session, node.name ?? '')])
}

function showName(session: Session, name: string): string {
  return session.settings.nameOf(name) ?? name
}

export function runShow(session: Session, node: NodeOf['VariableShowStmt'], sink: ResultSink): MaybePromise<string> {
  const name = node.name ?? ''
  const columns = showColumns(session, node)
  let rows: (string | null)[][]
  if (name.toLowerCase() === 'all') {
    rows = []
    for (const { row, name: setting, value } of session.settings.all()) {
      if (row !== null) rows.push([setting, display(row, value), row.short_desc])
    }
  } else rows = [[session.settings.show(name)]]
  sink.describe({ columns, formats: [], io: session.settings.io })
  const wait = sink.rows(rows)
  return wait instanceof Promise ? wait.then(() => 'SHOW') : 'SHOW'
}

export function runDiscard(session: Session, node: NodeOf['DiscardStmt']): MaybePromise<string> {
  switch (node.target) {
    case 'DISCARD_ALL':
      session.block.prevent('DISCARD ALL')
      session.portals.closeAll(true)
      session.becomeSessionUser(null, false)
      session.settings.resetAll()
      session.statements.clear()
      session.releaseSessionState()
      return andThen(discardTemporary(session), () => 'DISCARD ALL')
    case 'DISCARD_PLANS':
      return 'DISCARD PLANS'
    case 'DISCARD_SEQUENCES':
      session.forgetSequences()
      return 'DISCARD SEQUENCES'
    default:
      return andThen(discardTemporary(session), () => 'DISCARD TEMP')
  }
}
