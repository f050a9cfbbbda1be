// Looks for references to WITH items in raw trees: for the order of recursive items and for PostgreSQL's rules on recursion.

/** Where a recursive reference must not stand, in the words of PostgreSQL's errors. */
export type ForbiddenPlace = 'its non-recursive term' | 'a subquery' | 'an outer join' | 'INTERSECT' | 'EXCEPT'

/** `place`: null where a recursive reference may stand. True = enough seen. */
type Found = (place: ForbiddenPlace | null, location: number) => boolean

interface RawWith {
  readonly recursive?: boolean
  readonly ctes?: readonly { CommonTableExpr?: { ctename?: string } }[]
}

/** Byte location of the first plain reference to `name`, or null. Inner WITH items of that name hide it. */
export function findSelfReference(node: unknown, name: string): number | null {
  let first: number | null = null
  visitReferences(node, name, null, (_, location) => {
    first = location
    return true
  })
  return first
}

/** The first self-reference in a recursive query's term that stands where PostgreSQL does not allow one, or is a second one. */
export function misplacedReference(
  term: unknown,
  name: string,
  place: ForbiddenPlace | null,
): { place: ForbiddenPlace | 'twice'; location: number } | null {
  let seen = 0
  let bad: { place: ForbiddenPlace | 'twice'; location: number } | null = null
  visitReferences(term, name, place, (forbidden, location) => {
    if (forbidden !== null) bad = { place: forbidden, location }
    else if (++seen > 1) bad = { place: 'twice', location }
    return bad !== null
  })
  return bad
}

function visitReferences(node: unknown, name: string, place: ForbiddenPlace | null, found: Found): boolean {
  const visit = (inner: unknown, where: ForbiddenPlace | null): boolean => visitReferences(inner, name, where, found)
  if (typeof node !== 'object' || node === null) return false
  if (Array.isArray(node)) return node.some((item) => visit(item, place))
  const record = node as Record<string, unknown>
  const range = record['RangeVar'] as { relname?: string; schemaname?: string; location?: number } | undefined
  if (range !== undefined) return range.relname === name && range.schemaname === undefined && found(place, range.location ?? 0)
  const withClause = record['withClause'] as RawWith | undefined
  if (withClause !== undefined) {
    const items = withClause.ctes ?? []
    const hides = (item: (typeof items)[number]): boolean => item.CommonTableExpr?.ctename === name
    if (withClause.recursive === true && items.some(hides)) return false
    // without RECURSIVE an item is visible from the next one on
    for (const item of items) {
      if (visit(item, place)) return true
      if (hides(item)) return false
    }
  }
  const join = record['JoinExpr'] as { jointype?: string; larg?: unknown; rarg?: unknown; quals?: unknown } | undefined
  if (join !== undefined) {
    const { jointype, larg, rarg, quals } = join
    const nullable = place ?? 'an outer join'
    if (visit(larg, jointype === 'JOIN_FULL' || jointype === 'JOIN_RIGHT' ? nullable : place)) return true
    return visit(rarg, jointype === 'JOIN_FULL' || jointype === 'JOIN_LEFT' ? nullable : place) || visit(quals, place)
  }
  const subLink = record['SubLink'] as { subselect?: unknown; testexpr?: unknown } | undefined
  if (subLink !== undefined) return visit(subLink.subselect, 'a subquery') || visit(subLink.testexpr, place)
  let left = place
  let right = place
  if (record['op'] === 'SETOP_EXCEPT') {
    right ??= 'EXCEPT'
    if (record['all'] === true) left ??= 'EXCEPT'
  } else if (record['op'] === 'SETOP_INTERSECT' && record['all'] === true) {
    left ??= 'INTERSECT'
    right ??= 'INTERSECT'
  }
  for (const [key, value] of Object.entries(record)) {
    if (key === 'withClause') continue
    if (visit(value, key === 'larg' ? left : key === 'rarg' ? right : place)) return true
  }
  return false
}
