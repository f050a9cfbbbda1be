// PD's gRPC face: pdpb.PD, keyspacepb.Keyspace, and the little of etcd and of its meta storage that the official clients ask for.

import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import { Range } from '../../src/storage/tikv/proto/etcdpb.ts'
import * as keyspacepb from '../../src/storage/tikv/proto/keyspacepb.ts'
import {
  type AnyMessage,
  bytes,
  embedded,
  type Fields,
  type Init,
  type InitOf,
  int64,
  type MessageOf,
  type MessageType,
  message,
  method,
  repeated,
  string,
  uint64,
} from '../../src/storage/tikv/proto/message.ts'
import { StoreState } from '../../src/storage/tikv/proto/metapb.ts'
import * as pdpb from '../../src/storage/tikv/proto/pdpb.ts'
import type { Faults } from './faults.ts'
import { type Barrier, describe, GC_WORKER, type GcState, INFINITE, remaining, unixNow } from './gc.ts'
import { GrpcError, type GrpcStream, type Handler, Status, type StreamHandler } from './grpc.ts'
import { toKey } from './keys.ts'
import { type KeyspaceRecord, PdRefusal } from './keyspaces.ts'
import type { Pd } from './pd.ts'
import { peerOn, type Region, regionMessage } from './regions.ts'
import { MAX_COUNT } from './tso.ts'

/** An application error: gRPC status OK, the error in the header. */
class HeaderError extends Error {
  override name = 'HeaderError'
  readonly type: (typeof pdpb.ErrorType)[keyof typeof pdpb.ErrorType]

  constructor(type: keyof typeof pdpb.ErrorType, text: string) {
    super(text)
    this.type = pdpb.ErrorType[type]
  }
}

const SPLIT_RETRY_MS = 500
const DEFAULT_RETRIES = 1

// etcdserverpb and meta_storagepb, as far as answered.
const EtcdHeader = message('etcdserverpb.ResponseHeader', { cluster_id: uint64(1), member_id: uint64(2), raft_term: uint64(4) })
const EtcdMember = message('etcdserverpb.Member', {
  ID: uint64(1),
  name: string(2),
  peerURLs: repeated(string(3)),
  clientURLs: repeated(string(4)),
})
const MemberList = method(
  '/etcdserverpb.Cluster/MemberList',
  message('etcdserverpb.MemberListRequest', {}),
  message('etcdserverpb.MemberListResponse', { header: embedded(1, EtcdHeader), members: repeated(embedded(2, EtcdMember)) }),
)
const MetaHeader = message('meta_storagepb.ResponseHeader', { cluster_id: uint64(1), revision: int64(3) })
const MetaGet = method(
  '/meta_storagepb.MetaStorage/Get',
  message('meta_storagepb.GetRequest', { key: bytes(2) }),
  message('meta_storagepb.GetResponse', { header: embedded(1, MetaHeader) }),
)

type Methods = typeof pdpb.PD & typeof keyspacepb.Keyspace
type FieldsOf<M> = M extends MessageType<infer F extends Fields> ? F : never
type RequestOf<M extends keyof Methods> = MessageOf<MessageType<FieldsOf<Methods[M]['request']>>>
type ResponseOf<M extends keyof Methods> = Omit<InitOf<MessageType<FieldsOf<Methods[M]['response']>>>, 'header'>
type Handlers = { readonly [M in keyof Methods]: (request: RequestOf<M>) => MaybePromise<ResponseOf<M>> }

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export interface PdService {
  find(path: string): Handler
}

export function createPdService(pd: Pd, faults: Faults): PdService {
  const { cluster, gc, keyspaces } = pd
  const header = { cluster_id: cluster.id }
  const mismatch = (got: bigint): GrpcError =>
    new GrpcError(Status.FAILED_PRECONDITION, `mismatch cluster id, need ${cluster.id} but got ${got}`)
  const checkCluster = (request: { header?: { cluster_id: bigint } | undefined }): void => {
    const got = request.header?.cluster_id ?? 0n
    if (got !== cluster.id) throw mismatch(got)
  }
  const bootstrapped = (): void => {
    if (!pd.isBootstrapped) throw new HeaderError('NOT_BOOTSTRAPPED', 'cluster is not bootstrapped')
  }

  const member = (): InitOf<typeof pdpb.Member> => ({
    name: pd.member.name,
    member_id: pd.member.id,
    peer_urls: [pd.member.peerUrl],
    client_urls: [pd.member.clientUrl],
  })
  const leaderOf = (region: Region): { id: bigint; store_id: bigint } | undefined => {
    const leader = peerOn(region, region.leader === 0n ? region.lastLeader : region.leader)
    return leader && { id: leader.id, store_id: leader.storeId }
  }
  const withLeader = (
    region: Region | undefined,
  ): { region?: ReturnType<typeof regionMessage>; leader?: { id: bigint; store_id: bigint } } => {
    const leader = region && leaderOf(region)
    return region ? { region: regionMessage(region), ...(leader ? { leader } : {}) } : {}
  }
  const previous = (key: string): Region | undefined => cluster.regions.all()[cluster.regions.indexOf(cluster.regions.find(key)) - 1]
  const keyspaceMessage = (keyspace: KeyspaceRecord): InitOf<typeof keyspacepb.KeyspaceMeta> => ({
    id: keyspace.id,
    name: keyspace.name,
    state: keyspace.state as keyspacepb.KeyspaceMeta['state'],
    created_at: BigInt(keyspace.createdAt),
    state_changed_at: BigInt(keyspace.stateChangedAt),
    config: keyspace.config,
  })
  const barrierMessage = (barrier: Barrier): InitOf<typeof pdpb.GCBarrierInfo> => ({
    barrier_id: barrier.id,
    barrier_ts: barrier.ts,
    ttl_seconds: remaining(barrier),
  })
  const stateMessage = (state: GcState, withBarriers: boolean): InitOf<typeof pdpb.GCState> => ({
    keyspace_scope: { keyspace_id: state.keyspaceId },
    is_keyspace_level_gc: state.isKeyspaceLevel,
    txn_safe_point: state.txnSafePoint,
    gc_safe_point: state.gcSafePoint,
    gc_barriers: withBarriers ? gc.live(state).map(barrierMessage) : [],
  })
  /** The older GC calls fail as RPCs. */
  const failing = <T>(run: () => T): T => {
    try {
      return run()
    } catch (error) {
      if (error instanceof PdRefusal) throw new GrpcError(Status.UNKNOWN, error.message)
      throw error
    }
  }
  const split = async (keys: readonly Buffer[], retries: bigint): Promise<{ finished: bigint; ids: bigint[] }> => {
    if (keys.length === 0) return { finished: 0n, ids: [] }
    const ids = pd.splitAt(keys.map(toKey))
    if (ids.length === 0) await later(SPLIT_RETRY_MS * (Number(retries) || DEFAULT_RETRIES))
    return { finished: ids.length > 0 ? 100n : 0n, ids }
  }
  const mustExist = (id: bigint, isOldForm: boolean): void => {
    if (cluster.regions.byId(id)) return
    if (isOldForm) throw new HeaderError('REGION_NOT_FOUND', 'region %d not found')
    throw new GrpcError(Status.UNKNOWN, '[PD:region:ErrRegionNotFound]region %v not found')
  }
  const serviceAnswer = (id: string, minimum: bigint) => ({
    service_id: Buffer.from(id),
    TTL: INFINITE - unixNow(),
    min_safe_point: minimum,
  })

  const handlers: Handlers = {
    GetMembers: () => ({ members: [member()], leader: member(), etcd_leader: member() }),
    GetClusterInfo: () => ({ serviceModes: [pdpb.ServiceMode.PD_SVC_MODE] }),
    IsBootstrapped: () => ({ bootstrapped: pd.isBootstrapped }),
    AllocID(request) {
      const count = Math.max(1, request.count)
      let id = 0n
      for (let i = 0; i < count; i++) id = cluster.nextId()
      return { id, count }
    },
    GetStore(request) {
      bootstrapped()
      const store = pd.stores.get(request.store_id)
      if (!store) throw new HeaderError('UNKNOWN', `invalid store ID ${request.store_id}, not found`)
      return { store, stats: { store_id: store.id } }
    },
    GetAllStores(request) {
      bootstrapped()
      return {
        stores: [...pd.stores.values()].filter((store) => !request.exclude_tombstone_stores || store.state !== StoreState.Tombstone),
      }
    },
    PutStore(request) {
      bootstrapped()
      try {
        pd.putStore(request.store!)
      } catch (error) {
        if (error instanceof PdRefusal && error.status === 410) throw new HeaderError('STORE_TOMBSTONE', error.message)
        throw error
      }
      return { replication_status: {} }
    },
    GetRegion(request) {
      bootstrapped()
      return withLeader(cluster.regions.find(toKey(request.region_key)))
    },
    GetPrevRegion(request) {
      bootstrapped()
      return withLeader(previous(toKey(request.region_key)))
    },
    GetRegionByID(request) {
      bootstrapped()
      return withLeader(cluster.regions.byId(request.region_id))
    },
    ScanRegions(request) {
      bootstrapped()
      const start = toKey(request.start_key)
      const end = toKey(request.end_key)
      const found = end !== '' && start >= end ? [] : cluster.regions.scan(start, end)
      const regions = (request.limit > 0 ? found.slice(0, request.limit) : found).map(withLeader)
      return {
        region_metas: regions.map((one) => one.region!),
        leaders: regions.map((one) => one.leader ?? {}),
        regions,
      }
    },
    BatchScanRegions(request) {
      bootstrapped()
      let previousEnd: string | undefined
      const found = new Map<bigint, Region>()
      for (const range of request.ranges) {
        const start = toKey(range.start_key)
        const end = toKey(range.end_key)
        if (end !== '' && start > end) throw new HeaderError('UNKNOWN', 'invalid key range, start key > end key')
        if (previousEnd !== undefined && start < previousEnd) throw new HeaderError('UNKNOWN', 'invalid key range, ranges overlapped')
        previousEnd = end
        if (end !== '' && start === end) continue
        for (const region of cluster.regions.scan(start, end)) found.set(region.id, region)
      }
      const regions = [...found.values()]
      return { regions: (request.limit > 0 ? regions.slice(0, request.limit) : regions).map(withLeader) }
    },
    ScatterRegion(request) {
      bootstrapped()
      if (request.regions_id.length === 0) {
        const id = request.region?.id ?? request.region_id
        mustExist(id, true)
      }
      for (const id of request.regions_id) mustExist(id, false)
      return { finished_percentage: 100n }
    },
    async SplitRegions(request) {
      bootstrapped()
      const { finished, ids } = await split(request.split_keys, request.retry_limit)
      return { finished_percentage: finished, regions_id: ids }
    },
    async SplitAndScatterRegions(request) {
      bootstrapped()
      const { finished, ids } = await split(request.split_keys, request.retry_limit)
      return { split_finished_percentage: finished, scatter_finished_percentage: finished, regions_id: ids }
    },
    GetOperator() {
      bootstrapped()
      throw new HeaderError('REGION_NOT_FOUND', 'Not Found')
    },
    GetGCSafePoint() {
      bootstrapped()
      return { safe_point: gc.global.gcSafePoint }
    },
    UpdateGCSafePoint(request) {
      bootstrapped()
      return { new_safe_point: failing(() => gc.updateGc(gc.global, request.safe_point)) }
    },
    UpdateServiceGCSafePoint(request) {
      bootstrapped()
      const { id, minimum } = failing(() => gc.updateService(request.service_id.utf8Slice(), request.TTL, request.safe_point))
      return serviceAnswer(id, minimum)
    },
    GetMinTS() {
      const { physical, logical } = cluster.tso.take(1)
      return { timestamp: { physical: BigInt(physical), logical: BigInt(logical) } }
    },
    GetExternalTimestamp: () => ({}),
    GetGCSafePointV2: (request) => ({ safe_point: failing(() => gc.scope(request.keyspace_id, true).gcSafePoint) }),
    UpdateGCSafePointV2: (request) => ({
      new_safe_point: failing(() => gc.updateGc(gc.scope(request.keyspace_id, true), request.safe_point)),
    }),
    UpdateServiceSafePointV2(request) {
      const state = failing(() => gc.scope(request.keyspace_id, false))
      return { service_id: Buffer.from(GC_WORKER), ttl: INFINITE - unixNow(), min_safe_point: state.txnSafePoint }
    },
    GetGCState(request) {
      bootstrapped()
      return { gc_state: stateMessage(gc.scope(request.keyspace_scope?.keyspace_id, false), !request.exclude_gc_barriers) }
    },
    SetGCBarrier(request) {
      bootstrapped()
      const state = gc.scope(request.keyspace_scope?.keyspace_id, false)
      return { new_barrier_info: barrierMessage(gc.setBarrier(state, request.barrier_id, request.barrier_ts, request.ttl_seconds)) }
    },
    DeleteGCBarrier(request) {
      bootstrapped()
      const deleted = gc.deleteBarrier(gc.scope(request.keyspace_scope?.keyspace_id, false), request.barrier_id)
      return deleted ? { deleted_barrier_info: barrierMessage(deleted) } : {}
    },
    AdvanceTxnSafePoint(request) {
      bootstrapped()
      const state = gc.scope(request.keyspace_scope?.keyspace_id, true)
      const { old, blocker } = gc.advanceTxn(state, request.target)
      return {
        old_txn_safe_point: old,
        new_txn_safe_point: state.txnSafePoint,
        blocker_description: blocker ? describe(blocker) : '',
      }
    },
    AdvanceGCSafePoint(request) {
      bootstrapped()
      const state = gc.scope(request.keyspace_scope?.keyspace_id, true)
      const old = gc.advanceGc(state, request.target)
      return { old_gc_safe_point: old, new_gc_safe_point: state.gcSafePoint }
    },
    LoadKeyspace(request) {
      const keyspace = keyspaces.byName(request.name)
      if (!pd.isSplit(keyspace.id)) throw new PdRefusal('[PD:keyspace:ErrKeyspaceNotFound]keyspace does not exist', { isMissing: true })
      return { keyspace: keyspaceMessage(keyspace) }
    },
    LoadKeyspaceByID: (request) => ({ keyspace: keyspaceMessage(keyspaces.byId(request.id)) }),
    UpdateKeyspaceState(request) {
      const keyspace = keyspaces.byId(request.id)
      keyspaces.setState(keyspace, request.state)
      return { keyspace: keyspaceMessage(keyspace) }
    },
    GetAllKeyspaces: (request) => ({ keyspaces: keyspaces.page(request.start_id, request.limit).map(keyspaceMessage) }),
  }

  const unary = (name: keyof Methods, path: string, request: AnyMessage, response: AnyMessage): Handler => {
    const run = handlers[name] as unknown as (request: object) => MaybePromise<object>
    const needsCluster = name !== 'GetMembers' && name !== 'GetClusterInfo'
    const fail = (error: unknown): Buffer => {
      if (error instanceof HeaderError)
        return response.encode({ header: { ...header, error: { type: error.type, message: error.message } } })
      if (error instanceof PdRefusal) {
        const type = error.isMissing && path.startsWith('/keyspacepb.') ? pdpb.ErrorType.ENTRY_NOT_FOUND : pdpb.ErrorType.UNKNOWN
        return response.encode({ header: { ...header, error: { type, message: error.message } } })
      }
      throw error
    }
    const encode = (answer: object): Buffer => response.encode({ header, ...answer })
    const execute = (decoded: object): Buffer | Promise<Buffer> => {
      try {
        if (needsCluster) checkCluster(decoded)
        const answer = run(decoded)
        return answer instanceof Promise ? answer.then(encode, fail) : encode(answer)
      } catch (error) {
        return fail(error)
      }
    }
    return {
      kind: 'unary',
      async call(bytes) {
        faults.countPd(name)
        const decoded = request.decode(bytes)
        const fault = faults.hit(name, decoded)
        if (fault === undefined) return execute(decoded)
        if (fault.action === 'delay') await later(fault.ms)
        if (fault.action === 'drop-request') throw dropped()
        const answer = await execute(decoded)
        if (fault.action === 'drop-response') throw dropped()
        return answer
      },
    }
  }
  const dropped = (): GrpcError => new GrpcError(Status.UNAVAILABLE, 'connection dropped by a planted fault')

  const answerTso = (stream: GrpcStream, request: MessageOf<typeof pdpb.TsoRequest>): void => {
    checkCluster(request)
    const failed = (why: string): GrpcError =>
      new GrpcError(Status.UNKNOWN, `[PD:tso:ErrGenerateTimestamp]generate timestamp failed, ${why}`)
    if (request.count === 0) throw failed('tso count should be positive')
    if (request.count > MAX_COUNT) throw failed('generate tso maximum number of retries exceeded')
    const { physical, logical } = cluster.tso.take(request.count)
    stream.send(
      pdpb.TsoResponse.encode({ header, count: request.count, timestamp: { physical: BigInt(physical), logical: BigInt(logical) } }),
    )
  }
  const tsoStream = (stream: GrpcStream): StreamHandler => {
    /** Set while a delayed answer holds back those after it: they come in order. */
    let delayed: Promise<void> | undefined
    const answer = (request: MessageOf<typeof pdpb.TsoRequest>): void => {
      try {
        answerTso(stream, request)
      } catch (error) {
        if (error instanceof GrpcError) stream.end(error.code, error.message)
        else throw error
      }
    }
    return {
      message(bytes) {
        faults.countPd('Tso')
        const request = pdpb.TsoRequest.decode(bytes)
        const fault = faults.hit('Tso', request)
        if (fault?.action === 'drop-request' || fault?.action === 'drop-response') throw dropped()
        if (fault?.action === 'delay') delayed = (delayed ?? Promise.resolve()).then(() => later(fault.ms))
        if (delayed) delayed = delayed.then(() => answer(request))
        else answer(request)
      },
      halfClosed: () => stream.end(),
    }
  }

  const queryStream = (stream: GrpcStream): StreamHandler => ({
    message(bytes) {
      const request = pdpb.QueryRegionRequest.decode(bytes)
      checkCluster(request)
      const found = new Map<bigint, Region>()
      const note = (region: Region | undefined): bigint => {
        if (region) found.set(region.id, region)
        return region?.id ?? 0n
      }
      const answer: Init<(typeof pdpb.QueryRegionResponse)['fields']> = {
        header,
        key_id_map: request.keys.map((key) => note(cluster.regions.find(toKey(key)))),
        prev_key_id_map: request.prev_keys.map((key) => note(previous(toKey(key)))),
      }
      for (const id of request.ids) note(cluster.regions.byId(id))
      stream.send(
        pdpb.QueryRegionResponse.encode({
          ...answer,
          regions_by_id: [...found.values()].map((region) => ({ key: region.id, value: withLeader(region) })),
        }),
      )
    },
    halfClosed: () => stream.end(),
  })

  const watchStream = (stream: GrpcStream): StreamHandler => ({
    message(bytes) {
      checkCluster(keyspacepb.WatchKeyspacesRequest.decode(bytes))
      const send = (changed: readonly KeyspaceRecord[]): void =>
        stream.send(keyspacepb.WatchKeyspacesResponse.encode({ header, keyspaces: changed.map(keyspaceMessage) }))
      const all = keyspaces.list(0, 0)
      if (all.length > 0) send(all)
      stream.onClose(keyspaces.watch(send))
    },
    halfClosed() {
      // A server stream: the client has said all it has to say.
    },
  })

  const byPath = new Map<string, Handler>()
  for (const [name, { path, request, response }] of Object.entries({ ...pdpb.PD, ...keyspacepb.Keyspace }))
    byPath.set(path, unary(name as keyof Methods, path, request as unknown as AnyMessage, response as unknown as AnyMessage))
  byPath.set(pdpb.Tso.path, { kind: 'stream', open: tsoStream })
  byPath.set(pdpb.QueryRegion.path, { kind: 'stream', open: queryStream })
  byPath.set(keyspacepb.WatchKeyspaces.path, { kind: 'stream', open: watchStream })
  byPath.set(MemberList.path, {
    kind: 'unary',
    call: () =>
      MemberList.response.encode({
        header: { cluster_id: cluster.id, member_id: pd.member.id, raft_term: 2n },
        members: [{ ID: pd.member.id, name: pd.member.name, peerURLs: [pd.member.peerUrl], clientURLs: [pd.member.clientUrl] }],
      }),
  })
  byPath.set(Range.path, {
    kind: 'unary',
    call(bytes) {
      const request = Range.request.decode(bytes)
      const [from, to] = [request.key.latin1Slice(), request.range_end.latin1Slice()]
      return Range.response.encode({ count: BigInt([...pd.etcd.keys()].filter((key) => key >= from && key < to).length) })
    },
  })
  byPath.set(MetaGet.path, { kind: 'unary', call: () => MetaGet.response.encode({ header: { cluster_id: cluster.id, revision: 1n } }) })
  const services = new Set([...byPath.keys()].map((path) => path.split('/')[1]!))
  return {
    find(path) {
      const known = byPath.get(path)
      if (known) return known
      const [, service = '', name = ''] = path.split('/')
      const text = services.has(service) ? `unknown method ${name} for service ${service}` : `unknown service ${service}`
      return {
        kind: 'unary',
        call() {
          throw new GrpcError(Status.UNIMPLEMENTED, text)
        },
      }
    },
  }
}
