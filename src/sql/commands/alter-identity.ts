// ALTER COLUMN … ADD | SET | DROP IDENTITY.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ColumnDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import { CLASS } from '../../catalog/keys.ts'
import { type Constraint, type DefElem, nodeAs, stringOf } from '../parser/nodes.ts'
import type { CommandContext } from './context.ts'
import { defElems, defString } from './def-elem.ts'
import { chooseRelationName, columnNamed, undefinedColumn } from './names.ts'
import { alterSequenceObject, createSequenceObject } from './sequence.ts'
import { replaceColumn } from './table-builder.ts'

function named(relation: RelationDescriptor, name: string): ColumnDescriptor {
  const column = columnNamed(relation, name)
  if (column === null) throw undefinedColumn(name, relation.name)
  return column
}

const wrong = (relation: RelationDescriptor, column: ColumnDescriptor, what: string): PgError =>
  new PgError(SQLSTATE.objectNotInPrerequisiteState, `column "${column.name}" of relation "${relation.name}" ${what}`)

export function checkIdentityType(type: Oid): void {
  if (![20, 21, 23].includes(type))
    throw new PgError(SQLSTATE.invalidParameterValue, 'identity column type must be smallint, integer, or bigint')
}

/** An identity's options apart from the name its sequence is to have (pg_dump gives one). */
export function identityOptions(given: readonly DefElem[]): { readonly options: readonly DefElem[]; readonly sequenceName: string | null } {
  const named = given.find((option) => option.defname === 'sequence_name')
  return {
    options: given.filter((option) => option !== named),
    sequenceName: named === undefined ? null : stringOf(nodeAs(named.arg!, 'List')!.items!.at(-1)!),
  }
}

export async function addIdentity(c: CommandContext, table: Oid, name: string, constraint: Constraint): Promise<void> {
  const relation = await c.writer.lockRelation(table)
  const column = named(relation, name)
  checkIdentityType(column.type)
  if (!column.notNull) throw wrong(relation, column, 'must be declared NOT NULL before identity can be added')
  if (column.identity !== '') throw wrong(relation, column, 'is already an identity column')
  if (column.default !== null) throw wrong(relation, column, 'already has a default value')
  const { options, sequenceName } = identityOptions(defElems(constraint.options))
  const sequence = await createSequenceObject(c, {
    namespace: relation.namespace,
    name: sequenceName ?? (await chooseRelationName(c, relation.namespace, relation.name, name, 'seq', new Set())),
    owner: relation.owner,
    options,
    type: column.type,
    ownedBy: { table, attnum: column.attnum, deptype: 'i' },
    persistence: relation.persistence,
  })
  await c.writer.alterRelation(table, (old) =>
    replaceColumn(old, {
      ...old.columns[column.attnum - 1]!,
      identity: constraint.generated_when === 'a' ? 'a' : 'd',
      identitySequence: sequence.oid,
    }),
  )
}

export async function setIdentity(c: CommandContext, table: Oid, name: string, options: readonly DefElem[]): Promise<void> {
  const relation = await c.writer.lockRelation(table)
  const column = named(relation, name)
  if (column.identity === '') throw wrong(relation, column, 'is not an identity column')
  const generated = options.find((option) => option.defname === 'generated')
  const rest = options.filter((option) => option !== generated)
  if (rest.length > 0) await alterSequenceObject(c, column.identitySequence, rest)
  if (generated === undefined) return
  // the letter's character code
  const identity = Number(defString(generated)) === 'a'.charCodeAt(0) ? 'a' : 'd'
  await c.writer.alterRelation(table, (old) => replaceColumn(old, { ...old.columns[column.attnum - 1]!, identity }))
}

export async function dropIdentity(c: CommandContext, table: Oid, name: string, missingOk: boolean): Promise<void> {
  const relation = await c.writer.lockRelation(table)
  const column = named(relation, name)
  if (column.identity === '') {
    if (!missingOk) throw wrong(relation, column, 'is not an identity column')
    c.ctx.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `column "${name}" of relation "${relation.name}" is not an identity column, skipping`,
    })
    return
  }
  await c.writer.updateRelation(replaceColumn(relation, { ...column, identity: '', identitySequence: 0 }))
  await c.writer.dropDependencies(CLASS.relation, column.identitySequence)
  await c.writer.dropRelation(column.identitySequence)
}
