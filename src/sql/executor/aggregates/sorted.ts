// Aggregates whose input has an order: DISTINCT and ORDER BY among the arguments, and ordered sets. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { Slicer } from '../../../base/slicer.ts'
import type { Aggref, SortGroupClause, TargetEntry } from '../../analyzer/expr.ts'
import { newOrderedSet, type OrderedSet } from '../../functions/ordered-set.ts'
import type { SortKey } from '../../planner/plan.ts'
import { rowComparator, rowsEqual } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { procOf } from '../expr/call.ts'
import { evaluator } from '../expr/compiled.ts'
import { rowSize } from '../row-size.ts'
import { sortRows } from '../row-sort.ts'
import { leadingKeyOf } from '../row-sorter.ts'
import { TupleStore } from '../tuple-store.ts'
import { type Accumulator, type AggregateInput, type AggregateMemory, GroupBytes } from './accumulator.ts'
import { type AggregateCall, finishOf, initialState, transitionOf } from './call.ts'
import { GroupSorter } from './group-sorter.ts'

function sortKeyOf(clause: SortGroupClause, args: readonly TargetEntry[]): SortKey {
  const index = args.findIndex((entry) => entry.ressortgroupref === clause.tleSortGroupRef)
  const { expr } = args[index]!
  return {
    slot: index + 1,
    sortOp: clause.sortOp,
    eqOp: clause.eqOp,
    collation: expr.collation,
    type: expr.type,
    descending: clause.descending,
    nullsFirst: clause.nullsFirst,
  }
}

/** ORDER BY, then what of DISTINCT it does not cover. */
function orderOf(e: Aggref): SortKey[] {
  const covered = new Set(e.order.map((clause) => clause.tleSortGroupRef))
  return [...e.order, ...e.distinct.filter((clause) => !covered.has(clause.tleSortGroupRef))].map((clause) => sortKeyOf(clause, e.args))
}

/** Rows of one group taken in without giving way. */
const ROWS_AT_ONCE = 1024

/**
 * DISTINCT and ORDER BY inside an aggregate, and ordered sets: the rows of each group are kept, sorted, and taken in when its value is asked
 * for; in memory within work_mem, beyond it in files.
 */
export function sortedAccumulator(
  cx: Compilation,
  e: Aggref,
  call: AggregateCall,
  input: AggregateInput,
  memory: AggregateMemory,
  slicer: Slicer,
): Accumulator {
  const { row } = call
  const { state } = cx
  const ordered = e.aggKind !== 'normal'
  const keys = orderOf(e)
  const compare = rowComparator(cx, keys)
  const same =
    e.distinct.length > 0
      ? rowsEqual(
          cx,
          e.distinct.map((clause) => sortKeyOf(clause, e.args)),
        )
      : null
  const transProc = procOf(cx, row.aggtransfn)
  const transition = transitionOf(cx, row.aggtransfn, call.transInfo, transProc.provariadic === 2276)
  const finish = finishOf(cx, call, row.aggfinalfn, row.aggfinalextra, e.argTypes.length - input.direct.length)
  const initial = initialState(cx, row.agginitval, e.transType)
  const evals = input.args.map(evaluator)
  const direct = input.direct.map(evaluator)
  const n = evals.length
  const types = e.args.map((entry) => entry.expr.type)
  /** Arguments proper: junk entries only sort. */
  const passed = e.args.map((entry, i) => (entry.resjunk ? -1 : i)).filter((i) => i >= 0)
  const all = passed.length === n
  const leading = leadingKeyOf(keys[0]!)
  const rest = keys.length > 1 ? rowComparator(cx, keys.slice(1)) : null
  const held = new GroupBytes()
  let groupRows: Row[][] = []
  /** The number of group 0. */
  let first = 0
  /** There was no room for the last rows. */
  let full = false
  const sorter = new GroupSorter(cx, types, keys, slicer)
  /** Rows go to the sorter; those that are not there yet. */
  let spilled = false
  let waiting: Row[] = []
  /** The group whose rows are sorted and in its state. */
  let prepared = -1
  let groupState: Datum = null
  let last: Row | null = null
  /** An ordered set's rows. */
  const set = ordered ? new TupleStore(cx, types) : null

  /** Takes rows of a group from `from` on into its state. */
  const collect = (rows: readonly Row[], from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const values = rows[i]!
      if (same !== null) {
        if (last !== null && same(last, values)) continue
        last = values
      }
      groupState = transition(groupState, all ? values : passed.map((k) => values[k]!))
    }
  }
  const begin = (): void => {
    set?.clear()
    groupState = set === null ? initial() : newOrderedSet(compare as OrderedSet['compare'], set)
    last = null
  }
  const prepare = async (group: number): Promise<void> => {
    const rows = groupRows[group]!
    groupRows[group] = []
    slicer.start()
    const sorted = await sortRows(rows, compare, leading, rest, slicer)
    begin()
    for (let i = 0; i < sorted.length; i += ROWS_AT_ONCE) {
      collect(sorted, i, Math.min(i + ROWS_AT_ONCE, sorted.length))
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
    prepared = group
  }
  const prepareSpilled = async (group: number): Promise<void> => {
    slicer.start()
    await sorter.sort()
    begin()
    for (let rows = sorter.read(first + group); rows !== null; rows = sorter.read(first + group)) {
      const values = rows.map((numbered) => numbered.slice(1))
      collect(values, 0, values.length)
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
    prepared = group
  }
  const numbered = (group: number, values: Row): Row => [first + group, ...values]

  /** All rows to the sorter. */
  const spill = async (): Promise<void> => {
    slicer.start()
    full = false
    spilled = true
    for (const [group, rows] of groupRows.entries()) {
      groupRows[group] = []
      for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
        await sorter.add(rows.slice(at, at + ROWS_AT_ONCE).map((values) => numbered(group, values)))
        const pause = slicer.pause()
        if (pause !== null) await pause
      }
      memory.release(held.drop(group))
    }
  }
  const append = (): Promise<void> => {
    const rows = waiting
    waiting = []
    return sorter.add(rows)
  }
  return {
    suspends: true,
    makeRoom: () => (full ? spill() : waiting.length > 0 ? append() : null),
    prepare(group) {
      if (prepared === group) return null
      if (spilled) return prepareSpilled(group)
      return groupRows[group]!.length <= ROWS_AT_ONCE ? null : prepare(group)
    },
    ensure(groups) {
      while (groupRows.length < groups) groupRows.push([])
      held.ensure(groups)
    },
    add(rows, count, groups) {
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const values = new Array<Datum>(n)
        for (let k = 0; k < n; k++) values[k] = evals[k]!(rows[i]!)
        if (spilled) {
          waiting.push(numbered(g, values))
          continue
        }
        groupRows[g]!.push(values)
        const bytes = rowSize(values)
        if (memory.tryCharge(bytes, held.total)) held.add(g, bytes)
        else full = true
      }
    },
    result(group, row) {
      if (prepared !== group) {
        state.cancel.check()
        const rows = groupRows[group]!
        rows.sort(compare)
        begin()
        collect(rows, 0, rows.length)
      }
      prepared = group
      groupRows[group] = []
      const value = finish(
        groupState,
        direct.map((f) => f(row)),
      )
      prepared = -1
      groupState = null
      set?.clear()
      memory.release(held.drop(group))
      return value
    },
    keep(group) {
      groupRows = [groupRows[group]!]
      first += group
      memory.release(held.keep(group))
      if (!spilled || sorter.more) return
      spilled = false
      sorter.clear()
    },
    clear() {
      groupRows = []
      first = 0
      full = false
      spilled = false
      waiting = []
      sorter.clear()
      set?.clear()
      prepared = -1
      groupState = null
      memory.release(held.clear())
    },
  }
}
