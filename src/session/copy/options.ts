// COPY's options, checked as PostgreSQL's ProcessCopyOptions does.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { encodingName } from '../../sql/types/encode.ts'
import { parseInt8 } from '../../sql/types/integer.ts'
import { parseBool } from '../settings/guc.ts'

export interface CopyOptions {
  readonly format: 'text' | 'csv' | 'binary'
  /** One byte each. */
  readonly delimiter: number
  readonly quote: number
  readonly escape: number
  readonly null: string
  /** Text that stands for a column's default; null = none. */
  readonly default: string | null
  readonly header: 'off' | 'on' | 'match'
  /** '*' = all columns. */
  readonly forceQuote: readonly string[] | '*'
  readonly forceNotNull: readonly string[] | '*'
  readonly forceNull: readonly string[] | '*'
  readonly freeze: boolean
  /** As ENCODING names it; null = the client's. */
  readonly encoding: string | null
  readonly onError: 'stop' | 'ignore'
  readonly rejectLimit: number | null
  readonly verbosity: 'default' | 'verbose' | 'silent'
}

/** One option as written: a string, number, boolean word, list of names, '*', or nothing. */
export interface RawCopyOption {
  readonly name: string
  readonly value: string | readonly string[] | null
  readonly star: boolean
  readonly position: number | null
}

const invalid = (message: string, option: RawCopyOption | null = null) =>
  new PgError(SQLSTATE.invalidParameterValue, message, option === null || option.position === null ? {} : { position: option.position })
const unsupported = (message: string) => new PgError(SQLSTATE.featureNotSupported, message)
const syntax = (message: string, position: number | null) =>
  new PgError(SQLSTATE.syntaxError, message, position === null ? {} : { position })

function text(option: RawCopyOption): string {
  if (typeof option.value === 'string') return option.value
  throw syntax(`${option.name} requires a parameter`, null)
}

/** As int8's input has it. */
function rowCount(option: RawCopyOption): number {
  if (option.value === null) throw syntax(`${option.name} requires a numeric value`, null)
  return Number(parseInt8(text(option)))
}

function flag(option: RawCopyOption): boolean {
  if (option.value === null) return true
  const value = parseBool(text(option))
  if (value === null) throw syntax(`${option.name} requires a Boolean value`, null)
  return value
}

function names(option: RawCopyOption): readonly string[] | '*' {
  if (option.star) return '*'
  if (Array.isArray(option.value)) return option.value as readonly string[]
  throw new PgError(
    SQLSTATE.invalidParameterValue,
    `argument to option "${option.name}" must be a list of column names`,
    option.position === null ? {} : { position: option.position },
  )
}

function oneByte(value: string, what: string): number {
  if (Buffer.byteLength(value) !== 1) throw unsupported(`COPY ${what} must be a single one-byte character`)
  return value.charCodeAt(0)
}

/** Errors 22023, 42601, 0A000 with PostgreSQL's words. */
export function copyOptions(raw: readonly RawCopyOption[], isFrom: boolean): CopyOptions {
  const given = new Map<string, RawCopyOption>()
  for (const option of raw) {
    if (given.has(option.name)) throw syntax('conflicting or redundant options', option.position)
    given.set(option.name, option)
  }
  let format: CopyOptions['format'] = 'text'
  let header: CopyOptions['header'] = 'off'
  let freeze = false
  let encoding: string | null = null
  let onError: CopyOptions['onError'] = 'stop'
  let rejectLimit: number | null = null
  let verbosity: CopyOptions['verbosity'] = 'default'
  for (const option of raw) {
    switch (option.name) {
      case 'format': {
        const value = text(option)
        if (value !== 'text' && value !== 'csv' && value !== 'binary') {
          throw new PgError(
            SQLSTATE.invalidParameterValue,
            `COPY format "${value}" not recognized`,
            option.position === null ? {} : { position: option.position },
          )
        }
        format = value
        break
      }
      case 'header': {
        if (typeof option.value === 'string' && option.value.toLowerCase() === 'match') {
          if (!isFrom) throw unsupported('cannot use "match" with HEADER in COPY TO')
          header = 'match'
          break
        }
        const value = option.value === null ? true : parseBool(text(option))
        if (value === null) throw syntax('header requires a Boolean value or "match"', null)
        header = value ? 'on' : 'off'
        break
      }
      case 'encoding': {
        encoding = encodingName(text(option)) ?? null
        if (encoding === null) {
          throw new PgError(
            SQLSTATE.invalidParameterValue,
            'argument to option "encoding" must be a valid encoding name',
            option.position === null ? {} : { position: option.position },
          )
        }
        break
      }
      case 'freeze':
        freeze = flag(option)
        if (freeze && !isFrom) throw invalid('COPY FREEZE cannot be used with COPY TO')
        break
      case 'on_error': {
        const value = text(option).toLowerCase()
        if (!isFrom) throw invalid('COPY ON_ERROR cannot be used with COPY TO', option)
        if (value !== 'stop' && value !== 'ignore') throw invalid(`COPY ON_ERROR "${text(option)}" not recognized`, option)
        onError = value
        break
      }
      case 'reject_limit':
        rejectLimit = rowCount(option)
        if (rejectLimit <= 0) throw invalid(`REJECT_LIMIT (${text(option)}) must be greater than zero`)
        break
      case 'log_verbosity': {
        const value = text(option).toLowerCase()
        if (value !== 'default' && value !== 'verbose' && value !== 'silent') {
          throw invalid(`COPY LOG_VERBOSITY "${text(option)}" not recognized`, option)
        }
        verbosity = value
        break
      }
      case 'delimiter':
      case 'null':
      case 'default':
      case 'quote':
      case 'escape':
      case 'force_quote':
      case 'force_not_null':
      case 'force_null':
        break
      default:
        throw syntax(`option "${option.name}" not recognized`, option.position)
    }
  }
  const csv = format === 'csv'
  const option = (name: string) => given.get(name)
  if (format === 'binary') {
    for (const name of ['delimiter', 'null', 'default'] as const) {
      if (option(name) !== undefined) throw syntax(`cannot specify ${name.toUpperCase()} in BINARY mode`, null)
    }
    if (header !== 'off') throw unsupported('cannot specify HEADER in BINARY mode')
    if (onError === 'ignore') throw syntax('only ON_ERROR STOP is allowed in BINARY mode', null)
  }
  const delimiterText = option('delimiter') === undefined ? (csv ? ',' : '\t') : text(option('delimiter')!)
  const nullText = option('null') === undefined ? (csv ? '' : '\\N') : text(option('null')!)
  const defaultText = option('default') === undefined ? null : text(option('default')!)
  const delimiter = oneByte(delimiterText, 'delimiter')
  if (/[\r\n]/.test(delimiterText)) throw invalid('COPY delimiter cannot be newline or carriage return')
  if (/[\r\n]/.test(nullText)) throw invalid('COPY null representation cannot use newline or carriage return')
  if (defaultText !== null && /[\r\n]/.test(defaultText)) throw invalid('COPY default representation cannot use newline or carriage return')
  if (!csv && '\\.abcdefghijklmnopqrstuvwxyz0123456789'.includes(delimiterText)) {
    throw invalid(`COPY delimiter cannot be "${delimiterText}"`)
  }
  for (const name of ['quote', 'escape', 'force_quote', 'force_not_null', 'force_null']) {
    if (!csv && option(name) !== undefined) throw unsupported(`COPY ${name.toUpperCase()} requires CSV mode`)
  }
  const quoteText = option('quote') === undefined ? '"' : text(option('quote')!)
  const quote = oneByte(quoteText, 'quote')
  if (csv && delimiterText === quoteText) throw invalid('COPY delimiter and quote must be different')
  const escapeByte = option('escape') === undefined ? quote : oneByte(text(option('escape')!), 'escape')
  for (const [name, only] of [
    ['force_quote', 'FROM'],
    ['force_not_null', 'TO'],
    ['force_null', 'TO'],
  ] as const) {
    if (option(name) !== undefined && isFrom === (only === 'FROM')) {
      throw (only === 'FROM' ? unsupported : invalid)(`COPY ${name.toUpperCase()} cannot be used with COPY ${only}`)
    }
  }
  if (nullText.includes(delimiterText)) throw invalid('COPY delimiter character must not appear in the NULL specification')
  if (csv && nullText.includes(quoteText)) throw invalid('CSV quote character must not appear in the NULL specification')
  if (defaultText !== null) {
    if (!isFrom) throw unsupported('COPY DEFAULT cannot be used with COPY TO')
    if (defaultText.includes(delimiterText)) throw invalid('COPY delimiter character must not appear in the DEFAULT specification')
    if (csv && defaultText.includes(quoteText)) throw invalid('CSV quote character must not appear in the DEFAULT specification')
    if (defaultText === nullText) throw invalid('NULL specification and DEFAULT specification cannot be the same')
  }
  if (rejectLimit !== null && onError !== 'ignore') throw invalid('COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE')
  const list = (name: string): readonly string[] | '*' => (option(name) === undefined ? [] : names(option(name)!))
  return {
    format,
    delimiter,
    quote,
    escape: escapeByte,
    null: nullText,
    default: defaultText,
    header,
    forceQuote: list('force_quote'),
    forceNotNull: list('force_not_null'),
    forceNull: list('force_null'),
    freeze,
    encoding,
    onError,
    rejectLimit,
    verbosity,
  }
}
