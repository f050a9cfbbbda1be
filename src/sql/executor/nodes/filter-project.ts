// The conditions and the target list of a node over its input's rows: Result, SubqueryScan, scans, and whatever a join leaves to do. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import type { Compilation } from '../compilation.ts'
import { compileProjection, compileQuals, filterRows, type Predicate, type Projector, projectRows } from '../expr/predicate.ts'
import { isQuiet } from '../expr/quiet.ts'
import type { ExprScope } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { makeSlicer } from '../slicer.ts'
import { portions } from './batches.ts'

/** One batch through filter and projection into `out`; null when nothing passed. */
export function makeStep(filter: Predicate | null, projector: Projector): (batch: Batch) => MaybePromise<Batch | null> {
  const out: Batch = { rows: [], count: 0 }
  if (filter?.async || projector.async) {
    return (batch) => {
      const rows = batch.rows.slice(0, batch.count)
      const kept = filter === null ? rows.length : filterRows(filter, rows, rows.length)
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
  const project = projector.project as (row: Row) => Row
  if (filter === null) {
    if (projector.identity) return (batch) => batch
    return (batch) => {
      const { rows, count } = batch
      const target = out.rows
      for (let i = 0; i < count; i++) target[i] = project(rows[i]!)
      out.count = count
      return out
    }
  }
  const test = filter.test as (row: Row) => boolean
  if (projector.identity) {
    return (batch) => {
      const { rows, count } = batch
      const target = out.rows
      let kept = 0
      for (let i = 0; i < count; i++) {
        const row = rows[i]!
        if (test(row)) target[kept++] = row
      }
      out.count = kept
      return kept === 0 ? null : out
    }
  }
  return (batch) => {
    const { rows, count } = batch
    const target = out.rows
    let kept = 0
    for (let i = 0; i < count; i++) {
      const row = rows[i]!
      if (test(row)) target[kept++] = project(row)
    }
    out.count = kept
    return kept === 0 ? null : out
  }
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
  let wanted: number | undefined
  const slicer = makeSlicer(cx.state)
  const resume = (batch: Batch | null): MaybePromise<Batch | null> => {
    if (batch === null) return null
    return andThen(step(batch), (out) => out ?? next())
  }
  const next = (): MaybePromise<Batch | null> => {
    for (;;) {
      const batch = source.next(wanted)
      if (batch instanceof Promise) return batch.then(resume)
      if (batch === null) return null
      const out = step(batch)
      if (out !== null) return out instanceof Promise ? out.then((o) => o ?? next()) : out
      const pause = slicer.pause()
      if (pause !== null) return pause.then(next)
    }
  }
  return {
    open() {
      slicer.start()
      return source.open()
    },
    next(max) {
      wanted = max
      return next()
    },
    close: () => source.close(),
  }
}
