// VirtualScan: rows of a catalogue relation from its provider, in batches.

import type { Datum, Row } from '../../../base/datum.ts'
import { notSupported } from '../../../base/errors.ts'
import { LIMITS } from '../../../base/limits.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { TABLE_OID_ATTNO, type VirtualScan, XMIN_ATTNO } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Operator } from '../operator.ts'
import type { VirtualRelation } from '../store-services.ts'
import { xminOf } from '../system-columns.ts'
import { FULL_ROW_SCOPE } from '../table-layout.ts'
import { type RawColumns, type RowSource, scanOperator } from './scan-output.ts'

const NO_ROWS: readonly Row[] = []

/** xmin: differs when the row does. */
function digestOf(row: Row): number {
  const text = JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  return xminOf(Buffer.from(text, 'utf8'))
}

export function compileVirtualScan(plan: VirtualScan, cx: Compilation): Operator {
  const { state } = cx
  const info = cx.catalog.relation(plan.relation)
  const width = info?.columns.length ?? 0
  let wantsXmin = false
  // Catalogue rows carry `tableoid` behind their columns, and then xmin if it is asked for.
  const virtualSlot = (_varno: number, attno: number): number => {
    if (attno > 0) return attno - 1
    if (attno === TABLE_OID_ATTNO) return width
    if (attno !== XMIN_ATTNO) throw notSupported('system columns of catalogues but tableoid and xmin are not supported')
    wantsXmin = true
    return width + 1
  }
  const raw: RawColumns = {
    wanted: [],
    system: [],
    withKey: false,
    withTableOid: true,
    width: width + 1,
    scope: { ...FULL_ROW_SCOPE, slotOf: virtualSlot },
  }
  const hints = plan.hints.map((hint) => ({ attnum: hint.attnum, value: compileExpr(hint.value, ROW_SCOPE, cx) }))
  let rows: readonly Row[] = NO_ROWS
  let at = 0
  let begun = false
  /** The same for all scans of one run. */
  let provider: VirtualRelation | null = null
  const hintValues = (from: number, known: { attnum: number; value: Datum }[]): MaybePromise<{ attnum: number; value: Datum }[]> => {
    for (let i = from; i < hints.length; i++) {
      const { attnum, value } = hints[i]!
      const v = value.eval([])
      if (v instanceof Promise) {
        return v.then((datum) => {
          known.push({ attnum, value: datum })
          return hintValues(i + 1, known)
        })
      }
      known.push({ attnum, value: v })
    }
    return known
  }
  /** Computed when the first row is asked for: several relations of one statement then come in slices of their own. */
  const begin = (): MaybePromise<void> => {
    provider ??= state.store.virtualRelation(plan.relation)
    if (provider === null) throw notSupported(`relation "${info?.name ?? plan.relation}" is not implemented`)
    const from = provider
    return andThen(hintValues(0, []), (values) =>
      andThen(from.rows(state.ctx, values), (found) => {
        rows = found
        at = 0
      }),
    )
  }
  /** Others have the catalogue's own rows, too: what is missing is added to a copy. */
  const completed = (row: Row): Row => {
    const whole = row.slice(0, width)
    while (whole.length < width) whole.push(null)
    whole.push(plan.relation)
    if (wantsXmin) whole.push(digestOf(whole))
    return whole
  }
  const batchOf = (): Row[] | null => {
    if (at >= rows.length) return null
    const batch = rows.slice(at, at + LIMITS.batchRows)
    at += batch.length
    return wantsXmin || batch[0]!.length <= width ? batch.map(completed) : batch
  }
  const source: RowSource = {
    open() {
      rows = NO_ROWS
      begun = false
    },
    next() {
      if (!begun) {
        begun = true
        return andThen(begin(), batchOf)
      }
      return batchOf()
    },
    close() {
      rows = NO_ROWS
      provider = null
    },
  }
  return scanOperator(source, plan.quals, plan.targetList, raw, cx)
}
