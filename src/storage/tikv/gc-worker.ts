// Garbage collection where no TiDB does it. One process of the cluster is elected by a record in a keyspace; it announces a safe point to PD (which
// answers how far running transactions let it go), waits until every process has heard of it, settles the locks below, and only then lets the stores
// drop versions. Two processes that both believe to be elected do the same work twice, and no harm.

import { KvError } from '../kv-error.ts'
import { META } from '../meta-prefixes.ts'
import type { KeyspaceDirectory, StoreCapabilities } from '../store.ts'
import { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { settleLocksBelow } from './gc-locks.ts'
import { PD } from './proto/pdpb.ts'
import { TikvTransaction } from './transaction.ts'
import { physicalOf } from './tso.ts'

export interface GcOptions {
  /** Name of the keyspace that holds the election's record. */
  readonly keyspace: string
  /** How long versions are kept at least, ms. */
  readonly lifeTimeMs: number
  /** Between steps, ms. */
  readonly intervalMs?: number
}

/** Metadata of the keyspace: JSON of Owner. */
const OWNER_KEY = Buffer.from(`${META.directory}g`)
const INTERVAL_MS = 30_000
/** An owner that was not heard of for so many steps has lost its place. */
const PATIENCE_STEPS = 4
/** TiDB servers name themselves in PD's etcd for as long as they live. */
const TIDB_SERVERS = '/tidb/server/info/'
const GC_WORKER = Buffer.from('gc_worker')
const FOR_EVER = 0x7fff_ffff_ffff_ffffn

interface Owner {
  readonly node: string
  /** PD's clock, ms. */
  readonly until: number
}

export class GcWorker {
  readonly #engine: Engine
  readonly #keyspaces: KeyspaceDirectory
  readonly #limits: StoreCapabilities
  readonly #options: GcOptions
  readonly #intervalMs: number
  /** Longer than anybody believes an answer of PD that is older than the announcement. */
  readonly #graceMs: number
  readonly #timer: NodeJS.Timeout
  #announced: { readonly safePoint: bigint; readonly at: number } | null = null
  #isBusy = false
  #wasTold = ''

  constructor(engine: Engine, keyspaces: KeyspaceDirectory, limits: StoreCapabilities, options: GcOptions) {
    this.#engine = engine
    this.#keyspaces = keyspaces
    this.#limits = limits
    this.#options = options
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS
    this.#graceMs = engine.safePoints.trustMs * 1.2
    if (options.lifeTimeMs < this.#graceMs) {
      throw new KvError('unavailable', `versions must be kept for at least ${Math.ceil(this.#graceMs)} ms, not ${options.lifeTimeMs}`)
    }
    this.#timer = setInterval(() => {
      if (this.#isBusy || engine.closed) return
      this.#isBusy = true
      engine.background(
        'garbage collection',
        this.step().finally(() => {
          this.#isBusy = false
        }),
      )
    }, this.#intervalMs)
    this.#timer.unref()
  }

  /** Announces a safe point, or applies the announced one if its time has come. */
  async step(): Promise<'applied' | 'announced' | 'waiting' | 'not mine'> {
    if (!(await this.#isMine())) {
      this.#announced = null
      return 'not mine'
    }
    if (this.#announced === null) return this.#announce()
    if (performance.now() - this.#announced.at < this.#graceMs) return 'waiting'
    const { safePoint } = this.#announced
    const locks = await settleLocksBelow(this.#engine, safePoint)
    await this.#engine.pd.call(PD.UpdateGCSafePoint, { safe_point: safePoint })
    this.#announced = null
    this.#engine.log.info('old versions may go', { before: new Date(physicalOf(safePoint)).toISOString(), locks })
    return 'applied'
  }

  async #announce(): Promise<'announced' | 'waiting'> {
    const { pd, oracle } = this.#engine
    const now = await oracle.next()
    const wanted = now - (BigInt(Math.ceil(this.#options.lifeTimeMs)) << 18n)
    const { safe_point: current } = await pd.call(PD.GetGCSafePoint, {})
    if (wanted <= current) return 'waiting'
    const { min_safe_point: allowed } = await pd.call(PD.UpdateServiceGCSafePoint, {
      service_id: GC_WORKER,
      TTL: FOR_EVER,
      safe_point: wanted,
    })
    const safePoint = allowed < wanted ? allowed : wanted
    if (safePoint <= current) return 'waiting'
    this.#announced = { safePoint, at: performance.now() }
    return 'announced'
  }

  async #isMine(): Promise<boolean> {
    const { pd } = this.#engine
    if ((await pd.countKeys(TIDB_SERVERS)) > 0) {
      this.#tell('a TiDB')
      return false
    }
    const meta = await this.#keyspaces.load(this.#options.keyspace)
    if (meta === null || meta.state !== 'enabled') return false
    const txn = new TikvTransaction(this.#engine, new Capability(meta.id), this.#limits, { isolation: 'repeatable read', autocommit: true })
    try {
      const stored = await txn.get(OWNER_KEY)
      const owner = stored === null ? null : (JSON.parse(stored.toString()) as Owner)
      const now = this.#engine.oracle.approximateNow()
      const { node } = this.#engine
      if (owner !== null && owner.node !== node && owner.until > now) {
        this.#tell(owner.node)
        return false
      }
      const claim: Owner = { node, until: Math.ceil(now + PATIENCE_STEPS * this.#intervalMs) }
      await txn.put(OWNER_KEY, Buffer.from(JSON.stringify(claim)))
      await txn.commit()
      this.#tell('this process')
      return true
    } catch (error) {
      if (error instanceof KvError && error.kind === 'writeConflict') return false
      throw error
    } finally {
      await txn.rollback()
    }
  }

  /** Told once per change. */
  #tell(who: string): void {
    if (this.#wasTold !== who) this.#engine.log.info('garbage collection is done by', { who })
    this.#wasTold = who
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
