// One setting's value: reading, checking and printing it as PostgreSQL's guc.c does, from the rows of pg_settings.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { SettingRow } from '../../sql/builtin/pg-settings.ts'

const MEMORY_UNITS: readonly (readonly [string, number])[] = [
  ['TB', 2 ** 40],
  ['GB', 2 ** 30],
  ['MB', 2 ** 20],
  ['kB', 2 ** 10],
  ['B', 1],
]
/** In microseconds. */
const TIME_UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000_000],
  ['h', 3_600_000_000],
  ['min', 60_000_000],
  ['s', 1_000_000],
  ['ms', 1000],
  ['us', 1],
]

/** Size of a setting's own unit in bytes or microseconds, with the table its values may be written in; null = a plain number. */
function unitOf(unit: string | null): { size: number; units: readonly (readonly [string, number])[]; memory: boolean } | null {
  switch (unit) {
    case null:
    case '':
      return null
    case 'B':
      return { size: 1, units: MEMORY_UNITS, memory: true }
    case 'kB':
      return { size: 1024, units: MEMORY_UNITS, memory: true }
    case '8kB':
      return { size: 8192, units: MEMORY_UNITS, memory: true }
    case 'MB':
      return { size: 2 ** 20, units: MEMORY_UNITS, memory: true }
    case 'ms':
      return { size: 1000, units: TIME_UNITS, memory: false }
    case 's':
      return { size: 1_000_000, units: TIME_UNITS, memory: false }
    case 'min':
      return { size: 60_000_000, units: TIME_UNITS, memory: false }
    default:
      return null
  }
}

function invalid(row: SettingRow, text: string, hint?: string): PgError {
  return new PgError(
    SQLSTATE.invalidParameterValue,
    `invalid value for parameter "${row.name}": "${text}"`,
    hint === undefined ? {} : { hint },
  )
}

/** A boolean as parse_bool reads it: any unambiguous prefix of true, false, yes, no, on, off, and 1, 0. Null = none of them. */
export function parseBool(text: string): boolean | null {
  const value = text.trim().toLowerCase()
  if (value === '') return null
  if (value === '1' || value === 'on' || 'true'.startsWith(value) || 'yes'.startsWith(value)) return true
  if (value === '0' || (value.length > 1 && 'off'.startsWith(value)) || 'false'.startsWith(value) || 'no'.startsWith(value)) return false
  return null
}

function parseNumber(row: SettingRow, text: string): number {
  const match = /^\s*([-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?))\s*([a-zA-Z]*)\s*$/.exec(text)
  if (match === null) throw invalid(row, text)
  const value = Number(match[1])
  const suffix = match[2]!
  const unit = unitOf(row.unit)
  if (suffix === '') return value
  const hint =
    unit === null
      ? undefined
      : unit.memory
        ? 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'
        : 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".'
  const found = unit?.units.find(([name]) => name === suffix)
  if (unit === null || found === undefined) throw invalid(row, text, hint)
  return (value * found[1]) / unit.size
}

/** Levels of messages that are accepted and that neither pg_settings nor a hint tells. */
const HIDDEN_LEVELS: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'client_min_messages',
    new Map([
      ['debug', 'debug2'],
      ['info', 'info'],
    ]),
  ],
  ['log_min_messages', new Map([['debug', 'debug2']])],
  ['log_min_error_statement', new Map([['debug', 'debug2']])],
])

/** Text as a client wrote it → the normal form kept and compared. Errors 22023 with PostgreSQL's words. */
export function normalize(row: SettingRow, text: string): string {
  switch (row.vartype) {
    case 'bool': {
      const value = parseBool(text)
      if (value === null) throw new PgError(SQLSTATE.invalidParameterValue, `parameter "${row.name}" requires a Boolean value`)
      return value ? 'on' : 'off'
    }
    case 'enum': {
      const value = text.toLowerCase()
      const found = row.enumvals?.find((name) => name.toLowerCase() === value)
      if (found !== undefined) return found
      const hidden = HIDDEN_LEVELS.get(row.name)?.get(value)
      if (hidden !== undefined) return hidden
      // Enumerations with on and off also take the other spellings of booleans.
      const bool = parseBool(text)
      const alias = bool === null ? undefined : row.enumvals?.find((name) => name === (bool ? 'on' : 'off'))
      if (alias !== undefined) return alias
      throw invalid(row, text, `Available values: ${row.enumvals?.join(', ') ?? ''}.`)
    }
    case 'integer':
    case 'real': {
      const number = parseNumber(row, text)
      const value = row.vartype === 'integer' ? roundHalfEven(number) : number
      if (row.vartype === 'integer' && (value > 2_147_483_647 || value < -2_147_483_648)) {
        throw invalid(row, text, 'Value exceeds integer range.')
      }
      const min = Number(row.min_val)
      const max = Number(row.max_val)
      if (value < min || value > max) {
        const unit = row.unit === null || row.unit === '' ? '' : ` ${row.unit}`
        throw new PgError(
          SQLSTATE.invalidParameterValue,
          `${value}${unit} is outside the valid range for parameter "${row.name}" (${row.min_val}${unit} .. ${row.max_val}${unit})`,
        )
      }
      return String(value)
    }
    default:
      return text
  }
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest < 0.5) return floor
  if (rest > 0.5) return floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/** The normal form as SHOW prints it: numbers with a unit in the largest unit that divides them. */
export function display(row: SettingRow, value: string): string {
  if (row.vartype !== 'integer' && row.vartype !== 'real') return value
  const unit = unitOf(row.unit)
  const number = Number(value)
  if (unit === null || number <= 0) return value
  const base = number * unit.size
  for (const [name, size] of unit.units) {
    if (base % size === 0 && size >= (unit.memory ? 1 : 1)) return `${base / size}${name}`
  }
  return value
}
