// Hashes of values made of others (arrays, records, ranges) and of times: each part by its type's default hash function; also numeric's and
// jsonb's.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { pgAmprocs, pgOpfamilies } from '../builtin/pg-index.ts'
import { procByOid } from '../builtin/pg-proc.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import { type Int8, normalInt8 } from '../types/codecs.ts'
import type { TimeTz } from '../types/datetime.ts'
import { storedDay } from '../types/datetime.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { hashUint32, hashUint32Extended, int8HashWord } from '../types/hash.ts'
import type { Interval } from '../types/interval.ts'
import { hashNumeric, hashNumericExtended } from '../types/numeric-hash.ts'
import type { ProcBody, Procs } from '../types/procs.ts'
import type { MultirangeDatum, RangeDatum } from '../types/range.ts'
import { rangeFlags } from '../types/range-type.ts'
import type { Present } from '../types/type.ts'
import { hashJsonb, hashJsonbExtended } from './jsonb-hash.ts'

const HASH_METHOD = 405
let functions: Map<string, string> | null = null

/** prosrc of hash function 1 (int4) or 2 (int8, seeded) of a type's hash operator family. */
function hashSource(type: Oid, number: 1 | 2): string | undefined {
  if (functions === null) {
    functions = new Map()
    const families = new Set(
      pgOpfamilies()
        .filter((row) => row.opfmethod === HASH_METHOD)
        .map((row) => row.oid),
    )
    for (const row of pgAmprocs()) {
      if (families.has(row.amprocfamily)) functions.set(`${row.amproclefttype} ${row.amprocnum}`, procByOid(row.amproc)!.prosrc)
    }
  }
  return functions.get(`${type} ${number}`)
}

const wrap64 = (value: bigint): Int8 => normalInt8(BigInt.asIntN(64, value))

const hashInt8 = (value: Int8): number => hashUint32(int8HashWord(value))
const hashInt8Extended = (value: Int8, seed: Int8): Int8 => hashUint32Extended(int8HashWord(value), seed)

/** The infinities are the extremes of int8 there. */
const stored = (value: Int8): Int8 => (value === Infinity ? 2n ** 63n - 1n : value === -Infinity ? -(2n ** 63n) : value)
/** Its length in microseconds, in days of 24 hours and months of 30 days, cut to 64 bits. */
const spanOf = (a: Interval): Int8 => wrap64(BigInt(stored(a.micros)) + (storedInt(a.months) * 30n + storedInt(a.days)) * 86_400_000_000n)

/** Of int4, in an infinite interval's months and days. */
const storedInt = (value: number): bigint => (value === Infinity ? 2n ** 31n - 1n : value === -Infinity ? -(2n ** 31n) : BigInt(value))

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by))
const rotate64 = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) | (BigInt.asUintN(64, value) >> 63n))

/** `find` is the registry's: a body by its prosrc. */
export function composedHashProcs(find: (prosrc: string) => ProcBody | undefined) {
  const hashFunction = (type: Oid, number: 1 | 2): ProcBody => {
    const body = find(hashSource(type, number) ?? '')
    if (body === undefined)
      throw new PgError(SQLSTATE.undefinedFunction, `could not identify a hash function for type ${typeByOid(type)?.typname ?? type}`)
    return body
  }
  const hash32 = (type: Oid, value: Present, ctx: EvalContext): number => hashFunction(type, 1)(value, ctx) as number
  const hash64 = (type: Oid, value: Present, seed: Int8, ctx: EvalContext): bigint =>
    BigInt(hashFunction(type, 2)(value, seed, ctx) as Int8)
  function hashRange(r: RangeDatum, ctx: EvalContext): number {
    const bound = (value: Present | null): number => (value === null ? 0 : hash32(r.info.subtype, value, ctx))
    return rotate(hashUint32(rangeFlags(r)) ^ bound(r.lower), 1) ^ bound(r.upper)
  }
  function hashRangeExtended(r: RangeDatum, seed: Int8, ctx: EvalContext): bigint {
    const bound = (value: Present | null): bigint => (value === null ? 0n : BigInt.asUintN(64, hash64(r.info.subtype, value, seed, ctx)))
    return rotate64(BigInt.asUintN(64, BigInt(hashUint32Extended(rangeFlags(r), seed))) ^ bound(r.lower)) ^ bound(r.upper)
  }

  return {
    hash_array(a, ctx) {
      let result = 1
      for (const element of a.elements) result = (Math.imul(result, 31) + (element === null ? 0 : hash32(a.elementType, element, ctx))) | 0
      return result
    },
    hash_array_extended(a, seed, ctx) {
      let result = 1n
      for (const element of a.elements) result = result * 31n + (element === null ? 0n : hash64(a.elementType, element, seed, ctx))
      return wrap64(result)
    },
    hash_record(record, ctx) {
      let result = 0
      for (const [i, field] of record.rowType.fields.entries()) {
        const value = record.values[i] ?? null
        const hash = hashFunction(field.type, 1)
        result = (Math.imul(result, 31) + (value === null ? 0 : (hash(value, ctx) as number))) | 0
      }
      return result
    },
    hash_record_extended(record, seed, ctx) {
      let result = 0n
      for (const [i, field] of record.rowType.fields.entries()) {
        const value = record.values[i] ?? null
        const hash = hashFunction(field.type, 2)
        result = result * 31n + (value === null ? 0n : BigInt(hash(value, seed, ctx) as Int8))
      }
      return wrap64(result)
    },
    hash_range: hashRange,
    hash_range_extended: (r, seed, ctx) => wrap64(hashRangeExtended(r, seed, ctx)),
    hash_numeric: hashNumeric,
    hash_numeric_extended: hashNumericExtended,
    jsonb_hash: hashJsonb,
    jsonb_hash_extended: (value, seed) => normalInt8(hashJsonbExtended(value, seed)),
    hash_multirange(m: MultirangeDatum, ctx: EvalContext) {
      let result = 1
      for (const range of m.ranges) result = (Math.imul(result, 31) + hashRange(range, ctx)) | 0
      return result
    },
    hash_multirange_extended(m: MultirangeDatum, seed: Int8, ctx: EvalContext) {
      let result = 1n
      for (const range of m.ranges) result = result * 31n + hashRangeExtended(range, seed, ctx)
      return wrap64(result)
    },
    hashdate: (a) => hashUint32(storedDay(a)),
    hashdateextended: (a, seed) => hashUint32Extended(storedDay(a), seed),
    time_hash: hashInt8,
    time_hash_extended: hashInt8Extended,
    timestamp_hash: (a) => hashInt8(stored(a)),
    timestamp_hash_extended: (a, seed) => hashInt8Extended(stored(a), seed),
    timestamptz_hash: (a: Int8) => hashInt8(stored(a)),
    timestamptz_hash_extended: (a: Int8, seed: Int8) => hashInt8Extended(stored(a), seed),
    timetz_hash: (a: TimeTz) => hashInt8(a.micros) ^ hashUint32(a.zone),
    timetz_hash_extended: (a: TimeTz, seed: Int8) =>
      wrap64(BigInt(hashInt8Extended(a.micros, seed)) ^ BigInt(hashUint32Extended(a.zone, seed))),
    interval_hash: (a) => hashInt8(spanOf(a)),
    interval_hash_extended: (a, seed) => hashInt8Extended(spanOf(a), seed),
  } satisfies Procs
}
