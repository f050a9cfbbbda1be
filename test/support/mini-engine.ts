// Parser → analyzer → planner → executor over an embedded store, with a catalogue made by hand: for tests of plans and of operators that
// touch the store, without sessions, commands and the wire.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CacheBudget } from '../../src/base/cache-budget.ts'
import { CancelToken } from '../../src/base/cancel.ts'
import type { Datum, Row } from '../../src/base/datum.ts'
import { indexId, type Oid, tableId } from '../../src/base/ids.ts'
import { finished, type Steps } from '../../src/base/long-work.ts'
import { MemoryAccount } from '../../src/base/memory.ts'
import { ReaderSnapshot } from '../../src/catalog/catalog-snapshot.ts'
import type { ColumnDescriptor, ConstraintDescriptor, IndexDescriptor, RelationDescriptor } from '../../src/catalog/descriptors.ts'
import { CatalogImages, type ObjectEntry } from '../../src/catalog/images.ts'
import { nameKey, OBJECT_PREFIX, objectKey, statisticsKey } from '../../src/catalog/keys.ts'
import { EMPTY_TABLE, newColumn } from '../../src/catalog/new-descriptors.ts'
import type { CatalogValue } from '../../src/catalog/records.ts'
import type { CatalogEntry } from '../../src/catalog/space.ts'
import { noStatistics } from '../../src/catalog/statistics.ts'
import { analyzeStatement } from '../../src/sql/analyzer/analyze.ts'
import { type AnalyzeContext, paramTypes } from '../../src/sql/analyzer/context.ts'
import { analyzeExpression } from '../../src/sql/analyzer/expression.ts'
import { writeStoredExpr } from '../../src/sql/analyzer/stored.ts'
import { defaultOpclass } from '../../src/sql/builtin/pg-index.ts'
import { typesByName } from '../../src/sql/builtin/pg-type.ts'
import { type AnalyzedTable, analyzeTable } from '../../src/sql/executor/analyze.ts'
import { compilePlan, makeCompilation } from '../../src/sql/executor/compile.ts'
import { constantEvaluator } from '../../src/sql/executor/evaluate.ts'
import type { ExecState } from '../../src/sql/executor/operator.ts'
import type { DeferredCheck } from '../../src/sql/executor/store-services.ts'
import { loadParser, parse } from '../../src/sql/parser/parse.ts'
import type { Plan, PlannedStatement } from '../../src/sql/planner/plan.ts'
import { planSteps } from '../../src/sql/planner/planner.ts'
import { statisticsSource } from '../../src/sql/planner/statistics.ts'
import { TEXT_IO } from '../../src/sql/types/define.ts'
import type { EvalContext } from '../../src/sql/types/eval-context.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'
import { openLmdbStore } from '../../src/storage/lmdb/store.ts'
import { Sequences } from '../../src/storage/rows/sequences.ts'
import type { IsolationLevel, Transaction } from '../../src/storage/store.ts'
import { checkIndexes } from './check-indexes.ts'

const PUBLIC = 2200

export interface TableSpec {
  /** `id int4 not null`, `total int4 generated price * 2`, `kind text default 'x'` */
  columns: readonly string[]
  primaryKey?: readonly string[]
  indexes?: readonly {
    name: string
    /** Column names (` desc` may follow) or `(expression)`. */
    columns: readonly string[]
    unique?: boolean
    where?: string
    include?: readonly string[]
  }[]
  checks?: Readonly<Record<string, string>>
  foreignKeys?: readonly {
    name: string
    columns: readonly string[]
    table: string
    onDelete?: 'a' | 'r' | 'c' | 'n' | 'd'
    onUpdate?: 'a' | 'r' | 'c' | 'n' | 'd'
    deferred?: boolean
  }[]
  relTuples?: number
}

export interface Result {
  rows: Row[]
  examined: number
  affected: number
  planned: PlannedStatement
}

export class MiniEngine {
  readonly #records = new Map<string, CatalogValue>()
  #oid = 20000
  readonly directory = mkdtempSync(path.join(tmpdir(), 'mini-engine-'))
  #store!: Awaited<ReturnType<typeof openLmdbStore>>
  #keyspace!: Awaited<ReturnType<Awaited<ReturnType<typeof openLmdbStore>>['open']>>
  #sequences!: Sequences
  #version = 1
  /** The open block's transaction, or null: each statement its own. */
  txn: Transaction | null = null
  deferred: DeferredCheck[] = []
  readonly snapshot = new ReaderSnapshot({
    version: '1',
    image: new CatalogImages(new CacheBudget(0)).committed,
    below: null,
    ownKeys: [],
    get: (key) => this.#records.get(key) ?? null,
    fetch: (key) => this.#records.get(key) ?? null,
    committedValue: (key) => this.#records.get(key) ?? null,
    scan: (prefix) => this.#under(prefix),
    objects: () => this.#under(OBJECT_PREFIX) as ObjectEntry[],
  })

  #under(prefix: string): CatalogEntry[] {
    return [...this.#records].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value }))
  }

  static async open(): Promise<MiniEngine> {
    await loadParser()
    const engine = new MiniEngine()
    engine.#store = await openLmdbStore({ dataDir: engine.directory })
    engine.#keyspace = await engine.#store.open(await engine.#store.keyspaces.create('test'))
    engine.#sequences = new Sequences(engine.#keyspace)
    engine.#records.set(objectKey(PUBLIC), { kind: 'namespace', value: { oid: PUBLIC, name: 'public', owner: 10, acl: null } })
    engine.#records.set(nameKey('n', 0, 'public'), String(PUBLIC))
    return engine
  }

  async close(): Promise<void> {
    await this.#store.close()
    rmSync(this.directory, { recursive: true, force: true })
  }

  readonly context: EvalContext = {
    io: TEXT_IO,
    transactionTimestamp: 0,
    statementTimestamp: 0,
    clockTimestamp: () => 0,
    random: () => 0.5,
    memory: new MemoryAccount('test', 1 << 30),
    cancel: new CancelToken(),
    catalog: { typeSupport: builtinTypeSupport, typeShape: (oid: Oid) => this.snapshot.type(oid) },
    system: () => undefined,
    notice: () => {},
    session: { searchPath: () => ['pg_catalog', 'public'] },
  } as unknown as EvalContext

  #analyzeContext(params: readonly Oid[] = []): AnalyzeContext {
    return {
      catalog: this.snapshot,
      searchPath: [11, PUBLIC],
      currentUser: 10,
      params: paramTypes(params),
      source: null,
      eval: this.context,
    }
  }

  #put(descriptor: RelationDescriptor): void {
    this.#records.set(objectKey(descriptor.oid), { kind: 'relation', value: { ...descriptor, version: this.#version++ } })
    this.#records.set(nameKey('r', PUBLIC, descriptor.name), String(descriptor.oid))
  }

  relation(name: string): RelationDescriptor {
    const record = this.#records.get(objectKey(Number(this.#records.get(nameKey('r', PUBLIC, name))))) as { value: RelationDescriptor }
    return record.value
  }

  #expression(
    text: string,
    name: string,
    kind: 'check' | 'index' | 'index predicate' | 'generated' | 'default',
  ): ReturnType<typeof analyzeExpression> {
    const raw = parse(`SELECT ${text}`)[0]!.node as unknown as { SelectStmt: { targetList: { ResTarget: { val: never } }[] } }
    const relation = this.snapshot.relationByName(PUBLIC, name)!
    const kinds = {
      check: 'check constraint',
      index: 'index expression',
      'index predicate': 'index predicate',
      generated: 'generated column',
      default: 'column default',
    } as const
    return analyzeExpression(
      raw.SelectStmt.targetList[0]!.ResTarget.val,
      this.#analyzeContext(),
      kinds[kind] as never,
      { relation: kind === 'default' ? null : relation } as never,
    )
  }

  /** Like CREATE TABLE. */
  table(name: string, spec: TableSpec): RelationDescriptor {
    const oid = this.#oid++
    const parsed = spec.columns.map((text) => /^(\w+) (\w+)(\[\])?( not null)?(?: generated (.*))?(?: default (.*))?$/.exec(text)!)
    const columns = parsed.map((match, i): ColumnDescriptor => {
      const [, column, type, array, notNull] = match
      const row = typesByName(`${array === undefined ? '' : '_'}${type}`)[0]!
      const key = spec.primaryKey?.includes(column!) ?? false
      return {
        ...newColumn(i + 1, column!, { type: row.oid, typmod: -1, collation: row.typcollation }),
        notNull: notNull !== undefined || key,
        generated: match[5] === undefined ? '' : 's',
      }
    })
    const base: RelationDescriptor = {
      oid,
      name,
      namespace: PUBLIC,
      owner: 10,
      kind: 'r',
      persistence: 'p',
      acl: null,
      rowType: this.#oid++,
      rowArrayType: 0,
      columns,
      options: null,
      table: { ...EMPTY_TABLE, id: tableId(oid), relTuples: spec.relTuples ?? -1 },
      sequence: null,
      view: null,
      version: 1,
    }
    this.#put(base)
    this.#records.set(objectKey(base.rowType), { kind: 'rowtype', relation: oid, array: false })
    const filled = columns.map((column, i) => {
      const [generated, byDefault] = [parsed[i]![5], parsed[i]![6]]
      const text = generated ?? byDefault
      if (text === undefined) return column
      const expr = writeStoredExpr(this.#expression(text, name, generated === undefined ? 'default' : 'generated'))
      return { ...column, default: { oid: this.#oid++, expr } }
    })
    const attnum = (column: string): number => columns.findIndex((c) => c.name === column) + 1
    const index = (indexName: string, parts: readonly string[], unique: boolean, primary: boolean): IndexDescriptor => ({
      oid: this.#oid++,
      name: indexName,
      id: indexId(this.#oid++ - 20000),
      accessMethod: 403,
      unique,
      primary,
      nullsNotDistinct: false,
      columns: parts.map((part) => {
        const descending = part.endsWith(' desc')
        const text = descending ? part.slice(0, -5) : part
        const number = attnum(text)
        const expr = number === 0 ? this.#expression(text, name, 'index') : null
        const type = expr?.type ?? columns[number - 1]!.type
        const opclass = defaultOpclass(403, type === 1043 ? 25 : type)?.oid ?? defaultOpclass(403, 25)!.oid
        return {
          attnum: number,
          expr: expr === null ? null : writeStoredExpr(expr),
          type,
          collation: expr?.collation ?? columns[number - 1]!.collation,
          opclass,
          descending,
          nullsFirst: descending,
        }
      }),
      include: [],
      predicate: null,
      state: 'public',
      options: null,
    })
    const indexes: IndexDescriptor[] = []
    if (spec.primaryKey !== undefined) indexes.push(index(`${name}_pkey`, spec.primaryKey, true, true))
    for (const given of spec.indexes ?? []) {
      indexes.push({
        ...index(given.name, given.columns, given.unique ?? false, false),
        include: (given.include ?? []).map(attnum),
        predicate: given.where === undefined ? null : writeStoredExpr(this.#expression(given.where, name, 'index predicate')),
      })
    }
    const plain = { deferrable: false, deferred: false, validated: true, enforced: true }
    const constraints: ConstraintDescriptor[] = Object.entries(spec.checks ?? {}).map(([checkName, text]) => ({
      ...plain,
      oid: this.#oid++,
      name: checkName,
      type: 'c',
      expr: writeStoredExpr(this.#expression(text, name, 'check')),
      columns: [],
      noInherit: false,
    }))
    const done: RelationDescriptor = {
      ...base,
      columns: filled,
      table: { ...base.table!, primaryKey: spec.primaryKey === undefined ? 0 : indexes[0]!.oid, indexes, constraints },
    }
    this.#put(done)
    for (const fk of spec.foreignKeys ?? []) {
      const parent = this.relation(fk.table)
      const key = parent.table!.indexes.find((i) => i.oid === parent.table!.primaryKey)!
      const constraint: ConstraintDescriptor = {
        ...plain,
        deferrable: fk.deferred ?? false,
        deferred: fk.deferred ?? false,
        oid: this.#oid++,
        name: fk.name,
        type: 'f',
        columns: fk.columns.map(attnum),
        referencedTable: parent.oid,
        referencedColumns: key.columns.map((column) => column.attnum),
        referencedIndex: key.oid,
        onUpdate: fk.onUpdate ?? 'a',
        onDelete: fk.onDelete ?? 'a',
        matchType: 's',
        deleteSetColumns: [],
        pfEqOps: [],
        ppEqOps: [],
        ffEqOps: [],
      }
      const child = this.relation(name)
      this.#put({ ...child, table: { ...child.table!, constraints: [...child.table!.constraints, constraint] } })
      const target = this.relation(fk.table)
      this.#put({
        ...target,
        table: { ...target.table!, inboundForeignKeys: [...target.table!.inboundForeignKeys, { table: oid, constraint: constraint.oid }] },
      })
    }
    return this.relation(name)
  }

  begin(isolation: IsolationLevel = 'read committed'): Transaction {
    return this.#keyspace.begin({ isolation })
  }

  /** `paramValues`: what the plan is to be good for. */
  plan(sql: string, params: readonly Oid[] = [], paramValues: readonly Datum[] | null = null): PlannedStatement {
    return finished(this.planning(sql, params, paramValues))
  }

  planning(sql: string, params: readonly Oid[] = [], paramValues: readonly Datum[] | null = null): Steps<PlannedStatement> {
    const query = analyzeStatement(parse(sql)[0]!.node!, this.#analyzeContext(params))
    return planSteps(query, {
      catalog: this.snapshot,
      evaluate: constantEvaluator(this.#state(this.begin(), paramValues ?? [])),
      statistics: statisticsSource(this.snapshot, builtinTypeSupport, this.context),
      paramValues,
    })
  }

  /** ANALYZE. */
  async analyze(name: string, target = 100, knownRows: number | null = null): Promise<AnalyzedTable> {
    const table = this.relation(name)
    const txn = this.begin()
    const found = await analyzeTable(table, { attnums: null, target, knownRows }, makeCompilation(this.#state(txn, [])))
    await txn.rollback()
    this.#put({ ...table, table: { ...table.table!, relTuples: found.rows } })
    const { columns, expressions } = found
    this.#records.set(statisticsKey(table.oid), { ...noStatistics(table.oid), columns, expressions })
    return found
  }

  #state(txn: Transaction, params: readonly Datum[]): ExecState {
    return {
      txn,
      ctx: this.context,
      catalog: this.snapshot,
      params,
      exec: [],
      restricted: new Set(),
      memory: this.context.memory,
      workMem: 64 << 20,
      spillDir: () => this.directory,
      cancel: this.context.cancel,
      store: {
        capabilities: this.#store.capabilities,
        autocommit: false,
        lockTimeoutMs: 5000,
        rowsChanged: () => undefined,
        scanCounts: () => ({ scans: 0, returned: 0, fetched: 0 }),
        rowIds: (table, count) => this.#sequences.rowIds(table, count),
        readNow: () => this.begin(),
        virtualRelation: () => null,
        readableColumns: () => null,
        cursorRow: () => {
          throw new Error('no cursors here')
        },
        deferred: { isDeferred: (_constraint, initially) => initially, add: (check) => this.deferred.push(check) },
      },
      rowsExamined: 0,
      rowsAffected: 0,
    }
  }

  /** Differences between a table and its indexes; empty when there are none. */
  async checkIndexes(name: string): Promise<string[]> {
    const txn = this.begin()
    const problems = await checkIndexes(this.relation(name), makeCompilation(this.#state(txn, [])))
    await txn.rollback()
    return problems
  }

  /** Runs one statement, in `txn` if given, else in a transaction of its own. */
  async run(sql: string, options: { params?: readonly Datum[]; types?: readonly Oid[]; txn?: Transaction } = {}): Promise<Result> {
    const planned = this.plan(sql, options.types ?? [])
    const own = options.txn === undefined
    const txn = options.txn ?? this.begin()
    if (!own) await txn.refreshReadTs()
    const state = this.#state(txn, options.params ?? [])
    const rows: Row[] = []
    const width = planned.output.length
    try {
      const root = compilePlan(planned.plan, state)
      await root.open()
      for (let batch = await root.next(); batch !== null; batch = await root.next()) {
        for (let i = 0; i < batch.count; i++) rows.push(batch.rows[i]!.slice(0, width))
      }
      root.close()
      if (own) {
        for (const check of this.deferred.splice(0)) await check.run(txn)
        await txn.commit()
      }
    } catch (error) {
      this.deferred = []
      if (own) await txn.rollback()
      throw error
    }
    return { rows, examined: state.rowsExamined, affected: state.rowsAffected, planned }
  }

  async rows(sql: string, ...params: Datum[]): Promise<Row[]> {
    return (await this.run(sql, { params })).rows
  }
}

/** Node kinds of a plan, outermost first, depth first. */
export function shape(plan: Plan): string {
  const children = (node: Plan): Plan[] => {
    const inputs: Plan[] = []
    for (const field of ['left', 'right', 'input'] as const) {
      const child = (node as unknown as Record<string, Plan | null>)[field]
      if (child !== undefined && child !== null) inputs.push(child)
    }
    if (node.kind === 'Append') inputs.push(...node.inputs)
    return inputs
  }
  const below = children(plan).map(shape)
  return below.length === 0 ? plan.kind : `${plan.kind}(${below.join(', ')})`
}
