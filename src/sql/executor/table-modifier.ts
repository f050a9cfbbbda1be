// All writing to one table within a statement: rows checked, written with their index entries, foreign keys of both sides seen to.
// ModifyTable, COPY and foreign keys' actions all go through here. `finish` ends the statement: what AFTER triggers would do.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { type IndexDescriptor, provesUnique } from '../../catalog/descriptors.ts'
import { KvError } from '../../storage/kv-error.ts'
import { keyLocksOf, lockRows } from '../../storage/rows/locks.ts'
import { compileRowReader, type RowReader } from '../../storage/rows/row-codec.ts'
import { compileTableWriter } from '../../storage/rows/table-writer.ts'
import { LOCKED } from '../../storage/store.ts'
import { some } from '../planner/expr-tree.ts'
import type { Compilation } from './compilation.ts'
import { makeUniqueChecks } from './deferrable-unique.ts'
import { type ForeignKeys, makeForeignKeys } from './foreign-keys.ts'
import type { ModifierSet, TableModifier } from './modifier-set.ts'
import { checkRows, compileRowChecks } from './row-checks.ts'
import { readStored, sameDatum, tableAccess } from './table-layout.ts'

export function makeModifierSet(cx: Compilation): ModifierSet {
  const modifiers = new Map<Oid, TableModifier>()
  const set: ModifierSet = {
    of(relation) {
      let modifier = modifiers.get(relation)
      if (modifier === undefined) {
        modifier = makeTableModifier(relation, cx, set)
        modifiers.set(relation, modifier)
      }
      return modifier
    },
    finish() {
      const round = (list: readonly TableModifier[], from: number, busy: boolean): MaybePromise<boolean> => {
        for (let i = from; i < list.length; i++) {
          const did = list[i]!.settle()
          if (did instanceof Promise) return did.then((more) => round(list, i + 1, busy || more))
          if (did) busy = true
        }
        return busy
      }
      const rounds = (): MaybePromise<void> => {
        for (;;) {
          const busy = round([...modifiers.values()], 0, false)
          if (busy instanceof Promise) return busy.then((more) => (more ? rounds() : undefined))
          if (!busy) return undefined
        }
      }
      return rounds()
    },
    reset() {
      for (const modifier of modifiers.values()) modifier.reset()
    },
  }
  return set
}

function makeTableModifier(relation: Oid, cx: Compilation, set: ModifierSet): TableModifier {
  const { state } = cx
  const access = tableAccess(relation, cx)
  const { layout, descriptor, table } = access
  const writer = compileTableWriter(layout, (key) => keyLocksOf(state.store.capabilities, key))
  const checks = compileRowChecks(descriptor, cx)
  const reader = compileRowReader(
    layout,
    layout.columns.map((_, i) => i).filter((i) => !descriptor.columns[i]!.dropped),
  )
  const everyColumn = descriptor.columns.every((column) => !column.dropped)
  const foreignKeys: ForeignKeys | null = makeForeignKeys(access, cx, set)
  const uniqueChecks = makeUniqueChecks(access, cx)
  const uniqueColumns = keyColumns(table.indexes, cx)
  const insertChecked = (rows: readonly Row[]): MaybePromise<Buffer[]> => {
    state.store.rowsChanged(layout.id, relation, rows.length, 0, 0)
    const ids = layout.primaryKey === null ? state.store.rowIds(layout.id, rows.length) : null
    const written = andThen(ids, (rowIds) => writer.insert(state.txn, rows, rowIds))
    const keys = uniqueChecks === null ? written : andThen(written, (made) => andThen(uniqueChecks.inserted(rows), () => made))
    if (foreignKeys === null) return keys
    return andThen(keys, (made) => andThen(foreignKeys.inserted(made, rows), () => made))
  }
  const changesKey = (columns: ReadonlySet<number>): boolean => {
    for (const column of columns) if (uniqueColumns.has(column)) return true
    return false
  }
  const keysDiffer = (before: Row, after: Row): boolean => {
    for (const column of uniqueColumns) if (!sameDatum(before[column]!, after[column]!, descriptor.columns[column]!.type, cx)) return true
    return false
  }
  /**
   * Where statements that commit themselves lock no rows, keys that others may refer to are locked all the same: until the commit nobody must refer
   * to what was found to be referred to by none.
   */
  const holdKeys = (keys: readonly Buffer[]): MaybePromise<void> => {
    const { autocommit, capabilities, lockTimeoutMs } = state.store
    if (!layout.referenced || !autocommit || keys.length === 0) return undefined
    const locked = lockRows(state.txn, capabilities, keys, 'removal', { wait: 'block', timeoutMs: lockTimeoutMs })
    return andThen(locked, ({ status }) => {
      if (status.some((one) => one !== LOCKED))
        throw new KvError('writeConflict', 'a row was changed since it was read', { retryable: true })
    })
  }
  return {
    relation,
    access,
    writer,
    checks,
    reader: everyColumn ? reader : spread(reader, descriptor.columns),
    insert(rows) {
      const checked = checkRows(checks, rows)
      return checked instanceof Promise ? checked.then(() => insertChecked(rows)) : insertChecked(rows)
    },
    update(keys, oldRows, newRows, columns) {
      state.store.rowsChanged(layout.id, relation, 0, keys.length, 0)
      return andThen(checkRows(checks, newRows), () =>
        andThen(changesKey(columns) ? holdKeys(keys.filter((_, i) => keysDiffer(oldRows[i]!, newRows[i]!))) : undefined, () =>
          andThen(writer.update(state.txn, keys, oldRows, newRows), (made) =>
            andThen(uniqueChecks?.updated(oldRows, newRows), () =>
              foreignKeys === null ? made : andThen(foreignKeys.updated(made, oldRows, newRows, columns), () => made),
            ),
          ),
        ),
      )
    },
    delete(keys, oldRows) {
      state.store.rowsChanged(layout.id, relation, 0, 0, keys.length)
      return andThen(holdKeys(keys), () =>
        andThen(writer.delete(state.txn, keys, oldRows), () => {
          uniqueChecks?.deleted(oldRows)
          return foreignKeys?.deleted(oldRows)
        }),
      )
    },
    changesKey,
    keysDiffer,
    settle() {
      if (uniqueChecks === null) return foreignKeys?.settle() ?? false
      return andThen(uniqueChecks.settle(), (checked) => andThen(foreignKeys?.settle() ?? false, (did) => checked || did))
    },
    reset() {
      uniqueChecks?.reset()
      foreignKeys?.reset()
    },
  }
}

/**
 * Ordinals of the columns whose change PostgreSQL calls a key's: those of unique indexes without conditions. Where locks do not tell what their
 * holders write, whoever may remove an entry of any unique index has to say so, too ('removal').
 */
function keyColumns(indexes: readonly IndexDescriptor[], cx: Compilation): Set<number> {
  const columns = new Set<number>()
  const { sharedLocks } = cx.state.store.capabilities
  for (const index of indexes) {
    if (!provesUnique(index) || (sharedLocks && index.predicate !== null)) continue
    for (const { attnum } of index.columns) if (attnum > 0) columns.add(attnum - 1)
    if (sharedLocks) continue
    for (const stored of [index.predicate, ...index.columns.map(({ expr }) => expr)]) {
      if (stored === null) continue
      some(readStored(stored, cx), (node) => {
        if (node.kind === 'Var') columns.add(node.attno - 1)
        return false
      })
    }
  }
  return columns
}

/** A reader of the columns that are left, as one of full rows. */
function spread(reader: RowReader, columns: readonly { readonly dropped: boolean }[]): RowReader {
  const places = columns.flatMap((column, i) => (column.dropped ? [] : [i]))
  const widen = (row: Row): Row => {
    const full: Datum[] = new Array(columns.length).fill(null)
    for (let i = 0; i < places.length; i++) full[places[i]!] = row[i]!
    return full
  }
  return {
    ...reader,
    width: columns.length,
    read: (data, keyAt, keyEnd, valueAt, valueEnd) => widen(reader.read(data, keyAt, keyEnd, valueAt, valueEnd)),
    readPair: (key, value) => widen(reader.readPair(key, value)),
  }
}
