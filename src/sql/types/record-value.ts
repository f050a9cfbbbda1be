// The value of record and of every composite type: column values with the shape they were made for. Immutable. The shape is one object
// shared by all values of an expression.

import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'

export interface RecordShape {
  /** 2249 (record) or the named composite type. */
  readonly type: Oid
  readonly names: readonly string[]
  readonly types: readonly Oid[]
  readonly typmods: readonly number[]
}

export class PgRecord {
  readonly shape: RecordShape
  readonly values: readonly Datum[]

  constructor(shape: RecordShape, values: readonly Datum[]) {
    this.shape = shape
    this.values = values
  }
}
