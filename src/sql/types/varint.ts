// Unsigned LEB128 lengths inside values' stored forms. Up to 2^53. // hot

import type { ByteWriter } from '../../base/bytes.ts'

export function writeVarint(out: ByteWriter, value: number): void {
  let rest = value
  while (rest >= 0x80) {
    out.u8((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  out.u8(rest)
}

export function readVarint(buffer: Buffer, start: number): number {
  let byte = buffer[start]!
  if (byte < 0x80) return byte
  let value = byte & 0x7f
  let scale = 0x80
  let at = start
  do {
    byte = buffer[++at]!
    value += (byte & 0x7f) * scale
    scale *= 0x80
  } while (byte >= 0x80)
  return value
}

export function readVarintSize(buffer: Buffer, start: number): number {
  let at = start
  while (buffer[at]! >= 0x80) at++
  return at - start + 1
}
