// "Perhaps you meant to reference the column …": the nearest column names by edit distance, as PostgreSQL ranks them.

import type { ParseState } from './context.ts'
import type { RangeTblEntry } from './query.ts'

const MAX_DISTANCE = 3

export interface FuzzyMatch {
  /** Entries that do have the column, though it cannot be referenced here. */
  readonly exact: readonly { readonly rte: RangeTblEntry; readonly level: ParseState }[]
  readonly close: readonly { readonly table: string; readonly column: string }[]
}

export function editDistance(a: string, b: string): number {
  const s = Buffer.from(a)
  const t = Buffer.from(b)
  let previous = Array.from({ length: t.length + 1 }, (_, i) => i)
  for (let i = 1; i <= s.length; i++) {
    const current = [i]
    for (let j = 1; j <= t.length; j++) {
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (s[i - 1] === t[j - 1] ? 0 : 1)))
    }
    previous = current
  }
  return previous[t.length]!
}

export function fuzzyColumn(state: ParseState, relname: string | null, name: string): FuzzyMatch {
  const exact: { rte: RangeTblEntry; level: ParseState }[] = []
  let best = MAX_DISTANCE + 1
  let close: { table: string; column: string }[] = []
  for (let level: ParseState | null = state; level !== null; level = level.parent) {
    for (const rte of level.rtable) {
      if (rte.kind === 'join' || (!rte.inFromClause && rte.refname === '')) continue
      const penalty = relname === null ? 0 : editDistance(relname, rte.refname)
      if (penalty > best) continue
      for (const column of rte.colNames) {
        if (column === null || column === '') continue
        if (column === name && penalty === 0) {
          exact.push({ rte, level })
          continue
        }
        let distance = editDistance(name, column)
        if (distance > Math.floor(Buffer.byteLength(name) / 2)) continue
        distance += penalty
        const match = { table: rte.refname, column }
        if (distance < best) {
          best = distance
          close = [match]
        } else if (distance === best) {
          if (close.length === 2) {
            // Too many equally near: better none, and from now on only something nearer.
            best = distance - 1
            close = []
          } else if (close.length === 1 || best <= MAX_DISTANCE) close.push(match)
        }
      }
    }
  }
  return { exact, close }
}
