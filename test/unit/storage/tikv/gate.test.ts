// The gate: nothing foreign and nothing deadly passes, whatever field it stands in.

import { describe, expect, test } from 'vitest'
import { keyspaceId } from '../../../../src/base/ids.ts'
import { Capability } from '../../../../src/storage/tikv/codec.ts'
import { type Command, checkOutgoing, MAX_TS } from '../../../../src/storage/tikv/gate.ts'
import { Op } from '../../../../src/storage/tikv/proto/kvrpcpb.ts'
import type { Field, Fields } from '../../../../src/storage/tikv/proto/message.ts'
import { Tikv } from '../../../../src/storage/tikv/proto/tikvpb.ts'

const one = new Capability(keyspaceId(1))
const two = new Capability(keyspaceId(2))
const key = Buffer.from('k')
const now = 470_000_000_000_000_000n

/** Fields of requests that hold bytes but no key. */
const NO_KEYS: ReadonlySet<string> = new Set(['value', 'context', 'resource_group_tag'])

/** A request that passes: every key field holds a key of `own`, every list one. */
function wellFormed(command: Command, own: (name: string) => Buffer): Record<string, unknown> {
  const fill = (fields: Fields): Record<string, unknown> => {
    const out: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(fields)) {
      if (NO_KEYS.has(name)) continue
      const value = sample(name, field)
      if (value !== undefined) out[name] = field.repeated ? [value] : value
    }
    return out
  }
  const sample = (name: string, field: Field): unknown => {
    if (field.kind === 'bytes') return own(name)
    if (field.kind === 'message') return fill(field.message!.fields)
    if (field.kind === 'uint64' || field.kind === 'int64') return 1n
    if (name === 'op') return command === 'KvPessimisticLock' ? Op.PessimisticLock : Op.Put
    return undefined
  }
  return fill(Tikv[command].request.fields)
}

/** Every way to reach a buffer in a request. */
function* buffersIn(value: unknown, path: string[] = []): Generator<{ path: string[]; replace(by: Buffer): void }> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (Buffer.isBuffer(inner)) {
      yield {
        path: [...path, name],
        replace: (by) => {
          ;(value as Record<string, unknown>)[name] = by
        },
      }
    } else yield* buffersIn(inner, [...path, name])
  }
}

const ownKey = (name: string): Buffer => one.key(Buffer.from(name === 'start_key' ? 'a' : name === 'end_key' ? 'z' : name))

describe('mutations', () => {
  let fields = 0
  const commands = Object.keys(Tikv) as Command[]
  test.each(commands.filter((command) => !one.allows(command)))('%s is not sent', (command) => {
    expect(() => checkOutgoing(one, command, wellFormed(command, ownKey), now)).toThrow(/not within reach/)
  })
  test.each(commands.filter((command) => one.allows(command)))('%s: a foreign key in any field is refused', (command) => {
    // a forward range and a well-formed rest pass
    checkOutgoing(one, command, wellFormed(command, ownKey), now)
    for (const foreign of [two.key(key), two.start, key, Buffer.from('r\0\0\u0001k'), Buffer.from('m'), Buffer.alloc(3, 0x78)]) {
      for (const { path } of buffersIn(wellFormed(command, ownKey))) {
        const request = wellFormed(command, ownKey)
        for (const place of buffersIn(request)) if (place.path.join('.') === path.join('.')) place.replace(foreign)
        // as an upper bound the first key of the next keyspace is this one's end
        if (foreign === two.start && path.join('.') === 'end_key') continue
        expect(() => checkOutgoing(one, command, request, now), `${command}.${path.join('.')} = ${foreign.toString('hex')}`).toThrow()
        fields++
      }
    }
  })
  test('there were fields to try', () => expect(fields).toBeGreaterThan(100))
})

describe('the gate', () => {
  const refused = (command: Command, request: object, why: RegExp): void =>
    expect(() => checkOutgoing(one, command, request, now)).toThrow(why)

  test('a key of another keyspace never passes, wherever it stands', () => {
    const own = one.key(key)
    const foreign = two.key(key)
    checkOutgoing(one, 'KvGet', { key: own, version: now }, now)
    refused('KvGet', { key: foreign, version: now }, /outside keyspace/)
    refused('KvGet', { key, version: now }, /outside keyspace/)
    refused('KvBatchGet', { keys: [own, foreign], version: now }, /outside keyspace/)
    refused('KvPrewrite', { mutations: [{ op: Op.Put, key: foreign }], primary_lock: own }, /outside keyspace/)
    refused('KvPrewrite', { mutations: [{ op: Op.Put, key: own }], primary_lock: foreign }, /outside keyspace/)
    refused('KvPrewrite', { mutations: [{ op: Op.Put, key: own }], primary_lock: own, secondaries: [foreign] }, /outside keyspace/)
    refused('KvCommit', { keys: [foreign] }, /outside keyspace/)
    refused('KvCheckTxnStatus', { primary_key: foreign, lock_ts: 1n }, /outside keyspace/)
    refused('KvScan', { start_key: own, end_key: foreign, version: now }, /outside keyspace/)
    checkOutgoing(one, 'KvScan', { start_key: one.start, end_key: one.end, version: now }, now)
    checkOutgoing(one, 'KvScan', { start_key: one.end, end_key: one.start, reverse: true, version: now }, now)
    refused('KvDeleteRange', { start_key: one.start, end_key: two.end }, /outside keyspace/)
  })

  test('what kills a store never passes', () => {
    const own = one.key(key)
    for (const command of ['KvCommit', 'KvBatchRollback', 'KvCheckSecondaryLocks'] as const) refused(command, { keys: [] }, /empty/)
    refused('KvPrewrite', { mutations: [] }, /empty/)
    refused('KvPessimisticLock', { mutations: [] }, /empty/)
    refused(
      'KvPrewrite',
      {
        mutations: [
          { op: Op.Put, key: own },
          { op: Op.Del, key: Buffer.from(own) },
        ],
      },
      /twice/,
    )
    refused('KvResolveLock', { keys: [own, Buffer.from(own)] }, /twice/)
    refused('KvPessimisticLock', { mutations: [{ op: Op.Put, key: own }] }, /another command/)
    refused('UnsafeDestroyRange', { start_key: own, end_key: one.end }, /not within reach/)
    refused('KvDeleteRange', { start_key: own, end_key: Buffer.alloc(0) }, /empty/)
    refused('KvDeleteRange', { start_key: one.end, end_key: one.start }, /./)
    refused('KvGet', { key: own, version: now + (120_000n << 18n) }, /ahead of the clock/)
    checkOutgoing(one, 'KvGet', { key: own, version: MAX_TS }, now)
    refused('KvScan', { start_key: one.start, end_key: one.end, version: MAX_TS }, /ahead of the clock/)
  })
})
