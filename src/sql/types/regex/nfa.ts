// Thompson automaton of a tree, and its simulation in lock step: time is text × states whatever the pattern, and every step is counted.
// Each tree node keeps the states where its fragment starts and ends, so that a part can be asked alone.

import { type CharTest, type ConstraintKind, childrenOf, type Node, tooComplex } from './ast.ts'
import { isWord } from './charset.ts'

const MAX_STATES = 50_000

/** Per state, by kind: char → one way on; split and empty → up to two; constraint and look → one when they hold. */
export interface Nfa {
  readonly tests: (CharTest | null)[]
  readonly first: number[]
  readonly second: number[]
  readonly constraints: (ConstraintKind | null)[]
  readonly looks: (Look | null)[]
  readonly fragments: Map<Node, Fragment>
  readonly start: number
  readonly end: number
}

export interface Fragment {
  readonly start: number
  readonly end: number
}

interface Look {
  readonly ahead: boolean
  readonly negative: boolean
  readonly body: Nfa
}

export function buildNfa(root: Node): Nfa {
  const tests: (CharTest | null)[] = []
  const first: number[] = []
  const second: number[] = []
  const constraints: (ConstraintKind | null)[] = []
  const looks: (Look | null)[] = []
  const fragments = new Map<Node, Fragment>()

  const state = (test: CharTest | null = null, constraint: ConstraintKind | null = null, look: Look | null = null): number => {
    if (tests.length >= MAX_STATES) throw tooComplex()
    tests.push(test)
    first.push(-1)
    second.push(-1)
    constraints.push(constraint)
    looks.push(look)
    return tests.length - 1
  }
  const single = (from: number): Fragment => {
    const end = state()
    first[from] = end
    return { start: from, end }
  }

  const groups = new Map<number, Node>()
  const noteGroups = (node: Node): void => {
    if (node.kind === 'group') groups.set(node.index, node.body)
    childrenOf(node).forEach(noteGroups)
  }
  noteGroups(root)

  /** Copies inside a back reference: any text that its group could match, wherever it stands. */
  let copying = 0
  const build = (node: Node): Fragment => {
    const fragment = fresh(node)
    if (copying === 0) fragments.set(node, fragment)
    return fragment
  }
  const repeat = (body: Node, min: number, max: number): Fragment => {
    const entry = state()
    let tail = entry
    for (let i = 0; i < min; i++) {
      const copy = build(body)
      first[tail] = copy.start
      tail = copy.end
    }
    const end = state()
    if (max < 0) {
      const loop = state()
      const copy = build(body)
      first[tail] = loop
      first[loop] = copy.start
      second[loop] = end
      first[copy.end] = loop
    } else {
      for (let i = min; i < max; i++) {
        const split = state()
        const copy = build(body)
        first[tail] = split
        first[split] = copy.start
        second[split] = end
        tail = copy.end
      }
      first[tail] = end
    }
    return { start: entry, end }
  }
  const fresh = (node: Node): Fragment => {
    if (copying > 0 && (node.kind === 'constraint' || node.kind === 'look')) return single(state())
    switch (node.kind) {
      case 'empty':
        return single(state())
      case 'backref': {
        copying++
        const fragment = repeat(groups.get(node.group) ?? { kind: 'empty' }, node.min, node.max)
        copying--
        return fragment
      }
      case 'char':
        return single(state(node.test))
      case 'constraint':
        return single(state(null, node.at))
      case 'look':
        return single(state(null, null, { ahead: node.ahead, negative: node.negative, body: buildNfa(node.body) }))
      case 'group':
        return build(node.body)
      case 'concat': {
        const left = build(node.left)
        const right = build(node.right)
        first[left.end] = right.start
        // The parts stay apart: a simulation of `left` alone must not run on into `right`.
        return { start: left.start, end: right.end }
      }
      case 'alt': {
        const end = state()
        let start = -1
        for (let i = node.branches.length - 1; i >= 0; i--) {
          const branch = build(node.branches[i]!)
          first[branch.end] = end
          if (start < 0) start = branch.start
          else {
            const split = state()
            first[split] = branch.start
            second[split] = start
            start = split
          }
        }
        const entry = state()
        first[entry] = start
        return { start: entry, end }
      }
      case 'repeat':
        return repeat(node.body, node.min, node.max)
    }
  }
  const { start, end } = build(root)
  return { tests, first, second, constraints, looks, fragments, start, end }
}

/** Steps a match may still take, shared by everything one call does; polls the statement's cancellation. */
export class Budget {
  #left: number
  readonly #poll: () => void
  #next: number

  constructor(steps: number, poll: () => void) {
    this.#left = steps
    this.#poll = poll
    this.#next = steps - 65536
  }

  get left(): number {
    return this.#left
  }

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < this.#next) {
      this.#next = this.#left - 65536
      this.#poll()
      if (this.#left < 0) throw tooComplex()
    }
  }
}

export type Codes = Uint16Array | Uint32Array

function holds(kind: ConstraintKind, codes: Codes, at: number): boolean {
  const before = at > 0 ? codes[at - 1]! : -1
  const after = at < codes.length ? codes[at]! : -1
  switch (kind) {
    case 'textStart':
      return at === 0
    case 'textEnd':
      return at === codes.length
    case 'lineStart':
      return at === 0 || before === 10
    case 'lineEnd':
      return at === codes.length || after === 10
    default: {
      const wordBefore = before >= 0 && isWord(before)
      const wordAfter = after >= 0 && isWord(after)
      switch (kind) {
        case 'wordStart':
          return !wordBefore && wordAfter
        case 'wordEnd':
          return wordBefore && !wordAfter
        case 'wordEdge':
          return wordBefore !== wordAfter
        case 'notWordEdge':
          return wordBefore === wordAfter
      }
    }
  }
}

function lookHolds(look: Look, codes: Codes, at: number, budget: Budget): boolean {
  let found: boolean
  const { body } = look
  if (look.ahead) found = simulate(body, body.start, body.end, codes, at, codes.length, budget, 'any').length > 0
  else {
    found = false
    for (let from = at; from >= 0 && !found; from--) {
      const ends = simulate(body, body.start, body.end, codes, from, at, budget, 'all')
      found = ends[ends.length - 1] === at
    }
  }
  return found !== look.negative
}

/** States reachable at `at` without a character, into `list`; answers whether `goal` is among them. */
function close(nfa: Nfa, from: number, goal: number, codes: Codes, at: number, list: number[], seen: Uint8Array, budget: Budget): boolean {
  const stack = [from]
  let reached = false
  while (stack.length > 0) {
    const s = stack.pop()!
    if (seen[s] === 1) continue
    seen[s] = 1
    list.push(s)
    if (s === goal) {
      reached = true
      continue
    }
    if (nfa.tests[s] !== null) continue
    const constraint = nfa.constraints[s]!
    if (constraint !== null && !holds(constraint, codes, at)) continue
    const look = nfa.looks[s]!
    if (look !== null && !lookHolds(look, codes, at, budget)) continue
    if (nfa.second[s]! >= 0) stack.push(nfa.second[s]!)
    if (nfa.first[s]! >= 0) stack.push(nfa.first[s]!)
  }
  return reached
}

/**
 * Where the fragment [start, goal] can end when it begins at `from`, ascending, at most `limit`. `any` stops at the first; `all` goes on.
 */
export function simulate(
  nfa: Nfa,
  start: number,
  goal: number,
  codes: Codes,
  from: number,
  limit: number,
  budget: Budget,
  want: 'any' | 'all',
): number[] {
  const ends: number[] = []
  let seen = new Uint8Array(nfa.tests.length)
  let current: number[] = []
  if (close(nfa, start, goal, codes, from, current, seen, budget)) ends.push(from)
  for (let at = from; at < limit && current.length > 0; at++) {
    if (want === 'any' && ends.length > 0) break
    budget.spend(current.length + 1)
    const code = codes[at]!
    const next: number[] = []
    seen = seen.fill(0)
    let reached = false
    for (const s of current) {
      const test = nfa.tests[s]!
      if (test?.(code)) reached = close(nfa, nfa.first[s]!, goal, codes, at + 1, next, seen, budget) || reached
    }
    if (reached) ends.push(at + 1)
    current = next
  }
  return ends
}

/**
 * The leftmost start of a match at or behind `from`, or -1: one pass, each state with the earliest start that led to it. With `exists` any
 * match will do.
 */
export function leftmostStart(nfa: Nfa, codes: Codes, from: number, budget: Budget, exists = false): number {
  return searchOn(nfa, codes, beginSearch(nfa, from), budget, exists, Number.POSITIVE_INFINITY)!
}

/** A search for the leftmost start that has come to a character. */
export interface Search {
  at: number
  readonly from: number
  current: number[]
  /** By state: the earliest start that led to it, at this character and the next. */
  starts: Int32Array
  nextStarts: Int32Array
  best: number
}

export function beginSearch(nfa: Nfa, from: number): Search {
  const size = nfa.tests.length
  return { at: from, from, current: [], starts: new Int32Array(size), nextStarts: new Int32Array(size), best: -1 }
}

/** leftmostStart for so many steps; null: it is to be gone on with. */
export function searchOn(nfa: Nfa, codes: Codes, search: Search, budget: Budget, exists: boolean, steps: number): number | null {
  const { from } = search
  let { starts, nextStarts, current, best } = search
  const seen = new Uint8Array(nfa.tests.length)
  let left = steps
  for (let at = search.at; at <= codes.length; at++) {
    if (left < 0) {
      search.at = at
      search.current = current
      search.starts = starts
      search.nextStarts = nextStarts
      search.best = best
      return null
    }
    // Threads come in order of their starts, so the first to reach a state has the earliest.
    seen.fill(0)
    const next: number[] = []
    const enter = (state: number, start: number): void => {
      const before = next.length
      if (close(nfa, state, nfa.end, codes, at, next, seen, budget) && (best < 0 || start < best)) best = start
      for (let i = before; i < next.length; i++) nextStarts[next[i]!] = start
    }
    if (at > from) {
      const code = codes[at - 1]!
      for (const s of current) if (nfa.tests[s]?.(code)) enter(nfa.first[s]!, starts[s]!)
    }
    if (best < 0) enter(nfa.start, at)
    else if (!next.some((s) => nextStarts[s]! < best)) return best
    budget.spend(next.length + 1)
    left -= next.length + 1
    current = next
    const spare = starts
    starts = nextStarts
    nextStarts = spare
    if (exists && best >= 0) return best
    if (current.length === 0 && best >= 0) return best
  }
  return best
}
