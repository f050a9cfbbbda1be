// What a bound tree refers to (for pg_depend): relations and their columns, primary keys that its grouping relies on, functions, operators, types, collations, and sequences named by
// nextval('…'::regclass). Built-in objects (below OID 16384) are pinned and left out.

import type { Oid } from '../../base/ids.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { Expr } from './expr.ts'
import type { Query, RangeTblEntry } from './query.ts'
import { forEachChild, forEachQueryExpr } from './walker.ts'

export interface Dependency {
  readonly kind: 'relation' | 'function' | 'operator' | 'type' | 'collation' | 'constraint'
  readonly oid: Oid
  /** attnum; 0 = the whole object. */
  readonly subId: number
}

const FIRST_NORMAL_OID = 16384

/** `relation`: what a stored expression's relation 1 is; 0 for queries. */
export function dependenciesOf(tree: Expr | Query, relation: Oid): Dependency[] {
  const found = new Map<string, Dependency>()
  const add = (kind: Dependency['kind'], oid: Oid, subId = 0): void => {
    if (oid < FIRST_NORMAL_OID) return
    found.set(`${kind} ${oid} ${subId}`, { kind, oid, subId })
  }
  const column = (rte: RangeTblEntry | undefined, attno: number, outer: readonly (readonly RangeTblEntry[])[]): void => {
    if (rte === undefined) return
    if (rte.kind === 'relation') add('relation', rte.relation, Math.max(attno, 0))
    else if (rte.kind === 'join' && attno > 0) {
      const alias = rte.aliasVars[attno - 1]
      if (alias !== undefined) walk(alias, outer)
    }
  }
  const walk = (expr: Expr, scopes: readonly (readonly RangeTblEntry[])[]): void => {
    add('type', expr.type)
    add('collation', expr.collation)
    switch (expr.kind) {
      case 'Var': {
        const scope = scopes[scopes.length - 1 - expr.levelsUp]
        if (scope === undefined) add('relation', relation, Math.max(expr.attno, 0))
        else column(scope[expr.varno - 1], expr.attno, scopes.slice(0, scopes.length - expr.levelsUp))
        break
      }
      case 'FuncExpr':
        add('function', expr.funcId)
        break
      case 'OpExpr':
      case 'DistinctExpr':
      case 'NullIfExpr':
      case 'ScalarArrayOpExpr':
        add('operator', expr.opNo)
        break
      case 'Aggref':
        add('function', expr.aggFnOid)
        break
      case 'WindowFunc':
        add('function', expr.winFnOid)
        break
      case 'NextValueExpr':
        add('relation', expr.sequence)
        break
      case 'Const':
        if (expr.type === T.regclass && typeof expr.value === 'number') add('relation', expr.value)
        break
      case 'SubLink':
        query(expr.subselect, scopes)
        break
      default:
    }
    forEachChild(expr, (child) => walk(child, scopes))
  }
  const query = (q: Query, outer: readonly (readonly RangeTblEntry[])[]): void => {
    const scopes = [...outer, q.rtable]
    for (const constraint of q.constraintDeps ?? []) add('constraint', constraint)
    for (const rte of q.rtable) {
      if (rte.kind === 'relation') add('relation', rte.relation)
      else if (rte.kind === 'subquery') query(rte.subquery, scopes)
      else if (rte.kind === 'function') for (const fn of rte.functions) for (const c of fn.columns) add('type', c.type)
    }
    for (const cte of q.cteList) query(cte.query, scopes)
    // A join's own columns count only when something uses them: its aliases are reached through Vars.
    forEachQueryExpr({ ...q, rtable: q.rtable.filter((rte) => rte.kind !== 'join') }, (expr) => walk(expr, scopes))
  }
  if ('commandType' in tree) query(tree, [])
  else walk(tree, [])
  return [...found.values()]
}
