// What is known of an expression that a condition compares, groups or joins by: the relation it belongs to, its statistics, how many
// different values it takes.

import type { Datum } from '../../base/datum.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from './base-rel.ts'
import type { Root } from './context.ts'
import { DEFAULTS } from './cost.ts'
import { exprKey, isSubPlanExpr, some, stripRelabel } from './expr-tree.ts'
import { indexColumnExpr } from './paths/index-match.ts'
import type { ColumnEstimates } from './statistics.ts'
import { isVolatile } from './volatility.ts'

export interface Variable {
  readonly expr: Expr
  readonly rel: BaseRel | null
  readonly estimates: ColumnEstimates | null
  /** No value occurs twice. */
  readonly unique: boolean
  /** In the whole relation, at least 1. */
  readonly distinct: number
  /** `distinct` is a guess without anything to go by. */
  readonly isGuess: boolean
}

const BOOL = 16
const CHAR = 18
const CHARS = 6

/** Long conditions ask for the same few again and again. */
const variables = new WeakMap<BaseRel, Map<string, Variable>>()

export function variableOf(problem: JoinProblem, expr: Expr): Variable {
  const bare = stripRelabel(expr)
  const bits = problem.relids(bare)
  const rel = problem.relOf.get(bits) ?? null
  const none = { expr: bare, rel, estimates: null, unique: false }
  if (rel === null) return { ...none, distinct: DEFAULTS.distinct, isGuess: true }
  if (rel.table !== null && rel.info !== null) {
    const known = variables.get(rel) ?? new Map<string, Variable>()
    variables.set(rel, known)
    const key = exprKey(bare)
    const variable = known.get(key) ?? tableVariable(problem, bare, rel)
    known.set(key, variable)
    return variable
  }
  if (bare.kind === 'Var' && rel.distinctColumns.has(bare.attno)) return { ...none, unique: true, distinct: rel.tuples, isGuess: false }
  const perValue = bare.kind === 'Var' ? rel.info?.catalogTable?.lookups.get(bare.attno) : undefined
  if (perValue !== undefined) return { ...none, distinct: Math.max(1, rel.tuples / perValue), isGuess: false }
  if (bare.type === BOOL) return { ...none, distinct: 2, isGuess: false }
  // The catalogue's kinds of things: relkind, contype, deptype.
  if (bare.type === CHAR) return { ...none, distinct: CHARS, isGuess: false }
  return { ...none, distinct: Math.min(DEFAULTS.distinct, rel.tuples), isGuess: rel.tuples > DEFAULTS.distinct }
}

function tableVariable(problem: JoinProblem, expr: Expr, rel: BaseRel): Variable {
  const { statistics } = problem.root.glob
  const table = rel.table!
  let estimates = expr.kind === 'Var' && expr.attno > 0 ? (statistics?.(rel.info!, null, expr.attno) ?? null) : null
  let unique = false
  let inUniqueKey = false
  const key = exprKey(expr)
  for (const index of table.indexes) {
    if (index.predicate !== null) continue
    const place = index.columns.findIndex((column, i) =>
      expr.kind === 'Var' ? column.attnum === expr.attno : column.attnum === 0 && exprKey(indexColumnExpr(index, i, rel, problem)) === key,
    )
    if (place < 0) continue
    if (index.unique && index.columns.length === 1) unique = true
    else if (index.unique) inUniqueKey = true
    if (estimates === null && expr.kind !== 'Var') estimates = statistics?.(rel.info!, index, place + 1) ?? null
  }
  const tuples = Math.max(1, rel.tuples)
  const found = { expr, rel, estimates, unique }
  if (unique) return { ...found, distinct: Math.max(1, tuples * (1 - (estimates?.nullFraction ?? 0))), isGuess: false }
  if (estimates !== null && estimates.distinct !== 0) {
    const distinct = estimates.distinct > 0 ? Math.min(estimates.distinct, tuples) : -estimates.distinct * tuples
    return { ...found, distinct: Math.max(1, distinct), isGuess: false }
  }
  if (expr.type === BOOL) return { ...found, distinct: 2, isGuess: false }
  // A column of a composite key repeats, but not as often as one that nothing is known of.
  if (inUniqueKey) return { ...found, distinct: Math.max(1, Math.sqrt(tuples)), isGuess: false }
  return { ...found, distinct: Math.min(DEFAULTS.distinct, tuples), isGuess: tuples > DEFAULTS.distinct }
}

/** What an expression's value will be as far as it can be told now: constants, parameters whose values are given, stable functions of them. */
export function knownValue(expr: Expr, root: Root): Datum | undefined {
  const bare = stripRelabel(expr)
  const { glob } = root
  if (bare.kind === 'Const') return bare.value
  if (bare.kind === 'Param' && bare.paramKind === 'extern') return given(root, bare.id)
  if (glob.evaluate === null) return undefined
  const isOpen = some(bare, (e) => e.kind === 'Var' || e.kind === 'Aggref' || e.kind === 'SubLink' || isSubPlanExpr(e) || isExec(e))
  if (isOpen || isVolatile(bare, glob.catalog)) return undefined
  const hasParams = some(bare, (e) => e.kind === 'Param')
  if (hasParams && glob.paramValues === null) {
    glob.valuesMatter = true
    return undefined
  }
  try {
    return glob.evaluate(bare)
  } catch {
    // Its error is the execution's to tell.
    return undefined
  }
}

const isExec = (expr: Expr): boolean => expr.kind === 'Param' && expr.paramKind === 'exec'

function given(root: Root, id: number): Datum | undefined {
  const { glob } = root
  if (glob.paramValues === null) {
    glob.valuesMatter = true
    return undefined
  }
  return glob.paramValues[id - 1]
}
