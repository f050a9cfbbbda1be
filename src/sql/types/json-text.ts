// Reading JSON text: one pass that validates as PostgreSQL's lexer and parser do, with its error texts, and builds jsonb's form if asked.
// Also walks over text already validated (type json keeps its text), answering ranges so that members come out as they were written.

import { PgError } from '../../base/errors.ts'
import { finished, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { JsonbObject, type JsonbValue, keyOrder, keyOrderSteps, MANY_KEYS } from './jsonb.ts'
import { parseNumeric } from './numeric.ts'

/** Nesting beyond which the parser answers 54001. */
export const MAX_JSON_DEPTH = 5000

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORD = /[A-Za-z0-9_\u0080-\uffff]+/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them unescaped
const PLAIN = /[^"\\\u0000-\u001f]*/y
const TOKEN_TAIL = /[-A-Za-z0-9_.+\u0080-\uffff]*/y

/** Characters read between two moments at which others may have their turn. */
const STEP = 32 * 1024

/** Parses `text` into jsonb's form; `build` false only validates (and answers null). Soft limits and errors are PostgreSQL's. */
export function parseJsonText(text: string, build: boolean, uniqueKeys = false): JsonbValue {
  return finished(readSteps(readJson(text, build, uniqueKeys), text.length))
}

/** The same in steps. */
export function* parseJsonSteps(text: string, build: boolean): Steps<JsonbValue> {
  return yield* readSteps(readJson(text, build, false), STEP)
}

function* readSteps(reader: JsonReader, step: number): Steps<JsonbValue> {
  for (let to = step; !reader.readTo(to); to += step) {
    const keys = reader.unordered()
    if (keys === null) yield
    else reader.order(yield* keyOrderSteps(keys))
  }
  return reader.value()
}

/** The members of an object as they were written, and as jsonb keeps them: which of them, in which order. */
interface Shape {
  readonly written: readonly string[]
  readonly keys: readonly string[]
  /** Null: as written. */
  readonly order: readonly number[] | null
}

interface JsonReader {
  /** Reads at least to that place, or to an object whose keys are to be put in order, or to the end: then true. */
  readTo(to: number): boolean
  /** That object's keys; null: there is none. */
  unordered(): readonly string[] | null
  order(order: readonly number[] | null): void
  value(): JsonbValue
}

function readJson(text: string, build: boolean, uniqueKeys: boolean): JsonReader {
  let at = 0

  const context = (end: number): string => {
    let line = 1
    let start = 0
    for (let i = text.indexOf('\n'); i >= 0 && i < end; i = text.indexOf('\n', i + 1)) {
      line++
      start = i + 1
    }
    let from = Math.max(start, end - 49)
    if (from - start <= 3) from = start
    const next = text[end]
    const suffix = next !== undefined && next !== '\n' && next !== '\r' ? '...' : ''
    return `JSON data, line ${line}: ${from > start ? '...' : ''}${text.slice(from, end)}${suffix}`
  }
  const invalid = (detail: string, end: number): PgError =>
    new PgError(SQLSTATE.invalidTextRepresentation, 'invalid input syntax for type json', { detail, where: context(end) })
  const ended = (): PgError => invalid('The input string ended unexpectedly.', text.length)

  const skip = (): void => {
    for (;;) {
      const c = text.charCodeAt(at)
      if (c === 32 || c === 9 || c === 10 || c === 13) at++
      else return
    }
  }

  /** The token at `at` does not fit: an invalid token says so first, a valid one is "found". */
  const unexpected = (expected: string): PgError => {
    if (at >= text.length) return ended()
    const c = text[at]!
    let end = at + 1
    if (c === '"') {
      parseString(false)
      end = at
      at = end - 1
      return found(expected, text.slice(text.lastIndexOf('"', end - 2), end), end)
    }
    if ('{}[],:'.includes(c)) return found(expected, c, end)
    NUMBER.lastIndex = at
    WORD.lastIndex = at
    const number = NUMBER.exec(text)
    if (number !== null && /[-0-9]/.test(c)) {
      end = at + number[0].length
      TOKEN_TAIL.lastIndex = end
      const tail = TOKEN_TAIL.exec(text)![0]
      if (tail !== '') return invalid(`Token "${number[0]}${tail}" is invalid.`, end + tail.length)
      return found(expected, number[0], end)
    }
    const word = WORD.exec(text)
    if (word !== null) {
      end = at + word[0].length
      if (word[0] === 'true' || word[0] === 'false' || word[0] === 'null') return found(expected, word[0], end)
      return invalid(`Token "${word[0]}" is invalid.`, end)
    }
    return invalid(`Token "${c}" is invalid.`, end)
  }
  const found = (expected: string, token: string, end: number): PgError => invalid(`${expected}, but found "${token}".`, end)

  const parseString = (decode: boolean): string => {
    const start = at
    at++
    let value = ''
    let runStart = at
    for (;;) {
      PLAIN.lastIndex = at
      PLAIN.test(text)
      at = PLAIN.lastIndex
      const c = text.charCodeAt(at)
      if (c === 34) {
        value = runStart === start + 1 ? text.slice(runStart, at) : value + text.slice(runStart, at)
        at++
        return value
      }
      if (at >= text.length) throw invalid(`Token "${text.slice(start)}" is invalid.`, text.length)
      if (c < 32) throw invalid(`Character with value 0x${c.toString(16).padStart(2, '0')} must be escaped.`, at)
      if (decode) value = runStart === start + 1 ? text.slice(runStart, at) : value + text.slice(runStart, at)
      at++
      if (at >= text.length) throw invalid(`Token "${text.slice(start)}" is invalid.`, text.length)
      const e = text[at]!
      at++
      switch (e) {
        case 'u': {
          let unit = hex4(at, start)
          at += 4
          if (decode) {
            if (unit === 0) throw untranslatable('\\u0000 cannot be converted to text.')
            if (unit >= 0xd800 && unit <= 0xdbff) {
              if (text[at] !== '\\' || text[at + 1] !== 'u') {
                at++
                throw surrogate('Unicode low surrogate must follow a high surrogate.')
              }
              const low = hex4(at + 2, start)
              if (low >= 0xd800 && low <= 0xdbff) throw surrogate('Unicode high surrogate must not follow a high surrogate.')
              if (low < 0xdc00 || low > 0xdfff) throw surrogate('Unicode low surrogate must follow a high surrogate.')
              at += 6
              unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
            } else if (unit >= 0xdc00 && unit <= 0xdfff) throw surrogate('Unicode low surrogate must follow a high surrogate.')
            value += String.fromCodePoint(unit)
          }
          break
        }
        case '"':
        case '\\':
        case '/':
          if (decode) value += e
          break
        case 'b':
          if (decode) value += '\b'
          break
        case 'f':
          if (decode) value += '\f'
          break
        case 'n':
          if (decode) value += '\n'
          break
        case 'r':
          if (decode) value += '\r'
          break
        case 't':
          if (decode) value += '\t'
          break
        default: {
          const code = text.codePointAt(at - 1)!
          const char = String.fromCodePoint(code)
          throw invalid(`Escape sequence "\\${char}" is invalid.`, at - 1 + char.length)
        }
      }
      runStart = at
    }
  }
  const hex4 = (from: number, start: number): number => {
    for (let i = 0; i < 4; i++) {
      const c = text[from + i]
      if (c === undefined) throw invalid(`Token "${text.slice(start)}" is invalid.`, text.length)
      if (!/[0-9a-fA-F]/.test(c)) throw invalid('"\\u" must be followed by four hexadecimal digits.', from + i + 1)
    }
    return Number.parseInt(text.slice(from, from + 4), 16)
  }
  const untranslatable = (detail: string): PgError =>
    new PgError(SQLSTATE.untranslatableCharacter, 'unsupported Unicode escape sequence', { detail, where: context(at) })
  const surrogate = (detail: string): PgError => invalid(detail, at)

  const parseScalar = (expected: string): JsonbValue => {
    const c = text.charCodeAt(at)
    if (c === 34) return parseString(build)
    if (c === 45 || (c >= 48 && c <= 57)) return parseNumber()
    if (text.startsWith('true', at) && !isWordAt(at + 4)) {
      at += 4
      return true
    }
    if (text.startsWith('false', at) && !isWordAt(at + 5)) {
      at += 5
      return false
    }
    if (text.startsWith('null', at) && !isWordAt(at + 4)) {
      at += 4
      return null
    }
    throw unexpected(expected)
  }
  const parseNumber = (): JsonbValue => {
    NUMBER.lastIndex = at
    const match = NUMBER.exec(text)
    const end = match === null ? at + 1 : at + match[0].length
    TOKEN_TAIL.lastIndex = end
    const tail = TOKEN_TAIL.exec(text)![0]
    if (match === null || tail !== '') throw invalid(`Token "${text.slice(at, end + tail.length)}" is invalid.`, end + tail.length)
    at = end
    return build ? parseNumeric(match[0])! : null
  }
  const isWordAt = (i: number): boolean => {
    WORD.lastIndex = i
    return WORD.test(text)
  }

  // The containers that are open, from the outermost inwards, and what they hold so far.
  const isObject: boolean[] = []
  const starts: number[] = []
  const keyStarts: number[] = []
  const seen: Set<string>[] = []
  const values: JsonbValue[] = []
  const keys: string[] = []
  /** The last object's at each depth: those of a list mostly have the same keys. */
  const shapes: (Shape | undefined)[] = []

  const open = (object: boolean): void => {
    if (isObject.length > MAX_JSON_DEPTH) {
      throw new PgError(SQLSTATE.statementTooComplex, 'stack depth limit exceeded', {
        hint: 'Increase the configuration parameter "max_stack_depth" (currently 2048kB), after ensuring the platform\'s stack depth limit is adequate.',
      })
    }
    at++
    isObject.push(object)
    starts.push(values.length)
    keyStarts.push(keys.length)
    if (uniqueKeys) seen.push(new Set())
    skip()
  }
  /** The container's value; undefined where the order of its keys is to be found first. */
  const close = (): JsonbValue | undefined => {
    at++
    const object = isObject.pop()!
    const start = starts.pop()!
    const keyStart = keyStarts.pop()!
    if (uniqueKeys) seen.pop()
    if (!build) return null
    const members = values.slice(start)
    values.length = start
    if (!object) return members
    const shape = shapes[isObject.length]
    if (shape !== undefined && isWritten(shape.written, keyStart)) {
      keys.length = keyStart
      return shaped(shape, members)
    }
    const written = keys.slice(keyStart)
    keys.length = keyStart
    if (written.length <= MANY_KEYS) return shaped(newShape(written, keyOrder(written)), members)
    waiting = { written, members }
    return undefined
  }
  const newShape = (written: string[], order: readonly number[] | null): Shape => {
    const shape = { written, order, keys: order === null ? written : order.map((i) => written[i]!) }
    shapes[isObject.length] = shape
    return shape
  }
  const shaped = ({ keys: ordered, order }: Shape, members: JsonbValue[]): JsonbObject =>
    new JsonbObject(ordered, order === null ? members : order.map((i) => members[i]!))
  /** The object that waits for the order of its keys, and once it has it, itself. */
  let waiting: { readonly written: string[]; readonly members: JsonbValue[] } | null = null
  let ordered: JsonbObject | null = null
  const isWritten = (written: readonly string[], start: number): boolean => {
    if (written.length !== keys.length - start) return false
    for (let i = 0; i < written.length; i++) if (written[i] !== keys[start + i]) return false
    return true
  }

  const parseKey = (expected: string): void => {
    skip()
    if (text.charCodeAt(at) !== 34) throw unexpected(expected)
    const key = parseString(build || uniqueKeys)
    if (build || uniqueKeys) keys.push(key)
    skip()
    if (text.charCodeAt(at) !== 58) throw unexpected('Expected ":"')
    at++
  }

  /** A member is complete: on to the next one (true), or the container is (false). */
  const hasNext = (value: JsonbValue): boolean => {
    const depth = isObject.length - 1
    const object = isObject[depth]!
    if (build) values.push(value)
    if (object && uniqueKeys) {
      const key = keys[keys.length - 1]!
      if (!build) keys.pop()
      if (seen[depth]!.has(key)) throw new PgError(SQLSTATE.duplicateJsonObjectKeyValue, 'duplicate JSON object key value')
      seen[depth]!.add(key)
    }
    skip()
    const c = text.charCodeAt(at)
    if (c === 44) {
      at++
      if (object) parseKey('Expected string')
      return true
    }
    if (c !== (object ? 125 : 93)) throw unexpected(object ? 'Expected "," or "}"' : 'Expected "," or "]"')
    return false
  }

  let whole: JsonbValue = null
  let expected = 'Expected JSON value'
  const readTo = (to: number): boolean => {
    for (;;) {
      skip()
      let value: JsonbValue | undefined
      const c = text.charCodeAt(at)
      if (ordered !== null) {
        value = ordered
        ordered = null
      } else if (c === 123) {
        open(true)
        if (text.charCodeAt(at) !== 125) {
          parseKey('Expected string or "}"')
          expected = 'Expected JSON value'
          continue
        }
        value = close()
      } else if (c === 91) {
        open(false)
        if (text.charCodeAt(at) !== 93) {
          expected = 'Expected array element or "]"'
          continue
        }
        value = close()
      } else value = parseScalar(expected)
      expected = 'Expected JSON value'
      while (value !== undefined && isObject.length > 0 && !hasNext(value)) value = close()
      if (value === undefined) return false
      if (isObject.length === 0) {
        whole = value
        skip()
        if (at < text.length) throw unexpected('Expected end of input')
        return true
      }
      if (at >= to) return false
    }
  }
  return {
    readTo,
    value: () => whole,
    unordered: () => waiting?.written ?? null,
    order(order) {
      const { written, members } = waiting!
      waiting = null
      ordered = shaped(newShape(written, order), members)
    },
  }
}

// Walking over valid text.

/** Offset of the first character of the value at or after `at`. */
export function skipJsonSpace(text: string, at: number): number {
  let i = at
  for (;;) {
    const c = text.charCodeAt(i)
    if (c === 32 || c === 9 || c === 10 || c === 13) i++
    else return i
  }
}

/** Offset behind the value that starts at `at`. */
export function jsonValueEnd(text: string, at: number): number {
  const c = text[at]
  if (c === '"') return jsonStringEnd(text, at)
  if (c !== '{' && c !== '[') {
    let i = at
    while (i < text.length && !',]} \t\n\r'.includes(text[i]!)) i++
    return i
  }
  let depth = 0
  for (let i = at; ; ) {
    const d = text[i]!
    if (d === '"') {
      i = jsonStringEnd(text, i)
      continue
    }
    i++
    if (d === '{' || d === '[') depth++
    else if ((d === '}' || d === ']') && --depth === 0) return i
  }
}

function jsonStringEnd(text: string, at: number): number {
  let i = at + 1
  for (;;) {
    const c = text.charCodeAt(i)
    if (c === 34) return i + 1
    i += c === 92 ? 2 : 1
  }
}

/** A JSON string literal's value. 22P05 for what text cannot hold. */
export function decodeJsonString(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1)
  return parseJsonText(literal, true) as string
}

/**
 * Type json keeps escapes that text cannot hold (\\u0000, half a surrogate pair). What looks for something inside a value refuses them
 * wherever they stand.
 */
export function checkJsonEscapes(text: string): void {
  if (!text.includes('\\u')) return
  for (let at = text.indexOf('"'); at >= 0; ) {
    const end = jsonStringEnd(text, at)
    decodeJsonString(text.slice(at, end))
    at = text.indexOf('"', end)
  }
}

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

export function jsonKind(text: string, at = skipJsonSpace(text, 0)): JsonKind {
  switch (text[at]) {
    case '{':
      return 'object'
    case '[':
      return 'array'
    case '"':
      return 'string'
    case 't':
    case 'f':
      return 'boolean'
    case 'n':
      return 'null'
    default:
      return 'number'
  }
}

/** Calls `visit` for each member of the object or array that `text` is: the key (null in arrays) and the value's range. False stops. */
export function walkJson(text: string, visit: (key: string | null, start: number, end: number) => boolean | undefined): void {
  let at = skipJsonSpace(text, 0)
  const isObject = text[at] === '{'
  at = skipJsonSpace(text, at + 1)
  if (text[at] === '}' || text[at] === ']') return
  for (;;) {
    let key: string | null = null
    if (isObject) {
      const end = jsonStringEnd(text, at)
      key = decodeJsonString(text.slice(at, end))
      at = skipJsonSpace(text, skipJsonSpace(text, end) + 1)
    }
    const end = jsonValueEnd(text, at)
    if (visit(key, at, end) === false) return
    at = skipJsonSpace(text, end)
    if (text[at] !== ',') return
    at = skipJsonSpace(text, at + 1)
  }
}

/** The value's text form for ->>: strings decoded, null for JSON null. */
export function jsonAsText(raw: string): string | null {
  if (raw === 'null') return null
  return raw.startsWith('"') ? decodeJsonString(raw) : raw
}
