// Who waits for whose lock. A release wakes the first waiter (the oldest transaction) at once and the others a moment later; a woken waiter is
// told of a write conflict, unless it asked for a forced lock, which tries again. Edges between transactions live as long as the waits do, and a
// request that would close a circle is refused.

import type { KeyErrorInit, WaitForEntry } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { InitOf } from '../../src/storage/tikv/proto/message.ts'
import type { Released } from './batch.ts'
import { toBytes } from './keys.ts'

export interface Waiter {
  readonly key: string
  readonly startTs: bigint
  readonly lockTs: bigint
  readonly force: boolean
  /** Of its request: whose it is. */
  readonly tag: Uint8Array
  /** Tells the waiter that the lock is gone. */
  wake(released: Released): void
  /** Its time is up. */
  timeOut(): void
}

const WAKE_DELAY_MS = 20
/** What the server waits at most, whatever was asked for. */
export const MAX_WAIT_MS = 1000

type ChainEntry = InitOf<typeof WaitForEntry>

export interface LockWaits {
  /** Queues a waiter; false (and the error) when that would close a circle. `detect` is off for a transaction's first lock. */
  wait(waiter: Waiter, waitMs: number, detect: boolean): KeyErrorInit | undefined
  released(released: readonly Released[]): void
}

/** 64-bit FNV-1a. */
function hash(key: string): bigint {
  let value = 0xcbf29ce484222325n
  for (let i = 0; i < key.length; i++) value = BigInt.asUintN(64, (value ^ BigInt(key.charCodeAt(i))) * 0x100000001b3n)
  return value
}

interface Queued {
  readonly waiter: Waiter
  readonly timer: NodeJS.Timeout
  readonly detected: boolean
}

export function createLockWaits(): LockWaits {
  const queues = new Map<string, Queued[]>()
  /** Edges by waiting transaction. */
  const edges = new Map<bigint, Waiter[]>()

  const forgetEdge = (waiter: Waiter): void => {
    const left = (edges.get(waiter.startTs) ?? []).filter((other) => other !== waiter)
    if (left.length > 0) edges.set(waiter.startTs, left)
    else edges.delete(waiter.startTs)
  }
  const leave = (queued: Queued): void => {
    clearTimeout(queued.timer)
    const { waiter } = queued
    const left = (queues.get(waiter.key) ?? []).filter((other) => other !== queued)
    if (left.length > 0) queues.set(waiter.key, left)
    else queues.delete(waiter.key)
    if (queued.detected) forgetEdge(waiter)
  }
  /** The path of waits from `from` to `to`, if there is one. */
  const path = (from: bigint, to: bigint, seen: Set<bigint>): Waiter[] | undefined => {
    if (seen.has(from)) return undefined
    seen.add(from)
    for (const edge of edges.get(from) ?? []) {
      if (edge.lockTs === to) return [edge]
      const rest = path(edge.lockTs, to, seen)
      if (rest) return [edge, ...rest]
    }
    return undefined
  }
  const chainEntry = (waiter: Waiter): ChainEntry => ({
    txn: waiter.startTs,
    wait_for_txn: waiter.lockTs,
    key: toBytes(waiter.key),
    key_hash: hash(waiter.key),
    resource_group_tag: waiter.tag,
  })
  const wakeFrom = (key: string, released: Released): void => {
    for (;;) {
      const first = queues.get(key)?.[0]
      if (first === undefined) return
      leave(first)
      first.waiter.wake(released)
      if (first.waiter.force) return
    }
  }
  return {
    wait(waiter, waitMs, detect) {
      if (detect) {
        const circle = path(waiter.lockTs, waiter.startTs, new Set())
        if (circle) {
          return {
            deadlock: {
              lock_ts: waiter.lockTs,
              lock_key: toBytes(waiter.key),
              deadlock_key_hash: hash(circle.at(-1)!.key),
              wait_chain: [...circle, waiter].map(chainEntry),
            },
          }
        }
        edges.set(waiter.startTs, [...(edges.get(waiter.startTs) ?? []), waiter])
      }
      const queued: Queued = {
        waiter,
        detected: detect,
        timer: setTimeout(() => {
          leave(queued)
          waiter.timeOut()
        }, waitMs),
      }
      const queue = [...(queues.get(waiter.key) ?? []), queued]
      queues.set(
        waiter.key,
        queue.sort((a, b) => (a.waiter.startTs < b.waiter.startTs ? -1 : 1)),
      )
      return undefined
    },
    released(all) {
      for (const released of all) {
        const first = queues.get(released.key)?.[0]
        if (first === undefined) continue
        leave(first)
        first.waiter.wake(released)
        if (!first.waiter.force) setTimeout(() => wakeFrom(released.key, released), WAKE_DELAY_MS)
      }
    },
  }
}
