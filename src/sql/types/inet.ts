// inet and cidr: an address with the length of its network prefix. Key order is network_cmp's: family, prefix, length, address.

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Int8, normalInt8 } from './codecs.ts'
import { defineType, invalidInput } from './define.ts'
import { hashBytes, hashBytesExtended } from './hash.ts'
import { abbreviateCidr, formatAddress, Inet, parseAddress } from './inet-text.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

export const maxBits = (a: Inet): number => (a.v6 ? 128 : 32)
const ones = (count: number): bigint => (1n << BigInt(count)) - 1n
const hostMask = (a: Inet, bits: number): bigint => ones(maxBits(a) - bits)
const networkOf = (a: Inet, bits = a.bits): bigint => a.address & (ones(maxBits(a)) ^ hostMask(a, bits))
/** First `bits` bits of both, compared. */
const comparePrefix = (a: Inet, b: Inet, bits: number): number => {
  const [x, y] = [networkOf(a, bits), networkOf(b, bits)]
  return x < y ? -1 : x > y ? 1 : 0
}

export function compareInet(a: Inet, b: Inet): number {
  if (a.v6 !== b.v6) return a.v6 ? 1 : -1
  const order = comparePrefix(a, b, Math.min(a.bits, b.bits))
  if (order !== 0) return order
  if (a.bits !== b.bits) return a.bits < b.bits ? -1 : 1
  return a.address < b.address ? -1 : a.address > b.address ? 1 : 0
}

const host = (a: Inet): string => formatAddress(a.v6, a.address)
const outputInet = (a: Inet): string => (a.bits === maxBits(a) ? host(a) : `${host(a)}/${a.bits}`)
const outputCidr = (a: Inet): string => `${host(a)}/${a.bits}`

export function parseInet(text: string, cidr: boolean): Inet {
  const type = cidr ? 'cidr' : 'inet'
  const value = parseAddress(text, cidr)
  if (value === null) throw invalidInput(type, text)
  if (cidr && networkOf(value) !== value.address)
    throw new PgError(SQLSTATE.invalidTextRepresentation, `invalid cidr value: "${text}"`, {
      detail: 'Value has bits set to right of mask.',
    })
  return value
}

function writeBytes(value: bigint, count: number, out: ByteWriter): void {
  for (let shift = count * 8 - 8; shift >= 0; shift -= 8) out.u8(Number((value >> BigInt(shift)) & 0xffn))
}
const readBytes = (buffer: Buffer, start: number, count: number): bigint => BigInt(`0x${buffer.toString('hex', start, start + count)}`)

const width = (v6: boolean): number => (v6 ? 16 : 4)
const badBinary = (type: string, what: string): PgError =>
  new PgError(SQLSTATE.invalidBinaryRepresentation, `${what} in external "${type}" value`)

function inetType(cidr: boolean): TypeSupport {
  const name = cidr ? 'cidr' : 'inet'
  return defineType<Inet>({
    input: (text) => parseInet(text, cidr),
    output: cidr ? outputCidr : outputInet,
    receive(buffer, start, end) {
      if (end - start < 4) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
      const family = buffer[start]!
      if (family !== 2 && family !== 3) throw badBinary(name, 'invalid address family')
      const v6 = family === 3
      const bits = buffer[start + 1]!
      if (bits > (v6 ? 128 : 32)) throw badBinary(name, 'invalid bits')
      if (buffer[start + 3] !== width(v6) || end - start !== 4 + width(v6)) throw badBinary(name, 'invalid length')
      const value = new Inet(v6, bits, readBytes(buffer, start + 4, width(v6)))
      if (cidr && networkOf(value) !== value.address)
        throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'invalid external "cidr" value', {
          detail: 'Value has bits set to right of mask.',
        })
      return value
    },
    send(value, out) {
      out.u8(value.v6 ? 3 : 2)
      out.u8(value.bits)
      out.u8(cidr ? 1 : 0)
      out.u8(width(value.v6))
      writeBytes(value.address, width(value.v6), out)
    },
    compare: compareInet,
    hashKey: (value) => `${value.v6 ? 6 : 4}/${value.bits}/${value.address}`,
    size: () => 96,
    value: {
      write(value, out) {
        out.u8(value.bits)
        writeBytes(value.address, width(value.v6), out)
      },
      read: (buffer, start, end) => new Inet(end - start === 17, buffer[start]!, readBytes(buffer, start + 1, end - start - 1)),
    },
    key: {
      write(value, out) {
        out.u8(value.v6 ? 6 : 4)
        writeBytes(networkOf(value), width(value.v6), out)
        out.u8(value.bits)
        writeBytes(value.address, width(value.v6), out)
      },
      skip: (buffer, start) => start + (buffer[start] === 6 ? 34 : 10),
      read(buffer, start) {
        const v6 = buffer[start] === 6
        const at = start + 1 + width(v6)
        return new Inet(v6, buffer[at]!, readBytes(buffer, at + 1, width(v6)))
      },
      lossless: true,
    },
  })
}

export const inetTypes = { inet: inetType(false), cidr: inetType(true) }

const contained = (a: Inet, b: Inet, strict: boolean): boolean =>
  a.v6 === b.v6 && (strict ? a.bits > b.bits : a.bits >= b.bits) && comparePrefix(a, b, b.bits) === 0

function sameSize(a: Inet, b: Inet, verb: string): void {
  if (a.v6 !== b.v6) throw new PgError(SQLSTATE.invalidParameterValue, `cannot ${verb} inet values of different sizes`)
}

const outOfRange = (): PgError => new PgError(SQLSTATE.numericValueOutOfRange, 'result is out of range')

function plus(a: Inet, delta: bigint): Inet {
  const address = a.address + delta
  if (address < 0n || address > ones(maxBits(a))) throw outOfRange()
  return new Inet(a.v6, a.bits, address)
}

function checkedMask(a: Inet, bits: number): number {
  if (bits < -1 || bits > maxBits(a)) throw new PgError(SQLSTATE.invalidParameterValue, `invalid mask length: ${bits}`)
  return bits === -1 ? maxBits(a) : bits
}

const toCidr = (a: Inet, bits: number): Inet => new Inet(a.v6, bits, networkOf(a, bits))

function hashedBytes(a: Inet): Buffer {
  const bytes = Buffer.alloc(2 + width(a.v6))
  bytes[0] = a.v6 ? 3 : 2
  bytes[1] = a.bits
  bytes.write(a.address.toString(16).padStart(width(a.v6) * 2, '0'), 2, 'hex')
  return bytes
}

/** An address of a connection, as Node tells it; without the zone of a link-local one. */
export const connectionAddress = (text: string | null): Inet | null => (text === null ? null : parseInet(text.replace(/%.*$/, ''), false))

export const inetProcs = {
  network_cmp: compareInet,
  network_eq: (a, b) => compareInet(a, b) === 0,
  network_ne: (a, b) => compareInet(a, b) !== 0,
  network_lt: (a, b) => compareInet(a, b) < 0,
  network_le: (a, b) => compareInet(a, b) <= 0,
  network_gt: (a, b) => compareInet(a, b) > 0,
  network_ge: (a, b) => compareInet(a, b) >= 0,
  network_larger: (a, b) => (compareInet(a, b) > 0 ? a : b),
  network_smaller: (a, b) => (compareInet(a, b) < 0 ? a : b),
  hashinet: (a) => hashBytes(hashedBytes(a)),
  hashinetextended: (a, seed) => hashBytesExtended(hashedBytes(a), seed),
  network_sub: (a, b) => contained(a, b, true),
  network_subeq: (a, b) => contained(a, b, false),
  network_sup: (a, b) => contained(b, a, true),
  network_supeq: (a, b) => contained(b, a, false),
  network_overlap: (a, b) => a.v6 === b.v6 && comparePrefix(a, b, Math.min(a.bits, b.bits)) === 0,
  inet_same_family: (a, b) => a.v6 === b.v6,
  inet_to_cidr: (a) => toCidr(a, a.bits),
  inet_set_masklen: (a, bits) => new Inet(a.v6, checkedMask(a, bits), a.address),
  cidr_set_masklen: (a, bits) => toCidr(a, checkedMask(a, bits)),
  network_host: host,
  network_show: outputCidr,
  inet_abbrev: outputInet,
  cidr_abbrev: (a) => abbreviateCidr(a.v6, a.bits, a.address),
  network_masklen: (a) => a.bits,
  network_family: (a) => (a.v6 ? 6 : 4),
  network_broadcast: (a) => new Inet(a.v6, a.bits, a.address | hostMask(a, a.bits)),
  network_network: (a) => toCidr(a, a.bits),
  network_netmask: (a) => new Inet(a.v6, maxBits(a), ones(maxBits(a)) ^ hostMask(a, a.bits)),
  network_hostmask: (a) => new Inet(a.v6, maxBits(a), hostMask(a, a.bits)),
  inet_merge(a, b) {
    if (a.v6 !== b.v6) throw new PgError(SQLSTATE.invalidParameterValue, 'cannot merge addresses from different families')
    let bits = Math.min(a.bits, b.bits)
    while (comparePrefix(a, b, bits) !== 0) bits--
    return toCidr(a, bits)
  },
  inetnot: (a) => new Inet(a.v6, a.bits, a.address ^ ones(maxBits(a))),
  inetand(a, b) {
    sameSize(a, b, 'AND')
    return new Inet(a.v6, Math.max(a.bits, b.bits), a.address & b.address)
  },
  inetor(a, b) {
    sameSize(a, b, 'OR')
    return new Inet(a.v6, Math.max(a.bits, b.bits), a.address | b.address)
  },
  inetpl: (a, delta) => plus(a, BigInt(delta)),
  inetmi_int8: (a, delta) => plus(a, -BigInt(delta)),
  inetmi(a, b): Int8 {
    sameSize(a, b, 'subtract')
    const difference = a.address - b.address
    if (difference !== BigInt.asIntN(64, difference)) throw outOfRange()
    return normalInt8(difference)
  },
  inet_client_addr: (ctx) => connectionAddress(ctx.session.clientAddress),
  inet_server_addr: (ctx) => connectionAddress(ctx.session.serverAddress),
} satisfies Procs
