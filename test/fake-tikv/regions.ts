// Regions: bounds in encoded form, peers, leaders, epochs. A split gives the left parts new ids and raises the version of all parts by the number
// of new regions; a merge takes max(left, right) + 1.

import type { InitOf } from '../../src/storage/tikv/proto/message.ts'
import type { Region as RegionMessage } from '../../src/storage/tikv/proto/metapb.ts'
import { toBytes } from './keys.ts'

export interface PeerOf {
  readonly id: bigint
  readonly storeId: bigint
}

export interface Region {
  readonly id: bigint
  start: string
  /** Empty is the end of everything. */
  end: string
  version: bigint
  confVer: bigint
  peers: PeerOf[]
  /** The store that leads; 0 while nobody does. */
  leader: bigint
  /** What others still believe while nobody leads. */
  lastLeader: bigint
  term: bigint
}

export const contains = (region: Region, encoded: string): boolean => region.start <= encoded && (region.end === '' || encoded < region.end)

export function peerOn(region: Region, storeId: bigint): PeerOf | undefined {
  return region.peers.find((peer) => peer.storeId === storeId)
}

export function regionMessage(region: Region): InitOf<typeof RegionMessage> {
  return {
    id: region.id,
    start_key: toBytes(region.start),
    end_key: toBytes(region.end),
    region_epoch: { conf_ver: region.confVer, version: region.version },
    peers: region.peers.map((peer) => ({ id: peer.id, store_id: peer.storeId })),
  }
}

export interface RegionMap {
  all(): readonly Region[]
  byId(id: bigint): Region | undefined
  /** The region that holds an encoded key. */
  find(encoded: string): Region
  indexOf(region: Region): number
  /** Splits at encoded keys that lie inside; the answer is the parts in order, the given region last. */
  split(region: Region, keys: readonly string[]): Region[]
  /** Takes the right neighbour in; undefined when there is none. */
  merge(region: Region): Region | undefined
  /** Regions that intersect [start, end), in order. */
  scan(start: string, end: string): Region[]
  /** The region and those split off from it since `version`, as a stale client is told. */
  sinceVersion(region: Region, version: bigint): Region[]
}

const MOST_TOLD = 10

export function createRegionMap(nextId: () => bigint, first: Region): RegionMap {
  const regions: Region[] = [first]
  const indexAt = (encoded: string): number => {
    let low = 0
    let high = regions.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (regions[middle]!.start <= encoded) low = middle
      else high = middle
    }
    return low
  }
  const indexOf = (region: Region): number => indexAt(region.start)
  const byId = new Map<bigint, Region>([[first.id, first]])
  return {
    all: () => regions,
    byId: (id) => byId.get(id),
    find: (encoded) => regions[indexAt(encoded)]!,
    indexOf,
    split(region, keys) {
      const inside = [...new Set(keys)]
        .filter((key) => key > region.start && (region.end === '' || key < region.end))
        .sort((a, b) => (a < b ? -1 : 1))
      if (inside.length === 0) return []
      const at = indexOf(region)
      const version = region.version + BigInt(inside.length)
      const parts: Region[] = []
      let { start } = region
      for (const key of inside) {
        const part: Region = {
          ...region,
          id: nextId(),
          start,
          end: key,
          version,
          peers: region.peers.map((peer) => ({ id: nextId(), storeId: peer.storeId })),
        }
        byId.set(part.id, part)
        parts.push(part)
        start = key
      }
      region.start = start
      region.version = version
      parts.push(region)
      regions.splice(at, 1, ...parts)
      return parts
    },
    merge(region) {
      const at = indexOf(region)
      const right = regions[at + 1]
      if (right === undefined) return undefined
      region.end = right.end
      if (right.version > region.version) region.version = right.version
      region.version += 1n
      regions.splice(at + 1, 1)
      byId.delete(right.id)
      return region
    },
    scan(start, end) {
      const found: Region[] = []
      for (let i = indexAt(start); i < regions.length; i++) {
        const region = regions[i]!
        if (end !== '' && region.start >= end) break
        found.push(region)
      }
      return found
    },
    sinceVersion(region, version) {
      const told = [region]
      let newest = region.version
      if (version >= newest) return told
      let missing = newest - version
      for (let i = indexOf(region) - 1; i >= 0 && told.length <= MOST_TOLD; i--) {
        const left = regions[i]!
        missing -= 1n
        if (left.version >= newest) {
          missing += left.version - newest
          newest = left.version
        }
        told.push(left)
        if (missing === 0n) break
      }
      return told
    },
  }
}
