import type { Row } from '../../base/datum.ts'
import { notSupported } from '../../base/errors.ts'
export function makeBulkInsert(..._a: unknown[]): { rows(r: Row[]): number | Promise<number>; finish(): Promise<void>; close(): void } {
  throw notSupported('bulk')
}
