// A gRPC server over node:http2, without TLS: the frames of messages, unary calls and streams, and statuses in trailers. Handlers see bytes; the
// services give them their messages.

import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'

export const Status = {
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
export type StatusCode = (typeof Status)[keyof typeof Status]

/** Ends a call with this status. */
export class GrpcError extends Error {
  override name = 'GrpcError'
  readonly code: StatusCode

  constructor(code: StatusCode, message: string) {
    super(message)
    this.code = code
  }
}

export interface GrpcStream {
  readonly headers: IncomingHttpHeaders
  send(message: Buffer): void
  end(code?: StatusCode, message?: string): void
  readonly isOpen: boolean
  onClose(listener: () => void): void
}

export interface StreamHandler {
  message(bytes: Buffer): void
  /** The client sends no more. */
  halfClosed(): void
}

export type Handler =
  | { readonly kind: 'unary'; call(bytes: Buffer, headers: IncomingHttpHeaders): Buffer | Promise<Buffer> }
  | { readonly kind: 'stream'; open(stream: GrpcStream): StreamHandler }

/** Larger than any message a TiKV accepts. */
const MAX_MESSAGE = 256 * 1024 * 1024
const HEADER = 5

function frame(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(HEADER + message.length)
  out[0] = 0
  out.writeUInt32BE(message.length, 1)
  message.copy(out, HEADER)
  return out
}

/** Cuts the byte stream of a call into messages. */
function createDeframer(onMessage: (message: Buffer) => void, onTooLarge: () => void): (chunk: Buffer) => void {
  let parts: Buffer[] = []
  let buffered = 0
  return (chunk) => {
    parts.push(chunk)
    buffered += chunk.length
    while (buffered >= HEADER) {
      let whole = parts[0]!
      if (whole.length < HEADER) {
        whole = Buffer.concat(parts)
        parts = [whole]
      }
      const length = whole.readUInt32BE(1)
      if (length > MAX_MESSAGE) {
        onTooLarge()
        return
      }
      if (buffered < HEADER + length) return
      if (whole.length < HEADER + length) whole = parts.length === 1 ? whole : Buffer.concat(parts)
      const rest = whole.subarray(HEADER + length)
      const leftOver = parts[0] === whole || parts.length === 1 ? parts.slice(1) : []
      parts = rest.length > 0 ? [rest, ...leftOver] : leftOver
      buffered -= HEADER + length
      onMessage(whole.subarray(HEADER, HEADER + length))
    }
  }
}

/** Printable ASCII as it is, the rest and % in percent form; a blank at the end would get lost. */
function encodeMessage(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
    out += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }
  return out.replace(/ $/, '%20')
}

export function serveStream(http: ServerHttp2Stream, headers: IncomingHttpHeaders, find: (path: string) => Handler | undefined): void {
  let isOpen = true
  let hasAnswered = false
  const closers: (() => void)[] = []
  http.on('error', () => {
    isOpen = false
  })
  http.on('close', () => {
    isOpen = false
    for (const close of closers) close()
  })
  const open = (): void => {
    if (hasAnswered) return
    hasAnswered = true
    http.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
  }
  let status: StatusCode = Status.OK
  let statusText = ''
  http.on('wantTrailers', () => {
    if (http.destroyed) return
    http.sendTrailers({ 'grpc-status': String(status), ...(statusText ? { 'grpc-message': encodeMessage(statusText) } : {}) })
  })
  const end = (code: StatusCode = Status.OK, message = ''): void => {
    if (!isOpen || http.destroyed) return
    isOpen = false
    if (!hasAnswered) {
      // A status alone: headers that are trailers as well.
      hasAnswered = true
      http.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc+proto',
          'grpc-status': String(code),
          ...(message ? { 'grpc-message': encodeMessage(message) } : {}),
        },
        { endStream: true },
      )
      return
    }
    status = code
    statusText = message
    http.end()
  }
  const fail = (error: unknown): void => {
    if (error instanceof GrpcError) end(error.code, error.message)
    else {
      process.stderr.write(`fake-tikv: ${error instanceof Error ? error.stack : String(error)}\n`)
      end(Status.INTERNAL, error instanceof Error ? error.message : String(error))
    }
  }
  const handler = find(headers[':path'] ?? '')
  if (handler === undefined) {
    http.resume()
    end(Status.UNIMPLEMENTED, `unknown method ${(headers[':path'] ?? '').split('/').at(-1)}`)
    return
  }
  const tooLarge = (): void => end(Status.INVALID_ARGUMENT, 'message is too large')
  if (handler.kind === 'unary') {
    let request: Buffer | undefined
    http.on(
      'data',
      createDeframer((message) => {
        request ??= message
      }, tooLarge),
    )
    http.on('end', () => {
      if (request === undefined) {
        if (isOpen) end(Status.INVALID_ARGUMENT, 'no message')
        return
      }
      const answer = (bytes: Buffer): void => {
        if (!isOpen || http.destroyed) return
        open()
        isOpen = false
        http.end(frame(bytes))
      }
      try {
        const result = handler.call(request, headers)
        if (result instanceof Promise) result.then(answer, fail)
        else answer(result)
      } catch (error) {
        fail(error)
      }
    })
    return
  }
  open()
  const stream: GrpcStream = {
    headers,
    send(message) {
      if (isOpen && !http.destroyed) http.write(frame(message))
    },
    end,
    get isOpen() {
      return isOpen
    },
    onClose: (listener) => closers.push(listener),
  }
  try {
    const receiver = handler.open(stream)
    http.on(
      'data',
      createDeframer((message) => {
        if (!isOpen) return
        try {
          receiver.message(message)
        } catch (error) {
          fail(error)
        }
      }, tooLarge),
    )
    http.on('end', () => {
      if (isOpen) receiver.halfClosed()
    })
  } catch (error) {
    fail(error)
  }
}
