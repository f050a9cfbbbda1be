// The directory of tenants, kept in keyspace `system`: tenant name → keyspace, state, dates. One transaction per change, on every store.
//
// Keys: `mkt` + name → record; `mki` + id (8 hex digits) → name; `mk!` → number of changes, which other nodes poll.

import { type KeyspaceId, keyspaceId } from '../base/ids.ts'
import { eachPair } from '../storage/each-pair.ts'
import { KvError } from '../storage/kv-error.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import type { Tenant } from './tenant.ts'

const RECORD = `${META.directory}t`
const BY_ID = `${META.directory}i`
const CHANGES_KEY = Buffer.from(`${META.directory}!`)
const LOCK_TIMEOUT_MS = 10_000
const RETRIES = 20

const recordKey = (name: string) => Buffer.from(RECORD + name)
const idKey = (id: number) => Buffer.from(BY_ID + id.toString(16).padStart(8, '0'))

function decode(bytes: Buffer): Tenant {
  const record = JSON.parse(bytes.toString()) as Tenant
  return { ...record, id: keyspaceId(record.id) }
}

const encode = (tenant: Tenant) => Buffer.from(JSON.stringify(tenant))

export class TenantDirectory {
  readonly #system: Keyspace

  constructor(system: Keyspace) {
    this.#system = system
  }

  async find(name: string): Promise<Tenant | null> {
    return this.#read(async (txn) => {
      const bytes = await txn.get(recordKey(name))
      return bytes === null ? null : decode(bytes)
    })
  }

  async findById(id: KeyspaceId): Promise<Tenant | null> {
    return this.#read(async (txn) => {
      const name = await txn.get(idKey(id))
      if (name === null) return null
      const bytes = await txn.get(recordKey(name.toString()))
      return bytes === null ? null : decode(bytes)
    })
  }

  async list(): Promise<Tenant[]> {
    return this.#read(async (txn) => {
      const tenants: Tenant[] = []
      await eachPair(txn, { start: Buffer.from(RECORD), end: Buffer.from(`${RECORD}\x7f`) }, (_, value) => tenants.push(decode(value)))
      return tenants
    })
  }

  /** Number of changes so far: unchanged = nothing to read again. */
  async changes(): Promise<number> {
    return this.#read(async (txn) => {
      const bytes = await txn.get(CHANGES_KEY)
      return bytes === null ? 0 : Number(bytes.toString())
    })
  }

  /**
   * Reads the record under its lock and writes what `change` makes of it (null = remove it; undefined = leave it). Answers what stands there
   * afterwards. `change` may be called again when another node was faster.
   */
  async update(name: string, change: (present: Tenant | null) => Tenant | null | undefined): Promise<Tenant | null> {
    for (let attempt = 0; ; attempt++) {
      const txn = this.#system.begin({ isolation: 'read committed' })
      try {
        const locked = await txn.lockKeys([CHANGES_KEY, recordKey(name)], {
          mode: 'exclusive',
          wait: 'block',
          timeoutMs: LOCK_TIMEOUT_MS,
          returnValues: true,
        })
        const bytes = locked.values![1]!
        const present = bytes === null ? null : decode(bytes)
        const next = change(present)
        if (next === undefined) {
          await txn.rollback()
          return present
        }
        const changes = Number(locked.values![0]?.toString() ?? '0') + 1
        await txn.put(CHANGES_KEY, Buffer.from(String(changes)))
        if (next === null) {
          await txn.delete(recordKey(name))
          if (present !== null) await this.#setId(txn, present.id, null)
        } else {
          await txn.put(recordKey(name), encode({ ...next, version: (present?.version ?? 0) + 1 }))
          if (present !== null && present.id !== next.id) await this.#setId(txn, present.id, null)
          if (present?.id !== next.id && next.id !== 0) await this.#setId(txn, next.id, name)
        }
        await txn.commit()
        return next
      } catch (error) {
        await txn.rollback()
        if (!(error instanceof KvError && error.retryable) || attempt >= RETRIES) throw error
      }
    }
  }

  async #setId(txn: Transaction, id: KeyspaceId, name: string | null): Promise<void> {
    const key = idKey(id)
    await txn.lockKeys([key], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS })
    if (name === null) await txn.delete(key)
    else await txn.put(key, Buffer.from(name))
  }

  async #read<T>(body: (txn: Transaction) => Promise<T>): Promise<T> {
    const txn = this.#system.begin({ isolation: 'read committed', readOnly: true })
    try {
      return await body(txn)
    } finally {
      await txn.rollback()
    }
  }
}
