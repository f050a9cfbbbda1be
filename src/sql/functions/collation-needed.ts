// Which functions cannot do without a collation: where an expression has derived none (its parts have different ones), calling them is an error,
// as in PostgreSQL's check_collation_set.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

const COMPARISON = 'string comparison'

const TEXTUAL = '(?:text|bpchar|name)'
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^${TEXTUAL}n?like$`), 'LIKE'],
  [new RegExp(`^${TEXTUAL}icn?like$`), 'ILIKE'],
  [new RegExp(`^${TEXTUAL}(?:ic)?regex(?:eq|ne)$|^textregexsubstr$|^textregexreplace|^regexp_`), 'regular expression'],
  [/^hash(?:text|bpchar)(?:extended)?$/, 'string hashing'],
  [/^(?:text_?|bpchar)(?:eq|ne|lt|le|gt|ge)$|^(?:name(?:eq|ne|lt|le|gt|ge)text|text(?:eq|ne|lt|le|gt|ge)name)$/, COMPARISON],
  [/^bpcharcmp$|^bttext(?:name)?cmp$|^btnametextcmp$|^(?:text|bpchar)_(?:larger|smaller)$/, COMPARISON],
  [/^textpos$|^replace_text$|^split_part$|^text_starts_with$|^text_to_array(?:_null)?$|^text_to_table(?:_null)?$/, COMPARISON],
]
const BY_NAME: Readonly<Record<string, string>> = {
  upper: 'upper() function',
  lower: 'lower() function',
  initcap: 'initcap() function',
  casefold: 'lower() function',
}

const known = new Map<string, string | null>()

/** What the function of this prosrc needs a collation for, in the words of the error; null when for nothing. */
export function collationUse(prosrc: string): string | null {
  let use = known.get(prosrc)
  if (use === undefined) {
    use = (Object.hasOwn(BY_NAME, prosrc) ? BY_NAME[prosrc] : PATTERNS.find(([pattern]) => pattern.test(prosrc))?.[1]) ?? null
    known.set(prosrc, use)
  }
  return use
}

export function indeterminateCollation(use: string): PgError {
  return new PgError(SQLSTATE.indeterminateCollation, `could not determine which collation to use for ${use}`, {
    hint: 'Use the COLLATE clause to set the collation explicitly.',
  })
}

/** Types whose values have a collation, of PostgreSQL's own: text, varchar, character. */
const COLLATABLE: ReadonlySet<number> = new Set([25, 1042, 1043])

/** A comparison of values of `type` without operator at hand. */
export const needsCollation = (type: number, collation: number): boolean => collation === 0 && COLLATABLE.has(type)

export const stringComparison = (): PgError => indeterminateCollation(COMPARISON)
