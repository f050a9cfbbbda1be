// The package export `pg-keyspace/tikv` as its README example uses it, and that nothing foreign leaves the process through the router.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import { Backoff } from '../../src/storage/tikv/backoff.ts'
import { connect, type KvError, type TikvClient } from '../../src/storage/tikv/client.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'

const given = process.env['PD_ENDPOINTS']?.split(',') ?? null
let fake: Fake | null = null
let pdEndpoints: readonly string[]
let client: TikvClient
beforeAll(async () => {
  if (given === null) fake = await startFake({ stores: 3, keyspaces: [], pdPort: 0, seed: 1 })
  pdEndpoints = given ?? [fake!.pdAddress]
  client = await connect({ pdEndpoints })
})
afterAll(async () => {
  await client.close()
  await fake?.close()
})

test('put, get, scan, conflicts that run again', async () => {
  const shop = await client.keyspace(`shop-${Date.now().toString(36)}`, { create: true })
  await shop.put('stock:42', '10')
  expect((await shop.get('stock:42'))?.toString()).toBe('10')
  const sell = (mode: 'optimistic' | 'pessimistic') =>
    shop.transaction(
      async (txn) => {
        const stock = mode === 'pessimistic' ? (await txn.lock(['stock:42']))[0] : await txn.get('stock:42')
        await txn.put('stock:42', String(Number(stock) - 1))
      },
      { mode, attempts: 50 },
    )
  await Promise.all([sell('optimistic'), sell('pessimistic'), sell('optimistic'), sell('pessimistic')])
  expect((await shop.get('stock:42'))?.toString()).toBe('6')
  const taken = await shop.transaction((txn) => txn.insert('stock:42', 'x')).catch((error: KvError) => error.kind)
  expect(taken).toBe('alreadyExists')
  const keys: string[] = []
  await shop.transaction(async (txn) => {
    await txn.put('stock:43', 'new')
    for await (const { key } of txn.scan({ start: 'stock:', reverse: true })) keys.push(key.toString())
  })
  expect(keys).toEqual(['stock:43', 'stock:42'])
  await expect(client.keyspace('nowhere')).rejects.toMatchObject({ kind: 'keyspaceUnavailable' })
})

test('the router sends no key of another keyspace', async () => {
  const engine = new Engine({ pdEndpoints })
  await engine.start()
  const [mine, other] = [new Capability(keyspaceId(1)), new Capability(keyspaceId(2))]
  const region = await engine.router.regions.locate(other.key(Buffer.from('k')))
  const { sent: before } = engine.router
  const sent = engine.router.send(
    mine,
    'KvGet',
    region,
    { key: other.key(Buffer.from('k')), version: engine.oracle.newest },
    { backoff: new Backoff(1000) },
  )
  await expect(sent).rejects.toThrow(/outside keyspace 1/)
  expect(engine.router.sent).toBe(before)
  await engine.close()
})
