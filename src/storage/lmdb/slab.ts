// Memory for values on their way into LMDB: bump allocation in slabs whose address is known, so that a committed value is copied once, at put.
// A slab lives as long as something refers to it. // hot

import { addressOf } from './native.ts'

const SLAB_BYTES = 64 * 1024

export interface Slab {
  readonly bytes: Buffer
  readonly words: Uint32Array
  readonly address: number
}

function newSlab(size: number): Slab {
  const bytes = Buffer.allocUnsafeSlow(size)
  return { bytes, words: new Uint32Array(bytes.buffer, 0, size >> 2), address: addressOf(bytes) }
}

/** Where allocate put the bytes it was asked for. */
export let slab: Slab = newSlab(SLAB_BYTES)
export let offset = 0
let current: Slab = slab
let used = 0

/** Takes `size` bytes, 8-aligned: read `slab` and `offset` at once, before the next call. */
export function allocate(size: number): void {
  const need = (size + 7) & ~7
  if (used + need > SLAB_BYTES) {
    if (need > SLAB_BYTES / 4) {
      slab = newSlab(need)
      offset = 0
      return
    }
    current = newSlab(SLAB_BYTES)
    used = 0
  }
  slab = current
  offset = used
  used += need
}
