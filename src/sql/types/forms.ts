// The form a value of each type has in memory (base/datum.ts says it in words), by typname: what the bodies in procs are typed with.

import type { Datum } from '../../base/datum.ts'
import type { ArrayDatum } from './array.ts'
import type { Int8 } from './codecs.ts'
import type { TimeTz } from './datetime.ts'
import type { Inet } from './inet-text.ts'
import type { Interval } from './interval.ts'
import type { Jsonb } from './jsonb.ts'
import type { JsonPath } from './jsonpath.ts'
import type { Numeric } from './numeric.ts'
import type { MultirangeDatum, RangeDatum } from './range.ts'
import type { RecordDatum } from './record.ts'

/** Whatever a polymorphic or pseudo-type argument holds. */
export type Any = NonNullable<Datum>

/**
 * A family's file adds its classes here. Types not listed have no form yet (`unknown`), so that a body over them does not compile by accident.
 * `internal` is `never` as an argument: a body declares the state it really takes (executor and registry hand back what it returned).
 */
export interface DatumForms {
  bool: boolean
  int2: number
  int4: number
  int8: Int8
  float4: number
  float8: number
  numeric: Numeric
  oid: number
  xid: number
  cid: number
  xid8: Int8
  pg_snapshot: string
  txid_snapshot: string
  tid: string
  pg_lsn: Int8
  regproc: number
  regprocedure: number
  regoper: number
  regoperator: number
  regclass: number
  regtype: number
  regrole: number
  regnamespace: number
  regcollation: number
  regconfig: number
  regdictionary: number
  text: string
  varchar: string
  bpchar: string
  name: string
  char: string
  cstring: string
  unknown: string
  refcursor: string
  uuid: string
  json: string
  jsonpath: JsonPath
  xml: string
  bytea: Uint8Array
  aclitem: string
  date: number
  time: number
  timetz: TimeTz
  timestamp: Int8
  timestamptz: Int8
  interval: Interval
  jsonb: Jsonb
  money: Int8
  inet: Inet
  cidr: Inet
  macaddr: string
  macaddr8: string
  bit: string
  varbit: string
  int4range: RangeDatum
  int8range: RangeDatum
  numrange: RangeDatum
  daterange: RangeDatum
  tsrange: RangeDatum
  tstzrange: RangeDatum
  int4multirange: MultirangeDatum
  int8multirange: MultirangeDatum
  nummultirange: MultirangeDatum
  datemultirange: MultirangeDatum
  tsmultirange: MultirangeDatum
  tstzmultirange: MultirangeDatum
  oidvector: ArrayDatum
  int2vector: ArrayDatum
  void: ''
  any: Any
  anyelement: Any
  anynonarray: Any
  anyenum: Any
  anyarray: ArrayDatum
  anyrange: RangeDatum
  anymultirange: MultirangeDatum
  anycompatible: Any
  anycompatiblenonarray: Any
  anycompatiblearray: ArrayDatum
  anycompatiblerange: RangeDatum
  anycompatiblemultirange: MultirangeDatum
  record: RecordDatum
  pg_node_tree: string
  /** VARIADIC "any": the individual arguments, or null for VARIADIC NULL. */
  variadic_any: readonly Datum[]
}

/** Every array type `_x`. */
export type ArrayForm = ArrayDatum

export type Form<Name extends string | undefined> = Name extends keyof DatumForms
  ? DatumForms[Name]
  : Name extends `_${string}`
    ? ArrayForm
    : unknown

/** As an argument: `internal` is whatever state the body itself returned. */
export type ArgForm<Name extends string | undefined> = Name extends 'internal' ? never : Form<Name>
/** As a result. */
export type ResultForm<Name extends string | undefined> = Name extends 'internal' ? object : Form<Name>
