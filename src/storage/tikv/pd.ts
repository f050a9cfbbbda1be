// The placement driver: which member leads, unary calls to it with fail-over, and its HTTP API. The cluster's id is learnt once; another id later is
// another cluster, and nothing is sent to it any more.

import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import { Channel, GRPC, RpcError, type TlsOptions } from './grpc.ts'
import { Range } from './proto/etcdpb.ts'
import type { Decoded, Fields, Init, Method } from './proto/message.ts'
import { ErrorType, PD, type PdError } from './proto/pdpb.ts'

/** An answer in the placement driver's own words. */
export class PdRefusal extends Error {
  readonly type: number

  constructor(type: number, message: string) {
    super(message)
    this.name = 'PdRefusal'
    this.type = type
  }
}

export interface TikvLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void
  warn(message: string, fields: Readonly<Record<string, unknown>>): void
}

const MEMBERS_TIMEOUT_MS = 3000
/** Whoever has not answered so long after another did is not waited for. */
const MEMBERS_GRACE_MS = 500
const CALL_TIMEOUT_MS = 5000
const HTTP_TIMEOUT_MS = 40_000
const REFRESH_MS = 60_000
const NOT_LEADER = /no leader|not leader|mismatch leader|is not served|not primary|not started|requested pd is not leader/i

const hostOf = (url: string): string => url.replace(/^[a-z]+:\/\//, '').replace(/\/.*$/, '')

interface MemberSaid {
  readonly leader: string
  readonly urls: readonly string[]
  readonly from: string
}

export class PdClient {
  readonly tls: TlsOptions | null
  readonly log: TikvLog
  clusterId = 0n
  readonly #configured: readonly string[]
  /** Whom to ask who leads: those first who answered last time. */
  #endpoints: readonly string[]
  #leader: Channel | null = null
  readonly #channels = new Map<string, Channel>()
  #refreshing: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null
  #closed = false
  readonly #leaderListeners = new Set<() => void>()

  constructor(endpoints: readonly string[], tls: TlsOptions | null, log: TikvLog) {
    this.#configured = endpoints.map(hostOf)
    this.#endpoints = this.#configured
    this.tls = tls
    this.log = log
  }

  async start(waitMs: number = BUDGET.pd): Promise<void> {
    const backoff = new Backoff(waitMs)
    for (;;) {
      try {
        await this.refresh()
        break
      } catch (error) {
        if (this.#closed) throw error
        await backoff.wait('pdRpc', (error as Error).message)
      }
    }
    this.#timer = setInterval(() => {
      this.refresh().catch((error: Error) => this.log.warn('PD members cannot be read', { error: error.message }))
    }, REFRESH_MS)
    this.#timer.unref()
  }

  /** Calls back whenever another member leads; answers how to stop. */
  onLeader(listener: () => void): () => void {
    this.#leaderListeners.add(listener)
    return () => this.#leaderListeners.delete(listener)
  }

  #channel(address: string): Channel {
    let channel = this.#channels.get(address)
    if (channel === undefined) {
      channel = new Channel(address, this.tls)
      this.#channels.set(address, channel)
    }
    return channel
  }

  /** Asks the members who leads. One such question at a time. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#discover().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  async #discover(): Promise<void> {
    const asked = this.#endpoints
    const { seen, failed } = await this.#membersSeen(asked)
    const answered = new Set(seen.map(({ from }) => from))
    // Members may go on naming a leader that died or hangs: one that answers us itself is believed first.
    const best = seen.find(({ leader }) => answered.has(leader)) ?? seen.find(({ leader }) => !asked.includes(leader))
    if (best === undefined) {
      this.#leader = null
      throw new KvError('unavailable', `no PD leader among ${asked.join(', ')}: ${failed}`)
    }
    this.#endpoints = [...new Set([...answered, ...best.urls, ...this.#configured])]
    if (this.#leader?.address === best.leader) return
    this.#leader = this.#channel(best.leader)
    this.log.info('PD leader', { address: best.leader, members: this.#endpoints.length })
    for (const listener of this.#leaderListeners) listener()
  }

  /** What members say: of all who are asked, or of those who have answered when one of them leads, or a while after the first. */
  #membersSeen(asked: readonly string[]): Promise<{ seen: readonly MemberSaid[]; failed: string }> {
    return new Promise((resolve, reject) => {
      const seen: MemberSaid[] = []
      let failed = 'none has answered yet'
      let left = asked.length
      let grace: NodeJS.Timeout | null = null
      const finish = (): void => {
        if (grace !== null) clearTimeout(grace)
        resolve({ seen: [...seen], failed })
      }
      const answered = (one: MemberSaid): void => {
        seen.push(one)
        if (seen.some(({ leader }) => seen.some(({ from }) => from === leader))) finish()
        else grace ??= setTimeout(finish, MEMBERS_GRACE_MS)
      }
      for (const address of asked) {
        this.#askMembers(address)
          .then(
            (said) => {
              if (said !== null) answered({ ...said, from: address })
            },
            (error: Error) => {
              // Of another cluster.
              if (error instanceof KvError) reject(error)
              else failed = error.message
            },
          )
          .finally(() => {
            if (--left === 0) finish()
          })
      }
    })
  }

  async #askMembers(address: string): Promise<{ leader: string; urls: string[] } | null> {
    const method = PD.GetMembers
    const answer = method.response.decode(await this.#channel(address).unary(method.path, method.request.encode({}), MEMBERS_TIMEOUT_MS))
    const id = answer.header?.cluster_id ?? 0n
    if (id === 0n || answer.leader === undefined || answer.leader.client_urls.length === 0) return null
    if (this.clusterId === 0n) this.clusterId = id
    else if (this.clusterId !== id) {
      throw new KvError('unavailable', `PD at ${address} belongs to cluster ${id}, not to cluster ${this.clusterId}`)
    }
    return { leader: hostOf(answer.leader.client_urls[0]!), urls: answer.members.flatMap((member) => member.client_urls.map(hostOf)) }
  }

  /** The leader's connection. */
  leader(): Channel {
    if (this.#closed) throw new KvError('closed', 'the store is closed')
    if (this.#leader === null) throw new RpcError(GRPC.UNAVAILABLE, 'no PD leader is known', false)
    return this.#leader
  }

  /** Calls the leader until it answers or the budget ends. Throws PdRefusal for errors in the answer's header. */
  async call<Q extends Fields, S extends Fields>(
    method: Method<Q, S>,
    init: Init<Q>,
    options: { budgetMs?: number; timeoutMs?: number } = {},
  ): Promise<Decoded<S>> {
    const backoff = new Backoff(options.budgetMs ?? BUDGET.pd)
    for (;;) {
      try {
        const request = method.request.encode({ ...init, header: { cluster_id: this.clusterId } } as Init<Q>)
        const answer = method.response.decode(await this.leader().unary(method.path, request, options.timeoutMs ?? CALL_TIMEOUT_MS))
        const error = (answer as { header?: { error?: PdError } }).header?.error
        if (error !== undefined && error.type !== ErrorType.OK) {
          if (!NOT_LEADER.test(error.message)) throw new PdRefusal(error.type, error.message)
          throw new RpcError(GRPC.UNAVAILABLE, error.message, false)
        }
        return answer
      } catch (error) {
        if (!(error instanceof RpcError)) throw error
        if (this.#closed) throw new KvError('closed', 'the store is closed')
        const isTransient =
          error.code === GRPC.UNAVAILABLE ||
          error.code === GRPC.DEADLINE_EXCEEDED ||
          error.code === GRPC.CANCELLED ||
          error.code === GRPC.INTERNAL ||
          NOT_LEADER.test(error.message)
        if (!isTransient) throw new KvError('unavailable', `PD refused ${method.path}: ${error.message}`, { cause: error })
        await this.recover(backoff, error)
      }
    }
  }

  /** Keys in PD's etcd under a prefix of plain text. */
  async countKeys(prefix: string): Promise<number> {
    const end = Buffer.from(prefix)
    end[end.length - 1]! += 1
    const request = Range.request.encode({ key: Buffer.from(prefix), range_end: end, count_only: true })
    return Number(Range.response.decode(await this.leader().unary(Range.path, request, CALL_TIMEOUT_MS)).count)
  }

  /** After a failed call: waits, then looks who leads. */
  async recover(backoff: Backoff, error: Error): Promise<void> {
    await backoff.wait('pdRpc', `PD: ${error.message}`)
    try {
      await this.refresh()
    } catch (refused) {
      if (refused instanceof KvError && refused.message.includes('belongs to cluster')) throw refused
      // Nobody leads yet: the caller's budget decides how long to go on.
    }
  }

  /** One request to the HTTP API, at whichever member answers. `status` 0: none does. */
  async http(verb: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    let last: { status: number; text: string } = { status: 0, text: 'no PD endpoint' }
    const first = this.#leader?.address
    const order = first === undefined ? this.#endpoints : [first, ...this.#endpoints.filter((address) => address !== first)]
    for (const address of order) {
      try {
        last = await this.#httpAt(address, verb, path, body)
        if (last.status !== 503) return last
      } catch (error) {
        last = { status: 0, text: `${address}: ${(error as Error).message}` }
      }
    }
    return last
  }

  #httpAt(address: string, verb: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    const split = address.lastIndexOf(':')
    const text = body === undefined ? null : JSON.stringify(body)
    const options: RequestOptions & TlsOptions = {
      host: address.slice(0, split).replace(/^\[|\]$/g, ''),
      port: Number(address.slice(split + 1)),
      path,
      method: verb,
      timeout: HTTP_TIMEOUT_MS,
      agent: false,
      headers: text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      ...(this.tls ?? {}),
    }
    return new Promise((resolve, reject) => {
      const request = (this.tls === null ? httpRequest : httpsRequest)(options, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }))
        response.on('error', reject)
      })
      request.on('timeout', () => request.destroy(new Error(`no answer within ${HTTP_TIMEOUT_MS} ms`)))
      request.on('error', reject)
      request.end(text ?? undefined)
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    for (const channel of this.#channels.values()) channel.close()
  }
}
