// Column references (a, t.a, s.t.a, t.*) and what follows a value: .field and [subscript].

import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { baseType } from '../functions/coercion-path.ts'
import { type ColumnRef, type Node, type NodeOf, nodeAs, stringOf } from '../parser/nodes.ts'
import { typeName } from './coerce.ts'
import { errorAt, type ParseState } from './context.ts'
import type { Expr } from './expr.ts'
import { parseFunction } from './functions.ts'
import { exprLocation } from './location.ts'
import { columnByName, itemByName, itemColumn, markSelected, missingColumn, missingRelation, wholeRow } from './relation.ts'
import { baseContainer, transformSubscripts } from './subscripts.ts'

export function transformColumnRef(state: ParseState, ref: ColumnRef): Expr {
  const location = ref.location ?? 0
  if (state.kind === 'column default' || state.kind === 'function default') {
    throw errorAt(state, SQLSTATE.featureNotSupported, 'cannot use column reference in DEFAULT expression', location)
  }
  if (state.kind === 'partition bound') {
    throw errorAt(state, SQLSTATE.featureNotSupported, 'cannot use column reference in partition bound expression', location)
  }
  const fields = ref.fields ?? []
  const last = fields.at(-1)!
  const names = fields.map(stringOf)
  const star = nodeAs(last, 'A_Star') !== undefined
  if (names.length === 1) {
    const name = names[0]!
    if (state.domainValue !== null && name === 'value') return state.domainValue
    const column = columnByName(state, name, false, location)
    if (column !== null) {
      markSelected(state, column)
      return column
    }
    const found = itemByName(state, null, name, location)
    if (found !== null) return wholeRow(state, found.item, found.levelsUp, location)
    throw missingColumn(state, null, name, location)
  }
  let schema: string | null = null
  let relname: string
  let colname: string
  if (names.length === 2) [relname, colname] = names as [string, string]
  else if (names.length === 3) [schema, relname, colname] = names as [string, string, string]
  else if (names.length === 4) {
    const [database, s, r, c] = names as [string, string, string, string]
    if (database !== state.ctx.eval.session.database) {
      throw errorAt(state, SQLSTATE.featureNotSupported, `cross-database references are not implemented: ${names.join('.')}`, location)
    }
    ;[schema, relname, colname] = [s, r, c]
  } else {
    throw errorAt(state, SQLSTATE.syntaxError, `improper qualified name (too many dotted names): ${names.join('.')}`, location)
  }
  const found = itemByName(state, schema, relname, location)
  if (found === null) throw missingRelation(state, schema, relname, location)
  if (star) return wholeRow(state, found.item, found.levelsUp, location)
  const column = itemColumn(state, found.item, found.levelsUp, colname, location)
  if (column !== null) {
    markSelected(state, column)
    return column
  }
  const row = wholeRow(state, found.item, found.levelsUp, location)
  const call = parseFunction(state, { names: [colname], args: [row], argNames: [], raw: null, filter: null, procCall: false, location })
  if (call !== null) return call
  throw missingColumn(state, relname, colname, location)
}

export function transformIndirection(state: ParseState, base: Expr, steps: readonly Node[]): Expr {
  let result = base
  let subscripts: NodeOf['A_Indices'][] = []
  const flush = (): void => {
    if (subscripts.length === 0) return
    result = transformSubscripts(state, result, baseContainer(state, result.type), subscripts, null, result.typmod)
    subscripts = []
  }
  for (const step of steps) {
    const indices = nodeAs(step, 'A_Indices')
    if (indices !== undefined) {
      subscripts.push(indices)
      continue
    }
    if (nodeAs(step, 'A_Star') !== undefined) {
      throw errorAt(state, SQLSTATE.featureNotSupported, 'row expansion via "*" is not supported here', exprLocation(base))
    }
    flush()
    const name = stringOf(step)
    const location = exprLocation(result)
    const field = parseFunction(state, {
      names: [name],
      args: [result],
      argNames: [],
      raw: null,
      filter: null,
      procCall: false,
      location,
    })
    const projected = field ?? null
    if (projected === null) throw unknownField(state, name, result, location)
    result = projected
  }
  flush()
  return result
}

function unknownField(state: ParseState, name: string, row: Expr, location: number) {
  if (row.kind === 'Var' && row.attno === 0) {
    const rte = state.rtable[row.varno - 1]
    return errorAt(state, SQLSTATE.undefinedColumn, `column ${rte?.refname}.${name} does not exist`, location)
  }
  const type = state.ctx.catalog.type(baseType(state.source, row.type))
  if (type?.typtype === 'c') {
    return errorAt(state, SQLSTATE.undefinedColumn, `column "${name}" not found in data type ${typeName(state, row.type)}`, location)
  }
  if (row.type === T.record) {
    return errorAt(state, SQLSTATE.undefinedColumn, `could not identify column "${name}" in record data type`, location)
  }
  return errorAt(
    state,
    SQLSTATE.wrongObjectType,
    `column notation .${name} applied to type ${typeName(state, row.type)}, which is not a composite type`,
    location,
  )
}
