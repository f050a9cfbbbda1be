// The embedded store: keyspaces under DATA_DIR/keyspaces/<id>/, each an LMDB environment of its own, opened on first use and closed when
// others need the room; their directory under DATA_DIR/directory/; a few empty ones kept ready under DATA_DIR/ready/.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { KeyspaceId } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { KvError } from '../kv-error.ts'
import type { BeginOptions, Keyspace, KeyspaceDirectory, KeyspaceMeta, Store, StoreCapabilities, Transaction } from '../store.ts'
import { DirectoryFile } from './directory.ts'
import { dataFile, Engine, type EngineOptions, prepareEnvironment, type StoreLog } from './engine.ts'
import { lockDataDirectory, syncDirectory } from './files.ts'
import { logFiles, makeLogFiles } from './log-file.ts'
import { Environment, openFailure } from './native.ts'
import { LmdbTransaction } from './transaction.ts'

export interface LmdbStoreOptions {
  readonly dataDir: string
  /** How long superseded versions stay readable; 0 = only while a snapshot needs them. */
  readonly versionRetentionMs?: number
  readonly clock?: Clock
  /** Environments open at a time, beyond those in use. */
  readonly maxOpenKeyspaces?: number
  /** Largest size of one keyspace's data, versions included; commits that would grow it further fail with 'diskFull', deletions do not. */
  readonly maxKeyspaceBytes?: number
  /** Writes one transaction keeps in memory; more of them move into the environment as intents. */
  readonly writeBufferEntries?: number
  /** Commits of one keyspace kept in the log and in memory before they go into LMDB together. */
  readonly memtableBytes?: number
  readonly log?: StoreLog
}

const GiB = 1024 ** 3
const DEFAULT_RETENTION_MS = 10 * 60 * 1000
const DEFAULT_OPEN = 256
const DEFAULT_MAX = 1024 * GiB
const READY = 4
const DEFAULT_BUFFER = 32 * 1024
/** Config key that overrides the retention of one keyspace, ms. */
export const RETENTION_CONFIG = 'version_retention'

const silent: StoreLog = { info: () => {}, warn: () => {} }

class LmdbKeyspace implements Keyspace {
  readonly id: KeyspaceId
  readonly name: string
  readonly #store: LmdbStore
  engine: Engine | null = null

  constructor(store: LmdbStore, meta: KeyspaceMeta) {
    this.#store = store
    this.id = meta.id
    this.name = meta.name
  }

  begin(options: BeginOptions): Transaction {
    return new LmdbTransaction(this.engine ?? this.#store.openEngine(this), this.id, options)
  }

  storageBytes(): number {
    if (this.engine !== null) return this.engine.storageBytes()
    const file = dataFile(this.#store.directoryOf(this.id))
    return [file, ...logFiles(file)].reduce((bytes, path) => bytes + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0)
  }
}

class LmdbStore implements Store {
  readonly kind = 'embedded'
  readonly capabilities: StoreCapabilities = {
    sharedLocks: true,
    serializable: true,
    multiNode: false,
    maxKeyBytes: LIMITS.maxKeyBytes,
    maxValueBytes: LIMITS.maxFieldBytes * 2,
  }
  readonly keyspaces: KeyspaceDirectory
  readonly #options: Required<LmdbStoreOptions>
  readonly #directory: DirectoryFile
  readonly #lock: Environment
  readonly #keyspaces = new Map<KeyspaceId, LmdbKeyspace>()
  /** Open ones, least recently opened first. */
  readonly #open = new Set<LmdbKeyspace>()
  readonly #purging = new Map<KeyspaceId, Promise<{ keysErased: number; filesErased: number }>>()
  #ready: string[] = []
  #readyNumber = 0
  #refilling: Promise<void> | null = null
  #closed = false

  constructor(options: Required<LmdbStoreOptions>, directory: DirectoryFile, lock: Environment) {
    this.#options = options
    this.#directory = directory
    this.#lock = lock
    this.keyspaces = {
      load: (name) => directory.load(name),
      loadById: (id) => directory.loadById(id),
      list: () => directory.list(),
      create: (name, config) => directory.create(name, config ?? {}, (id) => this.#place(id)),
      setState: (id, state) => directory.setState(id, state),
      setConfig: async (id, changes) => {
        const meta = await directory.setConfig(id, changes)
        const engine = this.#keyspaces.get(id)?.engine
        if (engine !== null && engine !== undefined) engine.options.retentionMs = this.#retention(meta)
        return meta
      },
      purge: (id) => this.#purge(id),
      watch: (changed) => directory.watch(changed),
    }
  }

  directoryOf(id: number): string {
    return `${this.#options.dataDir}/keyspaces/${id}`
  }

  /** Ends what a crash interrupted: half-made keyspaces vanish, half-erased ones are erased. */
  async repair(): Promise<void> {
    const { dataDir, log } = this.#options
    rmSync(`${dataDir}/ready`, { recursive: true, force: true })
    mkdirSync(`${dataDir}/ready`, { recursive: true })
    mkdirSync(`${dataDir}/keyspaces`, { recursive: true })
    const known = new Map(this.#directory.ids().map(({ id, purged }) => [id, purged]))
    let erased = false
    for (const name of readdirSync(`${dataDir}/keyspaces`)) {
      const purged = known.get(Number(name))
      if (purged === false) continue
      rmSync(`${dataDir}/keyspaces/${name}`, { recursive: true, force: true })
      log.info(purged === undefined ? 'removed a keyspace that was not finished' : 'finished erasing a keyspace', { keyspace: name })
      erased = true
    }
    if (erased) {
      syncDirectory(`${dataDir}/keyspaces`)
      await this.#directory.rewrite()
    }
    syncDirectory(dataDir)
    this.#refill()
  }

  #refill(): void {
    if (this.#refilling !== null || this.#closed) return
    this.#refilling = (async () => {
      while (this.#ready.length < READY && !this.#closed) {
        const path = `${this.#options.dataDir}/ready/${this.#readyNumber++}`
        await this.#make(path)
        this.#ready.push(path)
      }
    })()
      .catch((error: unknown) => {
        this.#options.log.warn('cannot make a keyspace ready', { error: (error as Error).message })
      })
      .finally(() => {
        this.#refilling = null
      })
  }

  /** An empty environment with its format marker, durable; nothing is left of one that could not be made. */
  async #make(path: string): Promise<void> {
    try {
      mkdirSync(path, { recursive: true })
      const environment = new Environment(dataFile(path))
      try {
        await prepareEnvironment(environment)
      } finally {
        environment.close()
      }
      makeLogFiles(dataFile(path))
      syncDirectory(path)
    } catch (error) {
      rmSync(path, { recursive: true, force: true })
      throw openFailure(error, path)
    }
  }

  async #place(id: number): Promise<void> {
    const target = this.directoryOf(id)
    let made = this.#ready.pop()
    if (made === undefined) {
      made = `${this.#options.dataDir}/ready/${this.#readyNumber++}`
      await this.#make(made)
    }
    rmSync(target, { recursive: true, force: true })
    renameSync(made, target)
    syncDirectory(`${this.#options.dataDir}/keyspaces`)
    this.#refill()
  }

  #retention(meta: KeyspaceMeta): number {
    const own = meta.config[RETENTION_CONFIG]
    return own !== undefined && /^\d+$/.test(own) ? Number(own) : this.#options.versionRetentionMs
  }

  #available(id: KeyspaceId): KeyspaceMeta {
    if (this.#closed) throw new KvError('closed', 'the store is closed')
    const meta = this.#directory.loadById(id)
    if (meta === null || meta.state === 'archived' || meta.state === 'tombstone') {
      throw new KvError('keyspaceUnavailable', `keyspace ${id} is ${meta === null ? 'unknown' : meta.state}`)
    }
    return meta
  }

  open(meta: KeyspaceMeta): Keyspace {
    const { id } = this.#available(meta.id)
    let keyspace = this.#keyspaces.get(id)
    if (keyspace === undefined) {
      keyspace = new LmdbKeyspace(this, meta)
      this.#keyspaces.set(id, keyspace)
    }
    if (keyspace.engine === null) this.openEngine(keyspace)
    return keyspace
  }

  openEngine(keyspace: LmdbKeyspace): Engine {
    const meta = this.#available(keyspace.id)
    const path = this.directoryOf(keyspace.id)
    if (!existsSync(dataFile(path))) throw new KvError('corrupt', `the files of keyspace ${keyspace.id} are missing`)
    this.#evict()
    const engine = this.#newEngine(path, {
      clock: this.#options.clock,
      maxBytes: this.#options.maxKeyspaceBytes,
      retentionMs: this.#retention(meta),
      maxKeyBytes: this.capabilities.maxKeyBytes,
      maxValueBytes: this.capabilities.maxValueBytes,
      writeBufferEntries: this.#options.writeBufferEntries,
      memtableBytes: this.#options.memtableBytes,
      log: this.#options.log,
    })
    keyspace.engine = engine
    this.#open.add(keyspace)
    return engine
  }

  #newEngine(path: string, options: EngineOptions): Engine {
    try {
      return new Engine(path, options)
    } catch (error) {
      throw openFailure(error, path)
    }
  }

  /** Closes the environments opened longest ago that nobody uses until there is room for one more. */
  #evict(): void {
    if (this.#open.size < this.#options.maxOpenKeyspaces) return
    for (const keyspace of [...this.#open]) {
      if (this.#open.size < this.#options.maxOpenKeyspaces) return
      if (keyspace.engine!.idle) this.#closeEngine(keyspace)
    }
  }

  #closeEngine(keyspace: LmdbKeyspace): void {
    const engine = keyspace.engine
    keyspace.engine = null
    this.#open.delete(keyspace)
    engine?.close()
  }

  #purge(id: KeyspaceId): Promise<{ keysErased: number; filesErased: number }> {
    const running = this.#purging.get(id)
    if (running !== undefined) return running
    const purge = this.#erase(id).finally(() => this.#purging.delete(id))
    this.#purging.set(id, purge)
    return purge
  }

  /** Marked first, deleted second, the directory written anew last: whatever a crash interrupts, `repair` or the next purge finishes. */
  async #erase(id: KeyspaceId): Promise<{ keysErased: number; filesErased: number }> {
    const path = this.directoryOf(id)
    const keyspace = this.#keyspaces.get(id)
    let keysErased = 0
    let filesErased = 0
    if (keyspace?.engine !== null && keyspace?.engine !== undefined) {
      const { engine } = keyspace
      if (engine.transactions > 0) throw new KvError('keyspaceUnavailable', `keyspace ${id} still has ${engine.transactions} transactions`)
      await engine.settled()
      keysErased = engine.environment.entries()
      this.#closeEngine(keyspace)
    } else if (existsSync(dataFile(path))) {
      const environment = new Environment(dataFile(path))
      keysErased = environment.entries()
      environment.close()
    }
    this.#keyspaces.delete(id)
    await this.#directory.markPurged(id)
    if (existsSync(path)) {
      filesErased = readdirSync(path).length
      rmSync(path, { recursive: true, force: true })
      syncDirectory(`${this.#options.dataDir}/keyspaces`)
    }
    await this.#directory.rewrite()
    return { keysErased, filesErased }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#refilling
    await Promise.all([...this.#purging.values()])
    for (const keyspace of [...this.#open]) {
      const engine = keyspace.engine!
      engine.closed = true
      await engine.settled()
      this.#closeEngine(keyspace)
    }
    await this.#directory.close()
    this.#lock.close()
  }
}

/** Opens (or makes) a data directory. KvError 'unavailable' when another process has it, 'format' when a newer release wrote it. */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  const all: Required<LmdbStoreOptions> = {
    dataDir: options.dataDir,
    versionRetentionMs: options.versionRetentionMs ?? DEFAULT_RETENTION_MS,
    clock: options.clock ?? systemClock,
    maxOpenKeyspaces: options.maxOpenKeyspaces ?? DEFAULT_OPEN,
    maxKeyspaceBytes: options.maxKeyspaceBytes ?? DEFAULT_MAX,
    writeBufferEntries: options.writeBufferEntries ?? DEFAULT_BUFFER,
    memtableBytes: options.memtableBytes ?? LIMITS.memtableBytes,
    log: options.log ?? silent,
  }
  mkdirSync(all.dataDir, { recursive: true })
  const lock = lockDataDirectory(all.dataDir)
  try {
    const directory = await DirectoryFile.open(`${all.dataDir}/directory`, all.clock)
    const store = new LmdbStore(all, directory, lock)
    await store.repair()
    return store
  } catch (error) {
    lock.close()
    throw error
  }
}
