// The way to one TiKV store: requests of one turn of the event loop go as one message of a BatchCommands stream and are answered in any order. What
// the stream cannot carry goes as a unary call. When the stream breaks, everything under way fails as "maybe executed". // hot

import type { Command } from './gate.ts'
import { Channel, GRPC, type MessageStream, RpcError, type TlsOptions } from './grpc.ts'
import type { AnyMessage } from './proto/message.ts'
import { BATCH_CASE, BatchCommands, BatchCommandsRequest, BatchCommandsResponse, Tikv } from './proto/tikvpb.ts'

interface Pending {
  resolve(answer: object): void
  reject(error: RpcError): void
  readonly deadline: number
  readonly command: string
}

const MAX_BATCH = 128
/** Above this a request goes alone, as a unary call, so that small ones need not queue behind it. */
const LARGE = 256 * 1024
const SWEEP_MS = 100
/** Streams of a store that does not know BatchCommands are not tried again. */
export interface StoreClientOptions {
  readonly tls: TlsOptions | null
  readonly batching: boolean
}

export class StoreClient {
  readonly channel: Channel
  #batching: boolean
  #stream: MessageStream | null = null
  #nextId = 1
  #pending = new Map<number, Pending>()
  #queue: { id: number; request: object }[] = []
  #scheduled = false
  #sweeper: NodeJS.Timeout | null = null

  constructor(address: string, options: StoreClientOptions) {
    this.channel = new Channel(address, options.tls)
    this.#batching = options.batching
  }

  /** Sends one request; the answer's type is the command's. `size` is about its bytes. */
  send(command: Command, request: object, timeoutMs: number, size: number): Promise<object> {
    if (!this.#batching || size > LARGE || !(command in BATCH_CASE)) return this.#unary(command, request, timeoutMs)
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject, deadline: performance.now() + timeoutMs, command })
      this.#queue.push({ id, request: { cmd: { case: BATCH_CASE[command as keyof typeof BATCH_CASE], value: request } } })
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS)
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(() => this.#flush())
    })
  }

  async #unary(command: Command, request: object, timeoutMs: number): Promise<object> {
    const method = Tikv[command]
    const answer = await this.channel.unary(method.path, (method.request as unknown as AnyMessage).encode(request), timeoutMs)
    return method.response.decode(answer)
  }

  #flush(): void {
    this.#scheduled = false
    const queue = this.#queue
    this.#queue = []
    for (let from = 0; from < queue.length; from += MAX_BATCH) {
      const part = from === 0 && queue.length <= MAX_BATCH ? queue : queue.slice(from, from + MAX_BATCH)
      try {
        this.#stream ??= this.#open()
        this.#stream.send(
          BatchCommandsRequest.encode({
            requests: part.map((one) => one.request),
            request_ids: part.map((one) => BigInt(one.id)),
          }),
        )
      } catch (error) {
        const failed = error instanceof RpcError ? error : new RpcError(GRPC.INTERNAL, (error as Error).message, false)
        for (const { id } of part) this.#settle(id)?.reject(failed)
      }
    }
  }

  #open(): MessageStream {
    const stream: MessageStream = this.channel.stream(BatchCommands.path, {
      message: (bytes) => {
        if (this.#stream === stream) this.#receive(bytes)
      },
      ended: (error) => {
        if (this.#stream !== stream) return
        this.#stream = null
        if (error.code === GRPC.UNIMPLEMENTED) this.#batching = false
        this.#failAll(error)
      },
    })
    return stream
  }

  #receive(bytes: Buffer): void {
    const { responses, request_ids } = BatchCommandsResponse.decode(bytes)
    for (let i = 0; i < request_ids.length; i++) {
      const pending = this.#settle(Number(request_ids[i]!))
      // Unknown: its caller has given up.
      if (pending === undefined) continue
      const answer = responses[i]?.cmd
      if (answer === undefined) pending.reject(new RpcError(GRPC.INTERNAL, `no answer to ${pending.command}`, true))
      else pending.resolve(answer.value)
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending !== undefined) this.#pending.delete(id)
    return pending
  }

  #failAll(error: RpcError): void {
    const failed = new RpcError(error.code === GRPC.OK ? GRPC.UNAVAILABLE : error.code, error.message, error.maybeExecuted)
    const pending = this.#pending
    this.#pending = new Map()
    // What was not flushed yet goes with the next stream.
    for (const { id } of this.#queue) {
      const one = pending.get(id)
      if (one !== undefined) this.#pending.set(id, one)
      pending.delete(id)
    }
    for (const one of pending.values()) one.reject(failed)
  }

  #sweep(): void {
    if (this.#pending.size === 0) {
      if (this.#sweeper !== null) clearInterval(this.#sweeper)
      this.#sweeper = null
      return
    }
    const now = performance.now()
    let late = 0
    for (const [id, one] of this.#pending) {
      if (one.deadline > now) continue
      this.#pending.delete(id)
      late++
      one.reject(new RpcError(GRPC.DEADLINE_EXCEEDED, `${this.channel.address} did not answer ${one.command} in time`, true))
    }
    // A connection on which nothing comes back is replaced.
    if (late > 0 && this.#pending.size === 0) this.reset()
  }

  reset(): void {
    const stream = this.#stream
    this.#stream = null
    stream?.close()
    this.channel.reset()
    this.#failAll(new RpcError(GRPC.UNAVAILABLE, `the connection to ${this.channel.address} was closed`, true))
  }

  close(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
    this.reset()
    this.channel.close()
  }
}
