// Locks as a client leaves them behind that dies in the middle of a transaction.

import { Backoff } from '../../src/storage/tikv/backoff.ts'
import type { Capability } from '../../src/storage/tikv/codec.ts'
import type { Engine } from '../../src/storage/tikv/engine.ts'
import { Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'

/** Prewritten only; all prewritten with an asynchronous commit, which is a commit; the primary committed, the others not; locked only. */
export type LockKind = 'optimistic' | 'async' | 'primary' | 'pessimistic'

export async function leaveLocks(
  engine: Engine,
  capability: Capability,
  kind: LockKind,
  userKeys: readonly Uint8Array[],
  value: Buffer,
  ttlMs = 3000n,
): Promise<void> {
  const options = { backoff: new Backoff(5000) }
  const startTs = await engine.oracle.next()
  const keys = userKeys.map((key) => capability.key(key))
  const primary = keys[0]!
  for (const key of keys) {
    const common = { primary_lock: primary, start_version: startTs, lock_ttl: ttlMs }
    const { errors } =
      kind === 'pessimistic'
        ? await engine.router.sendTo(
            capability,
            'KvPessimisticLock',
            key,
            { ...common, mutations: [{ op: Op.PessimisticLock, key }], for_update_ts: startTs },
            options,
          )
        : await engine.router.sendTo(
            capability,
            'KvPrewrite',
            key,
            {
              ...common,
              mutations: [{ op: Op.Put, key, value }],
              txn_size: 1n,
              use_async_commit: kind === 'async',
              secondaries: kind === 'async' && key === primary ? keys.slice(1) : [],
              min_commit_ts: startTs + 1n,
            },
            options,
          )
    if (errors.length > 0) throw new Error(`a lock could not be left: ${JSON.stringify(errors[0], (_, field) => String(field))}`)
  }
  if (kind !== 'primary') return
  const commitTs = await engine.oracle.next()
  const { error } = await engine.router.sendTo(
    capability,
    'KvCommit',
    primary,
    { start_version: startTs, keys: [primary], commit_version: commitTs, primary_key: primary },
    options,
  )
  if (error !== undefined) throw new Error('the primary could not be committed')
}
