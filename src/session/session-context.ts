// What a new session is made of besides its login: settings with their consequences, the EvalContext, the activity entry.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { catalogLookup } from '../catalog/lookup.ts'
import { parseStartupOptions } from '../pgwire/startup-options.ts'
import type { SessionFacts } from '../sql/types/eval-context.ts'
import { findZone } from '../sql/types/timezone.ts'
import { isAbbreviationSet } from '../sql/types/timezone-abbreviations.ts'
import type { SessionEntry } from './activity.ts'
import { SessionEvalContext } from './eval-context.ts'
import { microsNow } from './micros.ts'
import type { Session, SessionIdentity } from './session.ts'
import { SessionSequences } from './session-sequences.ts'
import { NO_ROLE, Settings, type Source } from './settings/settings.ts'
import { permittedRole, permittedUser, setOne } from './utility/variables.ts'

/** Settings whose value the session reads on hot paths: kept as fields, refreshed when they change. */
export interface SettingSideEffects {
  settingChanged(name: string, value: string): void
}

function facts(session: Session, identity: SessionIdentity): SessionFacts {
  const { request, processId } = session.client
  const backendStart = microsNow(session.services.clock)
  /** Functions of a query ask for every row. */
  const names: { oids: readonly Oid[] | null; found: readonly string[] } = { oids: null, found: [] }
  return {
    get currentUser() {
      return session.roles.current
    },
    get sessionUser() {
      return session.roles.session
    },
    get currentUserName() {
      return session.roles.currentName
    },
    get sessionUserName() {
      return session.roles.sessionName
    },
    database: session.database,
    keyspace: identity.keyspace.name,
    backendPid: processId,
    get applicationName() {
      return session.entry.applicationName
    },
    clientAddress: request.remoteAddress,
    clientPort: request.remotePort,
    serverAddress: request.localAddress,
    serverPort: request.localPort,
    backendStart,
    serverStart: session.services.serverStart,
    searchPath: (includeImplicit) => {
      const path = session.planning.searchPath()
      const oids = includeImplicit ? path.oids : path.explicit
      // another catalogue has another path
      if (names.oids === oids) return names.found
      const snapshot = session.planning.snapshot()
      const found = oids.flatMap((oid) => snapshot.namespace(oid)?.name ?? [])
      names.oids = oids
      names.found = found
      return found
    },
  }
}

export function makeSessionContext(
  session: Session,
  identity: SessionIdentity,
): { settings: Settings; context: SessionEvalContext; entry: SessionEntry } {
  const catalog = catalogLookup(
    () => session.planning.snapshot(),
    () => session.planning.searchPath().oids,
    { parseType: (name) => session.planning.parseType(name), database: () => session.database },
  )
  const settings = new Settings(
    {
      catalog,
      timeZone: (name) => findZone(name)?.name ?? null,
      isAbbreviationSet,
      changed: (name, value) => session.settingChanged(name, value),
      isSuperuser: () => session.roles.superuser,
    },
    session.services.settings,
  )
  const { request } = session.client
  const sessionFacts = facts(session, identity)
  const context = new SessionEvalContext({
    clock: session.services.clock,
    settings,
    setSetting: (name, value, local) => setOne(session, name, value, local),
    session: sessionFacts,
    catalog,
    sequences: new SessionSequences(session),
    memory: session.memory,
    cancel: session.cancelToken,
    system: (prosrc) => session.systemFunction(prosrc),
    notice: (notice) => session.notice(notice),
  })
  const entry: SessionEntry = {
    pid: session.client.processId,
    userOid: identity.roleOid,
    userName: identity.roleName,
    database: session.database,
    applicationName: '',
    clientAddress: request.remoteAddress,
    clientPort: request.remotePort,
    tls: request.tls === null ? null : { version: request.tls.version, cipher: request.tls.cipher, bits: request.tls.cipherBits },
    backendStart: sessionFacts.backendStart,
    transactionStart: null,
    queryStart: null,
    stateChange: sessionFacts.backendStart,
    state: 'idle',
    query: '',
    get lockWait() {
      for (const { kind } of session.party.waits.values()) return kind
      return null
    },
    waits: () => session.party.waits.values(),
    cancel: (reason) => session.cancel(reason),
    terminate: (reason) => session.client.terminate(reason),
  }
  return { settings, context, entry }
}

/** Who the session is to be may be asked for at start, too, and is granted or refused as by SET. */
function setDefault(session: Session, name: string, value: string, source: Source): void {
  switch (name.toLowerCase()) {
    case 'role':
      session.settings.setDefaultRole('role', permittedRole(session, value), source)
      return
    case 'session_authorization':
      session.settings.setDefaultRole('session_authorization', permittedUser(session, value), source)
      session.settings.setDefaultRole('role', NO_ROLE, source)
      return
    default:
      session.settings.setDefault(name, value, source)
  }
}

/** StartupMessage's parameters that are no settings. */
const NOT_SETTINGS = new Set(['user', 'database', 'options', 'replication', 'tenant'])

/** Settings of the database and the role, and those a client sends at start. Unknown ones of these never kill a connection (tenancy L8): they are passed over. */
export function applyStartupSettings(session: Session, identity: SessionIdentity): void {
  const { settings } = session
  const { roleOid: oid, roleName, superuser } = identity
  settings.setDefaultRole('session_authorization', { text: roleName, role: { oid, name: roleName, superuser } }, 'client')
  settings.preset('tenant.name', identity.keyspace.name)
  const wrong: PgError[] = []
  for (const { name, value, source } of identity.settings) {
    try {
      setDefault(session, name, value, source)
    } catch (error) {
      // It may have been given when it was right, and whoever cannot log in cannot change it.
      if (!(error instanceof PgError)) throw error
      wrong.push(error)
    }
  }
  const given: (readonly [string, string])[] = []
  for (const [name, value] of session.client.request.parameters) {
    if (name === 'options') given.push(...parseStartupOptions(value).filter(([option]) => option !== 'tenant'))
    else if (!NOT_SETTINGS.has(name)) given.push([name, value])
  }
  for (const [name, value] of given) {
    if (settings.get(name) === null && !name.includes('.')) continue
    setDefault(session, name, value, 'client')
  }
  for (const { fields, code, message } of wrong) session.notice({ ...fields, severity: 'WARNING', code, message })
}
