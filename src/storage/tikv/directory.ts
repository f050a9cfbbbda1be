// The keyspaces of the cluster: PD's own directory, over gRPC where it serves everything and over HTTP for creation, settings and ids.

import { type KeyspaceId, keyspaceId } from '../../base/ids.ts'
import { KvError } from '../kv-error.ts'
import type { KeyspaceDirectory, KeyspaceMeta, KeyspaceState } from '../store.ts'
import { Backoff, BUDGET } from './backoff.ts'
import { TIKV_CAPABILITIES } from './capabilities.ts'
import { Capability } from './codec.ts'
import { leasesEnded } from './commit-lease.ts'
import type { Engine } from './engine.ts'
import { eraseKeyspace } from './erase.ts'
import { KeyspaceWatch } from './keyspace-watch.ts'
import { PdRefusal } from './pd.ts'
import { Keyspace as KeyspaceService, type KeyspaceMeta as MetaMessage } from './proto/keyspacepb.ts'
import { ErrorType } from './proto/pdpb.ts'
import { Snapshot } from './snapshot.ts'
import { TikvTransaction } from './transaction.ts'

const NAME = /^[-A-Za-z0-9_]{1,20}$/
const PATH = '/pd/api/v2/keyspaces'
/** PD reads each keyspace of a page with one operation of an etcd transaction, which can hold 128. */
const PAGE = 100
/** After a change of PD's leader creations may fail for a minute. */
const CREATE_PATIENCE_MS = 120_000
const SCAN_ROWS = 1024
const LOCK_TIMEOUT_MS = 30_000
const STATES: readonly KeyspaceState[] = ['enabled', 'disabled', 'archived', 'tombstone']

interface MetaJson {
  readonly id: number
  readonly name?: string
  readonly state: string
  readonly created_at?: number
  readonly state_changed_at?: number
  readonly config?: Readonly<Record<string, string>>
}

const fromJson = (json: MetaJson): KeyspaceMeta => ({
  id: keyspaceId(json.id),
  name: json.name ?? '',
  state: json.state.toLowerCase() as KeyspaceState,
  createdAt: (json.created_at ?? 0) * 1000,
  stateChangedAt: (json.state_changed_at ?? 0) * 1000,
  config: json.config ?? {},
})

const fromMessage = (message: MetaMessage): KeyspaceMeta => ({
  id: keyspaceId(message.id),
  name: message.name,
  state: STATES[message.state] ?? 'tombstone',
  createdAt: Number(message.created_at) * 1000,
  stateChangedAt: Number(message.state_changed_at) * 1000,
  config: Object.fromEntries(message.config),
})

const signature = (meta: KeyspaceMeta): string => `${meta.state} ${meta.stateChangedAt} ${JSON.stringify(meta.config)}`

export class PdDirectory implements KeyspaceDirectory {
  readonly #engine: Engine
  /** What a keyspace in use holds. */
  readonly aliveKey: Uint8Array | null
  readonly #watchers = new Set<(meta: KeyspaceMeta) => void>()
  readonly #seen = new Map<number, string>()
  #watch: KeyspaceWatch | null = null

  constructor(engine: Engine, aliveKey: Uint8Array | null = null) {
    this.#engine = engine
    this.aliveKey = aliveKey
  }

  async #http(verb: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    const backoff = new Backoff(BUDGET.pd)
    for (;;) {
      const answer = await this.#engine.pd.http(verb, path, body)
      const isTransient =
        answer.status === 0 ||
        answer.status === 503 ||
        /ErrRedirect|ErrNotBootstrapped|leader is nil|no leader|ErrEtcdTxnConflict|not leader/i.test(answer.text)
      if (!isTransient) return answer
      await backoff.wait('pdRpc', `PD: ${answer.text.slice(0, 200)}`)
      await this.#engine.pd.refresh().catch(() => undefined) // the budget decides
    }
  }

  async #get(path: string): Promise<KeyspaceMeta | null> {
    const { status, text } = await this.#http('GET', path)
    if (status === 200) return fromJson(JSON.parse(text) as MetaJson)
    if (text.includes('does not exist')) return null
    throw new KvError('unavailable', `PD: ${text.slice(0, 300)}`)
  }

  async load(name: string): Promise<KeyspaceMeta | null> {
    if (name === '') return null
    try {
      const { keyspace } = await this.#engine.pd.call(KeyspaceService.LoadKeyspace, { name })
      if (keyspace !== undefined) return fromMessage(keyspace)
    } catch (error) {
      if (!(error instanceof PdRefusal)) throw error
      if (error.type !== ErrorType.ENTRY_NOT_FOUND && error.type !== ErrorType.NOT_BOOTSTRAPPED)
        throw new KvError('unavailable', `PD: ${error.message}`)
    }
    // It may be there although its regions are not split yet.
    return this.#get(`${PATH}/${encodeURIComponent(name)}`)
  }

  loadById(id: KeyspaceId): Promise<KeyspaceMeta | null> {
    return this.#get(`${PATH}/id/${id}`)
  }

  async list(): Promise<KeyspaceMeta[]> {
    const metas: KeyspaceMeta[] = []
    let from = 1 // 0 is DEFAULT, which is nobody's
    for (;;) {
      const { keyspaces } = await this.#engine.pd.call(KeyspaceService.GetAllKeyspaces, { start_id: from, limit: PAGE })
      for (const one of keyspaces as MetaMessage[]) if (one.id !== 0) metas.push(fromMessage(one))
      const last = keyspaces.at(-1)
      if (last === undefined || keyspaces.length < PAGE) return metas
      from = last.id + 1
    }
  }

  async create(name: string, config: Readonly<Record<string, string>> = {}): Promise<KeyspaceMeta> {
    if (!NAME.test(name) || name === 'DEFAULT') {
      throw new KvError(
        'invalidName',
        `illegal keyspace name ${JSON.stringify(name)}: it must consist of 1 to 20 letters, digits, "-" and "_"`,
      )
    }
    const backoff = new Backoff(CREATE_PATIENCE_MS)
    for (;;) {
      const { status, text } = await this.#http('POST', PATH, { name, config })
      if (status === 200) return this.#changed(fromJson(JSON.parse(text) as MetaJson))
      if (text.includes('already exists')) throw new KvError('keyspaceExists', `keyspace "${name}" already exists`)
      if (/illegal|invalid.*name|name.*invalid/i.test(text)) throw new KvError('invalidName', text.replace(/^"|"\s*$/g, ''))
      if (!/region split timeout|not bootstrapped|timeout/i.test(text))
        throw new KvError('unavailable', `PD cannot create a keyspace: ${text.slice(0, 300)}`)
      await backoff.wait('pdRpc', `PD cannot create a keyspace: ${text.slice(0, 300)}`)
    }
  }

  async #existing(id: KeyspaceId): Promise<KeyspaceMeta> {
    const meta = await this.loadById(id)
    if (meta === null) throw new KvError('keyspaceUnavailable', `keyspace ${id} does not exist`)
    return meta
  }

  async setState(id: KeyspaceId, state: KeyspaceState): Promise<KeyspaceMeta> {
    let meta = await this.#existing(id)
    const goal = STATES.indexOf(state)
    if (meta.state === state) return meta
    const now = STATES.indexOf(meta.state)
    if (now > goal && !(now === 1 && goal === 0)) {
      throw new KvError('keyspaceUnavailable', `keyspace ${id} is ${meta.state} and cannot become ${state} again`)
    }
    // PD goes one step at a time.
    const steps = now > goal ? [state] : STATES.slice(now + 1, goal + 1)
    for (const step of steps) {
      const { status, text } = await this.#http('PUT', `${PATH}/${encodeURIComponent(meta.name)}/state`, { state: step })
      if (status !== 200) throw new KvError('keyspaceUnavailable', `PD: ${text.slice(0, 300)}`)
      meta = fromJson(JSON.parse(text) as MetaJson)
    }
    return this.#changed(meta)
  }

  async setConfig(id: KeyspaceId, changes: Readonly<Record<string, string | null>>): Promise<KeyspaceMeta> {
    const meta = await this.#existing(id)
    const { status, text } = await this.#http('PATCH', `${PATH}/${encodeURIComponent(meta.name)}/config`, { config: changes })
    if (status !== 200) throw new KvError('unavailable', `PD: ${text.slice(0, 300)}`)
    return this.#changed(fromJson(JSON.parse(text) as MetaJson))
  }

  async purge(id: KeyspaceId): Promise<{ keysErased: number; filesErased: number }> {
    const meta = await this.#existing(id)
    if (meta.state === 'enabled' || meta.state === 'disabled') {
      throw new KvError('keyspaceUnavailable', `keyspace ${id} is ${meta.state}: archive it before it is erased`)
    }
    const capability = new Capability(id)
    if (meta.state !== 'tombstone') await this.#endLeases(capability)
    let keysErased = 0
    let start = capability.start
    for (;;) {
      // Nobody commits any more: each piece may have a snapshot of its own, and none grows old.
      const snapshot = new Snapshot(this.#engine, capability, await this.#engine.oracle.next(), null)
      const { pairs, reached } = await snapshot.piece(start, capability.end, false, SCAN_ROWS, true)
      keysErased += pairs.length
      if (reached === null) break
      start = reached
    }
    await eraseKeyspace(this.#engine, capability)
    const proof = await this.#firstLeft(capability)
    if (proof) throw new KvError('corrupt', `keyspace ${id} still holds entries after they were erased`)
    if (meta.state !== 'tombstone') await this.setState(id, 'tombstone')
    return { keysErased, filesErased: 0 }
  }

  /** Resolves when nobody can commit in an archived keyspace any more, however long he was away. */
  async #endLeases(capability: Capability): Promise<void> {
    const { aliveKey } = this
    if (aliveKey !== null) {
      const txn = new TikvTransaction(this.#engine, capability, TIKV_CAPABILITIES, { isolation: 'read committed' })
      try {
        await txn.lockKeys([aliveKey], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS })
        await txn.delete(aliveKey)
        await txn.commit()
      } catch (error) {
        await txn.rollback()
        throw error
      }
    }
    await leasesEnded(this.#engine, await this.#engine.oracle.next())
  }

  async #firstLeft(capability: Capability): Promise<boolean> {
    const snapshot = new Snapshot(this.#engine, capability, await this.#engine.oracle.next(), null)
    let start = capability.start
    for (;;) {
      const { pairs, reached } = await snapshot.piece(start, capability.end, false, 1, true)
      if (pairs.length > 0) return true
      if (reached === null) return false
      start = reached
    }
  }

  #changed(meta: KeyspaceMeta): KeyspaceMeta {
    if (this.#watchers.size > 0) this.#note(meta)
    return meta
  }

  #note(meta: KeyspaceMeta): void {
    const now = signature(meta)
    if (this.#seen.get(meta.id) === now) return
    this.#seen.set(meta.id, now)
    for (const changed of this.#watchers) changed(meta)
  }

  watch(changed: (meta: KeyspaceMeta) => void): () => void {
    this.#watchers.add(changed)
    if (this.#watchers.size === 1) this.#engine.background('listing keyspaces', this.#startWatch())
    return () => {
      this.#watchers.delete(changed)
      if (this.#watchers.size === 0) this.close()
    }
  }

  async #startWatch(): Promise<void> {
    // What is there by now is no change.
    try {
      for (const meta of await this.list()) this.#seen.set(meta.id, signature(meta))
    } finally {
      if (this.#watchers.size > 0) {
        this.#watch ??= new KeyspaceWatch(this.#engine, (message) => {
          if (message.id !== 0) this.#note(fromMessage(message))
        })
      }
    }
  }

  close(): void {
    this.#watch?.close()
    this.#watch = null
    this.#seen.clear()
  }
}
