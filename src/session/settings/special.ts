// Settings whose text has a grammar of its own: DateStyle, TimeZone, client_encoding, search_path and lists of names.

import { PgError } from '../../base/errors.ts'
import { singleByteEncoding } from '../../base/single-byte-encodings.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { fixedOffsetZone } from '../../sql/commands/set-text.ts'
import { encodingName } from '../../sql/types/encode.ts'
import type { IoSettings } from '../../sql/types/eval-context.ts'

export interface DateStyle {
  style: IoSettings['dateStyle']
  order: IoSettings['dateOrder']
}

/** Applies a DateStyle text to the present one (each word changes its half). 22023 on an unknown or contradicting word. */
export function parseDateStyle(text: string, present: DateStyle): DateStyle {
  let style: DateStyle['style'] | null = null
  let order: DateStyle['order'] | null = null
  /** What a word says besides, as long as none says otherwise. */
  let implied: Partial<DateStyle> = {}
  const conflict = () =>
    new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "DateStyle": "${text}"`, {
      detail: 'Conflicting "DateStyle" specifications.',
    })
  for (const part of text.split(',')) {
    const word = part.trim().toLowerCase()
    let newStyle: DateStyle['style'] | null = null
    let newOrder: DateStyle['order'] | null = null
    if (word === 'iso') newStyle = 'ISO'
    else if (word === 'sql') newStyle = 'SQL'
    else if (word.startsWith('postgres')) newStyle = 'Postgres'
    else if (word === 'german') {
      newStyle = 'German'
      implied = { ...implied, order: 'DMY' }
    } else if (word === 'ymd') newOrder = 'YMD'
    else if (word === 'dmy' || word.startsWith('euro')) newOrder = 'DMY'
    else if (word === 'mdy' || word === 'us' || word.startsWith('noneuro')) newOrder = 'MDY'
    else if (word === 'default') {
      implied = { style: 'ISO', order: 'MDY' }
    } else {
      throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "DateStyle": "${text}"`, {
        detail: `Unrecognized key word: "${word}".`,
      })
    }
    if (newStyle !== null) {
      if (style !== null && style !== newStyle) throw conflict()
      style = newStyle
    }
    if (newOrder !== null) {
      if (order !== null && order !== newOrder) throw conflict()
      order = newOrder
    }
  }
  return { style: style ?? implied.style ?? present.style, order: order ?? implied.order ?? present.order }
}

export function printDateStyle(value: DateStyle): string {
  return `${value.style}, ${value.order}`
}

/** Splits a list of identifiers as SplitIdentifierString: unquoted names fold to lower case. Null on a syntax error. */
export function splitIdentifiers(text: string): string[] | null {
  const names: string[] = []
  let at = 0
  const blank = () => {
    while (at < text.length && /\s/.test(text[at]!)) at++
  }
  blank()
  if (at === text.length) return names
  for (;;) {
    let name = ''
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) return null
        if (text[at] !== '"') name += text[at]
        else if (text[at + 1] === '"') name += text[at++]
        else break
      }
      at++
    } else {
      const start = at
      while (at < text.length && text[at] !== ',' && !/\s/.test(text[at]!)) at++
      if (at === start) return null
      name = text.slice(start, at).toLowerCase()
    }
    names.push(name)
    blank()
    if (at === text.length) return names
    if (text[at] !== ',') return null
    at++
    blank()
  }
}

/** createrole_self_grant: `set` and `inherit`, in any case. */
export function checkSelfGrant(text: string): void {
  const words = splitIdentifiers(text)
  const wrong = words?.find((word) => !['set', 'inherit'].includes(word.toLowerCase()))
  if (words !== null && wrong === undefined) return
  throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "createrole_self_grant": "${text}"`, {
    detail: words === null ? 'List syntax is invalid.' : `Unrecognized key word: "${wrong}".`,
  })
}

/** A time zone of a fixed offset in hours east (`-3`, `5.5`), as the POSIX form PostgreSQL gives it; null when it is no number. */
export function offsetZone(text: string): string | null {
  if (!/^\s*[-+]?(\d+\.?\d*|\.\d+)\s*$/.test(text)) return null
  return fixedOffsetZone(Math.round(Number(text) * 3600))
}

/**
 * The client encodings are UTF8, SQL_ASCII, which is UTF8 unconverted and checked all the same (libpq asks for it in the C locale), and those of
 * one byte per character, under any of their names. 22023 for unknown ones, 0A000 for PostgreSQL's others.
 */
export function checkClientEncoding(text: string): string {
  const name = encodingName(text)
  if (name === undefined) throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for parameter "client_encoding": "${text}"`)
  if (name === 'UTF8' || name === 'SQL_ASCII' || singleByteEncoding(name) !== null) return name
  throw new PgError(SQLSTATE.featureNotSupported, `conversion between ${name} and UTF8 is not supported`, {
    hint: 'Use client_encoding UTF8.',
  })
}
