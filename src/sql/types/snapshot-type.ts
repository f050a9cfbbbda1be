// pg_snapshot (and txid_snapshot, its older name): which transactions a snapshot shows. The value is its text, "xmin:xmax:xip,…": all below
// xmin are over, none from xmax on has begun, those listed were running.

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Int8, normalInt8, textValueCodec } from './codecs.ts'
import { defineType, invalidInput } from './define.ts'
import type { Procs } from './procs.ts'

interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
  readonly xip: readonly bigint[]
}

/** Null unless the numbers are in order; one listed twice is listed once. */
function makeSnapshot(xmin: bigint, xmax: bigint, running: readonly bigint[]): Snapshot | null {
  if (xmin <= 0n || xmax <= 0n || xmax < xmin) return null
  const xip: bigint[] = []
  for (const id of running) {
    const last = xip.at(-1) ?? 0n
    if (id < xmin || id >= xmax || id < last) return null
    if (id !== last) xip.push(id)
  }
  return { xmin, xmax, xip }
}

function parseSnapshot(text: string): Snapshot {
  const match = /^([0-9]{1,20}):([0-9]{1,20}):((?:[0-9]{1,20}(?:,[0-9]{1,20})*)?)$/.exec(text)
  const running = match?.[3] === '' ? [] : (match?.[3]?.split(',').map(BigInt) ?? [])
  const snapshot = match === null ? null : makeSnapshot(BigInt(match[1]!), BigInt(match[2]!), running)
  if (snapshot === null) throw invalidInput('pg_snapshot', text)
  return snapshot
}

const formatSnapshot = ({ xmin, xmax, xip }: Snapshot): string => `${xmin}:${xmax}:${xip.join(',')}`

function receiveSnapshot(buffer: Buffer, start: number, end: number): string {
  const bad = (): PgError => new PgError(SQLSTATE.invalidBinaryRepresentation, 'invalid external pg_snapshot data')
  if (end - start < 20) throw bad()
  const count = buffer.readInt32BE(start)
  if (count < 0 || start + 20 + count * 8 !== end) throw bad()
  const at = (i: number): bigint => buffer.readBigInt64BE(start + 4 + i * 8)
  const running = Array.from({ length: count }, (_, i) => at(i + 2))
  const snapshot = makeSnapshot(at(0), at(1), running)
  if (snapshot === null) throw bad()
  return formatSnapshot(snapshot)
}

function sendSnapshot(value: string, out: ByteWriter): void {
  const { xmin, xmax, xip } = parseSnapshot(value)
  out.i32(xip.length)
  for (const id of [xmin, xmax, ...xip]) {
    out.u32(Number(id >> 32n))
    out.u32(Number(id & 0xffffffffn))
  }
}

const support = defineType<string>({
  input: (text) => formatSnapshot(parseSnapshot(text)),
  output: (value) => value,
  receive: receiveSnapshot,
  send: sendSnapshot,
  hashKey: (value) => value,
  size: (value) => 24 + value.length,
  value: textValueCodec,
  key: null,
})

export const snapshotTypes = { pg_snapshot: support, txid_snapshot: support }

export const snapshotProcs = {
  pg_snapshot_xmin: (value) => normalInt8(parseSnapshot(value).xmin),
  pg_snapshot_xmax: (value) => normalInt8(parseSnapshot(value).xmax),
  pg_snapshot_xip: (value) => parseSnapshot(value).xip.map(normalInt8),
  pg_visible_in_snapshot(id: Int8, value: string) {
    const { xmin, xmax, xip } = parseSnapshot(value)
    const number = BigInt(id)
    return number < xmin || (number < xmax && !xip.includes(number))
  },
} satisfies Procs
