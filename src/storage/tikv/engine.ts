// What all keyspaces of one cluster share: placement driver, timestamps, region cache and connections, lock resolver, and the background work
// that a clean end waits for.

import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { LIMITS } from '../../base/limits.ts'
import { Backoff, BUDGET } from './backoff.ts'
import type { TlsOptions } from './grpc.ts'
import { LockResolver } from './lock-resolver.ts'
import { PdClient, type TikvLog } from './pd.ts'
import { PD } from './proto/pdpb.ts'
import type { ReplicaRead } from './replicas.ts'
import { Router } from './router.ts'
import { SAFE_POINT_DEFAULTS, type SafePointOptions, SafePoints } from './safe-points.ts'
import { TimestampOracle } from './tso.ts'

export interface EngineOptions {
  readonly pdEndpoints: readonly string[]
  readonly tls?: TlsOptions
  readonly log?: TikvLog
  /** Who answers reads; default 'leader'. */
  readonly replicaRead?: ReplicaRead
  /** False: one gRPC call per request instead of BatchCommands. */
  readonly batching?: boolean
  /** How long the start may wait for the cluster, ms. */
  readonly startTimeoutMs?: number
  /** Bytes of one transaction's writes until its commit, in memory and in files, and what those of all together may take up in memory. */
  readonly maxTransactionBytes?: number
  readonly maxBufferedBytes?: number
  /** Where the writes of large transactions go (the system's directory for temporary files), and from how many bytes on. */
  readonly spillDir?: string
  readonly spillAt?: number
  /** Locks of one transaction from which on keys that it inserts are not locked, but looked at again by its commit. */
  readonly maxInsertLocks?: number
  readonly safePoints?: SafePointOptions
}

const silent: TikvLog = { info: () => {}, warn: () => {} }
const DRAIN_MS = 5000
/** As much as is sorted without holding up the process's other work. */
const SPILL_AT = 4 * 1024 * 1024
const MAX_INSERT_LOCKS = 64 * 1024

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
  readonly spillDir: string
  readonly spillAt: number
  readonly maxInsertLocks: number
  /** Bytes in memory of writes that wait for their commits. */
  bufferedBytes = 0
  readonly #startTimeoutMs: number | undefined
  readonly #background = new Set<Promise<void>>()
  closed = false

  constructor(options: EngineOptions) {
    const tls = options.tls ?? null
    this.log = options.log ?? silent
    this.pd = new PdClient(options.pdEndpoints, tls, this.log)
    this.oracle = new TimestampOracle(this.pd)
    this.router = new Router(this.pd, this.oracle, options.replicaRead ?? 'leader', { tls, batching: options.batching ?? true })
    this.resolver = new LockResolver(this.router, this.oracle, (what, work) => this.background(what, work))
    this.safePoints = new SafePoints(this.pd, this.oracle, this.log, this.node, options.safePoints ?? SAFE_POINT_DEFAULTS)
    this.maxTransactionBytes = options.maxTransactionBytes ?? LIMITS.tikvTransactionBytes
    this.maxBufferedBytes = options.maxBufferedBytes ?? LIMITS.maxProcessMemory
    this.spillDir = options.spillDir ?? tmpdir()
    this.spillAt = options.spillAt ?? SPILL_AT
    this.maxInsertLocks = options.maxInsertLocks ?? MAX_INSERT_LOCKS
    this.#startTimeoutMs = options.startTimeoutMs
  }

  async start(): Promise<void> {
    const before = performance.now()
    await this.pd.start(this.#startTimeoutMs)
    await this.oracle.next()
    await this.#bootstrapped((this.#startTimeoutMs ?? BUDGET.pd) - (performance.now() - before))
    this.safePoints.start()
  }

  /** A fresh PD knows of no keyspace until its first TiKV has come. */
  async #bootstrapped(waitMs: number): Promise<void> {
    const backoff = new Backoff(waitMs)
    while (!(await this.pd.call(PD.IsBootstrapped, {})).bootstrapped) {
      if (backoff.spent === 0) this.log.info('waiting for the first TiKV of the cluster', {})
      await backoff.wait('pdRpc', 'the cluster has no TiKV yet')
    }
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
