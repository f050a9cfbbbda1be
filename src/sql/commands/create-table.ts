// CREATE TABLE: columns and constraints into one descriptor, sequences of SERIAL and IDENTITY beside it, dependencies last.

import { notSupported, PgError } from '../../base/errors.ts'
import { type Oid, tableId } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import type { ColumnDescriptor, IndexDescriptor, RelationDescriptor, TableDescriptor } from '../../catalog/descriptors.ts'
import { CLASS, commentPrefix, type ObjectAddress, parseAddress } from '../../catalog/keys.ts'
import { EMPTY_TABLE } from '../../catalog/new-descriptors.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { permissionDenied, relationMask, relkindWord } from '../../catalog/privileges.ts'
import {
  type ColumnDef,
  type Constraint,
  type CreateStmt,
  type DefElem,
  type Node,
  nodeAs,
  stringOf,
  type TableLikeClause,
  type TypeName,
} from '../parser/nodes.ts'
import { checkIdentityType, identityOptions } from './alter-identity.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defElems, relationOptions } from './def-elem.ts'
import { nextvalExpr } from './expr-build.ts'
import {
  checkColumnName,
  chooseRelationName,
  columnNamed,
  load,
  lockNamed,
  partsOf,
  positionOf,
  rangeVarParts,
  relationDetail,
  SYSTEM_COLUMNS,
  undefinedColumn,
} from './names.ts'
import { newRelation } from './new-relation.ts'
import { createSequenceObject } from './sequence.ts'
import {
  addCheck,
  addForeignKey,
  addIndex,
  addKeyConstraint,
  alterTable,
  analyzeDefault,
  checkConstraintName,
  checkNotSet,
  checkVirtualType,
  chooseIndexName,
  columnTypeDependency,
  constraintElements,
  type Draft,
  type NotNullSpec,
  noteInbound,
  plainColumn,
  replaceColumn,
  typeText,
  withDefault,
  withNotNull,
  writeDependencies,
} from './table-builder.ts'
import { creationTarget } from './temporary.ts'

const SERIAL: Readonly<Record<string, { type: Oid; name: string }>> = {
  smallserial: { type: 21, name: 'int2' },
  serial2: { type: 21, name: 'int2' },
  serial: { type: 23, name: 'int4' },
  serial4: { type: 23, name: 'int4' },
  bigserial: { type: 20, name: 'int8' },
  serial8: { type: 20, name: 'int8' },
}

/** The integer type of SERIAL and its sizes, or null. */
export function serialType(type: TypeName): Oid | null {
  const names = partsOf(type.names)
  const serial = names.length === 1 ? SERIAL[names[0]!] : undefined
  if (serial === undefined) return null
  if ((type.arrayBounds ?? []).length > 0) throw notSupported('array of serial is not implemented')
  return serial.type
}

/** What a column definition asks for beyond the column itself. */
export interface ColumnPlan {
  readonly def: ColumnDef
  column: ColumnDescriptor
  readonly serial: boolean
  readonly constraints: Constraint[]
  identity: { options: readonly DefElem[]; kind: 'a' | 'd'; location: number | undefined } | null
  defaultExpr: Node | null
  generated: '' | 's' | 'v'
  notNull: NotNullSpec | null
  saysNull: boolean
}

/** Column constraints sorted by what they are; contradictions refused (transformColumnDefinition). */
export async function planColumn(c: CommandContext, relationName: string, def: ColumnDef, attnum: number): Promise<ColumnPlan> {
  const name = def.colname!
  checkColumnName(name)
  const serial = serialType(def.typeName!)
  const type = serial !== null ? { type: serial, typmod: -1, collation: 0 } : await c.analysis.typeName(def.typeName!)
  checkNotSet(name, def.typeName!)
  let collation = type.collation
  if (def.collClause !== undefined) {
    if (type.collation === 0)
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `collations are not supported by type ${typeText(c, type.type)}`,
        positionOf(c, def.collClause.location),
      )
    collation = await c.analysis.collation(partsOf(def.collClause.collname), def.collClause.location)
  }
  const plan: ColumnPlan = {
    def,
    column: await plainColumn(c, attnum, name, { ...type, collation }),
    serial: serial !== null,
    constraints: [],
    identity: null,
    defaultExpr: def.raw_default ?? null,
    generated: '',
    notNull: null,
    saysNull: false,
  }
  const fail = (message: string, constraint: Constraint): never => {
    throw new PgError(SQLSTATE.syntaxError, message, positionOf(c, constraint.location))
  }
  checkAttributes(
    c,
    (def.constraints ?? []).map((node) => nodeAs(node, 'Constraint')!),
  )
  let defaults = false
  for (const node of def.constraints ?? []) {
    const constraint = nodeAs(node, 'Constraint')!
    switch (constraint.contype) {
      case 'CONSTR_NULL':
        if (plan.notNull !== null || plan.serial || plan.constraints.some(({ contype }) => contype === 'CONSTR_PRIMARY'))
          fail(`conflicting NULL/NOT NULL declarations for column "${name}" of table "${relationName}"`, constraint)
        plan.saysNull = true
        break
      case 'CONSTR_NOTNULL':
        if (plan.saysNull) fail(`conflicting NULL/NOT NULL declarations for column "${name}" of table "${relationName}"`, constraint)
        plan.notNull = { name: constraint.conname ?? plan.notNull?.name ?? null, noInherit: constraint.is_no_inherit ?? false }
        break
      case 'CONSTR_DEFAULT':
        if (plan.defaultExpr !== null || plan.serial)
          fail(`multiple default values specified for column "${name}" of table "${relationName}"`, constraint)
        plan.defaultExpr = constraint.raw_expr!
        defaults = true
        break
      case 'CONSTR_IDENTITY':
        if (plan.identity !== null) fail(`multiple identity specifications for column "${name}" of table "${relationName}"`, constraint)
        if (plan.saysNull) fail(`conflicting NULL/NOT NULL declarations for column "${name}" of table "${relationName}"`, constraint)
        plan.identity = {
          options: defElems(constraint.options),
          kind: constraint.generated_when === 'a' ? 'a' : 'd',
          location: constraint.location,
        }
        plan.notNull ??= { name: null, noInherit: false }
        break
      case 'CONSTR_GENERATED':
        if (plan.generated !== '') fail(`multiple generation clauses specified for column "${name}" of table "${relationName}"`, constraint)
        plan.generated = constraint.generated_kind === 'v' ? 'v' : 's'
        plan.defaultExpr = constraint.raw_expr!
        break
      case 'CONSTR_ATTR_DEFERRABLE':
      case 'CONSTR_ATTR_NOT_DEFERRABLE':
      case 'CONSTR_ATTR_DEFERRED':
      case 'CONSTR_ATTR_IMMEDIATE':
      case 'CONSTR_ATTR_ENFORCED':
      case 'CONSTR_ATTR_NOT_ENFORCED':
        plan.constraints.push(withAttribute(plan.constraints.pop()!, constraint))
        break
      case 'CONSTR_EXCLUSION':
        throw notSupported('exclusion constraints are not supported')
      default:
        if (plan.saysNull && constraint.contype === 'CONSTR_PRIMARY')
          fail(`conflicting NULL/NOT NULL declarations for column "${name}" of table "${relationName}"`, constraint)
        plan.constraints.push(
          constraint.contype === 'CONSTR_PRIMARY' || constraint.contype === 'CONSTR_UNIQUE'
            ? { ...constraint, keys: [{ String: { sval: name } }] }
            : constraint.contype === 'CONSTR_FOREIGN'
              ? { ...constraint, fk_attrs: [{ String: { sval: name } }] }
              : constraint,
        )
    }
    const at = constraint.location
    if ((plan.serial || (plan.defaultExpr !== null && plan.generated === '')) && plan.identity !== null)
      throw new PgError(
        SQLSTATE.syntaxError,
        `both default and identity specified for column "${name}" of table "${relationName}"`,
        plan.serial ? {} : positionOf(c, at),
      )
    if (plan.generated !== '' && defaults)
      throw new PgError(
        SQLSTATE.syntaxError,
        `both default and generation expression specified for column "${name}" of table "${relationName}"`,
        positionOf(c, at),
      )
    if (plan.generated !== '' && plan.identity !== null)
      throw new PgError(
        SQLSTATE.syntaxError,
        `both identity and generation expression specified for column "${name}" of table "${relationName}"`,
        positionOf(c, at),
      )
  }
  if (def.storage_name !== undefined && def.storage_name !== '')
    plan.column = { ...plan.column, storage: storageLetter(c, plan.column, def.storage_name) }
  if (def.compression !== undefined && def.compression !== '')
    plan.column = { ...plan.column, compression: compressionLetter(c, plan.column, def.compression) }
  if (plan.serial) plan.notNull ??= { name: null, noInherit: false }
  if (plan.generated === 'v') await checkVirtualType(c, name, plan.column.type)
  return plan
}

/** attcompression of a method's name. */
export function compressionLetter(c: CommandContext, column: ColumnDescriptor, method: string): string {
  const letter = { default: '', pglz: 'p', lz4: 'l' }[method.toLowerCase()]
  if (letter === undefined) throw new PgError(SQLSTATE.invalidParameterValue, `invalid compression method "${method}"`)
  if (c.snapshot.type(column.type)?.typstorage === 'p')
    throw new PgError(SQLSTATE.featureNotSupported, `column data type ${typeText(c, column.type)} does not support compression`)
  return letter
}

/** attstorage of a strategy's name. */
export function storageLetter(c: CommandContext, column: ColumnDescriptor, name: string): string {
  const usual = c.snapshot.type(column.type)?.typstorage ?? 'p'
  const letter = { plain: 'p', external: 'e', extended: 'x', main: 'm', default: usual }[name.toLowerCase()]
  if (letter === undefined) throw new PgError(SQLSTATE.invalidParameterValue, `invalid storage type "${name}"`)
  if (letter !== 'p' && usual === 'p')
    throw new PgError(SQLSTATE.featureNotSupported, `column data type ${typeText(c, column.type)} can only have storage PLAIN`)
  return letter
}

interface AttributeRule {
  readonly clause: string
  /** Each of these at most once. */
  readonly group: string
}
const DEFERRABILITY = 'DEFERRABLE/NOT DEFERRABLE'
const INITIALLY = 'INITIALLY IMMEDIATE/DEFERRED'
const ENFORCEABILITY = 'ENFORCED/NOT ENFORCED'
const ATTRIBUTES: Readonly<Record<string, AttributeRule>> = {
  CONSTR_ATTR_DEFERRABLE: { clause: 'DEFERRABLE', group: DEFERRABILITY },
  CONSTR_ATTR_NOT_DEFERRABLE: { clause: 'NOT DEFERRABLE', group: DEFERRABILITY },
  CONSTR_ATTR_DEFERRED: { clause: 'INITIALLY DEFERRED', group: INITIALLY },
  CONSTR_ATTR_IMMEDIATE: { clause: 'INITIALLY IMMEDIATE', group: INITIALLY },
  CONSTR_ATTR_ENFORCED: { clause: 'ENFORCED', group: ENFORCEABILITY },
  CONSTR_ATTR_NOT_ENFORCED: { clause: 'NOT ENFORCED', group: ENFORCEABILITY },
}
const DEFERRABLE_KINDS = new Set(['CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_EXCLUSION', 'CONSTR_FOREIGN'])
const ENFORCEABLE_KINDS = new Set(['CONSTR_CHECK', 'CONSTR_FOREIGN'])

/** The attributes of a column's constraints follow one that may have them, each once, and do not contradict each other. */
function checkAttributes(c: CommandContext, constraints: readonly Constraint[]): void {
  let last = ''
  let seen = new Map<string, string>()
  for (const constraint of constraints) {
    const type = constraint.contype ?? ''
    const rule = ATTRIBUTES[type]
    const fail = (message: string): never => {
      throw new PgError(SQLSTATE.syntaxError, message, positionOf(c, constraint.location))
    }
    if (rule === undefined) {
      last = type
      seen = new Map()
      continue
    }
    if (!(rule.group === ENFORCEABILITY ? ENFORCEABLE_KINDS : DEFERRABLE_KINDS).has(last)) fail(`misplaced ${rule.clause} clause`)
    if (seen.has(rule.group)) fail(`multiple ${rule.group} clauses not allowed`)
    seen.set(rule.group, type)
    if (seen.get(DEFERRABILITY) === 'CONSTR_ATTR_NOT_DEFERRABLE' && seen.get(INITIALLY) === 'CONSTR_ATTR_DEFERRED')
      fail('constraint declared INITIALLY DEFERRED must be DEFERRABLE')
  }
}

function withAttribute(constraint: Constraint, attribute: Constraint): Constraint {
  switch (attribute.contype) {
    case 'CONSTR_ATTR_DEFERRABLE':
      return { ...constraint, deferrable: true }
    case 'CONSTR_ATTR_NOT_DEFERRABLE':
      return { ...constraint, deferrable: false }
    case 'CONSTR_ATTR_DEFERRED':
      return { ...constraint, deferrable: true, initdeferred: true }
    case 'CONSTR_ATTR_IMMEDIATE':
      return { ...constraint, initdeferred: false }
    case 'CONSTR_ATTR_NOT_ENFORCED':
      return { ...constraint, is_enforced: false }
    default:
      return { ...constraint, is_enforced: true }
  }
}

const OPTION_NAMES = new Set([
  'fillfactor',
  'parallel_workers',
  'toast_tuple_target',
  'user_catalog_table',
  'vacuum_truncate',
  'vacuum_index_cleanup',
  'oids',
])
/** Of a table or an index. */
export function checkFillfactor(option: DefElem): void {
  if (option.defname !== 'fillfactor') return
  const text = relationOptions([option])![0]!.slice('fillfactor='.length)
  if (!/^[+-]?\d+$/.test(text)) throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for integer option "fillfactor": ${text}`)
  if (Number(text) >= 10 && Number(text) <= 100) return
  throw new PgError(SQLSTATE.invalidParameterValue, `value ${text} out of bounds for option "fillfactor"`, {
    detail: 'Valid values are between "10" and "100".',
  })
}

export function checkedOptions(options: readonly DefElem[]): string[] | null {
  for (const option of options) {
    if (option.defname === 'oids' && option.arg !== undefined && /true|on|1/i.test(relationOptions([option])![0]!.split('=')[1]!))
      throw notSupported('tables declared WITH OIDS are not supported')
    if (!OPTION_NAMES.has(option.defname!) && !option.defname!.startsWith('autovacuum_') && !option.defname!.startsWith('log_autovacuum'))
      throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized parameter "${option.defname}"`)
    checkFillfactor(option)
  }
  return relationOptions(options.filter((option) => option.defname !== 'oids'))
}

/** A new relation's frame: OIDs, names, owner; nothing in it yet. */
export async function newTable(
  c: CommandContext,
  namespace: Oid,
  name: string,
  persistence: RelationDescriptor['persistence'],
  options: string[] | null,
): Promise<RelationDescriptor> {
  const table = { ...EMPTY_TABLE, id: tableId(await c.writer.newOid()) }
  return newRelation(c, { name, namespace, kind: 'r', persistence }, { options, table })
}

export function refuseUnsupported(stmt: CreateStmt): void {
  if (stmt.partspec !== undefined || stmt.partbound !== undefined) throw notSupported('partitioned tables are not supported')
  if ((stmt.inhRelations ?? []).length > 0) throw notSupported('table inheritance is not supported')
  if (stmt.ofTypename !== undefined) throw notSupported('typed tables are not supported')
  if (stmt.accessMethod !== undefined && stmt.accessMethod !== '' && stmt.accessMethod !== 'heap')
    throw new PgError(SQLSTATE.undefinedObject, `access method "${stmt.accessMethod}" does not exist`)
  if (stmt.tablespacename !== undefined && stmt.tablespacename !== '' && stmt.tablespacename !== 'pg_default')
    throw new PgError(SQLSTATE.undefinedObject, `tablespace "${stmt.tablespacename}" does not exist`)
}

/** ON COMMIT of CREATE TABLE [AS]. */
export function onCommitAction(
  action: CreateStmt['oncommit'],
  persistence: RelationDescriptor['persistence'],
): Pick<TableDescriptor, 'onCommit'> {
  if (action === undefined || action === 'ONCOMMIT_NOOP') return {}
  if (persistence !== 't') throw new PgError(SQLSTATE.invalidTableDefinition, 'ON COMMIT can only be used on temporary tables')
  if (action === 'ONCOMMIT_PRESERVE_ROWS') return {}
  return { onCommit: action === 'ONCOMMIT_DROP' ? 'drop' : 'delete' }
}

/** True when the name is taken and IF NOT EXISTS said so with a NOTICE. */
export async function nameTaken(c: CommandContext, namespace: Oid, name: string, ifNotExists: boolean): Promise<boolean> {
  if ((await load(() => c.snapshot.relationByName(namespace, name))) === null) return false
  if (!ifNotExists) throw new PgError(SQLSTATE.duplicateTable, `relation "${name}" already exists`)
  c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.duplicateTable, message: `relation "${name}" already exists, skipping` })
  return true
}

export async function createTable(c: CommandContext, stmt: CreateStmt): Promise<CommandResult> {
  refuseUnsupported(stmt)
  const { namespace, name, persistence } = await creationTarget(c, stmt.relation!, { placed: true })
  const onCommit = onCommitAction(stmt.oncommit, persistence)
  if (await nameTaken(c, namespace.oid, name, stmt.if_not_exists ?? false)) return { tag: 'CREATE TABLE' }
  const frame = await newTable(c, namespace.oid, name, persistence, checkedOptions(defElems(stmt.options)))
  const draft: Draft = {
    relation: alterTable(frame, () => onCommit),
    dependencies: [],
    reserved: new Set([name]),
  }
  const plans: ColumnPlan[] = []
  const tableConstraints: Constraint[] = []
  const likes: Like[] = []
  for (const element of stmt.tableElts ?? []) {
    const def = nodeAs(element, 'ColumnDef')
    const constraint = nodeAs(element, 'Constraint')
    const like = nodeAs(element, 'TableLikeClause')
    if (def !== undefined) plans.push(await planColumn(c, name, def, plans.length + 1))
    else if (constraint !== undefined) tableConstraints.push(constraint)
    else if (like !== undefined) likes.push(await likeColumns(c, draft, like, plans))
  }
  if (plans.length > LIMITS.maxTableColumns)
    throw new PgError(SQLSTATE.tooManyColumns, `tables can have at most ${LIMITS.maxTableColumns} columns`)
  const names = new Set<string>()
  for (const plan of plans) {
    if (names.has(plan.column.name)) throw new PgError(SQLSTATE.duplicateColumn, `column "${plan.column.name}" specified more than once`)
    names.add(plan.column.name)
  }
  draft.relation = { ...draft.relation, columns: plans.map((plan) => plan.column) }
  for (const plan of plans) {
    const dependency = columnTypeDependency(draft.relation.oid, plan.column)
    if (dependency !== null) draft.dependencies.push(dependency)
  }
  for (const constraint of tableConstraints) if (constraint.contype === 'CONSTR_NOTNULL') declareNotNull(draft.relation, plans, constraint)
  const constraints = [...plans.flatMap((plan) => plan.constraints), ...tableConstraints]
  const sequences: (() => Promise<unknown>)[] = []
  const checkNames = constraints.flatMap(({ contype, conname }) => (contype === 'CONSTR_CHECK' && conname !== undefined ? [conname] : []))
  await finishColumns(c, draft, plans, sequences, new Set(checkNames))
  await addChecksAndKeys(c, draft, constraints)
  for (const like of likes) await likeIndexes(c, draft, like)
  for (const constraint of constraints)
    if (constraint.contype === 'CONSTR_FOREIGN') await addForeignKey(c, draft, { ...constraint, skip_validation: false })
  await c.writer.createRelation(draft.relation)
  for (const make of sequences) await make()
  await writeDependencies(c, draft)
  for (const constraint of draft.relation.table!.constraints)
    if (constraint.type === 'f') await noteInbound(c, constraint.referencedTable, draft.relation.oid, constraint.oid)
  for (const like of likes) await likeComments(c, draft, like)
  return { tag: 'CREATE TABLE' }
}

/** NOT NULL as a constraint of the table: the column's own, which has one. */
function declareNotNull(relation: RelationDescriptor, plans: readonly ColumnPlan[], constraint: Constraint): void {
  const column = notNullColumn(relation, constraint)
  const plan = plans.find((other) => other.column.attnum === column.attnum)!
  const name = constraint.conname ?? null
  const noInherit = constraint.is_no_inherit ?? false
  if (plan.notNull !== null && plan.notNull.noInherit !== noInherit)
    throw new PgError(SQLSTATE.syntaxError, `conflicting NO INHERIT declaration for not-null constraint on column "${column.name}"`)
  const known = plan.notNull?.name ?? null
  if (known !== null && name !== null && known !== name)
    throw new PgError(SQLSTATE.syntaxError, `conflicting not-null constraint names "${known}" and "${name}"`)
  plan.notNull = { name: known ?? name, noInherit }
}

/** NOT NULL, defaults, identity and serial of planned columns; what makes sequences is left in `after`, for when the table exists. */
export async function finishColumns(
  c: CommandContext,
  draft: Draft,
  plans: readonly ColumnPlan[],
  after: (() => Promise<unknown>)[],
  checkNames: ReadonlySet<string> = new Set(),
): Promise<void> {
  const names = new Set([...checkNames, ...plans.flatMap((plan) => plan.notNull?.name ?? [])])
  for (const plan of plans) {
    if (plan.notNull !== null) draft.relation = await withNotNull(c, draft.relation, plan.column.attnum, plan.notNull, names)
    if (plan.serial || plan.identity !== null) await columnSequence(c, draft, plan, after)
  }
  for (const plan of plans) {
    if (plan.defaultExpr === null) continue
    const column = draft.relation.columns[plan.column.attnum - 1]!
    const expr = await analyzeDefault(c, withGenerated(draft.relation, plans), column, plan.defaultExpr, plan.generated)
    // DEFAULT NULL says nothing
    if (plan.generated === '' && expr.kind === 'Const' && expr.value === null) continue
    await withDefault(c, draft, column.attnum, expr, plan.generated)
  }
}

/** The columns that will be generated known as such, also to the expressions of those before them. */
function withGenerated(relation: RelationDescriptor, plans: readonly ColumnPlan[]): RelationDescriptor {
  const generated = new Map(plans.map((plan) => [plan.column.attnum, plan.generated]))
  return {
    ...relation,
    columns: relation.columns.map((column) => ({ ...column, generated: generated.get(column.attnum) || column.generated })),
  }
}

async function columnSequence(c: CommandContext, draft: Draft, plan: ColumnPlan, after: (() => Promise<unknown>)[]): Promise<void> {
  const { relation } = draft
  const column = relation.columns[plan.column.attnum - 1]!
  if (plan.identity !== null) checkIdentityType(column.type)
  const { options, sequenceName } = identityOptions(plan.identity?.options ?? [])
  const name = sequenceName ?? (await chooseRelationName(c, relation.namespace, relation.name, column.name, 'seq', draft.reserved))
  draft.reserved.add(name)
  const made = await createSequenceObject(c, {
    namespace: relation.namespace,
    name,
    owner: relation.owner,
    options,
    type: column.type,
    ownedBy: { table: relation.oid, attnum: column.attnum, deptype: plan.identity === null ? 'a' : 'i' },
    persistence: relation.persistence,
  })
  if (plan.identity !== null)
    draft.relation = replaceColumn(relation, { ...column, identity: plan.identity.kind, identitySequence: made.oid })
  else {
    const expr = nextvalExpr(made.oid, column.type)
    const oid = await c.writer.newOid(relation.namespace)
    draft.relation = replaceColumn(relation, { ...column, default: { oid, expr: c.analysis.store(expr) } })
    draft.dependencies.push({
      from: { classId: CLASS.attrdef, objId: oid, subId: 0 },
      to: [{ to: { classId: CLASS.relation, objId: made.oid, subId: 0 }, type: 'n' }],
    })
  }
  after.push(async () => undefined)
}

function notNullColumn(relation: RelationDescriptor, constraint: Constraint): ColumnDescriptor {
  const name = stringOf(constraint.keys![0]!)
  const column = columnNamed(relation, name)
  if (column !== null) return column
  if (SYSTEM_COLUMNS[name] === undefined) throw undefinedColumn(name, relation.name)
  throw new PgError(SQLSTATE.featureNotSupported, `cannot add not-null constraint on system column "${name}"`)
}

/** ALTER TABLE … ADD [CONSTRAINT name] NOT NULL column [NO INHERIT] [NOT VALID]. */
export async function addNotNull(c: CommandContext, draft: Draft, constraint: Constraint): Promise<void> {
  const { conname: name = null, is_no_inherit: noInherit = false, skip_validation: notValid = false } = constraint
  const { attnum } = notNullColumn(draft.relation, constraint)
  draft.relation = await withNotNull(c, draft.relation, attnum, { name, noInherit, notValid })
}

/** Of CREATE TABLE, each in the order written. */
async function addChecksAndKeys(c: CommandContext, draft: Draft, constraints: readonly Constraint[]): Promise<void> {
  if (constraints.some((constraint) => constraint.contype === 'CONSTR_EXCLUSION'))
    throw notSupported('exclusion constraints are not supported')
  const primaries = constraints.filter((constraint) => constraint.contype === 'CONSTR_PRIMARY')
  if (primaries.length > 1)
    throw new PgError(
      SQLSTATE.invalidTableDefinition,
      `multiple primary keys for table "${draft.relation.name}" are not allowed`,
      positionOf(c, primaries[1]!.location),
    )
  for (const constraint of constraints)
    if (constraint.contype === 'CONSTR_CHECK') await addCheck(c, draft, { ...constraint, skip_validation: false })
  for (const constraint of [...primaries, ...constraints.filter((other) => other.contype === 'CONSTR_UNIQUE')]) {
    for (const key of constraintElements(constraint).keys)
      if (columnNamed(draft.relation, key.name!) === null)
        throw new PgError(SQLSTATE.undefinedColumn, `column "${key.name}" named in key does not exist`, positionOf(c, constraint.location))
    await addKeyConstraint(c, draft, constraint)
  }
}

// --- LIKE --------------------------------------------------------------------------------------------------------------------------------

const LIKE = {
  comments: 1,
  compression: 2,
  constraints: 4,
  defaults: 8,
  generated: 16,
  identity: 32,
  indexes: 64,
  statistics: 128,
  storage: 256,
}

interface Like {
  readonly options: number
  readonly from: RelationDescriptor
  /** The new columns' numbers by those of the other table's. */
  readonly map: ReadonlyMap<number, number>
  /** What the new table has of the other one, with its comment. */
  readonly copies: { from: Pick<ObjectAddress, 'classId' | 'objId'>; to: ObjectAddress }[]
}

async function likeColumns(c: CommandContext, draft: Draft, like: TableLikeClause, plans: ColumnPlan[]): Promise<Like> {
  const parts = rangeVarParts(like.relation!)
  const located = (error: unknown): never => {
    throw error instanceof PgError ? error.with(positionOf(c, like.relation!.location)) : error
  }
  const source = (await lockNamed(c, parts, LOCK.accessShare).catch(located))!
  if (source.descriptor === null || source.relkind === 'S')
    throw new PgError(SQLSTATE.wrongObjectType, `relation "${source.name}" is invalid in LIKE clause`, {
      detail: relationDetail(source.relkind),
      ...positionOf(c, like.relation!.location),
    })
  const role = c.ctx.session.currentUser
  if ((await load(() => relationMask(c.snapshot, source, role, ACL.select))) === 0)
    throw permissionDenied(relkindWord(source.relkind), source.name)
  const from = source.descriptor
  const options = like.options ?? 0
  const map = new Map<number, number>()
  const copies: Like['copies'] = []
  for (const column of from.columns) {
    if (column.dropped) continue
    checkColumnName(column.name)
    const attnum = plans.length + 1
    map.set(column.attnum, attnum)
    const def: ColumnDef = { colname: column.name }
    const plan: ColumnPlan = {
      def,
      column: {
        ...(await plainColumn(c, attnum, column.name, { type: column.type, typmod: column.typmod, collation: column.collation })),
        storage: (options & LIKE.storage) !== 0 ? column.storage : (await load(() => c.snapshot.type(column.type)))!.typstorage,
      },
      serial: false,
      constraints: [],
      identity: null,
      defaultExpr: null,
      generated: '',
      notNull: column.notNull
        ? { name: column.notNullConstraint?.name ?? null, noInherit: column.notNullConstraint?.noInherit ?? false }
        : null,
      saysNull: false,
    }
    if (column.identity !== '' && (options & LIKE.identity) !== 0) {
      const sequence = (await load(() => c.snapshot.relation(column.identitySequence)))!.descriptor!.sequence!
      const numeric = (defname: string, value: string): DefElem => ({ defname, arg: { Float: { fval: value } } })
      plan.identity = {
        kind: column.identity,
        location: undefined,
        options: [
          numeric('start', sequence.start),
          numeric('increment', sequence.increment),
          numeric('minvalue', sequence.min),
          numeric('maxvalue', sequence.max),
          numeric('cache', String(sequence.cache)),
          ...(sequence.cycle ? [{ defname: 'cycle', arg: { Boolean: { boolval: true } } } as DefElem] : []),
        ],
      }
    }
    plans.push(plan)
  }
  // defaults refer to columns by number: they are copied once all columns have theirs
  for (const column of from.columns) {
    const wanted = column.generated !== '' ? LIKE.generated : LIKE.defaults
    if (column.dropped || column.default === null || (options & wanted) === 0) continue
    const plan = plans[map.get(column.attnum)! - 1]!
    const expr = renumber(c.analysis.loadExpression(column.default.expr), map)
    const oid = await c.writer.newOid(draft.relation.namespace)
    plan.column = { ...plan.column, default: { oid, expr: c.analysis.store(expr) }, generated: column.generated }
    draft.dependencies.push({
      from: { classId: CLASS.attrdef, objId: oid, subId: 0 },
      to: c.analysis
        .dependencies(expr, 0)
        .filter((to) => to.classId !== CLASS.relation || to.subId === 0)
        .map((to) => ({ to, type: 'n' as const })),
    })
  }
  if ((options & LIKE.constraints) !== 0)
    for (const constraint of from.table?.constraints ?? []) {
      if (constraint.type !== 'c') continue
      checkConstraintName(draft.relation, constraint.name)
      const oid = await c.writer.newOid(draft.relation.namespace)
      copies.push(copied(CLASS.constraint, constraint.oid, oid))
      const expr = renumber(c.analysis.loadExpression(constraint.expr), map)
      draft.relation = alterTable(draft.relation, (table) => ({
        constraints: [
          ...table.constraints,
          { ...constraint, oid, expr: c.analysis.store(expr), columns: constraint.columns.map((attnum) => map.get(attnum)!) },
        ],
      }))
    }
  return { options, from, map, copies }
}

const copied = (classId: Oid, from: Oid, to: Oid): Like['copies'][number] => ({
  from: { classId, objId: from },
  to: { classId, objId: to, subId: 0 },
})

/** Column numbers of another table's expression turned into this one's. */
export function renumber<T>(tree: T, map: ReadonlyMap<number, number>): T {
  if (tree === null || typeof tree !== 'object') return tree
  if (Array.isArray(tree)) return tree.map((item) => renumber(item as unknown, map)) as T
  const proto: unknown = Object.getPrototypeOf(tree)
  if (proto !== Object.prototype && proto !== null) return tree
  const copy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(tree)) copy[key] = renumber(value as unknown, map)
  if (copy.kind === 'Var' && typeof copy.attno === 'number' && copy.attno > 0) copy.attno = map.get(copy.attno) ?? copy.attno
  return copy as T
}

async function likeIndexes(c: CommandContext, draft: Draft, { options, from, map, copies }: Like): Promise<void> {
  if ((options & LIKE.indexes) === 0) return
  const note = (index: IndexDescriptor, oid: Oid): unknown => copies.push(copied(CLASS.relation, index.oid, oid))
  for (const index of from.table?.indexes ?? []) {
    const constraint = from.table!.constraints.find((other) => (other.type === 'p' || other.type === 'u') && other.index === index.oid)
    const name = (attnum: number): Node => ({ String: { sval: from.columns[attnum - 1]!.name } })
    if (constraint !== undefined) {
      await addKeyConstraint(c, draft, {
        contype: constraint.type === 'p' ? 'CONSTR_PRIMARY' : 'CONSTR_UNIQUE',
        keys: index.columns.map((column) => name(column.attnum)),
        including: index.include.map(name),
        nulls_not_distinct: index.nullsNotDistinct,
        deferrable: constraint.deferrable,
        initdeferred: constraint.deferred,
      })
      note(index, draft.relation.table!.indexes.at(-1)!.oid)
      continue
    }
    if (index.columns.some((column) => column.attnum === 0) || index.predicate !== null) {
      note(index, await copyExpressionIndex(c, draft, index, map))
      continue
    }
    const made = await addIndex(c, draft, {
      name: null,
      method: index.accessMethod === 405 ? 'hash' : 'btree',
      unique: index.unique,
      primary: false,
      constraint: false,
      nullsNotDistinct: index.nullsNotDistinct,
      elements: index.columns.map(({ attnum, descending, nullsFirst }) => ({
        name: from.columns[attnum - 1]!.name,
        ordering: descending ? 'SORTBY_DESC' : 'SORTBY_ASC',
        nulls_ordering: nullsFirst ? 'SORTBY_NULLS_FIRST' : 'SORTBY_NULLS_LAST',
      })),
      including: index.include.map((attnum) => ({ name: from.columns[attnum - 1]!.name })),
      where: null,
      options: index.options,
    })
    note(index, made.oid)
  }
}

/** Expressions are bound already: only their columns' numbers change. */
async function copyExpressionIndex(
  c: CommandContext,
  draft: Draft,
  index: IndexDescriptor,
  map: ReadonlyMap<number, number>,
): Promise<Oid> {
  const { relation } = draft
  const bound = (stored: string): string => c.analysis.store(renumber(c.analysis.loadExpression(stored), map))
  const columns = index.columns.map((column) => ({
    ...column,
    attnum: column.attnum === 0 ? 0 : map.get(column.attnum)!,
    expr: column.expr === null ? null : bound(column.expr),
  }))
  const include = index.include.map((attnum) => map.get(attnum)!)
  const name = await chooseIndexName(c, draft, { columns, include }, 'idx')
  draft.reserved.add(name)
  const oid = await c.writer.newOid(relation.namespace)
  const copy = {
    ...index,
    oid,
    name,
    id: relation.table!.nextIndexId as typeof index.id,
    columns,
    include,
    predicate: index.predicate === null ? null : bound(index.predicate),
  }
  draft.relation = alterTable(relation, (table) => ({ indexes: [...table.indexes, copy], nextIndexId: table.nextIndexId + 1 }))
  return oid
}

async function likeComments(c: CommandContext, draft: Draft, { options, from, map, copies }: Like): Promise<void> {
  if ((options & LIKE.comments) === 0) return
  for (const { key, value } of await c.catalog.scan(commentPrefix(CLASS.relation, from.oid))) {
    const { subId } = parseAddress(key, 2)
    const attnum = map.get(subId)
    if (attnum !== undefined)
      await c.writer.setComment({ classId: CLASS.relation, objId: draft.relation.oid, subId: attnum }, value as string)
  }
  const notNulls = from.columns.flatMap(({ attnum, notNullConstraint }) => {
    const own = draft.relation.columns[(map.get(attnum) ?? 0) - 1]?.notNullConstraint
    return notNullConstraint && own ? [copied(CLASS.constraint, notNullConstraint.oid, own.oid)] : []
  })
  for (const copy of [...copies, ...notNulls])
    for (const { value } of await c.catalog.scan(commentPrefix(copy.from.classId, copy.from.objId)))
      await c.writer.setComment(copy.to, value as string)
}
