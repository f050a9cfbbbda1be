// What all keyspaces of one cluster share: placement driver, timestamps, region cache and connections, lock resolver, and the background work
// that a clean end waits for.

import { randomUUID } from 'node:crypto'
import { LIMITS } from '../../base/limits.ts'
import type { TlsOptions } from './grpc.ts'
import { LockResolver } from './lock-resolver.ts'
import { PdClient, type TikvLog } from './pd.ts'
import { Router } from './router.ts'
import { SAFE_POINT_DEFAULTS, type SafePointOptions, SafePoints } from './safe-points.ts'
import { TimestampOracle } from './tso.ts'

export interface EngineOptions {
  readonly pdEndpoints: readonly string[]
  readonly tls?: TlsOptions
  readonly log?: TikvLog
  /** False: one gRPC call per request instead of BatchCommands. */
  readonly batching?: boolean
  /** How long the start may wait for the cluster, ms. */
  readonly startTimeoutMs?: number
  /** Bytes that one transaction's writes may take up in memory until its commit, and those of all together. */
  readonly maxTransactionBytes?: number
  readonly maxBufferedBytes?: number
  readonly safePoints?: SafePointOptions
}

const silent: TikvLog = { info: () => {}, warn: () => {} }
const DRAIN_MS = 5000

export class Engine {
  readonly pd: PdClient
  readonly oracle: TimestampOracle
  readonly router: Router
  readonly resolver: LockResolver
  readonly safePoints: SafePoints
  /** This process, among all that work on the cluster. */
  readonly node = randomUUID()
  readonly log: TikvLog
  readonly maxTransactionBytes: number
  readonly maxBufferedBytes: number
  /** Bytes of writes that wait for their commits. */
  bufferedBytes = 0
  readonly #startTimeoutMs: number | undefined
  readonly #background = new Set<Promise<void>>()
  closed = false

  constructor(options: EngineOptions) {
    const tls = options.tls ?? null
    this.log = options.log ?? silent
    this.pd = new PdClient(options.pdEndpoints, tls, this.log)
    this.oracle = new TimestampOracle(this.pd)
    this.router = new Router(this.pd, this.oracle, { tls, batching: options.batching ?? true })
    this.resolver = new LockResolver(this.router, this.oracle, (what, work) => this.background(what, work))
    this.safePoints = new SafePoints(this.pd, this.oracle, this.log, this.node, options.safePoints ?? SAFE_POINT_DEFAULTS)
    this.maxTransactionBytes = options.maxTransactionBytes ?? LIMITS.tikvTransactionBytes
    this.maxBufferedBytes = options.maxBufferedBytes ?? LIMITS.maxProcessMemory
    this.#startTimeoutMs = options.startTimeoutMs
  }

  async start(): Promise<void> {
    await this.pd.start(this.#startTimeoutMs)
    await this.oracle.next()
    this.safePoints.start()
  }

  /** Work that nobody waits for; its failure is told, and a close lets it end. */
  background(what: string, work: Promise<unknown>): void {
    const done: Promise<void> = work
      .then(
        () => undefined,
        (error: Error) => {
          if (!this.closed) this.log.warn(`${what} failed`, { error: error.message })
        },
      )
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }

  async close(): Promise<void> {
    if (this.closed) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS)
    })
    this.background('taking the safe point back', this.safePoints.close())
    await Promise.race([Promise.all([...this.#background]), late])
    clearTimeout(timer)
    this.closed = true
    this.oracle.close()
    this.router.close()
    this.pd.close()
  }
}
