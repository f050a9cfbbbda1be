// Memory accounts: what a session's sorts, hashes, cursors and write buffers hold. Charged by estimate, enforced exactly.

import { PgError } from './errors.ts'
import { SQLSTATE } from './sqlstate.ts'

/** Bytes held on behalf of one owner, within a limit and within its parent's (session in tenant in process). */
export class MemoryAccount {
  used = 0
  readonly name: string
  limit: number
  readonly parent: MemoryAccount | null

  constructor(name: string, limit: number, parent: MemoryAccount | null = null) {
    this.name = name
    this.limit = limit
    this.parent = parent
  }

  /** Takes `bytes`, or answers false and takes nothing: the caller spills, or throws `exhausted`. */
  tryCharge(bytes: number): boolean {
    if (this.used + bytes > this.limit) return false
    if (this.parent !== null && !this.parent.tryCharge(bytes)) return false
    this.used += bytes
    return true
  }

  /** Takes `bytes` or throws 53200. */
  charge(bytes: number): void {
    if (!this.tryCharge(bytes)) throw this.exhausted(bytes)
  }

  release(bytes: number): void {
    this.used -= bytes
    this.parent?.release(bytes)
  }

  releaseAll(): void {
    this.release(this.used)
  }

  exhausted(bytes: number): PgError {
    return new PgError(SQLSTATE.outOfMemory, 'out of memory', {
      detail: `Failed on request of size ${bytes} in memory context "${this.name}".`,
    })
  }
}
