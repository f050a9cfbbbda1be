// Every sampled type: row, key, binary and text forms read back, keys order bytewise as the values compare, equal values hash alike.
import { expect, test } from 'vitest'
import { ByteWriter } from '../../../../src/base/bytes.ts'
import { TYPE_OID } from '../../../../src/sql/builtin/data/type-oids.ts'
import { findBuiltinType } from '../../../../src/sql/types/registry.ts'
import type { Present } from '../../../../src/sql/types/type.ts'
import { testContext } from '../../../support/eval-context.ts'
import { randomFrom } from '../../../support/random.ts'
import { edges, SAMPLED_TYPES, sample } from '../../../support/type-samples.ts'

const ctx = testContext()
const bytes = (write: (out: ByteWriter) => void): Buffer => {
  const out = new ByteWriter(1)
  write(out)
  return out.finish()
}
/** What stands around the bytes must not be read. */
const framed = (inner: Buffer): Buffer => Buffer.concat([Buffer.from([0xee, 0x00]), inner, Buffer.from([0x00, 0xff, 0xee])])

for (const name of SAMPLED_TYPES) {
  const support = findBuiltinType(TYPE_OID[name as keyof typeof TYPE_OID])
  if (support === null) continue
  test(name, () => {
    const random = randomFrom(11).below
    const values = [...edges(name), ...Array.from({ length: 40 }, () => sample(name, random))].map((text) => support.input(text, -1, ctx))
    const print = (value: Present): string => support.output(value, ctx.io)
    for (const value of values) {
      const text = print(value)
      expect(bytes((out) => support.writeText(value, out, ctx.io)).toString(), `text of ${text}`).toBe(text)
      const row = framed(bytes((out) => support.value.write(value, out)))
      expect(print(support.value.read(row, 2, row.length - 3)), `row form of ${text}`).toBe(text)
      const binary = framed(bytes((out) => support.send(value, out)))
      expect(print(support.receive(binary, 2, binary.length - 3, -1, ctx)), `binary form of ${text}`).toBe(text)
      expect(support.size(value)).toBeGreaterThan(0)
      const { key } = support
      if (key === null) continue
      const keyBytes = framed(bytes((out) => key.write(value, out)))
      expect(key.skip(keyBytes, 2), `end of the key of ${text}`).toBe(keyBytes.length - 3)
      const back = key.read(keyBytes, 2, keyBytes.length - 3)
      if (key.lossless) expect(back).not.toBeUndefined()
      if (back !== undefined) expect(print(back), `key form of ${text}`).toBe(text)
    }
    for (const a of values)
      for (const b of values) {
        if (support.compare === null) continue
        const order = Math.sign(support.compare(a, b))
        if (support.key !== null) {
          const { key } = support
          const keys = Buffer.compare(
            bytes((out) => key.write(a, out)),
            bytes((out) => key.write(b, out)),
          )
          if (Math.sign(keys) !== order) expect.fail(`keys of ${print(a)} and ${print(b)} order as ${keys}, values as ${order}`)
        }
        const same: boolean =
          support.hashKey!(a) === support.hashKey!(b) || (Number.isNaN(support.hashKey!(a)) && Number.isNaN(support.hashKey!(b)))
        if (same !== (order === 0)) expect.fail(`hash keys of ${print(a)} and ${print(b)} are ${same ? 'alike' : 'different'}`)
      }
  })
}

test('the binary forms of text types are UTF-8 without zero bytes', () => {
  const text = (...inner: number[]): Buffer => Buffer.from([0x61, ...inner])
  const forms: Record<string, (inner: Buffer) => Buffer> = {
    text: (inner) => inner,
    varchar: (inner) => inner,
    bpchar: (inner) => inner,
    name: (inner) => inner,
    cstring: (inner) => inner,
    json: (inner) => inner,
    jsonb: (inner) => Buffer.from([1, ...inner]),
    jsonpath: (inner) => Buffer.from([1, ...inner]),
    _text: (inner) => Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, inner.length, ...inner]),
  }
  for (const [name, form] of Object.entries(forms)) {
    const support = findBuiltinType(TYPE_OID[name as keyof typeof TYPE_OID])!
    for (const [inner, shown] of [
      [text(0), '0x00'],
      [text(0xe9, 0x62), '0xe9 0x62'],
      [text(0xc3), '0xc3'],
      [text(0xed, 0xa0, 0x80), '0xed 0xa0 0x80'],
    ] as const) {
      const binary = form(inner)
      expect(() => support.receive(binary, 0, binary.length, -1, ctx), name).toThrow(`invalid byte sequence for encoding "UTF8": ${shown}`)
    }
  }
})
