// Regions as this process knows them, for all keyspaces together: in the encoded form of their bounds, ordered by their start. An entry's identity
// is (id, conf_ver, version); an entry that was dropped stays `valid: false` for those who still hold it. // hot

import { Backoff, BUDGET } from './backoff.ts'
import { decodeKey, encodeKey } from './codec.ts'
import { type PdClient, PdRefusal } from './pd.ts'
import type { Peer, Region as RegionMeta } from './proto/metapb.ts'
import { PD, type RegionInfo } from './proto/pdpb.ts'

export interface Region {
  readonly id: bigint
  readonly confVer: bigint
  readonly version: bigint
  /** Encoded bounds as latin1; '' as end = no end. */
  readonly start: string
  readonly end: string
  /** Physical bounds; empty = none. */
  readonly startKey: Buffer
  readonly endKey: Buffer
  readonly peers: readonly Peer[]
  /** Index into `peers`. */
  leader: number
  valid: boolean
  usedAt: number
}

const IDLE_MS = 600_000
const SCAN_LIMIT = 128
const MAX_REGIONS = 200_000

/** Encoded form for look-ups. */
export const placeOf = (physical: Uint8Array): string => encodeKey(physical).latin1Slice()

/** Bounds made by hand need not be keys: their whole groups are the nearest key. */
function boundKey(encoded: Buffer): Buffer {
  if (encoded.length === 0) return encoded
  const key = decodeKey(encoded)
  if (key !== null) return key
  const parts: Buffer[] = []
  for (let at = 0; at < encoded.length; at += 9) parts.push(encoded.subarray(at, Math.min(at + 8, encoded.length)))
  return Buffer.concat(parts)
}

export class RegionCache {
  readonly #pd: PdClient
  /** By start; parallel arrays, so that the search touches strings only. */
  #starts: string[] = []
  #regions: Region[] = []
  readonly #byId = new Map<bigint, Region>()
  readonly #loads = new Map<string, Promise<Region>>()

  constructor(pd: PdClient) {
    this.#pd = pd
  }

  get size(): number {
    return this.#regions.length
  }

  /** Index of the last region that starts at or before (`below`: before) the place; -1 if none. */
  #search(place: string, below: boolean): number {
    const starts = this.#starts
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const start = starts[middle]!
      if (below ? start < place : start <= place) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #fresh(region: Region | undefined): Region | undefined {
    if (region === undefined) return undefined
    const now = performance.now()
    if (now - region.usedAt > IDLE_MS) {
      this.drop(region)
      return undefined
    }
    region.usedAt = now
    return region
  }

  /** The region of a physical key, if it is known. */
  find(key: Uint8Array): Region | undefined {
    const place = placeOf(key)
    const region = this.#regions[this.#search(place, false)]
    return region !== undefined && (region.end === '' || place < region.end) ? this.#fresh(region) : undefined
  }

  /** The region of a physical key. */
  locate(key: Uint8Array): Region | Promise<Region> {
    return this.find(key) ?? this.#load(key, false)
  }

  /** The region of the keys just below a physical key. */
  locateBelow(key: Uint8Array): Region | Promise<Region> {
    const place = placeOf(key)
    const region = this.#regions[this.#search(place, true)]
    const found = region !== undefined && (region.end === '' || place <= region.end) ? this.#fresh(region) : undefined
    return found ?? this.#load(key, true)
  }

  #load(key: Uint8Array, below: boolean): Promise<Region> {
    const encoded = encodeKey(key)
    const name = `${below ? '<' : '='}${encoded.latin1Slice()}`
    let load = this.#loads.get(name)
    if (load === undefined) {
      load = this.#ask(encoded, below).finally(() => this.#loads.delete(name))
      this.#loads.set(name, load)
    }
    return load
  }

  async #ask(encoded: Buffer, below: boolean): Promise<Region> {
    const backoff = new Backoff(BUDGET.pd)
    let why = 'PD knows no region of a key'
    for (;;) {
      let answer: { region?: RegionMeta | undefined; leader?: Peer | undefined; down_peers: { peer?: Peer | undefined }[] }
      try {
        answer = await this.#pd.call(PD.GetRegion, { region_key: encoded })
        if (below && answer.region?.start_key.equals(encoded)) {
          answer = await this.#pd.call(PD.GetPrevRegion, { region_key: encoded })
        }
      } catch (error) {
        // A cluster that is just being set up.
        if (!(error instanceof PdRefusal)) throw error
        why = `PD: ${error.message}`
        answer = { down_peers: [] }
      }
      if (answer.region !== undefined && answer.region.peers.length > 0) {
        const region = this.insert(
          answer.region,
          answer.leader,
          answer.down_peers.map(({ peer }) => peer?.id ?? 0n),
        )
        if (region !== null) return region
        const known = this.#byId.get(answer.region.id)
        if (known !== undefined && this.#covers(known, encoded.latin1Slice(), below)) return known
      }
      await backoff.wait('regionMiss', why)
    }
  }

  #covers(region: Region, place: string, below: boolean): boolean {
    return below
      ? region.start < place && (region.end === '' || place <= region.end)
      : region.start <= place && (region.end === '' || place < region.end)
  }

  /** Fetches the regions of a physical range (an empty end = no end), so that work on it needs no question per region. */
  async preload(start: Uint8Array, end: Uint8Array): Promise<void> {
    let from = encodeKey(start)
    const to = end.length === 0 ? end : encodeKey(end)
    for (;;) {
      const { regions } = await this.#pd.call(PD.ScanRegions, { start_key: from, end_key: to, limit: SCAN_LIMIT })
      for (const one of regions as RegionInfo[]) if (one.region !== undefined) this.insert(one.region, one.leader, [])
      const last = regions.at(-1)?.region
      if (last === undefined || regions.length < SCAN_LIMIT || last.end_key.length === 0) return
      from = last.end_key
    }
  }

  /** Null: older than what is known. Takes the place of every region it overlaps. */
  insert(meta: RegionMeta, leader: Peer | undefined, downPeers: readonly bigint[], leaderStore = 0n): Region | null {
    const { conf_ver: confVer, version } = meta.region_epoch ?? { conf_ver: 0n, version: 0n }
    const known = this.#byId.get(meta.id)
    if (known !== undefined && (known.version > version || known.confVer > confVer)) return null
    const usable = meta.peers.filter((peer) => !peer.is_witness && !downPeers.includes(peer.id))
    const peers = usable.length > 0 ? usable : meta.peers
    const at = peers.findIndex((peer) =>
      leaderStore !== 0n ? peer.store_id === leaderStore : leader !== undefined && peer.id === leader.id,
    )
    const region: Region = {
      id: meta.id,
      confVer,
      version,
      start: meta.start_key.latin1Slice(),
      end: meta.end_key.latin1Slice(),
      startKey: Buffer.from(boundKey(meta.start_key)),
      endKey: Buffer.from(boundKey(meta.end_key)),
      peers: peers.map((peer) => ({ ...peer })),
      leader: Math.max(0, at),
      valid: true,
      usedAt: performance.now(),
    }
    if (known !== undefined) this.drop(known)
    let first = this.#search(region.start, false)
    if (first < 0 || (this.#regions[first]!.end !== '' && this.#regions[first]!.end <= region.start)) first++
    let last = first
    while (last < this.#regions.length && (region.end === '' || this.#starts[last]! < region.end)) last++
    for (let i = first; i < last; i++) {
      this.#regions[i]!.valid = false
      this.#byId.delete(this.#regions[i]!.id)
    }
    this.#regions.splice(first, last - first, region)
    this.#starts.splice(first, last - first, region.start)
    this.#byId.set(region.id, region)
    if (this.#regions.length > MAX_REGIONS) this.clear()
    return region
  }

  drop(region: Region): void {
    if (!region.valid) return
    region.valid = false
    const at = this.#search(region.start, false)
    if (this.#regions[at] === region) {
      this.#regions.splice(at, 1)
      this.#starts.splice(at, 1)
    }
    if (this.#byId.get(region.id) === region) this.#byId.delete(region.id)
  }

  byId(id: bigint): Region | undefined {
    return this.#byId.get(id)
  }

  clear(): void {
    for (const region of this.#regions) region.valid = false
    this.#regions = []
    this.#starts = []
    this.#byId.clear()
  }
}
