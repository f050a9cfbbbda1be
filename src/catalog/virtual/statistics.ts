// pg_statistic: a row per analysed column or index expression, its slots in PostgreSQL's order. pg_stats is a view over it and shows each role
// what it may read.

import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { operatorByTypes } from '../../sql/builtin/pg-operator.ts'
import { makeArray } from '../../sql/types/array.ts'
import type { RelationDescriptor } from '../descriptors.ts'
import { STATISTICS_PREFIX, statisticsKey } from '../keys.ts'
import { withCatalog } from '../snapshot.ts'
import type { ColumnStatistics, StatisticsRecord } from '../statistics.ts'
import type { EntryRows } from './relations.ts'
import type { Hints, RowObject } from './rows.ts'
import type { VirtualSource } from './source.ts'

const TEXT: Oid = 25
const VARCHAR: Oid = 1043
const SLOTS = 5
/** stakind */
const KIND = { mostCommon: 1, histogram: 2, correlation: 3 } as const

interface Slot {
  readonly kind: number
  readonly operator: '=' | '<'
  readonly numbers: readonly number[] | null
  readonly values: readonly string[] | null
}

function slotsOf(statistics: ColumnStatistics): Slot[] {
  const slots: Slot[] = []
  const { mostCommon, histogram, correlation } = statistics
  if (mostCommon !== null)
    slots.push({ kind: KIND.mostCommon, operator: '=', numbers: mostCommon.frequencies.map(Math.fround), values: mostCommon.values })
  if (histogram !== null) slots.push({ kind: KIND.histogram, operator: '<', numbers: null, values: histogram })
  if (correlation !== null) slots.push({ kind: KIND.correlation, operator: '<', numbers: [Math.fround(correlation)], values: null })
  return slots
}

function statisticRow(relation: Oid, attnum: number, column: { type: Oid; collation: Oid }, statistics: ColumnStatistics): RowObject {
  const type = column.type === VARCHAR ? TEXT : column.type
  const row: Record<string, unknown> = {
    starelid: relation,
    staattnum: attnum,
    stainherit: false,
    stanullfrac: Math.fround(statistics.nullFraction),
    stawidth: statistics.width,
    stadistinct: Math.fround(statistics.distinct),
  }
  const slots = slotsOf(statistics)
  for (let i = 1; i <= SLOTS; i++) {
    const slot = slots[i - 1]
    row[`stakind${i}`] = slot?.kind ?? 0
    row[`staop${i}`] = slot === undefined ? 0 : (operatorByTypes(slot.operator, type, type)?.oid ?? 0)
    row[`stacoll${i}`] = slot === undefined ? 0 : column.collation
    row[`stanumbers${i}`] = slot?.numbers ?? null
    row[`stavalues${i}`] = slot?.values == null ? null : makeArray(TEXT, slot.values)
  }
  return row
}

function rowsOf(record: StatisticsRecord, table: RelationDescriptor): RowObject[] {
  const rows: RowObject[] = []
  for (const [attnum, statistics] of Object.entries(record.columns))
    rows.push(statisticRow(table.oid, Number(attnum), table.columns[Number(attnum) - 1]!, statistics))
  for (const [index, columns] of Object.entries(record.expressions)) {
    const parts = table.table?.indexes.find((candidate) => candidate.oid === Number(index))?.columns
    for (const [place, statistics] of Object.entries(columns))
      rows.push(statisticRow(Number(index), Number(place), parts![Number(place) - 1]!, statistics))
  }
  return rows
}

const rowsOfRecord = ({ snapshot }: VirtualSource, record: StatisticsRecord): RowObject[] => {
  const table = snapshot.relation(record.table)?.descriptor
  return table == null ? [] : rowsOf(record, table)
}

export const pgStatistic: EntryRows = {
  prefix: STATISTICS_PREFIX,
  make: (source, _key, value) => rowsOfRecord(source, value as StatisticsRecord),
}

/** The rows of one table or index. */
export function pgStatisticOf(source: VirtualSource, hints: Hints): MaybePromise<RowObject[]> | null {
  const relation = hints.oid('starelid')
  if (relation === null) return null
  return withCatalog(() => {
    const { snapshot } = source
    const table = snapshot.indexTable(relation)?.oid ?? relation
    const record = snapshot.reader.get(statisticsKey(table)) as StatisticsRecord | null
    return record === null ? [] : rowsOfRecord(source, record).filter((row) => row.starelid === relation)
  })
}
