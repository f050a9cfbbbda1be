// Bodies of the functions over composite values.

import { ByteWriter } from '../../base/bytes.ts'
import type { Procs } from './procs.ts'
import { compareRecords, formatRecord, type RecordDatum } from './record.ts'
import { findBuiltinType } from './registry.ts'

const scratch = new ByteWriter(256)
const RECORD = 2249

/** record_image_*: by stored bytes; equal images, equal values, but not the other way round. */
function compareImages(a: RecordDatum, b: RecordDatum): number {
  const bytes = (record: RecordDatum): Buffer => {
    findBuiltinType(RECORD)!.value.write(record, scratch.reset())
    return scratch.finish()
  }
  return Buffer.compare(bytes(a), bytes(b))
}

export const recordProcs = {
  record_in: (text, type, typmod, ctx) => (findBuiltinType(type) ?? ctx.catalog.typeSupport(type)).input(text, typmod, ctx) as RecordDatum,
  record_out: (record, ctx) => formatRecord(record, ctx.io),
  record_send(record) {
    findBuiltinType(RECORD)!.send(record, scratch.reset())
    return scratch.finish()
  },
  record_eq: (a, b) => compareRecords(a, b) === 0,
  record_ne: (a, b) => compareRecords(a, b) !== 0,
  record_lt: (a, b) => compareRecords(a, b) < 0,
  record_le: (a, b) => compareRecords(a, b) <= 0,
  record_gt: (a, b) => compareRecords(a, b) > 0,
  record_ge: (a, b) => compareRecords(a, b) >= 0,
  btrecordcmp: compareRecords,
  record_larger: (a, b) => (compareRecords(a, b) > 0 ? a : b),
  record_smaller: (a, b) => (compareRecords(a, b) < 0 ? a : b),
  record_image_eq: (a, b) => compareImages(a, b) === 0,
  record_image_ne: (a, b) => compareImages(a, b) !== 0,
  record_image_lt: (a, b) => compareImages(a, b) < 0,
  record_image_le: (a, b) => compareImages(a, b) <= 0,
  record_image_gt: (a, b) => compareImages(a, b) > 0,
  record_image_ge: (a, b) => compareImages(a, b) >= 0,
  btrecordimagecmp: compareImages,
} satisfies Procs
