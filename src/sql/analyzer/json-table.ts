// JSON_TABLE: written out as the query it stands for. Each path becomes a set of items (jsonb_array_elements over a wrapped JSON_QUERY, so that an
// error empties the whole set), its columns JSON_VALUE, JSON_QUERY or JSON_EXISTS over an item; a NESTED path is an outer lateral join, and
// several beside one another a union of such joins.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { baseType } from '../functions/coercion-path.ts'
import type { JsonArgument, JsonTable, JsonTableColumn, Node, NodeOf, TypeName } from '../parser/nodes.ts'
import { errorAt, type ParseState } from './context.ts'
import { resolveType } from './type-name.ts'

const ITEM = '*item*'
const ORDINAL = '*ordinal*'

const name = (sval: string): Node => ({ String: { sval } })
const text = (sval: string, location = -1): Node => ({ A_Const: { sval: { sval }, location } })
const column = (table: string, field: string): Node => ({ ColumnRef: { fields: [name(table), name(field)], location: -1 } })
const target = (val: Node, as: string): Node => ({ ResTarget: { name: as, val, location: -1 } })
const cast = (arg: Node, typeName: TypeName): Node => ({ TypeCast: { arg, typeName, location: -1 } })
const typeNamed = (type: string): TypeName => ({ names: [name('pg_catalog'), name(type)], typemod: -1, location: -1 })
const TRUE: Node = { A_Const: { boolval: { boolval: true }, location: -1 } }
const NULL: Node = { A_Const: { isnull: true, location: -1 } }

const select = (targetList: Node[], fromClause: Node[]): NodeOf['SelectStmt'] => ({
  targetList,
  fromClause,
  op: 'SETOP_NONE',
  limitOption: 'LIMIT_OPTION_DEFAULT',
})

/** A column of the result: what it is called, and its type for rows in which it is NULL. */
interface Output {
  readonly name: string
  readonly type: TypeName
}

interface Level {
  readonly outputs: readonly Output[]
  readonly query: NodeOf['SelectStmt']
}

class Expansion {
  readonly #state: ParseState
  readonly #passing: readonly Node[]
  readonly #errors: boolean
  readonly #names = new Set<string>()
  #levels = 0

  constructor(state: ParseState, table: JsonTable) {
    this.#state = state
    this.#passing = (table.passing ?? []).map((arg) => ({ JsonArgument: (arg as NodeOf).JsonArgument as JsonArgument }))
    this.#errors = table.on_error?.btype === 'JSON_BEHAVIOR_ERROR'
  }

  #take(taken: string | undefined, location: number | undefined): void {
    if (taken === undefined || taken === '') return
    if (this.#names.has(taken))
      throw errorAt(this.#state, SQLSTATE.duplicateAlias, `duplicate JSON_TABLE column or path name: ${taken}`, location)
    this.#names.add(taken)
  }

  /** The items a path finds in `context`, with their columns. */
  level(context: NodeOf['JsonValueExpr'], path: NonNullable<JsonTable['pathspec']>, columns: readonly Node[]): Level {
    const alias = `*json_table_${++this.#levels}*`
    this.#take(path.name, path.name_location)
    const items: Node = {
      JsonFuncExpr: {
        op: 'JSON_QUERY_OP',
        context_item: context,
        pathspec: path.string!,
        passing: [...this.#passing],
        wrapper: 'JSW_UNCONDITIONAL',
        on_empty: { btype: 'JSON_BEHAVIOR_EMPTY_ARRAY', location: -1 },
        on_error: { btype: this.#errors ? 'JSON_BEHAVIOR_ERROR' : 'JSON_BEHAVIOR_EMPTY_ARRAY', location: -1 },
        location: path.location ?? 0,
      },
    }
    const elements: Node = { FuncCall: { funcname: [name('pg_catalog'), name('jsonb_array_elements')], args: [items], location: -1 } }
    let from: Node = {
      RangeFunction: {
        lateral: true,
        ordinality: true,
        functions: [{ List: { items: [elements, {} as Node] } }],
        alias: { aliasname: alias, colnames: [name(ITEM), name(ORDINAL)] },
      },
    }
    const outputs: Output[] = []
    const targets: Node[] = []
    const nested: Level[] = []
    const nestedAlias = `${alias}nested`
    for (const node of columns) {
      const one = (node as NodeOf).JsonTableColumn
      if (one.coltype === 'JTC_NESTED') {
        const inner = this.level({ raw_expr: column(alias, ITEM) }, one.pathspec!, one.columns ?? [])
        nested.push(inner)
        continue
      }
      this.#take(one.name, one.location)
      outputs.push({ name: one.name!, type: one.coltype === 'JTC_FOR_ORDINALITY' ? typeNamed('int4') : one.typeName! })
      targets.push(target(this.#column(one, alias), one.name!))
    }
    // A level's own columns come first, wherever they are written.
    for (const output of nested.flatMap((inner) => inner.outputs)) {
      outputs.push(output)
      targets.push(target(column(nestedAlias, output.name), output.name))
    }
    if (nested.length > 0) {
      from = {
        JoinExpr: {
          jointype: 'JOIN_LEFT',
          larg: from,
          rarg: { RangeSubselect: { lateral: true, subquery: { SelectStmt: siblings(nested) }, alias: { aliasname: nestedAlias } } },
          quals: TRUE,
        },
      }
    }
    return { outputs, query: select(targets, [from]) }
  }

  #column(one: JsonTableColumn, alias: string): Node {
    if (one.coltype === 'JTC_FOR_ORDINALITY') return cast(column(alias, ORDINAL), typeNamed('int4'))
    const formatted =
      one.coltype === 'JTC_FORMATTED' ||
      (one.coltype === 'JTC_REGULAR' && (set(one.quotes) || set(one.wrapper) || this.#isStructured(one.typeName!)))
    return {
      JsonFuncExpr: {
        op: one.coltype === 'JTC_EXISTS' ? 'JSON_EXISTS_OP' : formatted ? 'JSON_QUERY_OP' : 'JSON_VALUE_OP',
        column_name: one.name!,
        context_item: { raw_expr: column(alias, ITEM) },
        pathspec: one.pathspec?.string ?? text(`$.${JSON.stringify(one.name!)}`),
        passing: [...this.#passing],
        output: { typeName: one.typeName!, ...(one.format === undefined ? {} : { returning: { format: one.format } }) },
        ...(one.on_empty === undefined ? {} : { on_empty: one.on_empty }),
        ...(one.on_error === undefined ? {} : { on_error: one.on_error }),
        ...(one.wrapper === undefined ? {} : { wrapper: one.wrapper }),
        ...(one.quotes === undefined ? {} : { quotes: one.quotes }),
        location: one.location ?? 0,
      },
    }
  }

  /** json, arrays and composites cannot come from a scalar item. */
  #isStructured(typeName: TypeName): boolean {
    const { catalog } = this.#state.ctx
    const type = baseType(this.#state.source, resolveType(this.#state, typeName).type)
    const row = catalog.type(type)
    return row?.typname === 'json' || row?.typname === 'jsonb' || row?.typtype === 'c' || row?.typcategory === 'A' || type === 2249
  }
}

const set = (option: string | undefined): boolean => option !== undefined && !option.endsWith('_UNSPEC')

/** Rows of each in turn, the others' columns NULL. */
function siblings(levels: readonly Level[]): NodeOf['SelectStmt'] {
  if (levels.length === 1) return levels[0]!.query
  const branches = levels.map((own, i): NodeOf['SelectStmt'] => {
    const alias = `*sibling_${i}*`
    const targets = levels.flatMap((level) =>
      level.outputs.map((output) => target(level === own ? column(alias, output.name) : cast(NULL, output.type), output.name)),
    )
    return select(targets, [{ RangeSubselect: { lateral: true, subquery: { SelectStmt: own.query }, alias: { aliasname: alias } } }])
  })
  return branches.reduce((larg, rarg) => ({ op: 'SETOP_UNION', all: true, larg, rarg, limitOption: 'LIMIT_OPTION_DEFAULT' }))
}

/** The FROM item that JSON_TABLE stands for. */
export function expandJsonTable(state: ParseState, table: JsonTable): Node {
  const { query } = new Expansion(state, table).level(table.context_item!, table.pathspec!, table.columns ?? [])
  return { RangeSubselect: { lateral: true, subquery: { SelectStmt: query }, alias: table.alias ?? { aliasname: 'json_table' } } }
}
