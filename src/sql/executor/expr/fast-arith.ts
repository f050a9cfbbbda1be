// Integer and float8 arithmetic inline, as long as the result is in range; anything else is left to the function's body, which knows the
// error. // hot

import type { Datum } from '../../../base/datum.ts'
import type { Evaluator } from '../operator.ts'
import type { Compiled } from './compiled.ts'
import { evaluator } from './compiled.ts'

type Slow = (a: Datum, b: Datum) => Datum

/** Bounds of the result by prosrc prefix; int8 results must only be safe integers (the body takes over beyond). */
const INT = /^(int2|int4|int8|int24|int42|int28|int82|int48|int84|float8)(pl|mi|mul)$/

function bounds(prefix: string): [number, number] {
  if (prefix === 'int2') return [-32768, 32767]
  if (prefix.includes('8')) return [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]
  return [-2147483648, 2147483647]
}

function integer(op: string, lo: number, hi: number, l: Evaluator, r: Evaluator, slow: Slow): Evaluator {
  switch (op) {
    case 'pl':
      return (row) => {
        const a = l(row)
        const b = r(row)
        if (a === null || b === null) return null
        if (typeof a === 'number' && typeof b === 'number') {
          const sum = a + b
          if (sum >= lo && sum <= hi) return sum
        }
        return slow(a, b)
      }
    case 'mi':
      return (row) => {
        const a = l(row)
        const b = r(row)
        if (a === null || b === null) return null
        if (typeof a === 'number' && typeof b === 'number') {
          const difference = a - b
          if (difference >= lo && difference <= hi) return difference
        }
        return slow(a, b)
      }
    default:
      return (row) => {
        const a = l(row)
        const b = r(row)
        if (a === null || b === null) return null
        if (typeof a === 'number' && typeof b === 'number') {
          const product = a * b
          // + 0 turns -0 into 0.
          if (product >= lo && product <= hi) return product + 0
        }
        return slow(a, b)
      }
  }
}

function varConst(op: string, lo: number, hi: number, i: number, c: number, slow: Slow): Evaluator {
  switch (op) {
    case 'pl':
      return (row) => {
        const a = row[i]!
        if (a === null) return null
        if (typeof a === 'number') {
          const sum = a + c
          if (sum >= lo && sum <= hi) return sum
        }
        return slow(a, c)
      }
    case 'mi':
      return (row) => {
        const a = row[i]!
        if (a === null) return null
        if (typeof a === 'number') {
          const difference = a - c
          if (difference >= lo && difference <= hi) return difference
        }
        return slow(a, c)
      }
    default:
      return (row) => {
        const a = row[i]!
        if (a === null) return null
        if (typeof a === 'number') {
          const product = a * c
          if (product >= lo && product <= hi) return product + 0
        }
        return slow(a, c)
      }
  }
}

function float(op: string, l: Evaluator, r: Evaluator, slow: Slow): Evaluator {
  const compute =
    op === 'pl' ? (a: number, b: number) => a + b : op === 'mi' ? (a: number, b: number) => a - b : (a: number, b: number) => a * b
  return (row) => {
    const a = l(row) as number | null
    const b = r(row) as number | null
    if (a === null || b === null) return null
    const result = compute(a, b)
    // Overflow, underflow and the special values are the body's.
    return Number.isFinite(result) && result !== 0 ? result : slow(a, b)
  }
}

/** Null when this prosrc has no inline form. */
export function compileArithmetic(prosrc: string, l: Compiled, r: Compiled, slow: Slow): Evaluator | null {
  const match = INT.exec(prosrc)
  if (match === null) return null
  const [, prefix, op] = match as unknown as [string, string, string]
  if (prefix === 'float8') return float(op, evaluator(l), evaluator(r), slow)
  const [lo, hi] = bounds(prefix)
  if (l.slot >= 0 && r.constant && typeof r.value === 'number') return varConst(op, lo, hi, l.slot, r.value, slow)
  return integer(op, lo, hi, evaluator(l), evaluator(r), slow)
}
