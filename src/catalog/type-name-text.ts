// A type's name in text (`timestamp(3) with time zone[]`, `"My Type"`) into a type and modifier, as ::regtype and to_regtype read it.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { PgTypeRow } from '../sql/builtin/data/rows.ts'

/** SQL's spellings of internal names; `%` stands where a modifier may be. */
const SPELLINGS: Readonly<Record<string, string>> = {
  int: 'int4',
  integer: 'int4',
  smallint: 'int2',
  bigint: 'int8',
  real: 'float4',
  float: 'float8',
  'double precision': 'float8',
  decimal: 'numeric',
  dec: 'numeric',
  boolean: 'bool',
  character: 'bpchar',
  char: 'bpchar',
  'character varying': 'varchar',
  'char varying': 'varchar',
  'national character': 'bpchar',
  'national character varying': 'varchar',
  'bit varying': 'varbit',
  'time without time zone': 'time',
  'time with time zone': 'timetz',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
}

/** Plain `character` and `bit` have length 1. */
const ONE: Readonly<Record<string, number>> = { character: 5, char: 5, bit: 1 }

function modifier(type: PgTypeRow, args: readonly number[]): number {
  const [first = -1, second = 0] = args
  switch (type.typname) {
    case 'varchar':
    case 'bpchar':
      return first + 4
    case 'numeric':
      return ((first << 16) | (second & 0x7ff)) + 4
    case 'interval':
      return (0x7fff << 16) | first
    default:
      return first
  }
}

function splitName(text: string): { parts: string[]; rest: string } {
  const parts: string[] = []
  let rest = text.trim()
  for (;;) {
    const match = /^(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*))/.exec(rest)
    if (match === null) throw new PgError(SQLSTATE.syntaxError, `invalid type name "${text}"`)
    parts.push(match[1] === undefined ? match[2]!.toLowerCase() : match[1].replaceAll('""', '"'))
    rest = rest.slice(match[0].length)
    if (!rest.startsWith('.')) return { parts, rest }
    rest = rest.slice(1)
  }
}

/** Null when `find` does not know the name. */
export function parseTypeName(text: string, find: (parts: readonly string[]) => PgTypeRow | null): { oid: Oid; typmod: number } | null {
  let body = text.trim()
  let dimensions = 0
  for (;;) {
    const suffix = /\s*(\[\s*[0-9]*\s*\]|\s+array)$/i.exec(body)
    if (suffix === null) break
    body = body.slice(0, suffix.index)
    dimensions++
  }
  let args: number[] = []
  const parenthesis = /\(([^)]*)\)/.exec(body)
  if (parenthesis !== null) {
    args = parenthesis[1]!.split(',').map((arg) => Number(arg.trim()))
    body = `${body.slice(0, parenthesis.index)}${body.slice(parenthesis.index + parenthesis[0].length)}`
  }
  const plain = body.trim().replace(/\s+/g, ' ').toLowerCase()
  const spelled = body.includes('"') ? undefined : SPELLINGS[plain]
  let row: PgTypeRow | null
  if (spelled !== undefined) row = find(['pg_catalog', spelled])
  else {
    const { parts, rest } = splitName(body)
    if (rest.trim() !== '') throw new PgError(SQLSTATE.syntaxError, `syntax error at or near "${rest.trim().split(/\s/)[0]}"`)
    row = find(parts)
  }
  if (row === null) return null
  const typmod = args.length > 0 ? modifier(row, args) : (ONE[plain] ?? -1)
  if (dimensions === 0) return { oid: row.oid, typmod }
  return row.typarray === 0 ? null : { oid: row.typarray, typmod }
}
