// Prewrite: a transaction's mutations laid down as locks, region by region.

import type { CancelToken } from '../../base/cancel.ts'
import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { elapsedMs, PESSIMISTIC_TTL_MS } from './heartbeat.ts'
import { type LockInfo, toKvError } from './key-error.ts'
import { type Mutation, type Mutations, sizeOf } from './mutations.ts'
import { Op } from './proto/kvrpcpb.ts'
import type { Region } from './region-cache.ts'
import { groupByRegion, trace } from './router.ts'

/** What a commit is made of. */
export interface CommitJob {
  readonly engine: Engine
  readonly capability: Capability
  readonly startTs: bigint
  readonly mutations: Mutations
  /** 0 = optimistic. */
  readonly forUpdateTs: bigint
  /** Statements of the client came before: the commit must be later than anything seen since the start. */
  readonly isLong: boolean
  /** 0 = none. */
  readonly maxCommitTs: bigint
  readonly laterCommitTs: () => Promise<bigint>
  readonly cancel: CancelToken | null
}

export const BATCH_BYTES = 512 * 1024
const BATCH_MUTATIONS = 4096
export const WRITE_TIMEOUT_MS = 30_000
/** How long an autocommit write waits for the commits of others before its statement runs again with locks. */
const OPTIMISTIC_PATIENCE_MS = 150

function lockTtl(job: CommitJob, bytes: number): bigint {
  const elapsed = elapsedMs(job.engine, job.startTs)
  if (job.forUpdateTs !== 0n) return BigInt(elapsed + PESSIMISTIC_TTL_MS)
  const base = bytes < 16 * 1024 ? 3000 : Math.min(20_000, Math.max(3000, 6000 * Math.sqrt(bytes / (1024 * 1024))))
  return BigInt(elapsed + Math.ceil(base))
}

export interface Batch {
  readonly region: Region
  readonly items: Mutation[]
  readonly bytes: number
}

/** One region's mutations each, of at most `limit` bytes unless one alone is larger. */
export function batchesOf(groups: readonly { region: Region; items: Mutation[] }[], limit: number): Batch[] {
  const batches: Batch[] = []
  for (const { region, items } of groups) {
    let part: Mutation[] = []
    let bytes = 0
    for (const item of items) {
      const size = sizeOf(item)
      if (part.length > 0 && (bytes + size > limit || part.length >= BATCH_MUTATIONS)) {
        batches.push({ region, items: part, bytes })
        part = []
        bytes = 0
      }
      part.push(item)
      bytes += size
    }
    batches.push({ region, items: part, bytes })
  }
  return batches
}

/** All prewrites of one transaction, and what their answers allow. */
export class Prewriter {
  readonly #job: CommitJob
  readonly #ttl: bigint
  readonly #minCommitTs: bigint
  /** Keys besides the primary, for async commit. */
  readonly #secondaries: readonly Buffer[]
  /** The patience of the requests begun now. */
  backoff = new Backoff(BUDGET.prewrite)
  /** Async commit is (still) possible. */
  useAsync: boolean
  /** Not 0: committed in one phase. */
  onePhaseTs = 0n
  /** The latest that an answer asked for. */
  asyncTs = 0n
  /** Locks may lie there. */
  hasWritten = false
  /** An attempt that alone could have committed the transaction may have been executed. */
  mayBeCommitted = false
  sentSeveral = false

  constructor(job: CommitJob, options: { bytes: number; minCommitTs: bigint; secondaries: readonly Buffer[] | null }) {
    this.#job = job
    this.#ttl = lockTtl(job, options.bytes)
    this.#minCommitTs = options.minCommitTs
    this.#secondaries = options.secondaries ?? []
    this.useAsync = options.secondaries !== null
  }

  /** `onePhase`: these are all there is, and may be committed at once. Waits for locks of others, follows regions that split. */
  async run(batch: Batch, onePhase: boolean): Promise<void> {
    const { engine, capability, startTs, mutations } = this.#job
    const { key: primary } = mutations.primary
    const isPessimistic = this.#job.forUpdateTs !== 0n
    const { backoff } = this
    const seen = trace()
    const optimisticEnd = performance.now() + OPTIMISTIC_PATIENCE_MS
    for (;;) {
      const hasPrimary = batch.items.some(({ key }) => key.equals(primary))
      const asyncNow = this.useAsync
      const answer = await engine.router
        .send(
          capability,
          'KvPrewrite',
          batch.region,
          {
            mutations: batch.items.map(({ op, key, value }) => ({ op, key, value: value ?? undefined })),
            primary_lock: primary,
            start_version: startTs,
            lock_ttl: this.#ttl,
            pessimistic_actions: isPessimistic ? batch.items.map(({ action }) => action) : [],
            txn_size: BigInt(batch.items.length),
            for_update_ts: this.#job.forUpdateTs,
            min_commit_ts: this.#minCommitTs,
            max_commit_ts: this.#job.maxCommitTs,
            use_async_commit: asyncNow,
            secondaries: asyncNow && hasPrimary ? this.#secondaries : [],
            try_one_pc: onePhase,
          },
          { backoff, trace: seen, timeoutMs: WRITE_TIMEOUT_MS, size: batch.bytes },
        )
        .finally(() => {
          if (seen.maybeExecuted) {
            this.hasWritten = true
            if (asyncNow || onePhase) this.mayBeCommitted = true
          }
        })
      if (answer === null) {
        this.sentSeveral = true
        const again = batchesOf(await groupByRegion(engine.router, batch.items, (mutation) => mutation.key), BATCH_BYTES)
        const stays = onePhase && again.length === 1
        for (const part of again) await this.run(part, stays)
        return
      }
      if (answer.errors.length === 0) {
        if (onePhase && answer.one_pc_commit_ts !== 0n) {
          this.onePhaseTs = answer.one_pc_commit_ts
          return
        }
        this.hasWritten = true
        if (onePhase) this.useAsync = false
        if (answer.min_commit_ts === 0n) this.useAsync = false
        else if (answer.min_commit_ts > this.asyncTs) this.asyncTs = answer.min_commit_ts
        return
      }
      const locks: LockInfo[] = []
      for (const error of answer.errors) {
        if (error.locked === undefined) throw toKvError(capability, error)
        locks.push(error.locked)
      }
      this.#job.cancel?.check()
      const { waitMs } = await engine.resolver.resolve(capability, locks, 0n, backoff)
      if (waitMs > 0 && !isPessimistic) {
        const isHeld = locks.some(({ lock_type }) => lock_type === Op.PessimisticLock)
        if (isHeld || performance.now() > optimisticEnd) {
          throw new KvError('writeConflict', 'another transaction holds a lock', {
            retryable: true,
            key: Buffer.from(capability.user(locks[0]!.key)),
          })
        }
      }
      if (waitMs > 0)
        await backoff.wait('txnLock', 'another transaction holds a lock', { atMost: isPessimistic ? waitMs : Math.min(waitMs, 20) })
    }
  }
}
