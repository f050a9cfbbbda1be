// The tree of a regular expression and its errors, in PostgreSQL's words (2201B).

import { PgError } from '../../../base/errors.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'

/** A set of characters (code points). */
export type CharTest = (code: number) => boolean

/** ^ $ \A \Z \m \M \y \Y, lookaround. */
export type ConstraintKind = 'lineStart' | 'lineEnd' | 'textStart' | 'textEnd' | 'wordStart' | 'wordEnd' | 'wordEdge' | 'notWordEdge'

/** Which match is preferred: 1 longer, -1 shorter, 0 neither. */
export type Preference = 1 | -1 | 0

export type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'char'; readonly test: CharTest; readonly literal: number }
  | { readonly kind: 'constraint'; readonly at: ConstraintKind }
  | { readonly kind: 'look'; readonly ahead: boolean; readonly negative: boolean; readonly body: Node }
  /** With the quantifier that stands right behind it: of a group that took no part it allows nothing, not even no repetition at all. */
  | {
      readonly kind: 'backref'
      readonly group: number
      readonly ignoreCase: boolean
      readonly min: number
      readonly max: number
      readonly prefer: Preference
    }
  | { readonly kind: 'group'; readonly index: number; readonly body: Node }
  /** Concatenation, nested to the right. */
  | { readonly kind: 'concat'; readonly left: Node; readonly right: Node }
  /** The first branch that will do. */
  | { readonly kind: 'alt'; readonly branches: readonly Node[] }
  /** `max` -1 = no bound; `prefer` 0 (for {m}) as the body. */
  | { readonly kind: 'repeat'; readonly body: Node; readonly min: number; readonly max: number; readonly prefer: Preference }

export interface Options {
  ignoreCase: boolean
  /** `.` and [^…] leave newlines out. */
  newlineStops: boolean
  /** ^ and $ match at lines. */
  newlineAnchors: boolean
  expanded: boolean
  /** The pattern is a literal string. */
  quoted: boolean
  /** Basic or extended (not advanced) syntax: `b`, `e`. */
  flavor: 'advanced' | 'extended' | 'basic'
}

export function regexError(message: string): PgError {
  return new PgError(SQLSTATE.invalidRegularExpression, `invalid regular expression: ${message}`)
}
export const tooComplex = (): PgError => regexError('regular expression is too complex')

export function preference(node: Node): Preference {
  switch (node.kind) {
    case 'group':
      return preference(node.body)
    case 'concat': {
      const left = preference(node.left)
      return left !== 0 ? left : preference(node.right)
    }
    case 'alt':
      return 1
    case 'backref':
      return node.prefer
    case 'repeat':
      return node.prefer !== 0 ? node.prefer : preference(node.body)
    default:
      return 0
  }
}

export function hasGroups(node: Node): boolean {
  switch (node.kind) {
    case 'group':
      return true
    case 'concat':
      return hasGroups(node.left) || hasGroups(node.right)
    case 'alt':
      return node.branches.some(hasGroups)
    case 'repeat':
      return hasGroups(node.body)
    default:
      return false
  }
}

/** The same expression without groups. */
export function withoutGroups(node: Node): Node {
  switch (node.kind) {
    case 'group':
      return withoutGroups(node.body)
    case 'concat':
      return { kind: 'concat', left: withoutGroups(node.left), right: withoutGroups(node.right) }
    case 'alt':
      return { kind: 'alt', branches: node.branches.map(withoutGroups) }
    case 'repeat':
      return { ...node, body: withoutGroups(node.body) }
    default:
      return node
  }
}

export function hasBackref(node: Node): boolean {
  switch (node.kind) {
    case 'backref':
      return true
    case 'group':
    case 'repeat':
      return hasBackref(node.body)
    case 'concat':
      return hasBackref(node.left) || hasBackref(node.right)
    case 'alt':
      return node.branches.some(hasBackref)
    default:
      return false
  }
}

/** The nodes that matching by the automaton alone does not settle: those with groups or back references inside. */
export function messyNodes(root: Node): Set<Node> {
  const messy = new Set<Node>()
  const visit = (node: Node): boolean => {
    let found = node.kind === 'group' || node.kind === 'backref'
    for (const child of childrenOf(node)) if (visit(child)) found = true
    if (found) messy.add(node)
    return found
  }
  visit(root)
  return messy
}

/** Lookaround is a matter of its own. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'group':
    case 'repeat':
      return [node.body]
    case 'concat':
      return [node.left, node.right]
    case 'alt':
      return node.branches
    default:
      return NONE
  }
}
const NONE: readonly Node[] = []
