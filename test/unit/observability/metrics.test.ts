import { expect, test } from 'vitest'
import { startOperationsServer } from '../../../src/observability/http.ts'
import { createKeyspaceSeries } from '../../../src/observability/keyspace-series.ts'
import { createLogger, silentLogger } from '../../../src/observability/log.ts'
import { createMetrics } from '../../../src/observability/metrics.ts'

test('what was counted stands in the text', async () => {
  const metrics = createMetrics()
  const a = metrics.forKeyspace('tenant_a')
  a.sessions++
  a.login('success')
  a.statement('select', 0.0002)
  a.statement('select', 0.3)
  a.statement('insert', 100)
  a.error('22012')
  a.error('22003')
  a.bytes(10, 20)
  a.transaction('commit')
  a.transaction('conflict')
  metrics.loginFailed('no_such_tenant')
  metrics.connectionAccepted()
  metrics.connectionRefused('53300')
  metrics.storeRequest('get', 'ok')
  metrics.cache('catalog', () => 7)
  metrics.memory('statements', () => 4096)
  const { text } = await metrics.render()
  for (const line of [
    'pgkeyspace_sessions{keyspace="tenant_a"} 1',
    'pgkeyspace_logins_total{keyspace="tenant_a",outcome="success"} 1',
    'pgkeyspace_logins_total{keyspace="other",outcome="failure"} 1',
    'pgkeyspace_statements_total{keyspace="tenant_a",class="select"} 2',
    'pgkeyspace_errors_total{keyspace="tenant_a",sqlstate_class="22"} 2',
    'pgkeyspace_statement_seconds_bucket{le="0.0001",keyspace="tenant_a"} 0',
    'pgkeyspace_statement_seconds_bucket{le="0.00025",keyspace="tenant_a"} 1',
    'pgkeyspace_statement_seconds_bucket{le="0.5",keyspace="tenant_a"} 2',
    'pgkeyspace_statement_seconds_bucket{le="60",keyspace="tenant_a"} 2',
    'pgkeyspace_statement_seconds_bucket{le="+Inf",keyspace="tenant_a"} 3',
    'pgkeyspace_statement_seconds_count{keyspace="tenant_a"} 3',
    'pgkeyspace_received_bytes_total{keyspace="tenant_a"} 10',
    'pgkeyspace_transactions_total{keyspace="tenant_a",outcome="conflict"} 1',
    'pgkeyspace_connections_refused_total{sqlstate="53300"} 1',
    'pgkeyspace_store_requests_total{operation="get",outcome="ok"} 1',
    'pgkeyspace_cache_entries{cache="catalog"} 7',
    'pgkeyspace_memory_bytes{use="statements"} 4096',
  ]) {
    expect(text.split('\n')).toContain(line)
  }
  expect(text).not.toContain('no_such_tenant')
  expect(text).toMatch(/^process_cpu_seconds_total/m)
})

test('only so many keyspaces have series of their own; the scrape stays small with 10,000', async () => {
  const metrics = createMetrics()
  for (let i = 0; i < 10_000; i++) metrics.forKeyspace(`k${i}`).statement('select', 0.001)
  const { text } = await metrics.render()
  const shown = new Set(Array.from(text.matchAll(/keyspace="([^"]+)"/g), (match) => match[1]))
  expect(shown.size).toBe(201)
  expect(text.split('\n')).toContain('pgkeyspace_statements_total{keyspace="other",class="select"} 9800')
  expect(text.length).toBeLessThan(1_000_000)
})

test('a busy keyspace takes the place of a quiet one; no series ever shrinks while it is shown', () => {
  const table = createKeyspaceSeries(2)
  const [quiet, steady, busy] = ['quiet', 'steady', 'busy'].map((name) => table.forKeyspace(name))
  const shown = () => Object.fromEntries(table.series().map((one) => [one.keyspace, one.statements.select]))
  quiet!.statement('select', 0)
  for (let i = 0; i < 10; i++) steady!.statement('select', 0)
  for (let i = 0; i < 30; i++) busy!.statement('select', 0)
  expect(shown()).toEqual({ quiet: 1, steady: 10, other: 30 })
  table.rebalance()
  busy!.statement('select', 0)
  steady!.statement('select', 0)
  quiet!.statement('select', 0)
  expect(shown()).toEqual({ busy: 1, steady: 11, other: 31 })
  // Equal activity changes nothing.
  table.rebalance()
  expect(Object.keys(shown()).sort()).toEqual(['busy', 'other', 'steady'])
})

test('keyspaces with live sessions are not forgotten', () => {
  const table = createKeyspaceSeries(1)
  table.forKeyspace('first')
  const live = table.forKeyspace('live')
  live.sessions++
  for (let i = 0; i < 100; i++) table.forKeyspace(`passing${i}`)
  expect(table.forKeyspace('live')).toBe(live)
  expect(table.sessions()).toEqual([
    { keyspace: 'other', count: 1 },
    { keyspace: 'first', count: 0 },
  ])
})

test('the operations door', async () => {
  let reason: string | null = 'starting'
  const server = await startOperationsServer({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics(),
    notReady: () => reason,
    log: silentLogger,
  })
  const get = async (path: string, init = {}) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init)
    return [response.status, await response.text()] as const
  }
  expect(await get('/healthz')).toEqual([200, 'ok\n'])
  expect(await get('/readyz')).toEqual([503, 'starting\n'])
  reason = null
  expect(await get('/readyz?x=1')).toEqual([200, 'ready\n'])
  expect((await get('/metrics'))[1]).toContain('pgkeyspace_sessions')
  expect((await get('/other'))[0]).toBe(404)
  expect((await get('/metrics', { method: 'POST', body: 'x' }))[0]).toBe(405)
  await server.close()
})

test('the log hides secrets', () => {
  const lines: string[] = []
  createLogger('info', { write: (line) => void lines.push(line) }).info({ password: 'hush', role: { verifier: 'hush' }, user: 'u' }, 'text')
  expect(lines[0]).toContain('"user":"u"')
  expect(lines[0]).toContain('"level":"info"')
  expect(lines[0]).not.toContain('hush')
})
