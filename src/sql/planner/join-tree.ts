// The planner's own join tree: FROM and inner joins as lists, right joins turned round, semi- and anti-joins as nodes.

import type { Expr } from '../analyzer/expr.ts'
import type { JoinTreeNode } from '../analyzer/query.ts'
import { splitAnd } from './expr-tree.ts'

export interface TreeRel {
  readonly kind: 'rel'
  readonly rti: number
}
/** Items joined by inner joins under `quals`; without items: one row. */
export interface TreeFrom {
  readonly kind: 'from'
  readonly items: readonly TreeNode[]
  readonly quals: readonly Expr[]
}
export interface TreeJoin {
  readonly kind: 'join'
  readonly type: 'left' | 'full' | 'semi' | 'anti'
  readonly left: TreeNode
  readonly right: TreeNode
  readonly quals: readonly Expr[]
}
export type TreeNode = TreeRel | TreeFrom | TreeJoin

export function toTree(node: JoinTreeNode): TreeNode {
  switch (node.kind) {
    case 'RangeTblRef':
      return { kind: 'rel', rti: node.rtindex }
    case 'FromExpr':
      return { kind: 'from', items: node.fromlist.map(toTree), quals: splitAnd(node.quals) }
    case 'JoinExpr': {
      const left = toTree(node.left)
      const right = toTree(node.right)
      const quals = splitAnd(node.quals)
      if (node.joinType === 'inner') return { kind: 'from', items: [left, right], quals }
      if (node.joinType === 'right') return { kind: 'join', type: 'left', left: right, right: left, quals }
      return { kind: 'join', type: node.joinType, left, right, quals }
    }
  }
}

/** `node` as one list: lists within it are inner joins of its own, their conditions hold for (and may be derived from) everything in it. */
export function toFrom(node: TreeNode): TreeFrom {
  if (node.kind !== 'from') return { kind: 'from', items: [node], quals: [] }
  if (!node.items.some((item) => item.kind === 'from')) return node
  const items: TreeNode[] = []
  const quals: Expr[] = []
  for (const item of node.items) {
    if (item.kind !== 'from') items.push(item)
    else {
      const inner = toFrom(item)
      items.push(...inner.items)
      quals.push(...inner.quals)
    }
  }
  return { kind: 'from', items, quals: [...quals, ...node.quals] }
}

/** Every condition of the tree rewritten. */
export function mapTree<T extends TreeNode>(node: T, fn: (expr: Expr) => Expr): T {
  switch (node.kind) {
    case 'rel':
      return node
    case 'from':
      return { ...node, items: node.items.map((item) => mapTree(item, fn)), quals: node.quals.map(fn) }
    case 'join':
      return { ...node, left: mapTree(node.left, fn), right: mapTree(node.right, fn), quals: node.quals.map(fn) }
  }
}

/** The conditions of all its nodes. */
export function treeQuals(node: TreeNode, into: Expr[] = []): Expr[] {
  if (node.kind === 'rel') return into
  for (const below of node.kind === 'from' ? node.items : [node.left, node.right]) treeQuals(below, into)
  into.push(...node.quals)
  return into
}

/** Range table indexes below `node`. */
export function treeRels(node: TreeNode, into: Set<number> = new Set()): Set<number> {
  if (node.kind === 'rel') into.add(node.rti)
  else if (node.kind === 'from') for (const item of node.items) treeRels(item, into)
  else {
    treeRels(node.left, into)
    treeRels(node.right, into)
  }
  return into
}

/** Relations an outer join below `node` may fill with NULLs. */
export function nullableRels(node: TreeNode, into: Set<number> = new Set()): Set<number> {
  if (node.kind === 'from') for (const item of node.items) nullableRels(item, into)
  else if (node.kind === 'join') {
    nullableRels(node.left, into)
    nullableRels(node.right, into)
    if (node.type === 'left' || node.type === 'full') treeRels(node.right, into)
    if (node.type === 'full') treeRels(node.left, into)
  }
  return into
}
