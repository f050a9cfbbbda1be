// A listening port that speaks gRPC (HTTP/2) and, where asked, HTTP/1.1 on the same port: the first bytes tell which. With TLS the client must show a
// certificate of the same authority, as PD and TiKV want it.

import http, { type RequestListener } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { type Handler, serveStream } from './grpc.ts'

const PREFACE = 'PRI '
const WINDOW = 8 * 1024 * 1024

export interface Port {
  readonly port: number
  /** Ends the listener and every connection. */
  close(): Promise<void>
}

/** PEM texts. */
export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export function listen(
  port: number,
  certificates: Certificates | undefined,
  find: (path: string) => Handler | undefined,
  onHttp?: RequestListener,
): Promise<Port> {
  const h2 = http2.createServer({ settings: { initialWindowSize: WINDOW, maxConcurrentStreams: 100_000 }, maxSessionMemory: 512 })
  h2.on('session', (session) => {
    session.setLocalWindowSize(8 * WINDOW)
    session.on('error', () => session.destroy())
  })
  h2.on('sessionError', () => {})
  h2.on('stream', (stream, headers) => serveStream(stream, headers, find))
  const h1 = onHttp && http.createServer(onHttp)
  const sockets = new Set<net.Socket>()
  const connected = (socket: net.Socket): void => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    if (h1 === undefined) {
      h2.emit('connection', socket)
      return
    }
    const sniff = (): void => {
      const first = socket.read() as Buffer | null
      if (first === null) {
        socket.once('readable', sniff)
        return
      }
      socket.unshift(first)
      const isH2 = first.latin1Slice(0, PREFACE.length) === PREFACE.slice(0, first.length)
      ;(isH2 ? h2 : h1).emit('connection', socket)
    }
    socket.once('readable', sniff)
  }
  const server =
    certificates === undefined
      ? net.createServer(connected)
      : tls.createServer({ ...certificates, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2', 'http/1.1'] }, connected)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve({
        port: (server.address() as net.AddressInfo).port,
        close: () =>
          new Promise((done) => {
            server.close(() => done())
            for (const socket of sockets) socket.destroy()
          }),
      })
    })
  })
}
