// pg_namespace, pg_type, pg_enum, pg_authid, pg_auth_members, pg_database, pg_description, pg_depend, pg_default_acl, pg_db_role_setting …:
// rows computed from the keyspace's other records.

import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { BUILTIN_ROWS } from '../../sql/builtin/catalogs.ts'
import type { PgTypeRow } from '../../sql/builtin/data/rows.ts'
import type { AclItem, TypeDescriptor } from '../descriptors.ts'
import {
  ADDRESS_LENGTH,
  CLASS,
  COMMENT_PREFIX,
  DEFAULT_ACL_PREFIX,
  DEPENDENCY_PREFIX,
  OBJECT_PREFIX,
  parseAddress,
  parseDefaultAclKey,
  SETTINGS_PREFIX,
} from '../keys.ts'
import { compositeType } from '../privileges.ts'
import { DATABASE_OID, FIRST_NORMAL_OID, type ObjectRecord } from '../records.ts'
import { withCatalog } from '../snapshot.ts'
import { aclTexts, CONSTRAINT_ROW, type EntryRows } from './relations.ts'
import type { Hints, RowObject } from './rows.ts'
import type { VirtualSource } from './source.ts'

const fromRecords = (make: (source: VirtualSource, record: ObjectRecord) => RowObject[]): EntryRows => ({
  prefix: OBJECT_PREFIX,
  make: (source, _key, value) => make(source, value as ObjectRecord),
})

export const pgNamespace = fromRecords((source, record) =>
  record.kind === 'namespace'
    ? [
        {
          oid: record.value.oid,
          nspname: record.value.name,
          nspowner: record.value.owner,
          nspacl: aclTexts(source, record.value.acl),
        },
      ]
    : [],
)

/** A type's row with its privileges as text. */
function typeRow(source: VirtualSource, row: PgTypeRow, user: TypeDescriptor | null): RowObject {
  if (user === null) return { ...row, typacl: aclTexts(source, compositeType(source.snapshot, row.oid)?.acl ?? null) }
  const domain = user.definition.kind === 'domain' ? user.definition : null
  return {
    ...row,
    typacl: aclTexts(source, user.acl),
    typdefault: domain === null || domain.default === null ? null : (domain.defaultText ?? source.expressionText(domain.default)),
  }
}

function typeRows(source: VirtualSource, record: ObjectRecord): RowObject[] {
  const oids: number[] = []
  if (record.kind === 'type') oids.push(record.value.oid, record.value.arrayType)
  else if (record.kind === 'relation') oids.push(record.value.rowType, record.value.rowArrayType)
  return oids.flatMap((oid) => {
    const row = oid === 0 ? null : source.snapshot.type(oid)
    if (row === null) return []
    const user = record.kind === 'type' && record.value.oid === oid ? record.value : null
    return [typeRow(source, row, user)]
  })
}

export const pgType = fromRecords(typeRows)

/** The row of one type. */
export function pgTypeOf(source: VirtualSource, hints: Hints): MaybePromise<RowObject[]> | null {
  const oid = hints.oid('oid')
  if (oid === null) return null
  return withCatalog(() => {
    const row = oid < FIRST_NORMAL_OID ? null : source.snapshot.type(oid)
    const user = row === null ? null : source.snapshot.userType(oid)
    return row === null ? [] : [typeRow(source, row, user)]
  })
}

export const pgEnum = fromRecords((_source, record) => {
  if (record.kind !== 'type' || record.value.definition.kind !== 'enum') return []
  const { labels } = record.value.definition
  // Where float4 no longer tells the orders apart PostgreSQL numbers the labels anew.
  const orders = [...labels].sort((a, b) => a.sortOrder - b.sortOrder).map((label) => label.sortOrder)
  const distinct = new Set(orders.map(Math.fround)).size === orders.length
  const places = new Map(orders.map((order, i) => [order, i + 1]))
  return labels.map((label) => ({
    oid: label.oid,
    enumtypid: record.value.oid,
    enumsortorder: distinct ? label.sortOrder : places.get(label.sortOrder)!,
    enumlabel: label.label,
  }))
})

/** timestamptz infinity is PostgreSQL's largest int8. */
const INFINITY = 9223372036854775807n

export const pgAuthid = fromRecords((_source, record) => {
  if (record.kind !== 'role') return []
  const role = record.value
  return [
    {
      oid: role.oid,
      rolname: role.name,
      rolsuper: role.superuser,
      rolinherit: role.inherit,
      rolcreaterole: role.createRole,
      rolcreatedb: role.createDb,
      rolcanlogin: role.canLogin,
      rolreplication: role.replication,
      rolbypassrls: role.bypassRls,
      rolconnlimit: role.connectionLimit,
      rolpassword: role.password,
      rolvaliduntil: role.validUntil === 'infinity' ? INFINITY : role.validUntil,
    },
  ]
})

export const pgAuthMembers = fromRecords((_source, record) =>
  record.kind === 'role'
    ? record.value.memberOf
        .filter((grant) => grant.oid >= 16384)
        .map((grant) => ({
          oid: grant.oid,
          roleid: grant.role,
          member: record.value.oid,
          grantor: grant.grantor,
          admin_option: grant.admin,
          inherit_option: grant.inherit,
          set_option: grant.set,
        }))
    : [],
)

/** One row: the keyspace, under the name the session connected with. */
export const pgDatabase = (source: VirtualSource): MaybePromise<RowObject[]> =>
  withCatalog(() => {
    const database = source.snapshot.database()
    const template = (BUILTIN_ROWS.pg_database!() as readonly RowObject[]).find((row) => row.oid === DATABASE_OID)!
    return [
      {
        ...template,
        datname: source.database,
        datdba: database.owner,
        datconnlimit: database.connectionLimit,
        datacl: aclTexts(source, database.acl),
      },
    ]
  })

const comments = (shared: boolean): EntryRows => ({
  prefix: COMMENT_PREFIX,
  make(_source, key, value) {
    const { classId, objId, subId } = parseAddress(key, 2)
    if ((classId === CLASS.role || classId === CLASS.database || classId === CLASS.tablespace) !== shared) return []
    return [{ objoid: objId, classoid: classId, objsubid: subId, description: value }]
  },
})
export const pgDescription = comments(false)
export const pgShdescription = comments(true)

/** Dependencies with keys of their own. */
export const pgDepend: EntryRows = {
  prefix: DEPENDENCY_PREFIX,
  make(_source, key, value) {
    const [from, to] = [parseAddress(key, 2), parseAddress(key, 2 + ADDRESS_LENGTH)]
    return [dependRow(from.classId, from.objId, from.subId, to.classId, to.objId, to.subId, value as string)]
  },
}

function dependRow(
  classid: number,
  objid: number,
  objsubid: number,
  refclassid: number,
  refobjid: number,
  refobjsubid: number,
  deptype: string,
): RowObject {
  return { classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype }
}

/** Those that follow from a descriptor. */
export const structuralDepend = fromRecords((_source, record) => {
  if (record.kind === 'type') return [dependRow(CLASS.type, record.value.oid, 0, CLASS.namespace, record.value.namespace, 0, 'n')]
  if (record.kind !== 'relation') return []
  const relation = record.value
  const rows = [dependRow(CLASS.relation, relation.oid, 0, CLASS.namespace, relation.namespace, 0, 'n')]
  if (relation.rowType !== 0) rows.push(dependRow(CLASS.type, relation.rowType, 0, CLASS.relation, relation.oid, 0, 'i'))
  if (relation.rowArrayType !== 0) rows.push(dependRow(CLASS.type, relation.rowArrayType, 0, CLASS.type, relation.rowType, 0, 'i'))
  if (relation.view !== null) rows.push(dependRow(CLASS.rewrite, relation.oid, 0, CLASS.relation, relation.oid, 0, 'i'))
  for (const column of relation.columns) {
    if (column.default !== null)
      rows.push(dependRow(CLASS.attrdef, column.default.oid, 0, CLASS.relation, relation.oid, column.attnum, 'a'))
    if (column.notNullConstraint !== null)
      rows.push(dependRow(CLASS.constraint, column.notNullConstraint.oid, 0, CLASS.relation, relation.oid, column.attnum, 'a'))
  }
  for (const constraint of relation.table?.constraints ?? [])
    if (constraint.type === 'p' || constraint.type === 'u')
      rows.push(dependRow(CLASS.relation, constraint.index, 0, CLASS.constraint, constraint.oid, 0, 'i'))
  return rows
})

/** Their OIDs are their places: rows are made together. */
export const pgDefaultAcl = (source: VirtualSource): MaybePromise<RowObject[]> =>
  andThen(source.snapshot.reader.scan(DEFAULT_ACL_PREFIX), (entries) =>
    withCatalog(() =>
      entries.map(({ key, value }, i) => {
        const { role, namespace, type } = parseDefaultAclKey(key)
        return {
          oid: 1 + i,
          defaclrole: role,
          defaclnamespace: namespace,
          defaclobjtype: type,
          defaclacl: aclTexts(source, value as readonly AclItem[]),
        }
      }),
    ),
  )

const settingsRow = (database: Oid, role: Oid, settings: Readonly<Record<string, string>>): RowObject => ({
  setdatabase: database,
  setrole: role,
  setconfig: Object.entries(settings).map(([name, text]) => `${name}=${text}`),
})

/** Settings of the database and of roles in it. */
export const pgDbRoleSetting: EntryRows = {
  prefix: SETTINGS_PREFIX,
  make: (_source, key, value) => [settingsRow(DATABASE_OID, Number.parseInt(key.slice(2, 10), 16), value as Record<string, string>)],
}

/** Settings of roles everywhere. */
export const roleSettings = fromRecords((_source, record) =>
  record.kind !== 'role' || Object.keys(record.value.settings).length === 0
    ? []
    : [settingsRow(0, record.value.oid, record.value.settings)],
)

const domainConstraintRow = (type: TypeDescriptor, oid: Oid, name: string): RowObject => ({
  ...CONSTRAINT_ROW,
  oid,
  conname: name,
  connamespace: type.namespace,
  condeferrable: false,
  condeferred: false,
  conenforced: true,
  conrelid: 0,
  contypid: type.oid,
  connoinherit: false,
})

/** Constraints of domains stand beside the tables'. */
export const domainConstraints = fromRecords((_source, record) => {
  if (record.kind !== 'type' || record.value.definition.kind !== 'domain') return []
  const { checks, notNullConstraint } = record.value.definition
  const rows: RowObject[] = checks.map((check) => ({
    ...domainConstraintRow(record.value, check.oid, check.name),
    contype: 'c',
    convalidated: check.validated,
    conbin: check.expr,
  }))
  if (notNullConstraint !== null)
    rows.push({
      ...domainConstraintRow(record.value, notNullConstraint.oid, notNullConstraint.name),
      contype: 'n',
      convalidated: true,
    })
  return rows
})
