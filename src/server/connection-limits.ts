// CONNECTION LIMIT of roles, over all nodes: a session of a limited role holds one of the role's places, which is a lock in the keyspace, so that the
// places of a node that died are free again when its locks have expired. One node alone counts its sessions.

import { CancelToken } from '../base/cancel.ts'
import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { connectionPlaceKey } from '../catalog/keys.ts'
import type { SessionIdentity } from '../session/session.ts'
import type { KvError } from '../storage/kv-error.ts'

/** Answers how to leave the place again. */
type Leave = () => Promise<void>

const tooMany = (role: string) => new PgError(SQLSTATE.tooManyConnections, `too many connections for role "${role}"`, { severity: 'FATAL' })

function countHere({ keyspace, roleOid, roleName, connectionLimit }: SessionIdentity): null {
  let count = 0
  for (const session of keyspace.sessions.values()) if (session.userOid === roleOid) count++
  if (count >= connectionLimit) throw tooMany(roleName)
  return null
}

async function takePlace(
  { keyspace, roleOid, roleName, connectionLimit }: SessionIdentity,
  lost: (error: KvError) => void,
): Promise<Leave> {
  const locks = keyspace.keyspace.namedLocks!(new CancelToken(), lost)
  const first = Math.floor(Math.random() * connectionLimit)
  try {
    for (let i = 0; i < connectionLimit; i++) {
      const place = Buffer.from(connectionPlaceKey(roleOid, (first + i) % connectionLimit), 'latin1')
      if (await locks.lock(place, { wait: 'nowait', timeoutMs: 0 })) return () => locks.close()
    }
    throw tooMany(roleName)
  } catch (error) {
    await locks.close()
    throw error
  }
}

/** Calls `start` with how to leave the place that the session takes, null if it takes none; 53300 when there is none left. */
export function withinLimit<T>(
  identity: SessionIdentity,
  lost: (error: KvError) => void,
  start: (leave: Leave | null) => MaybePromise<T>,
): MaybePromise<T> {
  if (identity.connectionLimit < 0) return start(null)
  return andThen(identity.keyspace.capabilities.multiNode ? takePlace(identity, lost) : countHere(identity), (leave) => {
    const failed = (error: unknown): never => {
      leave?.().catch(() => undefined) // it expires
      throw error
    }
    try {
      const started = start(leave)
      return started instanceof Promise ? started.catch(failed) : started
    } catch (error) {
      return failed(error)
    }
  })
}
