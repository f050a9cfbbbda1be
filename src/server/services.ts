// What sessions get from the server around them (session/services.ts), put together.

import type { Clock } from '../base/clock.ts'
import { LIMITS } from '../base/limits.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { virtualRelation } from '../catalog/virtual/provider.ts'
import type { Logger } from '../observability/log.ts'
import { sessionDeparser } from '../session/deparser.ts'
import type { Services, SessionObserver } from '../session/services.ts'
import type { Session } from '../session/session.ts'
import { sqlFunctionRunner } from '../session/sql-functions.ts'
import { systemFunctions } from '../session/system-functions.ts'
import { runTenantStatement, SHOW_TENANT_COLUMNS } from '../sql/commands/tenant/statements.ts'
import type { TenantLifecycle } from '../tenancy/lifecycle.ts'
import type { Keyspaces } from './keyspaces.ts'
import type { NodeSignals } from './node-signals.ts'

export interface ServiceParts {
  readonly clock: Clock
  readonly observe: SessionObserver
  readonly spillDir: string
  readonly lifecycle: TenantLifecycle
  readonly keyspaces: Keyspaces
  readonly log: Logger
  readonly serverStart: number | bigint
  /** Null where there are no other nodes. */
  readonly signals: NodeSignals | null
  makeVerifier(password: string, encryption: string): Promise<string | null>
}

function tenantColumns(session: Session) {
  return SHOW_TENANT_COLUMNS.map(({ name, type }) => ({
    name,
    tableOid: 0,
    columnNumber: 0,
    typeOid: type,
    typeLength: session.planning.snapshot().type(type)?.typlen ?? -1,
    typmod: -1,
    encoder: session.planning.supportOf(type),
  }))
}

export function createServices(parts: ServiceParts): Services {
  return {
    clock: parts.clock,
    observe: parts.observe,
    limits: { maxSessionMemory: LIMITS.maxSessionMemory },
    settings: new Map(),
    serverStart: parts.serverStart,
    sqlFunctions: sqlFunctionRunner,
    systemFunctions,
    spillDir: () => parts.spillDir,
    tenantColumns: (session, statement) => (statement.tenant?.returnsRows === true ? tenantColumns(session) : null),
    virtualRelation: (session, relation) =>
      virtualRelation(relation, () => ({
        snapshot: session.planning.snapshot(),
        database: session.database,
        expressionText: (stored) => sessionDeparser(session).expression(stored, null, false),
      })),
    async tenantStatement(session, statement, sink) {
      const result = await runTenantStatement(statement.tenant!, {
        lifecycle: parts.lifecycle,
        keyspace: session.keyspace.name,
        superuser: session.roles.superuser,
        notice: (message) => session.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message }),
      })
      if (result.rows !== null) {
        sink.describe({ columns: tenantColumns(session), formats: [], io: session.settings.io })
        if (result.rows.length > 0) await sink.rows(result.rows)
      }
      return result.tag
    },
    isElsewhere: (pid) => parts.signals?.isElsewhere(pid) === true,
    signalElsewhere: (session, pid, signal) => parts.signals?.signal(session.keyspace.keyspace.id, pid, signal),
    transactionEnded: (session, committed) => parts.observe.transaction(session, committed),
    makeVerifier: (password, encryption) => parts.makeVerifier(password, encryption),
    background(work) {
      work.catch((error: unknown) => parts.log.error({ err: error }, 'background work failed'))
    },
  }
}
