// Which keyspace and which user a login means (tenancy T9, T10, T16, L1): `<keyspace>.<user>` or `<keyspace>:<user>`, the startup parameter
// `tenant`, or `options=-c tenant=…`. Invariant: sources that disagree are refused, never ranked.

import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { parseStartupOptions } from '../pgwire/startup-options.ts'

const KEYSPACE_NAME = /^[-A-Za-z0-9_]+$/

export interface SplitName {
  /** Null when the name holds no separator, or what stands left of the first one is no legal keyspace name. */
  readonly keyspace: string | null
  readonly user: string
}

/** The leftmost separator wins. */
export function splitLoginName(name: string): SplitName {
  const at = name.search(/[.:]/)
  if (at < 0 || !KEYSPACE_NAME.test(name.slice(0, at))) return { keyspace: null, user: name }
  return { keyspace: name.slice(0, at), user: name.slice(at + 1) }
}

export interface LoginTarget {
  readonly keyspace: string
  readonly user: string
  /** The user name as it was sent. */
  readonly given: string
  /** What named the keyspace. */
  readonly source: 'user name' | 'options' | 'startup parameter' | 'default'
}

/** Throws FATAL 28000 when two sources name different keyspaces. */
export function loginTarget(parameters: ReadonlyMap<string, string>, defaultKeyspace: string): LoginTarget {
  const given = parameters.get('user') ?? ''
  const { keyspace, user } = splitLoginName(given)
  const named: { keyspace: string; source: LoginTarget['source'] }[] = []
  if (keyspace !== null) named.push({ keyspace, source: 'user name' })
  for (const [name, value] of parseStartupOptions(parameters.get('options') ?? '')) {
    if (name === 'tenant') named.push({ keyspace: value, source: 'options' })
  }
  const parameter = parameters.get('tenant')
  if (parameter !== undefined) named.push({ keyspace: parameter, source: 'startup parameter' })
  const first = named[0]
  if (first === undefined) return { keyspace: defaultKeyspace, user, given, source: 'default' }
  const other = named.find((one) => one.keyspace !== first.keyspace)
  if (other !== undefined) {
    throw new PgError(SQLSTATE.invalidAuthorizationSpecification, 'the login names two different keyspaces', {
      severity: 'FATAL',
      detail: `The ${first.source} names "${first.keyspace}", the ${other.source} names "${other.keyspace}".`,
      hint: 'Name the keyspace once, as in keyspace.user.',
    })
  }
  return { keyspace: first.keyspace, user, given, source: first.source }
}
