// A tracer at the store's door: wraps a Store and records every key a test's code touches, by keyspace and operation. Tests of limits,
// isolation and refusals count here, not in the product's own counters.

import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import type {
  BeginOptions,
  CommitOptions,
  KeyRange,
  Keyspace,
  KvBatch,
  LockOptions,
  Savepoint,
  Scanner,
  ScanOptions,
  Stands,
  Store,
  Transaction,
} from '../../src/storage/store.ts'

export type Operation = 'get' | 'scan' | 'entry' | 'lock' | 'put' | 'insert' | 'delete' | 'begin' | 'commit' | 'rollback'

export interface Touch {
  readonly keyspace: number
  readonly operation: Operation
  /** The key (a scan's start), null for begin, commit and rollback. */
  readonly key: Buffer | null
  /** A scan's end. */
  readonly end: Buffer | null
}

export class Trace {
  readonly touches: Touch[] = []
  /** Off: nothing is recorded. */
  recording = true

  add(keyspace: number, operation: Operation, key: Uint8Array | null, end: Uint8Array | null = null): void {
    if (!this.recording) return
    this.touches.push({ keyspace, operation, key: key === null ? null : Buffer.from(key), end: end === null ? null : Buffer.from(end) })
  }

  clear(): void {
    this.touches.length = 0
  }

  count(operation?: Operation): number {
    return operation === undefined ? this.touches.length : this.touches.filter((touch) => touch.operation === operation).length
  }

  keyspaces(): Set<number> {
    return new Set(this.touches.map((touch) => touch.keyspace))
  }
}

class TracedTransaction implements Transaction {
  readonly #inner: Transaction
  readonly #trace: Trace

  constructor(inner: Transaction, trace: Trace) {
    this.#inner = inner
    this.#trace = trace
    trace.add(inner.keyspace, 'begin', null)
  }

  #add(operation: Operation, key: Uint8Array | null, end: Uint8Array | null = null): void {
    this.#trace.add(this.#inner.keyspace, operation, key, end)
  }

  get keyspace() {
    return this.#inner.keyspace
  }
  get isolation() {
    return this.#inner.isolation
  }
  get dirty() {
    return this.#inner.dirty
  }
  get readTs() {
    return this.#inner.readTs
  }
  get lockTimeoutMs() {
    return this.#inner.lockTimeoutMs
  }
  set lockTimeoutMs(ms: number) {
    this.#inner.lockTimeoutMs = ms
  }

  get(key: Uint8Array) {
    this.#add('get', key)
    return this.#inner.get(key)
  }

  batchGet(keys: readonly Uint8Array[]) {
    for (const key of keys) this.#add('get', key)
    return this.#inner.batchGet(keys)
  }

  newest(keys: readonly Uint8Array[]) {
    for (const key of keys) this.#add('get', key)
    return this.#inner.newest(keys)
  }

  scan(range: KeyRange, options?: ScanOptions): Scanner {
    this.#add('scan', range.start, range.end)
    const scanner = options === undefined ? this.#inner.scan(range) : this.#inner.scan(range, options)
    const note = (batch: KvBatch | null): KvBatch | null => {
      for (let i = 0; batch !== null && i < batch.count; i++) {
        this.#add('entry', batch.data.subarray(batch.bounds[4 * i]!, batch.bounds[4 * i + 1]!))
      }
      return batch
    }
    return {
      next(): MaybePromise<KvBatch | null> {
        const batch = scanner.next()
        return batch instanceof Promise ? batch.then(note) : note(batch)
      },
      close: () => scanner.close(),
    }
  }

  lockKeys(keys: readonly Uint8Array[], options: LockOptions) {
    for (const key of keys) this.#add('lock', key)
    return this.#inner.lockKeys(keys, options)
  }

  put(key: Uint8Array, value: Uint8Array) {
    this.#add('put', key)
    return this.#inner.put(key, value)
  }

  insert(key: Uint8Array, value: Uint8Array) {
    this.#add('insert', key)
    return this.#inner.insert(key, value)
  }

  insertMany(keys: readonly Uint8Array[], values: readonly Uint8Array[], stands?: Stands) {
    for (const key of keys) this.#add('insert', key)
    return this.#inner.insertMany(keys, values, stands)
  }

  delete(key: Uint8Array) {
    this.#add('delete', key)
    return this.#inner.delete(key)
  }

  savepoint(): Savepoint {
    return this.#inner.savepoint()
  }

  rollbackTo(savepoint: Savepoint) {
    return this.#inner.rollbackTo(savepoint)
  }

  refreshReadTs() {
    return this.#inner.refreshReadTs()
  }

  commit(options?: CommitOptions) {
    this.#add('commit', null)
    return this.#inner.commit(options)
  }

  rollback() {
    this.#add('rollback', null)
    return this.#inner.rollback()
  }
}

/** The store, and the record of what goes through it from now on. */
export function traceStore(store: Store): { store: Store; trace: Trace } {
  const trace = new Trace()
  const keyspaces = new WeakMap<Keyspace, Keyspace>()
  const wrap = (inner: Keyspace): Keyspace => {
    let traced = keyspaces.get(inner)
    if (traced === undefined) {
      traced = {
        id: inner.id,
        name: inner.name,
        begin: (options: BeginOptions) => new TracedTransaction(inner.begin(options), trace),
        storageBytes: () => inner.storageBytes(),
      }
      keyspaces.set(inner, traced)
    }
    return traced
  }
  return {
    trace,
    store: {
      kind: store.kind,
      capabilities: store.capabilities,
      keyspaces: store.keyspaces,
      open(meta) {
        const keyspace = store.open(meta)
        return keyspace instanceof Promise ? keyspace.then(wrap) : wrap(keyspace)
      },
      close: () => store.close(),
    },
  }
}
