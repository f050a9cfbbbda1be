// bool.

import { binaryLength, defineType, invalidInput } from './define.ts'
import { hashUint32, hashUint32Extended } from './hash.ts'
import type { Procs } from './procs.ts'

/** parse_bool: unambiguous prefixes of true, false, yes, no, on, off; 1 and 0. Undefined when it is none. */
export function parseBool(text: string): boolean | undefined {
  const word = text.toLowerCase()
  if (word === '') return undefined
  if (word === '1' || 'true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on') return true
  if (word === '0' || 'false'.startsWith(word) || 'no'.startsWith(word) || (word !== 'o' && 'off'.startsWith(word))) return false
  return undefined
}

const compare = (a: boolean, b: boolean): number => (a === b ? 0 : a ? 1 : -1)

export const boolTypes = {
  bool: defineType<boolean>({
    input(text) {
      if (text === 't') return true
      if (text === 'f') return false
      const value = parseBool(text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, ''))
      if (value === undefined) throw invalidInput('boolean', text)
      return value
    },
    output: (value) => (value ? 't' : 'f'),
    writeText: (value, out) => out.u8(value ? 0x74 : 0x66),
    receive(buffer, start, end) {
      binaryLength(end - start, 1)
      return buffer[start] !== 0
    },
    send: (value, out) => out.u8(value ? 1 : 0),
    compare,
    hashKey: (value) => value,
    size: () => 8,
    value: { write: (value, out) => out.u8(value ? 1 : 0), read: (buffer, start) => buffer[start] === 1 },
    key: {
      write: (value, out) => out.u8(value ? 1 : 0),
      skip: (_buffer, start) => start + 1,
      read: (buffer, start) => buffer[start] === 1,
      lossless: true,
    },
  }),
}

export const boolProcs = {
  booleq: (a, b) => a === b,
  boolne: (a, b) => a !== b,
  boollt: (a, b) => !a && b,
  boolgt: (a, b) => a && !b,
  boolle: (a, b) => !a || b,
  boolge: (a, b) => a || !b,
  btboolcmp: compare,
  hashbool: (a) => hashUint32(a ? 1 : 0),
  hashboolextended: (a, seed) => hashUint32Extended(a ? 1 : 0, seed),
  booland_statefunc: (a, b) => a && b,
  boolor_statefunc: (a, b) => a || b,
  bool_int4: (a) => (a ? 1 : 0),
  booltext: (a) => (a ? 'true' : 'false'),
} satisfies Procs
