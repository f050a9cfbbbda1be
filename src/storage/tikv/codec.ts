// Keys on their way out and in. A capability is one keyspace as this process may use it: the only thing that turns a user key into a physical one
// (mode byte, 3-byte keyspace id, key) and back. And the gate that every request passes before it leaves the process: each key in it must
// belong to the capability's keyspace, and nothing that can kill or poison a store may pass (no keys at all, a key twice, empty bounds, a
// timestamp ahead of the placement driver's clock).

import type { KeyspaceId } from '../../base/ids.ts'
import { KvError } from '../kv-error.ts'
import { Op } from './proto/kvrpcpb.ts'
import type { Decoded, Fields } from './proto/message.ts'
import type { Tikv } from './proto/tikvpb.ts'

const MODE_TXN = 0x78
/** The last id's range would end in another mode. */
const MAX_ID = 0xfffffe
export const PREFIX_BYTES = 4
export const MAX_TS = 0xffff_ffff_ffff_ffffn
/** Longest physical key a store accepts. */
const MAX_PHYSICAL_KEY = 7279
/** Largest request that one raft entry can hold, with room for what TiKV adds. */
export const MAX_REQUEST_BYTES = 7 * 1024 * 1024
/** How far a read's timestamp may be ahead of the newest one this process has seen. */
const MAX_AHEAD = 30_000n << 18n

export class Capability {
  readonly id: KeyspaceId
  /** First physical key, and the first behind the last. */
  readonly start: Buffer
  readonly end: Buffer

  constructor(id: KeyspaceId) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw new KvError('keyspaceUnavailable', `keyspace id ${id} is out of range`)
    this.id = id
    this.start = Buffer.alloc(PREFIX_BYTES)
    this.start.writeUInt32BE(MODE_TXN * 0x1000000 + id)
    this.end = Buffer.alloc(PREFIX_BYTES)
    this.end.writeUInt32BE(MODE_TXN * 0x1000000 + id + 1)
  }

  /** The physical key of a user key. */
  key(user: Uint8Array): Buffer {
    const key = Buffer.allocUnsafe(PREFIX_BYTES + user.length)
    key.set(this.start, 0)
    key.set(user, PREFIX_BYTES)
    return key
  }

  owns(key: Uint8Array): boolean {
    const { start } = this
    return key.length >= PREFIX_BYTES && key[0] === start[0] && key[1] === start[1] && key[2] === start[2] && key[3] === start[3]
  }

  /** The user key of a physical one: a view. */
  user(key: Buffer): Buffer {
    if (!this.owns(key)) throw new KvError('corrupt', `the store answered a key outside keyspace ${this.id}`)
    return key.subarray(PREFIX_BYTES)
  }
}

/** Memcomparable form, which region bounds have. */
export function encodeKey(key: Uint8Array): Buffer {
  const groups = Math.floor(key.length / 8) + 1
  const out = Buffer.alloc(groups * 9)
  for (let g = 0; g < groups; g++) {
    const from = g * 8
    const size = Math.min(8, key.length - from)
    out.set(key.subarray(from, from + size), g * 9)
    out[g * 9 + 8] = 0xff - (8 - size)
  }
  return out
}

/** Null: not a key in memcomparable form. */
export function decodeKey(encoded: Uint8Array): Buffer | null {
  const out = Buffer.allocUnsafe(Math.ceil(encoded.length / 9) * 8)
  let size = 0
  for (let at = 0; at + 9 <= encoded.length; at += 9) {
    const padding = 0xff - encoded[at + 8]!
    if (padding > 8) return null
    out.set(encoded.subarray(at, at + 8 - padding), size)
    size += 8 - padding
    if (padding === 0) continue
    for (let i = at + 8 - padding; i < at + 8; i++) if (encoded[i] !== 0) return null
    return at + 9 === encoded.length ? out.subarray(0, size) : null
  }
  return null
}

export type Command = keyof typeof Tikv

type Loose = Record<string, unknown>

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
const RANGES: ReadonlySet<string> = new Set(['KvScan', 'KvScanLock', 'KvDeleteRange', 'UnsafeDestroyRange'])
const READ_TIMESTAMPS = ['version', 'max_version', 'lock_ts', 'caller_start_ts', 'current_ts']
const KEY_FIELDS = ['key', 'primary_lock', 'primary_key', 'split_key']
const KEY_LISTS = ['keys', 'secondaries', 'split_keys']

/**
 * Throws unless the request may leave the process under this capability. `newestTs` is the newest timestamp received from the placement
 * driver; 2^64-1 ("newest committed") is allowed for reads of single keys only.
 */
export function checkOutgoing(capability: Capability, command: Command, request: object, newestTs: bigint): void {
  const loose = request as Loose
  const check = (key: Uint8Array, what: string): void => {
    if (!capability.owns(key)) throw defect(command, `${what} is outside keyspace ${capability.id}`)
    if (key.length > MAX_PHYSICAL_KEY) throw new KvError('keyTooLarge', `a key of ${key.length - PREFIX_BYTES} bytes is too large`)
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
    let start = loose['start_key'] as Buffer | undefined
    let end = loose['end_key'] as Buffer | undefined
    if (loose['reverse'] === true) [start, end] = [end, start]
    if (start === undefined || end === undefined || start.length === 0 || end.length === 0) throw defect(command, 'a bound is empty')
    check(start, 'the lower bound')
    if (!capability.end.equals(end)) check(end, 'the upper bound')
    if (Buffer.compare(start, end) >= 0) throw defect(command, 'the bounds are reversed')
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

export type AnyDecoded = Decoded<Fields>
