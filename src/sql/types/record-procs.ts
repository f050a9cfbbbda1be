// Bodies of the functions over composite values.

import { ByteWriter } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import type { EvalContext } from './eval-context.ts'
import type { Procs } from './procs.ts'
import { compareFields, compareRecords, formatRecord, type RecordDatum } from './record.ts'
import { findBuiltinType } from './registry.ts'
import type { TypeSupport } from './type.ts'

const scratch = new ByteWriter(256)
const RECORD = 2249

function imageOf(value: NonNullable<Datum>, support: TypeSupport): Buffer {
  support.value.write(value, scratch.reset())
  return scratch.finish()
}

function compareFieldImages(a: Datum, b: Datum, support: TypeSupport): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  return Buffer.compare(imageOf(a, support), imageOf(b, support))
}

/** record_image_*: by stored bytes; equal images, equal values, but not the other way round. */
const compareImages = (a: RecordDatum, b: RecordDatum, ctx: EvalContext): number => compareFields(a, b, compareFieldImages, ctx)

export const recordProcs = {
  record_in: (text, type, typmod, ctx) => (findBuiltinType(type) ?? ctx.catalog.typeSupport(type)).input(text, typmod, ctx) as RecordDatum,
  record_out: (record, ctx) => formatRecord(record, ctx.io),
  record_send(record) {
    findBuiltinType(RECORD)!.send(record, scratch.reset())
    return scratch.finish()
  },
  record_eq: (a, b, ctx) => compareRecords(a, b, ctx) === 0,
  record_ne: (a, b, ctx) => compareRecords(a, b, ctx) !== 0,
  record_lt: (a, b, ctx) => compareRecords(a, b, ctx) < 0,
  record_le: (a, b, ctx) => compareRecords(a, b, ctx) <= 0,
  record_gt: (a, b, ctx) => compareRecords(a, b, ctx) > 0,
  record_ge: (a, b, ctx) => compareRecords(a, b, ctx) >= 0,
  btrecordcmp: compareRecords,
  record_larger: (a, b, ctx) => (compareRecords(a, b, ctx) > 0 ? a : b),
  record_smaller: (a, b, ctx) => (compareRecords(a, b, ctx) < 0 ? a : b),
  record_image_eq: (a, b, ctx) => compareImages(a, b, ctx) === 0,
  record_image_ne: (a, b, ctx) => compareImages(a, b, ctx) !== 0,
  record_image_lt: (a, b, ctx) => compareImages(a, b, ctx) < 0,
  record_image_le: (a, b, ctx) => compareImages(a, b, ctx) <= 0,
  record_image_gt: (a, b, ctx) => compareImages(a, b, ctx) > 0,
  record_image_ge: (a, b, ctx) => compareImages(a, b, ctx) >= 0,
  btrecordimagecmp: compareImages,
} satisfies Procs
