// The gate that every request passes before it leaves the process: each key in it must be within the reach of whoever sends it, and nothing that can
// kill or poison a store may pass (no keys at all, a key twice, empty or reversed bounds, a mutation of another command, a timestamp ahead of the
// placement driver's clock). Commands that a reach does not list are not sent at all, UnsafeDestroyRange among them. test/unit/storage/tikv/gate.test.ts puts a foreign key into every field that can hold one.

import type { KeyspaceId } from '../../base/ids.ts'
import { KvError } from '../kv-error.ts'
import { Op } from './proto/kvrpcpb.ts'
import type { Tikv } from './proto/tikvpb.ts'

export type Command = keyof typeof Tikv

/** What somebody may name: a keyspace (Capability), or for garbage collection every lock of the cluster (gc-locks.ts). Nothing else makes one. */
export interface Reach {
  /** Goes into the request's context. */
  readonly id: KeyspaceId
  owns(key: Uint8Array): boolean
  ownsRange(start: Uint8Array, end: Uint8Array): boolean
  allows(command: Command): boolean
}

/** As a read's version: the newest committed one. */
export const MAX_TS = 0xffff_ffff_ffff_ffffn
/** Largest request that one raft entry can hold, with room for what TiKV adds. */
export const MAX_REQUEST_BYTES = 7 * 1024 * 1024
/** Longest physical key a store accepts. */
const MAX_PHYSICAL_KEY = 7279
/** How far a read's timestamp may be ahead of the newest one this process has seen. */
const MAX_AHEAD = 30_000n << 18n

type Loose = Record<string, unknown>
const EMPTY = Buffer.alloc(0)

function defect(command: string, what: string): KvError {
  return new KvError('corrupt', `refused to send ${command}: ${what}`)
}

/** Commands that kill a store when they name no key. */
const NEED_KEYS: Partial<Record<Command, string>> = {
  KvPrewrite: 'mutations',
  KvCommit: 'keys',
  KvBatchRollback: 'keys',
  KvPessimisticLock: 'mutations',
  KvCheckSecondaryLocks: 'keys',
  KvBatchGet: 'keys',
  KvGet: 'key',
  KvCheckTxnStatus: 'primary_key',
  KvTxnHeartBeat: 'primary_lock',
}
const RANGES: ReadonlySet<string> = new Set(['KvScan', 'KvScanLock', 'KvDeleteRange'])
const READ_TIMESTAMPS = ['version', 'max_version', 'lock_ts', 'caller_start_ts', 'current_ts']
const KEY_FIELDS = ['key', 'primary_lock', 'primary_key', 'split_key']
const KEY_LISTS = ['keys', 'secondaries', 'split_keys']

/**
 * Throws unless the request may leave the process for this reach. `newestTs` is the newest timestamp received from the placement
 * driver; 2^64-1 ("newest committed") is allowed for reads of single keys only.
 */
export function checkOutgoing(reach: Reach, command: Command, request: object, newestTs: bigint): void {
  if (!reach.allows(command)) throw defect(command, 'it is not within reach')
  const loose = request as Loose
  const check = (key: Uint8Array, what: string): void => {
    if (!reach.owns(key)) throw defect(command, `${what} is outside keyspace ${reach.id}`)
    if (key.length > MAX_PHYSICAL_KEY) throw new KvError('keyTooLarge', `a key of ${key.length} bytes is too large`)
  }
  const unique = (keys: readonly Uint8Array[], what: string): void => {
    if (keys.length < 2) return
    const seen = new Set<string>()
    for (const key of keys) {
      const name = (key as Buffer).latin1Slice()
      if (seen.has(name)) throw defect(command, `${what} names a key twice`)
      seen.add(name)
    }
  }
  for (const field of KEY_FIELDS) {
    const key = loose[field] as Uint8Array | undefined
    if (key !== undefined && key.length > 0) check(key, field)
  }
  for (const field of KEY_LISTS) {
    const keys = loose[field] as readonly Buffer[] | undefined
    if (keys === undefined) continue
    for (const key of keys) check(key, field)
    unique(keys, field)
  }
  const mutations = loose['mutations'] as readonly { op?: number; key?: Buffer }[] | undefined
  if (mutations !== undefined) {
    for (const { key } of mutations) {
      if (key === undefined) throw defect(command, 'a mutation has no key')
      check(key, 'a mutation')
    }
    unique(
      mutations.map(({ key }) => key!),
      'mutations',
    )
    const isLocking = command === 'KvPessimisticLock'
    for (const { op } of mutations)
      if ((op === Op.PessimisticLock) !== isLocking) throw defect(command, 'a mutation has an operation of another command')
  }
  if (RANGES.has(command)) {
    let start = (loose['start_key'] as Buffer | undefined) ?? EMPTY
    let end = (loose['end_key'] as Buffer | undefined) ?? EMPTY
    if (loose['reverse'] === true) [start, end] = [end, start]
    if (command !== 'KvScanLock' && (start.length === 0 || end.length === 0)) throw defect(command, 'a bound is empty')
    if (!reach.ownsRange(start, end)) throw defect(command, `a range reaches outside keyspace ${reach.id}`)
    if (end.length > 0 && Buffer.compare(start, end) >= 0) throw defect(command, 'the bounds are reversed')
  }
  const needed = NEED_KEYS[command]
  if (needed !== undefined && ((loose[needed] as { length: number } | undefined)?.length ?? 0) === 0)
    throw defect(command, `${needed} is empty`)
  for (const field of READ_TIMESTAMPS) {
    const ts = loose[field] as bigint | undefined
    if (ts === undefined || ts <= newestTs + MAX_AHEAD) continue
    const isAllowed =
      ts === MAX_TS && (command === 'KvGet' || command === 'KvBatchGet' || field === 'caller_start_ts' || field === 'current_ts')
    if (!isAllowed) throw defect(command, `${field} is ahead of the clock`)
  }
}
