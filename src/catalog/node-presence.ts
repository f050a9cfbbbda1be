// Which nodes use a keyspace, as records in it. A node that changes definitions waits for those it finds here: for their acknowledgement, or until
// what they may still commit under the older version has run out. Times are milliseconds of the store's timestamps, never a node's own clock.

import { prefixEnd } from '../base/bytes.ts'
import { type Timestamp, timestamp } from '../base/ids.ts'
import { eachPair } from '../storage/each-pair.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace } from '../storage/store.ts'

export interface Presence {
  readonly node: string
  /** The catalogue version up to which it has closed and drained all relations whose gates are shut. */
  readonly seen: number
  /** Transactions under an older version may commit up to here; 0 = none. */
  readonly holdUntil: number
  /** The record means nothing from here on: the node has ended, or is about to write another. */
  readonly expires: number
}

/** Timestamps of a store with several nodes count milliseconds above these bits, as PD's do. */
const LOGICAL_BITS = 18n
export const msOf = (ts: Timestamp): number => Number(ts >> LOGICAL_BITS)
export const timestampOf = (ms: number): Timestamp => timestamp(BigInt(ms) << LOGICAL_BITS)

const PREFIX = Buffer.from(META.presence, 'latin1')
const keyOf = (node: string): Buffer => Buffer.concat([PREFIX, Buffer.from(node, 'latin1')])

/** Answers when it was committed. */
export async function writePresence(keyspace: Keyspace, { node, seen, holdUntil, expires }: Presence): Promise<number> {
  const txn = keyspace.begin({ isolation: 'read committed', autocommit: true })
  try {
    await txn.put(keyOf(node), Buffer.from(`${seen} ${holdUntil} ${expires}`, 'latin1'))
    return msOf((await txn.commit())!)
  } catch (error) {
    await txn.rollback()
    throw error
  }
}

export async function removePresence(keyspace: Keyspace, node: string): Promise<void> {
  const txn = keyspace.begin({ isolation: 'read committed', autocommit: true })
  try {
    await txn.delete(keyOf(node))
    await txn.commit()
  } catch (error) {
    await txn.rollback()
    throw error
  }
}

/** All records, and when they were read. */
export async function scanPresences(keyspace: Keyspace): Promise<{ readAt: number; presences: Presence[] }> {
  const txn = keyspace.begin({ isolation: 'read committed', readOnly: true })
  const presences: Presence[] = []
  try {
    await eachPair(txn, { start: PREFIX, end: prefixEnd(PREFIX)! }, (key, value) => {
      const [seen, holdUntil, expires] = value.latin1Slice().split(' ').map(Number)
      presences.push({ node: key.latin1Slice(PREFIX.length), seen: seen!, holdUntil: holdUntil!, expires: expires! })
    })
    return { readAt: msOf(txn.readTs!), presences }
  } finally {
    await txn.rollback()
  }
}
