// DROP of what nobody can make here: functions, operators, casts, collations, text search objects and the like. What there is of them is
// PostgreSQL's own and stays; everything else is missing, which IF EXISTS passes over in PostgreSQL's words (dropcmds.c).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE, type Sqlstate } from '../../base/sqlstate.ts'
import { typeNameToString } from '../analyzer/type-name.ts'
import { BUILTIN_ROWS } from '../builtin/catalogs.ts'
import type { PgProcRow } from '../builtin/data/rows.ts'
import { pgAms } from '../builtin/pg-index.ts'
import {
  type DropStmt,
  type DropSubscriptionStmt,
  type DropTableSpaceStmt,
  type DropUserMappingStmt,
  type Node,
  type NodeOf,
  nameList,
  nodeAs,
  type ObjectWithArgs,
  stringOf,
  type TypeName,
} from '../parser/nodes.ts'
import { quoteIdentifier } from '../types/quote.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { load, objectParts, splitName } from './names.ts'
import { typeText } from './table-builder.ts'

export const skipped = (c: CommandContext, message: string): void =>
  c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `${message}, skipping` })

const required = (what: string): PgError =>
  new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop ${what} because it is required by the database system`)

/** A schema that a name has and the keyspace has not; null when all is well. */
export async function missingSchema(c: CommandContext, parts: readonly string[]): Promise<string | null> {
  const { schema } = splitName(c, parts)
  return schema === null || (await load(() => c.snapshot.namespaceByName(schema))) !== null ? null : schema
}

/** Says so of a missing schema; false when it is there. */
async function schemaIsMissing(c: CommandContext, parts: readonly string[], missingOk: boolean): Promise<boolean> {
  const schema = await missingSchema(c, parts)
  if (schema === null) return false
  if (!missingOk) throw new PgError(SQLSTATE.undefinedSchema, `schema "${schema}" does not exist`)
  skipped(c, `schema "${schema}" does not exist`)
  return true
}

// --- types in signatures ---------------------------------------------------------------------------------------------------------------------

/** Its OID; null when it is missing, which is an error unless `missingOk`. */
async function typeNamed(c: CommandContext, node: TypeName, missingOk: boolean): Promise<Oid | null> {
  try {
    return (await c.analysis.typeName(node)).type
  } catch (error) {
    if (!(error instanceof PgError)) throw error
    const missing: readonly Sqlstate[] = [
      SQLSTATE.undefinedObject,
      SQLSTATE.undefinedSchema,
      SQLSTATE.undefinedTable,
      SQLSTATE.undefinedColumn,
    ]
    if (missingOk && missing.includes(error.code)) return null
    const { position: _position, ...fields } = error.fields
    throw new PgError(error.code, error.message, fields)
  }
}

/** Tells which of the types is missing. */
async function sayMissingType(c: CommandContext, types: readonly TypeName[]): Promise<boolean> {
  for (const type of types) {
    if ((await typeNamed(c, type, true)) !== null) continue
    const parts = nameList(type.names)
    const schema = type.pct_type === true ? (parts.length > 2 ? parts.slice(0, -1) : []) : parts
    if (schema.length === 0 || !(await schemaIsMissing(c, schema, true))) skipped(c, `type "${typeNameToString(type)}" does not exist`)
    return true
  }
  return false
}

const typesOf = (nodes: readonly Node[] | undefined): TypeName[] => (nodes ?? []).map((node) => nodeAs(node, 'TypeName') as TypeName)

// --- functions -------------------------------------------------------------------------------------------------------------------------------

type RoutineKind = 'function' | 'procedure' | 'routine' | 'aggregate'
const ROUTINES: Readonly<Record<string, RoutineKind>> = {
  OBJECT_FUNCTION: 'function',
  OBJECT_PROCEDURE: 'procedure',
  OBJECT_ROUTINE: 'routine',
  OBJECT_AGGREGATE: 'aggregate',
}

async function procsNamed(c: CommandContext, parts: readonly string[]): Promise<readonly PgProcRow[]> {
  const { schema, name } = splitName(c, parts)
  for (const path of schema === null ? c.ctx.session.searchPath(true) : [schema]) {
    const found = await load(() => {
      const namespace = c.snapshot.namespaceByName(path)
      return namespace === null ? [] : c.snapshot.procsByName(namespace.oid, name)
    })
    if (found.length > 0) return found
  }
  return []
}

async function dropRoutine(c: CommandContext, target: ObjectWithArgs, kind: RoutineKind, missingOk: boolean): Promise<void> {
  const parts = nameList(target.objname)
  const name = parts.join('.')
  const nodes = typesOf(target.objargs)
  const types: Oid[] = []
  for (const node of nodes) {
    const type = await typeNamed(c, node, missingOk)
    if (type !== null) types.push(type)
  }
  if (missingOk && (await schemaIsMissing(c, parts, true))) return
  if (types.length < nodes.length) {
    await sayMissingType(c, nodes)
    return
  }
  await schemaIsMissing(c, parts, false)
  const named = await procsNamed(c, parts)
  const word = kind === 'routine' ? 'function' : kind
  let found: PgProcRow | undefined
  if (target.args_unspecified === true) {
    const candidates = named.filter((proc) => kind === 'routine' || (proc.prokind === 'p') === (kind === 'procedure'))
    if (candidates.length > 1)
      throw new PgError(SQLSTATE.ambiguousFunction, `${kind} name "${name}" is not unique`, {
        hint: `Specify the argument list to select the ${kind} unambiguously.`,
      })
    found = candidates[0]
    if (found === undefined && !missingOk) throw new PgError(SQLSTATE.undefinedFunction, `could not find a ${word} named "${name}"`)
  } else found = named.find((proc) => proc.proargtypes.length === types.length && proc.proargtypes.every((type, i) => type === types[i]))
  if (found === undefined) {
    if (missingOk) {
      skipped(c, `${kind} ${name}(${nodes.map(typeNameToString).join(',')}) does not exist`)
      return
    }
    const signature = await load(() => types.map((type) => typeText(c, type)).join(', '))
    throw new PgError(
      SQLSTATE.undefinedFunction,
      `${word} ${name}(${kind === 'aggregate' && types.length === 0 ? '*' : signature}) does not exist`,
    )
  }
  const proc = found
  const signature = await load(() => proc.proargtypes.map((type) => typeText(c, type)))
  if (kind === 'procedure' && proc.prokind !== 'p')
    throw new PgError(SQLSTATE.wrongObjectType, `${name}(${signature.join(', ')}) is not a procedure`)
  if (kind === 'aggregate' && proc.prokind !== 'a')
    throw new PgError(SQLSTATE.wrongObjectType, `function ${name}(${signature.join(', ')}) is not an aggregate`)
  if (kind === 'function' && proc.prokind === 'a')
    throw new PgError(SQLSTATE.wrongObjectType, `"${name}" is an aggregate function`, {
      hint: 'Use DROP AGGREGATE to drop aggregate functions.',
    })
  throw required(`function ${quoteIdentifier(proc.proname)}(${signature.join(',')})`)
}

// --- operators, casts, transforms --------------------------------------------------------------------------------------------------------------

async function dropOperator(c: CommandContext, target: ObjectWithArgs, missingOk: boolean): Promise<void> {
  const parts = nameList(target.objname)
  const name = parts.join('.')
  // NONE is no node
  const sides = (target.objargs ?? []).map((node) => (node as NodeOf | null)?.TypeName ?? null)
  if (sides[1] === null) throw new PgError(SQLSTATE.syntaxError, 'postfix operators are not supported')
  const types: (Oid | null)[] = []
  for (const side of sides) types.push(side === null ? 0 : await typeNamed(c, side, missingOk))
  const [left, right] = types
  const { schema, name: symbol } = splitName(c, parts)
  for (const path of left === null || right === null ? [] : schema === null ? c.ctx.session.searchPath(true) : [schema]) {
    const found = await load(() => {
      const namespace = c.snapshot.namespaceByName(path)
      const named = namespace === null ? [] : c.snapshot.operatorsByName(namespace.oid, symbol)
      return named.find((operator) => operator.oprleft === left && operator.oprright === right)
    })
    if (found === undefined) continue
    const side = (type: Oid): string => (type === 0 ? 'NONE' : typeText(c, type))
    throw required(await load(() => `operator ${found.oprname}(${side(found.oprleft)},${side(found.oprright)})`))
  }
  if (!missingOk) {
    const [before, after] = await load(() => types.map((type) => (type === 0 ? '' : typeText(c, type!))))
    throw new PgError(SQLSTATE.undefinedFunction, `operator does not exist: ${before === '' ? '' : `${before} `}${name} ${after}`)
  }
  if (await schemaIsMissing(c, parts, true)) return
  if (
    await sayMissingType(
      c,
      sides.filter((side) => side !== null),
    )
  )
    return
  skipped(c, `operator ${name} does not exist`)
}

async function dropCast(c: CommandContext, node: Node, missingOk: boolean): Promise<void> {
  const [source, target] = typesOf((node as NodeOf).List.items) as [TypeName, TypeName]
  const from = await typeNamed(c, source, missingOk)
  const to = await typeNamed(c, target, missingOk)
  if (from === null || to === null) {
    await sayMissingType(c, [source, target])
    return
  }
  const [fromText, toText] = await load(() => [typeText(c, from), typeText(c, to)])
  if (c.snapshot.cast(from, to) !== null) throw required(`cast from ${fromText} to ${toText}`)
  if (!missingOk) throw new PgError(SQLSTATE.undefinedObject, `cast from type ${fromText} to type ${toText} does not exist`)
  skipped(c, `cast from type ${typeNameToString(source)} to type ${typeNameToString(target)} does not exist`)
}

const namedRow = (table: string, column: string, name: string): boolean =>
  (BUILTIN_ROWS[table]!() as readonly Readonly<Record<string, unknown>>[]).some((row) => row[column] === name)

async function dropTransform(c: CommandContext, node: Node, missingOk: boolean): Promise<void> {
  const [typeNode, languageNode] = (node as NodeOf).List.items as [Node, Node]
  const type = nodeAs(typeNode, 'TypeName') as TypeName
  const language = stringOf(languageNode)
  const oid = await typeNamed(c, type, missingOk)
  if (oid === null) {
    await sayMissingType(c, [type])
    return
  }
  if (!missingOk && !namedRow('pg_language', 'lanname', language))
    throw new PgError(SQLSTATE.undefinedObject, `language "${language}" does not exist`)
  const text = missingOk ? typeNameToString(type) : await load(() => typeText(c, oid))
  const message = `transform for type ${text} language "${language}" does not exist`
  if (!missingOk) throw new PgError(SQLSTATE.undefinedObject, message)
  skipped(c, message)
}

// --- what goes by a name alone -----------------------------------------------------------------------------------------------------------------

interface NamedKind {
  readonly word: string
  /** Where PostgreSQL's own are listed, and by what name; null: there are none. */
  readonly rows: readonly [table: string, column: string] | null
  /** They are in no schema. */
  readonly global?: boolean
}

const NAMED: Readonly<Record<string, NamedKind>> = {
  OBJECT_COLLATION: { word: 'collation', rows: ['pg_collation', 'collname'] },
  OBJECT_CONVERSION: { word: 'conversion', rows: ['pg_conversion', 'conname'] },
  OBJECT_TSCONFIGURATION: { word: 'text search configuration', rows: ['pg_ts_config', 'cfgname'] },
  OBJECT_TSDICTIONARY: { word: 'text search dictionary', rows: ['pg_ts_dict', 'dictname'] },
  OBJECT_TSPARSER: { word: 'text search parser', rows: ['pg_ts_parser', 'prsname'] },
  OBJECT_TSTEMPLATE: { word: 'text search template', rows: ['pg_ts_template', 'tmplname'] },
  OBJECT_STATISTIC_EXT: { word: 'statistics object', rows: null },
  OBJECT_ACCESS_METHOD: { word: 'access method', rows: ['pg_am', 'amname'], global: true },
  OBJECT_LANGUAGE: { word: 'language', rows: ['pg_language', 'lanname'], global: true },
  OBJECT_EXTENSION: { word: 'extension', rows: null, global: true },
  OBJECT_PUBLICATION: { word: 'publication', rows: null, global: true },
  OBJECT_EVENT_TRIGGER: { word: 'event trigger', rows: null, global: true },
  OBJECT_FDW: { word: 'foreign-data wrapper', rows: null, global: true },
  OBJECT_FOREIGN_SERVER: { word: 'server', rows: null, global: true },
}
const TAG_WORDS: Readonly<Record<string, string>> = { 'foreign-data wrapper': 'FOREIGN DATA WRAPPER', 'statistics object': 'STATISTICS' }

async function dropNamed(c: CommandContext, parts: readonly string[], kind: NamedKind, missingOk: boolean): Promise<void> {
  if (kind.global !== true && (await schemaIsMissing(c, parts, missingOk))) return
  const { schema, name } = kind.global === true ? { schema: null, name: parts[0]! } : splitName(c, parts)
  if (kind.rows !== null && (schema ?? 'pg_catalog') === 'pg_catalog' && namedRow(...kind.rows, name))
    throw required(`${kind.word} ${quoteIdentifier(name)}`)
  if (missingOk) {
    skipped(c, `${kind.word} "${parts.join('.')}" does not exist`)
    return
  }
  const of = kind.word === 'collation' ? ' for encoding "UTF8"' : ''
  throw new PgError(SQLSTATE.undefinedObject, `${kind.word} "${parts.join('.')}"${of} does not exist`)
}

/** Operator classes and families: the access method stands before the name. */
async function dropOfMethod(c: CommandContext, parts: readonly string[], family: boolean, missingOk: boolean): Promise<void> {
  const [method, ...name] = parts as [string, ...string[]]
  const am = pgAms().find((row) => row.amname === method)
  if (am === undefined) throw new PgError(SQLSTATE.undefinedObject, `access method "${method}" does not exist`)
  if (await schemaIsMissing(c, name, missingOk)) return
  const word = family ? 'operator family' : 'operator class'
  const rows = BUILTIN_ROWS[family ? 'pg_opfamily' : 'pg_opclass']!() as readonly Readonly<Record<string, unknown>>[]
  const last = name[name.length - 1]!
  const isBuiltin = rows.some((row) =>
    family ? row.opfname === last && row.opfmethod === am.oid : row.opcname === last && row.opcmethod === am.oid,
  )
  if (isBuiltin && (name.length === 1 || name[0] === 'pg_catalog'))
    throw required(`${word} ${quoteIdentifier(last)} for access method ${method}`)
  const message = `${word} "${name.join('.')}" does not exist for access method "${method}"`
  if (!missingOk) throw new PgError(SQLSTATE.undefinedObject, message)
  skipped(c, message)
}

/** Null for other kinds of objects. */
export async function dropBuiltin(c: CommandContext, stmt: DropStmt): Promise<CommandResult | null> {
  const type = stmt.removeType!
  const missingOk = stmt.missing_ok ?? false
  const routine = ROUTINES[type]
  const named = NAMED[type]
  for (const object of stmt.objects ?? []) {
    if (routine !== undefined) await dropRoutine(c, nodeAs(object, 'ObjectWithArgs')!, routine, missingOk)
    else if (named !== undefined) await dropNamed(c, objectParts(object), named, missingOk)
    else if (type === 'OBJECT_OPERATOR') await dropOperator(c, nodeAs(object, 'ObjectWithArgs')!, missingOk)
    else if (type === 'OBJECT_CAST') await dropCast(c, object, missingOk)
    else if (type === 'OBJECT_TRANSFORM') await dropTransform(c, object, missingOk)
    else if (type === 'OBJECT_OPCLASS' || type === 'OBJECT_OPFAMILY')
      await dropOfMethod(c, objectParts(object), type === 'OBJECT_OPFAMILY', missingOk)
    else return null
  }
  const word = routine ?? named?.word ?? OTHER_WORDS[type]!
  return { tag: `DROP ${TAG_WORDS[word] ?? word.toUpperCase()}` }
}

const OTHER_WORDS: Readonly<Record<string, string>> = {
  OBJECT_OPERATOR: 'operator',
  OBJECT_CAST: 'cast',
  OBJECT_TRANSFORM: 'transform',
  OBJECT_OPCLASS: 'operator class',
  OBJECT_OPFAMILY: 'operator family',
}

// --- statements of their own -------------------------------------------------------------------------------------------------------------------

function missing(c: CommandContext, message: string, missingOk: boolean, tag: string): CommandResult {
  if (!missingOk) throw new PgError(SQLSTATE.undefinedObject, message)
  skipped(c, message)
  return { tag }
}

export async function dropUserMapping(c: CommandContext, stmt: DropUserMappingStmt): Promise<CommandResult> {
  const missingOk = stmt.missing_ok ?? false
  const user = stmt.user
  if (user?.roletype === 'ROLESPEC_CSTRING' && (await load(() => c.snapshot.roleByName(user.rolename!))) === null)
    return missing(c, `role "${user.rolename}" does not exist`, missingOk, 'DROP USER MAPPING')
  return missing(c, `server "${stmt.servername}" does not exist`, missingOk, 'DROP USER MAPPING')
}

export async function dropSubscription(c: CommandContext, stmt: DropSubscriptionStmt): Promise<CommandResult> {
  return missing(c, `subscription "${stmt.subname}" does not exist`, stmt.missing_ok ?? false, 'DROP SUBSCRIPTION')
}

export async function dropTablespace(c: CommandContext, stmt: DropTableSpaceStmt): Promise<CommandResult> {
  const name = stmt.tablespacename!
  c.preventInTransactionBlock('DROP TABLESPACE')
  if (namedRow('pg_tablespace', 'spcname', name))
    throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied for tablespace ${name}`)
  return missing(c, `tablespace "${name}" does not exist`, stmt.missing_ok ?? false, 'DROP TABLESPACE')
}
