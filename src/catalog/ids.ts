// OIDs, table ids and counter ids: one counter per keyspace, taken in blocks by transactions of its own. Like PostgreSQL's OID counter it
// never goes back: what a rolled-back CREATE took is lost.

import type { Oid } from '../base/ids.ts'
import { OID_COUNTER_KEY } from './keys.ts'
import { FIRST_NORMAL_OID } from './records.ts'
import type { CatalogSpace } from './space.ts'

const BLOCK = 64
const LOCK_TIMEOUT_MS = 10_000

interface Block {
  next: Oid
  end: Oid
  refill: Promise<void> | null
}

const blocks = new WeakMap<CatalogSpace, Block>()

async function refill(space: CatalogSpace, block: Block): Promise<void> {
  const key = Buffer.from(OID_COUNTER_KEY, 'utf8')
  const txn = space.keyspace.begin({ isolation: 'read committed' })
  try {
    const locked = await txn.lockKeys([key], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })
    const stored = locked.values![0]
    const next = stored === null || stored === undefined ? FIRST_NORMAL_OID : Number(stored.toString('latin1'))
    await txn.put(key, Buffer.from(String(next + BLOCK), 'latin1'))
    // What uses these ids is committed later, so a crash that loses this write loses them too.
    await txn.commit({ relaxed: true })
    block.next = next
    block.end = next + BLOCK
  } catch (error) {
    await txn.rollback()
    throw error
  }
}

/** A number nobody in this keyspace has or had. */
export async function newOid(space: CatalogSpace): Promise<Oid> {
  let block = blocks.get(space)
  if (block === undefined) blocks.set(space, (block = { next: 0, end: 0, refill: null }))
  while (block.next >= block.end) {
    const mine: Block = block
    block.refill ??= refill(space, block).finally(() => {
      mine.refill = null
    })
    await block.refill
  }
  return block.next++
}
