// RETURNING, with OLD and NEW.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { nodeAs, type ReturningClause } from '../parser/nodes.ts'
import { assignListCollations } from './collate.ts'
import { type ExprKind, errorAt, type Mutable, type NsItem, type ParseState } from './context.ts'
import type { TargetEntry } from './expr.ts'
import { addRelation, itemByName } from './relation.ts'
import { markOrigins, resolveTargetUnknowns, transformTargetList } from './target.ts'

export function transformReturning(state: ParseState, clause: ReturningClause, kind: ExprKind): TargetEntry[] {
  let oldName = 'old'
  let newName = 'new'
  const given = new Set<string>()
  for (const node of clause.options ?? []) {
    const option = nodeAs(node, 'ReturningOption')!
    const which = option.option === 'RETURNING_OPTION_OLD' ? 'OLD' : 'NEW'
    if (given.has(which)) {
      throw errorAt(state, SQLSTATE.syntaxError, `${which} cannot be specified multiple times`, option.location ?? 0)
    }
    given.add(which)
    const name = option.value ?? ''
    if (itemByName(state, null, name, -1) !== null || (given.size === 2 && (which === 'OLD' ? newName : oldName) === name)) {
      throw errorAt(state, SQLSTATE.duplicateAlias, `table name "${name}" specified more than once`, option.location ?? 0)
    }
    if (which === 'OLD') oldName = name
    else newName = name
  }
  // OLD and NEW are entries of their own over the target, made only when RETURNING names them: visible by qualified name only.
  const saved = state.namespace
  const items: NsItem[] = []
  const permission = (state.targetItem!.rte as { permission: number }).permission
  const text = JSON.stringify(clause.exprs)
  const asksForAction = kind === 'merge returning' && text.includes('"MergeSupportFunc"')
  for (const [which, name] of [
    ['old', oldName],
    ['new', newName],
  ] as const) {
    const isNamed = text.includes(JSON.stringify({ sval: name })) && !saved.some((item) => item.relVisible && item.refname === name)
    if (!isNamed && !asksForAction) continue
    const item = addRelation(state, state.target!, { aliasname: name }, false, false, permission)
    item.colsVisible = false
    if (isNamed) items.push({ ...item, returning: which })
    if (which === 'old') state.returningOld = item.rtindex
    else state.returningNew = item.rtindex
  }
  state.namespace = [...saved, ...items]
  const savedNext = state.nextResno
  state.nextResno = 1
  const entries: Mutable<TargetEntry>[] = transformTargetList(state, clause.exprs ?? [], kind)
  state.nextResno = savedNext
  if (entries.length === 0) {
    throw errorAt(state, SQLSTATE.syntaxError, 'RETURNING must have at least one column', undefined)
  }
  markOrigins(state, entries)
  resolveTargetUnknowns(state, entries)
  assignListCollations(state, entries)
  state.namespace = saved
  return entries
}
