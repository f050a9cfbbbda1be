// The unread bytes of a COPY stream, common to its readers. Keeps at most one incomplete record (bounded by LIMITS.maxFieldBytes).

import { PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

export class ByteQueue {
  data: Buffer = Buffer.alloc(0)
  /** First byte not consumed. */
  at = 0
  finished = false

  feed(chunk: Buffer): void {
    const rest = this.data.length - this.at
    if (rest === 0) this.data = chunk
    else {
      if (rest + chunk.length > LIMITS.maxFieldBytes) {
        throw new PgError(SQLSTATE.programLimitExceeded, 'COPY line is too long', {
          detail: `A line may have ${LIMITS.maxFieldBytes} bytes.`,
        })
      }
      this.data = Buffer.concat([this.data.subarray(this.at), chunk])
    }
    this.at = 0
  }
}
