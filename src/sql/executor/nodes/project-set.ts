// ProjectSet: set-returning functions in a target list, side by side: per input row as many rows as the longest set has, shorter ones
// filled with NULL, none at all when every set is empty.

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { ProjectSet } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { isQuiet } from '../expr/quiet.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { compileSetCall, type SetCall, setCallOf } from '../expr/set-returning.ts'
import type { AsyncEvaluator, Batch, Operator } from '../operator.ts'
import { done, makeOutput, refill, restart } from './batches.ts'
import { compileResult } from './result.ts'

export function compileProjectSet(plan: ProjectSet, cx: Compilation): Operator {
  const input =
    plan.input === null
      ? compileResult({ ...plan, kind: 'Result', targetList: [], quals: [], oneTimeFilter: null, input: null }, cx)
      : cx.compile(plan.input)
  const n = plan.targetList.length
  const sets: (SetCall | null)[] = []
  const scalars: (AsyncEvaluator | null)[] = []
  /** Columns computed anew for each row, the attempt that finds all sets at their end included. */
  const perRow: number[] = []
  for (const [i, { expr }] of plan.targetList.entries()) {
    const call = setCallOf(expr)
    sets.push(call === null ? null : compileSetCall(call, ROW_SCOPE, cx))
    scalars.push(call === null ? compileExpr(expr, ROW_SCOPE, cx).eval : null)
    if (call === null && !isQuiet([expr], cx)) perRow.push(i)
  }
  const out = makeOutput()
  const slicer = makeSlicer(cx.state)
  let rows: Row[] = []
  let count = 0
  let at = 0
  /** Iterators and constant columns of the current input row; null between rows. */
  let current: { readonly input: Row; readonly iterators: (Iterator<Datum> | null)[]; readonly values: Datum[] } | null = null

  const begin = (row: Row): MaybePromise<void> => {
    const iterators = new Array<Iterator<Datum> | null>(n).fill(null)
    const values = new Array<Datum>(n).fill(null)
    const from = (first: number): MaybePromise<void> => {
      for (let i = first; i < n; i++) {
        if (perRow.includes(i)) continue
        const value: MaybePromise<unknown> = sets[i] !== null ? sets[i]!(row) : scalars[i]!(row)
        const keep = (v: unknown): void => {
          if (sets[i] !== null) iterators[i] = (v as Iterable<Datum>)[Symbol.iterator]()
          else values[i] = v as Datum
        }
        if (value instanceof Promise) {
          return value.then((v) => {
            keep(v)
            return from(i + 1)
          })
        }
        keep(value)
      }
      current = { input: row, iterators, values }
      return undefined
    }
    return from(0)
  }

  /** The next row of the current input row, or null. */
  const step = (): Row | null => {
    const { iterators, values } = current!
    const row = values.slice()
    let any = false
    for (let i = 0; i < n; i++) {
      const iterator = iterators[i]!
      if (iterator === null) continue
      const item = iterator.next()
      if (item.done === true) {
        iterators[i] = FINISHED
        row[i] = null
      } else {
        any = true
        row[i] = item.value
      }
    }
    return any ? row : null
  }

  const computePerRow = (row: Row, input: Row, from: number): MaybePromise<void> => {
    for (let i = from; i < perRow.length; i++) {
      const value = scalars[perRow[i]!]!(input)
      if (value instanceof Promise) {
        return value.then((v) => {
          row[perRow[i]!] = v
          return computePerRow(row, input, i + 1)
        })
      }
      row[perRow[i]!] = value
    }
    return undefined
  }
  const keep = (row: Row | null): void => {
    if (row === null) current = null
    else out.rows[out.count++] = row
  }
  const fill = (): MaybePromise<Batch | null> => {
    for (;;) {
      while (current !== null && out.count < out.size) {
        const row = step()
        if (perRow.length > 0) {
          const computed = computePerRow(row ?? [], current.input, 0)
          if (computed instanceof Promise) {
            return computed.then(() => {
              keep(row)
              return fill()
            })
          }
        }
        keep(row)
      }
      if (out.count >= out.size) return out
      if (at < count) {
        const begun = begin(rows[at++]!)
        if (begun instanceof Promise) return begun.then(fill)
        continue
      }
      const pause = slicer.pause()
      if (pause !== null) return pause.then(fill)
      const batch = input.next()
      if (batch instanceof Promise) return batch.then((b) => (take(b) ? fill() : done(out)))
      if (!take(batch)) return done(out)
    }
  }
  const take = (batch: Batch | null): boolean => {
    if (batch === null) return false
    rows = batch.rows.slice(0, batch.count)
    count = batch.count
    at = 0
    return true
  }

  return {
    open() {
      restart(out)
      slicer.start()
      current = null
      count = 0
      at = 0
      return input.open()
    },
    next(max) {
      refill(out, max)
      return fill()
    },
    close() {
      current = null
      rows = []
      count = 0
      input.close()
    },
  }
}

const FINISHED: Iterator<Datum> = { next: () => ({ done: true, value: undefined }) }
