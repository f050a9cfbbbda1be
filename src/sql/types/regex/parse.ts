// Regular expressions as PostgreSQL reads them: advanced (ARE), extended and literal; embedded options, bracket expressions, escapes.

import { PgError } from '../../../base/errors.ts'
import { LIMITS } from '../../../base/limits.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import { type ConstraintKind, hasBackref, hasGroups, type Node, type Options, preference, regexError, withoutGroups } from './ast.ts'
import { characterClass, charSet, classEscape, otherCase, type SetParts } from './charset.ts'

const EMPTY: Node = { kind: 'empty' }
const MAX_REPEAT = 255

export interface Parsed {
  readonly root: Node
  readonly groups: number
  readonly hasBackrefs: boolean
}

/** Collating element names inside [. .]. */
const COLLATING: Readonly<Record<string, string>> = {
  NUL: '\0',
  tab: '\t',
  newline: '\n',
  space: ' ',
  hyphen: '-',
  period: '.',
  comma: ',',
}

export function parseRegex(pattern: string, options: Options): Parsed {
  const opts = { ...options }
  const source = Array.from(pattern)
  let at = 0
  let groups = 0
  let hasBackrefs = false
  let depth = 0
  /** Depth of lookaround: parentheses inside capture nothing and back references are errors. */
  let looks = 0
  /** Groups not closed yet: no back reference may name them. */
  const open = new Set<number>()

  const applyOption = (letter: string): void => {
    switch (letter) {
      case 'i':
        opts.ignoreCase = true
        break
      case 'c':
        opts.ignoreCase = false
        break
      case 'n':
      case 'm':
        opts.newlineStops = true
        opts.newlineAnchors = true
        break
      case 'p':
        opts.newlineStops = true
        opts.newlineAnchors = false
        break
      case 'w':
        opts.newlineStops = false
        opts.newlineAnchors = true
        break
      case 's':
        opts.newlineStops = false
        opts.newlineAnchors = false
        break
      case 'x':
        opts.expanded = true
        break
      case 't':
        opts.expanded = false
        break
      case 'q':
        opts.quoted = true
        break
      case 'e':
        opts.flavor = 'extended'
        break
      case 'b':
        opts.flavor = 'basic'
        break
      default:
        throw regexError('invalid embedded option')
    }
  }

  const literal = (code: number): Node => {
    const other = opts.ignoreCase ? otherCase(code) : code
    return other === code
      ? { kind: 'char', literal: code, test: (c) => c === code }
      : { kind: 'char', literal: -1, test: (c) => c === code || c === other }
  }
  const peek = (ahead = 0): string => source[at + ahead] ?? ''
  const looking = (text: string): boolean => source.slice(at, at + text.length).join('') === text
  const concat = (nodes: readonly Node[]): Node => {
    if (nodes.length === 0) return EMPTY
    let result = nodes[nodes.length - 1]!
    for (let i = nodes.length - 2; i >= 0; i--) result = { kind: 'concat', left: nodes[i]!, right: result }
    return result
  }

  const skipBlank = (): void => {
    for (;;) {
      if (opts.expanded && /^[ \t\n\r\f\v]$/.test(peek())) at++
      else if (opts.expanded && peek() === '#') while (at < source.length && source[at] !== '\n') at++
      else if (opts.flavor === 'advanced' && looking('(?#')) {
        while (at < source.length && source[at] !== ')') at++
        if (at >= source.length) throw regexError('parentheses () not balanced')
        at++
      } else return
    }
  }

  const hex = (min: number, max: number): number => {
    let digits = ''
    while (digits.length < max && /^[0-9a-fA-F]$/.test(peek())) digits += source[at++]
    if (digits.length < min) throw regexError('invalid escape \\ sequence')
    const code = Number.parseInt(digits, 16)
    if (code > 0x10ffff) throw regexError('invalid escape \\ sequence')
    return code
  }

  /** A character escape behind the backslash; null when it is none of those. */
  const characterEscape = (): number | null => {
    const c = peek()
    const simple: Readonly<Record<string, number>> = { a: 7, b: 8, B: 92, e: 27, f: 12, n: 10, r: 13, t: 9, v: 11 }
    if (simple[c] !== undefined) {
      at++
      return simple[c]
    }
    switch (c) {
      case 'c': {
        at++
        const code = peek().codePointAt(0)
        if (code === undefined) throw regexError('invalid escape \\ sequence')
        at++
        return code & 31
      }
      case 'u':
        at++
        return hex(4, 4)
      case 'U':
        at++
        return hex(8, 8)
      case 'x':
        at++
        return hex(1, 255)
      case '0': {
        let digits = ''
        while (digits.length < 3 && /^[0-7]$/.test(peek())) digits += source[at++]
        return Number.parseInt(digits, 8)
      }
      default:
        return null
    }
  }

  /** `[`…`]`, behind the opening bracket. */
  const bracket = (): Node => {
    if (looking('[:<:]]')) {
      at += 6
      return { kind: 'constraint', at: 'wordStart' }
    }
    if (looking('[:>:]]')) {
      at += 6
      return { kind: 'constraint', at: 'wordEnd' }
    }
    const parts: SetParts = { singles: [], ranges: [], tests: [] }
    const negated = peek() === '^'
    if (negated) at++
    /** One endpoint: a code, or null when it added a class instead. */
    const element = (): number | null => {
      if (at >= source.length) throw regexError('brackets [] not balanced')
      const c = source[at++]!
      if (c === '[' && (peek() === ':' || peek() === '.' || peek() === '=')) {
        const mark = source[at++]!
        let name = ''
        while (at < source.length && !(source[at] === mark && source[at + 1] === ']')) name += source[at++]
        if (at >= source.length) throw regexError('brackets [] not balanced')
        at += 2
        if (mark === ':') {
          parts.tests.push(characterClass(name, opts.ignoreCase))
          return null
        }
        const element = COLLATING[name] ?? name
        if (Array.from(element).length !== 1) throw regexError('invalid collating element')
        return element.codePointAt(0)!
      }
      if (c === '\\' && opts.flavor === 'advanced') {
        const letter = peek()
        if (/^[dswDSW]$/.test(letter)) {
          at++
          parts.tests.push(classEscape(letter))
          return null
        }
        const code = characterEscape()
        if (code !== null) return code
        if (/^[A-Za-z0-9]$/.test(letter) || letter === '') throw regexError('invalid escape \\ sequence')
        at++
        return letter.codePointAt(0)!
      }
      return c.codePointAt(0)!
    }
    let first = true
    while (first || peek() !== ']') {
      first = false
      const low = element()
      if (peek() === '-' && peek(1) !== ']' && peek(1) !== '') {
        if (low === null) throw regexError('invalid character range')
        at++
        const high = element()
        if (high === null || high < low) throw regexError('invalid character range')
        parts.ranges.push([low, high])
      } else if (low !== null) parts.singles.push(low)
    }
    at++
    return { kind: 'char', literal: -1, test: charSet(parts, negated, opts.ignoreCase, opts.newlineStops) }
  }

  const constraint = (kind: ConstraintKind): Node => ({ kind: 'constraint', at: kind })

  const escaped = (): Node => {
    const c = peek()
    if (c === '') throw regexError('invalid escape \\ sequence')
    if (opts.flavor !== 'advanced') {
      at++
      return literal(c.codePointAt(0)!)
    }
    if (/^[dswDSW]$/.test(c)) {
      at++
      const test = classEscape(c)
      const stops = opts.newlineStops && (c === 'D' || c === 'W')
      return { kind: 'char', literal: -1, test: stops ? (code) => code !== 10 && test(code) : test }
    }
    const constraints: Readonly<Record<string, ConstraintKind>> = {
      A: 'textStart',
      Z: 'textEnd',
      m: 'wordStart',
      M: 'wordEnd',
      y: 'wordEdge',
      Y: 'notWordEdge',
    }
    if (constraints[c] !== undefined) {
      at++
      return constraint(constraints[c])
    }
    if (/^[1-9]$/.test(c)) {
      // One digit is a back reference; more are one if so many groups were opened, else an octal character.
      let digits = source[at++]!
      while (/^[0-9]$/.test(peek()) && Number(digits + peek()) <= groups) digits += source[at++]
      if (Number(digits) > groups || looks > 0 || open.has(Number(digits))) throw regexError('invalid backreference number')
      hasBackrefs = true
      return { kind: 'backref', group: Number(digits), ignoreCase: opts.ignoreCase, min: 1, max: 1, prefer: 0 }
    }
    const code = characterEscape()
    if (code !== null) return literal(code)
    if (/^[A-Za-z0-9]$/.test(c)) throw regexError('invalid escape \\ sequence')
    at++
    return literal(c.codePointAt(0)!)
  }

  const group = (): Node => {
    if (++depth > LIMITS.maxExpressionDepth) throw regexError('nesting of () is too deep')
    let wrap: (body: Node) => Node
    let isLook = false
    const look = (skip: number, ahead: boolean, negative: boolean): void => {
      at += skip
      isLook = true
      looks++
      wrap = (body) => ({ kind: 'look', ahead, negative, body })
    }
    if (opts.flavor === 'advanced' && looking('?:')) {
      at += 2
      // A quantifier behind it is none of the back reference inside.
      wrap = (body) => (body.kind === 'backref' ? { kind: 'concat', left: body, right: { kind: 'empty' } } : body)
    } else if (opts.flavor === 'advanced' && looking('?=')) look(2, true, false)
    else if (opts.flavor === 'advanced' && looking('?!')) look(2, true, true)
    else if (opts.flavor === 'advanced' && looking('?<=')) look(3, false, false)
    else if (opts.flavor === 'advanced' && looking('?<!')) look(3, false, true)
    else if (opts.flavor === 'advanced' && peek() === '?') throw regexError('quantifier operand invalid')
    else if (looks > 0) wrap = (body) => body
    else {
      const index = ++groups
      open.add(index)
      wrap = (body) => {
        open.delete(index)
        return { kind: 'group', index, body }
      }
    }
    const body = alternatives()
    if (peek() !== ')') throw regexError('parentheses () not balanced')
    at++
    depth--
    if (isLook) looks--
    return wrap!(body)
  }

  const number = (): number => {
    let digits = ''
    while (/^[0-9]$/.test(peek()) && digits.length < 4) digits += source[at++]
    const value = Number(digits)
    if (digits === '' || value > MAX_REPEAT) throw regexError('invalid repetition count(s)')
    return value
  }

  /** `constrains`: what stands before is ^, $, a constraint escape or lookaround, which takes no quantifier. */
  const quantified = (atom: Node, constrains: boolean): Node => {
    skipBlank()
    const c = peek()
    let min: number
    let max: number
    let fixed = false
    if (c === '*' || c === '+' || c === '?') {
      at++
      min = c === '+' ? 1 : 0
      max = c === '?' ? 1 : -1
    } else if (c === '{' && (/^[0-9]$/.test(peek(1)) || opts.flavor !== 'advanced')) {
      at++
      min = number()
      max = min
      fixed = peek() !== ','
      if (!fixed) {
        at++
        max = peek() === '}' ? -1 : number()
      }
      if (max >= 0 && min > max) throw regexError('invalid repetition count(s)')
      if (peek() !== '}') throw regexError(at >= source.length ? 'braces {} not balanced' : 'invalid repetition count(s)')
      at++
    } else return atom
    const greedy = !(opts.flavor === 'advanced' && peek() === '?')
    if (!greedy) at++
    if (constrains) throw regexError('quantifier operand invalid')
    skipBlank()
    if (/^[*+?]$/.test(peek())) throw regexError('quantifier operand invalid')
    const prefer = fixed ? 0 : greedy ? 1 : -1
    if (max === 0) return { kind: 'empty' }
    if (min === 1 && max === 1 && (prefer === 0 || preference(atom) === 0 || preference(atom) === prefer)) return atom
    if (atom.kind === 'backref') return { ...atom, min, max, prefer }
    // x{m,n} is x{m-1,n-1}x with groups in the last x only: only its last match is remembered.
    if (min > 0 && hasGroups(atom) && !hasBackref(atom)) {
      const before: Node = { kind: 'repeat', body: withoutGroups(atom), min: min - 1, max: max < 0 ? -1 : max - 1, prefer }
      return { kind: 'concat', left: before, right: atom }
    }
    return { kind: 'repeat', body: atom, min, max, prefer }
  }

  const branch = (): Node => {
    const nodes: Node[] = []
    for (;;) {
      skipBlank()
      const c = peek()
      if (c === '' || c === '|' || (c === ')' && depth > 0)) return concat(nodes)
      at++
      let atom: Node
      let constrains = c === '^' || c === '$'
      switch (c) {
        case '(':
          constrains = opts.flavor === 'advanced' && /^\?(?:<?[=!])/.test(source.slice(at, at + 3).join(''))
          atom = group()
          break
        case ')':
          throw regexError('parentheses () not balanced')
        case '[':
          atom = bracket()
          constrains = atom.kind === 'constraint'
          break
        case '.': {
          const stops = opts.newlineStops
          atom = { kind: 'char', literal: -1, test: stops ? (code) => code !== 10 : () => true }
          break
        }
        case '^':
          atom = constraint(opts.newlineAnchors ? 'lineStart' : 'textStart')
          break
        case '$':
          atom = constraint(opts.newlineAnchors ? 'lineEnd' : 'textEnd')
          break
        case '\\':
          atom = escaped()
          constrains = atom.kind === 'constraint'
          break
        case '*':
        case '+':
        case '?':
          throw regexError('quantifier operand invalid')
        case '{':
          if (/^[0-9]$/.test(peek())) throw regexError('quantifier operand invalid')
          atom = literal(0x7b)
          break
        default:
          atom = literal(c.codePointAt(0)!)
      }
      nodes.push(quantified(atom, constrains))
    }
  }

  const alternatives = (): Node => {
    const branches = [branch()]
    while (peek() === '|') {
      at++
      branches.push(branch())
    }
    return branches.length === 1 ? branches[0]! : { kind: 'alt', branches }
  }

  // Director and embedded options, at the very start only.
  if (!opts.quoted && opts.flavor === 'advanced') {
    if (looking('***=')) {
      at += 4
      opts.quoted = true
    } else if (looking('***:')) at += 4
    else if (looking('***')) throw regexError('quantifier operand invalid')
    if (!opts.quoted && looking('(?') && /^[a-z]$/.test(peek(2))) {
      at += 2
      while (/^[a-z]$/.test(peek())) applyOption(source[at++]!)
      if (peek() !== ')') throw regexError('invalid embedded option')
      at++
    }
  }
  if (opts.quoted) return { root: concat(source.slice(at).map((c) => literal(c.codePointAt(0)!))), groups: 0, hasBackrefs: false }
  if (opts.flavor === 'basic') throw new PgError(SQLSTATE.featureNotSupported, 'basic regular expressions are not implemented')
  const root = alternatives()
  if (at < source.length) throw regexError('parentheses () not balanced')
  return { root, groups, hasBackrefs }
}
