// GRANT and REVOKE of privileges on objects: relations and their columns, sequences, schemas, the database, functions, types; on single
// objects and on ALL … IN SCHEMA. Grants come from the grantor whose grant options serve best (select_best_grantor).

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type AclKind, ALL_PRIVILEGES, aclGrant, aclRevoke, defaultAcl, PRIVILEGE_NAMES, PUBLIC_ROLE } from '../../catalog/acl.ts'
import type { Acl, AclItem } from '../../catalog/descriptors.ts'
import { namePrefix } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { compositeType, functionAcl, permissionDenied, relkindWord } from '../../catalog/privileges.ts'
import { BOOTSTRAP_ROLE, FIRST_NORMAL_OID } from '../../catalog/records.ts'
import { hasPrivilegesOf, isSuperuser, rolesOf } from '../../catalog/roles.ts'
import { type GrantStmt, nodeAs, type ObjectWithArgs, type RangeVar, stringOf, type TypeName } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { roleSpecs } from './def-elem.ts'
import { columnNamed, load, lockNamed, namespaceNamed, partsOf, rangeVarParts, roleOfSpec, splitName, undefinedColumn } from './names.ts'

interface Wanted {
  /** Whole-object privileges; 0 with `all` false = only columns. */
  readonly mask: number
  readonly all: boolean
  readonly columns: readonly { readonly mask: number; readonly names: readonly string[] }[]
}

function invalidPrivilege(name: string, kind: string): PgError {
  return new PgError(SQLSTATE.invalidGrantOperation, `invalid privilege type ${name.toUpperCase()} for ${kind}`)
}

const KIND_WORDS: Readonly<Record<AclKind, string>> = {
  relation: 'relation',
  sequence: 'sequence',
  database: 'database',
  function: 'function',
  language: 'language',
  namespace: 'schema',
  type: 'type',
  column: 'column',
  tablespace: 'tablespace',
}

function wanted(stmt: GrantStmt, kind: AclKind): Wanted {
  const columns: { mask: number; names: string[] }[] = []
  let mask = 0
  let all = (stmt.privileges ?? []).length === 0
  for (const node of stmt.privileges ?? []) {
    const priv = nodeAs(node, 'AccessPriv')!
    const names = partsOf(priv.cols)
    if (names.length > 0) {
      if (kind !== 'relation') throw new PgError(SQLSTATE.invalidGrantOperation, 'column privileges are only valid for relations')
      const bit = priv.priv_name === undefined ? ALL_PRIVILEGES.column : (PRIVILEGE_NAMES[priv.priv_name] ?? 0)
      if ((bit & ~ALL_PRIVILEGES.column) !== 0 || bit === 0) throw invalidPrivilege(priv.priv_name ?? '', 'column')
      columns.push({ mask: bit, names })
      continue
    }
    if (priv.priv_name === undefined) {
      all = true
      continue
    }
    const bit = PRIVILEGE_NAMES[priv.priv_name]
    if (bit === undefined) throw new PgError(SQLSTATE.syntaxError, `unrecognized privilege type "${priv.priv_name}"`)
    // GRANT … ON TABLE accepts sequences: the bits are checked per object
    if ((bit & ALL_PRIVILEGES[kind]) === 0 && !(kind === 'relation' && (bit & ALL_PRIVILEGES.sequence) !== 0))
      throw invalidPrivilege(priv.priv_name, KIND_WORDS[kind])
    mask |= bit
  }
  return { mask: all ? 0 : mask, all, columns }
}

interface Change {
  readonly isGrant: boolean
  readonly grantOption: boolean
  readonly cascade: boolean
  readonly grantees: readonly Oid[]
}

/** The grantor and what of `mask` it may give: the owner's name for owners and superusers, else the role with most grant options. */
function bestGrantor(c: CommandContext, acl: readonly AclItem[], owner: Oid, mask: number): { grantor: Oid; options: number } {
  const user = c.ctx.session.currentUser
  if (isSuperuser(c.snapshot, user) || hasPrivilegesOf(c.snapshot, user, owner)) return { grantor: owner, options: mask }
  let best = { grantor: user, options: 0 }
  for (const role of rolesOf(c.snapshot, user, 'inherit')) {
    let options = 0
    for (const item of acl) if (item.grantee === role) options |= item.grantOptions & mask
    if (options === mask) return { grantor: role, options }
    if (bitCount(options) > bitCount(best.options)) best = { grantor: role, options }
  }
  return best
}

const bitCount = (n: number): number => n.toString(2).replaceAll('0', '').length

/** What the grantor may give of the privileges; warnings when that is only part of them, or nothing (restrict_and_check_grant). */
async function restricted(
  c: CommandContext,
  acl: readonly AclItem[],
  owner: Oid,
  mask: number,
  all: boolean,
  isGrant: boolean,
  name: string,
  denied: () => PgError,
): Promise<{ grantor: Oid; options: number }> {
  const best = await load(() => bestGrantor(c, acl, owner, mask))
  const { options } = best
  if (options === 0) {
    const any = await load(() =>
      acl.some((item) => rolesOf(c.snapshot, c.ctx.session.currentUser, 'inherit').has(item.grantee) || item.grantee === PUBLIC_ROLE),
    )
    if (!any) throw denied()
  }
  if (options === 0 || (options !== mask && !all))
    c.ctx.notice({
      severity: 'WARNING',
      code: isGrant ? SQLSTATE.warningPrivilegeNotGranted : SQLSTATE.warningPrivilegeNotRevoked,
      message: `${options === 0 ? 'no' : 'not all'} privileges ${isGrant ? 'were granted' : 'could be revoked'} for ${name}`,
    })
  return best
}

/** The new list. */
async function changed(
  c: CommandContext,
  acl: readonly AclItem[],
  owner: Oid,
  mask: number,
  all: boolean,
  change: Change,
  kind: string,
  name: string,
): Promise<AclItem[]> {
  const best = await restricted(c, acl, owner, mask, all, change.isGrant, `"${name}"`, () => permissionDenied(kind, name))
  return withChange(acl, owner, change, best)
}

/** The same of a column; what is granted on its table counts, too. */
async function changedColumn(
  c: CommandContext,
  relation: { readonly name: string; readonly owner: Oid; readonly acl: readonly AclItem[] },
  column: string,
  acl: readonly AclItem[],
  mask: number,
  change: Change,
): Promise<AclItem[]> {
  const both = [...relation.acl, ...acl]
  const name = `column "${column}" of relation "${relation.name}"`
  const denied = (): PgError => new PgError(SQLSTATE.insufficientPrivilege, `permission denied for ${name}`)
  const best = await restricted(c, both, relation.owner, mask, mask === ALL_PRIVILEGES.column, change.isGrant, name, denied)
  return withChange(acl, relation.owner, change, best)
}

function withChange(
  acl: readonly AclItem[],
  owner: Oid,
  change: Change,
  { grantor, options }: { grantor: Oid; options: number },
): AclItem[] {
  let next = [...acl]
  for (const grantee of change.grantees) {
    if (change.isGrant) {
      if (change.grantOption && grantee === PUBLIC_ROLE)
        throw new PgError(SQLSTATE.invalidGrantOperation, 'grant options can only be granted to roles')
      if (options !== 0) next = aclGrant(next, grantee, grantor, options, change.grantOption)
    } else {
      const result = aclRevoke(next, grantee, grantor, options, change.grantOption, owner, change.cascade)
      if (result.dependent)
        throw new PgError(SQLSTATE.dependentObjectsStillExist, 'dependent privileges exist', { hint: 'Use CASCADE to revoke them too.' })
      next = result.acl
    }
  }
  return next
}

/** By attnum, from the lowest. */
const SYSTEM_COLUMNS_DOWNWARDS = ['tableoid', 'cmax', 'xmax', 'cmin', 'xmin', 'ctid'] as const

async function onRelation(c: CommandContext, oid: Oid, want: Wanted, change: Change, declared: AclKind): Promise<void> {
  const relation = (await load(() => c.snapshot.relation(oid)))!
  if (relation.descriptor === null) {
    if (!(await load(() => isSuperuser(c.snapshot, c.ctx.session.currentUser))))
      throw permissionDenied(relkindWord(relation.relkind), relation.name)
    throw notSupported('changing the privileges of a system catalog is not supported')
  }
  if (relation.relkind === 'c') throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is a composite type`)
  const kind: AclKind = relation.relkind === 'S' ? 'sequence' : 'relation'
  if (declared === 'sequence' && kind !== 'sequence') throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not a sequence`)
  let mask = want.all ? ALL_PRIVILEGES[kind] : want.mask
  if ((mask & ~ALL_PRIVILEGES[kind]) !== 0) {
    if (kind === 'relation') throw new PgError(SQLSTATE.invalidGrantOperation, 'invalid privilege type USAGE for table')
    const left = mask & ALL_PRIVILEGES[kind]
    c.ctx.notice({
      severity: 'WARNING',
      code: SQLSTATE.invalidGrantOperation,
      message: `sequence "${relation.name}" only supports USAGE, SELECT, and UPDATE privileges`,
    })
    mask = left
  }
  const descriptor = relation.descriptor
  const word = relkindWord(relation.relkind)
  let acl: Acl = descriptor.acl
  if (mask !== 0)
    acl = await changed(c, acl ?? defaultAcl(kind, descriptor.owner), descriptor.owner, mask, want.all, change, word, relation.name)
  const columnAcls = new Map<number, readonly AclItem[] | null>()
  const whole = { name: relation.name, owner: descriptor.owner, acl: descriptor.acl ?? defaultAcl(kind, descriptor.owner) }
  const columnMasks = new Map<string, number>()
  for (const { mask: own, names } of want.columns) for (const name of names) columnMasks.set(name, (columnMasks.get(name) ?? 0) | own)
  for (const [name, own] of columnMasks) {
    const column = columnNamed(descriptor, name)
    if (column === null) throw undefinedColumn(name, relation.name)
    columnAcls.set(column.attnum, await changedColumn(c, whole, name, column.acl ?? [], own, change))
  }
  // REVOKE on the table takes the same privileges from its columns
  const bits = mask & ALL_PRIVILEGES.column
  if (!change.isGrant && bits !== 0 && kind === 'relation') {
    if (relation.relkind !== 'v') for (const name of SYSTEM_COLUMNS_DOWNWARDS) await changedColumn(c, whole, name, [], bits, change)
    for (const column of descriptor.columns) {
      if (column.dropped) continue
      const old = columnAcls.get(column.attnum) ?? column.acl
      const next = await changedColumn(c, whole, column.name, old ?? [], bits, change)
      if (old !== null) columnAcls.set(column.attnum, next)
    }
  }
  await c.writer.alterRelation(oid, (old) => ({
    ...old,
    acl,
    columns: old.columns.map((column) => {
      if (!columnAcls.has(column.attnum)) return column
      const list = columnAcls.get(column.attnum)!
      return { ...column, acl: list === null || list.length === 0 ? null : list }
    }),
  }))
}

async function relationsInSchemas(c: CommandContext, stmt: GrantStmt, kinds: ReadonlySet<string>): Promise<Oid[]> {
  const oids: Oid[] = []
  for (const node of stmt.objects ?? []) {
    const namespace = await load(() => namespaceNamed(c, stringOf(node)))
    for (const { value } of await c.catalog.scan(namePrefix('r', namespace.oid))) {
      const relation = await load(() => c.snapshot.relation(Number(value)))
      if (relation !== null && kinds.has(relation.relkind)) oids.push(relation.oid)
    }
  }
  return oids
}

const RELATION_KINDS = new Set(['r', 'v', 'm', 'f', 'p'])

export async function grant(c: CommandContext, stmt: GrantStmt): Promise<CommandResult> {
  const isGrant = stmt.is_grant ?? false
  const tag = isGrant ? 'GRANT' : 'REVOKE'
  const grantees = await load(() =>
    roleSpecs(stmt.grantees).map((spec) => (spec.roletype === 'ROLESPEC_PUBLIC' ? PUBLIC_ROLE : roleOfSpec(c, spec).oid)),
  )
  if (stmt.grantor !== undefined) {
    const grantor = await load(() => roleOfSpec(c, stmt.grantor!))
    if (grantor.oid !== c.ctx.session.currentUser) throw new PgError(SQLSTATE.featureNotSupported, 'grantor must be current user')
  }
  const change: Change = { isGrant, grantOption: stmt.grant_option ?? false, cascade: stmt.behavior === 'DROP_CASCADE', grantees }
  const inSchema = stmt.targtype === 'ACL_TARGET_ALL_IN_SCHEMA'
  switch (stmt.objtype) {
    case 'OBJECT_TABLE':
    case 'OBJECT_SEQUENCE': {
      const kind: AclKind = stmt.objtype === 'OBJECT_TABLE' ? 'relation' : 'sequence'
      const want = wanted(stmt, kind)
      const oids: Oid[] = []
      if (inSchema) oids.push(...(await relationsInSchemas(c, stmt, kind === 'relation' ? RELATION_KINDS : new Set(['S']))))
      else
        for (const node of stmt.objects ?? []) {
          const found = await lockNamed(c, rangeVarParts(nodeAs(node, 'RangeVar') as RangeVar), LOCK.accessShare)
          if (found!.relkind === 'i') throw new PgError(SQLSTATE.wrongObjectType, `"${found!.name}" is an index`)
          oids.push(found!.oid)
        }
      for (const oid of oids) await onRelation(c, oid, want, change, kind)
      return { tag }
    }
    case 'OBJECT_SCHEMA': {
      const want = wanted(stmt, 'namespace')
      for (const node of stmt.objects ?? []) {
        const namespace = await load(() => namespaceNamed(c, stringOf(node)))
        const mask = want.all ? ALL_PRIVILEGES.namespace : want.mask
        const acl = await changed(
          c,
          namespace.acl ?? defaultAcl('namespace', namespace.owner),
          namespace.owner,
          mask,
          want.all,
          change,
          'schema',
          namespace.name,
        )
        if (namespace.owner === BOOTSTRAP_ROLE && namespace.oid < FIRST_NORMAL_OID) await c.writer.setBuiltinAcl(namespace.oid, acl)
        else await c.writer.alterNamespace(namespace.oid, (old) => ({ ...old, acl }))
      }
      return { tag }
    }
    case 'OBJECT_DATABASE': {
      const want = wanted(stmt, 'database')
      for (const node of stmt.objects ?? []) {
        const name = stringOf(node)
        if (name !== c.ctx.session.database) throw new PgError(SQLSTATE.undefinedDatabase, `database "${name}" does not exist`)
        const database = await load(() => c.snapshot.database())
        const mask = want.all ? ALL_PRIVILEGES.database : want.mask
        const acl = await changed(
          c,
          database.acl ?? defaultAcl('database', database.owner),
          database.owner,
          mask,
          want.all,
          change,
          'database',
          name,
        )
        await c.writer.alterDatabase((old) => ({ ...old, acl }))
      }
      return { tag }
    }
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE': {
      const want = wanted(stmt, 'function')
      // every function is built in, and no schema of a tenant holds one
      if (inSchema) {
        for (const node of stmt.objects ?? []) await load(() => namespaceNamed(c, stringOf(node)))
        return { tag }
      }
      for (const node of stmt.objects ?? []) {
        const proc = await namedFunction(c, nodeAs(node, 'ObjectWithArgs')!)
        const old = (await load(() => functionAcl(c.snapshot, proc.oid)))!
        const mask = want.all ? ALL_PRIVILEGES.function : want.mask
        await c.writer.setFunctionAcl(proc.oid, await changed(c, old.acl, old.owner, mask, want.all, change, 'function', proc.name))
      }
      return { tag }
    }
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN': {
      const want = wanted(stmt, 'type')
      for (const node of stmt.objects ?? []) {
        const parts = partsOf(nodeAs(node, 'List')?.items)
        const named = await c.analysis.typeName({ names: parts.map((part) => ({ String: { sval: part } })), location: -1 } as TypeName)
        const user = await load(() => c.snapshot.userType(named.type))
        if (stmt.objtype === 'OBJECT_DOMAIN' && (await load(() => c.snapshot.type(named.type)))?.typtype !== 'd')
          throw new PgError(SQLSTATE.wrongObjectType, `"${parts.at(-1)}" is not a domain`)
        const composite = user === null ? await load(() => compositeType(c.snapshot, named.type)) : null
        const type = user ?? composite
        if (type === null) throw notSupported('changing the privileges of this type is not supported')
        const mask = want.all ? ALL_PRIVILEGES.type : want.mask
        const acl = await changed(c, type.acl ?? defaultAcl('type', type.owner), type.owner, mask, want.all, change, 'type', type.name)
        if (composite !== null) await c.writer.alterRelation(composite.oid, (old) => ({ ...old, acl }))
        else await c.writer.alterType(type.oid, (old) => ({ ...old, acl }))
      }
      return { tag }
    }
    default:
      throw notSupported(`${tag} on this kind of object is not supported`)
  }
}

async function namedFunction(c: CommandContext, object: ObjectWithArgs): Promise<{ oid: Oid; name: string }> {
  const { schema, name } = splitName(c, partsOf(object.objname))
  const candidates = await load(() =>
    (schema === null ? c.ctx.session.searchPath(true) : [schema]).flatMap((path) => {
      const namespace = c.snapshot.namespaceByName(path)
      return namespace === null ? [] : c.snapshot.procsByName(namespace.oid, name)
    }),
  )
  if (object.args_unspecified) {
    if (candidates.length === 0) throw new PgError(SQLSTATE.undefinedFunction, `could not find a function named "${name}"`)
    if (candidates.length > 1)
      throw new PgError(SQLSTATE.ambiguousFunction, `function name "${name}" is not unique`, {
        hint: 'Specify the argument list to select the function unambiguously.',
      })
    return { oid: candidates[0]!.oid, name }
  }
  const types: Oid[] = []
  for (const arg of object.objargs ?? []) types.push((await c.analysis.typeName(nodeAs(arg, 'TypeName') as TypeName)).type)
  const found = candidates.find(
    (proc) => proc.proargtypes.length === types.length && proc.proargtypes.every((type, i) => type === types[i]),
  )
  if (found !== undefined) return { oid: found.oid, name }
  const names = await load(() => types.map((type) => c.ctx.catalog.typeName(type) ?? '???'))
  throw new PgError(SQLSTATE.undefinedFunction, `function ${name}(${names.join(', ')}) does not exist`)
}
