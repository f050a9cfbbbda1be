// merge_action(): what a MERGE did with the row that its RETURNING looks at. A row that has no OLD was inserted, one that has no NEW deleted.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { MergeSupportFunc } from '../parser/nodes.ts'
import { errorAt, type ParseState } from './context.ts'
import type { CaseExpr, Expr } from './expr.ts'
import { DEFAULT_COLLATION, makeConst } from './make.ts'
import { isMissing } from './row-presence.ts'

/** The RETURNING of a MERGE around the expression, and how many levels above it stands. */
function mergeAround(state: ParseState): { readonly merge: ParseState; readonly levelsUp: number } | null {
  let levelsUp = 0
  for (let at: ParseState | null = state; at !== null; at = at.parent, levelsUp++)
    if (at.kind === 'merge returning') return { merge: at, levelsUp }
  return null
}

export function transformMergeAction(state: ParseState, node: MergeSupportFunc): CaseExpr {
  const location = node.location ?? 0
  const around = mergeAround(state)
  if (around === null) {
    const message = 'MERGE_ACTION() can only be used in the RETURNING list of a MERGE command'
    throw errorAt(state, SQLSTATE.syntaxError, message, location)
  }
  const { merge, levelsUp } = around
  const text = { type: T.text, typmod: -1, collation: DEFAULT_COLLATION, location }
  const name = (value: string): Expr => makeConst(T.text, -1, DEFAULT_COLLATION, value, location)
  return {
    kind: 'CaseExpr',
    arg: null,
    whens: [
      { condition: isMissing(merge.returningOld, levelsUp, location), result: name('INSERT') },
      { condition: isMissing(merge.returningNew, levelsUp, location), result: name('DELETE') },
    ],
    defaultResult: name('UPDATE'),
    ...text,
  }
}
