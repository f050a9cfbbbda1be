// WindowAgg: window functions of one window over input sorted by its PARTITION BY and ORDER BY. A partition is read whole into a store
// (which spills), then its rows are answered one by one with their values. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { notSupported } from '../../../base/errors.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Expr, WindowFunc } from '../../analyzer/expr.ts'
import type { FrameBound } from '../../analyzer/query.ts'
import { type WindowContext, windowBodies } from '../../functions/window.ts'
import type { WindowAgg } from '../../planner/plan.ts'
import { rowsEqual } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { callInfo, procOf } from '../expr/call.ts'
import { compileExpr } from '../expr/compile.ts'
import { anyAsync, type Compiled, evaluator } from '../expr/compiled.ts'
import { compileProjection, compileQuals, type Projector, projectorOf, projectRows } from '../expr/predicate.ts'
import { type ExprScope, ROW_SCOPE, type RowHolder } from '../expr/scope.ts'
import type { Batch, Evaluator, Operator } from '../operator.ts'
import { TupleStore } from '../tuple-store.ts'
import { makeWindowAggregate } from '../window-aggregate.ts'
import { makeFrame, type WindowFrame } from '../window-frame.ts'
import { done, makeOutput, refill, restart } from './batches.ts'
import { makeStep, rowEmitter } from './filter-project.ts'

/** A function at work in the current partition. */
interface Worker {
  reset(): void
  /** Some of the work that the value at a position takes; true when it is done. */
  prepare(position: number): boolean
  value(position: number): Datum
}

function collect(plan: WindowAgg): WindowFunc[] {
  const found: WindowFunc[] = []
  const visit = (node: unknown): void => {
    if (node === null || typeof node !== 'object') return
    if (Array.isArray(node)) {
      for (const item of node) visit(item)
      return
    }
    const { kind } = node as { kind?: string }
    if (kind === 'WindowFunc') {
      if (!found.includes(node as WindowFunc)) found.push(node as WindowFunc)
      return
    }
    if (kind === 'Const') return
    for (const child of Object.values(node)) if (typeof child === 'object') visit(child)
  }
  visit(plan.targetList.map((entry) => entry.expr))
  visit(plan.quals)
  return found.filter((e) => e.winRef === plan.window.winRef)
}

function windowWorker(
  cx: Compilation,
  e: WindowFunc,
  args: readonly Evaluator[],
  frame: WindowFrame,
  peers: (a: Row, b: Row) => boolean,
  store: TupleStore,
): Worker {
  const proc = procOf(cx, e.winFnOid)
  const body = windowBodies[proc.prosrc]
  if (body === undefined) throw notSupported(`function ${proc.proname} is not implemented`)
  const { state } = cx
  const info = callInfo(
    {
      funcId: e.winFnOid,
      argTypes: e.args.map((arg) => arg.type),
      type: e.type,
      typmod: e.typmod,
      collation: e.inputCollation,
      variadic: false,
    },
    proc,
    0,
  )
  const argumentAt = (arg: number, position: number): Datum =>
    position < 0 || position >= store.count ? null : args[arg]!(store.get(position))
  const context: { position: number } & Omit<WindowContext, 'position'> = {
    position: 0,
    state: undefined,
    rowCount: () => store.count,
    arePeers: (a: number, b: number) => peers(store.get(a), store.get(b)),
    argument: (arg: number) => argumentAt(arg, context.position),
    argumentAt,
    frameStart() {
      frame.moveTo(context.position)
      return frame.start
    },
    frameEnd() {
      frame.moveTo(context.position)
      return Math.max(frame.end, frame.start)
    },
    isExcluded(position: number) {
      frame.moveTo(context.position)
      return frame.isExcluded(position)
    },
  }
  return {
    reset() {
      context.state = undefined
    },
    prepare: () => true,
    value(position) {
      context.position = position
      return body(context, state.ctx, info)
    },
  }
}

export function compileWindowAgg(plan: WindowAgg, cx: Compilation): Operator {
  const { state } = cx
  const { window } = plan
  const input = cx.compile(plan.input)
  const inputWidth = plan.input.targetList.length
  const functions = collect(plan)
  const types = plan.input.targetList.map((entry) => entry.expr.type)

  // Arguments over the input's rows; where one may wait, over rows extended by the arguments' values.
  const parts = functions.map((e) => ({
    args: e.args.map((arg) => compileExpr(arg, ROW_SCOPE, cx)),
    filter: e.filter === null ? null : compileExpr(e.filter, ROW_SCOPE, cx),
  }))
  const waits = parts.some(({ args, filter }) => anyAsync(args) || filter?.async === true)
  const extended: Compiled[] = []
  const rowTypes = [...types]
  const over = (part: Compiled, type: number): Evaluator => {
    if (!waits) return evaluator(part)
    const slot = inputWidth + extended.push(part) - 1
    rowTypes.push(type)
    return (row) => row[slot]!
  }
  const compiled = functions.map((e, i) => ({
    args: parts[i]!.args.map((arg, k) => over(arg, e.args[k]!.type)),
    filter: parts[i]!.filter === null ? null : over(parts[i]!.filter!, 16),
  }))
  let extend: Projector | null = null
  if (waits) {
    const columns = types.map((_, slot): Compiled => ({ async: false, eval: (row) => row[slot]!, slot, constant: false, value: null }))
    extend = projectorOf([...columns, ...extended], -1)
  }

  const store = new TupleStore(cx, rowTypes)
  const samePartition = plan.partitionKeys.length > 0 ? rowsEqual(cx, plan.partitionKeys) : null
  const peers = plan.orderKeys.length > 0 ? rowsEqual(cx, plan.orderKeys) : () => true
  const frame = makeFrame(cx, window, plan.orderKeys, peers, store)
  const workers = functions.map((e, i): Worker => {
    const { args, filter } = compiled[i]!
    if (!e.winAgg && procOf(cx, e.winFnOid).prokind === 'w') return windowWorker(cx, e, args, frame, peers, store)
    const aggregate = makeWindowAggregate(cx, e, args, filter, frame, store)
    return {
      reset: () => aggregate.reset(),
      prepare(position) {
        frame.moveTo(position)
        return aggregate.prepare(frame.start, Math.max(frame.end, frame.start))
      },
      value: () => aggregate.value(),
    }
  })

  const boundOf = (bound: FrameBound): Compiled | null => ('offset' in bound ? compileExpr(bound.offset, ROW_SCOPE, cx) : null)
  const startOffset = boundOf(window.frameStart)
  const endOffset = boundOf(window.frameEnd)

  const holder: RowHolder = { row: [] }
  const places = new Map<object, number>(functions.map((e, i) => [e, i]))
  const scope: ExprScope = {
    holders: new Map(),
    computed: (e: Expr) => {
      const slot = places.get(e)
      return slot === undefined ? undefined : { holder, slot }
    },
  }
  const filter = compileQuals(plan.quals, scope, cx)
  const projector = compileProjection(plan.targetList, scope, cx, -1)
  const step = makeStep(filter, projector)
  const waitsOut = filter?.async === true || projector.async
  const project = projector.project as (row: Row) => Row
  const test = filter === null ? null : (filter.test as (row: Row) => boolean)

  const slicer = makeSlicer(state)
  const out = makeOutput()
  let pending: Row[] = []
  let position = 0
  /** Workers that have prepared the current row's value. */
  let preparedTo = 0
  let phase: 'load' | 'emit' | 'end' = 'end'
  let ended = false
  let ready = false

  /** Moves rows of the partition from `pending` to the store; true when the partition is complete. */
  const absorb = (): boolean => {
    let n = 0
    if (samePartition === null) n = pending.length
    else {
      const first = store.count > 0 ? store.get(0) : pending[0]
      while (n < pending.length && samePartition(first!, pending[n]!)) n++
    }
    store.addAll(pending, n)
    pending = n === pending.length ? [] : pending.slice(n)
    return pending.length > 0
  }

  const take = (batch: Batch | null): MaybePromise<void> => {
    if (batch === null) {
      ended = true
      input.close()
      return undefined
    }
    const rows = batch.rows.slice(0, batch.count)
    if (extend === null) {
      pending = rows
      return undefined
    }
    const target: Row[] = []
    return andThen(projectRows(extend, rows, rows.length, target), () => {
      pending = target
    })
  }

  /** Reads one partition. */
  const load = (): MaybePromise<void> => {
    for (;;) {
      if (pending.length > 0 && absorb()) break
      if (ended) break
      const pause = slicer.pause()
      if (pause !== null) return pause.then(load)
      const batch = input.next()
      if (batch instanceof Promise) return batch.then((b) => andThen(take(b), load))
      const taken = take(batch)
      if (taken instanceof Promise) return taken.then(load)
    }
    frame.reset()
    for (const worker of workers) worker.reset()
    position = 0
    preparedTo = 0
    phase = store.count > 0 ? 'emit' : 'end'
    return undefined
  }

  /** Works on the current row's values without presenting them: false when the slice should end first. */
  const prepared = (): boolean => {
    while (preparedTo < workers.length) {
      if (!workers[preparedTo]!.prepare(position)) return false
      preparedTo++
    }
    return true
  }
  const present = (): Row => {
    while (!prepared());
    preparedTo = 0
    const row = store.get(position)
    const values = new Array<Datum>(workers.length)
    for (let i = 0; i < workers.length; i++) values[i] = workers[i]!.value(position)
    holder.row = values
    position++
    return row
  }

  /** True when the batch is full, false when the partition is done. */
  const emitWaiting = rowEmitter(step, out, () => (position < store.count ? present() : null))
  const emit = (): MaybePromise<boolean> => {
    if (waitsOut) return emitWaiting()
    let steps = 0
    while (position < store.count) {
      if (out.count >= out.size) return true
      const ready = prepared()
      if (ready) {
        const row = present()
        if (test === null || test(row)) out.rows[out.count++] = project(row)
      }
      if (!ready || (++steps & 15) === 0) {
        const pause = slicer.pause()
        if (pause !== null) return pause.then(emit)
      }
    }
    return false
  }

  const emitted = (full: boolean): MaybePromise<Batch | null> => {
    if (full) return out
    store.clear()
    phase = ended && pending.length === 0 ? 'end' : 'load'
    return fill()
  }

  const fill = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (phase === 'end') return done(out)
      if (phase === 'load') {
        const loaded = load()
        if (loaded instanceof Promise) return loaded.then(fill)
        continue
      }
      const full = emit()
      return full instanceof Promise ? full.then(emitted) : emitted(full)
    }
  }

  const begin = (): MaybePromise<Batch | null> =>
    andThen(startOffset === null ? null : startOffset.eval([]), (start) =>
      andThen(endOffset === null ? null : endOffset.eval([]), (end) => {
        ready = true
        return andThen(load(), () => {
          // Offsets are looked at with the first row, as PostgreSQL does: none, no error.
          if (phase === 'emit') frame.setOffsets(start, end)
          return fill()
        })
      }),
    )

  return {
    open() {
      restart(out)
      slicer.start()
      store.clear()
      pending = []
      ended = false
      ready = false
      phase = 'load'
      return input.open()
    },
    next(max) {
      refill(out, max)
      return ready ? fill() : begin()
    },
    close() {
      phase = 'end'
      pending = []
      for (const worker of workers) worker.reset()
      holder.row = []
      store.clear()
      input.close()
    },
  }
}
