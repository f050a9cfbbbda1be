// Parts of a table that CREATE TABLE and ALTER TABLE make alike: columns, indexes, checks, keys. A draft is the descriptor being made plus
// what has to be done beside it (dependencies, sequences, work on existing rows).

import { notSupported, PgError } from '../../base/errors.ts'
import { indexId, type Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import { indexColumnNames, relationInfo } from '../../catalog/catalog-snapshot.ts'
import {
  type ColumnDescriptor,
  type ConstraintDescriptor,
  type ForeignKeyAction,
  type IndexColumn,
  type IndexDescriptor,
  provesNotNull,
  provesUnique,
  type RelationDescriptor,
} from '../../catalog/descriptors.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { newColumn } from '../../catalog/new-descriptors.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { makeObjectName } from '../../catalog/object-names.ts'
import { checkRelationOwner, columnMask, elementOrSelf, permissionDenied, relationMask, typeMask } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import { isTemporary } from '../../catalog/temporary.ts'
import { typeText as sessionTypeText } from '../../catalog/type-names.ts'
import type { Dependency } from '../../catalog/writer.ts'
import type { Expr } from '../analyzer/expr.ts'
import { figureIndexName } from '../analyzer/target.ts'
import { ACCESS_METHOD } from '../builtin/pg-index.ts'
import { indeterminateCollation } from '../functions/collation-needed.ts'
import { type ColumnDef, type Constraint, type IndexElem, type Node, nodeAs, stringOf, type TypeName } from '../parser/nodes.ts'
import { some } from '../planner/expr-tree.ts'
import { findBuiltinType } from '../types/registry.ts'
import type { CommandContext, ExpressionScope } from './context.ts'
import { defElems, relationOptions } from './def-elem.ts'
import {
  chooseName,
  chooseRelationName,
  columnNamed,
  load,
  lockNamed,
  namespaceNamed,
  partsOf,
  positionOf,
  rangeVarParts,
  SYSTEM_COLUMNS,
  splitName,
} from './names.ts'
import { accessMethod, foreignKeyOperators, operatorClass } from './operator-classes.ts'

/** What initdb's own SQL makes begins here. */
const FIRST_UNPINNED_OID = 12_000

export interface Draft {
  relation: RelationDescriptor
  /** Dependencies of new parts, by the part's address. */
  readonly dependencies: { from: ObjectAddress; to: Dependency[] }[]
  /** Relation names this statement takes. */
  readonly reserved: Set<string>
}

/** Columns of the draft in the form expressions are analysed over. */
export function draftScope(relation: RelationDescriptor): NonNullable<ExpressionScope['relation']> {
  return relationInfo(relation)
}

export function normal(addresses: readonly ObjectAddress[], except: Oid): Dependency[] {
  return addresses.filter((to) => !(to.classId === CLASS.relation && to.objId === except)).map((to) => ({ to, type: 'n' as const }))
}

/** What an expression of the table refers to outside of it, and its own columns as automatic dependencies. */
export function expressionDependencies(c: CommandContext, expr: Expr, table: Oid): Dependency[] {
  return c.analysis
    .dependencies(expr, table)
    .map((to) => ({ to, type: to.classId === CLASS.relation && to.objId === table ? ('a' as const) : ('n' as const) }))
}

export const typeText = (c: CommandContext, type: Oid, typmod: number | null = null): string =>
  sessionTypeText(c.snapshot, c.ctx.session.searchPath(true), type, typmod)

/** 42501 unless the statement's user may use the type in definitions of its own. */
export const checkTypeUsage = (c: CommandContext, type: Oid): Promise<void> =>
  load(() => {
    if (typeMask(c.snapshot, type, c.ctx.session.currentUser, ACL.usage) === 0)
      throw permissionDenied('type', typeText(c, elementOrSelf(c.snapshot, type)))
  })

/** 0A000 for a type of PostgreSQL's whose values have no bodies here: a table of it could never be written or read. */
/** Of a column's declaration. */
export function checkNotSet(name: string, type: TypeName): void {
  if (type.setof === true) throw new PgError(SQLSTATE.invalidTableDefinition, `column "${name}" cannot be declared SETOF`)
}

export async function checkTypeHasValues(c: CommandContext, type: Oid): Promise<void> {
  const base = (oid: Oid): Oid => {
    const row = c.snapshot.type(oid)
    if (row?.typtype === 'd') return base(row.typbasetype)
    const element = elementOrSelf(c.snapshot, oid)
    return element === oid ? oid : base(element)
  }
  await load(() => {
    const row = c.snapshot.type(base(type))
    if (row === null || row.oid >= FIRST_NORMAL_OID || row.typtype !== 'b' || findBuiltinType(row.oid) !== null) return
    throw notSupported(`columns of type ${typeText(c, row.oid)} are not supported`, 'Keep the values as text or jsonb.')
  })
}

/** attstorage by typstorage; an array has the dimensions that were declared (a query's column: none). */
export async function plainColumn(
  c: CommandContext,
  attnum: number,
  name: string,
  type: { type: Oid; typmod: number; collation: Oid; dims?: number },
): Promise<ColumnDescriptor> {
  const row = await load(() => c.snapshot.type(type.type))
  if (row?.typtype === 'p' && row.oid !== 2249 && row.oid !== 2287)
    throw new PgError(SQLSTATE.invalidTableDefinition, `column "${name}" has pseudo-type ${typeText(c, type.type)}`)
  if (row?.oid === 2249 || row?.oid === 2287)
    throw new PgError(
      SQLSTATE.invalidTableDefinition,
      `column "${name}" has pseudo-type ${row.typname === 'record' ? 'record' : 'record[]'}`,
    )
  await checkTypeUsage(c, type.type)
  await checkTypeHasValues(c, type.type)
  const dims = row !== null && elementOrSelf(c.snapshot, row.oid) !== row.oid ? { dims: type.dims ?? 0 } : {}
  return { ...newColumn(attnum, name, type), ...dims, storage: row?.typstorage ?? 'p' }
}

export function replaceColumn(relation: RelationDescriptor, column: ColumnDescriptor): RelationDescriptor {
  return { ...relation, columns: relation.columns.map((old) => (old.attnum === column.attnum ? column : old)) }
}

export function alterTable(
  relation: RelationDescriptor,
  change: (table: NonNullable<RelationDescriptor['table']>) => Partial<NonNullable<RelationDescriptor['table']>>,
): RelationDescriptor {
  return { ...relation, table: { ...relation.table!, ...change(relation.table!) } }
}

function constraintNames(relation: RelationDescriptor): Set<string> {
  const names = new Set((relation.table?.constraints ?? []).map((constraint) => constraint.name))
  for (const column of relation.columns) if (column.notNullConstraint !== null) names.add(column.notNullConstraint.name)
  return names
}

export function checkConstraintName(relation: RelationDescriptor, name: string): void {
  if (constraintNames(relation).has(name))
    throw new PgError(SQLSTATE.duplicateObject, `constraint "${name}" for relation "${relation.name}" already exists`)
}

/** `reserved`: names the statement itself is about to take. */
export function chooseConstraintName(
  relation: RelationDescriptor,
  name1: string,
  name2: string | null,
  label: string,
  reserved?: ReadonlySet<string>,
): Promise<string> {
  const names = constraintNames(relation)
  return chooseName(
    (pass) => makeObjectName(name1, name2, label + pass),
    (name) => names.has(name) || reserved?.has(name) === true,
  )
}

/** A not-null constraint as it is asked for. */
export interface NotNullSpec {
  readonly name: string | null
  readonly noInherit: boolean
  readonly notValid?: boolean
}

/** SET NOT NULL on a column, with its named constraint. */
export async function withNotNull(
  c: CommandContext,
  relation: RelationDescriptor,
  attnum: number,
  { name, noInherit, notValid = false }: NotNullSpec = { name: null, noInherit: false },
  reserved?: ReadonlySet<string>,
): Promise<RelationDescriptor> {
  const column = relation.columns[attnum - 1]!
  if (column.notNull && column.notNullConstraint !== null) {
    if (!notValid && !provesNotNull(column))
      throw new PgError(
        SQLSTATE.objectNotInPrerequisiteState,
        `incompatible NOT VALID constraint "${column.notNullConstraint.name}" on relation "${relation.name}"`,
        { hint: 'You might need to validate it using ALTER TABLE ... VALIDATE CONSTRAINT.' },
      )
    if (name !== null && name !== column.notNullConstraint.name)
      throw new PgError(
        SQLSTATE.objectNotInPrerequisiteState,
        `cannot create not-null constraint "${name}" on column "${column.name}" of table "${relation.name}"`,
        { detail: `A not-null constraint named "${column.notNullConstraint.name}" already exists for this column.` },
      )
    return relation
  }
  if (name !== null) checkConstraintName(relation, name)
  const chosen = name ?? (await chooseConstraintName(relation, relation.name, column.name, 'not_null', reserved))
  const oid = await c.writer.newOid(relation.namespace)
  const constraint = { oid, name: chosen, noInherit, ...(notValid ? { notValid } : {}) }
  return replaceColumn(relation, { ...column, notNull: true, notNullConstraint: constraint })
}

/** A default expression, coerced to the column's type; generated columns likewise. */
export async function withDefault(
  c: CommandContext,
  draft: Draft,
  attnum: number,
  expr: Expr,
  generated: ColumnDescriptor['generated'],
): Promise<void> {
  const column = draft.relation.columns[attnum - 1]!
  const oid = await c.writer.newOid(draft.relation.namespace)
  draft.relation = replaceColumn(draft.relation, { ...column, default: { oid, expr: c.analysis.store(expr) }, generated })
  const from = { classId: CLASS.attrdef, objId: oid, subId: 0 }
  const to = expressionDependencies(c, expr, draft.relation.oid)
  draft.dependencies.push({ from, to })
}

export async function analyzeDefault(
  c: CommandContext,
  relation: RelationDescriptor,
  column: ColumnDescriptor,
  node: Node,
  generated: ColumnDescriptor['generated'],
): Promise<Expr> {
  const expr = await c.analysis.expression(node, {
    purpose: generated === '' ? 'default' : 'generated',
    relation: generated === '' ? null : draftScope(relation),
    target: { column: column.name, type: column.type, typmod: column.typmod },
  })
  if (generated !== '') refuseGeneratedSource(c, relation, column, expr)
  if (generated === 'v') refuseOwnTypes(c, expr)
  return expr
}

const OWN_TYPES = { detail: 'Virtual generated columns that make use of user-defined types are not yet supported.' }

/** Who reads a virtual column runs its expression: nothing may be in it that somebody else can make do something. */
function refuseOwnTypes(c: CommandContext, expr: Expr): void {
  some(expr, (e) => {
    if (e.type < FIRST_UNPINNED_OID) return false
    throw new PgError(SQLSTATE.featureNotSupported, 'generation expression uses user-defined type', {
      ...OWN_TYPES,
      ...positionOf(c, e.location),
    })
  })
}

/** 0A000 when a virtual column cannot have the type. */
export function checkVirtualType(c: CommandContext, name: string, type: Oid): Promise<void> {
  return load(() => {
    const refuse = (kind: string, fields: { detail?: string } = {}): never => {
      throw new PgError(SQLSTATE.featureNotSupported, `virtual generated column "${name}" cannot have a ${kind} type`, fields)
    }
    if (c.snapshot.type(elementOrSelf(c.snapshot, type))?.typtype === 'd') refuse('domain')
    if (type >= FIRST_UNPINNED_OID) refuse('user-defined', OWN_TYPES)
  })
}

/** What a generated column is computed from must be there before any of them is computed. */
function refuseGeneratedSource(c: CommandContext, relation: RelationDescriptor, column: ColumnDescriptor, expr: Expr): void {
  some(expr, (e) => {
    if (e.kind === 'Var' && e.attno === 0)
      throw new PgError(SQLSTATE.invalidObjectDefinition, 'cannot use whole-row variable in column generation expression', {
        detail: 'This would cause the generated column to depend on its own value.',
        ...positionOf(c, e.location),
      })
    if (e.kind !== 'Var' || e.attno < 0) return false
    const used = relation.columns[e.attno - 1]!
    if (used.generated === '' && used.name !== column.name) return false
    throw new PgError(SQLSTATE.invalidObjectDefinition, `cannot use generated column "${used.name}" in column generation expression`, {
      detail: 'A generated column cannot reference another generated column.',
      ...positionOf(c, e.location),
    })
  })
}

// --- indexes ---------------------------------------------------------------------------------------------------------------------------

export interface IndexSpec {
  readonly name: string | null
  readonly method: string
  readonly unique: boolean
  readonly primary: boolean
  readonly deferrable?: boolean
  /** Belongs to a constraint: its name rule differs. */
  readonly constraint: boolean
  readonly nullsNotDistinct: boolean
  readonly elements: readonly IndexElem[]
  readonly including: readonly IndexElem[]
  readonly where: Node | null
  readonly options: readonly string[] | null
}

/** An index can only be kept over what is stored in the row. */
function checkIndexed(relation: RelationDescriptor, expr: Expr): void {
  some(expr, (e) => {
    if (e.kind !== 'Var' || e.attno === 0) return false
    if (e.attno < 0) throw notSupported('index creation on system columns is not supported')
    if (relation.columns[e.attno - 1]!.generated === 'v') throw notSupported('indexes on virtual generated columns are not supported')
    return false
  })
}

/** What an expression is called as a column of an index. */
const expressionName = (node: Node | undefined): string => (node === undefined ? null : figureIndexName(node)) ?? 'expr'

function nameAddition(names: readonly string[]): string {
  let text = ''
  for (const [i, name] of names.entries()) {
    if (i > 0) text += '_'
    text += name
    if (text.length >= LIMITS.maxIdentifierBytes) break
  }
  return text
}

/** A free name for an index of these columns. */
export function chooseIndexName(
  c: CommandContext,
  { relation, reserved }: Draft,
  index: Pick<IndexDescriptor, 'columns' | 'include'>,
  label: 'key' | 'idx',
): Promise<string> {
  const addition = nameAddition(indexColumnNames(relation, index))
  return chooseRelationName(c, relation.namespace, relation.name, addition, label, reserved)
}

/** Adds an index to the draft (rows are entered by the caller). */
export async function addIndex(c: CommandContext, draft: Draft, spec: IndexSpec): Promise<IndexDescriptor> {
  const relation = draft.relation
  const method = accessMethod(spec.method)
  const count = spec.elements.length + spec.including.length
  if (count > LIMITS.maxIndexColumns)
    throw new PgError(SQLSTATE.tooManyColumns, `cannot use more than ${LIMITS.maxIndexColumns} columns in an index`)
  if (method === ACCESS_METHOD.hash) {
    if (spec.unique) throw new PgError(SQLSTATE.featureNotSupported, 'access method "hash" does not support unique indexes')
    if (spec.elements.length > 1)
      throw new PgError(SQLSTATE.featureNotSupported, 'access method "hash" does not support multicolumn indexes')
    if (spec.including.length > 0) throw new PgError(SQLSTATE.featureNotSupported, 'access method "hash" does not support included columns')
  }
  const oid = await c.writer.newOid(draft.relation.namespace)
  const columns: IndexColumn[] = []
  const dependencies: Dependency[] = []
  for (const element of spec.elements) {
    let attnum = 0
    let type: Oid
    let collation: Oid
    let expr: Expr | null = null
    if (element.name !== undefined) {
      const column = columnNamed(relation, element.name)
      if (column === null) {
        if (SYSTEM_COLUMNS[element.name] !== undefined) throw notSupported('index creation on system columns is not supported')
        throw spec.constraint
          ? new PgError(SQLSTATE.undefinedColumn, `column "${element.name}" named in key does not exist`)
          : new PgError(SQLSTATE.undefinedColumn, `column "${element.name}" does not exist`)
      }
      if (column.generated === 'v')
        throw notSupported(
          spec.primary
            ? 'primary keys on virtual generated columns are not supported'
            : spec.constraint
              ? 'unique constraints on virtual generated columns are not supported'
              : 'indexes on virtual generated columns are not supported',
        )
      attnum = column.attnum
      type = column.type
      collation = column.collation
      dependencies.push({ to: { classId: CLASS.relation, objId: relation.oid, subId: attnum }, type: 'a' })
    } else {
      expr = await c.analysis.expression(element.expr!, { purpose: 'index', relation: draftScope(relation), target: null })
      checkIndexed(relation, expr)
      if ((await load(() => c.snapshot.type(expr!.type)))?.typtype === 'p')
        throw new PgError(
          SQLSTATE.invalidTableDefinition,
          `column "${element.indexcolname ?? expressionName(element.expr)}" has pseudo-type ${await load(() => typeText(c, expr!.type))}`,
        )
      if (expr.kind === 'Var' && expr.attno > 0) {
        attnum = expr.attno
        dependencies.push({ to: { classId: CLASS.relation, objId: relation.oid, subId: attnum }, type: 'a' })
      } else dependencies.push(...expressionDependencies(c, expr, relation.oid))
      type = expr.type
      collation = expr.collation
    }
    if (element.collation !== undefined) collation = await c.analysis.collation(partsOf(element.collation))
    if (collation === 0 && ((await load(() => c.snapshot.type(type)))?.typcollation ?? 0) !== 0)
      throw indeterminateCollation('index expression')
    const descending = element.ordering === 'SORTBY_DESC'
    if (method === ACCESS_METHOD.hash && (descending || (element.nulls_ordering ?? 'SORTBY_NULLS_DEFAULT') !== 'SORTBY_NULLS_DEFAULT'))
      throw new PgError(SQLSTATE.featureNotSupported, 'access method "hash" does not support ASC/DESC options')
    columns.push({
      attnum,
      expr: attnum === 0 ? c.analysis.store(expr!) : null,
      ...(attnum === 0 ? { name: element.indexcolname ?? expressionName(element.expr) } : {}),
      type,
      collation,
      opclass: await operatorClass(c, method, type, partsOf(element.opclass)),
      descending,
      nullsFirst:
        element.nulls_ordering === 'SORTBY_NULLS_FIRST' ? true : element.nulls_ordering === 'SORTBY_NULLS_LAST' ? false : descending,
    })
  }
  const include: number[] = []
  for (const element of spec.including) {
    if (element.expr !== undefined) throw notSupported('expressions are not supported in included columns')
    const column = columnNamed(relation, element.name!)
    if (column === null)
      throw spec.constraint
        ? new PgError(SQLSTATE.undefinedColumn, `column "${element.name}" named in key does not exist`)
        : new PgError(SQLSTATE.undefinedColumn, `column "${element.name}" does not exist`)
    include.push(column.attnum)
    dependencies.push({ to: { classId: CLASS.relation, objId: relation.oid, subId: column.attnum }, type: 'a' })
  }
  let predicate: string | null = null
  if (spec.where !== null) {
    const expr = await c.analysis.expression(spec.where, { purpose: 'index predicate', relation: draftScope(relation), target: null })
    checkIndexed(relation, expr)
    predicate = c.analysis.store(expr)
    dependencies.push(...expressionDependencies(c, expr, relation.oid))
  }
  // a constraint has the name, too
  const reserved = spec.constraint ? new Set([...draft.reserved, ...constraintNames(relation)]) : draft.reserved
  const name =
    spec.name ??
    (spec.primary
      ? await chooseRelationName(c, relation.namespace, relation.name, null, 'pkey', reserved)
      : await chooseIndexName(c, { ...draft, reserved }, { columns, include }, spec.constraint ? 'key' : 'idx'))
  if (draft.reserved.has(name)) throw new PgError(SQLSTATE.duplicateTable, `relation "${name}" already exists`)
  draft.reserved.add(name)
  const index: IndexDescriptor = {
    oid,
    name,
    id: indexId(relation.table!.nextIndexId),
    accessMethod: method,
    unique: spec.unique,
    primary: spec.primary,
    ...(spec.deferrable === true ? { deferrable: true } : {}),
    nullsNotDistinct: spec.nullsNotDistinct,
    columns,
    include,
    predicate,
    state: 'public',
    options: spec.options,
  }
  draft.relation = alterTable(relation, (table) => ({ indexes: [...table.indexes, index], nextIndexId: table.nextIndexId + 1 }))
  // an index in a constraint goes with the constraint; what else it needs stands on its own
  draft.dependencies.push({ from: { classId: CLASS.relation, objId: oid, subId: 0 }, to: spec.constraint ? [] : dependencies })
  return index
}

export function constraintElements(constraint: Constraint): { keys: IndexElem[]; including: IndexElem[] } {
  return {
    keys: (constraint.keys ?? []).map((key) => ({ name: stringOf(key) })),
    including: (constraint.including ?? []).map((key) => ({ name: stringOf(key) })),
  }
}

/** PRIMARY KEY or UNIQUE; a primary key's columns become NOT NULL. */
export async function addKeyConstraint(c: CommandContext, draft: Draft, constraint: Constraint): Promise<ConstraintDescriptor> {
  const primary = constraint.contype === 'CONSTR_PRIMARY'
  if (constraint.without_overlaps) throw notSupported('temporal keys (WITHOUT OVERLAPS) are not supported')
  const { conname } = constraint
  if (conname !== undefined) {
    if ((await load(() => c.snapshot.relationByName(draft.relation.namespace, conname))) !== null)
      throw new PgError(SQLSTATE.duplicateTable, `relation "${conname}" already exists`)
    checkConstraintName(draft.relation, conname)
  }
  const { keys, including } = constraintElements(constraint)
  const seen = new Set<string>()
  for (const key of keys) {
    const column = columnNamed(draft.relation, key.name!)
    if (column === null) throw new PgError(SQLSTATE.undefinedColumn, `column "${key.name}" named in key does not exist`)
    if (seen.has(key.name!))
      throw new PgError(
        SQLSTATE.duplicateColumn,
        `column "${key.name}" appears twice in ${primary ? 'primary key' : 'unique'} constraint`,
        positionOf(c, constraint.location),
      )
    seen.add(key.name!)
    if (primary && column.notNull && !provesNotNull(column))
      throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `cannot create primary key on column "${column.name}"`, {
        detail: `The constraint "${column.notNullConstraint!.name}" on column "${column.name}" of table "${draft.relation.name}", marked NOT VALID, is incompatible with a primary key.`,
        hint: 'You might need to validate it using ALTER TABLE ... VALIDATE CONSTRAINT.',
      })
    if (primary) draft.relation = await withNotNull(c, draft.relation, column.attnum)
  }
  if (primary && draft.relation.table!.indexes.some((index) => index.primary))
    throw new PgError(SQLSTATE.invalidTableDefinition, `multiple primary keys for table "${draft.relation.name}" are not allowed`)
  const index = await addIndex(c, draft, {
    name: constraint.conname ?? null,
    method: 'btree',
    unique: true,
    primary,
    deferrable: constraint.deferrable ?? false,
    constraint: true,
    nullsNotDistinct: constraint.nulls_not_distinct ?? false,
    elements: keys,
    including,
    where: null,
    options: relationOptions(defElems(constraint.options)),
  })
  return attachKeyConstraint(c, draft, constraint, index)
}

/** Makes `index`, which the draft has already, the index of a primary key or unique constraint of its own name. */
export async function attachKeyConstraint(
  c: CommandContext,
  draft: Draft,
  constraint: Constraint,
  index: IndexDescriptor,
): Promise<ConstraintDescriptor> {
  const primary = constraint.contype === 'CONSTR_PRIMARY'
  const deferrable = constraint.deferrable ?? false
  const oid = await c.writer.newOid(draft.relation.namespace)
  const columns = index.columns.map((column) => column.attnum)
  const made: ConstraintDescriptor = {
    oid,
    name: index.name,
    deferrable,
    deferred: constraint.initdeferred ?? false,
    validated: true,
    enforced: true,
    type: primary ? 'p' : 'u',
    index: index.oid,
    columns,
  }
  draft.relation = alterTable(draft.relation, (table) => ({
    constraints: [...table.constraints, made],
    // Rows that may have the same key for a while cannot be found by it.
    primaryKey: primary && !deferrable ? index.oid : table.primaryKey,
  }))
  draft.dependencies.push({
    from: { classId: CLASS.constraint, objId: oid, subId: 0 },
    to: [...columns, ...index.include].map((attnum) => ({
      to: { classId: CLASS.relation, objId: draft.relation.oid, subId: attnum },
      type: 'a' as const,
    })),
  })
  return made
}

/** Columns an expression over the table reads, in the order in which it names them. */
export function columnsOf(c: CommandContext, expr: Expr, table: Oid): number[] {
  const attnums = new Set<number>()
  for (const to of c.analysis.dependencies(expr, table))
    if (to.classId === CLASS.relation && to.objId === table && to.subId > 0) attnums.add(to.subId)
  return [...attnums]
}

export async function addCheck(c: CommandContext, draft: Draft, constraint: Constraint): Promise<ConstraintDescriptor> {
  const expr = await c.analysis.expression(constraint.raw_expr!, { purpose: 'check', relation: draftScope(draft.relation), target: null })
  const columns = columnsOf(c, expr, draft.relation.oid)
  if (constraint.conname !== undefined) checkConstraintName(draft.relation, constraint.conname)
  const single =
    columns.length === 1 && !some(expr, (e) => e.kind === 'Var' && e.attno < 0) ? draft.relation.columns[columns[0]! - 1]!.name : null
  const name = constraint.conname ?? (await chooseConstraintName(draft.relation, draft.relation.name, single, 'check'))
  const oid = await c.writer.newOid(draft.relation.namespace)
  const enforced = constraint.is_enforced ?? false
  const made: ConstraintDescriptor = {
    oid,
    name,
    deferrable: false,
    deferred: false,
    validated: enforced && !(constraint.skip_validation ?? false),
    enforced,
    type: 'c',
    expr: c.analysis.store(expr),
    columns,
    noInherit: constraint.is_no_inherit ?? false,
  }
  draft.relation = alterTable(draft.relation, (table) => ({ constraints: [...table.constraints, made] }))
  draft.dependencies.push({
    from: { classId: CLASS.constraint, objId: oid, subId: 0 },
    to: expressionDependencies(c, expr, draft.relation.oid),
  })
  return made
}

// --- foreign keys ------------------------------------------------------------------------------------------------------------------------

function deferrableTarget(what: string, referenced: RelationDescriptor): PgError {
  return new PgError(
    SQLSTATE.objectNotInPrerequisiteState,
    `cannot use a deferrable ${what} for referenced table "${bareName(referenced)}"`,
  )
}

const bareName = (relation: RelationDescriptor): string => relation.name

/** Whether the name would find the table being made, which the snapshot does not show yet. */
function namesNewTable(c: CommandContext, own: RelationDescriptor, parts: readonly string[]): boolean {
  const { schema, name } = splitName(c, parts)
  if (name !== own.name) return false
  if (schema !== null) return namespaceNamed(c, schema).oid === own.namespace
  for (const path of c.ctx.session.searchPath(true)) {
    const namespace = c.snapshot.namespaceByName(path)
    if (namespace === null) continue
    if (namespace.oid === own.namespace) return true
    if (c.snapshot.relationByName(namespace.oid, name) !== null) return false
  }
  return false
}

/** Adds the key to the draft and answers the referenced table, whose inbound list the caller writes after the referencing table. */
export async function addForeignKey(
  c: CommandContext,
  draft: Draft,
  constraint: Constraint,
): Promise<{ constraint: ConstraintDescriptor & { type: 'f' }; referenced: Oid }> {
  const own = draft.relation
  const parts = rangeVarParts(constraint.pktable!)
  const self = await load(() => c.snapshot.relation(own.oid) === null && namesNewTable(c, own, parts))
  const found = self ? null : await lockNamed(c, parts, LOCK.shareRowExclusive)
  const referenced = found === null || found.oid === own.oid ? own : found.descriptor
  if (referenced === null || referenced.table === null)
    throw new PgError(SQLSTATE.wrongObjectType, `referenced relation "${found?.name}" is not a table`)
  const role = c.ctx.session.currentUser
  if ((own.persistence === 't') !== isTemporary(referenced.oid)) {
    const kind = own.persistence === 't' ? 'temporary' : 'permanent'
    throw new PgError(SQLSTATE.invalidTableDefinition, `constraints on ${kind} tables may reference only ${kind} tables`)
  }
  const fkNames = partsOf(constraint.fk_attrs)
  const columns: number[] = []
  for (const name of fkNames) {
    const column = columnNamed(own, name)
    if (column === null) throw new PgError(SQLSTATE.undefinedColumn, `column "${name}" referenced in foreign key constraint does not exist`)
    if (column.generated === 'v') throw notSupported('foreign key constraints on virtual generated columns are not supported')
    columns.push(column.attnum)
  }
  for (const name of partsOf(constraint.fk_del_set_cols))
    if (columnNamed(own, name) === null)
      throw new PgError(SQLSTATE.undefinedColumn, `column "${name}" referenced in foreign key constraint does not exist`)
  const pkNames = partsOf(constraint.pk_attrs)
  let index: IndexDescriptor | undefined
  let referencedColumns: number[]
  if (pkNames.length === 0) {
    index = referenced.table.indexes.find((candidate) => candidate.primary)
    if (index === undefined)
      throw new PgError(SQLSTATE.undefinedObject, `there is no primary key for referenced table "${bareName(referenced)}"`)
    if (!provesUnique(index)) throw deferrableTarget('primary key', referenced)
    referencedColumns = index.columns.map((column) => column.attnum)
  } else {
    referencedColumns = pkNames.map((name) => {
      const column = columnNamed(referenced, name)
      if (column === null)
        throw new PgError(SQLSTATE.undefinedColumn, `column "${name}" referenced in foreign key constraint does not exist`)
      return column.attnum
    })
  }
  if (columns.length !== referencedColumns.length)
    throw new PgError(SQLSTATE.invalidForeignKey, 'number of referencing and referenced columns for foreign key disagree')
  if (pkNames.length > 0) {
    if (new Set(referencedColumns).size !== referencedColumns.length)
      throw new PgError(SQLSTATE.invalidForeignKey, 'foreign key referenced-columns list must not contain duplicates')
    const wanted = new Set(referencedColumns)
    const candidates = referenced.table.indexes.filter(
      (candidate) =>
        candidate.unique &&
        candidate.predicate === null &&
        candidate.columns.length === wanted.size &&
        candidate.columns.every((column) => column.attnum !== 0 && wanted.has(column.attnum)),
    )
    index = candidates.find(provesUnique)
    if (index === undefined && candidates.length > 0) throw deferrableTarget('unique constraint', referenced)
    if (index === undefined)
      throw new PgError(
        SQLSTATE.invalidForeignKey,
        `there is no unique constraint matching given keys for referenced table "${bareName(referenced)}"`,
      )
  }
  if (referenced.oid !== own.oid) {
    const info = found!
    const allowed = await load(
      () =>
        relationMask(c.snapshot, info, role, ACL.references) !== 0 ||
        referencedColumns.every((attnum) => columnMask(c.snapshot, info, attnum, role, ACL.references) !== 0),
    )
    if (!allowed) throw permissionDenied('table', referenced.name)
  }
  const name =
    constraint.conname ?? (await chooseConstraintName(own, own.name, fkNames.join('_').slice(0, LIMITS.maxIdentifierBytes), 'fkey'))
  if (constraint.conname !== undefined) checkConstraintName(own, name)
  const operators: { pfEqOp: Oid; ppEqOp: Oid; ffEqOp: Oid }[] = []
  for (const [i, attnum] of columns.entries()) {
    const fk = own.columns[attnum - 1]!
    const pk = referenced.columns[referencedColumns[i]! - 1]!
    const opclass = index!.columns.find((column) => column.attnum === pk.attnum)!.opclass
    const found = await foreignKeyOperators(c, opclass, pk.type, fk.type)
    if (found === null)
      throw new PgError(SQLSTATE.datatypeMismatch, `foreign key constraint "${name}" cannot be implemented`, {
        detail: `Key columns "${fk.name}" of the referencing table and "${pk.name}" of the referenced table are of incompatible types: ${typeText(c, fk.type)} and ${typeText(c, pk.type)}.`,
      })
    operators.push(found)
  }
  const onUpdate = (constraint.fk_upd_action ?? 'a') as ForeignKeyAction
  const onDelete = (constraint.fk_del_action ?? 'a') as ForeignKeyAction
  for (const attnum of columns) {
    const column = own.columns[attnum - 1]!
    if (column.generated === '') continue
    if (onUpdate === 'n' || onUpdate === 'd' || onUpdate === 'c')
      throw new PgError(SQLSTATE.syntaxError, `invalid ON UPDATE action for foreign key constraint containing generated column`)
    if (onDelete === 'n' || onDelete === 'd')
      throw new PgError(SQLSTATE.syntaxError, `invalid ON DELETE action for foreign key constraint containing generated column`)
  }
  if (constraint.fk_matchtype === 'p') throw notSupported('MATCH PARTIAL not yet implemented')
  if (constraint.fk_with_period) throw notSupported('temporal foreign keys (PERIOD) are not supported')
  const oid = await c.writer.newOid(draft.relation.namespace)
  const enforced = constraint.is_enforced ?? false
  const made: ConstraintDescriptor & { type: 'f' } = {
    oid,
    name,
    deferrable: constraint.deferrable ?? false,
    deferred: constraint.initdeferred ?? false,
    validated: enforced && !(constraint.skip_validation ?? false),
    enforced,
    type: 'f',
    columns,
    referencedTable: referenced.oid,
    referencedColumns,
    referencedIndex: index!.oid,
    onUpdate,
    onDelete,
    matchType: constraint.fk_matchtype === 'f' ? 'f' : 's',
    deleteSetColumns: [...new Set(partsOf(constraint.fk_del_set_cols))].map((column) => {
      const at = fkNames.indexOf(column)
      if (at < 0)
        throw new PgError(
          SQLSTATE.invalidColumnReference,
          `column "${column}" referenced in ON DELETE SET action must be part of foreign key`,
        )
      return columns[at]!
    }),
    pfEqOps: operators.map((op) => op.pfEqOp),
    ppEqOps: operators.map((op) => op.ppEqOp),
    ffEqOps: operators.map((op) => op.ffEqOp),
  }
  draft.relation = alterTable(draft.relation, (table) => ({ constraints: [...table.constraints, made] }))
  if (referenced.oid === own.oid)
    draft.relation = alterTable(draft.relation, (table) => ({
      inboundForeignKeys: [...table.inboundForeignKeys, { table: own.oid, constraint: oid }],
    }))
  draft.dependencies.push({
    from: { classId: CLASS.constraint, objId: oid, subId: 0 },
    to: [
      ...columns.map((attnum) => ({ to: { classId: CLASS.relation, objId: own.oid, subId: attnum }, type: 'a' as const })),
      ...(referenced.oid === own.oid
        ? []
        : referencedColumns.map((attnum) => ({
            to: { classId: CLASS.relation, objId: referenced.oid, subId: attnum },
            type: 'n' as const,
          }))),
      { to: { classId: CLASS.relation, objId: index!.oid, subId: 0 }, type: 'n' as const },
    ],
  })
  return { constraint: made, referenced: referenced.oid }
}

/** Writes the referenced table's side of a new foreign key. */
export async function noteInbound(c: CommandContext, referenced: Oid, table: Oid, constraint: Oid): Promise<void> {
  if (referenced === table) return
  await c.writer.alterRelation(referenced, (relation) =>
    alterTable(relation, (t) => ({ inboundForeignKeys: [...t.inboundForeignKeys, { table, constraint }] })),
  )
}

export async function writeDependencies(c: CommandContext, draft: Draft): Promise<void> {
  for (const { from, to } of draft.dependencies)
    for (const dependency of to) await c.writer.addDependency(from, dependency.to, dependency.type)
}

/** A column on a tenant's own type depends on it. */
export function columnTypeDependency(relation: Oid, column: ColumnDescriptor): Draft['dependencies'][number] | null {
  if (column.type < 16384) return null
  return {
    from: { classId: CLASS.relation, objId: relation, subId: column.attnum },
    to: [{ to: { classId: CLASS.type, objId: column.type, subId: 0 }, type: 'n' }],
  }
}

export async function checkOwner(c: CommandContext, relation: Parameters<typeof checkRelationOwner>[1]): Promise<void> {
  await load(() => checkRelationOwner(c.snapshot, relation, c.ctx.session.currentUser))
}

export function columnDefs(nodes: readonly Node[] | undefined): ColumnDef[] {
  return (nodes ?? []).flatMap((node) => nodeAs(node, 'ColumnDef') ?? [])
}
