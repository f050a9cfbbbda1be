// Catalogue rows as executor rows: objects under PostgreSQL's column names become arrays by attnum, list values become arrays and vectors.
// Builtin rows are converted once per process and indexed by whatever column is looked up.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { eachInSteps, finished, type Steps } from '../../base/long-work.ts'
import { BUILTIN_ROWS, pgNamespaces } from '../../sql/builtin/catalogs.ts'
import { classByName } from '../../sql/builtin/pg-class.ts'
import { typeByOid } from '../../sql/builtin/pg-type.ts'
import { makeArray } from '../../sql/types/array.ts'
import { makeVector } from '../../sql/types/oid.ts'
import { aclItemText } from '../acl.ts'
import { builtinAcl, builtinRoles } from '../builtin-roles.ts'
import { columnSource, relationAttributes } from '../extra-columns.ts'
import { LOOKUP_COLUMNS } from '../lookup-columns.ts'
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

const INFORMATION_SCHEMA = pgNamespaces().find((row) => row.nspname === 'information_schema')!.oid
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

/** Columns of a catalogue table by name; pg_catalog's and information_schema's have different ones. */
export function shapeOf(table: string): Shape {
  let shape = shapes.get(table)
  if (shape === undefined) {
    const relation = (classByName(PG_CATALOG_NAMESPACE, table) ?? classByName(INFORMATION_SCHEMA, table))!.oid
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

/** The columns by attnum, and the relation's OID behind them. */
export function toRow(shape: Shape, object: RowObject): Row {
  const width = shape.names.length
  const row: Row = new Array<Datum>(width + 1)
  for (let i = 0; i < width; i++) {
    const value = object[shape.sources[i]!]
    if (value === undefined || value === null) row[i] = null
    else row[i] = shape.convert[i] === null ? (value as Datum) : shape.convert[i]!(value)
  }
  row[width] = shape.relation
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

/** Rows that can be looked up by their columns' values. */
export class TableRows {
  readonly all: readonly Row[]
  readonly #shape: Shape
  /** Column → value → rows; made when the column is first asked for. */
  readonly #indexes = new Map<string, ReadonlyMap<Datum, Row[]>>()

  constructor(shape: Shape, all: readonly Row[]) {
    this.#shape = shape
    this.all = all
  }

  /** Whether there is something in the hints that rows are found by. */
  static narrows(hints: Hints): boolean {
    return hints.columns.some((column) => LOOKUP_COLUMNS.has(column))
  }

  /** Rows that may meet the hints. */
  find(hints: Hints): readonly Row[] {
    let found = this.all
    for (let i = 0; i < hints.columns.length; i++) {
      const column = hints.columns[i]!
      if (!LOOKUP_COLUMNS.has(column)) continue
      const rows = this.#index(column).get(hints.values[i]!) ?? NO_ROWS
      if (rows.length < found.length) found = rows
    }
    return found
  }

  #index(column: string): ReadonlyMap<Datum, Row[]> {
    const known = this.#indexes.get(column)
    if (known !== undefined) return known
    const position = this.#shape.position.get(column)!
    const index = new Map<Datum, Row[]>()
    for (const row of this.all) {
      const list = index.get(row[position]!)
      if (list === undefined) index.set(row[position]!, [row])
      else list.push(row)
    }
    this.#indexes.set(column, index)
    return index
  }
}

const NO_ROWS: readonly Row[] = []
const builtinTables = new Map<string, TableRows>()

/** PostgreSQL's own rows of a table. */
export const builtinTable = (table: string): TableRows => builtinTables.get(table) ?? finished(readTable(table))

function* readTable(table: string): Steps<TableRows> {
  const shape = shapeOf(table)
  const objects = (BUILTIN_ROWS[table]?.() ?? []) as readonly RowObject[]
  const rows: Row[] = []
  yield* eachInSteps(objects, (object) => rows.push(toRow(shape, ownNames(table, object))))
  const known = builtinTables.get(table) ?? new TableRows(shape, rows)
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

/** Conditions column = value, by column name. */
export class Hints {
  readonly columns: readonly string[]
  readonly values: readonly Datum[]

  constructor(columns: readonly string[], values: readonly Datum[]) {
    this.columns = columns
    this.values = values
  }

  static of(table: string, hints: readonly { readonly attnum: number; readonly value: Datum }[]): Hints {
    const { names } = shapeOf(table)
    const columns: string[] = []
    const values: Datum[] = []
    for (const { attnum, value } of hints) {
      if (attnum <= 0) continue
      columns.push(names[attnum - 1]!)
      values.push(value)
    }
    return new Hints(columns, values)
  }

  oid(column: string): Oid | null {
    const value = this.#valueOf(column)
    return typeof value === 'number' ? value : null
  }

  text(column: string): string | null {
    const value = this.#valueOf(column)
    return typeof value === 'string' ? value : null
  }

  #valueOf(column: string): Datum | undefined {
    return this.values[this.columns.indexOf(column)]
  }
}
