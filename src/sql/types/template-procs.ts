// Bodies of to_char, to_number, to_date and to_timestamp.

import { toDate, toTimestamp } from './datetime-from-char.ts'
import { intervalToChar, timestampToChar } from './datetime-to-char.ts'
import { floatToChar, integerToChar, numericToChar } from './number-format.ts'
import { toNumber } from './number-from-char.ts'
import type { Procs } from './procs.ts'
import { sessionZone } from './timezone.ts'

export const templateProcs = {
  int4_to_char: (value, format) => integerToChar(value, format, 'integer'),
  int8_to_char: (value, format) => integerToChar(value, format, 'bigint'),
  numeric_to_char: numericToChar,
  float4_to_char: (value, format) => floatToChar(value, format, 6),
  float8_to_char: (value, format) => floatToChar(value, format, 15),
  numeric_to_number: toNumber,
  timestamp_to_char: (value, format) => timestampToChar(value, format, null),
  timestamptz_to_char: (value, format, ctx) => timestampToChar(value, format, sessionZone(ctx.io.timeZone)),
  interval_to_char: intervalToChar,
  to_date: toDate,
  to_timestamp: toTimestamp,
} satisfies Procs
