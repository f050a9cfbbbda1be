// The COPY sub-protocol. In: pulls CopyData out of the link as the statement asks for it, so a statement that is slow stops the client.
// Out: whole CopyData messages into the shared buffer, waiting while the client is slow. // hot

import { isAscii } from 'node:buffer'
import type { ByteWriter } from '../base/bytes.ts'
import { PgError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { SingleByteEncoding } from '../base/single-byte-encodings.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { decodeUtf8 } from '../base/utf8.ts'
import type { CopySource, CopyTarget } from './backend.ts'
import type { Link } from './link.ts'
import { close, empty, open } from './messages.ts'
import { BACKEND, FRONTEND } from './protocol.ts'

export class CopyIn implements CopySource {
  /** Bytes of the CopyData message being read that were not handed out yet. */
  remaining = 0
  /** A message came that has no place here: what follows cannot be told from data any more. */
  lost = false
  readonly #link: Link
  /** Of the data, which is handed out in UTF-8; null: it is so already, or no text. */
  readonly #encoding: SingleByteEncoding | null
  #over = false
  #aborted: PgError | null = null
  #waiter: { resolve(value: MaybePromise<Buffer | null>): void; reject(error: unknown): void } | null = null

  constructor(link: Link, encoding: SingleByteEncoding | null) {
    this.#link = link
    this.#encoding = encoding
  }

  /** The client has said that this was all. */
  get over(): boolean {
    return this.#over
  }

  get waiting(): boolean {
    return this.#waiter !== null
  }

  read(): MaybePromise<Buffer | null> {
    if (this.#over) return null
    const link = this.#link
    for (;;) {
      if (this.#aborted !== null) throw this.#aborted
      if (this.remaining > 0) {
        if (!link.need(1)) return this.#wait()
        const size = Math.min(this.remaining, link.head.length - link.pos)
        const piece = link.head.subarray(link.pos, link.pos + size)
        link.pos += size
        this.remaining -= size
        return this.#encoding === null || isAscii(piece) ? piece : Buffer.from(this.#encoding.decode(piece))
      }
      if (!link.need(5)) return this.#wait()
      const type = link.head[link.pos]!
      const length = link.head.readInt32BE(link.pos + 1)
      if (type === FRONTEND.copyData) {
        if (length < 4 || length > link.limits.maxCopyDataBytes) throw this.#broken('invalid message length')
        link.pos += 5
        this.remaining = length - 4
        continue
      }
      if (!this.#isExpected(type)) {
        throw this.#broken(`unexpected message type 0x${type.toString(16).toUpperCase().padStart(2, '0')} during COPY from stdin`)
      }
      if (length < 4 || length > link.limits.maxSmallMessageBytes) throw this.#broken('invalid message length')
      if (!link.need(1 + length)) return this.#wait()
      const start = link.pos + 5
      link.pos += 1 + length
      if (type === FRONTEND.copyDone) {
        this.#over = true
        return null
      }
      if (type === FRONTEND.copyFail) {
        this.#over = true
        const zero = link.head.indexOf(0, start)
        const end = zero < 0 || zero >= link.pos ? link.pos : zero
        const { encoding } = link
        const message = encoding === null ? decodeUtf8(link.head, start, end) : encoding.decode(link.head.subarray(start, end))
        throw new PgError(SQLSTATE.queryCanceled, `COPY from stdin failed: ${message}`)
      }
      // Flush and Sync mean nothing inside COPY.
    }
  }

  /** More came, or no more will come: answers a read that waits. */
  wake(): void {
    const waiter = this.#waiter
    if (waiter === null) return
    this.#waiter = null
    try {
      waiter.resolve(this.read())
    } catch (error) {
      waiter.reject(error)
    }
  }

  abort(reason: PgError): void {
    this.#aborted = reason
    this.wake()
  }

  #isExpected(type: number): boolean {
    return type === FRONTEND.copyDone || type === FRONTEND.copyFail || type === FRONTEND.flush || type === FRONTEND.sync
  }

  #broken(message: string): PgError {
    this.lost = true
    return new PgError(SQLSTATE.protocolViolation, message)
  }

  #wait(): Promise<Buffer | null> {
    const link = this.#link
    if (link.inputOver) {
      throw new PgError(SQLSTATE.connectionFailure, 'unexpected EOF on client connection with an open transaction', { severity: 'FATAL' })
    }
    link.flush()
    link.resume()
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }
}

export class CopyOut implements CopyTarget {
  readonly #link: Link
  #out: ByteWriter | null = null
  #lengthAt = 0

  constructor(link: Link) {
    this.#link = link
  }

  begin(): ByteWriter {
    const out = this.#link.out()
    this.#out = out
    this.#lengthAt = open(out, BACKEND.copyData)
    return out
  }

  abandon(): void {
    this.#out!.length = this.#lengthAt - 1
  }

  end(): MaybePromise<void> {
    close(this.#out!, this.#lengthAt)
    return this.#link.relieve()
  }

  done(): void {
    empty(this.#link.out(), BACKEND.copyDone)
  }
}
