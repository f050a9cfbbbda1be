// The join tree taken apart: base relations, the joins whose order is restricted (outer, semi, anti) and every condition with the relations
// that must be joined before it may be checked.

import type { Expr } from '../../analyzer/expr.ts'
import type { TreeNode } from '../join-tree.ts'
import { contains, NO_RELS, overlap, type Relids } from '../relids.ts'

export interface SpecialJoin {
  readonly type: 'left' | 'full' | 'semi' | 'anti'
  /** All relations of its sides, as written. */
  readonly synLeft: Relids
  readonly synRight: Relids
  /** Those that must be joined on each side first. */
  readonly minLeft: Relids
  readonly minRight: Relids
  /** Its own conditions that need both sides (or must not filter the left one). */
  readonly quals: readonly Expr[]
}

export interface Qual {
  readonly expr: Expr
  /** Relations that must be joined. */
  readonly required: Relids
  /** Holds for every row of the result as far as inner joins reach: may found an equivalence. */
  readonly everywhere: boolean
}

export interface Deconstructed {
  readonly joins: SpecialJoin[]
  readonly quals: Qual[]
}

interface Part {
  readonly rels: Relids
  /** Special joins within. */
  readonly joins: SpecialJoin[]
}

function nullableSide(join: SpecialJoin): Relids {
  return join.type === 'left' ? join.synRight : join.type === 'full' ? join.synLeft | join.synRight : NO_RELS
}

/** `rels` with all that must be joined before the columns they take from outer joins' nullable sides are what they will be above. */
export function withOuterJoins(rels: Relids, joins: readonly SpecialJoin[]): Relids {
  let required = rels
  for (let grown = true; grown; ) {
    grown = false
    for (const join of joins) {
      const whole = join.minLeft | join.minRight
      if (!overlap(required, nullableSide(join)) || contains(required, whole)) continue
      required |= whole
      grown = true
    }
  }
  return required
}

export function deconstruct(
  tree: TreeNode,
  bitOf: ReadonlyMap<number, Relids>,
  relidsOf: (expr: Expr) => Relids,
  split: (qual: Expr) => Expr[],
): Deconstructed {
  const joins: SpecialJoin[] = []
  const quals: Qual[] = []

  /** Adds what outer joins below force on a condition placed above them. */
  const place = (expr: Expr, part: Part, below: boolean): void => {
    const own = relidsOf(expr)
    let required = withOuterJoins(own, part.joins)
    const delayed = part.joins.some((join) => overlap(required, nullableSide(join)))
    // A condition on nothing is asked of every row that it stands above: each may have another answer, or be made by an outer join.
    if (required === NO_RELS) required = part.rels
    quals.push({ expr, required, everywhere: !delayed && !below })
  }

  const walk = (node: TreeNode, below: boolean): Part => {
    if (node.kind === 'rel') return { rels: bitOf.get(node.rti)!, joins: [] }
    if (node.kind === 'from') {
      const parts = node.items.map((item) => walk(item, below))
      const part: Part = { rels: parts.reduce((all, p) => all | p.rels, NO_RELS), joins: parts.flatMap((p) => p.joins) }
      for (const qual of node.quals.flatMap(split)) {
        if (qual.kind === 'Const' && qual.value === true) continue
        place(qual, part, below)
      }
      return part
    }
    const left = walk(node.left, below || node.type === 'full')
    const right = walk(node.right, true)
    const own: Expr[] = []
    let used = NO_RELS
    for (const qual of node.quals.flatMap(split)) {
      if (qual.kind === 'Const' && qual.value === true) continue
      const rels = relidsOf(qual)
      // Of the right side alone: a restriction below the join, unless rows there must survive (full).
      if (node.type !== 'full' && rels !== NO_RELS && contains(right.rels, rels)) place(qual, right, true)
      else if (node.type === 'semi' && rels !== NO_RELS && contains(left.rels, rels)) place(qual, left, below)
      else {
        own.push(qual)
        used |= rels
      }
    }
    let minLeft = node.type === 'full' ? left.rels : used & left.rels
    const minRight = right.rels
    for (const below of left.joins) {
      if (overlap(minLeft, below.synRight | (below.type === 'full' ? below.synLeft : NO_RELS))) minLeft |= below.synLeft | below.synRight
    }
    if (minLeft === NO_RELS) minLeft = left.rels
    const join: SpecialJoin = { type: node.type, synLeft: left.rels, synRight: right.rels, minLeft, minRight, quals: own }
    joins.push(join)
    return { rels: left.rels | right.rels, joins: [...left.joins, ...right.joins, join] }
  }
  walk(tree, false)
  return { joins, quals }
}
