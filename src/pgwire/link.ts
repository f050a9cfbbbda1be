// One socket: bytes in (a queue of chunks, read in place), bytes out (through the shared buffer), congestion, the end. Knows no messages.
// Invariant: `head` from `pos` on, then `more`, is what came and was not read yet; an idle link keeps nothing but an unfinished message. // hot

import type { Socket } from 'node:net'
import { assert } from '../base/assert.ts'
import type { ByteWriter } from '../base/bytes.ts'
import { PgError } from '../base/errors.ts'
import type { SingleByteEncoding } from '../base/single-byte-encodings.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { WireLimits } from './protocol.ts'
import type { OutputOwner, SharedBuffers } from './shared-buffers.ts'
import { FLUSH_AT } from './shared-buffers.ts'

const EMPTY = Buffer.alloc(0)
/** PostgreSQL's output buffer: an unfinished answer up to this size waits for its rest, which saves a system call and wakes the client once. */
const HELD_BYTES = 8192

/** Who reads the link at present: the start-up, then the conversation. */
export interface Phase {
  /** A call is under way: input is only kept. */
  readonly busy: boolean
  /** Bytes came. */
  input(): void
  /** The client will send no more (it may still read). What it sent was given to input() before. */
  inputEnded(): void
  /** All connections together keep too much input, and this one more than its share. */
  overwhelmed(): void
  /** The socket is gone. Called once. */
  closed(): void
}

const NO_PHASE: Phase = { busy: true, input() {}, inputEnded() {}, overwhelmed() {}, closed() {} }

const ignore = (): void => {}

interface DrainWaiter {
  resolve(): void
  reject(error: PgError): void
  timer: NodeJS.Timeout
}

export class Link implements OutputOwner {
  socket: Socket
  encrypted = false
  phase: Phase = NO_PHASE
  readonly output: SharedBuffers
  readonly limits: WireLimits
  /** What the client speaks; null: UTF-8, unconverted. */
  encoding: SingleByteEncoding | null = null
  head: Buffer = EMPTY
  pos = 0
  /** The client has closed its side. */
  inputOver = false
  /** Nothing can be sent any more. */
  closed = false
  bytesReceived = 0
  bytesSent = 0
  #more: Buffer[] = []
  #moreBytes = 0
  #paused = false
  #flushScheduled = false
  /** What was written so far of an answer that waits for something while others use the buffer. */
  #held: Buffer | null = null
  #drain: DrainWaiter | null = null
  #unlisten: () => void = ignore

  constructor(socket: Socket, output: SharedBuffers, limits: WireLimits) {
    this.socket = socket
    this.output = output
    this.limits = limits
    this.attach(socket)
  }

  /** Listens to `socket` (again, after TLS was put around it). */
  attach(socket: Socket): void {
    this.socket = socket
    const onData = (chunk: Buffer) => this.#data(chunk)
    const onEnd = () => this.#end()
    const onClose = () => this.#close()
    const onDrain = () => this.#drained()
    socket.on('data', onData).on('end', onEnd).on('close', onClose).on('drain', onDrain)
    // A reset ends the connection as a close does, and 'close' always follows.
    socket.on('error', ignore)
    this.#unlisten = () => socket.off('data', onData).off('end', onEnd).off('close', onClose).off('drain', onDrain)
  }

  /** Takes the socket away from this link, which then reads nothing of it; bytes not read yet go back into it. */
  detach(): Socket {
    const { socket } = this
    this.#unlisten()
    socket.pause()
    const rest = this.unread
    if (rest > 0) {
      this.need(rest)
      socket.unshift(this.head.subarray(this.pos))
    }
    this.head = EMPTY
    this.pos = 0
    return socket
  }

  // ---- in

  get unread(): number {
    return this.head.length - this.pos + this.#moreBytes
  }

  /** Whether `size` bytes are there; if so they stand in one piece in `head` from `pos`. */
  need(size: number): boolean {
    const here = this.head.length - this.pos
    if (here >= size) return true
    if (here + this.#moreBytes < size) return false
    const parts = [this.head.subarray(this.pos)]
    let have = here
    while (have < size) {
      const chunk = this.#more.shift()!
      this.#keep(-chunk.length)
      have += chunk.length
      parts.push(chunk)
    }
    this.head = have === here + parts[1]!.length && here === 0 ? parts[1]! : Buffer.concat(parts, have)
    this.pos = 0
    return true
  }

  /** Throws away up to `size` bytes; answers how many there were. */
  discard(size: number): number {
    let left = size
    while (left > 0) {
      const here = Math.min(left, this.head.length - this.pos)
      this.pos += here
      left -= here
      if (left === 0 || this.#more.length === 0) break
      this.need(1)
    }
    return size - left
  }

  /** All that is here was looked at: keeps the unfinished rest only, in a buffer of its size. */
  settle(): void {
    if (this.pos === this.head.length && this.#moreBytes === 0) this.head = EMPTY
    else if (this.pos > 0) this.head = Buffer.from(this.head.subarray(this.pos))
    else return
    this.pos = 0
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.socket.resume()
  }

  #keep(bytes: number): void {
    this.#moreBytes += bytes
    this.output.pendingInput += bytes
  }

  #data(chunk: Buffer): void {
    this.bytesReceived += chunk.length
    if (this.pos === this.head.length && this.#moreBytes === 0) {
      this.head = chunk
      this.pos = 0
    } else {
      this.#more.push(chunk)
      this.#keep(chunk.length)
      if (this.output.pendingInput > this.limits.maxPendingInputBytesOfAll && this.#moreBytes > this.limits.maxPendingInputBytes) {
        this.phase.overwhelmed()
        return
      }
    }
    this.phase.input()
    if (!this.#paused && this.phase.busy && this.#moreBytes > this.limits.maxPendingInputBytes) {
      this.#paused = true
      this.socket.pause()
    }
  }

  #end(): void {
    this.inputOver = true
    this.phase.inputEnded()
  }

  #close(): void {
    this.closed = true
    this.inputOver = true
    this.#more = []
    this.#keep(-this.#moreBytes)
    if (this.output.owner === this) this.output.reset()
    this.#held = null
    this.#failDrain(new PgError(SQLSTATE.connectionFailure, 'connection to client lost', { severity: 'FATAL' }))
    const { phase } = this
    this.phase = NO_PHASE
    phase.closed()
  }

  // ---- out

  /** The shared buffer, to append whole messages to. */
  out(): ByteWriter {
    const writer = this.output.take(this)
    writer.encoding = this.encoding
    if (this.#held !== null) {
      writer.bytes(this.#held)
      this.#held = null
    }
    return writer
  }

  yieldBuffer(): void {
    const { writer } = this.output
    if (writer.length > HELD_BYTES || this.closed) {
      this.flush()
      return
    }
    if (writer.length > 0) this.#held = Buffer.from(writer.view())
    this.output.reset()
  }

  /** Hands the bytes written so far to the socket, now. */
  flush(): void {
    const { output } = this
    if (output.owner !== this) {
      if (this.#held === null) return
      this.out()
    }
    const { writer } = output
    const size = writer.length
    if (size === 0 || this.closed) {
      output.reset()
      return
    }
    this.bytesSent += size
    const { socket } = this
    if (size > FLUSH_AT / 2 || (!this.encrypted && socket.writableLength === 0)) {
      socket.write(writer.buffer.subarray(0, size))
      // A plain socket that took everything at once is done with the buffer; otherwise the buffer is the socket's.
      if (this.encrypted || socket.writableLength > 0) output.replace()
    } else {
      socket.write(Buffer.from(writer.view()))
    }
    output.reset()
  }

  /** The end of a turn in the middle of an answer: small, it waits for its rest. */
  hold(): void {
    if (this.output.owner === this && this.output.writer.length > HELD_BYTES) this.flush()
  }

  /** For messages between the client's: flushes at the end of this turn of the event loop. */
  flushSoon(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => {
      this.#flushScheduled = false
      this.flush()
    })
  }

  /** Flushes a full buffer. A promise when the client is slow: settles when it has caught up, rejects when it is gone. */
  relieve(): Promise<void> | undefined {
    if (this.output.owner === this && this.output.writer.length >= FLUSH_AT) this.flush()
    return this.socket.writableLength > this.limits.maxPendingOutputBytes ? this.#waitForDrain() : undefined
  }

  get congested(): boolean {
    return this.socket.writableLength > this.limits.maxPendingOutputBytes
  }

  #waitForDrain(): Promise<void> {
    if (this.closed) return Promise.reject(new PgError(SQLSTATE.connectionFailure, 'connection to client lost', { severity: 'FATAL' }))
    assert(this.#drain === null, 'two producers wait for one client')
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.destroy(), this.limits.stallTimeoutMs).unref()
      this.#drain = { resolve, reject, timer }
    })
  }

  #drained(): void {
    const waiter = this.#drain
    if (waiter === null) return
    this.#drain = null
    clearTimeout(waiter.timer)
    waiter.resolve()
  }

  /** Wakes a producer that waits for the client, with an error. */
  #failDrain(error: PgError): void {
    const waiter = this.#drain
    if (waiter === null) return
    this.#drain = null
    clearTimeout(waiter.timer)
    waiter.reject(error)
  }

  /** Wakes a producer that waits for a slow client, since its session must end. */
  abortDrain(reason: PgError): void {
    this.#failDrain(reason)
  }

  // ---- the end

  /** Sends what is there, then closes; destroys the socket if the client does not close in time. */
  end(): void {
    if (this.closed) return
    this.flush()
    const { socket } = this
    socket.end()
    // Reads on, into nothing, so that the client's last bytes do not turn the close into a reset that eats our message.
    this.discardInput()
    const timer = setTimeout(() => socket.destroy(), this.limits.lingerMs).unref()
    socket.once('close', () => clearTimeout(timer))
  }

  /** From now on input is thrown away. */
  discardInput(): void {
    this.head = EMPTY
    this.pos = 0
    this.#more = []
    this.#keep(-this.#moreBytes)
    this.socket.removeAllListeners('data')
    this.socket.on('data', ignore)
    this.#paused = false
    this.socket.resume()
  }

  destroy(): void {
    this.socket.destroy()
  }
}
