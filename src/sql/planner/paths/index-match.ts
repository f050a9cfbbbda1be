// Which conditions an index can answer: an indexable clause per qual, then the longest usable run of index columns: equalities first, then
// one column's range.

import type { IndexDescriptor } from '../../../catalog/descriptors.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { ACCESS_METHOD, amopsByOperator, opclassByOid, STRATEGY } from '../../builtin/pg-index.ts'
import { operatorByTypes } from '../../builtin/pg-operator.ts'
import { needsCollation } from '../../functions/collation-needed.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import type { Glob } from '../context.ts'
import { exprKey, mapExprDeep, stripRelabel } from '../expr-tree.ts'
import type { IndexCondition } from '../plan.ts'
import { predicateImpliedBy } from '../predicate-proof.ts'
import { contains, type Relids } from '../relids.ts'
import { foldConstants } from '../rewrite/fold-constants.ts'
import { isVolatile } from '../volatility.ts'
import { datetimeClause } from './datetime-clauses.ts'

/** One way to read a qual: `key` (an indexable expression of the relation) against a value that is constant during a scan. */
export interface IndexClause {
  readonly qual: Expr
  readonly key: string
  readonly op: IndexCondition['op']
  /** btree family the operator belongs to; 0 for null tests. */
  readonly family: number
  readonly value: Expr | null
  /** The qual says more than the condition and must be checked still. */
  readonly lossy: boolean
}

const OPS: Readonly<Record<number, IndexCondition['op']>> = {
  [STRATEGY.less]: '<',
  [STRATEGY.lessEqual]: '<=',
  [STRATEGY.equal]: '=',
  [STRATEGY.greaterEqual]: '>=',
  [STRATEGY.greater]: '>',
}
/** textlike, texticlike is not; bpcharlike compares padded values. */
const LIKE_OPERATOR = 1209
const STARTS_WITH_OPERATOR = 3877
const PREFIX_OPERATORS: ReadonlySet<number> = new Set([LIKE_OPERATOR, STARTS_WITH_OPERATOR])

const INTEGERS: ReadonlySet<number> = new Set([20, 21, 23])
const FLOATS: ReadonlySet<number> = new Set([700, 701])
const TEXTS: ReadonlySet<number> = new Set([19, 25])

/** Whether a value of the one type can stand in keys of the other: the executor turns integers and floats into the column's own form. */
function keyComparable(left: number, right: number): boolean {
  return left === right || [INTEGERS, FLOATS, TEXTS].some((family) => family.has(left) && family.has(right))
}

/** Every reading of `qual` as a condition on `rel`, with values made of relations in `outer` only. */
export function indexClauses(qual: Expr, rel: BaseRel, problem: JoinProblem, outer: Relids): IndexClause[] {
  const { catalog } = problem.root
  const own = (expr: Expr): boolean => problem.relids(expr) === rel.bit
  const constant = (expr: Expr): boolean => contains(outer, problem.relids(expr)) && !isVolatile(expr, catalog)
  const clauses: IndexClause[] = []
  const keyOf = (expr: Expr): string => exprKey(stripRelabel(expr))
  switch (qual.kind) {
    case 'OpExpr': {
      const [left, right] = qual.args
      if (left === undefined || right === undefined) break
      const add = (opNo: number, key: Expr, value: Expr): void => {
        if (!own(key) || !constant(value)) return
        for (const amop of amopsByOperator(opNo)) {
          if (amop.amopmethod !== ACCESS_METHOD.btree || amop.amoppurpose !== 's') continue
          if (!keyComparable(amop.amoplefttype, amop.amoprighttype)) {
            const clause = datetimeClause(OPS[amop.amopstrategy]!, amop.amoplefttype, amop.amoprighttype, value)
            if (clause !== null)
              clauses.push({
                qual,
                key: keyOf(key),
                family: amop.amopfamily,
                ...clause,
                value: foldConstants(clause.value, problem.root.glob),
              })
            continue
          }
          clauses.push({ qual, key: keyOf(key), op: OPS[amop.amopstrategy]!, family: amop.amopfamily, value, lossy: false })
        }
      }
      add(qual.opNo, left, right)
      const commutator = catalog.operator(qual.opNo)?.oprcom ?? 0
      if (commutator !== 0) add(commutator, right, left)
      if (own(left) && PREFIX_OPERATORS.has(qual.opNo)) clauses.push(...prefixClauses(qual, left, right, keyOf(left), problem))
      break
    }
    case 'ScalarArrayOpExpr': {
      const [left, array] = qual.args
      if (!qual.useOr || left === undefined || array === undefined || !own(left) || !constant(array)) break
      // Without a collation it answers nothing but an error.
      if (needsCollation(left.type, qual.inputCollation)) break
      for (const amop of amopsByOperator(qual.opNo)) {
        if (amop.amopmethod !== ACCESS_METHOD.btree || amop.amopstrategy !== STRATEGY.equal) continue
        if (!keyComparable(amop.amoplefttype, amop.amoprighttype)) continue
        clauses.push({ qual, key: keyOf(left), op: 'any', family: amop.amopfamily, value: array, lossy: false })
      }
      break
    }
    case 'NullTest':
      if (own(qual.arg) && !qual.argIsRow) {
        clauses.push({ qual, key: keyOf(qual.arg), op: qual.isNull ? 'is null' : 'is not null', family: 0, value: null, lossy: false })
      }
      break
    case 'Var':
    case 'BoolExpr': {
      const arg = qual.kind === 'BoolExpr' && qual.op === 'not' ? qual.args[0]! : qual
      if (arg.kind === 'Var' && own(arg) && arg.type === 16) {
        const value: Expr = { kind: 'Const', value: arg === qual, type: 16, typmod: -1, collation: 0, location: -1 }
        const family = amopsByOperator(operatorByTypes('=', 16, 16)?.oid ?? 0).find((amop) => amop.amopmethod === ACCESS_METHOD.btree)
        clauses.push({ qual, key: exprKey(arg), op: '=', family: family?.amopfamily ?? 0, value, lossy: false })
      }
      break
    }
    case 'RowCompareExpr': {
      // (a, b) > (x, y) starts at a >= x.
      const [left, right] = [qual.largs[0]!, qual.rargs[0]!]
      if (!own(left) || !constant(right)) break
      const op = qual.op === '<' || qual.op === '<=' ? '<=' : '>='
      for (const amop of amopsByOperator(qual.opNos[0]!)) {
        if (amop.amopmethod === ACCESS_METHOD.btree)
          clauses.push({ qual, key: keyOf(left), op, family: amop.amopfamily, value: right, lossy: true })
      }
      break
    }
    default:
  }
  return clauses
}

/** A parameter's value stands for it in a plan that is made for that value only. */
function patternOf(expr: Expr, problem: JoinProblem): (Expr & { kind: 'Const' }) | null {
  if (expr.kind === 'Const') return expr
  if (expr.kind !== 'Param' || expr.paramKind !== 'extern') return null
  const { glob } = problem.root
  if (glob.paramValues === null) {
    glob.valuesMatter = true
    return null
  }
  return {
    kind: 'Const',
    value: glob.paramValues[expr.id - 1]!,
    type: expr.type,
    typmod: expr.typmod,
    collation: expr.collation,
    location: -1,
  }
}

/** LIKE 'abc%' and ^@ as a range: C collation orders by code point, so all strings with a prefix stand together. */
function prefixClauses(qual: Expr & { kind: 'OpExpr' }, left: Expr, right: Expr, key: string, problem: JoinProblem): IndexClause[] {
  const pattern = patternOf(right, problem)
  if (pattern === null || typeof pattern.value !== 'string') return []
  let prefix: string
  if (qual.opNo === STARTS_WITH_OPERATOR) prefix = pattern.value
  else if (qual.opNo === LIKE_OPERATOR) prefix = literalPrefix(pattern.value)
  else return []
  if (prefix === '') return []
  const family = amopsByOperator(operatorByTypes('=', 25, 25)!.oid).find((amop) => amop.amopmethod === ACCESS_METHOD.btree)!.amopfamily
  const like = { ...pattern, type: left.type === 1043 ? 25 : left.type }
  const clauses: IndexClause[] = [{ qual, key, op: '>=', family, value: { ...like, value: prefix }, lossy: true }]
  const next = afterPrefix(prefix)
  if (next !== null) clauses.push({ qual, key, op: '<', family, value: { ...like, value: next }, lossy: true })
  return clauses
}

export function literalPrefix(pattern: string): string {
  let prefix = ''
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '%' || c === '_') break
    if (c === '\\') {
      i++
      if (i >= pattern.length) break
    }
    prefix += pattern[i]
  }
  return prefix
}

/** The least string above all that start with `prefix`, in code-point order; null if there is none. */
export function afterPrefix(prefix: string): string | null {
  const points = [...prefix]
  while (points.length > 0) {
    const last = points.pop()!.codePointAt(0)!
    if (last >= 0x10ffff) continue
    const next = last === 0xd7ff ? 0xe000 : last + 1
    return points.join('') + String.fromCodePoint(next)
  }
  return null
}

/** An index's own expression for a column, in terms of this query's Vars. */
export function indexColumnExpr(index: IndexDescriptor, column: number, rel: BaseRel, problem: JoinProblem): Expr {
  const { attnum, expr } = index.columns[column]!
  if (attnum > 0) {
    const { type, typmod, collation } = rel.info!.columns[attnum - 1]!
    return { kind: 'Var', varno: rel.rti, attno: attnum, levelsUp: 0, type, typmod, collation, location: -1 }
  }
  return storedOn(expr!, rel.rti, problem.root.glob)
}

/** A stored expression (over its own relation, varno 1) as one over entry `rti`. */
export function storedOn(node: string, rti: number, glob: Glob): Expr {
  return mapExprDeep(glob.stored(node), 0, {
    expr: (e, depth) => (e.kind === 'Var' && e.levelsUp === depth ? { ...e, varno: rti, levelsUp: 0 } : undefined),
  })
}

/** Whether the query's conditions imply a partial index's predicate. */
export function predicateImplied(node: string, rel: BaseRel, problem: JoinProblem, quals: readonly Expr[]): boolean {
  return predicateImpliedBy(storedOn(node, rel.rti, problem.root.glob), quals, problem.root.glob)
}

export interface IndexMatch {
  readonly conditions: readonly IndexCondition[]
  /** Quals the conditions answer completely. */
  readonly answered: ReadonlySet<Expr>
  /** Quals behind the conditions, lossy ones too: what the estimate of scanned entries rests on. */
  readonly used: readonly Expr[]
  /** Leading columns bound by equality (their place in the order does not matter). */
  readonly equalColumns: number
  /** Every column is bound by '=' . */
  readonly allEqual: boolean
}

/** The index conditions to be had from `clauses`. */
export function matchIndex(index: IndexDescriptor, keys: readonly string[], clauses: readonly IndexClause[]): IndexMatch {
  const conditions: IndexCondition[] = []
  const answered = new Set<Expr>()
  const used: Expr[] = []
  let equalColumns = 0
  let prefixOnly = true
  let everyEqual = true
  const take = (clause: IndexClause, column: number): void => {
    conditions.push({ column, op: clause.op, value: clause.value })
    used.push(clause.qual)
    if (!clause.lossy) answered.add(clause.qual)
  }
  for (let column = 0; column < index.columns.length; column++) {
    const family = opclassByOid(index.columns[column]!.opclass)?.opcfamily ?? 0
    const here = clauses.filter((clause) => clause.key === keys[column] && (clause.family === family || clause.family === 0))
    const equal = here.find((clause) => clause.op === '=') ?? here.find((clause) => clause.op === 'is null')
    if (equal !== undefined) {
      take(equal, column)
      if (equal.op !== '=') everyEqual = false
      if (prefixOnly) equalColumns = column + 1
      continue
    }
    everyEqual = false
    const any = here.find((clause) => clause.op === 'any')
    if (any !== undefined) {
      take(any, column)
      prefixOnly = false
      continue
    }
    const lower = here.find((clause) => clause.op === '>' || clause.op === '>=')
    const upper = here.find((clause) => clause.op === '<' || clause.op === '<=')
    if (lower !== undefined) take(lower, column)
    if (upper !== undefined) take(upper, column)
    if (lower === undefined && upper === undefined) {
      const present = here.find((clause) => clause.op === 'is not null')
      if (present !== undefined) take(present, column)
    }
    break
  }
  const allEqual = everyEqual && conditions.length === index.columns.length
  return { conditions, answered, used, equalColumns, allEqual }
}

export function indexUsable(index: IndexDescriptor): boolean {
  return index.state === 'public' && (index.accessMethod === ACCESS_METHOD.btree || index.accessMethod === 0)
}
