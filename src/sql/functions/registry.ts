// prosrc → body, over every family's table. A function of pg_proc without a body here may still have one in a higher room (ctx.system);
// one that has none anywhere answers 0A000 by name.

import { notSupported } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { LANGUAGE, pgProcs } from '../builtin/pg-proc.ts'
import { pgTypes } from '../builtin/pg-type.ts'
import { arrayProcs } from '../types/array-procs.ts'
import { bitProcs } from '../types/bit.ts'
import { boolProcs } from '../types/bool.ts'
import { byteaProcs } from '../types/bytea.ts'
import { datetimeProcs, datetimeSqlBodies } from '../types/datetime-procs.ts'
import { encodeProcs } from '../types/encode.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { floatProcs } from '../types/float.ts'
import { floatMathProcs } from '../types/float-math.ts'
import { inetProcs } from '../types/inet.ts'
import { intProcs } from '../types/int.ts'
import { jsonProcs } from '../types/json-procs.ts'
import { jsonpathProcs } from '../types/jsonpath-procs.ts'
import { likeProcs } from '../types/like.ts'
import { lsnProcs } from '../types/lsn-procs.ts'
import { macaddrProcs } from '../types/macaddr.ts'
import { moneyProcs } from '../types/money.ts'
import { numericProcs, numericSqlBodies } from '../types/numeric-procs.ts'
import { oidProcs } from '../types/oid.ts'
import type { CallInfo, ProcBody, Procs } from '../types/procs.ts'
import { pseudoProcs } from '../types/pseudo.ts'
import { rangeProcs } from '../types/range-procs.ts'
import { recordProcs } from '../types/record-procs.ts'
import { regProcs } from '../types/reg.ts'
import { regexpProcs, regexpSqlBodies } from '../types/regexp.ts'
import { findBuiltinType } from '../types/registry.ts'
import { snapshotProcs } from '../types/snapshot-type.ts'
import { stringProcs, stringSqlBodies } from '../types/string.ts'
import { templateProcs } from '../types/template-procs.ts'
import { textProcs } from '../types/text.ts'
import { uuidProcs } from '../types/uuid.ts'
import { absentProcs } from './absent.ts'
import { aggregateProcs } from './aggregates.ts'
import { composedHashProcs } from './composed-hash.ts'
import { formatProcs, formatSqlBodies } from './format.ts'
import { informationSchemaSqlBodies } from './information-schema.ts'
import { inspectionProcs } from './inspection.ts'
import { ioProcs } from './io-procs.ts'
import { jsonAggregateProcs } from './json-aggregates.ts'
import { orderedSetProcs } from './ordered-set.ts'
import { systemProcs } from './system.ts'
import { tableSampleProcs } from './table-sample.ts'
import { timezoneProcs } from './timezone-procs.ts'

/** Every family's bodies. */
const TABLES: readonly (Procs | Readonly<Record<string, ProcBody>>)[] = [
  boolProcs,
  intProcs,
  floatProcs,
  floatMathProcs,
  textProcs,
  stringProcs,
  likeProcs,
  regexpProcs,
  byteaProcs,
  encodeProcs,
  pseudoProcs,
  uuidProcs,
  oidProcs,
  regProcs,
  formatProcs,
  systemProcs,
  absentProcs,
  numericProcs,
  datetimeProcs,
  aggregateProcs,
  orderedSetProcs,
  arrayProcs,
  recordProcs,
  jsonProcs,
  jsonAggregateProcs,
  templateProcs,
  jsonpathProcs,
  timezoneProcs,
  inetProcs,
  macaddrProcs,
  lsnProcs,
  bitProcs,
  moneyProcs,
  rangeProcs,
  snapshotProcs,
  inspectionProcs,
  composedHashProcs(bodyOf),
  tableSampleProcs,
]

/** Bodies of the builtin functions that PostgreSQL itself writes in SQL, by OID. */
const SQL_BODIES: Readonly<Record<Oid, ProcBody>> = {
  ...numericSqlBodies,
  ...datetimeSqlBodies,
  ...stringSqlBodies,
  ...informationSchemaSqlBodies,
  ...regexpSqlBodies,
  ...formatSqlBodies,
} as unknown as Record<Oid, ProcBody>

/** The columns of pg_proc a body is found by. */
export interface ProcKey {
  readonly oid: Oid
  readonly proname: string
  readonly prolang: Oid
  readonly prosrc: string
  readonly pronargs: number
}

let bodies: Map<string, ProcBody> | null = null

function load(): Map<string, ProcBody> {
  const map = new Map<string, ProcBody>()
  for (const [prosrc, body] of ioProcs(pgTypes(), findBuiltinType)) map.set(prosrc, body)
  for (const table of TABLES) for (const [prosrc, body] of Object.entries(table)) map.set(prosrc, body as unknown as ProcBody)
  return map
}

/** The body itself, or undefined when none of the families has one. */
export function findBody(proc: ProcKey): ProcBody | undefined {
  bodies ??= load()
  return proc.prolang === LANGUAGE.sql ? SQL_BODIES[proc.oid] : bodies.get(proc.prosrc)
}

/** By prosrc alone, for internal functions. */
export function bodyOf(prosrc: string): ProcBody | undefined {
  bodies ??= load()
  return bodies.get(prosrc)
}

/** lo_create and its like, loread, lowrite. */
const LARGE_OBJECT = /^lo(?:_|read$|write$)/

/** void's only value, which is not NULL. */
const VOID_VALUE = ''

/** Always callable: a body, or the higher room's found when it is called, or 0A000. What one of type void answers does not matter. */
export function procBody(proc: ProcKey & { readonly prorettype: Oid }): ProcBody {
  const body = anyBody(proc)
  if (proc.prorettype !== TYPE_OID.void) return body
  return (...args: unknown[]) => andThen(body(...args) as MaybePromise<unknown>, () => VOID_VALUE)
}

function anyBody(proc: ProcKey): ProcBody {
  const body = findBody(proc)
  if (body !== undefined) return body
  const { proname, pronargs } = proc
  // Functions PostgreSQL writes in SQL have no symbol: their name stands for it.
  const prosrc = proc.prosrc === '' || proc.prolang === LANGUAGE.sql ? proname : proc.prosrc
  return (...args: unknown[]) => {
    const system = (args[pronargs] as EvalContext).system(prosrc)
    if (system === undefined) {
      throw notSupported(
        `function ${proname} is not implemented`,
        LARGE_OBJECT.test(proname) ? 'Large objects are not supported.' : undefined,
      )
    }
    return system(...args)
  }
}

/** Shares of pg_proc for `npm run coverage:procs`: internal and SQL functions that have a body, and those that have none. */
export function coverage(): { present: string[]; missing: string[] } {
  const present: string[] = []
  const missing: string[] = []
  for (const proc of pgProcs()) {
    if (proc.prokind === 'a' || proc.prokind === 'w') continue
    ;(findBody(proc) === undefined ? missing : present).push(`${proc.proname} (${proc.prosrc || `sql ${proc.oid}`})`)
  }
  return { present, missing }
}

export type { CallInfo, ProcBody }
