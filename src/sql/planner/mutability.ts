// Whether an expression gives the same result for the same row for ever: what indexes, their predicates and generated columns hold
// (PostgreSQL's contain_mutable_functions).

import type { Oid } from '../../base/ids.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr, JsonConstructorExpr, JsonExpr } from '../analyzer/expr.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { JsonPath } from '../types/jsonpath.ts'
import { pathIsMutable } from '../types/jsonpath-mutable.ts'
import { mapExprDeep } from './expr-tree.ts'
import { inlineConcatenation } from './rewrite/inline-concatenation.ts'
import { ofNode } from './volatility.ts'

const procIsMutable = (oid: Oid, catalog: CatalogSnapshot): boolean => catalog.proc(oid)?.provolatile !== 'i'

/** Whether a value's text depends on more than the value. */
const outputIsMutable = (type: Oid, catalog: CatalogSnapshot): boolean => procIsMutable(catalog.type(type)?.typoutput ?? 0, catalog)

function baseOf(type: Oid, catalog: CatalogSnapshot): Oid {
  let row = catalog.type(type)
  while (row !== null && row.typtype === 'd') row = catalog.type(row.typbasetype)
  return row?.oid ?? type
}

/** Whether the JSON made of a value depends on more than the value. PostgreSQL looks into neither arrays nor composites, and takes none of the dates. */
function jsonIsMutable(type: Oid, catalog: CatalogSnapshot): boolean {
  const base = baseOf(type, catalog)
  switch (base) {
    case T.bool:
    case T.json:
    case T.jsonb:
      return false
    case T.date:
    case T.timestamp:
    case T.timestamptz:
      return true
    default:
      return outputIsMutable(base, catalog)
  }
}

function constructorIsMutable(expr: JsonConstructorExpr, catalog: CatalogSnapshot): boolean {
  return expr.args.some((arg) => jsonIsMutable(arg.type, catalog))
}

function jsonQueryIsMutable(expr: JsonExpr): boolean {
  const [, path, ...passing] = expr.args
  if (path!.kind !== 'Const') return true
  const types = new Map(expr.passingNames.map((name, i) => [name, passing[i]!.type]))
  return path!.value !== null && pathIsMutable(path!.value as JsonPath, (name) => types.get(name) ?? 0)
}

function nodeIsMutable(expr: Expr, catalog: CatalogSnapshot): boolean {
  switch (expr.kind) {
    case 'CoerceViaIO':
      return outputIsMutable(expr.arg.type, catalog) || procIsMutable(catalog.type(expr.type)?.typinput ?? 0, catalog)
    // Their parts are looked at by themselves; a domain's checks are its owner's promise.
    case 'ArrayCoerceExpr':
    case 'CoerceToDomain':
      return false
    case 'JsonConstructorExpr':
      return constructorIsMutable(expr, catalog)
    case 'JsonExpr':
      return jsonQueryIsMutable(expr)
    default:
      return ofNode(expr, catalog) !== 'i'
  }
}

/** Calls to functions written in SQL count as what stands in their place. */
export function isMutable(expr: Expr, catalog: CatalogSnapshot): boolean {
  let found = false
  mapExprDeep(expr, 0, {
    expr(node) {
      if (found) return node
      const inlined =
        node.kind === 'OpExpr'
          ? inlineConcatenation(node.opFuncId, node, catalog)
          : node.kind === 'FuncExpr'
            ? inlineConcatenation(node.funcId, node, catalog)
            : null
      found = inlined === null ? nodeIsMutable(node, catalog) : isMutable(inlined, catalog)
      return found || inlined !== null ? node : undefined
    },
  })
  return found
}
