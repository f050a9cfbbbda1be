// Bound expression → closure. Synchronous unless something inside may have to wait for the store or another session; which of the two is
// decided here, once.

import { assert } from '../../../base/assert.ts'
import type { Datum, Row } from '../../../base/datum.ts'
import { notSupported } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { atOnce, keptValue } from '../../../base/long-work.ts'
import type { CaseExpr, Expr, FuncExpr, MinMaxExpr, OpExpr, Var } from '../../analyzer/expr.ts'
import type { PlannedExpr } from '../../planner/plan.ts'
import { inlineConcatenation } from '../../planner/rewrite/inline-concatenation.ts'
import { changesForm, relabelled } from '../../types/oid.ts'
import { RecordDatum } from '../../types/record.ts'
import { presentCompare } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { compileArray, compileArrayCoerce, compileSubscripting } from './array.ts'
import { type Call, compileCall, directCall, procOf } from './call.ts'
import { compileCoerceToDomain, compileCoerceViaIO, type DomainRules } from './coerce.ts'
import { type Compiled, constant, eager, eagerWaiting, sync, waiting } from './compiled.ts'
import {
  compileAndOr,
  compileBooleanTest,
  compileCase,
  compileCoalesce,
  compileNot,
  compileNullTest,
  type TestCell,
  unary,
} from './logic.ts'
import { laterAndOr, laterCase } from './portions.ts'
import { compileConvertRowtype, compileFieldSelect, compileFieldStore, compileRow, compileRowCompare } from './record.ts'
import { compileRowList } from './row-list.ts'
import { compilePlainArray, isRowless, oncePerRun } from './rowless.ts'
import { compileScalarArray } from './scalar-array.ts'
import type { ExprScope } from './scope.ts'
import { compileJsonConstructor, compileJsonExpr, compileJsonIsPredicate } from './sql-json.ts'
import { compileSqlValue } from './sql-value.ts'
import { compileSubPlan } from './subplan.ts'

function callOf(e: OpExpr | FuncExpr | { opFuncId: Oid; args: readonly Expr[]; type: Oid; typmod: number; inputCollation: Oid }): Call {
  return {
    funcId: 'funcId' in e ? e.funcId : e.opFuncId,
    argTypes: e.args.map((arg) => arg.type),
    type: e.type,
    typmod: e.typmod,
    collation: e.inputCollation,
    variadic: 'variadic' in e && e.variadic,
  }
}

/** Cells that nodes inside refer to, by nesting. */
interface Cells {
  readonly test: TestCell | null
  readonly domain: TestCell | null
}

const NO_CELLS: Cells = { test: null, domain: null }

export function compileExpr(expr: PlannedExpr, scope: ExprScope, cx: Compilation): Compiled {
  return compileNode(expr as Expr, scope, cx, NO_CELLS)
}

/** For a domain's CHECK: VALUE is read from `cell`. */
export function compileDomainCheck(expr: Expr, scope: ExprScope, cx: Compilation, cell: TestCell): Compiled {
  return compileNode(expr, scope, cx, { test: null, domain: cell })
}

function compileVar(e: Var, scope: ExprScope): Compiled {
  const holder = scope.holders.get(e.varno)
  if (e.attno === 0) {
    if (scope.wholeRow === undefined) throw notSupported('whole-row references are not implemented here')
    const { slots, shape } = scope.wholeRow(e.varno)
    const read = (row: Row): Datum => {
      let allNull = true
      const values = slots.map((slot) => {
        const value = row[slot]!
        if (value !== null) allNull = false
        return value
      })
      // The row that an outer join fills in is all NULL: as a whole it is NULL too.
      return allNull && slots.length > 0 && row.length > 0 && holder !== undefined ? null : new RecordDatum(shape, values)
    }
    return holder === undefined ? sync(read) : sync(() => read(holder.row))
  }
  if (e.attno < 0 && scope.slotOf === undefined) throw notSupported('system columns are not supported here')
  const slot = scope.slotOf === undefined ? e.attno - 1 : scope.slotOf(e.varno, e.attno)
  assert(slot >= 0, `no slot for attribute ${e.attno} of ${e.varno}`)
  if (holder !== undefined) return sync(() => holder.row[slot]!)
  return { async: false, eval: (row) => row[slot]!, slot, constant: false, value: null }
}

function compileParam(kind: 'extern' | 'exec', id: number, cx: Compilation): Compiled {
  const { state } = cx
  if (kind === 'extern') return sync(() => state.params[id - 1] ?? null)
  const init = cx.initParams.get(id)
  if (init === undefined) return sync(() => state.exec[id]!)
  return waiting(() => {
    const value = state.exec[id]
    return value === undefined ? keptValue(atOnce(init.value, id)) : value
  })
}

function compileMinMax(e: MinMaxExpr, cx: Compilation, args: readonly Compiled[]): Compiled {
  const compare = presentCompare(cx, 0, e.type, e.inputCollation)
  const sign = e.op === 'greatest' ? 1 : -1
  return eager(args, (values) => {
    let best: Datum = null
    for (const value of values) {
      if (value === null) continue
      if (best === null || compare(value, best) * sign > 0) best = value
    }
    return best
  })
}

function compileCaseExpr(e: CaseExpr, compile: (e: Expr, cells?: Partial<Cells>) => Compiled, cx: Compilation): Compiled {
  const cell: TestCell = { value: null }
  const inner = e.arg === null ? undefined : { test: cell }
  const later = laterCase(e, cell, (part) => compile(part, inner), compile, cx)
  if (later !== null) return later
  return compileCase(
    e.arg === null ? null : { arg: compile(e.arg), cell },
    e.whens.map((when) => compile(when.condition, inner)),
    e.whens.map((when) => compile(when.result)),
    compile(e.defaultResult),
  )
}

/** information_schema's domains come from catalogue data that already meets their checks. */
function domainRules(type: Oid, cx: Compilation, compile: (e: Expr, cells?: Partial<Cells>) => Compiled, cell: TestCell): DomainRules {
  const row = cx.catalog.type(type)
  const name = row?.typname ?? String(type)
  const schema = row === null ? '' : (cx.catalog.namespace(row.typnamespace)?.name ?? '')
  const definition = cx.catalog.userType(type)?.definition
  if (definition === undefined || definition.kind !== 'domain') return { type, name, schema, notNull: false, checks: [] }
  const read = cx.readStored
  if (read === null && definition.checks.length > 0) throw notSupported('CHECK constraints of domains are not implemented')
  // A domain over a domain has that one's rules first.
  const base = domainRules(row!.typbasetype, cx, compile, cell)
  const checks = [...definition.checks]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((check) => ({ name: check.name, test: compile(read!(check.expr), { domain: cell }) }))
  return { type, name, schema, notNull: definition.notNullConstraint !== null || base.notNull, checks: [...base.checks, ...checks] }
}

function compileNode(e: Expr, scope: ExprScope, cx: Compilation, cells: Cells): Compiled {
  const compile = (part: Expr, changed?: Partial<Cells>): Compiled =>
    compileNode(part, scope, cx, changed === undefined ? cells : { ...cells, ...changed })
  const all = (parts: readonly Expr[]): Compiled[] => parts.map((part) => compile(part))
  const { state } = cx
  if ((e as PlannedExpr).kind === 'SubPlanExpr') {
    return compileSubPlan(cx, (e as unknown as Extract<PlannedExpr, { kind: 'SubPlanExpr' }>).plan, compile)
  }
  switch (e.kind) {
    case 'Var':
      return compileVar(e, scope)
    case 'Const':
      return constant(e.value)
    case 'Param':
      return compileParam(e.paramKind, e.id, cx)
    case 'FuncExpr':
    case 'OpExpr': {
      const inlined = inlineConcatenation('funcId' in e ? e.funcId : e.opFuncId, e, cx.catalog)
      if (inlined !== null) return compile(inlined)
      if (e.retset) throw notSupported('set-valued function called in context that cannot accept a set')
      const called = compileCall(cx, callOf(e), all(e.args))
      // A cast may say what another type's function returns.
      if (e.kind === 'OpExpr') return called
      const { prorettype } = procOf(cx, e.funcId)
      return changesForm(prorettype, e.type) ? unary(called, (value) => relabelled(prorettype, e.type, value)) : called
    }
    case 'DistinctExpr': {
      const equal = directCall(cx, callOf(e))
      return eager(all(e.args), ([a, b]) => (a === null || b === null ? a !== b : equal([a!, b!]) !== true))
    }
    case 'NullIfExpr': {
      const equal = directCall(cx, { ...callOf(e), type: 16 })
      return eager(all(e.args), ([a, b]) => (a !== null && b !== null && equal([a!, b!]) === true ? null : a!))
    }
    case 'ScalarArrayOpExpr': {
      const [scalar, array] = all(e.args) as [Compiled, Compiled]
      return compileScalarArray(cx, callOf(e), scalar, isRowless(e.args[1]!, cx) ? oncePerRun(array, cx) : array, e.useOr)
    }
    case 'BoolExpr':
      if (e.op === 'not') return compileNot(compile(e.args[0]!))
      return compileRowList(e, laterAndOr(e, compile, cx) ?? compileAndOr(all(e.args), e.op === 'or'), compile, cx)
    case 'NullTest':
      return compileNullTest(compile(e.arg), e.isNull, e.argIsRow)
    case 'BooleanTest':
      return compileBooleanTest(compile(e.arg), e.test)
    case 'CaseExpr':
      return compileCaseExpr(e, compile, cx)
    case 'CaseTestExpr': {
      const cell = cells.test
      assert(cell !== null, 'CaseTestExpr outside CASE')
      return sync(() => cell.value)
    }
    case 'CoalesceExpr':
      return compileCoalesce(all(e.args))
    case 'MinMaxExpr':
      return compileMinMax(e, cx, all(e.args))
    case 'SqlValueFunction':
      return compileSqlValue(cx, e)
    case 'ArrayExpr':
      return compilePlainArray(e, state) ?? compileArray(e, all(e.elements))
    case 'RowExpr':
      return compileRow(cx, e, all(e.args))
    case 'RowCompareExpr':
      return compileRowCompare(cx, e, all(e.largs), all(e.rargs))
    case 'FieldSelect':
      return compileFieldSelect(e, compile(e.arg))
    case 'FieldStore': {
      const oldFields = e.newValues.map((): TestCell => ({ value: null }))
      const newValues = e.newValues.map((value, i) => compile(value, { test: oldFields[i]! }))
      return compileFieldStore(cx, e, compile(e.arg), newValues, oldFields)
    }
    case 'SubscriptingRef': {
      const optional = (part: Expr | null): Compiled | null => (part === null ? null : compile(part))
      const container = compile(e.arg)
      const oldPart: TestCell = { value: null }
      const assign = e.assign === null ? null : { value: compile(e.assign, { test: oldPart }), oldPart }
      return compileSubscripting(cx, e, container, e.upper.map(optional), e.lower.map(optional), assign)
    }
    case 'RelabelType': {
      const arg = compile(e.arg)
      const { type } = e.arg
      return changesForm(type, e.type) ? unary(arg, (value) => relabelled(type, e.type, value)) : arg
    }
    case 'CollateExpr':
      return compile(e.arg)
    case 'CoerceViaIO':
      return compileCoerceViaIO(cx, e.arg.type, e.type, compile(e.arg))
    case 'ArrayCoerceExpr': {
      const cell: TestCell = { value: null }
      return compileArrayCoerce(compile(e.arg), compile(e.elementExpr, { test: cell }), cell, e.elementExpr.type)
    }
    case 'ConvertRowtypeExpr':
      return compileConvertRowtype(cx, e.type, compile(e.arg))
    case 'CoerceToDomain': {
      const cell: TestCell = { value: null }
      return compileCoerceToDomain(cx, domainRules(e.type, cx, compile, cell), compile(e.arg), cell)
    }
    case 'CoerceToDomainValue': {
      const cell = cells.domain
      assert(cell !== null, 'VALUE outside a domain check')
      return sync(() => cell.value)
    }
    case 'JsonConstructorExpr':
      return compileJsonConstructor(e, all(e.args), cx)
    case 'JsonIsPredicate':
      return compileJsonIsPredicate(e, compile(e.arg))
    case 'JsonExpr':
      return compileJsonExpr(e, (part, test) => compile(part, test === undefined ? undefined : { test }), cx)
    case 'NextValueExpr':
      return eagerWaiting([], () => state.ctx.sequences.nextval(e.sequence, true))
    case 'Aggref':
    case 'WindowFunc':
    case 'GroupingFunc': {
      const place = scope.computed?.(e)
      assert(place !== undefined, `${e.kind} outside its node`)
      const { holder, slot } = place
      return sync(() => holder.row[slot]!)
    }
    case 'CurrentOfExpr':
      throw notSupported('WHERE CURRENT OF on a view is not implemented')
    default:
      throw new Error(`${e.kind} reached the executor`)
  }
}
