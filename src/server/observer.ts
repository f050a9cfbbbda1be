// What sessions report, as metrics and log lines. Statements reach the log as their class and duration, never with their literals.

import type { KeyspaceMetrics, StatementClass } from '../observability/keyspace-series.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { SessionObserver } from '../session/services.ts'
import type { Session } from '../session/session.ts'

const CLASS: Readonly<Record<string, StatementClass>> = {
  INSERT: 'insert',
  UPDATE: 'update',
  DELETE: 'delete',
  MERGE: 'update',
  COPY: 'copy',
  BEGIN: 'transaction',
  COMMIT: 'transaction',
  ROLLBACK: 'transaction',
  SAVEPOINT: 'transaction',
  RELEASE: 'transaction',
  START: 'transaction',
  CREATE: 'ddl',
  ALTER: 'ddl',
  DROP: 'ddl',
  TRUNCATE: 'ddl',
  COMMENT: 'ddl',
  GRANT: 'ddl',
  REVOKE: 'ddl',
  REINDEX: 'ddl',
}

/** By the tag's first word. // hot */
function classOf(tag: string): StatementClass {
  if (tag.startsWith('SELECT')) return 'select'
  const space = tag.indexOf(' ')
  const word = space < 0 ? tag : tag.slice(0, space)
  return CLASS[word] ?? 'utility'
}

export function createObserver(metrics: Metrics, log: Logger, slowMs: number): SessionObserver {
  const series = new WeakMap<Session, KeyspaceMetrics>()
  const of = (session: Session): KeyspaceMetrics => {
    let found = series.get(session)
    if (found === undefined) {
      found = metrics.forKeyspace(session.keyspace.name)
      series.set(session, found)
    }
    return found
  }
  return {
    opened(session) {
      of(session).sessions++
    },
    statement(session, tag, ms) {
      const own = of(session)
      own.statement(classOf(tag), ms / 1000)
      if (slowMs === 0 || ms < slowMs) return
      own.slowStatement()
      log.warn(
        { keyspace: session.keyspace.name, user: session.roles.currentName, statement: tag, durationMs: Math.round(ms) },
        'slow statement',
      )
    },
    transaction(session, committed) {
      of(session).transaction(committed ? 'commit' : 'rollback')
    },
    error(session, error) {
      of(session).error(error.code)
    },
    defect(session, correlation, error) {
      metrics.defect()
      log.error({ err: error, correlationId: correlation, keyspace: session.keyspace.name }, 'internal error')
    },
    closed(session) {
      const own = of(session)
      own.sessions--
      own.bytes(session.client.bytesReceived, session.client.bytesSent)
    },
  }
}
