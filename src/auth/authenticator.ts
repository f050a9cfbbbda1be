// Logins: finds keyspace and role, runs SCRAM, admits. Invariant (tenancy L2): unknown keyspace, unknown role, wrong password, NOLOGIN and expired
// password differ neither in bytes nor in time: each goes through a whole exchange, against a mock verifier where there is none, and its
// refusal is sent when the deadline for failed logins is reached.

import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '../base/clock.ts'
import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Logger } from '../observability/log.ts'
import type { AuthExchange, Authenticator, AuthResponse, AuthStep, StartupRequest } from '../pgwire/backend.ts'
import { type LoginTarget, loginTarget } from './login-name.ts'
import type { LoginCandidate, RoleStore } from './role-store.ts'
import { createScramExchange, SCRAM, SCRAM_PLUS, type ScramExchange } from './scram-exchange.ts'
import {
  hmacSha256,
  parseVerifier,
  SCRAM_ITERATIONS,
  SCRAM_KEY_BYTES,
  SCRAM_SALT_BYTES,
  type ScramVerifier,
} from './verifier/scram-verifier.ts'

export interface AuthenticatorOptions<Identity> {
  readonly roles: RoleStore<Identity>
  readonly defaultKeyspace: string
  readonly log: Logger
  /** Makes the salts of those who do not exist; the same on every node and after every restart, or a restart would tell them apart. */
  readonly mockSecret: Buffer
  /** A failed login is told this long after its start, ms. */
  readonly failureDelayMs?: number
  readonly clock?: Clock
  /** For metrics. */
  readonly onLogin?: (keyspace: string, outcome: 'success' | 'failure') => void
}

const DEFAULT_FAILURE_DELAY_MS = 100

export function createAuthenticator<Identity>(options: AuthenticatorOptions<Identity>): Authenticator<Identity> {
  return { begin: (request) => createLogin(options, request) }
}

/** The machine's own addresses, Unix sockets included (no address). */
export function isLoopback(address: string | null): boolean {
  return address === null || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address)
}

function createLogin<Identity>(options: AuthenticatorOptions<Identity>, request: StartupRequest): AuthExchange<Identity> {
  const { log, clock = systemClock } = options
  const begun = clock.monotonic()
  const target = loginTarget(request.parameters, options.defaultKeyspace)
  const { keyspace, user } = target
  const endPoint = request.tls?.endPoint ?? null
  let candidate: LoginCandidate<Identity> | null = null
  let scram: ScramExchange | null = null

  function chooseMechanism(response: AuthResponse & { kind: 'sasl-initial' }): MaybePromise<AuthStep<Identity>> {
    const { mechanism, data } = response
    if (mechanism !== SCRAM && !(mechanism === SCRAM_PLUS && endPoint !== null)) {
      throw new PgError(SQLSTATE.protocolViolation, 'client selected an invalid SASL authentication mechanism', { severity: 'FATAL' })
    }
    const origin = { remoteAddress: request.remoteAddress, loopback: isLoopback(request.remoteAddress), tls: request.tls !== null }
    return andThen(options.roles.lookup(keyspace, user, origin), (found) => {
      candidate = found
      const verifier = found?.verifier == null ? null : parseVerifier(found.verifier)
      if (verifier === null) candidate = null
      scram = createScramExchange({ verifier: verifier ?? mockVerifier(options.mockSecret, target), mechanism, endPoint })
      // RFC 4422: without an initial response the server sends an empty challenge first.
      if (data === null) return { kind: 'sasl-continue', data: Buffer.alloc(0) }
      return { kind: 'sasl-continue', data: scram.first(data) }
    })
  }

  function prove(message: Uint8Array): MaybePromise<AuthStep<Identity>> {
    const finalData = scram!.final(message)
    const reason = failureReason(candidate, finalData, clock)
    if (reason !== null) return fail(reason)
    return andThen(candidate!.admit(), (identity) => {
      log.info({ keyspace, user }, `Authentication successful for user '${user}' with keyspace '${keyspace}'`)
      options.onLogin?.(keyspace, 'success')
      return { kind: 'ok', finalData, identity }
    })
  }

  /** The reason goes to the log only. */
  async function fail(reason: string): Promise<never> {
    const { failureDelayMs = DEFAULT_FAILURE_DELAY_MS } = options
    const wait = begun + failureDelayMs - clock.monotonic()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    log.info({ keyspace, user, reason, address: request.remoteAddress }, 'Authentication failed')
    options.onLogin?.(keyspace, 'failure')
    throw failure(target)
  }

  let state: 'start' | 'mechanism' | 'first' | 'final' | 'over' = 'start'
  return {
    next(response) {
      switch (state) {
        case 'start':
          state = 'mechanism'
          if (target.source === 'user name') {
            log.info({ keyspace, user: target.given }, `Extracted keyspace '${keyspace}' from username '${target.given}'`)
          }
          return { kind: 'sasl', mechanisms: endPoint === null ? [SCRAM] : [SCRAM_PLUS, SCRAM] }
        case 'mechanism':
          if (response?.kind !== 'sasl-initial') break
          state = response.data === null ? 'first' : 'final'
          return chooseMechanism(response)
        case 'first':
          if (response?.kind !== 'sasl') break
          state = 'final'
          return { kind: 'sasl-continue', data: scram!.first(response.data) }
        case 'final':
          if (response?.kind !== 'sasl') break
          state = 'over'
          return prove(response.data)
      }
      throw new PgError(SQLSTATE.protocolViolation, 'unexpected message during authentication', { severity: 'FATAL' })
    },
  }
}

function failureReason<Identity>(candidate: LoginCandidate<Identity> | null, proven: Buffer | null, clock: Clock): string | null {
  if (candidate === null) return 'no such keyspace or role, or no password'
  if (proven === null) return 'wrong password'
  if (!candidate.canLogin) return 'role is not permitted to log in'
  if (candidate.validUntil !== null && candidate.validUntil < clock.now()) return 'password expired'
  return null
}

/** The one refusal of all failed logins. */
function failure(target: LoginTarget): PgError {
  const { keyspace, user, given, source } = target
  const read =
    source === 'user name'
      ? `User name "${given}" was read as user "${user}" of keyspace "${keyspace}".`
      : `User "${user}" was looked for in keyspace "${keyspace}", which the ${source === 'default' ? "server's default" : source} names.`
  return new PgError(SQLSTATE.invalidPassword, `password authentication failed for user "${given}"`, {
    severity: 'FATAL',
    detail: read,
    hint: 'The form of a user name is keyspace.user, for example tenant_a.admin.',
  })
}

/** Always the same salt for the same name, and keys that nothing matches. */
function mockVerifier(secret: Buffer, target: LoginTarget): ScramVerifier {
  const salt = hmacSha256(secret, `${target.keyspace}\0${target.user}`).subarray(0, SCRAM_SALT_BYTES)
  return { iterations: SCRAM_ITERATIONS, salt, storedKey: randomBytes(SCRAM_KEY_BYTES), serverKey: randomBytes(SCRAM_KEY_BYTES) }
}
