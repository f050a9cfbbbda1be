// Before the safe point moves, every lock below it is settled: of a transaction that committed, the value would be lost with its primary's record. All
// keyspaces of the cluster are gone through, whoever they belong to; what is within reach here are their locks, not their values.

import { keyspaceId } from '../../base/ids.ts'
import { Backoff, BUDGET } from './backoff.ts'
import type { Engine } from './engine.ts'
import type { Command, Reach } from './gate.ts'
import { keyFailure } from './key-error.ts'

const COMMANDS: ReadonlySet<Command> = new Set<Command>([
  'KvScanLock',
  'KvCheckTxnStatus',
  'KvCheckSecondaryLocks',
  'KvResolveLock',
  'KVPessimisticRollback',
])

/** The locks of the whole cluster. */
const EVERY_LOCK: Reach = {
  id: keyspaceId(0),
  owns: () => true,
  ownsRange: () => true,
  allows: (command) => COMMANDS.has(command),
}

const LOCKS_PER_REQUEST = 1024
const START = Buffer.alloc(0)
const ZERO = Buffer.from([0])

/** Settles every lock of a transaction that began at or before `safePoint`; answers how many were met. */
export async function settleLocksBelow(engine: Engine, safePoint: bigint): Promise<number> {
  const { router, resolver } = engine
  let met = 0
  let start: Buffer = START
  await router.regions.preload(START, START)
  for (;;) {
    const backoff = new Backoff(BUDGET.range)
    const region = await router.regions.locate(start)
    const answer = await router.send(
      EVERY_LOCK,
      'KvScanLock',
      region,
      { max_version: safePoint, start_key: start, end_key: region.endKey, limit: LOCKS_PER_REQUEST },
      { backoff },
    )
    if (answer === null) continue
    if (answer.error !== undefined) throw keyFailure('ScanLock', answer.error)
    const { locks } = answer
    if (locks.length > 0) {
      met += locks.length
      const outcomes = await resolver.decideAll(EVERY_LOCK, locks, backoff)
      if (outcomes.size > 0) {
        const cleared = await router.send(
          EVERY_LOCK,
          'KvResolveLock',
          region,
          { txn_infos: [...outcomes].map(([txn, status]) => ({ txn, status })) },
          { backoff },
        )
        // The region changed: the same locks are met again.
        if (cleared === null) continue
        if (cleared.error !== undefined) throw keyFailure('ResolveLock', cleared.error)
      }
    }
    if (locks.length >= LOCKS_PER_REQUEST) start = Buffer.concat([locks[locks.length - 1]!.key, ZERO])
    else if (region.endKey.length === 0) return met
    else start = region.endKey
  }
}
