// EXPLAIN: a plan as PostgreSQL-like text or as JSON, with what really happened where it was run (ANALYZE).

import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import { quoteIdentifier } from '../types/quote.ts'
import { type ExprContext, exprText, relationName } from './explain-expr.ts'
import { isSubPlanExpr, makeAnd, replace } from './expr-tree.ts'
import type { Plan, PlannedStatement, SortKey, SubPlan, SubPlanExpr } from './plan.ts'

/** What a node did; times in milliseconds, over all loops. */
export interface Actual {
  readonly rows: number
  readonly loops: number
  readonly startupMs: number
  readonly totalMs: number
}

export interface ExplainOptions {
  readonly costs: boolean
  readonly verbose: boolean
  /** With ANALYZE only. */
  readonly timing: boolean
  readonly actual: ((plan: Plan) => Actual | null) | null
}

/** One node, ready for any format. */
export interface ExplainNode {
  readonly nodeType: string
  /** What the text form says of it: `Index Scan using t_pkey on t`. */
  readonly title: string
  /** `InitPlan 1`, `SubPlan 2`, `CTE x`; null for plain inputs. */
  readonly label: string | null
  readonly properties: readonly (readonly [string, string | number | readonly string[]])[]
  readonly plan: Plan
  readonly children: readonly ExplainNode[]
}

const JOIN_NAMES: Readonly<Record<string, string>> = {
  inner: '',
  left: ' Left',
  right: ' Right',
  full: ' Full',
  semi: ' Semi',
  anti: ' Anti',
}

function titleOf(plan: Plan, cx: ExprContext): { nodeType: string; title: string } {
  const { catalog } = cx
  const on = (type: string): { nodeType: string; title: string } => {
    const name = 'relation' in plan ? (catalog.relation(plan.relation)?.name ?? '') : ''
    const alias = relationName(plan, catalog)
    const shown = (name === '' ? [alias] : alias === '' || alias === name ? [name] : [name, alias]).map(quoteIdentifier).join(' ')
    return { nodeType: type, title: alias === '' && name === '' ? type : `${type} on ${shown}` }
  }
  const indexName = (oid: number): string => quoteIdentifier(catalog.relation(oid)?.name ?? String(oid))
  const using = (type: string, index: number): { nodeType: string; title: string } => {
    const { title } = on('')
    return { nodeType: type, title: `${type} using ${indexName(index)}${title}` }
  }
  const join = (type: string, kind: string) => ({
    nodeType: type,
    title: `${type}${JOIN_NAMES[kind]}${type === 'Nested Loop' && kind === 'inner' ? '' : ' Join'}`,
  })
  switch (plan.kind) {
    case 'SeqScan':
      return on(plan.backward ? 'Seq Scan Backward' : 'Seq Scan')
    case 'IndexScan':
      return using(`Index${plan.indexOnly ? ' Only' : ''} Scan${plan.backward ? ' Backward' : ''}`, plan.index)
    case 'PointGet':
      return using('Point Get', plan.index)
    case 'TidScan':
      return on('Tid Scan')
    case 'VirtualScan':
      return on('Catalog Scan')
    case 'FunctionScan':
      return on('Function Scan')
    case 'ValuesScan':
      return on('Values Scan')
    case 'CteScan':
      return on('CTE Scan')
    case 'WorkTableScan':
      return on('WorkTable Scan')
    case 'SubqueryScan':
      return on('Subquery Scan')
    case 'NestLoop':
      return join('Nested Loop', plan.joinType)
    case 'HashJoin':
      return { nodeType: 'Hash Join', title: `Hash${JOIN_NAMES[plan.joinType]} Join` }
    case 'MergeJoin':
      return { nodeType: 'Merge Join', title: `Merge${JOIN_NAMES[plan.joinType]} Join` }
    case 'LookupJoin': {
      const name = quoteIdentifier(catalog.relation(plan.relation)?.name ?? '')
      return { nodeType: 'Lookup Join', title: `Lookup${JOIN_NAMES[plan.joinType]} Join using ${indexName(plan.index)} on ${name}` }
    }
    case 'Sort':
      return plan.presorted > 0 ? { nodeType: 'Incremental Sort', title: 'Incremental Sort' } : { nodeType: 'Sort', title: 'Sort' }
    case 'Agg': {
      const names = { plain: 'Aggregate', sorted: 'GroupAggregate', hashed: 'HashAggregate', mixed: 'MixedAggregate' } as const
      return { nodeType: 'Aggregate', title: names[plan.strategy] }
    }
    case 'HashDistinct':
      return { nodeType: 'Aggregate', title: 'HashAggregate' }
    case 'SetOp': {
      const name = `SetOp ${plan.op === 'except' ? 'Except' : 'Intersect'}${plan.all ? ' All' : ''}`
      return { nodeType: 'SetOp', title: name }
    }
    case 'RecursiveUnion':
      return { nodeType: 'Recursive Union', title: 'Recursive Union' }
    case 'ModifyTable': {
      const name = plan.command[0]!.toUpperCase() + plan.command.slice(1)
      const { title } = on(name)
      return { nodeType: 'ModifyTable', title }
    }
    default:
      return { nodeType: plan.kind, title: plan.kind }
  }
}

const TID = 27

type Property = readonly [string, string | number | readonly string[]]

function propertiesOf(plan: Plan, cx: ExprContext): Property[] {
  const properties: Property[] = []
  const text = (expr: Expr): string => exprText(expr, plan, cx)
  const condition = (name: string, quals: readonly Expr[]): void => {
    const all = makeAnd(quals)
    if (all !== null) properties.push([name, text(all)])
  }
  const keyNames = (keys: readonly SortKey[], input: Plan, order: boolean): string[] =>
    keys.map((key) => {
      const entry = input.targetList[key.slot - 1]
      const name = entry === undefined ? '?' : exprText(entry.expr, input, cx)
      if (!order) return name
      const nulls = key.nullsFirst === key.descending ? '' : key.nullsFirst ? ' NULLS FIRST' : ' NULLS LAST'
      return `${name}${key.descending ? ' DESC' : ''}${nulls}`
    })
  const indexCondition = (index: number, conditions: readonly { column: number; op: string; value: Expr | null }[]): void => {
    const columns = cx.catalog.relation(index)?.columns ?? []
    const parts = conditions.map(({ column, op, value }) => {
      const name = columns[column]?.name ?? `column${column + 1}`
      if (value === null) return `(${name} ${op.toUpperCase()})`
      return op === 'any' ? `(${name} = ANY (${text(value)}))` : `(${name} ${op} ${text(value)})`
    })
    if (parts.length > 0) properties.push(['Index Cond', parts.length === 1 ? parts[0]! : `(${parts.join(' AND ')})`])
  }
  switch (plan.kind) {
    case 'IndexScan':
      indexCondition(plan.index, plan.conditions)
      break
    case 'PointGet':
      indexCondition(
        plan.index,
        plan.key.map((value, column) => ({ column, op: '=', value })),
      )
      break
    case 'TidScan': {
      if (plan.tids.kind === 'CurrentOfExpr') {
        properties.push(['TID Cond', `CURRENT OF ${plan.tids.cursorName}`])
        break
      }
      const one = plan.tids.type === TID ? `ctid = ${text(plan.tids)}` : `ctid = ANY (${text(plan.tids)})`
      properties.push(['TID Cond', `(${one})`])
      break
    }
    case 'LookupJoin':
      indexCondition(
        plan.index,
        plan.keys.map((value, column) => ({ column, op: '=', value })),
      )
      condition('Inner Filter', plan.scanQuals)
      condition('Join Filter', plan.joinQuals)
      break
    case 'HashJoin':
    case 'MergeJoin': {
      const pairs = plan.leftKeys.map((left, i) => {
        const operator = cx.catalog.operator(plan.operators[i]!)?.oprname ?? '='
        return `(${text(left)} ${operator} ${text(plan.rightKeys[i]!)})`
      })
      properties.push([plan.kind === 'HashJoin' ? 'Hash Cond' : 'Merge Cond', pairs.length === 1 ? pairs[0]! : `(${pairs.join(' AND ')})`])
      condition('Join Filter', plan.joinQuals)
      break
    }
    case 'NestLoop':
      condition('Join Filter', plan.joinQuals)
      break
    case 'Sort':
      properties.push(['Sort Key', keyNames(plan.keys, plan.input, true)])
      if (plan.presorted > 0) properties.push(['Presorted Key', keyNames(plan.keys.slice(0, plan.presorted), plan.input, false)])
      break
    case 'Agg':
      if (plan.keys.length > 0) properties.push(['Group Key', keyNames(plan.keys, plan.input, false)])
      break
    case 'HashDistinct':
      properties.push(['Group Key', keyNames(plan.keys, plan.input, false)])
      break
    case 'Result':
      if (plan.oneTimeFilter !== null) properties.push(['One-Time Filter', text(plan.oneTimeFilter)])
      break
    case 'ModifyTable':
      if (plan.onConflict !== null) {
        properties.push(['Conflict Resolution', plan.onConflict.action === 'nothing' ? 'NOTHING' : 'UPDATE'])
        const names = plan.onConflict.arbiters.map((oid) => cx.catalog.relation(oid)?.name ?? String(oid))
        if (names.length > 0) properties.push(['Conflict Arbiter Indexes', names])
      }
      break
    default:
  }
  condition('Filter', plan.quals)
  return properties
}

function inputsOf(plan: Plan): readonly Plan[] {
  if ('left' in plan && 'right' in plan) return [plan.left, plan.right]
  if (plan.kind === 'LookupJoin') return [plan.left]
  if (plan.kind === 'Append') return plan.inputs
  return 'input' in plan && plan.input !== null ? [plan.input] : []
}

/** SubPlans in a node's own expressions. */
function subPlansOf(plan: Plan): SubPlan[] {
  const found: SubPlan[] = []
  const look = (expr: Expr): void => {
    replace(expr, (e) => {
      if (isSubPlanExpr(e)) found.push((e as unknown as SubPlanExpr).plan)
      return undefined
    })
  }
  for (const entry of plan.targetList) look(entry.expr)
  for (const qual of plan.quals) look(qual)
  if ('joinQuals' in plan) for (const qual of plan.joinQuals) look(qual)
  if (plan.kind === 'ModifyTable') for (const entry of plan.set) look(entry.expr)
  const seen = new Set<number>()
  return found.filter((sub) => !seen.has(sub.id) && seen.add(sub.id))
}

function describe(plan: Plan, label: string | null, cx: ExprContext, verbose: boolean): ExplainNode {
  const initParams = cx.initParams as Map<number, string>
  const outerParams = cx.outerParams as Map<number, { expr: Expr; node: Plan }>
  for (const sub of plan.initPlans) for (const [i, id] of sub.setParams.entries()) initParams.set(id, `(InitPlan ${sub.id}).col${i + 1}`)
  if (plan.kind === 'NestLoop') for (const param of plan.params) outerParams.set(param.id, { expr: param.expr, node: plan })
  const subPlans = subPlansOf(plan)
  for (const sub of subPlans) for (const param of sub.params) outerParams.set(param.id, { expr: param.expr, node: plan })
  const properties = propertiesOf(plan, cx)
  if (verbose) properties.unshift(['Output', plan.targetList.map((entry) => exprText(entry.expr, plan, cx))])
  const children = [
    ...plan.initPlans.map((sub) =>
      describe(sub.plan, sub.kind === 'cte' ? `CTE ${sub.name ?? sub.id}` : `InitPlan ${sub.id}`, cx, verbose),
    ),
    ...inputsOf(plan).map((input) => describe(input, null, cx, verbose)),
    ...subPlans.map((sub) => describe(sub.plan, `SubPlan ${sub.id}`, cx, verbose)),
  ]
  return { ...titleOf(plan, cx), label, properties, plan, children }
}

function countRelations(plan: Plan): number {
  const own = 'relation' in plan && plan.kind !== 'ModifyTable' ? 1 : 0
  return [...inputsOf(plan), ...plan.initPlans.map((sub) => sub.plan), ...subPlansOf(plan).map((sub) => sub.plan)].reduce(
    (sum, child) => sum + countRelations(child),
    own,
  )
}

export function explainTree(statement: PlannedStatement, catalog: CatalogSnapshot, verbose: boolean): ExplainNode {
  const cx: ExprContext = {
    catalog,
    qualify: verbose || countRelations(statement.plan) > 1,
    initParams: new Map(),
    outerParams: new Map(),
  }
  return describe(statement.plan, null, cx, verbose)
}

const cost = (value: number): string => value.toFixed(2)

/** The lines of `QUERY PLAN`. */
export function explainText(statement: PlannedStatement, catalog: CatalogSnapshot, options: ExplainOptions): string[] {
  const lines: string[] = []
  const visit = (node: ExplainNode, indent: number, top: boolean): void => {
    const { plan } = node
    let at = indent
    if (node.label !== null) {
      lines.push(`${' '.repeat(at)}${node.label}`)
      at += 2
    }
    const arrow = top ? '' : '->  '
    let figures = ''
    if (options.costs)
      figures += `  (cost=${cost(plan.startupCost)}..${cost(plan.totalCost)} rows=${Math.round(plan.rows)} width=${plan.width})`
    if (options.actual !== null) figures += ` ${actualText(options.actual(plan), options.timing)}`
    lines.push(`${' '.repeat(at)}${arrow}${node.title}${figures}`)
    const inner = at + (top ? 2 : 6)
    for (const [name, value] of node.properties) {
      lines.push(`${' '.repeat(inner)}${name}: ${typeof value === 'object' ? value.join(', ') : value}`)
    }
    for (const child of node.children) visit(child, inner, false)
  }
  visit(explainTree(statement, catalog, options.verbose), 0, true)
  return lines
}

function actualText(actual: Actual | null, timing: boolean): string {
  if (actual === null || actual.loops === 0) return '(never executed)'
  const { loops } = actual
  const time = timing ? `time=${(actual.startupMs / loops).toFixed(3)}..${(actual.totalMs / loops).toFixed(3)} ` : ''
  return `(actual ${time}rows=${(actual.rows / loops).toFixed(2)} loops=${loops})`
}

interface JsonPlan {
  [name: string]: unknown
}

/** The `Plan` object of FORMAT JSON. */
export function explainJson(statement: PlannedStatement, catalog: CatalogSnapshot, options: ExplainOptions): JsonPlan {
  const visit = (node: ExplainNode, relationship: string | null): JsonPlan => {
    const { plan } = node
    const json: JsonPlan = { 'Node Type': node.nodeType }
    if (plan.kind === 'Agg') json['Strategy'] = { plain: 'Plain', sorted: 'Sorted', hashed: 'Hashed', mixed: 'Mixed' }[plan.strategy]
    if (plan.kind === 'ModifyTable') json['Operation'] = plan.command[0]!.toUpperCase() + plan.command.slice(1)
    if (relationship !== null) json['Parent Relationship'] = relationship
    if (node.label !== null) json['Subplan Name'] = node.label
    json['Parallel Aware'] = false
    if ('joinType' in plan) json['Join Type'] = plan.joinType[0]!.toUpperCase() + plan.joinType.slice(1)
    if ('index' in plan) json['Index Name'] = catalog.relation(plan.index)?.name ?? null
    if ('relation' in plan) {
      json['Relation Name'] = catalog.relation(plan.relation)?.name ?? null
      json['Alias'] = relationName(plan, catalog)
    } else if (plan.alias !== undefined) json['Alias'] = plan.alias
    if (options.costs) {
      json['Startup Cost'] = Number(cost(plan.startupCost))
      json['Total Cost'] = Number(cost(plan.totalCost))
      json['Plan Rows'] = Math.round(plan.rows)
      json['Plan Width'] = plan.width
    }
    if (options.actual !== null) {
      const actual = options.actual(plan)
      const loops = actual?.loops ?? 0
      if (options.timing) {
        json['Actual Startup Time'] = loops === 0 ? 0 : Number((actual!.startupMs / loops).toFixed(3))
        json['Actual Total Time'] = loops === 0 ? 0 : Number((actual!.totalMs / loops).toFixed(3))
      }
      json['Actual Rows'] = loops === 0 ? 0 : actual!.rows / loops
      json['Actual Loops'] = loops
    }
    for (const [name, value] of node.properties) json[name] = value
    const inputs = inputsOf(plan).length
    const inits = plan.initPlans.length
    if (node.children.length > 0) {
      json['Plans'] = node.children.map((child, i) => {
        if (i < inits) return visit(child, 'InitPlan')
        const place = i - inits
        if (place >= inputs) return visit(child, 'SubPlan')
        return visit(child, plan.kind === 'Append' ? 'Member' : place === 0 ? 'Outer' : 'Inner')
      })
    }
    return json
  }
  return visit(explainTree(statement, catalog, options.verbose), null)
}
