// Background work: erases the keys of dropped, truncated and rewritten tables in the keyspaces that are open here, once nobody can read them.

import { collectGarbage, garbageIds, noteTemporary } from '../catalog/cleanup.ts'
import { RENEWAL_MS } from '../catalog/temporary.ts'
import type { Logger } from '../observability/log.ts'
import type { KeyspaceContext } from '../session/keyspace-context.ts'
import { type Rounds, startRounds } from './rounds.ts'

/** Between two looks at the open keyspaces. */
const INTERVAL_MS = 60_000
/** A table's keys outlive its drop by this: as long as superseded versions are kept. */
const GRACE_MS = 10 * 60_000

export function startCleanup(contexts: () => Iterable<KeyspaceContext>, log: Logger): Rounds {
  /** When an id was first seen waiting, by keyspace. A restart begins to count anew, which only delays. */
  const seen = new WeakMap<KeyspaceContext, Map<number, number>>()
  /** When the notes of its sessions' temporary objects were last renewed. */
  const renewed = new WeakMap<KeyspaceContext, number>()

  async function clean(context: KeyspaceContext, isStopping: () => boolean): Promise<void> {
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
      if (isStopping()) return
      await collectGarbage(context.keyspace, [id])
      waiting.delete(id)
    }
    seen.set(context, waiting)
  }

  return startRounds(INTERVAL_MS, async (isStopping) => {
    for (const context of [...contexts()]) {
      if (isStopping()) return
      try {
        await clean(context, isStopping)
      } catch (error) {
        log.warn({ err: error, keyspace: context.name }, 'clean-up failed; tried again later')
      }
    }
  })
}
