// What commands need of the analyzer: single expressions over a table's columns (defaults, checks, indexes), type names, relations by name.

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { COERCION } from '../functions/coercion-path.ts'
import type { Node, RangeVar } from '../parser/nodes.ts'
import { coerceToBoolean, coerceToTarget, resolveUnknown, typeName } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { type AnalyzeContext, type ExprKind, errorAt, makeState, type ParseState } from './context.ts'
import type { Expr } from './expr.ts'
import { transformExpr } from './expr-entry.ts'
import { exprLocation } from './location.ts'
import { addRelation, findRelation, openRelation, type RelationOptions } from './relation.ts'
import { lookupCollation } from './type-name.ts'
import './transform-expr.ts'
import './select.ts'

export interface ExpressionScope {
  /** The table whose columns may be named, as relation 1 (unqualified, or by the table's name); null = no columns. */
  readonly relation: RelationInfo | null
  /** Coerce to this column type by assignment (defaults and generated columns, USING of ALTER TYPE). */
  readonly target?: { readonly name: string; readonly type: Oid; readonly typmod: number }
  /** VALUE of a domain's CHECK. */
  readonly domain?: { readonly type: Oid; readonly typmod: number; readonly collation: Oid }
  /** Sees the expression before it is coerced to the target: what that brings along is not looked at. */
  readonly inspect?: (expr: Expr) => void
}

const CONDITIONS: Partial<Record<ExprKind, string>> = {
  check: 'CHECK',
  'domain check': 'CHECK',
  'index predicate': 'WHERE',
  policy: 'POLICY',
  'trigger when': 'WHEN',
  'copy where': 'WHERE',
}

/** A finished expression: typed, coerced, collations assigned. Its columns are Vars of relation 1. */
export function analyzeExpression(raw: Node, ctx: AnalyzeContext, kind: ExprKind, scope: ExpressionScope): Expr {
  const state = makeState(ctx, null)
  if (scope.relation !== null) {
    const item = addRelation(state, scope.relation, undefined, false, true)
    state.namespace = [item]
  }
  if (scope.domain !== undefined) {
    state.domainValue = { kind: 'CoerceToDomainValue', ...scope.domain, location: -1 }
  }
  let expr = transformExpr(state, raw, kind)
  const construct = CONDITIONS[kind]
  if (construct !== undefined) expr = coerceToBoolean(state, expr, construct)
  scope.inspect?.(expr)
  if (scope.target !== undefined) expr = toColumn(state, expr, kind, scope.target)
  else if (construct === undefined) expr = resolveUnknown(state, expr)
  assignCollations(state, expr)
  return expr
}

function toColumn(state: ParseState, expr: Expr, kind: ExprKind, target: { name: string; type: Oid; typmod: number }): Expr {
  const cast = coerceToTarget(state, expr, target.type, target.typmod, COERCION.assignment, 'implicit', -1)
  if (cast !== null) return cast
  if (kind === 'alter column') {
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      `result of USING clause for column "${target.name}" cannot be cast automatically to type ${typeName(state, target.type)}`,
      undefined,
      { hint: 'You might need to add an explicit cast.' },
    )
  }
  const what = kind === 'generated' ? 'generation' : 'default'
  throw errorAt(
    state,
    SQLSTATE.datatypeMismatch,
    `column "${target.name}" is of type ${typeName(state, target.type)} but ${what} expression is of type ${typeName(state, expr.type)}`,
    kind === 'generated' ? exprLocation(expr) : undefined,
    { hint: 'You will need to rewrite or cast the expression.' },
  )
}

export function resolveCollation(names: readonly string[], location: number, ctx: AnalyzeContext): Oid {
  return lookupCollation(makeState(ctx, null), names, location)
}

const KIND_TEXT: Readonly<Record<string, string>> = { r: 'a table', v: 'a view', S: 'a sequence', i: 'an index', c: 'a composite type' }

/** By name in the search path. 42P01 unless `missingOk`; 42809 when it is of another kind than `kinds` says. */
export function resolveRelation(range: RangeVar, ctx: AnalyzeContext, options: RelationOptions = {}): RelationInfo | null {
  const state = makeState(ctx, null)
  // Only what stands in the text itself has a place there.
  const relation = options.missingOk ? findRelation(state, range) : openRelation({ ...state, ctx: { ...ctx, source: null } }, range)
  if (relation === null || options.kinds === undefined || options.kinds.includes(relation.relkind)) return relation
  throw errorAt(
    state,
    SQLSTATE.wrongObjectType,
    `"${relation.name}" is not ${KIND_TEXT[options.kinds[0]!] ?? 'of the right kind'}`,
    undefined,
  )
}

/** EXECUTE's arguments, each assigned to its parameter's type. */
export function analyzeParameterValues(
  raws: readonly Node[],
  types: readonly Oid[],
  ctx: AnalyzeContext,
  formatType: (type: Oid) => string,
): Expr[] {
  const state = makeState(ctx, null)
  return raws.map((raw, i) => {
    const expr = transformExpr(state, raw, 'execute')
    const type = types[i]!
    const cast = coerceToTarget(state, expr, type, -1, COERCION.assignment, 'implicit', -1)
    if (cast === null) {
      throw errorAt(
        state,
        SQLSTATE.datatypeMismatch,
        `parameter $${i + 1} of type ${formatType(expr.type)} cannot be coerced to the expected type ${formatType(type)}`,
        exprLocation(expr),
        { hint: 'You will need to rewrite or cast the expression.' },
      )
    }
    assignCollations(state, cast)
    return cast
  })
}

/** COPY … FROM … WHERE: a condition over the table's columns. */
export function analyzeCopyWhere(raw: Node, relation: RelationInfo, ctx: AnalyzeContext): Expr {
  return analyzeExpression(raw, ctx, 'copy where', { relation })
}
