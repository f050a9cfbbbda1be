// ALTER COLUMN … TYPE … [USING …]: rows are written anew under a new table id; what refers to the column (default, checks, indexes,
// generated columns, foreign keys) is bound again to its new type.

import { PgError } from '../../base/errors.ts'
import { type Oid, tableId } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ColumnDescriptor, ConstraintDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import { CLASS } from '../../catalog/keys.ts'
import type { Expr } from '../analyzer/expr.ts'
import { type ColumnDef, type Node, nodeAs } from '../parser/nodes.ts'
import { parse } from '../parser/parse.ts'
import { checkIdentityType } from './alter-identity.ts'
import type { CommandContext, ExpressionScope } from './context.ts'
import { serialType } from './create-table.ts'
import { relationText } from './describe.ts'
import { columnNamed, load, partsOf, positionOf, quoteName, SYSTEM_COLUMNS, undefinedColumn } from './names.ts'
import { foreignKeyOperators, operatorClass } from './operator-classes.ts'
import { alterSequenceObject } from './sequence.ts'
import {
  alterTable,
  analyzeDefault,
  checkTypeHasValues,
  checkTypeUsage,
  checkVirtualType,
  columnTypeDependency,
  draftScope,
  replaceColumn,
  typeText,
} from './table-builder.ts'

/** Positions in that text are none in the client's. */
async function ofOwnText<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof PgError)) throw error
    const { position: _position, ...fields } = error.fields
    throw new PgError(error.code, error.message, fields)
  }
}

/** The expression's text parsed again. */
function reparsed(text: string): Node {
  const select = nodeAs(parse(`SELECT ${text}`)[0]!.node!, 'SelectStmt')!
  return nodeAs(select.targetList![0], 'ResTarget')!.val!
}

async function rebound(
  c: CommandContext,
  stored: string,
  before: RelationDescriptor,
  after: RelationDescriptor,
  purpose: ExpressionScope['purpose'],
): Promise<string> {
  const text = await load(() => c.analysis.deparse(stored, before.oid))
  const expr = await ofOwnText(() => c.analysis.expression(reparsed(text), { purpose, relation: draftScope(after), target: null }))
  return c.analysis.store(expr)
}

async function refuseDependents(c: CommandContext, relation: RelationDescriptor, column: ColumnDescriptor): Promise<void> {
  for (const { from, to } of await c.writer.dependents(CLASS.relation, relation.oid)) {
    if (to.subId !== column.attnum || from.classId !== CLASS.rewrite) continue
    const view = await load(() => c.snapshot.relation(from.objId))
    throw new PgError(SQLSTATE.featureNotSupported, 'cannot alter type of a column used by a view or rule', {
      detail: `rule _RETURN on view ${view === null ? '' : await load(() => relationText(c, view))} depends on column "${column.name}"`,
    })
  }
  for (const other of relation.columns) {
    if (other.generated === '' || other.default === null || other.attnum === column.attnum) continue
    const uses = c.analysis
      .dependencies(c.analysis.loadExpression(other.default.expr), relation.oid)
      .some((to) => to.classId === CLASS.relation && to.objId === relation.oid && to.subId === column.attnum)
    if (uses)
      throw new PgError(SQLSTATE.featureNotSupported, 'cannot alter type of a column used by a generated column', {
        detail: `Column "${column.name}" is used by generated column "${other.name}".`,
      })
  }
}

/** Stored values and keys stay as they are: text to varchar without length, a longer or no length. */
function sameForm(old: ColumnDescriptor, type: Oid, typmod: number): boolean {
  const text = (oid: Oid): boolean => oid === 25 || oid === 1043
  if (old.type === type)
    return (
      old.typmod === typmod ||
      (typmod === -1 && (text(type) || type === 1700)) ||
      (type === 1043 && old.typmod !== -1 && typmod > old.typmod)
    )
  return text(old.type) && text(type) && typmod === -1
}

/** What the rows of a table get in a column, over the rows as they are when ALTER TABLE begins. */
export interface ColumnRewrite {
  readonly attnum: number
  readonly value: Expr
}

/** `original`: the relation as it is when ALTER TABLE begins, which USING speaks of. Null: the rows stay as they are. */
export async function alterColumnType(
  c: CommandContext,
  original: RelationDescriptor,
  name: string,
  def: ColumnDef,
): Promise<ColumnRewrite | null> {
  const table = original.oid
  const before = await c.writer.lockRelation(table)
  const column = columnNamed(before, name)
  if (column === null) {
    if (SYSTEM_COLUMNS[name] !== undefined) throw new PgError(SQLSTATE.featureNotSupported, `cannot alter system column "${name}"`)
    throw undefinedColumn(name, before.name)
  }
  if (serialType(def.typeName!) !== null)
    throw new PgError(SQLSTATE.undefinedObject, `type "${partsOf(def.typeName!.names).join('.')}" does not exist`)
  const named = await c.analysis.typeName(def.typeName!)
  await checkTypeUsage(c, named.type)
  await checkTypeHasValues(c, named.type)
  if (column.generated === 'v') await checkVirtualType(c, name, named.type)
  const collation =
    def.collClause === undefined ? named.collation : await c.analysis.collation(partsOf(def.collClause.collname), def.collClause.location)
  if (column.generated !== '' && def.raw_default !== undefined)
    throw new PgError(SQLSTATE.invalidColumnDefinition, 'cannot specify USING when altering type of generated column', {
      detail: `Column "${name}" is a generated column.`,
      ...positionOf(c, def.location),
    })
  if (column.identity !== '') {
    checkIdentityType(named.type)
    await alterSequenceObject(c, column.identitySequence, [{ defname: 'as', arg: { TypeName: def.typeName! } }])
  }
  const target = { column: name, type: named.type, typmod: named.typmod }
  const typeName = await load(() => typeText(c, named.type))
  const withTypmod = await load(() => typeText(c, named.type, named.typmod))
  const notAutomatic = new PgError(SQLSTATE.datatypeMismatch, `column "${name}" cannot be cast automatically to type ${typeName}`, {
    hint: `You might need to specify "USING ${quoteName(name)}::${withTypmod}".`,
  })
  const value =
    column.generated === ''
      ? await c.analysis.expression(def.raw_default ?? { ColumnRef: { fields: [{ String: { sval: name } }] } }, {
          purpose: 'using',
          relation: draftScope(original),
          target,
          ...(def.raw_default === undefined ? { automatic: () => notAutomatic } : {}),
        })
      : null
  await refuseDependents(c, before, column)
  const storage = (await load(() => c.snapshot.type(named.type)))!.typstorage
  let next: ColumnDescriptor = {
    ...column,
    type: named.type,
    typmod: named.typmod,
    dims: named.dims,
    collation,
    storage,
    missingValue: null,
  }
  let after = replaceColumn(before, next)
  if (column.default !== null) {
    const text = await load(() => c.analysis.deparse(column.default!.expr, table))
    try {
      const expr = await ofOwnText(() => analyzeDefault(c, after, next, reparsed(text), column.generated))
      next = { ...next, default: { oid: column.default.oid, expr: c.analysis.store(expr) } }
    } catch (error) {
      if (!(error instanceof PgError) || error.code !== SQLSTATE.datatypeMismatch) throw error
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `default for column "${name}" cannot be cast automatically to type ${await load(() => typeText(c, named.type))}`,
      )
    }
    after = replaceColumn(before, next)
  }
  after = await rebindParts(c, before, after, column.attnum)
  const virtual = column.generated === 'v'
  const keep = virtual || (sameForm(column, named.type, named.typmod) && def.raw_default === undefined && column.generated === '')
  if (keep) after = replaceColumn(after, { ...after.columns[column.attnum - 1]!, missingValue: column.missingValue })
  const rewrite = !keep && !(await c.ports.data.isEmpty(original))
  if (!keep) {
    const id = tableId(await c.writer.newOid())
    after = alterTable(after, () => ({ id }))
  }
  const stored = await c.writer.updateRelation(after)
  await c.writer.dropDependencies(CLASS.relation, table, column.attnum)
  const dependency = columnTypeDependency(table, next)
  for (const to of dependency?.to ?? []) await c.writer.addDependency(dependency!.from, to.to, to.type)
  await rebindForeignKeys(c, stored, column.attnum)
  return rewrite ? { attnum: column.attnum, value: value ?? c.analysis.loadExpression(next.default!.expr) } : null
}

/** Does what the changes of types have asked for, in one go. */
export async function rewriteColumns(c: CommandContext, original: RelationDescriptor, rewrites: readonly ColumnRewrite[]): Promise<void> {
  if (rewrites.length === 0) return
  const now = await c.writer.lockRelation(original.oid)
  const values = now.columns.map(({ attnum }) => rewrites.find((rewrite) => rewrite.attnum === attnum)?.value ?? null)
  await c.ports.data.rewriteTable(original, now, values)
}

/** Checks and indexes over the column, bound to its new type. */
async function rebindParts(
  c: CommandContext,
  before: RelationDescriptor,
  after: RelationDescriptor,
  attnum: number,
): Promise<RelationDescriptor> {
  const constraints: ConstraintDescriptor[] = []
  for (const constraint of after.table!.constraints) {
    const uses = constraint.type === 'c' && constraint.columns.includes(attnum)
    constraints.push(uses ? { ...constraint, expr: await rebound(c, constraint.expr, before, after, 'check') } : constraint)
  }
  const next = after.columns[attnum - 1]!
  const indexes: NonNullable<RelationDescriptor['table']>['indexes'][number][] = []
  for (const index of after.table!.indexes) {
    const columns = []
    for (const key of index.columns) {
      if (key.attnum === attnum)
        columns.push({
          ...key,
          type: next.type,
          collation: next.collation,
          opclass: await operatorClass(c, index.accessMethod, next.type, []),
        })
      else if (key.attnum === 0) {
        const expr = await rebound(c, key.expr!, before, after, 'index')
        const type = c.analysis.loadExpression(expr).type
        columns.push({
          ...key,
          expr,
          type,
          opclass: type === key.type ? key.opclass : await operatorClass(c, index.accessMethod, type, []),
        })
      } else columns.push(key)
    }
    const predicate = index.predicate === null ? null : await rebound(c, index.predicate, before, after, 'index predicate')
    indexes.push({ ...index, columns, predicate })
  }
  return alterTable(after, () => ({ constraints, indexes }))
}

/** Equality operators of the foreign keys that the column is part of, on both sides. */
async function rebindForeignKeys(c: CommandContext, relation: RelationDescriptor, attnum: number): Promise<void> {
  const tables = new Set<Oid>()
  if (relation.table!.constraints.some((constraint) => constraint.type === 'f' && constraint.columns.includes(attnum)))
    tables.add(relation.oid)
  for (const inbound of relation.table!.inboundForeignKeys) tables.add(inbound.table)
  for (const oid of tables) {
    const table = await c.writer.lockRelation(oid)
    const constraints: ConstraintDescriptor[] = []
    for (const constraint of table.table!.constraints) {
      if (constraint.type !== 'f') {
        constraints.push(constraint)
        continue
      }
      const referenced = constraint.referencedTable === table.oid ? table : await c.writer.lockRelation(constraint.referencedTable)
      const index = referenced.table!.indexes.find((other) => other.oid === constraint.referencedIndex)!
      const operators = []
      for (const [i, fkAttnum] of constraint.columns.entries()) {
        const fk = table.columns[fkAttnum - 1]!
        const pk = referenced.columns[constraint.referencedColumns[i]! - 1]!
        const opclass = index.columns.find((key) => key.attnum === pk.attnum)!.opclass
        const found = await foreignKeyOperators(c, opclass, pk.type, fk.type)
        if (found === null) {
          throw new PgError(SQLSTATE.datatypeMismatch, `foreign key constraint "${constraint.name}" cannot be implemented`, {
            detail: `Key columns "${fk.name}" of the referencing table and "${pk.name}" of the referenced table are of incompatible types: ${await load(() => typeText(c, fk.type))} and ${await load(() => typeText(c, pk.type))}.`,
          })
        }
        operators.push(found)
      }
      constraints.push({
        ...constraint,
        pfEqOps: operators.map((op) => op.pfEqOp),
        ppEqOps: operators.map((op) => op.ppEqOp),
        ffEqOps: operators.map((op) => op.ffEqOp),
      })
    }
    await c.writer.updateRelation(alterTable(table, () => ({ constraints })))
  }
}
