// A look at what is committed now, beside the transaction's own snapshot.

import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Transaction } from '../../storage/store.ts'
import type { Compilation } from './compilation.ts'

/** `read` with a transaction of its own, which ends with it. */
export function readingNow<T>(cx: Compilation, read: (now: Transaction) => MaybePromise<T>): MaybePromise<T> {
  const now = cx.state.store.readNow()
  let answer: MaybePromise<T>
  try {
    answer = read(now)
  } catch (error) {
    return andThen(now.rollback(), () => {
      throw error
    })
  }
  return answer instanceof Promise ? answer.finally(() => now.rollback()) : andThen(now.rollback(), () => answer)
}
