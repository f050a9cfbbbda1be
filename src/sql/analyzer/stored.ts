// StoredNode: bound trees as text in descriptors. JSON with a version; values of constants in their types' text form, so that a change of a
// datum's form in memory does not touch what is stored. Locations are dropped.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { StoredNode } from '../../catalog/descriptors.ts'
import { TEXT_IO } from '../types/define.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { builtinTypeSupport } from '../types/registry.ts'
import type { TypeSupport } from '../types/type.ts'
import type { Const, Expr } from './expr.ts'
import type { Query } from './query.ts'

const VERSION = 1
/** Types from here on are a keyspace's own: the same OID means another type elsewhere. */
const FIRST_NORMAL_OID = 16384

/** How constants of a tenant's own types read and print; builtin ones need nothing. */
export type SupportOf = (type: Oid) => TypeSupport
/** Input functions that look at nothing of a session: stored text is in TEXT_IO form. */
const STORED_CONTEXT = { io: TEXT_IO } as EvalContext

function write(root: Expr | Query, supportOf: SupportOf): StoredNode {
  return JSON.stringify({ v: VERSION, n: root }, (key, value: unknown) => {
    if (key === 'location') return undefined
    if (typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Const') {
      const node = value as Const
      const rest = { kind: 'Const', type: node.type, typmod: node.typmod, collation: node.collation }
      return node.value === null ? { ...rest, t: null } : { ...rest, t: { s: constText(node, supportOf) } }
    }
    return value
  })
}

function constText(node: Const, supportOf: SupportOf): string {
  if (typeof node.value === 'string' && node.type === 705) return node.value
  return supportOf(node.type).output(node.value as NonNullable<Datum>, TEXT_IO)
}

/** `shared`: the tree holds no value of a tenant's own type, so that every tenant with this text may have the same tree. */
function read(text: StoredNode, supportOf: SupportOf): { tree: unknown; shared: boolean } {
  let shared = true
  const parsed = JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('kind' in value)) return value
    const node = value as { kind: unknown; type?: Oid; t?: { s: string } | null; location?: number }
    if (node.kind === 'Const' && 't' in node) {
      const { t, ...rest } = node
      if (node.type! >= FIRST_NORMAL_OID) shared = false
      const datum = t === null || t === undefined ? null : node.type === 705 ? t.s : supportOf(node.type!).input(t.s, -1, STORED_CONTEXT)
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
