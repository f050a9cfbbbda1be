// pg_stat_get_*: the counters of PostgreSQL's statistics collector. What ANALYZE leaves behind is known for good; scans, rows written and
// transactions are counted by this process since its start (activity); of everything else counts are 0 and times are unknown, as in a server whose statistics have
// just been reset.

import type { Oid } from '../base/ids.ts'
import { pgProcs } from '../sql/builtin/pg-proc.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import { DATABASE_OID } from './records.ts'
import type { SystemFunction } from './system-function.ts'
import { type DatabaseCounts, liveRows, modified, type RelationCounts, type RowCounts, type TableActivity } from './table-activity.ts'

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
  const since = (oid: unknown): RowCounts | null => {
    const found = table(oid)
    return found === null ? null : activity.sinceAnalyze(found.id)
  }
  const counted = (prosrc: string, count: (counts: RelationCounts) => number): void => {
    map.set(prosrc, (oid) => {
      const counts = activity.of(oid as Oid)
      return counts === null ? 0 : count(counts)
    })
  }
  counted('pg_stat_get_numscans', (counts) => counts.scans)
  counted('pg_stat_get_tuples_returned', (counts) => counts.returned)
  counted('pg_stat_get_tuples_fetched', (counts) => counts.fetched)
  counted('pg_stat_get_tuples_inserted', (counts) => counts.inserted)
  counted('pg_stat_get_tuples_updated', (counts) => counts.updated)
  counted('pg_stat_get_tuples_deleted', (counts) => counts.deleted)
  counted('pg_stat_get_ins_since_vacuum', (counts) => counts.inserted)
  map.set('pg_stat_get_mod_since_analyze', (oid) => {
    const rows = since(oid)
    return rows === null ? 0 : modified(rows)
  })
  map.set('pg_stat_get_live_tuples', (oid) => liveRows(table(oid)?.relTuples ?? 0, since(oid)))
  const ofDatabase = (prosrc: string, count: (counts: DatabaseCounts) => number): void => {
    map.set(prosrc, (oid) => (oid === DATABASE_OID ? count(activity.database()) : 0))
  }
  ofDatabase('pg_stat_get_db_xact_commit', (counts) => counts.commits)
  ofDatabase('pg_stat_get_db_xact_rollback', (counts) => counts.rollbacks)
  ofDatabase('pg_stat_get_db_tuples_returned', (counts) => counts.returned)
  ofDatabase('pg_stat_get_db_tuples_fetched', (counts) => counts.fetched)
  ofDatabase('pg_stat_get_db_tuples_inserted', (counts) => counts.inserted)
  ofDatabase('pg_stat_get_db_tuples_updated', (counts) => counts.updated)
  ofDatabase('pg_stat_get_db_tuples_deleted', (counts) => counts.deleted)
  // what is counted is seen at once
  map.set('pg_stat_force_next_flush', () => '')
  map.set('pg_stat_clear_snapshot', () => '')
  map.set('pg_stat_get_last_analyze_time', (oid) => statistics(oid)?.analyzed?.last ?? null)
  map.set('pg_stat_get_last_autoanalyze_time', (oid) => statistics(oid)?.autoanalyzed?.last ?? null)
  map.set('pg_stat_get_analyze_count', (oid) => statistics(oid)?.analyzed?.count ?? 0)
  map.set('pg_stat_get_autoanalyze_count', (oid) => statistics(oid)?.autoanalyzed?.count ?? 0)
  return map
}
