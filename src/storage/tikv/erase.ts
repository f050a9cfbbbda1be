// Everything of a keyspace goes at once: no snapshot, not even one taken before, shows any of it afterwards.

import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'

const TIMEOUT_MS = 60_000

/** Every version and lock of every key, in every replica. */
export async function eraseKeyspace({ router }: Engine, capability: Capability): Promise<void> {
  const backoff = new Backoff(BUDGET.range)
  let start = capability.start
  await router.regions.preload(capability.start, capability.end)
  while (Buffer.compare(start, capability.end) < 0) {
    const region = await router.regions.locate(start)
    const end = region.endKey.length > 0 && Buffer.compare(region.endKey, capability.end) < 0 ? region.endKey : capability.end
    const range = { start_key: start, end_key: end }
    const answer = await router.send(capability, 'KvDeleteRange', region, range, { backoff, timeoutMs: TIMEOUT_MS })
    if (answer === null) continue
    if (answer.error !== '') throw new KvError('unavailable', `TiKV cannot erase a range: ${answer.error}`)
    start = end
  }
}
