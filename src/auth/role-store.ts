// The port through which a login finds its role. Implemented above (catalogue and tenancy, put together by server/); auth knows no keys.

import type { MaybePromise } from '../base/maybe-promise.ts'

/** Where a login comes from. */
export interface LoginOrigin {
  readonly remoteAddress: string | null
  /** The address is the machine's own (127.0.0.0/8, ::1, a Unix socket). */
  readonly loopback: boolean
  readonly tls: boolean
}

/**
 * A role that may be about to log in. Nothing of it is told to the client before the password proved right: a tenant's state, NOLOGIN and
 * an expired password look like a wrong password, or come after it, from `admit`.
 */
export interface LoginCandidate<Identity> {
  /** rolpassword: a SCRAM-SHA-256 verifier; null = no password, which no password matches. */
  readonly verifier: string | null
  readonly canLogin: boolean
  /** rolvaliduntil in milliseconds since the Unix epoch; null = for ever. */
  readonly validUntil: number | null
  /**
   * The password proved right: last checks (tenant's state, default password from afar, connection limits) and what is made by a first login.
   * Refuses with a FATAL PgError, which is sent as it is.
   */
  admit(): MaybePromise<Identity>
}

export interface RoleStore<Identity> {
  /**
   * Reads the role from the store at every login (a changed password counts at once, on every node). Null: no such tenant or role. For a
   * tenant that a login may create, or one without its first role yet, a candidate with the bootstrap verifier.
   */
  lookup(keyspace: string, role: string, origin: LoginOrigin): MaybePromise<LoginCandidate<Identity> | null>
}
