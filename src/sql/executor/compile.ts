// Plan → operators: one compile function per node, in the node's own file. The plan is compiled once and run many times.

import { unreachable } from '../../base/assert.ts'
import { notSupported } from '../../base/errors.ts'
import type { Plan } from '../planner/plan.ts'
import type { Compilation, CompileOptions } from './compilation.ts'
import { registerInitPlans, rootOperator } from './init-plan.ts'
import type { ExecState, Operator } from './operator.ts'

function compileNode(plan: Plan, _cx: Compilation): Operator {
  switch (plan.kind) {
    case 'SeqScan':
    case 'IndexScan':
    case 'PointGet':
    case 'VirtualScan':
    case 'FunctionScan':
    case 'ValuesScan':
    case 'CteScan':
    case 'WorkTableScan':
    case 'SubqueryScan':
    case 'Result':
    case 'ProjectSet':
    case 'NestLoop':
    case 'LookupJoin':
    case 'HashJoin':
    case 'MergeJoin':
    case 'Sort':
    case 'Agg':
    case 'WindowAgg':
    case 'Unique':
    case 'HashDistinct':
    case 'Append':
    case 'SetOp':
    case 'RecursiveUnion':
    case 'Limit':
    case 'Materialize':
    case 'LockRows':
    case 'ModifyTable':
      throw notSupported(`${plan.kind} is not implemented`)
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
    compile: (plan) => {
      const wrap = registerInitPlans(plan.initPlans, cx)
      const operator = wrap(compileNode(plan, cx))
      return instrument === null ? operator : instrument(plan, operator)
    },
    initParams: new Map(),
    ctes: new Map(),
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
