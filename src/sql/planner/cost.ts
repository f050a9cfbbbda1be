// The cost model: PostgreSQL's unit (one sequential page read = 1) with constants that fit a key-value store: rows are decoded one by one,
// a look-up by key costs several scanned rows, opening a scan costs a request where the store is remote. Without ANALYZE the defaults are
// PostgreSQL's own.

export const COST = {
  /** Decoding one scanned row. */
  scanTuple: 0.015,
  /** One entry of an index range. */
  indexTuple: 0.008,
  /** Fetching one row by its key, in a batch. */
  get: 0.04,
  /** Looking up a catalogue table's rows by a column's value, from rows in memory. */
  catalogLookup: 0.1,
  /** Opening a range or sending a batch of gets. */
  request: 0.3,
  tuple: 0.01,
  operator: 0.0025,
  hashTuple: 0.015,
  sortCompare: 0.005,
  subPlanRow: 0.01,
} as const

export const DEFAULTS = {
  /** Rows of a table never analysed. */
  relTuples: 1000,
  distinct: 200,
  functionRows: 1000,
  arrayRows: 10,
  cteRecursionFactor: 10,
  eqSelectivity: 0.005,
  rangeSelectivity: 1 / 3,
  boundedRangeSelectivity: 0.005,
  matchSelectivity: 0.005,
  nullFraction: 0.005,
  otherSelectivity: 0.5,
  functionSelectivity: 1 / 3,
} as const

export function clampRows(rows: number): number {
  return rows < 1 || Number.isNaN(rows) ? 1 : rows > 1e15 ? 1e15 : Math.round(rows)
}

/** Sorting `rows` rows, keeping at most `limit` (top-N heap). */
export function sortCost(rows: number, limit: number | null): number {
  const n = Math.max(rows, 2)
  const kept = limit === null ? n : Math.max(2, Math.min(n, limit))
  return COST.sortCompare * n * Math.log2(kept)
}
