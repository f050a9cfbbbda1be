// Stored trees as SQL, for the catalogue's pg_get_* functions: view definitions and expressions over a table's columns.

import type { Oid } from '../../../base/ids.ts'
import type { Deparser } from '../../../catalog/definition-functions.ts'
import type { RelationInfo } from '../../../catalog/snapshot.ts'
import type { Expr } from '../expr.ts'
import type { Query } from '../query.ts'
import { readStoredExpr, readStoredQuery } from '../stored.ts'
import { writeExpr } from './expr.ts'
import { writeQuery } from './query.ts'
import { type DeparseContext, type Names, Writer } from './writer.ts'

/** pg_get_viewdef; `columns` are the view's own names. */
export function viewDefinition(query: Query, columns: readonly string[], ctx: DeparseContext, pretty: boolean): string {
  const writer = new Writer(ctx, { paren: pretty, indent: true }, [], false, 0)
  writeQuery(writer, query, columns)
  return `${writer.text};`
}

/** pg_get_expr: over the columns of `relation` (unqualified), or of none. */
export function expressionText(expr: Expr, relation: RelationInfo | null, ctx: DeparseContext, pretty: boolean): string {
  const names: Names[] =
    relation === null ? [] : [{ query: null, refnames: [relation.name], columns: [relation.columns.map((column) => column.name)] }]
  const writer = new Writer(ctx, { paren: pretty, indent: true }, names, false, 0)
  writeExpr(writer, expr, false)
  return writer.text
}

/** `contextOf`: the session's catalogue and search path as they are when something is printed. */
export function makeDeparser(contextOf: () => DeparseContext): Deparser {
  return {
    expression: (stored: string, relation: Oid, pretty: boolean): string => {
      const ctx = contextOf()
      const table = relation === 0 ? null : ctx.catalog.relation(relation)
      return expressionText(readStoredExpr(stored, ctx.typeSupport), table, ctx, pretty)
    },
    query: (stored: string, columns: readonly string[], pretty: boolean): string => {
      const ctx = contextOf()
      return viewDefinition(readStoredQuery(stored, ctx.typeSupport), columns, ctx, pretty)
    },
  }
}
