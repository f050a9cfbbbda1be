// jsonpath's value: the parsed path. Parsing and PostgreSQL's normalised printing; evaluation is in jsonpath-exec.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { invalidInput } from './define.ts'
import { quoteJson } from './json-quote.ts'
import { formatNumeric, Numeric, parseNumeric } from './numeric.ts'
import { negateNumeric } from './numeric-math.ts'
import { compileRegex, type Regex } from './regex/match.ts'

export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>='
export type ArithmeticOp = '+' | '-' | '*' | '/' | '%'

export type PathExpr =
  | { readonly kind: 'root' | 'current' | 'last' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: null | boolean | string | Numeric }
  | { readonly kind: 'path'; readonly head: PathExpr; readonly steps: readonly PathStep[] }
  | { readonly kind: 'unary'; readonly op: '+' | '-'; readonly arg: PathExpr }
  | { readonly kind: 'arithmetic'; readonly op: ArithmeticOp; readonly left: PathExpr; readonly right: PathExpr }
  | PathPredicate

export type PathPredicate =
  | { readonly kind: 'and' | 'or'; readonly left: PathExpr; readonly right: PathExpr }
  | { readonly kind: 'not' | 'isUnknown' | 'exists'; readonly arg: PathExpr }
  | { readonly kind: 'compare'; readonly op: CompareOp; readonly left: PathExpr; readonly right: PathExpr }
  | { readonly kind: 'startsWith'; readonly left: PathExpr; readonly right: PathExpr }
  | { readonly kind: 'likeRegex'; readonly arg: PathExpr; readonly pattern: string; readonly flags: string }

export type PathStep =
  | { readonly kind: 'key'; readonly name: string }
  | { readonly kind: 'anyKey' | 'anyArray' }
  | { readonly kind: 'index'; readonly ranges: readonly { readonly from: PathExpr; readonly to: PathExpr | null }[] }
  /** Levels; Infinity is `last`. */
  | { readonly kind: 'any'; readonly first: number; readonly last: number }
  | { readonly kind: 'filter'; readonly predicate: PathExpr }
  | { readonly kind: 'method'; readonly name: string; readonly args: readonly PathExpr[] }

export class JsonPath {
  readonly lax: boolean
  readonly expr: PathExpr

  constructor(lax: boolean, expr: PathExpr) {
    this.lax = lax
    this.expr = expr
  }

  toString(): string {
    return formatPath(this)
  }
}

interface Token {
  readonly kind: 'word' | 'string' | 'number' | 'variable' | 'symbol' | 'end'
  /** What an error quotes: of a name only what ends it has been read last. */
  readonly text: string
  readonly value: string
}

const SYMBOLS = [
  '**',
  '&&',
  '||',
  '==',
  '!=',
  '<>',
  '<=',
  '>=',
  '$',
  '@',
  '.',
  '*',
  '[',
  ']',
  '(',
  ')',
  '{',
  '}',
  ',',
  '?',
  '+',
  '-',
  '/',
  '%',
  '!',
  '<',
  '>',
]
const END: Token = { kind: 'end', text: '', value: '' }
const MAX_DEPTH = 2000

function syntaxError(near: string): PgError {
  return new PgError(
    SQLSTATE.syntaxError,
    near === '' ? 'syntax error at end of jsonpath input' : `syntax error at or near "${near}" of jsonpath input`,
  )
}

const surrogateError = (detail: string): PgError =>
  new PgError(SQLSTATE.invalidTextRepresentation, 'invalid input syntax for type jsonpath', { detail })

/** What stands behind a `\\u`: two of them may make one character. */
function decodeUnicode(text: string, from: number): { value: string; end: number } {
  let at = from
  let high: number | null = null
  for (;;) {
    const match = /^(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{4}))/.exec(text.slice(at, at + 8))
    if (match === null) throw new PgError(SQLSTATE.syntaxError, `invalid Unicode escape sequence at or near "\\u" of jsonpath input`)
    const code = Number.parseInt((match[1] ?? match[2])!, 16)
    if (code === 0)
      throw new PgError(SQLSTATE.untranslatableCharacter, 'unsupported Unicode escape sequence', {
        detail: '\\u0000 cannot be converted to text.',
      })
    if (code > 0x10ffff) throw new PgError(SQLSTATE.syntaxError, 'invalid Unicode code point')
    at += match[0].length
    const isLow = code >= 0xdc00 && code <= 0xdfff
    if (code >= 0xd800 && code <= 0xdbff) {
      if (high !== null) throw surrogateError('Unicode high surrogate must not follow a high surrogate.')
      if (text[at] !== '\\' || text[at + 1] !== 'u') throw surrogateError('Unicode low surrogate must follow a high surrogate.')
      high = code
      at += 2
      continue
    }
    if (isLow !== (high !== null)) throw surrogateError('Unicode low surrogate must follow a high surrogate.')
    return { value: high === null ? String.fromCodePoint(code) : String.fromCharCode(high, code), end: at }
  }
}

function decodeUntil(text: string, from: number, stop: (c: string) => boolean): { value: string; end: number } {
  let value = ''
  let at = from
  while (at < text.length && !stop(text[at]!)) {
    if (text[at] !== '\\') {
      value += text[at++]
      continue
    }
    const e = text[at + 1]
    if (e === undefined) throw syntaxError('')
    at += 2
    switch (e) {
      case 'b':
        value += '\b'
        break
      case 'f':
        value += '\f'
        break
      case 'n':
        value += '\n'
        break
      case 'r':
        value += '\r'
        break
      case 't':
        value += '\t'
        break
      case 'v':
        value += '\v'
        break
      case 'u': {
        const decoded = decodeUnicode(text, at)
        value += decoded.value
        at = decoded.end
        break
      }
      case 'x': {
        const match = /^[0-9a-fA-F]{2}/.exec(text.slice(at))
        if (match === null)
          throw new PgError(SQLSTATE.syntaxError, `invalid hexadecimal character sequence at or near "\\x" of jsonpath input`)
        value += String.fromCharCode(Number.parseInt(match[0], 16))
        at += 2
        break
      }
      default:
        value += e
    }
  }
  return { value, end: at }
}

const isSpecial = (c: string): boolean => '?%$.[]{}()|&!=<>@#,*:-+/"\\ \t\n\r\f'.includes(c)

function isLongerName(text: string, from: number, length: number): boolean {
  for (let at = from; at <= from + length; at++) if (text[at] === undefined || text[at] === '\\' || isSpecial(text[at]!)) return false
  return true
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const c = text[at]!
    if (/\s/.test(c)) {
      at++
      continue
    }
    if (c === '/' && text[at + 1] === '*') {
      const end = text.indexOf('*/', at + 2)
      if (end < 0) throw new PgError(SQLSTATE.syntaxError, 'unexpected end of comment at end of jsonpath input')
      at = end + 2
      continue
    }
    if (c === '"') {
      const { value, end } = decodeUntil(text, at + 1, (d) => d === '"')
      if (text[end] !== '"') throw new PgError(SQLSTATE.syntaxError, 'unterminated quoted string at end of jsonpath input')
      tokens.push({ kind: 'string', text: '"', value })
      at = end + 1
      continue
    }
    if (c === '$' && text[at + 1] !== undefined && (text[at + 1] === '"' || !isSpecial(text[at + 1]!))) {
      const quoted = text[at + 1] === '"'
      const { value, end } = decodeUntil(text, at + (quoted ? 2 : 1), quoted ? (d) => d === '"' : (d) => d !== '\\' && isSpecial(d))
      tokens.push({ kind: 'variable', text: quoted ? '"' : text.slice(at, end), value })
      at = quoted ? end + 1 : end
      continue
    }
    const number =
      /^(?:0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*|0[oO][0-7](?:_?[0-7])*|0[bB][01](?:_?[01])*|(?:(?:0|[1-9](?:_?\d)*)(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?)/.exec(
        text.slice(at),
      )
    // A name may begin with digits; one character behind a decimal number makes none.
    const junk = /^0\D/.test(number?.[0] ?? '') ? 0 : 1
    if (number !== null && !isLongerName(text, at, number[0].length + junk)) {
      const rest = text.slice(at + number[0].length)
      const exponent = /^[eE][+-]/.exec(rest)
      if (exponent !== null)
        throw new PgError(SQLSTATE.syntaxError, `invalid numeric literal at or near "${number[0]}${exponent[0]}" of jsonpath input`)
      if (rest !== '' && !isSpecial(rest[0]!))
        throw new PgError(SQLSTATE.syntaxError, `trailing junk after numeric literal at or near "${number[0]}${rest[0]}" of jsonpath input`)
      tokens.push({ kind: 'number', text: number[0], value: number[0] })
      at += number[0].length
      continue
    }
    const symbol = SYMBOLS.find((s) => text.startsWith(s, at))
    if (symbol !== undefined) {
      tokens.push({ kind: 'symbol', text: symbol, value: symbol })
      at += symbol.length
      continue
    }
    if (isSpecial(c) && c !== '\\') throw syntaxError(c)
    const { value, end } = decodeUntil(text, at, (d) => d !== '\\' && isSpecial(d))
    tokens.push({ kind: 'word', text: /^(?:[ \t\n\r\f]+|\/\*)?/.exec(text.slice(end))![0], value })
    at = end
  }
  return tokens
}

/** XQuery's flags: i ignores case, s lets the dot match line ends, m anchors at lines, x passes over blanks, q quotes. */
const FLAGS = 'ismxq'

/** Each flag once, in the order in which they are shown. */
function regexFlags(flags: string): string {
  const unknown = Array.from(flags).find((flag) => !FLAGS.includes(flag))
  if (unknown !== undefined)
    throw new PgError(SQLSTATE.syntaxError, 'invalid input syntax for type jsonpath', {
      detail: `Unrecognized flag character "${unknown}" in LIKE_REGEX predicate.`,
    })
  return Array.from(FLAGS)
    .filter((flag) => flags.includes(flag))
    .join('')
}

/** A like_regex's regular expression; throws for one that is none. */
export function pathRegex(pattern: string, flags: string): Regex {
  const quoted = flags.includes('q')
  if (flags.includes('x') && !quoted) throw notSupported('XQuery "x" flag (expanded regular expressions) is not implemented')
  return compileRegex(pattern, {
    ignoreCase: flags.includes('i'),
    newlineStops: !quoted && !flags.includes('s'),
    newlineAnchors: !quoted && flags.includes('m'),
    expanded: false,
    quoted,
    flavor: 'advanced',
  })
}

const METHODS = new Set([
  'abs',
  'size',
  'type',
  'floor',
  'double',
  'ceiling',
  'keyvalue',
  'datetime',
  'bigint',
  'boolean',
  'date',
  'decimal',
  'integer',
  'number',
  'string',
  'time',
  'time_tz',
  'timestamp',
  'timestamp_tz',
])
const WITH_PRECISION: ReadonlySet<string> = new Set(['time', 'time_tz', 'timestamp', 'timestamp_tz'])
/** A number without point and exponent. */
const INTEGER = /^(?:0[xX]\w+|[0-9_]+|0[oObB]\w+)$/
const PREDICATES: ReadonlySet<PathExpr['kind']> = new Set(['and', 'or', 'not', 'isUnknown', 'exists', 'compare', 'startsWith', 'likeRegex'])
const isPredicate = (e: PathExpr): boolean => PREDICATES.has(e.kind)

class Parser {
  readonly tokens: readonly Token[]
  at = 0
  depth = 0
  inFilter = 0
  inIndex = 0

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens
  }

  peek(ahead = 0): Token {
    return this.tokens[this.at + ahead] ?? END
  }

  is(text: string): boolean {
    const token = this.peek()
    return token.kind === 'symbol' && token.text === text
  }

  word(text: string): boolean {
    const token = this.peek()
    return token.kind === 'word' && token.value.toLowerCase() === text
  }

  take(text: string): boolean {
    if (!this.is(text)) return false
    this.at++
    return true
  }

  expect(text: string): void {
    if (!this.take(text)) throw this.error()
  }

  error(): PgError {
    return syntaxError(this.peek().text)
  }

  /** expr_or_predicate, loosest binding first. */
  or(): PathExpr {
    if (++this.depth > MAX_DEPTH) throw new PgError(SQLSTATE.statementTooComplex, 'stack depth limit exceeded')
    let left = this.and()
    while (this.is('||')) {
      this.at++
      left = { kind: 'or', left: this.predicate(left), right: this.predicate(this.and()) }
    }
    this.depth--
    return left
  }

  predicate(e: PathExpr): PathExpr {
    if (!isPredicate(e)) throw this.error()
    return e
  }

  and(): PathExpr {
    let left = this.comparison()
    while (this.is('&&')) {
      this.at++
      left = { kind: 'and', left: this.predicate(left), right: this.predicate(this.comparison()) }
    }
    return left
  }

  comparison(): PathExpr {
    if (this.take('!')) {
      const token = this.peek()
      if (!(token.text === '(' || this.word('exists'))) throw this.error()
      return { kind: 'not', arg: this.predicate(this.primaryPredicate()) }
    }
    const left = this.additive()
    const token = this.peek()
    if (token.kind === 'symbol' && ['==', '!=', '<>', '<', '<=', '>', '>='].includes(token.text)) {
      this.at++
      return { kind: 'compare', op: (token.text === '<>' ? '!=' : token.text) as CompareOp, left, right: this.additive() }
    }
    if (this.word('starts')) {
      this.at++
      if (!this.word('with')) throw this.error()
      this.at++
      const initial = this.peek()
      if (initial.kind === 'string') {
        this.at++
        return { kind: 'startsWith', left, right: { kind: 'literal', value: initial.value } }
      }
      if (initial.kind !== 'variable') throw this.error()
      this.at++
      return { kind: 'startsWith', left, right: { kind: 'variable', name: initial.value } }
    }
    if (this.word('like_regex')) {
      this.at++
      const pattern = this.peek()
      if (pattern.kind !== 'string') throw this.error()
      this.at++
      let flags = ''
      if (this.word('flag')) {
        this.at++
        const token2 = this.peek()
        if (token2.kind !== 'string') throw this.error()
        this.at++
        flags = regexFlags(token2.value)
      }
      pathRegex(pattern.value, flags)
      return { kind: 'likeRegex', arg: left, pattern: pattern.value, flags }
    }
    return left
  }

  primaryPredicate(): PathExpr {
    if (this.word('exists')) return this.primary()
    this.expect('(')
    const inner = this.or()
    this.expect(')')
    return inner
  }

  additive(): PathExpr {
    let left = this.multiplicative()
    while (this.is('+') || this.is('-')) {
      const op = this.tokens[this.at++]!.text as ArithmeticOp
      left = { kind: 'arithmetic', op, left, right: this.multiplicative() }
    }
    return left
  }

  multiplicative(): PathExpr {
    let left = this.unary()
    while (this.is('*') || this.is('/') || this.is('%')) {
      const op = this.tokens[this.at++]!.text as ArithmeticOp
      left = { kind: 'arithmetic', op, left, right: this.unary() }
    }
    return left
  }

  unary(): PathExpr {
    if (this.is('+') || this.is('-')) {
      const op = this.tokens[this.at++]!.text as '+' | '-'
      const arg = this.unary()
      if (arg.kind !== 'literal' || !(arg.value instanceof Numeric)) return { kind: 'unary', op, arg }
      return op === '+' ? arg : { kind: 'literal', value: negateNumeric(arg.value) }
    }
    return this.primary()
  }

  primary(): PathExpr {
    const head = this.head()
    const steps: PathStep[] = []
    for (let step = this.step(); step !== null; step = this.step()) steps.push(step)
    if (steps.length === 0) return head
    return head.kind === 'path' ? { kind: 'path', head: head.head, steps: [...head.steps, ...steps] } : { kind: 'path', head, steps }
  }

  head(): PathExpr {
    const token = this.peek()
    if (token.kind === 'number') {
      this.at++
      return { kind: 'literal', value: parseNumeric(token.value)! }
    }
    if (token.kind === 'string') {
      this.at++
      return { kind: 'literal', value: token.value }
    }
    if (token.kind === 'variable') {
      this.at++
      return { kind: 'variable', name: token.value }
    }
    if (this.take('$')) return { kind: 'root' }
    if (this.take('@')) {
      if (this.inFilter === 0) throw new PgError(SQLSTATE.syntaxError, '@ is not allowed in root expressions')
      return { kind: 'current' }
    }
    if (this.take('(')) {
      const inner = this.or()
      this.expect(')')
      if (this.word('is')) {
        this.at++
        if (!this.word('unknown') || !isPredicate(inner)) throw this.error()
        this.at++
        return { kind: 'isUnknown', arg: inner }
      }
      return inner
    }
    if (token.kind === 'word') {
      switch (token.value) {
        case 'true':
        case 'false':
        case 'null':
          this.at++
          return { kind: 'literal', value: token.value === 'null' ? null : token.value === 'true' }
      }
      switch (token.value.toLowerCase()) {
        case 'last':
          if (this.inIndex === 0) throw new PgError(SQLSTATE.syntaxError, 'LAST is allowed only in array subscripts')
          this.at++
          return { kind: 'last' }
        case 'exists': {
          this.at++
          this.expect('(')
          const arg = this.or()
          this.expect(')')
          return { kind: 'exists', arg }
        }
      }
    }
    throw this.error()
  }

  step(): PathStep | null {
    if (this.take('?')) {
      this.expect('(')
      this.inFilter++
      const predicate = this.predicate(this.or())
      this.inFilter--
      this.expect(')')
      return { kind: 'filter', predicate }
    }
    if (this.take('[')) {
      if (this.take('*')) {
        this.expect(']')
        return { kind: 'anyArray' }
      }
      const ranges: { from: PathExpr; to: PathExpr | null }[] = []
      this.inIndex++
      do {
        const from = this.additive()
        let to: PathExpr | null = null
        if (this.word('to')) {
          this.at++
          to = this.additive()
        }
        ranges.push({ from, to })
      } while (this.take(','))
      this.inIndex--
      this.expect(']')
      return { kind: 'index', ranges }
    }
    if (!this.take('.')) return null
    if (this.take('**')) {
      if (!this.take('{')) return { kind: 'any', first: 0, last: Number.POSITIVE_INFINITY }
      const first = this.level()
      let last = first
      if (this.word('to')) {
        this.at++
        last = this.level()
      }
      this.expect('}')
      return { kind: 'any', first, last }
    }
    if (this.take('*')) return { kind: 'anyKey' }
    const token = this.peek()
    if (token.kind === 'string') {
      this.at++
      return { kind: 'key', name: token.value }
    }
    if (token.kind !== 'word') throw this.error()
    this.at++
    const name = token.value.toLowerCase()
    if (METHODS.has(name) && this.is('(')) {
      this.at++
      const args = this.is(')') ? [] : this.methodArgs(name)
      this.expect(')')
      return { kind: 'method', name, args }
    }
    return { kind: 'key', name: token.value }
  }

  /** What stands between a method's parentheses: decimal's precision and scale, datetime's template, the times' precision. */
  methodArgs(name: string): PathExpr[] {
    if (name === 'decimal') {
      const args = [this.signedInteger()]
      while (this.take(',')) args.push(this.signedInteger())
      if (args.length > 2)
        throw new PgError(SQLSTATE.syntaxError, 'invalid input syntax for type jsonpath', {
          detail: '.decimal() can only have an optional precision[,scale].',
        })
      return args
    }
    if (name === 'datetime' && this.peek().kind === 'string') return [{ kind: 'literal', value: this.tokens[this.at++]!.value }]
    if (WITH_PRECISION.has(name)) return [this.integer()]
    throw this.error()
  }

  integer(): PathExpr & { kind: 'literal'; value: Numeric } {
    const token = this.peek()
    if (token.kind !== 'number' || !INTEGER.test(token.value)) throw this.error()
    this.at++
    return { kind: 'literal', value: parseNumeric(token.value)! }
  }

  signedInteger(): PathExpr {
    const negative = this.is('-')
    if (negative || this.is('+')) this.at++
    const literal = this.integer()
    return negative ? { ...literal, value: negateNumeric(literal.value) } : literal
  }

  level(): number {
    if (this.word('last')) {
      this.at++
      return Number.POSITIVE_INFINITY
    }
    const token = this.peek()
    const level = Number(this.integer().value.unscaled)
    if (level > 2147483647) throw new PgError(SQLSTATE.numericValueOutOfRange, `value "${token.value}" is out of range for type integer`)
    return level
  }
}

export function parseJsonPath(text: string): JsonPath {
  const tokens = tokenize(text)
  if (tokens.length === 0) throw invalidInput('jsonpath', text)
  const parser = new Parser(tokens)
  let lax = true
  if (parser.word('lax') || parser.word('strict')) {
    lax = parser.word('lax')
    parser.at++
  }
  const expr = parser.or()
  if (parser.peek() !== END) throw parser.error()
  return new JsonPath(lax, expr)
}

function priority(e: PathExpr): number {
  switch (e.kind) {
    case 'or':
      return 0
    case 'and':
      return 1
    case 'compare':
    case 'startsWith':
      return 2
    case 'arithmetic':
      return e.op === '+' || e.op === '-' ? 3 : 4
    case 'unary':
      return 5
    default:
      return 6
  }
}

function formatExpr(e: PathExpr, brackets: boolean): string {
  const wrap = (text: string): string => (brackets ? `(${text})` : text)
  const side = (child: PathExpr): string => formatExpr(child, priority(child) <= priority(e))
  switch (e.kind) {
    case 'root':
      return '$'
    case 'current':
      return '@'
    case 'last':
      return 'last'
    case 'variable':
      return `$${quoteJson(e.name)}`
    case 'literal':
      return e.value instanceof Numeric ? formatNumeric(e.value) : typeof e.value === 'string' ? quoteJson(e.value) : String(e.value)
    case 'path': {
      const numeric = e.head.kind === 'literal' && e.head.value instanceof Numeric
      return (numeric ? `(${formatExpr(e.head, true)})` : formatExpr(e.head, true)) + e.steps.map(formatStep).join('')
    }
    case 'unary':
      return wrap(`${e.op}${side(e.arg)}`)
    case 'arithmetic':
    case 'compare':
      return wrap(`${side(e.left)} ${e.op} ${side(e.right)}`)
    case 'and':
      return wrap(`${side(e.left)} && ${side(e.right)}`)
    case 'or':
      return wrap(`${side(e.left)} || ${side(e.right)}`)
    case 'startsWith':
      return wrap(`${side(e.left)} starts with ${side(e.right)}`)
    case 'likeRegex':
      return wrap(`${side(e.arg)} like_regex ${quoteJson(e.pattern)}${e.flags === '' ? '' : ` flag "${e.flags}"`}`)
    case 'not':
      return `!(${formatExpr(e.arg, false)})`
    case 'isUnknown':
      return `(${formatExpr(e.arg, false)}) is unknown`
    case 'exists':
      return `exists (${formatExpr(e.arg, false)})`
  }
}

function formatStep(step: PathStep): string {
  switch (step.kind) {
    case 'key':
      return `.${quoteJson(step.name)}`
    case 'anyKey':
      return '.*'
    case 'anyArray':
      return '[*]'
    case 'index':
      return `[${step.ranges.map(({ from, to }) => formatExpr(from, false) + (to === null ? '' : ` to ${formatExpr(to, false)}`)).join(',')}]`
    case 'any': {
      const level = (n: number): string => (n === Number.POSITIVE_INFINITY ? 'last' : String(n))
      if (step.first === 0 && step.last === Number.POSITIVE_INFINITY) return '.**'
      return step.first === step.last ? `.**{${level(step.first)}}` : `.**{${level(step.first)} to ${level(step.last)}}`
    }
    case 'filter':
      return `?(${formatExpr(step.predicate, false)})`
    case 'method':
      return `.${step.name}(${step.args.map((arg) => formatExpr(arg, false)).join(',')})`
  }
}

export function formatPath(path: JsonPath): string {
  return (path.lax ? '' : 'strict ') + formatExpr(path.expr, true)
}
