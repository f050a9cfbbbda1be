// Whether there is a row at all where an outer join may have filled one in, and where RETURNING's OLD and NEW may have none: its tableoid tells,
// whatever its columns hold.

import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { CaseExpr, Expr } from './expr.ts'
import { makeVar, nullConst } from './make.ts'
import { SYSTEM_COLUMNS } from './relation.ts'

/** Whether entry `rtindex` of the query `levelsUp` levels out has no row. */
export function isMissing(rtindex: number, levelsUp: number, location = -1): Expr {
  const { attno, type } = SYSTEM_COLUMNS['tableoid']!
  return {
    kind: 'NullTest',
    arg: makeVar(rtindex, attno, { type, typmod: -1, collation: 0 }, levelsUp, location),
    isNull: true,
    argIsRow: false,
    type: T.bool,
    typmod: -1,
    collation: 0,
    location,
  }
}

/** What is computed from that row; NULL where there is none. */
export function unlessMissing(rtindex: number, levelsUp: number, value: Expr): CaseExpr {
  const { type, typmod, collation } = value
  return {
    kind: 'CaseExpr',
    arg: null,
    whens: [{ condition: isMissing(rtindex, levelsUp), result: nullConst(type, typmod, collation) }],
    defaultResult: value,
    type,
    typmod,
    collation,
    location: -1,
  }
}
