// Join order: dynamic programming over sets of relations while they are few, greedy beyond. Outer, semi- and anti-joins restrict which sets
// may be joined; conditions are checked as soon as all they need is there.

import type { Steps } from '../../../base/long-work.ts'
import type { Expr } from '../../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import type { EcMember, EquivalenceClass } from '../equivalence.ts'
import { catalogLookupPath } from '../paths/other-scans.ts'
import type { Path } from '../paths/path.ts'
import { addPath, cheapest } from '../paths/path.ts'
import { contains, NO_RELS, overlap, type Relids } from '../relids.ts'
import type { Deconstructed, SpecialJoin } from './deconstruct.ts'
import {
  hashJoinPath,
  type JoinRel,
  type JoinShape,
  type JoinStep,
  joinStep,
  type KeyPair,
  keyPairs,
  lookupJoinPath,
  lookups,
  mergeJoinPath,
  nestLoopPath,
  uniquePath,
} from './join-path.ts'
import { joinRows } from './join-rows.ts'

/** All splits are tried up to this many relations, only additions of one relation up to the next. */
const BUSHY_LIMIT = 8
const DYNAMIC_LIMIT = 11
/** Paths kept per set: cheapest ones first. */
const PATHS_PER_REL = 6
const ORDERS_PER_REL = 8
/** Estimated between two steps. */
const ESTIMATES = 16

interface Match {
  readonly join: SpecialJoin | null
  readonly reversed: boolean
}

/** How `a` and `b` may be joined, or null. */
function legality(a: Relids, b: Relids, joins: readonly SpecialJoin[]): Match | null {
  const both = a | b
  let found: Match = { join: null, reversed: false }
  for (const join of joins) {
    const { minLeft, minRight } = join
    // Both sides of a full join stay by themselves until it is made.
    if (join.type === 'full' ? !overlap(minLeft | minRight, both) || contains(minLeft, both) : !overlap(minRight, both)) continue
    if (contains(minRight, both)) continue
    if (contains(a, minLeft | minRight) || contains(b, minLeft | minRight)) continue
    const forward = contains(a, minLeft) && contains(b, minRight)
    const backward = contains(b, minLeft) && contains(a, minRight)
    if (!forward && !backward) return null
    // The side with the NULLs (or the sought rows) must be exactly the join's own.
    if (forward ? b !== minRight : a !== minRight) return null
    if (join.type === 'full' && (forward ? a !== minLeft : b !== minLeft)) return null
    if (found.join !== null) return null
    found = { join, reversed: !forward }
  }
  return found
}

/** A set in the greedy search. */
interface Part {
  readonly set: Relids
  /** Part of a larger one by now. */
  joined: boolean
}

/** Two sets that the greedy search may join; `rows`: undefined until estimated, null where that is not legal. */
interface JoinPair {
  readonly a: Part
  readonly b: Part
  rows: number | null | undefined
}

/** The one way to join two sets. */
interface Pairing {
  readonly shape: JoinShape
  readonly pairs: readonly KeyPair[]
  readonly rows: number
}

/** The cheapest paths, and of each order that may save a sort the cheapest. */
function keepBest(paths: Path[]): void {
  paths.sort((x, y) => x.total - y.total)
  const orders = new Set<string>()
  const kept = paths.filter((path, i) => {
    const order = path.order.map((key) => `${key.key} ${key.descending} ${key.nullsFirst}`).join()
    const isNew = path.order.length > 0 && orders.size < ORDERS_PER_REL && !orders.has(order)
    if (isNew) orders.add(order)
    return isNew || i < PATHS_PER_REL
  })
  paths.splice(0, paths.length, ...kept)
}

export class JoinSearch {
  readonly #problem: JoinProblem
  readonly #parts: Deconstructed
  readonly #memo = new Map<Relids, JoinRel>()
  readonly #baseOf = new Map<Relids, BaseRel>()
  /** What conditions and outer joins refer to. */
  readonly #links: readonly Relids[]
  readonly #parameterized: { readonly bit: Relids; readonly outer: Relids }[] = []
  /** Relations that can be read only with values of others: LATERAL. */
  readonly #lateral: { readonly bit: Relids; readonly outer: Relids }[] = []
  /** By set: what else it takes to have the whole of a link that it has a part of. */
  readonly #missing = new Map<Relids, ReadonlySet<Relids>>()
  /** By set: the relations that an equivalence or a parameter connects with one of it. */
  readonly #neighbours = new Map<Relids, Relids>()
  /** By set: the first member that it computes of each equivalence class. */
  readonly #members = new Map<Relids, readonly (EcMember | undefined)[]>()
  /** The equality of two members of a class, made once. */
  readonly #clauses = new Map<EcMember, Map<EcMember, Expr | null>>()

  constructor(problem: JoinProblem, parts: Deconstructed) {
    this.#problem = problem
    this.#parts = parts
    for (const rel of problem.rels) {
      this.#baseOf.set(rel.bit, rel)
      this.#memo.set(rel.bit, { mask: rel.bit, rows: rel.rows, width: rel.width, paths: rel.paths })
    }
    this.#links = [...new Set([...parts.quals.map((qual) => qual.required), ...parts.joins.map((join) => join.minLeft | join.minRight)])]
    this.#findNeighbours()
  }

  #findNeighbours(): void {
    const { rels, ecs } = this.#problem
    for (const { bit, paths } of rels) {
      for (const { outer } of paths) if (outer !== NO_RELS) this.#parameterized.push({ bit, outer })
      const always = paths.reduce((set, { outer }) => set & outer, paths[0]?.outer ?? NO_RELS)
      if (always !== NO_RELS) this.#lateral.push({ bit, outer: always })
    }
    const groups = new Set([
      ...ecs.classes.map((ec) => ec.members.reduce((set, member) => set | member.relids, NO_RELS)),
      ...this.#parameterized.map(({ bit, outer }) => bit | outer),
    ])
    for (const { bit } of rels) {
      let found = NO_RELS
      for (const group of groups) if (overlap(group, bit)) found |= group
      this.#neighbours.set(bit, found)
    }
  }

  #neighboursOf(set: Relids): Relids {
    let found = this.#neighbours.get(set)
    if (found === undefined) {
      found = NO_RELS
      for (const { bit } of this.#problem.rels) if (overlap(bit, set)) found |= this.#neighbours.get(bit)!
      this.#neighbours.set(set, found)
    }
    return found
  }

  #missingOf(set: Relids): ReadonlySet<Relids> {
    const known = this.#missing.get(set)
    if (known !== undefined) return known
    const found = new Set<Relids>()
    for (const link of this.#links) {
      const missing = link & ~set
      if (missing !== NO_RELS && missing !== link) found.add(missing)
    }
    this.#missing.set(set, found)
    return found
  }

  #linked(a: Relids, b: Relids): boolean {
    const missing = this.#missingOf(a)
    if (missing.has(b)) return true
    if (!this.#baseOf.has(b)) for (const set of missing) if (contains(b, set)) return true
    return false
  }

  #membersIn(set: Relids): readonly (EcMember | undefined)[] {
    let found = this.#members.get(set)
    if (found === undefined) {
      found = this.#problem.ecs.classes.map((ec) => ec.members.find((member) => member.relids !== NO_RELS && contains(set, member.relids)))
      this.#members.set(set, found)
    }
    return found
  }

  #clause(ec: EquivalenceClass, left: EcMember, right: EcMember): Expr | null {
    const ofLeft = this.#clauses.get(left) ?? new Map<EcMember, Expr | null>()
    this.#clauses.set(left, ofLeft)
    const known = ofLeft.get(right)
    if (known !== undefined) return known
    const clause = this.#problem.ecs.clause(ec, left.expr, right.expr)
    ofLeft.set(right, clause)
    return clause
  }

  /** The join of all; others may come between any two that are made or estimated. */
  *solve(): Steps<JoinRel> {
    const bits = this.#problem.rels.map((rel) => rel.bit)
    if (bits.length === 1) return this.#memo.get(bits[0]!)!
    return yield* bits.length <= DYNAMIC_LIMIT ? this.#dynamic(bits) : this.#greedy(bits)
  }

  *#dynamic(bits: readonly Relids[]): Steps<JoinRel> {
    // Following conditions only may leave the side of an outer join unjoinable, whose relations no condition connects.
    return (yield* this.#subsets(bits, true)) ?? (yield* this.#subsets(bits, false)) ?? (yield* this.#greedy(bits))
  }

  /** All sets of relations by size; `sparing`: cartesian products only where nothing else leads on. */
  *#subsets(bits: readonly Relids[], sparing: boolean): Steps<JoinRel | undefined> {
    const all = bits.reduce((set, bit) => set | bit, NO_RELS)
    const bySize: Relids[][] = [[], [...bits]]
    for (let size = 2; size <= bits.length; size++) {
      const made = new Set<Relids>()
      for (const connectedOnly of sparing ? [true, false] : [false]) {
        if (!connectedOnly && made.size > 0) break
        for (let left = 1; left <= size / 2; left++) {
          if (left > 1 && bits.length > BUSHY_LIMIT) break
          for (const a of bySize[left]!) {
            yield
            for (const b of bySize[size - left]!) {
              if (overlap(a, b) || (left === size - left && a > b)) continue
              if (connectedOnly && !this.#connected(a, b)) continue
              if (this.#join(a, b)) made.add(a | b)
            }
          }
        }
      }
      bySize.push([...made])
    }
    return this.#memo.get(all)
  }

  /** Joins the pair with the fewest rows again and again: connected ones first, Cartesian products where nothing else is left. */
  *#greedy(bits: readonly Relids[]): Steps<JoinRel> {
    let parts: Part[] = []
    let connected: JoinPair[] = []
    /** Known from when they are first needed. */
    let loose: JoinPair[] | null = null
    const add = (set: Relids): void => {
      const a: Part = { set, joined: false }
      for (const b of parts) {
        if (this.#connected(a.set, b.set)) connected.push({ a, b, rows: undefined })
        else loose?.push({ a, b, rows: undefined })
      }
      parts.push(a)
    }
    const untouched = ({ a, b }: JoinPair): boolean => !a.joined && !b.joined
    for (const bit of bits) {
      add(bit)
      yield
    }
    while (parts.length > 1) {
      let best = yield* this.#fewestRows(connected)
      if (best === null) {
        loose ??= parts.flatMap((a, i) => parts.slice(0, i).map((b): JoinPair => ({ a, b, rows: undefined })))
        best = yield* this.#fewestRows(loose)
      }
      if (best === null) throw new Error('no legal join order')
      const { a, b } = best
      a.joined = true
      b.joined = true
      parts = parts.filter((part) => !part.joined)
      connected = connected.filter(untouched)
      loose = loose?.filter(untouched) ?? null
      add(a.set | b.set)
    }
    return this.#memo.get(parts[0]!.set)!
  }

  *#fewestRows(pairs: readonly JoinPair[]): Steps<JoinPair | null> {
    let estimated = 0
    for (;;) {
      yield
      let best: JoinPair | null = null
      for (const pair of pairs) {
        if (pair.rows === null) continue
        if (pair.rows === undefined) {
          pair.rows = this.#estimate(pair.a.set, pair.b.set)
          if (++estimated % ESTIMATES === 0) yield
        }
        if (pair.rows !== null && (best === null || pair.rows < best.rows!)) best = pair
      }
      if (best === null || this.#memo.has(best.a.set | best.b.set) || this.#join(best.a.set, best.b.set)) return best
      best.rows = null
    }
  }

  /** Rows of a join that is not made yet; null where it is not legal. */
  #estimate(a: Relids, b: Relids): number | null {
    const known = this.#memo.get(a | b)
    if (known !== undefined) return known.rows
    return this.#pairing(a, b)?.rows ?? null
  }

  #connected(a: Relids, b: Relids): boolean {
    if (this.#linked(a, b)) return true
    if (!overlap(this.#neighboursOf(a), b)) return false
    const inB = this.#membersIn(b)
    if (this.#membersIn(a).some((member, i) => member !== undefined && inB[i] !== undefined)) return true
    for (const { bit, outer } of this.#parameterized)
      if ((overlap(bit, a) && overlap(outer, b)) || (overlap(bit, b) && overlap(outer, a))) return true
    return false
  }

  /** Whether a relation of the set needs values of one that an outer, semi- or anti-join has to put to the right of the set. */
  #leadsNowhere(set: Relids): boolean {
    let wanted = NO_RELS
    for (const { bit, outer } of this.#lateral) if (overlap(bit, set)) wanted |= outer & ~set
    if (wanted === NO_RELS) return false
    let withRight = set
    for (let grown = true; grown; ) {
      grown = false
      for (const { type, minLeft, minRight } of this.#parts.joins) {
        if (type === 'full' || !overlap(minLeft, withRight) || contains(withRight, minRight)) continue
        withRight |= minRight
        grown = true
      }
    }
    return overlap(withRight, wanted)
  }

  /** The one way these two sets may be joined, or null. */
  #pairing(a: Relids, b: Relids): Pairing | null {
    const match = legality(a, b, this.#parts.joins)
    if (match === null || this.#leadsNowhere(a | b)) return null
    const left = this.#memo.get(match.reversed ? b : a)
    const right = this.#memo.get(match.reversed ? a : b)
    if (left === undefined || right === undefined) return null
    const { join } = match
    const above = this.#applicable(left.mask, right.mask)
    const type: JoinStep['type'] = join === null ? 'inner' : join.type
    const shape = { type, left, right, joinQuals: join === null ? above : join.quals, filterQuals: join === null ? [] : above }
    const pairs = keyPairs(shape, this.#problem)
    return { shape, pairs, rows: joinRows(shape, pairs, this.#problem) }
  }

  #join(a: Relids, b: Relids): boolean {
    const found = this.#pairing(a, b)
    if (found === null) return false
    const { shape, pairs } = found
    const { type, left, right, filterQuals } = shape
    const mask = a | b
    let rel = this.#memo.get(mask)
    if (rel === undefined) {
      const width = type === 'semi' || type === 'anti' ? left.width : left.width + right.width
      rel = { mask, rows: found.rows, width, paths: [] }
    }
    const step = joinStep(shape, pairs, rel.rows, this.#problem)
    this.#addPaths(rel, step)
    if (type === 'semi' && filterQuals.length === 0) this.#uniqueRight(rel, step)
    if (type === 'inner') this.#addPaths(rel, this.#turned({ ...shape, left: right, right: left }, rel.rows))
    else if (type === 'left') this.#addPaths(rel, this.#turned({ ...shape, type: 'right', left: right, right: left }, rel.rows))
    if (rel.paths.length === 0) return false
    if (rel.paths.length > PATHS_PER_REL) keepBest(rel.paths)
    this.#memo.set(mask, rel)
    return true
  }

  #turned(shape: JoinShape, rows: number): JoinStep {
    return joinStep(shape, keyPairs(shape, this.#problem), rows, this.#problem)
  }

  /** IN (sub-select) the other way round: the distinct values first, then their rows looked up. */
  #uniqueRight(rel: JoinRel, step: JoinStep): void {
    const { pairs } = step
    if (pairs.length === 0 || pairs.length !== step.joinQuals.length || !this.#baseOf.has(step.left.mask)) return
    const input = cheapest(step.right.paths)
    if (input.outer !== NO_RELS) return
    const unique = uniquePath(
      input,
      pairs.map((pair) => ({ expr: pair.right, operator: pair.operator, collation: pair.collation })),
    )
    if (unique === null) return
    const right: JoinRel = { mask: step.right.mask, rows: unique.rows, width: unique.width, paths: [unique] }
    this.#addPaths(rel, this.#turned({ ...step, type: 'inner', left: right, right: step.left }, step.rows))
  }

  /** Conditions that become checkable by joining exactly these two. */
  #applicable(a: Relids, b: Relids): Expr[] {
    const both = a | b
    const quals: Expr[] = []
    for (const qual of this.#parts.quals) {
      if (contains(both, qual.required) && !contains(a, qual.required) && !contains(b, qual.required)) quals.push(qual.expr)
    }
    const inA = this.#membersIn(a)
    const inB = this.#membersIn(b)
    for (const [i, ec] of this.#problem.ecs.classes.entries()) {
      const l = inA[i]
      const r = inB[i]
      if (l === undefined || r === undefined || ec.members.some((member) => member.relids === NO_RELS)) continue
      const clause = this.#clause(ec, l, r)
      if (clause !== null) quals.push(clause)
    }
    return quals
  }

  #addPaths({ paths }: JoinRel, step: JoinStep): void {
    const problem = this.#problem
    const add = (path: Path | null): void => {
      if (path !== null) addPath(paths, path)
    }
    const right = this.#baseOf.get(step.right.mask)
    const needsLeft = (path: Path): boolean => path.outer !== NO_RELS && overlap(path.outer, step.left.mask)
    const independent = step.right.paths.filter((path) => !needsLeft(path))
    const dependent = step.right.paths.filter(needsLeft)
    const lookedUp = right === undefined ? null : catalogLookupPath(right, step.joinQuals, problem, step.left.mask)
    if (lookedUp !== null) dependent.push(lookedUp)
    const bestRight = independent.length === 0 ? null : cheapest(independent)
    const indexes = right === undefined ? [] : lookups(step, right, problem)
    for (const left of step.left.paths) {
      if (left.outer !== NO_RELS && overlap(left.outer, step.right.mask)) continue
      if (bestRight !== null) {
        add(hashJoinPath(step, left, bestRight, problem, paths))
        for (const other of independent) {
          if (step.type === 'full' || left.order.length > 0 || other.order.length > 0) add(mergeJoinPath(step, left, other, problem, paths))
        }
        add(nestLoopPath(step, left, bestRight, problem, paths))
      }
      for (const path of dependent) add(nestLoopPath(step, left, path, problem, paths))
      for (const lookup of indexes) add(lookupJoinPath(step, left, lookup, problem, paths))
    }
  }
}
