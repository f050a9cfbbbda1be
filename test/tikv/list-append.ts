// The judge of lists that transactions append their number to. From the final lists follows the order of all writers of a list; from what each
// transaction read, who came before it. Snapshot isolation allows circles only through two neighbouring anti-dependencies.

export interface ListTransaction {
  readonly id: number
  /** List → what it held when it was read. */
  readonly reads: Map<string, number[]>
  readonly appends: Set<string>
  readonly startedAt: number
  endedAt: number
  outcome: 'committed' | 'failed' | 'undetermined'
}

/** In words; none = all is well. */
export function anomalies(history: readonly ListTransaction[], final: ReadonlyMap<string, readonly number[]>): string[] {
  const found: string[] = []
  const byId = new Map(history.map((one) => [one.id, one]))
  const there = new Set<number>()
  for (const [name, list] of final) {
    if (new Set(list).size !== list.length) found.push(`${name} holds an element twice: ${list}`)
    for (const id of list) {
      there.add(id)
      const writer = byId.get(id)
      // A worker's last transaction may have died with it before it was noted.
      if (writer?.outcome === 'failed') found.push(`${id} was reported as failed and is in ${name}`)
    }
  }
  for (const one of history) {
    const wasCommitted = one.outcome === 'committed' || (one.outcome === 'undetermined' && there.has(one.id))
    for (const name of one.appends)
      if (wasCommitted && !final.get(name)!.includes(one.id)) found.push(`${one.id} was committed and is not in ${name}`)
    if (one.outcome === 'failed') continue
    for (const [name, seen] of one.reads) {
      const list = final.get(name)!
      if (seen.some((id, i) => list[i] !== id)) found.push(`${one.id} read ${name} as ${seen}, which is no beginning of ${list}`)
    }
  }
  if (found.length > 0) return found

  const committed = history.filter(({ id, outcome }) => outcome === 'committed' || there.has(id))
  /** Write-write and write-read: what must come before. */
  const before = new Map<number, Set<number>>(committed.map(({ id }) => [id, new Set()]))
  const anti: [number, number][] = []
  const edge = (from: number, to: number): void => {
    if (from !== to) before.get(from)?.add(to)
  }
  for (const list of final.values()) for (let i = 1; i < list.length; i++) edge(list[i - 1]!, list[i]!)
  for (const { id, reads, startedAt } of committed) {
    for (const [name, seen] of reads) {
      const list = final.get(name)!
      const last = seen.at(-1)
      if (last !== undefined) edge(last, id)
      const overwriter = list[seen.length]
      if (overwriter === undefined || overwriter === id) continue
      anti.push([id, overwriter])
      // Whose commit was acknowledged before this one began must be seen.
      const writer = byId.get(overwriter)
      if (writer?.outcome === 'committed' && writer.endedAt < startedAt)
        found.push(`${id} did not see ${overwriter} in ${name}, committed before it began`)
    }
  }
  const reaches = (from: number, to: number): boolean => {
    const seen = new Set([from])
    const open = [from]
    while (open.length > 0) {
      for (const next of before.get(open.pop()!) ?? []) {
        if (next === to) return true
        if (!seen.has(next)) {
          seen.add(next)
          open.push(next)
        }
      }
    }
    return false
  }
  for (const { id } of committed) if (reaches(id, id)) found.push(`${id} comes before itself`)
  for (const [reader, overwriter] of anti)
    if (reaches(overwriter, reader)) found.push(`${reader} missed a write of ${overwriter}, which comes before it`)
  return found
}
