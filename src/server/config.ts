// Configuration: config/default.json < the file named by --config < environment < flags; validated as a whole, with errors that name the setting.
// A setting has one name everywhere: PG_PORT in files and environment, --pg-port as a flag.

import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { LOG_LEVELS } from '../observability/log.ts'
import { REPLICA_READS, type ReplicaRead } from '../storage/tikv/replicas.ts'

/** Something is wrong with a setting; the message says which and where it came from. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

const text = v.pipe(v.string('must be text'), v.nonEmpty('must not be empty'))
const optionalText = v.nullable(text)
const number = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))], 'must be a whole number'),
  v.integer('must be a whole number'),
)
const between = (min: number, max: number) =>
  v.pipe(number, v.minValue(min, `must be between ${min} and ${max}`), v.maxValue(max, `must be between ${min} and ${max}`))
const TRUE = ['true', 'on', 'yes', '1']
const FALSE = ['false', 'off', 'no', '0']
const boolean = v.union(
  [
    v.boolean(),
    v.pipe(
      v.string(),
      v.picklist([...TRUE, ...FALSE]),
      v.transform((word) => TRUE.includes(word)),
    ),
  ],
  'must be true or false',
)
const endpoints = v.pipe(
  v.string('must be text'),
  v.transform((list) => list.split(',').map((one) => one.trim().replace(/^https?:\/\//, ''))),
  v.array(v.pipe(v.string(), v.regex(/^(\[[0-9a-fA-F:]+\]|[^:\s/]+):\d{1,5}$/, 'must be host:port[,host:port…]'))),
)

const schema = v.strictObject({
  PG_HOST: text,
  PG_PORT: between(0, 65535),
  DATA_DIR: text,
  PD_ENDPOINTS: v.nullable(endpoints),
  TIKV_CA_FILE: optionalText,
  TIKV_CERT_FILE: optionalText,
  TIKV_KEY_FILE: optionalText,
  TIKV_REPLICA_READ: v.picklist(REPLICA_READS, `must be one of ${REPLICA_READS.join(', ')}`),
  TIKV_START_TIMEOUT_MS: between(0, 3_600_000),
  TIKV_GC_LIFE_TIME_MS: v.pipe(
    between(0, 2_592_000_000),
    v.check((ms) => ms === 0 || ms >= 120_000, 'must be 0 or at least 120000'),
  ),
  PG_KEYSPACE: v.pipe(text, v.regex(/^[-A-Za-z0-9_]+$/, 'must be a keyspace name (letters, digits, - and _)')),
  METRICS_HOST: text,
  METRICS_PORT: between(0, 65535),
  LOG_LEVEL: v.picklist(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
  BOOTSTRAP_PASSWORD: text,
  OPERATOR_PASSWORD: optionalText,
  ALLOW_DEFAULT_PASSWORD: boolean,
  AUTO_CREATE_KEYSPACES: v.nullable(boolean),
  TLS_CERT_FILE: optionalText,
  TLS_KEY_FILE: optionalText,
  MAX_CONNECTIONS: between(1, 100_000),
  WORKERS: between(1, 256),
  AUTHENTICATION_TIMEOUT_MS: between(100, 600_000),
  FAILED_LOGIN_DELAY_MS: between(0, 60_000),
  SHUTDOWN_GRACE_MS: between(0, 3_600_000),
  SLOW_STATEMENT_MS: between(0, 86_400_000),
  AUTO_ANALYZE_INTERVAL_MS: between(0, 86_400_000),
})

type Settings = v.InferOutput<typeof schema>
type SettingName = keyof Settings

/** All settings, valid. */
export interface Config {
  readonly pgHost: string
  readonly pgPort: number
  readonly dataDir: string
  /** Null = the embedded store. */
  readonly pdEndpoints: readonly string[] | null
  /** Towards PD and TiKV; null = plain. */
  readonly tikvTls: { readonly caFile: string; readonly certFile: string | null; readonly keyFile: string | null } | null
  readonly tikvReplicaRead: ReplicaRead
  readonly tikvStartTimeoutMs: number
  /** 0 = others collect old versions. */
  readonly tikvGcLifeTimeMs: number
  readonly defaultKeyspace: string
  readonly metricsHost: string
  readonly metricsPort: number
  readonly logLevel: Settings['LOG_LEVEL']
  readonly bootstrapPassword: string
  readonly operatorPassword: string | null
  readonly allowDefaultPassword: boolean
  readonly autoCreateKeyspaces: boolean
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  readonly maxConnections: number
  /** Processes that serve the port. */
  readonly workers: number
  readonly authenticationTimeoutMs: number
  readonly failedLoginDelayMs: number
  readonly shutdownGraceMs: number
  readonly slowStatementMs: number
  readonly autoAnalyzeIntervalMs: number
}

export interface ConfigSources {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

const NAMES = Object.keys(schema.entries) as SettingName[]
/** Their values stand in no message. */
const SECRETS: ReadonlySet<SettingName> = new Set(['BOOTSTRAP_PASSWORD', 'OPERATOR_PASSWORD'])
const DEFAULTS_FILE = new URL('../../config/default.json', import.meta.url)

/** Throws ConfigError. */
export function loadConfig(sources: ConfigSources): Config {
  const values = new Map<SettingName, unknown>()
  const origins = new Map<SettingName, string>()
  const put = (name: SettingName, value: unknown, origin: string): void => {
    values.set(name, value)
    origins.set(name, origin)
  }
  for (const [name, { value }] of Object.entries(readJson(DEFAULTS_FILE) as Record<string, { value: unknown }>)) {
    put(knownName(name, 'config/default.json'), value, 'the defaults')
  }
  const { file, flags } = readFlags(sources.args)
  if (file !== null) {
    for (const [name, value] of Object.entries(readJson(file))) put(knownName(name, file), value, `file ${file}`)
  }
  for (const name of NAMES) {
    const value = sources.env[name]
    if (value !== undefined && value !== '') put(name, value, 'environment')
  }
  for (const [name, value] of flags) put(name, value, 'flag')

  const parsed = v.safeParse(schema, Object.fromEntries(values))
  if (!parsed.success) {
    const issue = parsed.issues[0]!
    const name = String(issue.path?.[0]?.key) as SettingName
    const shown = SECRETS.has(name) ? '' : `, not ${JSON.stringify(values.get(name))}`
    throw new ConfigError(`setting ${name} (from ${origins.get(name)}) ${issue.message}${shown}`)
  }
  return toConfig(parsed.output)
}

function toConfig(s: Settings): Config {
  if ((s.TLS_CERT_FILE === null) !== (s.TLS_KEY_FILE === null)) {
    throw new ConfigError(`setting ${s.TLS_CERT_FILE === null ? 'TLS_CERT_FILE' : 'TLS_KEY_FILE'} is missing: TLS needs both files`)
  }
  if ((s.TIKV_CERT_FILE === null) !== (s.TIKV_KEY_FILE === null) || (s.TIKV_CA_FILE === null && s.TIKV_CERT_FILE !== null)) {
    throw new ConfigError('TLS to the cluster needs TIKV_CA_FILE alone, or TIKV_CA_FILE, TIKV_CERT_FILE and TIKV_KEY_FILE')
  }
  if (s.WORKERS > 1 && s.PD_ENDPOINTS === null) {
    throw new ConfigError('setting WORKERS must be 1 without PD_ENDPOINTS: the embedded store belongs to one process')
  }
  return {
    pgHost: s.PG_HOST,
    pgPort: s.PG_PORT,
    dataDir: s.DATA_DIR,
    pdEndpoints: s.PD_ENDPOINTS,
    tikvTls: s.TIKV_CA_FILE === null ? null : { caFile: s.TIKV_CA_FILE, certFile: s.TIKV_CERT_FILE, keyFile: s.TIKV_KEY_FILE },
    tikvReplicaRead: s.TIKV_REPLICA_READ,
    tikvStartTimeoutMs: s.TIKV_START_TIMEOUT_MS,
    tikvGcLifeTimeMs: s.TIKV_GC_LIFE_TIME_MS,
    defaultKeyspace: s.PG_KEYSPACE,
    metricsHost: s.METRICS_HOST,
    metricsPort: s.METRICS_PORT,
    logLevel: s.LOG_LEVEL,
    bootstrapPassword: s.BOOTSTRAP_PASSWORD,
    operatorPassword: s.OPERATOR_PASSWORD,
    allowDefaultPassword: s.ALLOW_DEFAULT_PASSWORD,
    autoCreateKeyspaces: s.AUTO_CREATE_KEYSPACES ?? s.PD_ENDPOINTS === null,
    tls: s.TLS_CERT_FILE === null || s.TLS_KEY_FILE === null ? null : { certFile: s.TLS_CERT_FILE, keyFile: s.TLS_KEY_FILE },
    maxConnections: s.MAX_CONNECTIONS,
    workers: s.WORKERS,
    authenticationTimeoutMs: s.AUTHENTICATION_TIMEOUT_MS,
    failedLoginDelayMs: s.FAILED_LOGIN_DELAY_MS,
    shutdownGraceMs: s.SHUTDOWN_GRACE_MS,
    slowStatementMs: s.SLOW_STATEMENT_MS,
    autoAnalyzeIntervalMs: s.AUTO_ANALYZE_INTERVAL_MS,
  }
}

function readJson(file: string | URL): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ConfigError(`configuration file ${file} cannot be read: ${(error as Error).message}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError(`configuration file ${file} must hold one JSON object`)
  }
  return parsed as Record<string, unknown>
}

function knownName(name: string, where: string): SettingName {
  if (!(NAMES as string[]).includes(name)) throw new ConfigError(`${where} names an unknown setting: ${name}`)
  return name as SettingName
}

/** `--pg-port 5433`, `--pg-port=5433`; a flag of a yes-or-no setting may stand alone. */
function readFlags(args: readonly string[]): { file: string | null; flags: Map<SettingName, string> } {
  const flags = new Map<SettingName, string>()
  let file: string | null = null
  for (let i = 0; i < args.length; i++) {
    const match = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(args[i]!)
    if (match === null) throw new ConfigError(`unexpected argument: ${args[i]}`)
    const flag = match[1]!
    const name = flag.replaceAll('-', '_').toUpperCase()
    const known = flag === 'config' || (NAMES as string[]).includes(name)
    if (!known) throw new ConfigError(`unknown flag: --${flag}`)
    let value = match[2]
    if (value === undefined) {
      const next = args[i + 1]
      if (next !== undefined && !next.startsWith('--')) {
        value = next
        i++
      } else if (name === 'ALLOW_DEFAULT_PASSWORD' || name === 'AUTO_CREATE_KEYSPACES') value = 'true'
      else throw new ConfigError(`flag --${flag} needs a value`)
    }
    if (flag === 'config') file = value
    else flags.set(name as SettingName, value)
  }
  return { file, flags }
}
