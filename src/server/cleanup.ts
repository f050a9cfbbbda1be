// Background work: erases the keys of dropped, truncated and rewritten tables in the keyspaces that are open here, once nobody can read them.

import { collectGarbage, garbageIds, noteTemporary } from '../catalog/cleanup.ts'
import { RENEWAL_MS } from '../catalog/temporary.ts'
import type { Logger } from '../observability/log.ts'
import type { KeyspaceContext } from '../session/keyspace-context.ts'

/** Between two looks at the open keyspaces. */
const INTERVAL_MS = 60_000
/** A table's keys outlive its drop by this: as long as superseded versions are kept. */
const GRACE_MS = 10 * 60_000

export interface Cleanup {
  /** Ends the work; resolves when a round under way has stopped. */
  stop(): Promise<void>
}

export function startCleanup(contexts: () => Iterable<KeyspaceContext>, log: Logger): Cleanup {
  /** When an id was first seen waiting, by keyspace. A restart begins to count anew, which only delays. */
  const seen = new WeakMap<KeyspaceContext, Map<number, number>>()
  /** When the notes of its sessions' temporary objects were last renewed. */
  const renewed = new WeakMap<KeyspaceContext, number>()
  let stopping = false
  let round: Promise<void> | null = null

  async function clean(context: KeyspaceContext): Promise<void> {
    const waiting = new Map<number, number>()
    const before = seen.get(context)
    const now = performance.now()
    const renewedAt = renewed.get(context)
    if (renewedAt === undefined) renewed.set(context, now)
    else if (now - renewedAt >= RENEWAL_MS) {
      for (const temporary of context.temporary) await noteTemporary(context.keyspace, [...temporary.storageIds()], false)
      renewed.set(context, now)
    }
    for (const id of await garbageIds(context.keyspace, !context.capabilities.multiNode)) waiting.set(id, before?.get(id) ?? now)
    const due = [...waiting].filter(([, since]) => now - since >= GRACE_MS).map(([id]) => id)
    for (const id of due) {
      if (stopping) return
      await collectGarbage(context.keyspace, [id])
      waiting.delete(id)
    }
    seen.set(context, waiting)
  }

  async function all(): Promise<void> {
    for (const context of [...contexts()]) {
      if (stopping) return
      try {
        await clean(context)
      } catch (error) {
        log.warn({ err: error, keyspace: context.name }, 'clean-up failed; tried again later')
      }
    }
  }

  const timer = setInterval(() => {
    round ??= all().finally(() => {
      round = null
    })
  }, INTERVAL_MS)
  timer.unref()
  return {
    async stop() {
      stopping = true
      clearInterval(timer)
      await round
    },
  }
}
