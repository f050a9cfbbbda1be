// Looks for references to WITH items in raw trees: for the order of recursive items and for PostgreSQL's rules on recursion.

/** Byte location of the first plain reference to `name`, or null. Inner WITH items of that name hide it. */
export function findSelfReference(node: unknown, name: string): number | null {
  return scan(node, name)
}

function scan(node: unknown, name: string): number | null {
  if (typeof node !== 'object' || node === null) return null
  if (Array.isArray(node)) {
    for (const item of node) {
      const found = scan(item, name)
      if (found !== null) return found
    }
    return null
  }
  const record = node as Record<string, unknown>
  const range = record['RangeVar'] as { relname?: string; schemaname?: string; location?: number } | undefined
  if (range !== undefined) return range.relname === name && range.schemaname === undefined ? (range.location ?? 0) : null
  const withClause = record['withClause'] as { ctes?: { CommonTableExpr?: { ctename?: string } }[] } | undefined
  if (withClause?.ctes?.some((cte) => cte.CommonTableExpr?.ctename === name)) return null
  for (const value of Object.values(record)) {
    const found = scan(value, name)
    if (found !== null) return found
  }
  return null
}

export type BadPlace = 'subquery' | 'outer join' | 'INTERSECT' | 'EXCEPT' | 'twice'

/** A self-reference of a recursive term where PostgreSQL does not allow one. */
export function misplacedReference(term: unknown, name: string): { place: BadPlace; location: number } | null {
  let seen = 0
  let bad: { place: BadPlace; location: number } | null = null
  const walk = (node: unknown, place: BadPlace | null): void => {
    if (bad !== null || typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) {
      for (const item of node) walk(item, place)
      return
    }
    const record = node as Record<string, unknown>
    const range = record['RangeVar'] as { relname?: string; schemaname?: string; location?: number } | undefined
    if (range !== undefined) {
      if (range.relname !== name || range.schemaname !== undefined) return
      seen++
      if (place !== null) bad = { place, location: range.location ?? 0 }
      else if (seen > 1) bad = { place: 'twice', location: range.location ?? 0 }
      return
    }
    const join = record['JoinExpr'] as { jointype?: string; larg?: unknown; rarg?: unknown; quals?: unknown } | undefined
    if (join !== undefined) {
      const type = join.jointype
      walk(join.larg, type === 'JOIN_FULL' || type === 'JOIN_RIGHT' ? 'outer join' : place)
      walk(join.rarg, type === 'JOIN_FULL' || type === 'JOIN_LEFT' ? 'outer join' : place)
      walk(join.quals, place)
      return
    }
    if ('SubLink' in record) {
      walk(Object.values(record['SubLink'] as object), 'subquery')
      return
    }
    if (record['op'] === 'SETOP_EXCEPT') {
      walk(record['larg'], place)
      walk(record['rarg'], 'EXCEPT')
      return
    }
    if (record['op'] === 'SETOP_INTERSECT') {
      walk(record['larg'], 'INTERSECT')
      walk(record['rarg'], 'INTERSECT')
      return
    }
    for (const value of Object.values(record)) walk(value, place)
  }
  walk(term, null)
  return bad
}
