// Which replica answers a read. A follower asks the leader how far it has to have come (ReadIndex) before it answers, so what it says is as new as the
// leader's word; writes, locks and the fate of transactions are the leader's alone.

import type { Command } from './gate.ts'
import { PeerRole } from './proto/metapb.ts'
import type { Region } from './region-cache.ts'

/** 'leader': followers answer only where the leader has too much to do. 'follower': they answer in turn, the leader where none can. */
export const REPLICA_READS = ['leader', 'follower'] as const
export type ReplicaRead = (typeof REPLICA_READS)[number]

const READS: ReadonlySet<Command> = new Set<Command>(['KvGet', 'KvBatchGet', 'KvScan'])

export class Replicas {
  readonly #preferred: ReplicaRead
  /** Stores that were too busy or did not answer: performance.now() until when reads go elsewhere. */
  readonly #avoided = new Map<bigint, number>()
  #turn = 0

  constructor(preferred: ReplicaRead) {
    this.#preferred = preferred
  }

  avoid(store: bigint, ms: number): void {
    this.#avoided.set(store, performance.now() + ms)
  }

  #isAvoided(store: bigint): boolean {
    const until = this.#avoided.get(store)
    if (until === undefined) return false
    if (performance.now() < until) return true
    this.#avoided.delete(store)
    return false
  }

  /** Index of the peer that is to answer. */
  choose(region: Region, command: Command): number {
    const { leader, peers } = region
    if (peers.length === 1 || !READS.has(command)) return leader
    if (this.#preferred === 'leader' && (this.#avoided.size === 0 || !this.#isAvoided(peers[leader]!.store_id))) return leader
    const first = this.#turn++
    for (let n = 0; n < peers.length; n++) {
      const at = (first + n) % peers.length
      const { role, store_id: store } = peers[at]!
      if (at !== leader && role === PeerRole.Voter && !this.#isAvoided(store)) return at
    }
    return leader
  }
}
