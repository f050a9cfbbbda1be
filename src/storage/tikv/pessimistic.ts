// Locks taken before the commit. A request is all or nothing per region; a wait is a loop, since a store waits for a second at most, and is asked
// more often so that it names the holder. A key that was committed anew since the snapshot is found by its conflict with the snapshot's timestamp,
// and locked with a newer one.

import { type CancelToken, orCancelled } from '../../base/cancel.ts'
import { KvError } from '../kv-error.ts'
import {
  type Blocker,
  type CircleStep,
  deadlockDetail,
  type LockKind,
  type LockParty,
  type LockWait,
  transactionLock,
  transactionName,
} from '../lock-party.ts'
import type { LockMeaning } from '../store.ts'
import { Backoff, BUDGET, pause } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { elapsedMs, PESSIMISTIC_TTL_MS } from './heartbeat.ts'
import { type KeyError, toKvError } from './key-error.ts'
import { inParallel } from './parallel.ts'
import { Assertion, Op } from './proto/kvrpcpb.ts'
import type { Region } from './region-cache.ts'
import { groupByRegion } from './router.ts'

export interface LockTarget {
  readonly key: Buffer
  readonly name: string
  /** Set by the call: 0 = unchanged since the snapshot. */
  changedTs: bigint
  /** The timestamp it was (or will be) locked at. */
  ts: bigint
  locked: boolean
  /** Not locked because it has no value any more. */
  gone: boolean
  value: Buffer | null
}

export interface LockCall {
  readonly engine: Engine
  readonly capability: Capability
  readonly startTs: bigint
  readonly readTs: bigint
  /** 'lockedOrFail': a newer version than the snapshot is a write conflict. */
  readonly failOnChange: boolean
  /** 'try': as 'nowait', but does not ask after a holder that was alive a moment ago. */
  readonly wait: 'block' | 'nowait' | 'skip' | 'try'
  readonly timeoutMs: number
  readonly returnValues: boolean
  readonly mustNotExist: boolean
  /** Which keys are locked only if they (still) have a value: those found changed, or all. */
  readonly onlyExisting: 'none' | 'changed' | 'all'
  readonly cancel: CancelToken | null
  readonly party: LockParty | null
  /** What the locks stand for, where not for rows. */
  readonly meaning: LockMeaning | null
  /** The transaction's primary key; the call sets it when it locks the first one. */
  primary: Buffer | null
  /** The highest timestamp a lock was asked for with. */
  maxTs: bigint
}

/** Who waits learns so often whom for. */
const SERVER_WAIT_MS = 500
const KEYS_PER_REQUEST = 2048
const BYTES_PER_REQUEST = 512 * 1024
const AT_ONCE = 8
/** So many keys found changed are locked one by one; then all that is left is taken for changed. */
const SINGLE_CONFLICTS = 4
const HOLDER_IS_ALIVE_MS = 300n

const user = (call: LockCall, key: Buffer): Uint8Array => Buffer.from(call.capability.user(key))

/** Locks the targets, or throws with none of them locked. With 'skip' some may stay unlocked. */
export async function acquireLocks(call: LockCall, targets: readonly LockTarget[]): Promise<void> {
  const hadPrimary = call.primary !== null
  const deadline = call.timeoutMs > 0 ? performance.now() + call.timeoutMs : Number.POSITIVE_INFINITY
  const backoff = new Backoff(BUDGET.lock, call.cancel)
  try {
    await lockAll(call, targets, deadline, backoff)
  } catch (error) {
    if (!hadPrimary) call.primary = null
    const isLost = !(error instanceof KvError) || error.kind === 'unavailable'
    // A store that answered why it grants nothing has locked nothing.
    const undo = releaseLocks(call, isLost ? targets : targets.filter(({ locked }) => locked), call.maxTs)
    // A wait that was cancelled may still be granted: a second roll-back follows it (`lockPart`).
    if (isLost) call.engine.background('release of locks', undo)
    else await undo.catch((failed: Error) => call.engine.log.warn('locks could not be released', { error: failed.message }))
    throw error
  }
}

/** Asks again for locks that are held, for their values or for a key's absence; a failure leaves them held. */
export function lockHeld(call: LockCall, targets: readonly LockTarget[]): Promise<void> {
  return lockAll(call, targets, Number.POSITIVE_INFINITY, new Backoff(BUDGET.lock, call.cancel))
}

async function lockAll(call: LockCall, targets: readonly LockTarget[], deadline: number, backoff: Backoff): Promise<void> {
  const parts: { region: Region; items: LockTarget[] }[] = []
  for (const { region, items } of await groupByRegion(call.engine.router, targets, (target) => target.key)) {
    let part: LockTarget[] = []
    let bytes = 0
    for (const item of items) {
      if (part.length >= KEYS_PER_REQUEST || bytes > BYTES_PER_REQUEST) {
        parts.push({ region, items: part })
        part = []
        bytes = 0
      }
      part.push(item)
      bytes += item.key.length
    }
    parts.push({ region, items: part })
  }
  let done = 0
  // Until there is a primary, one after the other.
  while (done < parts.length && (call.primary === null || parts.length === 1)) await lockPart(call, parts[done++]!, deadline, backoff)
  if (done < parts.length) await inParallel(parts.slice(done), AT_ONCE, (part) => lockPart(call, part, deadline, backoff))
}

async function lockPart(call: LockCall, part: { region: Region; items: LockTarget[] }, deadline: number, backoff: Backoff): Promise<void> {
  const waiting = new PartWait(call)
  try {
    await lockWaiting(call, part, deadline, backoff, waiting)
  } finally {
    waiting.end()
  }
}

/** Tells the party of a wait, from the first holder that the store names to the end. */
class PartWait implements LockWait {
  readonly kind: LockKind
  readonly target: number | string | null
  readonly since = performance.now()
  readonly elsewhere = false
  readonly #call: LockCall
  #holder = 0n
  #toldAt = 0
  #stop: (() => void) | null = null

  constructor(call: LockCall) {
    this.#call = call
    this.kind = call.meaning?.kind ?? 'transactionid'
    this.target = call.meaning?.target ?? null
  }

  told(holder: bigint): void {
    this.#holder = holder
    this.#toldAt = performance.now()
    this.#stop ??= this.#call.party?.wait(this) ?? null
  }

  *blockers(): Iterable<Blocker> {
    const lock = this.#call.meaning?.lock ?? transactionLock(this.#holder)
    yield { who: transactionName(this.#holder), lock, toldAt: this.#toldAt }
  }

  end(): void {
    this.#stop?.()
    this.#stop = null
  }
}

async function lockWaiting(
  call: LockCall,
  part: { region: Region; items: LockTarget[] },
  deadline: number,
  backoff: Backoff,
  waiting: PartWait,
): Promise<void> {
  const { engine, capability, cancel } = call
  const tag = call.wait === 'block' ? waitTag(call) : undefined
  let pending = part.items
  let conflicts = 0
  while (pending.length > 0) {
    cancel?.check()
    const ts = pending[0]!.ts
    const onlyExisting = call.onlyExisting === 'all' || (call.onlyExisting === 'changed' && pending[0]!.changedTs !== 0n)
    // A key that may turn out to be gone can be the primary of others only when it is locked.
    const alone = onlyExisting && call.primary === null
    const now = alone ? [pending[0]!] : pending.every((target) => target.ts === ts) ? pending : pending.filter((target) => target.ts === ts)
    const primary = call.primary ?? now[0]!.key
    if (ts > call.maxTs) call.maxTs = ts
    const sentAt = performance.now()
    const patience = call.wait === 'block' ? Math.max(1, Math.min(SERVER_WAIT_MS, deadline - sentAt)) : -1
    const sent = engine.router.send(
      capability,
      'KvPessimisticLock',
      part.region,
      {
        mutations: now.map(({ key }) => ({
          op: Op.PessimisticLock,
          key,
          assertion: call.mustNotExist ? Assertion.NotExist : Assertion.None,
        })),
        primary_lock: primary,
        start_version: call.startTs,
        lock_ttl: BigInt(elapsedMs(engine, call.startTs) + PESSIMISTIC_TTL_MS),
        for_update_ts: ts,
        is_first_lock: call.primary === null && now.length === 1,
        wait_timeout: BigInt(Math.ceil(patience)),
        return_values: call.returnValues || onlyExisting,
        lock_only_if_exists: onlyExisting,
        min_commit_ts: ts + 1n,
      },
      { backoff, size: 0, tag },
    )
    // A cancelled wait leaves a request under way that may be granted: what it locks is released when it comes.
    const answer = await orCancelled(sent, cancel, () =>
      engine.background(
        'release of locks of a cancelled wait',
        sent.then(() => releaseLocks(call, now, call.maxTs)),
      ),
    )
    if (answer === null) {
      // Regions changed: the rest is grouped anew.
      waiting.end()
      return lockAll(call, pending, deadline, backoff)
    }
    if (answer.errors.length === 0) {
      now.forEach((target, i) => {
        const value = answer.values[i]
        const absent = value === undefined || answer.not_founds[i] === true
        target.gone = onlyExisting && absent
        target.locked = !target.gone
        if (call.returnValues) target.value = absent ? null : Buffer.from(value)
      })
      waiting.end()
      if (now.some((target) => target.locked)) call.primary ??= primary
      pending = pending === now ? [] : pending.filter((target) => !target.locked && !target.gone)
      continue
    }
    const error = answer.errors.find(({ locked }) => locked === undefined) ?? answer.errors[0]!
    if (error.conflict !== undefined) {
      const { key, conflict_commit_ts: commitTs } = error.conflict
      if (commitTs <= ts) continue // woken by a roll-back, or by a commit that the snapshot sees
      if (call.failOnChange && !call.mustNotExist) {
        throw new KvError('writeConflict', 'could not serialize access due to concurrent update', { key: user(call, key), retryable: true })
      }
      let fresh = await engine.oracle.next()
      while (fresh < commitTs) fresh = await engine.oracle.next()
      const name = key.latin1Slice()
      const isSingle = ++conflicts <= SINGLE_CONFLICTS && now.some((target) => target.name === name)
      for (const target of pending) {
        if (isSingle && target.name !== name) continue
        target.ts = fresh
        target.changedTs = commitTs
      }
      continue
    }
    if (error.locked !== undefined) {
      const { locked } = error
      const isAlive = locked.duration_to_last_update_ms > 0n && locked.duration_to_last_update_ms < HOLDER_IS_ALIVE_MS
      let waitMs = 1
      if (!isAlive || call.wait === 'nowait' || call.wait === 'skip')
        waitMs = (await engine.resolver.resolve(capability, [locked], 0n, backoff)).waitMs
      if (waitMs === 0) continue
      if (call.wait === 'nowait' || call.wait === 'try')
        throw new KvError('lockNotAvailable', 'could not obtain lock', { key: user(call, locked.key) })
      if (call.wait === 'skip') {
        const name = locked.key.latin1Slice()
        const rest = pending.filter((target) => target.name !== name)
        if (rest.length === pending.length) throw new KvError('unavailable', 'TiKV answered a lock on a key that was not asked for')
        pending = rest
        continue
      }
      waiting.told(locked.lock_version)
      if (performance.now() >= deadline) throw new KvError('lockTimeout', 'lock wait timed out', { key: user(call, locked.key) })
      // A store that does not wait must not be asked without pause.
      if (performance.now() - sentAt < 20) await pause(Math.min(waitMs, 10), cancel)
      continue
    }
    if (error.deadlock !== undefined) throw new KvError('deadlock', 'deadlock detected', { detail: detailOf(call.startTs, error.deadlock) })
    throw toKvError(capability, error)
  }
}

/** What the store tells of a wait to whoever closes a circle with it: who waits, and for what where that is no row. */
const waitTag = ({ party, meaning }: LockCall): Buffer | undefined =>
  party?.pid == null ? undefined : Buffer.from(`pg-keyspace ${party.pid} ${meaning?.lock ?? ''}`)
const WAIT_TAG = /^pg-keyspace (\d+) (.*)$/

/** Who waits for whom in a circle that the store has found, on whatever nodes; null when not all are sessions. */
function detailOf(startTs: bigint, { wait_chain: chain }: NonNullable<KeyError['deadlock']>): string | null {
  const edges = new Map(chain.map((edge) => [edge.txn, edge]))
  const steps: CircleStep[] = []
  for (let edge = edges.get(startTs); edge !== undefined && steps.length < chain.length; edge = edges.get(edge.wait_for_txn)) {
    const tag = WAIT_TAG.exec(Buffer.from(edge.resource_group_tag).toString())
    if (tag === null) return null
    steps.push({ pid: Number(tag[1]), lock: tag[2] || transactionLock(edge.wait_for_txn) })
    if (edge.wait_for_txn === startTs) return deadlockDetail(steps)
  }
  return null
}

/** Releases pessimistic locks; keys that are not locked do no harm. */
export async function releaseLocks(
  of: { readonly engine: Engine; readonly capability: Capability; readonly startTs: bigint },
  targets: readonly { readonly key: Buffer }[],
  maxTs: bigint,
): Promise<void> {
  const backoff = new Backoff(BUDGET.cleanup)
  const run = async (items: readonly { readonly key: Buffer }[]): Promise<void> => {
    const parts: { region: Region; items: { readonly key: Buffer }[] }[] = []
    for (const { region, items: all } of await groupByRegion(of.engine.router, items, ({ key }) => key)) {
      for (let from = 0; from < all.length; from += KEYS_PER_REQUEST)
        parts.push({ region, items: all.slice(from, from + KEYS_PER_REQUEST) })
    }
    await inParallel(parts, AT_ONCE, async ({ region, items: part }) => {
      const answer = await of.engine.router.send(
        of.capability,
        'KVPessimisticRollback',
        region,
        { start_version: of.startTs, for_update_ts: maxTs, keys: part.map(({ key }) => key) },
        { backoff },
      )
      if (answer === null) return run(part)
      const failed = answer.errors[0]
      if (failed !== undefined) throw toKvError(of.capability, failed)
    })
  }
  if (targets.length > 0) await run(targets)
}
