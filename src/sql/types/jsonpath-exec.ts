// Evaluation of jsonpath over jsonb: lax mode unwraps arrays and forgives structure, strict mode answers errors; predicates are three-valued.

import { notSupported, PgError } from '../../base/errors.ts'
import { longWork, type Steps } from '../../base/long-work.ts'
import { SQLSTATE, type Sqlstate } from '../../base/sqlstate.ts'
import type { EvalContext } from './eval-context.ts'
import {
  compareCodePoints,
  getField,
  isArrayValue,
  isScalar,
  type Jsonb,
  JsonbObject,
  type JsonbValue,
  jsonbAsText,
  jsonbTypeName,
  makeObject,
  STEP,
} from './jsonb.ts'
import { type ArithmeticOp, type CompareOp, type JsonPath, type PathExpr, type PathStep, pathRegex } from './jsonpath.ts'
import { compareDatetimes, datetimeItem, datetimeMethod, isDatetime, plainItem } from './jsonpath-datetime.ts'
import {
  applyNumericTypmod,
  checkedNumericTypmod,
  compareNumeric,
  isSpecial,
  Numeric,
  numericFromFloat,
  parseNumeric,
  roundNumeric,
  truncNumeric,
} from './numeric.ts'
import {
  absNumeric,
  addNumeric,
  ceilNumeric,
  divNumeric,
  floorNumeric,
  modNumeric,
  mulNumeric,
  negateNumeric,
  subNumeric,
} from './numeric-math.ts'
import { test as testRegex } from './regex/match.ts'

interface Scope {
  readonly root: JsonbValue
  readonly vars: JsonbValue | null
  readonly lax: boolean
  readonly ctx: EvalContext
  /** The session's time zone may be asked. */
  readonly useTz: boolean
  current: JsonbValue
  /** Last index of the innermost subscripted array. */
  last: number
  /** Structural errors are ignored: in lax mode, and below `.**`. */
  forgiving: boolean
}

const NULL_LITERAL: PathExpr = { kind: 'literal', value: null }

const fail = (code: Sqlstate, message: string): PgError => new PgError(code, message)

/** Data errors that silent evaluation and predicates take as "unknown". */
export function isPathError(error: unknown): error is PgError {
  return error instanceof PgError && (error.code.startsWith('22') || error.code === SQLSTATE.divisionByZero)
}

function evaluate(e: PathExpr, s: Scope): JsonbValue[] {
  switch (e.kind) {
    case 'root':
      return [s.root]
    case 'current':
      return [s.current]
    case 'last':
      return [new Numeric(s.last, 0)]
    case 'literal':
      return [e.value]
    case 'variable': {
      const value = s.vars instanceof JsonbObject ? getField(s.vars, e.name) : undefined
      if (value === undefined) throw fail(SQLSTATE.undefinedObject, `could not find jsonpath variable "${e.name}"`)
      return [value]
    }
    case 'path': {
      const found: JsonbValue[] = []
      walk(e, s, (item) => void found.push(item))
      return found
    }
    case 'unary':
      return unwrapped(evaluate(e.arg, s), s).map((item) => signed(e.op, item))
    case 'arithmetic': {
      const operand = (list: JsonbValue[], side: string): Numeric => {
        const value = list[0]
        if (list.length !== 1 || !(value instanceof Numeric)) {
          throw fail(SQLSTATE.singletonSqlJsonItemRequired, `${side} operand of jsonpath operator ${e.op} is not a single numeric value`)
        }
        return value
      }
      const left = unwrapped(evaluate(e.left, s), s)
      const right = unwrapped(evaluate(e.right, s), s)
      return [ARITHMETIC[e.op](operand(left, 'left'), operand(right, 'right'))]
    }
    default:
      return [test(e, s)]
  }
}

function signed(op: '+' | '-', item: JsonbValue): Numeric {
  if (!(item instanceof Numeric)) {
    throw fail(SQLSTATE.sqlJsonNumberNotFound, `operand of unary jsonpath operator ${op} is not a numeric value`)
  }
  return op === '-' ? negateNumeric(item) : item
}

type Emit = (item: JsonbValue) => void

/** Item by item, depth first, so that what was found before an error stands, and a first item can end the search. */
function walk(e: PathExpr & { kind: 'path' }, s: Scope, emit: Emit): void {
  const { steps } = e
  const run = (i: number, item: JsonbValue): void => {
    if (i === steps.length) emit(item)
    else applyStep(steps[i]!, item, s, s.lax, (next) => run(i + 1, next))
  }
  for (const item of evaluate(e.head, s)) run(0, item)
}

/** What a step leads to from a container one by one; null when it is no such step. */
function fanOut(step: PathStep, item: JsonbValue, s: Scope): { readonly list: readonly JsonbValue[]; readonly unwrapped: boolean } | null {
  if (item instanceof JsonbObject) return step.kind === 'anyKey' ? { list: item.values, unwrapped: false } : null
  if (!isArrayValue(item)) return null
  if (step.kind === 'anyArray') return { list: item, unwrapped: false }
  const whole = step.kind === 'method' && (step.name === 'type' || step.name === 'size')
  return s.lax && step.kind !== 'index' && step.kind !== 'any' && !whole ? { list: item, unwrapped: true } : null
}

/** walk in steps: long containers on the way are gone through piece by piece, and what is below them at once. */
function* walkSteps(e: PathExpr & { kind: 'path' }, s: Scope, emit: Emit): Steps<void> {
  const { steps } = e
  const run = (i: number, item: JsonbValue): void => {
    if (i === steps.length) emit(item)
    else applyStep(steps[i]!, item, s, s.lax, (next) => run(i + 1, next))
  }
  let nodes = 0
  function* follow(i: number, item: JsonbValue): Steps<void> {
    const step = steps[i]
    if (step === undefined) {
      emit(item)
      return
    }
    const member = step.kind === 'key' ? getField(item, step.name) : undefined
    if (member !== undefined) {
      yield* follow(i + 1, member)
      return
    }
    const found = fanOut(step, item, s)
    if (found === null) {
      run(i, item)
      return
    }
    for (const next of found.list) {
      if (++nodes % STEP === 0) yield
      if (found.unwrapped) applyStep(step, next, s, false, (item) => run(i + 1, item))
      else if (isScalar(next)) run(i + 1, next)
      else yield* follow(i + 1, next)
    }
  }
  for (const item of evaluate(e.head, s)) yield* follow(0, item)
}

const ARITHMETIC: Readonly<Record<ArithmeticOp, (a: Numeric, b: Numeric) => Numeric>> = {
  '+': addNumeric,
  '-': subNumeric,
  '*': mulNumeric,
  '/': divNumeric,
  '%': modNumeric,
}

/** In lax mode arrays among the items are replaced by their elements. */
function unwrapped(items: JsonbValue[], s: Scope): JsonbValue[] {
  return s.lax && items.some(isArrayValue) ? items.flatMap((item) => (isArrayValue(item) ? [...item] : [item])) : items
}

function applyStep(step: PathStep, item: JsonbValue, s: Scope, unwrap: boolean, out: Emit): void {
  /** The same step over an array's elements, once. */
  const overElements = (array: readonly JsonbValue[]): void => {
    for (const element of array) applyStep(step, element, s, false, out)
  }
  switch (step.kind) {
    case 'key':
      if (item instanceof JsonbObject) {
        const value = getField(item, step.name)
        if (value !== undefined) out(value)
        else if (!s.forgiving) throw fail(SQLSTATE.sqlJsonMemberNotFound, `JSON object does not contain key "${step.name}"`)
      } else if (unwrap && isArrayValue(item)) overElements(item)
      else if (!s.forgiving) throw fail(SQLSTATE.sqlJsonMemberNotFound, 'jsonpath member accessor can only be applied to an object')
      return
    case 'anyKey':
      if (item instanceof JsonbObject) for (const value of item.values) out(value)
      else if (unwrap && isArrayValue(item)) overElements(item)
      else if (!s.forgiving)
        throw fail(SQLSTATE.sqlJsonObjectNotFound, 'jsonpath wildcard member accessor can only be applied to an object')
      return
    case 'anyArray':
      if (isArrayValue(item)) for (const element of item) out(element)
      else if (s.lax) out(item)
      else if (!s.forgiving) throw fail(SQLSTATE.sqlJsonArrayNotFound, 'jsonpath wildcard array accessor can only be applied to an array')
      return
    case 'index':
      applyIndex(step.ranges, item, s, out)
      return
    case 'any': {
      const forgiving = s.forgiving
      s.forgiving = true
      descend(item, 0, step.first, step.last, out)
      s.forgiving = forgiving
      return
    }
    case 'filter': {
      if (unwrap && isArrayValue(item)) {
        overElements(item)
        return
      }
      const outer = s.current
      s.current = item
      if (test(step.predicate, s) === true) out(item)
      s.current = outer
      return
    }
    case 'method':
      applyMethod(step, item, s, unwrap, out)
  }
}

function descend(item: JsonbValue, level: number, first: number, last: number, out: Emit): void {
  const children = isArrayValue(item) ? item : item instanceof JsonbObject ? item.values : null
  // `last` alone means leaves.
  if (first === Number.POSITIVE_INFINITY) {
    if (children === null || children.length === 0) out(item)
  } else if (level >= first) out(item)
  if (children !== null && level < last) for (const child of children) descend(child, level + 1, first, last, out)
}

function applyIndex(ranges: readonly { from: PathExpr; to: PathExpr | null }[], item: JsonbValue, s: Scope, out: Emit): void {
  if (!isArrayValue(item) && !s.lax) {
    if (!s.forgiving) throw fail(SQLSTATE.sqlJsonArrayNotFound, 'jsonpath array accessor can only be applied to an array')
    return
  }
  const list = isArrayValue(item) ? item : [item]
  const outer = s.last
  s.last = list.length - 1
  const subscript = (e: PathExpr): number => {
    const found = evaluate(e, s)
    const value = found[0]
    if (found.length !== 1 || !(value instanceof Numeric)) {
      throw fail(SQLSTATE.invalidSqlJsonSubscript, 'jsonpath array subscript is not a single numeric value')
    }
    const index = isSpecial(value) ? Number.NaN : Number(truncNumeric(value, 0).unscaled)
    if (!(Math.abs(index) <= 2147483647)) throw fail(SQLSTATE.invalidSqlJsonSubscript, 'jsonpath array subscript is out of integer range')
    return index
  }
  for (const range of ranges) {
    let from = subscript(range.from)
    let to = range.to === null ? from : subscript(range.to)
    if (!s.forgiving && (from < 0 || from > to || to >= list.length)) {
      throw fail(SQLSTATE.invalidSqlJsonSubscript, 'jsonpath array subscript is out of bounds')
    }
    from = Math.max(from, 0)
    to = Math.min(to, list.length - 1)
    for (let i = from; i <= to; i++) out(list[i]!)
  }
  s.last = outer
}

function applyMethod(step: PathStep & { kind: 'method' }, item: JsonbValue, s: Scope, unwrap: boolean, out: Emit): void {
  const { name } = step
  if (name === 'type') {
    out(isDatetime(item) ? item.typeName : jsonbTypeName(item))
    return
  }
  if (name === 'size') {
    if (isArrayValue(item)) out(new Numeric(item.length, 0))
    else if (s.lax) out(new Numeric(1, 0))
    else if (!s.forgiving) throw fail(SQLSTATE.sqlJsonArrayNotFound, 'jsonpath item method .size() can only be applied to an array')
    return
  }
  if (unwrap && isArrayValue(item)) {
    for (const element of item) applyStep(step, element, s, false, out)
    return
  }
  const only = (what: string, code: Sqlstate = SQLSTATE.nonNumericSqlJsonItem): PgError =>
    fail(code, `jsonpath item method .${name}() can only be applied to ${what}`)
  switch (name) {
    case 'abs':
    case 'floor':
    case 'ceiling':
      if (!(item instanceof Numeric)) throw only('a numeric value')
      out(name === 'abs' ? absNumeric(item) : name === 'floor' ? floorNumeric(item) : ceilNumeric(item))
      return
    case 'double':
    case 'number':
    case 'decimal':
    case 'integer':
    case 'bigint':
      out(toNumber(name, step.args, item, only))
      return
    case 'boolean':
      out(toBoolean(item, only))
      return
    case 'string':
      if (!isScalar(item) || item === null) throw only('a boolean, string, numeric, or datetime value')
      out(jsonbAsText(plainItem(item))!)
      return
    case 'datetime':
    case 'date':
    case 'time':
    case 'time_tz':
    case 'timestamp':
    case 'timestamp_tz': {
      if (typeof item !== 'string') throw only('a string', SQLSTATE.invalidArgumentForSqlJsonDatetimeFunction)
      if (name === 'datetime' && step.args.length > 0)
        throw notSupported('a template for jsonpath item method .datetime() is not supported')
      const what = `time precision of jsonpath item method .${name}()`
      const precision = literalInt(step.args[0], what, SQLSTATE.invalidArgumentForSqlJsonDatetimeFunction)
      if (precision !== null && precision > 6)
        s.ctx.notice({
          severity: 'WARNING',
          code: SQLSTATE.invalidParameterValue,
          message: `${name.startsWith('timestamp') ? 'TIMESTAMP' : 'TIME'}(${precision})${name.endsWith('_tz') ? ' WITH TIME ZONE' : ''} precision reduced to maximum allowed, 6`,
        })
      out(datetimeItem(datetimeMethod(name, item, precision, s.useTz, s.ctx)))
      return
    }
    case 'keyvalue': {
      if (!(item instanceof JsonbObject)) throw only('an object', SQLSTATE.sqlJsonObjectNotFound)
      item.keys.forEach((key, i) => {
        out(makeObject(['id', 'key', 'value'], [new Numeric(0, 0), key, item.values[i]!]))
      })
      return
    }
    default:
      throw notSupported(`jsonpath item method .${name}() is not implemented`)
  }
}

/** A number among a method's arguments; null when it is not given. `what`: what it is called if it is none of int4's. */
function literalInt(e: PathExpr | undefined, what: string, code: Sqlstate): number | null {
  if (e?.kind !== 'literal' || !(e.value instanceof Numeric)) return null
  const value = Number(e.value.unscaled)
  if (value > 2147483647 || value < -2147483648) throw fail(code, `${what} is out of range for type integer`)
  return value
}

/** The modifier of .decimal(precision, scale); null where there is none. */
function decimalTypmod([first, second]: readonly PathExpr[]): number | null {
  const argument = (e: PathExpr | undefined, what: string): number | null =>
    literalInt(e, `${what} of jsonpath item method .decimal()`, SQLSTATE.nonNumericSqlJsonItem)
  const precision = argument(first, 'precision')
  if (precision === null) return null
  return checkedNumericTypmod(precision, argument(second, 'scale') ?? 0)
}

type Only = (what: string, code?: Sqlstate) => PgError

function toNumber(name: string, args: readonly PathExpr[], item: JsonbValue, only: Only): Numeric {
  const invalid = (text: string, type: string): PgError =>
    fail(SQLSTATE.nonNumericSqlJsonItem, `argument "${text}" of jsonpath item method .${name}() is invalid for type ${type}`)
  const type = name === 'double' ? 'double precision' : name === 'number' || name === 'decimal' ? 'numeric' : name
  let value: Numeric | null
  let text: string
  if (item instanceof Numeric) {
    value = item
    text = String(item)
  } else if (typeof item === 'string') {
    text = item
    value = parseNumeric(item)
    if (value !== null && (name === 'integer' || name === 'bigint') && !/^\s*[+-]?\d+\s*$/.test(item)) value = null
  } else throw only('a string or numeric value')
  if (value === null) throw invalid(text, type)
  if (isSpecial(value)) throw fail(SQLSTATE.nonNumericSqlJsonItem, `NaN or Infinity is not allowed for jsonpath item method .${name}()`)
  switch (name) {
    case 'double': {
      const float = Number(String(value))
      if (!Number.isFinite(float)) throw invalid(text, type)
      return item instanceof Numeric ? item : numericFromFloat(float, 15)
    }
    case 'integer':
    case 'bigint': {
      const whole = roundNumeric(value, 0)
      const limit = name === 'integer' ? 2147483648n : 9223372036854775808n
      const big = BigInt(whole.unscaled)
      if (big >= limit || big < -limit) throw invalid(text, type)
      return whole
    }
    case 'decimal': {
      const typmod = decimalTypmod(args)
      if (typmod === null) return value
      try {
        return applyNumericTypmod(value, typmod)
      } catch {
        throw invalid(text, type)
      }
    }
    default:
      return value
  }
}

function toBoolean(item: JsonbValue, only: Only): boolean {
  if (typeof item === 'boolean') return item
  const invalid = (text: string): PgError =>
    fail(SQLSTATE.nonNumericSqlJsonItem, `argument "${text}" of jsonpath item method .boolean() is invalid for type boolean`)
  if (item instanceof Numeric) {
    const whole = roundNumeric(item, 0)
    if (compareNumeric(whole, item) !== 0 || Math.abs(Number(whole.unscaled)) > 2147483647) throw invalid(String(item))
    return item.unscaled !== 0
  }
  if (typeof item === 'string') {
    const lower = item.trim().toLowerCase()
    const starts = (word: string, least: number): boolean => lower.length >= least && word.startsWith(lower)
    if (starts('true', 1) || starts('yes', 1) || lower === 'on' || lower === '1') return true
    if (starts('false', 1) || starts('no', 1) || starts('off', 2) || lower === '0') return false
    throw invalid(item)
  }
  throw only('a boolean, string, or numeric value')
}

/** null = unknown */
function test(e: PathExpr, s: Scope): boolean | null {
  switch (e.kind) {
    case 'and': {
      const left = test(e.left, s)
      if (left === false) return false
      const right = test(e.right, s)
      return right === true ? left : right
    }
    case 'or': {
      const left = test(e.left, s)
      if (left === true) return true
      const right = test(e.right, s)
      return right === false ? left : right
    }
    case 'not': {
      const value = test(e.arg, s)
      return value === null ? null : !value
    }
    case 'isUnknown':
      return test(e.arg, s) === null
    case 'exists': {
      const items = attempt(e.arg, s)
      return items === null ? null : items.length > 0
    }
    case 'compare':
      return pairs(e.left, e.right, s, (a, b) => compareItems(e.op, a, b, s))
    case 'startsWith':
      return pairs(e.left, e.right, s, (a, b) => (typeof a === 'string' && typeof b === 'string' ? a.startsWith(b) : null))
    case 'likeRegex':
      return likeRegex(e.arg, s, e.pattern, e.flags)
    default: {
      const value = evaluate(e, s)[0]
      return typeof value === 'boolean' ? value : null
    }
  }
}

function likeRegex(arg: PathExpr, s: Scope, pattern: string, flags: string): boolean | null {
  const regex = pathRegex(pattern, flags)
  const poll = (): void => s.ctx.cancel.poll()
  return pairs(arg, NULL_LITERAL, s, (item) => (typeof item === 'string' ? testRegex(regex, item, poll) : null))
}

/** Items of an operand; null when they cannot be had. */
function attempt(e: PathExpr, s: Scope): JsonbValue[] | null {
  const { current, last, forgiving } = s
  try {
    return evaluate(e, s)
  } catch (error) {
    if (!isPathError(error)) throw error
    s.current = current
    s.last = last
    s.forgiving = forgiving
    return null
  }
}

function pairs(left: PathExpr, right: PathExpr, s: Scope, check: (a: JsonbValue, b: JsonbValue) => boolean | null): boolean | null {
  const lefts = attempt(left, s)
  if (lefts === null) return null
  const rights = attempt(right, s)
  if (rights === null) return null
  let unknown = false
  let found = false
  for (const a of unwrapped(lefts, s)) {
    for (const b of unwrapped(rights, s)) {
      const result = check(a, b)
      if (result === null) {
        if (!s.lax) return null
        unknown = true
      } else if (result) {
        if (s.lax) return true
        found = true
      }
    }
  }
  return found ? true : unknown ? null : false
}

function compareItems(op: CompareOp, a: JsonbValue, b: JsonbValue, s: Scope): boolean | null {
  let order: number | null
  if (a === null || b === null) {
    if (a !== b) return op === '!='
    order = 0
  } else if (typeof a === 'boolean' && typeof b === 'boolean') order = Number(a) - Number(b)
  else if (typeof a === 'string' && typeof b === 'string') order = compareCodePoints(a, b)
  else if (a instanceof Numeric && b instanceof Numeric) order = compareNumeric(a, b)
  else if (isDatetime(a) && isDatetime(b)) order = compareDatetimes(a, b, s.useTz, s.ctx)
  else return null
  if (order === null) return null
  switch (op) {
    case '==':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    default:
      return order >= 0
  }
}

/** Ends a search that one item answers. */
const FOUND = new Error('found')

/** What the path finds in `root`; with `silent`, what it found before an error, and that there was one. */
export interface PathResult {
  readonly items: readonly JsonbValue[]
  readonly failed: boolean
}

/** How an item is handed out: dates and times are text in a result. */
type Plain = (item: JsonbValue) => JsonbValue

export function queryPath(
  path: JsonPath,
  target: Jsonb,
  vars: JsonbValue | null,
  silent: boolean,
  ctx: EvalContext,
  firstOnly = false,
  useTz = false,
  plain: Plain = plainItem,
): PathResult {
  if (vars !== null && !(vars instanceof JsonbObject)) {
    throw new PgError(SQLSTATE.invalidParameterValue, '"vars" argument is not an object', {
      detail: 'Jsonpath parameters should be encoded as key-value pairs of "vars" object.',
    })
  }
  const { root } = target
  const scope: Scope = { root, vars, lax: path.lax, ctx, useTz, current: root, last: -1, forgiving: path.lax }
  const { expr } = path
  if (expr.kind === 'path' && target.isLong) return longWork(queryLong, expr, scope, silent, firstOnly, plain)
  const items: JsonbValue[] = []
  try {
    if (expr.kind === 'path') walk(expr, scope, collector(items, firstOnly, plain))
    else if (expr.kind === 'unary') {
      for (const item of unwrapped(evaluate(expr.arg, scope), scope)) {
        // Looking for existence only, PostgreSQL passes over what is no number.
        if (!firstOnly || item instanceof Numeric) items.push(signed(expr.op, item))
      }
    } else items.push(...evaluate(expr, scope).map(plain))
  } catch (error) {
    return endedBy(error, items, silent)
  }
  return { items, failed: false }
}

function* queryLong(expr: PathExpr & { kind: 'path' }, scope: Scope, silent: boolean, firstOnly: boolean, plain: Plain): Steps<PathResult> {
  const items: JsonbValue[] = []
  try {
    yield* walkSteps(expr, scope, collector(items, firstOnly, plain))
  } catch (error) {
    return endedBy(error, items, silent)
  }
  return { items, failed: false }
}

const collector =
  (items: JsonbValue[], firstOnly: boolean, plain: Plain): Emit =>
  (item) => {
    items.push(plain(item))
    if (firstOnly) throw FOUND
  }

function endedBy(error: unknown, items: readonly JsonbValue[], silent: boolean): PathResult {
  if (error === FOUND) return { items, failed: false }
  if (!silent || !isPathError(error)) throw error
  return { items, failed: true }
}
