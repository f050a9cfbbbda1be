// jsonb @>. An array holds another when each wanted element has one that holds it; where both are long, candidates are found by hash
// instead of by looking at every pair: scalars by their value, containers by the first scalar member they must hold.

import { finished, longWork, type Steps } from '../../base/long-work.ts'
import {
  compareKeys,
  equalJsonb,
  getField,
  isArrayValue,
  isScalar,
  type Jsonb,
  JsonbObject,
  type JsonbValue,
  jsonbHashKey,
  keyPlace,
  STEP,
} from './jsonb.ts'

/** Arrays whose lengths multiply to no more are compared pair by pair. */
const FEW_PAIRS = 256
/** Objects of no more members are looked up member by member. */
const FEW_MEMBERS = 64
/** An object so many times as long as the one wanted is searched; else both are gone through side by side. */
const MUCH_LONGER = 16

/** a @> b. A top-level array may contain a scalar. `cancel` is asked where pairs may be many all the same. */
export function containsJsonb(x: Jsonb, y: Jsonb, cancel: Polled): boolean {
  const { root: a } = x
  const { root: b } = y
  if (isArrayValue(a) && isScalar(b)) return a.some((item) => isScalar(item) && equalJsonb(item, b))
  return x.isLong ? longWork(containsSteps, a, b, { cancel, nodes: 0 }) : containsNode(a, b, cancel)
}

interface Polled {
  poll(): void
}

/** A search in steps. */
interface Search {
  readonly cancel: Polled
  /** Looked at so far. */
  nodes: number
}

function containsNode(a: JsonbValue, b: JsonbValue, cancel: Polled): boolean {
  if (b instanceof JsonbObject) {
    if (!(a instanceof JsonbObject) || a.keys.length < b.keys.length) return false
    if (b.keys.length > FEW_MEMBERS) return finished(objectSteps(a, b, { cancel, nodes: 0 }))
    for (let i = 0; i < b.keys.length; i++) {
      const own = getField(a, b.keys[i]!)
      if (own === undefined || !containsNode(own, b.values[i]!, cancel)) return false
    }
    return true
  }
  if (isArrayValue(b)) {
    if (!isArrayValue(a)) return false
    return a.length * b.length <= FEW_PAIRS
      ? b.every((wanted) => holds(a, wanted, cancel))
      : finished(arraySteps(a, b, { cancel, nodes: 0 }))
  }
  return isScalar(a) && equalJsonb(a, b)
}

const holds = (items: readonly JsonbValue[], wanted: JsonbValue, cancel: Polled): boolean =>
  items.some((item) => (isScalar(wanted) ? isScalar(item) && equalJsonb(item, wanted) : containsNode(item, wanted, cancel)))

function* containsSteps(a: JsonbValue, b: JsonbValue, search: Search): Steps<boolean> {
  if (a instanceof JsonbObject && b instanceof JsonbObject) return yield* objectSteps(a, b, search)
  if (isArrayValue(a) && isArrayValue(b)) return yield* arraySteps(a, b, search)
  return containsNode(a, b, search.cancel)
}

function* objectSteps(a: JsonbObject, b: JsonbObject, search: Search): Steps<boolean> {
  if (a.keys.length < b.keys.length) return false
  const isSearched = a.keys.length > b.keys.length * MUCH_LONGER
  let at = 0
  for (let i = 0; i < b.keys.length; i++) {
    const key = b.keys[i]!
    const wanted = b.values[i]!
    if (isSearched) at = keyPlace(a, key)
    else {
      for (; at < a.keys.length && compareKeys(a.keys[at]!, key) < 0; at++) if (++search.nodes % STEP === 0) yield
    }
    const own = a.keys[at] === key ? a.values[at]! : undefined
    if (own === undefined || !(yield* containsSteps(own, wanted, search))) return false
    if (++search.nodes % STEP === 0) yield
  }
  return true
}

/** What a container must hold: a scalar element of an array, or one of an object's under its key. */
const elementKey = (value: JsonbValue): string => `[${jsonbHashKey(value)}`
const memberKey = (key: string, value: JsonbValue): string => `{${key}\0${jsonbHashKey(value)}`

/** The first scalar member; null when there is none to look for. */
function firstMember(wanted: JsonbValue): string | null {
  if (isArrayValue(wanted)) {
    const first = wanted.find(isScalar)
    return first === undefined ? null : elementKey(first)
  }
  const object = wanted as JsonbObject
  const at = object.values.findIndex(isScalar)
  return at < 0 ? null : memberKey(object.keys[at]!, object.values[at]!)
}

/** The containers of a list by each of their scalar members that is asked for. */
function* containersByMember(items: readonly JsonbValue[], asked: ReadonlySet<string>, search: Search): Steps<Map<string, JsonbValue[]>> {
  const found = new Map<string, JsonbValue[]>()
  const add = (member: string, item: JsonbValue): void => {
    if (!asked.has(member)) return
    const list = found.get(member)
    if (list === undefined) found.set(member, [item])
    else if (list[list.length - 1] !== item) list.push(item)
  }
  for (const item of items) {
    if (++search.nodes % STEP === 0) yield
    if (isArrayValue(item)) {
      for (const value of item) if (isScalar(value)) add(elementKey(value), item)
    } else if (item instanceof JsonbObject) {
      for (let i = 0; i < item.keys.length; i++) {
        const value = item.values[i]!
        if (isScalar(value)) add(memberKey(item.keys[i]!, value), item)
      }
    }
  }
  return found
}

function* arraySteps(a: readonly JsonbValue[], b: readonly JsonbValue[], search: Search): Steps<boolean> {
  // what occurs more than once is wanted once
  const scalars = new Set<string>()
  const containers = new Map<string, JsonbValue>()
  for (const wanted of b) {
    if (++search.nodes % STEP === 0) yield
    if (isScalar(wanted)) scalars.add(jsonbHashKey(wanted))
    else containers.set(jsonbHashKey(wanted), wanted)
  }
  if (scalars.size > 0) {
    for (const item of a) {
      if (++search.nodes % STEP === 0) yield
      if (isScalar(item)) scalars.delete(jsonbHashKey(item))
    }
    if (scalars.size > 0) return false
  }
  if (containers.size === 0) return true
  const asked = new Set<string>()
  for (const wanted of containers.values()) {
    if (++search.nodes % STEP === 0) yield
    const member = firstMember(wanted)
    if (member !== null) asked.add(member)
  }
  const byMember = yield* containersByMember(a, asked, search)
  for (const wanted of containers.values()) {
    const member = firstMember(wanted)
    search.cancel.poll()
    if (!holds(member === null ? a : (byMember.get(member) ?? []), wanted, search.cancel)) return false
    if (++search.nodes % STEP === 0 || member === null) yield
  }
  return true
}
