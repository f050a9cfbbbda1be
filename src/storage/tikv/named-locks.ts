// Locks that live with a session instead of a transaction: a transaction that never writes and ends when nothing is held any more. Its first lock is
// on a key of its own, since all others hang on it; a process that dies leaves them to expire.

import { randomUUID } from 'node:crypto'
import { KvError } from '../kv-error.ts'
import { META } from '../meta-prefixes.ts'
import type { NamedLockOptions, NamedLocks } from '../store.ts'
import type { TikvTransaction } from './transaction.ts'

const OWN_PREFIX = `${META.advisoryLock}!`
const OWN_TIMEOUT_MS = 10_000

export class TikvNamedLocks implements NamedLocks {
  readonly #begin: () => TikvTransaction
  readonly #lost: (error: KvError) => void
  #txn: TikvTransaction | null = null
  #held = 0

  constructor(begin: () => TikvTransaction, lost: (error: KvError) => void) {
    this.#begin = begin
    this.#lost = lost
  }

  async lock(key: Uint8Array, options: NamedLockOptions): Promise<boolean> {
    const txn = this.#txn ?? (await this.#open())
    try {
      await txn.lockKeys([key], { mode: 'exclusive', ...options })
      this.#held++
      return true
    } catch (error) {
      if (this.#held === 0) await this.close()
      if (error instanceof KvError && error.kind === 'lockNotAvailable') return false
      throw error
    }
  }

  async #open(): Promise<TikvTransaction> {
    const txn = this.#begin()
    txn.onLost = (error) => {
      if (this.#txn === txn) this.#lost(error)
    }
    this.#txn = txn
    try {
      const own = Buffer.from(OWN_PREFIX + randomUUID(), 'latin1')
      await txn.lockKeys([own], { mode: 'exclusive', wait: 'block', timeoutMs: OWN_TIMEOUT_MS })
      return txn
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async unlock(key: Uint8Array): Promise<void> {
    this.#held--
    if (this.#held === 0) await this.close()
    else await this.#txn?.unlock(key)
  }

  async close(): Promise<void> {
    const txn = this.#txn
    this.#txn = null
    this.#held = 0
    await txn?.rollback()
  }
}
