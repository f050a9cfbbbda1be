// The control interface of the fake: what tests do to a cluster from outside. POST, JSON answers; keys are hex of the prefixed key.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fake } from './fake.ts'
import { encodeKey, fromHex, toHex } from './keys.ts'
import { peerOn, type Region } from './regions.ts'

class Refused extends Error {
  override name = 'Refused'
}

type Command = (fake: Fake, query: URLSearchParams, body: string) => unknown | Promise<unknown>

const number = (query: URLSearchParams, name: string): bigint => {
  const text = query.get(name) ?? ''
  if (!/^\d+$/.test(text)) throw new Refused(`${name} must be a number`)
  return BigInt(text)
}
const regionOf = (fake: Fake, query: URLSearchParams): Region => {
  const region = fake.cluster.regions.byId(number(query, 'region'))
  if (!region) throw new Refused('no such region')
  return region
}
const shown = (region: Region): object => ({
  id: Number(region.id),
  start: toHex(region.start),
  end: toHex(region.end),
  leader_store: Number(region.leader),
})

const COMMANDS: Readonly<Record<string, Command>> = {
  '/regions': (fake) => fake.cluster.regions.all().map(shown),
  '/split'(fake, query) {
    const hex = query.get('key') ?? ''
    if (!/^([0-9a-fA-F]{2})+$/.test(hex)) throw new Refused('key must be hex')
    const key = encodeKey(fromHex(hex))
    fake.cluster.split(fake.cluster.regions.find(key), [key])
    return { regions: fake.cluster.regions.all().length }
  },
  '/merge'(fake, query) {
    const merged = fake.cluster.merge(regionOf(fake, query))
    if (!merged) throw new Refused('the last region has no right neighbour')
    return shown(merged)
  },
  '/leader'(fake, query) {
    const region = regionOf(fake, query)
    const store = number(query, 'store')
    if (!peerOn(region, store)) throw new Refused('the region has no peer on that store')
    if (region.leader !== store) fake.cluster.setLeader(region, store)
    return shown(region)
  },
  '/noleader'(fake, query) {
    const region = regionOf(fake, query)
    fake.cluster.removeLeader(region)
    return shown(region)
  },
  async '/kill'(fake, query) {
    await fake.killStore(number(query, 'store'))
    return {}
  },
  async '/start'(fake, query) {
    await fake.startStore(number(query, 'store'))
    return {}
  },
  async '/kill-pd'(fake) {
    await fake.killPd()
    return {}
  },
  async '/start-pd'(fake) {
    await fake.startPd()
    return {}
  },
  '/tso'(fake, query) {
    fake.cluster.tso.advance(Number(number(query, 'advance_ms')))
    return {}
  },
  '/fault'(fake, _query, body) {
    fake.faults.add(JSON.parse(body) as Record<string, unknown>)
    return {}
  },
  '/log': (fake) => ({ counts: fake.faults.counts(), pd: fake.faults.pdCounts() }),
  '/reset'(fake) {
    fake.faults.reset()
    return {}
  },
}

const MAX_BODY = 1024 * 1024

export function answerControl(fake: Fake, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > MAX_BODY) request.destroy()
    else chunks.push(chunk)
  })
  request.on('error', () => response.destroy())
  const answer = (status: number, value: unknown): void => {
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  const fail = (error: unknown): void => {
    const isUsers = error instanceof Refused || error instanceof SyntaxError || error instanceof TypeError
    answer(isUsers ? 400 : 500, { error: error instanceof Error ? error.message : String(error) })
  }
  request.on('end', () => {
    const url = new URL(request.url ?? '/', 'http://control')
    const command = COMMANDS[url.pathname]
    if (command === undefined) {
      answer(404, { error: 'no such command' })
      return
    }
    try {
      const result = command(fake, url.searchParams, Buffer.concat(chunks).utf8Slice())
      if (result instanceof Promise) result.then((value) => answer(200, value), fail)
      else answer(200, result)
    } catch (error) {
      fail(error)
    }
  })
}
