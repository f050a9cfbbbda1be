// Subqueries that run once: InitPlans, whose result is an exec param computed when it is first asked for, and CTEs, whose rows several scans
// share. What they computed stands until the statement runs anew or an exec param they read has changed.

import type { CancelToken } from '../../base/cancel.ts'
import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { andThen, loop, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { Plan, SubPlan } from '../planner/plan.ts'
import { ArrayOfRows } from './array-of-rows.ts'
import type { Compilation, InitPlan } from './compilation.ts'
import type { Batch, Operator } from './operator.ts'
import { StatementWrites } from './statement-writes.ts'
import type { TupleReader, TupleSource } from './tuple-source.ts'
import { TupleStore } from './tuple-store.ts'

/** Visits every node of a plan tree and its expressions (plain data), but for constants, of which there may be very many. */
export function walkPlan(node: unknown, visit: (node: { readonly kind: string }) => void): void {
  if (node === null || typeof node !== 'object') return
  if (Array.isArray(node)) {
    for (const item of node) if ((item as { kind?: unknown } | null)?.kind !== 'Const') walkPlan(item, visit)
    return
  }
  const { kind } = node as { kind?: unknown }
  if (kind === 'Const') return
  if (typeof kind === 'string') visit(node as { readonly kind: string })
  for (const child of Object.values(node)) if (typeof child === 'object') walkPlan(child, visit)
}

/** Exec params a plan's rows depend on, those that nothing inside it sets; instead of the params of InitPlans and the CTEs outside it, theirs. */
export function freeParams(plan: Plan, cx: Compilation): number[] {
  const read = new Set<number>()
  const set = new Set<number>()
  walkPlan(plan, (node) => {
    const n = node as unknown as Record<string, unknown>
    if (node.kind === 'Param' && n['paramKind'] === 'exec') read.add(n['id'] as number)
    if (node.kind === 'WorkTableScan') read.add(n['workTable'] as number)
    if (node.kind === 'RecursiveUnion') set.add(n['workTable'] as number)
    if (node.kind === 'CteScan') for (const id of cx.ctes.get(n['subPlan'] as number)?.free ?? []) read.add(id)
    if (node.kind === 'NestLoop') for (const param of n['params'] as { id: number }[]) set.add(param.id)
    const subPlans = [...((n['initPlans'] as SubPlan[] | undefined) ?? []), ...(node.kind === 'SubPlanExpr' ? [n['plan'] as SubPlan] : [])]
    for (const sub of subPlans) for (const id of [...sub.setParams, ...sub.columns, ...sub.params.map((p) => p.id)]) set.add(id)
  })
  const free = new Set<number>()
  for (const id of read) if (!set.has(id)) for (const own of cx.initParams.get(id)?.free ?? [id]) free.add(own)
  return [...free]
}

export function tooManyRows(): PgError {
  return new PgError(SQLSTATE.cardinalityViolation, 'more than one row returned by a subquery used as an expression')
}

/**
 * Pulls rows until `take` answers false or the end, others having their turn between batches; leaves the operator closed. `max`: it will take
 * no more.
 */
export function forEachRow(
  op: Operator,
  state: { readonly cancel: CancelToken },
  take: (row: Row) => MaybePromise<boolean>,
  max?: number,
): MaybePromise<void> {
  let slicer: Slicer | null = null
  const rowsFrom = (rows: readonly Row[], count: number, from: number): MaybePromise<boolean> => {
    for (let i = from; i < count; i++) {
      const more = take(rows[i]!)
      if (more instanceof Promise) {
        const kept = rows.slice(0, count)
        return more.then((go) => (go ? rowsFrom(kept, count, i + 1) : false))
      }
      if (!more) return false
    }
    return true
  }
  /** Whether there may be more. */
  const takeFrom = (batch: Batch | null): MaybePromise<boolean> => (batch === null ? false : rowsFrom(batch.rows, batch.count, 0))
  const pull = (): MaybePromise<void> =>
    loop(() => {
      const batch = op.next(max)
      const more = batch instanceof Promise ? batch.then(takeFrom) : takeFrom(batch)
      if (more !== true) return more
      if (slicer === null) {
        slicer = makeSlicer(state)
        slicer.start()
        return true
      }
      const pause = slicer.pause()
      return pause === null ? true : pause.then(() => true)
    })
  const run = andThen(op.open(), pull)
  if (run instanceof Promise) return run.finally(() => op.close())
  op.close()
  return run
}

/** Rows a subquery is asked for: a scalar one's second row is an error. */
export function mostRows(sub: Pick<SubPlan, 'kind'>): number | undefined {
  return sub.kind === 'exists' ? 1 : sub.kind === 'expr' ? 2 : undefined
}

/** What was true when a result was computed. */
export interface Validity {
  run: number
  values: Datum[]
}

export function validityOf(cx: Compilation, free: readonly number[]): Validity {
  return { run: cx.run, values: free.map((id) => cx.state.exec[id]!) }
}

export function stillValid(cx: Compilation, free: readonly number[], known: Validity | null): boolean {
  if (known === null || known.run !== cx.run) return false
  for (let i = 0; i < free.length; i++) if (cx.state.exec[free[i]!] !== known.values[i]) return false
  return true
}

/** What a node's InitPlans need at its `open`. */
interface Resettable {
  reset(): void
  close(): void
}

function makeInitPlan(sub: SubPlan, cx: Compilation): InitPlan & Resettable {
  const { state } = cx
  const free = freeParams(sub.plan, cx)
  const elementType: Oid = sub.plan.targetList[0]?.expr.type ?? 0
  let op: Operator | null = null
  let known: Validity | null = null
  let array: ArrayOfRows | null = null
  const forget = (): void => {
    known = null
    for (const id of sub.setParams) state.exec[id] = undefined as unknown as Datum
    array?.release()
    array = null
  }
  const run = (): MaybePromise<void> => {
    op ??= cx.compile(sub.plan)
    forget()
    const before = validityOf(cx, free)
    let row: Row | null = null
    const list = sub.kind === 'array' ? new ArrayOfRows(state, elementType) : null
    array = list
    const rows = forEachRow(
      op,
      state,
      (r) => {
        if (list !== null) {
          list.add(r[0]!)
          return true
        }
        if (row !== null) throw tooManyRows()
        row = r
        return sub.kind !== 'exists'
      },
      mostRows(sub),
    )
    return andThen(rows, () => {
      known = before
      if (sub.kind === 'exists') state.exec[sub.setParams[0]!] = row !== null
      else if (list !== null) state.exec[sub.setParams[0]!] = list.finish()
      else for (let i = 0; i < sub.setParams.length; i++) state.exec[sub.setParams[i]!] = row === null ? null : (row as Row)[i]!
    })
  }
  return {
    free,
    value(param) {
      if (stillValid(cx, free, known)) return state.exec[param]!
      return andThen(run(), () => state.exec[param]!)
    },
    reset() {
      if (!stillValid(cx, free, known)) forget()
    },
    close() {
      op?.close()
      // A part that is only run again keeps what it knows.
      if (cx.closing) forget()
    },
  }
}

/** Rows of a CTE, fetched as far as the furthest reader got. */
class CteSource implements TupleSource, Resettable {
  readonly #cx: Compilation
  readonly #plan: Plan
  readonly free: readonly number[]
  readonly #store: TupleStore
  #op: Operator | null = null
  #known: Validity | null = null
  #done = false
  #pulling: Promise<void> | null = null

  constructor(plan: Plan, cx: Compilation) {
    this.#cx = cx
    this.#plan = plan
    this.free = freeParams(plan, cx)
    this.#store = new TupleStore(
      cx,
      plan.targetList.map((entry) => entry.expr.type),
    )
  }

  reset(): void {
    if (stillValid(this.#cx, this.free, this.#known)) return
    this.close()
  }

  close(): void {
    this.#op?.close()
    this.#store.clear()
    this.#known = null
    this.#done = false
  }

  /** Fetches one more batch; several readers may wait for the same one. */
  #pull(max?: number): MaybePromise<void> {
    if (this.#pulling !== null) return this.#pulling
    // What a modifying CTE changes does not count in the statement's own command tag.
    const { state } = this.#cx
    const affected = state.rowsAffected
    const step = andThen(this.#started(), (op) =>
      andThen(op.next(max), (batch) => {
        state.rowsAffected = affected
        if (batch !== null) this.#store.addAll(batch.rows, batch.count)
        else {
          this.#done = true
          op.close()
        }
      }),
    )
    if (!(step instanceof Promise)) return undefined
    this.#pulling = step.finally(() => {
      this.#pulling = null
    })
    return this.#pulling
  }

  #started(): MaybePromise<Operator> {
    this.#op ??= this.#cx.compile(this.#plan)
    const op = this.#op
    if (this.#known !== null) return op
    this.#known = validityOf(this.#cx, this.free)
    return andThen(op.open(), () => op)
  }

  reader(): TupleReader {
    let at = 0
    let size: number = LIMITS.firstBatchRows
    const batch = { rows: [] as Row[], count: 0 }
    const next = (max?: number): MaybePromise<typeof batch | null> => {
      const store = this.#store
      if (at >= store.count) {
        if (this.#done) return null
        const pulled = this.#pull(max)
        return pulled instanceof Promise ? pulled.then(() => next(max)) : next(max)
      }
      store.read(batch, at, Math.min(size, max ?? size))
      at += batch.count
      if (size < LIMITS.batchRows) size *= 2
      return batch
    }
    return {
      next,
      rewind() {
        at = 0
        size = LIMITS.firstBatchRows
      },
      close() {},
    }
  }

  drain(): MaybePromise<void> {
    while (!this.#done) {
      const pulled = this.#pull()
      if (pulled instanceof Promise) return pulled.then(() => this.drain())
    }
    return undefined
  }
}

function modifies(plan: Plan): boolean {
  let found = false
  walkPlan(plan, (node) => {
    if (node.kind === 'ModifyTable') found = true
  })
  return found
}

/**
 * Makes the node's InitPlans and CTEs known to what is compiled next: its expressions, its inputs, and later InitPlans of the same list.
 * Call before compiling them; wrap the finished operator with the function answered.
 */
export function registerInitPlans(initPlans: readonly SubPlan[], cx: Compilation): (op: Operator) => Operator {
  if (initPlans.length === 0) return (op) => op
  const made: Resettable[] = []
  for (const sub of initPlans) {
    if (sub.kind === 'cte') {
      const source = new CteSource(sub.plan, cx)
      cx.ctes.set(sub.id, source)
      if (modifies(sub.plan)) {
        cx.modifying.push(source)
        cx.writes ??= new StatementWrites()
      }
      made.push(source)
    } else {
      const init = makeInitPlan(sub, cx)
      for (const id of sub.setParams) cx.initParams.set(id, init)
      made.push(init)
    }
  }
  return (op) => ({
    open() {
      for (const item of made) item.reset()
      return op.open()
    },
    next: (max) => op.next(max),
    close() {
      op.close()
      for (const item of made) item.close()
    },
  })
}

/**
 * The top of a statement's tree: each `open` is a new run. Whoever pulls is made to give way between batches too, once the slice is over:
 * operators that only hand on what they hold do not look at the clock. At the end, modifying CTEs that nobody read to their end are run.
 */
export function rootOperator(op: Operator, cx: Compilation): Operator {
  const slicer = makeSlicer(cx.state)
  const drainFrom = (index: number): MaybePromise<null> => {
    for (let i = index; i < cx.modifying.length; i++) {
      const drained = cx.modifying[i]!.drain()
      if (drained instanceof Promise) return drained.then(() => drainFrom(i + 1))
    }
    return andThen(cx.writes?.run(), () => null)
  }
  const ended = (batch: Batch | null): MaybePromise<Batch | null> => (batch === null ? drainFrom(0) : batch)
  const step = (max: number | undefined): MaybePromise<Batch | null> => {
    const batch = op.next(max)
    if (cx.modifying.length === 0) return batch
    return andThen(batch, ended)
  }
  return {
    open() {
      cx.run++
      slicer.start()
      cx.writes?.reset(cx.state.memory)
      return op.open()
    },
    next(max) {
      const pause = slicer.pause()
      return pause === null ? step(max) : pause.then(() => step(max))
    },
    close() {
      cx.closing = true
      op.close()
      for (const owned of cx.owned) owned.close()
      cx.writes?.reset(cx.state.memory)
      cx.closing = false
    },
  }
}
