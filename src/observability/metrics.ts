// Every metric of the product, declared here and nowhere else. Rooms count in plain numbers; Prometheus' text is made of them at a scrape.

import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { createKeyspaceSeries, type KeyspaceMetrics, LATENCY_BUCKETS, type Series, STATEMENT_CLASSES } from './keyspace-series.ts'

/** Keyspaces with series of their own. */
const MAX_KEYSPACE_SERIES = 200

export interface Metrics {
  /** Only for keyspaces that exist. */
  forKeyspace(keyspace: string): KeyspaceMetrics
  loginFailed(keyspace: string): void
  connectionAccepted(): void
  /** A connection that became no session; SQLSTATE, or null when there was nothing to refuse. */
  connectionRefused(sqlstate: string | null): void
  defect(): void
  /** One request to the store: `get`, `batchGet`, `scan`, `commit`, … */
  storeRequest(operation: string, outcome: 'ok' | 'error'): void
  /** Versions removed by the store's garbage collection. */
  storeGc(versions: number): void
  /** A cache whose size is read at each scrape. */
  cache(name: string, size: () => number): void
  /** Bytes held, by estimate, read at each scrape. */
  memory(use: string, bytes: () => number): void
  render(): Promise<Rendered>
  /** For renderTogether, in another process. */
  snapshot(): Promise<MetricsSnapshot>
}

export interface Rendered {
  readonly contentType: string
  readonly text: string
}

/** All metrics of one process, as plain data. */
export type MetricsSnapshot = readonly object[]

/** Metrics of several processes as one: sums, and what prom-client does for its own (averages of lags, no start times). */
export async function renderTogether(snapshots: readonly MetricsSnapshot[]): Promise<Rendered> {
  const registry = AggregatorRegistry.aggregate(snapshots as object[][] as never)
  return { contentType: registry.contentType, text: await registry.metrics() }
}

interface Sample {
  value: number
  labels: Record<string, string | number>
  metricName?: string
}

export function createMetrics(options: { maxKeyspaceSeries?: number } = {}): Metrics {
  const registry = new Registry()
  const keyspaces = createKeyspaceSeries(options.maxKeyspaceSeries ?? MAX_KEYSPACE_SERIES)
  const caches = new Map<string, () => number>()
  const memory = new Map<string, () => number>()
  collectDefaultMetrics({ register: registry })

  /** A metric whose samples are made at the scrape. */
  function collected(name: string, help: string, type: 'counter' | 'gauge' | 'histogram', collect: () => Sample[]): void {
    const metric = {
      name,
      help,
      type,
      aggregator: 'sum',
      get: async () => ({ name, help, type, aggregator: 'sum', values: collect() }),
      reset() {},
    }
    // prom-client takes any object with `get`; its types name its own classes only.
    registry.registerMetric(metric as unknown as Metric)
  }
  function perKeyspace(name: string, help: string, samples: (series: Series) => [labels: Record<string, string>, value: number][]): void {
    collected(name, help, 'counter', () =>
      keyspaces
        .series()
        .flatMap((one) => samples(one).map(([labels, value]) => ({ labels: { keyspace: one.keyspace, ...labels }, value }))),
    )
  }

  collected('pgkeyspace_sessions', 'Live sessions', 'gauge', () =>
    keyspaces.sessions().map(({ keyspace, count }) => ({ labels: { keyspace }, value: count })),
  )
  perKeyspace('pgkeyspace_logins_total', 'Logins by outcome', (s) => [
    [{ outcome: 'success' }, s.loginSuccesses],
    [{ outcome: 'failure' }, s.loginFailures],
  ])
  perKeyspace('pgkeyspace_statements_total', 'Statements by class', (s) =>
    STATEMENT_CLASSES.map((kind) => [{ class: kind }, s.statements[kind]]),
  )
  perKeyspace('pgkeyspace_errors_total', 'Errors sent to clients by SQLSTATE class', (s) =>
    Array.from(s.errors, ([group, count]) => [{ sqlstate_class: group }, count]),
  )
  perKeyspace('pgkeyspace_received_bytes_total', 'Bytes received from clients', (s) => [[{}, s.bytesReceived]])
  perKeyspace('pgkeyspace_sent_bytes_total', 'Bytes sent to clients', (s) => [[{}, s.bytesSent]])
  perKeyspace('pgkeyspace_transactions_total', 'Transactions by outcome', (s) => [
    [{ outcome: 'commit' }, s.commits],
    [{ outcome: 'rollback' }, s.rollbacks],
    [{ outcome: 'conflict' }, s.conflicts],
  ])
  perKeyspace('pgkeyspace_slow_statements_total', 'Statements slower than the logging threshold', (s) => [[{}, s.slowStatements]])
  collected('pgkeyspace_statement_seconds', 'Time from message to answer', 'histogram', () => keyspaces.series().flatMap(latencySamples))

  const accepted = new Counter({ name: 'pgkeyspace_connections_accepted_total', help: 'Sockets accepted', registers: [registry] })
  const refused = new Counter({
    name: 'pgkeyspace_connections_refused_total',
    help: 'Connections that became no session, by SQLSTATE (none: probes, cancel requests, clients that left)',
    labelNames: ['sqlstate'],
    registers: [registry],
  })
  const defects = new Counter({ name: 'pgkeyspace_defects_total', help: 'Internal errors (XX000)', registers: [registry] })
  const storeRequests = new Counter({
    name: 'pgkeyspace_store_requests_total',
    help: 'Requests to the store',
    labelNames: ['operation', 'outcome'],
    registers: [registry],
  })
  const storeGc = new Counter({ name: 'pgkeyspace_store_gc_versions_total', help: 'Old versions removed', registers: [registry] })
  new Gauge({
    name: 'pgkeyspace_cache_entries',
    help: 'Entries in a cache',
    labelNames: ['cache'],
    registers: [registry],
    collect() {
      for (const [cache, size] of caches) this.set({ cache }, size())
    },
  })
  new Gauge({
    name: 'pgkeyspace_memory_bytes',
    help: 'Bytes held, by estimate',
    labelNames: ['use'],
    registers: [registry],
    collect() {
      for (const [use, bytes] of memory) this.set({ use }, bytes())
    },
  })

  return {
    forKeyspace: (keyspace) => keyspaces.forKeyspace(keyspace),
    loginFailed: (keyspace) => keyspaces.loginFailed(keyspace),
    connectionAccepted: () => accepted.inc(),
    connectionRefused: (sqlstate) => refused.inc({ sqlstate: sqlstate ?? 'none' }),
    defect: () => defects.inc(),
    storeRequest: (operation, outcome) => storeRequests.inc({ operation, outcome }),
    storeGc: (versions) => storeGc.inc(versions),
    cache: (name, size) => void caches.set(name, size),
    memory: (use, bytes) => void memory.set(use, bytes),
    async snapshot() {
      const snapshot = await registry.getMetricsAsJSON()
      keyspaces.rebalance()
      return snapshot
    },
    async render() {
      const text = await registry.metrics()
      keyspaces.rebalance()
      return { contentType: registry.contentType, text }
    },
  }
}

function latencySamples(series: Series): Sample[] {
  const { keyspace, latency, latencySum } = series
  const name = 'pgkeyspace_statement_seconds'
  const samples: Sample[] = []
  let count = 0
  for (let i = 0; i < latency.length; i++) {
    count += latency[i]!
    samples.push({ metricName: `${name}_bucket`, labels: { le: LATENCY_BUCKETS[i] ?? '+Inf', keyspace }, value: count })
  }
  samples.push({ metricName: `${name}_sum`, labels: { keyspace }, value: latencySum })
  samples.push({ metricName: `${name}_count`, labels: { keyspace }, value: count })
  return samples
}
