// PD's keyspaces: their metadata, life cycle and watchers. Creating one has regions split at its bounds.

import { KeyspaceState } from '../../src/storage/tikv/proto/keyspacepb.ts'
import { encodeKey } from './keys.ts'

const MAX_KEYSPACE_ID = 0xffffff
/** Of PD's etcd; a list of keyspaces takes one for each. */
const MAX_TRANSACTION_OPERATIONS = 128
const NAME = /^[-A-Za-z0-9_]{1,20}$/
const STATE_NAMES = Object.keys(KeyspaceState)
export const stateName = (state: number): string => STATE_NAMES[state] ?? String(state)

/** A refusal, as PD words it; `isMissing` ones have a type of their own in gRPC. */
export class PdRefusal extends Error {
  override name = 'PdRefusal'
  readonly isMissing: boolean
  readonly status: number

  constructor(text: string, options: { isMissing?: boolean; status?: number } = {}) {
    super(text)
    this.isMissing = options.isMissing ?? false
    this.status = options.status ?? 500
  }
}

const notFound = (): PdRefusal => new PdRefusal('[PD:keyspace:ErrKeyspaceNotFound]keyspace does not exist', { isMissing: true })
const exists = (): PdRefusal => new PdRefusal('[PD:keyspace:ErrKeyspaceExists]keyspace already exists')

export interface KeyspaceRecord {
  readonly id: number
  readonly name: string
  state: number
  readonly createdAt: number
  stateChangedAt: number
  config: Map<string, string>
}

const prefixKey = (id: number): string => String.fromCharCode(0x78, (id >> 16) & 0xff, (id >> 8) & 0xff, id & 0xff)
/** Encoded bounds of a keyspace's transactional data. */
export function keyspaceBounds(id: number): { start: string; end: string } {
  const next = id + 1
  return { start: encodeKey(prefixKey(id)), end: encodeKey(next > MAX_KEYSPACE_ID ? 'y\0\0\0' : prefixKey(next)) }
}

export interface Keyspaces {
  /** Makes DEFAULT, as the bootstrap does. */
  bootstrap(): void
  create(name: string, config: ReadonlyMap<string, string>, id?: number): KeyspaceRecord
  byName(name: string): KeyspaceRecord
  byId(id: number): KeyspaceRecord
  find(id: number): KeyspaceRecord | undefined
  /** In id order from `start`; limit 0 is all. For requests: refused where it would be more than an etcd transaction holds. */
  page(start: number, limit: number): KeyspaceRecord[]
  /** The same, however many. */
  list(start: number, limit: number): KeyspaceRecord[]
  setState(keyspace: KeyspaceRecord, state: number): void
  patchConfig(
    keyspace: KeyspaceRecord,
    changes: ReadonlyMap<string, string | null>,
    preconditions: ReadonlyMap<string, string | null>,
  ): void
  watch(listener: (changed: readonly KeyspaceRecord[]) => void): () => void
}

const ALLOWED: Readonly<Record<number, readonly number[]>> = {
  [KeyspaceState.ENABLED]: [KeyspaceState.DISABLED],
  [KeyspaceState.DISABLED]: [KeyspaceState.ENABLED, KeyspaceState.ARCHIVED],
  [KeyspaceState.ARCHIVED]: [KeyspaceState.TOMBSTONE],
  [KeyspaceState.TOMBSTONE]: [],
}

export function createKeyspaces(splitAt: (keys: readonly string[]) => void): Keyspaces {
  const byId = new Map<number, KeyspaceRecord>()
  const byName = new Map<string, KeyspaceRecord>()
  const watchers = new Set<(changed: readonly KeyspaceRecord[]) => void>()
  let lastId = 0
  const now = (): number => Math.floor(Date.now() / 1000)
  const changed = (keyspace: KeyspaceRecord): void => {
    for (const watcher of watchers) watcher([keyspace])
  }
  const put = (keyspace: KeyspaceRecord): void => {
    byId.set(keyspace.id, keyspace)
    byName.set(keyspace.name, keyspace)
  }
  const list = (start: number, limit: number): KeyspaceRecord[] => {
    if (start > MAX_KEYSPACE_ID) throw new PdRefusal(`startID of the scan ${start} exceeds spaceID Max ${MAX_KEYSPACE_ID}`)
    const found = [...byId.values()].filter((keyspace) => keyspace.id >= start).sort((a, b) => a.id - b.id)
    return limit > 0 ? found.slice(0, limit) : found
  }
  return {
    bootstrap() {
      if (byId.has(0)) return
      const at = now()
      put({
        id: 0,
        name: 'DEFAULT',
        state: KeyspaceState.ENABLED,
        createdAt: at,
        stateChangedAt: at,
        config: new Map([['region_bound_type', 'txn']]),
      })
    },
    create(name, config, chosenId) {
      if (name === 'DEFAULT') throw new PdRefusal('illegal keyspace name DEFAULT, collides with a protected keyspace name')
      if (!NAME.test(name)) throw new PdRefusal(`illegal keyspace name ${name}, should contain only alphanumerical and underline`)
      if (byName.has(name) || (chosenId !== undefined && byId.has(chosenId))) throw exists()
      if (chosenId !== undefined && chosenId > MAX_KEYSPACE_ID)
        throw new PdRefusal('[PD:region:ErrRegionRuleContent]invalid region rule content, endKey should be greater than startKey')
      let id = chosenId
      if (id === undefined) {
        do lastId++
        while (byId.has(lastId))
        id = lastId
      }
      const at = now()
      const kept = new Map([...config].filter(([key]) => key !== 'tso_keyspace_group_id'))
      const keyspace: KeyspaceRecord = { id, name, state: KeyspaceState.DISABLED, createdAt: at, stateChangedAt: at, config: kept }
      put(keyspace)
      changed({ ...keyspace })
      const { start, end } = keyspaceBounds(id)
      splitAt([start, end])
      keyspace.state = KeyspaceState.ENABLED
      changed(keyspace)
      return keyspace
    },
    byName(name) {
      const found = byName.get(name)
      if (!found) throw notFound()
      return found
    },
    byId(id) {
      const found = byId.get(id)
      if (!found) throw notFound()
      return found
    },
    find: (id) => byId.get(id),
    page(start, limit) {
      const found = list(start, limit)
      if (found.length > MAX_TRANSACTION_OPERATIONS) throw new PdRefusal('etcdserver: too many operations in txn request')
      return found
    },
    list,
    setState(keyspace, state) {
      if (keyspace.id === 0) throw new PdRefusal("[PD:keyspace:ErrModifyDefaultKeyspace]cannot modify default keyspace's state")
      if (state !== keyspace.state && !ALLOWED[keyspace.state]?.includes(state))
        throw new PdRefusal(`cannot change keyspace state from ${stateName(keyspace.state)} to ${stateName(state)}`)
      if (state !== keyspace.state) {
        keyspace.state = state
        keyspace.stateChangedAt = now()
      }
      changed(keyspace)
    },
    patchConfig(keyspace, changes, preconditions) {
      if (keyspace.state !== KeyspaceState.ENABLED && keyspace.state !== KeyspaceState.DISABLED)
        throw new PdRefusal(`cannot change config for keyspace with state ${stateName(keyspace.state)}`)
      const failed = (text: string): PdRefusal =>
        new PdRefusal(`[PD:keyspace:ErrKeyspaceConfigPreconditionFailed]keyspace config precondition failed, ${text}`, { status: 409 })
      for (const [key, expected] of preconditions) {
        const actual = keyspace.config.get(key)
        if (expected === null) {
          if (actual !== undefined) throw failed(`${key} must be absent`)
        } else if (actual === undefined) throw failed(`${key} does not exist`)
        else if (actual !== expected) throw failed(`key=${key} expected=${expected} actual=${actual}`)
      }
      if (changes.get('gc_management_type') === 'keyspace_level')
        throw new PdRefusal('[PD:keyspace:ErrUnsupportedOperationInKeyspace]keyspace level GC')
      if (changes.has('region_bound_type')) throw new PdRefusal('[PD:keyspace:ErrUnsupportedOperationInKeyspace]region_bound_type')
      const config = new Map(keyspace.config)
      for (const [key, value] of changes) {
        if (value === null) config.delete(key)
        else config.set(key, value)
      }
      keyspace.config = config
      changed(keyspace)
    },
    watch(listener) {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
  }
}
