// The control interface of the fake cluster, each command by its effect on what a client sees.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as kv from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { Fields, Init, MessageOf, MessageType } from '../../src/storage/tikv/proto/message.ts'
import * as pdpb from '../../src/storage/tikv/proto/pdpb.ts'
import { BatchCommands, BatchCommandsRequest, Tikv } from '../../src/storage/tikv/proto/tikvpb.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { encodeKey, toHex } from '../fake-tikv/keys.ts'
import { type CallFailure, connect, FailedCall, type TestClient } from '../support/grpc-client.ts'

const PREFIX = 'x\0\0\x01'
const key = (name: string): Buffer => Buffer.from(PREFIX + name, 'latin1')
const hex = (name: string): string => key(name).toString('hex')

interface RegionLine {
  id: number
  start: string
  end: string
  leader_store: number
}

let fake: Fake
let pd: TestClient
const stores = new Map<bigint, TestClient>()

async function post<T = unknown>(path: string, body?: unknown, status = 200): Promise<T> {
  const response = await fetch(`${fake.controlUrl}${path}`, {
    method: 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  expect([path, response.status]).toEqual([path, status])
  return (await response.json()) as T
}
const regions = (): Promise<RegionLine[]> => post('/regions')

type Method<Q extends Fields, S extends Fields> = { path: string; request: MessageType<Q>; response: MessageType<S> }
const header = () => ({ cluster_id: fake.cluster.id })

async function locate(name: string) {
  const { path, request, response } = pdpb.PD.GetRegion
  const region_key = Buffer.from(encodeKey(PREFIX + name), 'latin1')
  const { region, leader } = response.decode(await pd.unary(path, request.encode({ header: header(), region_key })))
  return { region: region!, leader }
}

async function call<Q extends Fields, S extends Fields>(
  method: Method<Q, S>,
  name: string,
  request: Init<Q>,
  storeId?: bigint,
): Promise<MessageOf<MessageType<S>>> {
  const { region, leader } = await locate(name)
  const peer = region.peers.find((one) => one.store_id === (storeId ?? leader?.store_id ?? 1n))!
  let client = stores.get(peer.store_id)
  if (!client) stores.set(peer.store_id, (client = connect(fake.cluster.stores.get(peer.store_id)!.address)))
  const context: kv.ContextInit = { region_id: region.id, region_epoch: region.region_epoch, peer, api_version: kv.APIVersion.V2 }
  const bytes = await client.unary(method.path, method.request.encode({ ...request, context } as unknown as Init<Q>))
  return method.response.decode(bytes) as MessageOf<MessageType<S>>
}

const now = (): bigint => fake.cluster.tso.next()
const get = (name: string) => call(Tikv.KvGet, name, { key: key(name), version: now() })

async function put(name: string, value: string): Promise<void> {
  const start_version = now()
  const prewritten = await call(Tikv.KvPrewrite, name, {
    mutations: [{ key: key(name), value: Buffer.from(value) }],
    primary_lock: key(name),
    start_version,
    lock_ttl: 3000n,
  })
  expect([prewritten.region_error, prewritten.errors]).toEqual([undefined, []])
  const committed = await call(Tikv.KvCommit, name, { keys: [key(name)], start_version, commit_version: now() })
  expect([committed.region_error, committed.error]).toEqual([undefined, undefined])
}

const failureOf = async (promise: Promise<unknown>): Promise<CallFailure | undefined> => {
  try {
    await promise
    return undefined
  } catch (error) {
    if (error instanceof FailedCall) return error.failure
    throw error
  }
}

beforeAll(async () => {
  fake = await startFake({ stores: 3, keyspaces: ['test'], pdPort: 0, seed: 5 })
  pd = connect(fake.pdAddress)
})
beforeEach(() => post('/reset'))
afterAll(async () => {
  pd.close()
  for (const client of stores.values()) client.close()
  await fake.close()
})

describe('regions', () => {
  test('cover everything, in order, with the bounds of the keyspaces', async () => {
    const list = await regions()
    expect(list[0]!.start).toBe('')
    expect(list.at(-1)!.end).toBe('')
    for (let i = 1; i < list.length; i++) expect(list[i]!.start).toBe(list[i - 1]!.end)
    expect(list.map((region) => region.start)).toContain('7800000100000000fb')
    expect(list.map((region) => region.start)).toContain('7800000200000000fb')
  })

  test('split and merge: ids, bounds and versions', async () => {
    await put('a', '1')
    await put('z', '2')
    const before = (await locate('z')).region
    await post(`/split?key=${hex('m')}`)
    const [left, right] = [(await locate('a')).region, (await locate('z')).region]
    expect(right.id).toBe(before.id)
    expect(left.id).not.toBe(before.id)
    expect([left.region_epoch!.version, right.region_epoch!.version]).toEqual([
      before.region_epoch!.version + 1n,
      before.region_epoch!.version + 1n,
    ])
    expect(left.end_key.toString('hex')).toBe(toHex(encodeKey(`${PREFIX}m`)))
    // A split at an existing bound changes nothing.
    await post(`/split?key=${hex('m')}`)
    expect((await locate('z')).region.region_epoch!.version).toBe(right.region_epoch!.version)
    await post(`/merge?region=${left.id}`)
    const merged = (await locate('z')).region
    expect(merged.id).toBe(left.id)
    expect(merged.region_epoch!.version).toBe(right.region_epoch!.version + 1n)
    expect((await get('a')).value.toString()).toBe('1')
    expect((await get('z')).value.toString()).toBe('2')
  })

  test('leader and noleader', async () => {
    const { id } = (await locate('a')).region
    for (const store of [1, 2, 3]) {
      await post(`/leader?region=${id}&store=${store}`)
      expect((await locate('a')).leader!.store_id).toBe(BigInt(store))
      const other = BigInt((store % 3) + 1)
      const refused = await call(Tikv.KvGet, 'a', { key: key('a'), version: now() }, other)
      expect(refused.region_error!.not_leader!.leader!.store_id).toBe(BigInt(store))
    }
    await post(`/noleader?region=${id}`)
    for (const store of [1n, 2n, 3n]) {
      const refused = await call(Tikv.KvGet, 'a', { key: key('a'), version: now() }, store)
      expect(refused.region_error!.not_leader).toEqual({ region_id: BigInt(id), leader: undefined })
    }
    await post(`/leader?region=${id}&store=1`)
    expect((await get('a')).region_error).toBeUndefined()
  })

  test('what is not there is refused', async () => {
    await post('/merge?region=99999', undefined, 400)
    await post('/leader?region=99999&store=1', undefined, 400)
    await post('/split?key=zz', undefined, 400)
    await post('/tso?advance_ms=soon', undefined, 400)
    await post('/fault', { cmd: 'KvGet', action: 'explode' }, 400)
    await post('/nope', undefined, 404)
  })
})

describe('faults', () => {
  test('drop-request is not executed, drop-response is', async () => {
    await put('f', '0')
    for (const [action, expected] of [
      ['drop-request', undefined],
      ['drop-response', 'f'],
    ] as const) {
      await post('/fault', { cmd: 'KvPrewrite', action })
      const start_version = now()
      const prewrite = call(Tikv.KvPrewrite, 'f', {
        mutations: [{ key: key('f'), value: Buffer.from('1') }],
        primary_lock: key('f'),
        start_version,
        lock_ttl: 3000n,
      })
      expect(await failureOf(prewrite)).toMatchObject({ code: 'Unavailable' })
      const { locks } = await call(Tikv.KvScanLock, 'f', { max_version: now(), start_key: key('f'), end_key: key('g') })
      expect(locks[0]?.key.subarray(4).toString()).toBe(expected)
      await call(Tikv.KvBatchRollback, 'f', { start_version, keys: [key('f')] })
    }
  })

  test('in BatchCommands the stream ends', async () => {
    await post('/fault', { cmd: 'KvGet', action: 'drop-response' })
    const { region, leader } = await locate('f')
    const client = connect(fake.cluster.stores.get(leader!.store_id)!.address)
    const ended = new Promise<CallFailure>((resolve) => {
      const stream = client.stream(BatchCommands.path, () => {}, resolve)
      const context = { region_id: region.id, region_epoch: region.region_epoch, peer: leader, api_version: kv.APIVersion.V2 }
      stream.send(
        BatchCommandsRequest.encode({
          requests: [{ cmd: { case: 'Get', value: { context, key: key('f'), version: now() } } }],
          request_ids: [1n],
        }),
      )
    })
    expect((await ended).code).toBe('Unavailable')
    client.close()
  })

  test('key, skip and n choose the calls', async () => {
    await post('/fault', { cmd: 'KvGet', key: hex('k'), skip: 1, n: 2, action: 'region-error', error: { serverIsBusy: { backoffMs: 7 } } })
    const busy = async (name: string): Promise<bigint | undefined> => (await get(name)).region_error?.server_is_busy?.backoff_ms
    expect(await busy('other')).toBeUndefined()
    expect([await busy('k'), await busy('k'), await busy('k'), await busy('k')]).toEqual([undefined, 7n, 7n, undefined])
  })

  test('an error as text, field names in any form', async () => {
    await post('/fault', { cmd: 'KvGet', action: 'region-error', error: '{"NOT_LEADER":{"RegionId":"9","leader":{"id":3,"store_id":2}}}' })
    expect((await get('k')).region_error!.not_leader).toEqual({
      region_id: 9n,
      leader: { id: 3n, store_id: 2n, role: 0, is_witness: false },
    })
  })

  test('delay and duplicate', async () => {
    await post('/fault', { cmd: 'KvGet', action: 'delay', ms: 150 })
    const started = Date.now()
    await get('k')
    expect(Date.now() - started).toBeGreaterThanOrEqual(140)
    await post('/fault', { cmd: 'KvCommit', action: 'duplicate' })
    await put('k', '1')
    expect((await get('k')).value.toString()).toBe('1')
  })

  test('log counts by the unary names, also inside BatchCommands; reset zeroes', async () => {
    await post('/reset')
    await get('k')
    await get('k')
    expect(await post('/log')).toEqual({ counts: { KvGet: 2 }, pd: { GetRegion: 2 } })
    await post('/fault', { cmd: 'KvGet', n: 5, action: 'drop-request' })
    await post('/reset')
    expect(await failureOf(get('k'))).toBeUndefined()
    expect(await post('/log')).toMatchObject({ counts: { KvGet: 1 } })
  })
})

describe('time and outages', () => {
  test('tso: locks expire without sleeping', async () => {
    const start_version = now()
    await call(Tikv.KvPrewrite, 't', {
      mutations: [{ key: key('t'), value: Buffer.from('1') }],
      primary_lock: key('t'),
      start_version,
      lock_ttl: 20000n,
    })
    const status = () =>
      call(Tikv.KvCheckTxnStatus, 't', { primary_key: key('t'), lock_ts: start_version, current_ts: now(), rollback_if_not_exist: true })
    expect((await status()).action).toBe(kv.Action.NoAction)
    await post('/tso?advance_ms=21000')
    expect((await status()).action).toBe(kv.Action.TTLExpireRollback)
  })

  test('kill and start: connections die, another store leads, pessimistic locks in memory are lost', async () => {
    await put('s', '1')
    const { region, leader } = await locate('s')
    const dead = leader!.store_id
    await call(Tikv.KvPessimisticLock, 's', {
      mutations: [{ op: kv.Op.PessimisticLock, key: key('s') }],
      primary_lock: key('s'),
      start_version: now(),
      for_update_ts: now(),
      lock_ttl: 20000n,
    })
    await post(`/kill?store=${dead}`)
    expect(await failureOf(call(Tikv.KvGet, 's', { key: key('s'), version: now() }, dead))).toMatchObject({ code: 'Unavailable' })
    const alive = region.peers.find((peer) => peer.store_id !== dead)!.store_id
    const orphaned = await call(Tikv.KvGet, 's', { key: key('s'), version: now() }, alive)
    expect(orphaned.region_error!.not_leader!.leader!.store_id).toBe(dead)
    for (let i = 0; i < 100 && (await locate('s')).leader!.store_id === dead; i++) await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await get('s')).value.toString()).toBe('1')
    const { locks } = await call(Tikv.KvScanLock, 's', { max_version: now(), start_key: key('s'), end_key: key('t') })
    expect(locks).toEqual([])
    await post(`/start?store=${dead}`)
    await post(`/leader?region=${region.id}&store=${dead}`)
    stores.get(dead)?.close()
    stores.delete(dead)
    expect((await get('s')).value.toString()).toBe('1')
  })

  test('faults at PD, and PD away', async () => {
    await post('/fault', { cmd: 'GetRegion', action: 'drop-response' })
    expect(await failureOf(locate('s'))).toMatchObject({ code: 'Unavailable' })
    await post('/fault', { cmd: 'Tso', action: 'drop-request' })
    const ended = new Promise<CallFailure>((resolve) => {
      const stream = pd.stream(pdpb.Tso.path, () => {}, resolve)
      stream.send(pdpb.TsoRequest.encode({ header: header(), count: 1 }))
    })
    expect((await ended).code).toBe('Unavailable')
    await post('/kill-pd')
    const away = connect(fake.pdAddress)
    expect(await failureOf(away.unary(pdpb.PD.GetMembers.path, pdpb.GetMembersRequest.encode({})))).toMatchObject({ code: 'Unavailable' })
    away.close()
    await post('/start-pd')
    pd.close()
    pd = connect(fake.pdAddress)
    expect((await locate('s')).region.id).toBeGreaterThan(0n)
  })

  test.each([
    ['a prewrite without mutations', () => call(Tikv.KvPrewrite, 'p', { start_version: now() })],
    [
      'a key twice in a prewrite',
      () => call(Tikv.KvPrewrite, 'p', { start_version: now(), mutations: [{ key: key('p') }, { key: key('p') }] }),
    ],
    [
      'another op in a pessimistic lock',
      () => call(Tikv.KvPessimisticLock, 'p', { start_version: now(), mutations: [{ op: kv.Op.Put, key: key('p') }] }),
    ],
    ['an empty bound of UnsafeDestroyRange', () => call(Tikv.UnsafeDestroyRange, 'p', { start_key: key('p') })],
  ])('%s kills the store, as it does a TiKV', async (_what, kill) => {
    const { region, leader } = await locate('p')
    expect(await failureOf(kill())).toMatchObject({ code: 'Unavailable' })
    expect(await post<{ counts: Record<string, number> }>('/log')).toMatchObject({ counts: { panic: 1 } })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(fake.cluster.stores.get(leader!.store_id)!.isUp).toBe(false)
    await post(`/start?store=${leader!.store_id}`)
    await post(`/leader?region=${region.id}&store=${leader!.store_id}`)
    stores.get(leader!.store_id)?.close()
    stores.delete(leader!.store_id)
  })
})

describe('npm run fake-tikv', () => {
  test('the first line says where it listens; it ends when standard input closes', async () => {
    const child = spawn(process.execPath, ['scripts/fake-tikv.mjs', '--stores', '2', '--keyspaces', 'one,two'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [first] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const line = JSON.parse(first) as { event: string; pd: string; control: string; stores: string[] }
    expect(line.event).toBe('listening')
    expect(line.stores.length).toBe(2)
    const keyspace = (await (await fetch(`http://${line.pd}/pd/api/v2/keyspaces/two`)).json()) as { id: number; state: string }
    expect(keyspace).toMatchObject({ id: 2, state: 'ENABLED' })
    expect((await fetch(`${line.control}/regions`, { method: 'POST' })).status).toBe(200)
    child.stdin.end()
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
