// Sub-selects in expressions, and the shared source of a multi-column assignment.

import { leavesTraces } from '../../base/begun-anew.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { type MultiAssignRef, nameList, nodeAs, type SubLink as RawSubLink } from '../parser/nodes.ts'
import { typeName } from './coerce.ts'
import { type ExprKind, errorAt, type ParseState } from './context.ts'
import type { Expr, SubLink, SubLinkColumn } from './expr.ts'
import { transform } from './expr-entry.ts'
import { exprLocation } from './location.ts'
import { operatorName } from './operators.ts'
import { rowComparison, transformRow } from './row-expr.ts'
import { analyzeSubquery } from './subquery.ts'
import { expandExpressionList } from './target.ts'

const REFUSED: Partial<Record<ExprKind, string>> = {
  check: 'cannot use subquery in check constraint',
  'domain check': 'cannot use subquery in check constraint',
  'column default': 'cannot use subquery in DEFAULT expression',
  'function default': 'cannot use subquery in DEFAULT expression',
  'index expression': 'cannot use subquery in index expression',
  'index predicate': 'cannot use subquery in index predicate',
  'statistics expression': 'cannot use subquery in statistics expression',
  'alter column': 'cannot use subquery in transform expression',
  execute: 'cannot use subquery in EXECUTE parameter',
  'trigger when': 'cannot use subquery in trigger WHEN condition',
  'partition bound': 'cannot use subquery in partition bound',
  'partition expression': 'cannot use subquery in partition key expression',
  'call argument': 'cannot use subquery in CALL argument',
  'copy where': 'cannot use subquery in COPY FROM WHERE condition',
  generated: 'cannot use subquery in column generation expression',
}

export function transformSubLink(state: ParseState, node: RawSubLink): Expr {
  const location = node.location ?? 0
  const refused = REFUSED[state.kind]
  if (refused !== undefined) throw errorAt(state, SQLSTATE.featureNotSupported, refused, location)
  leavesTraces()
  state.hasSubLinks = true
  const subselect = analyzeSubquery(state, node.subselect!, { kind: 'other' })
  const columns = subselect.targetList.filter((entry) => !entry.resjunk)
  const make = (linkType: SubLink['linkType'], type: number, testExpr: Expr | null = null, typmod = -1, collation = 0): SubLink => ({
    kind: 'SubLink',
    linkType,
    testExpr,
    subselect,
    subLinkId: 0,
    type,
    typmod,
    collation,
    location,
  })
  switch (node.subLinkType) {
    case 'EXISTS_SUBLINK':
      return make('exists', T.bool)
    case 'EXPR_SUBLINK':
    case 'ARRAY_SUBLINK': {
      if (columns.length !== 1) throw errorAt(state, SQLSTATE.syntaxError, 'subquery must return only one column', location)
      const { expr } = columns[0]!
      if (node.subLinkType === 'EXPR_SUBLINK') return make('expr', expr.type, null, expr.typmod, expr.collation)
      const row = state.ctx.catalog.type(expr.type)
      // The vectors have arrays of their own; of an array comes one with a dimension more.
      const isArray = row?.typcategory === 'A' && row.typlen === -1 && row.typelem !== 0
      const array = row !== null && row.typarray !== 0 ? row.typarray : isArray ? expr.type : 0
      if (array === 0) {
        throw errorAt(state, SQLSTATE.undefinedObject, `could not find array type for data type ${typeName(state, expr.type)}`, location)
      }
      return make('array', array, null, expr.typmod, expr.collation)
    }
    case 'MULTIEXPR_SUBLINK':
      return make('multiexpr', T.record)
    default: {
      const raw = nodeAs(node.testexpr, 'RowExpr')
      const left: readonly Expr[] = raw === undefined ? rowArgs(transform(state, node.testexpr!)) : transformRow(state, raw).args
      if (left.length < columns.length) throw errorAt(state, SQLSTATE.syntaxError, 'subquery has too many columns', location)
      if (left.length > columns.length) throw errorAt(state, SQLSTATE.syntaxError, 'subquery has too few columns', location)
      const right = columns.map(
        ({ expr }, i): SubLinkColumn => ({
          kind: 'SubLinkColumn',
          column: i + 1,
          subLinkId: 0,
          type: expr.type,
          typmod: expr.typmod,
          collation: expr.collation,
          location: -1,
        }),
      )
      const names = node.operName === undefined ? ['='] : nameList(node.operName)
      const linkType = node.subLinkType === 'ALL_SUBLINK' ? 'all' : node.subLinkType === 'ROWCOMPARE_SUBLINK' ? 'rowcompare' : 'any'
      return make(linkType, T.bool, rowComparison(state, operatorName(state, names, location), left, right, location))
    }
  }
}

function rowArgs(expr: Expr): readonly Expr[] {
  return expr.kind === 'RowExpr' ? expr.args : [expr]
}

/** Column `colno` of SET (a, b) = (sub-select or row): the source is analysed once, at its first column. */
export function transformMultiAssign(state: ParseState, node: MultiAssignRef): Expr {
  const source = node.source!
  const link = nodeAs(source, 'SubLink')
  const row = nodeAs(source, 'RowExpr')
  const colno = node.colno ?? 0
  const count = node.ncolumns ?? 0
  if (colno === 1) {
    if (link !== undefined && link.subLinkType === 'EXPR_SUBLINK') {
      const made = transformSubLink(state, { ...link, subLinkType: 'MULTIEXPR_SUBLINK' }) as SubLink
      const columns = made.subselect.targetList.filter((entry) => !entry.resjunk)
      if (columns.length !== count) {
        throw errorAt(state, SQLSTATE.syntaxError, 'number of columns does not match number of values', made.location)
      }
      const expr: SubLink = { ...made, subLinkId: state.multiAssign.length + 1 }
      state.multiAssign.push({ source, expr, columns: count })
    } else if (row !== undefined) {
      const made = transformRowWithDefaults(state, row)
      if (made.length !== count) {
        throw errorAt(state, SQLSTATE.syntaxError, 'number of columns does not match number of values', row.location ?? 0)
      }
      const expr: Expr = {
        kind: 'RowExpr',
        args: made,
        colNames: null,
        format: 'implicit',
        type: T.record,
        typmod: -1,
        collation: 0,
        location: row.location ?? 0,
      }
      state.multiAssign.push({ source, expr, columns: count })
    } else {
      throw errorAt(
        state,
        SQLSTATE.featureNotSupported,
        'source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression',
        exprLocation(transform(state, source)),
      )
    }
  }
  const id = state.multiAssign.length
  const { expr } = state.multiAssign[id - 1]!
  if (expr.kind === 'RowExpr') return expr.args[colno - 1]!
  const column = (expr as SubLink).subselect.targetList.filter((entry) => !entry.resjunk)[colno - 1]!.expr
  return {
    kind: 'SubLinkColumn',
    column: colno,
    subLinkId: id,
    type: column.type,
    typmod: column.typmod,
    collation: column.collation,
    location: -1,
  }
}

function transformRowWithDefaults(state: ParseState, row: NonNullable<ReturnType<typeof nodeAs<'RowExpr'>>>): Expr[] {
  return expandExpressionList(state, row.args ?? [], true)
}
