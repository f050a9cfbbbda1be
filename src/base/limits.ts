// Every bound of the product in one place. A queue, cache, buffer or input without an entry here is a defect.

import { getHeapStatistics } from 'node:v8'

const KiB = 1024
const MiB = 1024 * KiB

/** So many bytes, but no more than this part of V8's heap: two copies of a value and its text must find room beside everything else. */
const withinHeap = (bytes: number, part: number): number => Math.min(bytes, Math.floor(getHeapStatistics().heap_size_limit * part))

export const LIMITS = {
  /** Rows in an operator's largest batch; the first has `firstBatchRows` and each next one twice as many. */
  batchRows: 1024,
  firstBatchRows: 16,
  /** Bytes a batch should not have more of; the first tells how large rows are. */
  batchBytes: 2 * MiB,
  /** Longest that rows of COPY wait for others to be written with, ms. */
  copyBatchMs: 200,
  /** Longest the event loop may be held by one statement before it must yield, ms. */
  sliceMs: 5,
  /** Bytes in a key of the embedded store (LMDB's own bound with 4 KiB pages) and of an index entry. */
  maxKeyBytes: 1900,
  /** Bytes in one field, as PostgreSQL's 1 GB bound is out of reach of one JavaScript string. */
  maxFieldBytes: withinHeap(256 * MiB, 1 / 16),
  /** Bytes of one array's list of elements. */
  maxArrayBytes: withinHeap(1024 * MiB, 1 / 8),
  /** Nesting of expressions and sub-selects before 54001. */
  maxExpressionDepth: 2000,
  /** Columns in a table and in a target list, as PostgreSQL's. */
  maxTableColumns: 1600,
  maxTargetEntries: 1664,
  /** Columns in an index, arguments of a function. */
  maxIndexColumns: 32,
  maxFunctionArguments: 100,
  /** Bytes of one statement's text. */
  maxStatementBytes: 16 * MiB,
  /** Texts whose parse trees are kept, and the longest such text. */
  parseCacheEntries: 1000,
  parseCacheTextLength: 16 * KiB,
  /** Longer texts are parsed by a thread of their own; bytes of those that wait for it. */
  parseAtOnceLength: 32 * KiB,
  parseQueueBytes: 64 * MiB,
  /** Literals that one statement may have lifted into parameters. */
  maxLiftedLiterals: 256,
  /** Bytes in an identifier (NAMEDATALEN - 1). */
  maxIdentifierBytes: 63,
  /** Planned statements kept per keyspace and the longest text of one, prepared statements and portals per session. */
  planCacheEntries: 512,
  /** About the bytes of those plans, and of the plans of all keyspaces and sessions. */
  planCacheBytes: withinHeap(64 * MiB, 1 / 16),
  planCacheBytesInAll: withinHeap(256 * MiB, 1 / 8),
  planCacheTextLength: 256 * KiB,
  /** About the bytes kept of one keyspace's catalogue as a whole; they count among those of all keyspaces' plans. */
  catalogImageBytes: withinHeap(64 * MiB, 1 / 16),
  sessionPlanCacheEntries: 64,
  preparedStatements: 10_000,
  portals: 1000,
  /** Bytes of notifications of one keyspace that its listeners have not taken yet; NOTIFY fails above. */
  notifyQueueBytes: 64 * MiB,
  /** Contexts of keyspaces kept while nobody is connected to them. */
  keyspaceContexts: 1000,
  /** Tenants that logins may create in one process (tenancy section 0). */
  autoCreatedKeyspaces: 1000,
  /** Writes of one transaction on TiKV: what does not fit into memory waits for the commit in temporary files. */
  tikvTransactionBytes: 16 * 1024 * MiB,
  /** Memory held by sorts, hashes, cursors and buffers: per session, per keyspace, in all. */
  maxSessionMemory: withinHeap(256 * MiB, 1 / 12),
  maxKeyspaceMemory: withinHeap(512 * MiB, 1 / 6),
  maxProcessMemory: withinHeap(1024 * MiB, 1 / 4),
  /** Rows of ANALYZE's sample and their bytes. */
  sampleRows: 1_000_000,
  sampleBytes: 64 * MiB,
  /** Committed writes of one keyspace, and of all, that are in the embedded store's log and not in its B+tree yet. */
  memtableBytes: 16 * MiB,
  memtableBytesInAll: 96 * MiB,
} as const
