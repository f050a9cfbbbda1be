// The generated catalogue: rows decode, look-ups agree with PostgreSQL's own OIDs.
import { expect, test } from 'vitest'
import { BUILTIN_ROWS, collationByName, keywordByWord } from '../../../../src/sql/builtin/catalogs.ts'
import { TYPE_OID } from '../../../../src/sql/builtin/data/type-oids.ts'
import { castByTypes } from '../../../../src/sql/builtin/pg-cast.ts'
import { classByName, systemViewByOid } from '../../../../src/sql/builtin/pg-class.ts'
import { ACCESS_METHOD, amop, amproc, defaultOpclass, STRATEGY } from '../../../../src/sql/builtin/pg-index.ts'
import { operatorByTypes } from '../../../../src/sql/builtin/pg-operator.ts'
import { procByOid, procsByName } from '../../../../src/sql/builtin/pg-proc.ts'
import { settingByName } from '../../../../src/sql/builtin/pg-settings.ts'
import { typeByOid } from '../../../../src/sql/builtin/pg-type.ts'

test('every table decodes and holds no undefined field', () => {
  for (const [name, rows] of Object.entries(BUILTIN_ROWS)) {
    expect(rows().length, name).toBeGreaterThan(0)
    const odd = rows().flatMap((row) => Object.entries(row).filter(([, value]) => value === undefined || Number.isNaN(value)))
    expect(odd, name).toEqual([])
  }
})

test('look-ups', () => {
  expect(TYPE_OID.int4).toBe(23)
  expect(typeByOid(1009)).toMatchObject({ typname: '_text', typelem: 25 })
  expect(procsByName('int4pl')).toMatchObject([{ oid: 177, prosrc: 'int4pl', proargtypes: [23, 23], prorettype: 23 }])
  expect(operatorByTypes('+', 23, 23)?.oprcode).toBe(177)
  expect(operatorByTypes('-', 0, 23)?.oprresult).toBe(23)
  expect(castByTypes(23, 20)).toMatchObject({ castfunc: 481, castcontext: 'i' })
  const opclass = defaultOpclass(ACCESS_METHOD.btree, TYPE_OID.int4)!
  expect(opclass.opcname).toBe('int4_ops')
  expect(amop(opclass.opcfamily, 23, 20, STRATEGY.less)?.amopopr).toBe(operatorByTypes('<', 23, 20)?.oid)
  expect(procByOid(amproc(opclass.opcfamily, 23, 23, 1)!.amproc)?.prosrc).toBe('btint4cmp')
  expect(settingByName('WORK_MEM')).toMatchObject({ unit: 'kB', vartype: 'integer', boot_val: '4096' })
  expect(classByName(11, 'pg_class')?.oid).toBe(1259)
  const views = classByName(11, 'pg_roles')!
  expect(systemViewByOid(views.oid)?.definition).toMatch(/^SELECT [\s\S]*rolname[\s\S]*FROM .pg_authid/)
  expect(collationByName('C')?.oid).toBe(950)
  expect(keywordByWord('select')?.catcode).toBe('R')
})

test('escapes survive', () => {
  expect(procsByName('pg_get_keywords')[0]!.proargmodes).toEqual(['o', 'o', 'o', 'o', 'o'])
  expect(procsByName('lpad').map((row) => row.prosqlbody)).toContain("RETURN lpad($1, $2, ' '::text)")
})
