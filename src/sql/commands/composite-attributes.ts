// Attributes of composite types, and what it means for a relation that its rows are values of other relations' columns: those hold them as they
// were written, and are not rewritten with it.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ColumnDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import { CLASS } from '../../catalog/keys.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { ColumnDef } from '../parser/nodes.ts'
import type { CommandContext } from './context.ts'
import { serialType } from './create-table.ts'
import { columnNamed, load, partsOf, undefinedColumn } from './names.ts'
import { checkNotSet, columnTypeDependency, plainColumn, replaceColumn, typeText } from './table-builder.ts'

/** 0A000 while a column, of the type itself, of arrays or domains over it, holds rows of the relation. */
export async function refuseStoredRows(c: CommandContext, relation: RelationInfo): Promise<void> {
  const { rowType, rowArrayType } = relation.descriptor!
  // arrays first, as PostgreSQL looks
  const types = [rowType, rowArrayType]
  for (let type = types.pop(); type !== undefined; type = types.pop()) {
    for (const { from } of await c.writer.dependents(CLASS.type, type)) {
      if (from.classId === CLASS.type) types.push(from.objId, (await load(() => c.snapshot.type(from.objId)))?.typarray ?? 0)
      if (from.classId !== CLASS.relation || from.subId === 0) continue
      const user = await load(() => c.snapshot.relation(from.objId))
      const column = user?.columns[from.subId - 1]
      if (user === null || column === undefined || column.dropped) continue
      if (user.relkind === 'c') types.push(user.descriptor!.rowType, user.descriptor!.rowArrayType)
      else {
        const where = `because column "${user.name}.${column.name}" uses`
        if (relation.relkind === 'c') throw notSupported(`cannot alter type "${relation.name}" ${where} it`)
        throw notSupported(`cannot alter table "${relation.name}" ${where} its row type`)
      }
    }
  }
}

/** 42P16 for a column whose values would hold rows of the relation it is to be in. */
export async function checkNoMember(c: CommandContext, relation: RelationInfo, type: Oid): Promise<void> {
  const containing = relation.descriptor!.rowType
  const types = [type]
  const seen = new Set<Oid>()
  for (let next = types.pop(); next !== undefined; next = types.pop()) {
    if (next === 0 || seen.has(next)) continue
    seen.add(next)
    const oid = next
    if (oid === containing)
      throw new PgError(
        SQLSTATE.invalidTableDefinition,
        `composite type ${await load(() => typeText(c, containing))} cannot be made a member of itself`,
      )
    const row = await load(() => c.snapshot.type(oid))
    if (row === null) continue
    types.push(row.typelem, row.typbasetype)
    const members = row.typrelid === 0 ? null : await load(() => c.snapshot.relation(row.typrelid))
    for (const column of members?.columns ?? []) if (!column.dropped) types.push(column.type)
  }
}

async function depend(c: CommandContext, relation: Oid, column: ColumnDescriptor): Promise<void> {
  const dependency = columnTypeDependency(relation, column)
  for (const to of dependency?.to ?? []) await c.writer.addDependency(dependency!.from, to.to, to.type)
}

const typeOf = async (c: CommandContext, def: ColumnDef): Promise<{ type: Oid; typmod: number; collation: Oid; dims: number }> => {
  if (serialType(def.typeName!) !== null)
    throw new PgError(SQLSTATE.undefinedObject, `type "${partsOf(def.typeName!.names).join('.')}" does not exist`)
  const named = await c.analysis.typeName(def.typeName!)
  checkNotSet(def.colname!, def.typeName!)
  if (def.collClause === undefined) return named
  return { ...named, collation: await c.analysis.collation(partsOf(def.collClause.collname)) }
}

/** ALTER TYPE … ADD ATTRIBUTE: values stored before have NULL there. */
export async function addAttribute(c: CommandContext, relation: RelationInfo, def: ColumnDef): Promise<void> {
  const before = await c.writer.lockRelation(relation.oid)
  const name = def.colname!
  if (columnNamed(before, name) !== null)
    throw new PgError(SQLSTATE.duplicateColumn, `column "${name}" of relation "${relation.name}" already exists`)
  const type = await typeOf(c, def)
  await checkNoMember(c, relation, type.type)
  const column = await plainColumn(c, before.columns.length + 1, name, type)
  await c.writer.updateRelation({ ...before, columns: [...before.columns, column] })
  await depend(c, relation.oid, column)
}

/** ALTER TYPE … ALTER ATTRIBUTE … TYPE: only where no values are stored. */
export async function alterAttributeType(c: CommandContext, relation: RelationInfo, name: string, def: ColumnDef): Promise<void> {
  const before: RelationDescriptor = await c.writer.lockRelation(relation.oid)
  const column = columnNamed(before, name)
  if (column === null) throw undefinedColumn(name, relation.name)
  const type = await typeOf(c, def)
  const made = await plainColumn(c, column.attnum, name, type)
  await checkNoMember(c, relation, type.type)
  await refuseStoredRows(c, relation)
  await c.writer.updateRelation(replaceColumn(before, made))
  await c.writer.dropDependencies(CLASS.relation, relation.oid, column.attnum)
  await depend(c, relation.oid, made)
}
