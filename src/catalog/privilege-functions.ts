// has_*_privilege, pg_has_role and the functions over access lists. One body serves the six forms of each (role by name, by OID or the
// current one; object by name or OID): their arguments tell them apart.

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { ArrayDatum } from '../sql/types/array.ts'
import { makeArray } from '../sql/types/array.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import { RecordDatum } from '../sql/types/record.ts'
import { type AclKind, ALL_PRIVILEGES, aclItemText, defaultAcl, PRIVILEGE_NAMES, PUBLIC_ROLE, parseAclItem, privilegeName } from './acl.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import { splitName } from './lookup.ts'
import { columnMask, databaseMask, functionMask, namespaceMask, relationMask, typeMask } from './privileges.ts'
import { canSetRole, hasPrivilegesOf, isAdminOf, isMemberOf } from './roles.ts'
import { outRow, type SystemFunction } from './system-function.ts'

/** `SELECT, INSERT WITH GRANT OPTION` into privileges; several mean "any of them". */
function wantedPrivileges(text: string, kind: AclKind): { mask: number; grantOption: boolean }[] {
  return text.split(',').map((part) => {
    const name = part.trim().toLowerCase()
    const grantOption = name.endsWith(' with grant option')
    const bit = PRIVILEGE_NAMES[grantOption ? name.slice(0, -' with grant option'.length) : name]
    if (bit === undefined || (bit & ALL_PRIVILEGES[kind]) === 0)
      throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized privilege type: "${part.trim()}"`)
    return { mask: bit, grantOption }
  })
}

interface Kind {
  readonly acl: AclKind
  /** OID of the object named; throws when there is none. */
  find(snapshot: ReaderSnapshot, ctx: EvalContext, name: string): Oid
  /** Null: no object of that OID. */
  mask(snapshot: ReaderSnapshot, object: Oid, role: Oid, mask: number): number | null
}

const notFound = (what: string): PgError => new PgError(SQLSTATE.undefinedObject, what)

function relationNamed(ctx: EvalContext, name: string): Oid {
  const oid = ctx.catalog.toRelation(name)
  if (oid === null) throw new PgError(SQLSTATE.undefinedTable, `relation "${splitName(name).join('.')}" does not exist`)
  return oid
}

const relationKind: Kind = {
  acl: 'relation',
  find: (_snapshot, ctx, name) => relationNamed(ctx, name),
  mask(snapshot, object, role, mask) {
    const relation = snapshot.relation(object)
    return relation === null ? null : relationMask(snapshot, relation, role, mask)
  },
}

const KINDS: Readonly<Record<string, Kind>> = {
  table: relationKind,
  sequence: {
    ...relationKind,
    acl: 'sequence',
    mask(snapshot, object, role, mask) {
      const relation = snapshot.relation(object)
      if (relation === null) return null
      if (relation.relkind !== 'S') throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not a sequence`)
      return relationMask(snapshot, relation, role, mask)
    },
  },
  schema: {
    acl: 'namespace',
    find(snapshot, _ctx, name) {
      const namespace = snapshot.namespaceByName(name)
      if (namespace === null) throw new PgError(SQLSTATE.undefinedSchema, `schema "${name}" does not exist`)
      return namespace.oid
    },
    mask: (snapshot, object, role, mask) => (snapshot.namespace(object) === null ? null : namespaceMask(snapshot, object, role, mask)),
  },
  database: {
    acl: 'database',
    find(snapshot, ctx, name) {
      if (name !== ctx.session.database) throw new PgError(SQLSTATE.undefinedDatabase, `database "${name}" does not exist`)
      return snapshot.database().oid
    },
    mask: (snapshot, object, role, mask) => (object === snapshot.database().oid ? databaseMask(snapshot, role, mask) : null),
  },
  function: {
    acl: 'function',
    find(_snapshot, ctx, name) {
      const [oid] = ctx.catalog.toProc(name, true)
      if (oid === undefined) throw new PgError(SQLSTATE.undefinedFunction, `function "${name}" does not exist`)
      return oid
    },
    mask: (snapshot, object, role, mask) => (snapshot.proc(object) === null ? null : functionMask(snapshot, object, role, mask)),
  },
  type: {
    acl: 'type',
    find(_snapshot, ctx, name) {
      const type = ctx.catalog.toType(name)
      if (type === null) throw notFound(`type "${name}" does not exist`)
      return type.oid
    },
    mask: (snapshot, object, role, mask) => (snapshot.type(object) === null ? null : typeMask(snapshot, object, role, mask)),
  },
  language: {
    acl: 'language',
    find(_snapshot, _ctx, name) {
      const known = { internal: 12, c: 13, sql: 14, plpgsql: 0 }[name]
      if (known === undefined) throw notFound(`language "${name}" does not exist`)
      return known
    },
    mask: (_snapshot, _object, _role, mask) => mask,
  },
  tablespace: {
    acl: 'tablespace',
    find(_snapshot, _ctx, name) {
      const known = { pg_default: 1663, pg_global: 1664 }[name]
      if (known === undefined) throw notFound(`tablespace "${name}" does not exist`)
      return known
    },
    mask: (snapshot, _object, role, mask) => (snapshot.role(role)?.superuser === true ? mask : 0),
  },
}

function roleArgument(snapshot: ReaderSnapshot, value: Datum): Oid {
  if (typeof value === 'number') return value
  const name = value as string
  if (name === 'public') return PUBLIC_ROLE
  const role = snapshot.roleByName(name)
  if (role === null) throw notFound(`role "${name}" does not exist`)
  return role.oid
}

/** Arguments of the six forms: [role,] object, privilege. */
function privilegeFunction(kind: Kind, snapshotOf: () => ReaderSnapshot, withRole: boolean): SystemFunction {
  return (...args) => {
    const snapshot = snapshotOf()
    const [who, object, privilege, ctx] = withRole
      ? (args as [Datum, Datum, string, EvalContext])
      : ([null, args[0], args[1], args[2]] as [null, Datum, string, EvalContext])
    const role = who === null ? ctx.session.currentUser : roleArgument(snapshot, who)
    const oid = typeof object === 'number' ? object : kind.find(snapshot, ctx, object as string)
    for (const { mask } of wantedPrivileges(privilege, kind.acl)) {
      const found = kind.mask(snapshot, oid, role, mask)
      if (found === null) return null
      if (found === mask) return true
    }
    return false
  }
}

function columnFunction(snapshotOf: () => ReaderSnapshot, withRole: boolean): SystemFunction {
  return (...args) => {
    const snapshot = snapshotOf()
    const [who, table, column, privilege, ctx] = withRole
      ? (args as [Datum, Datum, Datum, string, EvalContext])
      : ([null, ...args] as [null, Datum, Datum, string, EvalContext])
    const role = who === null ? ctx.session.currentUser : roleArgument(snapshot, who)
    const relation = snapshot.relation(typeof table === 'number' ? table : relationNamed(ctx, table as string))
    if (relation === null) return null
    const found = relation.columns.find(
      (other) => !other.dropped && (typeof column === 'number' ? other.attnum === column : other.name === column),
    )
    if (found === undefined) {
      if (typeof column === 'number') return null
      throw new PgError(SQLSTATE.undefinedColumn, `column "${String(column)}" of relation "${relation.name}" does not exist`)
    }
    return wantedPrivileges(privilege, 'column').some(
      ({ mask }) =>
        relationMask(snapshot, relation, role, mask) === mask || columnMask(snapshot, relation, found.attnum, role, mask) === mask,
    )
  }
}

function anyColumnFunction(snapshotOf: () => ReaderSnapshot, withRole: boolean): SystemFunction {
  return (...args) => {
    const snapshot = snapshotOf()
    const [who, table, privilege, ctx] = withRole
      ? (args as [Datum, Datum, string, EvalContext])
      : ([null, ...args] as [null, Datum, string, EvalContext])
    const role = who === null ? ctx.session.currentUser : roleArgument(snapshot, who)
    const relation = snapshot.relation(typeof table === 'number' ? table : relationNamed(ctx, table as string))
    if (relation === null) return null
    return wantedPrivileges(privilege, 'column').some(
      ({ mask }) =>
        relationMask(snapshot, relation, role, mask) === mask ||
        relation.columns.some((column) => !column.dropped && columnMask(snapshot, relation, column.attnum, role, mask) === mask),
    )
  }
}

/** USAGE: has its privileges; MEMBER: is a member; SET: may become it; WITH ADMIN OPTION: may grant it. */
function hasRoleFunction(snapshotOf: () => ReaderSnapshot, withRole: boolean): SystemFunction {
  return (...args) => {
    const snapshot = snapshotOf()
    const [who, target, privilege, ctx] = withRole
      ? (args as [Datum, Datum, string, EvalContext])
      : ([null, ...args] as [null, Datum, string, EvalContext])
    const member = who === null ? ctx.session.currentUser : roleArgument(snapshot, who)
    const role = roleArgument(snapshot, target)
    return privilege.split(',').some((part) => {
      const name = part.trim().toUpperCase()
      switch (name) {
        case 'USAGE':
          return hasPrivilegesOf(snapshot, member, role)
        case 'MEMBER':
          return isMemberOf(snapshot, member, role)
        case 'SET':
          return canSetRole(snapshot, member, role)
        case 'USAGE WITH GRANT OPTION':
        case 'USAGE WITH ADMIN OPTION':
        case 'MEMBER WITH GRANT OPTION':
        case 'MEMBER WITH ADMIN OPTION':
        case 'SET WITH GRANT OPTION':
        case 'SET WITH ADMIN OPTION':
          return isAdminOf(snapshot, member, role)
        default:
          throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized privilege type: "${part.trim()}"`)
      }
    })
  }
}

const ACLDEFAULT_KINDS: Readonly<Record<string, AclKind>> = {
  c: 'column',
  r: 'relation',
  s: 'sequence',
  d: 'database',
  f: 'function',
  l: 'language',
  n: 'namespace',
  t: 'tablespace',
  T: 'type',
}
const ACLITEM = 1033

export function privilegeFunctions(snapshotOf: () => ReaderSnapshot): Map<string, SystemFunction> {
  const map = new Map<string, SystemFunction>()
  for (const [name, kind] of Object.entries(KINDS)) {
    for (const suffix of ['name', 'id']) map.set(`has_${name}_privilege_${suffix}`, privilegeFunction(kind, snapshotOf, false))
    for (const suffix of ['name_name', 'name_id', 'id_name', 'id_id'])
      map.set(`has_${name}_privilege_${suffix}`, privilegeFunction(kind, snapshotOf, true))
  }
  for (const suffix of ['name', 'id']) {
    map.set(`has_any_column_privilege_${suffix}`, anyColumnFunction(snapshotOf, false))
    map.set(`pg_has_role_${suffix}`, hasRoleFunction(snapshotOf, false))
  }
  for (const suffix of ['name_name', 'name_id', 'id_name', 'id_id']) {
    map.set(`has_any_column_privilege_${suffix}`, anyColumnFunction(snapshotOf, true))
    map.set(`pg_has_role_${suffix}`, hasRoleFunction(snapshotOf, true))
  }
  for (const table of ['name', 'id'])
    for (const column of ['name', 'attnum']) {
      map.set(`has_column_privilege_${table}_${column}`, columnFunction(snapshotOf, false))
      for (const role of ['name', 'id']) map.set(`has_column_privilege_${role}_${table}_${column}`, columnFunction(snapshotOf, true))
    }
  const roleName = (oid: Oid): string => snapshotOf().role(oid)?.name ?? String(oid)
  map.set('acldefault_sql', (kind, owner) => {
    const known = ACLDEFAULT_KINDS[kind as string]
    if (known === undefined) throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized object type abbreviation: ${String(kind)}`)
    return makeArray(ACLITEM, known === 'tablespace' ? [] : defaultAcl(known, owner as Oid).map((item) => aclItemText(item, roleName)))
  })
  map.set('makeaclitem', (grantee, grantor, privileges, grantOption) => {
    let mask = 0
    for (const part of (privileges as string).split(',')) {
      const bit = PRIVILEGE_NAMES[part.trim().toLowerCase()]
      if (bit === undefined) throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized privilege type: "${part.trim()}"`)
      mask |= bit
    }
    return aclItemText(
      { grantee: grantee as Oid, grantor: grantor as Oid, privileges: mask, grantOptions: grantOption === true ? mask : 0 },
      roleName,
    )
  })
  map.set('aclexplode', (acl) => {
    const rowType = outRow('aclexplode')
    const rows: RecordDatum[] = []
    for (const text of (acl as ArrayDatum).elements) {
      const item = parseAclItem(text as string, (name) => snapshotOf().roleByName(name)?.oid ?? null)
      if (item === null) continue
      for (let bit = 0; bit < 15; bit++)
        if ((item.privileges & (1 << bit)) !== 0)
          rows.push(new RecordDatum(rowType, [item.grantor, item.grantee, privilegeName(1 << bit), (item.grantOptions & (1 << bit)) !== 0]))
    }
    return rows
  })
  map.set('row_security_active', () => false)
  map.set('row_security_active_name', () => false)
  return map
}
