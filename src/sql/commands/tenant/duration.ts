// Durations of tenant options: '90 days', '12 hours', '30 minutes'.

import { PgError } from '../../../base/errors.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  month: 30 * 86_400_000,
  year: 365 * 86_400_000,
}
/** A hundred years: longer is a mistake. */
const MAX_MS = 100 * 365 * 86_400_000

/** Milliseconds; 22007 when it is no duration, 22008 when it is not one that makes sense. */
export function parseDuration(text: string, position: number): number {
  const match = /^\s*(\d{1,9})\s*([a-z]+?)s?\s*$/i.exec(text)
  const unit = match === null ? undefined : UNIT_MS[match[2]!.toLowerCase()]
  if (match === null || unit === undefined) {
    throw new PgError(SQLSTATE.invalidDatetimeFormat, `invalid duration: "${text}"`, {
      position,
      hint: "Write a number and a unit, such as '90 days'.",
    })
  }
  const ms = Number(match[1]) * unit
  if (ms > MAX_MS) throw new PgError(SQLSTATE.datetimeFieldOverflow, `duration "${text}" is out of range`, { position })
  return ms
}
