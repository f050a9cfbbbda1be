// Agg: groups and their aggregates. Plain: one group. Sorted: a group ends where its keys change. Hashed (and every list of grouping sets):
// a table of groups; when it has grown to work_mem, rows of further groups go to spill files by partition and are worked off afterwards. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { andThen, loop, type MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Aggref, Expr, GroupingFunc } from '../../analyzer/expr.ts'
import type { Agg } from '../../planner/plan.ts'
import type { Accumulator, AggregateMemory } from '../aggregates/accumulator.ts'
import { makeAccumulator } from '../aggregates/make.ts'
import { rowKey, rowsEqual } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { anyAsync, type Compiled } from '../expr/compiled.ts'
import { rowsPatiently } from '../expr/patient.ts'
import {
  compileProjection,
  compileQuals,
  type Projector,
  projectFrom,
  projectorOf,
  projectRow,
  projectRows,
  testRow,
} from '../expr/predicate.ts'
import { type ExprScope, ROW_SCOPE, type RowHolder } from '../expr/scope.ts'
import { walkPlan } from '../init-plan.ts'
import { KeyTable, MAX_TABLE_ENTRIES } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { PartitionedRows, RunCursor } from '../partitioned-rows.ts'
import { datumSize, rowSize } from '../row-size.ts'
import { done, makeOutput, nullRow, refill, restart } from './batches.ts'

const MANY_GROUPS = 4096
/** Of work_mem, what each aggregate's states may hold beside a table that fills it. */
const OWN_PART = 1 / 4

/** The calls in target list and conditions, equal ones once. */
function collect(plan: Agg): { aggregates: Aggref[]; groupings: GroupingFunc[]; placeOf: Map<object, number> } {
  const aggregates: Aggref[] = []
  const groupings: GroupingFunc[] = []
  const placeOf = new Map<object, number>()
  const byText = new Map<string, number>()
  const visit = (node: unknown): void => {
    if (node === null || typeof node !== 'object') return
    if (Array.isArray(node)) {
      for (const item of node) visit(item)
      return
    }
    const { kind } = node as { kind?: string }
    if (kind === 'Aggref' && (node as Aggref).levelsUp === 0) {
      const text = identity(node)
      let place = text === null ? undefined : byText.get(text)
      if (place === undefined) {
        place = aggregates.push(node as Aggref) - 1
        if (text !== null) byText.set(text, place)
      }
      placeOf.set(node, place)
      return
    }
    if (kind === 'GroupingFunc') {
      groupings.push(node as GroupingFunc)
      return
    }
    if (kind === 'Const') return
    for (const child of Object.values(node)) if (typeof child === 'object') visit(child)
  }
  visit(plan.targetList.map((entry) => entry.expr))
  visit(plan.quals)
  return { aggregates, groupings, placeOf }
}

/** Equal texts: the same aggregate of the same arguments. Null when a subquery is inside. */
function identity(node: object): string | null {
  let simple = true
  walkPlan(node, (n) => {
    if (n.kind === 'SubPlanExpr') simple = false
  })
  if (!simple) return null
  return JSON.stringify(node, (name, value: unknown) =>
    name === 'location' ? undefined : typeof value === 'bigint' ? `${value}n` : value instanceof Map ? [...value] : value,
  )
}

interface GroupingSet {
  readonly positions: readonly number[]
  readonly keyOf: ((row: Row) => unknown) | null
  readonly table: KeyTable
  /** Slots (from 0) of grouping columns outside this set. */
  readonly nulled: readonly number[]
}

export function compileAgg(plan: Agg, cx: Compilation): Operator {
  const { state } = cx
  const input = cx.compile(plan.input)
  const inputWidth = plan.input.targetList.length
  const { aggregates, groupings, placeOf } = collect(plan)

  // Arguments: over the input's rows, or, when one may wait, over rows extended by their values.
  const parts = aggregates.map((e) => ({
    args: e.args.map((entry) => compileExpr(entry.expr, ROW_SCOPE, cx)),
    direct: e.directArgs.map((arg) => compileExpr(arg, ROW_SCOPE, cx)),
    filter: e.filter === null ? null : compileExpr(e.filter, ROW_SCOPE, cx),
  }))
  const waits = parts.some(({ args, direct, filter }) => anyAsync(args) || anyAsync(direct) || filter?.async === true)
  const extended: Compiled[] = []
  const extendedTypes: number[] = []
  const asSlot = (part: Compiled, type: number): Compiled => {
    if (!waits || part.constant) return part
    const slot = inputWidth + extended.push(part) - 1
    extendedTypes.push(type)
    return { async: false, eval: (row) => row[slot]!, slot, constant: false, value: null }
  }
  const types = plan.input.targetList.map((entry) => entry.expr.type)

  let charged = 0
  const memory: AggregateMemory = {
    charge(bytes) {
      state.memory.charge(bytes)
      charged += bytes
    },
    tryCharge(bytes, own) {
      const fits = charged + held + bytes <= state.workMem || own + bytes <= state.workMem * OWN_PART
      if (!fits || !state.memory.tryCharge(bytes)) return false
      charged += bytes
      return true
    },
    release(bytes) {
      state.memory.release(bytes)
      charged -= bytes
    },
  }
  const accumulators: Accumulator[] = aggregates.map((e, i) => {
    const { args, direct, filter } = parts[i]!
    return makeAccumulator(
      cx,
      e,
      {
        args: args.map((arg, k) => asSlot(arg, e.args[k]!.expr.type)),
        direct: direct.map((arg, k) => asSlot(arg, e.directArgs[k]!.type)),
        filter: filter === null ? null : asSlot(filter, 16),
      },
      memory,
    )
  })
  let extend: Projector | null = null
  if (waits) {
    const columns = types.map((_, slot): Compiled => ({ async: false, eval: (row) => row[slot]!, slot, constant: false, value: null }))
    extend = projectorOf([...columns, ...extended], -1)
  }
  const rowTypes = [...types, ...extendedTypes]

  // Grouping sets.
  const hashed = plan.groupingSets !== null || plan.strategy === 'hashed' || plan.strategy === 'mixed'
  const allPositions = plan.keys.map((_, i) => i)
  const sets: GroupingSet[] = (plan.groupingSets ?? [allPositions]).map((positions) => {
    const inSet = new Set(positions.map((p) => plan.keys[p]!.slot))
    return {
      positions,
      keyOf:
        hashed && positions.length > 0
          ? rowKey(
              cx,
              positions.map((p) => plan.keys[p]!),
            )
          : null,
      table: new KeyTable(),
      nulled: plan.keys.filter((key) => !inSet.has(key.slot)).map((key) => key.slot - 1),
    }
  })
  const sameGroup = !hashed && plan.keys.length > 0 ? rowsEqual(cx, plan.keys) : null

  // Output.
  const holder: RowHolder = { row: [] }
  const width = aggregates.length
  const groupingPlace = new Map<object, number>(groupings.map((e, i) => [e, width + i]))
  const scope: ExprScope = {
    holders: new Map(),
    computed: (e: Expr) => {
      const place = placeOf.get(e) ?? groupingPlace.get(e)
      return place === undefined ? undefined : { holder, slot: place }
    },
  }
  const filter = compileQuals(plan.quals, scope, cx)
  const projector = compileProjection(plan.targetList, scope, cx, -1)
  const asyncOutput = filter?.async === true || projector.async
  const patientOutput = (filter?.testPatiently ?? null) !== null || projector.projectPatiently !== null
  /** GROUPING(): bit by bit, 1 for arguments outside the set. */
  const groupingValues = sets.map((set) =>
    groupings.map((e) => {
      const inSet = new Set(set.positions.map((p) => plan.keys[p]!.slot))
      let bits = 0
      if (plan.groupingSets === null) return bits
      for (const arg of e.args) bits = bits * 2 + (arg.kind === 'Var' && inSet.has(arg.attno) ? 0 : 1)
      return bits
    }),
  )

  const slicer = makeSlicer(state)
  const out = makeOutput()
  /** First row of each group, and the set it belongs to. */
  let firsts: Row[] = []
  let setOf: number[] = []
  let groups = new Int32Array(1024)
  let emitAt = 0
  let emitEnd = 0
  let phase: 'fill' | 'emit' | 'end' = 'end'
  let ended = false

  /** Rows of groups that found no room, by grouping set. */
  const putOff = new PartitionedRows(cx, rowTypes, { lanes: sets.length })
  let held = 0
  let onlySet = -1

  const newGroup = (row: Row, set: number): number => {
    firsts.push(row)
    setOf.push(set)
    return firsts.length - 1
  }

  const assignHashed = (rows: readonly Row[], count: number, set: number): void => {
    const { keyOf, table } = sets[set]!
    if (keyOf === null) {
      let g = table.get(0)
      if (g < 0) {
        g = newGroup(rows[0]!, set)
        table.set(0, g)
      }
      groups.fill(g, 0, count)
      return
    }
    for (let i = 0; i < count; i++) {
      const row = rows[i]!
      const key = keyOf(row)
      if (putOff.open) {
        const g = table.get(key)
        groups[i] = g
        if (g < 0) putOff.put(key, row, set)
        continue
      }
      const g = table.getOrSet(key, firsts.length)
      if (g >= 0) {
        groups[i] = g
        continue
      }
      groups[i] = newGroup(row, set)
      held += 64 + rowSize(row) + width * 24 + (typeof key === 'string' ? datumSize(key) : 0)
    }
  }

  /** After a batch: charges what the table has grown by, or begins to spill. */
  const settle = (): void => {
    if (held === 0) return
    const fits = charged + held <= state.workMem && firsts.length < MAX_TABLE_ENTRIES
    const taken = state.memory.tryCharge(held)
    if (taken) charged += held
    held = 0
    if ((!fits || !taken) && !putOff.open) putOff.start()
  }

  /** Files for what the states have no room for, after each batch. */
  const rooms = accumulators.flatMap(({ makeRoom }) => (makeRoom === null ? [] : [makeRoom]))
  const makeRoom = (): MaybePromise<void> => {
    for (const room of rooms) {
      const made = room()
      if (made !== null) return made.then(makeRoom)
    }
  }
  const accumulate = (rows: readonly Row[], count: number): MaybePromise<void> => {
    gather(rows, count)
    return makeRoom()
  }
  const gather = (rows: readonly Row[], count: number): void => {
    if (groups.length < count) groups = new Int32Array(count)
    if (hashed) {
      for (let set = 0; set < sets.length; set++) {
        if (onlySet >= 0 && set !== onlySet) continue
        assignHashed(rows, count, set)
        for (const accumulator of accumulators) {
          accumulator.ensure(firsts.length)
          accumulator.add(rows, count, groups)
        }
      }
      settle()
      return
    }
    if (sameGroup === null) {
      if (firsts.length === 0) newGroup(rows[0]!, 0)
      groups.fill(0, 0, count)
    } else {
      let current = firsts.length - 1
      for (let i = 0; i < count; i++) {
        if (current < 0 || !sameGroup(firsts[current]!, rows[i]!)) current = newGroup(rows[i]!, 0)
        groups[i] = current
      }
    }
    for (const accumulator of accumulators) {
      accumulator.ensure(firsts.length)
      accumulator.add(rows, count, groups)
    }
  }

  const take = (batch: Batch): MaybePromise<void> => {
    if (extend === null) return accumulate(batch.rows, batch.count)
    const rows: Row[] = []
    return andThen(projectRows(extend, batch.rows.slice(0, batch.count), batch.count, rows), () => accumulate(rows, rows.length))
  }

  /** Groups without any row: one for a plain aggregate, and for each empty grouping set. */
  const emptyGroups = (): void => {
    if (onlySet >= 0) return
    sets.forEach((set, i) => {
      const missing = set.positions.length === 0 && !setOf.includes(i)
      if (missing) newGroup(nullRow(inputWidth + extended.length), i)
    })
    for (const accumulator of accumulators) accumulator.ensure(firsts.length)
  }

  const startEmit = (upTo: number): void => {
    phase = 'emit'
    emitAt = 0
    emitEnd = upTo
  }

  /** Sorted input: the last group may go on in the next batch; the others are complete. */
  const afterEmit = (): MaybePromise<Batch | null> => {
    if (!ended) {
      const last = firsts.length - 1
      firsts = [firsts[last]!]
      setOf = [0]
      for (const accumulator of accumulators) accumulator.keep(last)
      phase = 'fill'
      return fill()
    }
    const partition = putOff.next()
    if (partition === null) {
      phase = 'end'
      return done(out)
    }
    forget()
    onlySet = partition.lane
    const rows = new RunCursor(partition.runs[0])
    const load = (): MaybePromise<void> => {
      for (let block = rows.next(); block !== null; block = rows.next()) {
        const waited = accumulate(block, block.length)
        if (waited !== undefined) return waited.then(() => slicer.pause()).then(load)
        const pause = slicer.pause()
        if (pause !== null) return pause.then(load)
      }
    }
    return andThen(load(), () => {
      startEmit(firsts.length)
      return fill()
    })
  }

  const fill = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (phase === 'end') return done(out)
      if (phase === 'emit') {
        const result = mayWait() ? emitWaiting() : emitNow()
        if (result instanceof Promise) return result.then((full) => (full ? out : afterEmit()))
        if (result === true) return out
        const pause = slicer.pause()
        if (pause !== null) return pause.then(afterEmit)
        return afterEmit()
      }
      const batch = input.next()
      if (batch instanceof Promise) return batch.then(resume)
      if (batch === null) {
        endInput()
        continue
      }
      const taken = take(batch)
      if (taken instanceof Promise) return taken.then(taking)
      if (sameGroup !== null && firsts.length > 1) startEmit(firsts.length - 1)
      const pause = slicer.pause()
      if (pause !== null) return pause.then(fill)
    }
  }
  const taking = (): MaybePromise<Batch | null> => {
    if (sameGroup !== null && firsts.length > 1) startEmit(firsts.length - 1)
    const pause = slicer.pause()
    return pause === null ? fill() : pause.then(fill)
  }
  const resume = (batch: Batch | null): MaybePromise<Batch | null> => {
    if (batch === null) {
      endInput()
      return fill()
    }
    return andThen(take(batch), taking)
  }
  const endInput = (): void => {
    ended = true
    input.close()
    emptyGroups()
    startEmit(firsts.length)
  }

  const slow = accumulators.flatMap(({ prepare }) => (prepare === null ? [] : [prepare]))
  /** Waits for what a group's values take long to come from; null: they can be had. */
  const preparing = (group: number): Promise<void> | null => {
    for (const prepare of slow) {
      const wait = prepare(group)
      if (wait !== null) return wait
    }
    return null
  }
  const suspending = accumulators.some(({ suspends }) => suspends)
  /** Where groups are many none of them is large. */
  const mayWait = (): boolean => asyncOutput || slow.length > 0 || ((suspending || patientOutput) && emitEnd - emitAt <= MANY_GROUPS)
  /** The group whose values are computed. */
  let current = 0
  const results = accumulators.map((accumulator) => {
    const result = (row: Row): Datum => accumulator.result(current, row)
    return accumulator.suspends ? rowsPatiently(result, cx) : result
  })
  const groupRow = (g: number): Row => {
    const { nulled } = sets[setOf[g]!]!
    const row = firsts[g]!
    if (nulled.length === 0) return row
    const own = row.slice()
    for (const slot of nulled) own[slot] = null
    return own
  }
  /** Puts the group's values where the output expressions look. */
  const present = (g: number, values: Datum[]): void => {
    const bits = groupingValues[setOf[g]!]!
    for (let k = 0; k < bits.length; k++) values[width + k] = bits[k]!
    holder.row = values
  }

  /** True when the batch is full; false when the groups are used up. */
  const emitNow = (): boolean => {
    const test = filter === null ? null : (filter.test as (row: Row) => boolean)
    const project = projector.project as (row: Row) => Row
    while (emitAt < emitEnd) {
      if (out.count >= out.size) return true
      const g = emitAt++
      const row = groupRow(g)
      const values = new Array<Datum>(width + groupings.length)
      for (let k = 0; k < width; k++) values[k] = accumulators[k]!.result(g, row)
      present(g, values)
      if (test === null || test(row)) out.rows[out.count++] = project(row)
    }
    return false
  }

  const emitRow = (row: Row): true => {
    out.rows[out.count++] = row
    return true
  }
  /** One group, whose values or output may have to wait; false when the batch is full or there is none. */
  const emitGroup = (): MaybePromise<boolean> => {
    if (out.count >= out.size || emitAt >= emitEnd) return false
    const wait = preparing(emitAt)
    if (wait !== null) return wait.then(() => true)
    current = emitAt++
    const row = groupRow(current)
    return andThen(projectFrom(results, row, new Array<Datum>(width + groupings.length), 0), (values) => {
      present(current, values)
      return andThen(filter === null || testRow(filter, row), (passes) => (passes ? andThen(projectRow(projector, row), emitRow) : true))
    })
  }
  const emitWaiting = (): MaybePromise<boolean> => andThen(loop(emitGroup), () => emitAt < emitEnd)

  const forget = (): void => {
    for (const accumulator of accumulators) accumulator.clear()
    for (const set of sets) set.table.clear()
    firsts = []
    setOf = []
    held = 0
    state.memory.release(charged)
    charged = 0
  }
  const reset = (): void => {
    forget()
    putOff.clear()
    onlySet = -1
    ended = false
  }

  return {
    open() {
      restart(out)
      slicer.start()
      reset()
      phase = 'fill'
      return input.open()
    },
    next(max) {
      refill(out, max)
      return fill()
    },
    close() {
      phase = 'end'
      reset()
      input.close()
    },
  }
}
