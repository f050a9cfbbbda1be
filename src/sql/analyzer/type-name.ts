// Type names in SQL (TypeName nodes) to type OID, typmod and collation.

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { PgTypeRow } from '../builtin/data/rows.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { elementType } from '../functions/coercion-path.ts'
import { nameList, nodeAs, type TypeName } from '../parser/nodes.ts'
import { type AnalyzeContext, errorAt, makeState, type ParseState } from './context.ts'

export interface ResolvedType {
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
}

const MAX_CHAR_LENGTH = 10485760

export function nameListToString(names: readonly string[]): string {
  return names.join('.')
}

/** A schema by name; 3F000 when there is none. */
export function schemaOid(state: ParseState, name: string, location: number | undefined): Oid {
  const namespace = state.ctx.catalog.namespaceByName(name)
  if (namespace === null) throw errorAt(state, SQLSTATE.invalidSchemaName, `schema "${name}" does not exist`, location)
  return namespace.oid
}

/** Schema and name of a qualified name of at most three parts. */
export function deconstruct(
  state: ParseState,
  names: readonly string[],
  location: number | undefined,
): { schema: string | null; name: string } {
  if (names.length === 3) {
    if (names[0] !== state.ctx.eval.session.database) {
      throw errorAt(
        state,
        SQLSTATE.featureNotSupported,
        `cross-database references are not implemented: ${nameListToString(names)}`,
        location,
      )
    }
    return { schema: names[1]!, name: names[2]! }
  }
  if (names.length > 3) {
    throw errorAt(state, SQLSTATE.syntaxError, `improper qualified name (too many dotted names): ${nameListToString(names)}`, location)
  }
  return names.length === 2 ? { schema: names[0]!, name: names[1]! } : { schema: null, name: names[0]! }
}

export function lookupType(state: ParseState, names: readonly string[], location: number | undefined): PgTypeRow | null {
  const { catalog, searchPath } = state.ctx
  const { schema, name } = deconstruct(state, names, location)
  if (schema !== null) return catalog.typeByName(schemaOid(state, schema, location), name)
  for (const namespace of searchPath) {
    const found = catalog.typeByName(namespace, name)
    if (found !== null) return found
  }
  return null
}

/** As TypeNameToString prints it in errors. */
export function typeNameToString(node: TypeName): string {
  const base = nameListToString(nameList(node.names)) + (node.pct_type ? '%TYPE' : '')
  return (node.arrayBounds?.length ?? 0) > 0 ? `${base}[]` : base
}

export function resolveType(state: ParseState, node: TypeName): ResolvedType {
  const names = nameList(node.names)
  let row: PgTypeRow | null
  let typmod = -1
  if (names.length === 0 && node.typeOid !== undefined) row = state.ctx.catalog.type(node.typeOid)
  else if (node.pct_type) {
    const column = columnType(state, names, node)
    row = state.ctx.catalog.type(column.type)
  } else row = lookupType(state, names, node.location ?? 0)
  const location = node.location ?? 0
  const isArray = (node.arrayBounds?.length ?? 0) > 0
  if (row === null) throw errorAt(state, SQLSTATE.undefinedObject, `type "${typeNameToString(node)}" does not exist`, location)
  let type = row.oid
  if (isArray) {
    if (row.typarray === 0 && elementType(state.source, type) === 0) {
      throw errorAt(state, SQLSTATE.undefinedObject, `type "${typeNameToString(node)}" does not exist`, location)
    }
    if (row.typarray !== 0) type = row.typarray
  }
  if (!row.typisdefined) throw errorAt(state, SQLSTATE.undefinedObject, `type "${typeNameToString(node)}" is only a shell`, location)
  if ((node.typmods?.length ?? 0) > 0) typmod = typmodOf(state, row, node)
  else if (node.typemod !== undefined && node.typemod !== -1) typmod = node.typemod
  return { type, typmod, collation: state.ctx.catalog.type(type)?.typcollation ?? 0 }
}

function columnType(state: ParseState, names: readonly string[], node: TypeName): { type: Oid; typmod: number } {
  const location = node.location ?? 0
  if (names.length < 2) {
    throw errorAt(state, SQLSTATE.syntaxError, `improper %TYPE reference (too few dotted names): ${nameListToString(names)}`, location)
  }
  const { schema, name } = deconstruct(state, names.slice(0, -1), location)
  const { catalog, searchPath } = state.ctx
  const schemas = schema === null ? searchPath : [schemaOid(state, schema, location)]
  for (const namespace of schemas) {
    const relation = catalog.relationByName(namespace, name)
    if (relation === null) continue
    const field = names.at(-1)!
    const column = relation.columns.find((c) => c.name === field && !c.dropped)
    if (column === undefined) {
      throw errorAt(state, SQLSTATE.undefinedColumn, `column "${field}" of relation "${relation.name}" does not exist`, location)
    }
    return column
  }
  throw errorAt(state, SQLSTATE.undefinedTable, `relation "${nameListToString(names.slice(0, -1))}" does not exist`, location)
}

/** The written modifiers as text: constants and bare identifiers only. */
function modifiers(state: ParseState, node: TypeName): string[] {
  return (node.typmods ?? []).map((item) => {
    const constant = nodeAs(item, 'A_Const')
    if (constant?.ival !== undefined) return String(constant.ival.ival ?? 0)
    if (constant?.fval !== undefined) return constant.fval.fval ?? ''
    if (constant?.sval !== undefined) return constant.sval.sval ?? ''
    const fields = nodeAs(item, 'ColumnRef')?.fields
    if (fields?.length === 1) return nameList(fields)[0]!
    throw errorAt(state, SQLSTATE.syntaxError, 'type modifiers must be simple constants or identifiers', node.location ?? 0)
  })
}

function typmodOf(state: ParseState, row: PgTypeRow, node: TypeName): number {
  const location = node.location ?? 0
  const texts = modifiers(state, node)
  const bad = (message: string) => errorAt(state, SQLSTATE.invalidParameterValue, message, location)
  const numbers = texts.map((text) => {
    if (!/^\s*[-+]?\d+\s*$/.test(text)) {
      throw errorAt(state, SQLSTATE.invalidTextRepresentation, `invalid input syntax for type integer: "${text}"`, location)
    }
    return Number(text)
  })
  const [first = 0, second] = numbers
  switch (row.oid) {
    case T.varchar:
    case T.bpchar: {
      const name = row.oid === T.varchar ? 'varchar' : 'char'
      if (numbers.length !== 1) throw bad('invalid type modifier')
      if (first < 1) throw bad(`length for type ${name} must be at least 1`)
      if (first > MAX_CHAR_LENGTH) throw bad(`length for type ${name} cannot exceed ${MAX_CHAR_LENGTH}`)
      return first + 4
    }
    case T.bit:
    case T.varbit: {
      const name = row.oid === T.bit ? 'bit' : 'varbit'
      if (numbers.length !== 1) throw bad('invalid type modifier')
      if (first < 1) throw bad(`length for type ${name} must be at least 1`)
      if (first > MAX_CHAR_LENGTH * 8) throw bad(`length for type ${name} cannot exceed ${MAX_CHAR_LENGTH * 8}`)
      return first
    }
    case T.numeric:
      if (numbers.length > 2) throw bad('invalid NUMERIC type modifier')
      if (first < 1 || first > 1000) throw bad(`NUMERIC precision ${first} must be between 1 and 1000`)
      if (second !== undefined && (second < -1000 || second > 1000)) throw bad(`NUMERIC scale ${second} must be between -1000 and 1000`)
      return ((first << 16) | ((second ?? 0) & 0x7ff)) + 4
    case T.time:
    case T.timetz:
    case T.timestamp:
    case T.timestamptz: {
      if (numbers.length !== 1) throw bad('invalid type modifier')
      const what = row.oid === T.time || row.oid === T.timetz ? 'TIME' : 'TIMESTAMP'
      const zone = row.oid === T.timetz || row.oid === T.timestamptz ? ' WITH TIME ZONE' : ''
      return secondsPrecision(state, first, (n) => `${what}(${n})${zone}`, location)
    }
    case T.interval: {
      if (numbers.length === 0 || numbers.length > 2) throw bad('invalid INTERVAL type modifier')
      const precision = second === undefined ? 0xffff : secondsPrecision(state, second, (n) => `INTERVAL(${n})`, location)
      return second === undefined && first === 0x7fff ? -1 : ((first & 0x7fff) << 16) | precision
    }
    default:
      throw errorAt(
        state,
        SQLSTATE.syntaxError,
        `type modifier is not allowed for type "${typeNameToString({ ...node, arrayBounds: [] })}"`,
        location,
      )
  }
}

function secondsPrecision(state: ParseState, precision: number, what: (n: number) => string, location: number): number {
  if (precision < 0) throw errorAt(state, SQLSTATE.invalidParameterValue, `${what(precision)} precision must not be negative`, location)
  if (precision <= 6) return precision
  const position = errorAt(state, SQLSTATE.invalidParameterValue, '', location).fields.position
  state.ctx.eval.notice({
    severity: 'WARNING',
    code: SQLSTATE.invalidParameterValue,
    message: `${what(precision)} precision reduced to maximum allowed, 6`,
    ...(position === undefined ? {} : { position }),
  })
  return 6
}

/** For commands: a type name outside a statement's analysis. */
export function resolveTypeName(raw: TypeName, ctx: AnalyzeContext): ResolvedType {
  return resolveType(makeState(ctx, null), raw)
}

export function lookupCollation(state: ParseState, names: readonly string[], location: number): number {
  const { catalog, searchPath } = state.ctx
  const name = names.at(-1)!
  const schemas = names.length > 1 ? [schemaOid(state, names.at(-2)!, location)] : searchPath
  for (const schema of schemas) {
    const found = catalog.collationByName(schema, name)
    if (found !== null) return found.oid
  }
  throw errorAt(state, SQLSTATE.undefinedObject, `collation "${names.join('.')}" for encoding "UTF8" does not exist`, location)
}
