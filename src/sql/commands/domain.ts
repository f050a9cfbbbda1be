// CREATE DOMAIN and ALTER DOMAIN. A new rule is tried on the rows of every table that has a column of the domain.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { domainConstraints, type RelationDescriptor, type TypeDescriptor } from '../../catalog/descriptors.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { makeObjectName } from '../../catalog/object-names.ts'
import { mustBeOwner, ownsObject } from '../../catalog/privileges.ts'
import type { Dependency } from '../../catalog/writer.ts'
import { type AlterDomainStmt, type Constraint, type CreateDomainStmt, type Node, nodeAs, type TypeName } from '../parser/nodes.ts'
import { makeVar, replace } from '../planner/expr-tree.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { load, partsOf, positionOf, splitName } from './names.ts'
import { checkTypeUsage, normal, typeText } from './table-builder.ts'
import { typeNamespace } from './temporary.ts'
import { checkTypeName, createType } from './types.ts'

type Domain = TypeDescriptor['definition'] & { readonly kind: 'domain' }
type Check = Domain['checks'][number]

interface BaseType {
  readonly type: Oid
  readonly typmod: number
}

const baseDependency = (type: Oid): Dependency[] =>
  type >= 16384 ? [{ to: { classId: CLASS.type, objId: type, subId: 0 }, type: 'n' as const }] : []

/** Null: DEFAULT NULL, which is none. */
async function newDefault(
  c: CommandContext,
  name: string,
  base: BaseType,
  raw: Node,
): Promise<{ readonly expr: string; readonly text: string; readonly dependencies: readonly Dependency[] } | null> {
  const expr = await c.analysis.expression(raw, {
    purpose: 'default',
    relation: null,
    target: { column: name, type: base.type, typmod: base.typmod },
  })
  if (expr.kind === 'Const' && expr.value === null) return null
  const dependencies = normal(c.analysis.dependencies(expr, 0), 0).map(({ to }) => ({ to, type: 'n' as const }))
  const stored = c.analysis.store(expr)
  return { expr: stored, text: await load(() => c.analysis.deparse(stored, 0)), dependencies }
}

/** A domain, being made or there already, as its new constraints see it. */
interface Named {
  readonly name: string
  readonly namespace: Oid
  readonly base: BaseType
  readonly checks: readonly Check[]
  readonly notNullConstraint: Domain['notNullConstraint']
}

/** The constraint's own name, or one that no other of the domain has. */
function constraintName(domain: Named, given: string | undefined, label: string): string {
  const taken = new Set(domain.checks.map((check) => check.name))
  if (domain.notNullConstraint !== null) taken.add(domain.notNullConstraint.name)
  let chosen = given ?? makeObjectName(domain.name, null, label)
  for (let n = 1; taken.has(chosen); n++) {
    if (given !== undefined)
      throw new PgError(SQLSTATE.duplicateObject, `constraint "${chosen}" for domain "${domain.name}" already exists`)
    chosen = makeObjectName(domain.name, null, `${label}${n}`)
  }
  return chosen
}

async function newNotNull(c: CommandContext, domain: Named, given: string | undefined): Promise<Domain['notNullConstraint']> {
  return { oid: await c.writer.newOid(domain.namespace), name: constraintName(domain, given, 'not_null') }
}

async function newCheck(c: CommandContext, domain: Named, constraint: Constraint): Promise<Check> {
  const { namespace, base } = domain
  const expr = await c.analysis.expression(constraint.raw_expr!, {
    purpose: 'domain check',
    relation: null,
    target: null,
    domain: { type: base.type, typmod: base.typmod },
  })
  const name = constraintName(domain, constraint.conname, 'check')
  return { oid: await c.writer.newOid(namespace), name, expr: c.analysis.store(expr), validated: !constraint.skip_validation }
}

function notForDomains(c: CommandContext, constraint: Constraint): PgError {
  const position = positionOf(c, constraint.location)
  const words: Readonly<Record<string, string>> = {
    CONSTR_PRIMARY: 'primary key',
    CONSTR_UNIQUE: 'unique',
    CONSTR_EXCLUSION: 'exclusion',
    CONSTR_FOREIGN: 'foreign key',
  }
  const word = words[constraint.contype ?? '']
  if (word !== undefined) return new PgError(SQLSTATE.syntaxError, `${word} constraints not possible for domains`, position)
  const type = constraint.contype ?? ''
  if (type === 'CONSTR_GENERATED' || type === 'CONSTR_IDENTITY')
    return new PgError(SQLSTATE.featureNotSupported, 'specifying GENERATED not supported for domains', position)
  if (type === 'CONSTR_ATTR_ENFORCED' || type === 'CONSTR_ATTR_NOT_ENFORCED')
    return new PgError(SQLSTATE.invalidObjectDefinition, 'specifying constraint enforceability not supported for domains', position)
  return new PgError(SQLSTATE.featureNotSupported, 'specifying constraint deferrability not supported for domains', position)
}

export async function createDomain(c: CommandContext, stmt: CreateDomainStmt): Promise<CommandResult> {
  const { schema, name } = splitName(c, partsOf(stmt.domainname))
  const namespace = await typeNamespace(c, schema)
  await checkTypeName(c, namespace.oid, name)
  const base = await c.analysis.typeName(stmt.typeName!)
  const row = (await load(() => c.snapshot.type(base.type)))!
  if (!['b', 'c', 'd', 'e', 'r', 'm'].includes(row.typtype))
    throw new PgError(SQLSTATE.datatypeMismatch, `"${row.typname}" is not a valid base type for a domain`)
  await checkTypeUsage(c, base.type)
  if (stmt.collClause !== undefined && base.collation === 0)
    throw new PgError(
      SQLSTATE.datatypeMismatch,
      `collations are not supported by type ${typeText(c, base.type)}`,
      positionOf(c, stmt.typeName!.location),
    )
  const collation = stmt.collClause === undefined ? base.collation : await c.analysis.collation(partsOf(stmt.collClause.collname))
  const oid = await c.writer.newOid(namespace.oid)
  let notNullConstraint: Domain['notNullConstraint'] = null
  let nullSaid: boolean | null = null
  let declared: Awaited<ReturnType<typeof newDefault>> = null
  let defaultSaid = false
  const checks: Check[] = []
  const dependencies = baseDependency(base.type)
  for (const node of stmt.constraints ?? []) {
    const constraint = nodeAs(node, 'Constraint')!
    switch (constraint.contype) {
      case 'CONSTR_NOTNULL':
      case 'CONSTR_NULL': {
        const said = constraint.contype === 'CONSTR_NOTNULL'
        if (nullSaid !== null && nullSaid !== said)
          throw new PgError(SQLSTATE.syntaxError, 'conflicting NULL/NOT NULL constraints', positionOf(c, constraint.location))
        nullSaid = said
        if (said && notNullConstraint !== null)
          throw new PgError(
            SQLSTATE.invalidObjectDefinition,
            'redundant NOT NULL constraint definition',
            positionOf(c, constraint.location),
          )
        if (said)
          notNullConstraint = await newNotNull(c, { name, namespace: namespace.oid, base, checks, notNullConstraint }, constraint.conname)
        break
      }
      case 'CONSTR_DEFAULT': {
        if (defaultSaid) throw new PgError(SQLSTATE.syntaxError, 'multiple default expressions', positionOf(c, constraint.location))
        defaultSaid = true
        declared = await newDefault(c, name, base, constraint.raw_expr!)
        if (declared !== null) dependencies.push(...declared.dependencies)
        break
      }
      case 'CONSTR_CHECK':
        if (constraint.is_no_inherit === true)
          throw new PgError(
            SQLSTATE.invalidObjectDefinition,
            'check constraints for domains cannot be marked NO INHERIT',
            positionOf(c, constraint.location),
          )
        checks.push(await newCheck(c, { name, namespace: namespace.oid, base, checks, notNullConstraint }, constraint))
        break
      default:
        throw notForDomains(c, constraint)
    }
  }
  // without one it takes over what the domain below has now
  const below = defaultSaid ? undefined : (await load(() => c.snapshot.userType(base.type)))?.definition
  const inherited = below?.kind === 'domain' && below.default !== null ? below : null
  if (inherited !== null)
    for (const { to, type } of await c.writer.dependencies(CLASS.type, base.type)) if (type === 'n') dependencies.push({ to, type })
  const definition: Domain = {
    kind: 'domain',
    baseType: base.type,
    typmod: base.typmod,
    dims: base.dims,
    collation,
    notNullConstraint,
    default: declared?.expr ?? inherited?.default ?? null,
    ...(declared !== null && { defaultText: declared.text }),
    ...(inherited?.defaultText !== undefined && { defaultText: inherited.defaultText }),
    checks,
  }
  await createType(c, namespace.oid, oid, name, definition)
  if (dependencies.length > 0) await c.writer.setDependencies({ classId: CLASS.type, objId: oid, subId: 0 }, dependencies)
  return { tag: 'CREATE DOMAIN' }
}

// --- ALTER DOMAIN ----------------------------------------------------------------------------------------------------------------------

/** One change: the new definition, and what the rows there are must be tried on. */
interface Change {
  readonly definition: Domain
  readonly dependencies?: readonly Dependency[]
  readonly check?: Check
  readonly notNull?: boolean
}

interface OwnedDomain {
  readonly type: TypeDescriptor
  readonly definition: Domain
  /** Its name as messages print it. */
  readonly text: string
}

async function ownedDomain(c: CommandContext, names: readonly Node[]): Promise<OwnedDomain> {
  const named = await c.analysis.typeName({ names, location: -1 } as TypeName)
  const type = await load(() => c.snapshot.userType(named.type))
  const text = await load(() => typeText(c, named.type))
  if (type === null || type.definition.kind !== 'domain') throw new PgError(SQLSTATE.wrongObjectType, `${text} is not a domain`)
  if (!(await load(() => ownsObject(c.snapshot, type.owner, c.ctx.session.currentUser)))) throw mustBeOwner('type', text)
  return { type, definition: type.definition, text }
}

function domainConstraintNamed({ definition, text }: OwnedDomain, name: string): Oid {
  const found = domainConstraints({ definition }).find((constraint) => constraint.name === name)
  if (found === undefined) throw new PgError(SQLSTATE.undefinedObject, `constraint "${name}" for domain ${text} does not exist`)
  return found.oid
}

/** What COMMENT ON CONSTRAINT … ON DOMAIN names. */
export async function domainConstraintAddress(c: CommandContext, names: readonly Node[], name: string): Promise<ObjectAddress> {
  const oid = domainConstraintNamed(await ownedDomain(c, names), name)
  return { classId: CLASS.constraint, objId: oid, subId: 0 }
}

export async function renameDomainConstraint(c: CommandContext, names: readonly Node[], from: string, to: string): Promise<CommandResult> {
  const domain = await ownedDomain(c, names)
  const oid = domainConstraintNamed(domain, from)
  const { checks, notNullConstraint } = domain.definition
  if (domainConstraints(domain).some((constraint) => constraint.name === to))
    throw new PgError(SQLSTATE.duplicateObject, `constraint "${to}" for domain ${domain.text} already exists`)
  const renamed: Domain = {
    ...domain.definition,
    notNullConstraint: notNullConstraint?.oid === oid ? { oid, name: to } : notNullConstraint,
    checks: checks.map((check) => (check.oid === oid ? { ...check, name: to } : check)),
  }
  await c.writer.alterType(domain.type.oid, (old) => ({ ...old, definition: renamed }))
  return { tag: 'ALTER DOMAIN' }
}

export async function alterDomain(c: CommandContext, stmt: AlterDomainStmt): Promise<CommandResult> {
  const { type, definition } = await ownedDomain(c, stmt.typeName!)
  const change = await changeOf(c, type, definition, stmt)
  if (change === null) return { tag: 'ALTER DOMAIN' }
  if (change.check !== undefined || change.notNull === true)
    for (const { table, attnum } of await columnsOfDomain(c, type.oid)) await tryOnRows(c, table, attnum, definition, change)
  await c.writer.alterType(type.oid, (old) => ({ ...old, definition: change.definition }))
  if (change.dependencies !== undefined)
    await c.writer.setDependencies({ classId: CLASS.type, objId: type.oid, subId: 0 }, [...change.dependencies])
  return { tag: 'ALTER DOMAIN' }
}

async function changeOf(c: CommandContext, type: TypeDescriptor, domain: Domain, stmt: AlterDomainStmt): Promise<Change | null> {
  const base: BaseType = { type: domain.baseType, typmod: domain.typmod }
  const own: Named = { ...domain, name: type.name, namespace: type.namespace, base }
  const setNotNull = async (name: string | undefined): Promise<Change | null> =>
    domain.notNullConstraint !== null
      ? null
      : { definition: { ...domain, notNullConstraint: await newNotNull(c, own, name) }, notNull: true }
  switch (stmt.subtype) {
    case 'T': {
      const { default: _default, defaultText: _text, ...rest } = domain
      const made = stmt.def === undefined ? null : await newDefault(c, type.name, base, stmt.def)
      if (made === null) return { definition: { ...rest, default: null }, dependencies: baseDependency(base.type) }
      const definition = { ...rest, default: made.expr, defaultText: made.text }
      return { definition, dependencies: [...baseDependency(base.type), ...made.dependencies] }
    }
    case 'N':
      return { definition: { ...domain, notNullConstraint: null } }
    case 'O':
      return setNotNull(undefined)
    case 'C': {
      const constraint = nodeAs(stmt.def, 'Constraint')!
      if (constraint.contype === 'CONSTR_NOTNULL') return setNotNull(constraint.conname)
      if (constraint.contype !== 'CONSTR_CHECK') throw notForDomains(c, constraint)
      const check = await newCheck(c, own, constraint)
      const definition = { ...domain, checks: [...domain.checks, check] }
      return check.validated ? { definition, check } : { definition }
    }
    case 'X': {
      if (domain.notNullConstraint?.name === stmt.name) return { definition: { ...domain, notNullConstraint: null } }
      if (!domain.checks.some((check) => check.name === stmt.name)) {
        const message = `constraint "${stmt.name}" of domain "${type.name}" does not exist`
        if (!stmt.missing_ok) throw new PgError(SQLSTATE.undefinedObject, message)
        c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `${message}, skipping` })
        return null
      }
      return { definition: { ...domain, checks: domain.checks.filter((check) => check.name !== stmt.name) } }
    }
    case 'V': {
      const check = domain.checks.find((other) => other.name === stmt.name)
      if (domain.notNullConstraint?.name === stmt.name)
        throw new PgError(SQLSTATE.wrongObjectType, `constraint "${stmt.name}" of domain "${type.name}" is not a check constraint`)
      if (check === undefined)
        throw new PgError(SQLSTATE.undefinedObject, `constraint "${stmt.name}" of domain "${type.name}" does not exist`)
      const valid = { ...check, validated: true }
      return { definition: { ...domain, checks: domain.checks.map((other) => (other === check ? valid : other)) }, check: valid }
    }
    default:
      throw notSupported('this form of ALTER DOMAIN is not supported')
  }
}

/** 0A000 if a table has a column that holds values of the domain inside others: those are not looked into. */
async function refuseContainers(c: CommandContext, container: Oid, domain: Oid): Promise<void> {
  const type = await load(() => c.snapshot.userType(container))
  if (container !== domain && type !== null && type.arrayType !== 0) await refuseContainers(c, type.arrayType, domain)
  for (const { from } of await c.writer.dependents(CLASS.type, container)) {
    if (from.classId !== CLASS.relation || from.subId === 0) continue
    const relation = await load(() => c.snapshot.relation(from.objId))
    const descriptor = relation?.descriptor
    if (relation === null || descriptor == null) continue
    if (descriptor.table !== null && container !== domain) {
      const column = descriptor.columns[from.subId - 1]!.name
      throw notSupported(`cannot alter type "${await load(() => typeText(c, domain))}" because column "${relation.name}.${column}" uses it`)
    }
    for (const row of [descriptor.rowType, descriptor.rowArrayType]) if (row !== 0) await refuseContainers(c, row, domain)
  }
}

/** Columns of the domain, or of domains over it, in tables. */
async function columnsOfDomain(c: CommandContext, domain: Oid): Promise<{ table: RelationDescriptor; attnum: number }[]> {
  const found: { table: RelationDescriptor; attnum: number }[] = []
  await refuseContainers(c, domain, domain)
  const { arrayType } = (await load(() => c.snapshot.userType(domain)))!
  if (arrayType !== 0) await refuseContainers(c, arrayType, domain)
  for (const { from } of await c.writer.dependents(CLASS.type, domain)) {
    if (from.classId === CLASS.type) {
      const other = await load(() => c.snapshot.userType(from.objId))
      if (other?.definition.kind === 'domain') found.push(...(await columnsOfDomain(c, other.oid)))
    }
    if (from.classId !== CLASS.relation || from.subId === 0) continue
    const relation = await load(() => c.snapshot.relation(from.objId))
    if (relation?.descriptor?.table == null) continue
    await c.lock(relation.oid, LOCK.share, relation.name)
    found.push({ table: relation.descriptor, attnum: from.subId })
  }
  return found
}

async function tryOnRows(c: CommandContext, table: RelationDescriptor, attnum: number, domain: Domain, change: Change): Promise<void> {
  const column = table.columns[attnum - 1]!
  if (change.notNull === true) {
    const message = `column "${column.name}" of table "${table.name}" contains null values`
    await reworded(SQLSTATE.notNullViolation, message, column.name, () => c.ports.data.validateNotNull(table, [attnum]))
  }
  const { check } = change
  if (check === undefined) return
  const like = { type: domain.baseType, typmod: domain.typmod, collation: domain.collation }
  const expr = replace(c.analysis.loadExpression(check.expr), (e) =>
    e.kind === 'CoerceToDomainValue' ? makeVar(1, attnum, { ...like, type: e.type, collation: e.collation }) : undefined,
  )
  const constraint = {
    oid: check.oid,
    name: check.name,
    deferrable: false,
    deferred: false,
    validated: true,
    enforced: true,
    type: 'c' as const,
    expr: c.analysis.store(expr),
    noInherit: false,
    columns: [attnum],
  }
  await reworded(
    SQLSTATE.checkViolation,
    `column "${column.name}" of table "${table.name}" contains values that violate the new constraint`,
    column.name,
    () => c.ports.data.validateCheck(table, constraint),
  )
}

/** Runs a table's own validation, whose violation says what it is called for a domain. */
async function reworded(code: PgError['code'], message: string, column: string, validate: () => Promise<void>): Promise<void> {
  try {
    await validate()
  } catch (error) {
    if (!(error instanceof PgError && error.code === code)) throw error
    const { constraint: _, ...fields } = error.fields
    throw new PgError(code, message, { ...fields, column })
  }
}
