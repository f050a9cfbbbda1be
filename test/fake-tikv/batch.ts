// What a command is going to write. Commands decide everything from the data as it stands and collect their changes here; nothing is applied
// when one of their keys fails. Applying also says whose locks went, for those who wait.

import { Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { Entry, Lock, Mvcc, Write } from './mvcc.ts'

export interface Released {
  readonly key: string
  readonly startTs: bigint
  /** 0 when the lock's transaction was rolled back. */
  readonly commitTs: bigint
}

export interface Batch {
  putLock(key: string, lock: Lock): void
  unlock(key: string, lock: Lock, commitTs: bigint): void
  /** `inOnePhase`: its value comes with it; otherwise a long one lies in the store since the prewrite. */
  putWrite(key: string, write: Write, inOnePhase?: boolean): void
  removeWrite(entry: Entry, write: Write): void
  /** Bytes that a raft entry of it would roughly hold. */
  size(): number
  apply(mvcc: Mvcc): readonly Released[]
}

/** Longer values lie beside the records of locks and writes. */
export const SHORT_VALUE_MAX = 255

export function createBatch(): Batch {
  const changes: ((mvcc: Mvcc) => void)[] = []
  const released: Released[] = []
  let size = 0
  return {
    putLock(key, lock) {
      size += key.length + lock.primary.length + lock.value.length + 64
      for (const secondary of lock.secondaries) size += secondary.length + 2
      changes.push((mvcc) => mvcc.setLock(key, lock))
    },
    unlock(key, lock, commitTs) {
      size += key.length + 16
      released.push({ key, startTs: lock.startTs, commitTs })
      changes.push((mvcc) => {
        const entry = mvcc.get(key)
        if (entry?.lock?.startTs === lock.startTs) mvcc.removeLock(entry)
      })
    },
    putWrite(key, write, inOnePhase = false) {
      const { length } = write.value
      size += key.length + (inOnePhase || length <= SHORT_VALUE_MAX ? length : 0) + 32
      changes.push((mvcc) => mvcc.putWrite(key, write))
    },
    removeWrite(entry, write) {
      size += entry.key.length
      changes.push((mvcc) => mvcc.removeWrite(entry, write))
    },
    size: () => size,
    apply(mvcc) {
      for (const change of changes) change(mvcc)
      return released
    },
  }
}

export const NO_VALUE = Buffer.alloc(0)

/** The record that a rollback at `startTs` leaves, given another transaction's commit at that very ts. */
export function rollbackRecord(batch: Batch, key: string, startTs: bigint, isProtected: boolean, overlapped: Write | undefined): void {
  if (overlapped === undefined) {
    batch.putWrite(key, { type: Op.Rollback, startTs, commitTs: startTs, value: NO_VALUE, isProtected, overlappedRollback: false })
  } else if (isProtected && !overlapped.overlappedRollback) {
    batch.putWrite(key, { ...overlapped, overlappedRollback: true })
  }
}

/** Rollback records that need not stay are replaced by the next one on the key. */
export function collapsePreviousRollback(batch: Batch, entry: Entry | undefined, startTs: bigint): void {
  const previous = entry?.writes.find((write) => write.commitTs < startTs)
  if (entry && previous?.type === Op.Rollback && !previous.isProtected) batch.removeWrite(entry, previous)
}
