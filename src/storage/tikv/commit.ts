// The end of a transaction that wrote: prewrite, commit, roll-back. One phase where all lies in one region, async commit where the keys are few, two
// phases otherwise. Invariant: a commit that may have happened is never reported as failed: it is settled by asking the primary, or reported as
// undetermined.

import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import { MAX_REQUEST_BYTES } from './gate.ts'
import { startHeartbeat } from './heartbeat.ts'
import { toKvError } from './key-error.ts'
import { type Mutation, sizeOf } from './mutations.ts'
import { inParallel } from './parallel.ts'
import { BATCH_BYTES, type Batch, batchesOf, type CommitJob, Prewriter, WRITE_TIMEOUT_MS } from './prewrite.ts'
import { Op } from './proto/kvrpcpb.ts'
import type { Region } from './region-cache.ts'
import { groupByRegion, trace } from './router.ts'

const COMMIT_KEYS = 4096
const AT_ONCE = 8
const ASYNC_KEYS = 256
const ASYNC_KEY_BYTES = 4096
const ONE_PHASE_BYTES = 4 * 1024 * 1024

/** Commits; answers the commit timestamp. Throws with nothing left behind, or KvError 'undetermined'. The mutations are closed when nobody needs them. */
export async function commitTransaction(job: CommitJob): Promise<bigint> {
  /** What goes on after the answer. */
  const afterwards: Promise<unknown>[] = []
  const background = (what: string, work: Promise<void>): void => {
    job.engine.background(what, work)
    afterwards.push(work)
  }
  try {
    const { few } = job.mutations
    return await (few === null ? commitMany(job, background) : commitFew(job, few, background))
  } finally {
    job.engine.background(
      'the end of a large transaction',
      Promise.allSettled(afterwards).then(() => job.mutations.close()),
    )
  }
}

type Background = (what: string, work: Promise<void>) => void

async function commitFew(job: CommitJob, mutations: readonly Mutation[], background: Background): Promise<bigint> {
  const { engine, startTs } = job
  const { key: primary } = job.mutations.primary
  let bytes = 0
  let keyBytes = 0
  for (const mutation of mutations) {
    bytes += sizeOf(mutation)
    keyBytes += mutation.key.length
  }
  const committing = mutations.filter(({ op }) => op !== Op.CheckNotExists)
  const wantsAsync = committing.length <= ASYNC_KEYS && keyBytes <= ASYNC_KEY_BYTES
  let minCommitTs = firstCommitTs(job)
  const groups = await groupByRegion(engine.router, mutations, (mutation) => mutation.key)
  const mayOnePhase = bytes <= ONE_PHASE_BYTES && groups.length === 1
  if ((wantsAsync || mayOnePhase) && job.isLong) {
    const now = await engine.oracle.next()
    if (now + 1n > minCommitTs) minCommitTs = now + 1n
  }
  const secondaries = wantsAsync ? committing.filter(({ key }) => !key.equals(primary)).map(({ key }) => key) : null
  const prewriter = new Prewriter(job, { bytes, minCommitTs, secondaries })
  try {
    const batches = batchesOf(groups, mayOnePhase ? ONE_PHASE_BYTES : BATCH_BYTES)
    for (const batch of batches) checkSize(batch)
    const onePhase = mayOnePhase && batches.length === 1
    if (batches.length > AT_ONCE) {
      const first = batches.findIndex(({ items }) => items.some(({ key }) => key.equals(primary)))
      await prewriter.run(batches[first]!, false)
      const others = batches.filter((_, i) => i !== first)
      await whileBeating(job, () => inParallel(others, AT_ONCE, (batch) => prewriter.run(batch, false)))
    } else if (batches.length > 1) await whileBeating(job, () => inParallel(batches, AT_ONCE, (batch) => prewriter.run(batch, false)))
    else await prewriter.run(batches[0]!, onePhase)
  } catch (error) {
    if (prewriter.mayBeCommitted) {
      const settled = await settle(job, background)
      if (settled !== 0n) return settled
    } else if (prewriter.hasWritten || prewriter.sentSeveral) await tryRollBack(job)
    throw error
  }
  const { onePhaseTs, asyncTs } = prewriter
  if (onePhaseTs !== 0n) {
    engine.resolver.note(startTs, onePhaseTs)
    return onePhaseTs
  }
  if (prewriter.useAsync && asyncTs !== 0n) {
    engine.resolver.note(startTs, asyncTs)
    background('commit of an asynchronous transaction', commitKeys(job, asyncTs, new Set()))
    return asyncTs
  }
  return commitPrimary(job, committing, background)
}

/** Two phases over as many mutations as files hold, a part at a time. */
async function commitMany(job: CommitJob, background: Background): Promise<bigint> {
  const { engine, mutations } = job
  const { primary } = mutations
  const prewriter = new Prewriter(job, { bytes: Number.MAX_SAFE_INTEGER, minCommitTs: firstCommitTs(job), secondaries: null })
  const prewrite = async (items: readonly Mutation[]): Promise<void> => {
    prewriter.backoff = new Backoff(BUDGET.prewrite)
    const batches = batchesOf(await groupByRegion(engine.router, items, (mutation) => mutation.key), BATCH_BYTES)
    for (const batch of batches) checkSize(batch)
    await inParallel(batches, AT_ONCE, (batch) => prewriter.run(batch, false))
  }
  try {
    await prewrite([primary])
    await whileBeating(job, async () => {
      for (const part of mutations.parts()) {
        job.cancel?.check()
        await prewrite(part.filter(({ key }) => !key.equals(primary.key)))
      }
    })
  } catch (error) {
    if (prewriter.hasWritten) await tryRollBack(job)
    throw error
  }
  return commitPrimary(job, [primary], background)
}

function firstCommitTs({ startTs, forUpdateTs }: CommitJob): bigint {
  return (forUpdateTs > startTs ? forUpdateTs : startTs) + 1n
}

function checkSize({ bytes }: Batch): void {
  if (bytes > MAX_REQUEST_BYTES) throw new KvError('valueTooLarge', `a row of ${bytes} bytes does not fit into one raft entry`)
}

/** The primary is prewritten: its heart-beat carries what takes longer than locks live. */
async function whileBeating(job: CommitJob, work: () => Promise<void>): Promise<void> {
  const stop = startHeartbeat({ ...job, primary: job.mutations.primary.key }, () => {})
  try {
    await work()
  } finally {
    stop()
  }
}

async function tryRollBack(job: CommitJob): Promise<void> {
  await rollbackPrewrite(job).catch((failed: Error) => job.engine.log.warn('locks could not be rolled back', { error: failed.message }))
}

/** `near`: mutations that are committed with the primary where they lie in its region. */
async function commitPrimary(job: CommitJob, near: readonly Mutation[], background: Background): Promise<bigint> {
  const { engine, capability, startTs } = job
  const { key: primary } = job.mutations.primary
  const refuse = async (): Promise<never> => {
    await rollbackPrewrite(job)
    throw new KvError('schemaChanged', 'the commit came too late for the schema it was made under', { retryable: true })
  }
  let { maxCommitTs } = job
  const allowed = async (ts: bigint): Promise<bigint> => {
    if (maxCommitTs !== 0n && ts > maxCommitTs) {
      try {
        maxCommitTs = await job.laterCommitTs()
      } catch (error) {
        await tryRollBack(job)
        throw error
      }
    }
    if (maxCommitTs !== 0n && ts > maxCommitTs) await refuse()
    return ts
  }
  let commitTs = await allowed(await engine.oracle.next())
  const backoff = new Backoff(BUDGET.commit)
  const seen = trace()
  let inFirst: ReadonlySet<string> = new Set()
  try {
    for (;;) {
      const region = await engine.router.regions.locate(primary)
      const first: Mutation[] = []
      for (const mutation of near) {
        if (first.length >= COMMIT_KEYS) break
        if (engine.router.regions.find(mutation.key) === region) first.push(mutation)
      }
      if (!first.some(({ key }) => key.equals(primary))) first.push(job.mutations.primary)
      inFirst = new Set(first.map(({ key }) => key.latin1Slice()))
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
      await tryRollBack(job)
      throw error.reason
    }
    if (!seen.maybeExecuted) {
      await tryRollBack(job)
      throw error
    }
    const settled = await settle(job, background)
    if (settled === 0n) throw error
    commitTs = settled
  }
  engine.resolver.note(startTs, commitTs)
  const { few } = job.mutations
  if (few === null || inFirst.size < near.length) background('commit of secondary keys', commitKeys(job, commitTs, inFirst))
  return commitTs
}

class Definite {
  readonly reason: KvError

  constructor(reason: KvError) {
    this.reason = reason
  }
}

/** What became of a commit that was not answered: its timestamp, 0 = rolled back. */
async function settle(job: CommitJob, background: Background): Promise<bigint> {
  const { engine, capability, startTs } = job
  try {
    const commitTs = await engine.resolver.settle(capability, startTs, job.mutations.primary.key, new Backoff(BUDGET.cleanup))
    if (commitTs !== 0n) {
      engine.resolver.note(startTs, commitTs)
      background('commit of secondary keys', commitKeys(job, commitTs, new Set()))
      return commitTs
    }
    background('roll-back', rollbackPrewrite(job))
    return 0n
  } catch (error) {
    throw new KvError('undetermined', `the commit was not answered, and its outcome cannot be found out: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Commits all keys but those whose bytes, as latin1, are in `done`. */
async function commitKeys(job: CommitJob, commitTs: bigint, done: ReadonlySet<string>): Promise<void> {
  const { engine, capability, startTs, mutations } = job
  const { key: primary } = mutations.primary
  const run = async (items: readonly Mutation[], backoff: Backoff): Promise<void> => {
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
        { start_version: startTs, keys: part.map(({ key }) => key), commit_version: commitTs, primary_key: primary },
        { backoff, timeoutMs: WRITE_TIMEOUT_MS },
      )
      if (answer === null) return run(part, backoff)
      if (answer.error !== undefined) throw toKvError(capability, answer.error)
    })
  }
  for (const part of mutations.parts()) {
    const left = part.filter(({ op, key }) => op !== Op.CheckNotExists && !done.has(key.latin1Slice()))
    await run(left, new Backoff(BUDGET.secondaries))
  }
}

/** Removes what a prewrite may have left, and the transaction's pessimistic locks on the same keys. */
async function rollbackPrewrite(job: CommitJob): Promise<void> {
  const { engine, capability, startTs, mutations } = job
  const run = async (items: readonly Mutation[], backoff: Backoff): Promise<void> => {
    const batches = batchesOf(await groupByRegion(engine.router, items, (mutation) => mutation.key), BATCH_BYTES)
    await inParallel(batches, AT_ONCE, async ({ region, items: part }) => {
      const answer = await engine.router.send(
        capability,
        'KvBatchRollback',
        region,
        { start_version: startTs, keys: part.map(({ key }) => key) },
        { backoff, timeoutMs: WRITE_TIMEOUT_MS },
      )
      if (answer === null) return run(part, backoff)
      if (answer.error !== undefined) throw toKvError(capability, answer.error)
    })
  }
  for (const part of mutations.parts()) await run(part, new Backoff(BUDGET.cleanup))
}
