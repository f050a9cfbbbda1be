// Bodies that only the catalogue or a room above can give, found by pg_proc.prosrc (for functions written in SQL: by name).

import { procsByProsrc } from '../sql/builtin/pg-proc.ts'
import { RECORD_OID, type RowType } from '../sql/types/record.ts'
import { builtinTypeSupport } from '../sql/types/registry.ts'

export type SystemFunction = (...args: readonly unknown[]) => unknown

const rowTypes = new Map<string, RowType>()

/** The row a set-returning builtin answers: its OUT arguments. */
export function outRow(prosrc: string): RowType {
  let rowType = rowTypes.get(prosrc)
  if (rowType === undefined) {
    const proc = procsByProsrc(prosrc)[0]!
    const fields = (proc.proallargtypes ?? []).flatMap((type, i) =>
      proc.proargmodes?.[i] === 'i' ? [] : [{ name: proc.proargnames?.[i] ?? '', type, typmod: -1, support: builtinTypeSupport(type) }],
    )
    rowType = { type: RECORD_OID, fields }
    rowTypes.set(prosrc, rowType)
  }
  return rowType
}
