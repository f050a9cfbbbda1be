// Bodies (by prosrc) and types whose work on a long value comes in steps (base/long-work.ts).

import type { Oid } from '../../base/ids.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'

/** Types whose values are read and told in steps. */
export const LONG_TYPES: ReadonlySet<Oid> = new Set([T.json, T.jsonb])

export const LONG_PROCS: ReadonlySet<string> = new Set([
  'array_sort',
  'array_sort_order',
  'array_sort_order_nulls_first',
  'array_to_text',
  'array_to_text_null',
  'binary_decode',
  'binary_encode',
  'initcap',
  'md5_bytea',
  'md5_text',
  'regexp_count',
  'regexp_count_no_flags',
  'regexp_count_no_start',
  'regexp_split_to_array',
  'regexp_split_to_array_no_flags',
  'replace_text',
  'sha224_bytea',
  'sha256_bytea',
  'sha384_bytea',
  'sha512_bytea',
  'text_reverse',
  'textregexreplace',
  'textregexreplace_extended',
  'textregexreplace_extended_no_flags',
  'textregexreplace_extended_no_n',
  'textregexreplace_noopt',
  'translate',
])
