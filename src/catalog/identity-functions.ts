// Bodies that name objects by their address, and tell what indexes are capable of and who may set parameters, for one session.

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { TYPE_OID } from '../sql/builtin/data/type-oids.ts'
import { amByOid } from '../sql/builtin/pg-index.ts'
import { type ArrayDatum, makeArray } from '../sql/types/array.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import { RecordDatum } from '../sql/types/record.ts'
import { aclItemText } from './acl.ts'
import type { DefinitionSource } from './definition-functions.ts'
import type { Acl } from './descriptors.ts'
import { CLASS, type ObjectAddress } from './keys.ts'
import { classWord, describeObject, identifyObject, objectAddress } from './object-identity.ts'
import { compositeType } from './privileges.ts'
import { isSuperuser, roleNamed } from './roles.ts'
import { outRow, type SystemFunction } from './system-function.ts'

const texts = (list: readonly string[]): ArrayDatum => makeArray(TYPE_OID.text, [...list])
const address = (classId: unknown, objId: unknown, subId: unknown): ObjectAddress => ({
  classId: classId as Oid,
  objId: objId as Oid,
  subId: subId as number,
})

/** Only btree indexes exist: what PostgreSQL says of that access method. */
const BTREE_CAN: Readonly<Record<string, boolean>> = {
  can_order: true,
  can_unique: true,
  can_multi_col: true,
  can_exclude: true,
  can_include: true,
}
const INDEX_CAN: Readonly<Record<string, boolean>> = { clusterable: true, index_scan: true, bitmap_scan: true, backward_scan: true }

/** The access list of the object, as pg_get_acl looks it up; null where it has none of its own. */
function aclOf(source: DefinitionSource, { classId, objId, subId }: ObjectAddress): Acl {
  const { snapshot } = source
  switch (classId) {
    case CLASS.relation: {
      const descriptor = snapshot.relation(objId)?.descriptor
      if (descriptor == null || descriptor.kind === 'c') return null
      return subId === 0 ? descriptor.acl : (descriptor.columns[subId - 1]?.acl ?? null)
    }
    case CLASS.type:
      return (snapshot.userType(objId) ?? compositeType(snapshot, objId))?.acl ?? null
    case CLASS.namespace:
      return snapshot.namespace(objId)?.acl ?? null
    case CLASS.database:
      return snapshot.database().acl
    default:
      return null
  }
}

/** Privileges on settings cannot be granted here: superusers have them all, others none. */
function parameterPrivilege(source: DefinitionSource, role: Oid, privileges: string): boolean {
  for (const part of privileges.split(','))
    if (!/^(set|alter system)( with grant option)?$/i.test(part.trim()))
      throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized privilege type: "${part.trim()}"`)
  return isSuperuser(source.snapshot, role)
}

export function identityFunctions(source: () => DefinitionSource): Map<string, SystemFunction> {
  const map = new Map<string, SystemFunction>()
  map.set('pg_describe_object', (classId, oid, subId) => {
    if (classId === 0 && oid === 0) return null
    classWord(classId as Oid)
    return describeObject(source(), address(classId, oid, subId))
  })
  map.set('pg_identify_object', (classId, oid, subId) => {
    const word = classWord(classId as Oid)
    const found = identifyObject(source(), address(classId, oid, subId))
    const values: Datum[] = found === null ? [word, null, null, null] : [found.type, found.schema, found.name, found.identity]
    return new RecordDatum(outRow('pg_identify_object'), values)
  })
  map.set('pg_identify_object_as_address', (classId, oid, subId) => {
    const word = classWord(classId as Oid)
    const found = identifyObject(source(), address(classId, oid, subId))
    const values: Datum[] = found === null ? [word, null, null] : [found.type, texts(found.names), texts(found.args)]
    return new RecordDatum(outRow('pg_identify_object_as_address'), values)
  })
  map.set('pg_get_object_address', (type, names, args, ctx) => {
    const list = (array: unknown): string[] =>
      (array as ArrayDatum).elements.map((element) => {
        if (element === null) throw new PgError(SQLSTATE.invalidParameterValue, 'name or argument lists may not contain nulls')
        return element as string
      })
    const found = objectAddress(source(), type as string, list(names), list(args), ctx as EvalContext)
    return new RecordDatum(outRow('pg_get_object_address'), [found.classId, found.objId, found.subId])
  })
  map.set('pg_get_acl', (classId, oid, subId) => {
    const acl = aclOf(source(), address(classId, oid, subId))
    const nameOf = (role: Oid): string => source().snapshot.role(role)?.name ?? String(role)
    return acl === null
      ? null
      : makeArray(
          TYPE_OID.aclitem,
          acl.map((item) => aclItemText(item, nameOf)),
        )
  })
  const parameter = (role: Oid, privileges: unknown): boolean => parameterPrivilege(source(), role, privileges as string)
  map.set('has_parameter_privilege_name', (_name, privileges, ctx) => parameter((ctx as EvalContext).session.currentUser, privileges))
  map.set('has_parameter_privilege_id_name', (role, _name, privileges) => parameter(role as Oid, privileges))
  map.set('has_parameter_privilege_name_name', (role, _name, privileges) =>
    parameter(roleNamed(source().snapshot, role as string).oid, privileges),
  )
  map.set('pg_indexam_has_property', (method, property) => {
    const row = amByOid(method as Oid)
    if (row === undefined || row.amtype !== 'i' || row.amname !== 'btree') return null
    return BTREE_CAN[(property as string).toLowerCase()] ?? null
  })
  map.set('pg_index_has_property', (index, property) => {
    if (source().snapshot.relation(index as Oid)?.relkind !== 'i') return null
    return INDEX_CAN[(property as string).toLowerCase()] ?? null
  })
  return map
}
