// A constant in a descriptor: text as the type prints it, so that a change of a datum's form in memory does not touch what is stored. What holds
// values of a tenant's own types stands there as in rows: an enum's labels may be renamed, which their OIDs there outlast.

import { ByteWriter } from '../../base/bytes.ts'
import type { Oid } from '../../base/ids.ts'
import { TEXT_IO } from './define.ts'
import type { EvalContext } from './eval-context.ts'
import type { Present, TypeSupport } from './type.ts'

/** Text, or what stands in a row in base64. */
export type StoredValue = string | { readonly row: string }

/** Types from here on are a keyspace's own: the same OID means another type elsewhere. */
export const FIRST_OWN_TYPE = 16384

/** Input functions that look at nothing of a session: stored text is in TEXT_IO form. */
const STORED_CONTEXT = { io: TEXT_IO } as EvalContext

export function storedValue(value: Present, type: Oid, support: TypeSupport): StoredValue {
  if (type < FIRST_OWN_TYPE) return support.output(value, TEXT_IO)
  const out = new ByteWriter()
  support.value.write(value, out)
  return { row: out.finish().toString('base64') }
}

export function readStoredValue(stored: StoredValue, support: TypeSupport, typmod = -1, ctx: EvalContext = STORED_CONTEXT): Present {
  if (typeof stored === 'string') return support.input(stored, typmod, ctx)
  const bytes = Buffer.from(stored.row, 'base64')
  return support.value.read(bytes, 0, bytes.length)
}
