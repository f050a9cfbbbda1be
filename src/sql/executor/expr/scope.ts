// Where an expression's Vars are found. One row is the evaluator's argument; others (a join's inner row, a modified row's old version) are
// in holders that the operator fills before it evaluates.

import type { Row } from '../../../base/datum.ts'
import type { Expr } from '../../analyzer/expr.ts'
import type { RowType } from '../../types/record.ts'

export interface RowHolder {
  row: Row
}

export interface ExprScope {
  /** Holder by varno; a varno without one is the evaluator's argument. */
  readonly holders: ReadonlyMap<number, RowHolder>
  /** Position in the row (from 0) of a Var; default attno - 1. System columns and scans that decode only some columns need their own. */
  readonly slotOf?: (varno: number, attno: number) => number
  /** For whole-row Vars: positions and shape of the row's record. */
  readonly wholeRow?: (varno: number) => { readonly slots: readonly number[]; readonly shape: RowType }
  /** Values of nodes that only one operator can compute (Aggref, WindowFunc, GroupingFunc): where it put them. */
  readonly computed?: (expr: Expr) => { readonly holder: RowHolder; readonly slot: number } | undefined
}

const NO_HOLDERS: ReadonlyMap<number, RowHolder> = new Map()

/** All Vars refer to the argument row. */
export const ROW_SCOPE: ExprScope = { holders: NO_HOLDERS }
