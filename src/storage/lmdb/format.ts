// The embedded store's format inside one LMDB environment, in one place.
//
//   key                                            value
//   00 'F'                                         magic, u32 format version: refused when newer than ours
//   00 'T'                                         f64 little-endian: the highest commit timestamp so far
//   00 'W'                                         f64 little-endian: the last record of the write-ahead log that is in here
//   01 user key                                    newest version: header, bytes; or an intent
//   02 u16 length, user key, u64 ~timestamp        an older version: header, bytes; newest first
//   03 u64 commit timestamp, u16 part              garbage list: what became garbage at that commit (see gc.ts)
//   04 u64 transaction id                          status of a transaction with intents: u8 state, u64 commit timestamp
//   05 u64 transaction id, u32 part                keys that carry intents of that transaction: (u16 length, key)*
//
// Header, 8 bytes as two little-endian 32-bit words: word 0 = kind | (timestamp / 2^32) << 8, word 1 = timestamp mod 2^32.
// Timestamps are microseconds since the Unix epoch made strictly increasing: below 2^53, so a JavaScript number holds them.
// An intent's header holds the transaction id instead, then u32 size of what it covers, u32 position in the transaction, the covered
// stored value (padded to 8), the new bytes. Integers in keys are big-endian; numbers not marked otherwise are unsigned.
//
// Version 1 had no write-ahead log (log-record.ts): it is read, and made a version 2 when it is opened.

export const MAGIC = 'pgkeyspace-lmdb'
export const FORMAT_VERSION = 2

export const SYSTEM = 0
export const NEWEST = 1
export const HISTORY = 2
export const GARBAGE = 3
export const STATUS = 4
export const INTENT_KEYS = 5

export const VALUE = 1
export const TOMBSTONE = 2
export const INTENT_PUT = 3
export const INTENT_DELETE = 4
/** Only a lock that had to leave memory. */
export const INTENT_LOCK = 5

export const HEADER = 8
export const INTENT_HEADER = 16
/** An intent that covers nothing differs from a version only by so much header. */
export const INTENT_EXTRA = INTENT_HEADER - HEADER
const TWO_32 = 4294967296

export const isIntent = (kind: number): boolean => kind >= INTENT_PUT
export const kindOf = (word0: number): number => word0 & 0xff
export const stampOf = (word0: number, word1: number): number => (word0 >>> 8) * TWO_32 + word1
export const headerWord0 = (kind: number, stamp: number): number => (kind | (((stamp / TWO_32) >>> 0) << 8)) >>> 0
export const headerWord1 = (stamp: number): number => stamp >>> 0
export const padded = (size: number): number => (size + 7) & ~7

/** Keys live as latin1 strings in maps: they hash and compare as their bytes do. */
export function keyString(key: Uint8Array): string {
  return Buffer.isBuffer(key)
    ? key.latin1Slice(0, key.length)
    : Buffer.from(key.buffer, key.byteOffset, key.length).latin1Slice(0, key.length)
}

export function writeU64(buffer: Uint8Array, at: number, n: number): void {
  const high = Math.floor(n / TWO_32)
  const low = n >>> 0
  buffer[at] = high >>> 24
  buffer[at + 1] = high >>> 16
  buffer[at + 2] = high >>> 8
  buffer[at + 3] = high
  buffer[at + 4] = low >>> 24
  buffer[at + 5] = low >>> 16
  buffer[at + 6] = low >>> 8
  buffer[at + 7] = low
}

export function readU64(buffer: Uint8Array, at: number): number {
  const high = ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0
  const low = ((buffer[at + 4]! << 24) | (buffer[at + 5]! << 16) | (buffer[at + 6]! << 8) | buffer[at + 7]!) >>> 0
  return high * TWO_32 + low
}

/** Newest first among the versions of a key. */
export const descendingStamp = (stamp: number): number => Number.MAX_SAFE_INTEGER - stamp
