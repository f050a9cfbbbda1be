// Process ids and cancel keys of live sessions. A CancelRequest names both; nothing but the right pair does anything, and nothing is answered.

import { randomBytes, timingSafeEqual } from 'node:crypto'

export interface CancelKey {
  readonly processId: number
  readonly secret: Buffer
}

/** The port: a server of several nodes puts its own here, which sends a foreign key on to its node. */
export interface CancelKeys {
  /** `length`: 4 bytes up to protocol 3.0, 32 from 3.2 on. `cancel` ends the session's running statement. */
  issue(length: number, cancel: () => void): CancelKey
  release(processId: number): void
  /** A CancelRequest came. */
  request(processId: number, secret: Buffer): void
}

const MAX_PROCESS_ID = 0x7fffffff

/** `range`: the process ids given out, in turn. */
export function createCancelKeys({ first, last } = { first: 1, last: MAX_PROCESS_ID }): CancelKeys {
  const live = new Map<number, { secret: Buffer; cancel: () => void }>()
  let next = first
  return {
    issue(length, cancel) {
      while (live.has(next)) next = next === last ? first : next + 1
      const processId = next
      next = next === last ? first : next + 1
      const secret = randomBytes(length)
      live.set(processId, { secret, cancel })
      return { processId, secret }
    },
    release(processId) {
      live.delete(processId)
    },
    request(processId, secret) {
      const entry = live.get(processId)
      if (entry !== undefined && entry.secret.length === secret.length && timingSafeEqual(entry.secret, secret)) entry.cancel()
    },
  }
}
