// Text → statements. Syntax errors are PostgreSQL's own (42601 with position); tenant statements go through the parser's own front.
// Parsed texts are cached: trees are shared and must never be changed.

import { notSupported, PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE, type Sqlstate } from '../../base/sqlstate.ts'
import type { Node, RawStmt } from './nodes.ts'
import { indexOfByte, positionOfIndex, type SourceText, sourceText } from './positions.ts'
import { mayHoldTenantStatement, splitStatements } from './split.ts'
import { holdsTenantStatement, parseTenantStatement, type TenantStatement } from './tenant-statements.ts'
import { parseToJson, type RawParseFailure, stackDepthExceeded } from './wasm.ts'

export { loadParser } from './wasm.ts'

export interface ParsedStatement {
  /** The raw tree; null for a tenant statement. */
  readonly node: Node | null
  readonly tenant: TenantStatement | null
  /** The whole text, which node locations refer to. */
  readonly source: SourceText
  /** This statement's own text, trimmed. */
  readonly text: string
  /** Where it begins in the source (UTF-16 index). */
  readonly start: number
}

const cache = new LruMap<string, readonly ParsedStatement[]>(LIMITS.parseCacheEntries)

/** Texts whose trees are kept. */
export const cachedTexts = (): number => cache.size

/** The statements of one text; empty for nothing but white space and comments. */
export function parse(text: string): readonly ParsedStatement[] {
  const cached = cache.get(text)
  if (cached !== undefined) return cached
  const statements = mayHoldTenantStatement(text) && holdsTenantStatement(text) ? parsePieces(text) : parseSql(sourceText(text))
  if (text.length <= LIMITS.parseCacheTextLength) cache.set(text, statements)
  return statements
}

function parseSql(source: SourceText): ParsedStatement[] {
  const answer = rawParse(source.text)
  const { stmts } = JSON.parse(answer) as { stmts?: RawStmt[] }
  return statementsOf(source, stmts ?? [])
}

/** The grammar's statements with their own texts. */
export function statementsOf(source: SourceText, stmts: readonly RawStmt[]): ParsedStatement[] {
  return stmts.map((raw) => {
    const from = indexOfByte(source, raw.stmt_location ?? 0)
    const to = raw.stmt_len ? indexOfByte(source, (raw.stmt_location ?? 0) + raw.stmt_len) : source.text.length
    const slice = source.text.slice(from, to)
    const trimmed = slice.trimStart()
    return { node: raw.stmt!, tenant: null, source, text: trimmed.trimEnd(), start: from + slice.length - trimmed.length }
  })
}

/** A text some of whose statements may be tenant statements: each is parsed on its own, blanks keeping its locations. */
function parsePieces(text: string): ParsedStatement[] {
  const statements: ParsedStatement[] = []
  for (const piece of splitStatements(text)) {
    const body = text.slice(piece.start, piece.end)
    const tenant = parseTenantStatement(body, positionOfIndex(text, piece.start) - 1)
    if (tenant !== null) {
      statements.push({ node: null, tenant, source: sourceText(text), text: body.trim(), start: piece.start })
      continue
    }
    const blank = text.slice(0, piece.start).replace(/[^\n]/gu, ' ')
    statements.push(...parseSql(sourceText(blank + body)))
  }
  return statements
}

/** A text as the grammar takes it. */
export function checkedBytes(text: string): Buffer {
  if (text.includes('\0')) {
    throw new PgError(SQLSTATE.characterNotInRepertoire, 'invalid byte sequence for encoding "UTF8": 0x00')
  }
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length > LIMITS.maxStatementBytes) {
    throw new PgError(SQLSTATE.programLimitExceeded, 'statement is too large', {
      detail: `The statement has ${bytes.length} bytes; the limit is ${LIMITS.maxStatementBytes}.`,
      hint: 'Use COPY, or several statements.',
    })
  }
  return bytes
}

function rawParse(text: string): string {
  const bytes = checkedBytes(text)
  let answer: string | RawParseFailure
  try {
    answer = parseToJson(bytes)
  } catch (error) {
    throw error instanceof RangeError ? stackDepthExceeded(error) : error
  }
  if (typeof answer === 'string') return answer
  throw syntaxError(answer, text)
}

/** The grammar's messages that are not plain syntax errors, with their SQLSTATE. */
const OTHER_CODES: readonly (readonly [RegExp, Sqlstate])[] = [
  [/^invalid Unicode escape (value|character)/, SQLSTATE.syntaxError],
  [/^stack depth limit exceeded/, SQLSTATE.statementTooComplex],
  [
    /not (yet )?(supported|implemented)|no longer supported|is not implemented|is only supported for ON DELETE|constraints cannot be (marked|altered)/,
    SQLSTATE.featureNotSupported,
  ],
  [/^role name ".*" is reserved$|cannot be used as a role name here$/, SQLSTATE.reservedName],
  [/^conflicting or redundant escape/, SQLSTATE.invalidEscapeSequence],
  [/^unsafe use of/, SQLSTATE.nonstandardUseOfEscapeCharacter],
  [/^invalid byte sequence/, SQLSTATE.characterNotInRepertoire],
  [/^frame (start|end)/, SQLSTATE.windowingError],
  [/^there is no parameter/, SQLSTATE.undefinedParameter],
  [/^parameter number too large/, SQLSTATE.syntaxError],
]

/** What the grammar adds to its message and the parser's answer leaves out. */
const GRAMMAR_HINTS: Readonly<Record<string, string>> = {
  'missing argument': 'Use NONE to denote the missing argument of a unary operator.',
  'UNENCRYPTED PASSWORD is no longer supported': 'Remove UNENCRYPTED to store the password in encrypted form instead.',
}

/** In E'' it is an escape string's error, in U&'' one of syntax. */
function unicodeEscape(position: number, text: string): PgError {
  const extended = /[uU]/.test([...text.slice(0, position * 2)][position] ?? '')
  return extended
    ? new PgError(SQLSTATE.invalidEscapeSequence, 'invalid Unicode escape', {
        hint: 'Unicode escapes must be \\uXXXX or \\UXXXXXXXX.',
        position,
      })
    : new PgError(SQLSTATE.syntaxError, 'invalid Unicode escape', { hint: 'Unicode escapes must be \\XXXX or \\+XXXXXX.', position })
}

/** What the grammar said, as PostgreSQL tells it. */
export function syntaxError(failure: RawParseFailure, text: string): PgError {
  if (failure.message === 'invalid Unicode escape') return unicodeEscape(failure.cursorPosition, text)
  const code = OTHER_CODES.find(([pattern]) => pattern.test(failure.message))?.[1] ?? SQLSTATE.syntaxError
  const hint = GRAMMAR_HINTS[failure.message]
  const fields = { ...(failure.cursorPosition > 0 && { position: failure.cursorPosition }), ...(hint !== undefined && { hint }) }
  if (code === SQLSTATE.statementTooComplex) return stackDepthExceeded()
  return code === SQLSTATE.featureNotSupported ? notSupported(failure.message).with(fields) : new PgError(code, failure.message, fields)
}
