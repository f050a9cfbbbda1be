// The tree of a set operation leans to the left: a UNION b UNION c … may be thousands of branches long, so its left side is walked, never descended.

import type { RangeTblRef, SetOperation } from './query.ts'

export type SetOperand = SetOperation | RangeTblRef

/** The leaf whose names the result has. */
export function leftmostLeaf(node: SetOperand): RangeTblRef {
  let current = node
  while (current.kind === 'SetOperation') current = current.left
  return current
}

/** From the leftmost leaf up: what it becomes, joined by each operation above with that one's right side. */
export function foldLeft<T>(
  node: SetOperand,
  leaf: (ref: RangeTblRef, above: SetOperation | null) => T,
  join: (left: T, operation: SetOperation, above: SetOperation | null) => T,
): T {
  const operations: SetOperation[] = []
  let current = node
  while (current.kind === 'SetOperation') {
    operations.push(current)
    current = current.left
  }
  let result = leaf(current, operations.at(-1) ?? null)
  for (let i = operations.length - 1; i >= 0; i--) result = join(result, operations[i]!, operations[i - 1] ?? null)
  return result
}
