// Row locks of one keyspace, in memory: shared and exclusive, first come first served, with upgrade, time-outs and deadlock detection.
// Invariant: a transaction waits for at most one lock at a time, so the waits-for graph is walked from the requester, who is the victim. // hot

import { KvError } from '../kv-error.ts'
import type { LockMode } from '../store.ts'

/** What the lock table knows of a transaction. */
export interface LockOwner {
  /** Keys it holds, in the order taken. */
  readonly heldKeys: string[]
  waiting: Waiter | null
}

/** A transaction with so many insertions that its buffered writes stand for their locks: the table learns of one when somebody asks for it. */
export interface BulkWriter extends LockOwner {
  hasWritten(key: string): boolean
}

export interface Waiter {
  readonly owner: LockOwner
  readonly key: string
  readonly mode: LockMode
  readonly granted: () => void
  readonly refused: (error: Error) => void
  /** The circle that waiting would close, in PostgreSQL's words. */
  readonly circle: () => string | null
}

/** Held by several, or waited for; the common case (one exclusive holder, nobody waiting) is the holder itself in the map. */
interface Contended {
  exclusive: LockOwner | null
  sharers: Set<LockOwner> | null
  queue: Waiter[]
}

const isContended = (entry: LockOwner | Contended): entry is Contended => 'queue' in entry

export class LockTable {
  readonly #locks = new Map<string, LockOwner | Contended>()

  get size(): number {
    return this.#locks.size
  }

  readonly bulkWriters = new Set<BulkWriter>()

  /** Nobody holds or waits for the key, and no other bulk writer than `self` has written it. */
  isFree(key: string, self: LockOwner): boolean {
    return !this.#locks.has(key) && this.#bulkHolder(key, self) === null
  }

  #bulkHolder(key: string, self: LockOwner): BulkWriter | null {
    for (const other of this.bulkWriters) if (other !== self && other.hasWritten(key)) return other
    return null
  }

  /** After tryLock gave `owner` a key: true when the lock is a bulk writer's, who has it now. */
  yieldToBulk(key: string, owner: LockOwner): boolean {
    if (this.bulkWriters.size === 0) return false
    const holder = this.#bulkHolder(key, owner)
    if (holder === null) return false
    this.giveTo(key, owner, holder)
    return true
  }

  /** From `owner`, who has just taken it, to the one whose lock it was although the table did not say so. */
  giveTo(key: string, owner: LockOwner, holder: LockOwner): void {
    const { heldKeys } = owner
    if (heldKeys[heldKeys.length - 1] === key) heldKeys.pop()
    this.release(key, owner)
    this.#materialize(key, holder)
  }

  /** How `owner` holds `key`. */
  held(key: string, owner: LockOwner): LockMode | null {
    const entry = this.#locks.get(key)
    if (entry === undefined) return null
    if (entry === owner) return 'exclusive'
    if (!isContended(entry)) return null
    if (entry.exclusive === owner) return 'exclusive'
    return entry.sharers?.has(owner) === true ? 'shared' : null
  }

  /** Who holds `key` exclusively. */
  exclusiveHolder(key: string): LockOwner | null {
    const entry = this.#locks.get(key)
    return entry === undefined ? null : isContended(entry) ? entry.exclusive : entry
  }

  /** Takes the lock if that needs no waiting. */
  tryLock(key: string, owner: LockOwner, mode: LockMode): boolean {
    const entry = this.#locks.get(key)
    if (entry === undefined) {
      this.#locks.set(key, mode === 'exclusive' ? owner : { exclusive: null, sharers: new Set([owner]), queue: [] })
      owner.heldKeys.push(key)
      return true
    }
    if (entry === owner) return true
    if (!isContended(entry)) return false
    if (entry.exclusive === owner) return true
    const holds = entry.sharers?.has(owner) === true
    if (mode === 'shared') {
      if (holds) return true
      if (entry.exclusive !== null || entry.queue.length > 0) return false
      entry.sharers ??= new Set()
      entry.sharers.add(owner)
      owner.heldKeys.push(key)
      return true
    }
    if (entry.exclusive !== null) return false
    if (holds) {
      if (entry.sharers!.size > 1) return false
      entry.sharers = null
      entry.exclusive = owner
      return true
    }
    if ((entry.sharers?.size ?? 0) > 0 || entry.queue.length > 0) return false
    entry.exclusive = owner
    owner.heldKeys.push(key)
    return true
  }

  /** Enters `owner` as exclusive holder of a key whose lock so far was only an intent in the environment, or a bulk writer's write. */
  #materialize(key: string, owner: LockOwner): void {
    const entry = this.#locks.get(key)
    if (entry !== undefined && isContended(entry)) {
      entry.exclusive = owner
      owner.heldKeys.push(key)
    } else if (entry === undefined) {
      this.#locks.set(key, owner)
      owner.heldKeys.push(key)
    }
  }

  /** Queues for a lock that tryLock did not give. KvError 'deadlock' at once if waiting would close a circle. */
  enqueue(waiter: Waiter): void {
    const entry = this.#locks.get(waiter.key)!
    let contended: Contended
    if (isContended(entry)) contended = entry
    else {
      contended = { exclusive: entry, sharers: null, queue: [] }
      this.#locks.set(waiter.key, contended)
    }
    // an upgrade goes first: nobody behind it could be served before it anyway
    if (contended.sharers?.has(waiter.owner) === true) contended.queue.unshift(waiter)
    else contended.queue.push(waiter)
    waiter.owner.waiting = waiter
    if (this.#wouldDeadlock(waiter.owner)) {
      const detail = waiter.circle()
      this.cancel(waiter)
      throw new KvError('deadlock', 'deadlock detected', { key: Buffer.from(waiter.key, 'latin1'), retryable: true, detail })
    }
  }

  /** Stops waiting. */
  cancel(waiter: Waiter): void {
    waiter.owner.waiting = null
    const entry = this.#locks.get(waiter.key)
    if (entry === undefined || !isContended(entry)) return
    const at = entry.queue.indexOf(waiter)
    if (at >= 0) entry.queue.splice(at, 1)
    this.#serve(waiter.key, entry)
  }

  #wouldDeadlock(start: LockOwner): boolean {
    const seen = new Set<LockOwner>()
    const stack: LockOwner[] = [start]
    for (let owner = stack.pop(); owner !== undefined; owner = stack.pop()) {
      for (const blocker of this.blockersOf(owner)) {
        if (blocker === start) return true
        if (!seen.has(blocker)) {
          seen.add(blocker)
          stack.push(blocker)
        }
      }
    }
    return false
  }

  /** Those that a waiting owner waits for: holders, and waiters before it. */
  blockersOf(owner: LockOwner): LockOwner[] {
    const { waiting } = owner
    const entry = waiting === null ? undefined : this.#locks.get(waiting.key)
    if (waiting === null || entry === undefined || !isContended(entry)) return []
    const blockers: LockOwner[] = []
    if (entry.exclusive !== null) blockers.push(entry.exclusive)
    if (waiting.mode === 'exclusive' && entry.sharers !== null) blockers.push(...entry.sharers)
    for (const other of entry.queue) {
      if (other === waiting) break
      if (other.mode === 'exclusive' || waiting.mode === 'exclusive') blockers.push(other.owner)
    }
    return blockers.filter((blocker) => blocker !== owner)
  }

  /** Gives up one lock. The caller keeps heldKeys in order. */
  release(key: string, owner: LockOwner): void {
    const entry = this.#locks.get(key)
    if (entry === owner) {
      this.#locks.delete(key)
      return
    }
    if (entry === undefined || !isContended(entry)) return
    if (entry.exclusive === owner) entry.exclusive = null
    else if (entry.sharers?.delete(owner) !== true) return
    this.#serve(key, entry)
  }

  /** release, unless somebody waits for the key; answers whether the lock is gone. */
  releaseUnwaited(key: string, owner: LockOwner): boolean {
    const entry = this.#locks.get(key)
    if (entry === owner) {
      this.#locks.delete(key)
      return true
    }
    if (entry !== undefined && isContended(entry)) {
      if (entry.queue.length > 0) return false
      this.release(key, owner)
    }
    return true
  }

  #serve(key: string, entry: Contended): void {
    while (entry.queue.length > 0) {
      const first = entry.queue[0]!
      const sharers = entry.sharers?.size ?? 0
      const upgrade = entry.sharers?.has(first.owner) === true
      if (entry.exclusive !== null) break
      if (first.mode === 'exclusive' && (upgrade ? sharers > 1 : sharers > 0)) break
      entry.queue.shift()
      first.owner.waiting = null
      if (first.mode === 'exclusive') {
        entry.exclusive = first.owner
        entry.sharers = null
      } else {
        entry.sharers ??= new Set()
        entry.sharers.add(first.owner)
      }
      if (!upgrade) first.owner.heldKeys.push(key)
      first.granted()
    }
    if (entry.queue.length > 0) return
    if (entry.exclusive === null && (entry.sharers?.size ?? 0) === 0) this.#locks.delete(key)
    else if (entry.exclusive !== null && (entry.sharers?.size ?? 0) === 0) this.#locks.set(key, entry.exclusive)
  }
}
