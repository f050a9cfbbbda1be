// scalar op ANY|ALL (array), IN lists included: a hashed set where the operator is the type's equality and the array stays the same from
// row to row, a walk otherwise. // hot

import type { Datum } from '../../../base/datum.ts'
import type { Oid } from '../../../base/ids.ts'
import { inParts, LONG_LIST } from '../../../base/long-work.ts'
import { collationUse } from '../../functions/collation-needed.ts'
import { ArrayDatum } from '../../types/array.ts'
import { type HashKey, hashKeyIfAny } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { type Call, directCall, procOf } from './call.ts'
import { type Compiled, eager, eagerWaiting, evaluator, sync } from './compiled.ts'

/** Shorter lists are walked. */
const HASH_FROM = 5

function elementsOf(array: Datum): readonly Datum[] {
  return array instanceof ArrayDatum ? array.elements : (array as readonly Datum[])
}

interface HashedArray {
  array: Datum
  keys: Set<unknown>
  hasNull: boolean
}

function hashArray(array: Datum, hash: HashKey | null): HashedArray {
  const elements = elementsOf(array)
  return inParts<HashedArray>(elements.length, { array, keys: new Set(), hasNull: false }, (hashed, from, to) => {
    for (let i = from; i < to; i++) {
      const element = elements[i]!
      if (element === null) hashed.hasNull = true
      else hashed.keys.add(hash === null ? element : hash(element))
    }
    return hashed
  })
}

/** What elements looked at so far answer together. */
const NOTHING = 0
const UNKNOWN = 1
const ANSWER = 2

const EQUALITY = /^(?!.*(?:like|regex)).*eq$/
const INEQUALITY = /^(?!.*(?:like|regex)).*ne$/

/** Types whose values compare across as they do within: integers, floats, name and text. */
const ALIKE: readonly ReadonlySet<number>[] = [new Set([20, 21, 23]), new Set([700, 701]), new Set([19, 25])]

/** Whether membership in a set answers `op ANY` (=) or `op ALL` (<>): both sides of one hashable type (or alike), by its own equality. */
export function hashable(cx: Compilation, funcId: Oid, leftType: Oid, useOr: boolean): HashKey | null | undefined {
  const proc = procOf(cx, funcId)
  if (!(useOr ? EQUALITY : INEQUALITY).test(proc.prosrc)) return undefined
  const [left, right] = proc.proargtypes as [number, number]
  if (left !== right && !ALIKE.some((types) => types.has(left) && types.has(right))) return undefined
  return hashKeyIfAny(cx, leftType)
}

export function compileScalarArray(cx: Compilation, call: Call, scalar: Compiled, array: Compiled, useOr: boolean): Compiled {
  const proc = procOf(cx, call.funcId)
  const isDetermined = call.collation !== 0 || collationUse(proc.prosrc) === null
  const hash = isDetermined ? hashable(cx, call.funcId, call.argTypes[0]!, useOr) : undefined
  const apply = directCall(cx, call)
  const walk = (value: Datum, elements: readonly Datum[]): Datum => {
    const { length } = elements
    if (value === null && proc.proisstrict && length > 0) return null
    const found =
      length <= LONG_LIST
        ? look(value, elements, NOTHING, 0, length)
        : inParts(length, NOTHING, (before, from, to) => (before === ANSWER ? before : look(value, elements, before, from, to)))
    return found === ANSWER ? useOr : found === UNKNOWN ? null : !useOr
  }
  const look = (value: Datum, elements: readonly Datum[], before: number, from: number, to: number): number => {
    let found = before
    for (let i = from; i < to; i++) {
      const element = elements[i]!
      const answer = proc.proisstrict && (element === null || value === null) ? null : (apply([value, element]) as Datum)
      if (answer === useOr) return ANSWER
      if (answer === null) found = UNKNOWN
    }
    return found
  }
  if (hash === undefined) {
    const step = ([value, list]: Datum[]): Datum => (list === null ? null : walk(value!, elementsOf(list!)))
    return eager([scalar, array], step)
  }
  let known: HashedArray | null = null
  let last: Datum = null
  const probe = (value: Datum, list: Datum): Datum => {
    if (list === null) return null
    if (known === null || known.array !== list) {
      const elements = elementsOf(list)
      // A set pays from the second row with the same array on.
      if (elements.length < HASH_FROM || (!array.constant && last !== list)) {
        last = list
        return walk(value, elements)
      }
      known = hashArray(list, hash)
    }
    if (value === null) return known.keys.size > 0 || known.hasNull ? null : !useOr
    if (known.keys.has(hash === null ? value : hash(value))) return useOr
    return known.hasNull ? null : !useOr
  }
  if (scalar.async || array.async) return eagerWaiting([scalar, array], ([value, list]) => probe(value!, list!))
  const f = evaluator(scalar)
  const g = evaluator(array)
  const listed = array.constant && array.value !== null ? elementsOf(array.value).length : 0
  if (listed >= HASH_FROM && listed <= LONG_LIST) {
    const { keys, hasNull } = hashArray(array.value, hash)
    const missing = hasNull ? null : !useOr
    return sync((row) => {
      const value = f(row)
      if (value === null) return null
      return keys.has(hash === null ? value : hash(value)) ? useOr : missing
    })
  }
  return sync((row) => probe(f(row), g(row)))
}
