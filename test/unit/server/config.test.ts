import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadConfig } from '../../../src/server/config.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'pgks-config-'))
afterAll(() => rmSync(dir, { recursive: true }))
const file = (text: string): string => {
  const name = path.join(dir, `${Math.random()}.json`)
  writeFileSync(name, text)
  return name
}
const load = (args: string[] = [], env: Record<string, string> = {}) => loadConfig({ args, env })

test('the defaults are the contract’s', () => {
  expect(load()).toEqual({
    pgHost: '127.0.0.1',
    pgPort: 5433,
    dataDir: './data',
    pdEndpoints: null,
    tikvTls: null,
    tikvReplicaRead: 'leader',
    tikvStartTimeoutMs: 20_000,
    tikvGcLifeTimeMs: 600_000,
    defaultKeyspace: 'default',
    metricsHost: '127.0.0.1',
    metricsPort: 9187,
    logLevel: 'info',
    bootstrapPassword: 'admin',
    operatorPassword: null,
    allowDefaultPassword: false,
    autoCreateKeyspaces: true,
    tls: null,
    maxConnections: 1000,
    workers: 1,
    authenticationTimeoutMs: 60_000,
    failedLoginDelayMs: 100,
    shutdownGraceMs: 5000,
    slowStatementMs: 1000,
    autoAnalyzeIntervalMs: 60_000,
  })
})

test('every setting has its meaning written down', () => {
  const defaults = JSON.parse(readFileSync(new URL('../../../config/default.json', import.meta.url), 'utf8')) as Record<
    string,
    { meaning: string }
  >
  for (const [name, { meaning }] of Object.entries(defaults)) expect(meaning, name).toMatch(/\.$/)
})

test('defaults < file < environment < flags', () => {
  const config = file('{"PG_PORT": 1, "METRICS_PORT": 1, "LOG_LEVEL": "warn", "MAX_CONNECTIONS": 7}')
  const loaded = load(['--config', config, '--pg-port=3', '--auto-create-keyspaces', '--allow-default-password', 'off'], {
    PG_PORT: '2',
    METRICS_PORT: '2',
    DATA_DIR: '',
    AUTO_CREATE_KEYSPACES: 'false',
  })
  expect(loaded).toMatchObject({
    pgPort: 3,
    metricsPort: 2,
    logLevel: 'warn',
    maxConnections: 7,
    dataDir: './data',
    autoCreateKeyspaces: true,
    allowDefaultPassword: false,
  })
})

test('PD_ENDPOINTS selects TiKV, where logins make no keyspaces unless told to', () => {
  expect(load([], { PD_ENDPOINTS: 'http://127.0.0.1:2379, pd-1:2379,[::1]:2379' })).toMatchObject({
    pdEndpoints: ['127.0.0.1:2379', 'pd-1:2379', '[::1]:2379'],
    autoCreateKeyspaces: false,
  })
  expect(load([], { PD_ENDPOINTS: 'pd:2379', AUTO_CREATE_KEYSPACES: '1' }).autoCreateKeyspaces).toBe(true)
})

test.each([
  [[], { PG_PORT: 'abc' }, 'setting PG_PORT (from environment) must be a whole number, not "abc"'],
  [[], { PG_PORT: '70000' }, 'setting PG_PORT (from environment) must be between 0 and 65535, not "70000"'],
  [['--max-connections', '0'], {}, 'setting MAX_CONNECTIONS (from flag) must be between 1 and 100000, not "0"'],
  [
    [],
    { LOG_LEVEL: 'loud' },
    'setting LOG_LEVEL (from environment) must be one of fatal, error, warn, info, debug, trace, silent, not "loud"',
  ],
  [[], { ALLOW_DEFAULT_PASSWORD: 'maybe' }, 'setting ALLOW_DEFAULT_PASSWORD (from environment) must be true or false, not "maybe"'],
  [[], { PD_ENDPOINTS: 'nohost' }, 'setting PD_ENDPOINTS (from environment) must be host:port[,host:port…], not "nohost"'],
  [[], { PG_KEYSPACE: 'a b' }, 'setting PG_KEYSPACE (from environment) must be a keyspace name (letters, digits, - and _), not "a b"'],
  [[], { TIKV_CERT_FILE: 'x' }, 'TLS to the cluster needs TIKV_CA_FILE alone, or TIKV_CA_FILE, TIKV_CERT_FILE and TIKV_KEY_FILE'],
  [[], { TIKV_GC_LIFE_TIME_MS: '1000' }, 'setting TIKV_GC_LIFE_TIME_MS (from environment) must be 0 or at least 120000, not "1000"'],
  [[], { TLS_CERT_FILE: 'x' }, 'setting TLS_KEY_FILE is missing: TLS needs both files'],
  [['--pg-prot', '1'], {}, 'unknown flag: --pg-prot'],
  [['--pg-port'], {}, 'flag --pg-port needs a value'],
  [['serve'], {}, 'unexpected argument: serve'],
])('refused: %j %j', (args, env, message) => {
  expect(() => load(args, env as unknown as Record<string, string>)).toThrow(message)
})

test('files: unknown names, broken JSON, not there; a password’s value is never told', () => {
  const unknown = file('{"PG_PROT": 1}')
  expect(() => load(['--config', unknown])).toThrow(`${unknown} names an unknown setting: PG_PROT`)
  expect(() => load(['--config', file('{')])).toThrow(/cannot be read/)
  expect(() => load(['--config', file('[]')])).toThrow(/must hold one JSON object/)
  expect(() => load(['--config', path.join(dir, 'none.json')])).toThrow(/cannot be read/)
  const config = file('{"BOOTSTRAP_PASSWORD": 12345}')
  expect(() => load(['--config', config])).toThrow(/setting BOOTSTRAP_PASSWORD \(from file .*\)(?!.*12345)/)
})
