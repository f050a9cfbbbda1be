// A value now, or later. The embedded store answers at once, TiKV later; one code path serves both and a synchronous one stays synchronous.
// `instanceof Promise` is the whole test: nobody hands out thenables of another kind. // hot

export type MaybePromise<T> = T | Promise<T>

/**
 * `fn(value)` now if the value is here, else when it comes. Errors of the synchronous path are thrown, not wrapped. (Not named `then`: a module
 * that exports `then` is itself a thenable, and `await import()` of it never ends.)
 */
export function andThen<T, R>(value: MaybePromise<T>, fn: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(fn) : fn(value)
}

/** Runs `cleanup` after `body`, however it ends. */
export function lastly<T>(body: () => MaybePromise<T>, cleanup: () => void): MaybePromise<T> {
  let value: MaybePromise<T>
  try {
    value = body()
  } catch (error) {
    cleanup()
    throw error
  }
  if (value instanceof Promise) return value.finally(cleanup)
  cleanup()
  return value
}

/** What `body` answers, or what `recover` makes of its error. */
export function recovered<T, R>(body: () => MaybePromise<T>, recover: (error: unknown) => MaybePromise<R>): MaybePromise<T | R> {
  let value: MaybePromise<T>
  try {
    value = body()
  } catch (error) {
    return recover(error)
  }
  return value instanceof Promise ? value.catch(recover) : value
}

/** Calls `step` until it answers false; leaves the stack between asynchronous steps only. */
export function loop(step: () => MaybePromise<boolean>): MaybePromise<void> {
  for (;;) {
    const more = step()
    if (more instanceof Promise) return more.then((go) => (go ? loop(step) : undefined))
    if (!more) return undefined
  }
}
