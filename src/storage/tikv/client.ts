// The package export `pg-keyspace/tikv`: TiKV's transactional API with keyspaces for Node, without the SQL server.
//
//   const client = await connect({ pdEndpoints: ['127.0.0.1:2379'] })
//   const shop = await client.keyspace('shop', { create: true })
//   await shop.transaction(async (txn) => {
//     const [stock] = await txn.lock(['stock:42'])
//     await txn.put('stock:42', String(Number(stock ?? 0) - 1))
//   })
//   await client.close()

import { KvError } from '../kv-error.ts'
import type { Keyspace, Scanner, Store, Transaction } from '../store.ts'
import { pause } from './backoff.ts'
import { openTikvStore, type TikvStoreOptions } from './store.ts'

export { KvError, type KvErrorKind } from '../kv-error.ts'
export type { TlsOptions } from './grpc.ts'
export type { ReplicaRead } from './replicas.ts'
export type ClientOptions = TikvStoreOptions

/** Keys and values; text is taken as UTF-8. */
export type Bytes = Uint8Array | string

export interface Entry {
  readonly key: Buffer
  readonly value: Buffer
}

export interface ScanRequest {
  /** Inclusive; default: the keyspace's start. */
  readonly start?: Bytes
  /** Exclusive; default: its end. */
  readonly end?: Bytes
  readonly reverse?: boolean
  readonly limit?: number
  readonly keysOnly?: boolean
}

export interface TransactionOptions {
  /** Default 'optimistic': conflicts are found at the commit, and `transaction` runs the work again. */
  readonly mode?: 'optimistic' | 'pessimistic'
  /** Runs of the work before a conflict is thrown; default 10. */
  readonly attempts?: number
}

const toBytes = (value: Bytes): Uint8Array => (typeof value === 'string' ? Buffer.from(value) : value)
const LOWEST = Buffer.from([0])
const RETRY_MS = 5

export class TikvTransactionHandle {
  readonly #txn: Transaction
  readonly #pessimistic: boolean

  constructor(txn: Transaction, pessimistic: boolean) {
    this.#txn = txn
    this.#pessimistic = pessimistic
  }

  async get(key: Bytes): Promise<Buffer | null> {
    return this.#txn.get(toBytes(key))
  }

  async getMany(keys: readonly Bytes[]): Promise<(Buffer | null)[]> {
    return this.#txn.batchGet(keys.map(toBytes))
  }

  /** Locks keys until the end; answers their newest values. With `nowait` KvError 'lockNotAvailable' instead of waiting. */
  async lock(keys: readonly Bytes[], options: { nowait?: boolean; timeoutMs?: number } = {}): Promise<(Buffer | null)[]> {
    const { values } = await this.#txn.lockKeys(keys.map(toBytes), {
      mode: 'exclusive',
      wait: options.nowait === true ? 'nowait' : 'block',
      timeoutMs: options.timeoutMs ?? 0,
      returnValues: true,
    })
    return values!
  }

  async put(key: Bytes, value: Bytes): Promise<void> {
    if (this.#pessimistic) await this.#guard(key)
    await this.#txn.put(toBytes(key), toBytes(value))
  }

  /** KvError 'alreadyExists' now (pessimistic) or at the commit (optimistic). */
  async insert(key: Bytes, value: Bytes): Promise<void> {
    await this.#txn.insert(toBytes(key), toBytes(value))
  }

  async delete(key: Bytes): Promise<void> {
    if (this.#pessimistic) await this.#guard(key)
    await this.#txn.delete(toBytes(key))
  }

  async #guard(key: Bytes): Promise<void> {
    await this.#txn.lockKeys([toBytes(key)], { mode: 'exclusive', wait: 'block', timeoutMs: 0 })
  }

  async *scan(request: ScanRequest = {}): AsyncGenerator<Entry> {
    const scanner: Scanner = this.#txn.scan(
      { start: toBytes(request.start ?? LOWEST), end: toBytes(request.end ?? '') },
      {
        ...(request.reverse === undefined ? {} : { reverse: request.reverse }),
        ...(request.limit === undefined ? {} : { limit: request.limit }),
        ...(request.keysOnly === undefined ? {} : { keysOnly: request.keysOnly }),
      },
    )
    try {
      for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) {
        const { data, bounds } = batch
        for (let i = 0; i < batch.count; i++) {
          yield { key: data.subarray(bounds[4 * i]!, bounds[4 * i + 1]!), value: data.subarray(bounds[4 * i + 2]!, bounds[4 * i + 3]!) }
        }
      }
    } finally {
      scanner.close()
    }
  }
}

export class KeyspaceClient {
  readonly name: string
  readonly id: number
  readonly #keyspace: Keyspace

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.name = keyspace.name
    this.id = keyspace.id
  }

  /** The newest value of one key: one request, no transaction. */
  async get(key: Bytes): Promise<Buffer | null> {
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true, latest: true })
    return txn.get(toBytes(key))
  }

  /** Writes one key without looking at it. */
  put(key: Bytes, value: Bytes): Promise<void> {
    return this.transaction((txn) => txn.put(key, value))
  }

  delete(key: Bytes): Promise<void> {
    return this.transaction((txn) => txn.delete(key))
  }

  /** Runs `work` in a transaction and commits it; on a conflict runs it again. What `work` throws rolls it back. */
  async transaction<T>(work: (txn: TikvTransactionHandle) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const isPessimistic = options.mode === 'pessimistic'
    const attempts = options.attempts ?? 10
    for (let attempt = 1; ; attempt++) {
      const txn = this.#keyspace.begin({ isolation: isPessimistic ? 'read committed' : 'repeatable read', autocommit: !isPessimistic })
      try {
        const result = await work(new TikvTransactionHandle(txn, isPessimistic))
        await txn.commit()
        return result
      } catch (error) {
        await txn.rollback()
        if (!(error instanceof KvError && error.retryable && error.kind !== 'alreadyExists') || attempt >= attempts) throw error
        await pause(RETRY_MS * attempt * (0.5 + Math.random()))
      }
    }
  }
}

export class TikvClient {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** An existing keyspace, or with `create` a new one. */
  async keyspace(name: string, options: { create?: boolean } = {}): Promise<KeyspaceClient> {
    let meta = await this.#store.keyspaces.load(name)
    if (meta === null) {
      if (options.create !== true) throw new KvError('keyspaceUnavailable', `keyspace "${name}" does not exist`)
      meta = await this.#store.keyspaces.create(name)
    }
    if (meta.state !== 'enabled') throw new KvError('keyspaceUnavailable', `keyspace "${name}" is ${meta.state}`)
    return new KeyspaceClient(await this.#store.open(meta))
  }

  async keyspaces(): Promise<{ id: number; name: string; state: string }[]> {
    return (await this.#store.keyspaces.list()).map(({ id, name, state }) => ({ id, name, state }))
  }

  /** Ends after the commits that are still being completed in the background. */
  close(): Promise<void> {
    return this.#store.close()
  }
}

export async function connect(options: ClientOptions): Promise<TikvClient> {
  return new TikvClient(await openTikvStore(options))
}
