// The unread bytes of a COPY stream, common to its readers. Keeps at most one incomplete record (bounded by LIMITS.maxFieldBytes), in a buffer
// that doubles: a record of many chunks costs each byte a constant number of copies.

import { PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

const EMPTY = Buffer.alloc(0)

export class ByteQueue {
  data: Buffer = EMPTY
  /** First byte not consumed. */
  at = 0
  finished = false
  /** Where incomplete records are put together; `data` is its head then, else the chunk itself. */
  #store: Buffer = EMPTY

  feed(chunk: Buffer): void {
    const rest = this.data.length - this.at
    if (rest === 0) {
      this.data = chunk
      this.at = 0
      return
    }
    const size = rest + chunk.length
    if (size > LIMITS.maxFieldBytes) {
      throw new PgError(SQLSTATE.programLimitExceeded, 'COPY line is too long', {
        detail: `A line may have ${LIMITS.maxFieldBytes} bytes.`,
      })
    }
    const inStore = this.data.buffer === this.#store.buffer && this.data.byteOffset === this.#store.byteOffset
    if (inStore && this.at === 0 && size <= this.#store.length) {
      chunk.copy(this.#store, rest)
    } else {
      const target = size <= this.#store.length && !inStore ? this.#store : Buffer.allocUnsafeSlow(Math.max(size * 2, 64 * 1024))
      this.data.copy(target, 0, this.at)
      chunk.copy(target, rest)
      this.#store = target
    }
    this.data = this.#store.subarray(0, size)
    this.at = 0
  }
}
