// An aggregate call as pg_aggregate says: its transition and final functions. // hot

import { assert } from '../../../base/assert.ts'
import type { Datum } from '../../../base/datum.ts'
import { notSupported } from '../../../base/errors.ts'
import type { Aggref } from '../../analyzer/expr.ts'
import type { PgAggregateRow } from '../../builtin/data/rows.ts'
import { collationUse, indeterminateCollation } from '../../functions/collation-needed.ts'
import { findBody, procBody } from '../../functions/registry.ts'
import type { CallInfo, ProcBody } from '../../types/procs.ts'
import { supportOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { packVariadicAny, procOf } from '../expr/call.ts'

/** The pg_aggregate row and what follows from the call. */
export interface AggregateCall {
  readonly row: PgAggregateRow
  readonly transInfo: CallInfo
  readonly finalInfo: CallInfo
}

export function aggregateCall(
  cx: Compilation,
  e: Pick<Aggref, 'aggFnOid' | 'argTypes' | 'transType' | 'type' | 'typmod' | 'inputCollation'>,
): AggregateCall {
  // called by its own name: who runs it must be allowed to
  procOf(cx, e.aggFnOid)
  const row = cx.catalog.aggregate(e.aggFnOid)
  assert(row !== null, `cache lookup failed for aggregate ${e.aggFnOid}`)
  const argTypes = [e.transType, ...e.argTypes]
  const base = { argTypes, resultTypmod: -1, collation: e.inputCollation, variadicElementType: 0 }
  return {
    row,
    transInfo: { ...base, resultType: e.transType, aggregate: true },
    finalInfo: { ...base, resultType: e.type, resultTypmod: e.typmod },
  }
}

export function bodyFor(cx: Compilation, funcId: number): { body: ProcBody; strict: boolean; prosrc: string; pronargs: number } {
  const proc = procOf(cx, funcId)
  if (findBody(proc) === undefined && cx.state.ctx.system(proc.prosrc) === undefined) {
    throw notSupported(`function ${proc.proname} is not implemented`)
  }
  return { body: procBody(proc), strict: proc.proisstrict, prosrc: proc.prosrc, pronargs: proc.pronargs }
}

/** The state a group begins with: the catalogue's text through the state type's input. */
export function initialState(cx: Compilation, text: string | null, transType: number): () => Datum {
  if (text === null) return () => null
  let value: Datum | undefined
  return () => (value ??= supportOf(cx, transType).input(text, -1, cx.state.ctx))
}

/** Calls of a transition function over states kept outside. */
export type Transition = (state: Datum, values: readonly Datum[]) => Datum

export function transitionOf(cx: Compilation, funcId: number, info: CallInfo, variadicAny: boolean): Transition {
  const { state } = cx
  const proc = procOf(cx, funcId)
  const { body, strict } = bodyFor(cx, funcId)
  const use = info.collation === 0 ? collationUse(proc.prosrc) : null
  if (use !== null) {
    return (s, [value]) => {
      if (s === null || value === null) return s ?? value!
      throw indeterminateCollation(use)
    }
  }
  if (variadicAny) {
    return (s, values) => {
      const packed = packVariadicAny(proc, [s, ...values], false)
      return body(...packed, state.ctx, info) as Datum
    }
  }
  if (!strict) {
    return (s, values) => (values.length === 1 ? body(s, values[0], state.ctx, info) : body(s, ...values, state.ctx, info)) as Datum
  }
  return (s, values) => {
    for (let i = 0; i < values.length; i++) if (values[i] === null) return s
    // A strict transition takes the first input as its state; once NULL in spite of an input, the state stays NULL.
    if (s === null) return values[0]!
    return (values.length === 1 ? body(s, values[0], state.ctx, info) : body(s, ...values, state.ctx, info)) as Datum
  }
}

/** The value of a finished state. */
export type Finish = (state: Datum, direct: readonly Datum[]) => Datum

export function finishOf(cx: Compilation, call: AggregateCall, finalFn: number, extra: boolean, argCount: number): Finish {
  if (finalFn === 0) return (state) => state
  const { state } = cx
  const proc = procOf(cx, finalFn)
  const { body, strict } = bodyFor(cx, finalFn)
  const any = proc.provariadic === 2276
  return (s, direct) => {
    const values: Datum[] = [s, ...direct]
    if (extra && !any) for (let i = 0; i < argCount; i++) values.push(null)
    if (strict && values.includes(null)) return null
    const given = any ? packVariadicAny(proc, values, false) : values
    return body(...given, state.ctx, call.finalInfo) as Datum
  }
}
