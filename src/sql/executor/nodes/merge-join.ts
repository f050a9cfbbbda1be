// MergeJoin: both inputs sorted by the join keys. Right rows of one key are kept as a group, which every left row of that key goes through
// again (PostgreSQL's mark and restore). // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { amopsByOperator, amproc } from '../../builtin/pg-index.ts'
import { operatorByOid } from '../../builtin/pg-operator.ts'
import type { MergeJoin } from '../../planner/plan.ts'
import { type PresentCompare, plainOrder, supportOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { directCall } from '../expr/call.ts'
import { anyAsync, evaluator } from '../expr/compiled.ts'
import { compileList } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { TupleStore } from '../tuple-store.ts'
import { compileAsyncJoin } from './async-join.ts'
import { done, makeOutput, nullRow, refill, restart } from './batches.ts'
import { compilePair, keyEqualities } from './join-pair.ts'
import { rowCursor } from './row-cursor.ts'

/** How the two key types compare in the equality operator's btree family. */
function keyCompare(cx: Compilation, operator: number, left: number, right: number): PresentCompare {
  if (plainOrder(left) && plainOrder(right) && (left === right || (left <= 26 && right <= 26))) {
    return ((a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0)) as PresentCompare
  }
  if (left !== right) {
    for (const row of amopsByOperator(operator)) {
      const support = amproc(row.amopfamily, row.amoplefttype, row.amoprighttype, 1)
      if (support === undefined || row.amoplefttype === row.amoprighttype) continue
      const call = directCall(cx, { funcId: support.amproc, argTypes: [left, right], type: 23, typmod: -1, collation: 0, variadic: false })
      return (a, b) => call([a, b]) as number
    }
  }
  const compare = supportOf(cx, left).compare
  if (compare === null) throw new Error(`type ${left} has no order for a merge join by ${operatorByOid(operator)?.oprname}`)
  return compare
}

export function compileMergeJoin(plan: MergeJoin, cx: Compilation): Operator {
  const leftWidth = plan.left.targetList.length
  const rightWidth = plan.right.targetList.length
  const leftKeys = compileList(plan.leftKeys, ROW_SCOPE, cx)
  const rightKeys = compileList(plan.rightKeys, ROW_SCOPE, cx)
  const pair = anyAsync([...leftKeys, ...rightKeys]) ? null : compilePair(plan, leftWidth, rightWidth, cx)
  if (pair === null) return compileAsyncJoin(plan, [...keyEqualities(plan), ...plan.joinQuals], cx)
  const { joinType } = plan
  const left = cx.compile(plan.left)
  const right = cx.compile(plan.right)
  const n = leftKeys.length
  const leftEvals = leftKeys.map(evaluator)
  const rightEvals = rightKeys.map(evaluator)
  const compares = plan.operators.map((op, i) => keyCompare(cx, op, plan.leftKeys[i]!.type, plan.rightKeys[i]!.type))
  const { test, make } = pair
  const keepLeft = joinType === 'left' || joinType === 'full' || joinType === 'anti'
  const keepRight = joinType === 'right' || joinType === 'full'
  const once = joinType === 'semi' || joinType === 'anti'
  const noRight = nullRow(rightWidth)
  const noLeft = nullRow(leftWidth)
  const slicer = makeSlicer(cx.state)
  const out = makeOutput()
  const l = rowCursor(left)
  const r = rowCursor(right)
  const group = new TupleStore(
    cx,
    plan.right.targetList.map((entry) => entry.expr.type),
  )
  /** The group's key as either side has it: the sides' types may differ, and `compares` takes one of each. */
  let groupLeft: Datum[] = []
  let groupRight: Datum[] = []
  let matched: boolean[] = []
  let groupAt = 0
  let loading = false
  let flushing = false
  let found = false
  let started = false

  const keyOf = (evals: typeof leftEvals, row: Row): Datum[] => {
    const key = new Array<Datum>(n)
    for (let i = 0; i < n; i++) key[i] = evals[i]!(row)
    return key
  }
  /** Order of a left key and a right key; NaN when they are level but hold a NULL, which equals nothing. */
  const order = (a: readonly Datum[], b: readonly Datum[]): number => {
    let unknown = false
    for (let i = 0; i < n; i++) {
      const x = a[i]!
      const y = b[i]!
      if (x === null || y === null) {
        if (x === null && y === null) {
          unknown = true
          continue
        }
        return (x === null) === plan.nullsFirst[i]! ? -1 : 1
      }
      const c = compares[i]!(x, y)
      if (c !== 0) return plan.descending[i]! ? -c : c
    }
    return unknown ? Number.NaN : 0
  }
  const sameAsGroup = (row: Row): boolean => order(groupLeft, keyOf(rightEvals, row)) === 0
  const emit = (a: Row, b: Row): void => {
    const made = make(a, b)
    if (made !== null) out.rows[out.count++] = made
  }

  /** One step; a promise when an input has to be waited for, true when the join is over. */
  const step = (): Promise<void> | boolean | undefined => {
    if (loading) {
      // Gathering right rows of the group's key.
      while (r.row !== null && sameAsGroup(r.row)) {
        group.add(r.row)
        if (keepRight) matched.push(false)
        const wait = r.advance()
        if (wait !== undefined) return wait
      }
      loading = false
      groupAt = 0
      found = false
      return undefined
    }
    if (flushing) {
      while (groupAt < group.count) {
        if (out.count >= out.size) return undefined
        if (keepRight && !matched[groupAt]!) emit(noLeft, group.get(groupAt))
        groupAt++
      }
      flushing = false
      group.clear()
      matched = []
      return undefined
    }
    if (group.count > 0) {
      const row = l.row
      if (row === null || (groupAt === 0 && order(keyOf(leftEvals, row), groupRight) !== 0)) {
        flushing = true
        groupAt = keepRight ? 0 : group.count
        return undefined
      }
      let tried = 0
      while (groupAt < group.count) {
        if (out.count >= out.size || ++tried > 1024) return undefined
        const index = groupAt++
        const other = group.get(index)
        if (test !== null && !test(row, other)) continue
        found = true
        if (joinType === 'anti') break
        if (keepRight) matched[index] = true
        emit(row, other)
        if (once) break
      }
      if (keepLeft && !found) emit(row, noRight)
      groupAt = 0
      found = false
      return l.advance()
    }
    if (l.row === null) {
      if (!keepRight || r.row === null) return true
      emit(noLeft, r.row)
      return r.advance()
    }
    if (r.row === null) {
      if (!keepLeft) return true
      emit(l.row, noRight)
      return l.advance()
    }
    const key = keyOf(leftEvals, l.row)
    const other = keyOf(rightEvals, r.row)
    const c = order(key, other)
    if (c === 0) {
      groupLeft = key
      groupRight = other
      loading = true
      return undefined
    }
    if (c > 0) {
      if (keepRight) emit(noLeft, r.row)
      return r.advance()
    }
    // Less, or level with a NULL.
    if (keepLeft) emit(l.row, noRight)
    return l.advance()
  }

  let steps = 0
  const fill = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (out.count >= out.size) return out
      if (++steps >= 1024) {
        steps = 0
        const pause = slicer.pause()
        if (pause !== null) return pause.then(fill)
      }
      const result = step()
      if (result === true) return done(out)
      if (result instanceof Promise) return result.then(fill)
    }
  }
  const begin = (): MaybePromise<Batch | null> => {
    started = true
    return andThen(l.advance(), () => andThen(r.advance(), fill))
  }

  return pair.wrap({
    open() {
      restart(out)
      slicer.start()
      l.reset()
      r.reset()
      group.clear()
      matched = []
      loading = false
      flushing = false
      started = false
      groupAt = 0
      found = false
      return andThen(left.open(), () => right.open())
    },
    next(max) {
      refill(out, max)
      return started ? fill() : begin()
    },
    close() {
      group.clear()
      left.close()
      right.close()
    },
  })
}
