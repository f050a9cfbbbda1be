// Cancellation of one statement: a flag polled in loops and an event for those who wait.

import type { PgError } from './errors.ts'

export class CancelToken {
  /** Why the statement must end (57014 and friends); null while it may go on. */
  reason: PgError | null = null
  /** When the statement's time is over (performance.now()), and why it must end then: for work that keeps timers from running. */
  expiry: { readonly at: number; readonly reason: () => PgError } | null = null
  #waiters = new Set<(reason: PgError) => void>()

  cancel(reason: PgError): void {
    if (this.reason !== null) return
    this.reason = reason
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake(reason)
  }

  /** Throws the reason if there is one. Cheap: call it once per batch. */
  check(): void {
    if (this.reason !== null) throw this.reason
  }

  /** As check, for long work within one turn of the event loop: nobody's message or timer can have come meanwhile. */
  poll(): void {
    if (this.expiry !== null && performance.now() >= this.expiry.at) this.cancel(this.expiry.reason())
    this.check()
  }

  /** Calls `wake` once on cancellation (at once if that has happened); answers how to stop listening. */
  onCancel(wake: (reason: PgError) => void): () => void {
    if (this.reason !== null) {
      wake(this.reason)
      return () => {}
    }
    this.#waiters.add(wake)
    return () => this.#waiters.delete(wake)
  }

  /** For the next statement of the session. */
  reset(): void {
    this.reason = null
  }
}

/** What `work` answers, unless the token is cancelled first. `onCancelled` sees to work that goes on all the same. */
export function orCancelled<T>(work: Promise<T>, cancel: CancelToken | null, onCancelled?: () => void): Promise<T> {
  if (cancel === null) return work
  return new Promise((resolve, reject) => {
    const stop = cancel.onCancel((reason) => {
      reject(reason)
      onCancelled?.()
    })
    work.then(
      (value) => {
        stop()
        resolve(value)
      },
      (error: unknown) => {
        stop()
        reject(error)
      },
    )
  })
}
