import { expect, test } from 'vitest'
import { loginTarget, splitLoginName } from '../../../src/auth/login-name.ts'
import { PgError } from '../../../src/base/errors.ts'

// Tenancy T9: the leftmost separator wins; what stands left of it must be a legal keyspace name, else there is no split.
test.each([
  ['tenant_a.admin', 'tenant_a', 'admin'],
  ['tenant_b.app', 'tenant_b', 'app'],
  ['acme_corp:postgres', 'acme_corp', 'postgres'],
  ['admin', null, 'admin'],
  ['postgres', null, 'postgres'],
  ['a:b.c', 'a', 'b.c'],
  ['a.b.c', 'a', 'b.c'],
  ['a.b:c', 'a', 'b:c'],
  ['my-tenant.x', 'my-tenant', 'x'],
  ['alice@acme.com', null, 'alice@acme.com'],
  ['a b.c', null, 'a b.c'],
  ['.x', null, '.x'],
  [':x', null, ':x'],
  ['x.', 'x', ''],
  ['', null, ''],
  ['é.x', null, 'é.x'],
])('splitLoginName(%j)', (name, keyspace, user) => {
  expect(splitLoginName(name)).toEqual({ keyspace, user })
})

const target = (parameters: Record<string, string>) => {
  try {
    const { keyspace, user, source } = loginTarget(new Map(Object.entries(parameters)), 'default')
    return `${keyspace}/${user} (${source})`
  } catch (error) {
    return error instanceof PgError ? `${error.severity} ${error.code} ${error.message}: ${error.fields.detail}` : String(error)
  }
}

// Tenancy L1: every way to name the keyspace, alone and together.
test.each([
  [{ user: 'admin' }, 'default/admin (default)'],
  [{ user: 'a.admin' }, 'a/admin (user name)'],
  [{ user: 'admin', tenant: 'a' }, 'a/admin (startup parameter)'],
  [{ user: 'admin', options: '-c tenant=a' }, 'a/admin (options)'],
  [{ user: 'admin', options: '-ctenant=a' }, 'a/admin (options)'],
  [{ user: 'admin', options: '--tenant=a -c search_path=x\\ y' }, 'a/admin (options)'],
  [{ user: 'a.admin', tenant: 'a', options: '-c tenant=a' }, 'a/admin (user name)'],
  [
    { user: 'a.admin', tenant: 'b' },
    'FATAL 28000 the login names two different keyspaces: The user name names "a", the startup parameter names "b".',
  ],
  [
    { user: 'a.admin', options: '-c tenant=b' },
    'FATAL 28000 the login names two different keyspaces: The user name names "a", the options names "b".',
  ],
  [
    { user: 'admin', options: '-c tenant=a -c tenant=b' },
    'FATAL 28000 the login names two different keyspaces: The options names "a", the options names "b".',
  ],
  [
    { user: 'admin', tenant: 'a', options: '-c tenant=b' },
    'FATAL 28000 the login names two different keyspaces: The options names "b", the startup parameter names "a".',
  ],
  [{ user: 'admin', options: '-x' }, 'FATAL 42601 invalid command-line argument for server process: -x: undefined'],
  [{ user: 'admin', options: '-c tenant' }, 'FATAL 42601 -c tenant requires a value: undefined'],
])('loginTarget(%j)', (parameters, expected) => {
  expect(target(parameters as Record<string, string>)).toBe(expected)
})
