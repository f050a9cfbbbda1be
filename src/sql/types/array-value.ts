// The value of every array type: elements in row-major order with their dimensions. Immutable; NULL elements are `null`.

import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'

export class PgArray {
  readonly elementType: Oid
  readonly elements: readonly Datum[]
  /** Length of each dimension; empty for the empty array. Their product is elements.length. */
  readonly dims: readonly number[]
  /** First subscript of each dimension, usually 1. */
  readonly lowerBounds: readonly number[]

  constructor(elementType: Oid, elements: readonly Datum[], dims: readonly number[], lowerBounds: readonly number[]) {
    this.elementType = elementType
    this.elements = elements
    this.dims = dims
    this.lowerBounds = lowerBounds
  }
}

const ONE: readonly number[] = [1]
const NONE: readonly number[] = []

/** A one-dimensional array from subscript 1, or the empty array. */
export function arrayOf(elementType: Oid, elements: readonly Datum[]): PgArray {
  return elements.length === 0 ? new PgArray(elementType, elements, NONE, NONE) : new PgArray(elementType, elements, [elements.length], ONE)
}
