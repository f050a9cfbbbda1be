// Counters of one keyspace, and who has counters of its own. Only so many keyspaces have a series; the others share `other`. A busier one takes
// the place of a quieter one now and then, but what was counted in `other` stays there, so that every series only grows. // hot

/** What a statement is, for counting. */
export const STATEMENT_CLASSES = ['select', 'insert', 'update', 'delete', 'copy', 'ddl', 'transaction', 'utility'] as const
export type StatementClass = (typeof STATEMENT_CLASSES)[number]

/** Upper bounds of the latency histogram, seconds. */
export const LATENCY_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
] as const

export interface Series {
  readonly keyspace: string
  readonly statements: Record<StatementClass, number>
  /** By the first two characters of the SQLSTATE; PostgreSQL has some 45 such classes. */
  readonly errors: Map<string, number>
  /** Per bucket, not cumulative; the last is for everything slower. */
  readonly latency: Float64Array
  latencySum: number
  loginSuccesses: number
  loginFailures: number
  bytesReceived: number
  bytesSent: number
  commits: number
  rollbacks: number
  conflicts: number
  slowStatements: number
}

export function createSeries(keyspace: string): Series {
  return {
    keyspace,
    statements: { select: 0, insert: 0, update: 0, delete: 0, copy: 0, ddl: 0, transaction: 0, utility: 0 },
    errors: new Map(),
    latency: new Float64Array(LATENCY_BUCKETS.length + 1),
    latencySum: 0,
    loginSuccesses: 0,
    loginFailures: 0,
    bytesReceived: 0,
    bytesSent: 0,
    commits: 0,
    rollbacks: 0,
    conflicts: 0,
    slowStatements: 0,
  }
}

/** What the rooms above count with. Keep one per session; it finds the right series itself. */
export interface KeyspaceMetrics {
  readonly keyspace: string
  /** Live sessions. */
  sessions: number
  statement(kind: StatementClass, seconds: number): void
  error(sqlstate: string): void
  login(outcome: 'success' | 'failure'): void
  bytes(received: number, sent: number): void
  transaction(outcome: 'commit' | 'rollback' | 'conflict'): void
  slowStatement(): void
}

interface Entry extends KeyspaceMetrics {
  series: Series
  /** Statements and logins since the last look at who is busy. */
  activity: number
}

const OTHER = 'other'
/** Keyspaces remembered beyond those with a series of their own, to see who has become busy. */
const WATCHED_FACTOR = 4

export interface KeyspaceSeriesTable {
  /** Only for keyspaces that exist: names that strangers invent must not take places. */
  forKeyspace(keyspace: string): KeyspaceMetrics
  /** A failed login: counted with its keyspace if that has been served here, else under `other`. */
  loginFailed(keyspace: string): void
  /** All series there are, `other` last. */
  series(): Series[]
  /** Live sessions per series. */
  sessions(): { keyspace: string; count: number }[]
  /** Gives places to those that have become busier than others. Call once in a while (every scrape). */
  rebalance(): void
}

export function createKeyspaceSeries(maxSeries: number): KeyspaceSeriesTable {
  const other = createSeries(OTHER)
  const entries = new Map<string, Entry>()
  let placed = 0

  function forget(): void {
    if (entries.size < maxSeries * WATCHED_FACTOR) return
    for (const [name, entry] of entries) {
      if (entry.series === other && entry.sessions === 0) {
        entries.delete(name)
        return
      }
    }
  }

  function createEntry(keyspace: string): Entry {
    let series = other
    if (placed < maxSeries) {
      placed++
      series = createSeries(keyspace)
    }
    const entry: Entry = {
      keyspace,
      series,
      sessions: 0,
      activity: 0,
      statement(kind, seconds) {
        entry.activity++
        const into = entry.series
        into.statements[kind]++
        let bucket = 0
        while (bucket < LATENCY_BUCKETS.length && seconds > LATENCY_BUCKETS[bucket]!) bucket++
        into.latency[bucket]!++
        into.latencySum += seconds
      },
      error(sqlstate) {
        const group = sqlstate.slice(0, 2)
        entry.series.errors.set(group, (entry.series.errors.get(group) ?? 0) + 1)
      },
      login(outcome) {
        if (outcome === 'success') entry.series.loginSuccesses++
        else entry.series.loginFailures++
      },
      bytes(received, sent) {
        entry.series.bytesReceived += received
        entry.series.bytesSent += sent
      },
      transaction(outcome) {
        if (outcome === 'commit') entry.series.commits++
        else if (outcome === 'rollback') entry.series.rollbacks++
        else entry.series.conflicts++
      },
      slowStatement() {
        entry.series.slowStatements++
      },
    }
    return entry
  }

  return {
    forKeyspace(keyspace) {
      let entry = entries.get(keyspace)
      if (entry === undefined) {
        forget()
        entry = createEntry(keyspace)
        entries.set(keyspace, entry)
      }
      return entry
    },
    loginFailed(keyspace) {
      const entry = entries.get(keyspace)
      if (entry === undefined) other.loginFailures++
      else entry.login('failure')
    },
    series() {
      const own = [...entries.values()].filter((entry) => entry.series !== other).map((entry) => entry.series)
      return [...own, other]
    },
    sessions() {
      const counts = new Map<string, number>([[OTHER, 0]])
      for (const entry of entries.values()) counts.set(entry.series.keyspace, (counts.get(entry.series.keyspace) ?? 0) + entry.sessions)
      return [...counts].map(([keyspace, count]) => ({ keyspace, count }))
    },
    rebalance() {
      const waiting = [...entries.values()].filter((entry) => entry.series === other).sort((a, b) => b.activity - a.activity)
      const holding = [...entries.values()].filter((entry) => entry.series !== other).sort((a, b) => a.activity - b.activity)
      for (let i = 0; i < waiting.length && i < holding.length; i++) {
        const busy = waiting[i]!
        const quiet = holding[i]!
        if (busy.activity <= 2 * quiet.activity) break
        busy.series = createSeries(busy.keyspace)
        quiet.series = other
      }
      for (const entry of entries.values()) entry.activity = 0
    },
  }
}
