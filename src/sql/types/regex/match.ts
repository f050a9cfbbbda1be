// Matching: the leftmost match, as long (or, for a non-greedy expression, as short) as can be, and the spans of its groups: earlier parts of
// the expression take as much as they can, as POSIX has it. Expressions with back references are searched by counted backtracking.

import { inOneSlice, LONG, longWork, type Steps } from '../../../base/long-work.ts'
import { LruMap } from '../../../base/lru.ts'
import { hasSurrogates } from '../chars.ts'
import { hasGroups, type Node, type Options, preference } from './ast.ts'
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
    regex = { root, groups, hasBackrefs, nfa: buildNfa(root), literal: literalOf(root) }
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
  if (text.length > LONG_TEXT && !regex.hasBackrefs) return longWork(testSteps, regex, text, poll)
  const codes = toCodes(text)
  const budget = budgetFor(codes, poll)
  if (regex.hasBackrefs) return backtrack(regex, codes, 0, budget) !== null
  return leftmostStart(regex.nfa, codes, 0, budget, true) >= 0
}

/** An automaton goes through so many characters at once. */
const LONG_TEXT = 16_384
/** Its steps between two moments at which others may have their turn. */
const STEPS_AT_ONCE = 65_536

function* testSteps(regex: Regex, text: string, poll: () => void): Steps<boolean> {
  const codes = yield* codesSteps(text)
  const budget = budgetFor(codes, poll)
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
  if (regex.hasBackrefs) return backtrack(regex, codes, from, budget)
  const start = leftmostStart(regex.nfa, codes, from, budget)
  if (start < 0) return null
  const shortest = preference(regex.root) < 0
  const ends = simulate(regex.nfa, regex.nfa.start, regex.nfa.end, codes, start, codes.length, budget, shortest ? 'any' : 'all')
  const end = shortest ? ends[0]! : ends[ends.length - 1]!
  const match: number[] = new Array(2 * regex.groups + 2).fill(-1)
  match[0] = start
  match[1] = end
  if (captures && regex.groups > 0) dissect(regex.nfa, regex.root, codes, start, end, match, budget)
  return match
}

/** Spans of the groups of `node`, which matches exactly [from, to]. */
function dissect(nfa: Nfa, node: Node, codes: Codes, from: number, to: number, match: number[], budget: Budget): void {
  if (!hasGroups(node)) return
  const memo = new Map<Node, Map<number, number[]>>()
  const endsOf = (part: Node, at: number): number[] => {
    let byStart = memo.get(part)
    if (byStart === undefined) memo.set(part, (byStart = new Map()))
    let ends = byStart.get(at)
    if (ends === undefined) {
      const fragment = nfa.fragments.get(part)!
      ends = simulate(nfa, fragment.start, fragment.end, codes, at, to, budget, 'all')
      byStart.set(at, ends)
    }
    return ends
  }
  /** Ends of `part` from `at`, the preferred first. */
  const candidates = (part: Node, at: number): number[] => (preference(part) < 0 ? endsOf(part, at) : [...endsOf(part, at)].reverse())

  const walk = (part: Node, begin: number, end: number): void => {
    switch (part.kind) {
      case 'group':
        match[2 * part.index] = begin
        match[2 * part.index + 1] = end
        walk(part.body, begin, end)
        return
      case 'concat':
        for (const middle of candidates(part.left, begin)) {
          if (middle > end || !endsOf(part.right, middle).includes(end)) continue
          walk(part.left, begin, middle)
          walk(part.right, middle, end)
          return
        }
        return
      case 'alt':
        for (const branch of part.branches) {
          if (!endsOf(branch, begin).includes(end)) continue
          walk(branch, begin, end)
          return
        }
        return
      case 'repeat': {
        if (!hasGroups(part.body)) return
        // Groups keep the last iteration's spans. No iteration is needed for an empty span, except that x? is (x|) and tries x first. Dead
        // ends are remembered, so that this stays polynomial.
        if (part.min === 0 && part.max !== 1 && begin === end) return
        const min = Math.max(part.min, 1)
        const dead = new Set<string>()
        const iterate = (here: number, done: number): [number, number] | null => {
          if (part.max >= 0 && done >= part.max) return null
          const key = `${here} ${part.max < 0 ? Math.min(done, min) : done}`
          if (dead.has(key)) return null
          budget.spend(1)
          for (const next of candidates(part.body, here)) {
            if (next > end) continue
            const needed = min - done - 1
            if (next === here && next !== end && (needed <= 0 || needed < end - next)) continue
            if (next === end && needed <= 0) return [here, next]
            if (next === here && needed <= 0) continue
            const last = iterate(next, done + 1)
            if (last !== null) return last
          }
          dead.add(key)
          return null
        }
        const last = iterate(begin, 0)
        if (last !== null) walk(part.body, last[0], last[1])
        return
      }
    }
  }
  walk(node, from, to)
}

/** With back references: every way through the expression, counted; the longest (or shortest) match from the leftmost start. */
function backtrack(regex: Regex, codes: Codes, from: number, budget: Budget): Match | null {
  const caps: number[] = new Array(2 * regex.groups + 2).fill(-1)
  const step = (node: Node, at: number, go: (at: number) => boolean): boolean => {
    budget.spend(1)
    switch (node.kind) {
      case 'empty':
        return go(at)
      case 'char':
        return at < codes.length && node.test(codes[at]!) && go(at + 1)
      case 'constraint':
      case 'look': {
        const fragment = regex.nfa.fragments.get(node)!
        return simulate(regex.nfa, fragment.start, fragment.end, codes, at, at, budget, 'any').length > 0 && go(at)
      }
      case 'backref': {
        const [start, end] = [caps[2 * node.group]!, caps[2 * node.group + 1]!]
        if (start < 0 || at + end - start > codes.length) return false
        for (let i = 0; i < end - start; i++) {
          const [a, b] = [codes[start + i]!, codes[at + i]!]
          if (a !== b && !(node.ignoreCase && otherCase(a) === b)) return false
        }
        return go(at + end - start)
      }
      case 'group': {
        const [start, end] = [caps[2 * node.index]!, caps[2 * node.index + 1]!]
        const done = step(node.body, at, (to) => {
          const inner = [caps[2 * node.index]!, caps[2 * node.index + 1]!]
          caps[2 * node.index] = at
          caps[2 * node.index + 1] = to
          if (go(to)) return true
          caps[2 * node.index] = inner[0]!
          caps[2 * node.index + 1] = inner[1]!
          return false
        })
        if (!done) {
          caps[2 * node.index] = start
          caps[2 * node.index + 1] = end
        }
        return done
      }
      case 'concat':
        return step(node.left, at, (middle) => step(node.right, middle, go))
      case 'alt':
        return node.branches.some((branch) => step(branch, at, go))
      case 'repeat': {
        const iterate = (here: number, done: number): boolean => {
          const more = (): boolean =>
            (node.max < 0 || done < node.max) &&
            step(node.body, here, (next) => (next !== here || done < node.min) && iterate(next, done + 1))
          const enough = (): boolean => done >= node.min && go(here)
          return node.prefer >= 0 ? more() || enough() : enough() || more()
        }
        return iterate(at, 0)
      }
    }
  }
  const shortest = preference(regex.root) < 0
  for (let start = from; start <= codes.length; start++) {
    let best: number[] | null = null
    caps.fill(-1)
    step(regex.root, start, (end) => {
      if (best === null || (shortest ? end < best[1]! : end > best[1]!)) {
        best = [...caps]
        best[0] = start
        best[1] = end
      }
      return !shortest && end === codes.length
    })
    if (best !== null) return best
  }
  return null
}
