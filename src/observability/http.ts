// The operator's HTTP door: /metrics, /healthz (the process lives), /readyz (it can serve). Reads nothing but the request line.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface OperationsServer {
  readonly port: number
  close(): Promise<void>
}

export interface OperationsOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  readonly metrics: Pick<Metrics, 'render'>
  /** Null when ready, else why not. */
  readonly notReady: () => string | null | Promise<string | null>
  readonly log: Logger
}

const MAX_CONNECTIONS = 64
const TIMEOUT_MS = 10_000

export async function startOperationsServer(options: OperationsOptions): Promise<OperationsServer> {
  const { metrics, notReady, log } = options
  const server = createServer({ requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log.error({ err: error }, 'operations request failed')
      response.destroy()
    })
  })
  server.maxConnections = MAX_CONNECTIONS

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, text: string, contentType = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) })
      response.end(request.method === 'HEAD' ? undefined : text)
    }
    request.resume()
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'method not allowed\n')
    switch (new URL(request.url ?? '/', 'http://localhost').pathname) {
      case '/metrics': {
        const { contentType, text } = await metrics.render()
        return send(200, text, contentType)
      }
      case '/healthz':
        return send(200, 'ok\n')
      case '/readyz': {
        const reason = await notReady()
        return reason === null ? send(200, 'ready\n') : send(503, `${reason}\n`)
      }
      default:
        return send(404, 'not found\n')
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: options.port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
