// Hand-built plans over the builtin catalogue alone: what the executor's unit tests and benchmarks run on.

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CancelToken } from '../../../../src/base/cancel.ts'
import type { Datum, Row } from '../../../../src/base/datum.ts'
import { MemoryAccount } from '../../../../src/base/memory.ts'
import type { CatalogSnapshot } from '../../../../src/catalog/snapshot.ts'
import type {
  Aggref,
  Const,
  Expr,
  OpExpr,
  Param,
  SortGroupClause,
  TargetEntry,
  Var,
  WindowFunc,
} from '../../../../src/sql/analyzer/expr.ts'
import { TYPE_OID } from '../../../../src/sql/builtin/data/type-oids.ts'
import { operatorByOid, operatorByTypes } from '../../../../src/sql/builtin/pg-operator.ts'
import { aggregateByProc, procByOid, procsByName } from '../../../../src/sql/builtin/pg-proc.ts'
import { typeByOid } from '../../../../src/sql/builtin/pg-type.ts'
import { makeCompilation } from '../../../../src/sql/executor/compile.ts'
import { rootOperator } from '../../../../src/sql/executor/init-plan.ts'
import type { Batch, ExecState, Operator } from '../../../../src/sql/executor/operator.ts'
import type { StoreServices } from '../../../../src/sql/executor/store-services.ts'
import type { Plan, SortKey, ValuesScan } from '../../../../src/sql/planner/plan.ts'
import { OUTER_VAR, SCAN_VAR } from '../../../../src/sql/planner/plan.ts'
import { TEXT_IO } from '../../../../src/sql/types/define.ts'
import type { EvalContext } from '../../../../src/sql/types/eval-context.ts'
import { builtinTypeSupport } from '../../../../src/sql/types/registry.ts'

export const T = TYPE_OID

export function builtinCatalog(): CatalogSnapshot {
  return {
    version: 'test',
    proc: (oid: number) => procByOid(oid) ?? null,
    isRestricted: () => false,
    aggregate: (oid: number) => aggregateByProc(oid) ?? null,
    operator: (oid: number) => operatorByOid(oid) ?? null,
    type: (oid: number) => typeByOid(oid) ?? null,
    userType: () => null,
  } as unknown as CatalogSnapshot
}

let spillDirectory: string | null = null

export function makeState(options: { workMem?: number; memory?: number; params?: Datum[] } = {}): ExecState {
  const memory = new MemoryAccount('test', options.memory ?? 1 << 30)
  const cancel = new CancelToken()
  const ctx = {
    io: TEXT_IO,
    transactionTimestamp: 0,
    statementTimestamp: 0,
    clockTimestamp: () => 0,
    random: () => 0.5,
    memory,
    cancel,
    catalog: { typeSupport: builtinTypeSupport },
    system: () => undefined,
    notice: () => {},
  } as unknown as EvalContext
  return {
    txn: null as never,
    ctx,
    catalog: builtinCatalog(),
    params: options.params ?? [],
    exec: [],
    restricted: new Set(),
    memory,
    workMem: options.workMem ?? 64 << 20,
    spillDir: () => (spillDirectory ??= mkdtempSync(path.join(tmpdir(), 'spill-test-'))),
    cancel,
    store: NO_STORE,
    rowsExamined: 0,
    rowsAffected: 0,
  }
}

const typed = (type: number) => ({ type, typmod: -1, collation: type === T.text ? 100 : 0, location: -1 })

export const col = (attno: number, type: number, varno = OUTER_VAR): Var => ({ kind: 'Var', varno, attno, levelsUp: 0, ...typed(type) })
export const scanCol = (attno: number, type: number): Var => col(attno, type, SCAN_VAR)
export const lit = (value: Datum, type: number): Const => ({ kind: 'Const', value, ...typed(type) })
export const execParam = (id: number, type: number): Param => ({ kind: 'Param', paramKind: 'exec', id, ...typed(type) })

export function op(name: string, left: Expr, right: Expr): OpExpr {
  const row = operatorByTypes(name, left.type, right.type)
  if (row === undefined) throw new Error(`no operator ${left.type} ${name} ${right.type}`)
  return {
    kind: 'OpExpr',
    opNo: row.oid,
    opFuncId: row.oprcode,
    args: [left, right],
    retset: false,
    inputCollation: 100,
    ...typed(row.oprresult),
  }
}

export function call(name: string, args: Expr[], retset = false): Expr {
  const row = procsByName(name).find(
    (p) => p.proargtypes.length === args.length && p.proargtypes.every((t, i) => t === args[i]!.type || [2283, 2277, 5077].includes(t)),
  )
  if (row === undefined) throw new Error(`no function ${name}`)
  return {
    kind: 'FuncExpr',
    funcId: row.oid,
    args,
    retset,
    variadic: false,
    format: 'call',
    inputCollation: 100,
    ...typed(row.prorettype === 2283 ? args[0]!.type : row.prorettype),
  }
}

export function and(...args: Expr[]): Expr {
  return { kind: 'BoolExpr', op: 'and', args, ...typed(T.bool) }
}

export const target = (expr: Expr, resno = 1): TargetEntry => ({
  expr,
  resno,
  resname: null,
  ressortgroupref: 0,
  resorigtbl: 0,
  resorigcol: 0,
  resjunk: false,
})
export const targets = (...exprs: Expr[]): TargetEntry[] => exprs.map((expr, i) => target(expr, i + 1))

export const common = { quals: [], rows: 0, startupCost: 0, totalCost: 0, width: 0, initPlans: [] }

/** A ValuesScan in name only: rows given directly (its lists are replaced by a source of rows). */
export interface RowsPlan extends Omit<ValuesScan, 'lists'> {
  readonly lists: readonly (readonly Expr[])[]
  readonly given: Row[]
}

export function rows(types: number[], given: Row[]): Plan {
  return {
    ...common,
    kind: 'ValuesScan',
    targetList: targets(...types.map((type, i) => scanCol(i + 1, type))),
    lists: [],
    given,
  } as RowsPlan as Plan
}

export function sortKey(slot: number, type: number, descending = false, nullsFirst = descending): SortKey {
  const less = operatorByTypes(descending ? '>' : '<', type, type)
  const equal = operatorByTypes('=', type, type)
  return { slot, type, descending, nullsFirst, sortOp: less?.oid ?? 0, eqOp: equal?.oid ?? 0, collation: type === T.text ? 100 : 0 }
}

export function eqOp(type: number): number {
  return operatorByTypes('=', type, type)!.oid
}

export function agg(name: string, args: Expr[], more: Partial<Aggref> = {}): Aggref {
  const candidates = procsByName(name).filter((p) => p.prokind === 'a' && (more.star === true ? p.pronargs === 0 : true))
  const row =
    candidates.find((p) => p.proargtypes.length === args.length && p.proargtypes.every((t, i) => t === args[i]!.type)) ??
    candidates.find((p) => p.proargtypes.length === args.length && p.proargtypes.every((t) => [2283, 2276, 2776, 5077].includes(t))) ??
    candidates[0]
  if (row === undefined) throw new Error(`no aggregate ${name}`)
  const facts = aggregateByProc(row.oid)!
  const type =
    row.prorettype === 2283 ? args[0]!.type : row.prorettype === 2277 ? (typeByOid(args[0]!.type)?.typarray ?? 0) : row.prorettype
  return {
    kind: 'Aggref',
    aggFnOid: row.oid,
    argTypes: args.map((arg) => arg.type),
    transType: facts.aggtranstype === 2283 ? args[0]!.type : facts.aggtranstype,
    directArgs: [],
    args: targets(...args),
    order: [],
    distinct: [],
    filter: null,
    star: false,
    variadic: false,
    aggKind: 'normal',
    levelsUp: 0,
    inputCollation: 100,
    ...typed(type),
    ...more,
  }
}

export function windowFunc(name: string, args: Expr[], more: Partial<WindowFunc> = {}): WindowFunc {
  const window = procsByName(name).find((p) => p.prokind === 'w' && p.pronargs === args.length)
  const base = window === undefined ? agg(name, args, more.star === undefined ? {} : { star: more.star }) : null
  return {
    kind: 'WindowFunc',
    winFnOid: window?.oid ?? base!.aggFnOid,
    args,
    filter: null,
    winRef: 1,
    star: false,
    winAgg: window === undefined,
    inputCollation: 100,
    ...typed(base?.type ?? ([2283, 5077].includes(window!.prorettype) ? args[0]!.type : window!.prorettype)),
    ...more,
  }
}

export const sortClause = (ref: number, type: number, descending = false): SortGroupClause => {
  const key = sortKey(1, type, descending)
  return { tleSortGroupRef: ref, eqOp: key.eqOp, sortOp: key.sortOp, descending, nullsFirst: key.nullsFirst, hashable: true }
}

/** Hands out given rows; with `wait`, each batch later, as a remote store would. */
function source(given: readonly Row[], wait: boolean): Operator {
  const batch: Batch = { rows: [], count: 0 }
  let at = 0
  const take = (): Batch | null => {
    const count = Math.min(1024, given.length - at)
    if (count <= 0) return null
    for (let i = 0; i < count; i++) batch.rows[i] = given[at + i]!
    batch.count = count
    at += count
    return batch
  }
  return {
    open() {
      at = 0
    },
    next: () => (wait ? new Promise((resolve) => setImmediate(() => resolve(take()))) : take()),
    close() {},
  }
}

/** Compiles with given rows in place of `rows(…)` plans. */
export function compile(plan: Plan, state: ExecState, wait = false): Operator {
  const cx = makeCompilation(state)
  const { compile: inner } = cx
  Object.assign(cx, {
    compile: (p: Plan): Operator => ('given' in p ? source((p as unknown as RowsPlan).given, wait) : inner(p)),
  })
  return rootOperator(cx.compile(plan), cx)
}

export async function collect(operator: Operator): Promise<Row[]> {
  const all: Row[] = []
  await operator.open()
  for (let batch = await operator.next(); batch !== null; batch = await operator.next()) {
    if (batch.count < 1) throw new Error('an empty batch')
    for (let i = 0; i < batch.count; i++) all.push(batch.rows[i]!)
  }
  return all
}

/** Runs a plan both ways (inputs at once, inputs later) and checks that they agree and that all memory is given back. */
export async function run(plan: Plan, options: Parameters<typeof makeState>[0] = {}): Promise<Row[]> {
  const results: Row[][] = []
  for (const wait of [false, true]) {
    const state = makeState(options)
    const operator = compile(plan, state, wait)
    const first = await collect(operator)
    const second = await collect(operator)
    operator.close()
    if (state.memory.used !== 0) throw new Error(`${state.memory.used} bytes not released`)
    if (JSON.stringify(first, replacer) !== JSON.stringify(second, replacer)) throw new Error('a second run answers otherwise')
    results.push(first)
  }
  if (JSON.stringify(results[0], replacer) !== JSON.stringify(results[1], replacer)) throw new Error('waiting inputs answer otherwise')
  return results[0]!
}

const replacer = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value)

/** For operators that touch no table. */
const NO_STORE: StoreServices = {
  capabilities: { sharedLocks: true, serializable: true, multiNode: false, maxKeyBytes: 1900, maxValueBytes: 1 << 24 },
  autocommit: false,
  lockTimeoutMs: 0,
  rowsChanged: () => undefined,
  scanCounts: () => ({ scans: 0, returned: 0, fetched: 0 }),
  rowIds: () => {
    throw new Error('no row ids here')
  },
  readNow: () => {
    throw new Error('no transactions here')
  },
  virtualRelation: () => null,
  readableColumns: () => null,
  cursorRow: () => {
    throw new Error('no cursors here')
  },
  deferred: { isDeferred: () => false, add() {} },
}
