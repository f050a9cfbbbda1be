// pg_type rows of a tenant's own types: row types of relations, enums, domains and the arrays over them.

import type { Oid } from '../base/ids.ts'
import type { PgTypeRow } from '../sql/builtin/data/rows.ts'
import type { RelationDescriptor, TypeDescriptor } from './descriptors.ts'

const BASE: Omit<PgTypeRow, 'oid' | 'typname' | 'typnamespace' | 'typowner'> = {
  typlen: -1,
  typbyval: false,
  typtype: 'b',
  typcategory: 'U',
  typispreferred: false,
  typisdefined: true,
  typdelim: ',',
  typrelid: 0,
  typsubscript: 0,
  typelem: 0,
  typarray: 0,
  typinput: 0,
  typoutput: 0,
  typreceive: 0,
  typsend: 0,
  typmodin: 0,
  typmodout: 0,
  typanalyze: 0,
  typalign: 'i',
  typstorage: 'x',
  typnotnull: false,
  typbasetype: 0,
  typtypmod: -1,
  typndims: 0,
  typcollation: 0,
  typdefaultbin: null,
  typdefault: null,
  typacl: null,
}

/** I/O functions by OID (pg_proc). */
const RECORD_IO = { typinput: 2290, typoutput: 2291, typreceive: 2402, typsend: 2403 }
const ARRAY_IO = { typinput: 750, typoutput: 751, typreceive: 2400, typsend: 2401, typanalyze: 3816, typsubscript: 6179 }
const ENUM_IO = { typinput: 3506, typoutput: 3507, typreceive: 3532, typsend: 3533 }
const DOMAIN_IN = { typinput: 2597, typreceive: 2598 }

export function rowTypeRow(relation: RelationDescriptor): PgTypeRow {
  return {
    ...BASE,
    ...RECORD_IO,
    oid: relation.rowType,
    typname: relation.name,
    typnamespace: relation.namespace,
    typowner: relation.owner,
    typtype: 'c',
    typcategory: 'C',
    typrelid: relation.oid,
    typarray: relation.rowArrayType,
    typalign: 'd',
  }
}

export function arrayTypeRow(oid: Oid, name: string, element: PgTypeRow): PgTypeRow {
  return {
    ...BASE,
    ...ARRAY_IO,
    oid,
    typname: name,
    typnamespace: element.typnamespace,
    typowner: element.typowner,
    typcategory: 'A',
    typelem: element.oid,
    typalign: element.typalign === 'd' ? 'd' : 'i',
    typcollation: element.typcollation,
  }
}

export function userTypeRow(type: TypeDescriptor, baseOf: (oid: Oid) => PgTypeRow | null): PgTypeRow {
  const own = { oid: type.oid, typname: type.name, typnamespace: type.namespace, typowner: type.owner, typarray: type.arrayType }
  const definition = type.definition
  if (definition.kind === 'enum')
    return { ...BASE, ...ENUM_IO, ...own, typlen: 4, typbyval: true, typtype: 'e', typcategory: 'E', typstorage: 'p' }
  const base = baseOf(definition.baseType) ?? { ...BASE, oid: 0, typname: '', typnamespace: 0, typowner: 0 }
  return {
    ...base,
    ...DOMAIN_IN,
    ...own,
    typtype: 'd',
    typispreferred: false,
    typrelid: 0,
    typelem: 0,
    typsubscript: 0,
    typmodin: 0,
    typmodout: 0,
    typbasetype: definition.baseType,
    typtypmod: definition.typmod,
    typndims: base.typcategory === 'A' && base.typelem !== 0 ? (definition.dims ?? 1) : 0,
    typnotnull: definition.notNullConstraint !== null,
    typcollation: definition.collation,
    typacl: null,
    typdefaultbin: definition.default,
    typdefault: null,
  }
}
