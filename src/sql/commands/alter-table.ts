// ALTER TABLE (INDEX, VIEW, SEQUENCE, TYPE): sub-commands in PostgreSQL's passes, each applied to the newest descriptor with its work on rows.

import { notSupported, PgError } from '../../base/errors.ts'
import { indexId, tableId } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  type ColumnDescriptor,
  type ConstraintDescriptor,
  provesNotNull,
  provesUnique,
  type RelationDescriptor,
} from '../../catalog/descriptors.ts'
import { CLASS } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import { type AlterTableCmd, type AlterTableStmt, type Constraint, nodeAs, type RoleSpec } from '../parser/nodes.ts'
import { alterColumnType, type ColumnRewrite, rewriteColumns } from './alter-column-type.ts'
import { addIdentity, dropIdentity, setIdentity } from './alter-identity.ts'
import { clusterOn } from './cluster.ts'
import { addAttribute, alterAttributeType, checkNoMember, refuseStoredRows } from './composite-attributes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { addNotNull, checkedOptions, compressionLetter, finishColumns, planColumn, storageLetter } from './create-table.ts'
import { defElems, defString, relationOptions } from './def-elem.ts'
import { performDeletion } from './drop.ts'
import { skipped } from './drop-builtin.ts'
import {
  checkNotInUse,
  columnNamed,
  load,
  lockNamed,
  partsOf,
  rangeVarParts,
  relationDetail,
  SYSTEM_COLUMNS,
  undefinedColumn,
} from './names.ts'
import { changeRelationOwner } from './owner.ts'
import {
  addCheck,
  addForeignKey,
  addKeyConstraint,
  alterTable,
  analyzeDefault,
  attachKeyConstraint,
  checkConstraintName,
  checkOwner,
  columnTypeDependency,
  constraintElements,
  type Draft,
  noteInbound,
  replaceColumn,
  withDefault,
  withNotNull,
  writeDependencies,
} from './table-builder.ts'
import { viewOptions } from './view.ts'

const MAX_STATISTICS_TARGET = 10_000

const TAGS: Readonly<Record<string, string>> = {
  OBJECT_TABLE: 'ALTER TABLE',
  OBJECT_INDEX: 'ALTER INDEX',
  OBJECT_VIEW: 'ALTER VIEW',
  OBJECT_SEQUENCE: 'ALTER SEQUENCE',
  OBJECT_TYPE: 'ALTER TYPE',
}

/** PostgreSQL's order of sub-commands; what is not listed comes last. */
const PASS: Readonly<Record<string, number>> = {
  AT_DropColumn: 0,
  AT_DropConstraint: 0,
  AT_DropNotNull: 0,
  AT_DropExpression: 0,
  AT_DropIdentity: 0,
  AT_AlterColumnType: 1,
  AT_AddColumn: 4,
  AT_SetExpression: 5,
  AT_ColumnDefault: 6,
  AT_SetNotNull: 7,
  AT_AddIdentity: 7,
  AT_SetIdentity: 7,
  AT_AddConstraint: 9,
}
const passOf = (cmd: AlterTableCmd): number => {
  const constraint = cmd.subtype === 'AT_AddConstraint' ? nodeAs(cmd.def, 'Constraint') : undefined
  if (constraint?.contype === 'CONSTR_CHECK' || constraint?.contype === 'CONSTR_FOREIGN') return 10
  // DROP DEFAULT comes before new ones
  if (cmd.subtype === 'AT_ColumnDefault' && cmd.def === undefined) return 0
  return PASS[cmd.subtype!] ?? 11
}

const KINDS: Readonly<Record<string, { kinds: string; article: string }>> = {
  OBJECT_VIEW: { kinds: 'v', article: 'a view' },
  OBJECT_SEQUENCE: { kinds: 'S', article: 'a sequence' },
  OBJECT_INDEX: { kinds: 'i', article: 'an index' },
  OBJECT_TYPE: { kinds: 'c', article: 'a composite type' },
}

export async function alterTableStatement(c: CommandContext, stmt: AlterTableStmt): Promise<CommandResult> {
  const tag = TAGS[stmt.objtype!]
  if (tag === undefined) throw notSupported('altering this kind of object is not supported')
  const parts = rangeVarParts(stmt.relation!)
  const relation = await lockNamed(c, parts, LOCK.accessExclusive, stmt.missing_ok ?? false)
  if (relation === null) {
    skipped(c, `relation "${parts.join('.')}" does not exist`)
    return { tag }
  }
  const wanted = KINDS[stmt.objtype!]
  if (wanted !== undefined && !wanted.kinds.includes(relation.relkind))
    throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not ${wanted.article}`)
  if (relation.relkind === 'c' && stmt.objtype !== 'OBJECT_TYPE')
    throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is a composite type`, { hint: 'Use ALTER TYPE instead.' })
  const commands = (stmt.cmds ?? []).map((node) => nodeAs(node, 'AlterTableCmd')!)
  if (!commands.every((cmd) => cmd.subtype === 'AT_ChangeOwner')) await checkOwner(c, relation)
  // a view's query stands in the plans of those who use it, not the view
  if (relation.relkind !== 'v') checkNotInUse(c, relation, 'ALTER TABLE')
  const ordered = commands.map((cmd, i) => ({ cmd, i })).sort((a, b) => passOf(a.cmd) - passOf(b.cmd) || a.i - b.i)
  const retyped = ordered.filter(({ cmd }) => cmd.subtype === 'AT_AlterColumnType').map(({ cmd }) => cmd)
  const isTable = relation.descriptor !== null && relation.relkind !== 'c'
  const original = retyped.length > 0 && isTable ? await c.writer.lockRelation(relation.oid) : null
  for (const { cmd } of ordered) {
    if (original === null || cmd.subtype !== 'AT_AlterColumnType') await apply(c, relation, cmd)
    else if (cmd === retyped[0]) await alterColumnTypes(c, relation, original, retyped)
  }
  return { tag }
}

/** All of one ALTER TABLE: each USING speaks of the columns as they were before. */
async function alterColumnTypes(
  c: CommandContext,
  relation: RelationInfo,
  original: RelationDescriptor,
  commands: readonly AlterTableCmd[],
): Promise<void> {
  const rewrites: ColumnRewrite[] = []
  const names = new Set<string>()
  for (const cmd of commands) {
    const name = cmd.name ?? ''
    await needTable(c, relation, 'ALTER COLUMN ... SET DATA TYPE')
    await refuseStoredRows(c, relation)
    if (names.has(name)) throw new PgError(SQLSTATE.featureNotSupported, `cannot alter type of column "${name}" twice`)
    names.add(name)
    const rewrite = await alterColumnType(c, original, name, nodeAs(cmd.def, 'ColumnDef')!)
    if (rewrite !== null) rewrites.push(rewrite)
  }
  await rewriteColumns(c, original, rewrites)
}

async function draftOf(c: CommandContext, relation: RelationInfo): Promise<Draft> {
  return { relation: await c.writer.lockRelation(relation.oid), dependencies: [], reserved: new Set() }
}

/** null = default_statistics_target. */
function statisticsTarget(c: CommandContext, target: number): number | null {
  if (target === -1) return null
  if (target < -1) throw new PgError(SQLSTATE.invalidParameterValue, `statistics target ${target} is too low`)
  if (target <= MAX_STATISTICS_TARGET) return target
  c.ctx.notice({
    severity: 'WARNING',
    code: SQLSTATE.invalidParameterValue,
    message: `lowering statistics target to ${MAX_STATISTICS_TARGET}`,
  })
  return MAX_STATISTICS_TARGET
}

/** n_distinct: a number of values, or minus a fraction of the rows. */
function checkDistinct(option: string, text: string): void {
  const value = Number(text)
  if (Number.isNaN(value)) throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for floating point option "${option}": ${text}`)
  if (value >= -1) return
  throw new PgError(SQLSTATE.invalidParameterValue, `value ${text} out of bounds for option "${option}"`, {
    detail: `Valid values are between "-1.000000" and "${BigInt(Number.MAX_VALUE)}.000000".`,
  })
}

async function needTable(c: CommandContext, relation: RelationInfo, action: string): Promise<RelationDescriptor> {
  const descriptor = relation.descriptor === null ? null : await c.writer.lockRelation(relation.oid)
  if (descriptor?.table == null)
    throw new PgError(SQLSTATE.wrongObjectType, `ALTER action ${action} cannot be performed on relation "${relation.name}"`, {
      detail: relationDetail(relation.relkind),
    })
  return descriptor
}

function existing(relation: RelationDescriptor, name: string): ColumnDescriptor {
  if (SYSTEM_COLUMNS[name] !== undefined) throw new PgError(SQLSTATE.featureNotSupported, `cannot alter system column "${name}"`)
  const column = columnNamed(relation, name)
  if (column === null) throw undefinedColumn(name, relation.name)
  return column
}

async function apply(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const name = cmd.name ?? ''
  switch (cmd.subtype) {
    case 'AT_AddColumn':
      return addColumn(c, relation, cmd)
    case 'AT_DropColumn':
      return dropColumn(c, relation, cmd)
    case 'AT_AlterColumnType':
      if (relation.relkind !== 'c') await needTable(c, relation, 'ALTER COLUMN ... SET DATA TYPE')
      return alterAttributeType(c, relation, name, nodeAs(cmd.def, 'ColumnDef')!)
    case 'AT_ColumnDefault':
      return columnDefault(c, relation, cmd)
    case 'AT_SetNotNull': {
      const table = await needTable(c, relation, 'ALTER COLUMN ... SET NOT NULL')
      const column = existing(table, name)
      if (!column.notNull) {
        const stored = await c.writer.updateRelation(await withNotNull(c, table, column.attnum))
        return c.ports.data.validateNotNull(stored, [column.attnum])
      }
      if (!provesNotNull(column)) await validateNotNull(c, table, column)
      return
    }
    case 'AT_DropNotNull': {
      const table = await needTable(c, relation, 'ALTER COLUMN ... DROP NOT NULL')
      const column = existing(table, name)
      if (!column.notNull) return
      if (column.identity !== '')
        throw new PgError(SQLSTATE.syntaxError, `column "${name}" of relation "${relation.name}" is an identity column`)
      if (table.table!.indexes.some((index) => index.primary && index.columns.some((key) => key.attnum === column.attnum)))
        throw new PgError(SQLSTATE.invalidTableDefinition, `column "${name}" is in a primary key`)
      await c.writer.updateRelation(replaceColumn(table, { ...column, notNull: false, notNullConstraint: null }))
      return
    }
    case 'AT_SetExpression':
      return setExpression(c, relation, cmd)
    case 'AT_DropExpression': {
      const table = await needTable(c, relation, 'ALTER COLUMN ... DROP EXPRESSION')
      const column = existing(table, name)
      if (column.generated === '') {
        const message = `column "${name}" of relation "${relation.name}" is not a generated column`
        if (!cmd.missing_ok) throw new PgError(SQLSTATE.objectNotInPrerequisiteState, message)
        c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `${message}, skipping` })
        return
      }
      if (column.generated === 'v')
        throw new PgError(SQLSTATE.featureNotSupported, 'ALTER TABLE / DROP EXPRESSION is not supported for virtual generated columns', {
          detail: `Column "${name}" of relation "${relation.name}" is a virtual generated column.`,
        })
      await c.writer.updateRelation(replaceColumn(table, { ...column, default: null, generated: '' }))
      await c.writer.dropDependencies(CLASS.attrdef, column.default!.oid)
      return
    }
    case 'AT_AddIdentity':
      await needTable(c, relation, 'ALTER COLUMN ... ADD IDENTITY')
      return addIdentity(c, relation.oid, name, nodeAs(cmd.def, 'Constraint')!)
    case 'AT_SetIdentity':
      await needTable(c, relation, 'ALTER COLUMN ... SET')
      return setIdentity(c, relation.oid, name, defElems(nodeAs(cmd.def, 'List')?.items))
    case 'AT_DropIdentity':
      await needTable(c, relation, 'ALTER COLUMN ... DROP IDENTITY')
      return dropIdentity(c, relation.oid, name, cmd.missing_ok ?? false)
    case 'AT_SetStatistics': {
      if (relation.relkind === 'i') throw notSupported('ALTER INDEX … ALTER COLUMN … SET STATISTICS is not supported')
      const target = statisticsTarget(c, nodeAs(cmd.def, 'Integer')?.ival ?? 0)
      await c.writer.alterRelation(relation.oid, (old) => replaceColumn(old, { ...existing(old, name), statisticsTarget: target }))
      return
    }
    case 'AT_SetStorage': {
      const method = partsOf([cmd.def!])[0]!
      const descriptor = existing(relation.descriptor!, name)
      const letter = await load(() => storageLetter(c, descriptor, method))
      await c.writer.alterRelation(relation.oid, (old) => replaceColumn(old, { ...existing(old, name), storage: letter }))
      return
    }
    case 'AT_SetCompression': {
      const method = partsOf([cmd.def!])[0]!
      const descriptor = existing(relation.descriptor!, name)
      const compression = await load(() => compressionLetter(c, descriptor, method))
      await c.writer.alterRelation(relation.oid, (old) => replaceColumn(old, { ...existing(old, name), compression }))
      return
    }
    case 'AT_SetOptions':
    case 'AT_ResetOptions': {
      const given = defElems(nodeAs(cmd.def, 'List')?.items)
      for (const option of given)
        if (option.defname !== 'n_distinct' && option.defname !== 'n_distinct_inherited')
          throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized parameter "${option.defname}"`)
        else if (cmd.subtype === 'AT_SetOptions') checkDistinct(option.defname, defString(option))
      await c.writer.alterRelation(relation.oid, (old) => {
        const column = existing(old, name)
        return replaceColumn(old, {
          ...column,
          options: mergedOptions(
            column.options,
            given.map((o) => [o.defname!, cmd.subtype === 'AT_SetOptions' ? defString(o) : null]),
          ),
        })
      })
      return
    }
    case 'AT_AddConstraint':
      await needTable(c, relation, 'ADD CONSTRAINT')
      return addConstraint(c, relation, nodeAs(cmd.def, 'Constraint')!)
    case 'AT_DropConstraint':
      return dropConstraint(c, relation, cmd)
    case 'AT_ValidateConstraint':
      return validateConstraint(c, relation, name)
    case 'AT_AlterConstraint':
      return alterConstraint(c, relation, cmd)
    case 'AT_ChangeOwner':
      return changeRelationOwner(c, relation, cmd.newowner as RoleSpec)
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions':
    case 'AT_ReplaceRelOptions':
      return setOptions(c, relation, cmd)
    case 'AT_SetLogged':
    case 'AT_SetUnLogged':
      await c.writer.alterRelation(relation.oid, (old) => ({ ...old, persistence: cmd.subtype === 'AT_SetLogged' ? 'p' : 'u' }))
      return
    case 'AT_ReplicaIdentity': {
      const identity = nodeAs(cmd.def, 'ReplicaIdentityStmt')!
      const table = await needTable(c, relation, 'REPLICA IDENTITY')
      const index = identity.identity_type === 'i' ? { replicaIdentityIndex: replicaIdentityIndex(table, identity.name!) } : {}
      await c.writer.alterRelation(relation.oid, (old) =>
        alterTable(old, () => ({ replicaIdentity: identity.identity_type ?? 'd', ...index })),
      )
      return
    }
    case 'AT_ClusterOn': {
      await needTable(c, relation, 'CLUSTER ON')
      return clusterOn(c, relation.oid, name)
    }
    case 'AT_DropCluster':
      await needTable(c, relation, 'SET WITHOUT CLUSTER')
      return clusterOn(c, relation.oid, null)
    case 'AT_DisableRowSecurity':
    case 'AT_NoForceRowSecurity':
      return
    case 'AT_EnableRowSecurity':
    case 'AT_ForceRowSecurity':
      throw notSupported('row-level security is not supported')
    default:
      throw notSupported(`ALTER TABLE ${cmd.subtype!.slice(3)} is not supported`)
  }
}

/** Expressions of ALTER TABLE are analysed away from their text: their errors point nowhere. */
function failWithoutPosition(error: unknown): never {
  if (!(error instanceof PgError)) throw error
  const { position: _, ...fields } = error.fields
  throw new PgError(error.code, error.message, fields)
}

export function mergedOptions(old: readonly string[] | null, changes: readonly (readonly [string, string | null])[]): string[] | null {
  const map = new Map((old ?? []).map((option) => option.split(/=(.*)/s).slice(0, 2) as [string, string]))
  for (const [name, value] of changes) {
    if (value === null) map.delete(name)
    else map.set(name, value)
  }
  return map.size === 0 ? null : [...map].map(([name, value]) => `${name}=${value}`)
}

/** The index's OID, when its columns tell every row from every other. */
function replicaIdentityIndex(table: RelationDescriptor, name: string): number {
  const index = table.table!.indexes.find((other) => other.name === name)
  if (index === undefined) throw new PgError(SQLSTATE.undefinedObject, `index "${name}" for table "${table.name}" does not exist`)
  const cannot = (kind: string, code = SQLSTATE.wrongObjectType): PgError =>
    new PgError(code, `cannot use ${kind} index "${name}" as replica identity`)
  if (!index.unique) throw cannot('non-unique')
  if (!provesUnique(index)) throw cannot('non-immediate', SQLSTATE.featureNotSupported)
  if (index.columns.some((key) => key.attnum === 0)) throw cannot('expression', SQLSTATE.featureNotSupported)
  if (index.predicate !== null) throw cannot('partial', SQLSTATE.featureNotSupported)
  const nullable = index.columns.map((key) => table.columns[key.attnum - 1]!).find((column) => !column.notNull)
  if (nullable !== undefined)
    throw new PgError(
      SQLSTATE.wrongObjectType,
      `index "${name}" cannot be used as replica identity because column "${nullable.name}" is nullable`,
    )
  return index.oid
}

async function setOptions(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const given = defElems(nodeAs(cmd.def, 'List')?.items)
  const changes = given.map(
    (option) =>
      [option.defname!, cmd.subtype === 'AT_ResetRelOptions' ? null : (relationOptions([option])![0]!.split(/=(.*)/s)[1] ?? '')] as const,
  )
  if (relation.relkind === 'i') {
    const table = (await load(() => c.snapshot.indexTable(relation.oid)))!
    for (const option of given)
      if (option.defname !== 'fillfactor' && option.defname !== 'deduplicate_items')
        throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized parameter "${option.defname}"`)
    await c.writer.alterRelation(table.oid, (old) =>
      alterTable(old, (t) => ({
        indexes: t.indexes.map((index) =>
          index.oid === relation.oid ? { ...index, options: mergedOptions(index.options, changes) } : index,
        ),
      })),
    )
    return
  }
  if (relation.relkind === 'v') {
    if (cmd.subtype !== 'AT_ResetRelOptions') viewOptions(given)
    await c.writer.alterRelation(relation.oid, (old) => {
      const options = mergedOptions(old.options, changes)
      const has = (name: string): string | undefined => options?.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1)
      return {
        ...old,
        options,
        view: {
          ...old.view!,
          checkOption: (has('check_option') as 'local' | 'cascaded' | undefined) ?? 'none',
          securityBarrier: has('security_barrier') === 'true' || has('security_barrier') === 'on',
          securityInvoker: has('security_invoker') === 'true' || has('security_invoker') === 'on',
        },
      }
    })
    return
  }
  await needTable(c, relation, 'SET')
  if (cmd.subtype !== 'AT_ResetRelOptions') checkedOptions(given)
  await c.writer.alterRelation(relation.oid, (old) => ({ ...old, options: mergedOptions(old.options, changes) }))
}

// --- columns -------------------------------------------------------------------------------------------------------------------------------

/** With these a new column is not NULL in the rows that are there. */
const GIVES_VALUES: ReadonlySet<string> = new Set(['CONSTR_DEFAULT', 'CONSTR_GENERATED', 'CONSTR_IDENTITY'])

async function addColumn(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const def = nodeAs(cmd.def, 'ColumnDef')!
  const name = def.colname!
  if (relation.relkind === 'c') return addAttribute(c, relation, def)
  const before = await needTable(c, relation, 'ADD COLUMN')
  if (def.constraints?.some((node) => GIVES_VALUES.has(nodeAs(node, 'Constraint')?.contype ?? ''))) await refuseStoredRows(c, relation)
  if (columnNamed(before, name) !== null) {
    const message = `column "${name}" of relation "${relation.name}" already exists`
    if (!cmd.missing_ok) throw new PgError(SQLSTATE.duplicateColumn, message)
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.duplicateColumn, message: `${message}, skipping` })
    return
  }
  const attnum = before.columns.length + 1
  if (attnum > LIMITS.maxTableColumns)
    throw new PgError(SQLSTATE.tooManyColumns, `tables can have at most ${LIMITS.maxTableColumns} columns`)
  const plan = await planColumn(c, relation.name, def, attnum)
  await checkNoMember(c, relation, plan.column.type)
  const draft: Draft = { relation: { ...before, columns: [...before.columns, plan.column] }, dependencies: [], reserved: new Set() }
  const dependency = columnTypeDependency(relation.oid, plan.column)
  if (dependency !== null) draft.dependencies.push(dependency)
  await finishColumns(c, draft, [plan], []).catch(failWithoutPosition)
  const column = draft.relation.columns[attnum - 1]!
  const expr = column.default === null ? null : c.analysis.loadExpression(column.default.expr)
  let rewrite: Expr | null = null
  const domain = column.generated === '' ? await domainValue(c, column, expr) : null
  if (column.identity !== '') rewrite = identityValue(column)
  else if (domain !== null) rewrite = domain
  else if (expr !== null && column.generated !== 'v') {
    const constant = column.generated === '' ? await c.ports.data.missingValue(expr) : undefined
    if (constant === undefined) rewrite = expr
    else draft.relation = replaceColumn(draft.relation, { ...column, missingValue: constant.value })
  }
  if (rewrite !== null && (await c.ports.data.isEmpty(before))) rewrite = null
  if (rewrite !== null) {
    const id = tableId(await c.writer.newOid())
    draft.relation = alterTable(draft.relation, () => ({ id }))
  }
  const stored = await c.writer.updateRelation(draft.relation)
  await writeDependencies(c, draft)
  if (rewrite !== null)
    await c.ports.data.rewriteTable(
      before,
      stored,
      stored.columns.map((other) => (other.attnum === attnum ? rewrite : null)),
    )
  else if (column.notNull && (column.default === null || stored.columns[attnum - 1]!.missingValue === null))
    await c.ports.data.validateNotNull(stored, [attnum])
  for (const constraint of plan.constraints) await addConstraint(c, relation, constraint)
}

/** What a new column of a domain has in the rows there are: its default, the domain's or NULL, and all of them may break its rules. */
async function domainValue(c: CommandContext, column: ColumnDescriptor, own: Expr | null): Promise<Expr | null> {
  const definition = (await load(() => c.snapshot.userType(column.type)))?.definition
  if (definition?.kind !== 'domain') return null
  const typed = { type: column.type, typmod: -1, collation: column.collation, location: -1 }
  const inherited = definition.default === null ? null : c.analysis.loadExpression(definition.default)
  const arg: Expr = own ?? inherited ?? { kind: 'Const', value: null, ...typed }
  return { kind: 'CoerceToDomain', arg, format: 'implicit', ...typed }
}

function identityValue(column: ColumnDescriptor): Expr {
  return { kind: 'NextValueExpr', sequence: column.identitySequence, type: column.type, typmod: -1, collation: 0, location: -1 }
}

async function dropColumn(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const name = cmd.name!
  if (relation.descriptor === null || (relation.relkind !== 'r' && relation.relkind !== 'c'))
    throw new PgError(SQLSTATE.wrongObjectType, `ALTER action DROP COLUMN cannot be performed on relation "${relation.name}"`, {
      detail: relationDetail(relation.relkind),
    })
  const descriptor = await c.writer.lockRelation(relation.oid)
  const column = columnNamed(descriptor, name)
  if (column === null) {
    if (SYSTEM_COLUMNS[name] !== undefined) throw new PgError(SQLSTATE.featureNotSupported, `cannot drop system column "${name}"`)
    if (!cmd.missing_ok) throw undefinedColumn(name, relation.name)
    c.ctx.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `column "${name}" of relation "${relation.name}" does not exist, skipping`,
    })
    return
  }
  await performDeletion(c, [{ classId: CLASS.relation, objId: relation.oid, subId: column.attnum }], cmd.behavior === 'DROP_CASCADE')
}

async function columnDefault(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  if (relation.descriptor === null || (relation.relkind !== 'r' && relation.relkind !== 'v'))
    throw new PgError(
      SQLSTATE.wrongObjectType,
      `ALTER action ALTER COLUMN ... SET DEFAULT cannot be performed on relation "${relation.name}"`,
      {
        detail: relationDetail(relation.relkind),
      },
    )
  const draft = await draftOf(c, relation)
  const column = existing(draft.relation, cmd.name!)
  if (column.identity !== '')
    throw new PgError(SQLSTATE.syntaxError, `column "${column.name}" of relation "${relation.name}" is an identity column`, {
      ...(cmd.def === undefined ? { hint: 'Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.' } : {}),
    })
  if (column.generated !== '')
    throw new PgError(SQLSTATE.syntaxError, `column "${column.name}" of relation "${relation.name}" is a generated column`, {
      hint:
        cmd.def === undefined
          ? 'Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.'
          : 'Use ALTER TABLE ... ALTER COLUMN ... SET EXPRESSION instead.',
    })
  if (column.default !== null) await c.writer.forget(CLASS.attrdef, column.default.oid)
  draft.relation = replaceColumn(draft.relation, { ...column, default: null })
  if (cmd.def !== undefined) {
    const expr = await analyzeDefault(c, draft.relation, column, cmd.def, '').catch(failWithoutPosition)
    if (!(expr.kind === 'Const' && expr.value === null)) await withDefault(c, draft, column.attnum, expr, '')
  }
  await c.writer.updateRelation(draft.relation)
  await writeDependencies(c, draft)
}

async function setExpression(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const before = await needTable(c, relation, 'ALTER COLUMN ... SET EXPRESSION')
  const column = existing(before, cmd.name!)
  if (column.generated === '')
    throw new PgError(
      SQLSTATE.objectNotInPrerequisiteState,
      `column "${column.name}" of relation "${relation.name}" is not a generated column`,
    )
  const { constraints } = before.table!
  if (column.generated === 'v' && constraints.some((constraint) => constraint.type === 'c'))
    throw new PgError(
      SQLSTATE.featureNotSupported,
      'ALTER TABLE / SET EXPRESSION is not supported for virtual generated columns in tables with check constraints',
      { detail: `Column "${column.name}" of relation "${relation.name}" is a virtual generated column.` },
    )
  const draft: Draft = { relation: before, dependencies: [], reserved: new Set() }
  await c.writer.dropDependencies(CLASS.attrdef, column.default!.oid)
  const expr = await analyzeDefault(c, before, column, cmd.def!, column.generated).catch(failWithoutPosition)
  await withDefault(c, draft, column.attnum, expr, column.generated)
  const rewrite = column.generated === 's' && !(await c.ports.data.isEmpty(before))
  if (rewrite) {
    const id = tableId(await c.writer.newOid())
    draft.relation = alterTable(draft.relation, () => ({ id }))
  }
  const stored = await c.writer.updateRelation(draft.relation)
  await writeDependencies(c, draft)
  if (rewrite)
    await c.ports.data.rewriteTable(
      before,
      stored,
      stored.columns.map((other) => (other.attnum === column.attnum ? expr : null)),
    )
  else if (column.generated === 'v' && column.notNull) await c.ports.data.validateNotNull(stored, [column.attnum])
  for (const constraint of constraints)
    if (constraint.type === 'f' && constraint.validated && constraint.columns.includes(column.attnum))
      await c.ports.data.validateForeignKey(stored, constraint)
}

// --- constraints ---------------------------------------------------------------------------------------------------------------------------

async function addConstraint(c: CommandContext, relation: RelationInfo, constraint: Constraint): Promise<void> {
  const draft = await draftOf(c, relation)
  const before = draft.relation
  switch (constraint.contype) {
    case 'CONSTR_CHECK': {
      const made = await addCheck(c, draft, constraint).catch(failWithoutPosition)
      const stored = await c.writer.updateRelation(draft.relation)
      await writeDependencies(c, draft)
      if (made.validated) await c.ports.data.validateCheck(stored, made)
      return
    }
    case 'CONSTR_FOREIGN': {
      const { constraint: made, referenced } = await addForeignKey(c, draft, constraint)
      const stored = await c.writer.updateRelation(draft.relation)
      await writeDependencies(c, draft)
      await noteInbound(c, referenced, relation.oid, made.oid)
      if (made.validated) await c.ports.data.validateForeignKey(stored, made)
      return
    }
    case 'CONSTR_NOTNULL': {
      await addNotNull(c, draft, constraint)
      const stored = await c.writer.updateRelation(draft.relation)
      const added = stored.columns.filter((other) => other.notNull && !before.columns[other.attnum - 1]!.notNull)
      if (!constraint.skip_validation)
        await c.ports.data.validateNotNull(
          stored,
          added.map((other) => other.attnum),
        )
      return
    }
    case 'CONSTR_PRIMARY':
    case 'CONSTR_UNIQUE':
      if (constraint.indexname !== undefined && constraint.indexname !== '') return addConstraintUsingIndex(c, draft, constraint)
      return addKey(c, draft, constraint)
    default:
      throw notSupported('exclusion constraints are not supported')
  }
}

/** A primary key orders the rows: those that are there move to keys made of its columns. */
async function addKey(c: CommandContext, draft: Draft, constraint: Constraint): Promise<void> {
  const before = draft.relation
  for (const { name } of constraintElements(constraint).keys) {
    if (columnNamed(before, name!) !== null) continue
    // A primary key makes its columns NOT NULL first; of a table that exists neither error tells a position.
    if (constraint.contype === 'CONSTR_PRIMARY') throw undefinedColumn(name!, before.name)
    throw new PgError(SQLSTATE.undefinedColumn, `column "${name}" named in key does not exist`)
  }
  const made = await addKeyConstraint(c, draft, constraint)
  await settleKey(c, draft, before, made)
}

async function settleKey(
  c: CommandContext,
  draft: Draft,
  before: RelationDescriptor,
  made: ConstraintDescriptor,
  built = false,
): Promise<void> {
  const empty = await c.ports.data.isEmpty(before)
  const clusters = made.type === 'p' && !made.deferrable
  if (clusters && !empty) {
    const id = tableId(await c.writer.newOid())
    draft.relation = alterTable(draft.relation, () => ({ id }))
  }
  const stored = await c.writer.updateRelation(draft.relation)
  await writeDependencies(c, draft)
  if (empty) return
  const notNull = stored.columns
    .filter((column) => column.notNull && !before.columns[column.attnum - 1]!.notNull)
    .map((column) => column.attnum)
  // checked on the rows where they still are
  if (notNull.length > 0) await c.ports.data.validateNotNull(before, notNull)
  if (clusters)
    await c.ports.data.rewriteTable(
      before,
      stored,
      stored.columns.map(() => null),
    )
  else if ((made.type === 'p' || made.type === 'u') && !built)
    await c.ports.data.buildIndex(stored, stored.table!.indexes.find((index) => index.oid === made.index)!)
}

async function addConstraintUsingIndex(c: CommandContext, draft: Draft, constraint: Constraint): Promise<void> {
  const before = draft.relation
  const index = before.table!.indexes.find((other) => other.name === constraint.indexname)
  if (index === undefined) throw new PgError(SQLSTATE.undefinedObject, `index "${constraint.indexname}" does not exist`)
  if (before.table!.constraints.some((other) => (other.type === 'p' || other.type === 'u') && other.index === index.oid))
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `index "${index.name}" is already associated with a constraint`)
  const refuse = (message: string): never => {
    throw new PgError(SQLSTATE.wrongObjectType, message, {
      detail: 'Cannot create a primary key or unique constraint using such an index.',
    })
  }
  if (!index.unique) refuse(`"${index.name}" is not a unique index`)
  if (index.columns.some((column) => column.attnum === 0)) refuse(`index "${index.name}" contains expressions`)
  if (index.predicate !== null) refuse(`"${index.name}" is a partial index`)
  if (index.columns.some((column) => column.descending || column.nullsFirst))
    refuse(`index "${index.name}" column number 1 does not have default sorting behavior`)
  const primary = constraint.contype === 'CONSTR_PRIMARY'
  if (primary && before.table!.indexes.some((other) => other.primary))
    throw new PgError(SQLSTATE.invalidTableDefinition, `multiple primary keys for table "${before.name}" are not allowed`)
  const name = constraint.conname ?? index.name
  if (name !== index.name) {
    checkConstraintName(before, name)
    c.ctx.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index "${index.name}" to "${name}"`,
    })
  }
  if (primary) for (const column of index.columns) draft.relation = await withNotNull(c, draft.relation, column.attnum)
  const deferrable = constraint.deferrable ?? false
  // entries of another form: the index is built anew, under another number
  const next = before.table!.nextIndexId
  const named = deferrable ? { ...index, name, primary, deferrable, id: indexId(next) } : { ...index, name, primary }
  draft.relation = alterTable(draft.relation, (table) => ({
    indexes: table.indexes.map((other) => (other.oid === index.oid ? named : other)),
    nextIndexId: deferrable ? next + 1 : table.nextIndexId,
  }))
  await c.writer.dropDependencies(CLASS.relation, index.oid)
  const made = await attachKeyConstraint(c, draft, constraint, named)
  await settleKey(c, draft, before, made, !deferrable)
}

async function dropConstraint(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const table = await needTable(c, relation, 'DROP CONSTRAINT')
  const name = cmd.name!
  const constraint = table.table!.constraints.find((other) => other.name === name)
  const column = table.columns.find((other) => other.notNullConstraint?.name === name)
  if (constraint === undefined && column === undefined) {
    const message = `constraint "${name}" of relation "${relation.name}" does not exist`
    if (!cmd.missing_ok) throw new PgError(SQLSTATE.undefinedObject, message)
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `${message}, skipping` })
    return
  }
  if (column !== undefined) {
    if (table.table!.indexes.some((index) => index.primary && index.columns.some((key) => key.attnum === column.attnum)))
      throw new PgError(SQLSTATE.invalidTableDefinition, `column "${column.name}" is in a primary key`)
    if (column.identity !== '')
      throw new PgError(SQLSTATE.syntaxError, `column "${column.name}" of relation "${relation.name}" is an identity column`)
  }
  if (constraint?.type === 'f' && constraint.referencedTable !== relation.oid)
    checkNotInUse(c, (await load(() => c.snapshot.relation(constraint.referencedTable)))!, 'ALTER TABLE')
  const oid = constraint?.oid ?? column!.notNullConstraint!.oid
  await performDeletion(c, [{ classId: CLASS.constraint, objId: oid, subId: 0 }], cmd.behavior === 'DROP_CASCADE')
}

async function validateConstraint(c: CommandContext, relation: RelationInfo, name: string): Promise<void> {
  const table = await needTable(c, relation, 'VALIDATE CONSTRAINT')
  const constraint = table.table!.constraints.find((other) => other.name === name)
  if (constraint === undefined) {
    const column = table.columns.find((other) => other.notNullConstraint?.name === name)
    if (column !== undefined) return provesNotNull(column) ? undefined : validateNotNull(c, table, column)
    throw new PgError(SQLSTATE.undefinedObject, `constraint "${name}" of relation "${relation.name}" does not exist`)
  }
  if (constraint.type !== 'c' && constraint.type !== 'f')
    throw new PgError(SQLSTATE.wrongObjectType, `cannot validate constraint "${name}" of relation "${relation.name}"`, {
      detail: 'This operation is not supported for this type of constraint.',
    })
  if (!constraint.enforced) throw new PgError(SQLSTATE.objectNotInPrerequisiteState, 'cannot validate NOT ENFORCED constraint')
  if (constraint.validated) return
  const valid = { ...constraint, validated: true }
  const stored = await c.writer.updateRelation(
    alterTable(table, (old) => ({ constraints: old.constraints.map((other) => (other.oid === valid.oid ? valid : other)) })),
  )
  if (valid.type === 'c') await c.ports.data.validateCheck(stored, valid)
  else await c.ports.data.validateForeignKey(stored, valid)
}

/** Of a column whose constraint is NOT VALID. */
async function validateNotNull(c: CommandContext, table: RelationDescriptor, column: ColumnDescriptor): Promise<void> {
  const { oid, name, noInherit } = column.notNullConstraint!
  const stored = await c.writer.updateRelation(replaceColumn(table, { ...column, notNullConstraint: { oid, name, noInherit } }))
  await c.ports.data.validateNotNull(stored, [column.attnum])
}

async function alterConstraint(c: CommandContext, relation: RelationInfo, cmd: AlterTableCmd): Promise<void> {
  const table = await needTable(c, relation, 'ALTER CONSTRAINT')
  const change = nodeAs(cmd.def, 'ATAlterConstraint')!
  const name = change.conname!
  const column = table.columns.find((other) => other.notNullConstraint?.name === name)
  const constraint = table.table!.constraints.find((other) => other.name === name)
  if (constraint === undefined && column === undefined)
    throw new PgError(SQLSTATE.undefinedObject, `constraint "${name}" of relation "${relation.name}" does not exist`)
  const wrong = (message: string): PgError => new PgError(SQLSTATE.wrongObjectType, message)
  const foreign = constraint?.type === 'f' ? constraint : null
  if (change.alterDeferrability === true && foreign === null)
    throw wrong(`constraint "${name}" of relation "${relation.name}" is not a foreign key constraint`)
  if (change.alterEnforceability === true && foreign === null)
    throw wrong(`cannot alter enforceability of constraint "${name}" of relation "${relation.name}"`)
  if (change.alterInheritability === true) {
    if (column === undefined) throw wrong(`constraint "${name}" of relation "${relation.name}" is not a not-null constraint`)
    const notNullConstraint = { ...column.notNullConstraint!, noInherit: change.noinherit ?? false }
    await c.writer.updateRelation(replaceColumn(table, { ...column, notNullConstraint }))
    return
  }
  if (foreign === null) return
  let next = foreign
  if (change.alterDeferrability === true) next = { ...next, deferrable: change.deferrable ?? false, deferred: change.initdeferred ?? false }
  const enforced = change.alterEnforceability === true ? (change.is_enforced ?? false) : foreign.enforced
  // rows from before are judged when a key comes into force, and nobody knows of them when it goes out of it
  if (enforced !== foreign.enforced) next = { ...next, enforced, validated: enforced }
  const stored = await c.writer.updateRelation(
    alterTable(table, (old) => ({ constraints: old.constraints.map((other) => (other.oid === next.oid ? next : other)) })),
  )
  if (enforced && !foreign.enforced) await c.ports.data.validateForeignKey(stored, next)
}
