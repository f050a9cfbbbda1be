// TABLESAMPLE: a condition on the table's rows by which each is taken with the same probability. With REPEATABLE a digest of the row's key
// and the seed decides, so that a row that was in the sample stays in it. There are no pages to sample: SYSTEM takes single rows too.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { COERCION } from '../functions/coercion-path.ts'
import { type NodeOf, nameList } from '../parser/nodes.ts'
import { coerceToTarget } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { errorAt, type NsItem, type ParseState } from './context.ts'
import { type Expr, ROW_KEY_ATTNO } from './expr.ts'
import { transformExpr } from './expr-entry.ts'
import { parseFunction } from './functions.ts'
import { exprLocation } from './location.ts'
import { makeConst, makeVar } from './make.ts'
import { makeOp } from './operators.ts'
import type { Query } from './query.ts'
import { forEachChild, forEachQueryExpr, forEachSubquery } from './walker.ts'

const METHODS = ['bernoulli', 'system']

/** Digests are compared as numbers below this. */
const RANGE = 2 ** 31

export function sampleCondition(state: ParseState, sample: NodeOf['RangeTableSample'], item: NsItem): Expr {
  const location = sample.location ?? 0
  if (item.relation?.relkind !== 'r')
    throw errorAt(
      state,
      SQLSTATE.featureNotSupported,
      'TABLESAMPLE clause can only be applied to tables and materialized views',
      (sample.relation as NodeOf | undefined)?.RangeVar?.location,
    )
  const method = nameList(sample.method).at(-1)!
  if (!METHODS.includes(method)) throw errorAt(state, SQLSTATE.undefinedObject, `tablesample method ${method} does not exist`, location)
  const args = sample.args ?? []
  if (args.length !== 1)
    throw errorAt(
      state,
      SQLSTATE.invalidTablesampleArgument,
      `tablesample method ${method} requires 1 argument, not ${args.length}`,
      location,
    )
  const given = argument(state, transformExpr(state, args[0]!, 'from function'), T.float4)
  const call = (name: string, list: readonly Expr[]): Expr =>
    parseFunction(state, { names: ['pg_catalog', name], args: list, argNames: [], raw: null, filter: null, procCall: false, location })!
  const op = (name: string, left: Expr, right: Expr): Expr => makeOp(state, { schema: 'pg_catalog', name }, left, right, location)
  const float = (value: number): Expr => makeConst(T.float8, -1, 0, value, -1)
  let seed: Expr
  if (sample.repeatable === undefined) seed = argument(state, op('*', call('random', []), float(RANGE)), T.int8)
  else {
    const number = argument(state, transformExpr(state, sample.repeatable, 'from function'), T.float8)
    seed = argument(state, call('hashfloat8', [call('tablesample_seed', [number])]), T.int8)
  }
  const key = makeVar(item.rtindex, ROW_KEY_ATTNO, { type: T.bytea, typmod: -1, collation: 0 }, 0, -1)
  const digest = op('&', call('hashbyteaextended', [key, seed]), makeConst(T.int8, -1, 0, RANGE - 1, -1))
  const percent = call('tablesample_percentage', [given])
  const limit = op('*', argument(state, percent, T.float8), float(RANGE / 100))
  const condition = op('<', argument(state, digest, T.float8), limit)
  assignCollations(state, condition)
  return condition
}

function argument(state: ParseState, expr: Expr, type: number): Expr {
  const result = coerceToTarget(state, expr, type, -1, COERCION.assignment, 'implicit', exprLocation(expr))
  if (result !== null) return result
  throw errorAt(
    state,
    SQLSTATE.datatypeMismatch,
    `argument of TABLESAMPLE must be type ${type === T.float4 ? 'real' : 'double precision'}, not type ${state.source.formatType(expr.type)}`,
    exprLocation(expr),
  )
}

/** Whether the query samples a table, itself or further in. */
export function hasSample(query: Query): boolean {
  let found = false
  const visit = (expr: Expr): void => {
    if (expr.kind === 'Var' && expr.attno === ROW_KEY_ATTNO) found = true
    forEachChild(expr, visit)
  }
  forEachQueryExpr(query, visit)
  forEachSubquery(query, (inner) => {
    if (hasSample(inner)) found = true
  })
  return found
}
