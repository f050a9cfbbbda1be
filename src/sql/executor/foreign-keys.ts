// Foreign keys, both sides. As PostgreSQL's AFTER triggers, what follows from the rows is done when the statement's rows are written, on a snapshot of
// its own; deferred constraints wait for COMMIT.

import type { Row } from '../../base/datum.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Compilation } from './compilation.ts'
import type { ModifierSet } from './modifier-set.ts'
import { Referenced } from './referenced.ts'
import { Referencing } from './referencing.ts'
import { type TableAccess, tableAccess } from './table-layout.ts'

export interface ForeignKeys {
  inserted(keys: readonly Buffer[], rows: readonly Row[]): MaybePromise<void>
  updated(keys: readonly Buffer[], oldRows: readonly Row[], newRows: readonly Row[], columns: ReadonlySet<number>): MaybePromise<void>
  deleted(oldRows: readonly Row[]): MaybePromise<void>
  settle(): MaybePromise<boolean>
  reset(): void
}

/** Null when the table takes no part in any foreign key. */
export function makeForeignKeys(access: TableAccess, cx: Compilation, set: ModifierSet): ForeignKeys | null {
  const outbound = access.table.constraints.flatMap((c) => (c.type === 'f' && c.enforced ? [new Referencing(c, access, cx)] : []))
  const inbound = access.table.inboundForeignKeys.length === 0 ? [] : [access.table.inboundForeignKeys]
  if (outbound.length === 0 && inbound.length === 0) return null
  let referenced: Referenced[] | null = null
  const referencedKeys = (): Referenced[] => {
    referenced ??= access.table.inboundForeignKeys.flatMap(({ table, constraint }) => {
      const child = tableAccess(table, cx)
      const fk = child.table.constraints.find((c) => c.oid === constraint)
      return fk?.type === 'f' && fk.enforced ? [new Referenced(fk, access, child, cx, set)] : []
    })
    return referenced
  }
  const each = <T>(list: readonly T[], fn: (item: T) => MaybePromise<unknown>, from = 0): MaybePromise<void> => {
    for (let i = from; i < list.length; i++) {
      const done = fn(list[i]!)
      if (done instanceof Promise) return done.then(() => each(list, fn, i + 1))
    }
    return undefined
  }
  return {
    inserted: (keys, rows) => each(outbound, (fk) => fk.added(keys, rows)),
    updated(keys, oldRows, newRows, columns) {
      const mine = outbound.filter((fk) => fk.touchedBy(columns))
      return andThen(
        each(mine, (fk) => {
          const changed = keys.map((_, i) => i).filter((i) => fk.differs(oldRows[i]!, newRows[i]!))
          return fk.added(
            changed.map((i) => keys[i]!),
            changed.map((i) => newRows[i]!),
          )
        }),
        () => {
          for (const fk of referencedKeys()) {
            if (!fk.touchedBy(columns)) continue
            for (let i = 0; i < oldRows.length; i++) fk.removed(oldRows[i]!, newRows[i]!)
          }
        },
      )
    },
    deleted(oldRows) {
      for (const fk of referencedKeys()) for (let i = 0; i < oldRows.length; i++) fk.removed(oldRows[i]!, null)
    },
    settle() {
      let busy = false
      const run = (item: { settle(): MaybePromise<boolean> }): MaybePromise<void> =>
        andThen(item.settle(), (did) => {
          if (did) busy = true
        })
      return andThen(each(outbound, run), () => andThen(each(referenced ?? [], run), () => busy))
    },
    reset() {
      for (const fk of outbound) fk.reset()
      for (const fk of referenced ?? []) fk.reset()
    },
  }
}
