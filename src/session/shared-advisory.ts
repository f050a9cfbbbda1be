// Advisory locks between nodes, over a store whose locks are exclusive and die with their holder. An exclusive lock is the lock's own key. A shared one
// is a key of the holder's own beside a record that lets it be found; it is made while the lock's key is held, and who wants the lock exclusively
// holds that key and then takes each shared holder's in turn. Deadlocks between sessions' advisory locks are seen by the store,
// those with other locks by their party.

import { randomUUID } from 'node:crypto'
import { prefixEnd } from '../base/bytes.ts'
import type { CancelToken } from '../base/cancel.ts'
import { LOCK, type RelationLockMode } from '../catalog/object-locks.ts'
import { eachPair } from '../storage/each-pair.ts'
import type { KvError } from '../storage/kv-error.ts'
import type { LockParty } from '../storage/lock-party.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, NamedLockOptions, NamedLocks } from '../storage/store.ts'

const exclusiveKey = (name: string): Buffer => Buffer.from(`${META.advisoryLock}${name}`, 'latin1')
const sharedPrefix = (name: string): Buffer => Buffer.from(`${META.sharedAdvisoryLock}${name}/`, 'latin1')

export class SharedAdvisoryLocks {
  readonly #keyspace: Keyspace
  readonly #locks: NamedLocks
  readonly #id = randomUUID()
  /** Locks held exclusively. */
  readonly #exclusive = new Set<string>()

  constructor(keyspace: Keyspace, party: LockParty, cancel: CancelToken, lost: (error: KvError) => void) {
    this.#keyspace = keyspace
    this.#locks = keyspace.namedLocks!(cancel, lost, party)
  }

  #ownRecord(name: string): Buffer {
    return Buffer.concat([sharedPrefix(name), Buffer.from(this.#id, 'latin1')])
  }

  /** False: held by another and not waited for. */
  async lock(name: string, mode: RelationLockMode, options: NamedLockOptions): Promise<boolean> {
    return mode === LOCK.exclusive ? this.#lockExclusive(name, options) : this.#lockShared(name, options)
  }

  async #lockExclusive(name: string, options: NamedLockOptions): Promise<boolean> {
    const key = exclusiveKey(name)
    if (!(await this.#locks.lock(key, options))) return false
    try {
      const own = this.#ownRecord(name)
      for (const record of await this.#records(name)) {
        if (record.equals(own)) continue
        if (!(await this.#locks.lock(record, options))) {
          await this.#locks.unlock(key)
          return false
        }
        await this.#locks.unlock(record)
        await this.#write(record, false)
      }
    } catch (error) {
      await this.#locks.unlock(key)
      throw error
    }
    this.#exclusive.add(name)
    return true
  }

  async #lockShared(name: string, options: NamedLockOptions): Promise<boolean> {
    const key = exclusiveKey(name)
    const own = this.#ownRecord(name)
    const isExclusive = this.#exclusive.has(name)
    if (!isExclusive && !(await this.#locks.lock(key, options))) return false
    try {
      await this.#write(own, true)
      await this.#locks.lock(own, { wait: 'block', timeoutMs: 0 })
    } finally {
      if (!isExclusive) await this.#locks.unlock(key)
    }
    return true
  }

  async unlock(name: string, mode: RelationLockMode): Promise<void> {
    if (mode === LOCK.exclusive) {
      this.#exclusive.delete(name)
      await this.#locks.unlock(exclusiveKey(name))
      return
    }
    const own = this.#ownRecord(name)
    await this.#locks.unlock(own)
    await this.#write(own, false)
  }

  async #records(name: string): Promise<Buffer[]> {
    const start = sharedPrefix(name)
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true })
    const records: Buffer[] = []
    try {
      await eachPair(txn, { start, end: prefixEnd(start)! }, (key) => records.push(Buffer.from(key)), { keysOnly: true })
    } finally {
      await txn.rollback()
    }
    return records
  }

  async #write(record: Buffer, exists: boolean): Promise<void> {
    const txn = this.#keyspace.begin({ isolation: 'read committed' })
    try {
      await txn.lockKeys([record], { mode: 'exclusive', wait: 'block', timeoutMs: 10_000 })
      if (exists) await txn.put(record, Buffer.from('1'))
      else await txn.delete(record)
      await txn.commit()
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }

  close(): Promise<void> {
    return this.#locks.close()
  }
}
