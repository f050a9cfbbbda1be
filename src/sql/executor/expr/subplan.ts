// Subqueries inside expressions. Correlated ones run again per row, but not for parameter values whose answer is known; `x = ANY (…)` without
// correlation asks a hash table; other ANY and ALL keep the subquery's rows. The form may always wait: subqueries read the store.

import type { Datum, Row } from '../../../base/datum.ts'
import { LruMap } from '../../../base/lru.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Expr, OpExpr } from '../../analyzer/expr.ts'
import type { SubPlan } from '../../planner/plan.ts'
import { ArrayOfRows } from '../array-of-rows.ts'
import { combineKeys, type HashKey, hashKeyIfAny, hashKeyOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { forEachRow, freeParams, mostRows, tooManyRows, walkPlan } from '../init-plan.ts'
import { KeyTable } from '../key-table.ts'
import type { Operator } from '../operator.ts'
import { datumSize, rowSize } from '../row-size.ts'
import { procOf } from './call.ts'
import { type Compiled, waiting } from './compiled.ts'

/** Answers kept per subquery, and the bytes of the longest one. */
const CACHED_ANSWERS = 1000
const CACHED_ANSWER_BYTES = 64 * 1024

function isVolatile(cx: Compilation, sub: SubPlan): boolean {
  let found = false
  walkPlan([sub.plan, sub.testExpr], (node) => {
    const { funcId, opFuncId } = node as { funcId?: number; opFuncId?: number }
    if (node.kind === 'NextValueExpr' || node.kind === 'ModifyTable' || node.kind === 'LockRows') found = true
    const fn = node.kind === 'FuncExpr' ? funcId : opFuncId
    if (fn !== undefined && procOf(cx, fn).provolatile === 'v') found = true
  })
  return found
}

/** Runs `steps` in order, each perhaps later. */
function inOrder(count: number, step: (i: number) => MaybePromise<void>, from = 0): MaybePromise<void> {
  for (let i = from; i < count; i++) {
    const done = step(i)
    if (done instanceof Promise) return done.then(() => inOrder(count, step, i + 1))
  }
  return undefined
}

/** Pairs (outer expression, its comparand over the sub-row) when the test is `=` or an AND of them; null otherwise. */
function equalities(test: Expr, columns: ReadonlySet<number>): { outer: Expr; inner: Expr }[] | null {
  if (test.kind === 'BoolExpr' && test.op === 'and') {
    const parts = test.args.map((arg) => equalities(arg, columns))
    return parts.some((part) => part === null) ? null : (parts as { outer: Expr; inner: Expr }[][]).flat()
  }
  if (test.kind !== 'OpExpr') return null
  const [outer, inner] = (test as OpExpr).args as [Expr, Expr]
  const reads = (e: Expr): boolean => {
    let found = false
    walkPlan(e, (node) => {
      const param = node as unknown as { paramKind?: string; id?: number }
      if (node.kind === 'Param' && param.paramKind === 'exec' && columns.has(param.id!)) found = true
    })
    return found
  }
  return reads(inner) && !reads(outer) ? [{ outer, inner }] : null
}

interface HashedRows {
  keys: KeyTable
  /** Rows with a NULL in some column; with several columns, all others too (for outer rows that hold a NULL). */
  partial: unknown[][]
  charged: number
}

/** `(a, b) = ANY (subquery)` against a set built once. */
function hashedAny(
  cx: Compilation,
  sub: SubPlan,
  operator: () => Operator,
  pairs: readonly { outer: Expr; inner: Expr }[],
  compile: (e: Expr) => Compiled,
): (row: Row) => MaybePromise<Datum> {
  const { state } = cx
  const outers = pairs.map((pair) => compile(pair.outer).eval)
  const inners = pairs.map((pair) => compile(pair.inner).eval)
  const outerHash = pairs.map((pair) => hashKeyOf(cx, pair.outer.type))
  const innerHash = pairs.map((pair) => hashKeyOf(cx, pair.inner.type))
  const n = pairs.length
  const free = freeParams(sub.plan, cx)
  let built: HashedRows | null = null
  let run = -1
  let values: Datum[] = []
  const keyOf = (hash: HashKey | null, value: Datum): unknown => (value === null || hash === null ? value : hash(value))
  const release = (): void => {
    if (built !== null) state.memory.release(built.charged)
    built = null
  }
  cx.owned.push({ open: () => undefined, next: () => null, close: release })
  const build = (): MaybePromise<HashedRows> => {
    if (built !== null && run === cx.run && free.every((id, i) => state.exec[id] === values[i])) return built
    release()
    const table: HashedRows = { keys: new KeyTable(), partial: [], charged: 0 }
    // Known from now on, so that what it holds is given back however the statement ends; complete when `run` says so.
    built = table
    run = -1
    const rows = forEachRow(operator(), state, (row) => {
      for (let i = 0; i < sub.columns.length; i++) state.exec[sub.columns[i]!] = row[i]!
      const keys = inners.map((inner, i) => keyOf(innerHash[i]!, inner(row) as Datum))
      const hasNull = keys.includes(null)
      const key = hasNull ? null : combineKeys(keys)
      let size = 0
      if (!hasNull && table.keys.getOrSet(key, 0) < 0) size = 48 + (typeof key === 'string' ? datumSize(key) : 0)
      if (hasNull || n > 1) {
        table.partial.push(keys)
        size += rowSize(keys as Row)
      }
      state.memory.charge(size)
      table.charged += size
      return true
    })
    return andThen(rows, () => {
      run = cx.run
      values = free.map((id) => state.exec[id]!)
      return table
    })
  }
  const answer = (table: HashedRows, keys: readonly unknown[]): Datum => {
    if (table.keys.size === 0 && table.partial.length === 0) return false
    if (!keys.includes(null) && table.keys.get(combineKeys(keys)) >= 0) return true
    if (n === 1) return keys[0] === null || table.partial.length > 0 ? null : false
    const maybe = table.partial.some((row) => {
      let unknown = false
      for (let i = 0; i < n; i++) {
        if (row[i] === null || keys[i] === null) unknown = true
        else if (row[i] !== keys[i]) return false
      }
      return unknown
    })
    return maybe ? null : false
  }
  return (row) =>
    andThen(build(), (table) => {
      const keys = new Array<unknown>(n)
      const filled = inOrder(n, (i) =>
        andThen(outers[i]!(row), (value) => {
          keys[i] = keyOf(outerHash[i]!, value)
        }),
      )
      return andThen(filled, () => answer(table, keys))
    })
}

export function compileSubPlan(cx: Compilation, sub: SubPlan, compile: (e: Expr) => Compiled): Compiled {
  const { state } = cx
  let op: Operator | null = null
  const operator = (): Operator => {
    if (op === null) {
      op = cx.compile(sub.plan)
      cx.owned.push(op)
    }
    return op
  }
  const params = sub.params.map((param) => ({ id: param.id, eval: compile(param.expr).eval }))
  const bind = (row: Row): MaybePromise<void> =>
    inOrder(params.length, (i) =>
      andThen(params[i]!.eval(row), (value) => {
        state.exec[params[i]!.id] = value
      }),
    )
  const test = sub.testExpr === null ? null : compile(sub.testExpr).eval
  const testRow = (row: Row, sub1: Row): MaybePromise<Datum> => {
    for (let i = 0; i < sub.columns.length; i++) state.exec[sub.columns[i]!] = sub1[i]!
    return test!(row)
  }
  const array = new ArrayOfRows(state, sub.plan.targetList[0]?.expr.type ?? 0)
  if (sub.kind === 'array') cx.owned.push({ open: () => undefined, next: () => null, close: () => array.release() })

  /** Many runs for the rows of one batch must not hold the event loop. */
  const slicer = makeSlicer(state)
  let slicedRun = -1
  const run = (row: Row): MaybePromise<Datum> => {
    if (slicedRun !== cx.run) {
      slicedRun = cx.run
      slicer.start()
    }
    const pause = slicer.pause()
    return pause === null ? runNow(row) : pause.then(() => runNow(row))
  }

  /** One run of the subquery for the present parameters. */
  const runNow = (row: Row): MaybePromise<Datum> => {
    let found: Row | null = null
    switch (sub.kind) {
      case 'exists':
        return andThen(
          forEachRow(
            operator(),
            state,
            (r) => {
              found = r
              return false
            },
            mostRows(sub),
          ),
          () => found !== null,
        )
      case 'array': {
        array.release()
        return andThen(
          forEachRow(operator(), state, (r) => {
            array.add(r[0]!)
            return true
          }),
          () => {
            const made = array.finish()
            // from now on whoever takes it counts it
            array.release()
            return made
          },
        )
      }
      case 'any':
      case 'all': {
        const stop = sub.kind === 'any'
        let answer: Datum = !stop
        return andThen(
          forEachRow(operator(), state, (r) =>
            andThen(testRow(row, r), (value) => {
              if (value === null) answer = null
              if (value !== stop) return true
              answer = stop
              return false
            }),
          ),
          () => answer,
        )
      }
      default:
        return andThen(
          forEachRow(
            operator(),
            state,
            (r) => {
              if (found !== null) throw tooManyRows()
              found = r
              return true
            },
            mostRows(sub),
          ),
          () => {
            if (sub.kind === 'multiexpr') {
              for (let i = 0; i < sub.setParams.length; i++) state.exec[sub.setParams[i]!] = found === null ? null : found[i]!
              return null
            }
            if (found === null) return null
            return sub.kind === 'rowcompare' ? testRow(row, found) : found[0]!
          },
        )
    }
  }

  if (sub.kind === 'any' && sub.useHash && sub.params.length === 0 && sub.testExpr !== null) {
    const pairs = equalities(sub.testExpr, new Set(sub.columns))
    if (pairs !== null) return waiting(hashedAny(cx, sub, operator, pairs, compile))
  }

  const cached = (sub.kind === 'expr' || sub.kind === 'exists' || sub.kind === 'array') && !isVolatile(cx, sub)
  if (!cached) return waiting((row) => andThen(bind(row), () => run(row)))

  const free = freeParams(sub.plan, cx)
  const types = new Map(sub.params.map((param) => [param.id, param.expr.type]))
  const hashes = free.map((id) => {
    const type = types.get(id)
    return type === undefined ? null : hashKeyIfAny(cx, type)
  })
  const usable = hashes.every((hash) => hash !== undefined)
  const answers = new LruMap<unknown, { readonly value: Datum }>(CACHED_ANSWERS)
  let cachedRun = -1
  const keys = new Array<unknown>(free.length)
  const answer = (row: Row): MaybePromise<Datum> => {
    if (!usable) return run(row)
    if (cachedRun !== cx.run) {
      answers.clear()
      cachedRun = cx.run
    }
    for (let i = 0; i < free.length; i++) {
      const value = state.exec[free[i]!]
      // A param that is itself computed later, or whose form is no key: no answer is kept.
      if (value === undefined || (typeof value === 'object' && value !== null && hashes[i] === null)) return run(row)
      const hash = hashes[i]!
      keys[i] = value === null || hash === null ? value : hash(value)
    }
    const key = free.length === 0 ? '' : combineKeys(keys)
    const known = answers.get(key)
    if (known !== undefined) return known.value
    return andThen(run(row), (value) => {
      if (datumSize(value) <= CACHED_ANSWER_BYTES) answers.set(key, { value })
      return value
    })
  }
  if (params.length === 0) return waiting(answer)
  return waiting((row) => andThen(bind(row), () => answer(row)))
}
