// Text forms of values of the builtin types: edge cases and random ones, for differential tests.

import type { Random } from './random.ts'

type Below = Random['below']

const pick = <T>(random: Below, list: readonly T[]): T => list[random(list.length)]!

// biome-ignore-start format: tables
const EDGES: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  int2: ['0', '1', '-1', '2', '7', '32767', '-32768', '10', '-5', '100', '256'],
  int4: ['0', '1', '-1', '2', '3', '7', '2147483647', '-2147483648', '10', '-5', '100', '65536', '32768', '5', '8', '31', '-3'],
  int8: [
    '0',
    '1',
    '-1',
    '2',
    '9223372036854775807',
    '-9223372036854775808',
    '9007199254740991',
    '9007199254740992',
    '-9007199254740993',
    '4294967296',
    '10',
    '2147483648',
    '99999999999',
    '1099511627776',
  ],
  float4: [
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '1.5',
    '2.5',
    'NaN',
    'Infinity',
    '-Infinity',
    '3.4e38',
    '1e-45',
    '1234567',
    '0.1',
    '-2.25',
    '1e10',
    '16777216',
  ],
  float8: [
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '1.5',
    '2.5',
    'NaN',
    'Infinity',
    '-Infinity',
    '1e308',
    '5e-324',
    '1e15',
    '123456789012345',
    '0.1',
    '-2.5',
    '1e-5',
    '0.0001',
    '3.141592653589793',
    '30',
    '45',
    '60',
    '90',
    '-120',
    '1e200',
  ],
  numeric: [
    '0',
    '1',
    '-1',
    '0.5',
    '1.50',
    '-2.25',
    'NaN',
    'Infinity',
    '-Infinity',
    '12345678901234567890.123456789',
    '1e20',
    '0.000001',
    '100',
    '9999999999',
    '-0.0',
    '3',
    '2',
    '10.0',
  ],
  text: [
    '',
    'a',
    'A',
    'abc',
    'ABC',
    'hello world',
    '  spaces  ',
    'ä',
    'Grün',
    '日本語',
    '😀x',
    'a%b_c',
    'x\\y',
    "it's",
    'a,b,c',
    'aaa',
    'ab',
    'b',
    '12',
    '-7',
    'éÉ',
    '\ue000',
    '%',
    '_',
    'hex',
    'base64',
    'escape',
    '616263',
    'YWJj',
    'NFC',
    'UTF8',
    'one two',
    'i',
    'g',
    '.',
    'select',
    'Mixed Case',
    'tab\there',
    'new\nline',
  ],
  name: ['', 'a', 'abc', 'Mixed', 'pg_class', 'select', 'x'.repeat(80), 'ä'.repeat(40)],
  char: ['', 'a', 'Z', '0'],
  bytea: [
    '\\x',
    '\\x00',
    '\\x01ff',
    '\\x616263',
    '\\x616200630001',
    '\\xdeadbeef',
    '\\xe4',
    '\\x2561',
    '\\x20',
    '\\x7fffffff',
    '\\xffffffffffffffff',
  ],
  uuid: [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    '019535d9-3df7-79fb-b466-fa907fa17f9e',
    'c232ab00-9414-11ec-b3c8-9f6bdeced846',
  ],
  oid: ['0', '1', '23', '1259', '4294967295', '16384'],
  xid: ['0', '1', '3', '4294967295'],
  cid: ['0', '1', '4294967295'],
  xid8: ['0', '1', '3', '18446744073709551615', '4294967296'],
  tid: ['(0,0)', '(0,1)', '(1,0)', '(4294967295,65535)'],
  pg_lsn: ['0/0', '0/1', '16/B374D848', 'FFFFFFFF/FFFFFFFF'],
  regclass: ['pg_class', 'pg_type', '0', '99999999'],
  regtype: ['integer', 'text', '0', '99999999'],
  regproc: ['int4pl', '0', '99999999'],
  regnamespace: ['pg_catalog', '99999999'],
  oidvector: ['', '1', '1 2 3', '23 25', '4294967295'],
  int2vector: ['', '1', '1 2 3', '-5 7'],
  date: ['2000-01-01', '1999-12-31', '2024-02-29', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity', '0001-01-01', '2023-10-15'],
  time: ['00:00:00', '12:34:56.789', '23:59:59.999999', '24:00:00', '01:02:03'],
  timetz: ['00:00:00+00', '12:34:56.789-08', '23:59:59.999999+05:30', '04:05:06+02'],
  timestamp: [
    '2000-01-01 00:00:00',
    '1999-12-31 23:59:59.999999',
    '2024-02-29 12:00:00',
    'infinity',
    '-infinity',
    '0044-03-15 00:00:00 BC',
    '294276-12-31 23:59:59',
    '2023-07-04 05:06:07.5',
  ],
  timestamptz: [
    '2000-01-01 00:00:00+00',
    '1999-12-31 23:59:59.999999+00',
    '2024-02-29 12:00:00+05',
    'infinity',
    '-infinity',
    '2023-07-04 05:06:07.5+00',
  ],
  interval: [
    '0',
    '1 day',
    '-1 month',
    '1 year 2 months 3 days 04:05:06.789',
    '25 hours',
    '-00:00:01',
    '1000 years',
    '30 days',
    '1 mon -1 days',
    'infinity',
    '-infinity',
  ],
  json: ['null', '1', '"a"', '[1,2,3]', '{"a":1,"b":[true,null]}', '{"a":{"b":2},"c":"x"}', '[]', '{}', '-1.50'],
  jsonb: [
    'null',
    '1',
    '"a"',
    '[1,2,3]',
    '{"a":1,"b":[true,null]}',
    '{"a":{"b":2},"c":"x"}',
    '[]',
    '{}',
    '-1.50',
    'true',
    '"x"',
    '[1,[2,3],{"a":null}]',
  ],
  _int4: ['{}', '{1}', '{1,2,3}', '{3,NULL,1}', '{{1,2},{3,4}}', '[0:1]={5,6}', '{2,2}'],
  _text: ['{}', '{a}', '{a,b,c}', '{NULL,"x y"}', '{{a,b},{c,d}}', '{"",","}'],
}
// biome-ignore-end format: tables

const CHARS = ['a', 'b', 'c', 'A', 'B', 'x', ' ', '%', '_', '\\', '1', '0', '.', 'ä', 'é', '日', '😀', "'", '"', ',', '-']

const digits = (random: Below, n: number): string => Array.from({ length: n }, () => random(10)).join('')
const signed = (random: Below): string => (random(2) === 0 ? '-' : '')

function randomValue(type: string, random: Below): string | undefined {
  switch (type) {
    case 'int2':
      return String(random(65536) - 32768)
    case 'int4':
      return random(2) === 0 ? String(random(200) - 100) : String(random(2 ** 32) - 2 ** 31)
    case 'int8':
      return signed(random) + BigInt(`${digits(random, 1 + random(18))}`)
    case 'float8':
      return `${signed(random)}${random(10)}.${digits(random, 1 + random(16))}e${random(30) - 15}`
    case 'float4':
      return `${signed(random)}${random(10)}.${digits(random, 1 + random(8))}e${random(20) - 10}`
    case 'numeric':
      return `${signed(random)}${digits(random, 1 + random(20))}.${digits(random, 1 + random(10))}`
    case 'text':
    case 'name':
      return Array.from({ length: random(12) }, () => pick(random, CHARS)).join('')
    case 'bytea':
      return `\\x${Array.from({ length: random(20) }, () => random(256).toString(16).padStart(2, '0')).join('')}`
    case 'uuid':
      return Array.from({ length: 32 }, () => random(16).toString(16)).join('')
    case 'oid':
      return String(random(2 ** 32))
    case 'date':
      return `${1900 + random(200)}-${1 + random(12)}-${1 + random(28)}`
    case 'timestamp':
    case 'timestamptz':
      return `${1900 + random(200)}-${1 + random(12)}-${1 + random(28)} ${random(24)}:${random(60)}:${random(60)}.${digits(random, 1 + random(6))}`
    case 'time':
      return `${random(24)}:${random(60)}:${random(60)}.${digits(random, 1 + random(6))}`
    case 'interval':
      return `${signed(random)}${random(20)} months ${signed(random)}${random(50)} days ${signed(random)}${random(30)}:${random(60)}:${random(60)}.${digits(random, 1 + random(6))}`
    case '_int4':
      return `{${Array.from({ length: random(5) }, () => (random(6) === 0 ? 'NULL' : random(10))).join(',')}}`
    default:
      return undefined
  }
}

const SAME_AS: Readonly<Record<string, string>> = {
  varchar: 'text',
  bpchar: 'text',
  cstring: 'text',
  anyelement: 'int4',
  anyarray: '_int4',
  anycompatible: 'int4',
  anycompatiblearray: '_int4',
  anynonarray: 'int4',
  anycompatiblenonarray: 'int4',
}

/** The type a sample of `type` has in SQL. */
export function sampleType(type: string): string {
  return type.startsWith('any') ? (SAME_AS[type] ?? type) : type
}

export function hasSamples(type: string): boolean {
  return (SAME_AS[type] ?? type) in EDGES
}

export function sample(type: string, random: Below): string {
  const kind = SAME_AS[type] ?? type
  return (random(2) === 0 ? randomValue(kind, random) : undefined) ?? pick(random, EDGES[kind]!)
}

export const SAMPLED_TYPES: readonly string[] = [...Object.keys(EDGES), 'varchar', 'bpchar']
export const edges = (type: string): readonly string[] => EDGES[SAME_AS[type] ?? type]!
