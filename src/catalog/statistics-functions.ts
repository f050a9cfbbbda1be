// pg_stat_get_*: the counters of PostgreSQL's statistics collector. What ANALYZE leaves behind is known for good; changes of rows are counted
// by this process since its start (activity); of everything else counts are 0 and times are unknown, as in a server whose statistics have
// just been reset.

import type { Oid } from '../base/ids.ts'
import { pgProcs } from '../sql/builtin/pg-proc.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { SystemFunction } from './system-function.ts'
import { liveRows, modified, type TableActivity, type TableCounts } from './table-activity.ts'

const COUNTS = new Set([20, 23, 701])
const FAMILY =
  /^pg_stat_get_(?:xact_)?(?:numscans|tuples_|blocks_|live_tuples|dead_tuples|mod_since|ins_since|last|(?:auto)?(?:vacuum|analyze)_count|total_|db_|function_)/

export function statisticsFunctions(snapshotOf: () => ReaderSnapshot, activity: TableActivity): Map<string, SystemFunction> {
  const map = new Map<string, SystemFunction>()
  for (const proc of pgProcs()) {
    if (proc.pronargs !== 1 || proc.proargtypes[0] !== 26 || !FAMILY.test(proc.prosrc)) continue
    const empty = COUNTS.has(proc.prorettype) ? 0 : null
    map.set(proc.prosrc, () => empty)
  }
  const statistics = (oid: unknown) => snapshotOf().statistics(oid as Oid)
  const table = (oid: unknown) => snapshotOf().relation(oid as Oid)?.descriptor?.table ?? null
  const counted = (prosrc: string, count: (counts: TableCounts) => number): void => {
    map.set(prosrc, (oid) => {
      const found = table(oid)
      const counts = found === null ? null : activity.of(found.id)
      return counts === null ? 0 : count(counts)
    })
  }
  counted('pg_stat_get_tuples_inserted', (counts) => counts.inserted)
  counted('pg_stat_get_tuples_updated', (counts) => counts.updated)
  counted('pg_stat_get_tuples_deleted', (counts) => counts.deleted)
  counted('pg_stat_get_mod_since_analyze', (counts) => modified(counts.sinceAnalyze))
  counted('pg_stat_get_ins_since_vacuum', (counts) => counts.inserted)
  map.set('pg_stat_get_live_tuples', (oid) => {
    const found = table(oid)
    return found === null ? 0 : liveRows(found.relTuples, activity.of(found.id))
  })
  map.set('pg_stat_get_last_analyze_time', (oid) => statistics(oid)?.analyzed?.last ?? null)
  map.set('pg_stat_get_last_autoanalyze_time', (oid) => statistics(oid)?.autoanalyzed?.last ?? null)
  map.set('pg_stat_get_analyze_count', (oid) => statistics(oid)?.analyzed?.count ?? 0)
  map.set('pg_stat_get_autoanalyze_count', (oid) => statistics(oid)?.autoanalyzed?.count ?? 0)
  return map
}
