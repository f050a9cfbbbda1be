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
  | { readonly kind: 'key'; readonly key: string; readonly fill: boolean; readonly suffix: 'TH' | 'th' | null }
  /** Text to print; `separator` when it is one punctuation character or space that input may vary. */
  | { readonly kind: 'text'; readonly text: string; readonly separator: boolean }
  | { readonly kind: 'exact' }

function parse(format: string): TemplateNode[] {
  const nodes: TemplateNode[] = []
  let at = 0
  while (at < format.length) {
    let fill = false
    for (;;) {
      const two = format.slice(at, at + 2)
      if (two === 'FM' || two === 'fm') fill = true
      else if (two !== 'TM' && two !== 'tm') break
      at += 2
    }
    const key = KEYWORDS.find((word) => format.startsWith(word, at))
    if (key !== undefined) {
      at += key.length
      let suffix: 'TH' | 'th' | null = null
      const next = format.slice(at, at + 2)
      if (next === 'TH' || next === 'th') {
        suffix = next
        at += 2
      } else if (next === 'SP' || next === 'sp') at += 2
      if (key === 'FX' || key === 'fx') nodes.push({ kind: 'exact' })
      else nodes.push({ kind: 'key', key: CASED.has(key) ? key : key.toUpperCase(), fill, suffix })
      continue
    }
    const c = format[at]
    if (c === undefined) break
    if (c === '"') {
      let text = ''
      for (at++; at < format.length && format[at] !== '"'; at++) {
        if (format[at] === '\\' && at + 1 < format.length) at++
        text += format[at]
      }
      at++
      nodes.push({ kind: 'text', text, separator: false })
      continue
    }
    if (c === '\\' && at + 1 < format.length) at++
    const text = String.fromCodePoint(format.codePointAt(at)!)
    at += text.length
    nodes.push({ kind: 'text', text, separator: /^[ -/:-@[-`{-~]$/.test(text) && c !== '\\' })
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
