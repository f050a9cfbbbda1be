// Bodies of functions that look at or act on sessions: pg_stat_get_activity, pg_cancel_backend, pg_terminate_backend, current_tenant …
// They reach only the sessions of the own keyspace, on whichever node: its registries hold no others.

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { DATABASE_OID } from '../catalog/records.ts'
import { hasPrivilegesOf } from '../catalog/roles.ts'
import { outRow } from '../catalog/system-function.ts'
import { catalogFunctions } from '../catalog/system-functions.ts'
import { normalInt8 } from '../sql/types/codecs.ts'
import { DOMAIN_CHECK } from '../sql/types/eval-context.ts'
import { connectionAddress } from '../sql/types/inet.ts'
import { RecordDatum } from '../sql/types/record.ts'
import type { SessionView } from './activity.ts'
import { advisoryFunctions } from './advisory-locks.ts'
import { sessionDeparser } from './deparser.ts'
import { DomainChecks } from './domain-checks.ts'
import type { SystemFunction } from './eval-context.ts'
import type { BackendSignal } from './services.ts'
import type { Session } from './session.ts'
import { sequenceParameters } from './session-sequences.ts'
import { archiverRow, arrayOf, cursorRows, lockRows, preparedStatementRows, settingRows, walRow } from './session-views.ts'
import { allSessions, sessionElsewhere } from './shared-views.ts'
import { MAX_AGE, transactionId, transactionIdIfAssigned, xidAge } from './transaction-id.ts'
import { columnIsUpdatable, updatableEvents } from './updatable.ts'

const PG_SIGNAL_BACKEND = 4200
const PG_READ_ALL_STATS = 3375
const INT4 = 23

function maySignal(session: Session, target: SessionView): boolean {
  const snapshot = session.planning.snapshot()
  const targetIsSuperuser = snapshot.role(target.userOid)?.superuser === true
  if (targetIsSuperuser) return session.roles.superuser
  const { current } = session.roles
  return (
    session.roles.superuser || hasPrivilegesOf(snapshot, current, target.userOid) || hasPrivilegesOf(snapshot, current, PG_SIGNAL_BACKEND)
  )
}

function checkSignal(session: Session, target: SessionView, verb: string): void {
  if (maySignal(session, target)) return
  const superuser = session.planning.snapshot().role(target.userOid)?.superuser === true
  throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to ${verb}`, {
    detail: superuser
      ? `Only roles with the SUPERUSER attribute may ${verb.replace(' process', ' processes of roles with the SUPERUSER attribute')}.`
      : `Only roles with privileges of the role whose process is being terminated or with privileges of the "pg_signal_backend" role may ${verb}.`,
  })
}

function notABackend(session: Session, pid: number): false {
  session.notice({ severity: 'WARNING', code: SQLSTATE.warning, message: `PID ${pid} is not a PostgreSQL backend process` })
  return false
}

const VERBS: Record<BackendSignal, string> = { cancel: 'cancel query', terminate: 'terminate process' }

/** pg_cancel_backend, pg_terminate_backend: false with a warning when there is no session of that number in this keyspace; 42501 when it may not be touched. */
function signalBackend(session: Session, pid: number, signal: BackendSignal): MaybePromise<boolean> {
  if (session.services.isElsewhere(pid)) return signalElsewhere(session, pid, signal)
  const target = session.keyspace.sessions.get(pid)
  if (target === undefined) return notABackend(session, pid)
  checkSignal(session, target, VERBS[signal])
  const reason =
    signal === 'cancel'
      ? new PgError(SQLSTATE.queryCanceled, 'canceling statement due to user request')
      : new PgError(SQLSTATE.adminShutdown, 'terminating connection due to administrator command', { severity: 'FATAL' })
  // Its own statement ends here, as nothing of it may take effect any more.
  if (pid === session.entry.pid) throw reason
  if (signal === 'cancel') target.cancel(reason)
  else setImmediate(() => target.terminate(reason))
  return true
}

/** With a timeout (ms) it waits so long for the session's end. */
function terminateBackend(session: Session, pid: number, timeoutMs: number): MaybePromise<boolean> {
  if (timeoutMs < 0) throw new PgError(SQLSTATE.numericValueOutOfRange, '"timeout" must not be negative')
  return andThen(signalBackend(session, pid, 'terminate'), (sent) => (sent && timeoutMs > 0 ? waitForEnd(session, pid, timeoutMs) : sent))
}

/** Between two looks at whether a session is still there, and between two questions to other nodes. */
const END_POLL_MS = 10
const END_POLL_ELSEWHERE_MS = 100

async function waitForEnd(session: Session, pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  const elsewhere = session.services.isElsewhere(pid)
  const poll = elsewhere ? END_POLL_ELSEWHERE_MS : END_POLL_MS
  const isThere = async (): Promise<boolean> =>
    elsewhere ? (await sessionElsewhere(session, pid)) !== null : session.keyspace.sessions.get(pid) !== undefined
  while (await isThere()) {
    const left = deadline - performance.now()
    if (left <= 0) {
      session.notice({
        severity: 'WARNING',
        code: SQLSTATE.warning,
        message: `backend with PID ${pid} did not terminate within ${timeoutMs} millisecond${timeoutMs === 1 ? '' : 's'}`,
      })
      return false
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, poll)))
    session.cancelToken.check()
  }
  return true
}

async function signalElsewhere(session: Session, pid: number, signal: BackendSignal): Promise<boolean> {
  const target = await sessionElsewhere(session, pid)
  if (target === null) return notABackend(session, pid)
  // Of a session whose node does not answer nobody knows whose it is: a superuser may signal all.
  if (target !== undefined) checkSignal(session, target, VERBS[signal])
  else if (!session.roles.superuser) return notABackend(session, pid)
  session.services.signalElsewhere(session, pid, signal)
  return true
}

function activityRows(session: Session, pid: Datum): MaybePromise<RecordDatum[]> {
  const own = typeof pid === 'number' ? session.keyspace.sessions.get(pid) : undefined
  return andThen(own === undefined ? allSessions(session) : [own], (sessions) => rowsOfSessions(session, sessions, pid))
}

function rowsOfSessions(session: Session, sessions: Iterable<SessionView>, pid: Datum): RecordDatum[] {
  const rowType = outRow('pg_stat_get_activity')
  const snapshot = session.planning.snapshot()
  const seesAll = hasPrivilegesOf(snapshot, session.roles.current, PG_READ_ALL_STATS) || session.roles.superuser
  const rows: RecordDatum[] = []
  for (const entry of sessions) {
    if (pid !== null && entry.pid !== pid) continue
    const visible = seesAll || hasPrivilegesOf(snapshot, session.roles.current, entry.userOid)
    const values: Record<string, Datum> = {
      datid: DATABASE_OID,
      pid: entry.pid,
      usesysid: entry.userOid,
      application_name: entry.applicationName,
    }
    if (visible) {
      Object.assign(values, {
        state: entry.state,
        query: entry.query,
        xact_start: entry.transactionStart,
        query_start: entry.queryStart,
        backend_start: entry.backendStart,
        state_change: entry.stateChange,
        client_addr: connectionAddress(entry.clientAddress),
        client_port: entry.clientPort ?? -1,
        backend_type: 'client backend',
        wait_event_type: entry.lockWait !== null ? 'Lock' : entry.state === 'active' ? null : 'Client',
        wait_event: entry.lockWait ?? (entry.state === 'active' ? null : 'ClientRead'),
        ssl: entry.tls !== null,
        sslversion: entry.tls?.version ?? null,
        sslcipher: entry.tls?.cipher ?? null,
        sslbits: entry.tls?.bits ?? null,
        gss_auth: false,
        gss_enc: false,
        gss_delegation: false,
      })
    } else values['query'] = '<insufficient privilege>'
    rows.push(
      new RecordDatum(
        rowType,
        rowType.fields.map((field) => values[field.name] ?? null),
      ),
    )
  }
  return rows
}

export function systemFunctions(session: Session): ReadonlyMap<string, SystemFunction> {
  const domains = new DomainChecks(session)
  // All that a keyspace stores is one database, in pg_default.
  const storedBytes = (): MaybePromise<number> => session.keyspace.keyspace.storageBytes()
  const own: Record<string, SystemFunction> = {
    pg_stat_get_activity: (pid) => activityRows(session, pid as Datum),
    pg_cancel_backend: (pid) => signalBackend(session, pid as number, 'cancel'),
    pg_terminate_backend: (pid, timeout) => terminateBackend(session, pid as number, Number(timeout)),
    pg_sequence_last_value(oid) {
      const sequence = session.planning.snapshot().relation(oid as Oid)?.descriptor
      if (sequence?.sequence == null) return null
      return andThen(session.keyspace.sequences.state(sequence.sequence.counterId, sequenceParameters(sequence)), (state) =>
        state.isCalled ? normalInt8(state.lastValue) : null,
      )
    },
    pg_relation_is_updatable: (oid) => updatableEvents(session, oid as Oid, null),
    pg_column_is_updatable: (oid, attnum) => columnIsUpdatable(session, oid as Oid, attnum as number),
    pg_get_sequence_data(oid) {
      const sequence = session.planning.snapshot().relation(oid as Oid)?.descriptor
      if (sequence?.sequence == null) return new RecordDatum(outRow('pg_get_sequence_data'), [null, null])
      return andThen(
        session.keyspace.sequences.state(sequence.sequence.counterId, sequenceParameters(sequence)),
        ({ lastValue, isCalled }) => new RecordDatum(outRow('pg_get_sequence_data'), [normalInt8(lastValue), isCalled]),
      )
    },
    pg_basetype(oid) {
      const snapshot = session.planning.snapshot()
      let row = snapshot.type(oid as Oid)
      while (row?.typtype === 'd') row = snapshot.type(row.typbasetype)
      return row?.oid ?? null
    },
    [DOMAIN_CHECK]: (domain, value) => domains.check(domain as Oid, value as Datum),
    pg_database_size_oid: (oid) => (oid === DATABASE_OID ? storedBytes() : null),
    pg_database_size_name(name) {
      if (name !== session.database) throw new PgError(SQLSTATE.undefinedDatabase, `database "${String(name)}" does not exist`)
      return storedBytes()
    },
    pg_tablespace_size_oid: storedBytes,
    pg_tablespace_size_name: storedBytes,
    current_query: () => session.entry.query,
    xid_age: (xid) => xidAge(session, xid as number),
    // no multixact was ever made: the next one is the first
    mxid_age: (mxid) => (mxid === 0 ? MAX_AGE : 1 - (mxid as number)),
    pg_current_xact_id: () => transactionId(session),
    pg_current_xact_id_if_assigned: () => transactionIdIfAssigned(session),
    pg_stat_get_archiver: () => archiverRow(session),
    pg_stat_get_wal: () => walRow(session),
    current_tenant: () => session.keyspace.name,
    show_all_settings: () => settingRows(session),
    pg_prepared_statement: () => preparedStatementRows(session),
    pg_cursor: () => cursorRows(session),
    pg_lock_status: () => lockRows(session),
    pg_blocking_pids: (pid) => andThen(session.keyspace.deadlocks.blockingPids(pid as number), (pids) => arrayOf(INT4, pids)),
    pg_listening_channels: () => [...session.notifications.channels],
    pg_notification_queue_usage: () => Math.min(1, session.keyspace.notifications.queuedBytes / LIMITS.notifyQueueBytes),
    pg_notify: (channel, payload) => {
      session.notifications.notify((channel as string | null) ?? '', (payload as string | null) ?? '')
      return null
    },
    ...advisoryFunctions(session),
  }
  return new Map([
    ...catalogFunctions(session.context, () => session.planning.snapshot(), sessionDeparser(session), session.keyspace.activity),
    ...Object.entries(own),
  ])
}
