// The conditions and the target list of a node over its input's rows: Result, SubqueryScan, scans, and whatever a join leaves to do. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import type { Compilation } from '../compilation.ts'
import { compileProjection, compileQuals, filterRows, type Predicate, type Projector, projectRows } from '../expr/predicate.ts'
import { isQuiet } from '../expr/quiet.ts'
import type { ExprScope } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { nothing, type Output, portions, puller } from './batches.ts'

/** One batch through filter and projection into `out`; null when nothing passed. */
export function makeStep(filter: Predicate | null, projector: Projector): (batch: Batch) => MaybePromise<Batch | null> {
  const out: Batch = { rows: [], count: 0 }
  if (filter === null && projector.identity) return (batch) => batch
  const mayWait = filter !== null && (filter.async || filter.testPatiently !== null)
  if (!mayWait && !projector.async && projector.projectPatiently === null) {
    const fill = makeFill(filter, projector, out)
    return (batch) => {
      fill(batch)
      return out.count === 0 ? null : out
    }
  }
  return (batch) => {
    const rows = filter === null ? batch.rows : batch.rows.slice(0, batch.count)
    const kept = filter === null ? batch.count : filterRows(filter, rows, rows.length)
    return andThen(kept, (count) => {
      if (count === 0) return null
      const projected = projectRows(projector, rows, count, out.rows)
      return andThen(projected, () => {
        out.count = count
        return out
      })
    })
  }
}

/** Both at once, into `out`. */
function makeFill(filter: Predicate | null, projector: Projector, out: Batch): (batch: Batch) => void {
  const project = projector.project as (row: Row) => Row
  if (filter === null) {
    return ({ rows, count }) => {
      const target = out.rows
      for (let i = 0; i < count; i++) target[i] = project(rows[i]!)
      out.count = count
    }
  }
  const test = filter.test as (row: Row) => boolean
  if (projector.identity) {
    return ({ rows, count }) => {
      const target = out.rows
      let kept = 0
      for (let i = 0; i < count; i++) {
        const row = rows[i]!
        if (test(row)) target[kept++] = row
      }
      out.count = kept
    }
  }
  return ({ rows, count }) => {
    const target = out.rows
    let kept = 0
    for (let i = 0; i < count; i++) {
      const row = rows[i]!
      if (test(row)) target[kept++] = project(row)
    }
    out.count = kept
  }
}

/** Single rows through a step that may have to wait, into `out`: until it is full (true) or `next` has no more (false). */
export function rowEmitter(
  step: (batch: Batch) => MaybePromise<Batch | null>,
  out: Output,
  next: () => Row | null,
): () => MaybePromise<boolean> {
  const single: Batch = { rows: [], count: 1 }
  const emit = (): MaybePromise<boolean> => {
    for (;;) {
      if (out.count >= out.size) return true
      const row = next()
      if (row === null) return false
      single.rows[0] = row
      single.count = 1
      const made = step(single)
      if (made instanceof Promise) {
        return made.then((batch) => {
          if (batch !== null) out.rows[out.count++] = batch.rows[0]!
          return emit()
        })
      }
      if (made !== null) out.rows[out.count++] = made.rows[0]!
    }
  }
  return emit
}

/** `inputWidth`: slots of the input's rows. The input itself when there is nothing to do. */
export function filterProject(
  input: Operator,
  quals: readonly Expr[],
  targetList: readonly TargetEntry[],
  scope: ExprScope,
  cx: Compilation,
  inputWidth: number,
): Operator {
  const filter = compileQuals(quals, scope, cx)
  const projector = compileProjection(targetList, scope, cx, inputWidth)
  if (filter === null && projector.identity) return input
  const step = makeStep(filter, projector)
  const source = isQuiet([...quals, ...targetList.map((entry) => entry.expr)], cx) ? input : portions(input)
  const slicer = makeSlicer(cx.state)
  return {
    open() {
      slicer.start()
      return source.open()
    },
    next: puller(source, slicer, step, nothing),
    close: () => source.close(),
  }
}
