// Waiting before another try: per kind of trouble an exponential sequence, and one budget for the sum of an operation's waits. When it is spent the
// last trouble is the operation's error.

import type { CancelToken } from '../../base/cancel.ts'
import { KvError } from '../kv-error.ts'

interface Schedule {
  readonly base: number
  readonly cap: number
  /** Half of each wait is random. */
  readonly jitter: boolean
}

const SCHEDULES = {
  rpc: { base: 50, cap: 1000, jitter: true },
  txnLock: { base: 20, cap: 1000, jitter: true },
  txnLockFast: { base: 3, cap: 1000, jitter: true },
  pdRpc: { base: 100, cap: 1000, jitter: true },
  regionMiss: { base: 2, cap: 500, jitter: false },
  serverBusy: { base: 200, cap: 10_000, jitter: true },
  staleCommand: { base: 2, cap: 1000, jitter: false },
  maxTsNotSynced: { base: 2, cap: 500, jitter: false },
  diskFull: { base: 500, cap: 5000, jitter: false },
  recovery: { base: 100, cap: 10_000, jitter: true },
  txnNotFound: { base: 2, cap: 500, jitter: false },
} as const satisfies Record<string, Schedule>

export type BackoffKind = keyof typeof SCHEDULES

/** Milliseconds an operation may spend waiting. */
export const BUDGET = {
  read: 20_000,
  lock: 20_000,
  prewrite: 40_000,
  commit: 40_000,
  secondaries: 41_000,
  cleanup: 20_000,
  heartbeat: 5000,
  resolve: 40_000,
  range: 100_000,
  pd: 20_000,
} as const

/** Resolves after `ms`, rejects with the token's reason before. */
export function pause(ms: number, cancel?: CancelToken | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = cancel?.onCancel((reason) => {
      clearTimeout(timer)
      reject(reason)
    })
    const timer = setTimeout(() => {
      stop?.()
      resolve()
    }, ms)
  })
}

export class Backoff {
  readonly #budget: number
  readonly #cancel: CancelToken | null
  readonly #tries = new Map<BackoffKind, number>()
  #spent = 0

  constructor(budgetMs: number, cancel: CancelToken | null = null) {
    this.#budget = budgetMs
    this.#cancel = cancel
  }

  get spent(): number {
    return this.#spent
  }

  /** The next wait of this kind, at most `atMost` ms; throws 'unavailable' with `why` when the budget is spent. */
  async wait(kind: BackoffKind, why: string, options: { atMost?: number; atLeast?: number; free?: boolean } = {}): Promise<void> {
    this.#cancel?.check()
    const { base, cap, jitter }: Schedule = SCHEDULES[kind]
    const n = this.#tries.get(kind) ?? 0
    this.#tries.set(kind, n + 1)
    let ms = Math.min(cap, base * 2 ** Math.min(n, 20))
    if (jitter) ms = ms / 2 + (Math.random() * ms) / 2
    ms = Math.max(1, Math.min(Math.max(ms, options.atLeast ?? 0), options.atMost ?? cap))
    if (options.free !== true) {
      if (this.#spent >= this.#budget) throw new KvError('unavailable', `gave up after ${Math.round(this.#spent)} ms: ${why}`)
      this.#spent += ms
    }
    await pause(ms, this.#cancel)
  }
}
