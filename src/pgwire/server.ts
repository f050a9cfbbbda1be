// A PostgreSQL-protocol server over a Backend and an Authenticator; also the package export `pg-keyspace/pgwire`. It listens, counts, puts TLS
// around sockets, and ends connections in order. Invariant: every accepted socket is either starting up or has one conversation.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Authenticator, Backend, Client, StartupRequest, TlsFacts } from './backend.ts'
import { type CancelKeys, createCancelKeys } from './cancel-keys.ts'
import type { Conversation } from './conversation.ts'
import { Link } from './link.ts'
import { DEFAULT_WIRE_LIMITS, type WireLimits } from './protocol.ts'
import { MessageReader, ParameterSlots } from './read.ts'
import { SharedBuffers } from './shared-buffers.ts'
import { withSharedInput } from './shared-input.ts'
import { Startup, type StartupHost } from './startup.ts'
import type { TlsSettings } from './tls.ts'

// What a user of the package alone needs besides this file.
export { PgError } from '../base/errors.ts'
export { SQLSTATE } from '../base/sqlstate.ts'
export type * from './backend.ts'
export { createTlsSettings } from './tls.ts'

/** Told what happens; for logs and metrics. */
export interface WireObserver {
  accepted?(): void
  /** The login succeeded and the session is there. */
  started?(client: Client): void
  /** A session that had started is over. */
  ended?(client: Client): void
  /** No session came of it. `error` null: a cancel request, a probe, a client that went away. */
  refused?(error: PgError | null, request: StartupRequest | null): void
  /** A defect: something was thrown that is no PgError. Answers the correlation id for the client. */
  defect(error: unknown, client: Client | null): string
}

export interface WireServerOptions<Identity> {
  readonly backend: Backend<Identity>
  readonly authenticator: Authenticator<Identity>
  /** Null: clients that ask for TLS are told N. Read for every handshake, so a renewed certificate can be put in its place. */
  readonly tls?: (() => TlsSettings) | null
  readonly limits?: Partial<WireLimits>
  readonly cancelKeys?: CancelKeys
  readonly observer?: WireObserver
}

export interface WireServer {
  /** Port 0 = any free port. Rejects when the address cannot be had. */
  listen(options: { host: string; port: number; backlog?: number }): Promise<AddressInfo>
  /** Serves a socket that was accepted elsewhere. */
  serve(socket: Socket): void
  readonly sessionCount: number
  /**
   * Stops listening, ends idle sessions with 57P01 at once and the others when they are idle or `graceMs` is over; resolves when all are gone.
   */
  shutdown(graceMs: number): Promise<void>
}

/** Sockets accepted beyond maxConnections: for cancel requests, for logins in progress, for those that are told 53300. */
const EXTRA_SOCKETS = 100

export function createWireServer<Identity>(options: WireServerOptions<Identity>): WireServer {
  const limits: WireLimits = { ...DEFAULT_WIRE_LIMITS, ...options.limits }
  const observer: WireObserver = options.observer ?? { defect: reportToStderr }
  const output = new SharedBuffers()
  const cancelKeys = options.cancelKeys ?? createCancelKeys()
  const tls = options.tls ?? null
  const conversations = new Set<Conversation>()
  const sockets = new Set<Socket>()
  let sessions = 0
  let stopping = false
  let allGone: (() => void) | null = null

  const host: StartupHost<Identity> = {
    reader: new MessageReader(),
    slots: new ParameterSlots(),
    backend: options.backend,
    authenticator: options.authenticator,
    cancelKeys,
    defect: (error, client) => observer.defect(error, client),
    ended(conversation) {
      conversations.delete(conversation)
      cancelKeys.release(conversation.processId)
      host.release()
      observer.ended?.(conversation)
    },
    secure: tls === null ? null : (link, done) => secure(link, tls(), done),
    tlsFacts: (link) => (tls !== null && link.socket instanceof TLSSocket ? factsOf(link.socket, tls()) : null),
    alpnProtocol: (link) => (link.socket instanceof TLSSocket ? link.socket.alpnProtocol || null : null),
    admit() {
      if (stopping) throw new PgError(SQLSTATE.cannotConnectNow, 'the database system is shutting down', { severity: 'FATAL' })
      if (sessions >= limits.maxConnections) {
        throw new PgError(SQLSTATE.tooManyConnections, 'sorry, too many clients already', { severity: 'FATAL' })
      }
      sessions++
    },
    release() {
      sessions--
    },
    started(conversation) {
      conversations.add(conversation)
      observer.started?.(conversation)
      if (stopping) conversation.endWhenIdle(shutdownError())
    },
    failed: (error, request) => observer.refused?.(error, request),
  }

  function serve(socket: Socket): void {
    if (sockets.size >= limits.maxConnections + EXTRA_SOCKETS) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0) allGone?.()
    })
    observer.accepted?.()
    socket.setKeepAlive(true, 60_000)
    const link = new Link(socket, output, limits)
    link.phase = new Startup(link, host)
  }

  const server: Server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
    serve(withSharedInput(socket)),
  )

  return {
    get sessionCount() {
      return sessions
    },
    serve,
    listen({ host: address, port, backlog = 511 }) {
      return new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host: address, port, backlog }, () => {
          server.off('error', reject)
          server.on('error', (error) => observer.defect(error, null))
          resolve(server.address() as AddressInfo)
        })
      })
    },
    async shutdown(graceMs) {
      stopping = true
      const closed = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : Promise.resolve()
      for (const conversation of conversations) conversation.endWhenIdle(shutdownError())
      const gone = sockets.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => (allGone = resolve))
      const timers = [
        setTimeout(() => {
          for (const conversation of conversations) conversation.terminate(shutdownError())
        }, graceMs),
        setTimeout(() => {
          for (const socket of sockets) socket.destroy()
        }, graceMs + limits.lingerMs),
      ]
      await gone
      await closed
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function shutdownError(): PgError {
  return new PgError(SQLSTATE.adminShutdown, 'terminating connection due to administrator command', { severity: 'FATAL' })
}

function secure(link: Link, settings: TlsSettings, done: () => void): void {
  const raw = link.detach()
  const secured = new TLSSocket(raw, {
    isServer: true,
    secureContext: settings.context,
    ALPNProtocols: ['postgresql'],
    requestCert: settings.requestCertificate,
    rejectUnauthorized: false,
  })
  link.encrypted = true
  link.attach(secured)
  secured.once('secure', done)
}

function factsOf(socket: TLSSocket, settings: TlsSettings): TlsFacts {
  const cipher = socket.getCipher()
  const certificate = socket.authorized ? socket.getPeerCertificate() : null
  const bits = /(?:AES|CAMELLIA|ARIA)_?(\d{3})|CHACHA20/.exec(cipher.standardName)
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: cipher.name,
    cipherBits: bits?.[1] === undefined ? 256 : Number(bits[1]),
    serverName: typeof socket.servername === 'string' ? socket.servername : null,
    endPoint: settings.endPoint,
    clientCertificate: certificate?.raw ?? null,
  }
}

let defects = 0

function reportToStderr(error: unknown): string {
  const id = `${process.pid}-${++defects}`
  console.error(`pgwire: defect ${id}:`, error)
  return id
}
