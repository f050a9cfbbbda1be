// Catalogue rows as executor rows: objects under PostgreSQL's column names become arrays by attnum, list values become arrays and vectors.
// Builtin rows are converted once per process and indexed by whatever column is looked up.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { eachInSteps, finished, type Steps } from '../../base/long-work.ts'
import { BUILTIN_ROWS } from '../../sql/builtin/catalogs.ts'
import { classByName } from '../../sql/builtin/pg-class.ts'
import { typeByOid } from '../../sql/builtin/pg-type.ts'
import { makeArray } from '../../sql/types/array.ts'
import { makeVector } from '../../sql/types/oid.ts'
import { aclItemText } from '../acl.ts'
import { builtinAcl, builtinRoles } from '../builtin-roles.ts'
import { columnSource, relationAttributes } from '../extra-columns.ts'
import { BOOTSTRAP_ROLE_NAME, PG_CATALOG_NAMESPACE } from '../records.ts'

export type RowObject = { readonly [column: string]: unknown }

export interface Shape {
  readonly relation: Oid
  readonly names: readonly string[]
  /** The property of the row's object that gives each column. */
  readonly sources: readonly string[]
  readonly position: ReadonlyMap<string, number>
  readonly convert: readonly (((value: unknown) => Datum) | null)[]
}

const OIDVECTOR = 30
const INT2VECTOR = 22
const _ACLITEM_ARRAY = 1034
const shapes = new Map<string, Shape>()

function converter(type: Oid): ((value: unknown) => Datum) | null {
  if (type === OIDVECTOR) return (value) => makeVector(26, value as number[])
  if (type === INT2VECTOR) return (value) => makeVector(21, value as number[])
  const row = typeByOid(type)
  if (row?.typcategory !== 'A') return null
  const element = row.typelem
  return (value) => (Array.isArray(value) ? makeArray(element, value as Datum[]) : (value as Datum))
}

/** Columns of a pg_catalog table by name. */
export function shapeOf(table: string): Shape {
  let shape = shapes.get(table)
  if (shape === undefined) {
    const relation = classByName(PG_CATALOG_NAMESPACE, table)!.oid
    const attributes = relationAttributes(relation)
    const names = attributes.map((attribute) => attribute.attname)
    shape = {
      relation,
      names,
      sources: names.map((name) => columnSource(relation, name)),
      position: new Map(names.map((name, i) => [name, i])),
      convert: attributes.map((attribute) => converter(attribute.atttypid)),
    }
    shapes.set(table, shape)
  }
  return shape
}

export function toRow(shape: Shape, object: RowObject): Row {
  const row: Row = new Array<Datum>(shape.names.length)
  for (let i = 0; i < row.length; i++) {
    const value = object[shape.sources[i]!]
    if (value === undefined || value === null) row[i] = null
    else row[i] = shape.convert[i] === null ? (value as Datum) : shape.convert[i]!(value)
  }
  return row
}

const builtinRoleName = (oid: Oid): string => builtinRoles().get(oid)?.name ?? String(oid)
const RENAMED = 'postgres'

/** Access lists of the generated rows name the bootstrap superuser of another database. */
function ownNames(table: string, object: RowObject): RowObject {
  let changed: Record<string, unknown> | null = null
  for (const column of ['relacl', 'attacl', 'proacl', 'typacl', 'nspacl', 'lanacl', 'spcacl', 'datacl', 'initprivs']) {
    const acl = object[column]
    if (!Array.isArray(acl)) continue
    changed ??= { ...object }
    changed[column] = builtinAcl(acl as string[])!.map((item) => aclItemText(item, builtinRoleName))
  }
  if (table === 'pg_authid' && object.rolname === RENAMED) return { ...object, rolname: BOOTSTRAP_ROLE_NAME, rolcanlogin: false }
  return changed ?? object
}

interface BuiltinTable {
  readonly rows: readonly Row[]
  /** Column position → value → rows. */
  readonly indexes: Map<number, Map<Datum, Row[]>>
}
const builtinTables = new Map<string, BuiltinTable>()

const builtinTable = (table: string): BuiltinTable => builtinTables.get(table) ?? finished(readTable(table))

function* readTable(table: string): Steps<BuiltinTable> {
  const shape = shapeOf(table)
  const objects = (BUILTIN_ROWS[table]?.() ?? []) as readonly RowObject[]
  const rows: Row[] = []
  yield* eachInSteps(objects, (object) => rows.push(toRow(shape, ownNames(table, object))))
  const known = builtinTables.get(table) ?? { rows, indexes: new Map() }
  builtinTables.set(table, known)
  return known
}

/** Reads what every process needs sooner or later, so that no statement has to wait for it. */
export function* readBuiltinTables(): Steps<void> {
  for (const table of Object.keys(BUILTIN_ROWS)) {
    yield
    if (!builtinTables.has(table)) yield* readTable(table)
  }
}

/** Columns worth an index over builtin rows. */
const LOOKUPS = new Set([
  'oid',
  'relname',
  'attrelid',
  'indexrelid',
  'indrelid',
  'conrelid',
  'typname',
  'proname',
  'nspname',
  'objoid',
  'castsource',
  'oprname',
  'rolname',
  'aggfnoid',
  'rngtypid',
  'opcmethod',
  'typarray',
  'typelem',
])

/** Builtin rows that may meet the hints. */
export function builtinRows(table: string, hints: Hints): readonly Row[] {
  const known = builtinTable(table)
  const shape = shapeOf(table)
  for (const [column, value] of hints.values) {
    if (!LOOKUPS.has(column)) continue
    const position = shape.position.get(column)!
    let index = known.indexes.get(position)
    if (index === undefined) {
      index = new Map()
      for (const row of known.rows) {
        const list = index.get(row[position]!)
        if (list === undefined) index.set(row[position]!, [row])
        else list.push(row)
      }
      known.indexes.set(position, index)
    }
    return index.get(value) ?? []
  }
  return known.rows
}

/** Conditions column = value, by column name. */
export class Hints {
  readonly values: ReadonlyMap<string, Datum>

  constructor(values: ReadonlyMap<string, Datum>) {
    this.values = values
  }

  static of(table: string, hints: readonly { readonly attnum: number; readonly value: Datum }[]): Hints {
    const shape = shapeOf(table)
    return new Hints(new Map(hints.flatMap(({ attnum, value }) => (attnum > 0 ? [[shape.names[attnum - 1]!, value] as const] : []))))
  }

  oid(column: string): Oid | null {
    const value = this.values.get(column)
    return typeof value === 'number' ? value : null
  }

  text(column: string): string | null {
    const value = this.values.get(column)
    return typeof value === 'string' ? value : null
  }
}
