// How much of a relation conditions let through: from ANALYZE's statistics where there are some (PostgreSQL's formulas), its default numbers
// otherwise.

import { mapLong } from '../../base/begun-anew.ts'
import type { Datum } from '../../base/datum.ts'
import { provesNotNull } from '../../catalog/descriptors.ts'
import type { Expr } from '../analyzer/expr.ts'
import { amopsByOperator, STRATEGY } from '../builtin/pg-index.ts'
import { ArrayDatum } from '../types/array.ts'
import type { JoinProblem } from './base-rel.ts'
import { DEFAULTS } from './cost.ts'
import { exprKey, stripRelabel } from './expr-tree.ts'
import { equalJoin } from './join-selectivity.ts'
import { isLongCondition } from './long-conditions.ts'
import { patternSelectivity } from './pattern-selectivity.ts'
import { NO_RELS } from './relids.ts'
import { clamp, equalsKnown, rangeKnown } from './value-selectivity.ts'
import { knownValue, type Variable, variableOf } from './variable.ts'

/** Two bounds that contradict each other, almost. */
const ALMOST_NONE = 1e-10
/** A parameter's value matters where common values differ so much from the average. */
const SKEW = 3

function strategyOf(opNo: number): number {
  for (const amop of amopsByOperator(opNo)) if (amop.amopmethod === 403) return amop.amopstrategy
  return 0
}

export function selectivity(qual: Expr, problem: JoinProblem): number {
  const implied = problem.implied.get(qual)
  if (implied === undefined) return ownSelectivity(qual, problem)
  const counted = implied.reduce((pass, one) => pass * ownSelectivity(one, problem), 1)
  return counted > 0 ? clamp(ownSelectivity(qual, problem) / counted) : 1
}

function ownSelectivity(qual: Expr, problem: JoinProblem): number {
  switch (qual.kind) {
    case 'Const':
      return qual.value === true ? 1 : 0
    case 'OpExpr':
      return operatorSelectivity(qual, problem)
    case 'ScalarArrayOpExpr':
      return arraySelectivity(qual, problem)
    case 'NullTest': {
      const { estimates, rel } = variableOf(problem, qual.arg)
      const nulls = estimates?.nullFraction ?? (rel?.table != null && isNotNull(qual.arg, problem) ? 0 : DEFAULTS.nullFraction)
      return clamp(qual.isNull ? nulls : 1 - nulls)
    }
    case 'Var':
      return booleanSelectivity(qual, true, problem)
    case 'BooleanTest':
      return booleanTest(qual, problem)
    case 'BoolExpr': {
      if (qual.op === 'not') {
        const [arg] = qual.args
        return arg!.kind === 'Var' ? booleanSelectivity(arg!, false, problem) : clamp(1 - selectivity(arg!, problem))
      }
      if (qual.op === 'and') return conjunction(qual.args, problem)
      let pass = 0
      const isMany = isLongCondition(qual)
      for (const arg of qual.args) {
        const s = isMany ? armSelectivity(arg, problem) : selectivity(arg, problem)
        pass = pass + s - pass * s
      }
      return pass
    }
    case 'FuncExpr':
      return DEFAULTS.functionSelectivity
    default:
      return DEFAULTS.otherSelectivity
  }
}

export function armSelectivity(arm: Expr, problem: JoinProblem): number {
  const known = problem.estimated.get(arm)
  if (known !== undefined) return known
  const found = selectivity(arm, problem)
  problem.estimated.set(arm, found)
  return found
}

function isNotNull(expr: Expr, problem: JoinProblem): boolean {
  const bare = stripRelabel(expr)
  if (bare.kind !== 'Var') return false
  const column = variableOf(problem, bare).rel?.info?.columns[bare.attno - 1]
  return column !== undefined && provesNotNull(column)
}

type OpExpr = Expr & { kind: 'OpExpr' }

function operatorSelectivity(qual: OpExpr, problem: JoinProblem): number {
  const [left, right] = qual.args
  if (right === undefined || left === undefined) return DEFAULTS.otherSelectivity
  const strategy = strategyOf(qual.opNo)
  const { catalog } = problem.root
  const a = problem.relids(left)
  const b = problem.relids(right)
  if (strategy === STRATEGY.equal) {
    if (a !== NO_RELS && b !== NO_RELS) return equalJoin(variableOf(problem, left), variableOf(problem, right))
    return a !== NO_RELS ? equals(variableOf(problem, left), right, problem) : equals(variableOf(problem, right), left, problem)
  }
  if (strategy !== 0) {
    if (a !== NO_RELS && b !== NO_RELS) return DEFAULTS.rangeSelectivity
    return a !== NO_RELS ? range(left, strategy, right, problem) : range(right, 6 - strategy, left, problem)
  }
  const name = catalog.operator(qual.opNo)?.oprname ?? ''
  if (name === '<>') {
    const [column, value] = a !== NO_RELS ? [left, right] : [right, left]
    const variable = variableOf(problem, column)
    return clamp(1 - equals(variable, value, problem) - (variable.estimates?.nullFraction ?? 0))
  }
  return patternSelectivity(qual, name, problem) ?? DEFAULTS.otherSelectivity / 5
}

/** column = value */
function equals(variable: Variable, value: Expr, problem: JoinProblem): number {
  const { estimates, rel } = variable
  if (variable.unique && rel !== null) return 1 / Math.max(1, rel.tuples)
  const rest = 1 - (estimates?.nullFraction ?? 0)
  const average = clamp(rest / variable.distinct)
  if (estimates === null || estimates.mostCommon === null) return average
  if (!isSkewed(estimates.mostCommon.frequencies, average)) return average
  const known = knownValue(value, problem.root)
  if (known === undefined) return Math.min(average, estimates.mostCommon.frequencies[0]!)
  return known === null ? 0 : equalsKnown(variable.distinct, estimates, known, value.type)
}

function isSkewed(frequencies: readonly number[], average: number): boolean {
  return frequencies[0]! > SKEW * average || frequencies[frequencies.length - 1]! < average / SKEW || frequencies[0]! > average * 1.5
}

/** column < value and its like; `strategy` is btree's. */
function range(column: Expr, strategy: number, value: Expr, problem: JoinProblem): number {
  const { estimates } = variableOf(problem, column)
  if (estimates === null || (estimates.histogram === null && estimates.mostCommon === null)) return DEFAULTS.rangeSelectivity
  const known = knownValue(value, problem.root)
  if (known === undefined) return DEFAULTS.rangeSelectivity
  if (known === null) return 0
  return rangeKnown(estimates, strategy, known, value.type) ?? DEFAULTS.rangeSelectivity
}

function booleanSelectivity(expr: Expr, wanted: boolean, problem: JoinProblem): number {
  const variable = variableOf(problem, expr)
  if (variable.estimates === null) return DEFAULTS.otherSelectivity
  return clamp(equalsKnown(variable.distinct, variable.estimates, wanted, expr.type))
}

function booleanTest(qual: Expr & { kind: 'BooleanTest' }, problem: JoinProblem): number {
  const { estimates } = variableOf(problem, qual.arg)
  if (estimates === null) return qual.test.includes('unknown') ? DEFAULTS.nullFraction : DEFAULTS.otherSelectivity
  const isTrue = booleanSelectivity(qual.arg, true, problem)
  const isFalse = booleanSelectivity(qual.arg, false, problem)
  const nulls = estimates.nullFraction
  const found = qual.test.includes('unknown') ? nulls : qual.test.includes('true') ? isTrue : isFalse
  return clamp(qual.test.includes('not') ? 1 - found : found)
}

function arraySelectivity(qual: Expr & { kind: 'ScalarArrayOpExpr' }, problem: JoinProblem): number {
  const [column, array] = qual.args
  const isEqual = strategyOf(qual.opNo) === STRATEGY.equal
  const isUnequal = problem.root.catalog.operator(qual.opNo)?.oprname === '<>'
  if (!isEqual && !isUnequal) return DEFAULTS.rangeSelectivity
  const variable = variableOf(problem, column!)
  const elements = elementsOf(array!) ?? (variable.estimates?.mostCommon == null ? null : elementsOf(constantOf(array!, problem)))
  if (elements === null) {
    const some = clamp(((1 - (variable.estimates?.nullFraction ?? 0)) / variable.distinct) * DEFAULTS.arrayRows)
    return isEqual === qual.useOr ? some : 1 - some
  }
  let sum = 0
  let product = 1
  const { glob } = problem.root
  const each = mapLong(
    elements.values,
    (element) => equals(variable, elements.exprOf(element), problem),
    () => ({
      take: () => glob.valuesMatter,
      put(matter) {
        glob.valuesMatter = matter
      },
    }),
  )
  for (const one of each) {
    sum += one
    product *= one
  }
  if (isEqual) return clamp(qual.useOr ? sum : product)
  const nulls = variable.estimates?.nullFraction ?? 0
  return clamp(qual.useOr ? 1 - product : 1 - sum - nulls)
}

interface Elements {
  readonly values: readonly unknown[]
  /** Of one of `values`. */
  exprOf(value: unknown): Expr
}

/** The array's elements as expressions, which are made as they are asked for; null where their number is unknown. */
function elementsOf(array: Expr): Elements | null {
  if (array.kind === 'ArrayExpr') return { values: array.elements, exprOf: (element) => element as Expr }
  const bare = stripRelabel(array)
  if (bare.kind !== 'Const' || !(bare.value instanceof ArrayDatum)) return null
  const { elementType, elements } = bare.value
  const { collation } = bare
  return {
    values: elements,
    exprOf: (value) => ({ kind: 'Const', value: value as Datum, type: elementType, typmod: -1, collation, location: -1 }),
  }
}

/** The expression as the constant it will be, if that can be told. */
function constantOf(expr: Expr, problem: JoinProblem): Expr {
  const value = knownValue(expr, problem.root)
  return value === undefined ? expr : { kind: 'Const', value, type: expr.type, typmod: -1, collation: expr.collation, location: -1 }
}

export const arrayLength = (array: Expr): number => elementsOf(array)?.values.length ?? DEFAULTS.arrayRows

/** Of conditions together; a lower and an upper bound of one expression count as one range. */
export function conjunction(quals: readonly Expr[], problem: JoinProblem): number {
  let result = 1
  const bounds = new Map<string, { low: number | null; high: number | null; nulls: number }>()
  for (const qual of quals) {
    const bound = boundOf(qual, problem)
    if (bound === null) {
      result *= selectivity(qual, problem)
      continue
    }
    const pass = selectivity(qual, problem)
    const seen = bounds.get(bound.key) ?? { low: null, high: null, nulls: variableOf(problem, bound.column).estimates?.nullFraction ?? 0 }
    if (bound.isLow) seen.low = seen.low === null ? pass : Math.min(seen.low, pass)
    else seen.high = seen.high === null ? pass : Math.min(seen.high, pass)
    bounds.set(bound.key, seen)
  }
  for (const { low, high, nulls } of bounds.values()) {
    if (low === null || high === null) result *= low ?? high!
    else if (low === DEFAULTS.rangeSelectivity || high === DEFAULTS.rangeSelectivity) result *= DEFAULTS.boundedRangeSelectivity
    else {
      const both = low + high - 1 + nulls
      result *= both > 0 ? both : both < -0.01 ? DEFAULTS.boundedRangeSelectivity : ALMOST_NONE
    }
  }
  return clamp(result)
}

function boundOf(qual: Expr, problem: JoinProblem): { key: string; column: Expr; isLow: boolean } | null {
  if (qual.kind !== 'OpExpr' || qual.args.length !== 2) return null
  const strategy = strategyOf(qual.opNo)
  if (strategy === 0 || strategy === STRATEGY.equal) return null
  const [left, right] = qual.args as [Expr, Expr]
  const [a, b] = [problem.relids(left), problem.relids(right)]
  if (a !== NO_RELS && b === NO_RELS) return { key: exprKey(stripRelabel(left)), column: left, isLow: strategy > STRATEGY.equal }
  if (b !== NO_RELS && a === NO_RELS) return { key: exprKey(stripRelabel(right)), column: right, isLow: strategy < STRATEGY.equal }
  return null
}
