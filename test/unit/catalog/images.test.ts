// Images of pg_catalog's tables are brought forward by what changes: after each of many random changes, committed or not, each reader sees what it
// would see if every row were made anew.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Oid, tableId } from '../../../src/base/ids.ts'
import { ACL } from '../../../src/catalog/acl.ts'
import { bootstrapKeyspace } from '../../../src/catalog/bootstrap.ts'
import { ReaderSnapshot } from '../../../src/catalog/catalog-snapshot.ts'
import type { RelationDescriptor, RoleDescriptor } from '../../../src/catalog/descriptors.ts'
import { CLASS } from '../../../src/catalog/keys.ts'
import { EMPTY_TABLE, newColumn } from '../../../src/catalog/new-descriptors.ts'
import { PUBLIC_NAMESPACE } from '../../../src/catalog/records.ts'
import { CatalogSpace } from '../../../src/catalog/space.ts'
import { isTemporary, newTemporaryOid, TemporaryCatalog } from '../../../src/catalog/temporary.ts'
import { type CatalogReader, CatalogTransaction, committedReader } from '../../../src/catalog/transaction.ts'
import { virtualRelation } from '../../../src/catalog/virtual/provider.ts'
import { builtinTable } from '../../../src/catalog/virtual/rows.ts'
import { CatalogWriter } from '../../../src/catalog/writer.ts'
import { classByName } from '../../../src/sql/builtin/pg-class.ts'
import { openLmdbStore } from '../../../src/storage/lmdb/store.ts'
import type { Keyspace, Savepoint, Store, Transaction } from '../../../src/storage/store.ts'
import { type Random, randomFrom } from '../../support/random.ts'
import { testSeed } from '../../support/seed.ts'

const TABLES = [
  'pg_attrdef',
  'pg_attribute',
  'pg_auth_members',
  'pg_authid',
  'pg_class',
  'pg_constraint',
  'pg_db_role_setting',
  'pg_default_acl',
  'pg_depend',
  'pg_description',
  'pg_enum',
  'pg_namespace',
  'pg_shdescription',
  'pg_statistic',
  'pg_type',
]
const ROLE: Omit<RoleDescriptor, 'oid' | 'name' | 'memberOf'> = {
  superuser: false,
  inherit: true,
  createRole: false,
  createDb: false,
  canLogin: true,
  replication: false,
  bypassRls: false,
  connectionLimit: -1,
  password: null,
  validUntil: null,
  settings: {},
}
const CHANGES = process.env['LONG'] === '1' ? 2000 : 400

let dataDir: string
let store: Store
let keyspace: Keyspace
beforeEach(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-images-'))
  store = await openLmdbStore({ dataDir, versionRetentionMs: 0 })
  keyspace = await store.open(await store.keyspaces.create('t'))
  await bootstrapKeyspace(keyspace, null)
})
afterEach(async () => {
  await store.close()
  rmSync(dataDir, { recursive: true, force: true })
})

/** One that keeps nothing: as if nobody had looked before. */
const forgetful = (reader: CatalogReader, space: CatalogSpace): CatalogReader =>
  new Proxy(reader, {
    get(target, name) {
      if (name === 'image') return space.images.another()
      if (name === 'below') return null
      if (name === 'ownKeys') return []
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

async function contents(reader: CatalogReader, hints: (table: string) => { attnum: number; value: number | string }[]) {
  const rows = new Map<string, string[]>()
  for (const table of TABLES) {
    const source = () => ({ snapshot: new ReaderSnapshot(reader), database: 'db', expressionText: String })
    const found = await virtualRelation(classByName(11, table)!.oid, source)!.rows(null, hints(table))
    const builtin = new Set(builtinTable(table).all)
    rows.set(
      table,
      found
        .filter((row) => !builtin.has(row))
        .map((row) => JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))),
    )
  }
  return rows
}

/** What a session does to the catalogue. */
class Actor {
  readonly #space: CatalogSpace
  readonly #temporary: TemporaryCatalog
  readonly #random: Random
  #open: { txn: Transaction; catalog: CatalogTransaction; writer: CatalogWriter } | null = null
  #savepoints: { store: Savepoint; catalog: number }[] = []
  readonly committed: CatalogReader

  constructor(space: CatalogSpace, random: Random) {
    this.#space = space
    this.#random = random
    this.#temporary = new TemporaryCatalog()
    this.committed = committedReader(space, this.#temporary)
  }

  get reader(): CatalogReader {
    return this.#open?.catalog ?? this.committed
  }

  async act(): Promise<void> {
    const random = this.#random
    if (this.#open === null) {
      const txn = keyspace.begin({ isolation: 'read committed' })
      const catalog = new CatalogTransaction(this.#space, txn, this.#temporary)
      catalog.lockTimeoutMs = 1
      this.#open = { txn, catalog, writer: new CatalogWriter(catalog) }
    }
    const { txn, catalog, writer } = this.#open
    switch (random.below(18)) {
      case 0:
        await catalog.prepareCommit()
        await txn.commit()
        catalog.committed()
        this.#ended()
        return
      case 1:
        await txn.rollback()
        catalog.aborted()
        this.#ended()
        return
      case 2:
        this.#savepoints.push({ store: txn.savepoint(), catalog: catalog.savepoint() })
        return
      case 3: {
        const back = this.#savepoints.pop()
        if (back === undefined) return
        await txn.rollbackTo(back.store)
        catalog.rollbackTo(back.catalog)
        return
      }
      default:
        // what another session is changing is left alone
        await this.#change(writer).catch((error: { kind?: string }) => {
          if (error.kind !== 'lockTimeout') throw error
        })
    }
  }

  #ended(): void {
    this.#open = null
    this.#savepoints = []
  }

  /** Objects that are there, by kind. */
  async #objects<K extends string>(kind: K): Promise<Oid[]> {
    const entries = await this.reader.objects()
    return entries.flatMap(({ key, value }) => (value.kind === kind ? [Number.parseInt(key.slice(2), 16)] : []))
  }

  async #change(writer: CatalogWriter): Promise<void> {
    const random = this.#random
    const name = `o${random.below(1e9)}`
    const relations = await this.#objects('relation')
    const types = await this.#objects('type')
    const roles = (await this.#objects('role')).filter((oid) => oid >= 16384)
    const acl = () =>
      roles.length === 0 || random.below(2) === 0
        ? null
        : [{ grantee: random.pick(roles), grantor: 10, privileges: ACL.select, grantOptions: 0 }]
    const kind = random.below(14)
    if (kind <= 3 || relations.length === 0) {
      const temporary = random.below(4) === 0
      const oid = async () => (temporary ? newTemporaryOid() : await writer.newOid())
      const columns = Array.from({ length: random.below(4) }, (_, i) => ({
        ...newColumn(i + 1, `c${i}`, {
          type: types.length > 0 && random.below(2) === 0 ? random.pick(types) : 23,
          typmod: -1,
          collation: 0,
        }),
        acl: acl(),
      }))
      const relation: RelationDescriptor = {
        oid: await oid(),
        name,
        namespace: PUBLIC_NAMESPACE,
        owner: 10,
        kind: 'r',
        persistence: temporary ? 't' : 'p',
        acl: acl(),
        rowType: await oid(),
        rowArrayType: await oid(),
        columns,
        options: null,
        table: { ...EMPTY_TABLE, id: tableId(await writer.newOid()) },
        sequence: null,
        view: null,
        version: 1,
      }
      await writer.createRelation(relation)
    } else if (kind === 4) await writer.dropRelation(random.pick(relations))
    else if (kind === 5) await writer.alterRelation(random.pick(relations), (old) => ({ ...old, name, acl: acl() }))
    else if (kind === 6 || roles.length === 0) {
      const memberOf =
        roles.length === 0
          ? []
          : [{ oid: await writer.newOid(), role: random.pick(roles), grantor: 10, admin: false, inherit: true, set: true }]
      await writer.createRole({ ...ROLE, oid: await writer.newOid(), name, memberOf })
    } else if (kind === 7) {
      const settings = { work_mem: `${random.below(9)}MB` }
      await writer.alterRole(random.pick(roles), (old) => ({ ...old, name, settings }))
    } else if (kind === 8 || types.length === 0) {
      const definition = { kind: 'enum' as const, labels: [{ oid: await writer.newOid(), label: 'a', sortOrder: 1 }] }
      const [oid, arrayType] = [await writer.newOid(), await writer.newOid()]
      await writer.createType({ oid, name, namespace: PUBLIC_NAMESPACE, owner: 10, acl: acl(), arrayType, definition })
    } else if (kind === 9) await writer.alterType(random.pick(types), (old) => ({ ...old, name, acl: acl() }))
    else if (kind === 10) {
      const address = { classId: CLASS.relation, objId: random.pick(relations), subId: 0 }
      await writer.setComment(address, random.below(2) === 0 ? null : name)
    } else if (kind === 11) {
      const [from, to] = [random.pick(relations), random.pick(relations)].map((objId) => ({ classId: CLASS.relation, objId, subId: 0 }))
      if (isTemporary(from!.objId) || !isTemporary(to!.objId)) await writer.addDependency(from!, to!, 'n')
    } else if (kind === 12) await writer.setSettings(random.pick(roles), { search_path: name })
    else await writer.setDefaultAcl(random.pick(roles), 0, 'r', acl())
  }
}

it('are what would be made anew, for everybody, after any change', async () => {
  const seed = testSeed('IMAGES_SEED')
  const random = randomFrom(seed)
  const space = new CatalogSpace(keyspace)
  const actors = [new Actor(space, random), new Actor(space, random)]
  const outside = committedReader(space)
  for (let i = 0; i < CHANGES; i++) {
    await random.pick(actors).act()
    for (const reader of [outside, ...actors.map((actor) => actor.reader)]) {
      // not all look each time, and nobody before there is something to see
      if (i < CHANGES / 3 || random.below(3) > 0) continue
      const all = await contents(reader, () => [])
      const anew = await contents(forgetful(reader, space), () => [])
      for (const table of TABLES) expect([seed, i, table, all.get(table)]).toEqual([seed, i, table, anew.get(table)])
      // the same rows through the look-up tables
      const key = random.below(2) === 0 ? 16384 + random.below(300) : 2200
      const found = await contents(reader, () => [{ attnum: 1, value: key }])
      for (const table of TABLES) {
        const expected = all.get(table)!.filter((row) => (JSON.parse(row) as unknown[])[0] === key)
        const got = found.get(table)!.filter((row) => (JSON.parse(row) as unknown[])[0] === key)
        expect([seed, i, table, got.sort()]).toEqual([seed, i, table, expected.sort()])
      }
    }
  }
  expect(space.images.bytes).toBeGreaterThan(0)
  space.images.clear()
  expect(space.images.bytes).toBe(0)
}, 600_000)
