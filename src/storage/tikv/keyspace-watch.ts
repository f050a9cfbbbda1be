// Changes of the cluster's keyspaces as PD tells them: one stream to its leader, opened again whenever it ends or another member leads. What a stream
// tells first is all there is, so nothing that happened in between is missed.

import { Backoff, BUDGET } from './backoff.ts'
import type { Engine } from './engine.ts'
import { type MessageStream, RpcError } from './grpc.ts'
import { type KeyspaceMeta, WatchKeyspaces, WatchKeyspacesRequest, WatchKeyspacesResponse } from './proto/keyspacepb.ts'

export class KeyspaceWatch {
  readonly #engine: Engine
  readonly #changed: (meta: KeyspaceMeta) => void
  readonly #stopListening: () => void
  #stream: MessageStream | null = null
  #backoff: Backoff | null = null
  #isOver = false

  /** `changed` is called with every keyspace that a stream names, changed or not. */
  constructor(engine: Engine, changed: (meta: KeyspaceMeta) => void) {
    this.#engine = engine
    this.#changed = changed
    this.#stopListening = engine.pd.onLeader(() => {
      // The old leader's stream may stay open and say nothing any more.
      this.#stream?.close()
      this.#open()
    })
    this.#open()
  }

  #open(): void {
    if (this.#isOver || this.#engine.closed) return
    try {
      const stream: MessageStream = this.#engine.pd.leader().stream(WatchKeyspaces.path, {
        message: (bytes) => {
          if (this.#stream === stream) this.#receive(bytes)
        },
        ended: (error) => {
          if (this.#stream === stream) this.#again(error)
        },
      })
      this.#stream = stream
      stream.send(WatchKeyspacesRequest.encode({ header: { cluster_id: this.#engine.pd.clusterId } }))
      stream.end()
    } catch (error) {
      this.#again(error as Error)
    }
  }

  #receive(bytes: Buffer): void {
    const { header, keyspaces } = WatchKeyspacesResponse.decode(bytes)
    if (header?.error !== undefined && header.error.type !== 0) {
      this.#stream?.close()
      this.#again(new RpcError(0, header.error.message, false))
      return
    }
    this.#backoff = null
    for (const meta of keyspaces) this.#changed(meta)
  }

  #again(error: Error): void {
    this.#stream = null
    if (this.#isOver || this.#engine.closed) return
    this.#engine.background('watching keyspaces', this.#reopen(error))
  }

  async #reopen(error: Error): Promise<void> {
    try {
      this.#backoff ??= new Backoff(BUDGET.pd)
      await this.#engine.pd.recover(this.#backoff, error)
    } catch (spent) {
      // Watching goes on for as long as anybody wants to know.
      this.#backoff = null
      this.#engine.log.warn('PD does not tell of keyspaces', { error: (spent as Error).message })
    }
    // A new leader has opened one already.
    if (this.#stream === null) this.#open()
  }

  close(): void {
    this.#isOver = true
    this.#stopListening()
    this.#stream?.close()
    this.#stream = null
  }
}
