// pg_settings: every setting PostgreSQL 18 knows, with its type, bounds and boot value.

import { pgSettings as data } from './data/pg_settings.ts'
import type { PgSettingsRow } from './data/rows.ts'
import { table, uniqueIndex } from './table.ts'

export type SettingRow = PgSettingsRow
export const pgSettings = table<PgSettingsRow>(data)
const byName = uniqueIndex(pgSettings, (row) => row.name.toLowerCase())
/** Names compare without case, as SET does. */
export function settingByName(name: string): PgSettingsRow | undefined {
  return byName(name.toLowerCase())
}
