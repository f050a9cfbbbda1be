// COPY's formats: what the writers write, the readers read back, cut anywhere.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../../src/base/bytes.ts'
import { CsvReader } from '../../../src/session/copy/csv-reader.ts'
import { Fields, FORM_NULL, type RecordReader } from '../../../src/session/copy/fields.ts'
import { type CopyOptions, copyOptions, type RawCopyOption } from '../../../src/session/copy/options.ts'
import { TextReader } from '../../../src/session/copy/text-reader.ts'
import { csvWriter, type RowWriter, textWriter } from '../../../src/session/copy/writers.ts'
import { TEXT_IO } from '../../../src/sql/types/define.ts'
import { builtinTypeSupport } from '../../../src/sql/types/registry.ts'

const TEXT = 25
const option = (name: string, value: string): RawCopyOption => ({ name, value, star: false, position: null })
const column = (name: string) => ({ name, support: builtinTypeSupport(TEXT), forceQuote: false })
const never = () => false

function readAll(reader: RecordReader, bytes: Buffer, cuts: readonly number[]): (string | null)[][] {
  const rows: (string | null)[][] = []
  const fields = new Fields()
  const drain = () => {
    while (reader.next(fields)) {
      rows.push(Array.from({ length: fields.count }, (_, i) => (fields.form[i] === FORM_NULL ? null : fields.text(i))))
    }
  }
  let from = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    const to = Math.min(cut, bytes.length)
    if (to > from) reader.feed(Buffer.from(bytes.subarray(from, to)))
    from = Math.max(from, to)
    drain()
  }
  if (from < bytes.length) reader.feed(Buffer.from(bytes.subarray(from)))
  reader.finish()
  drain()
  return rows
}

function written(writer: RowWriter, rows: readonly (string | null)[][]): Buffer {
  const out = new ByteWriter(8)
  for (const row of rows) writer.row(row, out)
  return out.finish()
}

/** Texts full of what the formats treat specially; no zero bytes, which no text holds. */
const cell = fc.option(
  fc.string({ unit: fc.constantFrom('a', '\\', '"', ',', '\t', '\n', '\r', 'N', '.', 'é', '😀', "'", ' ', ';'), maxLength: 8 }),
)
const table = fc.array(fc.tuple(cell, cell), { maxLength: 8 })
const cuts = fc.array(fc.nat(200), { maxLength: 6 })

describe('COPY formats', () => {
  const round = (make: (options: CopyOptions) => [RowWriter, RecordReader], raw: RawCopyOption[]) => {
    fc.assert(
      fc.property(table, cuts, (rows, at) => {
        const [writer, reader] = make(copyOptions(raw, false))
        expect(readAll(reader, written(writer, rows), at)).toEqual(rows)
      }),
      { numRuns: 300 },
    )
  }
  const columns = [column('a'), column('b')]

  it('text comes back', () => {
    round((options) => [textWriter(columns, options, TEXT_IO), new TextReader(options)], [])
    round((options) => [textWriter(columns, options, TEXT_IO), new TextReader(options)], [option('delimiter', ';'), option('null', 'NULL')])
  })

  it('csv comes back', () => {
    round((options) => [csvWriter(columns, options, TEXT_IO), new CsvReader(options, never, never)], [option('format', 'csv')])
    round(
      (options) => [csvWriter(columns, options, TEXT_IO), new CsvReader(options, never, never)],
      [option('format', 'csv'), option('quote', "'"), option('escape', '\\'), option('null', 'N'), option('delimiter', ';')],
    )
  })

  it('refuses mixed line ends and bytes that are not UTF-8', () => {
    const options = copyOptions([], true)
    expect(() => readAll(new TextReader(options), Buffer.from('a\tb\nc\td\r\n'), [])).toThrow('literal carriage return found in data')
    expect(() => readAll(new TextReader(options), Buffer.from([97, 0xff, 10]), [])).toThrow(
      'invalid byte sequence for encoding "UTF8": 0xff',
    )
    const csv = copyOptions([option('format', 'csv')], true)
    expect(() => readAll(new CsvReader(csv, never, never), Buffer.from('"a\n'), [])).toThrow('unterminated CSV quoted field')
  })

  it('words refused options as PostgreSQL', () => {
    const refused = (...raw: RawCopyOption[]) => {
      try {
        copyOptions(raw, true)
        return null
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(refused(option('delimiter', 'ab'))).toBe('COPY delimiter must be a single one-byte character')
    expect(refused(option('format', 'xml'))).toBe('COPY format "xml" not recognized')
    expect(refused(option('quote', '"'))).toBe('COPY QUOTE requires CSV mode')
    expect(refused(option('format', 'csv'), option('delimiter', '"'))).toBe('COPY delimiter and quote must be different')
    expect(refused(option('nope', 'x'))).toBe('option "nope" not recognized')
    expect(refused(option('null', 'a'), option('null', 'b'))).toBe('conflicting or redundant options')
  })
})
