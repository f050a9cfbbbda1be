// Faults that tests plant at RPCs, and the count of RPCs per method.

import { RegionError } from '../../src/storage/tikv/proto/errorpb.ts'
import type { Field, Fields } from '../../src/storage/tikv/proto/message.ts'
import { toHex, toKey } from './keys.ts'
import type { RegionErrorInit } from './region-errors.ts'

export type FaultAction = 'drop-request' | 'drop-response' | 'duplicate' | 'delay' | 'region-error'

export interface Fault {
  readonly cmd: string
  /** Hex of a prefixed key that the request must name. */
  readonly key: string | undefined
  /** The store that it befalls. */
  readonly store: bigint | undefined
  skip: number
  left: number
  readonly ms: number
  readonly action: FaultAction
  readonly error: RegionErrorInit
}

const ACTIONS: readonly string[] = ['drop-request', 'drop-response', 'duplicate', 'delay', 'region-error']

/** The keys a request names, as hex. */
function keysOf(request: object): string[] {
  const found: string[] = []
  const take = (value: unknown): void => {
    if (Buffer.isBuffer(value)) found.push(toHex(toKey(value)))
    else if (Array.isArray(value)) for (const one of value) take(one instanceof Object && 'key' in one ? one.key : one)
  }
  const fields = request as Record<string, unknown>
  for (const name of ['key', 'keys', 'mutations', 'primary_lock', 'primary_key', 'start_key', 'split_keys']) take(fields[name])
  return found
}

const plainName = (name: string): string => name.replaceAll('_', '').toLowerCase()

/** A message from JSON whose field names may differ in case and underscores; 64-bit integers as numbers or strings, bytes as hex. */
function fromLooseJson(fields: Fields, json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null) throw new TypeError('not an object')
  const byName = new Map(Object.entries(fields).map(([name, field]) => [plainName(name), [name, field] as const]))
  const value = (field: Field, from: unknown): unknown => {
    if (field.repeated && Array.isArray(from)) return from.map((one) => value({ ...field, repeated: false }, one))
    switch (field.kind) {
      case 'message':
        return fromLooseJson(field.message!.fields, from)
      case 'uint64':
      case 'int64':
        return BigInt(from as string | number)
      case 'bytes':
        return Buffer.from(String(from), 'hex')
      case 'bool':
        return Boolean(from)
      case 'string':
        return String(from)
      default:
        return typeof from === 'string' && field.values && from in field.values ? field.values[from] : Number(from)
    }
  }
  const out: Record<string, unknown> = {}
  for (const [name, from] of Object.entries(json)) {
    const found = byName.get(plainName(name))
    if (!found) throw new TypeError(`no field "${name}"`)
    if (from !== null && from !== undefined) out[found[0]] = value(found[1], from)
  }
  return out
}

export interface Faults {
  add(spec: Record<string, unknown>): void
  /** The fault that hits this request, if any; counts it. */
  hit(cmd: string, request: object, store?: bigint): Fault | undefined
  count(cmd: string, store?: bigint): void
  counts(): Record<string, number>
  /** Of one store. */
  countsOf(store: bigint): Record<string, number>
  /** Calls to PD, kept apart. */
  countPd(cmd: string): void
  pdCounts(): Record<string, number>
  reset(): void
}

export function createFaults(): Faults {
  let faults: Fault[] = []
  let counted = new Map<string, number>()
  let countedAt = new Map<bigint, Map<string, number>>()
  let countedPd = new Map<string, number>()
  const increment = (map: Map<string, number>, cmd: string): void => {
    map.set(cmd, (map.get(cmd) ?? 0) + 1)
  }
  const sorted = (map: Map<string, number>): Record<string, number> => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
  return {
    add(spec) {
      if (typeof spec['cmd'] !== 'string' || !ACTIONS.includes(String(spec['action'])))
        throw new TypeError('a fault needs cmd and one of the actions')
      const raw = spec['error'] ?? {}
      const error = typeof raw === 'string' ? (JSON.parse(raw) as unknown) : raw
      faults.push({
        cmd: spec['cmd'],
        key: typeof spec['key'] === 'string' && spec['key'] !== '' ? spec['key'].toLowerCase() : undefined,
        store: spec['store'] === undefined ? undefined : BigInt(spec['store'] as number),
        skip: Number(spec['skip'] ?? 0),
        left: Number(spec['n'] ?? 1),
        ms: Number(spec['ms'] ?? 0),
        action: spec['action'] as FaultAction,
        error: fromLooseJson(RegionError.fields, error) as RegionErrorInit,
      })
    },
    hit(cmd, request, store) {
      if (faults.length === 0) return undefined
      for (const fault of faults) {
        if (fault.cmd !== cmd || fault.left <= 0) continue
        if (fault.store !== undefined && fault.store !== store) continue
        if (fault.key !== undefined && !keysOf(request).includes(fault.key)) continue
        if (fault.skip > 0) {
          fault.skip--
          continue
        }
        fault.left--
        return fault
      }
      return undefined
    },
    count(cmd, store) {
      increment(counted, cmd)
      if (store === undefined) return
      let own = countedAt.get(store)
      if (own === undefined) countedAt.set(store, (own = new Map()))
      increment(own, cmd)
    },
    counts: () => sorted(counted),
    countsOf: (store) => sorted(countedAt.get(store) ?? new Map()),
    countPd: (cmd) => increment(countedPd, cmd),
    pdCounts: () => sorted(countedPd),
    reset() {
      faults = []
      counted = new Map()
      countedAt = new Map()
      countedPd = new Map()
    },
  }
}
