// NestLoop: for each left row the right input is run again with exec params taken from it; without params its rows are kept and walked
// again instead. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { NestLoop } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileList } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { TupleStore } from '../tuple-store.ts'
import { compileAsyncJoin } from './async-join.ts'
import { done, makeOutput, nullRow, refill, restart } from './batches.ts'
import { compilePair } from './join-pair.ts'

/** The right input read once and walked many times; `matched` marks rows for right and full joins. */
function keepRows(input: Operator, types: readonly number[], cx: Compilation): Operator & { store: TupleStore; position(): number } {
  const store = new TupleStore(cx, types)
  const out: Batch = { rows: [], count: 0 }
  let complete = false
  let at = 0
  let begun = false
  return {
    store,
    position: () => at,
    open() {
      at = 0
      if (begun) return undefined
      begun = true
      return input.open()
    },
    next() {
      if (at < store.count) {
        const count = Math.min(1024, store.count - at)
        for (let i = 0; i < count; i++) out.rows[i] = store.get(at + i)
        out.count = count
        at += count
        return out
      }
      if (complete) return null
      return andThen(input.next(), (batch) => {
        if (batch === null) {
          complete = true
          input.close()
          return null
        }
        store.addAll(batch.rows, batch.count)
        at += batch.count
        return batch
      })
    },
    close() {
      begun = false
      complete = false
      store.clear()
      input.close()
    },
  }
}

export function compileNestLoop(plan: NestLoop, cx: Compilation): Operator {
  const leftWidth = plan.left.targetList.length
  const rightWidth = plan.right.targetList.length
  const pair = compilePair(plan, leftWidth, rightWidth, cx)
  if (pair === null) return compileAsyncJoin(plan, plan.joinQuals, cx, plan.params)
  const { joinType } = plan
  const { state } = cx
  const left = cx.compile(plan.left)
  const params = compileList(
    plan.params.map((param) => param.expr),
    ROW_SCOPE,
    cx,
  )
  const ids = plan.params.map((param) => param.id)
  const keepRight = joinType === 'right' || joinType === 'full'
  const source = cx.compile(plan.right)
  // Without params the rows are the same each time; a Materialize below keeps them itself.
  const kept =
    ids.length === 0 && (keepRight || plan.right.kind !== 'Materialize')
      ? keepRows(
          source,
          plan.right.targetList.map((entry) => entry.expr.type),
          cx,
        )
      : null
  const right = kept ?? source
  const { test, make } = pair
  const keepLeft = joinType === 'left' || joinType === 'full' || joinType === 'anti'
  const once = plan.innerUnique || joinType === 'semi' || joinType === 'anti'
  const noRight = nullRow(rightWidth)
  const noLeft = nullRow(leftWidth)
  const slicer = makeSlicer(state)
  const out = makeOutput()

  let rows: Row[] = []
  let count = 0
  let at = 0
  /** The left row in progress; null between rows. */
  let row: Row | null = null
  let found = false
  let inner: Row[] = []
  let innerCount = 0
  let innerAt = 0
  let innerBase = 0
  let matched: Uint8Array = new Uint8Array(0)
  let finishing = -1

  const bind = (from: number): MaybePromise<void> => {
    for (let i = from; i < ids.length; i++) {
      const value = params[i]!.eval(row!)
      if (value instanceof Promise) {
        return value.then((v: Datum) => {
          state.exec[ids[i]!] = v
          return bind(i + 1)
        })
      }
      state.exec[ids[i]!] = value
    }
    return undefined
  }

  const emit = (l: Row, r: Row): void => {
    const made = make(l, r)
    if (made !== null) out.rows[out.count++] = made
  }

  const mark = (index: number): void => {
    if (index >= matched.length) {
      const grown = new Uint8Array(Math.max(1024, index * 2))
      grown.set(matched)
      matched = grown
    }
    matched[index] = 1
  }

  /** Pairs of the left row with the right batch in hand; true when the left row is done. */
  const walk = (): boolean => {
    const l = row!
    while (innerAt < innerCount) {
      if (out.count >= out.size) return false
      const r = inner[innerAt++]!
      if (test !== null && !test(l, r)) continue
      found = true
      if (joinType === 'anti') return true
      if (keepRight) mark(innerBase + innerAt - 1)
      emit(l, r)
      if (once) return true
    }
    return false
  }

  const endRow = (): void => {
    if (keepLeft && !found) emit(row!, noRight)
    row = null
    innerCount = 0
    innerAt = 0
  }

  const takeRight = (batch: Batch | null): void => {
    if (batch === null) {
      endRow()
      return
    }
    inner = batch.rows
    innerCount = batch.count
    innerAt = 0
    if (keepRight) innerBase = kept!.position() - batch.count
  }

  const beginRow = (): MaybePromise<void> => {
    row = rows[at++]!
    found = false
    return andThen(bind(0), () => right.open())
  }

  const takeLeft = (batch: Batch | null): boolean => {
    if (batch === null) return false
    rows = batch.rows.slice(0, batch.count)
    count = batch.count
    at = 0
    return true
  }

  const unmatched = (): Batch | null => {
    const store = kept!.store
    while (finishing < store.count && out.count < out.size) {
      if (finishing >= matched.length || matched[finishing] === 0) emit(noLeft, store.get(finishing))
      finishing++
    }
    return done(out)
  }

  /** Left rows are at their end: right and full joins still owe the right rows that nothing matched. */
  const finish = (): MaybePromise<Batch | null> => {
    if (!keepRight) return done(out)
    finishing = 0
    const readAll = (): MaybePromise<void> => {
      for (;;) {
        const batch = right.next()
        if (batch instanceof Promise) return batch.then((b) => (b === null ? undefined : readAll()))
        if (batch === null) return undefined
      }
    }
    return andThen(
      andThen(right.open(), () => readAll()),
      unmatched,
    )
  }

  const fill = (): MaybePromise<Batch | null> => {
    if (finishing >= 0) return unmatched()
    for (;;) {
      if (out.count >= out.size) return out
      if (row === null) {
        if (at >= count) {
          const pause = slicer.pause()
          if (pause !== null) return pause.then(fill)
          const batch = left.next()
          if (batch instanceof Promise) return batch.then((b) => (takeLeft(b) ? fill() : finish()))
          if (!takeLeft(batch)) return finish()
        }
        const begun = beginRow()
        if (begun instanceof Promise) return begun.then(fill)
      }
      if (innerAt < innerCount) {
        if (walk()) endRow()
        continue
      }
      const pause = slicer.pause()
      if (pause !== null) return pause.then(fill)
      const batch = right.next()
      if (batch instanceof Promise) {
        return batch.then((b) => {
          takeRight(b)
          return fill()
        })
      }
      takeRight(batch)
    }
  }

  return pair.wrap({
    open() {
      restart(out)
      slicer.start()
      row = null
      count = 0
      at = 0
      innerCount = 0
      innerAt = 0
      finishing = -1
      matched = new Uint8Array(0)
      kept?.close()
      return left.open()
    },
    next(max) {
      refill(out, max)
      return fill()
    },
    close() {
      rows = []
      inner = []
      left.close()
      right.close()
    },
  })
}
