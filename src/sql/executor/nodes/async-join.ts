// A join whose ON conditions may wait (a subquery inside ON of an outer join): every pair is tried, the right side kept, or with params from the
// left row (a nested loop's) read again for each. Rare, so simple.

import type { Row } from '../../../base/datum.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { INNER_VAR, type NestLoop, type Plan } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileList, compileQuals } from '../expr/predicate.ts'
import { type ExprScope, ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { TupleStore } from '../tuple-store.ts'
import { done, makeOutput, nullRow, refill, restart } from './batches.ts'
import { filterProject } from './filter-project.ts'
import type { JoinPlan } from './join-pair.ts'

/** `on`: all conditions of the pair, key equalities included. */
export function compileAsyncJoin(
  plan: JoinPlan & { readonly left: Plan; readonly right: Plan },
  on: readonly Expr[],
  cx: Compilation,
  params: NestLoop['params'] = [],
): Operator {
  const { state } = cx
  const left = cx.compile(plan.left)
  const right = cx.compile(plan.right)
  const leftWidth = plan.left.targetList.length
  const rightWidth = plan.right.targetList.length
  const scope: ExprScope = { holders: new Map(), slotOf: (varno, attno) => (varno === INNER_VAR ? leftWidth : 0) + attno - 1 }
  const predicate = compileQuals(on, scope, cx)
  const store = new TupleStore(
    cx,
    plan.right.targetList.map((entry) => entry.expr.type),
  )
  const bound = compileList(
    params.map((param) => param.expr),
    ROW_SCOPE,
    cx,
  )
  const slicer = makeSlicer(state)
  const out = makeOutput()
  const { joinType } = plan
  const keepLeft = joinType === 'left' || joinType === 'full' || joinType === 'anti'
  const keepRight = joinType === 'right' || joinType === 'full'
  let pairs: AsyncGenerator<Row> | null = null

  const readRight = async (): Promise<void> => {
    store.clear()
    await right.open()
    for (let batch = await right.next(); batch !== null; batch = await right.next()) store.addAll(batch.rows, batch.count)
    right.close()
  }

  async function* run(): AsyncGenerator<Row> {
    if (params.length === 0) await readRight()
    const matched = new Uint8Array(keepRight ? store.count : 0)
    const noRight = nullRow(rightWidth)
    await left.open()
    for (let batch = await left.next(); batch !== null; batch = await left.next()) {
      const rows = batch.rows.slice(0, batch.count)
      for (const row of rows) {
        const pause = slicer.pause()
        if (pause !== null) await pause
        if (params.length > 0) {
          for (const [i, param] of params.entries()) state.exec[param.id] = await bound[i]!.eval(row)
          await readRight()
        }
        let found = false
        for (let i = 0; i < store.count; i++) {
          const pair = [...row, ...store.get(i)]
          if (predicate !== null && !(await predicate.test(pair))) continue
          found = true
          if (joinType === 'semi' || joinType === 'anti') break
          if (keepRight) matched[i] = 1
          yield pair
        }
        if (joinType === 'semi' ? found : keepLeft && !found) yield [...row, ...noRight]
      }
    }
    const noLeft = nullRow(leftWidth)
    for (let i = 0; i < matched.length; i++) if (matched[i] === 0) yield [...noLeft, ...store.get(i)]
  }

  const fill = async (): Promise<Batch | null> => {
    while (out.count < out.size && pairs !== null) {
      const item = await pairs.next()
      if (item.done === true) pairs = null
      else out.rows[out.count++] = item.value
    }
    return done(out)
  }
  const join: Operator = {
    open() {
      restart(out)
      slicer.start()
      store.clear()
      pairs = run()
    },
    next(max) {
      refill(out, max)
      return fill()
    },
    close() {
      pairs = null
      left.close()
      right.close()
      store.clear()
    },
  }
  return filterProject(join, plan.quals, plan.targetList, scope, cx, -1)
}
