// Small constructors of bound expressions, so that every node has every field.

import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import type { BoolExpr, CoercionForm, Const, Expr, FuncExpr, RelabelType, TargetEntry, Var } from './expr.ts'

export const DEFAULT_COLLATION = 100
export const C_COLLATION = 950

export function makeVar(
  varno: number,
  attno: number,
  column: { type: Oid; typmod: number; collation: Oid },
  levelsUp: number,
  location: number,
): Var {
  return { kind: 'Var', varno, attno, levelsUp, type: column.type, typmod: column.typmod, collation: column.collation, location }
}

export function makeConst(type: Oid, typmod: number, collation: Oid, value: Datum, location: number): Const {
  return { kind: 'Const', value, type, typmod, collation, location }
}

export function boolConst(value: boolean, location = -1): Const {
  return makeConst(TYPE_OID.bool, -1, 0, value, location)
}

export function nullConst(type: Oid, typmod = -1, collation = 0): Const {
  return makeConst(type, typmod, collation, null, -1)
}

export function boolExpr(op: BoolExpr['op'], args: readonly Expr[], location: number): BoolExpr {
  return { kind: 'BoolExpr', op, args, type: TYPE_OID.bool, typmod: -1, collation: 0, location }
}

export function funcExpr(funcId: Oid, type: Oid, args: readonly Expr[], format: CoercionForm, location: number): FuncExpr {
  return {
    kind: 'FuncExpr',
    funcId,
    args,
    retset: false,
    variadic: false,
    format,
    type,
    typmod: -1,
    collation: 0,
    inputCollation: 0,
    location,
  }
}

export function relabel(arg: Expr, type: Oid, typmod: number, format: CoercionForm, location: number): RelabelType {
  return { kind: 'RelabelType', arg, type, typmod, collation: 0, format, location }
}

export function targetEntry(expr: Expr, resno: number, resname: string | null, resjunk = false): TargetEntry {
  return { expr, resno, resname, ressortgroupref: 0, resorigtbl: 0, resorigcol: 0, resjunk }
}

export function andOf(quals: readonly (Expr | null)[]): Expr | null {
  const present = quals.filter((qual) => qual !== null)
  return present.length === 0 ? null : present.length === 1 ? present[0]! : boolExpr('and', present, -1)
}
