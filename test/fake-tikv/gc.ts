// PD's GC state: the safe point that transactions may not start below, the one below which versions go, and the barriers that hold the first back.
// Service safe points, the older calls, are barriers by another name.

import { type Keyspaces, PdRefusal } from './keyspaces.ts'

export const GC_WORKER = 'gc_worker'
export const INFINITE = 2n ** 63n - 1n
const GLOBAL = 4294967295

export interface Barrier {
  readonly id: string
  readonly ts: bigint
  /** Unix seconds; INFINITE never ends. */
  readonly expiresAt: bigint
}

export interface GcState {
  readonly keyspaceId: number
  readonly isKeyspaceLevel: boolean
  txnSafePoint: bigint
  gcSafePoint: bigint
  readonly barriers: Map<string, Barrier>
}

export const unixNow = (): bigint => BigInt(Math.floor(Date.now() / 1000))
const invalid = (what: string, value: string): PdRefusal =>
  new PdRefusal(`[PD:common:ErrInvalidArgument]invalid argument for ${what}: ${value}`)

export const remaining = (barrier: Barrier): bigint => (barrier.expiresAt === INFINITE ? INFINITE : barrier.expiresAt - unixNow())
/** Go's rendering of a time. */
const shownTime = (unix: bigint): string =>
  new Date(Number(unix) * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' +0000 UTC')
export const describe = (barrier: Barrier): string =>
  `GCBarrier { BarrierID: ${JSON.stringify(barrier.id)}, BarrierTS: ${barrier.ts}, ExpirationTime: ${
    barrier.expiresAt === INFINITE ? '<nil>' : JSON.stringify(shownTime(barrier.expiresAt))
  } }`

export interface Gc {
  readonly global: GcState
  /** The state that a scope means; `toManage` refuses keyspaces that have none of their own. */
  scope(keyspaceId: number | undefined, toManage: boolean): GcState
  listed(state: GcState): Barrier[]
  live(state: GcState): Barrier[]
  setBarrier(state: GcState, id: string, ts: bigint, ttl: bigint): Barrier
  deleteBarrier(state: GcState, id: string): Barrier | undefined
  advanceTxn(state: GcState, target: bigint): { old: bigint; blocker: Barrier | undefined }
  advanceGc(state: GcState, target: bigint): bigint
  /** The older call: a smaller value is ignored. */
  updateGc(state: GcState, target: bigint): bigint
  updateService(id: string, ttl: bigint, safePoint: bigint): { id: string; minimum: bigint }
}

export function createGc(keyspaces: Keyspaces, collect: (safePoint: bigint) => void): Gc {
  const newState = (keyspaceId: number, isKeyspaceLevel: boolean): GcState => ({
    keyspaceId,
    isKeyspaceLevel,
    txnSafePoint: 0n,
    gcSafePoint: 0n,
    barriers: new Map(),
  })
  const global = newState(GLOBAL, false)
  const own = new Map<number, GcState>()
  const sorted = (barriers: Iterable<Barrier>): Barrier[] => [...barriers].sort((a, b) => (a.id < b.id ? -1 : 1))
  const live = (state: GcState): Barrier[] =>
    sorted([...state.barriers.values()].filter((barrier) => barrier.expiresAt === INFINITE || barrier.expiresAt > unixNow()))
  const setGc = (state: GcState, target: bigint): void => {
    if (target > state.txnSafePoint) {
      throw new PdRefusal(
        '[PD:gc:ErrGCSafePointExceedsTxnSafePoint]trying to update GC safe point to a too large value that exceeds the txn safe point, ' +
          `current value: ${state.gcSafePoint}, given: ${target}, current txn safe point: ${state.txnSafePoint}`,
      )
    }
    state.gcSafePoint = target
    if (state === global) collect(target)
  }
  const gc: Gc = {
    global,
    scope(keyspaceId, toManage) {
      if (keyspaceId === undefined || keyspaceId === GLOBAL) return global
      const keyspace = keyspaces.byId(keyspaceId)
      if (keyspace.config.get('gc_management_type') !== 'keyspace_level') {
        if (toManage) {
          throw new PdRefusal(
            `[PD:gc:ErrGCOnInvalidKeyspace]trying to manage GC in keyspace ${keyspace.name} (id: ${keyspaceId}) where keyspace level GC is not enabled`,
          )
        }
        return global
      }
      let state = own.get(keyspaceId)
      if (!state) own.set(keyspaceId, (state = newState(keyspaceId, true)))
      return state
    },
    listed: (state) => sorted(state.barriers.values()),
    live,
    setBarrier(state, id, ts, ttl) {
      if (id === '') throw invalid('barrierID', '')
      if (ttl <= 0n) throw invalid('ttl', '0s')
      if (id === GC_WORKER)
        throw new PdRefusal(`[PD:gc:ErrReservedGCBarrierID]trying to set a GC barrier with a barrier ID that is reserved: ${id}`)
      if (ts < state.txnSafePoint) {
        throw new PdRefusal(
          `[PD:gc:ErrGCBarrierTSBehindTxnSafePoint]trying to set a GC barrier on ts ${ts} which is already behind the txn safe point ${state.txnSafePoint}`,
        )
      }
      const now = unixNow()
      const barrier = { id, ts, expiresAt: ttl >= INFINITE - now ? INFINITE : now + ttl }
      state.barriers.set(id, barrier)
      return barrier
    },
    deleteBarrier(state, id) {
      const barrier = state.barriers.get(id)
      state.barriers.delete(id)
      return barrier
    },
    advanceTxn(state, target) {
      const old = state.txnSafePoint
      if (target < old) {
        throw new PdRefusal(
          `[PD:gc:ErrDecreasingTxnSafePoint]trying to update txn safe point to a smaller value, current value: ${old}, given: ${target}`,
        )
      }
      const now = live(state)
      state.barriers.clear()
      for (const barrier of now) state.barriers.set(barrier.id, barrier)
      let blocker: Barrier | undefined
      for (const barrier of now) if (barrier.ts < target && (blocker === undefined || barrier.ts < blocker.ts)) blocker = barrier
      state.txnSafePoint = blocker ? blocker.ts : target
      return { old, blocker }
    },
    advanceGc(state, target) {
      const old = state.gcSafePoint
      if (target < old) {
        throw new PdRefusal(
          `[PD:gc:ErrDecreasingGCSafePoint]trying to update GC safe point to a smaller value, current value: ${old}, given: ${target}`,
        )
      }
      setGc(state, target)
      return old
    },
    updateGc(state, target) {
      if (target > state.gcSafePoint) setGc(state, target)
      return state.gcSafePoint
    },
    updateService(id, ttl, safePoint) {
      if (id === GC_WORKER) {
        if (ttl !== INFINITE) throw new PdRefusal("TTL of gc_worker's service safe point must be infinity")
        const { blocker } = gc.advanceTxn(global, safePoint)
        return { id: blocker?.id ?? GC_WORKER, minimum: global.txnSafePoint }
      }
      if (id === '') throw invalid('barrierID', '')
      if (ttl <= 0n) gc.deleteBarrier(global, id)
      else if (safePoint >= global.txnSafePoint) gc.setBarrier(global, id, safePoint, ttl)
      return { id: GC_WORKER, minimum: global.txnSafePoint }
    },
  }
  return gc
}
