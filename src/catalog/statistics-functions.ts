// pg_stat_get_*: the counters of PostgreSQL's statistics collector. What ANALYZE leaves behind is known for good; changes of rows are counted
// by this process since its start (activity); of everything else counts are 0 and times are unknown, as in a server whose statistics have
// just been reset.

import type { Oid } from '../base/ids.ts'
import { pgProcs } from '../sql/builtin/pg-proc.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { SystemFunction } from './system-function.ts'

const COUNTS = new Set([20, 23, 701])
const FAMILY =
  /^pg_stat_get_(?:xact_)?(?:numscans|tuples_|blocks_|live_tuples|dead_tuples|mod_since|ins_since|last|(?:auto)?(?:vacuum|analyze)_count|total_|db_|function_)/

export function statisticsFunctions(snapshotOf: () => ReaderSnapshot): Map<string, SystemFunction> {
  const map = new Map<string, SystemFunction>()
  for (const proc of pgProcs()) {
    if (proc.pronargs !== 1 || proc.proargtypes[0] !== 26 || !FAMILY.test(proc.prosrc)) continue
    const empty = COUNTS.has(proc.prorettype) ? 0 : null
    map.set(proc.prosrc, () => empty)
  }
  const statistics = (oid: unknown) => snapshotOf().statistics(oid as Oid)
  map.set('pg_stat_get_live_tuples', (oid) => Math.max(snapshotOf().relation(oid as Oid)?.descriptor?.table?.relTuples ?? 0, 0))
  map.set('pg_stat_get_last_analyze_time', (oid) => statistics(oid)?.analyzed?.last ?? null)
  map.set('pg_stat_get_last_autoanalyze_time', (oid) => statistics(oid)?.autoanalyzed?.last ?? null)
  map.set('pg_stat_get_analyze_count', (oid) => statistics(oid)?.analyzed?.count ?? 0)
  map.set('pg_stat_get_autoanalyze_count', (oid) => statistics(oid)?.autoanalyzed?.count ?? 0)
  return map
}
