// LockRows: SELECT … FOR UPDATE and its kin. A row that changed before it was locked is read again and judged again; one that is gone, or
// that somebody else holds under SKIP LOCKED, is left out.

import type { Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import { LIMITS } from '../../../base/limits.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import { KvError } from '../../../storage/kv-error.ts'
import { lockRows } from '../../../storage/rows/locks.ts'
import { compileRowReader } from '../../../storage/rows/row-codec.ts'
import type { LockRows } from '../../planner/plan.ts'
import { keepLocked } from '../changed-rows.ts'
import type { Compilation } from '../compilation.ts'
import { compileQuals } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { tableAccess } from '../table-layout.ts'
import { TupleStore } from '../tuple-store.ts'
import { portions } from './batches.ts'

export function compileLockRows(plan: LockRows, cx: Compilation): Operator {
  const { state } = cx
  const [mark] = plan.marks
  const input = portions(
    cx.compile(plan.input, plan.marks.length === 1 && (mark!.strength === 'no key update' || mark!.strength === 'share')),
  )
  const recheck = compileQuals(plan.recheck, ROW_SCOPE, cx)
  const marks = plan.marks.map((mark) => {
    const access = tableAccess(mark.relation, cx)
    const wanted = access.layout.columns.map((_, i) => i).filter((i) => !access.descriptor.columns[i]!.dropped)
    const columns = mark.rowSlots.map(({ attnum, slot }) => ({ attnum: wanted.indexOf(attnum - 1) + 1, slot }))
    return {
      ...mark,
      name: access.descriptor.name,
      reader: compileRowReader(access.layout, wanted),
      slots: { columns, xmin: mark.xminSlot },
    }
  })
  type Mark = (typeof marks)[number]
  const batch: Batch = { rows: [], count: 0 }
  const slicer = makeSlicer(state)
  const types = plan.input.targetList.map((entry) => entry.expr.type)

  const unavailable = (mark: Mark, error: unknown): never => {
    if (error instanceof KvError && error.kind === 'lockNotAvailable') {
      throw new PgError(SQLSTATE.lockNotAvailable, `could not obtain lock on row in relation "${mark.name}"`)
    }
    throw error
  }
  const lockMark = (mark: Mark, rows: Row[]): MaybePromise<void> => {
    // Rows an outer join made up have nothing to lock.
    const real = rows.filter((row) => row[mark.keySlot - 1] !== null)
    const made = rows.length === real.length ? [] : rows.filter((row) => row[mark.keySlot - 1] === null)
    if (real.length === 0) return undefined
    const keys = real.map((row) => row[mark.keySlot - 1] as Buffer)
    const { txn, store } = state
    const options = { wait: mark.wait, timeoutMs: store.lockTimeoutMs }
    const finish = (): void => {
      rows.length = 0
      for (const row of real) rows.push(row)
      for (const row of made) rows.push(row)
    }
    const keep = (result: Awaited<ReturnType<typeof lockRows>>): MaybePromise<void> =>
      andThen(
        keepLocked(real, keys, txn, result, mark.slots, mark.reader, recheck, () => {
          changed = true
        }),
        finish,
      )
    let locked: ReturnType<typeof lockRows>
    try {
      locked = lockRows(txn, store.capabilities, keys, mark.strength, options)
    } catch (error) {
      return unavailable(mark, error)
    }
    return locked instanceof Promise ? locked.then(keep, (error: unknown) => unavailable(mark, error)) : keep(locked)
  }
  const lockAll = (rows: Row[], from: number): MaybePromise<void> => {
    for (let i = from; i < marks.length; i++) {
      const done = lockMark(marks[i]!, rows)
      if (done instanceof Promise) return done.then(() => lockAll(rows, i + 1))
    }
    return undefined
  }
  let wanted: number | undefined
  /** A row was found changed since the last start. */
  let changed = false
  let answered = false
  let kept: TupleStore | null = null
  /** Nothing comes after what is kept. */
  let complete = false
  let keptAt = 0
  const again = (): MaybePromise<void> => {
    if (answered) throw new PgError(SQLSTATE.tRSerializationFailure, 'could not serialize access due to concurrent update')
    input.close()
    kept?.clear()
    return andThen(state.txn.refreshReadTs(), () => input.open())
  }
  const take = (found: Batch | null): MaybePromise<Batch | null> => {
    if (found === null) return null
    const rows = found.rows.slice(0, found.count)
    changed = false
    return andThen(lockAll(rows, 0), () => {
      if (changed && plan.restartOnChange) return andThen(again(), next)
      if (rows.length === 0) return next()
      batch.rows = rows
      batch.count = rows.length
      return batch
    })
  }
  const next = (): MaybePromise<Batch | null> => {
    // No more rows are locked than are asked for.
    const found = input.next(wanted)
    return found instanceof Promise ? found.then(take) : take(found)
  }
  /** All rows that are asked for are locked before the first is answered, so that the query can still begin again. */
  const gather = (store: TupleStore, max: number | undefined): MaybePromise<void> => {
    wanted = max === undefined ? undefined : max - store.count
    return andThen(next(), (found) => {
      complete = found === null
      if (found === null) return undefined
      store.addAll(found.rows, found.count)
      if (max !== undefined && store.count >= max) return undefined
      const pause = slicer.pause()
      return pause === null ? gather(store, max) : pause.then(() => gather(store, max))
    })
  }
  const fromKept = (store: TupleStore): Batch | null => {
    if (keptAt >= store.count) return null
    batch.rows = []
    store.read(batch, keptAt, LIMITS.batchRows)
    keptAt += batch.count
    return batch
  }
  return {
    open() {
      slicer.start()
      answered = false
      kept?.clear()
      kept = null
      keptAt = 0
      complete = false
      return input.open()
    },
    next(max) {
      wanted = max
      if (kept !== null) {
        const found = fromKept(kept)
        if (found !== null || complete) return found
        kept.clear()
        kept = null
      }
      if (plan.restartOnChange && !answered) {
        const store = new TupleStore(cx, types)
        kept = store
        return andThen(gather(store, max), () => {
          answered = true
          return fromKept(store)
        })
      }
      return andThen(next(), (found) => {
        if (found !== null) answered = true
        return found
      })
    },
    close() {
      kept?.clear()
      input.close()
    },
  }
}
