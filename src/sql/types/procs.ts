// What a function body is: its TypeScript signature follows from pg_proc, so `export const int4Procs = { int4pl: … } satisfies Procs`
// fails to compile on a misspelt prosrc or a wrong type. The caller (expression compiler) applies strictness, packs VARIADIC arrays and
// resolves polymorphism; a body sees exactly pg_proc's arguments, then the context, then the facts of this call.

import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Signatures } from '../builtin/data/signatures.ts'
import type { EvalContext } from './eval-context.ts'
import type { ArgForm, ResultForm } from './forms.ts'
import type { RowType } from './record.ts'

/** What was decided about one call when it was analysed; the same object for every row. */
export interface CallInfo {
  /** Actual types of the arguments as written (polymorphic ones resolved; VARIADIC "any" one by one). */
  readonly argTypes: readonly Oid[]
  /** The result's actual type (a record's: 2249) and typmod. */
  readonly resultType: Oid
  readonly resultTypmod: number
  /** Input collation; 0 = none. */
  readonly collation: Oid
  /** With VARIADIC array given to a VARIADIC "any" function: the element type of what was unpacked. Otherwise 0. */
  readonly variadicElementType: Oid
  /** The fields of a composite result: the named type's, or those of a column definition list (`AS t(a int, …)`). */
  readonly resultRow?: RowType
  /** Set when the executor calls a transition function: a state that body itself returned may be changed in place. */
  readonly aggregate?: boolean
}

/** The type of argument `index`, also when a VARIADIC array was unpacked into more arguments than the call has. */
export function argType(call: CallInfo, index: number): Oid {
  const fixed = call.argTypes.length - 1
  return call.variadicElementType !== 0 && index >= fixed ? call.variadicElementType : call.argTypes[index]!
}

/** Functions that may have to wait for the store or for another session; everything else answers at once. */
export type AsyncProc =
  | 'nextval_oid'
  | 'setval_oid'
  | 'setval3_oid'
  | 'pg_sleep'
  | `pg_advisory_${string}`
  | `pg_try_advisory_${string}`
  | 'pg_notify'
  | 'pg_cancel_backend'
  | 'pg_terminate_backend'
  | `pg_${string}_size${string}`

type Args<S> = S extends { readonly args: infer A extends readonly (string | undefined)[]; readonly strict: infer Strict }
  ? { [I in keyof A]: Strict extends true ? ArgForm<A[I]> : ArgForm<A[I]> | null }
  : never
type Result<S> = S extends { readonly result: infer R extends string; readonly set: infer IsSet }
  ? IsSet extends true
    ? Iterable<ResultForm<R> | null>
    : ResultForm<R> | null
  : never

/**
 * The body of one prosrc. Extra arguments a caller appends: context and call. A body of two rows of different arity (`date_part`)
 * sees the missing ones as undefined only if it says so.
 */
export type Body<K extends keyof Signatures> = (
  ...args: [...Args<Signatures[K]>, ctx: EvalContext, call: CallInfo]
) => K extends AsyncProc ? MaybePromise<Result<Signatures[K]>> : Result<Signatures[K]>

/** A family's table of bodies. A set-returning body answers an iterable of rows (records: arrays of column values in a `PgRecord`). */
export type Procs = { readonly [K in keyof Signatures]?: Body<K> }

/** A body as the caller sees it: pg_proc's arguments, then context and call. Types were checked against pg_proc where it was declared. */
export type ProcBody = (...args: unknown[]) => unknown

/** A set's rows, made as they are asked for. */
export function* eachOf<T, R>(list: readonly T[], row: (item: T, i: number) => R): Generator<R> {
  for (let i = 0; i < list.length; i++) yield row(list[i]!, i)
}
