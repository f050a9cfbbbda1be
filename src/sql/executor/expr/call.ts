// Calls of functions: finding the body, strictness, VARIADIC "any", and closures for one, two and three arguments. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { notSupported, PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { atOnce } from '../../../base/long-work.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { PgProcRow } from '../../builtin/data/rows.ts'
import { LANGUAGE } from '../../builtin/pg-proc.ts'
import { collationUse, indeterminateCollation } from '../../functions/collation-needed.ts'
import { findBody, procBody } from '../../functions/registry.ts'
import type { ArrayDatum } from '../../types/array.ts'
import type { CallInfo, ProcBody } from '../../types/procs.ts'
import type { Compilation } from '../compilation.ts'
import type { Evaluator, ExecState } from '../operator.ts'
import { anyAsync, type Compiled, eager, eagerWaiting, evaluator, sync } from './compiled.ts'
import { compileArithmetic } from './fast-arith.ts'
import { comparisonOf, compileComparison } from './fast-compare.ts'
import { compileLike } from './like.ts'

/** pg_type's "any". */
const ANY = 2276

const ASYNC_PROCS = new Set([
  'nextval_oid',
  'setval_oid',
  'setval3_oid',
  'pg_sequence_last_value',
  'pg_sleep',
  'pg_notify',
  'pg_cancel_backend',
  'pg_terminate_backend',
])

/** The catalogue gives their bodies, which look at its snapshot alone: they answer at once, so that an index may hold what they compute. */
const ENUM_COMPARISON = /^enum_(?:eq|ne|lt|le|gt|ge|cmp|smaller|larger)$/

/** Bodies that may answer a promise; those of higher rooms (no body here) may too. */
export function mayWait(proc: PgProcRow): boolean {
  if (ASYNC_PROCS.has(proc.prosrc)) return true
  return proc.prolang === LANGUAGE.internal ? findBody(proc) === undefined && !ENUM_COMPARISON.test(proc.prosrc) : true
}

export interface Call {
  readonly funcId: Oid
  readonly argTypes: readonly Oid[]
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
  readonly variadic: boolean
}

export function procOf(cx: Compilation, funcId: Oid): PgProcRow {
  const known = cx.procs.get(funcId)
  if (known !== undefined) return known
  const proc = cx.catalog.proc(funcId)
  if (proc === null) throw new PgError(SQLSTATE.internalError, `cache lookup failed for function ${funcId}`)
  if (cx.catalog.isRestricted(proc)) cx.state.restricted.add(funcId)
  cx.procs.set(funcId, proc)
  return proc
}

export function callInfo(call: Call, proc: PgProcRow, elementType: Oid): CallInfo {
  return {
    argTypes: call.argTypes,
    resultType: call.type,
    resultTypmod: call.typmod,
    collation: call.collation,
    variadicElementType: call.variadic && proc.provariadic === ANY ? elementType : 0,
  }
}

/** What the call needs a collation for that it has none for; null where it has one, or needs none. */
const undetermined = (proc: PgProcRow, call: Call): string | null => (call.collation === 0 ? collationUse(proc.prosrc) : null)

const refuse = (use: string) => (): never => {
  throw indeterminateCollation(use)
}

/** Calls the body with pg_proc's arguments, NULLs included; for those who keep the arguments themselves. */
export type DirectCall = (values: readonly Datum[]) => MaybePromise<Datum>

/** A function of PostgreSQL or a user as a call over values (no strictness applied), e.g. a comparison function, a cast, an in_range. */
export function directCall(cx: Compilation, call: Call): DirectCall {
  const proc = procOf(cx, call.funcId)
  const use = undetermined(proc, call)
  if (use !== null) return refuse(use)
  const { state } = cx
  const info = callInfo(call, proc, 0)
  // some functions PostgreSQL writes in SQL have bodies of a higher room here, found by name
  if (findBody(proc) === undefined && proc.prolang !== LANGUAGE.internal && state.ctx.system(proc.proname) === undefined) {
    const prepared = sqlFunction(cx, proc, info)
    return (values) => prepared.call(values, state)
  }
  const body = procBody(proc)
  if (proc.pronargs === 1) return (v) => body(v[0], state.ctx, info) as Datum
  if (proc.pronargs === 2) return (v) => body(v[0], v[1], state.ctx, info) as Datum
  return (v) => body(...v, state.ctx, info) as Datum
}

export function sqlFunction(cx: Compilation, proc: PgProcRow, info: CallInfo) {
  if (cx.sqlFunctions === null) throw notSupported(`function ${proc.proname} is not implemented`)
  return cx.sqlFunctions.prepare(proc, info, cx.catalog)
}

function strictClosure(body: ProcBody, args: readonly Compiled[], state: ExecState, info: CallInfo): Evaluator {
  const [x, y, z] = args
  switch (args.length) {
    case 0:
      return () => body(state.ctx, info) as Datum
    case 1: {
      if (x!.slot >= 0) {
        const i = x!.slot
        return (row) => {
          const a = row[i]!
          return a === null ? null : (body(a, state.ctx, info) as Datum)
        }
      }
      const f = evaluator(x!)
      return (row) => {
        const a = f(row)
        return a === null ? null : (body(a, state.ctx, info) as Datum)
      }
    }
    case 2: {
      if (y!.constant && y!.value !== null) {
        const f = evaluator(x!)
        const b = y!.value
        return (row) => {
          const a = f(row)
          return a === null ? null : (body(a, b, state.ctx, info) as Datum)
        }
      }
      const f = evaluator(x!)
      const g = evaluator(y!)
      return (row) => {
        const a = f(row)
        const b = g(row)
        return a === null || b === null ? null : (body(a, b, state.ctx, info) as Datum)
      }
    }
    case 3: {
      const f = evaluator(x!)
      const g = evaluator(y!)
      const h = evaluator(z!)
      return (row) => {
        const a = f(row)
        const b = g(row)
        const c = h(row)
        return a === null || b === null || c === null ? null : (body(a, b, c, state.ctx, info) as Datum)
      }
    }
    default: {
      const evals = args.map(evaluator)
      const n = evals.length
      return (row) => {
        const values = new Array<unknown>(n + 2)
        for (let i = 0; i < n; i++) {
          const value = evals[i]!(row)
          if (value === null) return nullAfter(evals, i + 1, row)
          values[i] = value
        }
        values[n] = state.ctx
        values[n + 1] = info
        return body(...values) as Datum
      }
    }
  }
}

/** A strict call with a NULL argument still evaluates the others (their errors and effects count). */
function nullAfter(evals: readonly Evaluator[], from: number, row: Row): null {
  for (let i = from; i < evals.length; i++) evals[i]!(row)
  return null
}

function plainClosure(body: ProcBody, args: readonly Compiled[], state: ExecState, info: CallInfo): Evaluator {
  const evals = args.map(evaluator)
  const [f, g] = evals
  if (evals.length === 0) return () => body(state.ctx, info) as Datum
  if (evals.length === 1) return (row) => body(f!(row), state.ctx, info) as Datum
  if (evals.length === 2) return (row) => body(f!(row), g!(row), state.ctx, info) as Datum
  const n = evals.length
  return (row) => {
    const values = new Array<unknown>(n + 2)
    for (let i = 0; i < n; i++) values[i] = evals[i]!(row)
    values[n] = state.ctx
    values[n + 1] = info
    return body(...values) as Datum
  }
}

/** Packs a VARIADIC "any" call's trailing values into the one array its body takes; an explicit VARIADIC array is unpacked. */
export function packVariadicAny(proc: PgProcRow, values: readonly Datum[], explicit: boolean): unknown[] {
  const fixed = proc.pronargs - 1
  const packed: unknown[] = values.slice(0, fixed)
  if (!explicit) packed.push(values.slice(fixed))
  else {
    const array = values[fixed] as ArrayDatum | null
    packed.push(array === null ? null : array.elements)
  }
  return packed
}

export function compileCall(cx: Compilation, call: Call, args: readonly Compiled[]): Compiled {
  const proc = procOf(cx, call.funcId)
  const { state } = cx
  const strict = proc.proisstrict
  const use = undetermined(proc, call)
  if (use !== null) {
    const fail = refuse(use)
    return eager(args, (values) => (strict && values.includes(null) ? null : fail()))
  }
  // some functions PostgreSQL writes in SQL have bodies of a higher room here, found by name
  if (findBody(proc) === undefined && proc.prolang !== LANGUAGE.internal && state.ctx.system(proc.proname) === undefined) {
    const prepared = sqlFunction(cx, proc, callInfo(call, proc, 0))
    const run = (values: readonly Datum[]): MaybePromise<Datum> => prepared.call(values, state)
    return eagerWaiting(args, (values) => (strict && values.includes(null) ? null : atOnce(run, values)))
  }
  const body = procBody(proc)
  if (proc.provariadic === ANY) {
    const elementType = call.variadic ? (cx.catalog.type(call.argTypes.at(-1)!)?.typelem ?? 0) : 0
    const info = callInfo(call, proc, elementType)
    return eager(args, (values) => {
      if (strict && values.includes(null)) return null
      return body(...packVariadicAny(proc, values, call.variadic), state.ctx, info) as Datum
    })
  }
  const info = callInfo(call, proc, 0)
  if (mayWait(proc) || anyAsync(args)) {
    const run = (values: readonly Datum[]): Datum => body(...values, state.ctx, info) as Datum
    if (!mayWait(proc)) return eager(args, (values) => (strict && values.includes(null) ? null : run(values)))
    return eagerWaiting(args, (values) => (strict && values.includes(null) ? null : atOnce(run, values)))
  }
  if (!strict) return sync(plainClosure(body, args, state, info))
  if (args.length === 2) {
    const [l, r] = args as [Compiled, Compiled]
    const comparison = comparisonOf(proc.prosrc)
    if (comparison !== null) return sync(compileComparison(comparison, l, r))
    const arithmetic = compileArithmetic(proc.prosrc, l, r, (a, b) => body(a, b, state.ctx, info) as Datum)
    if (arithmetic !== null) return sync(arithmetic)
    const like = compileLike(proc.prosrc, l, r)
    if (like !== null) return sync(like)
  }
  return sync(strictClosure(body, args, state, info))
}
