// Functions about the session and the server that need no higher room: settings, identity, sizes, sequences, sleep.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { collationByOid } from '../builtin/catalogs.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { settingByName } from '../builtin/pg-settings.ts'
import { makeArray } from '../types/array.ts'
import { type Int8, normalInt8 } from '../types/codecs.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { formatNumeric, isSpecial, truncNumeric } from '../types/numeric.ts'
import type { Procs } from '../types/procs.ts'
import { quoteIdentifier } from '../types/quote.ts'

/** What version() and server_version say: the PostgreSQL this server behaves as. */
const SERVER_VERSION = settingByName('server_version')!.boot_val

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** pg_size_pretty: a unit is used from 10 × 1024 of the one below; halves round away from zero. */
function sizePretty(size: bigint): string {
  const negative = size < 0n
  let value = negative ? -size : size
  if (value < 10240n) return `${size} bytes`
  // One binary digit below the unit is kept for rounding.
  value >>= 9n
  let unit = 1
  while (unit < UNITS.length - 1 && value >= 20480n - 1n) {
    value >>= 10n
    unit++
  }
  const rounded = (value + 1n) >> 1n
  return `${negative ? '-' : ''}${rounded} ${UNITS[unit]}`
}

function sizeBytes(text: string): Int8 {
  const invalid = (detail?: string, hint?: string): PgError =>
    new PgError(SQLSTATE.invalidParameterValue, `invalid size: "${text}"`, { ...(detail && { detail }), ...(hint && { hint }) })
  const match = /^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*?)\s*$/s.exec(text)
  if (match === null) throw invalid()
  const unit = match[2]!.toLowerCase()
  const index = unit === '' || unit === 'b' ? 0 : UNITS.findIndex((name) => name.toLowerCase() === unit)
  if (index < 0) throw invalid(`Invalid size unit: "${match[2]}".`, 'Valid units are "bytes", "B", "kB", "MB", "GB", "TB", and "PB".')
  const number = match[1]!
  const scale = 1024n ** BigInt(index)
  let value: bigint
  if (/^[+-]?[0-9]+$/.test(number)) value = BigInt(number) * scale
  else {
    const product = Number(number) * Number(scale)
    if (!Number.isFinite(product)) throw new PgError(SQLSTATE.numericValueOutOfRange, 'bigint out of range')
    value = BigInt(Math.sign(product) * Math.round(Math.abs(product)))
  }
  if (value > 2n ** 63n - 1n || value < -(2n ** 63n)) throw new PgError(SQLSTATE.numericValueOutOfRange, 'bigint out of range')
  return normalInt8(value)
}

/** Resolves after `seconds`, or fails as the statement is cancelled. */
function sleep(seconds: number, ctx: EvalContext): Promise<''> | '' {
  if (!(seconds > 0)) return ''
  return new Promise((resolve, reject) => {
    const end = performance.now() + seconds * 1000
    let timer: NodeJS.Timeout
    const stop = ctx.cancel.onCancel((reason) => {
      clearTimeout(timer)
      reject(reason)
    })
    const wait = (): void => {
      const left = end - performance.now()
      if (left <= 0) {
        stop()
        resolve('')
      } else timer = setTimeout(wait, Math.min(left, 2 ** 30))
    }
    wait()
  })
}

export const systemProcs = {
  pgsql_version: () =>
    `PostgreSQL ${SERVER_VERSION} (pg-keyspace) on ${process.arch}-${process.platform}, Node.js ${process.version}, 64-bit`,
  current_database: (ctx) => ctx.session.database,
  current_schema: (ctx) => ctx.session.searchPath(false)[0] ?? null,
  current_schemas: (implicit, ctx) => makeArray(TYPE_OID.name, [...ctx.session.searchPath(implicit)]),
  current_user: (ctx) => ctx.session.currentUserName,
  session_user: (ctx) => ctx.session.sessionUserName,
  pg_backend_pid: (ctx) => ctx.session.backendPid,
  inet_client_port: (ctx) => ctx.session.clientPort,
  inet_server_port: (ctx) => ctx.session.serverPort,
  pg_postmaster_start_time: (ctx) => ctx.session.serverStart,
  pg_conf_load_time: (ctx) => ctx.session.serverStart,
  pg_get_userbyid: (oid, ctx) => ctx.catalog.roleName(oid) ?? `unknown (OID=${oid})`,

  show_config_by_name: (name, ctx) => ctx.settings.show(name, false),
  show_config_by_name_missing_ok: (name, missingOk, ctx) => ctx.settings.show(name, missingOk),
  set_config_by_name(name, value, local, ctx) {
    if (name === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'SET requires parameter name')
    ctx.settings.set(name, value ?? '', local ?? false)
    return ctx.settings.show(name, false)
  },

  nextval_oid: (sequence, ctx) => ctx.sequences.nextval(sequence),
  currval_oid: (sequence, ctx) => ctx.sequences.currval(sequence),
  lastval: (ctx) => ctx.sequences.lastval(),
  setval_oid: (sequence, value, ctx) => ctx.sequences.setval(sequence, value, true),
  setval3_oid: (sequence, value, isCalled, ctx) => ctx.sequences.setval(sequence, value, isCalled),

  pg_typeof: (_value, _ctx, call) => call.argTypes[0]!,
  pg_collation_for(_value, ctx, call) {
    const category = ctx.catalog.typeShape(call.argTypes[0]!)?.typcategory
    if (category !== 'S' && call.collation === 0) {
      if (call.argTypes[0] === TYPE_OID.unknown) return null
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `collations are not supported by type ${ctx.catalog.typeName(call.argTypes[0]!) ?? '???'}`,
      )
    }
    const collation = collationByOid(call.collation)
    return collation === undefined ? null : quoteIdentifier(collation.collname)
  },
  pg_size_pretty: (size) => sizePretty(BigInt(size)),
  pg_size_pretty_numeric(size) {
    if (isSpecial(size)) return `${formatNumeric(size)} PB`
    const whole = BigInt(truncNumeric(size, 0).unscaled)
    return whole > -10240n && whole < 10240n ? `${formatNumeric(size)} bytes` : sizePretty(whole)
  },
  pg_size_bytes: sizeBytes,
  pg_sleep: sleep,

  pg_my_temp_schema: (ctx) => ctx.catalog.toNamespace('pg_temp') ?? 0,
  // No session ever sees another's.
  pg_is_other_temp_schema: () => false,

  // One node without physical replication or JIT: these answers are facts here.
  pg_is_in_recovery: () => false,
  pg_jit_available: () => false,
  pg_numa_available: () => false,
  pg_trigger_depth: () => 0,
} satisfies Procs
