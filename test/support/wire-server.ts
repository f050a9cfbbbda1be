// A wire server around the stub backend for one test, stopped after it.

import { createWireServer, type WireServer, type WireServerOptions } from '../../src/pgwire/server.ts'
import { type StubSession, stubBackend, trust } from './stub-backend.ts'

export interface StubServer {
  port: number
  server: WireServer
  sessions: StubSession[]
  log: string[]
  defects: unknown[]
}

export async function startStub(
  options: Partial<WireServerOptions<string>> & { later?: boolean } = {},
  running: WireServer[] = [],
): Promise<StubServer> {
  const { later = false, ...rest } = options
  const log: string[] = []
  const defects: unknown[] = []
  const backend = stubBackend({ later, log })
  const server = createWireServer({
    backend,
    authenticator: trust,
    observer: {
      defect(error) {
        defects.push(error)
        return 'id'
      },
    },
    ...rest,
  })
  running.push(server)
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { port, server, sessions: backend.sessions, log, defects }
}
