// Deadlocks through locks of several kinds, or of several nodes: PostgreSQL's check after deadlock_timeout, 40P01 for the one who checks.
//
// Whose wait has lasted deadlock_timeout looks for a circle through itself: over the parties here, and if those lead elsewhere (a lock that a
// transaction of another node holds, a gate that others have to drain) over what the nodes with sessions in the keyspace tell of their waits. Circles of
// this node's own memory are certain at once. What others or the store told may be over by now, so it has to be confirmed: some time after the first
// look all are asked again, and the circle stands if every wait of it is still the same one and every holder was named by the store again meanwhile. Then at
// the moment of the second question all of them waited, and who waits lets go of nothing. Of several who find the same circle the one with the lowest
// process id gives way; the others look once more before they do. A node that does not answer within a second is left out: a circle through it
// is not found, and looked for again, ever less often; what a dead node held expires.

import type { MaybePromise } from '../base/maybe-promise.ts'
import { deadlockDetected } from '../catalog/object-locks.ts'
import { type CircleStep, deadlockDetail, type LockParty, type WaitWatcher } from '../storage/lock-party.ts'
import type { Peers } from './peers.ts'

/** Stores name the holder of a lock about twice a second. */
const CONFIRM_MS = 750
const AGAIN_MS = 1000
const LONGEST_MS = 10_000
/** Answers of others that are so young serve several who look. */
const SHARED_MS = 200
/** Parties told to another node at most. */
const MAX_TOLD = 5000

interface SeenBlocker {
  readonly name: string
  readonly lock: string
  /** Since the store said so; null = certain. */
  readonly toldMsAgo: number | null
}

interface SeenWait {
  readonly id: string
  readonly waitedMs: number
  readonly blockers: readonly SeenBlocker[]
}

/** One who waits or is waited for, as one node tells another. */
export interface SeenParty {
  readonly pid: number | null
  readonly names: readonly string[]
  readonly waits: readonly SeenWait[]
}

interface Vertex {
  pid: number | null
  readonly names: Set<string>
  readonly waits: { readonly wait: SeenWait; readonly confirmed: (blocker: SeenBlocker) => boolean }[]
}

interface Step extends CircleStep {
  readonly waitId: string
  readonly waitedMs: number
  /** Known by this node's own memory. */
  readonly certain: boolean
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms).unref())

/** Who is one and the same becomes one: each node knows a session by other names. */
class WaitsFor {
  readonly #byName = new Map<string, Vertex>()

  add(parties: readonly SeenParty[], confirmed: (blocker: SeenBlocker) => boolean): void {
    for (const { pid, names, waits } of parties) {
      const known = new Set(names.map((name) => this.#byName.get(name)).filter((vertex) => vertex !== undefined))
      const vertex: Vertex = { pid, names: new Set(names), waits: waits.map((wait) => ({ wait, confirmed })) }
      for (const other of known) {
        vertex.pid ??= other.pid
        for (const name of other.names) vertex.names.add(name)
        vertex.waits.push(...other.waits)
      }
      for (const name of vertex.names) this.#byName.set(name, vertex)
    }
  }

  find(name: string): Vertex | undefined {
    return this.#byName.get(name)
  }

  /** A circle through the one of that name; with `among`, over these waits only, and over holders confirmed. */
  circle(name: string, among: ReadonlySet<string> | null): Step[] | null {
    const start = this.#byName.get(name)
    if (start === undefined) return null
    const seen = new Set<Vertex>()
    const path: Step[] = []
    const visit = (vertex: Vertex): boolean => {
      const { pid } = vertex
      if (pid === null) return false
      for (const { wait, confirmed } of vertex.waits) {
        if (among !== null && !among.has(wait.id)) continue
        for (const blocker of wait.blockers) {
          const next = this.#byName.get(blocker.name)
          if (next === undefined || next === vertex || (among !== null && !confirmed(blocker))) continue
          path.push({ pid, lock: blocker.lock, waitId: wait.id, waitedMs: wait.waitedMs, certain: blocker.toldMsAgo === null })
          if (next === start) return true
          if (!seen.has(next)) {
            seen.add(next)
            if (visit(next)) return true
          }
          path.pop()
        }
      }
      return false
    }
    return visit(start) ? path : null
  }
}

/** Whose lock it is that a session waits for: pg_blocking_pids. */
function blockersOf(vertices: WaitsFor, pid: number): number[] {
  const found = new Set<number>()
  const vertex = vertices.find(`p${pid}`)
  for (const { wait } of vertex?.waits ?? []) {
    for (const { name } of wait.blockers) {
      const blocker = vertices.find(name)?.pid ?? Number(/^p(\d+)$/.exec(name)?.[1] ?? 0)
      if (blocker > 0 && blocker !== pid) found.add(blocker)
    }
  }
  return [...found]
}

export class DeadlockDetector implements WaitWatcher {
  readonly #node: string
  readonly #peers: Peers | null
  readonly #warn: (message: string, error: Error) => void
  readonly #names = new Map<string, LockParty>()
  readonly #waiting = new Set<LockParty>()

  constructor(node: string, peers: Peers | null, warn: (message: string, error: Error) => void) {
    this.#node = node
    this.#peers = peers
    this.#warn = warn
  }

  named(name: string, party: LockParty): void {
    this.#names.set(name, party)
  }

  unnamed(name: string, party: LockParty): void {
    if (this.#names.get(name) === party) this.#names.delete(name)
  }

  waitBegan(party: LockParty, id: number): void {
    this.#waiting.add(party)
    // Another node's session looks for itself.
    if (party.pid === null) return
    const timeoutMs = party.options.timeoutMs()
    this.#checkIn(Math.max(0, party.waits.get(id)!.since + timeoutMs - performance.now()), party, id, AGAIN_MS, false)
  }

  waitEnded(party: LockParty): void {
    if (party.waits.size === 0) this.#waiting.delete(party)
  }

  #checkIn(ms: number, party: LockParty, id: number, againMs: number, isLast: boolean): void {
    setTimeout(() => {
      if (!party.waits.has(id)) return
      this.#check(party, id, againMs, isLast).catch((error: Error) => {
        this.#warn('waits on other nodes cannot be looked at', error)
        this.#checkIn(LONGEST_MS, party, id, LONGEST_MS, isLast)
      })
    }, ms).unref()
  }

  async #check(party: LockParty, id: number, againMs: number, isLast: boolean): Promise<void> {
    const name = party.options.name
    const first = await this.#look(party, SHARED_MS, null)
    const found = first.circle(name, null)
    if (found === null) {
      this.#checkIn(againMs, party, id, Math.min(2 * againMs, LONGEST_MS), false)
      return
    }
    if (this.#isOwn(found)) {
      this.#refuse(party, id, found)
      return
    }
    const since = performance.now()
    await pause(CONFIRM_MS)
    if (!party.waits.has(id)) return
    const second = await this.#look(party, SHARED_MS, since)
    const stands = second.circle(name, new Set(found.map(({ waitId }) => waitId)))
    const yields = stands?.some(({ pid, waitedMs }) => pid < party.pid! && waitedMs >= party.options.timeoutMs()) === true
    if (stands === null || (yields && !isLast)) this.#checkIn(AGAIN_MS, party, id, AGAIN_MS, yields)
    else this.#refuse(party, id, stands)
  }

  #isOwn(circle: readonly Step[]): boolean {
    return circle.every(({ waitId, certain }) => certain && waitId.startsWith(`${this.#node}/`))
  }

  #refuse(party: LockParty, id: number, circle: readonly Step[]): void {
    if (party.waits.has(id)) party.options.refuse(deadlockDetected(deadlockDetail(circle)))
  }

  /** All waits that may matter to this one. `since`: holders must have been named after that. */
  async #look(party: LockParty, maxAgeMs: number, since: number | null): Promise<WaitsFor> {
    const graph = new WaitsFor()
    if (this.#peers !== null && this.#leadsElsewhere(party)) {
      const { texts, askedAt } = await this.#peers.ask('waits', maxAgeMs)
      const confirmed = ({ toldMsAgo }: SeenBlocker): boolean => since === null || toldMsAgo === null || toldMsAgo < askedAt - since
      for (const text of texts) graph.add(JSON.parse(text) as SeenParty[], confirmed)
    }
    const now = performance.now()
    graph.add(this.tell(), ({ toldMsAgo }) => since === null || toldMsAgo === null || toldMsAgo < now - since)
    return graph
  }

  #leadsElsewhere(start: LockParty): boolean {
    const seen = new Set<LockParty>([start])
    const stack = [start]
    for (let party = stack.pop(); party !== undefined; party = stack.pop()) {
      if (party.pid === null) return true
      for (const wait of party.waits.values()) {
        if (wait.elsewhere) return true
        for (const { who } of wait.blockers()) {
          const blocker = typeof who === 'string' ? this.#names.get(who) : who
          if (blocker === undefined) return true
          if (seen.has(blocker)) continue
          seen.add(blocker)
          stack.push(blocker)
        }
      }
    }
    return false
  }

  /** The sessions, on any node, that the session of that number waits for. */
  blockingPids(pid: number): MaybePromise<number[]> {
    const graph = new WaitsFor()
    graph.add(this.tell(), () => true)
    if (this.#peers === null) return blockersOf(graph, pid)
    return this.#peers.ask('waits', SHARED_MS).then(({ texts }) => {
      for (const text of texts) graph.add(JSON.parse(text) as SeenParty[], () => true)
      return blockersOf(graph, pid)
    })
  }

  /** All who wait here and all who may be waited for, for this node's own look and for others that ask. */
  tell(): SeenParty[] {
    const now = performance.now()
    const parties = new Set([...this.#waiting, ...this.#names.values()])
    return [...parties].slice(0, MAX_TOLD).map((party) => ({
      pid: party.pid,
      names: [...party.names],
      waits: [...party.waits].map(([id, wait]) => ({
        id: `${this.#node}/${id}`,
        waitedMs: now - wait.since,
        blockers: [...wait.blockers()].map(({ who, lock, toldAt }) => ({
          name: typeof who === 'string' ? who : who.options.name,
          lock,
          toldMsAgo: toldAt === null ? null : now - toldAt,
        })),
      })),
    }))
  }
}
