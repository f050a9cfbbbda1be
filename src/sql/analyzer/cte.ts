// WITH: plain, recursive and data-modifying items.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { nameList, nodeAs, nodeTag, type CommonTableExpr as RawCte, type WithClause } from '../parser/nodes.ts'
import { type CteEntry, errorAt, type ParseState, querySubselect } from './context.ts'
import { type ForbiddenPlace, findSelfReference, misplacedReference } from './cte-scan.ts'
import { type ExpandedCte, expandSearchAndCycle } from './cte-search.ts'
import type { NamedRteColumn, Query } from './query.ts'
import { analyzeSubquery } from './subquery.ts'

export function transformWith(state: ParseState, clause: WithClause): void {
  const recursive = clause.recursive ?? false
  const items = (clause.ctes ?? []).map((node) => nodeAs(node, 'CommonTableExpr')!)
  for (const [i, item] of items.entries()) {
    if (items.findIndex((other) => other.ctename === item.ctename) !== i) {
      throw errorAt(state, SQLSTATE.duplicateAlias, `WITH query name "${item.ctename}" specified more than once`, item.location ?? 0)
    }
    if (nodeTag(item.ctequery!) !== 'SelectStmt') {
      if (state.parent !== null) {
        throw errorAt(
          state,
          SQLSTATE.featureNotSupported,
          'WITH clause containing a data-modifying statement must be at the top level',
          item.location ?? 0,
        )
      }
      state.hasModifyingCte = true
    }
  }
  if (!recursive) {
    for (const [i, item] of items.entries()) {
      state.futureCtes = items.slice(i).map((later) => later.ctename!)
      const expanded = expandSearchAndCycle(state, item, false)
      const entry = makeEntry(expanded, false)
      analyzeItem(state, expanded, entry)
      state.ctes.push(entry)
    }
    state.futureCtes = []
    return
  }
  state.hasRecursive = true
  const ordered = dependencyOrder(state, items)
  for (const one of ordered) {
    if (findSelfReference(one.ctequery, one.ctename!) !== null) checkRecursive(state, one)
    const item = expandSearchAndCycle(state, one, true)
    const recursive = findSelfReference(item.ctequery, item.ctename!) !== null
    const entry = makeEntry(item, recursive)
    entry.open = recursive
    if (recursive) state.ctes.push(entry)
    analyzeItem(state, item, entry)
    entry.open = false
    if (!recursive) state.ctes.push(entry)
  }
}

function makeEntry(item: RawCte, recursive: boolean): CteEntry {
  const materialized = { CTEMaterializeAlways: 'always', CTEMaterializeNever: 'never' } as const
  return {
    name: item.ctename!,
    materialized: materialized[item.ctematerialized as keyof typeof materialized] ?? 'default',
    query: undefined as unknown as Query,
    recursive,
    refcount: 0,
    columns: nameList(item.aliascolnames).map((name): NamedRteColumn => ({ name, type: 0, typmod: -1, collation: 0 })),
    open: false,
    carried: (item as ExpandedCte).carried ?? 0,
    raw: item.ctequery!,
  }
}

function analyzeItem(state: ParseState, item: RawCte, entry: CteEntry): void {
  const given = nameList(item.aliascolnames)
  entry.query = analyzeSubquery(state, item.ctequery!, { kind: 'other', cte: entry })
  const outputs = querySubselect(entry.query)
  if (given.length > outputs.length) {
    throw errorAt(
      state,
      SQLSTATE.invalidColumnReference,
      `WITH query "${entry.name}" has ${outputs.length} columns available but ${given.length} columns specified`,
      item.location ?? 0,
    )
  }
  const typed = entry.recursive ? entry.columns : outputs
  entry.columns = outputs.map((output, i) => ({ ...(typed[i] ?? output), name: given[i] ?? output.name }))
}

function checkRecursive(state: ParseState, item: RawCte): void {
  const name = item.ctename!
  const select = nodeAs(item.ctequery, 'SelectStmt')
  const shape = `recursive query "${name}" does not have the form non-recursive-term UNION [ALL] recursive-term`
  if (select === undefined) {
    throw errorAt(
      state,
      SQLSTATE.invalidRecursion,
      `recursive query "${name}" must not contain data-modifying statements`,
      item.location ?? 0,
    )
  }
  if (select.op !== 'SETOP_UNION') throw errorAt(state, SQLSTATE.invalidRecursion, shape, item.location ?? 0)
  const refuse = (part: unknown, place: ForbiddenPlace | null): void => {
    const bad = misplacedReference(part, name, place)
    if (bad === null) return
    const where = bad.place === 'twice' ? 'more than once' : `within ${bad.place}`
    throw errorAt(state, SQLSTATE.invalidRecursion, `recursive reference to query "${name}" must not appear ${where}`, bad.location)
  }
  refuse(select.withClause?.ctes, 'a subquery')
  for (const [clause, what] of [
    [select.sortClause, 'ORDER BY'],
    [select.limitOffset, 'OFFSET'],
    [select.limitCount, 'LIMIT'],
    [select.lockingClause, 'FOR UPDATE/SHARE'],
  ] as const) {
    if (clause !== undefined) {
      const node = Array.isArray(clause) ? (clause[0] as object) : clause
      throw errorAt(state, SQLSTATE.featureNotSupported, `${what} in a recursive query is not implemented`, firstLocation(node))
    }
  }
  refuse(select.larg, 'its non-recursive term')
  refuse(select.rarg, null)
}

function firstLocation(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null) return undefined
  const own = (node as { location?: number }).location
  if (own !== undefined && own >= 0) return own
  for (const value of Object.values(node)) {
    const found = firstLocation(value)
    if (found !== undefined) return found
  }
  return undefined
}

/** WITH RECURSIVE items may refer forward: analysed in dependency order; a cycle of several is refused. */
function dependencyOrder(state: ParseState, items: readonly RawCte[]): RawCte[] {
  const done: RawCte[] = []
  let rest = [...items]
  while (rest.length > 0) {
    const ready = rest.find((item) => rest.every((other) => other === item || findSelfReference(item.ctequery, other.ctename!) === null))
    if (ready === undefined) {
      throw errorAt(state, SQLSTATE.featureNotSupported, 'mutual recursion between WITH items is not implemented', rest[0]!.location ?? 0)
    }
    done.push(ready)
    rest = rest.filter((item) => item !== ready)
  }
  return done
}
