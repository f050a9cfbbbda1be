// SELECT … INTO: CREATE TABLE AS in other words.

import { intoOf } from '../parser/classify.ts'
import { type CreateTableAsStmt, type Node, type NodeOf, nodeAs } from '../parser/nodes.ts'

/** SELECT INTO's query without its INTO. */
export function withoutInto(node: Node): Node {
  const select = nodeAs(node, 'SelectStmt')
  return select === undefined ? node : { SelectStmt: selectWithoutInto(select) }
}

function selectWithoutInto(select: NodeOf['SelectStmt']): NodeOf['SelectStmt'] {
  const { intoClause, larg, ...rest } = select
  return larg === undefined || intoClause !== undefined
    ? { ...rest, ...(larg === undefined ? {} : { larg }) }
    : { ...rest, larg: selectWithoutInto(larg) }
}

/** SELECT … INTO as the statement it stands for; null when there is no INTO. */
export function selectInto(node: Node): CreateTableAsStmt | null {
  const select = nodeAs(node, 'SelectStmt')
  const into = select === undefined ? undefined : intoOf(select)
  return into === undefined ? null : { query: node, into, objtype: 'OBJECT_TABLE', is_select_into: true }
}
