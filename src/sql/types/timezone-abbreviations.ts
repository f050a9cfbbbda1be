// What time zones' offsets are called: in output, and as input understands it. Some abbreviations (MSK) have meant different offsets at different
// times; the history of a zone tells which.

import { type Abbreviation, findZone, fixedZone, offsetText, sessionZone, type TimeZone } from './timezone.ts'
import { ABBREVIATION_SETS, DEFAULT_ABBREVIATIONS } from './timezone-data.ts'

/** The settings that say what an abbreviation means. */
interface ZoneSettings {
  readonly timeZone: string
  readonly timeZoneAbbreviations: string
}

/** The newest one in use at an instant that `is` holds for, else the first one afterwards. */
function newest(zone: TimeZone, unix: number, is: (one: Abbreviation) => boolean): Abbreviation | undefined {
  const list = zone.abbreviations
  let later: Abbreviation | undefined
  for (let i = list.length - 1; i >= 0; i--) {
    const one = list[i]!
    if (!is(one)) continue
    if (one.from <= unix) return one
    later = one
  }
  return later
}

/** What the zone's offset at an instant is called: `CET`, or the numeric form where its history knows none. */
export function abbreviationFor(zone: TimeZone, offset: number, unix: number): string {
  return newest(zone, unix, (one) => one.offset === offset)?.text ?? (offset === 0 ? 'UTC' : offsetText(offset))
}

/** Whether the zone's offset at an instant is that of daylight saving time. */
export function isDaylight(zone: TimeZone, offset: number, unix: number): boolean {
  return newest(zone, unix, (one) => one.offset === offset)?.dst ?? false
}

/** An abbreviation that a zone uses (upper case) as a zone of its own; undefined when it uses none of that name. */
function zoneOfAbbreviation(zone: TimeZone, text: string): TimeZone | undefined {
  const meanings = zone.abbreviations.filter((one) => one.text === text)
  const first = meanings[0]
  if (first === undefined) return undefined
  if (meanings.every((one) => one.offset === first.offset && one.dst === first.dst)) return fixedZone(text, first.offset)
  return historicZone(zone, text)
}

/** Where the zone has not used it, the zone's own offset counts. */
function historicZone(zone: TimeZone, text: string): TimeZone {
  const isText = (one: Abbreviation): boolean => one.text === text
  return {
    name: text,
    fixed: null,
    years: new Map(),
    offsetAt: (unix) => newest(zone, unix, isText)?.offset ?? zone.offsetAt(unix),
    abbreviations: zone.abbreviations,
    base: zone,
  }
}

/** By set, then by abbreviation in lower case. */
const sets = new Map<string, Map<string, string>>()

function abbreviationSet(name: string): Map<string, string> {
  let set = sets.get(name)
  if (set !== undefined) return set
  set = new Map()
  for (const text of [DEFAULT_ABBREVIATIONS, ABBREVIATION_SETS[name] ?? '']) {
    const parts = text.split(' ')
    for (let i = 0; i + 1 < parts.length; i += 2) set.set(parts[i]!, parts[i + 1]!)
  }
  sets.set(name, set)
  return set
}

const isZone = (meaning: string): boolean => /^[A-Z]/.test(meaning)

/** What an abbreviation (lower case) means by itself. */
function listedZone(set: string, lower: string): TimeZone | undefined {
  const meaning = abbreviationSet(set).get(lower)
  if (meaning === undefined) return undefined
  if (!isZone(meaning)) return fixedZone(lower.toUpperCase(), Number.parseInt(meaning, 10))
  const zone = findZone(meaning)
  return zone === null ? undefined : historicZone(zone, lower.toUpperCase())
}

// What a session's settings make of words: nearly every call asks by the same ones, and for few words.
let cachedZone = ''
let cachedSet = ''
const cached = new Map<string, TimeZone | null>()
const MOST_CACHED = 1000

/** An abbreviation in lower case: as the session's time zone uses it, else as timezone_abbreviations lists it. */
export function zoneAbbreviation(lower: string, settings: ZoneSettings): TimeZone | undefined {
  if (settings.timeZone !== cachedZone || settings.timeZoneAbbreviations !== cachedSet) {
    cached.clear()
    cachedZone = settings.timeZone
    cachedSet = settings.timeZoneAbbreviations
  }
  const known = cached.get(lower)
  if (known !== undefined) return known ?? undefined
  const found = zoneOfAbbreviation(sessionZone(settings.timeZone), lower.toUpperCase()) ?? listedZone(settings.timeZoneAbbreviations, lower)
  if (cached.size >= MOST_CACHED) cached.clear()
  cached.set(lower, found ?? null)
  return found
}

interface ListedAbbreviation {
  readonly abbrev: string
  readonly offset: number
  readonly dst: boolean
}

/** For pg_timezone_abbrevs: the session's zone's own, as they were last used. */
export function abbreviationsOfZone(zone: TimeZone, unix: number): ListedAbbreviation[] {
  const texts = new Set(zone.abbreviations.map((one) => one.text).filter((text) => /^[A-Z]+$/.test(text)))
  return [...texts].map((abbrev) => {
    const { offset, dst } = newest(zone, unix, (one) => one.text === abbrev)!
    return { abbrev, offset, dst }
  })
}

/** For pg_timezone_abbrevs: those of timezone_abbreviations. */
export function listedAbbreviations(set: string, unix: number): ListedAbbreviation[] {
  const list: ListedAbbreviation[] = []
  for (const [lower, meaning] of abbreviationSet(set)) {
    const abbrev = lower.toUpperCase()
    const zone = isZone(meaning) ? findZone(meaning) : null
    if (!isZone(meaning)) list.push({ abbrev, offset: Number.parseInt(meaning, 10), dst: meaning.endsWith('d') })
    if (zone === null) continue
    const used = newest(zone, unix, (one) => one.text === abbrev)
    const offset = used?.offset ?? zone.offsetAt(unix)
    list.push({ abbrev, offset, dst: used?.dst ?? isDaylight(zone, offset, unix) })
  }
  return list
}

/** Whether timezone_abbreviations may have that value. */
export const isAbbreviationSet = (name: string): boolean => Object.hasOwn(ABBREVIATION_SETS, name)
