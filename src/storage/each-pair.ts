// A range read whole, one pair at a time, for the reads between nodes and of the background's work: those of statements take the batches themselves.

import type { KeyRange, ScanOptions, Transaction } from './store.ts'

/** Calls `visit` for each pair of `range` in the order of the scan. Key and value are views that hold until `visit` returns. */
export async function eachPair(
  txn: Transaction,
  range: KeyRange,
  visit: (key: Buffer, value: Buffer) => void,
  options?: ScanOptions,
): Promise<void> {
  const scanner = txn.scan(range, options)
  try {
    for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) {
      const { data, bounds } = batch
      for (let i = 0; i < batch.count; i++)
        visit(data.subarray(bounds[4 * i]!, bounds[4 * i + 1]!), data.subarray(bounds[4 * i + 2]!, bounds[4 * i + 3]!))
    }
  } finally {
    scanner.close()
  }
}
