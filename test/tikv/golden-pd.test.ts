// What a real PD answered over gRPC and HTTP, from its first start on, played against the fake in the recorded order: alone, with its first
// store, and with that store settled. Not played: the answers of followers, since the fake has one PD.

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as keyspacepb from '../../src/storage/tikv/proto/keyspacepb.ts'
import type { AnyMessage, Field, Fields } from '../../src/storage/tikv/proto/message.ts'
import * as pdpb from '../../src/storage/tikv/proto/pdpb.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { type CallFailure, connect, FailedCall, type TestClient, type TestStream } from '../support/grpc-client.ts'
import { type Json, type JsonObject, messageOf, type Notation } from './golden-message.ts'

interface GrpcEntry {
  readonly seq?: number
  readonly phase: string
  readonly name: string
  readonly method: string
  readonly request?: JsonObject
  readonly response?: JsonObject
  readonly grpc_status?: { code: string; message: string }
  readonly stream?: readonly { send?: Json; receive?: Json; end?: { code: string; message: string } | null; after?: string }[]
}
interface HttpEntry {
  readonly seq?: number
  readonly phase: string
  readonly name: string
  readonly method: string
  readonly path: string
  readonly body?: Json
  readonly body_text?: string
  readonly status: number
  readonly content_type: string | null
  readonly response: string
}

const fixtures = new URL('../fixtures/tikv-golden/', import.meta.url)
const load = <T>(name: string): T[] => JSON.parse(readFileSync(new URL(name, fixtures), 'utf8')) as T[]
const grpcEntries = load<GrpcEntry>('pd-grpc.json').filter((entry) => entry.phase !== 'follower')
const httpEntries = load<HttpEntry>('pd-http.json').filter((entry) => entry.phase !== 'follower')
type Entry = ({ kind: 'grpc' } & GrpcEntry) | ({ kind: 'http' } & HttpEntry)
const entries: Entry[] = [
  ...grpcEntries.map((entry) => ({ kind: 'grpc' as const, ...entry })),
  ...httpEntries.map((entry) => ({ kind: 'http' as const, ...entry })),
].sort((a, b) => a.seq! - b.seq!)

const methods = new Map<string, { request: AnyMessage; response: AnyMessage }>()
for (const one of [...Object.values(pdpb.PD), ...Object.values(keyspacepb.Keyspace), pdpb.Tso, keyspacepb.WatchKeyspaces])
  methods.set(one.path, one as unknown as { request: AnyMessage; response: AnyMessage })

const LISTS_WITHOUT_ORDER = new Set(['stores', 'regions_id'])
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

// $$word is anything; $word is bound where it first appears and the same ever after.
const bound = new Map<string, string>()
bound.set('future_ts', String((BigInt(Date.now()) << 18n) * 2n))

/** Binds the marks of a recorded text to what stands there; the difference, if there is one. */
function matchText(expected: string, actual: string, where: string): string | undefined {
  const names: string[] = []
  const here = new Map<string, number>()
  let pattern = ''
  for (const part of expected.split(/(\$\$?[a-z_]+\d*)/)) {
    const mark = /^(\$\$?)([a-z_]+\d*)$/.exec(part)
    if (!mark) pattern += part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    else if (mark[1] === '$$') pattern += mark[2] === 'any' ? '(?:[^{}\\[\\]]|\\{[^{}]*\\})*?' : '[^"]*?'
    else if (bound.has(mark[2]!)) pattern += bound.get(mark[2]!)!.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    else if (here.has(mark[2]!)) pattern += `\\${here.get(mark[2]!)}`
    else {
      names.push(mark[2]!)
      here.set(mark[2]!, names.length)
      pattern += '([^"]+?)'
    }
  }
  const match = new RegExp(`^${pattern}$`, 's').exec(actual)
  if (!match) return `${where}: expected ${expected}\n  got ${actual}`
  for (const [i, name] of names.entries()) bound.set(name, match[i + 1]!)
  return undefined
}

function matchJson(expected: Json, actual: Json | undefined, where: string): string | undefined {
  if (typeof expected === 'string' && /^\$\$[a-z_]+$/.test(expected)) return actual === undefined ? `${where}: missing` : undefined
  if (typeof expected === 'string' && typeof actual === 'string') return matchText(expected, actual, where)
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length) return `${where}: ${expected.length} expected, got ${actual.length}: ${JSON.stringify(actual)}`
    if (!LISTS_WITHOUT_ORDER.has(where.split('.').at(-1)!)) {
      for (const [i, one] of expected.entries()) {
        const problem = matchJson(one, actual[i], `${where}[${i}]`)
        if (problem) return problem
      }
      return undefined
    }
    const left = [...actual]
    for (const one of expected) {
      const at = left.findIndex((candidate) => matchJson(one, candidate, where) === undefined)
      if (at < 0) return `${where}: nothing matches ${JSON.stringify(one)} in ${JSON.stringify(left)}`
      left.splice(at, 1)
    }
    return undefined
  }
  if (typeof expected === 'object' && expected !== null && typeof actual === 'object' && actual !== null && !Array.isArray(actual)) {
    const e = expected as JsonObject
    for (const name of new Set([...Object.keys(e), ...Object.keys(actual)])) {
      if (!(name in e)) return `${where}.${name}: not expected, got ${JSON.stringify(actual[name])}`
      const problem = matchJson(e[name]!, actual[name], `${where}.${name}`)
      if (problem) return problem
    }
    return undefined
  }
  return expected === actual ? undefined : `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`
}

/** Puts what marks are bound to in their place. */
const filled = (text: string): string => text.replace(/\$([a-z_]+\d*)/g, (mark, name: string) => bound.get(name) ?? mark)

/** Bytes in hex; marks in texts and numbers. */
const NOTATION: Notation = {
  bytes: (from) => Buffer.from(String(from), 'hex'),
  integer: (from) => BigInt(filled(String(from))),
  text: filled,
}
const build = (fields: Fields, json: JsonObject): Record<string, unknown> => messageOf(fields, json, NOTATION)

/** A message as the recordings write it: defaults left out, bytes in hex, 64-bit numbers as text, enums by name. */
function write(type: AnyMessage, message: Record<string, unknown>): JsonObject {
  const one = (field: Field, value: unknown): Json => {
    switch (field.kind) {
      case 'message':
        return write(field.message!, value as Record<string, unknown>)
      case 'bytes':
        return (value as Buffer).toString('hex')
      case 'uint64':
      case 'int64':
        return String(value)
      case 'enum':
        return Object.keys(field.values!).find((label) => field.values![label] === value) ?? Number(value)
      case 'map':
        return Object.fromEntries(value as Map<string, string>)
      default:
        return value as Json
    }
  }
  const out: JsonObject = {}
  for (const [name, field] of Object.entries(type.fields)) {
    const value = message[name]
    if (value === undefined) continue
    if (field.repeated) {
      const list = value as unknown[]
      if (list.length > 0) out[name] = list.map((item) => one(field, item))
      continue
    }
    const isDefault =
      value === 0 ||
      value === 0n ||
      value === false ||
      value === '' ||
      (Buffer.isBuffer(value) && value.length === 0) ||
      (value instanceof Map && value.size === 0)
    if (!isDefault) out[name] = one(field, value)
  }
  return out
}

let fake: Fake
let client: TestClient
const header = (): JsonObject => ({ cluster_id: '$cluster_id' })

/** A stream whose messages and end are taken one by one. */
function openStream(path: string) {
  const events: (Buffer | CallFailure)[] = []
  let wake: (() => void) | undefined
  const note = (event: Buffer | CallFailure): void => {
    events.push(event)
    wake?.()
  }
  const stream: TestStream = client.stream(path, note, note)
  return {
    stream,
    async next(ms: number): Promise<Buffer | CallFailure | undefined> {
      const deadline = Date.now() + ms
      while (events.length === 0 && Date.now() < deadline) {
        await new Promise<void>((resolve) => {
          wake = resolve
          setTimeout(resolve, Math.max(1, deadline - Date.now()))
        })
      }
      return events.shift()
    },
  }
}
type Opened = ReturnType<typeof openStream>
let watch: { opened: Opened; steps: NonNullable<GrpcEntry['stream']> } | undefined

async function playStream(entry: GrpcEntry): Promise<string | undefined> {
  const { request, response } = methods.get(entry.method)!
  const opened = openStream(entry.method)
  if (entry.name === 'watch-keyspaces') {
    opened.stream.send(request.encode(build(request.fields, { header: header() })))
    opened.stream.halfClose()
    watch = { opened, steps: entry.stream! }
    return await playWatch('open')
  }
  for (const [i, step] of entry.stream!.entries()) {
    if (step.send === 'half-close') opened.stream.halfClose()
    else if (step.send !== undefined)
      opened.stream.send(request.encode(build(request.fields, { header: header(), ...(step.send as JsonObject) })))
    const event = await opened.next(5000)
    if (step.end) {
      if (event === undefined || Buffer.isBuffer(event)) return `step ${i}: the stream goes on`
      return matchJson(step.end as unknown as Json, event as unknown as Json, `step ${i} end`)
    }
    if (!Buffer.isBuffer(event)) return `step ${i}: no message, ${JSON.stringify(event)}`
    const problem = matchJson(
      { header: header(), ...(step.receive as JsonObject) },
      write(response, response.decode(event) as never),
      `step ${i}`,
    )
    if (problem) return problem
  }
  opened.stream.close()
  return undefined
}

/** What the open watch has to say after an entry. Messages of entries that are not listed are passed over first. */
async function playWatch(after: string): Promise<string | undefined> {
  if (!watch) return undefined
  const { response } = keyspacepb.WatchKeyspaces as unknown as { response: AnyMessage }
  for (const step of watch.steps.filter((one) => one.after === after)) {
    if (step.receive === null) {
      const event = await watch.opened.next(300)
      if (event !== undefined) return `watch after ${after}: one message too many`
      continue
    }
    const event = await watch.opened.next(3000)
    if (!Buffer.isBuffer(event)) return `watch after ${after}: no message`
    const problem = matchJson(
      { header: header(), ...(step.receive as JsonObject) },
      write(response, response.decode(event) as never),
      `watch after ${after}`,
    )
    if (problem) return problem
  }
  return undefined
}

async function playGrpc(entry: GrpcEntry): Promise<string | undefined> {
  if (entry.stream) return await playStream(entry)
  const method = methods.get(entry.method)
  const bytes = method ? method.request.encode(build(method.request.fields, entry.request ?? {})) : Buffer.alloc(0)
  try {
    const answer = await client.unary(entry.method, bytes)
    if (entry.grpc_status) return `answered, but ${JSON.stringify(entry.grpc_status)} expected`
    return matchJson(entry.response ?? {}, write(method!.response, method!.response.decode(answer) as never), 'answer')
  } catch (error) {
    if (!(error instanceof FailedCall)) throw error
    if (!entry.grpc_status) return `failed: ${error.message}`
    return matchJson(entry.grpc_status as unknown as Json, error.failure as unknown as Json, 'status')
  }
}

async function playHttp(entry: HttpEntry): Promise<string | undefined> {
  const body =
    entry.body_text ??
    (entry.body === null || entry.body === undefined
      ? undefined
      : filled(JSON.stringify(entry.body)).replace(/"region_id":"(\d+)"/, '"region_id":$1'))
  const response = await fetch(`http://${fake.pdAddress}${filled(entry.path)}`, {
    method: entry.method,
    redirect: 'manual',
    ...(body === undefined ? {} : { body, headers: { 'Content-Type': 'application/json' } }),
  })
  const text = await response.text()
  if (response.status !== entry.status) return `status ${response.status}, ${entry.status} expected: ${text}`
  if (response.headers.get('content-type') !== entry.content_type)
    return `content type ${response.headers.get('content-type')}, ${entry.content_type} expected`
  return matchText(entry.response, text, 'body')
}

async function drainWatch(): Promise<void> {
  if (watch)
    while ((await watch.opened.next(20)) !== undefined) {
      // Messages of entries that the recording does not list.
    }
}

const SETTLE_MS = 1500

async function reach(phase: string): Promise<void> {
  if (phase === 'bootstrapped') {
    await fake.addStore(
      new Map([
        ['zone', 'z1'],
        ['host', 'h1'],
      ]),
      SETTLE_MS,
    )
    return
  }
  for (let attempt = 0; attempt < 200; attempt++) {
    const { path, request, response } = keyspacepb.Keyspace.LoadKeyspace
    const bytes = request.encode({ header: { cluster_id: BigInt(bound.get('cluster_id')!) }, name: 'DEFAULT' })
    if (!response.decode(await client.unary(path, bytes)).header?.error) return
    await sleep(50)
  }
  throw new Error('DEFAULT is not split')
}

beforeAll(async () => {
  fake = await startFake({ stores: 0, keyspaces: [], pdPort: 0, seed: 1 })
  client = connect(fake.pdAddress)
})
afterAll(async () => {
  watch?.opened.stream.close()
  client.close()
  await fake.close()
})

test('all recordings are here', () => {
  expect([grpcEntries.length, httpEntries.length]).toEqual([GRPC_COUNT, HTTP_COUNT])
})

/** Without the followers' answers. */
const GRPC_COUNT = 193
const HTTP_COUNT = 245

const watched = new Set(grpcEntries.flatMap((entry) => (entry.stream ?? []).map((step) => step.after)))

describe.each(['pd-alone', 'bootstrapped', 'one-tikv'])('%s', (phase) => {
  beforeAll(async () => {
    if (phase !== 'pd-alone') await reach(phase)
  })
  test.each(entries.filter((entry) => entry.phase === phase).map((entry) => [`${entry.seq} ${entry.kind} ${entry.name}`, entry] as const))(
    '%s',
    async (_label, entry) => {
      if (watched.has(entry.name)) await drainWatch()
      if (entry.name === 'gc-list-after-expiry') await sleep(2200)
      if (entry.name === 'store-tombstone' && entry.kind === 'grpc') await sleep(2000)
      const problem = entry.kind === 'grpc' ? await playGrpc(entry) : await playHttp(entry)
      expect(problem).toBeUndefined()
      if (entry.kind === 'http' && watched.has(entry.name)) expect(await playWatch(entry.name)).toBeUndefined()
    },
  )
})
