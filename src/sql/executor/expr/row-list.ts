// `(a, b) IN ((1, 2), …)` and NOT IN, which are an OR of ANDs of equalities, or an AND of ORs of inequalities: where one row's columns are
// compared with constants and parameters, a hashed set of those lists. NULLs, of which some comparisons say more than others, are left to the
// comparisons themselves. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { inParts } from '../../../base/long-work.ts'
import type { Expr, OpExpr } from '../../analyzer/expr.ts'
import { stripRelabel } from '../../planner/expr-tree.ts'
import { combineKeys, type HashKey } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, evaluator, sync } from './compiled.ts'
import { isPlain, plainValue } from './rowless.ts'
import { hashable } from './scalar-array.ts'

type BoolExpr = Expr & { kind: 'BoolExpr' }

/** Shorter lists are compared one by one. */
const HASH_FROM = 9

/** The comparisons of one listed row; null: it is none. */
function comparisonsOf(arm: Expr, useOr: boolean): readonly OpExpr[] | null {
  if (arm.kind !== 'BoolExpr' || arm.op !== (useOr ? 'and' : 'or')) return null
  return arm.args.every((arg) => arg.kind === 'OpExpr' && arg.args.length === 2) ? (arm.args as readonly OpExpr[]) : null
}

const columnOf = (comparison: OpExpr): Expr => stripRelabel(comparison.args[0]!)

function isSameColumn(a: Expr, b: Expr): boolean {
  return a.kind === 'Var' && b.kind === 'Var' && a.varno === b.varno && a.attno === b.attno && a.levelsUp === b.levelsUp
}

interface Listed {
  readonly columns: readonly Expr[]
  readonly hashes: readonly (HashKey | null)[]
  /** Each column's counterpart, by listed row. */
  readonly rows: readonly (readonly OpExpr[])[]
}

function listedRows(e: BoolExpr, cx: Compilation): Listed | null {
  const useOr = e.op === 'or'
  const first = e.args.length < HASH_FROM ? null : comparisonsOf(e.args[0]!, useOr)
  if (first === null || first.some((comparison) => columnOf(comparison).kind !== 'Var')) return null
  const hashes: (HashKey | null)[] = []
  for (const { opFuncId, args } of first) {
    const hash = hashable(cx, opFuncId, args[0]!.type, useOr)
    if (hash === undefined) return null
    hashes.push(hash)
  }
  const isLike = (comparison: OpExpr, i: number): boolean =>
    comparison.opNo === first[i]!.opNo && isSameColumn(columnOf(comparison), columnOf(first[i]!)) && isPlain(comparison.args[1]!)
  const rows: (readonly OpExpr[])[] = []
  for (const arm of e.args) {
    const comparisons = comparisonsOf(arm, useOr)
    if (comparisons === null || comparisons.length !== first.length || !comparisons.every(isLike)) return null
    rows.push(comparisons)
  }
  return { columns: first.map((comparison) => comparison.args[0]!), hashes, rows }
}

/** Null where some listed row has a NULL. */
function hashRows({ rows, hashes }: Listed, params: readonly Datum[]): Set<unknown> | null {
  const key = new Array<unknown>(hashes.length)
  return inParts<Set<unknown> | null>(rows.length, new Set(), (sofar, from, to) => {
    if (sofar === null) return null
    for (let i = from; i < to; i++) {
      const comparisons = rows[i]!
      for (let k = 0; k < comparisons.length; k++) {
        const value = plainValue(comparisons[k]!.args[1]!, params)
        if (value === null) return null
        const hash = hashes[k]!
        key[k] = hash === null ? value : hash(value)
      }
      sofar.add(combineKeys(key))
    }
    return sofar
  })
}

/** `oneByOne` is the same expression, comparison by comparison. */
export function compileRowList(e: BoolExpr, oneByOne: Compiled, compile: (expr: Expr) => Compiled, cx: Compilation): Compiled {
  const listed = oneByOne.async ? null : listedRows(e, cx)
  if (listed === null) return oneByOne
  const useOr = e.op === 'or'
  const { state } = cx
  const compare = evaluator(oneByOne)
  const columns = listed.columns.map((column) => evaluator(compile(column)))
  const { hashes } = listed
  const n = columns.length
  const scratch = new Array<unknown>(n)
  let run = 0
  let params: readonly Datum[] | null = null
  /** Undefined before a run's second row: a set does not pay for one. */
  let keys: Set<unknown> | null | undefined
  return sync((row: Row): Datum => {
    if (run !== cx.run || params !== state.params || cx.run === 0) {
      run = cx.run
      params = state.params
      keys = undefined
      return compare(row)
    }
    if (keys === undefined) keys = hashRows(listed, params)
    if (keys === null) return compare(row)
    for (let i = 0; i < n; i++) {
      const value = columns[i]!(row)
      if (value === null) return compare(row)
      const hash = hashes[i]!
      scratch[i] = hash === null ? value : hash(value)
    }
    return keys.has(combineKeys(scratch)) === useOr
  })
}
