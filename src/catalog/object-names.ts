// Names made up from others, cut to an identifier's length.

import { LIMITS } from '../base/limits.ts'

function clip(text: string, bytes: number): string {
  let clipped = text
  while (Buffer.byteLength(clipped, 'utf8') > bytes) clipped = clipped.slice(0, -1)
  return clipped
}

/** makeObjectName: `a_b_label` cut to an identifier's length, the longer of a and b first. */
export function makeObjectName(name1: string, name2: string | null, label: string | null): string {
  const overhead = (label === null ? 0 : Buffer.byteLength(label) + 1) + (name2 === null ? 0 : 1)
  const room = LIMITS.maxIdentifierBytes - overhead
  let n1 = Buffer.byteLength(name1)
  let n2 = name2 === null ? 0 : Buffer.byteLength(name2)
  while (n1 + n2 > room) {
    if (n1 > n2) n1--
    else n2--
  }
  const parts = [clip(name1, n1)]
  if (name2 !== null) parts.push(clip(name2, n2))
  if (label !== null) parts.push(label)
  return parts.join('_')
}
