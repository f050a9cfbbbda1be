// GROUPING SETS, ROLLUP and CUBE written out as the plain list of sets they mean.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { GroupingSet, Query } from '../analyzer/query.ts'

const MAX_SETS = 4096

function expand(set: GroupingSet): number[][] {
  switch (set.kind) {
    case 'empty':
      return [[]]
    case 'simple':
      return [[...set.refs]]
    case 'sets':
      return set.content.flatMap(expand)
    case 'rollup': {
      const parts = set.content.map((item) => expand(item)[0]!)
      return Array.from({ length: parts.length + 1 }, (_, i) => parts.slice(0, parts.length - i).flat())
    }
    case 'cube': {
      const parts = set.content.map((item) => expand(item)[0]!)
      if (parts.length > 12) throw tooMany()
      const sets: number[][] = []
      for (let mask = (1 << parts.length) - 1; mask >= 0; mask--) sets.push(parts.filter((_, i) => (mask & (1 << i)) !== 0).flat())
      return sets
    }
  }
}

function tooMany(): PgError {
  return new PgError(SQLSTATE.statementTooComplex, `too many grouping sets present (maximum ${MAX_SETS})`)
}

/** Sets of tleSortGroupRefs; null where the query has none. */
export function expandGroupingSets(query: Query): number[][] | null {
  if (query.groupingSets.length === 0) return null
  let sets: number[][] = [[]]
  for (const item of query.groupingSets) {
    const expanded = expand(item)
    if (sets.length * expanded.length > MAX_SETS) throw tooMany()
    sets = sets.flatMap((left) => expanded.map((right) => [...new Set([...left, ...right])]))
  }
  if (!query.groupDistinct) return sets
  const seen = new Set<string>()
  return sets.filter((set) => {
    const key = [...set].sort((a, b) => a - b).join()
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
