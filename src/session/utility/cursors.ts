// DECLARE, FETCH, MOVE, CLOSE.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ResultSink, RowShape } from '../../pgwire/backend.ts'
import type { Node, NodeOf } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { Cursor, type CursorOptions, cannotRun } from '../cursor.ts'
import type { RowTarget } from '../execution.ts'
import type { ColumnsOf } from '../prepared.ts'
import { planRowStore } from '../row-store.ts'
import { startExecution } from '../run-planned.ts'
import type { Session } from '../session.ts'
import { noActiveTransaction } from '../transaction-block.ts'

const CURSOR_OPT_BINARY = 0x1
const CURSOR_OPT_SCROLL = 0x2
const CURSOR_OPT_NO_SCROLL = 0x4
const CURSOR_OPT_HOLD = 0x20

/** Without either word PostgreSQL goes back where the plan allows it, which locks do not; here, as long as the rows read are few. */
function scrollOf(options: number, locks: boolean): CursorOptions['scroll'] {
  if ((options & CURSOR_OPT_SCROLL) !== 0) return 'yes'
  return (options & CURSOR_OPT_NO_SCROLL) !== 0 || locks ? 'no' : 'while small'
}

/** A part of a statement as a statement of its own: same source, so that positions stay right. */
export function innerStatement(statement: ParsedStatement, node: Node): ParsedStatement {
  return { ...statement, node }
}

export function runDeclare(
  session: Session,
  statement: ParsedStatement,
  node: NodeOf['DeclareCursorStmt'],
  params: readonly Datum[],
  parameterTypes: readonly Oid[],
): MaybePromise<string> {
  const options = node.options ?? 0
  const holdable = (options & CURSOR_OPT_HOLD) !== 0
  const name = node.portalname ?? ''
  if (!holdable && !session.block.inBlockOfAnyKind) throw noActiveTransaction('DECLARE CURSOR')
  if (session.portals.has(name)) throw new PgError(SQLSTATE.duplicateCursor, `cursor "${name}" already exists`)
  const plan = session.planning.plan(innerStatement(statement, node.query!), parameterTypes, true)
  return andThen(plan, (entry) => {
    if (entry.planned.command !== 'select') throw new PgError(SQLSTATE.invalidCursorDefinition, 'cursor query must be a SELECT')
    if (entry.planned.hasModifyingCte) {
      throw new PgError(SQLSTATE.featureNotSupported, 'DECLARE CURSOR must not contain data-modifying statements in WITH')
    }
    if (entry.planned.hasRowMarks && holdable) {
      throw new PgError(SQLSTATE.featureNotSupported, 'DECLARE CURSOR WITH HOLD ... FOR UPDATE is not supported', {
        detail: 'Holdable cursors must be READ ONLY.',
      })
    }
    return andThen(startExecution(session, entry, params, false), (execution) => {
      session.portals.addCursor(
        name,
        new Cursor(
          {
            name,
            text: statement.text,
            columns: entry.columns ?? [],
            rowKeys: entry.rowKeys,
            plan: entry.planned,
            locks: entry.planned.hasRowMarks,
            holdable,
            binary: (options & CURSOR_OPT_BINARY) !== 0,
            scroll: scrollOf(options, entry.planned.hasRowMarks),
            createdAt: session.context.statementTimestamp,
          },
          execution,
          planRowStore(session, entry.planned),
        ),
      )
      return 'DECLARE CURSOR'
    })
  })
}

/** FETCH, MOVE and CLOSE reach portals that Bind made, too: such a one becomes a cursor. */
function adoptPortal(session: Session, name: string): MaybePromise<void> {
  const portal = session.portals.peek(name)
  if (portal === undefined) return undefined
  if (portal.state === 'failed') throw cannotRun(name)
  const columns = portal.plan?.columns ?? null
  if (columns === null || portal.held !== null || portal.plan === null || !portal.prepared.class!.optimizable) {
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${name}" cannot be run as a cursor`)
  }
  const { plan, prepared, params, resultFormats, state } = portal
  const execution = portal.execution ?? (state === 'done' ? null : startExecution(session, plan, params, false))
  return andThen(execution, (running) => {
    const options = {
      name,
      text: prepared.text,
      columns,
      rowKeys: plan.rowKeys,
      plan: plan.planned,
      locks: plan.planned.hasRowMarks,
      holdable: false,
      binary: false,
      formats: resultFormats,
      scroll: 'no' as const,
      createdAt: session.context.statementTimestamp,
    }
    session.portals.becomes(name, new Cursor(options, running, planRowStore(session, plan.planned)))
  })
}

/** None while there is no such cursor: a FETCH may be prepared before the DECLARE, and fails only when it runs. */
export function fetchColumns(session: Session, node: NodeOf['FetchStmt'], columnsOf: ColumnsOf): RowShape['columns'] | null {
  if (node.ismove) return null
  const name = node.portalname ?? ''
  const portal = session.portals.peek(name)
  return portal === undefined ? (session.portals.cursors.get(name)?.options.columns ?? null) : columnsOf(portal.prepared)
}

/** libpg-query gives FETCH ALL as the largest 64-bit number, rounded or as text. */
function howMany(node: NodeOf['FetchStmt']): number {
  const count = Number(node.howMany ?? 0)
  return Math.abs(count) > Number.MAX_SAFE_INTEGER ? Math.sign(count) * Number.POSITIVE_INFINITY : count
}

export function runFetch(session: Session, node: NodeOf['FetchStmt'], sink: ResultSink): MaybePromise<string> {
  return andThen(adoptPortal(session, node.portalname ?? ''), () => fetchFrom(session, node, sink))
}

function fetchFrom(session: Session, node: NodeOf['FetchStmt'], sink: ResultSink): MaybePromise<string> {
  const cursor = session.portals.cursor(node.portalname ?? '')
  const count = howMany(node)
  const shape = cursor.shape(session.settings.io)
  let told = node.ismove === true
  /** With the first row: an error before it stands alone. */
  const tell = (): void => {
    if (!told) sink.describe(shape)
    told = true
  }
  const target: RowTarget | null = node.ismove
    ? null
    : {
        rows(rows, from, to) {
          tell()
          return sink.rows(rows, from, to)
        },
      }
  let sent: MaybePromise<number>
  switch (node.direction) {
    case 'FETCH_BACKWARD':
      sent = count < 0 ? cursor.fetch(-count, false, target) : count === 0 ? cursor.relative(0, target) : cursor.fetch(count, true, target)
      break
    case 'FETCH_ABSOLUTE':
      sent = cursor.absolute(count, target)
      break
    case 'FETCH_RELATIVE':
      sent = cursor.relative(count, target)
      break
    default:
      sent = count < 0 ? cursor.fetch(-count, true, target) : count === 0 ? cursor.relative(0, target) : cursor.fetch(count, false, target)
  }
  return andThen(sent, (rows) => {
    tell()
    return `${node.ismove ? 'MOVE' : 'FETCH'} ${rows}`
  })
}

export function runClose(session: Session, node: NodeOf['ClosePortalStmt']): string {
  if (node.portalname === undefined) {
    for (const name of [...session.portals.cursors.keys()]) session.portals.close(name)
    return 'CLOSE CURSOR ALL'
  }
  if (session.portals.peek(node.portalname) === undefined) session.portals.cursor(node.portalname)
  session.portals.close(node.portalname)
  return 'CLOSE CURSOR'
}
