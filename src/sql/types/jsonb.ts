// jsonb's value: a tree of immutable nodes. Numbers are numeric; an object's keys are unique and ordered as PostgreSQL orders them (shorter
// first, then by bytes), so printing, comparing and searching need no sort. // hot

import { longWork, longWorkOnce, type Steps, type Work } from '../../base/long-work.ts'
import { mergeSort } from '../../base/merge-sort.ts'
import { quoteJson } from './json-quote.ts'
import { compareNumeric, formatNumeric, Numeric, stripZeros } from './numeric.ts'

export type JsonbValue = null | boolean | string | Numeric | readonly JsonbValue[] | JsonbObject

export class JsonbObject {
  readonly keys: readonly string[]
  readonly values: readonly JsonbValue[]

  constructor(keys: readonly string[], values: readonly JsonbValue[]) {
    this.keys = keys
    this.values = values
  }
}

/** A long value's row form, which is read when somebody asks for the tree. */
export interface StoredJsonb {
  readonly bytes: Buffer
  readonly read: Work<[Buffer], JsonbValue>
}

/** The datum: a wrapper, since JSON null is no SQL NULL. */
export class Jsonb {
  private tree: JsonbValue
  private unread: StoredJsonb | null
  /** Null: nobody has asked yet. */
  private long: boolean | null

  constructor(tree: JsonbValue, unread: StoredJsonb | null = null) {
    this.tree = tree
    this.unread = unread
    this.long = unread === null ? null : true
  }

  /** Whether going through the tree is long work. */
  get isLong(): boolean {
    this.long ??= isLongJsonb(this.tree)
    return this.long
  }

  get root(): JsonbValue {
    if (this.unread !== null) longWorkOnce(readTree, this)
    return this.tree
  }

  *readTree(): Steps<void> {
    if (this.unread === null) return
    this.tree = yield* this.unread.read(this.unread.bytes)
    this.unread = null
  }

  /** The row form, where the tree has not been read from it. */
  get bytes(): Buffer | null {
    return this.unread === null ? null : this.unread.bytes
  }

  toString(): string {
    return formatJsonb(this.root)
  }
}

const readTree = (value: Jsonb): Steps<void> => value.readTree()

export function isArrayValue(value: JsonbValue): value is readonly JsonbValue[] {
  return Array.isArray(value)
}

export function isScalar(value: JsonbValue): value is null | boolean | string | Numeric {
  return !isArrayValue(value) && !(value instanceof JsonbObject)
}

/** UTF-8 bytes of a string. */
export function utf8Length(text: string): number {
  let n = text.length
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 0x80) continue
    if (c < 0x800) n++
    // A surrogate pair is two units and four bytes.
    else if (c >= 0xd800 && c <= 0xdfff) n++
    else n += 2
  }
  return n
}

/** Code-point order, which is UTF-8's byte order. */
export function compareCodePoints(a: string, b: string): number {
  if (a === b) return 0
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    let x = a.charCodeAt(i)
    let y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates stand for code points above all other units.
    if (x >= 0xd800 && y >= 0xd800) {
      x = x >= 0xe000 ? x - 0x800 : x + 0x2000
      y = y >= 0xe000 ? y - 0x800 : y + 0x2000
    }
    return x < y ? -1 : 1
  }
  return a.length < b.length ? -1 : 1
}

/** The order of keys inside an object. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  const x = utf8Length(a)
  const y = utf8Length(b)
  return x !== y ? x - y : compareCodePoints(a, b)
}

const inOrder = (keys: readonly string[], from: number, to: number): boolean => {
  for (let i = Math.max(from, 1); i < to; i++) if (compareKeys(keys[i - 1]!, keys[i]!) >= 0) return false
  return true
}

/** Of duplicate keys the last. */
function lastOfEach(keys: readonly string[], sorted: readonly number[]): number[] {
  const order: number[] = []
  for (const i of sorted) {
    if (order.length > 0 && keys[order[order.length - 1]!] === keys[i]) order[order.length - 1] = i
    else order.push(i)
  }
  return order
}

function inKeyOrder(keys: readonly string[]): (i: number, j: number) => number {
  const lengths = keys.map(utf8Length)
  return (i, j) => lengths[i]! - lengths[j]! || compareCodePoints(keys[i]!, keys[j]!)
}

/** Objects of more members are put in order in steps. */
export const MANY_KEYS = 4096

/** Where the members of an object stand in its order, of duplicate keys the last; null: as they are. */
export function keyOrder(keys: readonly string[]): readonly number[] | null {
  return inOrder(keys, 0, keys.length) ? null : lastOfEach(keys, [...keys.keys()].sort(inKeyOrder(keys)))
}

export function* keyOrderSteps(keys: readonly string[]): Steps<readonly number[] | null> {
  let at = 0
  while (at < keys.length && inOrder(keys, at, Math.min(at + MANY_KEYS, keys.length))) {
    at += MANY_KEYS
    yield
  }
  return at >= keys.length ? null : lastOfEach(keys, yield* mergeSort([...keys.keys()], inKeyOrder(keys)))
}

/** Sorted, of duplicate keys the last. The lists are taken over. */
export function makeObject(keys: string[], values: JsonbValue[]): JsonbObject {
  const order = keys.length > MANY_KEYS ? longWork(keyOrderSteps, keys) : keyOrder(keys)
  if (order === null) return new JsonbObject(keys, values)
  return new JsonbObject(
    order.map((i) => keys[i]!),
    order.map((i) => values[i]!),
  )
}

/** Index of `key`, or -1. */
export function keyIndex(object: JsonbObject, key: string): number {
  if (object.keys.length <= 8) return object.keys.indexOf(key)
  const place = keyPlace(object, key)
  return place < 0 ? -1 : place
}

/** Index of `key`, or ~ of where it would stand. */
export function keyPlace({ keys }: JsonbObject, key: string): number {
  let low = 0
  let high = keys.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const order = compareKeys(keys[middle]!, key)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle - 1
  }
  return ~low
}

/** Undefined when absent. */
export function getField(value: JsonbValue, key: string): JsonbValue | undefined {
  if (!(value instanceof JsonbObject)) return undefined
  const i = keyIndex(value, key)
  return i < 0 ? undefined : value.values[i]!
}

/** Negative indexes count from the end. */
export function getElement(value: JsonbValue, index: number): JsonbValue | undefined {
  if (!isArrayValue(value)) return undefined
  const i = index < 0 ? value.length + index : index
  return i < 0 || i >= value.length ? undefined : value[i]!
}

export function formatJsonb(value: JsonbValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return quoteJson(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value instanceof Numeric) return formatNumeric(value)
  if (isArrayValue(value)) {
    let out = '['
    for (let i = 0; i < value.length; i++) out += i === 0 ? formatJsonb(value[i]!) : `, ${formatJsonb(value[i]!)}`
    return `${out}]`
  }
  let out = '{'
  for (let i = 0; i < value.keys.length; i++) {
    out += `${i === 0 ? '' : ', '}${quoteJson(value.keys[i]!)}: ${formatJsonb(value.values[i]!)}`
  }
  return `${out}}`
}

/** Nodes gone through between two moments at which others may have their turn. */
export const STEP = 4096

function isLongJsonb(value: JsonbValue): boolean {
  let nodes = 0
  const count = (node: JsonbValue): boolean => {
    if (++nodes > STEP) return true
    if (isArrayValue(node)) return node.some(count)
    return node instanceof JsonbObject && node.values.some(count)
  }
  return count(value)
}

type Container = readonly JsonbValue[] | JsonbObject

const isContainer = (value: JsonbValue): value is Container => typeof value === 'object' && value !== null && !(value instanceof Numeric)
const membersOf = (value: Container): readonly JsonbValue[] => (isArrayValue(value) ? value : value.values)

/** formatJsonb in steps; with `pretty` each member on a line of its own, as jsonb_pretty tells it. */
export function* formatJsonbSteps(root: JsonbValue, pretty = false): Steps<string> {
  let whole = ''
  let part: string[] = []
  // The containers that are open, and which member of each comes next.
  const open: Container[] = []
  const next: number[] = []
  const newLine = (): string => `\n${'    '.repeat(open.length)}`
  const between = pretty ? ',' : ', '
  let value = root
  for (;;) {
    if (isContainer(value)) {
      part.push(isArrayValue(value) ? '[' : '{')
      open.push(value)
      next.push(0)
    } else part.push(formatJsonb(value))
    for (;;) {
      const top = open[open.length - 1]
      if (top === undefined) return whole + part.join('')
      const i = next[next.length - 1]!++
      const members = membersOf(top)
      if (i === members.length) {
        open.pop()
        next.pop()
        if (pretty) part.push(newLine())
        part.push(isArrayValue(top) ? ']' : '}')
        continue
      }
      if (i > 0) part.push(between)
      if (pretty) part.push(newLine())
      if (!isArrayValue(top)) part.push(quoteJson(top.keys[i]!), ': ')
      value = members[i]!
      break
    }
    if (part.length > STEP) {
      whole += part.join('')
      part = []
      yield
    }
  }
}

/** Text for ->>: strings bare, null for JSON null. */
export function jsonbAsText(value: JsonbValue): string | null {
  return value === null ? null : typeof value === 'string' ? value : formatJsonb(value)
}

function rank(value: JsonbValue): number {
  if (value === null) return 0
  if (typeof value === 'string') return 1
  if (value instanceof Numeric) return 2
  if (typeof value === 'boolean') return 3
  return isArrayValue(value) ? 4 : 5
}

function compareNodes(a: JsonbValue, b: JsonbValue): number {
  const x = rank(a)
  const y = rank(b)
  if (x !== y) return x < y ? -1 : 1
  switch (x) {
    case 0:
      return 0
    case 1:
      return compareCodePoints(a as string, b as string)
    case 2:
      return compareNumeric(a as Numeric, b as Numeric)
    case 3:
      return a === b ? 0 : a ? 1 : -1
    case 4: {
      const p = a as readonly JsonbValue[]
      const q = b as readonly JsonbValue[]
      if (p.length !== q.length) return p.length < q.length ? -1 : 1
      for (let i = 0; i < p.length; i++) {
        const order = compareNodes(p[i]!, q[i]!)
        if (order !== 0) return order
      }
      return 0
    }
    default: {
      const p = a as JsonbObject
      const q = b as JsonbObject
      if (p.keys.length !== q.keys.length) return p.keys.length < q.keys.length ? -1 : 1
      for (let i = 0; i < p.keys.length; i++) {
        const order = compareCodePoints(p.keys[i]!, q.keys[i]!) || compareNodes(p.values[i]!, q.values[i]!)
        if (order !== 0) return order
      }
      return 0
    }
  }
}

/** compareNodes in steps. */
function* compareNodesSteps(a: JsonbValue, b: JsonbValue): Steps<number> {
  // The containers of equal size that are open on both sides, and which members of them come next.
  const open: [Container, Container][] = []
  const next: number[] = []
  let x = a
  let y = b
  for (let nodes = 1; ; nodes++) {
    if (isContainer(x) && isContainer(y) && isArrayValue(x) === isArrayValue(y) && membersOf(x).length === membersOf(y).length) {
      open.push([x, y])
      next.push(0)
    } else {
      const order = compareNodes(x, y)
      if (order !== 0) return order
    }
    let top = open[open.length - 1]
    while (top !== undefined && next[next.length - 1] === membersOf(top[0]).length) {
      open.pop()
      next.pop()
      top = open[open.length - 1]
    }
    if (top === undefined) return 0
    const i = next[next.length - 1]!++
    const [p, q] = top
    if (!isArrayValue(p)) {
      const order = compareCodePoints(p.keys[i]!, (q as JsonbObject).keys[i]!)
      if (order !== 0) return order
    }
    x = membersOf(p)[i]!
    y = membersOf(q)[i]!
    if (nodes % STEP === 0) yield
  }
}

const isEmptyArray = (value: JsonbValue): boolean => isArrayValue(value) && value.length === 0

/** btree order. An empty array at the top sorts below everything, which PostgreSQL keeps for compatibility. */
export function compareJsonb(a: Jsonb, b: Jsonb): number {
  const x = isEmptyArray(a.root)
  const y = isEmptyArray(b.root)
  if (x || y) return x && y ? 0 : x ? -1 : 1
  return a.isLong && b.isLong ? longWork(compareNodesSteps, a.root, b.root) : compareNodes(a.root, b.root)
}

export function equalJsonb(a: JsonbValue, b: JsonbValue): boolean {
  return compareNodes(a, b) === 0
}

/** The same text for equal values: numbers without trailing zeros. */
export function jsonbHashKey(value: JsonbValue): string {
  if (value instanceof Numeric) return formatNumeric(stripZeros(value))
  if (isArrayValue(value)) return `[${value.map(jsonbHashKey).join()}]`
  if (value instanceof JsonbObject) return `{${value.keys.map((key, i) => `${quoteJson(key)}:${jsonbHashKey(value.values[i]!)}`).join()}}`
  return formatJsonb(value)
}

export function jsonbSize(value: JsonbValue): number {
  if (typeof value === 'string') return 24 + value.length * 2
  if (value instanceof Numeric) return 40
  if (isArrayValue(value)) return value.reduce<number>((sum, item) => sum + 8 + jsonbSize(item), 32)
  if (value instanceof JsonbObject)
    return value.values.reduce<number>((sum, item, i) => sum + 40 + value.keys[i]!.length * 2 + jsonbSize(item), 64)
  return 0
}

export function jsonbTypeName(value: JsonbValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  if (value instanceof Numeric) return 'number'
  return isArrayValue(value) ? 'array' : 'object'
}
