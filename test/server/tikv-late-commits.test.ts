// A node that PD did not answer for longer than its lease on the catalogue lasts, while another changed definitions: its open transactions fail when they
// commit, before the store is asked to. What they hold must go all the same.

import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import { LEASE_MS } from '../../src/catalog/shared-versions.ts'
import { startFake } from '../fake-tikv/fake.ts'
import { startTestServer } from '../support/server.ts'
import { openProxy } from '../tikv/proxies.ts'

/** Where the catalogue's version is kept in a keyspace. */
const VERSION_KEY = Buffer.from('mv')

test.each([
  ['a block', "BEGIN; UPDATE t SET v = 'late' WHERE id = 1"],
  ['a block with a definition', "BEGIN; UPDATE t SET v = 'late' WHERE id = 1; CREATE TABLE late (id int)"],
])('%s whose commit comes too late leaves no locks', { timeout: 60_000 }, async (_, work) => {
  const fake = await startFake({ stores: 1, keyspaces: ['late'], pdPort: 0, seed: 1 })
  const server = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  const other = await openProxy(fake, keyspaceId(1))
  const a = await server.connect('late.admin')
  const b = await server.connect('late.admin')
  await a.query("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'first')")
  await b.query("SET lock_timeout = '3s'")
  await a.query(work)
  expect([...fake.cluster.mvcc.locked()]).not.toEqual([])

  const refusal = { message: 'planted', FlashbackInProgress: { region_id: 1 } }
  const key = Buffer.concat([Buffer.from('78000001', 'hex'), VERSION_KEY]).toString('hex')
  fake.faults.add({ cmd: 'KvGet', key, action: 'region-error', error: refusal, n: 1_000_000 })
  await pause(LEASE_MS)
  const change = other.begin({ isolation: 'read committed', autocommit: true })
  await change.put(VERSION_KEY, Buffer.from('1000 another-node'))
  await change.commit()
  fake.faults.reset()

  await expect(a.query('COMMIT')).rejects.toMatchObject({ code: '40001', message: /concurrent schema change/ })
  expect([...fake.cluster.mvcc.locked()]).toEqual([])
  await b.query("UPDATE t SET v = v || ', second' WHERE id = 1")
  expect((await a.query('SELECT v FROM t')).rows).toEqual([{ v: 'first, second' }])
  await other.close()
  await server.stop()
  await fake.close()
})
