// The few bound expressions that DDL makes itself.

import type { Oid } from '../../base/ids.ts'
import type { Expr } from '../analyzer/expr.ts'

const PROC_NEXTVAL = 1574
const TYPE_REGCLASS = 2205
const TYPE_INT8 = 20

/** nextval('sequence'::regclass), cast to an integer column's type. */
export function nextvalExpr(sequence: Oid, type: Oid): Expr {
  const call: Expr = {
    kind: 'FuncExpr',
    funcId: PROC_NEXTVAL,
    args: [{ kind: 'Const', value: sequence, type: TYPE_REGCLASS, typmod: -1, collation: 0, location: -1 }],
    retset: false,
    variadic: false,
    format: 'call',
    inputCollation: 0,
    type: TYPE_INT8,
    typmod: -1,
    collation: 0,
    location: -1,
  }
  if (type === TYPE_INT8) return call
  // int4(int8), int2(int8)
  const funcId = type === 23 ? 480 : 714
  return { ...call, funcId, args: [call], format: 'implicit', type }
}
