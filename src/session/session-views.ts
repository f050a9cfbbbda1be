// Rows of the functions behind pg_settings, pg_prepared_statements, pg_cursors and pg_locks.

import type { Datum } from '../base/datum.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { outRow } from '../catalog/system-function.ts'
import { ArrayDatum } from '../sql/types/array.ts'
import { Numeric } from '../sql/types/numeric.ts'
import { RecordDatum } from '../sql/types/record.ts'
import type { Session } from './session.ts'
import { allLocks } from './shared-views.ts'

const TEXT = 25
const REGTYPE = 2206

export const arrayOf = (elementType: number, values: readonly Datum[]): Datum =>
  new ArrayDatum(elementType, values.length === 0 ? [] : [values.length], values.length === 0 ? [] : [1], values)

function records(prosrc: string, rows: Iterable<Record<string, Datum>>): RecordDatum[] {
  const rowType = outRow(prosrc)
  const made: RecordDatum[] = []
  for (const row of rows) {
    made.push(
      new RecordDatum(
        rowType,
        rowType.fields.map((field) => row[field.name] ?? null),
      ),
    )
  }
  return made
}

export function settingRows(session: Session): RecordDatum[] {
  return records(
    'show_all_settings',
    [...session.settings.all()].flatMap(({ row, name, value, reset, source }) =>
      row === null
        ? []
        : [
            {
              name,
              setting: value,
              unit: row.unit,
              category: row.category,
              short_desc: row.short_desc,
              extra_desc: row.extra_desc,
              context: row.context,
              vartype: row.vartype,
              source,
              min_val: row.min_val,
              max_val: row.max_val,
              enumvals: row.enumvals === null ? null : arrayOf(TEXT, row.enumvals),
              boot_val: row.boot_val,
              reset_val: reset,
              pending_restart: false,
            },
          ],
    ),
  )
}

export function preparedStatementRows(session: Session): RecordDatum[] {
  return records(
    'pg_prepared_statement',
    [...session.statements.values()]
      .filter((one) => one.name !== '')
      .map((one) => ({
        name: one.name,
        statement: one.text,
        prepare_time: one.preparedAt,
        parameter_types: arrayOf(REGTYPE, one.parameterTypes),
        result_types:
          one.plan?.columns == null
            ? null
            : arrayOf(
                REGTYPE,
                one.plan.columns.map((column) => column.typeOid),
              ),
        from_sql: one.fromSql,
        generic_plans: one.runs,
        custom_plans: 0,
      })),
  )
}

export function cursorRows(session: Session): RecordDatum[] {
  return records('pg_cursor', [
    ...[...session.portals.cursors.values()].map(({ options }) => ({
      name: options.name,
      statement: options.text,
      is_holdable: options.holdable,
      is_binary: options.binary,
      is_scrollable: options.scroll !== 'no',
      creation_time: options.createdAt,
    })),
    // What Bind made counts as one that cannot go back, the unnamed portal too.
    ...[...session.portals.bound].map(({ name, prepared, boundAt }) => ({
      name,
      statement: prepared.text,
      is_holdable: false,
      is_binary: false,
      is_scrollable: false,
      creation_time: boundAt ?? session.context.statementTimestamp,
    })),
  ])
}

/** There is no archiver and no WAL: nothing counted since the server started. */
export function archiverRow(session: Session): RecordDatum {
  return records('pg_stat_get_archiver', [{ archived_count: 0, failed_count: 0, stats_reset: session.services.serverStart }])[0]!
}

export function walRow(session: Session): RecordDatum {
  const counts = { wal_records: 0, wal_fpi: 0, wal_bytes: new Numeric(0, 0), wal_buffers_full: 0 }
  return records('pg_stat_get_wal', [{ ...counts, stats_reset: session.services.serverStart }])[0]!
}

export function lockRows(session: Session): MaybePromise<RecordDatum[]> {
  return andThen(allLocks(session), (rows) => records('pg_lock_status', rows))
}
