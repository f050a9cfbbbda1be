// The embedded store's directory of keyspaces: a small environment of its own, mirrored in memory, so that looking up is free. After a purge
// its file is written anew, so that no free page still holds the erased record.

import { createHash } from 'node:crypto'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import type { Clock } from '../../base/clock.ts'
import { type KeyspaceId, keyspaceId } from '../../base/ids.ts'
import { KvError } from '../kv-error.ts'
import type { KeyspaceMeta, KeyspaceState } from '../store.ts'
import { prepareEnvironment } from './engine.ts'
import { syncDirectory } from './files.ts'
import { HISTORY, NEWEST } from './format.ts'
import { ENTRY_KEY_AT, Environment, keyBytes, lmdbFailure, value } from './native.ts'
import { WriteBatch } from './write-batch.ts'

/** What PD accepts, so that a keyspace can move to TiKV under its name. */
const NAME = /^[-A-Za-z0-9_]{1,20}$/

interface DirectoryRecord {
  readonly id: number
  /** Null once purged. */
  readonly name: string | null
  /** Names are unique for ever: of a purged one only this is kept. */
  readonly nameHash: string
  readonly state: KeyspaceState
  readonly createdAt: number
  readonly stateChangedAt: number
  readonly config: Record<string, string>
  /** The keyspace's files are to be deleted, or are deleted already. */
  readonly purged?: boolean
}

const hashName = (name: string): string => createHash('sha256').update(`keyspace:${name}`).digest('hex').slice(0, 32)

export class DirectoryFile {
  readonly #path: string
  readonly #clock: Clock
  #environment: Environment
  readonly #byId = new Map<number, DirectoryRecord>()
  readonly #byHash = new Map<string, number>()
  readonly #watchers = new Set<(meta: KeyspaceMeta) => void>()
  /** Changes run one after another. */
  #turn: Promise<unknown> = Promise.resolve()
  #nextId = 1

  private constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
    this.#environment = new Environment(`${path}/data.mdb`)
  }

  static async open(path: string, clock: Clock): Promise<DirectoryFile> {
    mkdirSync(path, { recursive: true })
    rmSync(`${path}/data.mdb.new`, { force: true })
    rmSync(`${path}/data.mdb.new-lock`, { force: true })
    const directory = new DirectoryFile(path, clock)
    try {
      await prepareEnvironment(directory.#environment)
      directory.#load()
    } catch (error) {
      directory.#environment.close()
      throw error
    }
    return directory
  }

  #load(): void {
    keyBytes[0] = NEWEST
    this.#environment.setEnd(HISTORY, Buffer.alloc(0))
    for (let size = this.#environment.first(1, false, false); size > 0; size = this.#environment.next()) {
      const bytes = this.#environment.entryValueSize()
      const key = keyBytes.latin1Slice(ENTRY_KEY_AT + 1, ENTRY_KEY_AT + size)
      const text = value().toString('utf8', 0, bytes)
      if (key === 'next-id') this.#nextId = Number(text)
      else this.#remember(JSON.parse(text) as DirectoryRecord)
    }
  }

  #remember(record: DirectoryRecord): void {
    this.#byId.set(record.id, record)
    this.#byHash.set(record.nameHash, record.id)
    if (record.id >= this.#nextId) this.#nextId = record.id + 1
  }

  #meta(record: DirectoryRecord): KeyspaceMeta {
    const { id, name, state, createdAt, stateChangedAt, config } = record
    return { id: keyspaceId(id), name: name ?? `purged-${id}`, state, createdAt, stateChangedAt, config }
  }

  /** Ids in the directory; those marked purged may still have files to delete. */
  ids(): { id: number; purged: boolean }[] {
    return [...this.#byId.values()].map((record) => ({ id: record.id, purged: record.purged === true }))
  }

  load(name: string): KeyspaceMeta | null {
    const id = this.#byHash.get(hashName(name))
    return id === undefined ? null : this.#meta(this.#byId.get(id)!)
  }

  loadById(id: KeyspaceId): KeyspaceMeta | null {
    const record = this.#byId.get(id)
    return record === undefined ? null : this.#meta(record)
  }

  isPurged(id: KeyspaceId): boolean {
    return this.#byId.get(id)?.purged === true
  }

  list(): KeyspaceMeta[] {
    return [...this.#byId.values()].map((record) => this.#meta(record))
  }

  watch(changed: (meta: KeyspaceMeta) => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  #write(environment: Environment, records: readonly DirectoryRecord[]): Promise<void> {
    const batch = new WriteBatch(environment.dbi)
    for (const record of records) batch.putRecord(`k${String(record.id).padStart(10, '0')}`, Buffer.from(JSON.stringify(record)))
    batch.putRecord('next-id', Buffer.from(String(this.#nextId)))
    return new Promise((resolve, reject) => {
      batch.finish(0)
      environment.write(batch.stream(), (status) => {
        batch.release()
        if (status === 0) resolve()
        else reject(lmdbFailure(status, 'keyspace directory', environment.path))
      })
    })
  }

  async #store(record: DirectoryRecord): Promise<KeyspaceMeta> {
    await this.#write(this.#environment, [record])
    this.#remember(record)
    const meta = this.#meta(record)
    for (const changed of this.#watchers) changed(meta)
    return meta
  }

  /** `prepare` makes the keyspace's files durable before the record says that it exists. */
  create(name: string, config: Readonly<Record<string, string>>, prepare: (id: number) => Promise<void>): Promise<KeyspaceMeta> {
    if (!NAME.test(name)) {
      throw new KvError(
        'invalidName',
        `illegal keyspace name ${JSON.stringify(name)}: it must consist of 1 to 20 letters, digits, "-" and "_"`,
      )
    }
    return this.#exclusive(async () => {
      const nameHash = hashName(name)
      if (this.#byHash.has(nameHash)) throw new KvError('keyspaceExists', `keyspace "${name}" already exists`)
      const id = this.#nextId++
      await prepare(id)
      const now = Math.floor(this.#clock.now())
      return this.#store({ id, name, nameHash, state: 'enabled', createdAt: now, stateChangedAt: now, config: { ...config } })
    })
  }

  #existing(id: KeyspaceId): DirectoryRecord {
    const record = this.#byId.get(id)
    if (record === undefined) throw new KvError('keyspaceUnavailable', `keyspace ${id} does not exist`)
    return record
  }

  setState(id: KeyspaceId, state: KeyspaceState): Promise<KeyspaceMeta> {
    return this.#exclusive(async () => {
      const record = this.#existing(id)
      if (record.state === 'tombstone' && state !== 'tombstone') throw new KvError('keyspaceUnavailable', `keyspace ${id} has been erased`)
      return this.#store({ ...record, state, stateChangedAt: Math.floor(this.#clock.now()) })
    })
  }

  setConfig(id: KeyspaceId, changes: Readonly<Record<string, string | null>>): Promise<KeyspaceMeta> {
    return this.#exclusive(async () => {
      const record = this.#existing(id)
      const config = { ...record.config }
      for (const [key, setting] of Object.entries(changes)) {
        if (setting === null) delete config[key]
        else config[key] = setting
      }
      return this.#store({ ...record, config })
    })
  }

  /** Strikes a keyspace's name and settings; what is left says only that the id and the name were used. */
  async markPurged(id: KeyspaceId): Promise<void> {
    await this.#exclusive(async () => {
      const record = this.#existing(id)
      if (record.purged === true) return
      const now = Math.floor(this.#clock.now())
      await this.#store({ ...record, name: null, config: {}, state: 'tombstone', purged: true, stateChangedAt: now })
    })
  }

  /** Writes the whole directory into a fresh file that takes the old one's place. */
  rewrite(): Promise<void> {
    return this.#exclusive(async () => {
      const fresh = `${this.#path}/data.mdb.new`
      rmSync(fresh, { force: true })
      rmSync(`${fresh}-lock`, { force: true })
      const environment = new Environment(fresh)
      try {
        await prepareEnvironment(environment)
        await this.#write(environment, [...this.#byId.values()])
      } finally {
        environment.close()
      }
      this.#environment.close()
      renameSync(fresh, `${this.#path}/data.mdb`)
      rmSync(`${fresh}-lock`, { force: true })
      syncDirectory(this.#path)
      this.#environment = new Environment(`${this.#path}/data.mdb`)
    })
  }

  async close(): Promise<void> {
    await this.#turn
    this.#environment.close()
  }
}
