// The frame of a row in its partition: which rows ROWS, RANGE or GROUPS take in, and which EXCLUDE leaves out. Bounds only move forward as
// the current row does, so each is found by walking on from where it was. // hot

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { FrameBound, WindowClause } from '../analyzer/query.ts'
import type { SortKey } from '../planner/plan.ts'
import type { Compilation } from './compilation.ts'
import { directCall } from './expr/call.ts'
import type { TupleStore } from './tuple-store.ts'

export interface WindowFrame {
  /** A new partition: `count` rows in `store`. */
  reset(): void
  /** The values of the offsets for this run. */
  setOffsets(start: Datum, end: Datum): void
  /** Must be called with positions that never decrease within a partition; then `start` and `end` are the frame's. */
  moveTo(position: number): void
  start: number
  /** Behind the last row. */
  end: number
  isExcluded(position: number): boolean
  readonly excludes: boolean
  /** The frame begins with the partition, whatever the row. */
  readonly fixedStart: boolean
}

type InRange = (value: Datum, base: Datum, offset: Datum, sub: boolean, less: boolean) => boolean

const isOffset = (bound: FrameBound): bound is Extract<FrameBound, { offset: unknown }> =>
  bound.kind === 'preceding' || bound.kind === 'following'

function inRangeOf(cx: Compilation, bound: FrameBound, key: SortKey | undefined): InRange | null {
  if (!isOffset(bound) || bound.inRangeFunc === 0 || key === undefined) return null
  const call = directCall(cx, {
    funcId: bound.inRangeFunc,
    argTypes: [key.type, key.type, bound.offset.type, 16, 16],
    type: 16,
    typmod: -1,
    collation: key.collation,
    variadic: false,
  })
  return (value, base, offset, sub, less) => call([value, base, offset, sub, less]) === true
}

function checkOffset(which: 'starting' | 'ending', value: Datum, mustCount: boolean): number {
  if (value === null) throw new PgError(SQLSTATE.nullValueNotAllowed, `frame ${which} offset must not be null`)
  if (mustCount && Number(value) < 0) {
    throw new PgError(SQLSTATE.invalidPrecedingOrFollowingSize, `frame ${which} offset must not be negative`)
  }
  return Number(value)
}

export function makeFrame(
  cx: Compilation,
  window: WindowClause,
  orderKeys: readonly SortKey[],
  peers: (a: Row, b: Row) => boolean,
  store: TupleStore,
): WindowFrame {
  const { frameMode, frameStart, frameEnd, exclusion } = window
  const key = orderKeys[0]
  const startRange = frameMode === 'range' ? inRangeOf(cx, frameStart, key) : null
  const endRange = frameMode === 'range' ? inRangeOf(cx, frameEnd, key) : null
  const needsGroups = frameMode !== 'rows' || exclusion === 'group' || exclusion === 'ties'
  const slot = key === undefined ? 0 : key.slot - 1
  let startOffset = 0
  let endOffset = 0
  let startDatum: Datum = null
  let endDatum: Datum = null
  /** First row of each peer group found so far, and the group of the current row. */
  let groupStarts: number[] = []
  let group = 0
  let last = -1

  /** First row of group `g`, or the row count behind the last group. */
  const groupStart = (g: number): number => {
    if (g <= 0) return 0
    while (groupStarts.length <= g) {
      let at = groupStarts.at(-1)!
      if (at >= store.count) return store.count
      const first = store.get(at)
      do at++
      while (at < store.count && peers(first, store.get(at)))
      groupStarts.push(at)
    }
    return groupStarts[g]!
  }

  const findGroup = (position: number): void => {
    while (groupStart(group + 1) <= position) group++
  }

  /** Whether a row before `at`'s bound must still be passed over, as PostgreSQL places NULLs. */
  const rangeStart = (position: number, preceding: boolean): number => {
    const base = store.get(position)[slot]!
    const descending = key!.descending
    let at = frame.start
    for (; at < store.count; at++) {
      const value = store.get(at)[slot]!
      if (value === null || base === null) {
        const passes = key!.nullsFirst ? value === null && base !== null : value !== null && base === null
        if (!passes) break
      } else if (startRange!(value, base, startDatum, preceding !== descending, descending)) break
    }
    return at
  }
  const rangeEnd = (position: number, preceding: boolean): number => {
    const base = store.get(position)[slot]!
    const descending = key!.descending
    let at = frame.end
    for (; at < store.count; at++) {
      const value = store.get(at)[slot]!
      if (value === null || base === null) {
        const passes = key!.nullsFirst ? value === null || base !== null : value !== null || base === null
        if (!passes) break
      } else if (!endRange!(value, base, endDatum, preceding !== descending, !descending)) break
    }
    return at
  }

  const clamp = (position: number): number => (position < 0 ? 0 : Math.min(position, store.count))

  const startOf = (position: number): number => {
    switch (frameStart.kind) {
      case 'unbounded preceding':
        return 0
      case 'unbounded following':
        return store.count
      case 'current row':
        return frameMode === 'rows' ? position : groupStart(group)
      default: {
        const preceding = frameStart.kind === 'preceding'
        if (frameMode === 'range') return rangeStart(position, preceding)
        const offset = preceding ? -startOffset : startOffset
        return frameMode === 'rows' ? clamp(position + offset) : groupStart(group + offset)
      }
    }
  }
  const endOf = (position: number): number => {
    switch (frameEnd.kind) {
      case 'unbounded preceding':
        return 0
      case 'unbounded following':
        return store.count
      case 'current row':
        return frameMode === 'rows' ? position + 1 : groupStart(group + 1)
      default: {
        const preceding = frameEnd.kind === 'preceding'
        if (frameMode === 'range') return rangeEnd(position, preceding)
        const offset = preceding ? -endOffset : endOffset
        if (frameMode === 'rows') return clamp(position + offset + 1)
        return group + offset < 0 ? 0 : groupStart(group + offset + 1)
      }
    }
  }

  const frame: WindowFrame = {
    start: 0,
    end: 0,
    excludes: exclusion !== 'no others',
    fixedStart: frameStart.kind === 'unbounded preceding',
    reset() {
      groupStarts = [0]
      group = 0
      last = -1
      frame.start = 0
      frame.end = 0
    },
    setOffsets(start, end) {
      startDatum = start
      endDatum = end
      if (isOffset(frameStart)) startOffset = checkOffset('starting', start, frameMode !== 'range')
      if (isOffset(frameEnd)) endOffset = checkOffset('ending', end, frameMode !== 'range')
    },
    moveTo(position) {
      if (position === last) return
      last = position
      if (needsGroups) findGroup(position)
      frame.start = startOf(position)
      frame.end = Math.max(endOf(position), 0)
    },
    isExcluded(position) {
      switch (exclusion) {
        case 'no others':
          return false
        case 'current row':
          return position === last
        case 'group':
          return position >= groupStart(group) && position < groupStart(group + 1)
        case 'ties':
          return position !== last && position >= groupStart(group) && position < groupStart(group + 1)
      }
    },
  }
  return frame
}
