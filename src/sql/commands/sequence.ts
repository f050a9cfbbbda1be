// CREATE, ALTER SEQUENCE and the sequences of SERIAL and IDENTITY columns. A sequence's definition is its descriptor; its counter stands
// under a counter id of its own, which changes when the counter must change with the transaction (RESTART, TRUNCATE RESTART IDENTITY).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ColumnDescriptor, RelationDescriptor, SequenceDescriptor } from '../../catalog/descriptors.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { newColumn } from '../../catalog/new-descriptors.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { checkRelationOwner } from '../../catalog/privileges.ts'
import { type AlterSeqStmt, type CreateSeqStmt, type DefElem, nodeAs, type TypeName } from '../parser/nodes.ts'
import { parseInt8 } from '../types/integer.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { conflicting, defBoolean, defElems, defString } from './def-elem.ts'
import { skipped } from './drop-builtin.ts'
import {
  columnNamed,
  findRelation,
  load,
  lockNamed,
  partsOf,
  rangeVarParts,
  relationDetail,
  undefinedColumn,
  undefinedRelation,
} from './names.ts'
import { newRelation } from './new-relation.ts'
import { creationTarget } from './temporary.ts'

const BOUNDS: Readonly<Record<Oid, { min: bigint; max: bigint; name: string }>> = {
  21: { min: -(2n ** 15n), max: 2n ** 15n - 1n, name: 'smallint' },
  23: { min: -(2n ** 31n), max: 2n ** 31n - 1n, name: 'integer' },
  20: { min: -(2n ** 63n), max: 2n ** 63n - 1n, name: 'bigint' },
}

const sequenceColumn = (attnum: number, name: string, type: Oid): ColumnDescriptor => ({
  ...newColumn(attnum, name, { type, typmod: -1, collation: 0 }),
  notNull: true,
})
const SEQUENCE_COLUMNS = [sequenceColumn(1, 'last_value', 20), sequenceColumn(2, 'log_cnt', 20), sequenceColumn(3, 'is_called', 16)]

interface ParsedOptions {
  readonly definition: Omit<SequenceDescriptor, 'ownedBy' | 'counterId'>
  /** RESTART [WITH]: where the counter goes; null = stays. */
  readonly restart: bigint | null
  readonly ownedBy: string[] | null
}

function invalid(message: string): PgError {
  return new PgError(SQLSTATE.invalidParameterValue, message)
}

/** Options over an old definition (ALTER) or none (CREATE): init_params. */
export async function sequenceOptions(
  c: CommandContext,
  options: readonly DefElem[],
  old: SequenceDescriptor | null,
  identityType: Oid | null,
): Promise<ParsedOptions> {
  const by = new Map<string, DefElem>()
  for (const option of options) {
    if (by.has(option.defname!)) throw conflicting(c, option)
    by.set(option.defname!, option)
  }
  let type = old?.type ?? identityType ?? 20
  const as = by.get('as')
  if (as !== undefined) {
    const named = await c.analysis.typeName(nodeAs(as.arg!, 'TypeName') as TypeName)
    if (BOUNDS[named.type] === undefined) throw invalid('sequence type must be smallint, integer, or bigint')
    type = named.type
  }
  const bounds = BOUNDS[type]!
  const typeChanged = old !== null && old.type !== type
  const oldBounds = old === null ? null : BOUNDS[old.type]!
  const given = (name: string): bigint | null => {
    const def = by.get(name)
    return def?.arg === undefined ? null : BigInt(parseInt8(defString(def)))
  }
  const increment = given('increment') ?? (old === null ? 1n : BigInt(old.increment))
  if (increment === 0n) throw invalid('INCREMENT must not be zero')
  const ascending = increment > 0n
  const cycle = by.has('cycle') ? defBoolean(by.get('cycle')!) : (old?.cycle ?? false)
  // A bound that was the old type's becomes the new one's.
  const newMax = typeChanged && BigInt(old.max) === oldBounds!.max
  const newMin = typeChanged && BigInt(old.min) === oldBounds!.min
  const keepMax = old !== null && !by.has('maxvalue') && !newMax
  const keepMin = old !== null && !by.has('minvalue') && !newMin
  const max = given('maxvalue') ?? (keepMax ? BigInt(old!.max) : ascending || newMax ? bounds.max : -1n)
  const min = given('minvalue') ?? (keepMin ? BigInt(old!.min) : ascending && !newMin ? 1n : bounds.min)
  if (max < bounds.min || max > bounds.max) throw invalid(`MAXVALUE (${max}) is out of range for sequence data type ${bounds.name}`)
  if (min < bounds.min || min > bounds.max) throw invalid(`MINVALUE (${min}) is out of range for sequence data type ${bounds.name}`)
  if (min >= max) throw invalid(`MINVALUE (${min}) must be less than MAXVALUE (${max})`)
  const start = given('start') ?? (old !== null ? BigInt(old.start) : ascending ? min : max)
  if (start < min) throw invalid(`START value (${start}) cannot be less than MINVALUE (${min})`)
  if (start > max) throw invalid(`START value (${start}) cannot be greater than MAXVALUE (${max})`)
  const restart = by.has('restart') ? (given('restart') ?? start) : null
  if (restart !== null && restart < min) throw invalid(`RESTART value (${restart}) cannot be less than MINVALUE (${min})`)
  if (restart !== null && restart > max) throw invalid(`RESTART value (${restart}) cannot be greater than MAXVALUE (${max})`)
  const cache = given('cache') ?? BigInt(old?.cache ?? 1)
  if (cache <= 0n) throw invalid(`CACHE (${cache}) must be greater than zero`)
  const owned = by.get('owned_by')
  return {
    definition: {
      type,
      start: String(start),
      increment: String(increment),
      min: String(min),
      max: String(max),
      cache: Number(cache),
      cycle,
    },
    restart,
    ownedBy: owned === undefined ? null : partsOf(nodeAs(owned.arg!, 'List')?.items),
  }
}

export interface NewSequence {
  readonly namespace: Oid
  readonly name: string
  readonly owner: Oid
  readonly options: readonly DefElem[]
  readonly type: Oid | null
  readonly ownedBy: SequenceDescriptor['ownedBy']
  readonly persistence: RelationDescriptor['persistence']
}

/** Makes a sequence and says what it depends on. */
export async function createSequenceObject(c: CommandContext, sequence: NewSequence): Promise<RelationDescriptor> {
  const parsed = await sequenceOptions(c, sequence.options, null, sequence.type)
  const { name, namespace, persistence, owner, ownedBy } = sequence
  const counterId = await c.writer.newOid()
  const descriptor = await newRelation(
    c,
    { name, namespace, kind: 'S', persistence },
    { owner, columns: SEQUENCE_COLUMNS, sequence: { ...parsed.definition, ownedBy, counterId } },
  )
  await c.writer.createRelation(descriptor)
  if (parsed.restart !== null) await c.ports.data.resetSequence(counterId, String(parsed.restart), false)
  if (ownedBy !== null) await c.writer.addDependency(sequenceAddress(descriptor.oid), ownerAddress(ownedBy), ownedBy.deptype)
  else if (parsed.ownedBy !== null) await setOwnedBy(c, descriptor, parsed.ownedBy)
  return descriptor
}

const sequenceAddress = (oid: Oid): ObjectAddress => ({ classId: CLASS.relation, objId: oid, subId: 0 })
const ownerAddress = (owned: NonNullable<SequenceDescriptor['ownedBy']>): ObjectAddress => ({
  classId: CLASS.relation,
  objId: owned.table,
  subId: owned.attnum,
})

/** OWNED BY table.column | NONE. */
async function setOwnedBy(c: CommandContext, sequence: RelationDescriptor, parts: readonly string[]): Promise<void> {
  if (sequence.sequence!.ownedBy?.deptype === 'i') {
    const table = await load(() => c.snapshot.relation(sequence.sequence!.ownedBy!.table))
    throw new PgError(SQLSTATE.featureNotSupported, 'cannot change ownership of identity sequence', {
      detail: `Sequence "${sequence.name}" is linked to table "${table?.name}".`,
    })
  }
  let ownedBy: SequenceDescriptor['ownedBy'] = null
  if (parts.length === 1) {
    if (parts[0]!.toLowerCase() !== 'none')
      throw new PgError(SQLSTATE.syntaxError, 'invalid OWNED BY option', { hint: 'Specify OWNED BY table.column or OWNED BY NONE.' })
  } else {
    const relation = await load(() => findRelation(c, parts.slice(0, -1)))
    if (relation === null) throw undefinedRelation(parts.slice(0, -1))
    if (relation.descriptor === null || relation.descriptor.table === null)
      throw new PgError(SQLSTATE.wrongObjectType, `sequence cannot be owned by relation "${relation.name}"`, {
        detail: relationDetail(relation.relkind),
      })
    if (relation.owner !== sequence.owner)
      throw new PgError(SQLSTATE.objectNotInPrerequisiteState, 'sequence must have same owner as table it is linked to')
    if (relation.namespace !== sequence.namespace)
      throw new PgError(SQLSTATE.objectNotInPrerequisiteState, 'sequence must be in same schema as table it is linked to')
    const name = parts[parts.length - 1]!
    const column = columnNamed(relation.descriptor, name)
    if (column === null) throw undefinedColumn(name, relation.name)
    ownedBy = { table: relation.oid, attnum: column.attnum, deptype: 'a' }
  }
  await c.writer.alterRelation(sequence.oid, (old) => ({ ...old, sequence: { ...old.sequence!, ownedBy } }))
  await c.writer.setDependencies(sequenceAddress(sequence.oid), ownedBy === null ? [] : [{ to: ownerAddress(ownedBy), type: 'a' }])
}

export async function createSequence(c: CommandContext, stmt: CreateSeqStmt): Promise<CommandResult> {
  const rv = stmt.sequence!
  const { namespace, name, persistence } = await creationTarget(c, rv)
  if (await load(() => c.snapshot.relationByName(namespace.oid, name))) {
    if (!stmt.if_not_exists) throw new PgError(SQLSTATE.duplicateTable, `relation "${name}" already exists`)
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.duplicateTable, message: `relation "${name}" already exists, skipping` })
    return { tag: 'CREATE SEQUENCE' }
  }
  await createSequenceObject(c, {
    namespace: namespace.oid,
    name,
    owner: c.ctx.session.currentUser,
    options: defElems(stmt.options),
    type: null,
    ownedBy: null,
    persistence,
  })
  return { tag: 'CREATE SEQUENCE' }
}

/** Changes a sequence's definition; also ALTER TABLE's identity forms. */
export async function alterSequenceObject(c: CommandContext, oid: Oid, options: readonly DefElem[]): Promise<void> {
  const old = await c.writer.lockRelation(oid)
  const parsed = await sequenceOptions(c, options, old.sequence!, null)
  let counterId = old.sequence!.counterId
  const state = await c.ports.data.sequenceState(counterId)
  if (parsed.restart !== null) {
    // a counter of its own, so that ROLLBACK brings the old one back
    counterId = await c.writer.newOid()
    await c.writer.addGarbage(old.sequence!.counterId)
    await c.ports.data.resetSequence(counterId, String(parsed.restart), false)
  } else {
    const at = state === null ? BigInt(old.sequence!.start) : BigInt(state.lastValue)
    if (state === null && parsed.definition.start !== old.sequence!.start) {
      counterId = await c.writer.newOid()
      await c.ports.data.resetSequence(counterId, old.sequence!.start, false)
    }
    if (at < BigInt(parsed.definition.min)) throw invalid(`RESTART value (${at}) cannot be less than MINVALUE (${parsed.definition.min})`)
    if (at > BigInt(parsed.definition.max))
      throw invalid(`RESTART value (${at}) cannot be greater than MAXVALUE (${parsed.definition.max})`)
  }
  await c.writer.updateRelation({ ...old, sequence: { ...parsed.definition, ownedBy: old.sequence!.ownedBy, counterId } })
  if (parsed.ownedBy !== null) await setOwnedBy(c, await c.writer.lockRelation(oid), parsed.ownedBy)
}

export async function alterSequence(c: CommandContext, stmt: AlterSeqStmt): Promise<CommandResult> {
  const parts = rangeVarParts(stmt.sequence!)
  const relation = await lockNamed(c, parts, LOCK.shareRowExclusive, stmt.missing_ok ?? false)
  if (relation === null) {
    skipped(c, `relation "${parts.join('.')}" does not exist`)
    return { tag: 'ALTER SEQUENCE' }
  }
  if (relation.relkind !== 'S')
    throw new PgError(SQLSTATE.wrongObjectType, `cannot open relation "${relation.name}"`, { detail: relationDetail(relation.relkind) })
  await load(() => checkRelationOwner(c.snapshot, relation, c.ctx.session.currentUser))
  await alterSequenceObject(c, relation.oid, defElems(stmt.options))
  return { tag: 'ALTER SEQUENCE' }
}

/** A fresh counter at the start value: TRUNCATE … RESTART IDENTITY. */
export async function restartSequence(c: CommandContext, oid: Oid): Promise<void> {
  const counterId = await c.writer.newOid()
  await c.writer.alterRelation(oid, (old) => ({ ...old, sequence: { ...old.sequence!, counterId } }))
}
