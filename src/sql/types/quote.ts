// quote_ident and quote_literal: identifiers and literals as SQL text.

import { keywordByWord } from '../builtin/catalogs.ts'
import { byCharacter } from './chars.ts'

/** An identifier in double quotes unless it is safe without: lower case letters, digits, underscores, and no reserved-ish keyword. */
export function quoteIdentifier(name: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(name)) {
    const keyword = keywordByWord(name)
    if (keyword === undefined || keyword.catcode === 'U') return name
  }
  return `"${name.replaceAll('"', '""')}"`
}

const doubled = (text: string): string => text.replaceAll("'", "''").replaceAll('\\', '\\\\')

/** A literal in single quotes, with an E prefix when it holds a backslash. */
export function quoteLiteral(text: string): string {
  const quoted = `'${byCharacter(text, doubled)}'`
  return text.includes('\\') ? ` E${quoted}`.trimStart() : quoted
}
