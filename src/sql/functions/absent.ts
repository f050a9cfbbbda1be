// Views over what a server of this kind does not have — background writers, WAL, replication, two-phase transactions, installable
// extensions, configuration files — answered with the facts: nothing is there, nothing has been counted.

import type { Procs } from '../types/procs.ts'

const none = (): readonly never[] => []
const zero = (): number => 0

export const absentProcs = {
  pg_available_extensions: none,
  pg_available_extension_versions: none,
  pg_get_aios: none,
  pg_get_publication_tables: none,
  pg_get_replication_slots: none,
  pg_hba_file_rules: none,
  pg_ident_file_mappings: none,
  pg_prepared_xact: none,
  pg_show_replication_origin_status: none,
  pg_stat_get_io: none,
  pg_stat_get_progress_info: none,
  pg_stat_get_slru: none,
  pg_stat_get_subscription: none,
  pg_stat_get_wal_receiver: () => null,
  pg_stat_get_wal_senders: none,
  show_all_file_settings: none,

  pg_stat_get_bgwriter_buf_written_clean: zero,
  pg_stat_get_bgwriter_maxwritten_clean: zero,
  pg_stat_get_bgwriter_stat_reset_time: (ctx) => ctx.session.serverStart,
  pg_stat_get_buf_alloc: zero,
  pg_stat_get_checkpointer_buffers_written: zero,
  pg_stat_get_checkpointer_num_performed: zero,
  pg_stat_get_checkpointer_num_requested: zero,
  pg_stat_get_checkpointer_num_timed: zero,
  pg_stat_get_checkpointer_restartpoints_performed: zero,
  pg_stat_get_checkpointer_restartpoints_requested: zero,
  pg_stat_get_checkpointer_restartpoints_timed: zero,
  pg_stat_get_checkpointer_slru_written: zero,
  pg_stat_get_checkpointer_stat_reset_time: (ctx) => ctx.session.serverStart,
  pg_stat_get_checkpointer_sync_time: zero,
  pg_stat_get_checkpointer_write_time: zero,
} satisfies Procs
