// txid_current and its kin: a number of the transaction's own, greater than those given out before: the clock's microseconds, so that it also
// grows over restarts, and among several nodes a few bits that tell them apart.

import { randomInt } from 'node:crypto'
import { normalInt8 } from '../sql/types/codecs.ts'
import type { Transaction } from '../storage/store.ts'
import type { Session } from './session.ts'

const given = new WeakMap<Transaction, number | bigint>()
let last = 0
const NODE_BITS = 10n
const node = BigInt(randomInt(1 << Number(NODE_BITS)))

export function transactionId(session: Session): number | bigint {
  const txn = session.block.txn!
  let id = given.get(txn)
  if (id === undefined) {
    last = Math.max(last + 1, Date.now() * 1000)
    id = session.keyspace.capabilities.multiNode ? normalInt8((BigInt(last) << NODE_BITS) | node) : last
    given.set(txn, id)
  }
  return id
}

/** Null for a transaction that has written nothing and not asked for its number. */
export function transactionIdIfAssigned(session: Session): number | bigint | null {
  const txn = session.block.txn!
  return txn.dirty || given.has(txn) ? transactionId(session) : null
}

export const MAX_AGE = 2147483647
const FIRST_NORMAL_XID = 3

/** age(xid): how many transactions ago, by numbers cut to 32 bits as xid is; the special ones are infinitely old. */
export function xidAge(session: Session, xid: number): number {
  if (xid < FIRST_NORMAL_XID) return MAX_AGE
  return (Number(BigInt(transactionId(session)) & 0xffffffffn) - xid) | 0
}
