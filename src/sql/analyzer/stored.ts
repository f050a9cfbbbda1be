// StoredNode: bound trees as text in descriptors. JSON with a version; values of constants as stored-value.ts has them. Locations are dropped.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { StoredNode } from '../../catalog/descriptors.ts'
import { builtinTypeSupport } from '../types/registry.ts'
import { FIRST_OWN_TYPE, readStoredValue, type StoredValue, storedValue } from '../types/stored-value.ts'
import type { TypeSupport } from '../types/type.ts'
import type { Const, Expr } from './expr.ts'
import type { Query } from './query.ts'

const VERSION = 1
/** How constants of a tenant's own types read and print; builtin ones need nothing. */
export type SupportOf = (type: Oid) => TypeSupport
function write(root: Expr | Query, supportOf: SupportOf): StoredNode {
  return JSON.stringify({ v: VERSION, n: root }, (key, value: unknown) => {
    if (key === 'location') return undefined
    if (typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Const') {
      const node = value as Const
      const rest = { kind: 'Const', type: node.type, typmod: node.typmod, collation: node.collation }
      return node.value === null ? { ...rest, t: null } : { ...rest, t: { s: constValue(node, supportOf) } }
    }
    return value
  })
}

function constValue(node: Const, supportOf: SupportOf): StoredValue {
  if (typeof node.value === 'string' && node.type === 705) return node.value
  return storedValue(node.value as NonNullable<Datum>, node.type, supportOf(node.type))
}

/** `shared`: the tree holds no value of a tenant's own type, so that every tenant with this text may have the same tree. */
function read(text: StoredNode, supportOf: SupportOf): { tree: unknown; shared: boolean } {
  let shared = true
  const parsed = JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('kind' in value)) return value
    const node = value as { kind: unknown; type?: Oid; t?: { s: StoredValue } | null; location?: number }
    if (node.kind === 'Const' && 't' in node) {
      const { t, ...rest } = node
      if (node.type! >= FIRST_OWN_TYPE) shared = false
      const datum = t === null || t === undefined ? null : node.type === 705 ? t.s : readStoredValue(t.s, supportOf(node.type!))
      return { ...rest, value: datum, location: -1 }
    }
    if ('type' in node) node.location = -1
    return node
  }) as { v: number; n: unknown }
  if (parsed.v !== VERSION) {
    throw new PgError(SQLSTATE.dataCorrupted, `stored expression has format ${parsed.v}, this server reads format ${VERSION}`)
  }
  return { tree: parsed.n, shared }
}

export function writeStoredExpr(expr: Expr, supportOf: SupportOf = builtinTypeSupport): StoredNode {
  return write(expr, supportOf)
}
export function writeStoredQuery(query: Query, supportOf: SupportOf = builtinTypeSupport): StoredNode {
  return write(query, supportOf)
}

const cache = new LruMap<StoredNode, unknown>(2000)
function cached(text: StoredNode, supportOf: SupportOf): unknown {
  const known = cache.get(text)
  if (known !== undefined) return known
  const { tree, shared } = read(text, supportOf)
  if (shared) cache.set(text, tree)
  return tree
}

/** Of a table's default, check, generated or index expression: its columns are Vars of relation 1. Shared: never change it. */
export function readStoredExpr(text: StoredNode, supportOf: SupportOf = builtinTypeSupport): Expr {
  return cached(text, supportOf) as Expr
}
export function readStoredQuery(text: StoredNode, supportOf: SupportOf = builtinTypeSupport): Query {
  return cached(text, supportOf) as Query
}
