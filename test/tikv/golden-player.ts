// Plays recorded scenarios against a cluster: takes timestamps, splits regions, sends requests and writes the answers in the form of the
// recordings, so that they can be compared as JSON.

import { Context } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { AnyMessage, Field, Fields } from '../../src/storage/tikv/proto/message.ts'
import * as pdpb from '../../src/storage/tikv/proto/pdpb.ts'
import { BATCH_CASE, BatchCommands, BatchCommandsRequest, BatchCommandsResponse, Tikv } from '../../src/storage/tikv/proto/tikvpb.ts'
import { decodeKey, encodeKey } from '../fake-tikv/keys.ts'
import { type CallFailure, connect, FailedCall, type TestClient, type TestStream } from '../support/grpc-client.ts'
import { type Json, type JsonObject, messageOf, type Notation } from './golden-message.ts'

export interface Step {
  readonly ts?: string | string[]
  readonly sleep_ms?: number
  readonly split?: string
  readonly region?: string
  readonly of?: string
  readonly rpc?: string
  readonly req?: JsonObject
  readonly resp?: Json
  readonly at?: string
  readonly ctx?: JsonObject
  readonly bg?: string
  readonly pending?: string
  readonly await?: string
  readonly min_ms?: number
  readonly max_ms?: number
  readonly bind?: Record<string, string>
  readonly any?: string[]
  readonly text?: string[]
}
export interface Scenario {
  readonly name: string
  readonly shows: string
  readonly steps: readonly Step[]
}

const MAX = 2n ** 64n - 1n
const TS_FLOOR = 2n ** 56n
const LEFT_OUT = new Set([
  'exec_details',
  'exec_details_v2',
  'duration_to_last_update_ms',
  'debug_info',
  'deadlock_key_hash',
  'key_hash',
  'wait_time',
  'resource_group_tag',
  'conf_ver',
  'version',
  'role',
  'term',
  'last_change_ts',
  'versions_to_last_change',
])
const ANY_NUMBER = new Set([
  'id',
  'region_id',
  'store_id',
  'store_peer_id',
  'request_peer_id',
  'request_store_id',
  'actual_store_id',
  'entry_size',
])
/** As long as those of the recordings, which shows in the lengths of long keys. */
const UNIQUE_LENGTH = 11

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Located {
  region_id: bigint
  region_epoch: { conf_ver: bigint; version: bigint }
  peer: { id: bigint; store_id: bigint }
}

interface Answered {
  readonly message: object | undefined
  readonly failure: CallFailure | undefined
  readonly ms: number
}

export interface Player {
  /** Differences found; empty when all answers are as recorded. */
  play(scenario: Scenario, batch: boolean): Promise<string[]>
  close(): void
}

/** `pdAddress`: host:port of any member of PD. The keyspace is made when it is missing. */
export async function createPlayer(pdAddress: string, keyspace: string): Promise<Player> {
  const member = connect(pdAddress)
  const members = pdpb.GetMembersResponse.decode(await member.unary(pdpb.PD.GetMembers.path, pdpb.GetMembersRequest.encode({})))
  member.close()
  // Only the leader answers what is asked below.
  const pd = connect(new URL(members.leader!.client_urls[0]!).host)
  const stores = new Map<bigint, TestClient>()
  const clusterId = members.header!.cluster_id
  const header = { cluster_id: clusterId }
  const base = `http://${pdAddress}/pd/api/v2/keyspaces`
  let response = await fetch(`${base}/${keyspace}`)
  if (!response.ok) response = await fetch(base, { method: 'POST', body: JSON.stringify({ name: keyspace }) })
  if (!response.ok) throw new Error(`keyspace ${keyspace}: ${await response.text()}`)
  const { id: keyspaceId } = (await response.json()) as { id: number }
  const prefixOf = (id: number): string => String.fromCharCode(0x78, id >> 16, (id >> 8) & 0xff, id & 0xff)
  const prefix = prefixOf(keyspaceId)
  const end = prefixOf(keyspaceId + 1)
  let run = Math.floor(Math.random() * 1_000_000_000)

  const locate = async (key: string): Promise<Located> => {
    for (let attempt = 0; ; attempt++) {
      const found = pdpb.GetRegionResponse.decode(
        await pd.unary(pdpb.PD.GetRegion.path, pdpb.GetRegionRequest.encode({ header, region_key: Buffer.from(encodeKey(key), 'latin1') })),
      )
      if (found.region && found.leader && found.leader.id !== 0n)
        return {
          region_id: found.region.id,
          region_epoch: found.region.region_epoch!,
          peer: { id: found.leader.id, store_id: found.leader.store_id },
        }
      if (attempt > 100) throw new Error('no region')
      await sleep(50)
    }
  }
  const storeOf = async (id: bigint): Promise<TestClient> => {
    let client = stores.get(id)
    if (!client) {
      const answer = pdpb.GetStoreResponse.decode(
        await pd.unary(pdpb.PD.GetStore.path, pdpb.GetStoreRequest.encode({ header, store_id: id })),
      )
      client = connect(answer.store!.address)
      stores.set(id, client)
    }
    return client
  }
  let tsoStream: TestStream | undefined
  const waiting: ((ts: bigint) => void)[] = []
  const takeTs = (): Promise<bigint> => {
    tsoStream ??= pd.stream(
      pdpb.Tso.path,
      (bytes) => {
        const { timestamp } = pdpb.TsoResponse.decode(bytes)
        waiting.shift()!((timestamp!.physical << 18n) | timestamp!.logical)
      },
      () => {},
    )
    return new Promise((resolve) => {
      waiting.push(resolve)
      tsoStream!.send(pdpb.TsoRequest.encode({ header, count: 64 }))
    })
  }

  const play = async (scenario: Scenario, batch: boolean): Promise<string[]> => {
    const unique = `${String(run++ % 10_000_000_000).padStart(UNIQUE_LENGTH - 1, '0')}:`
    const own = prefix + unique
    const symbols = new Map<string, bigint>()
    const regions = new Map<string, Located>()
    const background = new Map<string, { done: Answered | undefined; promise: Promise<Answered> }>()
    const problems: string[] = []

    const bytesOf = (value: Json): string => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        return bytesOf(value['fill']!).padEnd(Number(value['to']), 'x')
      const text = String(value)
      if (text === '^^') return end
      if (text.startsWith('@')) return own + text.slice(1)
      if (text.startsWith('^')) return prefix + text.slice(1)
      if (text.startsWith('0x')) return Buffer.from(text.slice(2), 'hex').latin1Slice()
      return text
    }
    const integerOf = (value: Json): bigint => {
      if (typeof value === 'number') return BigInt(value)
      const text = String(value)
      if (text === 'max') return MAX
      if (text === 'cluster_id') return clusterId
      const match = /^\$(\w+?)(?:([+-])(\d+)(ms|s)?)?$/.exec(text)
      if (!match) return BigInt(text)
      const [, name, sign, amount, unit] = match
      const at = symbols.get(name!)
      if (at === undefined) throw new Error(`no symbol ${name}`)
      if (amount === undefined) return at
      const by = BigInt(amount) * (unit === 's' ? 1000n << 18n : unit === 'ms' ? 1n << 18n : 1n)
      return sign === '-' ? at - by : at + by
    }
    const notation: Notation = { bytes: (from) => Buffer.from(bytesOf(from), 'latin1'), integer: integerOf, text: (from) => from }
    const build = (fields: Fields, json: JsonObject): Record<string, unknown> => messageOf(fields, json, notation)

    const shownTs = (value: bigint): string => {
      if (value === MAX) return 'max'
      const names = [...symbols.keys()].sort()
      for (const name of names) if (symbols.get(name) === value) return `$${name}`
      for (const name of names) {
        const by = value - symbols.get(name)!
        if (by >= -16n && by <= 16n) return `$${name}${by > 0n ? '+' : ''}${by}`
      }
      let below: string | undefined
      for (const name of names)
        if (symbols.get(name)! < value && (below === undefined || symbols.get(name)! > symbols.get(below)!)) below = name
      return below === undefined ? '$?' : `$>${below}`
    }
    const isPrintable = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)
    const shortened = (text: string): string =>
      text.length > 80 ? `bytes:${text.length}` : isPrintable(text) ? text : Buffer.from(text, 'latin1').toString('hex')
    const shownKey = (key: string): string | undefined => {
      if (key === end) return '^^'
      if (key.startsWith(own)) return `@${shortened(key.slice(own.length))}`
      if (key.startsWith(prefix)) return `^${shortened(key.slice(prefix.length))}`
      return undefined
    }
    const shownBytes = (bytes: Buffer): string => {
      const raw = bytes.latin1Slice()
      for (const [encoded, suffix] of [
        [raw, ''],
        [raw.slice(0, -8), '+ts'],
      ] as const) {
        const decoded = decodeKey(encoded)
        if (decoded === null || decoded === '' || encodeKey(decoded) !== encoded) continue
        const inner = shownKey(decoded)
        if (inner !== undefined) return `enc:${inner}${suffix}`
      }
      return shownKey(raw) ?? shortened(raw)
    }
    const shownBound = (bytes: Buffer): string => {
      const decoded = decodeKey(bytes.latin1Slice())
      return decoded?.startsWith(own) ? `enc:@${decoded.slice(own.length)}` : 'enc:*'
    }
    const write = (type: AnyMessage, message: Record<string, unknown>): JsonObject => {
      const hasBounds = type.name === 'metapb.Region' || type.name === 'errorpb.KeyNotInRegion'
      const one = (name: string, field: Field, value: unknown): Json => {
        switch (field.kind) {
          case 'message':
            return write(field.message!, value as Record<string, unknown>)
          case 'bytes':
            return hasBounds && (name === 'start_key' || name === 'end_key') ? shownBound(value as Buffer) : shownBytes(value as Buffer)
          case 'uint64':
          case 'int64':
            if (ANY_NUMBER.has(name) && value !== 0n) return '#'
            return (value as bigint) > TS_FLOOR ? shownTs(value as bigint) : Number(value)
          case 'enum':
            return Object.keys(field.values!).find((label) => field.values![label] === value) ?? Number(value)
          case 'string':
            return '~'
          default:
            return value as Json
        }
      }
      const out: JsonObject = {}
      for (const [name, field] of Object.entries(type.fields)) {
        const value = message[name]
        if (LEFT_OUT.has(name) || value === undefined) continue
        if (field.repeated) {
          let list = value as unknown[]
          if (list.length === 0) continue
          if (type.name === 'kvrpcpb.BatchGetResponse' && name === 'pairs') list = [...list].sort(byKey)
          // Recorded with one store; in other clusters a region has more peers.
          if (type.name === 'metapb.Region' && name === 'peers') list = list.slice(0, 1)
          out[name] = list.map((item) => one(name, field, item))
          continue
        }
        const isDefault = value === 0 || value === 0n || value === false || value === '' || (Buffer.isBuffer(value) && value.length === 0)
        if (!isDefault || (hasBounds && (name === 'start_key' || name === 'end_key'))) out[name] = one(name, field, value)
      }
      return out
    }
    type Pair = { key: Buffer; error?: { locked?: { key: Buffer } } }
    const byKey = (a: unknown, b: unknown): number => {
      const keyOf = (pair: Pair): Buffer => pair.error?.locked?.key ?? pair.key
      return Buffer.compare(keyOf(a as Pair), keyOf(b as Pair))
    }

    const hide = (value: Json, path: readonly string[]): void => {
      if (typeof value !== 'object' || value === null) return
      if (Array.isArray(value)) {
        for (const item of value) hide(item, path)
        return
      }
      const [first, ...rest] = path
      if (first === undefined || !(first in value)) return
      if (rest.length === 0) value[first] = '#'
      else hide(value[first]!, rest)
    }
    /** Of texts only that there is one is compared. */
    const blurred = (value: Json): Json => {
      if (typeof value === 'string') return value.startsWith('~') ? '~' : value
      if (Array.isArray(value)) return value.map(blurred)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(
        Object.keys(value)
          .sort()
          .map((name) => [name, blurred(value[name]!)]),
      )
    }
    const textsIn = (value: unknown): string[] => {
      if (typeof value === 'string') return [value]
      if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return []
      return Object.values(value).flatMap(textsIn)
    }

    // BatchCommands: one stream per store; when it ends, all that was sent on it has failed.
    let batchId = 0n
    const batches = new Map<bigint, { stream: TestStream; pending: Map<bigint, (answer: object | CallFailure) => void> }>()
    const batchOf = async (storeId: bigint) => {
      let open = batches.get(storeId)
      if (!open) {
        const client = await storeOf(storeId)
        const pending = new Map<bigint, (answer: object | CallFailure) => void>()
        const stream = client.stream(
          BatchCommands.path,
          (bytes) => {
            const { responses, request_ids } = BatchCommandsResponse.decode(bytes)
            for (const [i, one] of responses.entries()) {
              pending.get(request_ids[i]!)?.(one.cmd!.value)
              pending.delete(request_ids[i]!)
            }
          },
          (failure) => {
            batches.delete(storeId)
            for (const settle of pending.values()) settle(failure)
          },
        )
        open = { stream, pending }
        batches.set(storeId, open)
      }
      return open
    }
    const send = async (step: Step): Promise<Answered> => {
      const name = step.rpc as keyof typeof Tikv
      const method = Tikv[name]
      if (!method) throw new Error(`no rpc ${name}`)
      const request = build(method.request.fields, step.req ?? {})
      const started = performance.now()
      const answered = (message: object | undefined, failure?: CallFailure): Answered => ({
        message,
        failure,
        ms: performance.now() - started,
      })
      const routing = (): string => {
        if (step.at !== undefined) return bytesOf(step.at)
        const text = (value: unknown): string | undefined => (Buffer.isBuffer(value) && value.length > 0 ? value.latin1Slice() : undefined)
        const list = (value: unknown): unknown => (Array.isArray(value) ? value[0] : undefined)
        return (
          text(request['key']) ??
          text(list(request['keys'])) ??
          text((list(request['mutations']) as { key: Buffer } | undefined)?.key) ??
          text(list(request['split_keys'])) ??
          text(request['primary_key']) ??
          text(request['primary_lock']) ??
          text(request[request['reverse'] ? 'end_key' : 'start_key']) ??
          own
        )
      }
      const located = step.at?.startsWith('region:') ? regions.get(step.at.slice(7))! : await locate(routing())
      const context: Record<string, unknown> = { ...structuredClone(located), api_version: 2, keyspace_id: keyspaceId }
      const lay = (onto: Record<string, unknown>, json: JsonObject, fields: Fields): void => {
        for (const [field, value] of Object.entries(json)) {
          if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
            lay(onto[field] as Record<string, unknown>, value, fields[field]!.message!.fields)
          } else if (typeof value === 'string' && /^[+-]\d+$/.test(value)) {
            onto[field] = (onto[field] as bigint) + BigInt(value)
          } else {
            Object.assign(onto, build(fields, { [field]: value }))
          }
        }
      }
      lay(context, step.ctx ?? {}, Context.fields)
      request['context'] = context
      const label = BATCH_CASE[name as keyof typeof BATCH_CASE]
      try {
        if (batch && label !== undefined) {
          const { stream, pending } = await batchOf(located.peer.store_id)
          const id = ++batchId
          const answer = await new Promise<object | CallFailure>((resolve) => {
            pending.set(id, resolve)
            const message = { requests: [{ cmd: { case: label, value: request } }], request_ids: [id] }
            stream.send(BatchCommandsRequest.encode(message as Parameters<typeof BatchCommandsRequest.encode>[0]))
          })
          return 'code' in answer && typeof answer.code === 'string' ? answered(undefined, answer as CallFailure) : answered(answer)
        }
        const client = await storeOf(located.peer.store_id)
        const bytes = await client.unary(method.path, (method.request as unknown as AnyMessage).encode(request))
        return answered((method.response as unknown as AnyMessage).decode(bytes))
      } catch (error) {
        if (error instanceof FailedCall) return answered(undefined, error.failure)
        throw error
      }
    }
    const compare = (step: Step, answer: Answered, type: AnyMessage, what: string): void => {
      if (step.min_ms !== undefined && answer.ms < step.min_ms)
        problems.push(`${what}: answered after ${answer.ms} ms, at least ${step.min_ms} expected`)
      if (step.max_ms !== undefined && answer.ms > step.max_ms)
        problems.push(`${what}: answered after ${answer.ms} ms, at most ${step.max_ms} expected`)
      const expected = structuredClone(step.resp ?? {}) as JsonObject
      const actual: Json = answer.failure
        ? batch
          ? { failed: true }
          : { grpc: answer.failure.code, message: '~' }
        : write(type, answer.message as Record<string, unknown>)
      const wanted = batch && typeof expected['grpc'] === 'string' ? { failed: true } : expected
      for (const [symbol, path] of Object.entries(step.bind ?? {})) symbols.set(symbol, (answer.message as Record<string, bigint>)[path]!)
      for (const path of step.any ?? []) hide(actual, path.split('.'))
      const [got, want] = [JSON.stringify(blurred(actual)), JSON.stringify(blurred(wanted))]
      if (got !== want) problems.push(`${what}\n  got      ${got}\n  expected ${want}`)
      for (const text of step.text ?? [])
        if (!textsIn(answer.message).some((one) => one.includes(text))) problems.push(`${what}: no "${text}" in the answer`)
    }

    for (const [i, step] of scenario.steps.entries()) {
      const what = `step ${i + 1} ${step.rpc ?? step.await ?? ''} ${JSON.stringify(step.req ?? {}).slice(0, 200)}`
      if (step.ts !== undefined) {
        for (const name of [step.ts].flat()) symbols.set(name, await takeTs())
      } else if (step.sleep_ms !== undefined) {
        await sleep(step.sleep_ms)
      } else if (step.split !== undefined) {
        const key = bytesOf(step.split)
        const at = await locate(key)
        const client = await storeOf(at.peer.store_id)
        const { request, response: answer, path } = Tikv.SplitRegion
        const bytes = request.encode({ context: { ...at, api_version: 2 }, split_keys: [Buffer.from(key, 'latin1')] })
        const split = answer.decode(await client.unary(path, bytes))
        if (split.region_error) problems.push(`${what}: split failed: ${split.region_error.message}`)
        await sleep(150)
        for (let attempt = 0; attempt < 100 && (await locate(key)).region_epoch.version <= at.region_epoch.version; attempt++)
          await sleep(50)
      } else if (step.region !== undefined) {
        regions.set(step.region, await locate(bytesOf(step.of!)))
      } else if (step.pending !== undefined) {
        if (background.get(step.pending)!.done) problems.push(`${what}: ${step.pending} is answered already`)
      } else if (step.await !== undefined) {
        const entry = background.get(step.await)!
        compare(step, await entry.promise, Tikv.KvPessimisticLock.response as unknown as AnyMessage, what)
      } else if (step.bg !== undefined) {
        const entry: { done: Answered | undefined; promise: Promise<Answered> } = { done: undefined, promise: send(step) }
        background.set(step.bg, entry)
        entry.promise.then(
          (answer) => {
            entry.done = answer
          },
          () => {},
        )
      } else {
        const answer = await send(step)
        compare(step, answer, Tikv[step.rpc as keyof typeof Tikv].response as unknown as AnyMessage, what)
      }
    }
    for (const { stream } of batches.values()) stream.close()
    return problems
  }
  return {
    play,
    close() {
      tsoStream?.close()
      pd.close()
      for (const client of stores.values()) client.close()
    },
  }
}
