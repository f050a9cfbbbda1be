// Statements prepared for running, shared by all sessions of a keyspace: analysed, planned and (as a pool of idle instances) compiled. // hot
//
// An entry holds while the catalogue version stands under which it was made; a session keeps a pointer to its entry and asks `isCurrent`. One that rests on
// nothing of the keyspace's (queries of pg_catalog and information_schema, as a rule) becomes one of the next version by a look at what it asked for.
// A compiled instance belongs to one run at a time: taken from the pool, given back when the run has ended.

import type { BudgetedCache, CacheBudget } from '../base/cache-budget.ts'
import type { Oid } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { LruMap } from '../base/lru.ts'
import type { Lookups } from '../catalog/recording-reader.ts'
import type { RowShape } from '../pgwire/backend.ts'
import type { ExecState, Operator } from '../sql/executor/operator.ts'
import type { ParsedStatement } from '../sql/parser/parse.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'

/** A plan compiled over a state of its own. */
export interface Compiled {
  readonly state: ExecState
  readonly root: Operator
}

/** plan_cache_mode = auto: a few executions are planned for their values; then the plan for all values serves where it promises as much. */
export interface CustomPlans {
  readonly statement: ParsedStatement
  made: number
  /** Of those made, planning included. */
  cost: number
  /** By the values they were made for; common values come again and again. */
  readonly plans: LruMap<string, PlanEntry>
}

export function customPlans(statement: ParsedStatement): CustomPlans {
  return { statement, made: 0, cost: 0, plans: new LruMap(PLANS_PER_STATEMENT) }
}

const PLANS_PER_STATEMENT = 8

/** So many are made before the plan for all values gets its chance. */
export const CUSTOM_PLANS = 5

export interface PlanEntry {
  readonly planned: PlannedStatement
  readonly parameterTypes: readonly Oid[]
  /** Null: returns no rows. Text format; sessions with other formats or settings make their own from its columns. */
  readonly columns: RowShape['columns'] | null
  readonly catalogVersion: string
  /** What of the catalogue was looked up for it, where it may outlast that version; null: it does not. */
  readonly lookups: Lookups | null
  /** Of a cursor's query: where the rows' keys stand behind their columns, by table. */
  readonly rowKeys: ReadonlyMap<Oid, number>
  /** May serve other statements of the same text under the same catalogue version: nothing in it is true of this moment only. */
  readonly shareable: boolean
  /** Where the parameters' values may ask for another plan: what it takes to make one, and how those made so far turned out. */
  readonly custom: CustomPlans | null
  readonly idle: Compiled[]
}

/**
 * Thrown before a plan's first row when the catalogue changed while its locks were waited for: the statement, of which nothing has been done,
 * is planned and run anew. Never reaches a client.
 */
export class StalePlan {}

const IDLE_PER_ENTRY = 8

/** About what a plan takes: its trees and one compiled instance, as heap measurements show it for a text of that length. */
const BYTES_PER_ENTRY = 32 * 1024
const BYTES_PER_CHARACTER = 10
/** Plans made for values are kept beside it. */
const WITH_CUSTOM_PLANS = 3

interface Kept {
  readonly entry: PlanEntry
  readonly bytes: number
}

export class PlanCache implements BudgetedCache {
  readonly #entries: LruMap<string, Kept>
  readonly #budget: CacheBudget
  bytes = 0
  usedAt = 0

  /** `budget`: what the plans of all keyspaces and sessions share. */
  constructor(budget: CacheBudget, entries: number = LIMITS.planCacheEntries) {
    this.#budget = budget
    this.#entries = new LruMap(entries, (_key, kept) => this.#forgot(kept))
  }

  #forgot({ bytes }: Kept): void {
    this.bytes -= bytes
    this.#budget.changed(this, -bytes)
  }

  /** What a plan depends on besides the catalogue. */
  static key(text: string, parameterTypes: readonly Oid[], searchPath: string): string {
    return `${searchPath}\0${parameterTypes.length === 0 ? '' : parameterTypes.join(',')}\0${text}`
  }

  get(key: string, catalogVersion: string): PlanEntry | undefined {
    const kept = this.#entries.get(key)
    if (kept === undefined || kept.entry.catalogVersion !== catalogVersion) return undefined
    this.usedAt = this.#budget.tick()
    return kept.entry
  }

  /** Of whatever version, for a version under which it still holds. */
  renewed(key: string, catalogVersion: string, holds: (lookups: Lookups) => boolean): PlanEntry | undefined {
    const entry = this.#entries.get(key)?.entry
    if (entry === undefined || entry.lookups === null || !holds(entry.lookups)) return undefined
    return { ...entry, catalogVersion, custom: entry.custom === null ? null : customPlans(entry.custom.statement) }
  }

  set(key: string, entry: PlanEntry): void {
    const before = this.#entries.peek(key)
    if (before !== undefined) this.#forgot(before)
    const bytes = (BYTES_PER_ENTRY + BYTES_PER_CHARACTER * key.length) * (entry.custom === null ? 1 : WITH_CUSTOM_PLANS)
    this.usedAt = this.#budget.tick()
    this.#entries.set(key, { entry, bytes })
    this.bytes += bytes
    this.#budget.changed(this, bytes)
    while (this.bytes > LIMITS.planCacheBytes) this.#entries.evict()
  }

  clear(): void {
    const { bytes } = this
    this.#entries.clear()
    this.bytes = 0
    this.#budget.changed(this, -bytes)
  }
}

export function giveBack(entry: PlanEntry, compiled: Compiled): void {
  compiled.root.close()
  if (entry.idle.length < IDLE_PER_ENTRY) entry.idle.push(compiled)
}
