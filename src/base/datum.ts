// The forms a SQL value takes in memory, one per type (see each file in sql/types).
//
// bool: boolean · int2, int4, oid and reg*, float4, float8, date (days from 2000-01-01), time (µs): number
// int8, timestamp, timestamptz (µs from 2000-01-01): a number while it is a safe integer, else a bigint; never both for one value
// text family, name, "char", uuid (canonical lower case), json (its text): string · bytea: Uint8Array
// numeric, interval, timetz, jsonb, arrays, records, ranges: small immutable classes in sql/types · NULL: null · void: ''
// `internal` (aggregate states) may be any object and never leaves the executor.

export type Datum = null | boolean | number | bigint | string | Uint8Array | object

/** Immutable once emitted by an operator: whoever receives a row may keep it. */
export type Row = Datum[]
