// The join tree taken apart: base relations, the joins whose order is restricted (outer, semi, anti) and every condition with the relations
// that must be joined before it may be checked.

import type { Expr } from '../../analyzer/expr.ts'
import { splitAnd } from '../expr-tree.ts'
import type { TreeNode } from '../join-tree.ts'

export interface SpecialJoin {
  readonly type: 'left' | 'full' | 'semi' | 'anti'
  /** All relations of its sides, as written. */
  readonly synLeft: number
  readonly synRight: number
  /** Those that must be joined on each side first. */
  readonly minLeft: number
  readonly minRight: number
  /** Its own conditions that need both sides (or must not filter the left one). */
  readonly quals: readonly Expr[]
}

export interface Qual {
  readonly expr: Expr
  /** Relations that must be joined. */
  readonly required: number
  /** Holds for every row of the result as far as inner joins reach: may found an equivalence. */
  readonly everywhere: boolean
}

export interface Deconstructed {
  readonly joins: SpecialJoin[]
  readonly quals: Qual[]
}

interface Part {
  readonly rels: number
  /** Special joins within. */
  readonly joins: SpecialJoin[]
}

export function deconstruct(tree: TreeNode, bitOf: ReadonlyMap<number, number>, relidsOf: (expr: Expr) => number): Deconstructed {
  const joins: SpecialJoin[] = []
  const quals: Qual[] = []

  /** Adds what outer joins below force on a condition placed above them. */
  const place = (expr: Expr, part: Part, below: boolean): void => {
    const own = relidsOf(expr)
    let required = own
    let delayed = false
    for (let grown = true; grown; ) {
      grown = false
      for (const join of part.joins) {
        const nullable = join.type === 'left' ? join.synRight : join.type === 'full' ? join.synLeft | join.synRight : 0
        const whole = join.minLeft | join.minRight
        if ((required & nullable) === 0) continue
        delayed = true
        if ((required & whole) !== whole) {
          required |= whole
          grown = true
        }
      }
    }
    // A condition on nothing is checked with the first relation there is.
    if (required === 0) required = part.rels & -part.rels
    quals.push({ expr, required, everywhere: !delayed && !below })
  }

  const walk = (node: TreeNode, below: boolean): Part => {
    if (node.kind === 'rel') return { rels: bitOf.get(node.rti)!, joins: [] }
    if (node.kind === 'from') {
      const parts = node.items.map((item) => walk(item, below))
      const part: Part = { rels: parts.reduce((all, p) => all | p.rels, 0), joins: parts.flatMap((p) => p.joins) }
      for (const qual of node.quals.flatMap((q) => splitAnd(q))) {
        if (qual.kind === 'Const' && qual.value === true) continue
        place(qual, part, below)
      }
      return part
    }
    const left = walk(node.left, below || node.type === 'full')
    const right = walk(node.right, true)
    const own: Expr[] = []
    let used = 0
    for (const qual of node.quals.flatMap((q) => splitAnd(q))) {
      if (qual.kind === 'Const' && qual.value === true) continue
      const rels = relidsOf(qual)
      // Of the right side alone: a restriction below the join, unless rows there must survive (full).
      if (node.type !== 'full' && rels !== 0 && (rels & ~right.rels) === 0) place(qual, right, true)
      else if (node.type === 'semi' && rels !== 0 && (rels & ~left.rels) === 0) place(qual, left, below)
      else {
        own.push(qual)
        used |= rels
      }
    }
    let minLeft = node.type === 'full' ? left.rels : used & left.rels
    const minRight = right.rels
    for (const below of left.joins) {
      if ((minLeft & (below.synRight | (below.type === 'full' ? below.synLeft : 0))) !== 0) minLeft |= below.synLeft | below.synRight
    }
    if (minLeft === 0) minLeft = left.rels
    const join: SpecialJoin = { type: node.type, synLeft: left.rels, synRight: right.rels, minLeft, minRight, quals: own }
    joins.push(join)
    return { rels: left.rels | right.rels, joins: [...left.joins, ...right.joins, join] }
  }
  walk(tree, false)
  return { joins, quals }
}
