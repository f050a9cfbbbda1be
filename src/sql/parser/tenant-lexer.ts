// Tokens of the tenant statements. Words may hold a hyphen between letters or digits (tenant names do) and keep their case.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { positionOfIndex } from './positions.ts'

export interface TenantToken {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol'
  /** Unquoted content. */
  readonly text: string
  readonly start: number
  readonly end: number
}

const SPACE = /(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)+/y
const WORD = /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*(?:-[\w]+)*/y
const NUMBER = /\d+(?:-[\w]+)+|\d+[A-Za-z_][\w]*(?:-[\w]+)*|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** Null when something stands here that no tenant statement has (dollar quotes, parameters): the grammar shall judge it. */
export function tokenizeTenant(text: string): TenantToken[] | null {
  const tokens: TenantToken[] = []
  let i = 0
  while (i < text.length) {
    SPACE.lastIndex = i
    if (SPACE.test(text)) {
      i = SPACE.lastIndex
      continue
    }
    const c = text[i]!
    if (c === "'" || c === '"') {
      let content = ''
      let j = i + 1
      for (;;) {
        const quote = text.indexOf(c, j)
        if (quote < 0) {
          const what = c === "'" ? 'quoted string' : 'quoted identifier'
          throw new PgError(SQLSTATE.syntaxError, `unterminated ${what} at or near "${text.slice(i)}"`, {
            position: positionOfIndex(text, i),
          })
        }
        content += text.slice(j, quote)
        j = quote + 1
        if (text[j] !== c) break
        content += c
        j++
      }
      tokens.push({ kind: c === "'" ? 'string' : 'quoted', text: content, start: i, end: j })
      i = j
      continue
    }
    NUMBER.lastIndex = i
    const number = NUMBER.exec(text)
    if (number !== null) {
      const kind = /^[\d.]+(?:[eE][+-]?\d+)?$/.test(number[0]) ? 'number' : 'word'
      tokens.push({ kind, text: number[0], start: i, end: i + number[0].length })
      i += number[0].length
      continue
    }
    WORD.lastIndex = i
    const word = WORD.exec(text)
    if (word !== null) {
      tokens.push({ kind: 'word', text: word[0], start: i, end: i + word[0].length })
      i += word[0].length
      continue
    }
    if (c === '$') return null
    tokens.push({ kind: 'symbol', text: c, start: i, end: i + 1 })
    i++
  }
  return tokens
}
