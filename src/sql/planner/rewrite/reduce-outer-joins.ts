// An outer join whose NULL rows some condition above rejects is an inner one (a full join, a left one).

import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { type TreeNode, treeRels } from '../join-tree.ts'
import { strictVars } from '../volatility.ts'

type Rels = ReadonlySet<number>

function rejected(quals: readonly Expr[], above: Rels, catalog: CatalogSnapshot): Rels {
  const rels = new Set(above)
  for (const qual of quals) strictVars(qual, true, catalog, (varno) => void rels.add(varno))
  return rels
}

const overlaps = (rels: Rels, node: TreeNode): boolean => {
  for (const rti of treeRels(node)) if (rels.has(rti)) return true
  return false
}

/** `nonNull`: relations whose all-NULL rows would not survive above. */
export function reduceOuterJoins(node: TreeNode, catalog: CatalogSnapshot, nonNull: Rels = new Set()): TreeNode {
  if (node.kind === 'rel') return node
  if (node.kind === 'from') {
    if (node.items.every((item) => item.kind === 'rel')) return node
    const rels = rejected(node.quals, nonNull, catalog)
    return { ...node, items: node.items.map((item) => reduceOuterJoins(item, catalog, rels)) }
  }
  let { type, left, right } = node
  if (type === 'full') {
    const keepsLeft = overlaps(nonNull, left)
    const keepsRight = overlaps(nonNull, right)
    if (keepsLeft && keepsRight) return reduceOuterJoins({ kind: 'from', items: [left, right], quals: node.quals }, catalog, nonNull)
    if (keepsLeft) type = 'left'
    else if (keepsRight) {
      type = 'left'
      ;[left, right] = [right, left]
    }
  } else if (type === 'left' && overlaps(nonNull, right)) {
    return reduceOuterJoins({ kind: 'from', items: [left, right], quals: node.quals }, catalog, nonNull)
  }
  const none: Rels = new Set()
  const onLeft = type === 'full' ? none : type === 'semi' ? rejected(node.quals, nonNull, catalog) : nonNull
  const onRight = type === 'full' ? none : rejected(node.quals, none, catalog)
  return { ...node, type, left: reduceOuterJoins(left, catalog, onLeft), right: reduceOuterJoins(right, catalog, onRight) }
}
