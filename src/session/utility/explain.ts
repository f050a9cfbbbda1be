// EXPLAIN: the plan of a statement; with ANALYZE the statement is run, its rows thrown away, and what every node did is shown beside it.

import type { Datum } from '../../base/datum.ts'
import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ResultSink, RowShape } from '../../pgwire/backend.ts'
import { defBoolean, defElems, defString } from '../../sql/commands/def-elem.ts'
import { selectInto, withoutInto } from '../../sql/commands/select-into.ts'
import { compilePlan } from '../../sql/executor/compile.ts'
import { type Instrumentation, makeInstrumentation } from '../../sql/executor/instrument.ts'
import { type Node, type NodeOf, nodeTag } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { type ExplainOptions, explainJson, explainText } from '../../sql/planner/explain.ts'
import type { PlanEntry } from '../plan-cache.ts'
import { drain, startExecution } from '../run-planned.ts'
import type { Session } from '../session.ts'
import { executedPlan } from './prepared-sql.ts'

const JSON_TYPE = 114

interface Options {
  readonly analyze: boolean
  readonly verbose: boolean
  readonly costs: boolean
  readonly timing: boolean
  readonly summary: boolean
  readonly format: 'text' | 'json'
}

function readOptions(node: NodeOf['ExplainStmt']): Options {
  let analyze = false
  let verbose = false
  let costs = true
  let timing: boolean | null = null
  let summary: boolean | null = null
  let format: Options['format'] = 'text'
  for (const def of defElems(node.options)) {
    switch (def.defname) {
      case 'analyze':
        analyze = defBoolean(def)
        break
      case 'verbose':
        verbose = defBoolean(def)
        break
      case 'costs':
        costs = defBoolean(def)
        break
      case 'timing':
        timing = defBoolean(def)
        break
      case 'summary':
        summary = defBoolean(def)
        break
      case 'format': {
        const name = defString(def).toLowerCase()
        if (name === 'xml' || name === 'yaml') throw notSupported(`EXPLAIN format "${name}" is not supported`)
        if (name !== 'text' && name !== 'json') {
          throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized value for EXPLAIN option "format": "${name}"`)
        }
        format = name
        break
      }
      case 'buffers':
      case 'wal':
      case 'settings':
      case 'generic_plan':
      case 'memory':
      case 'serialize':
        if (def.defname === 'generic_plan' || !defBooleanLoose(def)) break
        throw notSupported(`EXPLAIN option ${def.defname!.toUpperCase()} is not supported`)
      default:
        throw new PgError(SQLSTATE.syntaxError, `unrecognized EXPLAIN option "${def.defname}"`)
    }
  }
  if (timing === true && !analyze) throw new PgError(SQLSTATE.invalidParameterValue, 'EXPLAIN option TIMING requires ANALYZE')
  return { analyze, verbose, costs, timing: timing ?? true, summary: summary ?? analyze, format }
}

/** SERIALIZE takes NONE, too. */
function defBooleanLoose(def: Parameters<typeof defBoolean>[0]): boolean {
  return def.arg !== undefined && defString(def).toLowerCase() === 'none' ? false : defBoolean(def)
}

export function explainColumns(session: Session, node: NodeOf['ExplainStmt']): RowShape['columns'] {
  const columns = session.textColumns(['QUERY PLAN'])
  if (readOptions(node).format === 'text') return columns
  return columns.map((column) => ({ ...column, typeOid: JSON_TYPE, encoder: session.planning.supportOf(JSON_TYPE) }))
}

export function runExplain(
  session: Session,
  statement: ParsedStatement,
  node: NodeOf['ExplainStmt'],
  params: readonly Datum[],
  sink: ResultSink,
  parameterTypes: readonly Oid[],
): MaybePromise<string> {
  const options = readOptions(node)
  const started = performance.now()
  return andThen(explainedPlan(session, statement, node.query!, options.analyze, params, parameterTypes), ({ entry, values }) => {
    const planningMs = performance.now() - started
    if (!options.analyze) return tell(session, entry, node, options, null, planningMs, null, sink)
    const instrumentation = makeInstrumentation()
    const state = session.planning.execState(session.block.txn!)
    const root = compilePlan(entry.planned.plan, state, {
      ...session.planning.compileOptions,
      instrument: instrumentation.instrument,
    })
    // An entry of its own, whose one compiled instance is the instrumented one.
    const own: PlanEntry = { ...entry, idle: [{ state, root }] }
    const running = performance.now()
    return andThen(startExecution(session, own, values, false), (execution) =>
      andThen(drain(execution, null), () =>
        tell(session, own, node, options, instrumentation, planningMs, performance.now() - running, sink),
      ),
    )
  })
}

/** The plan that is told of, and the values it is run with. */
function explainedPlan(
  session: Session,
  statement: ParsedStatement,
  query: Node,
  isRun: boolean,
  values: readonly Datum[],
  parameterTypes: readonly Oid[],
): MaybePromise<{ readonly entry: PlanEntry; readonly values: readonly Datum[] }> {
  const kind = nodeTag(query)
  const inner = query as NodeOf
  const again = (node: Node) => explainedPlan(session, statement, node, isRun, values, parameterTypes)
  if (kind === 'ExecuteStmt') return executedPlan(session, statement, inner.ExecuteStmt)
  if (kind === 'DeclareCursorStmt') return again(inner.DeclareCursorStmt.query!)
  if (kind === 'CreateTableAsStmt' && !isRun) return again(inner.CreateTableAsStmt.query!)
  if (selectInto(query) !== null) {
    if (isRun) throw notSupported('EXPLAIN ANALYZE of SELECT INTO is not supported')
    return again(withoutInto(query))
  }
  if (!OPTIMIZABLE.has(kind)) throw notSupported(`EXPLAIN${isRun ? ' ANALYZE' : ''} of ${kind.replace(/Stmt$/, '')} is not supported`)
  const explained: ParsedStatement = { ...statement, node: query, text: `explain\0${statement.text}` }
  return andThen(session.planning.plan(explained, parameterTypes), (entry) => ({ entry, values }))
}

const OPTIMIZABLE: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

function tell(
  session: Session,
  entry: PlanEntry,
  node: NodeOf['ExplainStmt'],
  options: Options,
  instrumentation: Instrumentation | null,
  planningMs: number,
  executionMs: number | null,
  sink: ResultSink,
): MaybePromise<string> {
  const { planned } = entry
  const catalog = session.planning.snapshot()
  const shown: ExplainOptions = {
    costs: options.costs,
    verbose: options.verbose,
    timing: options.timing,
    actual: instrumentation === null ? null : (plan) => instrumentation.actual(plan),
  }
  sink.describe({ columns: explainColumns(session, node), formats: [], io: session.settings.io })
  if (options.format === 'json') {
    const top: Record<string, unknown> = { Plan: explainJson(planned, catalog, shown) }
    if (options.summary) {
      top['Planning Time'] = Number(planningMs.toFixed(3))
      if (executionMs !== null) top['Execution Time'] = Number(executionMs.toFixed(3))
    }
    return andThen(sink.rows([[JSON.stringify([top], null, 2)]]), () => 'EXPLAIN')
  }
  const lines = explainText(planned, catalog, shown)
  if (options.summary) {
    lines.push(`Planning Time: ${planningMs.toFixed(3)} ms`)
    if (executionMs !== null) lines.push(`Execution Time: ${executionMs.toFixed(3)} ms`)
  }
  return andThen(sink.rows(lines.map((line) => [line])), () => 'EXPLAIN')
}
