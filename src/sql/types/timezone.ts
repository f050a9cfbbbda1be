// Time zones: offset from UTC at an instant, and at a local time. Rules come from Intl once per zone and year and are kept as small tables of
// transitions, so that a value costs an array look-up and never an Intl call. Offsets are seconds east of UTC. // hot

import { PgError } from '../../base/errors.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ZONES } from './timezone-data.ts'

/** Transitions inside one UTC year: `offsets[i]` holds before `at[i]` (Unix seconds), the last one after all. */
interface YearRules {
  readonly at: readonly number[]
  readonly offsets: readonly number[]
}

/** What an offset is called: in use from a Unix second on, until another one of its text or its offset is. */
export interface Abbreviation {
  readonly text: string
  readonly offset: number
  readonly dst: boolean
  readonly from: number
}

export interface TimeZone {
  /** As it prints: the canonical spelling of the name. */
  readonly name: string
  /** Seconds east of UTC when no rule ever changes it; null for zones with rules. */
  readonly fixed: number | null
  /** Rules of a year; only for zones without a fixed offset. */
  readonly years: Map<number, YearRules>
  readonly offsetAt: (unixSeconds: number) => number
  /** In the order of their first use. */
  readonly abbreviations: readonly Abbreviation[]
  /** Of a zone that is an abbreviation with a history (`MSK`): the zone whose history it is. */
  readonly base: TimeZone | null
}

const YEAR_SECONDS = 31556952

/** A zone's spelling, and its history as timezone-data.ts has it. */
interface NameEntry {
  readonly name: string
  readonly history: string
}

let nameTable: Map<string, NameEntry> | null = null
function names(): Map<string, NameEntry> {
  if (nameTable !== null) return nameTable
  const table = new Map<string, NameEntry>()
  for (const [list, history] of Object.entries(ZONES)) {
    for (const name of list.split(' ')) table.set(name.toLowerCase(), { name, history })
  }
  nameTable = table
  return table
}

function readHistory(history: string): Abbreviation[] {
  const parts = history.split(' ')
  const list: Abbreviation[] = []
  for (let i = 0; i < parts.length; i += 2) {
    const [offset = '0', from] = parts[i + 1]!.split('@')
    list.push({
      text: parts[i]!,
      offset: Number.parseInt(offset, 10),
      dst: offset.endsWith('d'),
      from: from === undefined ? Number.NEGATIVE_INFINITY : Number(from),
    })
  }
  return list
}

/** Names for pg_timezone_names. */
export function zoneNames(): string[] {
  return [...names().values()].map((entry) => entry.name)
}

const always = (text: string, offset: number, dst = false): Abbreviation => ({ text, offset, dst, from: Number.NEGATIVE_INFINITY })

export function fixedZone(name: string, offset: number, abbreviation = name): TimeZone {
  return { name, fixed: offset, years: new Map(), offsetAt: () => offset, abbreviations: [always(abbreviation, offset)], base: null }
}

export const UTC = fixedZone('UTC', 0)

const cache = new LruMap<string, TimeZone>(512)

/** A zone by IANA name, POSIX form (`EST5EDT`, `<+03>-3`); null when unknown. Case does not matter. */
export function findZone(text: string): TimeZone | null {
  if (text === lastText) return lastZone
  const zone = cache.get(text) ?? loadZone(text)
  if (zone === null) return null
  cache.set(text, zone)
  lastText = text
  lastZone = zone
  return zone
}
// Nearly every call asks for the session's zone again.
let lastText: string | null = null
let lastZone: TimeZone | null = null

function loadZone(text: string): TimeZone | null {
  const entry = names().get(text.toLowerCase())
  if (entry === undefined) return posixZone(text)
  const abbreviations = readHistory(entry.history)
  const newest = abbreviations.at(-1)!
  if (abbreviations.length === 1) return fixedZone(entry.name, newest.offset, newest.text)
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: entry.name,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    return fixedZone(entry.name, newest.offset, newest.text)
  }
  return ruledZone(entry.name, abbreviations, (unix) => intlOffset(format, unix))
}

function intlOffset(format: Intl.DateTimeFormat, unix: number): number {
  let year = 0
  let month = 0
  let day = 0
  let hour = 0
  let minute = 0
  let second = 0
  let bc = false
  for (const part of format.formatToParts(unix * 1000)) {
    switch (part.type) {
      case 'era':
        bc = part.value.startsWith('B')
        break
      case 'year':
        year = Number(part.value)
        break
      case 'month':
        month = Number(part.value)
        break
      case 'day':
        day = Number(part.value)
        break
      case 'hour':
        hour = Number(part.value)
        break
      case 'minute':
        minute = Number(part.value)
        break
      case 'second':
        second = Number(part.value)
        break
      default:
    }
  }
  const local = new Date(0)
  local.setUTCFullYear(bc ? 1 - year : year, month - 1, day)
  return local.getTime() / 1000 + hour * 3600 + minute * 60 + second - unix
}

/** `probe` answers the offset at an instant; it is asked some sixty times per year and zone, once. */
function ruledZone(name: string, abbreviations: TimeZone['abbreviations'], probe: (unix: number) => number): TimeZone {
  const years = new Map<number, YearRules>()
  let lastYear = Number.NaN
  let last: YearRules = { at: [], offsets: [0] }
  const rulesOf = (year: number): YearRules => {
    let rules = years.get(year)
    if (rules === undefined) {
      rules = findTransitions(probe, year)
      if (years.size > 1000) years.clear()
      years.set(year, rules)
    }
    lastYear = year
    last = rules
    return rules
  }
  const offsetAt = (unix: number): number => {
    // The table's year is any fixed slice of time; it needs no calendar. Beyond 2037 the rules repeat every 400 years.
    let year = Math.floor(unix / YEAR_SECONDS)
    let at = unix
    if (year > 470) {
      const cycles = Math.floor((year - 70) / 400)
      year -= cycles * 400
      at -= cycles * 400 * YEAR_SECONDS
    } else if (year < -130) {
      year = -130
      at = -129.5 * YEAR_SECONDS
    }
    const rules = year === lastYear ? last : rulesOf(year)
    const list = rules.at
    let i = 0
    while (i < list.length && at >= list[i]!) i++
    return rules.offsets[i]!
  }
  return { name, fixed: null, years, offsetAt, abbreviations, base: null }
}

function findTransitions(probe: (unix: number) => number, year: number): YearRules {
  const start = year * YEAR_SECONDS
  const at: number[] = []
  let before = probe(start)
  const offsets = [before]
  const step = YEAR_SECONDS / 24
  for (let i = 1; i <= 24; i++) {
    const high = i === 24 ? start + YEAR_SECONDS - 1 : start + Math.floor(i * step)
    const after = probe(high)
    if (after === before) continue
    let low = start + Math.floor((i - 1) * step)
    let top = high
    while (top - low > 1) {
      const middle = Math.floor((low + top) / 2)
      if (probe(middle) === before) low = middle
      else top = middle
    }
    at.push(top)
    offsets.push(after)
    before = after
  }
  return { at, offsets }
}

const POSIX =
  /^([A-Z]{3,}|<[A-Z0-9+:-]{3,}>|(?=[+-]?\d+:))([+-]?\d{1,3}(?::\d{1,2}(?::\d{1,2})?)?)(?:([A-Z]{3,}|<[A-Z0-9+:-]{3,}>)([+-]?\d{1,3}(?::\d{1,2}(?::\d{1,2})?)?)?(?:,(.*))?)?$/

function posixOffset(text: string): number {
  const negative = text.startsWith('-')
  const [h = '0', m = '0', s = '0'] = text.replace(/^[+-]/, '').split(':')
  const seconds = Number(h) * 3600 + Number(m) * 60 + Number(s)
  return negative ? -seconds : seconds
}

/** POSIX writes offsets west of Greenwich as positive, with a name before them or (`+05:30`) none. Letters are capital ones, whatever was written. */
function posixZone(written: string): TimeZone | null {
  const text = written.toUpperCase()
  const match = POSIX.exec(text)
  if (match === null) return null
  const bare = (s: string): string => s.replace(/[<>]/g, '')
  const std = always(bare(match[1]!), -posixOffset(match[2]!))
  if (Math.abs(std.offset) > 167 * 3600) return null
  if (match[3] === undefined) return fixedZone(text, std.offset, std.text)
  const dst = always(bare(match[3]), match[4] === undefined ? std.offset + 3600 : -posixOffset(match[4]), true)
  const rules = (match[5] ?? 'M3.2.0,M11.1.0').split(',')
  const begin = posixRule(rules[0]!)
  const end = posixRule(rules[1] ?? '')
  if (begin === null || end === null) return null
  const probe = (unix: number): number => {
    const year = new Date(unix * 1000).getUTCFullYear()
    const from = begin(year) - std.offset
    const to = end(year) - dst.offset
    const daylight = from < to ? unix >= from && unix < to : unix >= from || unix < to
    return daylight ? dst.offset : std.offset
  }
  return ruledZone(text, [std, dst], probe)
}

/** `Mm.w.d[/time]`: seconds of the year's change in local time. */
function posixRule(text: string): ((year: number) => number) | null {
  const match = /^M(\d{1,2})\.([1-5])\.([0-6])(?:\/(-?\d{1,3})(?::(\d{1,2}))?(?::(\d{1,2}))?)?$/.exec(text)
  if (match === null) return null
  const month = Number(match[1])
  const week = Number(match[2])
  const day = Number(match[3])
  const time = match[4] === undefined ? 7200 : Number(match[4]) * 3600 + Number(match[5] ?? 0) * 60 + Number(match[6] ?? 0)
  return (year) => {
    const first = new Date(Date.UTC(year, month - 1, 1))
    let dayOfMonth = 1 + ((day - first.getUTCDay() + 7) % 7) + (week - 1) * 7
    const length = new Date(Date.UTC(year, month, 0)).getUTCDate()
    while (dayOfMonth > length) dayOfMonth -= 7
    return Date.UTC(year, month - 1, dayOfMonth) / 1000 + time
  }
}

/** The session's zone: an IANA or POSIX name, an abbreviation, or hours east as SET TIME ZONE took them (`-8`, `5.5`). */
export function sessionZone(setting: string): TimeZone {
  const zone = findZone(setting)
  if (zone !== null) return zone
  if (/^[+-]?\d{1,3}(?:\.\d+)?$/.test(setting)) {
    const offset = Math.round(Number(setting) * 3600)
    const name = `<${offsetText(offset)}>${offsetText(-offset)}`
    const fixed = fixedZone(name, offset, offsetText(offset))
    cache.set(setting, fixed)
    return fixed
  }
  throw new PgError(SQLSTATE.invalidParameterValue, `time zone "${setting}" not recognized`)
}

/** `+05:30`, `-08`: as ISO output and pg_get_timezone print offsets. */
export function offsetText(offset: number): string {
  if (offset === textOffset) return textOfOffset
  textOffset = offset
  textOfOffset = makeOffsetText(offset)
  return textOfOffset
}
let textOffset = Number.NaN
let textOfOffset = ''

function makeOffsetText(offset: number): string {
  const a = Math.abs(offset)
  const h = Math.floor(a / 3600)
  const m = Math.floor((a % 3600) / 60)
  const s = a % 60
  const two = (n: number): string => (n < 10 ? `0${n}` : String(n))
  return `${offset < 0 ? '-' : '+'}${two(h)}${m !== 0 || s !== 0 ? `:${two(m)}` : ''}${s !== 0 ? `:${two(s)}` : ''}`
}

/** Offset in force for local wall-clock seconds (Unix epoch, read as if UTC). A time in a gap or an overlap is read with standard time. */
export function offsetAtLocal(zone: TimeZone, localSeconds: number): number {
  if (zone.fixed !== null) return zone.fixed
  if (zone.base !== null) return zone.offsetAt(localSeconds - offsetAtLocal(zone.base, localSeconds))
  const before = zone.offsetAt(localSeconds - 86400 - zone.offsetAt(localSeconds - 86400))
  const after = zone.offsetAt(localSeconds + 86400 - zone.offsetAt(localSeconds + 86400))
  if (before === after) return before
  const validBefore = zone.offsetAt(localSeconds - before) === before
  const validAfter = zone.offsetAt(localSeconds - after) === after
  if (validBefore && !validAfter) return before
  if (validAfter && !validBefore) return after
  // Both or neither: PostgreSQL takes the earlier rule in a gap and the later one in an overlap when that is standard time.
  return Math.min(before, after)
}
