// TidScan: rows by their ctid, one or an array of them, or the row a cursor stands on; each row once, in the table's order. // hot

import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { getRows } from '../../../storage/rows/table-reader.ts'
import type { TidScan } from '../../planner/plan.ts'
import { ArrayDatum } from '../../types/array.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Operator } from '../operator.ts'
import { tidMap } from '../system-columns.ts'
import { type TableAccess, tableAccess } from '../table-layout.ts'
import { type RowSource, rawColumns, rawReader, scanOperator } from './scan-output.ts'
import { GETS_PER_BATCH, presentRows } from './table-scan.ts'

function compileKeys(plan: TidScan, access: TableAccess, cx: Compilation): () => MaybePromise<Buffer[]> {
  if (plan.tids.kind === 'CurrentOfExpr') {
    const { cursorName } = plan.tids
    return () => [cx.state.store.cursorRow(cursorName, plan.relation)]
  }
  const tids = tidMap(access)
  const wanted = compileExpr(plan.tids, ROW_SCOPE, cx)
  return () =>
    andThen(wanted.eval([]), (value) => {
      const list = value instanceof ArrayDatum ? value.elements : [value]
      return list.flatMap((tid) => (tid === null ? [] : (tids.keyOf(tid as string) ?? [])))
    })
}

export function compileTidScan(plan: TidScan, cx: Compilation): Operator {
  const access = tableAccess(plan.relation, cx)
  const raw = rawColumns([...plan.quals, ...plan.targetList.map((entry) => entry.expr)])
  const reader = rawReader(access, raw)
  const wanted = compileKeys(plan, access, cx)
  let keys: Buffer[] = []
  let at = 0
  const source: RowSource = {
    open() {
      at = 0
      return andThen(wanted(), (found) => {
        found.sort(Buffer.compare)
        keys = found.filter((key, i) => i === 0 || !key.equals(found[i - 1]!))
      })
    },
    next() {
      if (at >= keys.length) return null
      const chunk = keys.slice(at, at + GETS_PER_BATCH)
      at += chunk.length
      return andThen(getRows(cx.state.txn, reader, chunk), (found) => presentRows(found, chunk, raw, plan.relation))
    },
    close() {
      keys = []
    },
  }
  return scanOperator(source, plan.quals, plan.targetList, raw, cx)
}
