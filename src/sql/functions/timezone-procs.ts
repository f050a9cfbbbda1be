// pg_timezone_names and pg_timezone_abbrevs: what the zones are at the transaction's start.

import { EPOCH_SECONDS, USECS_PER_SEC } from '../types/datetime.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { Interval } from '../types/interval.ts'
import type { Procs } from '../types/procs.ts'
import { RecordDatum, type RowType } from '../types/record.ts'
import { builtinTypeSupport } from '../types/registry.ts'
import { findZone, sessionZone, zoneNames } from '../types/timezone.ts'
import { abbreviationFor, abbreviationsOfZone, isDaylight, listedAbbreviations } from '../types/timezone-abbreviations.ts'

const TEXT = 25
const BOOL = 16
const INTERVAL = 1186

function rowType(names: readonly string[], types: readonly number[]): RowType {
  return { type: 2249, fields: names.map((name, i) => ({ name, type: types[i]!, typmod: -1, support: builtinTypeSupport(types[i]!) })) }
}

const span = (seconds: number): Interval => new Interval(0, 0, seconds * USECS_PER_SEC)

/** The transaction's start, in Unix seconds. */
const startOf = (ctx: EvalContext): number => Math.floor(Number(ctx.transactionTimestamp) / USECS_PER_SEC) + EPOCH_SECONDS

function* names(ctx: EvalContext): Generator<RecordDatum> {
  const type = rowType(['name', 'abbrev', 'utc_offset', 'is_dst'], [TEXT, TEXT, INTERVAL, BOOL])
  const now = startOf(ctx)
  for (const name of zoneNames()) {
    const zone = findZone(name)
    if (zone === null) continue
    const offset = zone.offsetAt(now)
    yield new RecordDatum(type, [name, abbreviationFor(zone, offset, now), span(offset), isDaylight(zone, offset, now)])
  }
}

function* abbreviations(list: ReturnType<typeof listedAbbreviations>): Generator<RecordDatum> {
  const type = rowType(['abbrev', 'utc_offset', 'is_dst'], [TEXT, INTERVAL, BOOL])
  for (const { abbrev, offset, dst } of list) yield new RecordDatum(type, [abbrev, span(offset), dst])
}

export const timezoneProcs = {
  pg_timezone_names: names,
  pg_timezone_abbrevs_zone: (ctx) => abbreviations(abbreviationsOfZone(sessionZone(ctx.io.timeZone), startOf(ctx))),
  pg_timezone_abbrevs_abbrevs: (ctx) => abbreviations(listedAbbreviations(ctx.io.timeZoneAbbreviations, startOf(ctx))),
} satisfies Procs
