// Whether conditions that are known to hold prove another one: a partial index serves a query only where the query's conditions prove the
// index's predicate, and ON CONFLICT … WHERE infers an index in the same way. "No" only says that nothing was found: a proof may be missed,
// never invented.

import type { Const, Expr } from '../analyzer/expr.ts'
import { ACCESS_METHOD, amop, amopsByOperator, STRATEGY } from '../builtin/pg-index.ts'
import { operatorByOid } from '../builtin/pg-operator.ts'
import { ArrayDatum } from '../types/array.ts'
import type { Glob } from './context.ts'
import { BOOL, exprKey, makeBool, stripRelabel } from './expr-tree.ts'
import { foldConstants } from './rewrite/fold-constants.ts'

/** A longer list of constants is not looked into: it would be tried against every part of the other side. */
const MAX_LIST = 100

/** The values of a list known by now, as comparisons with each of them; the rest of what is proved treats it as AND or OR. */
interface Parts {
  readonly op: 'and' | 'or'
  readonly args: readonly Expr[]
}

/** `predicate` is true in every row in which all of `clauses` are. */
export function predicateImpliedBy(predicate: Expr, clauses: readonly Expr[], glob: Glob): boolean {
  const prepared = (expr: Expr): Expr => whenTrue(foldConstants(expr, glob), glob)
  return implies(makeBool('and', clauses.map(prepared)), prepared(predicate), glob)
}

/**
 * A form that is true in the same rows, though it may be NULL where the other is false: NOT stands at the leaves only, and tests for truth
 * are gone. Sound because AND and OR never turn a NULL below them into true.
 */
function whenTrue(expr: Expr, glob: Glob): Expr {
  if (expr.kind === 'BoolExpr') {
    if (expr.op !== 'not') {
      return makeBool(
        expr.op,
        expr.args.map((arg) => whenTrue(arg, glob)),
      )
    }
    return negated(expr.args[0]!, glob)
  }
  if (expr.kind === 'BooleanTest') {
    if (expr.test === 'true') return whenTrue(expr.arg, glob)
    if (expr.test === 'false') return negated(expr.arg, glob)
    if (expr.test === 'unknown' || expr.test === 'not unknown') {
      return { ...expr, kind: 'NullTest', isNull: expr.test === 'unknown', argIsRow: false }
    }
  }
  return booleanEquality(expr, false, glob) ?? expr
}

/** What is true where `expr` is false. */
function negated(expr: Expr, glob: Glob): Expr {
  switch (expr.kind) {
    case 'BoolExpr': {
      if (expr.op === 'not') return whenTrue(expr.args[0]!, glob)
      const args = expr.args.map((arg) => negated(arg, glob))
      return makeBool(expr.op === 'and' ? 'or' : 'and', args)
    }
    case 'NullTest':
      return expr.argIsRow ? makeBool('not', [expr]) : { ...expr, isNull: !expr.isNull }
    case 'OpExpr':
    case 'ScalarArrayOpExpr': {
      const simple = booleanEquality(expr, true, glob)
      if (simple !== null) return simple
      const negator = glob.catalog.operator(glob.catalog.operator(expr.opNo)?.oprnegate ?? 0)
      if (negator == null) return makeBool('not', [expr])
      const opposite = { ...expr, opNo: negator.oid, opFuncId: negator.oprcode }
      return opposite.kind === 'OpExpr' ? opposite : { ...opposite, useOr: !opposite.useOr }
    }
    default:
      return makeBool('not', [expr])
  }
}

/** `flag = true` is `flag`, and so on; null for anything else. */
function booleanEquality(expr: Expr, negate: boolean, glob: Glob): Expr | null {
  if (expr.kind !== 'OpExpr' || expr.args.length !== 2) return null
  const name = glob.catalog.operator(expr.opNo)?.oprname
  const [left, right] = expr.args as [Expr, Expr]
  if ((name !== '=' && name !== '<>') || left.type !== BOOL || right.type !== BOOL) return null
  const [flag, value] = left.kind === 'Const' ? [right, left] : [left, right]
  if (value.kind !== 'Const' || value.value === null) return null
  return (value.value === (name === '=')) !== negate ? whenTrue(flag, glob) : negated(flag, glob)
}

function partsOf(expr: Expr): Parts | null {
  if (expr.kind === 'BoolExpr') return expr.op === 'not' ? null : { op: expr.op, args: expr.args }
  if (expr.kind !== 'ScalarArrayOpExpr') return null
  const [left, array] = expr.args as [Expr, Expr]
  const elements = listElements(array)
  if (elements === null || elements.length > MAX_LIST) return null
  const { opNo, opFuncId, inputCollation, type, typmod, collation, location } = expr
  return {
    op: expr.useOr ? 'or' : 'and',
    args: elements.map((element) => ({
      kind: 'OpExpr',
      retset: false,
      opNo,
      opFuncId,
      inputCollation,
      type,
      typmod,
      collation,
      location,
      args: [left, element],
    })),
  }
}

function listElements(array: Expr): readonly Expr[] | null {
  if (array.kind === 'ArrayExpr') return array.multidims ? null : array.elements
  if (array.kind !== 'Const' || !(array.value instanceof ArrayDatum)) return null
  const { elements, elementType } = array.value
  return elements.map((value): Const => ({ ...array, value, type: elementType, typmod: -1 }))
}

function implies(clause: Expr, predicate: Expr, glob: Glob): boolean {
  const given = partsOf(clause)
  const wanted = partsOf(predicate)
  if (wanted?.op === 'and') return wanted.args.every((part) => implies(clause, part, glob))
  if (given?.op === 'or') {
    // each case on its own: `a = 1 OR a = 2` proves `a IN (1, 2, 3)`
    return given.args.every((part) => implies(part, predicate, glob)) || exprKey(clause) === exprKey(predicate)
  }
  if (wanted?.op === 'or' && wanted.args.some((part) => implies(clause, part, glob))) return true
  if (given !== null) return given.args.some((part) => implies(part, predicate, glob))
  return provesAtom(clause, predicate, glob)
}

function provesAtom(clause: Expr, predicate: Expr, glob: Glob): boolean {
  if (predicate.kind === 'Const' && predicate.value === true) return true
  // what is never true proves everything
  if (clause.kind === 'Const' && clause.value !== true) return true
  if (exprKey(clause) === exprKey(predicate)) return true
  if (predicate.kind === 'NullTest' && !predicate.isNull && !predicate.argIsRow) {
    return notNullWhereTrue(clause, exprKey(stripRelabel(predicate.arg)), true, glob)
  }
  if (predicate.kind === 'BooleanTest') {
    // true is not false; false, which NOT says, is not true
    const proof = predicate.test === 'not false' ? whenTrue(predicate.arg, glob) : negated(predicate.arg, glob)
    return exprKey(clause) === exprKey(proof)
  }
  return comparisonProves(clause, predicate, glob)
}

/** `expr` is NULL (or, for a condition, NULL or false) wherever what has the key `wanted` is NULL. */
function notNullWhereTrue(expr: Expr, wanted: string, condition: boolean, glob: Glob): boolean {
  if (exprKey(stripRelabel(expr)) === wanted) return true
  const strict = (oid: number): boolean => glob.catalog.proc(oid)?.proisstrict ?? false
  const value = (arg: Expr): boolean => notNullWhereTrue(arg, wanted, false, glob)
  switch (expr.kind) {
    case 'OpExpr':
      return strict(expr.opFuncId) && expr.args.some(value)
    case 'FuncExpr':
      return strict(expr.funcId) && expr.args.some(value)
    case 'ScalarArrayOpExpr': {
      if (!strict(expr.opFuncId)) return false
      // of no elements, ANY is false and ALL is true, whatever is compared
      const someElement = (listElements(expr.args[1]!)?.length ?? 0) > 0
      return ((condition && expr.useOr) || someElement) && value(expr.args[0]!)
    }
    case 'BoolExpr':
      return expr.op === 'not' && value(expr.args[0]!)
    case 'NullTest':
      return condition && !expr.isNull && !expr.argIsRow && value(expr.arg)
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'CollateExpr':
    case 'ArrayCoerceExpr':
      return value(expr.arg)
    default:
      return false
  }
}

const NOT_EQUAL = 6
const { less, lessEqual, equal, greaterEqual, greater } = STRATEGY

/** What the comparison of two constants has to be for `x <given> c` to prove `x <wanted> p`: `c <test> p`. */
const CONSTANT_TESTS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  [less]: { [less]: lessEqual, [lessEqual]: lessEqual, [NOT_EQUAL]: lessEqual },
  [lessEqual]: { [less]: less, [lessEqual]: lessEqual, [NOT_EQUAL]: less },
  [equal]: {
    [less]: less,
    [lessEqual]: lessEqual,
    [equal]: equal,
    [greaterEqual]: greaterEqual,
    [greater]: greater,
    [NOT_EQUAL]: NOT_EQUAL,
  },
  [greaterEqual]: { [greaterEqual]: greaterEqual, [greater]: greater, [NOT_EQUAL]: greater },
  [greater]: { [greaterEqual]: greaterEqual, [greater]: greaterEqual, [NOT_EQUAL]: greaterEqual },
  [NOT_EQUAL]: { [NOT_EQUAL]: equal },
}

/** What `x <given> y` says of the same x and y. */
const SAME_OPERANDS: Readonly<Record<number, readonly number[]>> = {
  [less]: [lessEqual, NOT_EQUAL],
  [equal]: [lessEqual, greaterEqual],
  [greater]: [greaterEqual, NOT_EQUAL],
}

type Comparison = Expr & { readonly kind: 'OpExpr' }

/** Both compare the same expression, with constants or with one other expression, by operators of one btree family. */
function comparisonProves(clause: Expr, predicate: Expr, glob: Glob): boolean {
  if (clause.kind !== 'OpExpr' || predicate.kind !== 'OpExpr' || clause.args.length !== 2 || predicate.args.length !== 2) return false
  if (clause.inputCollation !== predicate.inputCollation) return false
  const wanted = constantRight(predicate, glob)
  const given = constantRight(clause, glob)
  if (wanted === null || given === null) return false
  const same = (index: number): boolean => exprKey(given.args[index]!) === exprKey(wanted.args[index]!)
  if (!same(0)) {
    const turned = commuted(given, glob)
    return turned !== null && exprKey(turned.args[0]!) === exprKey(wanted.args[0]!) && exprKey(turned.args[1]!) === exprKey(wanted.args[1]!)
      ? strategiesProve(turned, wanted)
      : false
  }
  if (same(1)) return strategiesProve(given, wanted)
  const bound = constantOf(wanted.args[1]!, glob)
  const value = bound === null ? null : constantOf(given.args[1]!, glob)
  if (bound === null || value === null || bound.value === null) return false
  // a comparison with NULL is never true
  if (value.value === null) return glob.catalog.proc(clause.opFuncId)?.proisstrict ?? false
  return constantsProve(given, value, wanted, bound, glob)
}

function constantRight(expr: Comparison, glob: Glob): Comparison | null {
  return expr.args[0]!.kind === 'Const' ? commuted(expr, glob) : expr
}

function commuted(expr: Comparison, glob: Glob): Comparison | null {
  const commutator = glob.catalog.operator(glob.catalog.operator(expr.opNo)?.oprcom ?? 0)
  if (commutator == null) return null
  return { ...expr, opNo: commutator.oid, opFuncId: commutator.oprcode, args: [expr.args[1]!, expr.args[0]!] }
}

/** A parameter's value stands for it in a plan that is made for that value only. */
function constantOf(expr: Expr, glob: Glob): Const | null {
  if (expr.kind === 'Const') return expr
  if (expr.kind !== 'Param' || expr.paramKind !== 'extern') return null
  if (glob.paramValues === null) {
    glob.valuesMatter = true
    return null
  }
  const { type, typmod, collation, location } = expr
  return { kind: 'Const', value: glob.paramValues[expr.id - 1]!, type, typmod, collation, location }
}

interface Interpretation {
  readonly family: number
  readonly strategy: number
  readonly left: number
  readonly right: number
}

/** What an operator is in btree families; "not equal" is in none, but its negator is. */
function interpretations(opNo: number): Interpretation[] {
  const found = (oid: number, strategyOf: (strategy: number) => number): Interpretation[] =>
    amopsByOperator(oid)
      .filter((row) => row.amopmethod === ACCESS_METHOD.btree && row.amoppurpose === 's')
      .map((row) => ({
        family: row.amopfamily,
        strategy: strategyOf(row.amopstrategy),
        left: row.amoplefttype,
        right: row.amoprighttype,
      }))
      .filter((one) => one.strategy !== 0)
  const own = found(opNo, (strategy) => strategy)
  if (own.length > 0) return own
  return found(operatorByOid(opNo)?.oprnegate ?? 0, (strategy) => (strategy === equal ? NOT_EQUAL : 0))
}

/** The readings of both in one family. */
function pairs(given: Comparison, wanted: Comparison): (readonly [Interpretation, Interpretation])[] {
  const meanings = interpretations(wanted.opNo)
  return interpretations(given.opNo).flatMap((one) =>
    meanings.filter((other) => other.family === one.family && other.left === one.left).map((other) => [one, other] as const),
  )
}

function strategiesProve(given: Comparison, wanted: Comparison): boolean {
  if (given.opNo === wanted.opNo) return true
  return pairs(given, wanted).some(([one, other]) => one.right === other.right && SAME_OPERANDS[one.strategy]?.includes(other.strategy))
}

function constantsProve(given: Comparison, value: Const, wanted: Comparison, bound: Const, glob: Glob): boolean {
  return pairs(given, wanted).some(([one, other]) => {
    const strategy = CONSTANT_TESTS[one.strategy]?.[other.strategy]
    if (strategy === undefined) return false
    const searched = amop(one.family, one.right, other.right, strategy === NOT_EQUAL ? equal : strategy)
    const operator = searched === undefined ? undefined : operatorByOid(searched.amopopr)
    // what depends on settings is no proof for a plan that outlives them
    if (operator === undefined || glob.catalog.proc(operator.oprcode)?.provolatile !== 'i' || glob.evaluate === null) return false
    const test: Expr = { ...wanted, opNo: operator.oid, opFuncId: operator.oprcode, args: [value, bound] }
    try {
      return glob.evaluate(test) === (strategy !== NOT_EQUAL)
    } catch {
      // What cannot be compared proves nothing.
      return false
    }
  })
}
