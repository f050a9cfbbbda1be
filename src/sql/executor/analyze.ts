// ANALYZE's work on one table: a sample of its rows, and from it the statistics of columns and of index expressions.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { runSteps } from '../../base/long-work.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { type IndexDescriptor, optionValue, type RelationDescriptor } from '../../catalog/descriptors.ts'
import type { ColumnStatistics } from '../../catalog/statistics.ts'
import { ArrayDatum } from '../types/array.ts'
import { utf8Length } from '../types/chars.ts'
import { TEXT_IO } from '../types/define.ts'
import { Numeric } from '../types/numeric.ts'
import type { Present, TypeSupport } from '../types/type.ts'
import { computeStatistics } from './column-statistics.ts'
import type { Compilation } from './compilation.ts'
import { sampleTable } from './sample.ts'
import { accessOf, readStored, storedEvaluator, typeSupport } from './table-layout.ts'

/** Rows per unit of the statistics target: so many make a histogram's error small with great probability. */
const ROWS_PER_TARGET = 300
/** Bytes of a short and of a long header, of an array's one. */
const SHORT_HEADER = 1
const LONG_HEADER = 4
const LONGEST_SHORT = 127
const ARRAY_HEADER = 24

export interface AnalyzeRequest {
  /** Null = all columns. */
  readonly attnums: readonly number[] | null
  /** default_statistics_target. */
  readonly target: number
  /** How many rows there are, as far as that has been counted already; null = not known. */
  readonly knownRows: number | null
}

export interface AnalyzedTable {
  readonly rows: number
  readonly bytes: number
  readonly sampled: number
  readonly columns: Readonly<Record<string, ColumnStatistics>>
  readonly expressions: Readonly<Record<string, Readonly<Record<string, ColumnStatistics>>>>
}

interface Subject {
  readonly target: number
  readonly type: Oid
  readonly distinct: number | null
  value(row: Row): Datum
  keep(statistics: ColumnStatistics): void
}

export async function analyzeTable(table: RelationDescriptor, request: AnalyzeRequest, cx: Compilation): Promise<AnalyzedTable> {
  const columns: Record<string, ColumnStatistics> = {}
  const expressions: Record<string, Record<string, ColumnStatistics>> = {}
  const subjects: Subject[] = []
  for (const column of table.columns) {
    const target = column.statisticsTarget ?? request.target
    if (column.dropped || column.generated === 'v' || target === 0) continue
    if (request.attnums !== null && !request.attnums.includes(column.attnum)) continue
    subjects.push({
      target,
      type: column.type,
      distinct: declaredDistinct(column.options),
      value: (row) => row[column.attnum - 1]!,
      keep: (statistics) => void (columns[column.attnum] = statistics),
    })
  }
  const indexes = request.attnums === null ? table.table!.indexes.filter((index) => index.columns.some((part) => part.attnum === 0)) : []
  for (const index of indexes) subjects.push(...expressionSubjects(index, request.target, expressions, cx))
  const wanted =
    indexes.length > 0
      ? table.columns.filter((column) => !column.dropped).map((column) => column.attnum - 1)
      : table.columns
          .filter((column) => subjects.length > 0 && !column.dropped && (request.attnums?.includes(column.attnum) ?? true))
          .map((column) => column.attnum - 1)
  const target = subjects.reduce((most, subject) => Math.max(most, subject.target), 1)
  const sample = await sampleTable(
    accessOf(table, cx),
    wanted,
    Math.min(ROWS_PER_TARGET * target, LIMITS.sampleRows),
    request.knownRows,
    cx,
  )
  const slicer = makeSlicer(cx.state)
  slicer.start()
  if (sample.rows.length > 0) {
    for (const subject of subjects) {
      const support = typeSupport(subject.type, cx)
      const row = cx.catalog.type(subject.type)
      const facts = {
        values: sample.rows.map((one) => subject.value(one)),
        support,
        typlen: row?.typlen ?? -1,
        widthOf: (value: Present) => storedWidth(value, support, cx),
        target: subject.target,
        ordered: row?.typtype !== 'r' && row?.typtype !== 'm',
        distinct: subject.distinct,
      }
      subject.keep(await runSteps(computeStatistics(facts, sample.totalRows), () => slicer.pause()))
    }
  }
  return { rows: sample.totalRows, bytes: sample.totalBytes, sampled: sample.rows.length, columns, expressions }
}

function expressionSubjects(
  index: IndexDescriptor,
  target: number,
  expressions: Record<string, Record<string, ColumnStatistics>>,
  cx: Compilation,
): Subject[] {
  const subjects: Subject[] = []
  for (const [place, part] of index.columns.entries()) {
    if (part.attnum !== 0) continue
    const evaluate = storedEvaluator(readStored(part.expr!, cx), cx)
    subjects.push({
      target,
      type: part.type,
      distinct: null,
      value: evaluate,
      keep: (statistics) => {
        expressions[index.oid] ??= {}
        expressions[index.oid]![place + 1] = statistics
      },
    })
  }
  return subjects
}

function declaredDistinct(options: readonly string[] | null): number | null {
  const value = Number(optionValue(options, 'n_distinct') ?? 0)
  return value === 0 ? null : value
}

/** Bytes of a value of variable length as PostgreSQL stores it: a header of one byte while it is short. */
function storedWidth(value: Present, support: TypeSupport, cx: Compilation): number {
  const bytes = value instanceof ArrayDatum ? arrayBytes(value, cx) : contentBytes(value, support)
  return bytes + SHORT_HEADER <= LONGEST_SHORT ? bytes + SHORT_HEADER : bytes + LONG_HEADER
}

function contentBytes(value: Present, support: TypeSupport): number {
  if (typeof value === 'string') return utf8Length(value)
  if (value instanceof Uint8Array) return value.length
  if (value instanceof Numeric) return numericBytes(value)
  return utf8Length(support.output(value, TEXT_IO))
}

/** A header of two bytes and two for every four digits, counted from the point. */
function numericBytes(value: Numeric): number {
  const [integer = '', fraction = ''] = value.toString().replace('-', '').split('.')
  if (!/^\d*$/.test(integer)) return 2
  const padded = integer.padStart(Math.ceil(integer.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0')
  const groups = padded.match(/.{4}/g) ?? []
  const isZero = (group: string): boolean => group === '0000'
  const first = groups.findIndex((group) => !isZero(group))
  return first < 0 ? 2 : 2 + 2 * (groups.findLastIndex((group) => !isZero(group)) - first + 1)
}

function arrayBytes(value: ArrayDatum, cx: Compilation): number {
  const length = cx.catalog.type(value.elementType)?.typlen ?? -1
  const support = typeSupport(value.elementType, cx)
  let bytes = (value.dims.length === 0 ? ARRAY_HEADER - 8 : ARRAY_HEADER + 8 * (value.dims.length - 1)) - LONG_HEADER
  for (const element of value.elements) {
    if (element === null) continue
    bytes += length > 0 ? length : (LONG_HEADER + contentBytes(element, support) + 3) & ~3
  }
  return bytes
}
