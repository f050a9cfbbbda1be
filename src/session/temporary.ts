// The temporary objects of one session: what a commit, DISCARD and the session's end do to them.

import type { Oid } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { noteTemporary } from '../catalog/cleanup.ts'
import { LOCK } from '../catalog/object-locks.ts'
import { dropTemporary, runOnCommit } from '../sql/commands/temporary.ts'
import type { Session } from './session.ts'
import { internalContext } from './utility/definition.ts'

/** Made temporary objects in the open transaction, as far as the catalogue tells. */
const madeSome = (session: Session): boolean =>
  session.catalogTxn?.changed === true && session.planning.snapshot().namespaceByName('pg_temp') !== null

/** Relations that the open transaction may have written. */
function* written(session: Session): Iterable<Oid> {
  const { taken } = session.lockHolder
  for (let i = 0; i < taken.length; i += 2) if (taken[i + 1]! >= LOCK.rowExclusive) yield taken[i]!
}

/** Whether the commit has something to do for temporary tables. // hot */
export function hasOnCommit(session: Session): boolean {
  if (madeSome(session)) return true
  const { emptiedAtCommit } = session.temporary
  if (emptiedAtCommit.length === 0) return false
  for (const oid of written(session)) if (emptiedAtCommit.includes(oid)) return true
  return false
}

/** ON COMMIT of the temporary tables, inside the transaction that commits. */
export async function onCommitTemporary(session: Session): Promise<void> {
  const oids = new Set(written(session))
  await runOnCommit(await internalContext(session), oids)
}

export async function discardTemporary(session: Session): Promise<void> {
  if (!session.temporary.isEmpty || madeSome(session)) await dropTemporary(await internalContext(session))
}

/** The session ends: what it had is garbage. */
export function forgetTemporary(session: Session): MaybePromise<void> {
  const { temporary, keyspace } = session
  if (temporary.isEmpty) return
  const ids = [...temporary.storageIds()]
  temporary.clear()
  keyspace.temporary.delete(temporary)
  return noteTemporary(keyspace.keyspace, ids, true)
}
