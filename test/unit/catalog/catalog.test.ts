// The catalogue over the embedded store: bootstrap, names, transactions with savepoints, dependencies, garbage.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tableId } from '../../../src/base/ids.ts'
import { ACL } from '../../../src/catalog/acl.ts'
import { bootstrapKeyspace, isBootstrapped } from '../../../src/catalog/bootstrap.ts'
import { ReaderSnapshot } from '../../../src/catalog/catalog-snapshot.ts'
import { collectGarbage, garbageIds } from '../../../src/catalog/cleanup.ts'
import type { RelationDescriptor } from '../../../src/catalog/descriptors.ts'
import { CLASS } from '../../../src/catalog/keys.ts'
import { EMPTY_TABLE } from '../../../src/catalog/new-descriptors.ts'
import { namespaceMask } from '../../../src/catalog/privileges.ts'
import { PUBLIC_NAMESPACE } from '../../../src/catalog/records.ts'
import { CatalogSpace } from '../../../src/catalog/space.ts'
import { CatalogTransaction, committedReader } from '../../../src/catalog/transaction.ts'
import { virtualRelation } from '../../../src/catalog/virtual/provider.ts'
import { CatalogWriter } from '../../../src/catalog/writer.ts'
import { openLmdbStore } from '../../../src/storage/lmdb/store.ts'
import { rowPrefix } from '../../../src/storage/rows/keys.ts'
import type { Keyspace, Store } from '../../../src/storage/store.ts'

let dataDir: string
let store: Store
let keyspace: Keyspace

beforeEach(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-catalog-'))
  store = await openLmdbStore({ dataDir, versionRetentionMs: 0 })
  keyspace = await store.open(await store.keyspaces.create('t'))
})
afterEach(async () => {
  await store.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function begin(space: CatalogSpace) {
  const txn = keyspace.begin({ isolation: 'read committed' })
  const catalog = new CatalogTransaction(space, txn)
  const writer = new CatalogWriter(catalog)
  return {
    txn,
    catalog,
    writer,
    async commit() {
      await catalog.prepareCommit()
      await txn.commit()
      catalog.committed()
    },
    async rollback() {
      await txn.rollback()
      catalog.aborted()
    },
  }
}

async function table(writer: CatalogWriter, name: string): Promise<RelationDescriptor> {
  return {
    oid: await writer.newOid(),
    name,
    namespace: PUBLIC_NAMESPACE,
    owner: 16384,
    kind: 'r',
    persistence: 'p',
    acl: null,
    rowType: await writer.newOid(),
    rowArrayType: await writer.newOid(),
    columns: [],
    options: null,
    table: { ...EMPTY_TABLE, id: tableId(await writer.newOid()) },
    sequence: null,
    view: null,
    version: 1,
  }
}

const committed = (space: CatalogSpace): ReaderSnapshot => new ReaderSnapshot(committedReader(space))

describe('bootstrap', () => {
  it('makes admin and public once, also when nodes race', async () => {
    const results = await Promise.all([1, 2, 3].map(() => bootstrapKeyspace(keyspace, 'SCRAM-SHA-256$v')))
    expect(results.filter((result) => result.fresh)).toHaveLength(1)
    const snapshot = committed(new CatalogSpace(keyspace))
    expect(snapshot.roleByName('admin')).toMatchObject({ superuser: true, canLogin: true, password: 'SCRAM-SHA-256$v' })
    expect(snapshot.namespaceByName('public')?.oid).toBe(PUBLIC_NAMESPACE)
    expect(snapshot.roleByName('postgres')).toBeNull()
  })

  it('does not bring a dropped admin back', async () => {
    await bootstrapKeyspace(keyspace, null)
    const space = new CatalogSpace(keyspace)
    const { writer, commit } = await begin(space)
    await writer.dropRole(committed(space).roleByName('admin')!.oid)
    await commit()
    expect((await bootstrapKeyspace(keyspace, null)).fresh).toBe(false)
    expect(committed(space).roleByName('admin')).toBeNull()
  })

  it('refuses a keyspace with foreign data and writes nothing to it', async () => {
    const txn = keyspace.begin({ isolation: 'read committed' })
    await txn.insert(Buffer.from('mDB:1'), Buffer.from('x'))
    await txn.commit()
    await expect(bootstrapKeyspace(keyspace, null)).rejects.toThrow(/holds data of another program/)
    await expect(isBootstrapped(keyspace)).rejects.toThrow(/holds data of another program/)
    const read = keyspace.begin({ isolation: 'read committed', readOnly: true })
    expect(await read.get(Buffer.from('mpg-keyspace'))).toBeNull()
    await read.rollback()
  })

  it('refuses a newer format', async () => {
    const txn = keyspace.begin({ isolation: 'read committed' })
    await txn.insert(Buffer.from('mpg-keyspace'), Buffer.from('{"product":"pg-keyspace","format":99}'))
    await txn.commit()
    await expect(isBootstrapped(keyspace)).rejects.toThrow(/newer version/)
  })
})

describe('changes', () => {
  let space: CatalogSpace
  beforeEach(async () => {
    await bootstrapKeyspace(keyspace, null)
    space = new CatalogSpace(keyspace)
  })

  it('are seen by their own transaction only, until the commit', async () => {
    const one = await begin(space)
    const relation = await table(one.writer, 'a')
    await one.writer.createRelation(relation)
    expect(one.writer.snapshot.relationByName(PUBLIC_NAMESPACE, 'a')?.oid).toBe(relation.oid)
    expect(one.writer.snapshot.type(relation.rowArrayType)).toMatchObject({ typname: '_a', typelem: relation.rowType })
    expect(committed(space).relationByName(PUBLIC_NAMESPACE, 'a')).toBeNull()
    const before = committed(space).version
    await one.commit()
    expect(committed(space).relationByName(PUBLIC_NAMESPACE, 'a')?.oid).toBe(relation.oid)
    expect(committed(space).version).not.toBe(before)
  })

  it('go with a savepoint', async () => {
    const one = await begin(space)
    await one.writer.createRelation(await table(one.writer, 'kept'))
    const [inStore, inCatalog] = [one.txn.savepoint(), one.catalog.savepoint()]
    await one.writer.createRelation(await table(one.writer, 'gone'))
    await one.txn.rollbackTo(inStore)
    one.catalog.rollbackTo(inCatalog)
    expect(one.writer.snapshot.relationByName(PUBLIC_NAMESPACE, 'gone')).toBeNull()
    await one.commit()
    expect(committed(space).relationByName(PUBLIC_NAMESPACE, 'kept')).not.toBeNull()
    expect(committed(space).relationByName(PUBLIC_NAMESPACE, 'gone')).toBeNull()
  })

  it('give a name to one of two transactions', async () => {
    const [one, two] = [await begin(space), await begin(space)]
    await one.writer.createRelation(await table(one.writer, 'a'))
    const late = table(two.writer, 'a').then((relation) => two.writer.createRelation(relation))
    const refused = expect(late).rejects.toMatchObject({ code: '42P07' })
    await one.commit()
    await refused
    await two.rollback()
  })

  it('of a rename move the names of row types too', async () => {
    const one = await begin(space)
    const relation = await table(one.writer, 'a')
    await one.writer.createRelation(relation)
    await one.writer.alterRelation(relation.oid, (old) => ({ ...old, name: 'b' }))
    const { snapshot } = one.writer
    expect(snapshot.relationByName(PUBLIC_NAMESPACE, 'a')).toBeNull()
    expect(snapshot.typeByName(PUBLIC_NAMESPACE, 'a')).toBeNull()
    expect(snapshot.typeByName(PUBLIC_NAMESPACE, 'b')?.oid).toBe(relation.rowType)
    expect(snapshot.relation(relation.oid)?.descriptor?.version).toBe(2)
    await one.rollback()
  })

  it('keep dependencies in both directions and forget them with the object', async () => {
    const one = await begin(space)
    const [from, to] = [await table(one.writer, 'a'), await table(one.writer, 'b')]
    await one.writer.createRelation(from)
    await one.writer.createRelation(to)
    const address = (objId: number) => ({ classId: CLASS.relation, objId, subId: 0 })
    await one.writer.addDependency(address(from.oid), address(to.oid), 'n')
    expect(await one.writer.dependents(CLASS.relation, to.oid)).toMatchObject([{ from: address(from.oid), type: 'n' }])
    await one.writer.dropRelation(from.oid)
    expect(await one.writer.dependents(CLASS.relation, to.oid)).toEqual([])
    await one.rollback()
  })

  it('leave garbage that the clean-up job erases', async () => {
    const one = await begin(space)
    const relation = await table(one.writer, 'a')
    await one.writer.createRelation(relation)
    const row = Buffer.concat([rowPrefix(relation.table!.id), Buffer.from([1])])
    await one.txn.insert(row, Buffer.from('row'))
    await one.commit()
    const two = await begin(space)
    await two.writer.dropRelation(relation.oid)
    await two.commit()
    const ids = await garbageIds(keyspace, true)
    expect(ids).toEqual([relation.table!.id])
    expect(await collectGarbage(keyspace, ids)).toBe(1)
    expect(await garbageIds(keyspace, true)).toEqual([])
    const read = keyspace.begin({ isolation: 'read committed', readOnly: true })
    expect(await read.get(row)).toBeNull()
    await read.rollback()
  })

  it('show in the virtual relations, found by hint or by scan', async () => {
    const one = await begin(space)
    const relation = await table(one.writer, 'a')
    await one.writer.createRelation(relation)
    const source = () => ({ snapshot: one.writer.snapshot, database: 'db', expressionText: String })
    const pgClass = virtualRelation(1259, source)!
    const byOid = [...(await pgClass.rows(null, [{ attnum: 1, value: relation.oid }]))]
    expect(byOid).toHaveLength(1)
    expect(byOid[0]!.slice(0, 3)).toEqual([relation.oid, 'a', PUBLIC_NAMESPACE])
    const all = [...(await pgClass.rows(null, []))]
    expect(all.filter((row) => row[1] === 'a')).toEqual(byOid)
    expect(all.some((row) => row[1] === 'pg_class')).toBe(true)
    expect([...(await pgClass.rows(null, [{ attnum: 1, value: null }]))]).toEqual([])
    await one.rollback()
  })

  it('of privileges and memberships count at once', async () => {
    const one = await begin(space)
    const role = { ...committed(space).roleByName('admin')!, oid: await one.writer.newOid(), name: 'r', superuser: false, memberOf: [] }
    await one.writer.createRole(role)
    const { snapshot } = one.writer
    expect(namespaceMask(snapshot, PUBLIC_NAMESPACE, role.oid, ACL.create)).toBe(0)
    await one.writer.alterNamespace(PUBLIC_NAMESPACE, (old) => ({
      ...old,
      acl: [...old.acl!, { grantee: role.oid, grantor: 6171, privileges: ACL.create, grantOptions: 0 }],
    }))
    expect(namespaceMask(snapshot, PUBLIC_NAMESPACE, role.oid, ACL.create)).toBe(ACL.create)
    await one.rollback()
    expect(committed(space).roleByName('r')).toBeNull()
  })
})
