// DROP of everything that has dependents: what goes with an object, RESTRICT's error and CASCADE's notice, then the removal itself,
// dependents first (PostgreSQL's dependency.c).

import { notSupported, PgError } from '../../base/errors.ts'
import { type Oid, tableId } from '../../base/ids.ts'
import { makeSlicer, type Slicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationDescriptor } from '../../catalog/descriptors.ts'
import { addressText, CLASS, namePrefix, type ObjectAddress } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { checkRelationOwner, mustBeOwner, ownsObject } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { Dependent } from '../../catalog/writer.ts'
import { typeNameToString } from '../analyzer/type-name.ts'
import { type DropStmt, nodeAs, type TypeName } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { describeAddress } from './describe.ts'
import { dropBuiltin, missingSchema, skipped } from './drop-builtin.ts'
import { checkNotInUse, checkRelationName, load, lockNamed, objectParts, splitName } from './names.ts'
import { alterTable, typeText } from './table-builder.ts'

interface Doomed {
  readonly address: ObjectAddress
  /** Shown in CASCADE's notice: reached by a normal dependency. */
  readonly reported: boolean
  readonly description: string
}

/** Dependents beyond this many are counted, not listed. */
const MAX_REPORTED = 100

class Collector {
  readonly c: CommandContext
  /** In order of discovery; removal goes backwards. */
  readonly doomed = new Map<string, Doomed>()
  readonly refusals: string[] = []
  /** What the statement names: parts of these are no reason to refuse each other. */
  readonly #named: ReadonlySet<string>
  readonly #slicer: Slicer

  constructor(c: CommandContext, targets: readonly ObjectAddress[], slicer: Slicer) {
    this.c = c
    this.#named = new Set(targets.map(addressText))
    this.#slicer = slicer
  }

  has(address: ObjectAddress): boolean {
    return this.doomed.has(addressText(address)) || (address.subId !== 0 && this.doomed.has(addressText({ ...address, subId: 0 })))
  }

  async add(address: ObjectAddress, reported: boolean): Promise<void> {
    if (this.has(address)) return
    const description = (await describeAddress(this.c, address)) ?? 'object'
    this.doomed.set(addressText(address), { address, reported, description })
    const holder = await this.#relationOf(address)
    if (holder !== null) await this.c.lock(holder.oid, LOCK.accessExclusive, holder.name)
    for (const dependent of await this.#dependents(address)) {
      await this.#slicer.pause()
      await this.#follow(dependent, address, description)
    }
  }

  /** The relation that the object is, or is a part of. */
  async #relationOf(address: ObjectAddress): Promise<RelationInfo | null> {
    const { c } = this
    if (address.classId === CLASS.relation) {
      const relation = await load(() => c.snapshot.relation(address.objId))
      return relation?.relkind === 'i' ? load(() => c.snapshot.indexTable(address.objId)) : relation
    }
    if (address.classId !== CLASS.constraint && address.classId !== CLASS.attrdef) return null
    const record = await load(() => c.snapshot.record(address.objId))
    return record?.kind === 'constraint' || record?.kind === 'attrdef' ? load(() => c.snapshot.relation(record.table)) : null
  }

  /** Everything that refers to the object or to what lives in it, oldest first. */
  async #dependents(address: ObjectAddress): Promise<Dependent[]> {
    const found: Dependent[] = []
    const { classId, objId, subId } = address
    const collect = async (cls: Oid, oid: Oid): Promise<void> => {
      for (const dependent of await this.c.writer.dependents(cls, oid)) {
        if (subId !== 0 && cls === CLASS.relation && oid === objId && dependent.to.subId !== subId) continue
        if (subId === 0 && (await this.#insideOf(dependent.from, objId, classId))) continue
        found.push(dependent)
      }
    }
    await collect(classId, objId)
    if (classId === CLASS.relation && subId === 0) {
      const relation = (await load(() => this.c.snapshot.relation(objId)))?.descriptor ?? null
      if (relation !== null) {
        if (relation.rowType !== 0) await collect(CLASS.type, relation.rowType)
        if (relation.rowArrayType !== 0) await collect(CLASS.type, relation.rowArrayType)
        for (const index of relation.table?.indexes ?? []) await collect(CLASS.relation, index.oid)
        for (const constraint of relation.table?.constraints ?? []) await collect(CLASS.constraint, constraint.oid)
      }
    }
    if (classId === CLASS.constraint) {
      const record = await load(() => this.c.snapshot.record(objId))
      const table = record?.kind === 'constraint' ? await load(() => this.c.snapshot.relation(record.table)) : null
      const constraint = table?.descriptor?.table?.constraints.find((other) => other.oid === objId)
      if (constraint?.type === 'p' || constraint?.type === 'u') await collect(CLASS.relation, constraint.index)
    }
    if (classId === CLASS.type) {
      const type = await load(() => this.c.snapshot.userType(objId))
      if (type !== null && type.arrayType !== 0) await collect(CLASS.type, type.arrayType)
    }
    if (classId === CLASS.namespace) found.push(...(await this.#contents(objId)))
    return found.sort((a, b) => a.from.objId - b.from.objId || a.from.subId - b.from.subId)
  }

  /** A schema's relations and types stand in the name keys. */
  async #contents(namespace: Oid): Promise<Dependent[]> {
    const to: ObjectAddress = { classId: CLASS.namespace, objId: namespace, subId: 0 }
    const found: Dependent[] = []
    for (const { value } of await this.c.catalog.scan(namePrefix('r', namespace))) {
      await this.#slicer.pause()
      const oid = Number(value)
      const relation = await load(() => this.c.snapshot.relation(oid))
      if (relation !== null && relation.relkind !== 'i')
        found.push({ from: { classId: CLASS.relation, objId: oid, subId: 0 }, to, type: 'n' })
    }
    for (const { value } of await this.c.catalog.scan(namePrefix('t', namespace))) {
      const oid = Number(value)
      if ((await load(() => this.c.snapshot.userType(oid))) !== null)
        found.push({ from: { classId: CLASS.type, objId: oid, subId: 0 }, to, type: 'n' })
    }
    return found
  }

  /** A part of the relation that goes as a whole. */
  async #insideOf(from: ObjectAddress, objId: Oid, classId: Oid): Promise<boolean> {
    if (classId !== CLASS.relation) return false
    if (from.classId === CLASS.relation && from.objId === objId) return true
    const record = await load(() => this.c.snapshot.record(from.objId))
    if (from.classId === CLASS.relation) return record?.kind === 'index' && record.table === objId
    if (from.classId === CLASS.constraint) return record?.kind === 'constraint' && record.table === objId
    if (from.classId === CLASS.attrdef) return record?.kind === 'attrdef' && record.table === objId
    if (from.classId === CLASS.rewrite) return from.objId === objId
    return false
  }

  /** What a generated column is computed by is the column itself. */
  async #generatedColumn(attrdef: ObjectAddress): Promise<ObjectAddress | null> {
    const record = await load(() => this.c.snapshot.record(attrdef.objId))
    if (record?.kind !== 'attrdef') return null
    const table = await load(() => this.c.snapshot.relation(record.table))
    const generated = table?.descriptor?.columns[record.attnum - 1]?.generated ?? ''
    return generated === '' ? null : { classId: CLASS.relation, objId: record.table, subId: record.attnum }
  }

  /** A default or constraint of a table or column that is being dropped: a serial column's default depends on the sequence that goes with it. */
  async #goesAnyway(target: ObjectAddress): Promise<boolean> {
    const goes = (objId: Oid, subId: number): boolean => {
      const key = addressText({ classId: CLASS.relation, objId, subId })
      return this.doomed.has(key) || this.#named.has(key)
    }
    if ((target.classId === CLASS.relation || target.classId === CLASS.rewrite) && goes(target.objId, 0)) return true
    const record = await load(() => this.c.snapshot.record(target.objId))
    if (target.classId === CLASS.relation) return record?.kind === 'index' && goes(record.table, 0)
    if (target.classId === CLASS.constraint) return record?.kind === 'constraint' && goes(record.table, 0)
    if (target.classId !== CLASS.attrdef || record?.kind !== 'attrdef') return false
    return goes(record.table, 0) || goes(record.table, record.attnum)
  }

  async #follow(dependent: Dependent, on: ObjectAddress, onDescription: string): Promise<void> {
    // a view's rule is the view; an index of a constraint is the constraint
    let target: ObjectAddress =
      dependent.from.classId === CLASS.rewrite ? { classId: CLASS.relation, objId: dependent.from.objId, subId: 0 } : dependent.from
    if (target.classId === CLASS.relation && target.subId === 0) {
      const owner = await load(() => constraintOfIndex(this.c, target.objId))
      if (owner !== null) target = { classId: CLASS.constraint, objId: owner, subId: 0 }
    }
    const generated = target.classId === CLASS.attrdef ? await this.#generatedColumn(target) : null
    target = generated ?? target
    if (this.has(target) || (await this.#goesAnyway(target))) return
    const reported = dependent.type === 'n' || generated !== null
    if (reported) {
      const description = await describeAddress(this.c, target)
      const exact = on.classId === CLASS.constraint ? await describeAddress(this.c, dependent.to) : null
      if (description !== null) this.refusals.push(`${description} depends on ${exact ?? onDescription}`)
    }
    await this.add(target, reported)
  }
}

/** The constraint an index belongs to, or null. */
export function constraintOfIndex(c: CommandContext, index: Oid): Oid | null {
  const table = c.snapshot.indexTable(index)?.descriptor?.table
  const constraint = table?.constraints.find((other) => (other.type === 'p' || other.type === 'u') && other.index === index)
  return constraint?.oid ?? null
}

/** Drops the objects and what must go with them. */
export async function performDeletion(
  c: CommandContext,
  targets: readonly ObjectAddress[],
  cascade: boolean,
  quiet = false,
): Promise<void> {
  const slicer = makeSlicer(c.ctx)
  slicer.start()
  const collector = new Collector(c, targets, slicer)
  // other targets are no dependents of each other
  for (const target of targets) {
    await collector.add(target, false)
  }
  const wanted = new Set(targets.map(addressText))
  const others = [...collector.doomed.values()].filter((doomed) => doomed.reported && !wanted.has(addressText(doomed.address)))
  if (others.length > 0 && !cascade) {
    const first = [...collector.doomed.values()][0]!
    const lines = collector.refusals.filter((line) => others.some((other) => line.startsWith(`${other.description} depends on `)))
    throw new PgError(
      SQLSTATE.dependentObjectsStillExist,
      targets.length === 1
        ? `cannot drop ${first.description} because other objects depend on it`
        : 'cannot drop desired object(s) because other objects depend on them',
      { detail: listed(lines), hint: 'Use DROP ... CASCADE to drop the dependent objects too.' },
    )
  }
  if (others.length === 1 && !quiet)
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `drop cascades to ${others[0]!.description}` })
  else if (others.length > 1 && !quiet)
    c.ctx.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `drop cascades to ${others.length} other objects`,
      detail: listed(others.map((other) => `drop cascades to ${other.description}`)),
    })
  for (const doomed of [...collector.doomed.values()].reverse()) {
    await slicer.pause()
    await remove(c, doomed.address)
  }
}

function listed(lines: readonly string[]): string {
  if (lines.length <= MAX_REPORTED) return lines.join('\n')
  return `${lines.slice(0, MAX_REPORTED).join('\n')}\nand ${lines.length - MAX_REPORTED} other objects (see server log for list)`
}

/** Takes one object away; what depended on it is gone already. */
async function remove(c: CommandContext, address: ObjectAddress): Promise<void> {
  const record = await load(() => c.snapshot.record(address.objId))
  if (record === null) return
  switch (record.kind) {
    case 'relation':
      if (address.subId !== 0) await dropColumn(c, record.value.oid, address.subId)
      else await dropWholeRelation(c, record.value)
      return
    case 'index':
      await c.writer.alterRelation(record.table, (relation) =>
        alterTable(relation, (table) => ({ indexes: table.indexes.filter((index) => index.oid !== address.objId) })),
      )
      await c.writer.forget(CLASS.relation, address.objId)
      return
    case 'constraint':
      await dropConstraint(c, record.table, address.objId)
      return
    case 'attrdef':
      await c.writer.alterRelation(record.table, (relation) => ({
        ...relation,
        columns: relation.columns.map((column) =>
          column.default?.oid === address.objId ? { ...column, default: null, generated: '' } : column,
        ),
      }))
      await c.writer.forget(CLASS.attrdef, address.objId)
      return
    case 'type':
      await c.writer.dropType(address.objId)
      return
    case 'namespace':
      await c.writer.dropNamespace(address.objId)
      return
    default:
      return
  }
}

async function forgetInbound(c: CommandContext, referenced: Oid, constraint: Oid): Promise<void> {
  const relation = await load(() => c.snapshot.relation(referenced))
  if (relation?.descriptor?.table == null) return
  await c.writer.alterRelation(referenced, (old) =>
    alterTable(old, (table) => ({ inboundForeignKeys: table.inboundForeignKeys.filter((key) => key.constraint !== constraint) })),
  )
}

async function dropWholeRelation(c: CommandContext, relation: RelationDescriptor): Promise<void> {
  for (const constraint of relation.table?.constraints ?? [])
    if (constraint.type === 'f' && constraint.referencedTable !== relation.oid)
      await forgetInbound(c, constraint.referencedTable, constraint.oid)
  if (relation.kind === 'v') await c.writer.dropDependencies(CLASS.rewrite, relation.oid)
  if (relation.kind !== 'v') checkNotInUse(c, relation, 'DROP TABLE')
  await c.writer.dropRelation(relation.oid)
}

/** A constraint with its index; the primary key's rows get hidden row ids. */
async function dropConstraint(c: CommandContext, table: Oid, oid: Oid): Promise<void> {
  const relation = await c.writer.lockRelation(table)
  const constraint = relation.table!.constraints.find((other) => other.oid === oid)
  if (constraint === undefined) {
    await c.writer.alterRelation(table, (old) => ({
      ...old,
      columns: old.columns.map((column) =>
        column.notNullConstraint?.oid === oid ? { ...column, notNull: false, notNullConstraint: null } : column,
      ),
    }))
    await c.writer.forget(CLASS.constraint, oid)
    return
  }
  const index = constraint.type === 'p' || constraint.type === 'u' ? constraint.index : 0
  const clustered = index !== 0 && relation.table!.primaryKey === index
  let next = alterTable(relation, (old) => ({
    constraints: old.constraints.filter((other) => other.oid !== oid),
    indexes: index === 0 ? old.indexes : old.indexes.filter((other) => other.oid !== index),
    primaryKey: clustered ? 0 : old.primaryKey,
  }))
  if (clustered) {
    const id = tableId(await c.writer.newOid())
    next = alterTable(next, () => ({ id }))
  }
  const stored = await c.writer.updateRelation(next)
  if (clustered)
    await c.ports.data.rewriteTable(
      relation,
      stored,
      relation.columns.map(() => null),
    )
  if (constraint.type === 'f' && constraint.referencedTable !== table) await forgetInbound(c, constraint.referencedTable, oid)
  if (constraint.type === 'f' && constraint.referencedTable === table) await forgetInbound(c, table, oid)
  await c.writer.forget(CLASS.constraint, oid)
  if (index !== 0) await c.writer.forget(CLASS.relation, index)
}

/** attnum stays taken; its values are no longer read. */
async function dropColumn(c: CommandContext, table: Oid, attnum: number): Promise<void> {
  const relation = await c.writer.lockRelation(table)
  const column = relation.columns[attnum - 1]!
  await c.writer.updateRelation({
    ...relation,
    columns: relation.columns.with(attnum - 1, {
      ...column,
      name: `........pg.dropped.${attnum}........`,
      dropped: true,
      notNull: false,
      notNullConstraint: null,
      default: null,
      generated: '',
      identity: '',
      identitySequence: 0,
      acl: null,
      options: null,
    }),
  })
  await c.writer.forget(CLASS.relation, table, attnum)
  if (column.default !== null) await c.writer.forget(CLASS.attrdef, column.default.oid)
}

// --- the statement -------------------------------------------------------------------------------------------------------------------------

const RELKINDS: Readonly<Record<string, { kind: string; word: string; tag: string }>> = {
  OBJECT_TABLE: { kind: 'r', word: 'table', tag: 'DROP TABLE' },
  OBJECT_VIEW: { kind: 'v', word: 'view', tag: 'DROP VIEW' },
  OBJECT_SEQUENCE: { kind: 'S', word: 'sequence', tag: 'DROP SEQUENCE' },
  OBJECT_INDEX: { kind: 'i', word: 'index', tag: 'DROP INDEX' },
  OBJECT_MATVIEW: { kind: 'm', word: 'materialized view', tag: 'DROP MATERIALIZED VIEW' },
  OBJECT_FOREIGN_TABLE: { kind: 'f', word: 'foreign table', tag: 'DROP FOREIGN TABLE' },
}

const ARTICLES: Readonly<Record<string, string>> = {
  r: 'a table',
  v: 'a view',
  S: 'a sequence',
  i: 'an index',
  c: 'a type',
  m: 'a materialized view',
  f: 'a foreign table',
}
const HINTS: Readonly<Record<string, string>> = {
  r: 'Use DROP TABLE to remove a table.',
  v: 'Use DROP VIEW to remove a view.',
  S: 'Use DROP SEQUENCE to remove a sequence.',
  i: 'Use DROP INDEX to remove an index.',
  c: 'Use DROP TYPE to remove a type.',
}

export async function drop(c: CommandContext, stmt: DropStmt): Promise<CommandResult> {
  const cascade = stmt.behavior === 'DROP_CASCADE'
  const type = stmt.removeType!
  const relkind = RELKINDS[type]
  if (relkind !== undefined) return dropRelations(c, stmt, relkind, cascade)
  if (type === 'OBJECT_SCHEMA') return dropSchemas(c, stmt, cascade)
  if (type === 'OBJECT_TYPE' || type === 'OBJECT_DOMAIN') return dropTypes(c, stmt, cascade)
  if (type === 'OBJECT_TRIGGER' || type === 'OBJECT_POLICY' || type === 'OBJECT_RULE') return dropOnRelation(c, stmt)
  const done = await dropBuiltin(c, stmt)
  if (done === null) throw notSupported('dropping this kind of object is not supported')
  return done
}

async function dropRelations(
  c: CommandContext,
  stmt: DropStmt,
  relkind: { kind: string; word: string; tag: string },
  cascade: boolean,
): Promise<CommandResult> {
  if (stmt.concurrent) c.preventInTransactionBlock('DROP INDEX CONCURRENTLY')
  if (stmt.concurrent && (stmt.objects?.length ?? 0) > 1)
    throw new PgError(SQLSTATE.featureNotSupported, 'DROP INDEX CONCURRENTLY does not support dropping multiple objects')
  if (stmt.concurrent && cascade) throw new PgError(SQLSTATE.featureNotSupported, 'DROP INDEX CONCURRENTLY does not support CASCADE')
  const targets: ObjectAddress[] = []
  for (const object of stmt.objects ?? []) {
    const parts = objectParts(object)
    const relation = await namedForDrop(c, parts, stmt.missing_ok ?? false, relkind.word)
    if (relation === null) continue
    if (relation.relkind !== relkind.kind)
      throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not ${ARTICLES[relkind.kind]}`, {
        hint: HINTS[relation.relkind] ?? '',
      })
    await load(() => checkDropOwner(c, relation))
    targets.push({ classId: CLASS.relation, objId: relation.oid, subId: 0 })
    await refuseInternal(c, relation)
  }
  if (targets.length > 0) await performDeletion(c, targets, cascade)
  return { tag: relkind.tag }
}

async function namedForDrop(c: CommandContext, parts: readonly string[], missingOk: boolean, word: string): Promise<RelationInfo | null> {
  checkRelationName(c, parts)
  const { schema, name } = splitName(c, parts)
  if (schema !== null && (await load(() => c.snapshot.namespaceByName(schema))) === null) {
    if (!missingOk) throw new PgError(SQLSTATE.undefinedSchema, `schema "${schema}" does not exist`)
    skipped(c, `schema "${schema}" does not exist`)
    return null
  }
  const relation = await lockNamed(c, parts, LOCK.accessExclusive, true)
  if (relation === null) {
    if (!missingOk)
      throw new PgError(
        word === 'index' || word === 'foreign table' ? SQLSTATE.undefinedObject : SQLSTATE.undefinedTable,
        `${word} "${name}" does not exist`,
      )
    skipped(c, `${word} "${name}" does not exist`)
  }
  return relation
}

function checkDropOwner(c: CommandContext, relation: RelationInfo): void {
  const role = c.ctx.session.currentUser
  if (relation.oid >= FIRST_NORMAL_OID) {
    const namespace = c.snapshot.namespace(relation.namespace)
    if (namespace !== null && ownsObject(c.snapshot, namespace.owner, role)) return
  }
  checkRelationOwner(c.snapshot, relation, role)
}

/** Parts of another object cannot be dropped alone. */
async function refuseInternal(c: CommandContext, relation: RelationInfo): Promise<void> {
  const refuse = async (what: string, owner: ObjectAddress): Promise<never> => {
    const text = await describeAddress(c, owner)
    throw new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop ${what} because ${text} requires it`, {
      hint: `You can drop ${text} instead.`,
    })
  }
  const own: ObjectAddress = { classId: CLASS.relation, objId: relation.oid, subId: 0 }
  if (relation.relkind === 'i') {
    const constraint = await load(() => constraintOfIndex(c, relation.oid))
    if (constraint !== null) await refuse((await describeAddress(c, own))!, { classId: CLASS.constraint, objId: constraint, subId: 0 })
  }
  const owned = relation.descriptor?.sequence?.ownedBy
  if (owned?.deptype === 'i')
    await refuse((await describeAddress(c, own))!, { classId: CLASS.relation, objId: owned.table, subId: owned.attnum })
}

async function dropSchemas(c: CommandContext, stmt: DropStmt, cascade: boolean): Promise<CommandResult> {
  const targets: ObjectAddress[] = []
  for (const object of stmt.objects ?? []) {
    const name = objectParts(object)[0]!
    const namespace = await load(() => c.snapshot.namespaceByName(name))
    if (namespace === null) {
      if (!stmt.missing_ok) throw new PgError(SQLSTATE.undefinedSchema, `schema "${name}" does not exist`)
      skipped(c, `schema "${name}" does not exist`)
      continue
    }
    if (namespace.oid < 100 || namespace.name === 'information_schema')
      throw new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop schema ${name} because it is required by the database system`)
    if (!(await load(() => ownsObject(c.snapshot, namespace.owner, c.ctx.session.currentUser)))) throw mustBeOwner('schema', name)
    targets.push({ classId: CLASS.namespace, objId: namespace.oid, subId: 0 })
  }
  if (targets.length > 0) await performDeletion(c, targets, cascade)
  return { tag: 'DROP SCHEMA' }
}

async function dropTypes(c: CommandContext, stmt: DropStmt, cascade: boolean): Promise<CommandResult> {
  const domain = stmt.removeType === 'OBJECT_DOMAIN'
  const targets: ObjectAddress[] = []
  for (const object of stmt.objects ?? []) {
    const node = nodeAs(object, 'TypeName') as TypeName
    const parts = objectParts(object)
    const { schema, name } = splitName(c, parts)
    const found = await load(() => c.ctx.catalog.toType(`${parts.map(quoted).join('.')}${(node.arrayBounds?.length ?? 0) > 0 ? '[]' : ''}`))
    if (found === null) {
      if (schema !== null && (await load(() => c.snapshot.namespaceByName(schema))) === null) {
        if (!stmt.missing_ok) throw new PgError(SQLSTATE.undefinedSchema, `schema "${schema}" does not exist`)
        skipped(c, `schema "${schema}" does not exist`)
        continue
      }
      if (!stmt.missing_ok) throw new PgError(SQLSTATE.undefinedObject, `type "${typeNameToString(node)}" does not exist`)
      skipped(c, `type "${typeNameToString(node)}" does not exist`)
      continue
    }
    const row = (await load(() => c.snapshot.type(found.oid)))!
    const text = await load(() => typeText(c, found.oid))
    if (domain && row.typtype !== 'd') throw new PgError(SQLSTATE.wrongObjectType, `"${name}" is not a domain`)
    if (!(await load(() => ownsObject(c.snapshot, row.typowner, c.ctx.session.currentUser)))) throw mustBeOwner('type', text)
    if (row.oid < FIRST_NORMAL_OID)
      throw new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop type ${text} because it is required by the database system`)
    if (row.typtype === 'c') {
      const relation = (await load(() => c.snapshot.relation(row.typrelid)))!
      if (relation.relkind !== 'c') {
        const owner = await describeAddress(c, { classId: CLASS.relation, objId: relation.oid, subId: 0 })
        throw new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop type ${text} because ${owner} requires it`, {
          hint: `You can drop ${owner} instead.`,
        })
      }
      targets.push({ classId: CLASS.relation, objId: relation.oid, subId: 0 })
    } else if (row.typelem !== 0) {
      const element = await load(() => typeText(c, row.typelem))
      throw new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop type ${text} because type ${element} requires it`, {
        hint: `You can drop type ${element} instead.`,
      })
    } else targets.push({ classId: CLASS.type, objId: row.oid, subId: 0 })
  }
  if (targets.length > 0) await performDeletion(c, targets, cascade)
  return { tag: domain ? 'DROP DOMAIN' : 'DROP TYPE' }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

async function dropOnRelation(c: CommandContext, stmt: DropStmt): Promise<CommandResult> {
  const word = { OBJECT_TRIGGER: 'trigger', OBJECT_POLICY: 'policy', OBJECT_RULE: 'rule' }[stmt.removeType as 'OBJECT_TRIGGER']!
  for (const object of stmt.objects ?? []) {
    const parts = objectParts(object)
    const table = parts.slice(0, -1)
    const name = parts[parts.length - 1]!
    const relation = await lockNamed(c, table, LOCK.accessExclusive, stmt.missing_ok ?? false)
    if (relation === null) {
      const schema = await missingSchema(c, table)
      skipped(c, schema === null ? `relation "${table.join('.')}" does not exist` : `schema "${schema}" does not exist`)
      continue
    }
    const message = `${word} "${name}" for ${word === 'policy' ? 'table' : word === 'rule' ? 'relation' : 'table'} "${relation.name}" does not exist`
    if (!stmt.missing_ok) throw new PgError(SQLSTATE.undefinedObject, message)
    c.ctx.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `${word} "${name}" for relation "${table.join('.')}" does not exist, skipping`,
    })
  }
  return { tag: `DROP ${word.toUpperCase()}` }
}
