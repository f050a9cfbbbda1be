// The end of a transaction that wrote: prewrite, commit, roll-back. One phase where all lies in one region, async commit where the keys are few, two
// phases otherwise. Invariant: a commit that may have happened is never reported as failed: it is settled by asking the primary, or reported as
// undetermined.

import type { CancelToken } from '../../base/cancel.ts'
import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { MAX_REQUEST_BYTES } from './gate.ts'
import { type LockInfo, toKvError } from './key-error.ts'
import { inParallel } from './parallel.ts'
import { Op, type PessimisticAction } from './proto/kvrpcpb.ts'
import type { Region } from './region-cache.ts'
import { groupByRegion, trace } from './router.ts'
import { physicalOf } from './tso.ts'

export interface Mutation {
  readonly key: Buffer
  readonly op: (typeof Op)[keyof typeof Op]
  readonly value: Buffer | null
  readonly action: (typeof PessimisticAction)[keyof typeof PessimisticAction]
}

export interface CommitJob {
  readonly engine: Engine
  readonly capability: Capability
  readonly startTs: bigint
  readonly primary: Buffer
  readonly mutations: readonly Mutation[]
  /** 0 = optimistic. */
  readonly forUpdateTs: bigint
  /** Statements of the client came before: the commit must be later than anything seen since the start. */
  readonly isLong: boolean
  /** 0 = none. */
  readonly maxCommitTs: bigint
  readonly laterCommitTs: (() => Promise<bigint>) | null
  readonly cancel: CancelToken | null
}

const BATCH_BYTES = 512 * 1024
const BATCH_MUTATIONS = 4096
const COMMIT_KEYS = 4096
const AT_ONCE = 8
const ASYNC_KEYS = 256
const ASYNC_KEY_BYTES = 4096
const ONE_PHASE_BYTES = 4 * 1024 * 1024
export const PESSIMISTIC_TTL_MS = 20_000
const WRITE_TIMEOUT_MS = 30_000
/** How long an autocommit write waits for the commits of others before its statement runs again with locks. */
const OPTIMISTIC_PATIENCE_MS = 150
const MUTATION_BYTES = 32

const sizeOf = (mutation: Mutation): number => mutation.key.length + (mutation.value?.length ?? 0) + MUTATION_BYTES

/** Milliseconds since the transaction's start, by PD's clock. */
export const elapsedMs = (engine: Engine, startTs: bigint): number =>
  Math.max(0, Math.ceil(engine.oracle.approximateNow() - physicalOf(startTs)))

function lockTtl(job: CommitJob, bytes: number): bigint {
  const elapsed = elapsedMs(job.engine, job.startTs)
  if (job.forUpdateTs !== 0n) return BigInt(elapsed + PESSIMISTIC_TTL_MS)
  const base = bytes < 16 * 1024 ? 3000 : Math.min(20_000, Math.max(3000, 6000 * Math.sqrt(bytes / (1024 * 1024))))
  return BigInt(elapsed + Math.ceil(base))
}

interface Batch {
  readonly region: Region
  readonly items: Mutation[]
  readonly bytes: number
}

function batchesOf(groups: readonly { region: Region; items: Mutation[] }[], limit: number): Batch[] {
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

/** Commits; answers the commit timestamp. Throws with nothing left behind, or KvError 'undetermined'. */
export async function commitTransaction(job: CommitJob): Promise<bigint> {
  const { engine, capability, startTs, primary, mutations } = job
  let bytes = 0
  let keyBytes = 0
  for (const mutation of mutations) {
    bytes += sizeOf(mutation)
    keyBytes += mutation.key.length
  }
  const committing = mutations.filter(({ op }) => op !== Op.CheckNotExists)
  let useAsync = committing.length <= ASYNC_KEYS && keyBytes <= ASYNC_KEY_BYTES
  const allowOnePhase = bytes <= ONE_PHASE_BYTES
  const backoff = new Backoff(BUDGET.prewrite)
  const ttl = lockTtl(job, bytes)
  let minCommitTs = startTs + 1n
  if (job.forUpdateTs >= minCommitTs) minCommitTs = job.forUpdateTs + 1n
  const groups = await groupByRegion(engine.router, mutations, (mutation) => mutation.key)
  const mayOnePhase = allowOnePhase && groups.length === 1
  if ((useAsync || mayOnePhase) && job.isLong) {
    const now = await engine.oracle.next()
    if (now + 1n > minCommitTs) minCommitTs = now + 1n
  }
  const secondaries = useAsync ? committing.filter(({ key }) => !key.equals(primary)).map(({ key }) => key) : []
  let onePhaseTs = 0n
  let asyncTs = 0n
  /** An attempt that alone could have committed the transaction may have been executed. */
  let mayBeCommitted = false
  let sentSeveral = false
  const isPessimistic = job.forUpdateTs !== 0n
  const written: Mutation[] = []

  const prewrite = async (batch: Batch, onePhase: boolean): Promise<void> => {
    const seen = trace()
    const optimisticEnd = performance.now() + OPTIMISTIC_PATIENCE_MS
    for (;;) {
      const hasPrimary = batch.items.some(({ key }) => key.equals(primary))
      const asyncNow = useAsync
      const answer = await engine.router
        .send(
          capability,
          'KvPrewrite',
          batch.region,
          {
            mutations: batch.items.map(({ op, key, value }) => ({ op, key, value: value ?? undefined })),
            primary_lock: primary,
            start_version: startTs,
            lock_ttl: ttl,
            pessimistic_actions: isPessimistic ? batch.items.map(({ action }) => action) : [],
            txn_size: BigInt(batch.items.length),
            for_update_ts: job.forUpdateTs,
            min_commit_ts: minCommitTs,
            max_commit_ts: job.maxCommitTs,
            use_async_commit: asyncNow,
            secondaries: asyncNow && hasPrimary ? secondaries : [],
            try_one_pc: onePhase,
          },
          { backoff, trace: seen, timeoutMs: WRITE_TIMEOUT_MS, size: batch.bytes },
        )
        .finally(() => {
          if (seen.maybeExecuted) {
            written.push(...batch.items)
            if (asyncNow || onePhase) mayBeCommitted = true
          }
        })
      if (answer === null) {
        sentSeveral = true
        const again = batchesOf(await groupByRegion(engine.router, batch.items, (mutation) => mutation.key), BATCH_BYTES)
        const stays = onePhase && again.length === 1
        for (const part of again) await prewrite(part, stays)
        return
      }
      if (answer.errors.length === 0) {
        if (onePhase && answer.one_pc_commit_ts !== 0n) {
          onePhaseTs = answer.one_pc_commit_ts
          return
        }
        written.push(...batch.items)
        if (onePhase) useAsync = false
        if (answer.min_commit_ts === 0n) useAsync = false
        else if (answer.min_commit_ts > asyncTs) asyncTs = answer.min_commit_ts
        return
      }
      const locks: LockInfo[] = []
      for (const error of answer.errors) {
        if (error.locked === undefined) throw toKvError(capability, error)
        locks.push(error.locked)
      }
      job.cancel?.check()
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

  try {
    const batches = batchesOf(groups, mayOnePhase ? ONE_PHASE_BYTES : BATCH_BYTES)
    for (const { bytes: size } of batches) {
      if (size > MAX_REQUEST_BYTES) throw new KvError('valueTooLarge', `a row of ${size} bytes does not fit into one raft entry`)
    }
    const onePhase = mayOnePhase && batches.length === 1
    if (batches.length > AT_ONCE) {
      // The primary first: it carries the heart-beat of what takes longer than its locks live.
      const first = batches.findIndex(({ items }) => items.some(({ key }) => key.equals(primary)))
      await prewrite(batches[first]!, false)
      const stop = startHeartbeat(job, () => {})
      try {
        await inParallel(
          batches.filter((_, i) => i !== first),
          AT_ONCE,
          (batch) => prewrite(batch, false),
        )
      } finally {
        stop()
      }
    } else await inParallel(batches, AT_ONCE, (batch) => prewrite(batch, onePhase))
  } catch (error) {
    if (mayBeCommitted) {
      const settled = await settle(job)
      if (settled !== 0n) return settled
    } else if (written.length > 0 || sentSeveral) {
      await rollbackPrewrite(job).catch((failed: Error) => engine.log.warn('locks could not be rolled back', { error: failed.message }))
    }
    throw error
  }
  if (onePhaseTs !== 0n) {
    engine.resolver.note(startTs, onePhaseTs)
    return onePhaseTs
  }
  if (useAsync && asyncTs !== 0n) {
    engine.resolver.note(startTs, asyncTs)
    engine.background('commit of an asynchronous transaction', commitKeys(job, committing, asyncTs))
    return asyncTs
  }
  return commitPrimary(job, committing)
}

async function commitPrimary(job: CommitJob, mutations: readonly Mutation[]): Promise<bigint> {
  const { engine, capability, startTs, primary } = job
  const refuse = async (): Promise<never> => {
    await rollbackPrewrite(job)
    throw new KvError('schemaChanged', 'the commit came too late for the schema it was made under', { retryable: true })
  }
  let { maxCommitTs } = job
  const allowed = async (ts: bigint): Promise<bigint> => {
    if (maxCommitTs !== 0n && ts > maxCommitTs && job.laterCommitTs !== null) maxCommitTs = await job.laterCommitTs()
    if (maxCommitTs !== 0n && ts > maxCommitTs) await refuse()
    return ts
  }
  let commitTs = await allowed(await engine.oracle.next())
  const backoff = new Backoff(BUDGET.commit)
  const seen = trace()
  let inFirst: ReadonlySet<Mutation> = new Set()
  try {
    for (;;) {
      const region = await engine.router.regions.locate(primary)
      const first: Mutation[] = []
      for (const mutation of mutations) {
        if (first.length >= COMMIT_KEYS) break
        if (engine.router.regions.find(mutation.key) === region) first.push(mutation)
      }
      if (!first.some(({ key }) => key.equals(primary))) first.push(mutations.find(({ key }) => key.equals(primary))!)
      inFirst = new Set(first)
      const answer = await engine.router.send(
        capability,
        'KvCommit',
        region,
        { start_version: startTs, keys: first.map(({ key }) => key), commit_version: commitTs, primary_key: primary },
        { backoff, trace: seen, timeoutMs: WRITE_TIMEOUT_MS },
      )
      if (answer === null) continue
      if (answer.error === undefined) break
      if (answer.error.commit_ts_expired !== undefined) {
        commitTs = await allowed(await engine.oracle.next())
        continue
      }
      // The store looks for the commit before it misses the lock: this is a definite no, whatever was lost before.
      throw new Definite(toKvError(capability, answer.error))
    }
  } catch (error) {
    if (error instanceof Definite) {
      await rollbackPrewrite(job).catch((failed: Error) => engine.log.warn('locks could not be rolled back', { error: failed.message }))
      throw error.reason
    }
    if (!seen.maybeExecuted) {
      await rollbackPrewrite(job).catch((failed: Error) => engine.log.warn('locks could not be rolled back', { error: failed.message }))
      throw error
    }
    const settled = await settle(job)
    if (settled === 0n) throw error
    commitTs = settled
  }
  engine.resolver.note(startTs, commitTs)
  const rest = mutations.filter((mutation) => !inFirst.has(mutation))
  if (rest.length > 0) engine.background('commit of secondary keys', commitKeys(job, rest, commitTs))
  return commitTs
}

class Definite {
  readonly reason: KvError

  constructor(reason: KvError) {
    this.reason = reason
  }
}

/** What became of a commit that was not answered: its timestamp, 0 = rolled back. */
async function settle(job: CommitJob): Promise<bigint> {
  const { engine, capability, startTs, primary } = job
  try {
    const commitTs = await engine.resolver.settle(capability, startTs, primary, new Backoff(BUDGET.cleanup))
    if (commitTs !== 0n) {
      engine.resolver.note(startTs, commitTs)
      engine.background(
        'commit of secondary keys',
        commitKeys(
          job,
          job.mutations.filter(({ op }) => op !== Op.CheckNotExists),
          commitTs,
        ),
      )
      return commitTs
    }
    engine.background('roll-back', rollbackPrewrite(job))
    return 0n
  } catch (error) {
    throw new KvError('undetermined', `the commit was not answered, and its outcome cannot be found out: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

async function commitKeys(job: CommitJob, mutations: readonly Mutation[], commitTs: bigint): Promise<void> {
  const { engine, capability, startTs } = job
  const backoff = new Backoff(BUDGET.secondaries)
  const run = async (items: readonly Mutation[]): Promise<void> => {
    const groups = await groupByRegion(engine.router, items, (mutation) => mutation.key)
    const parts: { region: Region; items: Mutation[] }[] = []
    for (const group of groups) {
      for (let from = 0; from < group.items.length; from += COMMIT_KEYS)
        parts.push({ region: group.region, items: group.items.slice(from, from + COMMIT_KEYS) })
    }
    await inParallel(parts, AT_ONCE, async ({ region, items: part }) => {
      const answer = await engine.router.send(
        capability,
        'KvCommit',
        region,
        { start_version: startTs, keys: part.map(({ key }) => key), commit_version: commitTs, primary_key: job.primary },
        { backoff, timeoutMs: WRITE_TIMEOUT_MS },
      )
      if (answer === null) return run(part)
      if (answer.error !== undefined) throw toKvError(capability, answer.error)
    })
  }
  await run(mutations)
}

/** Removes what a prewrite may have left, and the transaction's pessimistic locks on the same keys. */
async function rollbackPrewrite(job: CommitJob): Promise<void> {
  const { engine, capability, startTs } = job
  const backoff = new Backoff(BUDGET.cleanup)
  const run = async (items: readonly Mutation[]): Promise<void> => {
    const batches = batchesOf(await groupByRegion(engine.router, items, (mutation) => mutation.key), BATCH_BYTES)
    await inParallel(batches, AT_ONCE, async ({ region, items: part }) => {
      const answer = await engine.router.send(
        capability,
        'KvBatchRollback',
        region,
        { start_version: startTs, keys: part.map(({ key }) => key) },
        { backoff, timeoutMs: WRITE_TIMEOUT_MS },
      )
      if (answer === null) return run(part)
      if (answer.error !== undefined) throw toKvError(capability, answer.error)
    })
  }
  await run(job.mutations)
}

const HEARTBEAT_MS = 8000
const MAX_LIFETIME_MS = 24 * 3600 * 1000

/** Keeps a transaction's primary lock alive. `missing` is called when it is not there (any more). Answers how to stop. */
export function startHeartbeat(
  of: { readonly engine: Engine; readonly capability: Capability; readonly startTs: bigint; readonly primary: Buffer },
  missing: () => void,
): () => void {
  const { engine, capability, startTs, primary } = of
  let isStopped = false
  const stop = (): void => {
    isStopped = true
    clearInterval(timer)
  }
  const beat = async (): Promise<void> => {
    const elapsed = elapsedMs(engine, startTs)
    if (elapsed > MAX_LIFETIME_MS) {
      stop()
      return
    }
    const answer = await engine.router.sendTo(
      capability,
      'KvTxnHeartBeat',
      primary,
      { primary_lock: primary, start_version: startTs, advise_lock_ttl: BigInt(elapsed + PESSIMISTIC_TTL_MS) },
      { backoff: new Backoff(BUDGET.heartbeat) },
    )
    if (answer.error !== undefined && !isStopped) missing()
  }
  const timer = setInterval(() => {
    if (engine.closed) stop()
    else beat().catch((error: Error) => engine.log.warn('a heart-beat failed', { error: error.message }))
  }, HEARTBEAT_MS)
  timer.unref()
  return stop
}
