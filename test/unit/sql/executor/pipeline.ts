// SQL text through parser, analyzer, planner and executor over the builtin catalogue: no session and no tables, but every expression and
// every operator that touches no store.

import { PgError } from '../../../../src/base/errors.ts'
import type { Oid } from '../../../../src/base/ids.ts'
import { SQLSTATE } from '../../../../src/base/sqlstate.ts'
import { ReaderSnapshot } from '../../../../src/catalog/catalog-snapshot.ts'
import { catalogLookup } from '../../../../src/catalog/lookup.ts'
import { sqlFunctionRunner } from '../../../../src/session/sql-functions.ts'
import { analyzeStatement } from '../../../../src/sql/analyzer/analyze.ts'
import { paramTypes } from '../../../../src/sql/analyzer/context.ts'
import type { CompileOptions } from '../../../../src/sql/executor/compilation.ts'
import { compilePlan } from '../../../../src/sql/executor/compile.ts'
import type { ExecState } from '../../../../src/sql/executor/operator.ts'
import { loadParser, parse } from '../../../../src/sql/parser/parse.ts'
import { planStatement } from '../../../../src/sql/planner/planner.ts'
import type { EvalContext } from '../../../../src/sql/types/eval-context.ts'
import { builtinTypeSupport } from '../../../../src/sql/types/registry.ts'
import { collect, makeState } from './harness.ts'

const PG_CATALOG: Oid = 11

const snapshot = new ReaderSnapshot({ version: '0', get: () => null, fetch: () => null, scan: () => [] } as never)

export { loadParser }

/** The rows as text, NULL as null. */
export async function runSql(
  text: string,
  options: Parameters<typeof makeState>[0] = {},
  compileOptions: CompileOptions = { sqlFunctions: sqlFunctionRunner },
): Promise<(string | null)[][]> {
  const state: ExecState = makeState(options)
  state.catalog = snapshot
  const lookup = catalogLookup(
    () => snapshot,
    () => [PG_CATALOG],
    {
      parseType: (name) => {
        throw new PgError(SQLSTATE.undefinedObject, `type "${name}" does not exist`)
      },
      database: () => 'postgres',
    },
  )
  const ctx = {
    ...state.ctx,
    random: Math.random,
    catalog: lookup,
    session: { currentUserName: 'postgres', sessionUserName: 'postgres', database: 'postgres', searchPath: () => ['public'] },
  } as unknown as EvalContext
  state.ctx = ctx
  const [statement] = parse(text)
  const query = analyzeStatement(statement!.node!, {
    catalog: snapshot,
    searchPath: [PG_CATALOG],
    currentUser: 10,
    params: paramTypes(),
    source: statement!.source,
    eval: ctx,
  })
  const planned = planStatement(query, { catalog: snapshot, evaluate: null, statistics: null })
  state.exec = new Array(planned.execParamCount).fill(null)
  const operator = compilePlan(planned.plan, state, compileOptions)
  const rows = await collect(operator).finally(() => operator.close())
  if (state.memory.used !== 0) throw new Error(`${state.memory.used} bytes not released`)
  const supports = planned.output.map((entry) => builtinTypeSupport(entry.expr.type))
  return rows.map((row) => supports.map((support, i) => (row[i] === null ? null : support.output(row[i]!, ctx.io))))
}
