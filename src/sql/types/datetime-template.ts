// The template language of to_char, to_date and to_timestamp on dates and times: its keywords and its parse.

import { LruMap } from '../../base/lru.ts'

export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
export const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** Longest first within a letter, as PostgreSQL matches. Upper and lower case forms are separate keys where they print differently. */
const KEYWORDS = [
  'A.D.', 'A.M.', 'AD', 'AM', 'B.C.', 'BC', 'CC', 'DAY', 'DDD', 'DD', 'DY', 'Day', 'Dy', 'D', 'FF1', 'FF2', 'FF3', 'FF4', 'FF5', 'FF6', 'FX', 'HH24', 'HH12', 'HH',
  'IDDD', 'ID', 'IW', 'IYYY', 'IYY', 'IY', 'I', 'J', 'MI', 'MM', 'MONTH', 'MON', 'MS', 'Month', 'Mon', 'OF', 'P.M.', 'PM', 'Q', 'RM', 'SSSSS', 'SSSS', 'SS',
  'TZH', 'TZM', 'TZ', 'US', 'WW', 'W', 'Y,YYY', 'YYYY', 'YYY', 'YY', 'Y',
  'a.d.', 'a.m.', 'ad', 'am', 'b.c.', 'bc', 'cc', 'day', 'ddd', 'dd', 'dy', 'd', 'ff1', 'ff2', 'ff3', 'ff4', 'ff5', 'ff6', 'fx', 'hh24', 'hh12', 'hh',
  'iddd', 'id', 'iw', 'iyyy', 'iyy', 'iy', 'i', 'j', 'mi', 'mm', 'month', 'mon', 'ms', 'of', 'p.m.', 'pm', 'q', 'rm', 'sssss', 'ssss', 'ss',
  'tzh', 'tzm', 'tz', 'us', 'ww', 'w', 'y,yyy', 'yyyy', 'yyy', 'yy', 'y',
] // biome-ignore format: a table

/** Keys whose case changes what they print. */
const CASED: ReadonlySet<string> = new Set(
  'A.D. A.M. AD AM B.C. BC P.M. PM DAY DY Day Dy MONTH MON Month Mon RM TZ a.d. a.m. ad am b.c. bc p.m. pm day dy month mon rm tz'.split(
    ' ',
  ),
)

export type TemplateNode =
  /** `name`: as it was written; FM before it, TH behind it. */
  | { readonly kind: 'key'; readonly key: string; readonly name: string; readonly fill: boolean; readonly suffix: 'TH' | 'th' | null }
  /** One character to print; input may vary blanks and separators. */
  | { readonly kind: 'text'; readonly text: string; readonly role: 'char' | 'space' | 'separator' }

/** Punctuation. */
export const isSeparator = (char: string): boolean => /^[!-/:-@[-`{-~]$/.test(char)

const PREFIXES = ['FM', 'fm', 'TM', 'tm']

function parse(format: string): TemplateNode[] {
  const nodes: TemplateNode[] = []
  let at = 0
  const character = (role: 'char' | null): void => {
    const text = String.fromCodePoint(format.codePointAt(at)!)
    at += text.length
    nodes.push({ kind: 'text', text, role: role ?? (isSeparator(text) ? 'separator' : /^[ \t\n\v\f\r]$/.test(text) ? 'space' : 'char') })
  }
  while (at < format.length) {
    const prefix = PREFIXES.find((word) => format.startsWith(word, at))
    if (prefix !== undefined) at += 2
    const name = KEYWORDS.find((word) => format.startsWith(word, at))
    if (name !== undefined) {
      at += name.length
      let suffix: 'TH' | 'th' | null = null
      const next = format.slice(at, at + 2)
      if (next === 'TH' || next === 'th') {
        suffix = next
        at += 2
      } else if (next === 'SP') at += 2
      // Names in the language of the locale are never padded.
      const fill = prefix === 'FM' || prefix === 'fm' || (prefix !== undefined && /^(?:month|day)$/i.test(name))
      nodes.push({ kind: 'key', key: CASED.has(name) ? name : name.toUpperCase(), name, fill, suffix })
    } else if (format[at] === '"') {
      for (at++; at < format.length && format[at] !== '"'; ) {
        if (format[at] === '\\' && at + 1 < format.length) at++
        character('char')
      }
      at++
    } else if (at < format.length) {
      // Outside of quotes a backslash means something before a quote only.
      if (format[at] === '\\' && format[at + 1] === '"') at++
      character(null)
    }
  }
  return nodes
}

const cache = new LruMap<string, TemplateNode[]>(256)
/** The parsed template, remembered by its text. */
export function templateOf(format: string): TemplateNode[] {
  let nodes = cache.get(format)
  if (nodes === undefined) {
    nodes = parse(format)
    cache.set(format, nodes)
  }
  return nodes
}
