// INSERT, UPDATE, DELETE, MERGE: what they have in common is their target.

import { type Node, type NodeOf, nodeTag } from '../parser/nodes.ts'
import type { ParseState } from './context.ts'
import { analyzeInsert } from './insert.ts'
import { analyzeMerge } from './merge.ts'
import type { Query } from './query.ts'
import { analyzeDelete, analyzeUpdate } from './update.ts'

export function analyzeModify(state: ParseState, node: Node): Query {
  const n = node as NodeOf
  switch (nodeTag(node)) {
    case 'InsertStmt':
      return analyzeInsert(state, n.InsertStmt)
    case 'UpdateStmt':
      return analyzeUpdate(state, n.UpdateStmt)
    case 'DeleteStmt':
      return analyzeDelete(state, n.DeleteStmt)
    default:
      return analyzeMerge(state, n.MergeStmt)
  }
}
