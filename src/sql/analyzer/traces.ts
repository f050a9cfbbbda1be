// What transforming an expression changes besides its result: parameters' types, columns selected, what a query level holds. So long lists of
// expressions can be begun anew (base/begun-anew.ts). Sub-selects and window calls change more, and say so.

import { mapLong, type Traces } from '../../base/begun-anew.ts'
import type { Oid } from '../../base/ids.ts'
import type { ParseState } from './context.ts'
import type { Expr } from './expr.ts'

interface Level {
  readonly hasAggs: boolean
  readonly hasTargetSRFs: boolean
  readonly lastSrf: Expr | null
  readonly selected: readonly { readonly required: boolean; readonly columns: readonly number[] }[]
}

interface Taken {
  readonly types: readonly Oid[]
  /** From the innermost outwards. */
  readonly levels: readonly Level[]
}

function tracesOf(state: ParseState): Traces<Taken> {
  const levels: ParseState[] = []
  for (let level: ParseState | null = state; level !== null; level = level.parent) levels.push(level)
  return {
    take: () => ({
      types: [...state.ctx.params.types],
      levels: levels.map(({ hasAggs, hasTargetSRFs, lastSrf, permissions }) => ({
        hasAggs,
        hasTargetSRFs,
        lastSrf,
        selected: permissions.map(({ requiredSelect, selectedColumns }) => ({ required: requiredSelect, columns: [...selectedColumns] })),
      })),
    }),
    put(taken) {
      state.ctx.params.types = [...taken.types]
      for (const [i, { hasAggs, hasTargetSRFs, lastSrf, selected }] of taken.levels.entries()) {
        const level = levels[i]!
        level.hasAggs = hasAggs
        level.hasTargetSRFs = hasTargetSRFs
        level.lastSrf = lastSrf
        for (const [k, { required, columns }] of selected.entries()) {
          const permission = level.permissions[k]!
          permission.requiredSelect = required
          permission.selectedColumns = new Set(columns)
        }
      }
    },
  }
}

/** `items.map(fn)`, where `fn` transforms or coerces; a long list gives way. */
export function eachOf<T, R>(state: ParseState, items: readonly T[], fn: (item: T, index: number) => R): R[] {
  return mapLong(items, fn, () => tracesOf(state))
}
