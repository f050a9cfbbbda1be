// Bound expressions (PostgreSQL's primnodes): every name resolved to an OID or a position, every node typed. Plain data, so that stored
// defaults, checks and views are these trees written out. Fields are named as in PostgreSQL; `location` is the byte offset in the statement
// for error positions, -1 when unknown (always -1 in stored trees).

import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { Query } from './query.ts'

/** What every expression knows of its result. */
interface Typed {
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
  readonly location: number
}

/** How a cast or call was written, for deparsing: as a call, as a cast, or not at all. */
export type CoercionForm = 'call' | 'explicit' | 'implicit' | 'sql-syntax'

/** A column of range table entry `varno` (from 1) of the query `levelsUp` levels out; `attno` from 1, 0 = whole row, negative = system column. */
export interface Var extends Typed {
  readonly kind: 'Var'
  readonly varno: number
  readonly attno: number
  readonly levelsUp: number
}
export interface Const extends Typed {
  readonly kind: 'Const'
  readonly value: Datum
}
/** `$n` of the statement (extern), or a value that the executor computes first (exec: InitPlan results and outer columns of an Apply). */
export interface Param extends Typed {
  readonly kind: 'Param'
  readonly paramKind: 'extern' | 'exec'
  readonly id: number
}
export interface FuncExpr extends Typed {
  readonly kind: 'FuncExpr'
  readonly funcId: Oid
  readonly args: readonly Expr[]
  readonly retset: boolean
  /** The last argument is the VARIADIC array (given as such, or packed by the analyzer). */
  readonly variadic: boolean
  readonly format: CoercionForm
  readonly inputCollation: Oid
}
interface OperatorCall extends Typed {
  readonly opNo: Oid
  readonly opFuncId: Oid
  readonly args: readonly Expr[]
  readonly inputCollation: Oid
}
export interface OpExpr extends OperatorCall {
  readonly kind: 'OpExpr'
  readonly retset: boolean
}
/** IS DISTINCT FROM (opNo is the equality operator). */
export interface DistinctExpr extends OperatorCall {
  readonly kind: 'DistinctExpr'
}
export interface NullIfExpr extends OperatorCall {
  readonly kind: 'NullIfExpr'
}
/** scalar op ANY|ALL (array); IN (list) too. */
export interface ScalarArrayOpExpr extends OperatorCall {
  readonly kind: 'ScalarArrayOpExpr'
  readonly useOr: boolean
}
export interface BoolExpr extends Typed {
  readonly kind: 'BoolExpr'
  readonly op: 'and' | 'or' | 'not'
  readonly args: readonly Expr[]
}
export interface NullTest extends Typed {
  readonly kind: 'NullTest'
  readonly arg: Expr
  readonly isNull: boolean
  /** The argument is a row: IS NULL looks at its fields. */
  readonly argIsRow: boolean
}
export interface BooleanTest extends Typed {
  readonly kind: 'BooleanTest'
  readonly arg: Expr
  readonly test: 'true' | 'not true' | 'false' | 'not false' | 'unknown' | 'not unknown'
}
export interface CaseExpr extends Typed {
  readonly kind: 'CaseExpr'
  /** The operand of the simple form; the WHENs then compare a CaseTestExpr. */
  readonly arg: Expr | null
  readonly whens: readonly { readonly condition: Expr; readonly result: Expr }[]
  readonly defaultResult: Expr
}
/** The operand of the nearest CaseExpr, the element of the nearest ArrayCoerceExpr, the old part where the nearest FieldStore or SubscriptingRef assigns. */
export interface CaseTestExpr extends Typed {
  readonly kind: 'CaseTestExpr'
}
export interface CoalesceExpr extends Typed {
  readonly kind: 'CoalesceExpr'
  readonly args: readonly Expr[]
}
export interface MinMaxExpr extends Typed {
  readonly kind: 'MinMaxExpr'
  readonly op: 'greatest' | 'least'
  readonly args: readonly Expr[]
  readonly inputCollation: Oid
}
export type SqlValueFunctionName =
  | 'current_date'
  | 'current_time'
  | 'current_timestamp'
  | 'localtime'
  | 'localtimestamp'
  | 'current_role'
  | 'current_user'
  | 'user'
  | 'session_user'
  | 'current_catalog'
  | 'current_schema'
/** typmod holds the precision where one was given. */
export interface SqlValueFunction extends Typed {
  readonly kind: 'SqlValueFunction'
  readonly name: SqlValueFunctionName
}
export interface ArrayExpr extends Typed {
  readonly kind: 'ArrayExpr'
  readonly elementType: Oid
  readonly elements: readonly Expr[]
  readonly multidims: boolean
}
export interface RowExpr extends Typed {
  readonly kind: 'RowExpr'
  readonly args: readonly Expr[]
  /** Field names when the type is record; null for a named composite (its own names hold). */
  readonly colNames: readonly string[] | null
  readonly format: CoercionForm
}
export interface RowCompareExpr extends Typed {
  readonly kind: 'RowCompareExpr'
  readonly op: '<' | '<=' | '>=' | '>'
  readonly opNos: readonly Oid[]
  readonly largs: readonly Expr[]
  readonly rargs: readonly Expr[]
  readonly inputCollations: readonly Oid[]
}
export interface FieldSelect extends Typed {
  readonly kind: 'FieldSelect'
  readonly arg: Expr
  /** From 1. */
  readonly fieldNum: number
}
export interface FieldStore extends Typed {
  readonly kind: 'FieldStore'
  readonly arg: Expr
  readonly newValues: readonly Expr[]
  readonly fieldNums: readonly number[]
}
/** Subscripting of arrays and jsonb; with `assign`, the container with that part replaced. A null bound in a slice is an open end. */
export interface SubscriptingRef extends Typed {
  readonly kind: 'SubscriptingRef'
  readonly containerType: Oid
  readonly elementType: Oid
  readonly upper: readonly (Expr | null)[]
  /** Empty unless a slice. */
  readonly lower: readonly (Expr | null)[]
  readonly isSlice: boolean
  readonly arg: Expr
  readonly assign: Expr | null
}
/** A cast that changes nothing in the value's form. */
export interface RelabelType extends Typed {
  readonly kind: 'RelabelType'
  readonly arg: Expr
  readonly format: CoercionForm
}
/** A cast through text output and input. */
export interface CoerceViaIO extends Typed {
  readonly kind: 'CoerceViaIO'
  readonly arg: Expr
  readonly format: CoercionForm
}
export interface ArrayCoerceExpr extends Typed {
  readonly kind: 'ArrayCoerceExpr'
  readonly arg: Expr
  /** Of one element, which it sees as CaseTestExpr. */
  readonly elementExpr: Expr
  readonly format: CoercionForm
}
/** A named composite read as another. */
export interface ConvertRowtypeExpr extends Typed {
  readonly kind: 'ConvertRowtypeExpr'
  readonly arg: Expr
  readonly format: CoercionForm
}
export interface CoerceToDomain extends Typed {
  readonly kind: 'CoerceToDomain'
  readonly arg: Expr
  readonly format: CoercionForm
}
export interface CoerceToDomainValue extends Typed {
  readonly kind: 'CoerceToDomainValue'
}
export interface CollateExpr extends Typed {
  readonly kind: 'CollateExpr'
  readonly arg: Expr
}
/** DEFAULT in VALUES or SET, before the column's default is put in its place. */
export interface SetToDefault extends Typed {
  readonly kind: 'SetToDefault'
}
export interface SubLink extends Typed {
  readonly kind: 'SubLink'
  readonly linkType: 'exists' | 'all' | 'any' | 'rowcompare' | 'expr' | 'multiexpr' | 'array'
  /** For any, all, rowcompare: compares the outer side with SubLinkColumns standing for the subquery's columns. */
  readonly testExpr: Expr | null
  readonly subselect: Query
  /** multiexpr: which of the statement's multi-column assignments. */
  readonly subLinkId: number
}
/** In a SubLink's testExpr: column `column` (from 1) of the subquery's row. For multiexpr, of the sub-select numbered `subLinkId`. */
export interface SubLinkColumn extends Typed {
  readonly kind: 'SubLinkColumn'
  readonly column: number
  readonly subLinkId: number
}
export interface Aggref extends Typed {
  readonly kind: 'Aggref'
  readonly aggFnOid: Oid
  readonly argTypes: readonly Oid[]
  /** The resolved transition type (polymorphic ones made concrete). */
  readonly transType: Oid
  readonly directArgs: readonly Expr[]
  readonly args: readonly TargetEntry[]
  readonly order: readonly SortGroupClause[]
  readonly distinct: readonly SortGroupClause[]
  readonly filter: Expr | null
  readonly star: boolean
  readonly variadic: boolean
  readonly aggKind: 'normal' | 'ordered-set' | 'hypothetical'
  readonly levelsUp: number
  readonly inputCollation: Oid
}
export interface WindowFunc extends Typed {
  readonly kind: 'WindowFunc'
  readonly winFnOid: Oid
  readonly args: readonly Expr[]
  readonly filter: Expr | null
  /** WindowClause.winRef of its window. */
  readonly winRef: number
  readonly star: boolean
  /** A plain aggregate used as a window function. */
  readonly winAgg: boolean
  readonly inputCollation: Oid
}
export interface GroupingFunc extends Typed {
  readonly kind: 'GroupingFunc'
  readonly args: readonly Expr[]
  readonly refs: readonly number[]
  readonly levelsUp: number
}
/** nextval of an identity column's sequence, asked for by the column, not by privilege. */
export interface NextValueExpr extends Typed {
  readonly kind: 'NextValueExpr'
  readonly sequence: Oid
}
/** JSON_OBJECT (keys and values in turn), JSON_ARRAY, JSON(text WITH UNIQUE KEYS); of type json or jsonb. */
export interface JsonConstructorExpr extends Typed {
  readonly kind: 'JsonConstructorExpr'
  readonly what: 'object' | 'array' | 'parse'
  readonly args: readonly Expr[]
  readonly absentOnNull: boolean
  readonly unique: boolean
}
/** arg IS JSON …: of a string type, json or jsonb. */
export interface JsonIsPredicate extends Typed {
  readonly kind: 'JsonIsPredicate'
  readonly arg: Expr
  readonly item: 'any' | 'object' | 'array' | 'scalar'
  readonly unique: boolean
}
export type JsonBehavior = 'null' | 'error' | 'true' | 'false' | 'unknown' | 'empty array' | 'empty object' | 'default'
/** JSON_EXISTS, JSON_VALUE, JSON_QUERY. */
export interface JsonExpr extends Typed {
  readonly kind: 'JsonExpr'
  readonly op: 'exists' | 'value' | 'query'
  /** The document (jsonb), the path (jsonpath), the values passed. */
  readonly args: readonly Expr[]
  readonly passingNames: readonly string[]
  readonly wrapper: 'none' | 'conditional' | 'unconditional'
  readonly omitQuotes: boolean
  readonly onEmpty: JsonBehavior
  readonly emptyDefault: Expr | null
  readonly onError: JsonBehavior
  readonly errorDefault: Expr | null
  /** Of JSON_TABLE, for messages. */
  readonly column: string | null
  /** Where a domain is asked for: the base type's value (a CaseTestExpr) made one. Trees of older releases lack it. */
  readonly domain?: Expr | null
}
/** attno of the junk column that holds a stored row's key (bytes, as storage/rows makes it). */
export const ROW_KEY_ATTNO = -100

/** WHERE CURRENT OF cursor. */
export interface CurrentOfExpr extends Typed {
  readonly kind: 'CurrentOfExpr'
  readonly varno: number
  readonly cursorName: string
}

export type Expr =
  | Var
  | Const
  | Param
  | FuncExpr
  | OpExpr
  | DistinctExpr
  | NullIfExpr
  | ScalarArrayOpExpr
  | BoolExpr
  | NullTest
  | BooleanTest
  | CaseExpr
  | CaseTestExpr
  | CoalesceExpr
  | MinMaxExpr
  | SqlValueFunction
  | ArrayExpr
  | RowExpr
  | RowCompareExpr
  | FieldSelect
  | FieldStore
  | SubscriptingRef
  | RelabelType
  | CoerceViaIO
  | ArrayCoerceExpr
  | ConvertRowtypeExpr
  | CoerceToDomain
  | CoerceToDomainValue
  | CollateExpr
  | SetToDefault
  | SubLink
  | SubLinkColumn
  | Aggref
  | WindowFunc
  | GroupingFunc
  | NextValueExpr
  | CurrentOfExpr
  | JsonConstructorExpr
  | JsonIsPredicate
  | JsonExpr

/** One column of a target list. `resno` from 1; in UPDATE and INSERT it is the target column's attnum. Junk entries are computed, not sent. */
export interface TargetEntry {
  readonly expr: Expr
  readonly resno: number
  readonly resname: string | null
  /** Not 0: ORDER BY, GROUP BY, DISTINCT or a window refers to this entry by this number. */
  readonly ressortgroupref: number
  /** Where the value comes from, for RowDescription: table OID and attnum, 0 if not a plain column. */
  readonly resorigtbl: Oid
  readonly resorigcol: number
  readonly resjunk: boolean
}

/** One item of ORDER BY, GROUP BY, DISTINCT or PARTITION BY. */
export interface SortGroupClause {
  readonly tleSortGroupRef: number
  readonly eqOp: Oid
  /** The ordering operator as written (`<`, or `>` for DESC); 0 if the type can only be hashed. */
  readonly sortOp: Oid
  readonly descending: boolean
  readonly nullsFirst: boolean
  readonly hashable: boolean
}
