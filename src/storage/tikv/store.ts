// The store on a TiKV cluster: keyspaces of PD, transactions of storage/tikv. Stateless: many processes may serve the same keyspaces.

import type { CancelToken } from '../../base/cancel.ts'
import type { KeyspaceId } from '../../base/ids.ts'
import { KvError } from '../kv-error.ts'
import type { LockParty } from '../lock-party.ts'
import type { BeginOptions, Keyspace, KeyspaceMeta, NamedLocks, Store, Transaction } from '../store.ts'
import { TIKV_CAPABILITIES } from './capabilities.ts'
import { Capability, encodeKey } from './codec.ts'
import { CommitLease } from './commit-lease.ts'
import { PdDirectory } from './directory.ts'
import { Engine, type EngineOptions } from './engine.ts'
import { type GcOptions, GcWorker } from './gc-worker.ts'
import { TikvNamedLocks } from './named-locks.ts'
import { Snapshot } from './snapshot.ts'
import { TikvTransaction } from './transaction.ts'

export interface TikvStoreOptions extends EngineOptions {
  /** Collect old versions while no TiDB does; absent = leave it to others. */
  readonly gc?: GcOptions
  /** A key that every keyspace in use holds: where it is, PD need not be asked (commit-lease.ts). */
  readonly aliveKey?: Uint8Array
}

const SAMPLE_ROWS = 1024
const MIB = 1024 * 1024

const isOpen = (meta: KeyspaceMeta | null): boolean => meta?.state === 'enabled' || meta?.state === 'disabled'

class TikvKeyspace implements Keyspace {
  readonly id: KeyspaceId
  readonly name: string
  readonly #engine: Engine
  readonly #capability: Capability
  readonly #lease: CommitLease

  constructor(engine: Engine, directory: PdDirectory, meta: KeyspaceMeta) {
    this.id = meta.id
    this.name = meta.name
    this.#engine = engine
    this.#capability = new Capability(meta.id)
    this.#lease = new CommitLease(engine, this.#capability, directory.aliveKey, async () => isOpen(await directory.loadById(meta.id)))
  }

  begin(options: BeginOptions): Transaction {
    return new TikvTransaction(this.#engine, this.#capability, TIKV_CAPABILITIES, options, this.#lease)
  }

  namedLocks(cancel: CancelToken, lost: (error: KvError) => void, party?: LockParty): NamedLocks {
    const options: BeginOptions = { isolation: 'read committed', cancel, ...(party === undefined ? {} : { party }) }
    const begin = () => new TikvTransaction(this.#engine, this.#capability, TIKV_CAPABILITIES, options)
    return new TikvNamedLocks(begin, lost)
  }

  /** What PD counts for the regions of the range (whole MiB, minutes old); for less than that, what the entries themselves measure. */
  async storageBytes(): Promise<number> {
    const { start, end } = this.#capability
    const query = `start_key=${percentEncoded(encodeKey(start))}&end_key=${percentEncoded(encodeKey(end))}`
    const { status, text } = await this.#engine.pd.http('GET', `/pd/api/v1/stats/region?${query}`)
    if (status === 200) {
      const { storage_size: mib, count } = JSON.parse(text) as { storage_size?: number; count?: number }
      if (mib !== undefined && mib > 1 && (count ?? 0) > 0) return mib * MIB
    }
    const snapshot = new Snapshot(this.#engine, this.#capability, await this.#engine.oracle.next(), null)
    const { pairs } = await snapshot.piece(start, end, false, SAMPLE_ROWS, false)
    return pairs.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  }
}

/** PD takes keys of arbitrary bytes percent-encoded. */
function percentEncoded(key: Buffer): string {
  let text = ''
  for (const byte of key) text += `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
  return text
}

class TikvStore implements Store {
  readonly kind = 'tikv'
  readonly capabilities = TIKV_CAPABILITIES
  readonly keyspaces: PdDirectory
  readonly engine: Engine
  readonly #gc: GcWorker | null

  constructor(engine: Engine, { gc, aliveKey }: Pick<TikvStoreOptions, 'gc' | 'aliveKey'>) {
    this.engine = engine
    this.keyspaces = new PdDirectory(engine, aliveKey ?? null)
    this.#gc = gc === undefined ? null : new GcWorker(engine, this.keyspaces, TIKV_CAPABILITIES, gc)
  }

  async open(meta: KeyspaceMeta): Promise<Keyspace> {
    const now = await this.keyspaces.loadById(meta.id)
    if (now === null || !isOpen(now)) {
      throw new KvError('keyspaceUnavailable', `keyspace ${meta.id} is ${now === null ? 'missing' : now.state}`)
    }
    return new TikvKeyspace(this.engine, this.keyspaces, now)
  }

  close(): Promise<void> {
    this.#gc?.close()
    this.keyspaces.close()
    return this.engine.close()
  }
}

/** Resolves when PD answers and gives timestamps; rejects with KvError 'unavailable' when it does not within `startTimeoutMs`. */
export async function openTikvStore(options: TikvStoreOptions): Promise<Store> {
  const engine = new Engine(options)
  try {
    await engine.start()
    return new TikvStore(engine, options)
  } catch (error) {
    await engine.close()
    throw error
  }
}
