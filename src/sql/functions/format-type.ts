// format_type: a type's name as SQL prints it (`character varying(20)`, `timestamp(3) with time zone`, `integer[]`).

import { TYPE_OID } from '../builtin/data/type-oids.ts'

/** Types whose SQL name differs from typname; `typmod` is printed where the second part goes. */
const SQL_NAMES: Readonly<Record<number, readonly [string, string]>> = {
  [TYPE_OID.bit]: ['bit', ''],
  [TYPE_OID.bool]: ['boolean', ''],
  [TYPE_OID.bpchar]: ['character', ''],
  [TYPE_OID.float4]: ['real', ''],
  [TYPE_OID.float8]: ['double precision', ''],
  [TYPE_OID.int2]: ['smallint', ''],
  [TYPE_OID.int4]: ['integer', ''],
  [TYPE_OID.int8]: ['bigint', ''],
  [TYPE_OID.numeric]: ['numeric', ''],
  [TYPE_OID.interval]: ['interval', ''],
  [TYPE_OID.json]: ['json', ''],
  [TYPE_OID.time]: ['time', ' without time zone'],
  [TYPE_OID.timetz]: ['time', ' with time zone'],
  [TYPE_OID.timestamp]: ['timestamp', ' without time zone'],
  [TYPE_OID.timestamptz]: ['timestamp', ' with time zone'],
  [TYPE_OID.varbit]: ['bit varying', ''],
  [TYPE_OID.varchar]: ['character varying', ''],
}

/** array_subscript_handler: only arrays have it. */
const ARRAY_SUBSCRIPT_HANDLER = 6179

const INTERVAL_FIELDS: Readonly<Record<number, string>> = {
  4: ' year',
  2: ' month',
  8: ' day',
  1024: ' hour',
  2048: ' minute',
  4096: ' second',
  6: ' year to month',
  1032: ' day to hour',
  3080: ' day to minute',
  7176: ' day to second',
  3072: ' hour to minute',
  7168: ' hour to second',
  6144: ' minute to second',
}

/** The modifier in parentheses, as the type's typmodout prints it. */
export function formatTypmod(type: number, typmod: number): string {
  if (typmod < 0) return ''
  switch (type) {
    case TYPE_OID.bool:
    case TYPE_OID.int2:
    case TYPE_OID.int4:
    case TYPE_OID.int8:
    case TYPE_OID.float4:
    case TYPE_OID.float8:
    case TYPE_OID.json:
      return ''
    case TYPE_OID.bpchar:
    case TYPE_OID.varchar:
      return typmod > 4 ? `(${typmod - 4})` : ''
    case TYPE_OID.numeric: {
      if (typmod < 4) return ''
      const packed = typmod - 4
      const scale = packed & 0x7ff
      return `(${(packed >> 16) & 0xffff},${scale >= 1024 ? scale - 2048 : scale})`
    }
    case TYPE_OID.interval: {
      const precision = typmod & 0xffff
      return (INTERVAL_FIELDS[(typmod >> 16) & 0x7fff] ?? '') + (precision === 0xffff ? '' : `(${precision})`)
    }
    default:
      return `(${typmod})`
  }
}

/** What printing needs of a type that is no SQL standard one. */
export interface NamedType {
  readonly oid: number
  readonly typname: string
  readonly typelem: number
  readonly typsubscript: number
  readonly typstorage: string
}

/**
 * `lookup` finds the type, `quotedName` prints a typname, qualified unless the search path finds it. `typmod` null: no modifier was asked
 * for (format_type_be), where `character` and `bit` without length print as their internal names do not.
 */
export function formatType<T extends NamedType>(
  oid: number,
  typmod: number | null,
  lookup: (oid: number) => T | undefined,
  quotedName: (type: T) => string,
): string {
  if (oid === 0) return '-'
  const type = lookup(oid)
  if (type === undefined) return '???'
  // int2vector and oidvector, which are stored plain, go by names of their own
  if (type.typelem !== 0 && type.typsubscript === ARRAY_SUBSCRIPT_HANDLER && type.typstorage !== 'p')
    return `${formatType(type.typelem, typmod, lookup, quotedName)}[]`
  const names = SQL_NAMES[oid]
  // A typmod of -1 means "any length", which plain `character` and `bit` would not say: their internal names do.
  if (typmod === -1 && (oid === TYPE_OID.bpchar || oid === TYPE_OID.bit)) return oid === TYPE_OID.bpchar ? 'bpchar' : '"bit"'
  const modifier = typmod === null ? '' : formatTypmod(oid, typmod)
  return names === undefined ? quotedName(type) + modifier : names[0] + modifier + names[1]
}
