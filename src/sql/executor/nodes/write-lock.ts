// Which row lock an UPDATE needs: PostgreSQL's FOR NO KEY UPDATE unless a key gets another value.

import type { Row } from '../../../base/datum.ts'
import { compileProjection } from '../expr/predicate.ts'
import { isQuiet } from '../expr/quiet.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { type ModifyContext, oldRow, type WriteLock } from './modify-common.ts'

/** `changed`: ordinals that may change. Many a program writes whole rows back: that must not keep rows away that refer to them. */
export function compileWriteLock(context: ModifyContext, changed: ReadonlySet<number>): (rows: readonly Row[]) => WriteLock {
  const { plan, cx, modifier } = context
  if (!modifier.changesKey(changed)) return () => 'no key update'
  const entries = plan.set.filter((entry) => modifier.changesKey(new Set([entry.resno - 1])))
  const others = [...changed].filter((column) => !entries.some((entry) => entry.resno - 1 === column))
  const values = compileProjection(entries, ROW_SCOPE, cx)
  // What can fail or have effects must not be evaluated twice.
  const isQuick = isQuiet(
    entries.map((entry) => entry.expr),
    cx,
  )
  if (!isQuick || values.async || modifier.changesKey(new Set(others))) return () => 'removal'
  const width = modifier.access.layout.columns.length
  return (rows) => {
    for (const row of rows) {
      const old = oldRow(row, width, plan.rowSlots)
      const next = old.slice()
      const computed = values.project(row) as Row
      for (let i = 0; i < entries.length; i++) next[entries[i]!.resno - 1] = computed[i]!
      if (modifier.keysDiffer(old, next)) return 'removal'
    }
    return 'no key update'
  }
}
