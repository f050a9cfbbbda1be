// Plan → operators: one compile function per node, in the node's own file. The plan is compiled once and run many times.

import { unreachable } from '../../base/assert.ts'
import type { Plan } from '../planner/plan.ts'
import type { Compilation, CompileOptions } from './compilation.ts'
import { registerInitPlans, rootOperator } from './init-plan.ts'
import { compileAgg } from './nodes/agg.ts'
import { compileAppend } from './nodes/append.ts'
import { compileFunctionScan } from './nodes/function-scan.ts'
import { compileHashJoin } from './nodes/hash-join.ts'
import { compileLimit } from './nodes/limit.ts'
import { compileLockRows } from './nodes/lock-rows.ts'
import { compileLookupJoin } from './nodes/lookup-join.ts'
import { compileMaterialize } from './nodes/materialize.ts'
import { compileMergeJoin } from './nodes/merge-join.ts'
import { compileModifyTable } from './nodes/modify-table.ts'
import { compileNestLoop } from './nodes/nest-loop.ts'
import { compilePointGet } from './nodes/point-get.ts'
import { compileProjectSet } from './nodes/project-set.ts'
import { compileRecursiveUnion } from './nodes/recursive-union.ts'
import { compileResult } from './nodes/result.ts'
import { compileSetOp } from './nodes/set-op.ts'
import { compileCteScan, compileWorkTableScan } from './nodes/shared-scan.ts'
import { compileSort } from './nodes/sort.ts'
import { compileSubqueryScan } from './nodes/subquery-scan.ts'
import { compileIndexScan, compileSeqScan } from './nodes/table-scan.ts'
import { compileTidScan } from './nodes/tid-scan.ts'
import { compileHashDistinct, compileUnique } from './nodes/unique.ts'
import { compileValuesScan } from './nodes/values-scan.ts'
import { compileVirtualScan } from './nodes/virtual-scan.ts'
import { compileWindowAgg } from './nodes/window-agg.ts'
import type { ExecState, Operator } from './operator.ts'

function compileNode(plan: Plan, cx: Compilation, locksNext: boolean): Operator {
  switch (plan.kind) {
    case 'FunctionScan':
      return compileFunctionScan(plan, cx)
    case 'ValuesScan':
      return compileValuesScan(plan, cx)
    case 'SubqueryScan':
      return compileSubqueryScan(plan, cx)
    case 'Result':
      return compileResult(plan, cx)
    case 'ProjectSet':
      return compileProjectSet(plan, cx)
    case 'NestLoop':
      return compileNestLoop(plan, cx)
    case 'HashJoin':
      return compileHashJoin(plan, cx)
    case 'MergeJoin':
      return compileMergeJoin(plan, cx)
    case 'Sort':
      return compileSort(plan, cx)
    case 'Agg':
      return compileAgg(plan, cx)
    case 'SetOp':
      return compileSetOp(plan, cx)
    case 'RecursiveUnion':
      return compileRecursiveUnion(plan, cx)
    case 'Limit':
      return compileLimit(plan, cx)
    case 'Materialize':
      return compileMaterialize(plan, cx)
    case 'Append':
      return compileAppend(plan, cx)
    case 'CteScan':
      return compileCteScan(plan, cx)
    case 'WorkTableScan':
      return compileWorkTableScan(plan, cx)
    case 'Unique':
      return compileUnique(plan, cx)
    case 'HashDistinct':
      return compileHashDistinct(plan, cx)
    case 'WindowAgg':
      return compileWindowAgg(plan, cx)
    case 'SeqScan':
      return compileSeqScan(plan, cx)
    case 'IndexScan':
      return compileIndexScan(plan, cx)
    case 'PointGet':
      return compilePointGet(plan, cx, locksNext)
    case 'TidScan':
      return compileTidScan(plan, cx)
    case 'VirtualScan':
      return compileVirtualScan(plan, cx)
    case 'LookupJoin':
      return compileLookupJoin(plan, cx)
    case 'LockRows':
      return compileLockRows(plan, cx)
    case 'ModifyTable':
      return compileModifyTable(plan, cx)
    default:
      return unreachable(plan, 'plan node')
  }
}

/** A compilation over `state`, whose `catalog` must be set: for plans and for single expressions. */
export function makeCompilation(state: ExecState, options: CompileOptions = {}): Compilation {
  const { instrument = null, sqlFunctions = null, readStored = null } = options
  const cx: Compilation = {
    state,
    catalog: state.catalog,
    compile: (plan, locksNext = false) => {
      const wrap = registerInitPlans(plan.initPlans, cx)
      const operator = wrap(compileNode(plan, cx, locksNext))
      return instrument === null ? operator : instrument(plan, operator)
    },
    procs: new Map(),
    inPortions: new Set(),
    initParams: new Map(),
    ctes: new Map(),
    modifying: [],
    writes: null,
    workTables: new Map(),
    sqlFunctions,
    readStored,
    owned: [],
    run: 0,
    closing: false,
  }
  return cx
}

/** An operator tree over `state`, which may be run again and again. */
export function compilePlan(plan: Plan, state: ExecState, options: CompileOptions = {}): Operator {
  const cx = makeCompilation(state, options)
  return rootOperator(cx.compile(plan), cx)
}
