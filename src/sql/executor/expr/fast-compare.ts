// Comparisons whose operands compare as JavaScript values do: integers of all widths (also as bigint beyond the safe range), dates, times,
// equality of text and uuid. One closure per operator and shape, so that each stays monomorphic inside. // hot

import type { Datum } from '../../../base/datum.ts'
import type { Evaluator } from '../operator.ts'
import type { Compiled } from './compiled.ts'
import { evaluator } from './compiled.ts'

export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'
type Kind = 'plain' | 'float'

const OPERATIONS = 'eq|ne|lt|le|gt|ge'
const PLAIN = new RegExp(
  `^(?:int2|int4|int8|int24|int42|int28|int82|int48|int84|oid|bool|date_|time_|timestamp_|uuid_|char)(${OPERATIONS})$`,
)
const FLOAT = new RegExp(`^(?:float4|float8|float48|float84)(${OPERATIONS})$`)
const TEXT = /^(?:text|name|nametext|textname)(eq|ne)$/

/** How the function of this prosrc compares, or null when its body must be asked. */
export function comparisonOf(prosrc: string): { op: Comparison; kind: Kind } | null {
  const plain = PLAIN.exec(prosrc) ?? TEXT.exec(prosrc)
  if (plain !== null) return { op: plain[1] as Comparison, kind: 'plain' }
  const float = FLOAT.exec(prosrc)
  return float === null ? null : { op: float[1] as Comparison, kind: 'float' }
}

function varConst(op: Comparison, i: number, c: number): Evaluator {
  switch (op) {
    case 'eq':
      return (row) => {
        const a = row[i]!
        return a === null ? null : a === c
      }
    case 'ne':
      return (row) => {
        const a = row[i]!
        return a === null ? null : a !== c
      }
    case 'lt':
      return (row) => {
        const a = row[i]!
        return a === null ? null : (a as number) < c
      }
    case 'le':
      return (row) => {
        const a = row[i]!
        return a === null ? null : (a as number) <= c
      }
    case 'gt':
      return (row) => {
        const a = row[i]!
        return a === null ? null : (a as number) > c
      }
    case 'ge':
      return (row) => {
        const a = row[i]!
        return a === null ? null : (a as number) >= c
      }
  }
}

function varVar(op: Comparison, i: number, j: number): Evaluator {
  switch (op) {
    case 'eq':
      return (row) => {
        const a = row[i]!
        const b = row[j]!
        return a === null || b === null ? null : a === b
      }
    case 'ne':
      return (row) => {
        const a = row[i]!
        const b = row[j]!
        return a === null || b === null ? null : a !== b
      }
    case 'lt':
      return (row) => {
        const a = row[i]!
        const b = row[j]!
        return a === null || b === null ? null : (a as number) < (b as number)
      }
    case 'le':
      return (row) => {
        const a = row[i]!
        const b = row[j]!
        return a === null || b === null ? null : (a as number) <= (b as number)
      }
    case 'gt':
      return (row) => {
        const a = row[i]!
        const b = row[j]!
        return a === null || b === null ? null : (a as number) > (b as number)
      }
    case 'ge':
      return (row) => {
        const a = row[i]!
        const b = row[j]!
        return a === null || b === null ? null : (a as number) >= (b as number)
      }
  }
}

function general(op: Comparison, l: Evaluator, r: Evaluator): Evaluator {
  switch (op) {
    case 'eq':
      return (row) => {
        const a = l(row)
        const b = r(row)
        return a === null || b === null ? null : a === b
      }
    case 'ne':
      return (row) => {
        const a = l(row)
        const b = r(row)
        return a === null || b === null ? null : a !== b
      }
    case 'lt':
      return (row) => {
        const a = l(row)
        const b = r(row)
        return a === null || b === null ? null : (a as number) < (b as number)
      }
    case 'le':
      return (row) => {
        const a = l(row)
        const b = r(row)
        return a === null || b === null ? null : (a as number) <= (b as number)
      }
    case 'gt':
      return (row) => {
        const a = l(row)
        const b = r(row)
        return a === null || b === null ? null : (a as number) > (b as number)
      }
    case 'ge':
      return (row) => {
        const a = l(row)
        const b = r(row)
        return a === null || b === null ? null : (a as number) >= (b as number)
      }
  }
}

/** NaN equals itself and is above everything, as PostgreSQL orders it. */
function float(op: Comparison, l: Evaluator, r: Evaluator): Evaluator {
  const both = (test: (a: number, b: number) => boolean): Evaluator => {
    return (row) => {
      const a = l(row) as number | null
      const b = r(row) as number | null
      return a === null || b === null ? null : test(a, b)
    }
  }
  const eq = (a: number, b: number): boolean => (Number.isNaN(a) ? Number.isNaN(b) : a === b)
  const lt = (a: number, b: number): boolean => (Number.isNaN(b) ? !Number.isNaN(a) : a < b)
  switch (op) {
    case 'eq':
      return both(eq)
    case 'ne':
      return both((a, b) => !eq(a, b))
    case 'lt':
      return both(lt)
    case 'le':
      return both((a, b) => !lt(b, a))
    case 'gt':
      return both((a, b) => lt(b, a))
    case 'ge':
      return both((a, b) => !lt(a, b))
  }
}

const SWAPPED: Readonly<Record<Comparison, Comparison>> = { eq: 'eq', ne: 'ne', lt: 'gt', le: 'ge', gt: 'lt', ge: 'le' }

/** Both operands synchronous. */
export function compileComparison(found: { op: Comparison; kind: Kind }, l: Compiled, r: Compiled): Evaluator {
  const { op, kind } = found
  if ((l.constant && l.value === null) || (r.constant && r.value === null)) return (): Datum => null
  if (kind === 'float') {
    const finite = (c: Compiled): boolean => c.constant && Number.isFinite(c.value)
    // With one operand a finite constant, NaN on the other side still sorts above it: only < and <= come out right by themselves.
    if (l.slot >= 0 && finite(r) && (op === 'lt' || op === 'le' || op === 'eq')) return varConst(op, l.slot, r.value as number)
    return float(op, evaluator(l), evaluator(r))
  }
  if (l.slot >= 0 && r.constant) return varConst(op, l.slot, r.value as number)
  if (r.slot >= 0 && l.constant) return varConst(SWAPPED[op], r.slot, l.value as number)
  if (l.slot >= 0 && r.slot >= 0) return varVar(op, l.slot, r.slot)
  return general(op, evaluator(l), evaluator(r))
}
