// MERGE: each joined row takes the first action of its kind whose condition holds. Rows are taken one by one: an action sees what the ones
// before it wrote.

import type { Datum, Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import { compileProjection, compileQuals, projectRow, testRow } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { type Change, compileLocking, eachRow, type ModifyContext, oldRow } from './modify-common.ts'

export type MergeApply = (rows: Row[]) => MaybePromise<Change[]>

export function compileMerge(context: ModifyContext): MergeApply {
  const { plan, cx, modifier } = context
  const width = modifier.access.layout.columns.length
  const locking = compileLocking(context)
  const actions = plan.mergeActions.map((action) => ({
    kind: action.matchKind,
    command: action.command,
    qual: action.qual === null ? null : compileQuals([action.qual], ROW_SCOPE, cx),
    values: compileProjection(action.targetList, ROW_SCOPE, cx),
    places: action.targetList.map((entry) => entry.resno - 1),
    changed: new Set(action.targetList.map((entry) => entry.resno - 1)),
  }))
  type Action = (typeof actions)[number]
  const choose = (kind: Action['kind'], row: Row, from = 0): MaybePromise<Action | null> => {
    for (let i = from; i < actions.length; i++) {
      const action = actions[i]!
      if (action.kind !== kind) continue
      const ok = action.qual === null ? true : testRow(action.qual, row)
      if (ok instanceof Promise) return ok.then((yes) => (yes ? action : choose(kind, row, i + 1)))
      if (ok === true) return action
    }
    return null
  }
  const target = (action: Action, base: Row, row: Row): MaybePromise<Row> =>
    andThen(projectRow(action.values, row), (computed) => {
      const next: Datum[] = base.slice()
      for (let i = 0; i < action.places.length; i++) next[action.places[i]!] = computed[i]!
      return next
    })
  const insert = (action: Action, row: Row, changes: Change[]): MaybePromise<void> =>
    andThen(target(action, new Array<Datum>(width).fill(null), row), (fresh) =>
      andThen(
        context.write(1, () => modifier.insert([fresh]), [fresh]),
        () => {
          changes.push({ input: row, old: null, fresh })
        },
      ),
    )
  const change = (action: Action, row: Row, key: Buffer, changes: Change[]): MaybePromise<void> => {
    if (!context.seen!.add(key.latin1Slice())) {
      throw new PgError(SQLSTATE.cardinalityViolation, 'MERGE command cannot affect row a second time', {
        hint: 'Ensure that not more than one source row matches any one target row.',
      })
    }
    const rows = [row]
    const keys = [key]
    return andThen(locking.lock(rows, keys, 'removal'), () => {
      const [current] = rows
      if (current === undefined) return undefined
      const old = oldRow(current, width, plan.rowSlots)
      if (action.command === 'delete') {
        return andThen(
          context.write(1, () => modifier.delete(keys, [old]), []),
          () => {
            changes.push({ input: current, old, fresh: null })
          },
        )
      }
      return andThen(target(action, old, current), (fresh) =>
        andThen(
          context.write(1, () => modifier.update(keys, [old], [fresh], action.changed), [fresh]),
          () => {
            changes.push({ input: current, old, fresh })
          },
        ),
      )
    })
  }
  const one = (row: Row, changes: Change[]): MaybePromise<void> => {
    const key = row[plan.keySlot - 1] as Buffer | null
    const source = plan.sourceSlot === 0 || row[plan.sourceSlot - 1] !== null
    const kind = key === null ? 'not matched by target' : source ? 'matched' : 'not matched by source'
    return andThen(choose(kind, row), (action) => {
      if (action === null || action.command === 'nothing') return undefined
      return action.command === 'insert' ? insert(action, row, changes) : change(action, row, key!, changes)
    })
  }
  return (rows: Row[]): MaybePromise<Change[]> => {
    const changes: Change[] = []
    return andThen(
      eachRow(rows, (row) => one(row, changes)),
      () => changes,
    )
  }
}
