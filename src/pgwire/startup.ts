// The life of a connection before its session: encryption requests, cancel requests, StartupMessage, version negotiation, the login.
// Invariant: nothing is read of a message that is longer than its limit, and the deadline ends whoever dawdles.

import { PgError } from '../base/errors.ts'
import { andThen } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { AuthExchange, Authenticator, AuthResponse, AuthStep, Backend, Client, Session, StartupRequest, TlsFacts } from './backend.ts'
import type { CancelKeys } from './cancel-keys.ts'
import { Conversation, type ConversationHost } from './conversation.ts'
import type { Link, Phase } from './link.ts'
import { authentication, authenticationSasl, errorResponse, negotiateProtocolVersion } from './messages.ts'
import { CANCEL_REQUEST, FRONTEND, GSSENC_REQUEST, PROTOCOL_3_2, PROTOCOL_LATEST, SSL_REQUEST } from './protocol.ts'
import { MessageReader } from './read.ts'

/** What start-up needs of its server. */
export interface StartupHost<Identity> extends ConversationHost {
  readonly backend: Backend<Identity>
  readonly authenticator: Authenticator<Identity>
  readonly cancelKeys: CancelKeys
  /** Puts TLS around the link and calls back when the handshake is done; null without TLS. */
  readonly secure: ((link: Link, done: () => void) => void) | null
  tlsFacts(link: Link): TlsFacts | null
  alpnProtocol(link: Link): string | null
  /** Takes a place among the sessions or throws 53300. */
  admit(): void
  /** The place is free again (a login that failed; a session gives its own back when it ends). */
  release(): void
  started(conversation: Conversation): void
  /** The start-up is over without a session. `error` is null when there was nothing to refuse. */
  failed(error: PgError | null, request: StartupRequest | null): void
}

const TLS_HANDSHAKE_RECORD = 0x16
const MAX_SASL_MESSAGE_BYTES = 1024
const CLEARTEXT = 3
const SASL_CONTINUE = 11
const SASL_FINAL = 12
const AUTHENTICATION_OK = 0

export class Startup<Identity> implements Phase {
  busy = false
  readonly #link: Link
  readonly #host: StartupHost<Identity>
  readonly #deadline: NodeJS.Timeout
  #encryptionAsked = { tls: false, gss: false }
  #directTls = false
  #request: StartupRequest | null = null
  #exchange: AuthExchange<Identity> | null = null
  /** What the client must send next during the login. */
  #expected: 'sasl-initial' | 'sasl' | 'password' = 'sasl-initial'
  #admitted = false
  #over = false

  constructor(link: Link, host: StartupHost<Identity>) {
    this.#link = link
    this.#host = host
    this.#deadline = setTimeout(() => this.#timedOut(), link.limits.startupTimeoutMs)
  }

  // ---- Phase

  input(): void {
    try {
      while (!this.busy && !this.#over && (this.#request === null ? this.#packet() : this.#response()));
      if (!this.#over && !this.busy) this.#link.settle()
    } catch (error) {
      this.#refuse(error)
    }
    this.#link.flush()
  }

  inputEnded(): void {
    if (!this.busy) this.#abandon()
  }

  overwhelmed(): void {
    this.#vanish()
  }

  closed(): void {
    if (!this.busy) this.#abandon()
  }

  // ---- the first packets

  #packet(): boolean {
    const link = this.#link
    if (!link.need(1)) return false
    if (link.head[link.pos] === TLS_HANDSHAKE_RECORD && !link.encrypted && !this.#encryptionAsked.tls) {
      if (this.#host.secure === null) {
        this.#vanish()
        return false
      }
      this.#directTls = true
      this.#secure()
      return false
    }
    if (!link.need(4)) return false
    const length = link.head.readInt32BE(link.pos)
    // Another protocol, or a Terminate before all else: PostgreSQL tells its log alone.
    if (length < 8 || length > link.limits.maxStartupBytes) {
      this.#vanish()
      return false
    }
    if (!link.need(length)) return false
    const code = link.head.readInt32BE(link.pos + 4)
    const start = link.pos + 8
    const end = link.pos + length
    const { head } = link
    link.pos = end
    switch (code) {
      case CANCEL_REQUEST:
        if (end - start > 4) this.#host.cancelKeys.request(head.readInt32BE(start), Buffer.from(head.subarray(start + 4, end)))
        this.#vanish()
        return false
      case SSL_REQUEST:
        if (link.encrypted || this.#encryptionAsked.tls) break
        return this.#encryptionRequest('tls')
      case GSSENC_REQUEST:
        if (link.encrypted || this.#encryptionAsked.gss) break
        return this.#encryptionRequest('gss')
    }
    this.#startupMessage(code, head, start, end)
    return true
  }

  #encryptionRequest(kind: 'tls' | 'gss'): boolean {
    const link = this.#link
    this.#encryptionAsked[kind] = true
    if (link.unread > 0) {
      throw violation(`received unencrypted data after ${kind === 'tls' ? 'SSL' : 'GSSAPI encryption'} request`, {
        detail: 'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
      })
    }
    if (kind === 'gss' || this.#host.secure === null) {
      link.socket.write('N')
      return true
    }
    link.socket.write('S')
    this.#secure()
    return false
  }

  #secure(): void {
    const link = this.#link
    this.#host.secure!(link, () => {
      // libpq always offers ALPN on a direct connection; another protocol's client must not talk to us by accident.
      if (this.#directTls && this.#host.alpnProtocol(link) !== 'postgresql') this.#vanish()
    })
  }

  #startupMessage(version: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link
    const major = version >> 16
    if (major !== 3) {
      throw new PgError(
        SQLSTATE.featureNotSupported,
        `unsupported frontend protocol ${major & 0xffff}.${version & 0xffff}: server supports 3.0 to 3.${PROTOCOL_LATEST & 0xffff}`,
        { severity: 'FATAL' },
      )
    }
    const { parameters, unknownOptions } = readParameters(buffer, start, end)
    const protocolVersion = Math.min(version, PROTOCOL_LATEST)
    if (version > PROTOCOL_LATEST || unknownOptions.length > 0) {
      negotiateProtocolVersion(link.out(), protocolVersion, unknownOptions)
    }
    const { socket } = link
    const request: StartupRequest = {
      protocolVersion,
      parameters,
      remoteAddress: plainAddress(socket.remoteAddress),
      remotePort: socket.remotePort ?? null,
      localAddress: plainAddress(socket.localAddress),
      localPort: socket.localPort ?? null,
      tls: this.#host.tlsFacts(link),
    }
    this.#request = request
    if ((parameters.get('user') ?? '') === '') {
      throw new PgError(SQLSTATE.invalidAuthorizationSpecification, 'no PostgreSQL user name specified in startup packet', {
        severity: 'FATAL',
      })
    }
    const replication = parameters.get('replication')
    if (replication !== undefined && !['false', 'off', 'no', '0'].includes(replication)) {
      throw new PgError(SQLSTATE.featureNotSupported, 'replication connections are not supported', { severity: 'FATAL' })
    }
    this.#host.admit()
    this.#admitted = true
    this.#exchange = this.#host.authenticator.begin(request)
    this.#advance(null)
  }

  // ---- the login

  /** One answer of the client during the login. */
  #response(): boolean {
    const link = this.#link
    if (!link.need(5)) return false
    const type = link.head[link.pos]!
    const length = link.head.readInt32BE(link.pos + 1)
    if (type === FRONTEND.terminate) {
      this.#vanish()
      return false
    }
    if (type !== FRONTEND.password) {
      throw violation(`expected ${this.#expected === 'password' ? 'password' : 'SASL'} response, got message type ${type}`)
    }
    const limit = this.#expected === 'password' ? link.limits.maxPasswordBytes : MAX_SASL_MESSAGE_BYTES
    if (length < 4 || length > limit) throw violation('invalid message length')
    if (!link.need(1 + length)) return false
    const reader = new MessageReader().over(link.head, link.pos + 5, link.pos + 1 + length)
    link.pos += 1 + length
    this.#advance(this.#readResponse(reader))
    return true
  }

  #readResponse(reader: MessageReader): AuthResponse {
    if (this.#expected === 'sasl') return { kind: 'sasl', data: Buffer.from(reader.rest()) }
    if (this.#expected === 'password') {
      const password = reader.cstring()
      reader.done()
      if (password === '') throw new PgError(SQLSTATE.invalidPassword, 'empty password returned by client', { severity: 'FATAL' })
      return { kind: 'password', password }
    }
    const mechanism = reader.cstring()
    const length = reader.i32()
    const data = length < 0 ? null : Buffer.from(reader.buffer.subarray(reader.skip(length), reader.pos))
    reader.done()
    return { kind: 'sasl-initial', mechanism, data }
  }

  #advance(response: AuthResponse | null): void {
    this.#wait(andThen(this.#exchange!.next(response), (step) => this.#step(step)))
  }

  #step(step: AuthStep<Identity>): void | Promise<void> {
    if (this.#over) return undefined
    const out = this.#link.out()
    switch (step.kind) {
      case 'sasl':
        this.#expected = 'sasl-initial'
        authenticationSasl(out, step.mechanisms)
        return undefined
      case 'sasl-continue':
        this.#expected = 'sasl'
        authentication(out, SASL_CONTINUE, step.data)
        return undefined
      case 'cleartext':
        this.#expected = 'password'
        authentication(out, CLEARTEXT, null)
        return undefined
      case 'ok':
        if (step.finalData !== null) authentication(out, SASL_FINAL, step.finalData)
        authentication(out, AUTHENTICATION_OK, null)
        return this.#startSession(step.identity)
    }
  }

  #startSession(identity: Identity): void | Promise<void> {
    const link = this.#link
    const host = this.#host
    const request = this.#request!
    const key = host.cancelKeys.issue(request.protocolVersion >= PROTOCOL_3_2 ? 32 : 4, () => conversation.cancel())
    const conversation = new Conversation(link, host, request, key.processId)
    let session: ReturnType<Backend<Identity>['startup']>
    try {
      session = host.backend.startup(identity, conversation as Client)
    } catch (error) {
      host.cancelKeys.release(key.processId)
      throw error
    }
    const begin = (ready: Session): void => {
      if (this.#over || link.closed) {
        host.cancelKeys.release(key.processId)
        this.#discardSession(ready)
        return
      }
      clearTimeout(this.#deadline)
      this.#over = true
      host.started(conversation)
      link.phase = conversation
      conversation.start(ready, key)
    }
    if (!(session instanceof Promise)) return begin(session)
    return session.then(begin, (error: unknown) => {
      host.cancelKeys.release(key.processId)
      throw error
    })
  }

  /** The client went away, or was refused, while its session was being made. */
  #discardSession(session: Session): void {
    this.#abandon()
    const defect = (error: unknown): void => void this.#host.defect(error, null)
    try {
      const closing = session.close()
      if (closing instanceof Promise) closing.catch(defect)
    } catch (error) {
      defect(error)
    }
  }

  /** Input waits while a step of the login is under way. */
  #wait(step: void | Promise<void>): void {
    if (!(step instanceof Promise)) return
    this.busy = true
    step.then(
      () => {
        this.busy = false
        if (this.#over) return
        if (!this.#link.closed) this.input()
        if (this.#link.inputOver && !this.busy) this.#abandon()
      },
      (error: unknown) => {
        this.busy = false
        this.#refuse(error)
      },
    )
  }

  // ---- ends without a session

  #refuse(error: unknown): void {
    if (this.#over) return
    const refusal =
      error instanceof PgError
        ? error
        : new PgError(SQLSTATE.internalError, `internal error (correlation id ${this.#host.defect(error, null)})`, { severity: 'FATAL' })
    const fatal =
      refusal.severity === 'ERROR' ? new PgError(refusal.code, refusal.message, { ...refusal.fields, severity: 'FATAL' }) : refusal
    if (!this.#link.closed) errorResponse(this.#link.out(), fatal)
    this.#finish(fatal)
  }

  #timedOut(): void {
    if (this.#request === null) this.#vanish()
    else this.#refuse(new PgError(SQLSTATE.queryCanceled, 'canceling authentication due to timeout', { severity: 'FATAL' }))
  }

  /** The client went away. */
  #abandon(): void {
    this.#finish(null)
  }

  /** Closes without a word, as PostgreSQL does here. */
  #vanish(): void {
    this.#finish(null)
  }

  #finish(error: PgError | null): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#deadline)
    this.#link.end()
    if (this.#admitted) this.#host.release()
    this.#host.failed(error, this.#request)
  }
}

/** The address without the prefix of IPv4 inside IPv6. */
function plainAddress(address: string | undefined): string | null {
  if (address === undefined) return null
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** Name and value pairs up to an empty name; `_pq_.` options are the protocol's, and none is known. */
function readParameters(buffer: Buffer, start: number, end: number): { parameters: Map<string, string>; unknownOptions: string[] } {
  const reader = new MessageReader().over(buffer, start, end)
  const parameters = new Map<string, string>()
  const unknownOptions: string[] = []
  try {
    for (;;) {
      const name = reader.cstring()
      if (name === '') break
      const value = reader.cstring()
      if (name.startsWith('_pq_.')) unknownOptions.push(name)
      else parameters.set(name, value)
    }
    reader.done()
  } catch (error) {
    if (error instanceof PgError && error.code === SQLSTATE.protocolViolation) {
      throw violation('invalid startup packet layout: expected terminator as last byte')
    }
    throw error
  }
  return { parameters, unknownOptions }
}

function violation(message: string, fields: { detail?: string } = {}): PgError {
  return new PgError(SQLSTATE.protocolViolation, message, { ...fields, severity: 'FATAL' })
}
