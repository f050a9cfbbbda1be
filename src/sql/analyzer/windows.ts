// WINDOW and OVER clauses: partitions, order, frames.

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { pgAmprocs } from '../builtin/pg-index.ts'
import { multiIndex } from '../builtin/table.ts'
import { canCoerceOne } from '../functions/coerce.ts'
import { COERCION } from '../functions/coercion-path.ts'
import type { Node, WindowDef } from '../parser/nodes.ts'
import { groupByOf, refuseVariables, sortListOf } from './clauses.ts'
import { coerceToSpecificType, coerceType, typeName } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import type { SortGroupClause, TargetEntry } from './expr.ts'
import { transformExpr } from './expr-entry.ts'
import { exprLocation } from './location.ts'
import { orderingOperator } from './operators.ts'
import type { FrameBound, WindowClause } from './query.ts'

// frameOptions bits as the grammar sets them
const RANGE = 0x2
const ROWS = 0x4
const GROUPS = 0x8
const NONDEFAULT = 0x1
const DEFAULTS = 0x422

export const frameModeOf = (options: number): WindowClause['frameMode'] => (options & ROWS ? 'rows' : options & GROUPS ? 'groups' : 'range')

export function windowClausesOf(state: ParseState, entries: Mutable<TargetEntry>[]): WindowClause[] {
  const result: WindowClause[] = []
  for (const [i, raw] of state.windowDefs.entries()) result.push(windowOf(state, raw, i + 1, result, entries))
  return result
}

function windowOf(
  state: ParseState,
  raw: WindowDef,
  winRef: number,
  known: readonly WindowClause[],
  entries: Mutable<TargetEntry>[],
): WindowClause {
  const location = raw.location ?? 0
  const options = raw.frameOptions ?? DEFAULTS
  const fail = (message: string, hint?: string) =>
    errorAt(state, SQLSTATE.windowingError, message, location, hint === undefined ? {} : { hint })
  if (raw.name !== undefined && known.some((window) => window.name === raw.name)) throw fail(`window "${raw.name}" is already defined`)
  let parent: WindowClause | undefined
  if (raw.refname !== undefined) {
    parent = known.find((window) => window.name === raw.refname)
    if (parent === undefined) throw errorAt(state, SQLSTATE.undefinedObject, `window "${raw.refname}" does not exist`, location)
  }
  let order = sortListOf(state, raw.orderClause ?? [], entries, 'window order', true)
  let partition: readonly SortGroupClause[] = partitionOf(state, raw.partitionClause ?? [], entries, order)
  if (parent !== undefined) {
    if (partition.length > 0) throw fail(`cannot override PARTITION BY clause of window "${raw.refname}"`)
    partition = parent.partition
    if (parent.order.length > 0) {
      if (order.length > 0) throw fail(`cannot override ORDER BY clause of window "${raw.refname}"`)
      order = [...parent.order]
    }
    const hasFrame =
      parent.frameMode !== 'range' ||
      parent.frameStart.kind !== 'unbounded preceding' ||
      parent.frameEnd.kind !== 'current row' ||
      parent.exclusion !== 'no others'
    if (hasFrame) {
      const bare = raw.name === undefined && (raw.orderClause?.length ?? 0) === 0 && !(options & NONDEFAULT)
      throw fail(
        `cannot copy window "${raw.refname}" because it has a frame clause`,
        bare ? 'Omit the parentheses in this OVER clause.' : undefined,
      )
    }
  }
  const mode = frameModeOf(options)
  const offsets = raw.startOffset !== undefined || raw.endOffset !== undefined
  if (options & RANGE && offsets && order.length !== 1) {
    throw fail('RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column')
  }
  if (options & GROUPS && order.length === 0) throw fail('GROUPS mode requires an ORDER BY clause')
  const bound = (which: 'start' | 'end', node: Node | undefined): FrameBound => {
    const shift = which === 'start' ? 0 : 1
    if (options & (0x20 << shift)) return { kind: 'unbounded preceding' }
    if (options & (0x80 << shift)) return { kind: 'unbounded following' }
    if (options & (0x200 << shift)) return { kind: 'current row' }
    const kind = options & (0x800 << shift) ? 'preceding' : 'following'
    return { kind, ...offsetOf(state, node!, mode, order, entries) }
  }
  return {
    name: raw.name ?? null,
    partition,
    order,
    frameMode: mode,
    frameStart: bound('start', raw.startOffset),
    frameEnd: bound('end', raw.endOffset),
    exclusion: options & 0x8000 ? 'current row' : options & 0x10000 ? 'group' : options & 0x20000 ? 'ties' : 'no others',
    winRef,
  }
}

function partitionOf(
  state: ParseState,
  list: readonly Node[],
  entries: Mutable<TargetEntry>[],
  order: readonly SortGroupClause[],
): SortGroupClause[] {
  return groupByOf(state, list, entries, order, 'window partition').groupClause
}

const inRange = multiIndex(
  () => pgAmprocs().filter((row) => row.amprocnum === 3),
  (row) => row.amprocfamily,
)

function offsetOf(
  state: ParseState,
  node: Node,
  mode: WindowClause['frameMode'],
  order: readonly SortGroupClause[],
  entries: readonly TargetEntry[],
): { offset: ReturnType<typeof transformExpr>; inRangeFunc: Oid } {
  const construct = mode.toUpperCase()
  const raw = transformExpr(state, node, `window frame ${mode}`)
  let offset = raw
  let inRangeFunc: Oid = 0
  if (mode !== 'range') offset = coerceToSpecificType(state, raw, T.int8, construct)
  else {
    const [sort] = order
    const column = entries.find((entry) => entry.ressortgroupref === sort!.tleSortGroupRef)!.expr
    const ordering = orderingOperator(sort!.sortOp)
    const candidates = ordering === null ? [] : inRange(ordering.family).filter((row) => row.amproclefttype === ordering.type)
    const unsupported = (message: string, hint?: string) =>
      errorAt(state, SQLSTATE.featureNotSupported, message, exprLocation(raw), hint === undefined ? {} : { hint })
    if (candidates.length === 0) {
      throw unsupported(`RANGE with offset PRECEDING/FOLLOWING is not supported for column type ${typeName(state, column.type)}`)
    }
    const exact = candidates.find((row) => row.amprocrighttype === raw.type)
    const preferred = raw.type === T.unknown ? candidates.find((row) => row.amprocrighttype === column.type) : undefined
    const fitting =
      exact ?? preferred ?? candidates.filter((row) => canCoerceOne(state.source, raw.type, row.amprocrighttype, COERCION.implicit))
    const chosen = Array.isArray(fitting) ? fitting : [fitting]
    if (chosen.length === 0) {
      throw unsupported(
        `RANGE with offset PRECEDING/FOLLOWING is not supported for column type ${typeName(state, column.type)} and offset type ${typeName(state, raw.type)}`,
        'Cast the offset value to an appropriate type.',
      )
    }
    if (chosen.length > 1) {
      throw unsupported(
        `RANGE with offset PRECEDING/FOLLOWING has multiple interpretations for column type ${typeName(state, column.type)} and offset type ${typeName(state, raw.type)}`,
        'Cast the offset value to the exact intended type.',
      )
    }
    const [row] = chosen
    inRangeFunc = row!.amproc
    offset = coerceType(state, raw, row!.amprocrighttype, -1, COERCION.implicit, 'implicit', -1)
  }
  refuseVariables(state, offset, construct)
  assignCollations(state, offset)
  return { offset, inRangeFunc }
}
