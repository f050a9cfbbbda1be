// CREATE TYPE (enum, composite), ALTER TYPE … ADD VALUE | RENAME VALUE.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationDescriptor, TypeDescriptor } from '../../catalog/descriptors.ts'
import { mustBeOwner, ownsObject } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import type { PgTypeRow } from '../builtin/data/rows.ts'
import { type AlterEnumStmt, type CompositeTypeStmt, type CreateEnumStmt, stringOf, type TypeName } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { serialType } from './create-table.ts'
import { defaultAclFor } from './default-privileges.ts'
import { load, partsOf, rangeVarParts, splitName } from './names.ts'
import { newRelation } from './new-relation.ts'
import { checkNotSet, columnDefs, columnTypeDependency, plainColumn, typeText } from './table-builder.ts'
import { typeNamespace } from './temporary.ts'

const MAX_LABEL_BYTES = 63

function checkLabel(label: string): void {
  if (Buffer.byteLength(label) > MAX_LABEL_BYTES || label === '')
    throw new PgError(SQLSTATE.invalidName, `invalid enum label "${label}"`, { detail: `Labels must be ${MAX_LABEL_BYTES} bytes or less.` })
}

/** Writes a new type of the current user, with its array type. */
export async function createType(
  c: CommandContext,
  namespace: Oid,
  oid: Oid,
  name: string,
  definition: TypeDescriptor['definition'],
): Promise<void> {
  const owner = c.ctx.session.currentUser
  const acl = await defaultAclFor(c, 'T', owner, namespace)
  await c.writer.createType({ oid, name, namespace, owner, acl, arrayType: await c.writer.newOid(namespace), definition })
}

export async function createEnum(c: CommandContext, stmt: CreateEnumStmt): Promise<CommandResult> {
  const { schema, name } = splitName(c, partsOf(stmt.typeName))
  const namespace = await typeNamespace(c, schema)
  await checkTypeName(c, namespace.oid, name)
  const labels: { oid: number; label: string; sortOrder: number }[] = []
  const oid = await c.writer.newOid(namespace.oid)
  for (const [i, node] of (stmt.vals ?? []).entries()) {
    const label = stringOf(node)
    checkLabel(label)
    if (labels.some((other) => other.label === label))
      throw new PgError(SQLSTATE.uniqueViolation, 'duplicate key value violates unique constraint "pg_enum_typid_label_index"', {
        detail: `Key (enumtypid, enumlabel)=(${oid}, ${label}) already exists.`,
        schema: 'pg_catalog',
        table: 'pg_enum',
        constraint: 'pg_enum_typid_label_index',
      })
    labels.push({ oid: await c.writer.newOid(namespace.oid), label, sortOrder: i + 1 })
  }
  await createType(c, namespace.oid, oid, name, { kind: 'enum', labels })
  return { tag: 'CREATE TYPE' }
}

/** 42710 unless the name is free, or an array type's, which then gives way. */
export async function checkTypeName(c: CommandContext, namespace: number, name: string): Promise<void> {
  const taken = await load(() => {
    const row = c.snapshot.typeByName(namespace, name)
    return row !== null && (row.oid < FIRST_NORMAL_OID || c.snapshot.type(row.typelem)?.typarray !== row.oid)
  })
  if (taken) throw new PgError(SQLSTATE.duplicateObject, `type "${name}" already exists`)
}

/** 42809 for a type that follows another object: a table's row type, an array type. */
export async function checkAlterableType(c: CommandContext, row: PgTypeRow): Promise<void> {
  const relation = row.typrelid === 0 ? null : await load(() => c.snapshot.relation(row.typrelid))
  if (relation !== null && relation.relkind !== 'c')
    throw new PgError(SQLSTATE.wrongObjectType, `${await load(() => typeText(c, row.oid))} is a table's row type`, {
      hint: 'Use ALTER TABLE instead.',
    })
  const element = row.typelem === 0 ? null : await load(() => c.snapshot.type(row.typelem))
  if (element?.typarray !== row.oid) return
  const named = await load(() => typeText(c, element.oid))
  throw new PgError(SQLSTATE.wrongObjectType, `cannot alter array type ${named}[]`, {
    hint: `You can alter type ${named}, which will alter the array type as well.`,
  })
}

export async function alterEnum(c: CommandContext, stmt: AlterEnumStmt): Promise<CommandResult> {
  const named = await c.analysis.typeName({ names: stmt.typeName!, location: -1 } as TypeName)
  const type = await load(() => c.snapshot.userType(named.type))
  if (type === null || type.definition.kind !== 'enum')
    throw new PgError(SQLSTATE.wrongObjectType, `${await load(() => typeText(c, named.type))} is not an enum`)
  if (!(await load(() => ownsObject(c.snapshot, type.owner, c.ctx.session.currentUser)))) throw mustBeOwner('type', type.name)
  const { labels } = type.definition
  const missing = (label: string): PgError => new PgError(SQLSTATE.invalidParameterValue, `"${label}" is not an existing enum label`)
  const newVal = stmt.newVal!
  const exists = labels.some((other) => other.label === newVal)
  if (stmt.oldVal !== undefined && stmt.oldVal !== '') {
    if (!labels.some((other) => other.label === stmt.oldVal)) throw missing(stmt.oldVal)
    if (exists) throw new PgError(SQLSTATE.duplicateObject, `enum label "${newVal}" already exists`)
    const renamed = labels.map((other) => (other.label === stmt.oldVal ? { ...other, label: newVal } : other))
    await c.writer.alterType(type.oid, (old) => ({ ...old, definition: { kind: 'enum', labels: renamed } }))
    return { tag: 'ALTER TYPE' }
  }
  checkLabel(newVal)
  if (exists) {
    if (!stmt.skipIfNewValExists) throw new PgError(SQLSTATE.duplicateObject, `enum label "${newVal}" already exists`)
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.duplicateObject, message: `enum label "${newVal}" already exists, skipping` })
    return { tag: 'ALTER TYPE' }
  }
  const sorted = [...labels].sort((a, b) => a.sortOrder - b.sortOrder)
  let sortOrder = (sorted.at(-1)?.sortOrder ?? 0) + 1
  if (stmt.newValNeighbor !== undefined && stmt.newValNeighbor !== '') {
    const at = sorted.findIndex((other) => other.label === stmt.newValNeighbor)
    if (at < 0) throw missing(stmt.newValNeighbor)
    const [left, right] = stmt.newValIsAfter ? [sorted[at], sorted[at + 1]] : [sorted[at - 1], sorted[at]]
    sortOrder =
      left === undefined ? right!.sortOrder - 1 : right === undefined ? left.sortOrder + 1 : (left.sortOrder + right.sortOrder) / 2
    if (sortOrder === left?.sortOrder || sortOrder === right?.sortOrder)
      throw notSupported(
        `no further label fits between "${left!.label}" and "${right!.label}"`,
        'Make a new type with the labels in the order you want, and change the columns to it.',
      )
  }
  const added = { oid: await c.writer.newOid(type.namespace), label: newVal, sortOrder }
  await c.writer.alterType(type.oid, (old) => ({ ...old, definition: { kind: 'enum', labels: [...labels, added] } }))
  return { tag: 'ALTER TYPE' }
}

export async function createComposite(c: CommandContext, stmt: CompositeTypeStmt): Promise<CommandResult> {
  const { schema, name } = splitName(c, rangeVarParts(stmt.typevar!))
  const namespace = await typeNamespace(c, schema)
  await checkTypeName(c, namespace.oid, name)
  const columns: RelationDescriptor['columns'][number][] = []
  for (const def of columnDefs(stmt.coldeflist)) {
    if (serialType(def.typeName!) !== null)
      throw new PgError(SQLSTATE.undefinedObject, `type "${partsOf(def.typeName!.names).join('.')}" does not exist`)
    if (columns.some((column) => column.name === def.colname))
      throw new PgError(SQLSTATE.duplicateColumn, `column "${def.colname}" specified more than once`)
    const type = await c.analysis.typeName(def.typeName!)
    checkNotSet(def.colname!, def.typeName!)
    columns.push(await plainColumn(c, columns.length + 1, def.colname!, type))
  }
  const relation = await newRelation(c, { name, namespace: namespace.oid, kind: 'c', persistence: 'p' }, { columns })
  await c.writer.createRelation(relation)
  for (const column of columns) {
    const dependency = columnTypeDependency(relation.oid, column)
    for (const to of dependency?.to ?? []) await c.writer.addDependency(dependency!.from, to.to, to.type)
  }
  return { tag: 'CREATE TYPE' }
}
