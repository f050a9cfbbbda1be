// The protocol layer alone under pgbench: answers `pgbench -S` with fixed rows. Compile with tsc, then `node wire-stub.js [port] [memory]`, and
// PGSSLMODE=disable pgbench -h 127.0.0.1 -p 5555 -n -S -M simple|prepared -c 8 -T 5 -U x x

import type { ResultSink, RowShape, Session } from '../../src/pgwire/backend.ts'
import { createWireServer } from '../../src/pgwire/server.ts'
import { column, textEncoder, trust } from '../support/stub-backend.ts'

const rows = [[42]]
const text: RowShape = { columns: [column('abalance')], formats: [], io: null }
const pgbenchTables: RowShape = { columns: [column('o'), column('partition_method', 25, textEncoder), column('n')], formats: [], io: null }

class FixedSession implements Session {
  readonly parameters = [
    ['client_encoding', 'UTF8'],
    ['server_version', '18.0'],
    ['standard_conforming_strings', 'on'],
  ] as const
  readonly transactionStatus = 73
  query(query: string, sink: ResultSink): void {
    if (query.includes('pg_catalog')) {
      sink.describe(pgbenchTables)
      void sink.rows([[1, null, 0]])
    } else {
      sink.describe(text)
      void sink.rows(rows)
    }
    void sink.complete('SELECT 1')
  }
  parse(): void {}
  bind(): void {}
  describeStatement() {
    return { parameterTypes: [23], shape: text }
  }
  describePortal() {
    return text
  }
  execute(_portal: string, _maxRows: number, sink: ResultSink): void {
    sink.describe(text)
    void sink.rows(rows)
    void sink.complete('SELECT 1')
  }
  closeStatement(): void {}
  closePortal(): void {}
  sync(): void {}
  fail(): void {}
  cancel(): void {}
  close(): void {}
}

const server = createWireServer({
  backend: { startup: () => new FixedSession() },
  authenticator: trust,
  limits: { maxConnections: 20_000 },
})
const address = await server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 5555) })
console.log(JSON.stringify({ event: 'listening', pg_port: address.port }))
if (process.argv[3] === 'memory') {
  setInterval(() => {
    global.gc?.()
    const { rss, heapUsed, external } = process.memoryUsage()
    console.log(JSON.stringify({ sessions: server.sessionCount, rss, heapUsed, external }))
  }, 1000)
}
