// Equivalence classes: expressions that equality conditions make equal in every row of the inner-joined part. From `a = b AND b = 5` follows
// `a = 5`; orders by a and by b are the same order; any two members can join their relations.

import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import { amopsByOperator, STRATEGY } from '../builtin/pg-index.ts'
import { operatorByTypes } from '../builtin/pg-operator.ts'
import { exprKey } from './expr-tree.ts'
import type { Relids } from './relids.ts'

export interface EcMember {
  readonly expr: Expr
  readonly relids: Relids
}
export interface EquivalenceClass {
  readonly id: string
  readonly members: EcMember[]
  /** btree operator family. */
  readonly family: number
  readonly collation: number
  /** The equality of two members of one type is found by name; this one served last. */
  opNo: number
}

/** The btree family in which `opNo` is the equality operator, or 0. */
export function equalityFamily(opNo: number): number {
  for (const amop of amopsByOperator(opNo)) if (amop.amopmethod === 403 && amop.amopstrategy === STRATEGY.equal) return amop.amopfamily
  return 0
}

export class Equivalences {
  readonly classes: EquivalenceClass[] = []
  readonly #byKey = new Map<string, EquivalenceClass>()
  readonly #catalog: CatalogSnapshot
  #next = 1

  constructor(catalog: CatalogSnapshot) {
    this.#catalog = catalog
  }

  classOf(expr: Expr): EquivalenceClass | undefined {
    return this.#byKey.get(exprKey(expr))
  }

  /** The name of an expression in orders. */
  orderKey(expr: Expr): string {
    const key = exprKey(expr)
    return this.#byKey.get(key)?.id ?? key
  }

  /** Takes `left = right` in; false where it is no equality of one family or compares an expression with itself. */
  add(clause: Expr & { kind: 'OpExpr' }, left: EcMember, right: EcMember): boolean {
    const family = equalityFamily(clause.opNo)
    if (family === 0) return false
    const a = this.#byKey.get(exprKey(left.expr))
    const b = this.#byKey.get(exprKey(right.expr))
    if (exprKey(left.expr) === exprKey(right.expr)) return false
    if ((a !== undefined && a.family !== family) || (b !== undefined && b.family !== family)) return false
    if (a !== undefined && b !== undefined) {
      if (a !== b) this.#merge(a, b)
      return true
    }
    const target = a ?? b ?? this.#make(family, clause.inputCollation, clause.opNo)
    if (a === undefined) this.#join(target, left)
    if (b === undefined) this.#join(target, right)
    return true
  }

  #make(family: number, collation: number, opNo: number): EquivalenceClass {
    const made: EquivalenceClass = { id: `ec${this.#next++}`, members: [], family, collation, opNo }
    this.classes.push(made)
    return made
  }

  #join(ec: EquivalenceClass, member: EcMember): void {
    ec.members.push(member)
    this.#byKey.set(exprKey(member.expr), ec)
  }

  #merge(into: EquivalenceClass, from: EquivalenceClass): void {
    for (const member of from.members) this.#join(into, member)
    this.classes.splice(this.classes.indexOf(from), 1)
  }

  /** Forgets a class: its conditions are checked as written. */
  dissolve(ec: EquivalenceClass): void {
    for (const member of ec.members) this.#byKey.delete(exprKey(member.expr))
    const at = this.classes.indexOf(ec)
    if (at >= 0) this.classes.splice(at, 1)
  }

  /** `left = right` for two members, or null where the types have no equality operator in the family. */
  clause(ec: EquivalenceClass, left: Expr, right: Expr): (Expr & { kind: 'OpExpr' }) | null {
    const operator =
      operatorByTypes('=', baseType(left, this.#catalog), baseType(right, this.#catalog)) ?? this.#sameOperator(ec, left, right)
    if (operator === undefined || equalityFamily(operator.oid) !== ec.family) return null
    return {
      kind: 'OpExpr',
      opNo: operator.oid,
      opFuncId: operator.oprcode,
      args: [left, right],
      retset: false,
      inputCollation: ec.collation,
      type: 16,
      typmod: -1,
      collation: 0,
      location: -1,
    }
  }

  #sameOperator(ec: EquivalenceClass, left: Expr, right: Expr): { oid: number; oprcode: number } | undefined {
    if (left.type !== right.type) return undefined
    return this.#catalog.operator(ec.opNo) ?? undefined
  }
}

function baseType(expr: Expr, catalog: CatalogSnapshot): number {
  const row = catalog.type(expr.type)
  // varchar and domains compare as what they relabel to.
  if (expr.type === 1043) return 25
  return row !== null && row.typtype === 'd' ? row.typbasetype : expr.type
}
