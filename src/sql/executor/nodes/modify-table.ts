// ModifyTable: INSERT, UPDATE, DELETE and MERGE. The input is read ahead of the writing where the writing could be seen by it; every batch is
// locked, judged again where it changed meanwhile, checked and written; the statement's end settles foreign keys.

import type { Datum, Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import { LIMITS } from '../../../base/limits.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import { lockRows } from '../../../storage/rows/locks.ts'
import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import { isSubPlanExpr, some } from '../../planner/expr-tree.ts'
import { type ModifyTable, type Plan, TABLE_OID_ATTNO } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileProjection, compileQuals, type Projector, projectRow, testRow } from '../expr/predicate.ts'
import { type ExprScope, ROW_SCOPE } from '../expr/scope.ts'
import { walkPlan } from '../init-plan.ts'
import type { TableModifier } from '../modifier-set.ts'
import type { Batch, Operator } from '../operator.ts'
import { checkRows, failingRow } from '../row-checks.ts'
import { forReturning, returningSlot } from '../system-columns.ts'
import { makeModifierSet } from '../table-modifier.ts'
import { TupleStore } from '../tuple-store.ts'
import { nextSize } from './batches.ts'
import { compileMerge } from './merge.ts'
import {
  type Change,
  compileLocking,
  eachRow,
  type ModifyContext,
  NO_ROW,
  noteInserts,
  oldRow,
  RESTART,
  type SeenKeys,
  targetScope,
  type WriteLock,
} from './modify-common.ts'
import { insertOnConflict } from './on-conflict.ts'
import { compileWriteLock } from './write-lock.ts'

/** Whether rows may be written while the input is still being read: nothing it reads later can be one of them. */
function mayStream(plan: ModifyTable, cx: Compilation): boolean {
  const { relation, input } = plan
  const descriptor = cx.catalog.relation(relation)?.descriptor
  if (descriptor?.table == null) return false
  const selfReferring = descriptor.table.inboundForeignKeys.some((fk) => fk.table === relation)
  let readers = 0
  let scan: Plan | null = null
  let subqueries = false
  walkPlan(input, (node) => {
    const n = node as unknown as Plan
    if ('relation' in node && (node as { relation?: unknown }).relation === relation) {
      readers++
      scan = n
    }
    if (node.kind === 'SubPlanExpr' || node.kind === 'CteScan') subqueries = true
  })
  if (plan.command === 'insert') return readers === 0
  if (readers !== 1 || selfReferring || subqueries || plan.command === 'merge') return false
  const reader = scan as unknown as Plan
  if (reader.kind === 'PointGet' || (reader.kind === 'TidScan' && reader === input)) return true
  if (plan.command === 'delete') return reader === input && (reader.kind === 'SeqScan' || reader.kind === 'IndexScan')
  if (reader !== input || (reader.kind !== 'SeqScan' && reader.kind !== 'IndexScan')) return false
  const index = reader.kind === 'SeqScan' ? descriptor.table.primaryKey : reader.index
  const keys = [descriptor.table.primaryKey, index].flatMap((oid) => descriptor.table!.indexes.find((i) => i.oid === oid)?.columns ?? [])
  return plan.set.every((entry) => !keys.some((column) => column.attnum === entry.resno || column.attnum === 0))
}

/** What a subquery has become: part of the expression, or set before it. */
const isSubquery = (node: Expr): boolean => isSubPlanExpr(node) || (node.kind === 'Param' && node.paramKind === 'exec')

/** attnos of the changed table's system columns that RETURNING asks for. */
function systemColumnsOf(targetList: readonly TargetEntry[]): ReadonlySet<number> {
  const attnos = new Set<number>()
  for (const { expr } of targetList)
    some(expr, (node) => {
      if (node.kind === 'Var' && node.attno < 0) attnos.add(node.attno)
      return false
    })
  return attnos
}

export function compileModifyTable(plan: ModifyTable, cx: Compilation): Operator {
  const { state } = cx
  const set = makeModifierSet(cx)
  const modifier = set.of(plan.relation)
  const input = cx.compile(plan.input, plan.command === 'update' && !modifier.changesKey(changedColumns(plan, modifier)))
  const target = targetScope()
  const checks = plan.checkOptions.map((option) => ({ name: option.relname, test: compileQuals([option.qual], target.scope, cx) }))
  // What reads tables must not find there what is being judged.
  const isReading = plan.checkOptions.some(({ qual }) => some(qual, isSubquery))
  const context: ModifyContext = {
    plan,
    cx,
    modifier,
    seen: seenKeys(plan, cx),
    inserts: cx.writes?.inserted(plan.relation) ?? null,
    write(count, work, fresh) {
      const whole = checks.length === 0 ? work : judged(work, fresh)
      if (cx.writes !== null) {
        cx.writes.add(whole, count, state.memory)
        return undefined
      }
      const done = whole()
      return done instanceof Promise ? done.then(() => undefined) : undefined
    },
  }
  /** `work`, and the view's word on the rows it writes. */
  const judged = (work: () => unknown, fresh: readonly Row[]): (() => unknown) => {
    const judge = (): MaybePromise<void> => eachRow(fresh, checkView)
    if (!isReading) return () => andThen(work(), judge)
    return () => andThen(checkRows(modifier.checks, fresh), () => andThen(judge(), work))
  }
  const checkView = (row: Row): MaybePromise<void> => {
    target.current.row = row
    const from = (start: number): MaybePromise<void> => {
      for (let i = start; i < checks.length; i++) {
        const { name, test } = checks[i]!
        const ok = test === null ? true : testRow(test, NO_ROW)
        if (ok instanceof Promise) return ok.then((yes) => (yes ? from(i + 1) : fail(name)))
        if (!ok) fail(name)
      }
      return undefined
    }
    const fail = (name: string): never => {
      throw new PgError(
        SQLSTATE.withCheckOptionViolation,
        `new row violates check option for view "${name}"`,
        failingRow(modifier.access.descriptor, row, cx),
      )
    }
    return from(0)
  }
  const apply = compileApply(context)
  const width = modifier.access.layout.columns.length
  const scope: ExprScope = { ...target.scope, slotOf: (_varno, attno) => returningSlot(width, attno) }
  const returning = plan.returning === null ? null : compileProjection(plan.returning, scope, cx)
  const nulls: Row = new Array<Datum>(returningSlot(width, TABLE_OID_ATTNO) + 1).fill(null)
  const system = systemColumnsOf(plan.returning ?? [])
  const seen = system.size === 0 ? (row: Row): Row => row : forReturning(modifier.access, system)
  const streaming = mayStream(plan, cx)
  const types = plan.input.targetList.map((entry) => entry.expr.type)
  const slicer = makeSlicer(state)
  let buffered: TupleStore | null = null
  let readAt = 0
  let finished = false
  let savepoint: ReturnType<typeof state.txn.savepoint> | null = null
  let writesMark = 0
  const out: Row[] = []
  const batch: Batch = { rows: out, count: 0 }
  /** Rows to work on next: where the store answers at once nobody else has a turn meanwhile, elsewhere many share its requests. */
  let portion: number = LIMITS.batchRows

  const readAll = (store: TupleStore): MaybePromise<void> => {
    for (;;) {
      const next = input.next()
      if (next instanceof Promise) {
        return next.then((b) => {
          if (b === null) return undefined
          store.addAll(b.rows, b.count)
          return readAll(store)
        })
      }
      if (next === null) return undefined
      store.addAll(next.rows, next.count)
      const pause = slicer.pause()
      if (pause !== null) return pause.then(() => readAll(store))
    }
  }
  /** The next input rows to work on; null at the end. */
  const take = (): MaybePromise<Row[] | null> => {
    if (streaming) return andThen(input.next(portion), (b) => (b === null ? null : b.rows.slice(0, b.count)))
    if (buffered === null) {
      const store = new TupleStore(cx, types)
      buffered = store
      return andThen(readAll(store), () => {
        input.close()
        return slice()
      })
    }
    return slice()
  }
  const slice = (): Row[] | null => {
    const store = buffered!
    const count = Math.min(portion, store.count - readAt)
    if (count <= 0) return null
    const rows: Row[] = new Array(count)
    for (let i = 0; i < count; i++) rows[i] = store.get(readAt + i)
    readAt += count
    return rows
  }
  const returned = (changes: readonly Change[]): MaybePromise<Batch> => {
    const from = (start: number): MaybePromise<Batch> => {
      for (let i = start; i < changes.length; i++) {
        const { input: row, old, fresh } = changes[i]!
        // What ON CONFLICT updated was locked first.
        const locked = plan.command === 'insert' && old !== null
        target.old.row = old === null ? nulls : seen(old, false)
        target.fresh.row = fresh === null ? nulls : seen(fresh, locked)
        target.current.row = fresh === null ? target.old.row : target.fresh.row
        const projected = projectRow(returning!, row)
        if (projected instanceof Promise) {
          return projected.then((r) => {
            out[i] = r
            return from(i + 1)
          })
        }
        out[i] = projected
      }
      batch.count = changes.length
      return batch
    }
    return from(0)
  }
  const done = (changes: readonly Change[]): MaybePromise<Batch | null> => {
    state.rowsAffected += changes.length
    if (returning !== null && changes.length > 0) return returned(changes)
    const pause = slicer.pause()
    return pause === null ? next() : pause.then(next)
  }
  /** The statement again, on a new snapshot: a changed row could not be judged where it stood. */
  const restart = (): MaybePromise<Batch | null> => {
    input.close()
    buffered?.clear()
    buffered = null
    readAt = 0
    set.reset()
    context.seen?.clear()
    context.inserts?.own.clear()
    cx.writes?.rollbackTo(writesMark)
    const { txn } = state
    return andThen(txn.rollbackTo(savepoint!), () => andThen(txn.refreshReadTs(), () => andThen(input.open(), next)))
  }
  const work = (rows: Row[]): MaybePromise<Batch | null> => {
    let changes: MaybePromise<Change[]>
    // a point statement's one row is not timed
    const startedAt = rows.length > 1 ? performance.now() : 0
    try {
      changes = apply(rows)
    } catch (error) {
      if (error === RESTART) return restart()
      throw error
    }
    if (changes instanceof Promise) {
      return changes.then(done, (error: unknown) => {
        if (error === RESTART) return restart()
        throw error
      })
    }
    if (startedAt > 0) portion = nextSize(portion, performance.now() - startedAt)
    return done(changes)
  }
  const next = (): MaybePromise<Batch | null> => {
    if (finished) return null
    const rows = take()
    const go = (list: Row[] | null): MaybePromise<Batch | null> => {
      if (list !== null) return work(list)
      finished = true
      if (cx.writes === null) return andThen(set.finish(), () => null)
      cx.writes.atEnd(() => set.finish())
      return null
    }
    return rows instanceof Promise ? rows.then(go) : go(rows)
  }
  return {
    open() {
      finished = false
      readAt = 0
      buffered?.clear()
      buffered = null
      set.reset()
      context.seen?.clear()
      context.inserts?.own.clear()
      slicer.start()
      portion = state.store.capabilities.sharedLocks ? LIMITS.firstBatchRows : LIMITS.batchRows
      writesMark = cx.writes?.mark() ?? 0
      state.txn.lockTimeoutMs = state.store.lockTimeoutMs
      if (plan.restartOnChange) savepoint = state.txn.savepoint()
      return input.open()
    },
    next,
    close() {
      finished = true
      buffered?.clear()
      buffered = null
      input.close()
    },
  }
}

type Apply = (rows: Row[]) => MaybePromise<Change[]>

function compileApply(context: ModifyContext): Apply {
  switch (context.plan.command) {
    case 'insert':
      return compileInsert(context)
    case 'update':
      return compileUpdate(context)
    case 'delete':
      return compileDelete(context)
    case 'merge':
      return compileMerge(context)
    default:
      throw new Error(`ModifyTable of ${context.plan.command}`)
  }
}

function compileInsert(context: ModifyContext): Apply {
  const { plan, modifier } = context
  const width = modifier.access.layout.columns.length
  const { columns } = plan
  const full = (row: Row): Row => {
    const made: Datum[] = new Array(width).fill(null)
    for (let i = 0; i < columns.length; i++) made[columns[i]! - 1] = row[i]!
    return made
  }
  const onConflict = plan.onConflict === null ? null : insertOnConflict(context)
  const apply: Apply = (rows) => {
    const fresh = rows.map(full)
    if (onConflict !== null) return onConflict.insert(rows, fresh)
    noteInserts(context, fresh)
    const written = context.write(fresh.length, () => modifier.insert(fresh), fresh)
    const changes = (): Change[] => rows.map((input, i) => ({ input, old: null, fresh: fresh[i]! }))
    return written instanceof Promise ? written.then(changes) : changes()
  }
  return apply
}

/** A join may find one target row several times; only the first counts. */
function firstOnly(rows: Row[], keys: Buffer[], seen: SeenKeys | null): void {
  if (seen === null) return
  let kept = 0
  for (let i = 0; i < rows.length; i++) {
    if (!seen.add(keys[i]!.latin1Slice())) continue
    rows[kept] = rows[i]!
    keys[kept++] = keys[i]!
  }
  rows.length = kept
  keys.length = kept
}

const SINGLE: ReadonlySet<string> = new Set(['SeqScan', 'IndexScan', 'PointGet', 'TidScan'])

function seenKeys(plan: ModifyTable, cx: Compilation): SeenKeys | null {
  if (cx.writes !== null) {
    const { own, has } = cx.writes.touched(plan.relation)
    return {
      has,
      add(key) {
        if (has(key)) return false
        own.add(key)
        return true
      },
      clear: () => own.clear(),
    }
  }
  if ((plan.command === 'update' || plan.command === 'delete') && SINGLE.has(plan.input.kind)) return null
  const keys = new Set<string>()
  return {
    has: (key) => keys.has(key),
    add(key) {
      if (keys.has(key)) return false
      keys.add(key)
      return true
    },
    clear: () => keys.clear(),
  }
}

/** Ordinals of the columns that an UPDATE may give another value. */
function changedColumns(plan: ModifyTable, { access }: TableModifier): Set<number> {
  const changed = new Set(plan.set.map((entry) => entry.resno - 1))
  for (const column of access.descriptor.columns) if (column.generated === 's') changed.add(column.attnum - 1)
  return changed
}

function compileUpdate(context: ModifyContext): Apply {
  const { plan, cx, modifier } = context
  const width = modifier.access.layout.columns.length
  const changed = changedColumns(plan, modifier)
  const locking = compileLocking(context)
  const lockFor = compileWriteLock(context, changed)
  const values: Projector = compileProjection(plan.set, ROW_SCOPE, cx)
  const places = plan.set.map((entry) => entry.resno - 1)
  const keyed = modifier.changesKey(changed)
  const { seen } = context
  const write = (rows: Row[], keys: Buffer[], held: WriteLock): MaybePromise<Change[]> => {
    const olds = rows.map((row) => oldRow(row, width, plan.rowSlots))
    const news: Row[] = new Array(rows.length)
    const compute = eachRow(rows, (row, i) => {
      const place = (computed: Row): void => {
        const next = olds[i]!.slice()
        for (let c = 0; c < places.length; c++) next[places[c]!] = computed[c]!
        news[i] = next
      }
      const computed = projectRow(values, row)
      return computed instanceof Promise ? computed.then(place) : place(computed)
    })
    const update = (): MaybePromise<Change[]> => {
      if (rows.length === 0) return []
      return andThen(
        context.write(rows.length, () => modifier.update(keys, olds, news, changed), news),
        () => rows.map((input, i): Change => ({ input, old: olds[i]!, fresh: news[i]! })),
      )
    }
    /** A newer version of a row may have made a change of its key out of what was none. */
    const keyLocks = (): MaybePromise<unknown> => {
      if (held === 'removal' || !keyed) return undefined
      const moved = keys.filter((_, i) => modifier.keysDiffer(olds[i]!, news[i]!))
      const { txn, store } = cx.state
      if (moved.length === 0 || store.autocommit) return undefined
      return lockRows(txn, store.capabilities, moved, 'removal', { wait: 'block', timeoutMs: store.lockTimeoutMs })
    }
    const computed = compute instanceof Promise ? compute.then(keyLocks) : keyLocks()
    return computed instanceof Promise ? computed.then(update) : update()
  }
  const apply: Apply = (rows) => {
    const keys = rows.map((row) => row[plan.keySlot - 1] as Buffer)
    firstOnly(rows, keys, seen)
    const mode = lockFor(rows)
    const locked = locking.lock(rows, keys, mode)
    return locked instanceof Promise ? locked.then(() => write(rows, keys, mode)) : write(rows, keys, mode)
  }
  return apply
}

function compileDelete(context: ModifyContext): Apply {
  const { plan, modifier } = context
  const width = modifier.access.layout.columns.length
  const locking = compileLocking(context)
  const { seen } = context
  const write = (rows: Row[], keys: Buffer[]): MaybePromise<Change[]> => {
    if (rows.length === 0) return []
    const olds = rows.map((row) => oldRow(row, width, plan.rowSlots))
    return andThen(
      context.write(rows.length, () => modifier.delete(keys, olds), []),
      () => rows.map((input, i): Change => ({ input, old: olds[i]!, fresh: null })),
    )
  }
  const apply: Apply = (rows) => {
    const keys = rows.map((row) => row[plan.keySlot - 1] as Buffer)
    firstOnly(rows, keys, seen)
    const locked = locking.lock(rows, keys, 'removal')
    return locked instanceof Promise ? locked.then(() => write(rows, keys)) : write(rows, keys)
  }
  return apply
}
