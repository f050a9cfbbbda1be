// The last guard of the process, behind the memory accounts: when a full collection leaves most of the heap in use, the statement that works next
// ends with 53200, rather than V8 ending the process and with it every session. // hot

import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { PgError } from './errors.ts'
import { SQLSTATE } from './sqlstate.ts'

/** Of the heap's limit, in use after a full collection: the next one may still count what was given up while it was marking. */
const TOO_MUCH = 0.7

let isPressed = false

function look(): void {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
  isPressed = used > limit * TOO_MUCH
}

/** From now on full collections are looked at; answers how to stop that. */
export function watchHeap(): () => void {
  const observer = new PerformanceObserver((list) => {
    // the published types leave `detail` out
    const collections = list.getEntries() as unknown as readonly { detail: { kind: number } }[]
    if (collections.some(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR)) look()
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

/** Called where a statement may give way: throws 53200 when the heap is nearly full, once for each time it was found so. */
export function checkHeap(): void {
  if (!isPressed) return
  isPressed = false
  throw new PgError(SQLSTATE.outOfMemory, 'out of memory', { detail: 'The heap of the server is nearly full.' })
}
