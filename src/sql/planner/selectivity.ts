// How much of a relation conditions let through. PostgreSQL's default numbers where no statistics say better.

import type { Expr } from '../analyzer/expr.ts'
import { amopsByOperator, STRATEGY } from '../builtin/pg-index.ts'
import { distinctValues, type JoinProblem } from './base-rel.ts'
import { DEFAULTS } from './cost.ts'
import { exprKey } from './expr-tree.ts'
import { NO_RELS } from './relids.ts'

function strategyOf(opNo: number): number {
  for (const amop of amopsByOperator(opNo)) if (amop.amopmethod === 403) return amop.amopstrategy
  return 0
}

export function selectivity(qual: Expr, problem: JoinProblem, rows: number): number {
  switch (qual.kind) {
    case 'Const':
      return qual.value === true ? 1 : 0
    case 'OpExpr': {
      const [left, right] = qual.args
      const strategy = strategyOf(qual.opNo)
      if (right === undefined || left === undefined) return DEFAULTS.otherSelectivity
      if (strategy === STRATEGY.equal) {
        const a = problem.relids(left)
        const b = problem.relids(right)
        if (a !== NO_RELS && b !== NO_RELS) return 1 / Math.max(distinctValues(problem, left, rows), distinctValues(problem, right, rows))
        return 1 / distinctValues(problem, a !== NO_RELS ? left : right, rows)
      }
      if (strategy !== 0) return DEFAULTS.rangeSelectivity
      const name = problem.root.catalog.operator(qual.opNo)?.oprname
      if (name === '<>') return 1 - DEFAULTS.eqSelectivity
      if (name?.includes('~') === true) return name.startsWith('!') ? 1 - DEFAULTS.matchSelectivity : DEFAULTS.matchSelectivity
      return DEFAULTS.otherSelectivity / 5
    }
    case 'ScalarArrayOpExpr': {
      const [left, array] = qual.args
      if (!qual.useOr || strategyOf(qual.opNo) !== STRATEGY.equal) return DEFAULTS.rangeSelectivity
      return Math.min(1, arrayLength(array!) / distinctValues(problem, left!, rows))
    }
    case 'NullTest':
      return qual.isNull ? DEFAULTS.nullFraction : 1 - DEFAULTS.nullFraction
    case 'BooleanTest':
      return DEFAULTS.otherSelectivity
    case 'BoolExpr': {
      if (qual.op === 'not') return 1 - selectivity(qual.args[0]!, problem, rows)
      if (qual.op === 'and') return conjunction(qual.args, problem, rows)
      let pass = 0
      for (const arg of qual.args) {
        const s = selectivity(arg, problem, rows)
        pass = pass + s - pass * s
      }
      return pass
    }
    default:
      return DEFAULTS.otherSelectivity
  }
}

/** Of conditions together; a lower and an upper bound of one expression count as one range. */
export function conjunction(quals: readonly Expr[], problem: JoinProblem, rows: number): number {
  let result = 1
  const bounds = new Map<string, number>()
  for (const qual of quals) {
    const strategy = qual.kind === 'OpExpr' ? strategyOf(qual.opNo) : 0
    if (qual.kind === 'OpExpr' && strategy !== 0 && strategy !== STRATEGY.equal && qual.args.length === 2) {
      const key = exprKey(qual.args[0]!)
      const side = strategy < STRATEGY.equal ? 1 : 2
      const seen = bounds.get(key) ?? 0
      if (seen !== 0 && seen !== side) {
        result *= DEFAULTS.boundedRangeSelectivity / DEFAULTS.rangeSelectivity
        continue
      }
      bounds.set(key, side)
    }
    result *= selectivity(qual, problem, rows)
  }
  return Math.max(0, Math.min(1, result))
}

export function arrayLength(array: Expr): number {
  if (array.kind === 'ArrayExpr') return array.elements.length
  if (array.kind === 'Const' && array.value !== null && typeof array.value === 'object' && 'items' in array.value) {
    const { items } = array.value
    if (Array.isArray(items)) return items.length
  }
  return DEFAULTS.arrayRows
}
