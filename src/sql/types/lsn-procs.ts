// Arithmetic over pg_lsn, and numeric as one: unsigned numbers of 64 bits.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Int8, normalInt8 } from './codecs.ts'
import { isNaNumeric, isSpecial, type Numeric, numericFromBig, rescaleUnscaled } from './numeric.ts'
import type { Procs } from './procs.ts'

function toLsn(value: bigint): Int8 {
  if (value < 0n || value >= 2n ** 64n) throw new PgError(SQLSTATE.invalidParameterValue, 'pg_lsn out of range')
  return normalInt8(value)
}

function offset(bytes: Numeric, verb: string): bigint {
  if (isNaNumeric(bytes)) throw notSupported(`cannot ${verb} pg_lsn`)
  if (isSpecial(bytes)) throw notSupported('cannot convert infinity to pg_lsn')
  return rescaleUnscaled(bytes, 0)
}

export const lsnProcs = {
  pg_lsn_mi: (a, b) => numericFromBig(BigInt(a) - BigInt(b)),
  pg_wal_lsn_diff: (a, b) => numericFromBig(BigInt(a) - BigInt(b)),
  pg_lsn_pli: (lsn, bytes) => toLsn(BigInt(lsn) + offset(bytes, 'add NaN to')),
  pg_lsn_mii: (lsn, bytes) => toLsn(BigInt(lsn) - offset(bytes, 'subtract NaN from')),
  numeric_pg_lsn(value) {
    if (isNaNumeric(value)) throw notSupported('cannot convert NaN to pg_lsn')
    return toLsn(offset(value, ''))
  },
} satisfies Procs
