// The raw parse tree: libpg-query's JSON, typed. A node is an object with one property, its tag; zero, false and empty fields are left out
// (`location` missing = byte 0). Other rooms take the node types from here, so that the package is named in one room only.

import type { Node } from '@pgsql/types'

export type * from '@pgsql/types'

type Intersect<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never
/** Every tag with its content: read only the one `nodeTag` answered. */
export type NodeOf = Intersect<Node>
export type NodeTag = keyof NodeOf

// hot: the single property's name, without making an array of keys
export function nodeTag(node: Node): NodeTag {
  for (const tag in node) return tag as NodeTag
  throw new TypeError('empty parse node')
}

/** The content under `tag`, or undefined when the node is another one. */
export function nodeAs<T extends NodeTag>(node: Node | undefined, tag: T): NodeOf[T] | undefined {
  return node === undefined ? undefined : (node as NodeOf)[tag]
}

/** The text of a String node. */
export function stringOf(node: Node): string {
  return (node as NodeOf).String?.sval ?? ''
}

/** A qualified name: a list of String nodes. */
export function nameList(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).map(stringOf)
}
