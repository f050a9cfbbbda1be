// What all connections of a server share: one output buffer, and the count of input they keep. Whoever writes owns the buffer until its turn
// ends or another wants it; an idle connection therefore holds none, and one that waits in the middle of its answer keeps a copy of what it
// has of it. Invariant: the buffer holds whole messages of its owner only, except while one message is being appended. // hot

import { ByteWriter } from '../base/bytes.ts'

/** A full buffer is handed to the socket from here on; the rest is room for the row that crosses the line. */
export const FLUSH_AT = 64 * 1024
const CAPACITY = FLUSH_AT + 16 * 1024
/** A buffer that one large row has blown up further than this is not kept. */
const KEEP_AT_MOST = 4 * CAPACITY

export interface OutputOwner {
  /** Gives the buffer up: its bytes in it go to its socket, or stay with it until the answer goes on. */
  yieldBuffer(): void
}

export class SharedBuffers {
  /** Bytes of unfinished messages and of input behind a running call, of all connections together. */
  pendingInput = 0
  readonly writer = new ByteWriter(CAPACITY)
  owner: OutputOwner | null = null

  /** The buffer, to append whole messages to. */
  take(owner: OutputOwner): ByteWriter {
    if (this.owner !== owner) {
      if (this.owner !== null) this.owner.yieldBuffer()
      this.owner = owner
    }
    return this.writer
  }

  /** The bytes were sent or copied: empty, and nobody's. */
  reset(): void {
    this.writer.length = 0
    this.owner = null
    if (this.writer.buffer.length > KEEP_AT_MOST) this.replace()
  }

  /** The bytes belong to a socket until it has sent them: goes on with another buffer. */
  replace(): void {
    this.writer.buffer = Buffer.allocUnsafeSlow(CAPACITY)
  }
}
