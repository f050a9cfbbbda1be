// Conditions between dates and timestamps: the value is turned into the column's own type, so that an index on the column serves. A date's day
// stands for all moments of it: where that says less than the condition, the condition is checked still.

import type { Expr } from '../../analyzer/expr.ts'
import { Interval } from '../../types/interval.ts'
import type { IndexCondition } from '../plan.ts'

const DATE = 1082
const TIMESTAMP = 1114
const TIMESTAMPTZ = 1184
const INTERVAL = 1186
/** pg_proc */
const CAST = { dateToTimestamp: 2024, timestampToDate: 2029, timestamptzToTimestamp: 2027 } as const
const PLUS_INTERVAL = 2032
const MINUS_INTERVAL = 2033
/** Beyond these a cast may be out of range (days and microseconds from 2000-01-01). */
const SAFE_DAYS = 1_000_000
const SAFE_MICROS = SAFE_DAYS * 86_400_000_000

export interface DatetimeClause {
  readonly op: IndexCondition['op']
  readonly value: Expr
  readonly lossy: boolean
}

const call = (funcId: number, args: readonly Expr[], type: number): Expr => ({
  kind: 'FuncExpr',
  funcId,
  args,
  retset: false,
  variadic: false,
  format: 'explicit',
  inputCollation: 0,
  type,
  typmod: -1,
  collation: 0,
  location: -1,
})

const loose = (op: IndexCondition['op']): IndexCondition['op'] => (op === '<' ? '<=' : op === '>' ? '>=' : op)

/** `column` op `value` for a column of type `left` and a value of type `right`; null where there is no such reading. */
export function datetimeClause(op: IndexCondition['op'], left: number, right: number, value: Expr): DatetimeClause | null {
  if (left === DATE && right === TIMESTAMP)
    return isSafe(value, SAFE_MICROS) ? { op: loose(op), value: call(CAST.timestampToDate, [value], DATE), lossy: true } : null
  if (left === TIMESTAMP && right === DATE)
    return isSafe(value, SAFE_DAYS) ? { op, value: call(CAST.dateToTimestamp, [value], TIMESTAMP), lossy: false } : null
  if (left === TIMESTAMP && right === TIMESTAMPTZ && op !== '=') {
    // Where clocks are put back, the order of local times is not that of moments: a day is more than enough.
    const local = call(CAST.timestamptzToTimestamp, [value], TIMESTAMP)
    const day: Expr = { kind: 'Const', value: new Interval(0, 1, 0), type: INTERVAL, typmod: -1, collation: 0, location: -1 }
    const shifted = call(op === '<' || op === '<=' ? PLUS_INTERVAL : MINUS_INTERVAL, [local, day], TIMESTAMP)
    return { op: loose(op), value: shifted, lossy: true }
  }
  return null
}

/** A constant whose cast cannot fail. */
function isSafe(value: Expr, limit: number): boolean {
  return value.kind === 'Const' && value.value !== null && Math.abs(Number(value.value)) < limit
}
