// LIKE, ~ and their like: common values are tried one by one, the rest is judged by the fixed prefix and the length of the pattern.

import type { Datum } from '../../base/datum.ts'
import type { Expr } from '../analyzer/expr.ts'
import { STRATEGY } from '../builtin/pg-index.ts'
import { ArrayDatum } from '../types/array.ts'
import type { Present } from '../types/type.ts'
import type { JoinProblem } from './base-rel.ts'
import { DEFAULTS } from './cost.ts'
import { afterPrefix, literalPrefix } from './paths/index-match.ts'
import type { ColumnEstimates } from './statistics.ts'
import { rangeKnown } from './value-selectivity.ts'
import { knownValue, variableOf } from './variable.ts'

const LIKE = new Set(['~~', '~~*'])
const REGEX = new Set(['~', '~*'])
/** What a character of the pattern, a place for any character, and a place for any text let through. */
const FIXED_CHARACTER = 0.2
const ANY_CHARACTER = 0.9
const ANY_TEXT = 5
const LEAST = 0.0001
/** A histogram with so many bounds is a sample of its own. */
const GOOD_HISTOGRAM = 100

/** Null: no pattern operator. */
export function patternSelectivity(qual: Expr & { kind: 'OpExpr' }, name: string, problem: JoinProblem): number | null {
  const isNegated = name.startsWith('!')
  const positive = isNegated ? name.slice(1) : name
  if (!LIKE.has(positive) && !REGEX.has(positive) && positive !== '^@') return null
  const [column, pattern] = qual.args as [Expr, Expr]
  const { estimates } = variableOf(problem, column)
  const guess = isNegated ? 1 - DEFAULTS.matchSelectivity : DEFAULTS.matchSelectivity
  const text = pattern.kind === 'Const' || estimates !== null ? knownValue(pattern, problem.root) : undefined
  if (typeof text !== 'string') return guess
  const nulls = estimates?.nullFraction ?? 0
  const matches = matching(qual, positive, isNegated, text, estimates, problem)
  return Math.min(1, Math.max(0, isNegated ? 1 - matches - nulls : matches))
}

function matching(
  qual: Expr & { kind: 'OpExpr' },
  operator: string,
  isNegated: boolean,
  text: string,
  estimates: ColumnEstimates | null,
  problem: JoinProblem,
): number {
  const byShape = shapeSelectivity(operator, text, estimates)
  if (estimates === null) return byShape
  const { mostCommon, histogram, nullFraction } = estimates
  const share = (values: readonly Present[]): boolean[] | null => {
    const tried = tryValues(qual, values, estimates.type, problem)
    return tried === null || !isNegated ? tried : tried.map((passes) => !passes)
  }
  let common = 0
  const commonMatches = mostCommon === null ? null : share(mostCommon.values)
  if (commonMatches !== null) for (const [i, passes] of commonMatches.entries()) if (passes) common += mostCommon!.frequencies[i]!
  const rest = Math.max(0, 1 - nullFraction - (mostCommon?.sum ?? 0))
  let others = byShape
  const inner = histogram === null || histogram.length < GOOD_HISTOGRAM ? null : share(histogram.slice(1, -1))
  if (inner !== null) {
    const found = inner.filter(Boolean).length / inner.length
    others = found > 0 ? found : Math.min(byShape, 1 / inner.length)
  }
  return common + rest * Math.min(1 - LEAST, Math.max(LEAST, others))
}

/** The condition tried on values. */
function tryValues(qual: Expr & { kind: 'OpExpr' }, values: readonly Present[], type: number, problem: JoinProblem): boolean[] | null {
  const { evaluate } = problem.root.glob
  if (evaluate === null || values.length === 0) return null
  const like = { typmod: -1, collation: qual.inputCollation, location: -1 }
  const tests = values.map((value): Expr => ({ ...qual, args: [{ kind: 'Const', value, type, ...like }, qual.args[1]!] }))
  try {
    const found: Datum | undefined = evaluate({
      kind: 'ArrayExpr',
      elements: tests,
      elementType: 16,
      multidims: false,
      type: 1000,
      ...like,
    })
    return found instanceof ArrayDatum ? found.elements.map((passes) => passes === true) : null
  } catch {
    // A pattern that is none: the execution tells.
    return null
  }
}

function shapeSelectivity(operator: string, text: string, estimates: ColumnEstimates | null): number {
  if (operator === '^@') return prefixSelectivity(text, estimates)
  if (REGEX.has(operator)) return regexSelectivity(operator, text, estimates)
  const prefix = operator === '~~' ? literalPrefix(text) : ''
  const rest = text.slice(prefix.length)
  if (rest === '' && operator === '~~') return DEFAULTS.eqSelectivity
  let pass = prefix === '' ? 1 : prefixSelectivity(prefix, estimates)
  let restPass = 1
  for (const [i, c] of [...rest].entries()) {
    if (c === '%') restPass *= i === 0 || i === rest.length - 1 ? 1 : ANY_TEXT
    else if (c === '_') restPass *= ANY_CHARACTER
    else restPass *= FIXED_CHARACTER
  }
  pass *= Math.min(1, restPass)
  return Math.min(1, pass)
}

function regexSelectivity(operator: string, text: string, estimates: ColumnEstimates | null): number {
  const anchored = text.startsWith('^') && operator === '~'
  const literal = /^\^?([\w ]*)/.exec(text)?.[1] ?? ''
  const following = text[literal.length + (text.startsWith('^') ? 1 : 0)]
  const fixed = following !== undefined && '?*{|'.includes(following) ? literal.slice(0, -1) : literal
  if (anchored && fixed !== '') return prefixSelectivity(fixed, estimates)
  const characters = text.replace(/[\^$.*+?()[\]{}|\\]/g, '').length
  return Math.max(LEAST, Math.min(1, FIXED_CHARACTER ** characters * ANY_TEXT))
}

function prefixSelectivity(prefix: string, estimates: ColumnEstimates | null): number {
  const guess = Math.max(DEFAULTS.matchSelectivity, LEAST)
  if (prefix === '') return 1
  if (estimates === null || estimates.histogram === null) return guess
  const from = rangeKnown({ ...estimates, mostCommon: null, nullFraction: 0 }, STRATEGY.greaterEqual, prefix, estimates.type)
  const next = afterPrefix(prefix)
  const to = next === null ? 1 : rangeKnown({ ...estimates, mostCommon: null, nullFraction: 0 }, STRATEGY.less, next, estimates.type)
  if (from === null || to === null) return guess
  return Math.max(1 / estimates.histogram.length / 10, from + to - 1)
}
