// Bodies of the range and multirange functions. A multirange operator over a range takes it as the multirange of that one range.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ArrayDatum } from './array.ts'
import type { Int8 } from './codecs.ts'
import { storedDay } from './datetime.ts'
import type { EvalContext } from './eval-context.ts'
import { type Numeric, numericToNumber } from './numeric.ts'
import { subNumeric } from './numeric-math.ts'
import type { Body, CallInfo, Procs } from './procs.ts'
import { argType } from './procs.ts'
import {
  adjacent,
  before,
  compareMultiranges,
  compareRanges,
  contains,
  containsElement,
  emptyRange,
  follows,
  intersect,
  MultirangeDatum,
  makeMultirange,
  makeRange,
  merge,
  microsDifference,
  overlaps,
  overleft,
  overright,
  type RangeDatum,
  type RangeInfo,
  subtract,
} from './range.ts'
import { formatRange } from './range-type.ts'
import { multirangeInfo, rangeInfo } from './registry.ts'
import type { Present } from './type.ts'

const notContiguous = (what: string): PgError => new PgError(SQLSTATE.dataException, `result of range ${what} would not be contiguous`)

function union(a: RangeDatum, b: RangeDatum): RangeDatum {
  if (a.empty) return b
  if (b.empty) return a
  if (!overlaps(a, b) && !adjacent(a, b)) throw notContiguous('union')
  return merge(a, b)
}

function minus(a: RangeDatum, b: RangeDatum): RangeDatum {
  const { below, above } = subtract(a, b)
  if (!below.empty && !above.empty) throw notContiguous('difference')
  return below.empty ? above : below
}

const one = (r: RangeDatum): MultirangeDatum => new MultirangeDatum(r.info, r.empty ? [] : [r])

type Multi = MultirangeDatum
const first = (m: Multi): RangeDatum => m.ranges[0] ?? emptyRange(m.info)
const last = (m: Multi): RangeDatum => m.ranges.at(-1) ?? emptyRange(m.info)
const span = (m: Multi): RangeDatum => (m.ranges.length === 0 ? emptyRange(m.info) : merge(first(m), last(m)))

const multiOverlaps = (a: Multi, b: Multi): boolean => a.ranges.some((x) => b.ranges.some((y) => overlaps(x, y)))
const multiContains = (a: Multi, b: Multi): boolean => b.ranges.every((y) => a.ranges.some((x) => contains(x, y)))
const multiBefore = (a: Multi, b: Multi): boolean => before(last(a), first(b))
const multiOverleft = (a: Multi, b: Multi): boolean => overleft(last(a), last(b))
const multiOverright = (a: Multi, b: Multi): boolean => overright(first(a), first(b))
/** Only the outer ends count: what touches a gap inside is not adjacent. */
const multiAdjacent = (a: Multi, b: Multi): boolean => follows(last(a), first(b)) || follows(last(b), first(a))
const multiContainsElement = (m: Multi, value: Present): boolean => m.ranges.some((range) => containsElement(range, value))

function multiIntersect(a: Multi, b: Multi): Multi {
  const ranges: RangeDatum[] = []
  for (const x of a.ranges) for (const y of b.ranges) ranges.push(intersect(x, y))
  return makeMultirange(a.info, ranges)
}

function multiMinus(a: Multi, b: Multi): Multi {
  let rest = [...a.ranges]
  for (const y of b.ranges)
    rest = rest.flatMap((x) => {
      const { below, above } = subtract(x, y)
      return [below, above].filter((part) => !part.empty)
    })
  return new MultirangeDatum(a.info, rest)
}

const FLAGS = /^[[(][\])]$/

function construct(info: RangeInfo, lower: Present | null, upper: Present | null, flags: string | null): RangeDatum {
  if (flags === null) throw new PgError(SQLSTATE.dataException, 'range constructor flags argument must not be null')
  if (!FLAGS.test(flags))
    throw new PgError(SQLSTATE.syntaxError, 'invalid range bound flags', { hint: 'Valid values are "[]", "[)", "(]", and "()".' })
  return makeRange(info, lower, upper, flags[0] === '[', flags[1] === ']')
}

interface RangeState {
  readonly info: RangeInfo
  readonly ranges: RangeDatum[]
  /** Every input was NULL. */
  isNull: boolean
}

function state(current: RangeState | null, value: RangeDatum | Multi | null, call: CallInfo): RangeState {
  const held = current ?? { info: value === null ? infoOfEither(argType(call, 1)) : value.info, ranges: [], isNull: true }
  if (value === null) return held
  held.isNull = false
  if (value instanceof MultirangeDatum) for (const range of value.ranges) held.ranges.push(range)
  else held.ranges.push(value)
  return held
}

const infoOfEither = (type: number): RangeInfo => rangeInfo(type) ?? multirangeInfo(type)!

/** Range constructors are told apart by what they answer. */
const resultInfo = (call: CallInfo): RangeInfo => infoOfEither(call.resultType)

const rangeInput = (text: string, type: number, ctx: EvalContext): Present => ctx.catalog.typeSupport(type).input(text, -1, ctx)

export const rangeProcs = {
  range_in: (text, type, _typmod, ctx) => rangeInput(text, type, ctx) as RangeDatum,
  range_out: (r, ctx) => formatRange(r, ctx.io),
  multirange_in: (text, type, _typmod, ctx) => rangeInput(text, type, ctx) as Multi,
  multirange_out: (m, ctx) => `{${m.ranges.map((r) => formatRange(r, ctx.io)).join(',')}}`,
  range_constructor2: ((lower: Present | null, upper: Present | null, _ctx: EvalContext, call: CallInfo) =>
    makeRange(resultInfo(call), lower, upper, true, false)) as unknown as Body<'range_constructor2'>,
  range_constructor3: ((lower: Present | null, upper: Present | null, flags: string | null, _ctx: EvalContext, call: CallInfo) =>
    construct(resultInfo(call), lower, upper, flags)) as unknown as Body<'range_constructor3'>,
  multirange_constructor0: ((_ctx: EvalContext, call: CallInfo) =>
    new MultirangeDatum(resultInfo(call), [])) as unknown as Body<'multirange_constructor0'>,
  multirange_constructor1: ((r: RangeDatum) => one(r)) as unknown as Body<'multirange_constructor1'>,
  multirange_constructor2: ((list: ArrayDatum, _ctx: EvalContext, call: CallInfo) => {
    if (list.dims.length > 1)
      throw new PgError(SQLSTATE.cardinalityViolation, 'multiranges cannot be constructed from multidimensional arrays')
    if (list.elements.includes(null)) throw new PgError(SQLSTATE.nullValueNotAllowed, 'multirange values cannot contain null members')
    return makeMultirange(resultInfo(call), list.elements as RangeDatum[])
  }) as unknown as Body<'multirange_constructor2'>,

  range_lower: (r) => r.lower,
  range_upper: (r) => r.upper,
  range_empty: (r) => r.empty,
  range_lower_inc: (r) => r.lowerInc,
  range_upper_inc: (r) => r.upperInc,
  range_lower_inf: (r) => !r.empty && r.lower === null,
  range_upper_inf: (r) => !r.empty && r.upper === null,
  range_cmp: compareRanges,
  range_eq: (a, b) => compareRanges(a, b) === 0,
  range_ne: (a, b) => compareRanges(a, b) !== 0,
  range_lt: (a, b) => compareRanges(a, b) < 0,
  range_le: (a, b) => compareRanges(a, b) <= 0,
  range_gt: (a, b) => compareRanges(a, b) > 0,
  range_ge: (a, b) => compareRanges(a, b) >= 0,
  range_contains_elem: containsElement,
  elem_contained_by_range: (value, r) => containsElement(r, value),
  range_contains: contains,
  range_contained_by: (a, b) => contains(b, a),
  range_overlaps: overlaps,
  range_before: before,
  range_after: (a, b) => before(b, a),
  range_overleft: overleft,
  range_overright: overright,
  range_adjacent: adjacent,
  range_union: union,
  range_merge: merge,
  range_intersect: intersect,
  range_minus: minus,
  range_intersect_agg_transfn: intersect,
  range_agg_transfn: (current: RangeState | null, r, _ctx, call) => state(current, r, call),
  range_agg_finalfn: (current: RangeState | null) =>
    current === null || current.isNull ? null : makeMultirange(current.info, current.ranges),
  int4range_canonical: (r) => r,
  int8range_canonical: (r) => r,
  daterange_canonical: (r) => r,
  int4range_subdiff: (a, b) => a - b,
  int8range_subdiff: (a, b) => Number(BigInt(a) - BigInt(b)),
  numrange_subdiff: (a: Numeric, b: Numeric) => numericToNumber(subNumeric(a, b)),
  daterange_subdiff: (a, b) => storedDay(a) - storedDay(b),
  tsrange_subdiff: (a: Int8, b: Int8) => microsDifference(a, b),
  tstzrange_subdiff: (a: Int8, b: Int8) => microsDifference(a, b),

  multirange_lower: (m) => first(m).lower,
  multirange_upper: (m) => last(m).upper,
  multirange_empty: (m) => m.ranges.length === 0,
  multirange_lower_inc: (m) => first(m).lowerInc,
  multirange_upper_inc: (m) => last(m).upperInc,
  multirange_lower_inf: (m) => m.ranges.length > 0 && first(m).lower === null,
  multirange_upper_inf: (m) => m.ranges.length > 0 && last(m).upper === null,
  multirange_cmp: compareMultiranges,
  multirange_eq: (a, b) => compareMultiranges(a, b) === 0,
  multirange_ne: (a, b) => compareMultiranges(a, b) !== 0,
  multirange_lt: (a, b) => compareMultiranges(a, b) < 0,
  multirange_le: (a, b) => compareMultiranges(a, b) <= 0,
  multirange_gt: (a, b) => compareMultiranges(a, b) > 0,
  multirange_ge: (a, b) => compareMultiranges(a, b) >= 0,
  multirange_contains_elem: multiContainsElement,
  elem_contained_by_multirange: (value, m) => multiContainsElement(m, value),
  multirange_contains_range: (m, r) => multiContains(m, one(r)),
  range_contained_by_multirange: (r, m) => multiContains(m, one(r)),
  multirange_contains_multirange: multiContains,
  multirange_contained_by_multirange: (a, b) => multiContains(b, a),
  range_contains_multirange: (r, m) => multiContains(one(r), m),
  multirange_contained_by_range: (m, r) => multiContains(one(r), m),
  range_overlaps_multirange: (r, m) => multiOverlaps(one(r), m),
  multirange_overlaps_range: (m, r) => multiOverlaps(m, one(r)),
  multirange_overlaps_multirange: multiOverlaps,
  range_before_multirange: (r, m) => multiBefore(one(r), m),
  multirange_before_range: (m, r) => multiBefore(m, one(r)),
  multirange_before_multirange: multiBefore,
  range_after_multirange: (r, m) => multiBefore(m, one(r)),
  multirange_after_range: (m, r) => multiBefore(one(r), m),
  multirange_after_multirange: (a, b) => multiBefore(b, a),
  range_overleft_multirange: (r, m) => multiOverleft(one(r), m),
  multirange_overleft_range: (m, r) => multiOverleft(m, one(r)),
  multirange_overleft_multirange: multiOverleft,
  range_overright_multirange: (r, m) => multiOverright(one(r), m),
  multirange_overright_range: (m, r) => multiOverright(m, one(r)),
  multirange_overright_multirange: multiOverright,
  range_adjacent_multirange: (r, m) => multiAdjacent(one(r), m),
  multirange_adjacent_range: (m, r) => multiAdjacent(m, one(r)),
  multirange_adjacent_multirange: multiAdjacent,
  multirange_union: (a, b) => makeMultirange(a.info, [...a.ranges, ...b.ranges]),
  multirange_intersect: multiIntersect,
  multirange_minus: multiMinus,
  multirange_intersect_agg_transfn: multiIntersect,
  multirange_agg_transfn: (current: RangeState | null, m, _ctx, call) => state(current, m, call),
  range_merge_from_multirange: span,
  multirange_unnest: (m) => m.ranges,
} satisfies Procs
