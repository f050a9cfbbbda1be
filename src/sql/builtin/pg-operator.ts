// pg_operator: the builtin operators.

import { pgOperator } from './data/pg_operator.ts'
import type { PgOperatorRow } from './data/rows.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

export const pgOperators = table<PgOperatorRow>(pgOperator)
export const operatorByOid = uniqueIndex(pgOperators, (row) => row.oid)
export const operatorsByName = multiIndex(pgOperators, (row) => row.oprname)
/** Operators whose function this is (an index qual over a function, EXPLAIN's text). */
export const operatorsByCode = multiIndex(pgOperators, (row) => row.oprcode)

const bySignature = uniqueIndex(pgOperators, (row) => `${row.oprname} ${row.oprleft} ${row.oprright}`)
/** The operator of exactly these operand types; `left` 0 for a prefix operator. */
export function operatorByTypes(name: string, left: number, right: number): PgOperatorRow | undefined {
  return bySignature(`${name} ${left} ${right}`)
}
