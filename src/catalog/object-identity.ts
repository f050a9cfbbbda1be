// Objects by address as text: pg_describe_object's sentence, the parts of pg_identify_object, and back from names to an address. Kinds of
// objects that no keyspace can hold have no identity here.

import { notSupported, PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { collationByOid, pgLanguages } from '../sql/builtin/catalogs.ts'
import { classByOid } from '../sql/builtin/pg-class.ts'
import { amByOid, opclassByOid } from '../sql/builtin/pg-index.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import { domainConstraints, tableConstraints } from './descriptors.ts'
import { CLASS, type ObjectAddress } from './keys.ts'
import { DATABASE_OID, PG_CATALOG_NAMESPACE } from './records.ts'
import type { RelationInfo } from './snapshot.ts'
import { typeText } from './type-names.ts'
import { isRelationVisible } from './visibility.ts'

/** What names are looked up in. */
export interface NameSource {
  readonly snapshot: ReaderSnapshot
  /** Schemas by name, in order, implicit ones included. */
  readonly searchPath: readonly string[]
}

export function pathOids(source: NameSource): Oid[] {
  return source.searchPath.flatMap((name) => source.snapshot.namespaceByName(name)?.oid ?? [])
}

export interface ObjectIdentity {
  /** PostgreSQL's word for the kind. */
  readonly type: string
  readonly schema: string | null
  /** Quoted; null where it is not unique in its schema. */
  readonly name: string | null
  /** Qualified and quoted. */
  readonly identity: string
  readonly names: readonly string[]
  readonly args: readonly string[]
}

const ACCESS_METHOD: Oid = 2601

/** Catalogues whose rows are objects, with the word for one that is gone. */
const CLASS_WORDS: Readonly<Record<Oid, string>> = {
  [CLASS.relation]: 'relation',
  [CLASS.type]: 'type',
  [CLASS.namespace]: 'schema',
  [CLASS.role]: 'role',
  [CLASS.database]: 'database',
  [CLASS.proc]: 'routine',
  [CLASS.constraint]: 'constraint',
  [CLASS.attrdef]: 'default value',
  [CLASS.rewrite]: 'rule',
  [CLASS.collation]: 'collation',
  [CLASS.language]: 'language',
  [CLASS.operator]: 'operator',
  [CLASS.opclass]: 'operator class',
  [ACCESS_METHOD]: 'access method',
}

const RELATION_WORDS: Readonly<Record<string, string>> = {
  r: 'table',
  v: 'view',
  m: 'materialized view',
  S: 'sequence',
  i: 'index',
  c: 'composite type',
}
const wordOf = (relation: RelationInfo): string => RELATION_WORDS[relation.relkind] ?? 'relation'

const schemaName = (snapshot: ReaderSnapshot, namespace: Oid): string => snapshot.namespace(namespace)?.name ?? ''

/** The name with its schema, both quoted. */
export const qualified = (snapshot: ReaderSnapshot, object: { readonly name: string; readonly namespace: Oid }): string =>
  `${quoteIdentifier(schemaName(snapshot, object.namespace))}.${quoteIdentifier(object.name)}`

/** The relation's name, qualified unless the search path finds it. */
export function relationText(source: NameSource, relation: { readonly oid: Oid; readonly name: string; readonly namespace: Oid }): string {
  if (isRelationVisible(source.snapshot, pathOids(source), relation)) return quoteIdentifier(relation.name)
  return source.snapshot.namespace(relation.namespace) === null ? quoteIdentifier(relation.name) : qualified(source.snapshot, relation)
}

/** What a constraint's OID stands for. */
function constraintOf(
  snapshot: ReaderSnapshot,
  oid: Oid,
): { readonly name: string; readonly table: RelationInfo | null; readonly domain: Oid } | null {
  const record = snapshot.record(oid)
  if (record?.kind === 'domain-constraint') {
    const domain = snapshot.userType(record.domain)
    const found = domain === null ? undefined : domainConstraints(domain).find((constraint) => constraint.oid === oid)
    return found === undefined ? null : { name: found.name, table: null, domain: record.domain }
  }
  if (record?.kind !== 'constraint') return null
  const table = snapshot.relation(record.table)
  if (table === null || table.descriptor === null) return null
  const found = tableConstraints(table.descriptor).find((constraint) => constraint.oid === oid)
  return found === undefined ? null : { name: found.name, table, domain: 0 }
}

function defaultOf(snapshot: ReaderSnapshot, oid: Oid): { readonly table: RelationInfo; readonly column: string } | null {
  const record = snapshot.record(oid)
  if (record?.kind !== 'attrdef') return null
  const table = snapshot.relation(record.table)
  return table === null ? null : { table, column: table.columns[record.attnum - 1]!.name }
}

/** getObjectDescription; null when it is gone or of a kind that has no description here. */
export function describeObject(source: NameSource, { classId, objId, subId }: ObjectAddress): string | null {
  const { snapshot } = source
  switch (classId) {
    case CLASS.relation: {
      const relation = snapshot.relation(objId)
      if (relation === null) return null
      const text = `${wordOf(relation)} ${relationText(source, relation)}`
      return subId === 0 ? text : `column ${relation.columns[subId - 1]?.name ?? ''} of ${text}`
    }
    case CLASS.type:
      return snapshot.type(objId) === null ? null : `type ${typeText(snapshot, source.searchPath, objId)}`
    case CLASS.namespace: {
      const namespace = snapshot.namespace(objId)
      return namespace === null ? null : `schema ${namespace.name}`
    }
    case CLASS.role: {
      const role = snapshot.role(objId)
      return role === null ? null : `role ${role.name}`
    }
    case CLASS.proc: {
      const proc = snapshot.proc(objId)
      if (proc === null) return null
      return `function ${quoteIdentifier(proc.proname)}(${proc.proargtypes.map((type) => typeText(snapshot, source.searchPath, type)).join(',')})`
    }
    case CLASS.constraint: {
      const found = constraintOf(snapshot, objId)
      if (found === null) return null
      return `constraint ${found.name}${found.table === null ? '' : ` on table ${relationText(source, found.table)}`}`
    }
    case CLASS.attrdef: {
      const found = defaultOf(snapshot, objId)
      return found === null ? null : `default value for column ${found.column} of table ${relationText(source, found.table)}`
    }
    case CLASS.rewrite: {
      const view = snapshot.relation(objId)
      return view === null ? null : `rule _RETURN on view ${relationText(source, view)}`
    }
    case CLASS.collation: {
      const collation = collationByOid(objId)
      return collation === undefined ? null : `collation ${quoteIdentifier(collation.collname)}`
    }
    case CLASS.language: {
      const language = pgLanguages().find((row) => row.oid === objId)
      return language === undefined ? null : `language ${language.lanname}`
    }
    case CLASS.opclass: {
      const opclass = opclassByOid(objId)
      return opclass === undefined
        ? null
        : `operator class ${quoteIdentifier(opclass.opcname)} for access method ${amByOid(opclass.opcmethod)?.amname ?? ''}`
    }
    case CLASS.operator: {
      const operator = snapshot.operator(objId)
      if (operator === null) return null
      const side = (type: Oid): string => (type === 0 ? 'NONE' : typeText(snapshot, source.searchPath, type))
      return `operator ${operator.oprname}(${side(operator.oprleft)},${side(operator.oprright)})`
    }
    case ACCESS_METHOD: {
      const method = amByOid(objId)
      return method === undefined ? null : `access method ${method.amname}`
    }
    default:
      return null
  }
}

export function classWord(classId: Oid): string {
  const word = CLASS_WORDS[classId]
  const row = word === undefined ? classByOid(classId) : undefined
  if (row?.relnamespace === PG_CATALOG_NAMESPACE) throw notSupported(`objects of ${row.relname} cannot be identified`)
  if (word === undefined) throw new PgError(SQLSTATE.undefinedObject, `unsupported object class: ${classId}`)
  return word
}

/** pg_identify_object and pg_identify_object_as_address; null when the object is gone. */
export function identifyObject(source: NameSource, { classId, objId, subId }: ObjectAddress): ObjectIdentity | null {
  const { snapshot } = source
  // no path: every name comes out qualified
  const typeIdentity = (type: Oid): string => typeText(snapshot, [], type)
  const plain = (type: string, name: string): ObjectIdentity => {
    const quoted = quoteIdentifier(name)
    return { type, schema: null, name: quoted, identity: quoted, names: [name], args: [] }
  }
  switch (classId) {
    case CLASS.relation: {
      const relation = snapshot.relation(objId)
      if (relation === null) return null
      const schema = schemaName(snapshot, relation.namespace)
      const whole = { schema: quoteIdentifier(schema), name: quoteIdentifier(relation.name), args: [] }
      const identity = qualified(snapshot, relation)
      if (subId === 0) return { ...whole, type: wordOf(relation), identity, names: [schema, relation.name] }
      const column = relation.columns[subId - 1]?.name ?? ''
      return {
        ...whole,
        type: `${wordOf(relation)} column`,
        identity: `${identity}.${quoteIdentifier(column)}`,
        names: [schema, relation.name, column],
      }
    }
    case CLASS.type: {
      const row = snapshot.type(objId)
      if (row === null) return null
      const identity = typeIdentity(objId)
      const schema = quoteIdentifier(schemaName(snapshot, row.typnamespace))
      return { type: 'type', schema, name: quoteIdentifier(row.typname), identity, names: [identity], args: [] }
    }
    case CLASS.namespace: {
      const namespace = snapshot.namespace(objId)
      return namespace === null ? null : plain('schema', namespace.name)
    }
    case CLASS.role: {
      const role = snapshot.role(objId)
      return role === null ? null : plain('role', role.name)
    }
    case CLASS.proc: {
      const proc = snapshot.proc(objId)
      if (proc === null) return null
      const schema = schemaName(snapshot, proc.pronamespace)
      const args = proc.proargtypes.map(typeIdentity)
      const identity = `${qualified(snapshot, { name: proc.proname, namespace: proc.pronamespace })}(${args.join(',')})`
      const type = proc.prokind === 'a' ? 'aggregate' : proc.prokind === 'p' ? 'procedure' : 'function'
      return { type, schema: quoteIdentifier(schema), name: null, identity, names: [schema, proc.proname], args }
    }
    case CLASS.constraint: {
      const found = constraintOf(snapshot, objId)
      if (found === null) return null
      if (found.table === null) {
        const domain = typeIdentity(found.domain)
        const schema = quoteIdentifier(schemaName(snapshot, snapshot.type(found.domain)!.typnamespace))
        const identity = `${quoteIdentifier(found.name)} on ${domain}`
        return { type: 'domain constraint', schema, name: null, identity, names: [domain], args: [found.name] }
      }
      const schema = schemaName(snapshot, found.table.namespace)
      return {
        type: 'table constraint',
        schema: quoteIdentifier(schema),
        name: null,
        identity: `${quoteIdentifier(found.name)} on ${qualified(snapshot, found.table)}`,
        names: [schema, found.table.name, found.name],
        args: [],
      }
    }
    case CLASS.attrdef: {
      const found = defaultOf(snapshot, objId)
      if (found === null) return null
      const identity = `for ${qualified(snapshot, found.table)}.${quoteIdentifier(found.column)}`
      const names = [schemaName(snapshot, found.table.namespace), found.table.name, found.column]
      return { type: 'default value', schema: null, name: null, identity, names, args: [] }
    }
    case CLASS.rewrite: {
      const view = snapshot.relation(objId)
      if (view === null) return null
      const names = [schemaName(snapshot, view.namespace), view.name, '_RETURN']
      return { type: 'rule', schema: null, name: null, identity: `"_RETURN" on ${qualified(snapshot, view)}`, names, args: [] }
    }
    case CLASS.collation: {
      const collation = collationByOid(objId)
      if (collation === undefined) return null
      const schema = schemaName(snapshot, collation.collnamespace)
      return {
        type: 'collation',
        schema: quoteIdentifier(schema),
        name: quoteIdentifier(collation.collname),
        identity: qualified(snapshot, { name: collation.collname, namespace: collation.collnamespace }),
        names: [schema, collation.collname],
        args: [],
      }
    }
    case CLASS.operator: {
      const operator = snapshot.operator(objId)
      if (operator === null) return null
      const schema = schemaName(snapshot, operator.oprnamespace)
      const args = [operator.oprleft, operator.oprright].map((type) => (type === 0 ? 'NONE' : typeIdentity(type)))
      const identity = `${quoteIdentifier(schema)}.${operator.oprname}(${args.join(',')})`
      return { type: 'operator', schema: quoteIdentifier(schema), name: null, identity, names: [schema, operator.oprname], args }
    }
    case CLASS.opclass: {
      const opclass = opclassByOid(objId)
      if (opclass === undefined) return null
      const schema = schemaName(snapshot, opclass.opcnamespace)
      const method = amByOid(opclass.opcmethod)?.amname ?? ''
      const name = quoteIdentifier(opclass.opcname)
      return {
        type: 'operator class',
        schema: quoteIdentifier(schema),
        name,
        identity: `${quoteIdentifier(schema)}.${name} USING ${quoteIdentifier(method)}`,
        names: [method, schema, opclass.opcname],
        args: [],
      }
    }
    case CLASS.language: {
      const language = pgLanguages().find((row) => row.oid === objId)
      return language === undefined ? null : plain('language', language.lanname)
    }
    case ACCESS_METHOD: {
      const method = amByOid(objId)
      return method === undefined ? null : plain('access method', method.amname)
    }
    default:
      return null
  }
}

// --- from names to an address --------------------------------------------------------------------------------------------------------------

/** pg_get_object_address: the object that a kind and its names mean. */
export function objectAddress(
  source: NameSource,
  type: string,
  names: readonly string[],
  args: readonly string[],
  ctx: EvalContext,
): ObjectAddress {
  const { snapshot } = source
  const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidParameterValue, message)
  if (names.length < 1) throw invalid('name list length must be at least 1')
  const single = (list: readonly string[], what = 'name'): string => {
    if (list.length !== 1) throw invalid(`${what} list length must be exactly 1`)
    return list[0]!
  }
  const typeOf = (text: string): Oid => {
    const found = ctx.catalog.toType(text)
    if (found === null) throw new PgError(SQLSTATE.undefinedObject, `type "${text}" does not exist`)
    return found.oid
  }
  const whole = (classId: Oid, objId: Oid): ObjectAddress => ({ classId, objId, subId: 0 })
  const [, kind, column] = /^(.*?)( column)?$/.exec(type)!
  const relkind = Object.entries(RELATION_WORDS).find(([, word]) => word === kind)?.[0]
  if (relkind !== undefined) {
    const relation = relationNamed(source, column === undefined ? names : names.slice(0, -1))
    if (relation.relkind !== relkind)
      throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not ${/^[aeiou]/.test(kind!) ? 'an' : 'a'} ${kind}`)
    return { classId: CLASS.relation, objId: relation.oid, subId: column === undefined ? 0 : columnNamed(names, relation) }
  }
  switch (type) {
    case 'schema': {
      const name = single(names)
      const namespace = snapshot.namespaceByName(name)
      if (namespace === null) throw new PgError(SQLSTATE.undefinedSchema, `schema "${name}" does not exist`)
      return whole(CLASS.namespace, namespace.oid)
    }
    case 'role': {
      const name = single(names)
      const role = snapshot.roleByName(name)
      if (role === null) throw new PgError(SQLSTATE.undefinedObject, `role "${name}" does not exist`)
      return whole(CLASS.role, role.oid)
    }
    case 'database': {
      const name = single(names)
      if (name !== ctx.session.database) throw new PgError(SQLSTATE.undefinedDatabase, `database "${name}" does not exist`)
      return whole(CLASS.database, DATABASE_OID)
    }
    case 'type':
      return whole(CLASS.type, typeOf(single(names)))
    case 'domain constraint': {
      const domain = snapshot.userType(typeOf(single(names)))
      const name = single(args, 'argument')
      const found = domain === null ? undefined : domainConstraints(domain).find((constraint) => constraint.name === name)
      if (found === undefined) throw new PgError(SQLSTATE.undefinedObject, `constraint "${name}" for domain ${names[0]} does not exist`)
      return whole(CLASS.constraint, found.oid)
    }
    case 'table constraint': {
      const relation = relationNamed(source, names.slice(0, -1))
      const name = names.at(-1)!
      const own = relation.descriptor === null ? [] : tableConstraints(relation.descriptor)
      const found = own.find((constraint) => constraint.name === name)
      if (found === undefined)
        throw new PgError(SQLSTATE.undefinedObject, `constraint "${name}" for table "${relation.name}" does not exist`)
      return whole(CLASS.constraint, found.oid)
    }
    case 'default value': {
      const relation = relationNamed(source, names.slice(0, -1))
      const oid = relation.descriptor?.columns[columnNamed(names, relation) - 1]?.default?.oid
      if (oid === undefined)
        throw new PgError(
          SQLSTATE.undefinedColumn,
          `default value for column "${names.at(-1)}" of relation "${names.slice(0, -1).join('.')}" does not exist`,
        )
      return whole(CLASS.attrdef, oid)
    }
    case 'function':
    case 'procedure':
    case 'routine':
    case 'aggregate': {
      const signature = `${names.map((name) => quoteIdentifier(name)).join('.')}(${args.join(',')})`
      const [oid] = ctx.catalog.toProc(signature, true)
      if (oid === undefined)
        throw new PgError(
          SQLSTATE.undefinedFunction,
          `${type === 'routine' ? 'function' : type} ${names.join('.')}(${args.join(', ')}) does not exist`,
        )
      return whole(CLASS.proc, oid)
    }
    default:
      throw invalid(`unrecognized object type "${type}"`)
  }
}

function relationNamed(source: NameSource, names: readonly string[]): RelationInfo {
  const { snapshot } = source
  const name = names.at(-1) ?? ''
  const missing = new PgError(SQLSTATE.undefinedTable, `relation "${names.join('.')}" does not exist`)
  if (names.length > 1) {
    const namespace = snapshot.namespaceByName(names.at(-2)!)
    if (namespace === null) throw new PgError(SQLSTATE.undefinedSchema, `schema "${names.at(-2)}" does not exist`)
    const found = snapshot.relationByName(namespace.oid, name)
    if (found === null) throw missing
    return found
  }
  for (const namespace of pathOids(source)) {
    const found = snapshot.relationByName(namespace, name)
    if (found !== null) return found
  }
  throw missing
}

function columnNamed(names: readonly string[], relation: RelationInfo): number {
  const found = relation.columns.find((column) => !column.dropped && column.name === names.at(-1))
  if (found === undefined)
    throw new PgError(SQLSTATE.undefinedColumn, `column "${names.at(-1)}" of relation "${names.slice(0, -1).join('.')}" does not exist`)
  return found.attnum
}
