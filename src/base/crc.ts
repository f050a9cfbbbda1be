// CRC-32 (zlib's) and CRC-32C: node:zlib has the first only from Node 20.15 on. // hot

function crcTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1
    return c >>> 0
  })
}
const CRC32 = crcTable(0xedb88320)
const CRC32C = crcTable(0x82f63b78)

function crc(table: Uint32Array, bytes: Uint8Array, from: number, to: number): number {
  let c = 0xffffffff
  for (let i = from; i < to; i++) c = table[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8)
  return (c ^ 0xffffffff) >>> 0
}

export const crc32 = (bytes: Uint8Array, from = 0, to = bytes.length): number => crc(CRC32, bytes, from, to)
export const crc32c = (bytes: Uint8Array, from = 0, to = bytes.length): number => crc(CRC32C, bytes, from, to)
