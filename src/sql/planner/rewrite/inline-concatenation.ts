// text || any value and any value || text: PostgreSQL writes them in SQL and puts their body, `$1 || $2::text`, in the place of a call.
// Only then is it known how the value becomes text, and whether that depends on the session.

import type { Oid } from '../../../base/ids.ts'
import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import { catalogSource } from '../../analyzer/catalog-source.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { DEFAULT_COLLATION, funcExpr, relabel } from '../../analyzer/make.ts'
import { TYPE_OID as T } from '../../builtin/data/type-oids.ts'
import { COERCION, coercionPath } from '../../functions/coercion-path.ts'

const TEXTANYCAT = 2003
const ANYTEXTCAT = 2004
const TEXTCAT = 1258
const CONCATENATE = 654

function asText(arg: Expr, catalog: CatalogSnapshot): Expr | null {
  if (arg.type === T.text) return arg
  const path = coercionPath(catalogSource(catalog, []), T.text, arg.type, COERCION.explicit)
  if (path === null || path.method === 'array') return null
  const as = { typmod: -1, collation: DEFAULT_COLLATION, location: arg.location }
  if (path.method === 'relabel') return { ...relabel(arg, T.text, -1, 'explicit', arg.location), ...as }
  if (path.method === 'func') return { ...funcExpr(path.proc, T.text, [arg], 'explicit', arg.location), ...as }
  return { kind: 'CoerceViaIO', arg, format: 'explicit', type: T.text, ...as }
}

/** The call with the function's body in its place; null where it stays a call. */
export function inlineConcatenation(funcId: Oid, call: Expr & { readonly args: readonly Expr[] }, catalog: CatalogSnapshot): Expr | null {
  if (funcId !== TEXTANYCAT && funcId !== ANYTEXTCAT) return null
  const proc = catalog.proc(funcId)
  if (proc === null || catalog.isRestricted(proc)) return null
  const args = call.args.map((arg) => asText(arg, catalog))
  if (!args.every((arg) => arg !== null)) return null
  const { type, typmod, collation, location } = call
  return {
    kind: 'OpExpr',
    opNo: CONCATENATE,
    opFuncId: TEXTCAT,
    args,
    retset: false,
    inputCollation: DEFAULT_COLLATION,
    type,
    typmod,
    collation,
    location,
  }
}
