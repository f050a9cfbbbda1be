// Network addresses and their text forms: full and abbreviated IPv4, IPv6 with its longest run of zeros elided.

export class Inet {
  readonly v6: boolean
  /** Of the network's prefix. */
  readonly bits: number
  readonly address: bigint

  constructor(v6: boolean, bits: number, address: bigint) {
    this.v6 = v6
    this.bits = bits
    this.address = address
  }
}

const OCTET = /^(?:0|[1-9][0-9]{0,2}|0[0-9]{1,2})$/

function octets(text: string): number[] | null {
  const parts = text.split('.')
  if (parts.length > 4) return null
  const values: number[] = []
  for (const part of parts) {
    if (!OCTET.test(part) || Number(part) > 255) return null
    values.push(Number(part))
  }
  return values
}

/** The prefix length a cidr without one has: its class's, widened to the octets written. */
function classBits(values: readonly number[]): number {
  const first = values[0]!
  const bits = first >= 240 ? 32 : first >= 224 ? 8 : first >= 192 ? 24 : first >= 128 ? 16 : 8
  if (bits < values.length * 8) return values.length * 8
  return bits === 8 && first === 224 ? 4 : bits
}

function parseV4(address: string, prefix: string | null, cidr: boolean): Inet | null {
  const values = octets(address)
  if (values === null) return null
  let bits = prefix === null ? -1 : Number(prefix)
  if (bits === -1) {
    if (!cidr && values.length !== 4) return null
    bits = cidr ? classBits(values) : 32
  }
  if (bits > 32 || (!cidr && bits >> 3 > values.length)) return null
  let number = 0n
  for (let i = 0; i < 4; i++) number = (number << 8n) | BigInt(values[i] ?? 0)
  return new Inet(false, bits, number)
}

function words(text: string): number[] | null {
  if (text === '') return []
  const list: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const four = i === parts.length - 1 ? octets(part) : null
      if (four === null || four.length !== 4) return null
      list.push(four[0]! * 256 + four[1]!, four[2]! * 256 + four[3]!)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) list.push(Number.parseInt(part, 16))
    else return null
  }
  return list
}

function parseV6(address: string, prefix: string | null): Inet | null {
  const halves = address.split('::')
  if (halves.length > 2) return null
  const before = words(halves[0]!)
  const after = halves.length === 2 ? words(halves[1]!) : []
  if (before === null || after === null) return null
  const written = before.length + after.length
  if (halves.length === 2 ? written > 7 : written !== 8) return null
  const bits = prefix === null ? 128 : Number(prefix)
  if (bits > 128) return null
  const all = [...before, ...new Array<number>(8 - written).fill(0), ...after]
  return new Inet(
    true,
    bits,
    all.reduce((number, word) => (number << 16n) | BigInt(word), 0n),
  )
}

export function parseAddress(text: string, cidr: boolean): Inet | null {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const prefix = slash < 0 ? null : text.slice(slash + 1)
  if (prefix !== null && !/^(?:0|[1-9][0-9]{0,2})$/.test(prefix)) return null
  return address.includes(':') ? parseV6(address, prefix) : parseV4(address, prefix, cidr)
}

const byteAt = (address: bigint, index: number, total: number): number => Number((address >> BigInt((total - 1 - index) * 8)) & 0xffn)
const wordsOf = (address: bigint): number[] => Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - i * 16)) & 0xffffn))

const formatV4 = (address: bigint): string => [0, 1, 2, 3].map((i) => byteAt(address, i, 4)).join('.')

/** First longest run of zero words among the first `count`. */
function zeroRun(list: readonly number[], count: number): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let i = 0; i < count; i++) {
    let end = i
    while (end < count && list[end] === 0) end++
    if (end - i > best.length) best = { start: i, length: end - i }
    if (end > i) i = end
  }
  return best
}

export function formatAddress(v6: boolean, address: bigint): string {
  if (!v6) return formatV4(address)
  const list = wordsOf(address)
  const run = zeroRun(list, 8)
  if (run.length < 2) return list.map((word) => word.toString(16)).join(':')
  if (run.start === 0 && (run.length === 6 || (run.length === 5 && list[5] === 0xffff)))
    return `::${run.length === 5 ? 'ffff:' : ''}${formatV4(address & 0xffffffffn)}`
  const hex = (from: number, to: number): string =>
    list
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':')
  return `${hex(0, run.start)}::${hex(run.start + run.length, 8)}`
}

/** cidr's short form: only the octets or words the prefix reaches into. */
export function abbreviateCidr(v6: boolean, bits: number, address: bigint): string {
  if (!v6) {
    const shown = Math.max(1, Math.ceil(bits / 8))
    return `${Array.from({ length: shown }, (_, i) => byteAt(address, i, 4)).join('.')}/${bits}`
  }
  if (bits === 0) return '::/0'
  const list = wordsOf(address)
  const count = Math.max(2, Math.ceil(bits / 16))
  const run = zeroRun(list, count)
  const isMapped = run.length === 5 && list[5] === 0xffff
  const isLow = run.length === 7 && list[7]! >> 8 !== 0 && (list[7]! & 0xff) !== 1
  const endsAsV4 = run.length !== count && run.start === 0 && (run.length === 6 || isMapped || isLow)
  let text = ''
  for (let i = 0; i < count; i++) {
    if (run.length !== 0 && i >= run.start && i < run.start + run.length) {
      if (i === run.start) text += ':'
      if (i === count - 1) text += ':'
    } else if (endsAsV4 && i > 5) {
      text += `${i === 6 ? ':' : '.'}${list[i]! >> 8}`
      // the last octet only if the prefix reaches into it
      if (i !== 7 || bits > 120) text += `.${list[i]! & 0xff}`
    } else text += `${text === '' ? '' : ':'}${list[i]!.toString(16)}`
  }
  return `${text}/${bits}`
}
