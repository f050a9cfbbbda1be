// Join order: dynamic programming over sets of relations while they are few, greedy beyond. Outer, semi- and anti-joins restrict which sets
// may be joined; conditions are checked as soon as all they need is there.

import type { Expr } from '../../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import { distinctValues } from '../base-rel.ts'
import { clampRows } from '../cost.ts'
import type { Path } from '../paths/path.ts'
import { addPath, cheapest } from '../paths/path.ts'
import { conjunction, selectivity } from '../selectivity.ts'
import type { Deconstructed, SpecialJoin } from './deconstruct.ts'
import {
  hashJoinPath,
  type JoinRel,
  type JoinStep,
  keyPairs,
  lookupJoinPaths,
  mergeJoinPath,
  nestLoopPath,
  uniquePath,
} from './join-path.ts'

/** All splits are tried up to this many relations, only additions of one relation up to the next. */
const BUSHY_LIMIT = 8
const DYNAMIC_LIMIT = 11
/** Paths kept per set: cheapest ones first. */
const PATHS_PER_REL = 6

const contains = (set: number, part: number): boolean => (part & ~set) === 0

interface Match {
  readonly join: SpecialJoin | null
  readonly reversed: boolean
}

/** How `a` and `b` may be joined, or null. */
function legality(a: number, b: number, joins: readonly SpecialJoin[]): Match | null {
  const both = a | b
  let found: Match = { join: null, reversed: false }
  for (const join of joins) {
    if ((join.minRight & both) === 0 || contains(join.minRight, both)) continue
    const { minLeft, minRight } = join
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

export class JoinSearch {
  readonly #problem: JoinProblem
  readonly #parts: Deconstructed
  readonly #memo = new Map<number, JoinRel>()
  readonly #baseOf = new Map<number, BaseRel>()

  constructor(problem: JoinProblem, parts: Deconstructed) {
    this.#problem = problem
    this.#parts = parts
    for (const rel of problem.rels) {
      this.#baseOf.set(rel.bit, rel)
      this.#memo.set(rel.bit, { mask: rel.bit, rows: rel.rows, width: rel.width, paths: rel.paths })
    }
  }

  solve(): JoinRel {
    const bits = this.#problem.rels.map((rel) => rel.bit)
    if (bits.length === 1) return this.#memo.get(bits[0]!)!
    return bits.length <= DYNAMIC_LIMIT ? this.#dynamic(bits) : this.#greedy(bits)
  }

  #dynamic(bits: readonly number[]): JoinRel {
    const all = bits.reduce((set, bit) => set | bit, 0)
    const bySize: number[][] = [[], [...bits]]
    for (let size = 2; size <= bits.length; size++) {
      const made = new Set<number>()
      for (const connectedOnly of [true, false]) {
        // Cartesian products only where nothing else leads on.
        if (!connectedOnly && made.size > 0) break
        for (let left = 1; left <= size / 2; left++) {
          if (left > 1 && bits.length > BUSHY_LIMIT) break
          for (const a of bySize[left]!) {
            for (const b of bySize[size - left]!) {
              if ((a & b) !== 0 || (left === size - left && a > b)) continue
              if (connectedOnly && !this.#connected(a, b)) continue
              if (this.#join(a, b)) made.add(a | b)
            }
          }
        }
      }
      bySize.push([...made])
    }
    const solved = this.#memo.get(all)
    return solved ?? this.#greedy(bits)
  }

  /** Joins the pair with the fewest rows again and again. */
  #greedy(bits: readonly number[]): JoinRel {
    let sets = [...bits]
    while (sets.length > 1) {
      let best: { a: number; b: number; rel: JoinRel } | null = null
      for (const connectedOnly of [true, false]) {
        for (let i = 0; i < sets.length; i++) {
          for (let j = i + 1; j < sets.length; j++) {
            const [a, b] = [sets[i]!, sets[j]!]
            if (connectedOnly && !this.#connected(a, b)) continue
            if (!this.#memo.has(a | b) && !this.#join(a, b)) continue
            const rel = this.#memo.get(a | b)!
            if (best === null || rel.rows < best.rel.rows) best = { a, b, rel }
          }
        }
        if (best !== null) break
      }
      if (best === null) throw new Error('no legal join order')
      const { a, b } = best
      sets = [...sets.filter((set) => set !== a && set !== b), a | b]
    }
    return this.#memo.get(sets[0]!)!
  }

  #connected(a: number, b: number): boolean {
    const both = a | b
    for (const qual of this.#parts.quals) {
      if ((qual.required & a) !== 0 && (qual.required & b) !== 0 && contains(both, qual.required)) return true
    }
    for (const join of this.#parts.joins) {
      if (
        contains(both, join.minLeft | join.minRight) &&
        ((join.minLeft | join.minRight) & a) !== 0 &&
        ((join.minLeft | join.minRight) & b) !== 0
      ) {
        return true
      }
    }
    for (const ec of this.#problem.ecs.classes) {
      if (
        ec.members.some((m) => m.relids !== 0 && contains(a, m.relids)) &&
        ec.members.some((m) => m.relids !== 0 && contains(b, m.relids))
      )
        return true
    }
    for (const rel of this.#problem.rels) {
      for (const path of rel.paths)
        if (((rel.bit & a) !== 0 && (path.outer & b) !== 0) || ((rel.bit & b) !== 0 && (path.outer & a) !== 0)) return true
    }
    return false
  }

  #join(a: number, b: number): boolean {
    const match = legality(a, b, this.#parts.joins)
    if (match === null) return false
    const left = this.#memo.get(match.reversed ? b : a)
    const right = this.#memo.get(match.reversed ? a : b)
    if (left === undefined || right === undefined) return false
    const { join } = match
    const above = this.#applicable(left.mask, right.mask)
    const type = join === null ? 'inner' : join.type
    const joinQuals = join === null ? above : [...join.quals]
    const filterQuals = join === null ? [] : above
    const rows = this.#rows(type, left, right, joinQuals, filterQuals)
    const mask = a | b
    let rel = this.#memo.get(mask)
    if (rel === undefined) {
      const width = type === 'semi' || type === 'anti' ? left.width : left.width + right.width
      rel = { mask, rows, width, paths: [] }
    }
    const step: JoinStep = { type, left, right, joinQuals, filterQuals, rows: rel.rows }
    this.#addPaths(rel, step)
    if (type === 'semi' && filterQuals.length === 0) this.#uniqueRight(rel, step)
    if (type === 'inner') this.#addPaths(rel, { ...step, left: right, right: left })
    else if (type === 'left') this.#addPaths(rel, { ...step, type: 'right', left: right, right: left })
    if (rel.paths.length === 0) return false
    if (rel.paths.length > PATHS_PER_REL) {
      rel.paths.sort((x, y) => x.total - y.total)
      rel.paths.length = PATHS_PER_REL
    }
    this.#memo.set(mask, rel)
    return true
  }

  /** IN (sub-select) the other way round: the distinct values first, then their rows looked up. */
  #uniqueRight(rel: JoinRel, step: JoinStep): void {
    const pairs = keyPairs(step, this.#problem)
    if (pairs.length === 0 || pairs.length !== step.joinQuals.length || !this.#baseOf.has(step.left.mask)) return
    const input = cheapest(step.right.paths)
    if (input.outer !== 0) return
    const unique = uniquePath(
      input,
      pairs.map((pair) => ({ expr: pair.right, operator: pair.operator, collation: pair.collation })),
    )
    if (unique === null) return
    const right: JoinRel = { mask: step.right.mask, rows: unique.rows, width: unique.width, paths: [unique] }
    this.#addPaths(rel, { ...step, type: 'inner', left: right, right: step.left })
  }

  /** Conditions that become checkable by joining exactly these two. */
  #applicable(a: number, b: number): Expr[] {
    const both = a | b
    const quals: Expr[] = []
    for (const qual of this.#parts.quals) {
      if (contains(both, qual.required) && !contains(a, qual.required) && !contains(b, qual.required)) quals.push(qual.expr)
    }
    for (const ec of this.#problem.ecs.classes) {
      if (ec.members.some((member) => member.relids === 0)) continue
      const l = ec.members.find((member) => contains(a, member.relids))
      const r = ec.members.find((member) => contains(b, member.relids))
      if (l === undefined || r === undefined) continue
      const clause = this.#problem.ecs.clause(ec, l.expr, r.expr)
      if (clause !== null) quals.push(clause)
    }
    return quals
  }

  #rows(type: JoinStep['type'], left: JoinRel, right: JoinRel, joinQuals: readonly Expr[], filterQuals: readonly Expr[]): number {
    const problem = this.#problem
    const step: JoinStep = { type, left, right, joinQuals, filterQuals, rows: 0 }
    const pairs = keyPairs(step, problem)
    const keyed = new Set(pairs.map((pair) => pair.qual))
    let pass = conjunction(
      joinQuals.filter((qual) => !keyed.has(qual)),
      problem,
      left.rows * right.rows,
    )
    const matchable: number[] = []
    for (const pair of pairs) {
      const dl = distinctValues(problem, pair.left, this.#tuples(pair.left, left))
      const dr = distinctValues(problem, pair.right, this.#tuples(pair.right, right))
      pass *= 1 / Math.max(dl, dr)
      matchable.push(Math.min(1, dr / Math.max(dl, 1)))
    }
    const filter = filterQuals.reduce((s, qual) => s * selectivity(qual, problem, left.rows), 1)
    const inner = left.rows * right.rows * pass
    const semi = left.rows * (pairs.length > 0 ? Math.min(1, ...matchable) : 0.5)
    switch (type) {
      case 'inner':
        return clampRows(inner * filter)
      case 'left':
        return clampRows(Math.max(inner, left.rows) * filter)
      case 'right':
        return clampRows(Math.max(inner, right.rows) * filter)
      case 'full':
        return clampRows(Math.max(inner, left.rows + right.rows) * filter)
      case 'semi':
        return clampRows(Math.min(semi, Math.max(inner, 1)) * filter)
      case 'anti':
        return clampRows(Math.max(left.rows - semi, left.rows * 0.1) * filter)
    }
  }

  #tuples(expr: Expr, side: JoinRel): number {
    const rel = this.#baseOf.get(this.#problem.relids(expr))
    return rel === undefined ? side.rows : rel.tuples
  }

  #addPaths(rel: JoinRel, step: JoinStep): void {
    const problem = this.#problem
    const add = (path: Path | null): void => {
      if (path !== null) addPath(rel.paths, path)
    }
    const right = this.#baseOf.get(step.right.mask)
    const independent = step.right.paths.filter((path) => (path.outer & step.left.mask) === 0)
    const bestRight = independent.length === 0 ? null : cheapest(independent)
    for (const left of step.left.paths) {
      if ((left.outer & step.right.mask) !== 0) continue
      if (bestRight !== null) {
        add(hashJoinPath(step, left, bestRight, problem))
        for (const other of independent) {
          if (step.type === 'full' || left.order.length > 0 || other.order.length > 0) add(mergeJoinPath(step, left, other, problem))
        }
        add(nestLoopPath(step, left, bestRight, problem))
      }
      for (const path of step.right.paths) if ((path.outer & step.left.mask) !== 0) add(nestLoopPath(step, left, path, problem))
      if (right !== undefined) for (const path of lookupJoinPaths(step, left, right, problem)) add(path)
    }
  }
}
