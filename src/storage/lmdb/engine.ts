// One open keyspace: its environment and everything in memory that belongs to it. Closed when idle and opened again on use.

import type { Clock } from '../../base/clock.ts'
import { KvError } from '../kv-error.ts'
import { FORMAT_VERSION, MAGIC, readU64, STATUS, SYSTEM } from './format.ts'
import { GarbageCollector } from './gc.ts'
import { Layers } from './layers.ts'
import { LockTable } from './locks.ts'
import { makeLogFiles } from './log-file.ts'
import { LoggedEnvironment } from './logged-environment.ts'
import type { MergedReads } from './merged-reads.ts'
import { ENTRY_KEY_AT, Environment, keyBytes, lmdbFailure, value } from './native.ts'
import { Pipeline } from './pipeline.ts'
import { IntentResolver } from './resolve.ts'
import { SerializableTracker } from './serializable.ts'
import { Snapshots } from './snapshots.ts'
import { VersionReader } from './versions.ts'
import { WriteBatch } from './write-batch.ts'

/** The little the store has to say; observability implements it. */
export interface StoreLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void
  warn(message: string, fields: Readonly<Record<string, unknown>>): void
}

export interface EngineOptions {
  readonly clock: Clock
  readonly maxBytes: number
  retentionMs: number
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
  readonly writeBufferEntries: number
  readonly memtableBytes: number
  readonly log: StoreLog
}

export const dataFile = (directory: string): string => `${directory}/data.mdb`

/** Checks the format marker of an environment; writes it into an empty one. */
export async function prepareEnvironment(environment: Environment): Promise<void> {
  keyBytes[0] = SYSTEM
  keyBytes[1] = 'F'.charCodeAt(0)
  const size = environment.load(2)
  if (size < 0) {
    keyBytes[0] = 0
    if (environment.seek(1) > 0) throw new KvError('format', `${environment.path} is not a keyspace of pg-keyspace`)
    await writeMarker(environment)
    return
  }
  checkMarker(environment.path, size)
}

/** Answers the format version in the marker that was loaded. */
function checkMarker(path: string, size: number): number {
  const bytes = value().subarray(0, size)
  if (size < MAGIC.length + 4 || bytes.latin1Slice(0, MAGIC.length) !== MAGIC) {
    throw new KvError('format', `${path} is not a keyspace of pg-keyspace`)
  }
  const version = bytes.readUInt32BE(MAGIC.length)
  if (version > FORMAT_VERSION) {
    throw new KvError('format', `${path} has format version ${version}; this release reads up to ${FORMAT_VERSION}`)
  }
  return version
}

function newMarker(): Buffer {
  const marker = Buffer.alloc(MAGIC.length + 4)
  marker.latin1Write(MAGIC)
  marker.writeUInt32BE(FORMAT_VERSION, MAGIC.length)
  return marker
}

function writeMarker(environment: Environment): Promise<void> {
  const batch = new WriteBatch(environment.dbi, true)
  batch.putSystem('F', newMarker())
  batch.finish(0)
  return new Promise((resolve, reject) => {
    environment.write(batch.stream(), (status) => {
      batch.release()
      if (status === 0) resolve()
      else reject(lmdbFailure(status, `cannot write ${environment.path}`, environment.path))
    })
  })
}

export class Engine {
  readonly environment: LoggedEnvironment
  readonly reads: MergedReads
  readonly options: EngineOptions
  readonly locks = new LockTable()
  readonly snapshots: Snapshots
  readonly reader: VersionReader
  readonly layers: Layers
  readonly pipeline: Pipeline
  readonly serializable = new SerializableTracker()
  readonly gc: GarbageCollector
  readonly resolver: IntentResolver
  /** The newest commit that readers see. */
  visibleStamp: number
  /** Transactions begun and not ended. */
  transactions = 0
  closed = false
  #nextIntentId: number

  /** Opens the prepared environment in `directory`; synchronous, so that beginning a transaction stays so. */
  constructor(directory: string, options: EngineOptions) {
    this.options = options
    const base = new Environment(dataFile(directory))
    try {
      keyBytes[0] = SYSTEM
      keyBytes[1] = 'F'.charCodeAt(0)
      const marker = base.load(2)
      if (marker < 0) throw new KvError('corrupt', `${base.path} has lost its format marker`)
      const outdated = checkMarker(base.path, marker) < FORMAT_VERSION
      makeLogFiles(base.path)
      const environment = new LoggedEnvironment(base, {
        marker: outdated ? newMarker() : null,
        memtableBytes: options.memtableBytes,
        warn: (message, error) => options.log.warn(message, { path: base.path, error }),
      })
      this.environment = environment
      this.reads = environment.reads
      keyBytes[0] = SYSTEM
      keyBytes[1] = 'T'.charCodeAt(0)
      const last = environment.reads.load(2) < 0 ? 0 : value().readDoubleLE(0)
      this.visibleStamp = last
      this.#nextIntentId = Math.max(last, this.nowMicros()) + 1
    } catch (error) {
      base.close()
      throw error
    }
    this.reader = new VersionReader(this.reads)
    this.layers = new Layers(this.reads, this.reader.owners)
    this.pipeline = new Pipeline(
      this.environment,
      this.visibleStamp,
      () => this.nowMicros(),
      () => options.clock.monotonic(),
      (stamp) => {
        this.visibleStamp = stamp
      },
      options.maxBytes,
    )
    this.gc = new GarbageCollector(this)
    this.snapshots = new Snapshots(() => this.gc.nudge())
    this.resolver = new IntentResolver(this)
    this.#recover()
    this.gc.nudge()
  }

  nowMicros(): number {
    return Math.floor(this.options.clock.now() * 1000)
  }

  nextIntentId(): number {
    return this.#nextIntentId++
  }

  /** Transactions that left intents behind: committed ones are settled, the others rolled back. */
  #recover(): void {
    let key = Buffer.from([STATUS])
    for (;;) {
      key.copy(keyBytes)
      const size = this.reads.seek(key.length)
      if (size !== 9 || keyBytes[ENTRY_KEY_AT] !== STATUS) return
      const id = readU64(keyBytes, ENTRY_KEY_AT + 1)
      const record = value()
      const committed = record[0] === 1
      this.resolver.add({ id, state: committed ? 'committed' : 'aborted', commitStamp: committed ? record.readDoubleLE(8) : 0 })
      if (id >= this.#nextIntentId) this.#nextIntentId = id + 1
      key = Buffer.concat([keyBytes.subarray(ENTRY_KEY_AT, ENTRY_KEY_AT + size), Buffer.from([0])])
    }
  }

  /** Resolves when nothing is being written, and what is in the log is in LMDB, too. */
  async settled(): Promise<void> {
    do {
      await this.pipeline.drained()
      await this.environment.settled()
    } while (!this.pipeline.idle || !this.environment.idle)
  }

  storageBytes(): number {
    return this.environment.bytesUsed()
  }

  /** No transaction, no write: may be closed without anybody noticing. */
  get idle(): boolean {
    return this.transactions === 0 && this.pipeline.idle && this.resolver.idle && this.environment.idle
  }

  close(): void {
    this.closed = true
    this.gc.stop()
    this.environment.close()
  }
}
