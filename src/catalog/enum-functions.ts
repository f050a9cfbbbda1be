// Comparison and range functions of enums: their order is the keyspace's, so no body below the catalogue can know it.

import type { Datum } from '../base/datum.ts'
import type { Oid } from '../base/ids.ts'
import { type ArrayDatum, makeArray } from '../sql/types/array.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import type { CallInfo } from '../sql/types/procs.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { SystemFunction } from './system-function.ts'
import { type EnumLabel, typeSupportOf, unsafeLabel } from './user-type-support.ts'

export function enumFunctions(snapshotOf: () => ReaderSnapshot): Map<string, SystemFunction> {
  const order = (a: unknown, b: unknown, call: unknown): number =>
    typeSupportOf(snapshotOf(), (call as CallInfo).argTypes[0]!).compare!(a as NonNullable<Datum>, b as NonNullable<Datum>)
  const labels = (type: Oid): EnumLabel[] => {
    const definition = snapshotOf().userType(type)?.definition
    if (definition?.kind !== 'enum') return []
    return [...definition.labels].sort((a, b) => a.sortOrder - b.sortOrder)
  }
  /** The labels' texts, if they may be used. */
  const usable = (list: readonly EnumLabel[], oid: Oid, ctx: unknown): string[] => {
    const type = snapshotOf().userType(oid)
    const uncommitted = type === null ? null : snapshotOf().uncommittedLabels(type)
    return list.map(({ label, oid: own }) => {
      if (uncommitted?.has(own)) throw unsafeLabel(label, type!, ctx as EvalContext)
      return label
    })
  }
  /** The labels of the call's type from one to another, these included. */
  const range = (call: unknown, ctx: unknown, from: unknown = null, to: unknown = null): ArrayDatum => {
    const type = (call as CallInfo).argTypes[0]!
    const all = labels(type)
    const at = (label: unknown): number => all.findIndex((one) => one.label === label)
    return makeArray(type, usable(all.slice(from === null ? 0 : at(from), to === null ? all.length : at(to) + 1), type, ctx))
  }
  const outermost = (call: unknown, ctx: unknown, at: 0 | -1): string | null => {
    const type = (call as CallInfo).argTypes[0]!
    return usable(labels(type).slice(at, at === 0 ? 1 : undefined), type, ctx)[0] ?? null
  }
  const compare =
    (test: (order: number) => unknown): SystemFunction =>
    (a, b, _ctx, call) =>
      test(order(a, b, call))
  return new Map<string, SystemFunction>([
    ['enum_eq', (a, b) => a === b],
    ['enum_ne', (a, b) => a !== b],
    ['enum_lt', compare((n) => n < 0)],
    ['enum_le', compare((n) => n <= 0)],
    ['enum_gt', compare((n) => n > 0)],
    ['enum_ge', compare((n) => n >= 0)],
    ['enum_cmp', compare(Math.sign)],
    ['enum_smaller', (a, b, _ctx, call) => (order(a, b, call) <= 0 ? a : b)],
    ['enum_larger', (a, b, _ctx, call) => (order(a, b, call) >= 0 ? a : b)],
    ['enum_first', (_any, ctx, call) => outermost(call, ctx, 0)],
    ['enum_last', (_any, ctx, call) => outermost(call, ctx, -1)],
    ['enum_range_all', (_any, ctx, call) => range(call, ctx)],
    ['enum_range_bounds', (from, to, ctx, call) => range(call, ctx, from, to)],
  ])
}
