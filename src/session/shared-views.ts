// pg_stat_activity and pg_locks over all nodes: what this node tells of its sessions when another asks (peers.ts), and what the others told.
// Another node's part is two seconds old at most; of one that does not answer within a second the rows are missing, and a notice says so.

import type { Datum } from '../base/datum.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { isGateLock, LOCK_MODE_NAMES } from '../catalog/object-locks.ts'
import { DATABASE_OID } from '../catalog/records.ts'
import type { SessionView } from './activity.ts'
import { advisoryTag } from './advisory-locks.ts'
import type { KeyspaceContext } from './keyspace-context.ts'
import type { PeerAnswers, PeerQuestion } from './peers.ts'
import type { Session } from './session.ts'

/** Answers not older than this are used again: with the second that one may take they are two seconds old at most. */
const MAX_AGE_MS = 1000
/** track_activity_query_size. */
const QUERY_CHARACTERS = 1024

/** A row of pg_lock_status by column name. */
export type LockRow = Record<string, string | number | boolean | null>

/** Waits for locks that the store has: rows', and where there are several nodes advisory ones. */
function* storeWaits(keyspace: KeyspaceContext): Iterable<LockRow> {
  for (const { pid, waits } of keyspace.sessions.values()) {
    for (const wait of waits()) {
      const { kind, target } = wait
      for (const { lock, toldAt } of wait.blockers()) {
        if (kind !== 'transactionid' && (toldAt === null || typeof target !== 'string')) continue
        yield {
          ...(typeof target === 'string'
            ? { database: DATABASE_OID, locktype: 'advisory', ...advisoryTag(target) }
            : { locktype: 'transactionid', transactionid: Number(lock.slice(lock.lastIndexOf(' ') + 1)) }),
          virtualtransaction: `${pid}/1`,
          pid,
          mode: lock.slice(0, lock.indexOf(' ')),
          granted: false,
          fastpath: false,
        }
      }
    }
  }
}

export function lockRowsOf(keyspace: KeyspaceContext): LockRow[] {
  const rows: LockRow[] = [...storeWaits(keyspace)]
  for (const { holder, oid, mode, granted } of keyspace.locks.list()) {
    // Another node's session, which that node shows.
    if (holder.owner === null && keyspace.gates !== null) continue
    if (isGateLock(oid)) continue
    const owner = holder.owner as Session | null
    rows.push({
      database: DATABASE_OID,
      ...(typeof oid === 'number' ? { locktype: 'relation', relation: oid } : { locktype: 'advisory', ...advisoryTag(oid) }),
      virtualtransaction: owner === null ? null : `${owner.entry.pid}/1`,
      pid: owner?.entry.pid ?? null,
      mode: LOCK_MODE_NAMES[mode] ?? '',
      granted,
      fastpath: false,
    })
  }
  return rows
}

const plain = (time: number | bigint | null): number | null => (time === null ? null : Number(time))

function viewsOf(keyspace: KeyspaceContext): SessionView[] {
  return [...keyspace.sessions.values()].map((entry) => ({
    pid: entry.pid,
    userOid: entry.userOid,
    userName: entry.userName,
    database: entry.database,
    applicationName: entry.applicationName,
    clientAddress: entry.clientAddress,
    clientPort: entry.clientPort,
    tls: entry.tls,
    backendStart: Number(entry.backendStart),
    transactionStart: plain(entry.transactionStart),
    queryStart: plain(entry.queryStart),
    stateChange: Number(entry.stateChange),
    state: entry.state,
    lockWait: entry.lockWait,
    query: entry.query.slice(0, QUERY_CHARACTERS),
  }))
}

/** What this node tells another. */
export function answerPeer(keyspace: KeyspaceContext, question: PeerQuestion): string {
  switch (question) {
    case 'sessions':
      return JSON.stringify(viewsOf(keyspace))
    case 'locks':
      return JSON.stringify(lockRowsOf(keyspace))
    case 'waits':
      return JSON.stringify(keyspace.deadlocks.tell())
  }
}

function rowsOf<Row>({ texts }: PeerAnswers): Row[] {
  return texts.flatMap((text) => JSON.parse(text) as Row[])
}

function ask(session: Session, question: PeerQuestion, maxAgeMs: number): MaybePromise<PeerAnswers> {
  const { peers } = session.keyspace
  return peers === null ? { texts: [], silent: 0, askedAt: 0 } : peers.ask(question, maxAgeMs)
}

function tellMissing(session: Session, silent: number, what: string): void {
  if (silent === 0) return
  const message = silent === 1 ? `${what} of one node are missing` : `${what} of ${silent} nodes are missing`
  session.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message, detail: 'It did not answer in time.' })
}

/** Sessions of the keyspace on all nodes. */
export function allSessions(session: Session): MaybePromise<Iterable<SessionView>> {
  return andThen(ask(session, 'sessions', MAX_AGE_MS), (answers) => {
    tellMissing(session, answers.silent, 'sessions')
    return [...session.keyspace.sessions.values(), ...rowsOf<SessionView>(answers)]
  })
}

/** A session on another node; null when there is none of that number, undefined when not all nodes have answered. */
export function sessionElsewhere(session: Session, pid: number): MaybePromise<SessionView | null | undefined> {
  return andThen(ask(session, 'sessions', 0), (answers) => {
    const found = rowsOf<SessionView>(answers).find((view) => view.pid === pid)
    return found ?? (answers.silent > 0 ? undefined : null)
  })
}

/** Locks of the keyspace on all nodes. */
export function allLocks(session: Session): MaybePromise<Record<string, Datum>[]> {
  return andThen(ask(session, 'locks', MAX_AGE_MS), (answers) => {
    tellMissing(session, answers.silent, 'locks')
    return [...lockRowsOf(session.keyspace), ...rowsOf<LockRow>(answers)]
  })
}
