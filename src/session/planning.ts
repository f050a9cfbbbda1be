// From a parsed statement to a plan entry: analysis, planning, the keyspace's plan cache, and the shape of what comes back. // hot

import { Beginnings, GivenWay } from '../base/begun-anew.ts'
import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { finished, type LongResult, type Steps, Suspended, suspendable } from '../base/long-work.ts'
import { LruMap } from '../base/lru.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { ReaderSnapshot } from '../catalog/catalog-snapshot.ts'
import type { StoredNode } from '../catalog/descriptors.ts'
import { areLasting, type Lookups, RecordingReader, stillHold } from '../catalog/recording-reader.ts'
import { CatalogMiss, withCatalog } from '../catalog/snapshot.ts'
import { committedReader } from '../catalog/transaction.ts'
import type { ResultColumn, RowShape } from '../pgwire/backend.ts'
import { analyzeStatement } from '../sql/analyzer/analyze.ts'
import { type AnalyzeContext, paramTypes } from '../sql/analyzer/context.ts'
import type { Expr, TargetEntry } from '../sql/analyzer/expr.ts'
import type { Query } from '../sql/analyzer/query.ts'
import { readStoredExpr } from '../sql/analyzer/stored.ts'
import type { CompileOptions } from '../sql/executor/compilation.ts'
import { compilePlan } from '../sql/executor/compile.ts'
import { constantEvaluator } from '../sql/executor/evaluate.ts'
import type { ExecState } from '../sql/executor/operator.ts'
import { classify } from '../sql/parser/classify.ts'
import { type Lifted, templateOf } from '../sql/parser/lift.ts'
import { type NodeOf, nodeTag } from '../sql/parser/nodes.ts'
import { type ParsedStatement, parse } from '../sql/parser/parse.ts'
import { withRowKeys } from '../sql/planner/cursor-rows.ts'
import { planSteps } from '../sql/planner/planner.ts'
import { statisticsSource } from '../sql/planner/statistics.ts'
import type { IoSettings } from '../sql/types/eval-context.ts'
import { findBuiltinType } from '../sql/types/registry.ts'
import type { TypeSupport } from '../sql/types/type.ts'
import type { Transaction } from '../storage/store.ts'
import { watchClock } from './analysis-eval.ts'
import { type Compiled, CUSTOM_PLANS, customPlans, PlanCache, type PlanEntry } from './plan-cache.ts'
import type { Portal, PreparedStatement } from './prepared.ts'
import { resolveSearchPath, type SearchPath } from './search-path.ts'
import type { Session } from './session.ts'
import { typeNamed } from './type-text.ts'

const INT4: Oid = 23
const INT8: Oid = 20
const NUMERIC: Oid = 1700
const UNKNOWN: Oid = 705
const LITERAL_TYPES = { int4: INT4, int8: INT8, numeric: NUMERIC, unknown: UNKNOWN } as const

/** A template with this in its place in the cache is one that has to be parsed as it was written. */
const NOT_LIFTABLE = Symbol('not liftable')

interface LiftedEntry {
  readonly entry: PlanEntry
  readonly sharedKey: string
}

/** Templates seen, process-wide per keyspace through the plan cache; here only what failed, so that it is not tried again and again. */
const REFUSED_TEMPLATES = 256

/** The query inside DECLARE or EXPLAIN, if it may have parameters, whose types are then inferred as in any other. */
function innerQuery(statement: ParsedStatement): ParsedStatement | null {
  if (statement.node === null || !statement.text.includes('$')) return null
  const { DeclareCursorStmt, ExplainStmt } = statement.node as NodeOf
  const inner = DeclareCursorStmt?.query ?? ExplainStmt?.query
  if (inner === undefined || !EXPLAINABLE.has(nodeTag(inner))) return null
  return { ...statement, node: inner, text: `inner\0${statement.text}` }
}

/** A large statement begins anew with the catalogue that often; then it gives way no more. */
const CATALOG_CHANGES = 8

/** What a millisecond of planning is worth in the planner's own unit. */
const COST_PER_MS = 9

/** Tells parameters' values apart; null where that is not cheap. */
function valuesKey(values: readonly Datum[]): string | null {
  let key = ''
  for (const value of values) {
    if (value !== null && typeof value === 'object') return null
    key += `${typeof value} ${value}\0`
  }
  return key
}

const EXPLAINABLE: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

const NO_ROW_KEYS: ReadonlyMap<Oid, number> = new Map()

/** A statement bound to one version of the catalogue. */
interface Bound {
  readonly statement: ParsedStatement
  readonly context: AnalyzeContext
  readonly version: string
  readonly analyzed: Query
  readonly query: Query
  readonly rowKeys: ReadonlyMap<Oid, number>
  readonly usedClock: () => boolean
}

export class Planning {
  readonly #session: Session
  readonly #slicer: Slicer
  #searchPath: SearchPath | null = null
  readonly #refused = new LruMap<string, typeof NOT_LIFTABLE>(REFUSED_TEMPLATES)
  #lastLifted: { key: string; found: LiftedEntry } | null = null
  #committed: ReaderSnapshot | null = null
  /** While a plan is being made: the catalogue with a note of what is asked of it. */
  #recorded: ReaderSnapshot | null = null
  #privatePlans: PlanCache | null = null
  #keyOf: { path: SearchPath | null; io: IoSettings | null; key: string } = { path: null, io: null, key: '' }

  constructor(session: Session) {
    this.#session = session
    this.#slicer = makeSlicer({ cancel: session.cancelToken })
  }

  /** The session has ended. */
  close(): void {
    this.#privatePlans?.clear()
  }

  /** The catalogue this session's statements see now. */
  snapshot(): ReaderSnapshot {
    return this.#recorded ?? this.#present()
  }

  #present(): ReaderSnapshot {
    const { catalogTxn } = this.#session
    if (catalogTxn?.changed) return new ReaderSnapshot(catalogTxn)
    this.#committed ??= new ReaderSnapshot(committedReader(this.#session.keyspace.catalog, this.#session.temporary))
    return this.#committed
  }

  /** The schemas names are looked up in; resolved again when the setting, the role or the catalogue has changed. */
  searchPath(): SearchPath {
    const snapshot = this.snapshot()
    const setting = this.#session.settings.get('search_path')!
    const { current } = this.#session.roles
    const known = this.#searchPath
    if (known !== null && known.setting === setting && known.role === current && known.version === snapshot.version) return known
    this.#searchPath = resolveSearchPath(snapshot, setting, current, this.#session.roles.currentName)
    return this.#searchPath
  }

  /**
   * What a plan shared between sessions rests on besides the catalogue: the search path, and the settings by which literals were read. The
   * same string until one of them changes. // hot
   */
  #sharedKey(path: SearchPath): string {
    const { io } = this.#session.settings
    if (this.#keyOf.path === path && this.#keyOf.io === io) return this.#keyOf.key
    const key = `${path.key}|${io.dateStyle}|${io.dateOrder}|${io.intervalStyle}|${io.timeZone}|${io.timeZoneAbbreviations}|${io.xmlBinary}`
    this.#keyOf = { path, io, key }
    return key
  }

  analyzeContext(statement: ParsedStatement, declared: readonly Oid[], variable = true): AnalyzeContext {
    return {
      catalog: this.snapshot(),
      searchPath: this.searchPath().oids,
      currentUser: this.#session.roles.current,
      params: paramTypes(declared, variable),
      source: statement.source,
      eval: this.#session.context,
    }
  }

  supportOf(type: Oid): TypeSupport {
    return findBuiltinType(type) ?? this.#session.context.catalog.typeSupport(type)
  }

  readonly readStored = (node: StoredNode): Expr => readStoredExpr(node, (type) => this.supportOf(type))

  /** Parse, PREPARE and simple statements. An optimizable statement is analysed and planned now, so that its errors come now. */
  prepare(name: string, statement: ParsedStatement | null, declared: readonly Oid[], fromSql: boolean): MaybePromise<PreparedStatement> {
    const prepared: PreparedStatement = {
      name,
      statement,
      class: statement === null ? null : classify(statement),
      text: statement?.text ?? '',
      declaredTypes: declared,
      fromSql,
      preparedAt: this.#session.context.statementTimestamp,
      plan: null,
      planSearchPath: '',
      parameterTypes: declared,
      describedColumns: null,
      runs: 0,
    }
    if (statement === null) return prepared
    if (!prepared.class!.optimizable) {
      const inner = innerQuery(statement)
      if (inner === null) return prepared
      return andThen(this.plan(inner, declared), (entry) => {
        prepared.parameterTypes = entry.parameterTypes
        return prepared
      })
    }
    if (this.#session.block.state === 'failed') {
      throw new PgError(SQLSTATE.inFailedSqlTransaction, 'current transaction is aborted, commands ignored until end of transaction block')
    }
    return andThen(this.current(prepared), () => prepared)
  }

  /** A statement of a simple Query: it has no parameters. */
  simple(statement: ParsedStatement): MaybePromise<PreparedStatement> {
    return andThen(this.prepare('', statement, [], false), (prepared) => {
      // Analysed once more as one without parameters, for the error with its position.
      if (prepared.parameterTypes.length > 0) analyzeStatement(statement.node!, this.analyzeContext(statement, [], false))
      return prepared
    })
  }

  /** Sees to it that the plan is one of the present catalogue and search path. // hot */
  current(prepared: PreparedStatement): MaybePromise<void> {
    if (prepared.class === null || !prepared.class.optimizable) return
    const path = this.searchPath()
    const { plan } = prepared
    if (plan !== null && plan.catalogVersion === path.version && prepared.planSearchPath === path.key) return
    const made = this.plan(prepared.statement!, prepared.declaredTypes)
    if (made instanceof Promise) return made.then((entry) => this.#adopt(prepared, entry, path.key))
    this.#adopt(prepared, made, path.key)
  }

  /** The catalogue has changed since the portal was bound: a new plan, if it fits the parameters and columns its client knows. */
  replanned(portal: Portal): MaybePromise<void> {
    const { prepared } = portal
    return andThen(this.current(prepared), () => {
      const { columns, parameterTypes } = portal.plan!
      const entry = prepared.plan!
      const isSame =
        parameterTypes.length === entry.parameterTypes.length && parameterTypes.every((type, i) => type === entry.parameterTypes[i])
      if (!isSame || (columns !== entry.columns && (columns === null || !sameColumns(columns, entry.columns)))) throw otherResultType()
      portal.plan = entry
    })
  }

  #adopt(prepared: PreparedStatement, entry: PlanEntry, searchPath: string): void {
    const before = prepared.describedColumns
    if (before !== null && !sameColumns(before, entry.columns)) throw otherResultType()
    prepared.plan = entry
    prepared.planSearchPath = searchPath
    prepared.parameterTypes = entry.parameterTypes
    if (prepared.fromSql || prepared.name !== '') prepared.describedColumns = entry.columns
  }

  /** Plans made under a catalogue that only this session sees (temporary objects, changes of its own) are its own. // hot */
  #plans(path: SearchPath): PlanCache {
    const { keyspace } = this.#session
    if (path.version === keyspace.catalog.versionText) return keyspace.plans
    this.#privatePlans ??= new PlanCache(keyspace.planBudget, LIMITS.sessionPlanCacheEntries)
    return this.#privatePlans
  }

  /** A plan that was kept, be it from before a change of the catalogue that it has nothing to do with. // hot */
  #cached(plans: PlanCache, key: string, { version }: SearchPath): PlanEntry | undefined {
    const cached = plans.get(key, version)
    if (cached !== undefined) return cached
    const { reader } = this.snapshot()
    const holds = (lookups: Lookups): boolean => stillHold(lookups, reader)
    try {
      const renewed = plans.renewed(key, version, holds) ?? this.#session.keyspace.plans.renewed(key, version, holds)
      if (renewed !== undefined) plans.set(key, renewed)
      return renewed
    } catch (error) {
      // what has to be fetched for an answer tells nothing of it
      if (error instanceof CatalogMiss) return undefined
      throw error
    }
  }

  /** The plan of a statement, from the cache or made now. */
  plan(statement: ParsedStatement, declared: readonly Oid[], cursor = false): MaybePromise<PlanEntry> {
    // One of megabytes is hardly seen again, and its plan would be kept at many times its size.
    if (statement.text.length > LIMITS.planCacheTextLength) return this.#make(statement, declared, cursor)
    const path = this.searchPath()
    const key = PlanCache.key(cursor ? `cursor\0${statement.text}` : statement.text, declared, this.#sharedKey(path))
    const plans = this.#plans(path)
    const cached = this.#cached(plans, key, path)
    if (cached !== undefined) return cached
    return andThen(this.#make(statement, declared, cursor), (entry) => {
      if (entry.shareable) plans.set(key, entry)
      return entry
    })
  }

  #make(
    statement: ParsedStatement,
    declared: readonly Oid[],
    cursor = false,
    paramValues: readonly Datum[] | null = null,
  ): MaybePromise<PlanEntry> {
    this.#slicer.start()
    const watched = watchClock(this.#session.context)
    const recording = new RecordingReader(this.snapshot().reader)
    return andThen(
      this.#work(() => this.#bind(statement, declared, cursor, watched), recording),
      (found) => {
        // Analysis and planning are of one version of the catalogue; others may have their turn between them, and before the plan is run.
        const made = (): MaybePromise<PlanEntry> =>
          this.snapshot().version === found.version
            ? andThen(
                this.#work(() => this.#planned(found, paramValues), recording),
                (entry) => {
                  if (entry === null) return this.#make(statement, declared, cursor, paramValues)
                  const lookups = recording.take()
                  const made = areLasting(lookups) ? { ...entry, lookups } : entry
                  return andThen(this.#slicer.pause() ?? undefined, () => made)
                },
              )
            : this.#make(statement, declared, cursor, paramValues)
        return andThen(this.#slicer.pause() ?? undefined, made)
      },
    )
  }

  /** Analysis or planning over the catalogue as it is; what takes long gives way to others. */
  #work<T>(start: () => Steps<T>, recording: RecordingReader): MaybePromise<T> {
    const known: LongResult[] = []
    const recorded = new ReaderSnapshot(recording)
    const inTurn = this.#attempt(start, known)
    const attempt = (): T => {
      const before = this.#recorded
      this.#recorded = recorded
      try {
        return inTurn()
      } finally {
        this.#recorded = before
      }
    }
    const inTurns = (error: unknown): Promise<T> => this.#inTurns(attempt, known, error)
    try {
      const done = withCatalog(attempt)
      return done instanceof Promise ? done.catch(inTurns) : done
    } catch (error) {
      if (error instanceof GivenWay || error instanceof Suspended) return inTurns(error)
      throw error
    }
  }

  /** What goes on where it stopped last if that was between two steps, else begins anew. */
  #attempt<T>(start: () => Steps<T>, known: readonly LongResult[]): () => T {
    let { version } = this.snapshot()
    let beginnings: Beginnings | null = new Beginnings(this.#slicer)
    let changes = 0
    let steps: Steps<T> | null = null
    const next = (): IteratorResult<unknown, T> => steps!.next()
    const go = (beginnings: Beginnings): T => {
      let isNew = steps === null
      steps ??= start()
      for (;;) {
        let step: IteratorResult<unknown, T>
        try {
          step = isNew ? beginnings.begin(next) : beginnings.goOn(next)
        } catch (error) {
          steps = null
          throw error
        }
        if (step.done === true) return step.value
        isNew = false
        // Known results are found by their order, which a beginning goes through as a whole.
        const turn = known.length > 0 ? null : this.#slicer.pause()
        if (turn !== null) throw new GivenWay(turn)
      }
    }
    return () => {
      const now = this.snapshot().version
      if (now !== version) {
        // what is known rests on another catalogue
        version = now
        steps = null
        beginnings = ++changes > CATALOG_CHANGES ? null : new Beginnings(this.#slicer)
      }
      if (beginnings === null) return suspendable(known, finished, start())
      return suspendable(known, go, beginnings)
    }
  }

  async #inTurns<T>(attempt: () => T, known: LongResult[], stopped: unknown): Promise<T> {
    for (let why = stopped; ; ) {
      if (why instanceof GivenWay) await why.turn
      // a literal of megabytes
      else if (why instanceof Suspended) known.push(await why.run(() => this.#slicer.pause()))
      else throw why
      try {
        return await withCatalog(attempt)
      } catch (error) {
        why = error
      }
    }
  }

  *#bind(statement: ParsedStatement, declared: readonly Oid[], cursor: boolean, watched = watchClock(this.#session.context)): Steps<Bound> {
    const context = { ...this.analyzeContext(statement, declared), eval: watched.eval }
    const { version } = context.catalog
    const analyzed = analyzeStatement(statement.node!, context)
    yield
    const { query, rowKeys } = cursor ? withRowKeys(analyzed, context.catalog) : { query: analyzed, rowKeys: NO_ROW_KEYS }
    return { statement, context, version, analyzed, query, rowKeys, usedClock: watched.usedClock }
  }

  /** Null when the catalogue has changed since the statement was bound to it. */
  *#planned(
    { statement, context, version, analyzed, query, rowKeys, usedClock }: Bound,
    paramValues: readonly Datum[] | null,
  ): Steps<PlanEntry | null> {
    if (context.catalog.version !== version) return null
    const planned = yield* planSteps(query, {
      catalog: context.catalog,
      evaluate: constantEvaluator({
        ...this.execState(this.#session.block.txn!),
        catalog: context.catalog,
        params: paramValues ?? [],
      }),
      statistics: statisticsSource(context.catalog, (type) => this.supportOf(type), this.#session.context),
      paramValues,
      stored: this.readStored,
    })
    const returnsRows = planned.command === 'select' || planned.hasReturning
    return {
      planned,
      parameterTypes: context.params.types,
      columns: returnsRows
        ? this.columns(planned.output.slice(0, planned.output.length + analyzed.targetList.length - query.targetList.length))
        : null,
      catalogVersion: version,
      lookups: null,
      rowKeys,
      shareable: !usedClock(),
      custom: planned.valuesMatter && context.params.types.length > 0 ? customPlans(statement) : null,
      idle: [],
    }
  }

  /** The plan to run with these values: the entry's own, or one made for them where that may be a better one. // hot */
  forValues(entry: PlanEntry, params: readonly Datum[]): PlanEntry {
    const { custom } = entry
    if (custom === null) return entry
    const mode = this.#session.settings.get('plan_cache_mode')
    if (mode === 'force_generic_plan') return entry
    const key = valuesKey(params)
    const known = key === null ? undefined : custom.plans.get(key)
    if (known !== undefined) return known
    const generic = entry.planned.plan.totalCost
    if (mode !== 'force_custom_plan' && custom.made >= CUSTOM_PLANS && generic < custom.cost / custom.made) return entry
    const started = performance.now()
    const made = withCatalog(() => finished(this.#planned(finished(this.#bind(custom.statement, entry.parameterTypes, false)), params)))
    if (made === null) return entry
    if (made instanceof Promise) {
      // What has to be fetched first is there the next time.
      made.catch(() => undefined)
      return entry
    }
    if (key !== null) custom.plans.set(key, made)
    custom.made++
    custom.cost += made.planned.plan.totalCost + (performance.now() - started) * COST_PER_MS
    return made
  }

  columns(output: readonly TargetEntry[]): ResultColumn[] {
    const snapshot = this.snapshot()
    return output
      .filter((entry) => !entry.resjunk)
      .map((entry) => {
        // a domain goes out as its base type
        let { type, typmod } = entry.expr
        for (let row = snapshot.type(type); row?.typtype === 'd'; row = snapshot.type(type)) {
          type = row.typbasetype
          if (typmod === -1) typmod = row.typtypmod
        }
        return {
          name: entry.resname ?? '?column?',
          tableOid: entry.resorigtbl,
          columnNumber: entry.resorigcol,
          typeOid: type,
          typeLength: snapshot.type(type)?.typlen ?? -1,
          typmod,
          encoder: this.supportOf(type),
        }
      })
  }

  /** A plan for a text whose literals were lifted, with their values; null: run the text as it is. // hot */
  lifted(lifted: Lifted): { entry: PlanEntry; params: readonly Datum[] } | null {
    const path = this.searchPath()
    let found = this.#lastLifted
    if (
      found === null ||
      found.key !== lifted.key ||
      found.found.sharedKey !== this.#sharedKey(path) ||
      found.found.entry.catalogVersion !== path.version
    ) {
      if (this.#refused.get(lifted.key) !== undefined) return null
      const entry = this.#liftedEntry(lifted, path)
      if (entry === null) return null
      found = { key: lifted.key, found: { entry, sharedKey: this.#sharedKey(path) } }
      this.#lastLifted = found
    }
    const { entry } = found.found
    const params: Datum[] = new Array(lifted.values.length)
    const types = entry.parameterTypes
    for (let i = 0; i < params.length; i++) {
      const type = types[i]!
      const text = lifted.values[i]!
      // The classes stand last in the key; only digits need no look at the text (a string in an int4's place may be anything).
      if (type === INT4 && lifted.key.charCodeAt(lifted.key.length - params.length + i) === 48) params[i] = Number(text)
      else {
        try {
          params[i] = this.supportOf(type).input(text, -1, this.#session.context)
        } catch {
          // The text itself, parsed as it stands, gives this error its position.
          return null
        }
      }
    }
    return { entry: this.forValues(entry, params), params }
  }

  /** Only what is in the cache, or can be made without waiting; whatever goes wrong is told by the text itself. */
  #liftedEntry(lifted: Lifted, path: SearchPath): PlanEntry | null {
    const key = PlanCache.key(lifted.key, [], this.#sharedKey(path))
    const plans = this.#plans(path)
    const cached = this.#cached(plans, key, path)
    if (cached !== undefined) return cached
    try {
      const { text, classes } = templateOf(lifted.key)
      const statements = parse(text)
      const statement = statements[0]
      if (statements.length !== 1 || statement === undefined || !classify(statement).optimizable) throw NOT_LIFTABLE
      const entry = this.#make(
        statement,
        classes.map((name) => LITERAL_TYPES[name]),
      )
      if (entry instanceof Promise) {
        entry
          .then((ready) => {
            if (ready.shareable && !ready.parameterTypes.includes(UNKNOWN)) plans.set(key, ready)
          })
          .catch(() => this.#refused.set(lifted.key, NOT_LIFTABLE))
        return null
      }
      if (entry.parameterTypes.includes(UNKNOWN)) throw NOT_LIFTABLE
      if (!entry.shareable) return null
      plans.set(key, entry)
      return entry
    } catch {
      // The long way tells what is wrong with it.
      this.#refused.set(lifted.key, NOT_LIFTABLE)
      return null
    }
  }

  /** An instance of the plan that nobody else is running. // hot */
  compiled(entry: PlanEntry): Compiled {
    const idle = entry.idle.pop()
    if (idle !== undefined) return idle
    const session = this.#session
    const state = this.execState(session.block.txn!)
    return { state, root: compilePlan(entry.planned.plan, state, this.compileOptions) }
  }

  get compileOptions(): CompileOptions {
    return { sqlFunctions: this.#session.services.sqlFunctions, readStored: this.readStored }
  }

  /** A state for one run; instances that are run again get their fields filled anew (run-planned.ts). */
  execState(txn: Transaction): ExecState {
    const session = this.#session
    return {
      txn,
      ctx: session.context,
      catalog: this.snapshot(),
      restricted: new Set(),
      params: [],
      exec: [],
      memory: session.memory,
      workMem: session.workMem,
      spillDir: () => session.services.spillDir(),
      cancel: session.cancelToken,
      store: session.storeServices,
      rowsExamined: 0,
      rowsAffected: 0,
    }
  }

  /** The catalogue as the open transaction sees it, for statements that change it. */
  transactionSnapshot(): ReaderSnapshot {
    return new ReaderSnapshot(this.#session.catalogTxn!)
  }

  /** A type's name in a text of its own (regtype, to_regtype). Null when there is no such type. */
  parseType(name: string): { oid: Oid; typmod: number } {
    return typeNamed(name, {
      catalog: this.snapshot(),
      searchPath: this.searchPath().oids,
      currentUser: this.#session.roles.current,
      params: paramTypes([], false),
      source: null,
      eval: this.#session.context,
    })
  }
}

const otherResultType = () =>
  new PgError(SQLSTATE.featureNotSupported, 'cached plan must not change result type', {
    // pgjdbc prepares the statement anew when it sees this name
    routine: 'RevalidateCachedQuery',
  })

function sameColumns(a: RowShape['columns'], b: RowShape['columns'] | null): boolean {
  if (b === null || a.length !== b.length) return false
  return a.every((column, i) => column.typeOid === b[i]!.typeOid && column.name === b[i]!.name && column.typmod === b[i]!.typmod)
}
