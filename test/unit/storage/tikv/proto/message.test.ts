// The protobuf runtime against another implementation (@bufbuild/protobuf, given the same tables as descriptors) over random messages, the
// tables against the field numbers of kvproto (fields.json, as its Go package reports them), and the edges of the wire format by hand.

import { readFileSync } from 'node:fs'
import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as errorpb from '../../../../../src/storage/tikv/proto/errorpb.ts'
import * as keyspacepb from '../../../../../src/storage/tikv/proto/keyspacepb.ts'
import * as kvrpcpb from '../../../../../src/storage/tikv/proto/kvrpcpb.ts'
import { type AnyMessage, type Field, type Fields, type MessageType, message } from '../../../../../src/storage/tikv/proto/message.ts'
import * as metapb from '../../../../../src/storage/tikv/proto/metapb.ts'
import * as pdpb from '../../../../../src/storage/tikv/proto/pdpb.ts'
import * as tikvpb from '../../../../../src/storage/tikv/proto/tikvpb.ts'
import { Reader, WireError } from '../../../../../src/storage/tikv/proto/wire.ts'

const isMessage = (value: unknown): value is AnyMessage =>
  typeof value === 'object' && value !== null && 'fields' in value && 'readFrom' in value

const all = new Map<string, AnyMessage>()
for (const file of [metapb, errorpb, kvrpcpb, tikvpb, pdpb, keyspacepb])
  for (const value of Object.values(file)) if (isMessage(value)) all.set(value.name, value)

/** A table without its oneofs: their alternatives are ordinary fields on the wire. */
function flat(fields: Fields): [string, Field][] {
  return Object.entries(fields).flatMap(([name, field]): [string, Field][] => (field.cases ? Object.entries(field.cases) : [[name, field]]))
}

describe('tables', () => {
  const kvproto = JSON.parse(readFileSync(new URL('fields.json', import.meta.url), 'utf8')) as {
    messages: Record<string, Record<string, string>>
    enums: Record<string, Record<string, number>>
  }
  /** Fields and messages that this version of kvproto doesn't have yet, or that lie in a file not looked at. */
  const newer = new Set([
    'keyspacepb.LoadKeyspaceByIDRequest',
    'replication_modepb.ReplicationStatus',
    'kvrpcpb.GetRequest.need_commit_ts',
    'kvrpcpb.BatchGetRequest.need_commit_ts',
    'kvrpcpb.KvPair.commit_ts',
    'kvrpcpb.GetResponse.commit_ts',
    'pdpb.GetGCStateRequest.exclude_gc_barriers',
    'pdpb.QueryRegionResponse.RegionsByIdEntry',
    'errorpb.Error.undetermined_result',
    'errorpb.UndeterminedResult',
    'kvrpcpb.TxnHeartBeatRequest.min_commit_ts',
  ])

  test.each([...all.values()].map((type) => [type.name, type] as const))('%s', (name, type) => {
    const theirs = kvproto.messages[name]
    if (!theirs) {
      expect(newer).toContain(name)
      return
    }
    for (const [field, definition] of flat(type.fields)) {
      if (newer.has(`${name}.${field}`) && !theirs[field]) continue
      const [number, ...words] = theirs[field]?.split(' ') ?? []
      const kind = words.at(-1)
      const enumName = words.at(-2) === 'enum' ? kind : undefined
      const isEntryList = definition.message?.name.endsWith('Entry') && words[0] === 'map'
      expect({ field, number: Number(number), repeated: words[0] === 'repeated', kind: enumName ? 'enum' : kind }).toEqual({
        field,
        number: definition.number,
        repeated: isEntryList ? false : definition.repeated,
        kind: isEntryList ? 'map' : definition.kind === 'message' ? definition.message!.name : definition.kind,
      })
      if (enumName) {
        const known = kvproto.enums[enumName]!
        for (const [label, value] of Object.entries(definition.values!))
          if (label in known) expect([label, value]).toEqual([label, known[label]])
        for (const label of Object.keys(known)) expect(Object.keys(definition.values!)).toContain(label)
      }
    }
  })
})

const { Type, Label } = { Type: FieldDescriptorProto_Type, Label: FieldDescriptorProto_Label }
const SCALARS = {
  uint32: Type.UINT32,
  int32: Type.INT32,
  uint64: Type.UINT64,
  int64: Type.INT64,
  bool: Type.BOOL,
  string: Type.STRING,
  bytes: Type.BYTES,
  // An open enum is an int32 on the wire.
  enum: Type.INT32,
} as const

const flatName = (name: string): string => name.replaceAll('.', '_')

/** The same tables as descriptors for the other implementation. */
function descriptors(): FileDescriptorProto {
  return create(FileDescriptorProtoSchema, {
    name: 'all.proto',
    syntax: 'proto3',
    messageType: [...all.values()].map((type) => {
      const maps = Object.entries(type.fields).filter(([, field]) => field.kind === 'map')
      return {
        name: flatName(type.name),
        oneofDecl: Object.entries(type.fields)
          .filter(([, field]) => field.cases)
          .map(([name]) => ({ name })),
        nestedType: maps.map(([name]) => ({
          name: `${name[0]!.toUpperCase()}${name.slice(1)}Entry`,
          options: { mapEntry: true },
          field: ['key', 'value'].map((part, i) => ({ name: part, number: i + 1, type: Type.STRING, label: Label.OPTIONAL })),
        })),
        field: Object.entries(type.fields).flatMap(([name, field]) =>
          (field.cases ? Object.entries(field.cases) : ([[name, field]] as [string, Field][])).map(([label, one]) => ({
            name: label,
            jsonName: label,
            number: one.number,
            label: one.repeated || one.kind === 'map' ? Label.REPEATED : Label.OPTIONAL,
            ...(one.kind === 'message'
              ? { type: Type.MESSAGE, typeName: `.${flatName(one.message!.name)}` }
              : one.kind === 'map'
                ? { type: Type.MESSAGE, typeName: `.${flatName(type.name)}.${name[0]!.toUpperCase()}${name.slice(1)}Entry` }
                : { type: SCALARS[one.kind as keyof typeof SCALARS] }),
            ...(field.cases ? { oneofIndex: 0 } : {}),
          })),
        ),
      }
    }),
  })
}

/** Random messages of a table, not too deep. */
function arbitrary(type: AnyMessage, depth: number): fc.Arbitrary<object> {
  const one = (field: Field): fc.Arbitrary<unknown> => {
    switch (field.kind) {
      case 'uint32':
        return fc.nat(0xffffffff)
      case 'int32':
      case 'enum':
        return fc.oneof(fc.nat(8), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))
      case 'uint64':
        return fc.oneof(fc.bigInt(0n, 300n), fc.bigInt(0n, 2n ** 64n - 1n), fc.constant(2n ** 63n), fc.constant(2n ** 28n))
      case 'int64':
        return fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
      case 'bool':
        return fc.boolean()
      case 'string':
        return fc.string({ unit: 'grapheme', maxLength: 200 })
      case 'bytes':
        return fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
      case 'map':
        return fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 }).map((pairs) => new Map(pairs))
      case 'message':
        return arbitrary(field.message!, depth - 1)
      default:
        throw new Error(field.kind)
    }
  }
  const entries = Object.entries(type.fields).flatMap(([name, field]): [string, fc.Arbitrary<unknown>][] => {
    if (field.cases) {
      const cases = Object.entries(field.cases).map(([label, arm]) => one(arm).map((value) => ({ case: label, value })))
      return depth > 0 ? [[name, fc.option(fc.oneof(...cases), { nil: undefined })]] : []
    }
    if (field.kind === 'message' && depth === 0) return []
    if (field.repeated) return [[name, fc.array(one(field), { maxLength: 3 })]]
    return [[name, field.kind === 'message' ? fc.option(one(field), { nil: undefined }) : one(field)]]
  })
  return fc.record(Object.fromEntries(entries), { requiredKeys: [] })
}

/** Our value as the other implementation takes it. */
function foreign(type: AnyMessage, value: Record<string, unknown>, registry: ReturnType<typeof createFileRegistry>): unknown {
  const convert = (field: Field, v: unknown): unknown =>
    field.kind === 'message' ? foreign(field.message!, v as Record<string, unknown>, registry) : v
  const init: Record<string, unknown> = {}
  const desc = registry.getMessage(flatName(type.name)) as DescMessage
  for (const [name, field] of Object.entries(type.fields)) {
    const v = value[name]
    if (v === undefined) continue
    if (field.cases) {
      const chosen = v as { case: string; value: unknown }
      const local = desc.fields.find((f) => f.name === chosen.case)!.localName
      init[desc.oneofs[0]!.localName] = { case: local, value: convert(field.cases[chosen.case]!, chosen.value) }
      continue
    }
    const local = desc.fields.find((f) => f.name === name)!.localName
    if (field.kind === 'map') init[local] = Object.fromEntries(v as Map<string, string>)
    else init[local] = field.repeated ? (v as unknown[]).map((x) => convert(field, x)) : convert(field, v)
  }
  return create(desc, init)
}

const holdsMap = (type: AnyMessage): boolean =>
  Object.values(type.fields).some(
    (field) => field.kind === 'map' || (field.kind === 'message' && field.message !== type && holdsMap(field.message!)),
  )

describe('wire format against @bufbuild/protobuf', () => {
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [descriptors()] }))

  test.each([...all.values()].map((type) => [type.name, type] as const))('%s', (_name, type) => {
    const desc = registry.getMessage(flatName(type.name)) as DescMessage
    fc.assert(
      fc.property(arbitrary(type, 2), (value) => {
        const ours = type.encode(value)
        const decoded = type.decode(ours)
        // What is read writes the same bytes again; the other implementation reads ours and writes what we read.
        expect(type.encode(decoded).equals(ours)).toBe(true)
        const theirs = toBinary(desc, foreign(type, value as Record<string, unknown>, registry) as never)
        expect(type.decode(theirs)).toEqual(decoded)
        expect(type.decode(toBinary(desc, fromBinary(desc, ours)))).toEqual(decoded)
        // JavaScript objects order keys like integers first: maps may come in another order.
        if (!holdsMap(type)) expect(Buffer.from(theirs).equals(ours)).toBe(true)
      }),
      { numRuns: type === (tikvpb.BatchCommandsRequest as unknown) || type === (tikvpb.BatchCommandsResponse as unknown) ? 40 : 25 },
    )
  })
})

describe('edges', () => {
  test('bytes by hand', () => {
    expect(kvrpcpb.GetRequest.encode({ key: Buffer.from('k'), version: 300n, context: { region_id: 1n } }).toString('hex')).toBe(
      '0a02080112016b18ac02',
    )
    expect(metapb.RegionEpoch.encode({ conf_ver: 2n ** 64n - 1n }).toString('hex')).toBe('08ffffffffffffffffff01')
    expect(kvrpcpb.Context.encode({ resolved_locks: [1n, 300n] }).toString('hex')).toBe('6a0301ac02')
    expect(kvrpcpb.PessimisticLockRequest.encode({ wait_timeout: -1n }).toString('hex')).toBe('40ffffffffffffffffff01')
  })

  test('repeated scalars are read packed and one by one', () => {
    expect(kvrpcpb.Context.decode(Buffer.from('6a0301ac026805', 'hex')).resolved_locks).toEqual([1n, 300n, 5n])
  })

  test('unknown fields of every wire type are skipped', () => {
    const unknown = 'a006ff01' + 'a1060102030405060708' + 'a20603616263' + 'a50601020304'
    expect(metapb.RegionEpoch.decode(Buffer.from(`${unknown}1007${unknown}`, 'hex'))).toEqual({ conf_ver: 0n, version: 7n })
  })

  test.each(['08', '0a05', '0a020801ff', '12ff', '08ffffffffffffffffffff01', '1206616263', '0b'])('%s is refused', (hex) => {
    expect(() => kvrpcpb.GetRequest.decode(Buffer.from(hex, 'hex'))).toThrow(WireError)
  })

  test('a message larger than the writer keeps', () => {
    const value = Buffer.alloc(3_000_000, 7)
    const bytes = kvrpcpb.GetResponse.encode({ value, not_found: true })
    expect(kvrpcpb.GetResponse.decode(bytes).value.equals(value)).toBe(true)
    expect(kvrpcpb.GetResponse.encode({ not_found: true }).toString('hex')).toBe('2001')
  })

  test('an alternative that is not there is refused, and the writer is clean afterwards', () => {
    const broken = { cmd: { case: 'Nope', value: {} } } as unknown as Parameters<typeof tikvpb.BatchRequest.encode>[0]
    expect(() => tikvpb.BatchRequest.encode(broken)).toThrow('no alternative "Nope"')
    expect(metapb.RegionEpoch.encode({ version: 1n }).toString('hex')).toBe('1001')
  })

  test('a message within a longer buffer ends where it is told', () => {
    const reader = new Reader(Buffer.from('1007ffff', 'hex'))
    expect(metapb.RegionEpoch.readFrom(reader, 2)).toEqual({ conf_ver: 0n, version: 7n })
  })

  test('an empty table', () => {
    const empty: MessageType<Record<never, never>> = message('test.Empty', {})
    expect(empty.encode({}).length).toBe(0)
    expect(empty.decode(Buffer.from('1007', 'hex'))).toEqual({})
  })
})
