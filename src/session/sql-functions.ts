// Runs the builtin functions that PostgreSQL itself writes in SQL and that have no body of their own here (obj_description, information_schema's
// helpers): the text is analysed and planned at a call site's first call, then run per call in the caller's transaction.

import type { Datum, Row } from '../base/datum.ts'
import { notSupported } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { PG_CATALOG_NAMESPACE } from '../catalog/records.ts'
import { analyzeStatement } from '../sql/analyzer/analyze.ts'
import { paramTypes } from '../sql/analyzer/context.ts'
import type { PgProcRow } from '../sql/builtin/data/rows.ts'
import type { SqlFunctionCall, SqlFunctionRunner } from '../sql/executor/compilation.ts'
import { compilePlan } from '../sql/executor/compile.ts'
import { constantEvaluator } from '../sql/executor/evaluate.ts'
import { forEachRow } from '../sql/executor/init-plan.ts'
import type { ExecState, Operator } from '../sql/executor/operator.ts'
import { parse } from '../sql/parser/parse.ts'
import { planStatement } from '../sql/planner/planner.ts'
import type { CallInfo } from '../sql/types/procs.ts'
import { RECORD_OID, RecordDatum, type RowType } from '../sql/types/record.ts'

/** Owner of the builtin functions. */
const BOOTSTRAP_ROLE = 10

/** Strings, quoted names, names. */
const TOKENS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_][\w$]*/g

/** The one statement of a body, with its arguments as $1, $2 … */
export function statementOf(proc: PgProcRow): string {
  const { prosqlbody } = proc
  let text = proc.prosrc
  if (prosqlbody !== null) {
    const atomic = /^BEGIN ATOMIC\s+([\s\S]*?);?\s*END$/.exec(prosqlbody.trim())
    text = atomic === null ? prosqlbody.trim().replace(/^RETURN\s/, 'SELECT ') : atomic[1]!
  }
  const inputs = (proc.proargnames ?? []).filter((_, i) => proc.proargmodes === null || 'ibv'.includes(proc.proargmodes[i]!))
  const places = new Map(inputs.map((name, i) => [name, `$${i + 1}`]))
  places.delete('')
  return text.replace(TOKENS, (token) => places.get(token) ?? token)
}

interface Prepared {
  readonly operator: Operator
  readonly state: ExecState
  readonly rowType: RowType | null
}

function prepareCall(proc: PgProcRow, call: CallInfo, caller: ExecState): Prepared {
  const [statement] = parse(statementOf(proc))
  if (statement === undefined || statement.node === null) throw notSupported(`function ${proc.proname} is not implemented`)
  const { catalog } = caller
  const query = analyzeStatement(statement.node, {
    catalog,
    searchPath: [PG_CATALOG_NAMESPACE],
    currentUser: BOOTSTRAP_ROLE,
    params: paramTypes(call.argTypes.slice(0, proc.pronargs), false),
    source: null,
    eval: caller.ctx,
  })
  const planned = planStatement(query, { catalog, evaluate: constantEvaluator({ ...caller }), statistics: null })
  const state: ExecState = { ...caller, exec: new Array<Datum>(planned.execParamCount).fill(null) }
  const operator = compilePlan(planned.plan, state, { sqlFunctions: sqlFunctionRunner })
  const composite = proc.prorettype === RECORD_OID || catalog.type(proc.prorettype)?.typtype === 'c'
  if (!composite) return { operator, state, rowType: null }
  const fields = planned.output.map((entry) => ({
    name: entry.resname ?? '?column?',
    type: entry.expr.type,
    typmod: entry.expr.typmod,
    support: caller.ctx.catalog.typeSupport(entry.expr.type),
  }))
  return { operator, state, rowType: { type: proc.prorettype, fields } }
}

/** The caller's world of this run, with the call's own parameters. */
function enter({ state }: Prepared, caller: ExecState, args: readonly Datum[]): void {
  const { exec } = state
  Object.assign(state, caller)
  state.exec = exec
  state.params = args
}

function prepare(proc: PgProcRow, call: CallInfo): SqlFunctionCall {
  let prepared: Prepared | null = null
  let catalogVersion = ''
  const start = (caller: ExecState, args: readonly Datum[]): Prepared => {
    if (prepared === null || catalogVersion !== caller.catalog.version) {
      prepared = prepareCall(proc, call, caller)
      catalogVersion = caller.catalog.version
    }
    enter(prepared, caller, args)
    return prepared
  }
  const resultOf = (row: Row, rowType: RowType | null): Datum => (rowType === null ? row[0]! : new RecordDatum(rowType, row))
  const rows = (args: readonly Datum[], caller: ExecState, all: boolean): MaybePromise<Datum[]> => {
    const { operator, state, rowType } = start(caller, args)
    const values: Datum[] = []
    const run = forEachRow(operator, state, (row) => {
      values.push(resultOf(row.slice(0, rowType?.fields.length ?? 1), rowType))
      return all
    })
    return andThen(run, () => {
      caller.rowsExamined = state.rowsExamined
      return values
    })
  }
  return {
    call: (args, caller) => andThen(rows(args, caller, false), (values) => values[0] ?? null),
    callSet: (args, caller) => rows(args, caller, true),
  }
}

export const sqlFunctionRunner: SqlFunctionRunner = { prepare }
