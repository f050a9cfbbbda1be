// One request to the region of its keys: finds the store that leads it, gives the request its context, and deals with every region error and broken
// connection. Answers null when the region is not what it was: the caller groups its keys anew. The only door to the stores: each request passes
// the codec's gate here.

import { type CancelToken, orCancelled } from '../../base/cancel.ts'
import { KvError } from '../kv-error.ts'
import type { Backoff } from './backoff.ts'
import { type Command, checkOutgoing, type Reach } from './gate.ts'
import { GRPC, RpcError } from './grpc.ts'
import type { PdClient } from './pd.ts'
import { PdRefusal } from './pd.ts'
import type { RegionError } from './proto/errorpb.ts'
import { APIVersion, type Context } from './proto/kvrpcpb.ts'
import type { Decoded, Init, Method } from './proto/message.ts'
import { type Peer, StoreState } from './proto/metapb.ts'
import { PD } from './proto/pdpb.ts'
import type { Tikv } from './proto/tikvpb.ts'
import { type Region, RegionCache } from './region-cache.ts'
import { type ReplicaRead, Replicas } from './replicas.ts'
import { StoreClient, type StoreClientOptions } from './store-client.ts'
import type { TimestampOracle } from './tso.ts'

type Methods = typeof Tikv
type RequestOf<C extends Command> = Methods[C] extends Method<infer Q, infer _S> ? Init<Q> : never
export type AnswerOf<C extends Command> = Methods[C] extends Method<infer _Q, infer S> ? Decoded<S> : never

export interface SendOptions {
  readonly backoff: Backoff
  readonly cancel?: CancelToken | null
  readonly timeoutMs?: number
  /** About its bytes, where it may be large. */
  readonly size?: number
  readonly resolved?: readonly bigint[]
  readonly committed?: readonly bigint[]
  /** Of a read: by the leader, whatever is preferred. A follower does not know which locks may be passed by. */
  readonly fromLeader?: boolean
  /** Whose request it is, for those who read it in the store's answers. */
  readonly tag?: Uint8Array | undefined
  /** What happened to the attempts so far; shared by the attempts of one logical request. */
  readonly trace?: RequestTrace
}

/** Of one logical request over all its attempts. */
export interface RequestTrace {
  /** An attempt may have been executed although no answer came. */
  maybeExecuted: boolean
}

export const trace = (): RequestTrace => ({ maybeExecuted: false })

interface StoreEntry {
  readonly id: bigint
  address: string
  client: StoreClient
}

const READ_TIMEOUT_MS = 30_000
/** Times that two peers may point at each other. */
const MAX_BOUNCES = 10
/** How long reads stay away from a replica that did not answer, and at least from one that has too much to do. */
const AVOID_SILENT_MS = 10_000
const AVOID_BUSY_MS = 1000
/** Of a leader, before another peer is asked. */
const BUSY_ANSWERS = 2

export class Router {
  readonly regions: RegionCache
  readonly #pd: PdClient
  readonly #oracle: TimestampOracle
  readonly #options: StoreClientOptions
  readonly #replicas: Replicas
  readonly #stores = new Map<bigint, StoreEntry>()
  readonly #resolving = new Map<bigint, Promise<StoreEntry>>()
  #closed = false
  /** Requests sent, for tests and metrics. */
  sent = 0

  constructor(pd: PdClient, oracle: TimestampOracle, replicaRead: ReplicaRead, options: StoreClientOptions) {
    this.#pd = pd
    this.#oracle = oracle
    this.#options = options
    this.#replicas = new Replicas(replicaRead)
    this.regions = new RegionCache(pd)
  }

  #store(id: bigint): StoreEntry | Promise<StoreEntry> {
    const known = this.#stores.get(id)
    if (known !== undefined) return known
    let resolving = this.#resolving.get(id)
    if (resolving === undefined) {
      resolving = this.#resolve(id).finally(() => this.#resolving.delete(id))
      this.#resolving.set(id, resolving)
    }
    return resolving
  }

  async #resolve(id: bigint): Promise<StoreEntry> {
    const { store } = await this.#pd.call(PD.GetStore, { store_id: id })
    if (store === undefined || store.state === StoreState.Tombstone) throw new PdRefusal(0, `store ${id} is gone`)
    if (store.labels.some(({ key, value }) => key === 'engine' && value.startsWith('tiflash')))
      throw new PdRefusal(0, `store ${id} holds no rows`)
    const known = this.#stores.get(id)
    if (known !== undefined && known.address === store.address) return known
    known?.client.close()
    if (this.#closed) throw new KvError('closed', 'the store is closed')
    const entry: StoreEntry = { id, address: store.address, client: new StoreClient(store.address, this.#options) }
    this.#stores.set(id, entry)
    return entry
  }

  /** The store did not answer: its address may have changed. */
  #suspect(id: bigint): void {
    if (this.#resolving.has(id)) return
    const known = this.#stores.get(id)
    if (known === undefined) return
    const resolving = this.#resolve(id)
      .catch((error: unknown) => {
        if (error instanceof PdRefusal) {
          this.#stores.delete(id)
          known.client.close()
        }
        return known
      })
      .finally(() => this.#resolving.delete(id))
    this.#resolving.set(id, resolving)
  }

  /** The request's context is filled in here. Null: the region changed, group the keys anew. */
  async send<C extends Command>(
    reach: Reach,
    command: C,
    region: Region,
    request: RequestOf<C>,
    options: SendOptions,
  ): Promise<AnswerOf<C> | null> {
    checkOutgoing(reach, command, request, this.#oracle.newest)
    const timeoutMs = options.timeoutMs ?? READ_TIMEOUT_MS
    let bounces = 0
    let silent = 0
    let busy = 0
    let fromLeader = options.fromLeader === true
    for (;;) {
      options.cancel?.check()
      if (this.#closed) throw new KvError('closed', 'the store is closed')
      if (!region.valid) return null
      const at = fromLeader ? region.leader : this.#replicas.choose(region, command)
      const isFollower = at !== region.leader
      const peer = region.peers[at]!
      let answer: { region_error?: RegionError | undefined }
      try {
        const found = this.#store(peer.store_id)
        const store = found instanceof Promise ? await found : found
        const context: Init<typeof Context.fields> = {
          region_id: region.id,
          region_epoch: { conf_ver: region.confVer, version: region.version },
          peer,
          api_version: APIVersion.V2,
          keyspace_id: reach.id,
          cluster_id: this.#pd.clusterId,
          max_execution_duration_ms: BigInt(Math.round(timeoutMs)),
          resource_group_tag: options.tag,
          resolved_locks: options.resolved,
          committed_locks: options.committed,
          is_retry_request: options.trace?.maybeExecuted === true,
          replica_read: isFollower,
        }
        this.sent++
        const sent = store.client.send(command, { ...request, context }, timeoutMs, options.size ?? 0)
        answer = (await orCancelled(sent, options.cancel ?? null)) as typeof answer
      } catch (error) {
        if (isFollower && (error instanceof RpcError || error instanceof PdRefusal)) {
          this.#replicas.avoid(peer.store_id, AVOID_SILENT_MS)
          this.#suspect(peer.store_id)
          fromLeader = true
          continue
        }
        if (error instanceof PdRefusal) {
          this.regions.drop(region)
          await options.backoff.wait('regionMiss', error.message)
          return null
        }
        if (!(error instanceof RpcError)) throw error
        if (error.maybeExecuted && options.trace !== undefined) options.trace.maybeExecuted = true
        if (error.code === GRPC.INVALID_ARGUMENT || error.code === GRPC.UNIMPLEMENTED) {
          if (!(error.code === GRPC.UNIMPLEMENTED && silent === 0))
            throw new KvError('unavailable', `TiKV refused ${command}: ${error.message}`, { cause: error })
        }
        this.#suspect(peer.store_id)
        await options.backoff.wait('rpc', error.message)
        // Another peer may lead by now; after a round of all peers, ask PD.
        if (++silent % Math.max(1, region.peers.length) === 0) {
          this.regions.drop(region)
          return null
        }
        this.#nextPeer(region, peer)
        continue
      }
      const { region_error: failed } = answer
      if (failed === undefined) return answer as AnswerOf<C>
      if (failed.server_is_busy !== undefined) {
        this.#replicas.avoid(peer.store_id, Math.max(AVOID_BUSY_MS, Number(failed.server_is_busy.backoff_ms)))
        if (!fromLeader && this.#replicas.choose(region, command) !== region.leader) continue
      }
      if (isFollower) {
        // It may be behind, or gone: the leader knows.
        if (failed.store_not_match !== undefined) this.#suspect(peer.store_id)
        fromLeader = true
        continue
      }
      if (failed.not_leader !== undefined && ++bounces > MAX_BOUNCES * region.peers.length) {
        this.regions.drop(region)
        await options.backoff.wait('regionMiss', 'no leader')
        return null
      }
      if (!(await this.#recover(region, failed, options))) return null
      fromLeader = options.fromLeader === true
      // One that leads no more, and does not know it, can be busy for ever.
      if (failed.server_is_busy !== undefined && ++busy % BUSY_ANSWERS === 0) this.#nextPeer(region, peer)
    }
  }

  /** To the region that holds `key`, whichever that is by the time it answers. */
  async sendTo<C extends Command>(
    reach: Reach,
    command: C,
    key: Uint8Array,
    request: RequestOf<C>,
    options: SendOptions,
  ): Promise<AnswerOf<C>> {
    for (;;) {
      const found = this.regions.locate(key)
      const answer = await this.send(reach, command, found instanceof Promise ? await found : found, request, options)
      if (answer !== null) return answer
    }
  }

  /** Another one may lead, unless that has been noticed already. */
  #nextPeer(region: Region, asked: Peer): void {
    if (region.valid && region.peers[region.leader] === asked) region.leader = (region.leader + 1) % region.peers.length
  }

  /** True: send again to the same region. */
  async #recover(region: Region, failed: RegionError, options: SendOptions): Promise<boolean> {
    const { backoff } = options
    const why = `region ${region.id}: ${failed.message}`
    if (failed.not_leader !== undefined) {
      const { leader } = failed.not_leader
      if (leader !== undefined && leader.id !== 0n) {
        const at = region.peers.findIndex((peer) => peer.id === leader.id)
        if (at < 0) {
          this.regions.drop(region)
          return false
        }
        if (at === region.leader) await backoff.wait('regionMiss', why)
        region.leader = at
        return true
      }
      const asked = region.peers[region.leader]!
      await backoff.wait('regionMiss', why)
      this.#nextPeer(region, asked)
      if (region.leader === 0) {
        // All were asked: PD may know more.
        this.regions.drop(region)
        return false
      }
      return true
    }
    if (failed.epoch_not_match !== undefined) {
      const { current_regions: current } = failed.epoch_not_match
      const own = current.find(({ id }) => id === region.id)?.region_epoch
      if (own !== undefined && (own.version < region.version || own.conf_ver < region.confVer)) {
        await backoff.wait('regionMiss', why)
        return true
      }
      const store = region.peers[region.leader]!.store_id
      this.regions.drop(region)
      if (current.length === 0) await backoff.wait('regionMiss', why)
      for (const one of current) this.regions.insert(one, undefined, [], store)
      return false
    }
    if (failed.server_is_busy !== undefined) {
      await backoff.wait('serverBusy', why, { atLeast: Number(failed.server_is_busy.backoff_ms), free: backoff.spent === 0 })
      return true
    }
    if (failed.stale_command !== undefined) {
      await backoff.wait('staleCommand', why)
      return true
    }
    if (failed.max_timestamp_not_synced !== undefined) {
      await backoff.wait('maxTsNotSynced', why)
      return true
    }
    if (
      failed.read_index_not_ready !== undefined ||
      failed.proposal_in_merging_mode !== undefined ||
      failed.region_not_initialized !== undefined
    ) {
      await backoff.wait('regionMiss', why)
      return true
    }
    if (failed.data_is_not_ready !== undefined) {
      await backoff.wait('regionMiss', why)
      return true
    }
    if (failed.raft_entry_too_large !== undefined) throw new KvError('transactionTooLarge', `a raft entry is too large: ${failed.message}`)
    if (failed.disk_full !== undefined) {
      try {
        await backoff.wait('diskFull', why)
      } catch (error) {
        throw error instanceof KvError ? new KvError('diskFull', failed.message) : error
      }
      return true
    }
    if (failed.FlashbackInProgress !== undefined || failed.FlashbackNotPrepared !== undefined) throw new KvError('unavailable', why)
    if (failed.message.includes('invalid max_ts update')) throw new KvError('corrupt', `TiKV refused a timestamp: ${failed.message}`)
    if (failed.undetermined_result !== undefined && options.trace !== undefined) options.trace.maybeExecuted = true
    if (failed.store_not_match !== undefined) {
      const id = region.peers[region.leader]!.store_id
      this.#stores.get(id)?.client.close()
      this.#stores.delete(id)
    }
    this.regions.drop(region)
    const kind = failed.RecoveryInProgress !== undefined || failed.is_witness !== undefined ? 'recovery' : 'regionMiss'
    await backoff.wait(kind, why)
    return false
  }

  close(): void {
    this.#closed = true
    for (const { client } of this.#stores.values()) client.close()
    this.#stores.clear()
  }
}

/** Groups keys by their regions. */
export async function groupByRegion<T>(
  router: Router,
  items: readonly T[],
  keyOf: (item: T) => Uint8Array,
): Promise<{ region: Region; items: T[] }[]> {
  const groups = new Map<Region, T[]>()
  for (const item of items) {
    const found = router.regions.locate(keyOf(item))
    const region = found instanceof Promise ? await found : found
    const group = groups.get(region)
    if (group === undefined) groups.set(region, [item])
    else group.push(item)
  }
  return [...groups].map(([region, group]) => ({ region, items: group }))
}
