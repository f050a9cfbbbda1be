// A session's settings (PostgreSQL's GUC): session values, SET LOCAL, and their undoing with the transaction or savepoint they came from.
//
// Invariant: every change is written to `#undo` while a transaction is open; a roll-back to a mark restores exactly what stood there.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { pgSettings, type SettingRow, settingByName } from '../../sql/builtin/pg-settings.ts'
import type { CatalogLookup, IoSettings } from '../../sql/types/eval-context.ts'
import { display, normalize } from './guc.ts'
import { checkClientEncoding, checkSelfGrant, offsetZone, parseDateStyle, printDateStyle, splitIdentifiers } from './special.ts'

/** What a server gives every session instead of PostgreSQL's boot values. */
export const SERVER_DEFAULTS: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  server_encoding: 'UTF8',
  TimeZone: 'Etc/UTC',
  log_timezone: 'Etc/UTC',
  lc_messages: 'C.UTF-8',
  lc_monetary: 'C.UTF-8',
  lc_numeric: 'C.UTF-8',
  lc_time: 'C.UTF-8',
  default_text_search_config: 'pg_catalog.english',
  jit: 'off',
  listen_addresses: '',
  config_file: '',
  hba_file: '',
  ident_file: '',
  data_directory: '',
}

/** Reported to the client when they change, in the order PostgreSQL 18 sends them after the login. */
export const REPORTED = [
  'in_hot_standby',
  'integer_datetimes',
  'TimeZone',
  'IntervalStyle',
  'search_path',
  'is_superuser',
  'application_name',
  'default_transaction_read_only',
  'scram_iterations',
  'DateStyle',
  'standard_conforming_strings',
  'session_authorization',
  'client_encoding',
  'server_version',
  'server_encoding',
] as const
const REPORTED_SET = new Set<string>(REPORTED)

/** What a value of a setting may be checked against outside this room, and what must happen when one has changed. */
export interface SettingHooks {
  /** Canonical name of a time zone, or null when there is none of that name. */
  timeZone(name: string): string | null
  isAbbreviationSet(name: string): boolean
  /** For reg* types, which print names. */
  readonly catalog: CatalogLookup
  /** The setting has a new value (not called for values that stay equal). */
  changed(name: string, value: string): void
  /** Whether the current user may set `superuser` settings. */
  isSuperuser(): boolean
}

/** Settings that PostgreSQL has but does not list in pg_settings. */
function unlisted(name: string, context: string, boot: string, vartype: SettingRow['vartype'] = 'string'): SettingRow {
  return {
    name,
    unit: null,
    category: 'Ungrouped',
    short_desc: '',
    extra_desc: null,
    context,
    vartype,
    min_val: null,
    max_val: null,
    enumvals: null,
    boot_val: boot,
  }
}
const UNLISTED: ReadonlyMap<string, SettingRow> = new Map(
  [
    unlisted('role', 'user', 'none'),
    unlisted('session_authorization', 'user', ''),
    unlisted('is_superuser', 'internal', 'off'),
    unlisted('tenant.name', 'internal', ''),
    // dumps of old versions set it
    unlisted('default_with_oids', 'user', 'off', 'bool'),
  ].map((row) => [row.name, row]),
)

/**
 * The role that a value of `role` or `session_authorization` names, as it was when it was set: whoever goes back to the value becomes that
 * role again, whatever it is called now, and needs no catalogue for it.
 */
export interface NamedRole {
  readonly oid: Oid
  readonly name: string
  readonly superuser: boolean
}

/** A value for one of these two settings; no role: `none`. */
export interface RoleValue {
  readonly text: string
  readonly role: NamedRole | null
}

const isSameRole = (a: NamedRole | null, b: NamedRole | null): boolean =>
  a === b || (a !== null && b !== null && a.oid === b.oid && a.name === b.name && a.superuser === b.superuser)

export const NO_ROLE: RoleValue = { text: 'none', role: null }

/** Where a value came from, in pg_settings' words. */
export type Source = 'default' | 'database' | 'user' | 'database user' | 'client' | 'session'

interface Variable {
  readonly row: SettingRow | null
  readonly name: string
  /** What RESET goes back to. */
  reset: string
  session: string
  local: string | null
  /** The roles these three name. */
  resetRole: NamedRole | null
  sessionRole: NamedRole | null
  localRole: NamedRole | null
  source: Source
  /** Of `reset`. */
  resetSource: Source
}

interface UndoEntry {
  readonly variable: Variable
  readonly session: string
  readonly local: string | null
  readonly sessionRole: NamedRole | null
  readonly localRole: NamedRole | null
  readonly source: Source
}

const newVariable = (row: SettingRow | null, name: string, boot: string, source: Source): Variable => ({
  row,
  name,
  reset: boot,
  session: boot,
  local: null,
  resetRole: null,
  sessionRole: null,
  localRole: null,
  source,
  resetSource: 'default',
})

/** Names of session settings are folded; custom ones (with a dot) keep the spelling of their first use. */
const keyOf = (name: string) => name.toLowerCase()

function unknown(name: string): PgError {
  return new PgError(SQLSTATE.undefinedObject, `unrecognized configuration parameter "${name}"`)
}

/** A name with a dot is anybody's, if it is one. */
function checkCustomName(name: string): void {
  if (!name.includes('.')) throw unknown(name)
  if (!/^[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*(\.[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)+$/.test(name)) {
    throw new PgError(SQLSTATE.invalidName, `invalid configuration parameter name "${name}"`, {
      detail: 'Custom parameter names must be two or more simple identifiers separated by dots.',
    })
  }
}

export class Settings {
  readonly #variables = new Map<string, Variable>()
  readonly #hooks: SettingHooks
  readonly #defaults: ReadonlyMap<string, string>
  #undo: UndoEntry[] = []
  #locals = new Set<Variable>()
  #inTransaction = false
  #io: IoSettings | null = null

  /** `defaults`: the server's own values by folded name, over SERVER_DEFAULTS. */
  constructor(hooks: SettingHooks, defaults: ReadonlyMap<string, string> = new Map()) {
    this.#hooks = hooks
    this.#defaults = defaults
  }

  #find(name: string): Variable | null {
    // most who ask write it as it is kept
    const asWritten = this.#variables.get(name)
    if (asWritten !== undefined) return asWritten
    const key = keyOf(name)
    const known = this.#variables.get(key)
    if (known !== undefined) return known
    const row = settingByName(name) ?? UNLISTED.get(key)
    if (row === undefined) return null
    const boot = this.#defaults.get(key) ?? SERVER_DEFAULTS[row.name] ?? row.boot_val ?? ''
    const variable = newVariable(row, row.name, boot, 'default')
    this.#variables.set(key, variable)
    return variable
  }

  #value(variable: Variable): string {
    return variable.local ?? variable.session
  }

  #role(variable: Variable): NamedRole | null {
    return variable.local === null ? variable.sessionRole : variable.localRole
  }

  /** The normal form (numbers in the setting's own unit); null when there is no such setting. */
  get(name: string): string | null {
    const variable = this.#find(name)
    return variable === null ? null : this.#value(variable)
  }

  /** The role that the value of `role` or `session_authorization` names; null: `none`. */
  namedRole(name: 'role' | 'session_authorization'): NamedRole | null {
    return this.#role(this.#find(name)!)
  }

  number(name: string): number {
    return Number(this.get(name))
  }

  bool(name: string): boolean {
    return this.get(name) === 'on'
  }

  /** As SHOW prints it. 42704 when unknown, unless `missingOk`. */
  show(name: string, missingOk = false): string | null {
    const variable = this.#find(name)
    if (variable === null) {
      if (missingOk) return null
      throw unknown(name)
    }
    const value = this.#value(variable)
    return variable.row === null ? value : display(variable.row, value)
  }

  /** Every setting for SHOW ALL and pg_settings: row, value, reset value, source; custom ones last. */
  *all(): Generator<{ row: SettingRow | null; name: string; value: string; reset: string; boot: string; source: string }> {
    for (const row of pgSettings()) {
      const variable = this.#find(row.name)!
      yield { row, name: row.name, value: this.#value(variable), reset: variable.reset, boot: row.boot_val ?? '', source: variable.source }
    }
    for (const variable of this.#variables.values()) {
      if (variable.row !== null) continue
      yield { row: null, name: variable.name, value: this.#value(variable), reset: variable.reset, boot: '', source: variable.source }
    }
  }

  /** The normal form of a value for a setting that there is, or PostgreSQL's error. */
  normalized(name: string, text: string): string {
    return this.#normalize(this.#find(name)!, text)
  }

  #normalize(variable: Variable, text: string): string {
    if (variable.row === null) return text
    const value = normalize(variable.row, text)
    switch (variable.name) {
      case 'DateStyle': {
        const [style, order] = this.#value(variable).split(', ')
        return printDateStyle(parseDateStyle(value, { style: style as IoSettings['dateStyle'], order: order as IoSettings['dateOrder'] }))
      }
      case 'TimeZone':
      case 'log_timezone': {
        const zone = this.#hooks.timeZone(offsetZone(value) ?? value)
        if (zone === null) throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "${variable.name}": "${text}"`)
        return zone
      }
      case 'timezone_abbreviations':
        if (!this.#hooks.isAbbreviationSet(value))
          throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "${variable.name}": "${text}"`)
        return value
      case 'client_encoding':
        return checkClientEncoding(value)
      case 'standard_conforming_strings':
        if (value === 'off')
          throw notSupported('standard_conforming_strings = off is not supported', "Write strings with backslash escapes as E'…'.")
        return value
      case 'default_with_oids':
        if (value === 'on') throw notSupported('tables declared WITH OIDS are not supported')
        return value
      case 'search_path':
        if (splitIdentifiers(value) === null) {
          throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "search_path": "${text}"`, {
            detail: 'List syntax is invalid.',
          })
        }
        return value
      case 'createrole_self_grant':
        checkSelfGrant(value)
        return value
      default:
        return value
    }
  }

  /** Whether a client may set it now: 55P02 or 42501 with PostgreSQL's words. */
  #permit(variable: Variable, atStartup: boolean): void {
    const context = variable.row?.context ?? 'user'
    const cannot = (text: string) => new PgError(SQLSTATE.cantChangeRuntimeParam, `parameter "${variable.name}" ${text}`)
    switch (context) {
      case 'internal':
        throw cannot('cannot be changed')
      case 'postmaster':
        throw cannot('cannot be changed without restarting the server')
      case 'sighup':
        throw cannot('cannot be changed now')
      case 'backend':
      case 'superuser-backend':
        if (!atStartup) throw cannot('cannot be set after connection start')
        return
      case 'superuser':
        if (!this.#hooks.isSuperuser()) {
          throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to set parameter "${variable.name}"`)
        }
    }
  }

  /** What `set` would refuse of a value, or of RESET (null). */
  check(name: string, value: string | null): void {
    const variable = this.#find(name)
    if (variable === null) {
      checkCustomName(name)
      return
    }
    this.#permit(variable, false)
    if (value !== null) this.#normalize(variable, value)
  }

  #custom(name: string): Variable {
    checkCustomName(name)
    const variable = newVariable(null, name, '', 'session')
    this.#variables.set(keyOf(name), variable)
    return variable
  }

  /** SET (or, with null, SET … TO DEFAULT). */
  set(name: string, value: string | null, local: boolean): void {
    const variable = this.#find(name) ?? this.#custom(name)
    this.#permit(variable, false)
    this.assign(
      variable.name,
      value === null ? variable.reset : this.#normalize(variable, value),
      local,
      value === null ? variable.resetSource : 'session',
    )
  }

  /** The same without asking who wants it: for values the session itself knows (role, transaction_isolation). */
  assign(name: string, value: string, local: boolean, source: Source = 'session'): void {
    this.#assign(this.#find(name) ?? this.#custom(name), value, null, local, source)
  }

  /** The same for `role` and `session_authorization`; null: what RESET goes back to. */
  assignRole(name: 'role' | 'session_authorization', value: RoleValue | null, local: boolean): void {
    const variable = this.#find(name)!
    if (value === null) this.#assign(variable, variable.reset, variable.resetRole, local, variable.resetSource)
    else this.#assign(variable, value.text, value.role, local, 'session')
  }

  #assign(variable: Variable, value: string, role: NamedRole | null, local: boolean, source: Source): void {
    const before = this.#value(variable)
    const roleBefore = this.#role(variable)
    if (this.#inTransaction) {
      const { session, local: present, sessionRole, localRole } = variable
      this.#undo.push({ variable, session, local: present, sessionRole, localRole, source: variable.source })
    } else if (local) {
      return
    }
    if (local) {
      variable.local = value
      variable.localRole = role
      this.#locals.add(variable)
    } else {
      variable.session = value
      variable.sessionRole = role
      variable.local = null
      variable.source = source
    }
    this.#after(variable, before, roleBefore)
  }

  #after(variable: Variable, before: string, roleBefore: NamedRole | null): void {
    const value = this.#value(variable)
    if (value === before && isSameRole(this.#role(variable), roleBefore)) return
    this.#io = null
    this.#hooks.changed(variable.name, value)
  }

  /**
   * From the startup packet, or from ALTER ROLE or ALTER DATABASE … SET, which asked when it was said who may: becomes what RESET goes back to.
   * Unknown names without a dot are refused by 42704.
   */
  setDefault(name: string, value: string, source: Source): void {
    const variable = this.#find(name) ?? this.#custom(name)
    if (source === 'client') this.#permit(variable, true)
    const before = this.#value(variable)
    variable.reset = this.#normalize(variable, value)
    variable.session = variable.reset
    variable.source = source
    variable.resetSource = source
    this.#after(variable, before, null)
  }

  /** The same for `role` and `session_authorization`. */
  setDefaultRole(name: 'role' | 'session_authorization', value: RoleValue, source: Source): void {
    const variable = this.#find(name)!
    variable.reset = value.text
    variable.resetRole = value.role
    variable.resetSource = source
    this.#assign(variable, value.text, value.role, false, source)
  }

  /** A value the server knows and no client may set: reset value and session value alike. */
  preset(name: string, value: string): void {
    const variable = this.#find(name) ?? this.#custom(name)
    variable.reset = value
    variable.session = value
    this.#hooks.changed(variable.name, value)
  }

  /** The name as the setting spells itself; null when there is none. */
  nameOf(name: string): string | null {
    return this.#find(name)?.name ?? null
  }

  resetAll(): void {
    for (const variable of [...this.#variables.values()]) {
      if (variable.session === variable.reset && variable.local === null) {
        variable.source = variable.resetSource
        continue
      }
      const context = variable.row?.context ?? 'user'
      if (context !== 'user' && context !== 'superuser') continue
      if (variable.name === 'transaction_isolation' || variable.name === 'role' || variable.name === 'session_authorization') continue
      this.assign(variable.name, variable.reset, false, variable.resetSource)
    }
  }

  beginTransaction(): void {
    this.#inTransaction = true
  }

  /** A position for rollbackTo. */
  mark(): number {
    return this.#undo.length
  }

  rollbackTo(mark: number): void {
    while (this.#undo.length > mark) {
      const entry = this.#undo.pop()!
      const { variable } = entry
      const before = this.#value(variable)
      const roleBefore = this.#role(variable)
      variable.session = entry.session
      variable.local = entry.local
      variable.sessionRole = entry.sessionRole
      variable.localRole = entry.localRole
      variable.source = entry.source
      this.#after(variable, before, roleBefore)
    }
  }

  /** The transaction is over: SET LOCAL ends either way, the rest stays if it committed. // hot */
  endTransaction(committed: boolean): void {
    if (!this.#inTransaction) return
    this.#inTransaction = false
    if (this.#undo.length > 0) {
      if (!committed) this.rollbackTo(0)
      else this.#undo = []
    }
    if (this.#locals.size === 0) return
    for (const variable of this.#locals) {
      const before = this.#value(variable)
      const roleBefore = this.#role(variable)
      variable.local = null
      this.#after(variable, before, roleBefore)
    }
    this.#locals.clear()
  }

  isReported(name: string): boolean {
    return REPORTED_SET.has(name)
  }

  *reported(): Generator<readonly [string, string]> {
    for (const name of REPORTED) yield [name, this.show(name) ?? '']
  }

  /** What values need to read and print; the same object until one of these settings changes. */
  get io(): IoSettings {
    if (this.#io !== null) return this.#io
    const [dateStyle, dateOrder] = (this.get('DateStyle') ?? '').split(', ')
    this.#io = {
      dateStyle: dateStyle as IoSettings['dateStyle'],
      dateOrder: dateOrder as IoSettings['dateOrder'],
      intervalStyle: this.get('IntervalStyle') as IoSettings['intervalStyle'],
      timeZone: this.get('TimeZone') ?? 'Etc/UTC',
      timeZoneAbbreviations: this.get('timezone_abbreviations') ?? 'Default',
      extraFloatDigits: this.number('extra_float_digits'),
      byteaOutput: this.get('bytea_output') as IoSettings['byteaOutput'],
      xmlBinary: this.get('xmlbinary') as IoSettings['xmlBinary'],
      standardConformingStrings: this.bool('standard_conforming_strings'),
      catalog: this.#hooks.catalog,
    }
    return this.#io
  }
}
