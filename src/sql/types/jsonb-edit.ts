// Changing jsonb: concatenation, deletion, setting and inserting at a path. Every change builds the nodes along the path anew.

import { PgError } from '../../base/errors.ts'
import { LONG_LIST, longWork, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ArrayDatum } from './array.ts'
import { compareKeys, isArrayValue, isScalar, JsonbObject, type JsonbValue, keyIndex, keyPlace, makeObject, STEP } from './jsonb.ts'

const bad = (message: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidParameterValue, message, hint === undefined ? {} : { hint })

export function concatJsonb(a: JsonbValue, b: JsonbValue): JsonbValue {
  if (a instanceof JsonbObject && b instanceof JsonbObject) {
    if (a.keys.length + b.keys.length > LONG_LIST) return longWork(mergeSteps, a, b)
    return makeObject([...a.keys, ...b.keys], [...a.values, ...b.values])
  }
  return (isArrayValue(a) ? a : [a]).concat(b)
}

/** Both are in order: of equal keys the second's value. */
function* mergeSteps(a: JsonbObject, b: JsonbObject): Steps<JsonbObject> {
  const keys: string[] = []
  const values: JsonbValue[] = []
  let i = 0
  let k = 0
  while (i < a.keys.length || k < b.keys.length) {
    const order = i === a.keys.length ? 1 : k === b.keys.length ? -1 : compareKeys(a.keys[i]!, b.keys[k]!)
    const [from, at] = order < 0 ? [a, i] : [b, k]
    keys.push(from.keys[at]!)
    values.push(from.values[at]!)
    if (order <= 0) i++
    if (order >= 0) k++
    if (keys.length % STEP === 0) yield
  }
  return new JsonbObject(keys, values)
}

function withoutKey(object: JsonbObject, key: string): JsonbObject {
  const i = keyIndex(object, key)
  return i < 0 ? object : new JsonbObject(object.keys.toSpliced(i, 1), object.values.toSpliced(i, 1))
}

function withKey(object: JsonbObject, key: string, value: JsonbValue): JsonbObject {
  const i = keyPlace(object, key)
  if (i >= 0) return new JsonbObject(object.keys, object.values.with(i, value))
  return new JsonbObject(object.keys.toSpliced(~i, 0, key), object.values.toSpliced(~i, 0, value))
}

/** jsonb - text: the key of an object, or all equal strings of an array. */
export function deleteKeys(a: JsonbValue, keys: readonly (string | null)[]): JsonbValue {
  if (isScalar(a)) throw bad('cannot delete from scalar')
  const gone = new Set(keys)
  if (isArrayValue(a)) return a.filter((item) => typeof item !== 'string' || !gone.has(item))
  let result: JsonbObject = a
  for (const key of gone) if (key !== null) result = withoutKey(result, key)
  return result
}

export function deleteIndex(a: JsonbValue, index: number): JsonbValue {
  if (isScalar(a)) throw bad('cannot delete from scalar')
  if (!isArrayValue(a)) throw bad('cannot delete from object using integer index')
  const i = index < 0 ? a.length + index : index
  return i < 0 || i >= a.length ? a : a.toSpliced(i, 1)
}

export type PathChange = 'set' | 'setOrCreate' | 'insertBefore' | 'insertAfter' | 'delete'

function pathIndex(text: string, level: number): number {
  if (!/^\s*[+-]?\d+\s*$/.test(text) || Number(text) > 2147483647 || Number(text) < -2147483648) {
    throw new PgError(SQLSTATE.invalidTextRepresentation, `path element at position ${level + 1} is not an integer: "${text}"`)
  }
  return Number(text)
}

export function pathOf(path: ArrayDatum): readonly (string | null)[] {
  if (path.dims.length > 1) throw new PgError(SQLSTATE.arraySubscriptError, 'wrong number of array subscripts')
  return path.elements as readonly (string | null)[]
}

/** jsonb_set, jsonb_insert, #-: the document changed at `path`; unchanged when the path leads nowhere. */
export function changePath(root: JsonbValue, path: ArrayDatum, value: JsonbValue, change: PathChange): JsonbValue {
  const steps = pathOf(path)
  if (isScalar(root)) throw bad(change === 'delete' ? 'cannot delete path in scalar' : 'cannot set path in scalar')
  if (steps.length === 0) return root
  const empty = isArrayValue(root) ? root.length === 0 : root instanceof JsonbObject && root.keys.length === 0
  if (empty && (change === 'set' || change === 'delete')) return root
  const walk = (node: JsonbValue, level: number): JsonbValue => {
    const step = steps[level]!
    if (step === null) throw new PgError(SQLSTATE.nullValueNotAllowed, `path element at position ${level + 1} is null`)
    const last = level === steps.length - 1
    if (node instanceof JsonbObject) {
      const i = keyIndex(node, step)
      if (!last) return i < 0 ? node : new JsonbObject(node.keys, node.values.with(i, walk(node.values[i]!, level + 1)))
      if (change === 'delete') return withoutKey(node, step)
      if (i >= 0) {
        if (change === 'insertBefore' || change === 'insertAfter') {
          throw bad('cannot replace existing key', 'Try using the function jsonb_set to replace key value.')
        }
        return withKey(node, step, value)
      }
      return change === 'set' ? node : withKey(node, step, value)
    }
    if (isArrayValue(node)) {
      let i = pathIndex(step, level)
      const n = node.length
      if (i < 0) i = n + i
      if (i >= 0 && i < n) {
        if (!last) return node.with(i, walk(node[i]!, level + 1))
        if (change === 'delete') return node.toSpliced(i, 1)
        if (change === 'insertBefore') return node.toSpliced(i, 0, value)
        if (change === 'insertAfter') return node.toSpliced(i + 1, 0, value)
        return node.with(i, value)
      }
      if (!last || change === 'set' || change === 'delete') return node
      return i < 0 ? [value, ...node] : [...node, value]
    }
    return node
  }
  return walk(root, 0)
}

/** Without members that are null; with `arrays` without null elements too. */
export function* stripNulls(root: JsonbValue, arrays: boolean): Steps<JsonbValue> {
  let nodes = 0
  function* strip(node: JsonbValue): Steps<JsonbValue> {
    if (isScalar(node)) return node
    const keys = isArrayValue(node) ? null : node.keys
    const members = isArrayValue(node) ? node : node.values
    const keptKeys: string[] = []
    const kept: JsonbValue[] = []
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!
      if (++nodes % STEP === 0) yield
      if (member === null && (keys !== null || arrays)) continue
      if (keys !== null) keptKeys.push(keys[i]!)
      kept.push(isScalar(member) ? member : yield* strip(member))
    }
    return keys === null ? kept : new JsonbObject(keptKeys, kept)
  }
  return yield* strip(root)
}

/** #> : along keys and indexes; undefined when it leads nowhere. */
export function extractPath(root: JsonbValue, path: ArrayDatum): JsonbValue | undefined {
  let node: JsonbValue | undefined = root
  for (const step of path.elements as readonly (string | null)[]) {
    if (step === null || node === undefined) return undefined
    if (node instanceof JsonbObject) {
      const i = keyIndex(node, step)
      node = i < 0 ? undefined : node.values[i]!
    } else if (isArrayValue(node)) {
      if (!/^\s*[+-]?\d+$/.test(step)) return undefined
      const index = Number(step)
      node = node[index < 0 ? node.length + index : index]
    } else return undefined
  }
  return node
}

const ARRAY_INDEX = /^\s*[+-]?\d+\s*$/

/** What stands at a path that leads to nothing yet: arrays for integers (with nulls before the element), objects for keys. */
function newPath(steps: readonly string[], level: number, value: JsonbValue): JsonbValue {
  if (level === steps.length) return value
  const step = steps[level]!
  const inner = newPath(steps, level + 1, value)
  if (!ARRAY_INDEX.test(step)) return makeObject([step], [inner])
  const index = Number(step)
  return [...new Array<JsonbValue>(Math.max(index, 0)).fill(null), inner]
}

/** value[step]… = new: what is missing on the way is made. A NULL document (`root` undefined) begins as what the first subscript asks for. */
export function assignPath(root: JsonbValue | undefined, steps: readonly string[], value: JsonbValue): JsonbValue {
  const walk = (node: JsonbValue, level: number): JsonbValue => {
    if (level === steps.length) return value
    const step = steps[level]!
    if (node instanceof JsonbObject) {
      const i = keyIndex(node, step)
      return withKey(node, step, i < 0 ? newPath(steps, level + 1, value) : walk(node.values[i]!, level + 1))
    }
    if (!isArrayValue(node)) {
      throw new PgError(SQLSTATE.invalidParameterValue, 'cannot replace existing key', {
        detail: 'The path assumes key is a composite object, but it is a scalar value.',
      })
    }
    const asked = pathIndex(step, level)
    const index = asked < 0 ? node.length + asked : asked
    if (index < 0) throw new PgError(SQLSTATE.invalidParameterValue, `path element at position ${level + 1} is out of range: ${asked}`)
    if (index < node.length) return node.with(index, walk(node[index]!, level + 1))
    return [...node, ...new Array<JsonbValue>(index - node.length).fill(null), newPath(steps, level + 1, value)]
  }
  return root === undefined ? newPath(steps, 0, value) : walk(root, 0)
}
