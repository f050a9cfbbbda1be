// Keys on their way out and in. A capability is one keyspace as this process may use it: the only thing that turns a user key into a physical one
// (mode byte, 3-byte keyspace id, key) and back. What a request under it may name is checked by the gate (gate.ts).

import type { KeyspaceId } from '../../base/ids.ts'
import { KvError } from '../kv-error.ts'
import type { Command, Reach } from './gate.ts'

const MODE_TXN = 0x78
/** The last id's range would end in another mode. */
const MAX_ID = 0xfffffe
export const PREFIX_BYTES = 4

/** All that this client asks of a store. */
const COMMANDS: ReadonlySet<Command> = new Set<Command>([
  'KvGet',
  'KvBatchGet',
  'KvScan',
  'KvPrewrite',
  'KvCommit',
  'KvBatchRollback',
  'KvPessimisticLock',
  'KVPessimisticRollback',
  'KvTxnHeartBeat',
  'KvCheckTxnStatus',
  'KvCheckSecondaryLocks',
  'KvResolveLock',
  'KvDeleteRange',
])

export class Capability implements Reach {
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

  ownsRange(start: Uint8Array, end: Uint8Array): boolean {
    return this.owns(start) && (this.owns(end) || this.end.equals(end))
  }

  allows(command: Command): boolean {
    return COMMANDS.has(command)
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
