// A relation's gate, as other nodes see it: a record that says in which mode the relation is locked and by whom, and a key beside it that is never
// written: its holder keeps it locked as long as it lives. A record whose key is free was left by a node that ended; anybody may remove it.

import { prefixEnd } from '../base/bytes.ts'
import type { Oid } from '../base/ids.ts'
import { eachPair } from '../storage/each-pair.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Transaction } from '../storage/store.ts'
import { hex8 } from './keys.ts'
import type { RelationLockMode } from './object-locks.ts'

export interface GateRecord {
  readonly relation: Oid
  readonly mode: RelationLockMode
  readonly node: string
  /** Of the transaction that shut it. */
  readonly holder: string
}

/** What the transaction that shut gates is known by among those who wait for locks. */
export const gateName = (holder: string): string => `g${holder}`

const PREFIX = Buffer.from(META.gateRecord, 'latin1')
const OID_DIGITS = 8

export const gateRecordKey = (relation: Oid): Buffer => Buffer.from(`${META.gateRecord}${hex8(relation)}`, 'latin1')
export const gateLockKey = (relation: Oid): Buffer => Buffer.from(`${META.gateLock}${hex8(relation)}`, 'latin1')

export const encodeGate = ({ mode, node, holder }: GateRecord): Buffer => Buffer.from(`${mode} ${node} ${holder}`, 'latin1')

export function decodeGate(relation: Oid, value: Buffer): GateRecord {
  const [mode, node, holder] = value.latin1Slice().split(' ')
  return { relation, mode: Number(mode) as RelationLockMode, node: node!, holder: holder! }
}

/** All gates that are shut, at the transaction's snapshot. */
export async function scanGates(txn: Transaction): Promise<GateRecord[]> {
  const gates: GateRecord[] = []
  await eachPair(txn, { start: PREFIX, end: prefixEnd(PREFIX)! }, (key, value) => {
    const relation = Number.parseInt(key.latin1Slice(PREFIX.length, PREFIX.length + OID_DIGITS), 16)
    gates.push(decodeGate(relation, value))
  })
  return gates
}
