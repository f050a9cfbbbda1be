// A path: one way to produce rows, costed, not yet a plan. `build` makes the plan for exactly the columns its consumer asks for, so that
// dynamic programming compares paths cheaply and columns nobody needs are never carried.

import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import { exprKey, makeVar, replace, targetEntry } from '../expr-tree.ts'
import { OUTER_VAR, type Plan, type SortKey } from '../plan.ts'
import { contains, NO_RELS, type Relids } from '../relids.ts'

/** One column of an order. `key` names the expression, equal for all members of an equivalence class. */
export interface PathKey {
  readonly key: string
  readonly descending: boolean
  readonly nullsFirst: boolean
}

export interface Path {
  readonly rows: number
  readonly startup: number
  readonly total: number
  readonly width: number
  readonly order: readonly PathKey[]
  /** Relations (bits) outside that must supply `params` first. */
  readonly outer: Relids
  readonly params: readonly { readonly id: number; readonly expr: Expr }[]
  /** At most one row. */
  readonly single: boolean
  /** Set-returning functions of the target list are computed in it: above, they are columns. */
  readonly computesSets?: boolean
  /** A plan whose first slots are `targets`; there may be more behind them. */
  build(targets: readonly Expr[]): Plan
}

/** A path that starts at once, has no order and needs nothing from outside. */
export const UNORDERED = { startup: 0, order: [], outer: NO_RELS, params: [], single: false } as const satisfies Partial<Path>

/** Whether rows ordered by `have` are ordered by `want`. */
export function orderSatisfies(have: readonly PathKey[], want: readonly PathKey[]): boolean {
  return commonOrder(have, want) === want.length
}

/** How many leading keys of `want` are satisfied. */
export function commonOrder(have: readonly PathKey[], want: readonly PathKey[]): number {
  let i = 0
  while (i < want.length && i < have.length) {
    const a = have[i]!
    const b = want[i]!
    if (a.key !== b.key || a.descending !== b.descending || a.nullsFirst !== b.nullsFirst) break
    i++
  }
  return i
}

/** Whether one of `paths` is as good in cost, order and independence. */
export function isBeaten(paths: readonly Path[], startup: number, total: number, order: readonly PathKey[], outer: Relids): boolean {
  for (const other of paths) {
    if (
      other.total <= total &&
      other.startup <= startup &&
      (other.outer === NO_RELS || contains(outer, other.outer)) &&
      orderSatisfies(other.order, order)
    ) {
      return true
    }
  }
  return false
}

/** Keeps `paths` free of those that another beats. */
export function addPath(paths: Path[], path: Path): void {
  const { startup, total, order, outer } = path
  if (isBeaten(paths, startup, total, order, outer)) return
  for (let i = paths.length - 1; i >= 0; i--) {
    const other = paths[i]!
    if (
      total <= other.total &&
      startup <= other.startup &&
      (outer === NO_RELS || contains(other.outer, outer)) &&
      orderSatisfies(order, other.order)
    ) {
      paths.splice(i, 1)
    }
  }
  paths.push(path)
}

export function cheapest(paths: readonly Path[]): Path {
  let best = paths[0]!
  for (const path of paths) if (path.total < best.total) best = path
  return best
}

/** Cost of the first `limit` rows. */
export function fractionalCost(path: Path, limit: number | null): number {
  if (limit === null || limit >= path.rows) return path.total
  return path.startup + ((path.total - path.startup) * limit) / Math.max(path.rows, 1)
}

// --- columns ----------------------------------------------------------------------------------------------------------

/** Expressions an input offers, by key → slot from 1. */
export class Slots {
  readonly exprs: Expr[] = []
  readonly byKey = new Map<string, number>()
  /** Something else than plain Vars is offered: whole sub-expressions have to be compared. */
  #compound = false

  constructor(exprs: readonly Expr[] = []) {
    for (const expr of exprs) this.push(expr)
  }

  /** Appends even if it is there already: positions matter to the caller. */
  push(expr: Expr): number {
    this.exprs.push(expr)
    const key = exprKey(expr)
    if (!this.byKey.has(key)) this.byKey.set(key, this.exprs.length)
    if (expr.kind !== 'Var') this.#compound = true
    return this.exprs.length
  }

  /** The slot of `expr`, added if it was missing. */
  add(expr: Expr): number {
    return this.byKey.get(exprKey(expr)) ?? this.push(expr)
  }

  slotOf(expr: Expr): number | undefined {
    return expr.kind === 'Var' || this.#compound ? this.byKey.get(exprKey(expr)) : undefined
  }
}

/** `expr` over an input that offers `slots`. */
export function overInput(expr: Expr, slots: Slots, varno = OUTER_VAR): Expr {
  return replace(expr, (e) => {
    if (e.kind === 'Const' || e.kind === 'Param') return e
    const slot = slots.slotOf(e)
    return slot === undefined ? undefined : makeVar(varno, slot, e)
  })
}

/**
 * What an input must offer so that `exprs` can be computed over it: whole expressions whose key is in `whole`, else Vars, aggregates,
 * window functions and set-returning calls (those some lower node alone can compute).
 */
export function collectAtoms(exprs: readonly Expr[], slots: Slots, whole: ReadonlySet<string> | null = null): void {
  for (const expr of exprs) {
    replace(expr, (e) => {
      const atom = e.kind === 'Var' || e.kind === 'Aggref' || e.kind === 'GroupingFunc' || e.kind === 'WindowFunc'
      if (!atom && (whole === null || e.kind === 'Const' || !whole.has(exprKey(e)))) return undefined
      slots.add(e)
      return e
    })
  }
}

export function targetList(exprs: readonly Expr[]): TargetEntry[] {
  return exprs.map((expr, i) => targetEntry(expr, i + 1))
}

/** Slots passed on as they are: the target list of nodes that do not project. */
export function passThrough(exprs: readonly Expr[]): TargetEntry[] {
  return exprs.map((expr, i) => targetEntry(makeVar(OUTER_VAR, i + 1, expr), i + 1))
}

/** The common fields of a node. */
export function common(targets: readonly TargetEntry[], quals: readonly Expr[], rows: number, startup: number, total: number, width = 0) {
  return { targetList: targets, quals, rows, startupCost: startup, totalCost: total, width, initPlans: [] as const }
}

/** `targets` computed over a plan that offers `slots`: the plan itself where it does so in order. */
export function project(plan: Plan, slots: Slots, targets: readonly Expr[]): Plan {
  if (targets.every((target, i) => slots.exprs[i] !== undefined && exprKey(slots.exprs[i]) === exprKey(target))) return plan
  return {
    kind: 'Result',
    ...common(targetList(targets.map((target) => overInput(target, slots))), [], plan.rows, plan.startupCost, plan.totalCost, plan.width),
    input: plan,
    oneTimeFilter: null,
  }
}

export type { SortKey }
