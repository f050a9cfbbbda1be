// INSERT … ON CONFLICT: the arbiters' keys are locked first, so what was found free stays free until the row is written. Where another index's key is
// found taken, the row that has it is locked and looked at again.

import type { Datum, Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import { andThen, type MaybePromise, recovered } from '../../../base/maybe-promise.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import { type IndexDescriptor, provesUnique } from '../../../catalog/descriptors.ts'
import { KvError } from '../../../storage/kv-error.ts'
import type { IndexLayout } from '../../../storage/rows/layout.ts'
import { lockRows } from '../../../storage/rows/locks.ts'
import { rowKeyInValue } from '../../../storage/rows/row-codec.ts'
import { entryStands, rowStands } from '../../../storage/rows/standing.ts'
import { uniqueKey } from '../../../storage/rows/table-reader.ts'
import type { Conflict } from '../../../storage/rows/table-writer.ts'
import { LOCK_GONE, LOCKED_CHANGED, type LockResult } from '../../../storage/store.ts'
import { INNER_VAR, SCAN_VAR } from '../../planner/plan.ts'
import { compileProjection, compileQuals, projectRow, testRow } from '../expr/predicate.ts'
import type { ExprScope, RowHolder } from '../expr/scope.ts'
import { checkRows, relationFields } from '../row-checks.ts'
import { type Change, eachRow, type ModifyContext, NO_ROW, noteInserts, uniqueKeys } from './modify-common.ts'

export interface ConflictingInsert {
  insert(rows: Row[], fresh: Row[]): MaybePromise<Change[]>
}

export function insertOnConflict(context: ModifyContext): ConflictingInsert {
  const { plan, cx, modifier } = context
  const { state } = cx
  const { access } = modifier
  const conflict = plan.onConflict!
  const unique = access.table.indexes.filter((index) => index.unique && access.indexes.has(index.oid))
  const chosen = conflict.arbiters.length > 0 ? unique.filter((index) => conflict.arbiters.includes(index.oid)) : unique
  const unfit = chosen.find((index) => !provesUnique(index))
  const arbiters: (IndexLayout | null)[] = (unfit === undefined ? chosen : chosen.slice(0, chosen.indexOf(unfit))).map(
    (index) => access.indexes.get(index.oid)!.layout,
  )
  const existing: RowHolder = { row: NO_ROW }
  const proposed: RowHolder = { row: NO_ROW }
  const scope: ExprScope = {
    holders: new Map([
      [SCAN_VAR, existing],
      [INNER_VAR, proposed],
    ]),
  }
  const where = conflict.where === null ? null : compileQuals([conflict.where], scope, cx)
  const values = compileProjection(conflict.set, scope, cx)
  const places = conflict.set.map((entry) => entry.resno - 1)
  const changed = new Set<number>(places)
  for (const column of access.descriptor.columns) if (column.generated === 's') changed.add(column.attnum - 1)
  const mode = modifier.changesKey(changed) ? 'removal' : 'no key update'
  const seen = context.seen!
  const { inserts } = context
  const twice = (): PgError =>
    new PgError(SQLSTATE.cardinalityViolation, 'ON CONFLICT DO UPDATE command cannot affect row a second time', {
      hint: 'Ensure that no rows proposed for insertion within the same command have duplicate constrained values.',
    })

  /**
   * Without shared locks a commit waits for the locks of the entries that it removes: those of entries that stand are given back. Elsewhere they keep
   * nobody waiting, and a savepoint per row would cost memory.
   */
  const givesBack = (): boolean => !state.store.capabilities.sharedLocks && arbiters.some((index) => index !== null)
  /** `again`: the row in the way vanished while we waited for it, or has another key now. */
  const update = (
    { key, index, found }: Conflict,
    input: Row,
    row: Row,
    changes: Change[],
    again: () => MaybePromise<void>,
  ): MaybePromise<void> => {
    const { txn, store } = state
    const before = index !== null && givesBack() ? txn.savepoint() : null
    const anew = (): MaybePromise<void> => andThen(before === null ? undefined : txn.rollbackTo(before), again)
    if (seen.has(key.latin1Slice())) throw twice()
    const keyOf = (bytes: Buffer): Buffer | null =>
      index === null ? key : uniqueKey(access.layout, index, modifier.reader.readPair(key, bytes))
    // A transaction with a snapshot of its own may not change what somebody has changed since; but who has freed the key is in nobody's way.
    const unlessFreed = (error: unknown): MaybePromise<null> => {
      if (!(error instanceof KvError && error.kind === 'writeConflict')) throw error
      return andThen(txn.newest([key]), ([newest]) => {
        if (newest != null && (index === null || keyOf(newest)?.equals(found) === true)) throw error
        return null
      })
    }
    const lock = (): MaybePromise<LockResult | null> =>
      lockRows(txn, store.capabilities, [key], mode, { wait: 'block', timeoutMs: store.lockTimeoutMs })
    return andThen(recovered(lock, unlessFreed), (locked) => {
      if (locked === null || locked.status[0] === LOCK_GONE) return anew()
      const { status } = locked
      const value = status[0] === LOCKED_CHANGED ? andThen(txn.newest([key]), ([newest]) => newest!) : txn.get(key)
      return andThen(value, (bytes) => {
        if (bytes === null) return anew()
        const old = modifier.reader.readPair(key, bytes)
        if (index !== null && keyOf(bytes)?.equals(found) !== true) return anew()
        existing.row = old
        proposed.row = row
        return andThen(where === null ? true : testRow(where, NO_ROW), (applies) => {
          if (!applies) return undefined
          seen.add(key.latin1Slice())
          existing.row = old
          proposed.row = row
          return andThen(projectRow(values, NO_ROW), (computed) => {
            const next: Datum[] = old.slice()
            for (let i = 0; i < places.length; i++) next[places[i]!] = computed[i]!
            const write = (): MaybePromise<unknown> =>
              andThen(modifier.update([key], [old], [next], changed), ([made]) => seen.add(made!.latin1Slice()))
            return andThen(context.write(1, write, [next]), () => {
              changes.push({ input, old, fresh: next })
            })
          })
        })
      })
    })
  }
  const deferrable = (index: IndexDescriptor): PgError =>
    new PgError(
      SQLSTATE.objectNotInPrerequisiteState,
      'ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters',
      { ...relationFields(access.descriptor, cx), constraint: index.name },
    )
  /** A row is in the way and stays there: DO NOTHING need not wait for those who have only locked it. */
  const blocked = (row: Row): boolean => {
    const { txn } = state
    if (conflict.action !== 'nothing' || txn.stands === undefined) return false
    return arbiters.some((index) => {
      const key = uniqueKey(access.layout, index, row)
      if (key === null) return false
      // One that the snapshot does not show is for the lock to judge.
      const seen = txn.get(key)
      if (seen instanceof Promise || seen === null) return false
      return txn.stands!(key, index === null ? key : rowKeyInValue(access.layout, seen))
    })
  }
  /** DO NOTHING where locks do not tell what their holders have written. Null: the row in the way is locked by others and stands. */
  const findStanding = async (row: Row): Promise<Conflict[] | null> => {
    const { txn, store } = state
    const { lockTimeoutMs } = store
    try {
      return await modifier.writer.findConflicts(txn, [row], arbiters, { wait: 'nowait', timeoutMs: 0 })
    } catch (error) {
      if (!(error instanceof KvError && error.kind === 'lockNotAvailable')) throw error
      // Rows are locked at their own keys; entries of other indexes only by those who insert them.
      const key = arbiters.includes(null) ? uniqueKey(access.layout, null, row) : null
      if (key !== null && error.key !== null && key.equals(error.key) && (await rowStands(txn, key, lockTimeoutMs))) return null
      return modifier.writer.findConflicts(txn, [row], arbiters, { wait: 'block', timeoutMs: lockTimeoutMs })
    }
  }
  const one = (input: Row, row: Row, changes: Change[]): MaybePromise<void> => {
    const { txn, store } = state
    if (blocked(row)) return undefined
    const before = givesBack() || (conflict.action === 'nothing' && !store.autocommit) ? txn.savepoint() : null
    const finding =
      conflict.action === 'nothing' && !store.capabilities.sharedLocks
        ? findStanding(row)
        : modifier.writer.findConflicts(txn, [row], arbiters, { wait: 'block', timeoutMs: store.lockTimeoutMs })
    return andThen(finding, (found: Conflict[] | null): MaybePromise<void> => {
      if (found === null) return undefined
      if (found.length === 0) {
        if (unfit !== undefined) throw deferrable(unfit)
        if (inserts === null || !uniqueKeys(access.layout, arbiters, row).some(inserts.has)) return insertOne(input, row, changes)
        if (conflict.action === 'nothing') return undefined
        throw twice()
      }
      const again = (): MaybePromise<void> => one(input, row, changes)
      const [first] = found as [Conflict, ...Conflict[]]
      // What is not inserted keeps nobody waiting: the keys' locks are given back.
      const isReleased = before !== null && (conflict.action === 'nothing' || first.index !== null)
      return andThen(isReleased ? txn.rollbackTo(before) : undefined, () => {
        if (conflict.action === 'update') return update(first, input, row, changes, again)
        if (first.index === null) return undefined
        return andThen(entryStands(txn, access.layout, first.found, store.lockTimeoutMs), (itStands) => (itStands ? undefined : again()))
      })
    })
  }
  const insertOne = (input: Row, row: Row, changes: Change[]): MaybePromise<void> =>
    andThen(
      context.write(1, () => andThen(modifier.insert([row]), ([key]) => seen.add(key!.latin1Slice())), [row]),
      () => {
        noteInserts(context, [row])
        changes.push({ input, old: null, fresh: row })
      },
    )
  return {
    insert(rows, fresh) {
      const changes: Change[] = []
      // Constraints hold for a proposed row even if it is not inserted in the end.
      return andThen(checkRows(modifier.checks, fresh), () => {
        return andThen(
          eachRow(rows, (input, i) => one(input, fresh[i]!, changes)),
          () => changes,
        )
      })
    },
  }
}
