// A gRPC client over node:http2: one connection to one address, opened when first needed and again after it broke. Unary calls and streams of
// raw messages; every call has a deadline; a call that failed says whether the peer may have seen it.

import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import { connect as connectPlain, isIP } from 'node:net'
import { connect as connectSecure } from 'node:tls'

export const GRPC = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const

export class RpcError extends Error {
  readonly code: number
  /** The peer may have executed the request. */
  readonly maybeExecuted: boolean

  constructor(code: number, message: string, maybeExecuted: boolean) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.maybeExecuted = maybeExecuted
  }
}

/** Certificates for every connection to PD and TiKV, as PEM. */
export interface TlsOptions {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
}

export interface StreamHandlers {
  message(bytes: Buffer): void
  /** Once; also after a clean end. */
  ended(error: RpcError): void
}

export interface MessageStream {
  send(message: Buffer): void
  /** Nothing more will be sent; what comes is still received. */
  end(): void
  close(): void
}

const HEADER = 5
const CONNECT_TIMEOUT_MS = 5000
const PING_INTERVAL_MS = 10_000
const PING_TIMEOUT_MS = 3000
/** How long a peer that left a connection without an answer has to answer on the next one. */
const PROBE_TIMEOUT_MS = 1000
const STREAM_WINDOW = 16 * 1024 * 1024
const CONNECTION_WINDOW = 128 * 1024 * 1024
/** Bound of one answer. */
const MAX_MESSAGE = 1024 * 1024 * 1024

function frame(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(HEADER + message.length)
  out[0] = 0
  out.writeUInt32BE(message.length, 1)
  message.copy(out, HEADER)
  return out
}

/** Cuts what a stream delivers into messages. */
class Deframer {
  #parts: Buffer[] = []
  #size = 0

  /** Answers the messages that are whole now. */
  push(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = []
    if (this.#size > 0) {
      this.#parts.push(chunk)
      this.#size += chunk.length
      const first = this.#parts[0]!
      if (first.length >= HEADER && this.#size < HEADER + first.readUInt32BE(1)) return messages
      chunk = Buffer.concat(this.#parts)
    }
    let at = 0
    while (chunk.length - at >= HEADER) {
      const length = chunk.readUInt32BE(at + 1)
      if (length > MAX_MESSAGE) throw new RpcError(GRPC.INTERNAL, `an answer of ${length} bytes is too large`, true)
      if (chunk.length - at - HEADER < length) break
      messages.push(chunk.subarray(at + HEADER, at + HEADER + length))
      at += HEADER + length
    }
    this.#parts = at < chunk.length ? [chunk.subarray(at)] : []
    this.#size = chunk.length - at
    return messages
  }
}

function statusOf(headers: IncomingHttpHeaders): RpcError | null {
  const status = headers['grpc-status']
  if (status === undefined) return null
  let text = String(headers['grpc-message'] ?? '')
  try {
    text = decodeURIComponent(text)
  } catch {
    // not percent-encoded: as it is
  }
  const code = Number(status)
  return new RpcError(code, text === '' ? `gRPC status ${code}` : text, code !== GRPC.UNIMPLEMENTED)
}

export class Channel {
  readonly address: string
  readonly #tls: TlsOptions | null
  #session: ClientHttp2Session | null = null
  #active = 0
  #closed = false
  /**
   * The last connection died of unanswered pings or was never made. The kernel of a frozen process, or of a host that is overloaded, goes on accepting
   * connections: a new one proves nothing, and whoever waits for an answer there does not look for the region's next leader.
   */
  #isSilent = false

  constructor(address: string, tls: TlsOptions | null) {
    this.address = address
    this.#tls = tls
  }

  get connected(): boolean {
    return this.#session !== null && !this.#session.connecting && !this.#session.destroyed
  }

  #open(): ClientHttp2Session {
    if (this.#closed) throw new RpcError(GRPC.UNAVAILABLE, `the connection to ${this.address} was closed`, false)
    if (this.#session !== null && !this.#session.destroyed && !this.#session.closed) return this.#session
    const tls = this.#tls
    const split = this.address.lastIndexOf(':')
    const host = this.address.slice(0, split).replace(/^\[|\]$/g, '')
    const port = Number(this.address.slice(split + 1))
    const session = http2.connect(`${tls === null ? 'http' : 'https'}://${this.address}`, {
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
      createConnection: () =>
        tls === null
          ? connectPlain({ host, port, noDelay: true })
          : connectSecure({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ALPNProtocols: ['h2'], ...tls }).setNoDelay(
              true,
            ),
    })
    this.#session = session
    const connectMs = this.#isSilent ? PROBE_TIMEOUT_MS : CONNECT_TIMEOUT_MS
    const connecting = setTimeout(() => {
      this.#isSilent = true
      session.destroy(new Error(`no connection to ${this.address} within ${connectMs} ms`))
    }, connectMs)
    let pings: NodeJS.Timeout | null = null
    session.once('connect', () => {
      clearTimeout(connecting)
      if (session.destroyed) return
      session.setLocalWindowSize(CONNECTION_WINDOW)
      if (this.#isSilent) this.#ping(session, PROBE_TIMEOUT_MS)
      pings = setInterval(() => this.#ping(session, PING_TIMEOUT_MS), PING_INTERVAL_MS)
      pings.unref()
    })
    const forget = (): void => {
      clearTimeout(connecting)
      if (pings !== null) clearInterval(pings)
      if (this.#session === session) this.#session = null
    }
    session.on('error', forget)
    session.on('close', forget)
    // What runs may end; what comes next gets a connection of its own.
    session.on('goaway', () => {
      if (this.#session === session) this.#session = null
    })
    return session
  }

  /** A dead peer is noticed while something waits for it. */
  #ping(session: ClientHttp2Session, patienceMs: number): void {
    // PD takes pings without a call under way for an attack.
    if (session.destroyed || this.#active === 0) return
    let isAnswered = false
    const giveUp = (): void => {
      if (isAnswered || session.destroyed) return
      this.#isSilent = true
      session.destroy(new Error(`${this.address} does not answer pings`))
    }
    // An answer that came while this process was busy is read first.
    const late = setTimeout(() => setImmediate(giveUp), patienceMs)
    late.unref()
    try {
      session.ping((error) => {
        clearTimeout(late)
        if (error !== null) return
        isAnswered = true
        this.#isSilent = false
      })
    } catch {
      clearTimeout(late) // just destroyed
    }
  }

  #request(path: string, timeoutMs: number | null, metadata: Readonly<Record<string, string>>): ClientHttp2Stream {
    const session = this.#open()
    try {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc+proto',
        te: 'trailers',
        ...(timeoutMs === null ? {} : { 'grpc-timeout': `${Math.max(1, Math.ceil(timeoutMs))}m` }),
        ...metadata,
      })
      this.#active++
      stream.on('close', () => this.#active--)
      return stream
    } catch (error) {
      throw new RpcError(GRPC.UNAVAILABLE, `${this.address}: ${(error as Error).message}`, false)
    }
  }

  unary(path: string, message: Buffer, timeoutMs: number, metadata: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let stream: ClientHttp2Stream
      try {
        stream = this.#request(path, timeoutMs, metadata)
      } catch (error) {
        reject(error)
        return
      }
      const deframer = new Deframer()
      let answer: Buffer | null = null
      let status: RpcError | null = null
      let failed: Error | null = null
      let isOver = false
      const end = (error: RpcError | null): void => {
        if (isOver) return
        isOver = true
        clearTimeout(timer)
        if (error === null && answer !== null) resolve(answer)
        else reject(error ?? new RpcError(GRPC.INTERNAL, `${this.address} ended the call without an answer`, true))
      }
      const timer = setTimeout(() => {
        end(new RpcError(GRPC.DEADLINE_EXCEEDED, `${this.address} did not answer ${path} within ${timeoutMs} ms`, true))
        stream.close(http2.constants.NGHTTP2_CANCEL)
      }, timeoutMs)
      const note = (headers: IncomingHttpHeaders): void => {
        status ??= statusOf(headers)
      }
      stream.on('response', note)
      stream.on('trailers', note)
      stream.on('data', (chunk: Buffer) => {
        try {
          for (const one of deframer.push(chunk)) answer ??= one
        } catch (error) {
          end(error as RpcError)
          stream.close(http2.constants.NGHTTP2_CANCEL)
        }
      })
      stream.on('error', (error) => {
        failed = error
      })
      stream.on('close', () => {
        if (status !== null && status.code !== GRPC.OK) end(status)
        else if (status !== null) end(null)
        else end(new RpcError(GRPC.UNAVAILABLE, `${this.address}: ${failed?.message ?? 'the connection was closed'}`, true))
      })
      stream.end(frame(message))
    })
  }

  stream(path: string, handlers: StreamHandlers): MessageStream {
    const stream = this.#request(path, null, {})
    const deframer = new Deframer()
    let status: RpcError | null = null
    let failed: Error | null = null
    let isOver = false
    const end = (error: RpcError): void => {
      if (isOver) return
      isOver = true
      handlers.ended(error)
    }
    const note = (headers: IncomingHttpHeaders): void => {
      status ??= statusOf(headers)
    }
    stream.on('response', note)
    stream.on('trailers', note)
    stream.on('data', (chunk: Buffer) => {
      if (isOver) return
      try {
        for (const one of deframer.push(chunk)) handlers.message(one)
      } catch (error) {
        end(error instanceof RpcError ? error : new RpcError(GRPC.INTERNAL, (error as Error).message, true))
        stream.close(http2.constants.NGHTTP2_CANCEL)
      }
    })
    stream.on('error', (error) => {
      failed = error
    })
    const over = (): void =>
      end(status ?? new RpcError(GRPC.UNAVAILABLE, `${this.address}: ${failed?.message ?? 'the stream was closed'}`, true))
    stream.on('close', over)
    // The peer ends a call with its status; a stream stays open for HTTP/2 until this side ends it, too.
    stream.on('end', () => {
      setImmediate(() => {
        over()
        if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_NO_ERROR)
      })
    })
    return {
      send: (message) => {
        if (!stream.destroyed && !stream.closed) stream.write(frame(message))
      },
      end: () => {
        if (!stream.destroyed && !stream.closed) stream.end()
      },
      close: () => {
        isOver = true
        if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_CANCEL)
      },
    }
  }

  /** Breaks the connection; the next call opens another. */
  reset(): void {
    const session = this.#session
    this.#session = null
    session?.destroy()
  }

  close(): void {
    this.#closed = true
    this.reset()
  }
}
