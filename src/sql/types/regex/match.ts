// Matching: the leftmost match, as long (or, for a non-greedy expression, as short) as can be, and the spans of its groups: earlier parts of
// the expression take as much as they can, as POSIX has it. What the automaton accepts is taken apart for the groups' spans; where there are back
// references that may fail, and the next possible match is tried. Every step is counted.

import { finished, inOneSlice, LONG, longWork, type Steps } from '../../../base/long-work.ts'
import { LruMap } from '../../../base/lru.ts'
import { hasSurrogates } from '../chars.ts'
import { childrenOf, messyNodes, type Node, type Options, preference } from './ast.ts'
import { otherCase } from './charset.ts'
import { Budget, beginSearch, buildNfa, type Codes, leftmostStart, type Nfa, searchOn, simulate } from './nfa.ts'
import { parseRegex } from './parse.ts'

/** Start and end of the match and of each group, in characters; -1 for a group that took no part. */
export type Match = readonly number[]

export interface Regex {
  readonly root: Node
  readonly groups: number
  readonly hasBackrefs: boolean
  readonly nfa: Nfa
  /** What has groups or back references inside. */
  readonly messy: ReadonlySet<Node>
  /** The whole expression is this text, perhaps anchored: no automaton needed to test it. */
  readonly literal: { readonly text: string; readonly start: boolean; readonly end: boolean } | null
}

/**
 * Steps of one call: some ten milliseconds of work, and for long texts as many more as a linear scan takes. A call cannot be interrupted by
 * other sessions' work, so that a catastrophic expression ends here rather than hold them up.
 */
const STEPS = 600_000
const STEPS_PER_CHARACTER = 32
const budgetFor = (codes: Codes, poll: () => void): Budget => new Budget(STEPS + STEPS_PER_CHARACTER * codes.length, poll)

export function toCodes(text: string): Codes {
  if (hasSurrogates(text)) return Uint32Array.from(text, (char) => char.codePointAt(0)!)
  const codes = new Uint16Array(text.length)
  copyCodes(text, codes, 0, text.length)
  return codes
}

function copyCodes(text: string, codes: Uint16Array, from: number, to: number): void {
  for (let i = from; i < to; i++) codes[i] = text.charCodeAt(i)
}

function* codesSteps(text: string): Steps<Codes> {
  if (hasSurrogates(text)) return toCodes(text)
  const codes = new Uint16Array(text.length)
  for (let from = 0; from < text.length; from += LONG) {
    copyCodes(text, codes, from, Math.min(from + LONG, text.length))
    yield
  }
  return codes
}

function literalOf(root: Node): Regex['literal'] {
  const nodes: Node[] = []
  const flatten = (node: Node): void => {
    if (node.kind === 'concat') {
      flatten(node.left)
      flatten(node.right)
    } else if (node.kind === 'group') flatten(node.body)
    else nodes.push(node)
  }
  flatten(root)
  const anchored = (node: Node | undefined, at: 'textStart' | 'textEnd'): boolean => node?.kind === 'constraint' && node.at === at
  const start = anchored(nodes[0], 'textStart')
  if (start) nodes.shift()
  const end = anchored(nodes[nodes.length - 1], 'textEnd')
  if (end) nodes.pop()
  let text = ''
  for (const node of nodes) {
    if (node.kind !== 'char' || node.literal < 0) return null
    text += String.fromCodePoint(node.literal)
  }
  return { text, start, end }
}

const cache = new LruMap<string, Regex>(128)

export function compileRegex(pattern: string, options: Options): Regex {
  const key = `${options.ignoreCase ? 'i' : ''}${options.newlineStops ? 'p' : ''}${options.newlineAnchors ? 'w' : ''}${options.expanded ? 'x' : ''}${options.quoted ? 'q' : ''}${options.flavor[0]}/${pattern}`
  let regex = cache.get(key)
  if (regex === undefined) {
    const { root, groups, hasBackrefs } = parseRegex(pattern, options)
    regex = { root, groups, hasBackrefs, nfa: buildNfa(root), messy: messyNodes(root), literal: literalOf(root) }
    if (pattern.length < 4096) cache.set(key, regex)
  }
  return regex
}

const includes = (text: string, part: string): boolean => text.includes(part)

/** Whether the expression matches anywhere in the text. */
export function test(regex: Regex, text: string, poll: () => void): boolean {
  const { literal } = regex
  if (literal !== null) {
    if (literal.start) return literal.end ? text === literal.text : text.startsWith(literal.text)
    return literal.end ? text.endsWith(literal.text) : inOneSlice(text.length > LONG, includes, text, literal.text)
  }
  if (text.length > LONG_TEXT) return longWork(testSteps, regex, text, poll)
  const codes = toCodes(text)
  const budget = budgetFor(codes, poll)
  if (regex.hasBackrefs) return finished(dissectSteps(regex, codes, 0, budget)) !== null
  return leftmostStart(regex.nfa, codes, 0, budget, true) >= 0
}

/** An automaton goes through so many characters at once. */
const LONG_TEXT = 16_384
/** Its steps between two moments at which others may have their turn. */
const STEPS_AT_ONCE = 65_536

function* testSteps(regex: Regex, text: string, poll: () => void): Steps<boolean> {
  const codes = yield* codesSteps(text)
  const budget = budgetFor(codes, poll)
  if (regex.hasBackrefs) return (yield* dissectSteps(regex, codes, 0, budget)) !== null
  const search = beginSearch(regex.nfa, 0)
  for (;;) {
    const start = searchOn(regex.nfa, codes, search, budget, true, STEPS_AT_ONCE)
    if (start !== null) return start >= 0
    yield
  }
}

/** The first match at or behind character `from`; with `captures` false only its own span. */
export function exec(regex: Regex, codes: Codes, from: number, captures: boolean, poll: () => void): Match | null {
  const budget = budgetFor(codes, poll)
  if (regex.hasBackrefs) return finished(dissectSteps(regex, codes, from, budget))
  const start = leftmostStart(regex.nfa, codes, from, budget)
  if (start < 0) return null
  const shortest = preference(regex.root) < 0
  const ends = simulate(regex.nfa, regex.nfa.start, regex.nfa.end, codes, start, codes.length, budget, shortest ? 'any' : 'all')
  const end = shortest ? ends[0]! : ends[ends.length - 1]!
  const match = noMatch(regex)
  if (captures && regex.groups > 0) new Dissection(regex, codes, match, budget).walk(regex.root, start, end)
  match[0] = start
  match[1] = end
  return match
}

const noMatch = (regex: Regex): number[] => new Array(2 * regex.groups + 2).fill(-1)

/**
 * With back references: of the spans that the automaton accepts, the first that they allow. As PostgreSQL has it, the starts up to where the
 * shortest of these ends are tried, then those behind; but no start at the very end of the text after one that failed.
 */
function* dissectSteps(regex: Regex, codes: Codes, from: number, budget: Budget): Steps<Match | null> {
  const shortest = preference(regex.root) < 0
  const match = noMatch(regex)
  const dissection = new Dissection(regex, codes, match, budget)
  let at = from
  let pause = budget.left - STEPS_AT_ONCE
  do {
    if (budget.left < pause) {
      yield
      pause = budget.left - STEPS_AT_ONCE
    }
    dissection.forgetEnds()
    const first = dissection.endsOf(regex.root, at).length > 0 ? at : leftmostStart(regex.nfa, codes, at + 1, budget)
    if (first < 0) return null
    let close = codes.length
    for (let start = first; start <= close; start++) close = Math.min(close, dissection.endsOf(regex.root, start)[0] ?? close)
    for (let start = first; start <= close; start++) {
      const ends = dissection.endsOf(regex.root, start)
      for (let i = 0; i < ends.length; i++) {
        const end = shortest ? ends[i]! : ends[ends.length - 1 - i]!
        match.fill(-1)
        if (!dissection.walk(regex.root, start, end)) continue
        match[0] = start
        match[1] = end
        return match
      }
    }
    at = close + 1
  } while (at < codes.length)
  return null
}

const NOWHERE: readonly number[] = []
const MOST_KEPT = 10_000

/** Takes spans apart as the tree has it; the automaton says which parts may match what. */
class Dissection {
  readonly #regex: Regex
  readonly #codes: Codes
  readonly #match: number[]
  readonly #budget: Budget
  /** Ends of a part from a start, ascending. */
  readonly #ends = new Map<Node, Map<number, readonly number[]>>()
  #kept = 0

  /** `match` takes the groups' spans. */
  constructor(regex: Regex, codes: Codes, match: number[], budget: Budget) {
    this.#regex = regex
    this.#codes = codes
    this.#match = match
    this.#budget = budget
  }

  /** Ascending. */
  endsOf(part: Node, at: number): readonly number[] {
    if (part.kind === 'group') return this.endsOf(part.body, at)
    let byStart = this.#ends.get(part)
    if (byStart === undefined) this.#ends.set(part, (byStart = new Map()))
    let ends = byStart.get(at)
    if (ends === undefined) {
      ends = this.#simulated(part, at)
      byStart.set(at, ends)
      this.#kept++
    }
    return ends
  }

  #simulated(part: Node, at: number): readonly number[] {
    const codes = this.#codes
    if (part.kind === 'char') return at < codes.length && part.test(codes[at]!) ? [at + 1] : NOWHERE
    const { nfa } = this.#regex
    const fragment = nfa.fragments.get(part)!
    return simulate(nfa, fragment.start, fragment.end, codes, at, codes.length, this.#budget, 'all')
  }

  /** Between starts: a long text has many. */
  forgetEnds(): void {
    if (this.#kept < MOST_KEPT) return
    this.#ends.clear()
    this.#kept = 0
  }

  /** Whether `part` may match [begin, end]; what a back reference may, only walk knows. */
  #accepts(part: Node, begin: number, end: number): boolean {
    if (part.kind === 'backref') return true
    const ends = this.endsOf(part, begin)
    let low = 0
    let high = ends.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      if (ends[middle]! === end) return true
      if (ends[middle]! < end) low = middle + 1
      else high = middle - 1
    }
    return false
  }

  /** Forgets what groups inside matched. */
  #forget(part: Node): void {
    if (!this.#regex.messy.has(part)) return
    if (part.kind === 'group') this.#match[2 * part.index] = this.#match[2 * part.index + 1] = -1
    for (const child of childrenOf(part)) this.#forget(child)
  }

  /** Whether `part`, which the automaton has match [begin, end], does so by its back references too; notes its groups' spans. */
  walk(part: Node, begin: number, end: number): boolean {
    if (!this.#regex.messy.has(part)) return true
    this.#budget.spend(4)
    switch (part.kind) {
      case 'group':
        if (!this.walk(part.body, begin, end)) return false
        this.#match[2 * part.index] = begin
        this.#match[2 * part.index + 1] = end
        return true
      case 'concat':
        return this.#divided(part, begin, end)
      case 'alt':
        for (const branch of part.branches) {
          if (this.#accepts(branch, begin, end) && this.walk(branch, begin, end)) return true
          this.#forget(branch)
        }
        return false
      case 'backref':
        return this.#repeats(part, begin, end)
      case 'repeat':
        // Of nothing, one match rather than none, unless the body prefers short ones.
        if (part.min === 0 && begin === end && preference(part.body) < 0) return true
        if (this.#iterations(part, begin, end)) return true
        this.#forget(part)
        return part.min === 0 && begin === end
      default:
        return true
    }
  }

  #divided(part: Extract<Node, { kind: 'concat' }>, begin: number, end: number): boolean {
    const { left, right } = part
    const ends = this.endsOf(left, begin)
    const shortest = preference(left) < 0
    for (let i = 0; i < ends.length; i++) {
      this.#budget.spend(4)
      const middle = shortest ? ends[i]! : ends[ends.length - 1 - i]!
      if (middle > end || !this.#accepts(right, middle, end)) continue
      if (this.walk(left, begin, middle) && this.walk(right, middle, end)) return true
      this.#forget(part)
    }
    return false
  }

  #repeats(part: Extract<Node, { kind: 'backref' }>, begin: number, end: number): boolean {
    const codes = this.#codes
    const start = this.#match[2 * part.group]!
    const length = this.#match[2 * part.group + 1]! - start
    if (start < 0) return false
    // Of nothing there are as many as are asked for.
    if (length === 0) return begin === end
    if (begin === end) return part.min === 0
    const times = (end - begin) / length
    if (!Number.isInteger(times) || times < part.min || (part.max >= 0 && times > part.max)) return false
    this.#budget.spend(end - begin)
    for (let i = begin; i < end; i++) {
      const [a, b] = [codes[start + ((i - begin) % length)]!, codes[i]!]
      if (a !== b && !(part.ignoreCase && otherCase(a) === b)) return false
    }
    return true
  }

  /**
   * Divides [begin, end] into matches of the body, at least one, by preference, first as the automaton allows and then verified one by one;
   * where one fails, the last of those up to it gives way. Empty ones only where too few are there without.
   */
  #iterations(part: Extract<Node, { kind: 'repeat' }>, begin: number, end: number): boolean {
    const { body } = part
    const min = Math.max(part.min, 1)
    const shortest = preference(body) < 0
    const most = Math.max(min, part.max < 0 ? end - begin : Math.min(end - begin, part.max))
    const ends: number[] = [begin]
    let verified = 0
    let count = 1
    const first = (low: number, high: number): number => {
      const list = this.endsOf(body, ends[count - 1]!)
      const found = shortest ? list.find((at) => at >= low && at <= high) : list.findLast((at) => at >= low && at <= high)
      return found ?? -1
    }
    /** A match that ends elsewhere than the current one; -1: the one before has to give way. */
    let next = first(this.#least(begin, begin, end, count, min, most), end)
    while (count > 0) {
      this.#budget.spend(1)
      if (next >= 0) {
        ends[count] = next
        verified = Math.min(verified, count - 1)
        if (next !== end && count < most) {
          count++
          next = first(this.#least(next, next, end, count, min, most), end)
          continue
        }
        if (next === end && count >= min) {
          while (verified < count) {
            this.#forget(body)
            if (!this.walk(body, ends[verified]!, ends[verified + 1]!)) break
            verified++
          }
          if (verified === count) return true
        }
      } else if (--count === 0) return false
      const [before, last] = [ends[count - 1]!, ends[count]!]
      next = shortest ? first(last + 1, end) : first(this.#least(before, before, end, count, min, most), last - 1)
    }
    return false
  }

  /** From where on the match number `count` that begins at `at` may end. */
  #least(at: number, low: number, end: number, count: number, min: number, most: number): number {
    if (count >= most) return end
    const isEmptyNeeded = at === end || (count < min && min - count >= end - at)
    return low === at && !isEmptyNeeded ? at + 1 : low
  }
}
