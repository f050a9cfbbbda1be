// Timestamps: one stream to PD's leader, one request per turn of the event loop for all who wait. A timestamp goes to one caller only, and only to
// callers who asked before the request for it was sent. // hot

import { KvError } from '../kv-error.ts'
import { Backoff } from './backoff.ts'
import { GRPC, type MessageStream, RpcError } from './grpc.ts'
import type { PdClient } from './pd.ts'
import { Tso, TsoRequest, TsoResponse } from './proto/pdpb.ts'

interface Waiter {
  resolve(ts: bigint): void
  reject(error: Error): void
  readonly since: number
}

const MAX_BATCH = 10_000
const MAX_OUTSTANDING = 64
const BUDGET_MS = 20_000
const STUCK_MS = 3000
const LOGICAL_BITS = 18n

/** Milliseconds since the Unix epoch of a timestamp. */
export const physicalOf = (ts: bigint): number => Number(ts >> LOGICAL_BITS)

export class TimestampOracle {
  readonly #pd: PdClient
  /** The newest timestamp received. */
  newest = 0n
  /** When it came, performance.now(). */
  #newestAt = 0
  #waiting: Waiter[] = []
  #scheduled = false
  #stream: MessageStream | null = null
  #sent: { waiters: Waiter[]; at: number }[] = []
  #recovering = false
  #backoff: Backoff | null = null
  #watchdog: NodeJS.Timeout | null = null

  constructor(pd: PdClient) {
    this.#pd = pd
    pd.onLeader(() => this.#drop(new RpcError(GRPC.UNAVAILABLE, 'another PD member leads', false)))
  }

  next(): Promise<bigint> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, since: performance.now() })
      this.#schedule()
    })
  }

  /** About now on PD's clock, ms: for judging ages only, never for reading. */
  approximateNow(): number {
    return physicalOf(this.newest) + (performance.now() - this.#newestAt)
  }

  #schedule(): void {
    if (this.#scheduled || this.#recovering) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#sent.length < MAX_OUTSTANDING && !this.#recovering) {
      const waiters = this.#waiting.length > MAX_BATCH ? this.#waiting.splice(0, MAX_BATCH) : this.#waiting
      if (waiters === this.#waiting) this.#waiting = []
      this.#sent.push({ waiters, at: performance.now() })
      try {
        this.#stream ??= this.#open()
        this.#stream.send(TsoRequest.encode({ header: { cluster_id: this.#pd.clusterId }, count: waiters.length }))
      } catch (error) {
        this.#drop(error as Error)
        return
      }
      this.#watchdog ??= setInterval(() => this.#watch(), 500)
    }
  }

  #watch(): void {
    const oldest = this.#sent[0]
    if (oldest === undefined) {
      if (this.#watchdog !== null) clearInterval(this.#watchdog)
      this.#watchdog = null
    } else if (performance.now() - oldest.at > STUCK_MS) this.#drop(new RpcError(GRPC.DEADLINE_EXCEEDED, 'PD gives no timestamps', false))
  }

  #open(): MessageStream {
    const stream: MessageStream = this.#pd.leader().stream(Tso.path, {
      message: (bytes) => {
        if (this.#stream === stream) this.#receive(bytes)
      },
      ended: (error) => {
        if (this.#stream === stream) this.#drop(error)
      },
    })
    return stream
  }

  #receive(bytes: Buffer): void {
    const { header, count, timestamp } = TsoResponse.decode(bytes)
    const batch = this.#sent[0]
    if (header?.error !== undefined && header.error.type !== 0) {
      this.#drop(new RpcError(GRPC.UNAVAILABLE, header.error.message, false))
      return
    }
    if (batch === undefined || timestamp === undefined || count !== batch.waiters.length) {
      this.#drop(new RpcError(GRPC.INTERNAL, 'PD answered another number of timestamps than asked for', false))
      return
    }
    this.#sent.shift()
    this.#backoff = null
    const last = (timestamp.physical << LOGICAL_BITS) + timestamp.logical
    const first = last - BigInt(count - 1)
    if (first <= this.newest) {
      const error = new KvError('corrupt', `timestamps went back from ${this.newest} to ${first}: two clusters?`)
      for (const waiter of batch.waiters) waiter.reject(error)
      return
    }
    this.newest = last
    this.#newestAt = performance.now()
    let ts = first
    for (const waiter of batch.waiters) waiter.resolve(ts++)
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** The stream is of no use any more; who waits is served by the next one, within the budget. */
  #drop(error: Error): void {
    const stream = this.#stream
    this.#stream = null
    stream?.close()
    const again = this.#sent.flatMap((batch) => batch.waiters)
    this.#sent = []
    this.#waiting = [...again, ...this.#waiting]
    if (this.#waiting.length > 0) void this.#recover(error)
  }

  async #recover(error: Error): Promise<void> {
    if (this.#recovering) return
    this.#recovering = true
    try {
      this.#backoff ??= new Backoff(BUDGET_MS)
      if (this.#pd.closed) throw new KvError('closed', 'the store is closed')
      await this.#pd.recover(this.#backoff, error)
    } catch (spent) {
      this.#backoff = null
      for (const waiter of this.#waiting.splice(0)) waiter.reject(spent as Error)
    }
    const now = performance.now()
    this.#waiting = this.#waiting.filter((waiter) => {
      if (now - waiter.since < BUDGET_MS) return true
      waiter.reject(new KvError('unavailable', `PD gives no timestamps: ${error.message}`))
      return false
    })
    this.#recovering = false
    if (this.#waiting.length > 0) this.#schedule()
  }

  close(): void {
    if (this.#watchdog !== null) clearInterval(this.#watchdog)
    this.#watchdog = null
    const stream = this.#stream
    this.#stream = null
    stream?.close()
    const error = new KvError('closed', 'the store is closed')
    for (const waiter of [...this.#sent.flatMap((batch) => batch.waiters), ...this.#waiting]) waiter.reject(error)
    this.#sent = []
    this.#waiting = []
  }
}
