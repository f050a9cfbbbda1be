// Locks live as long as the heart-beat of their transaction's primary says.

import { Backoff, BUDGET } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { physicalOf } from './tso.ts'

/** How long the locks of a transaction of several statements live without a heart-beat, ms. */
export const PESSIMISTIC_TTL_MS = 20_000
const HEARTBEAT_MS = 8000
const MAX_LIFETIME_MS = 24 * 3600 * 1000

/** Milliseconds since the transaction's start, by PD's clock. */
export const elapsedMs = (engine: Engine, startTs: bigint): number =>
  Math.max(0, Math.ceil(engine.oracle.approximateNow() - physicalOf(startTs)))

/** Keeps a transaction's primary lock alive. `missing` is called when it is not there (any more). Answers how to stop. */
export function startHeartbeat(
  of: { readonly engine: Engine; readonly capability: Capability; readonly startTs: bigint; readonly primary: Buffer },
  missing: () => void,
): () => void {
  const { engine, capability, startTs, primary } = of
  let isStopped = false
  const stop = (): void => {
    isStopped = true
    clearInterval(timer)
  }
  const beat = async (): Promise<void> => {
    const elapsed = elapsedMs(engine, startTs)
    if (elapsed > MAX_LIFETIME_MS) {
      stop()
      return
    }
    const answer = await engine.router.sendTo(
      capability,
      'KvTxnHeartBeat',
      primary,
      { primary_lock: primary, start_version: startTs, advise_lock_ttl: BigInt(elapsed + PESSIMISTIC_TTL_MS) },
      { backoff: new Backoff(BUDGET.heartbeat) },
    )
    if (answer.error !== undefined && !isStopped) missing()
  }
  const timer = setInterval(() => {
    if (engine.closed) stop()
    else beat().catch((error: Error) => engine.log.warn('a heart-beat failed', { error: error.message }))
  }, HEARTBEAT_MS)
  timer.unref()
  return stop
}
