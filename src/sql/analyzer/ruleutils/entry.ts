// Expressions hold queries and queries hold expressions: each writer puts its entry here when it is loaded, so that no two files import
// each other.

import type { Expr } from '../expr.ts'
import type { Query } from '../query.ts'
import type { Writer } from './writer.ts'

type WriteExpr = (w: Writer, expr: Expr, showImplicit: boolean) => void
type WriteQuery = (w: Writer, query: Query, columns: readonly string[] | null, namesVisible?: boolean) => void
let expression: WriteExpr | null = null
let query: WriteQuery | null = null

export function bindWriteExpr(own: WriteExpr): void {
  expression = own
}
export function bindWriteQuery(own: WriteQuery): void {
  query = own
}
export const writeExpr: WriteExpr = (w, expr, showImplicit) => expression!(w, expr, showImplicit)
export const writeQuery: WriteQuery = (w, tree, columns, namesVisible = true) => query!(w, tree, columns, namesVisible)
