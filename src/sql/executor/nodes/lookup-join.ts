// LookupJoin: for a whole batch of left rows at once, the rows of a table by a key of one of its indexes. Keeps the left side's order. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { andThen, loop, type MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { provesUnique } from '../../../catalog/descriptors.ts'
import { scanRange } from '../../../storage/rows/key-codec.ts'
import { indexPrefix, rowKey, rowPrefix } from '../../../storage/rows/keys.ts'
import { rowKeyInValue } from '../../../storage/rows/row-codec.ts'
import { getRows, scanIndex, scanTable, uniqueKey } from '../../../storage/rows/table-reader.ts'
import type { LookupJoin } from '../../planner/plan.ts'
import { INNER_VAR } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { compileProjection, compileQuals, filterRows, projectRow } from '../expr/predicate.ts'
import { type ExprScope, ROW_SCOPE, type RowHolder } from '../expr/scope.ts'
import { fitKey } from '../key-bounds.ts'
import type { Batch, Operator } from '../operator.ts'
import { tableAccess } from '../table-layout.ts'
import { rawColumns, rawReader } from './scan-output.ts'
import { finishRows } from './table-scan.ts'

const NONE: readonly Row[] = []

export function compileLookupJoin(plan: LookupJoin, cx: Compilation): Operator {
  const { state } = cx
  const left = cx.compile(plan.left)
  const access = tableAccess(plan.relation, cx)
  const { layout } = access
  const index = access.indexes.get(plan.index)!
  const raw = rawColumns([...plan.scanQuals, ...plan.scanTargetList.map((entry) => entry.expr)])
  const reader = rawReader(access, raw)
  const scanFilter = compileQuals(plan.scanQuals, raw.scope, cx)
  const scanProject = compileProjection(plan.scanTargetList, raw.scope, cx, raw.width)
  const keys = plan.keys.map((key) => compileExpr(key, ROW_SCOPE, cx))
  const columns = index.descriptor.columns.slice(0, keys.length)
  const parts = index.layout === null ? layout.primaryKey! : index.layout.parts
  const whole =
    keys.length === index.descriptor.columns.length && provesUnique(index.descriptor) && columns.every((column) => column.attnum > 0)
  const inner: RowHolder = { row: [] }
  const scope: ExprScope = { holders: new Map([[INNER_VAR, inner]]) }
  const joinQuals = compileQuals(plan.joinQuals, scope, cx)
  const quals = compileQuals(plan.quals, scope, cx)
  const output = compileProjection(plan.targetList, scope, cx)
  const nullRow: Row = new Array<Datum>(plan.scanTargetList.length).fill(null)
  const slicer = makeSlicer(state)
  const counts = state.store.scanCounts(plan.index)
  const batch: Batch = { rows: [], count: 0 }
  const uniqueLayout = index.layout === null || index.layout.predicate === null ? index.layout : { ...index.layout, predicate: null }

  /** The store key (or key prefix) a left row looks for; null when nothing can match. */
  const keyOf = (row: Row): MaybePromise<Buffer | null> => {
    const values: Datum[] = new Array(keys.length)
    const bind = (from: number): MaybePromise<Buffer | null> => {
      for (let i = from; i < keys.length; i++) {
        const value = keys[i]!.eval(row)
        if (value instanceof Promise) {
          return value.then((v) => {
            values[i] = v
            return bind(i + 1)
          })
        }
        values[i] = value
      }
      for (let i = 0; i < values.length; i++) {
        const value = values[i]!
        const fitted = value === null ? null : fitKey(value, columns[i]!.type)
        if (fitted === null) return null
        values[i] = fitted
      }
      if (whole) {
        const keyRow: Row = new Array<Datum>(layout.columns.length).fill(null)
        for (let i = 0; i < values.length; i++) keyRow[columns[i]!.attnum - 1] = values[i]!
        return index.layout === null ? rowKey(layout, keyRow, 0) : uniqueKey(layout, uniqueLayout, keyRow)
      }
      const prefix = index.layout === null ? rowPrefix(layout.id) : indexPrefix(layout.id, index.layout.id)
      return scanRange(prefix, parts, values, null).start as Buffer
    }
    return bind(0)
  }

  const finish = (rows: Row[]): MaybePromise<readonly Row[]> => {
    state.rowsExamined += rows.length
    counts.returned += rows.length
    counts.fetched += rows.length
    const kept = scanFilter === null ? rows.length : filterRows(scanFilter, rows, rows.length)
    return andThen(kept, (count) => {
      rows.length = count
      if (scanProject.identity) return rows
      const out: Row[] = new Array(count)
      const from = (start: number): MaybePromise<readonly Row[]> => {
        for (let i = start; i < count; i++) {
          const row = projectRow(scanProject, rows[i]!)
          if (row instanceof Promise) {
            return row.then((r) => {
              out[i] = r
              return from(i + 1)
            })
          }
          out[i] = row
        }
        return out
      }
      return from(0)
    })
  }

  /** Rows by store key, for unique keys: one batch of gets (two for a secondary index). */
  const fetchUnique = (wanted: readonly Buffer[], into: Map<string, readonly Row[]>): MaybePromise<void> => {
    const rowKeys: MaybePromise<(Buffer | null)[]> =
      index.layout === null
        ? [...wanted]
        : andThen(state.txn.batchGet(wanted), (values) => values.map((value) => (value === null ? null : rowKeyInValue(layout, value))))
    return andThen(rowKeys, (found) => {
      const present: Buffer[] = []
      const names: string[] = []
      for (let i = 0; i < found.length; i++) {
        if (found[i] === null) continue
        present.push(found[i]!)
        names.push(wanted[i]!.latin1Slice())
      }
      if (present.length === 0) return undefined
      return andThen(getRows(state.txn, reader, present), (rows) => {
        const step = (start: number): MaybePromise<void> => {
          for (let i = start; i < rows.length; i++) {
            const row = rows[i]!
            if (row === null) continue
            const done = finish(finishRows([row], [present[i]!], raw, plan.relation))
            if (done instanceof Promise) {
              return done.then((list) => {
                into.set(names[i]!, list)
                return step(i + 1)
              })
            }
            into.set(names[i]!, done)
          }
          return undefined
        }
        return step(0)
      })
    })
  }

  const fetchRange = (start: Buffer): MaybePromise<readonly Row[]> => {
    const end = Buffer.from(start)
    let last = end.length - 1
    while (last >= 0 && end[last] === 0xff) last--
    const range = { start, end: end.subarray(0, last + 1) }
    range.end[last] = range.end[last]! + 1
    const options = { range, withKeys: raw.withKey }
    const scanner =
      index.layout === null ? scanTable(state.txn, reader, options) : scanIndex(state.txn, layout, index.layout, reader, options)
    const rows: Row[] = []
    const step = (): MaybePromise<boolean> =>
      andThen(scanner.next(), (found) => {
        if (found === null) return false
        state.cancel.check()
        for (const row of finishRows(found.rows, found.keys, raw, plan.relation)) rows.push(row)
        return true
      })
    return andThen(loop(step), () => {
      scanner.close()
      return finish(rows)
    })
  }

  const fetchAll = (wanted: readonly Buffer[]): MaybePromise<Map<string, readonly Row[]>> => {
    counts.scans += wanted.length
    const found = new Map<string, readonly Row[]>()
    if (whole) return andThen(fetchUnique(wanted, found), () => found)
    let i = 0
    const step = (): MaybePromise<boolean> => {
      if (i >= wanted.length) return false
      const key = wanted[i++]!
      return andThen(fetchRange(key), (rows) => {
        found.set(key.latin1Slice(), rows)
        return true
      })
    }
    return andThen(loop(step), () => found)
  }

  const emit = (
    rows: readonly Row[],
    names: readonly (string | null)[],
    found: ReadonlyMap<string, readonly Row[]>,
  ): MaybePromise<Row[]> => {
    const out: Row[] = []
    const type = plan.joinType
    const give = (row: Row, right: Row): MaybePromise<void> => {
      inner.row = right
      const ok = quals === null ? true : quals.test(row)
      return andThen(ok, (yes) => {
        if (!yes) return undefined
        inner.row = right
        return andThen(output.project(row), (made) => {
          out.push(made)
        })
      })
    }
    const matchFrom = (row: Row, list: readonly Row[], start: number, matched: boolean): MaybePromise<boolean> => {
      for (let i = start; i < list.length; i++) {
        const right = list[i]!
        inner.row = right
        const ok = joinQuals === null ? true : joinQuals.test(row)
        if (ok instanceof Promise) {
          return ok.then((yes) => {
            if (!yes) return matchFrom(row, list, i + 1, matched)
            if (type === 'semi' || type === 'anti') return true
            return andThen(give(row, right), () => matchFrom(row, list, i + 1, true))
          })
        }
        if (!ok) continue
        matched = true
        if (type === 'semi' || type === 'anti') return true
        const given = give(row, right)
        if (given instanceof Promise) return given.then(() => matchFrom(row, list, i + 1, true))
      }
      return matched
    }
    const one = (i: number): MaybePromise<void> => {
      const row = rows[i]!
      const name = names[i]!
      const list = name === null ? NONE : (found.get(name) ?? NONE)
      return andThen(matchFrom(row, list, 0, false), (matched) => {
        if (type === 'inner') return undefined
        if (type === 'semi' ? matched : !matched) return give(row, nullRow)
        return undefined
      })
    }
    const from = (start: number): MaybePromise<Row[]> => {
      for (let i = start; i < rows.length; i++) {
        const done = one(i)
        if (done instanceof Promise) return done.then(() => from(i + 1))
      }
      return out
    }
    return from(0)
  }

  const keysOf = (rows: readonly Row[], into: (Buffer | null)[], start: number): MaybePromise<void> => {
    for (let i = start; i < rows.length; i++) {
      const key = keyOf(rows[i]!)
      if (key instanceof Promise) {
        return key.then((k) => {
          into.push(k)
          return keysOf(rows, into, i + 1)
        })
      }
      into.push(key)
    }
    return undefined
  }
  const take = (input: Batch | null): MaybePromise<Batch | null> => {
    if (input === null) return null
    const rows = input.rows.slice(0, input.count)
    const found: (Buffer | null)[] = []
    return andThen(keysOf(rows, found, 0), () => {
      const names = found.map((key) => (key === null ? null : key.latin1Slice()))
      const wanted = new Map<string, Buffer>()
      for (let i = 0; i < names.length; i++) if (names[i] !== null) wanted.set(names[i]!, found[i]!)
      return andThen(fetchAll([...wanted.values()]), (matches) =>
        andThen(emit(rows, names, matches), (out) => {
          if (out.length === 0) {
            const pause = slicer.pause()
            return pause === null ? next() : pause.then(next)
          }
          batch.rows = out
          batch.count = out.length
          return batch
        }),
      )
    })
  }
  const next = (): MaybePromise<Batch | null> => {
    const input = left.next()
    return input instanceof Promise ? input.then(take) : take(input)
  }
  return {
    open() {
      slicer.start()
      return left.open()
    },
    next,
    close: () => left.close(),
  }
}
