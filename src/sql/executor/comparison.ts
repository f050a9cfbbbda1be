// How values of a column are ordered, told apart and hashed: by the type's own support for its default operator class, by the operator
// class's comparison function otherwise. // hot

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACCESS_METHOD, amopsByOperator, amproc, opfamilyByOid, pgOpclasses } from '../builtin/pg-index.ts'
import { operatorByOid } from '../builtin/pg-operator.ts'
import { needsCollation, stringComparison } from '../functions/collation-needed.ts'
import { findBuiltinType } from '../types/registry.ts'
import type { Present, TypeSupport } from '../types/type.ts'
import type { Compilation } from './compilation.ts'
import { directCall } from './expr/call.ts'
import type { ExecState } from './operator.ts'

export type Comparator = (a: Datum, b: Datum) => number
export type RowComparator = (a: Row, b: Row) => number
export type PresentCompare = (a: Present, b: Present) => number
/** A Map key: equal for equal values only, one value for NULL. */
export type KeyOf = (row: Row) => unknown

/** Support of any type, the tenant's own included. */
export function supportOf(cx: { readonly state: Pick<ExecState, 'ctx'> }, type: Oid): TypeSupport {
  return findBuiltinType(type) ?? cx.state.ctx.catalog.typeSupport(type)
}

/** Types whose in-memory form is its own Map key. */
const IDENTITY = new Set<Oid>([16, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 700, 701, 1043, 1082, 1083, 1114, 1184, 2202, 2203, 2204, 2205])
for (const oid of [2206, 2950, 4096, 4089, 4191, 3734, 3769]) IDENTITY.add(oid)

/** Of these, the ones whose order is JavaScript's `<`. */
const NUMERIC_ORDER = new Set<Oid>([16, 20, 21, 23, 26, 1082, 1083, 1114, 1184])

export const plainOrder = (type: Oid): boolean => NUMERIC_ORDER.has(type)

const plainCompare = ((a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0)) as PresentCompare

const failToCompare: PresentCompare = () => {
  throw stringComparison()
}

let defaultFamilies: Set<Oid> | null = null

/** Whether the operator belongs to some type's default btree operator class (or is polymorphic: then the concrete type's order holds). */
function isDefault(op: Oid): boolean {
  defaultFamilies ??= new Set(
    pgOpclasses()
      .filter((row) => row.opcdefault && row.opcmethod === ACCESS_METHOD.btree)
      .map((row) => row.opcfamily),
  )
  const families = defaultFamilies
  return amopsByOperator(op).some((row) => row.amopmethod === ACCESS_METHOD.btree && families.has(row.amopfamily))
}

/** Ascending order of present values. Throws 42883 as PostgreSQL does when the type has none. */
export function presentCompare(cx: Compilation, op: Oid, type: Oid, collation: Oid): PresentCompare {
  if (needsCollation(type, collation)) return failToCompare
  if (NUMERIC_ORDER.has(type)) return plainCompare
  if (op === 0 || isDefault(op)) {
    const compare = supportOf(cx, type).compare
    if (compare !== null) return compare
  }
  return crossCompare(cx, op, type, type, collation)
}

/** The comparison function of the operator's btree family for these two types. */
export function crossCompare(cx: Compilation, op: Oid, left: Oid, right: Oid, collation: Oid): PresentCompare {
  if (needsCollation(left, collation)) return failToCompare
  if (NUMERIC_ORDER.has(left) && left !== 16 && right !== 16 && integerLike(left) && integerLike(right)) return plainCompare
  for (const row of amopsByOperator(op)) {
    if (row.amopmethod !== ACCESS_METHOD.btree || opfamilyByOid(row.amopfamily) === undefined) continue
    if (left === right && isDefault(op)) {
      const compare = supportOf(cx, left).compare
      if (compare !== null) return compare
    }
    const support = amproc(row.amopfamily, row.amoplefttype, row.amoprighttype, 1)
    if (support === undefined) continue
    const call = directCall(cx, { funcId: support.amproc, argTypes: [left, right], type: 23, typmod: -1, collation, variadic: false })
    return (a, b) => call([a, b]) as number
  }
  throw new PgError(SQLSTATE.undefinedFunction, `could not identify an ordering operator for type ${left}`)
}

const integerLike = (type: Oid): boolean => type === 20 || type === 21 || type === 23 || type === 26

export interface OrderSpec {
  readonly sortOp: Oid
  readonly type: Oid
  readonly collation: Oid
  readonly descending: boolean
  readonly nullsFirst: boolean
}

/** Order with NULLs in their place. */
export function comparator(cx: Compilation, key: OrderSpec): Comparator {
  if (needsCollation(key.type, key.collation)) throw stringComparison()
  const compare = presentCompare(cx, key.sortOp, key.type, key.collation)
  const nulls = key.nullsFirst ? -1 : 1
  if (key.descending) {
    return (a, b) => (a === null ? (b === null ? 0 : nulls) : b === null ? -nulls : compare(b, a))
  }
  return (a, b) => (a === null ? (b === null ? 0 : nulls) : b === null ? -nulls : compare(a, b))
}

/** Order of rows by several columns. */
export function rowComparator(cx: Compilation, keys: readonly (OrderSpec & { readonly slot: number })[]): RowComparator {
  const slots = keys.map((key) => key.slot - 1)
  const compares = keys.map((key) => comparator(cx, key))
  if (keys.length === 1) {
    const i = slots[0]!
    const compare = compares[0]!
    return (a, b) => compare(a[i]!, b[i]!)
  }
  const n = keys.length
  return (a, b) => {
    for (let k = 0; k < n; k++) {
      const i = slots[k]!
      const order = compares[k]!(a[i]!, b[i]!)
      if (order !== 0) return order
    }
    return 0
  }
}

/** Equality of present values by an equality operator. */
export function presentEqual(cx: Compilation, eqOp: Oid, type: Oid, collation: Oid): (a: Present, b: Present) => boolean {
  if (IDENTITY.has(type) && type !== 700 && type !== 701) return (a, b) => a === b
  if (isDefault(eqOp) || eqOp === 0) {
    const compare = supportOf(cx, type).compare
    if (compare !== null) return (a, b) => compare(a, b) === 0
  }
  const operator = operatorByOid(eqOp) ?? cx.catalog.operator(eqOp)
  if (operator === undefined || operator === null) {
    throw new PgError(SQLSTATE.undefinedFunction, `could not identify an equality operator for type ${type}`)
  }
  const call = directCall(cx, { funcId: operator.oprcode, argTypes: [type, type], type: 16, typmod: -1, collation, variadic: false })
  return (a, b) => call([a, b]) === true
}

export interface EqualSpec {
  readonly slot: number
  readonly eqOp: Oid
  readonly type: Oid
  readonly collation: Oid
}

/** "Not distinct" over the columns: NULLs are equal. */
export function rowsEqual(cx: Compilation, keys: readonly EqualSpec[]): (a: Row, b: Row) => boolean {
  const slots = keys.map((key) => key.slot - 1)
  const equals = keys.map((key) => presentEqual(cx, key.eqOp, key.type, key.collation))
  const n = keys.length
  return (a, b) => {
    for (let k = 0; k < n; k++) {
      const x = a[slots[k]!]!
      const y = b[slots[k]!]!
      if (x === null || y === null) {
        if (x !== y) return false
      } else if (x !== y && !equals[k]!(x, y)) return false
    }
    return true
  }
}

export type HashKey = (value: Present) => string | number | bigint | boolean

/** Null: the form itself is the key. */
export function hashKeyOf(cx: Compilation, type: Oid): HashKey | null {
  const hashKey = hashKeyIfAny(cx, type)
  if (hashKey === undefined) throw new PgError(SQLSTATE.undefinedFunction, `could not identify a hash function for type ${type}`)
  return hashKey
}

/** As hashKeyOf; undefined where values of this type cannot be keys. */
export function hashKeyIfAny(cx: Compilation, type: Oid): HashKey | null | undefined {
  return IDENTITY.has(type) ? null : (supportOf(cx, type).hashKey ?? undefined)
}

const PAIR = 2 ** 26
const HALF = 2 ** 25

function append(text: string, key: unknown): string {
  if (typeof key === 'number') return `${text}${key};`
  if (typeof key === 'string') return `${text}'${key.length}:${key}`
  if (key === null) return `${text}n`
  return `${text}${typeof key}${String(key)};`
}

/** One primitive for several values: equal only for equal lists. */
export function combineKeys(keys: readonly unknown[]): unknown {
  if (keys.length === 1) return keys[0]
  if (keys.length === 2) {
    const [a, b] = keys
    if (typeof a === 'number' && typeof b === 'number' && (a | 0) === a && (b | 0) === b) {
      if (a >= -HALF && a < HALF && b >= -HALF && b < HALF) return (a + HALF) * PAIR + (b + HALF)
    }
  }
  let text = ''
  for (let i = 0; i < keys.length; i++) text = append(text, keys[i])
  return text
}

/** Map key of a row's columns; NULL is `null` (equal to itself, as GROUP BY wants). */
export function rowKey(cx: Compilation, columns: readonly { readonly slot: number; readonly type: Oid }[]): KeyOf {
  const slots = columns.map((column) => column.slot - 1)
  const hashes = columns.map((column) => hashKeyOf(cx, column.type))
  const n = columns.length
  if (n === 1) {
    const i = slots[0]!
    const hash = hashes[0]!
    if (hash === null) return (row) => row[i]
    return (row) => {
      const value = row[i]!
      return value === null ? null : hash(value)
    }
  }
  const scratch = new Array<unknown>(n)
  return (row) => {
    for (let k = 0; k < n; k++) {
      const value = row[slots[k]!]!
      const hash = hashes[k]!
      scratch[k] = value === null || hash === null ? value : hash(value)
    }
    return combineKeys(scratch)
  }
}
