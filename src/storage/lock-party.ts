// One who takes part in locking, whatever the lock: a session with its transactions, or another node's session as far as it is seen here. Each kind of
// lock finds circles among its own waits at once; those that pass through several kinds (a row, a relation, an advisory lock) or several nodes are
// found over these parties (session/deadlocks.ts), which know all that one waits for.

/** As PostgreSQL's pg_stat_activity.wait_event calls it. */
export type LockKind = 'transactionid' | 'relation' | 'advisory'

export interface Blocker {
  /** By name: somebody who may be on another node. */
  readonly who: LockParty | string
  /** The lock as PostgreSQL words it: "ShareLock on transaction 7". */
  readonly lock: string
  /** When the store said that it is this one (performance.now()); null: known to be so at this moment. */
  readonly toldAt: number | null
}

export interface LockWait {
  readonly kind: LockKind
  /** The relation's OID or the advisory lock's name; null for a row's. */
  readonly target: number | string | null
  /** When it began, performance.now(). */
  readonly since: number
  /** Others are waited for whom only other nodes know. */
  readonly elsewhere: boolean
  blockers(): Iterable<Blocker>
}

/** Who looks for circles. */
export interface WaitWatcher {
  waitBegan(party: LockParty, id: number): void
  waitEnded(party: LockParty): void
  named(name: string, party: LockParty): void
  unnamed(name: string, party: LockParty): void
}

export interface PartyOptions {
  /** Null: a session of another node. */
  readonly pid: number | null
  /** Its first name. */
  readonly name: string
  readonly watcher: WaitWatcher
  /** deadlock_timeout. */
  timeoutMs(): number
  /** Ends its waits with this error. */
  refuse(error: Error): void
}

let lastWait = 0

export class LockParty {
  readonly options: PartyOptions
  /** What it is known by: its process id, its transactions' timestamps, its gates. The first one stays. */
  readonly names: Set<string>
  readonly waits = new Map<number, LockWait>()

  constructor(options: PartyOptions) {
    this.options = options
    this.names = new Set([options.name])
  }

  get pid(): number | null {
    return this.options.pid
  }

  addName(name: string): void {
    this.names.add(name)
    this.options.watcher.named(name, this)
  }

  removeName(name: string): void {
    this.names.delete(name)
    this.options.watcher.unnamed(name, this)
  }

  /** It waits; answers how to say that this is over. */
  wait(wait: LockWait): () => void {
    const id = ++lastWait
    this.waits.set(id, wait)
    this.options.watcher.waitBegan(this, id)
    return () => {
      if (this.waits.delete(id)) this.options.watcher.waitEnded(this)
    }
  }
}

/** The name of whoever holds a lock of a store that knows transactions by their start timestamps. */
export const transactionName = (startTs: bigint): string => `t${startTs}`

/** A transaction's number as PostgreSQL shows it: 32 bits. */
export const transactionLock = (id: bigint): string => `ShareLock on transaction ${id & 0xffffffffn}`

/** One step of a circle. */
export interface CircleStep {
  readonly pid: number
  readonly lock: string
}

/** DETAIL of 40P01, as PostgreSQL words it: each waits for the next, the last for the first. */
export function deadlockDetail(circle: readonly CircleStep[]): string {
  return circle
    .map(({ pid, lock }, i) => `Process ${pid} waits for ${lock}; blocked by process ${circle[(i + 1) % circle.length]!.pid}.`)
    .join('\n')
}

/** DETAIL of the circle of waits through `start` among the parties here; null when there is none, or not all have a process id. */
export function circleDetail(start: LockParty | null): string | null {
  if (start === null) return null
  const seen = new Set<LockParty>()
  const path: CircleStep[] = []
  const visit = (party: LockParty): boolean => {
    for (const wait of party.waits.values()) {
      for (const { who, lock } of wait.blockers()) {
        if (typeof who === 'string' || party.pid === null) continue
        path.push({ pid: party.pid, lock })
        if (who === start) return true
        if (!seen.has(who)) {
          seen.add(who)
          if (visit(who)) return true
        }
        path.pop()
      }
    }
    return false
  }
  return visit(start) ? deadlockDetail(path) : null
}
