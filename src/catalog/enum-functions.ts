// Comparison and range functions of enums: their order is the keyspace's, so no body below the catalogue can know it.

import type { Datum } from '../base/datum.ts'
import type { Oid } from '../base/ids.ts'
import { makeArray } from '../sql/types/array.ts'
import type { CallInfo } from '../sql/types/procs.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { SystemFunction } from './system-function.ts'
import { typeSupportOf } from './user-type-support.ts'

export function enumFunctions(snapshotOf: () => ReaderSnapshot): Map<string, SystemFunction> {
  const order = (a: unknown, b: unknown, call: unknown): number =>
    typeSupportOf(snapshotOf(), (call as CallInfo).argTypes[0]!).compare!(a as NonNullable<Datum>, b as NonNullable<Datum>)
  const labels = (type: Oid): string[] => {
    const definition = snapshotOf().userType(type)?.definition
    if (definition?.kind !== 'enum') return []
    return [...definition.labels].sort((a, b) => a.sortOrder - b.sortOrder).map((label) => label.label)
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
    ['enum_first', (_any, _ctx, call) => labels((call as CallInfo).argTypes[0]!)[0] ?? null],
    ['enum_last', (_any, _ctx, call) => labels((call as CallInfo).argTypes[0]!).at(-1) ?? null],
    [
      'enum_range_all',
      (_any, _ctx, call) => {
        const type = (call as CallInfo).argTypes[0]!
        return makeArray(type, labels(type))
      },
    ],
    [
      'enum_range_bounds',
      (from, to, _ctx, call) => {
        const type = (call as CallInfo).argTypes[0]!
        const all = labels(type)
        const first = from === null ? 0 : all.indexOf(from as string)
        const last = to === null ? all.length - 1 : all.indexOf(to as string)
        return makeArray(type, all.slice(first, last + 1))
      },
    ],
  ])
}
