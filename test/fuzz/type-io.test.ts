// Input and output of the numeric, date/time, json and array types against PGlite: values, errors with detail and context, the binary form
// byte by byte, and the forms in rows and keys read back; under several DateStyles, IntervalStyles and zones.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ByteWriter } from '../../src/base/bytes.ts'
import { PgError } from '../../src/base/errors.ts'
import { typesByName } from '../../src/sql/builtin/pg-type.ts'
import { TEXT_IO } from '../../src/sql/types/define.ts'
import type { EvalContext, IoSettings } from '../../src/sql/types/eval-context.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'

const CASES: Readonly<Record<string, readonly string[]>> = {
  numeric: [
    '1',
    '-1.50',
    '0',
    '0.000',
    '1e5',
    '1e-5',
    '12345678901234567890.123456789',
    'NaN',
    'inf',
    '-Infinity',
    '1_000.5',
    '0xFF',
    '0b101',
    '-0o17',
    'abc',
    '1e',
    '.',
    '.5',
    '5.',
    '1e400',
    '-.5e-3',
    ' 12 ',
    '1__0',
    '1e1000000',
    '1e-20000',
    '--1',
    '+5',
  ],
  date: [
    '2024-02-29',
    '2023-02-29',
    '1/2/2003',
    '01.02.2003',
    'Jan 5 2020',
    '5 January 2020',
    '20240102',
    '240102',
    '2024.123',
    'infinity',
    '-infinity',
    'epoch',
    '0044-03-15 BC',
    'J2451187',
    'January 8, 99 BC',
    '99-01-08',
    '1999-Jan-08',
    '08-Jan-99',
    'Jan-08-1999',
    '2024-13-01',
    '13/13/2020',
    'allballs',
    'yesterda',
    '5874897-12-31',
    '5874898-01-01',
    '4714-11-24 BC',
    '4713-01-01 BC',
    '4714-11-23 BC',
    'Mon Jan 5 2020',
    '2024-001',
    '2024-366',
    'today x',
    '',
  ],
  time: [
    '04:05:06.789',
    '04:05',
    '040506',
    '04:05 AM',
    '04:05 PM',
    '24:00:00',
    '24:00:01',
    '25:00',
    '12:60',
    '04:05:06-08:00',
    '040506-08',
    'allballs',
    '2003-04-12 04:05:06 America/New_York',
    '04:05:06 PST',
    '23:59:60',
    '12',
    'T04:05:06',
    '04:05:06.1234567',
    '13:00 PM',
    '0405',
  ],
  timetz: [
    '04:05:06-08:00',
    '04:05:06 PST',
    '040506+0730',
    '2003-04-12 04:05:06 America/New_York',
    '04:05:06',
    'allballs',
    '04:05:06+07:30:15',
    '04:05 PM UTC',
    '04:05:06 America/New_York',
    '04:05:06-16',
  ],
  timestamp: [
    '2024-01-02 03:04:05',
    '2024-01-02T03:04:05.123456789Z',
    '20240102T030405',
    '20240102 030405.5',
    'Tue Feb 14 10:00:00 2012 PST',
    'infinity',
    'epoch',
    'allballs',
    '2024-01-02 24:00:00',
    '2024-06-30 23:59:60',
    '294276-12-31 23:59:59.999999',
    '294277-01-01',
    '4713-01-01 00:00:00 BC',
    '2024-02-30 00:00',
    '99999-01-01',
    '0001-01-01 00:00:00',
    'J2451187 04:05',
    'January 8, 1999 04:05:06 PM',
    '2001-02-03 04:05:06 BC',
    '10:20 2001-05-06',
    '1997.040 20:15',
    '19970210 173201 America/New_York',
    'Feb 10 5:32PM 1997',
    '97FEB10 5:32:01PM UTC',
    '97/02/10 17:32:01 UTC',
    'Feb-10-1997 17:32:01 PST',
    '02-10-1997 17:32:01 PST',
    '2000-03-15 08:14:01 GMT+8',
    '2000-03-15 13:14:02 GMT-1',
    '2000-03-15 12:14:03 GMT-2',
    '2024-01-02 03',
    '2024-01-02 3:4:5',
    '2024-01-02 xx',
    'invalid',
    '2024-01-02 03:04:05 foo/bar',
  ],
  timestamptz: [
    '2024-01-02 03:04:05+05:30',
    '2024-07-02 03:04:05 America/New_York',
    '2024-01-02 03:04:05 PST',
    '2024-01-02 03:04:05',
    '2024-03-10 02:30:00 America/New_York',
    '2024-11-03 01:30:00 America/New_York',
    '1900-01-01 00:00:00 Europe/Amsterdam',
    '2024-01-02 03:04:05Z',
    '2024-01-02 03:04:05 EST5EDT',
    '2024-07-02 03:04:05 PDT',
    '2024-07-02 03:04:05 MET DST',
    'infinity',
    '-infinity',
    '2100-07-01 00:00 Europe/Berlin',
    '1800-01-01 00:00 Europe/Berlin',
    '2024-01-02 03:04:05+15:59:59',
    '2024-01-02 03:04:05+16',
    '2024-01-02 03:04:05 <+03>-3',
    '20240102T030405-08',
    '2500-07-01 12:00 America/New_York',
    '5000-07-01 12:00 America/New_York',
  ],
  interval: [
    '1 day',
    '1 year 2 mons 3 days 04:05:06.789',
    '-1 day 02:03',
    '1.5 months',
    '1.5 years',
    'P1Y2M3DT4H5M6S',
    'P1.5Y',
    'PT36H',
    'P0001-02-03T04:05:06',
    '1-2',
    '1-2 3 4:05:06',
    '-1-2 +3 -4:05',
    '3 days ago',
    '@ 1 minute',
    '1 week 2 days',
    '100 years',
    'infinity',
    '-infinity',
    '1.5 weeks',
    '0.7 seconds',
    '1 2:03',
    '1 day 1 day',
    'foo',
    '',
    '1',
    '1 mon -1 day',
    '2147483647 months',
    '2147483648 months',
    '1 century',
    '1 millennium',
    '1 decade 3 ms 5 us',
    'ago',
    '1h',
    '1h30m',
    '90m',
    '1.2345678 s',
    '4:05',
    '4:05.6',
    '12:34:56.789',
    '-12:34',
    'P',
    'PT',
    'P1YT',
    '1 fortnight',
    '1 y 1 mon',
    '-P1Y',
    'P-1Y2M',
    'P1W',
    '9223372036854775807 us',
    '-0.5 day',
    '2 days -3 hours',
    '-1.5 month',
  ],
  json: [
    '{"a":1}',
    '[1,2',
    '{"a" 1}',
    'nul',
    '01',
    '1.',
    '"\\u00zz"',
    '"\\ud800"',
    '{"a":1,}',
    '[1,]',
    '"abc',
    '{"a":"\\x"}',
    'tru',
    '',
    '{1:2}',
    '[1] x',
    '"a\nb"',
    '-',
    '1e5',
    '{"a":1,"a":2}',
    '[1,\n2,\n x]',
    '{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":x, "b":12312312312312}',
  ],
  jsonb: [
    '{"b":1,"aa":2,"a":3,"b":4}',
    '[1.50, 1e3, "\\u00e9\\n\\u0001", null, true]',
    '"\\u0000"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\udc00"',
    '1e-5',
    '1e100',
    ' {"a" : { } , "b" : [ ] } ',
    '{"":1}',
    '"\u007f"',
  ],
  _int4: [
    '{1,2,3}',
    '{}',
    '{{1,2},{3,4}}',
    '{{1,2},{3}}',
    '[2:4]={1,2,3}',
    '[0:1][1:2]={{1,2},{3,4}}',
    '{1,NULL,3}',
    '{1,"2",3}',
    '{1,,2}',
    '{1',
    '1}',
    '{1}x',
    '{{},{}}',
    '{ 1 , 2 }',
    '[1:2]={1}',
    '[1:2]',
    '[2:1]={}',
    '{"a}',
    '{{1},2}',
    '{1,{2}}',
    '{a}',
  ],
  _text: [
    '{a,"b c","d\\"e",null,"null",NULL}',
    '{"",a b,\\"}',
    '{a"b}',
    '{"a"b}',
    '{a, b }',
    '{"a\\\\b"}',
    '{,}',
    '{a,}',
    '{{a,b},{c,"d,e"}}',
    '{"{"}',
  ],
  _timestamp: ['{2024-01-02 03:04:05,"2024-01-02"}'],
}

const STYLES: readonly IoSettings[] = [
  { ...TEXT_IO, timeZone: 'America/New_York' },
  { ...TEXT_IO, dateStyle: 'SQL', dateOrder: 'DMY', intervalStyle: 'sql_standard', timeZone: 'Europe/Berlin' },
  { ...TEXT_IO, dateStyle: 'Postgres', dateOrder: 'MDY', intervalStyle: 'postgres_verbose', timeZone: 'UTC' },
  { ...TEXT_IO, dateStyle: 'German', dateOrder: 'YMD', intervalStyle: 'iso_8601', timeZone: 'Asia/Tokyo' },
]
/** Words that mean another moment in the two processes. */
const NOW = /^(now|today|yesterday|tomorrow)/

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
})
afterAll(() => db.close())

const sqlType = (type: string): string => (type.startsWith('_') ? `${type.slice(1)}[]` : type)

describe.each(STYLES)('$dateStyle, $dateOrder, $intervalStyle, $timeZone', (io) => {
  const ctx = { io, transactionTimestamp: 0 } as unknown as EvalContext
  beforeAll(() =>
    db.exec(
      `set timezone = '${io.timeZone}'; set datestyle = '${io.dateStyle}, ${io.dateOrder}'; set intervalstyle = '${io.intervalStyle}'`,
    ),
  )

  test.each(Object.keys(CASES))('%s', async (type) => {
    const support = builtinTypeSupport(typesByName(type)![0]!.oid)
    const writer = new ByteWriter()
    for (const text of CASES[type]!) {
      if (NOW.test(text)) continue
      const literal = `'${text.replaceAll("'", "''")}'::${sqlType(type)}`
      let want: string
      let wantBinary: string | null = null
      try {
        const send = type.startsWith('_') ? 'array_send' : `${type}_send`
        const { rows } = await db.query<{ x: string; b: string }>(`select (${literal})::text x, encode(${send}(${literal}), 'hex') b`)
        want = rows[0]!.x
        wantBinary = rows[0]!.b
      } catch (error) {
        const { code, message, detail, hint, where } = error as {
          code: string
          message: string
          detail?: string
          hint?: string
          where?: string
        }
        want = [code, message, detail ?? '', hint ?? '', where ?? ''].join('|')
      }
      let got: string
      try {
        const value = support.input(text, -1, ctx)
        got = support.output(value, io)
        support.send(value, writer.reset())
        const binary = writer.finish()
        expect(binary.toString('hex'), `${type} ${text} binary`).toBe(wantBinary)
        expect(support.output(support.receive(binary, 0, binary.length, -1, ctx), io), `${type} ${text} received`).toBe(got)
        support.value.write(value, writer.reset())
        const stored = writer.finish()
        expect(support.output(support.value.read(stored, 0, stored.length), io), `${type} ${text} stored`).toBe(got)
        if (support.key !== null) {
          support.key.write(value, writer.reset())
          const key = writer.finish()
          expect(support.key.skip(key, 0), `${type} ${text} key`).toBe(key.length)
          if (support.key.lossless) expect(support.output(support.key.read(key, 0, key.length)!, io), `${type} ${text} key`).toBe(got)
        }
      } catch (error) {
        if (!(error instanceof PgError)) throw error
        got = [error.code, error.message, error.fields.detail ?? '', error.fields.hint ?? '', error.fields.where ?? ''].join('|')
      }
      expect(got, `${type} ${JSON.stringify(text)}`).toBe(want)
    }
  })

  test.each(Object.keys(CASES).filter((type) => !['json', 'xml'].includes(type)))('%s keys sort as the values do', (type) => {
    const support = builtinTypeSupport(typesByName(type)![0]!.oid)
    const entries = CASES[type]!.flatMap((text) => {
      try {
        const value = support.input(text, -1, ctx)
        const writer = new ByteWriter()
        support.key!.write(value, writer)
        return [{ text, value, key: writer.finish() }]
      } catch (error) {
        if (!(error instanceof PgError)) throw error
        return []
      }
    })
    for (const a of entries) {
      for (const b of entries) {
        expect(Math.sign(Buffer.compare(a.key, b.key)), `${type} ${a.text} ${b.text}`).toBe(Math.sign(support.compare!(a.value, b.value)))
        expect(support.hashKey!(a.value) === support.hashKey!(b.value), `${type} ${a.text} ${b.text} hash`).toBe(
          support.compare!(a.value, b.value) === 0,
        )
      }
    }
  })
})
