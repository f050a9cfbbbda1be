// Plan → operators: one compile function per node, in the node's own file. The plan is compiled once and run many times.

import { unreachable } from '../../base/assert.ts'
import { notSupported } from '../../base/errors.ts'
import type { Plan } from '../planner/plan.ts'
import type { Compilation } from './compilation.ts'
import type { ExecState, Operator } from './operator.ts'

function compileNode(plan: Plan, _c: Compilation): Operator {
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

/** An operator tree over `state`, which may be run again and again. */
export function compilePlan(plan: Plan, state: ExecState, instrument: Compilation['instrument'] = null): Operator {
  const compilation: Compilation = {
    state,
    shared: new Map(),
    instrument,
    compile: (input) => {
      const operator = compileNode(input, compilation)
      return instrument === null ? operator : instrument(input, operator)
    },
  }
  return compilation.compile(plan)
}
