// Key forms. Within the fake a key is a string of one character per byte (latin1): such strings compare as the bytes do and serve as map keys.

const GROUP = 8

/** The memcomparable form: groups of 8 bytes, each followed by 0xFF less the number of padding bytes. */
export function encodeKey(key: string): string {
  let out = ''
  for (let at = 0; at <= key.length; at += GROUP) {
    const group = key.slice(at, at + GROUP)
    const padding = GROUP - group.length
    out += `${group}${'\0'.repeat(padding)}${String.fromCharCode(0xff - padding)}`
  }
  return out
}

/** Back from the memcomparable form; null where it is none (region bounds may be anything). */
export function decodeKey(encoded: string): string | null {
  let out = ''
  for (let at = 0; at + GROUP < encoded.length; at += GROUP + 1) {
    const padding = 0xff - encoded.charCodeAt(at + GROUP)
    if (padding > GROUP) return null
    out += encoded.slice(at, at + GROUP - padding)
    if (padding > 0) return encoded.slice(at + GROUP - padding, at + GROUP) === '\0'.repeat(padding) ? out : null
  }
  return null
}

export const toKey = (bytes: Buffer): string => bytes.latin1Slice()
export const toBytes = (key: string): Buffer => Buffer.from(key, 'latin1')
export const toHex = (key: string): string => toBytes(key).toString('hex')
export const upperHex = (key: string): string => toHex(key).toUpperCase()
export const fromHex = (hex: string): string => Buffer.from(hex, 'hex').latin1Slice()
