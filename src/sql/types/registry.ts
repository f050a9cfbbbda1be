// builtinTypeSupport(oid): how values of a builtin type read, print, sort and are stored. Base types come from their families' tables,
// arrays are composed from their elements. A tenant's own types (enums, domains, composites, their arrays) are the catalogue's: it composes
// them per snapshot and asks here first. Nothing here knows a tenant, so everything here may be cached for the process.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { PgTypeRow } from '../builtin/data/rows.ts'
import { rangeByMultirange, rangeByType, typeByOid } from '../builtin/pg-type.ts'
import { arrayTypeSupport } from './array-type.ts'
import { bitTypes } from './bit.ts'
import { boolTypes } from './bool.ts'
import { byteaTypes } from './bytea.ts'
import { datetimeTypes } from './datetime-types.ts'
import { floatTypes } from './float.ts'
import { inetTypes } from './inet.ts'
import { intTypes } from './int.ts'
import { jsonTypes } from './json-types.ts'
import { jsonpathTypes } from './jsonpath-procs.ts'
import { macaddrTypes } from './macaddr.ts'
import { moneyTypes } from './money.ts'
import { numericTypes } from './numeric-type.ts'
import { oidTypes } from './oid.ts'
import { pseudoTypes } from './pseudo.ts'
import type { RangeInfo } from './range.ts'
import { multirangeTypeSupport, rangeTypeSupport } from './range-type.ts'
import { recordTypes } from './record.ts'
import { regTypes } from './reg.ts'
import { snapshotTypes } from './snapshot-type.ts'
import { textTypes } from './text.ts'
import type { TypeFamily, TypeSupport } from './type.ts'
import { uuidTypes } from './uuid.ts'

const FAMILIES: readonly TypeFamily[] = [
  boolTypes,
  intTypes,
  floatTypes,
  textTypes,
  byteaTypes,
  uuidTypes,
  inetTypes,
  oidTypes,
  regTypes,
  pseudoTypes,
  numericTypes,
  datetimeTypes,
  jsonTypes,
  jsonpathTypes,
  recordTypes,
  macaddrTypes,
  bitTypes,
  moneyTypes,
  snapshotTypes,
]

let byName: Map<string, TypeSupport> | null = null
const cache = new Map<Oid, TypeSupport | null>()

function isArray(row: PgTypeRow): boolean {
  return row.typelem !== 0 && row.typlen === -1 && (row.typcategory === 'A' || row.typname === '_record')
}

const infos = new Map<Oid, RangeInfo>()

/** What a builtin range type is over; null for any other type. */
export function rangeInfo(type: Oid): RangeInfo | null {
  const known = infos.get(type)
  if (known !== undefined) return known
  const row = rangeByType(type)
  if (row === undefined) return null
  const support = builtinTypeSupport(row.rngsubtype)
  const info = { type, subtype: row.rngsubtype, support, compare: support.compare! }
  infos.set(type, info)
  return info
}

export function multirangeInfo(type: Oid): RangeInfo | null {
  const row = rangeByMultirange(type)
  return row === undefined ? null : rangeInfo(row.rngtypid)
}

function build(oid: Oid): TypeSupport | null {
  const row = typeByOid(oid)
  if (row === undefined) return null
  byName ??= new Map(FAMILIES.flatMap((family) => Object.entries(family)))
  const own = byName.get(row.typname)
  if (own !== undefined) return own
  if (isArray(row)) {
    const element = findBuiltinType(row.typelem)
    if (element !== null) return arrayTypeSupport(element, row.typelem, row.typdelim)
  }
  if (row.typtype === 'r') return rangeTypeSupport(rangeInfo(oid)!)
  if (row.typtype === 'm') return multirangeTypeSupport(multirangeInfo(oid)!)
  if (row.typtype === 'd') return findBuiltinType(row.typbasetype)
  return null
}

/** Null for an OID that is no builtin type, or one without support yet. */
export function findBuiltinType(oid: Oid): TypeSupport | null {
  let support = cache.get(oid)
  if (support === undefined) {
    support = build(oid)
    cache.set(oid, support)
  }
  return support
}

/** 42704 when there is no such builtin type, 0A000 when it has no support yet. */
export function builtinTypeSupport(oid: Oid): TypeSupport {
  const support = findBuiltinType(oid)
  if (support !== null) return support
  const row = typeByOid(oid)
  if (row === undefined) throw new PgError(SQLSTATE.undefinedObject, `type with OID ${oid} does not exist`)
  throw notSupported(`type ${row.typname} is not implemented`)
}
