// Logins with real clients: node-postgres and, when present, psql; SCRAM and SCRAM-PLUS; failures that look alike.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, expect, test } from 'vitest'
import { createAuthenticator } from '../../src/auth/authenticator.ts'
import type { LoginCandidate, RoleStore } from '../../src/auth/role-store.ts'
import { makeVerifier } from '../../src/auth/verifier/scram-verifier.ts'
import { PgError } from '../../src/base/errors.ts'
import { SQLSTATE } from '../../src/base/sqlstate.ts'
import { createLogger } from '../../src/observability/log.ts'
import type { WireServer } from '../../src/pgwire/server.ts'
import { createTlsSettings } from '../../src/pgwire/tls.ts'
import { fields, frame, msg, WireClient } from '../support/wire-client.ts'
import { startStub } from '../support/wire-server.ts'

const verifier = await makeVerifier('secret')
const have = (program: string, versionFlag: string): boolean => {
  const found = spawnSync(program, [versionFlag]).status === 0
  if (!found) console.log(`skipped: cases of wire/login that need ${program}`)
  return found
}
const havePsql = have('psql', '--version')
const haveOpenssl = have('openssl', 'version')

const roles: RoleStore<string> = {
  lookup(keyspace, role) {
    if (keyspace !== 'tenant_a') return null
    const candidate: LoginCandidate<string> = { verifier, canLogin: true, validUntil: null, admit: () => `${keyspace}/${role}` }
    switch (role) {
      case 'admin':
        return candidate
      case 'later':
        return new Promise((resolve) => setTimeout(() => resolve(candidate), 5))
      case 'nologin':
        return { ...candidate, canLogin: false }
      case 'expired':
        return { ...candidate, validUntil: 0 }
      case 'nopassword':
        return { ...candidate, verifier: null }
      case 'suspended':
        return {
          ...candidate,
          admit() {
            throw new PgError(SQLSTATE.cannotConnectNow, 'tenant is suspended', { severity: 'FATAL', detail: 'unpaid' })
          },
        }
      default:
        return null
    }
  },
}

const running: WireServer[] = []
const lines: string[] = []
afterEach(async () => {
  lines.length = 0
  await Promise.all(running.splice(0).map((server) => server.shutdown(0)))
})

const authenticator = (failureDelayMs = 20) =>
  createAuthenticator({
    roles,
    defaultKeyspace: 'default',
    log: createLogger('info', { write: (line) => void lines.push(line) }),
    mockSecret: Buffer.alloc(32, 7),
    failureDelayMs,
  })

const connectPg = (port: number, user: string, password: string, extra = {}) =>
  new Client({ host: '127.0.0.1', port, user, password, database: 'postgres', ...extra })

/** psql beside this process's event loop, since the server runs in it. */
function psql(port: number, user: string, password: string, options: string): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn('psql', [`host=127.0.0.1 port=${port} user=${user} dbname=x ${options}`, '-Atc', 'select 5'], {
      env: { ...process.env, PGPASSWORD: password },
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

test('node-postgres logs in with SCRAM; the log says what was read and who came in', async () => {
  const { port } = await startStub({ authenticator: authenticator() }, running)
  for (const user of ['tenant_a.admin', 'tenant_a:later']) {
    const client = connectPg(port, user, 'secret')
    await client.connect()
    expect((await client.query('select 5')).rows).toEqual([{ abalance: 5 }])
    await client.end()
  }
  const messages = lines.map((line) => JSON.parse(line) as { level: string; msg: string; keyspace: string; user: string })
  expect(messages[0]).toMatchObject({
    level: 'info',
    msg: "Extracted keyspace 'tenant_a' from username 'tenant_a.admin'",
    keyspace: 'tenant_a',
    user: 'tenant_a.admin',
  })
  expect(messages[1]).toMatchObject({
    msg: "Authentication successful for user 'admin' with keyspace 'tenant_a'",
    keyspace: 'tenant_a',
    user: 'admin',
  })
  expect(lines.join()).not.toContain('secret')
})

test('postgres.js logs in and runs a prepared statement', async () => {
  const { port } = await startStub({ authenticator: authenticator() }, running)
  const sql = postgres({ host: '127.0.0.1', port, user: 'tenant_a.admin', password: 'secret', database: 'x', fetch_types: false, max: 1 })
  expect([...(await sql`select 5`)]).toEqual([{ abalance: 5 }])
  expect([...(await sql`select 5`)]).toEqual([{ abalance: 5 }])
  await sql.end()
})

test('all failures are one: same bytes but for the names, same exchange, not before the deadline; state only after the password', async () => {
  const { port } = await startStub({ authenticator: authenticator() }, running)
  const attempt = async (user: string, password: string) => {
    const begun = performance.now()
    const error = await connectPg(port, user, password)
      .connect()
      .then(
        () => null,
        (e: unknown) => e as { code: string; message: string; detail: string; hint: string; severity: string },
      )
    return { error: error!, took: performance.now() - begun }
  }
  const failures: [string, string][] = [
    ['tenant_a.admin', 'wrong'],
    ['tenant_a.nobody', 'secret'],
    ['tenant_a.nologin', 'secret'],
    ['tenant_a.expired', 'secret'],
    ['tenant_a.nopassword', 'secret'],
    ['tenant_x.admin', 'secret'],
    ['tenant_a.suspended', 'wrong'],
  ]
  for (const [user, password] of failures) {
    const { error, took } = await attempt(user, password)
    const [keyspace, role] = user.split('.')
    expect(error).toMatchObject({
      code: '28P01',
      severity: 'FATAL',
      message: `password authentication failed for user "${user}"`,
      detail: `User name "${user}" was read as user "${role}" of keyspace "${keyspace}".`,
      hint: 'The form of a user name is keyspace.user, for example tenant_a.admin.',
    })
    expect(took).toBeGreaterThanOrEqual(19)
  }
  expect((await attempt('tenant_a.suspended', 'secret')).error).toMatchObject({ code: '57P03', detail: 'unpaid' })
  expect((await attempt('admin', 'secret')).error.detail).toBe(
    `User "admin" was looked for in keyspace "default", which the server's default names.`,
  )
})

test('the mock exchange: the salt of a name that does not exist is always the same, and of the usual size', async () => {
  const { port } = await startStub({ authenticator: authenticator() }, running)
  const serverFirst = async (user: string): Promise<string> => {
    const client = await WireClient.connect(port)
    client.send(msg.startup({ user }))
    await client.until('R')
    const first = Buffer.from('n,,n=,r=abc')
    const length = Buffer.alloc(4)
    length.writeInt32BE(first.length)
    client.send(frame('p', Buffer.from('SCRAM-SHA-256\0'), length, first))
    const [message] = await client.until('R')
    client.end()
    return message!.body.toString('utf8', 4).replace(/^r=[^,]*/, '')
  }
  const unknown = await serverFirst('tenant_x.admin')
  expect(await serverFirst('tenant_x.admin')).toBe(unknown)
  expect(await serverFirst('tenant_x.other')).not.toBe(unknown)
  const known = await serverFirst('tenant_a.admin')
  expect(known.length).toBe(unknown.length)
  expect(known.slice(-7)).toBe(unknown.slice(-7))
})

test('a mechanism that was not offered', async () => {
  const { port } = await startStub({ authenticator: authenticator() }, running)
  const client = await WireClient.connect(port)
  client.send(msg.startup({ user: 'tenant_a.admin' }))
  const [offer] = await client.until('R')
  expect(offer!.body.toString('latin1', 4)).toBe('SCRAM-SHA-256\0\0')
  client.send(frame('p', Buffer.from('SCRAM-SHA-256-PLUS\0\xff\xff\xff\xff', 'latin1')))
  const [error] = await client.until('E')
  expect(fields(error!.body)['M']).toBe('client selected an invalid SASL authentication mechanism')
  client.end()
})

test.runIf(haveOpenssl)('node-postgres and psql bind the channel under TLS', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'pgks-login-'))
  afterAll(() => rmSync(dir, { recursive: true }))
  const [key, crt] = [path.join(dir, 'k'), path.join(dir, 'c')]
  execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-newkey', 'rsa:2048', '-keyout', key, '-out', crt],
    {
      stdio: 'ignore',
    },
  )
  const settings = createTlsSettings({ certificate: readFileSync(crt), key: readFileSync(key) })
  const { port, sessions } = await startStub({ authenticator: authenticator(), tls: () => settings }, running)
  const client = connectPg(port, 'tenant_a.admin', 'secret', { ssl: { rejectUnauthorized: false }, enableChannelBinding: true })
  await client.connect()
  expect(sessions[0]!.client.request.tls).not.toBeNull()
  await client.end()
  if (!havePsql) return
  expect(await psql(port, 'tenant_a.admin', 'secret', 'sslmode=require channel_binding=require')).toEqual({ code: 0, out: '5\n', err: '' })
  expect(await psql(port, 'tenant_a.admin', 'secret', 'sslmode=require channel_binding=disable')).toMatchObject({ code: 0, out: '5\n' })
  expect((await psql(port, 'tenant_a.admin', 'wrong', 'sslmode=require channel_binding=require')).err).toContain(
    'password authentication failed',
  )
})

test.runIf(havePsql)('psql without TLS', async () => {
  const { port } = await startStub({ authenticator: authenticator() }, running)
  expect(await psql(port, 'tenant_a.admin', 'secret', 'sslmode=prefer')).toEqual({ code: 0, out: '5\n', err: '' })
  const refused = await psql(port, 'tenant_a.admin', 'wrong', 'sslmode=disable')
  expect(refused.code).toBe(2)
  expect(refused.err).toContain('HINT:  The form of a user name is keyspace.user')
})
