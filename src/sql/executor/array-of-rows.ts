// ARRAY(SELECT …): the array grows row by row, and what it holds is charged to the statement's memory.

import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { MemoryAccount } from '../../base/memory.ts'
import { type ArrayDatum, arrayOfRows } from '../types/array.ts'
import { datumSize } from './row-size.ts'

export class ArrayOfRows {
  readonly #state: { readonly memory: MemoryAccount }
  readonly #elementType: Oid
  #elements: Datum[] = []
  #charged = 0

  constructor(state: { readonly memory: MemoryAccount }, elementType: Oid) {
    this.#state = state
    this.#elementType = elementType
  }

  /** Throws 53200 where there is no room. */
  add(value: Datum): void {
    const bytes = datumSize(value)
    this.#state.memory.charge(bytes)
    this.#charged += bytes
    this.#elements.push(value)
  }

  /** The array; it stays charged until `release`. */
  finish(): ArrayDatum {
    return arrayOfRows(this.#elementType, this.#elements)
  }

  release(): void {
    this.#state.memory.release(this.#charged)
    this.#charged = 0
    this.#elements = []
  }
}
