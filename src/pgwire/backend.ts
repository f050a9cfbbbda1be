// The port between the wire protocol and what answers it. pgwire calls a Session in the order of the client's messages and never two of its
// methods at once; the session answers through a ResultSink. pgwire owns framing, sequencing, error-until-Sync, pipelines, COPY sub-protocol
// and back-pressure; statements, portals and transactions are the session's.
//
// Every method may answer now or later (MaybePromise): what is answered now is served without a promise, in one turn and one socket write.
// A PgError thrown or rejected becomes ErrorResponse (severity FATAL: and the end); anything else thrown is a defect: XX000.

import type { ByteWriter } from '../base/bytes.ts'
import type { Row } from '../base/datum.ts'
import type { Notice, PgError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'

/** What the TLS layer knows, if the connection has one. */
export interface TlsFacts {
  /** TLSv1.2, TLSv1.3 */
  readonly version: string
  readonly cipher: string
  readonly cipherBits: number
  /** Server name the client asked for. */
  readonly serverName: string | null
  /** Channel-binding data `tls-server-end-point` of our certificate; null when it has no usable signature hash. */
  readonly endPoint: Buffer | null
  /** The client's certificate in DER, when one was asked for, given and verified. */
  readonly clientCertificate: Buffer | null
}

/** What is known of a client when its StartupMessage has come. */
export interface StartupRequest {
  /** Negotiated: 3.0 → 0x30000, 3.2 → 0x30002. */
  readonly protocolVersion: number
  /** Everything the StartupMessage said (`user`, `database`, `options`, settings …), except `_pq_.` options. */
  readonly parameters: ReadonlyMap<string, string>
  readonly remoteAddress: string | null
  readonly remotePort: number | null
  readonly localAddress: string | null
  readonly localPort: number | null
  readonly tls: TlsFacts | null
}

/** What the server must say next. */
export type AuthStep<Identity> =
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'sasl-continue'; readonly data: Uint8Array }
  | { readonly kind: 'cleartext' }
  /** Who it is. `finalData` is sent as AuthenticationSASLFinal first. */
  | { readonly kind: 'ok'; readonly finalData: Uint8Array | null; readonly identity: Identity }

/** What the client said. `initial` carries the mechanism it chose. */
export type AuthResponse =
  | { readonly kind: 'sasl-initial'; readonly mechanism: string; readonly data: Uint8Array | null }
  | { readonly kind: 'sasl'; readonly data: Uint8Array }
  | { readonly kind: 'password'; readonly password: string }

/** One login. Refusals are thrown: PgError with severity FATAL. */
export interface AuthExchange<Identity> {
  /** The first call passes null. */
  next(response: AuthResponse | null): MaybePromise<AuthStep<Identity>>
}

export interface Authenticator<Identity> {
  begin(request: StartupRequest): AuthExchange<Identity>
}

/** The connection, as a session sees it. Safe to call at any time, also between statements; calls after the end do nothing. */
export interface Client {
  /** pg_backend_pid(), unique among the live sessions of this process; the first half of the cancel key. */
  readonly processId: number
  readonly request: StartupRequest
  /** Counted since accept. */
  readonly bytesReceived: number
  readonly bytesSent: number
  notice(notice: Notice): void
  /** A reported setting (GUC_REPORT) changed. */
  parameterStatus(name: string, value: string): void
  notification(processId: number, channel: string, payload: string): void
  /** Ends the session: cancels what runs (Session.cancel with `reason`), sends `reason`, closes. `reason` has severity FATAL. */
  terminate(reason: PgError): void
}

export interface Backend<Identity> {
  /** After the login succeeded. Refuse by throwing (FATAL: 3D000, 53300, 57P03 …). */
  startup(identity: Identity, client: Client): MaybePromise<Session>
}

/** ASCII of 'I' idle, 'T' in a transaction block, 'E' in a failed one. */
export type TransactionStatus = 73 | 84 | 69

/** How values of a column go out; TypeSupport of sql/types is one. Values are never null here. */
export interface ValueEncoder {
  writeText(value: NonNullable<Row[number]>, out: ByteWriter, io: unknown): void
  send(value: NonNullable<Row[number]>, out: ByteWriter): void
}

export interface ResultColumn {
  readonly name: string
  /** 0 when the column is no table's. */
  readonly tableOid: number
  readonly columnNumber: number
  readonly typeOid: number
  /** typlen: bytes, -1 variable, -2 C string. */
  readonly typeLength: number
  readonly typmod: number
  readonly encoder: ValueEncoder
}

/** The form of a result's rows. Keep one per portal (or prepared statement) and hand out the same object: pgwire remembers its encoding. */
export interface RowShape {
  readonly columns: readonly ResultColumn[]
  /** Result format codes as Bind gave them: none = all text, one = for all, else one per column. The session checks their number (08P01). */
  readonly formats: readonly number[]
  /** Passed to every writeText. */
  readonly io: unknown
}

/** Parameters of one Bind, still as bytes. Valid until the call that got it has settled: decode in it, keep nothing. */
export interface BindParameters {
  readonly buffer: Buffer
  readonly count: number
  /** Value i is buffer[start[i], end[i]); NULL when end[i] is -1. */
  readonly start: ArrayLike<number>
  readonly end: ArrayLike<number>
  /** Format codes as sent: none = all text, one = for all, else one per parameter. pgwire checked their number against `count`. */
  readonly formatCount: number
  readonly formats: ArrayLike<number>
}

export interface StatementDescription {
  readonly parameterTypes: readonly number[]
  /** Null: returns no rows (NoData). Formats are not looked at: a statement is described as text. */
  readonly shape: RowShape | null
}

/**
 * Takes the answer to one Query or Execute. Each statement: describe? rows* then complete, emptyQuery, suspended — or an exception.
 * The bytes go into a buffer shared by all connections and leave at the end of the turn or when it is full.
 */
export interface ResultSink {
  /** Before rows. Sends RowDescription for Query; nothing for Execute (the client asked by Describe). */
  describe(shape: RowShape): void
  /** rows[from, to). A promise only when the client is slow: wait for it before producing more. */
  rows(rows: readonly Row[], from?: number, to?: number): MaybePromise<void>
  /** CommandComplete, e.g. 'SELECT 1'. */
  complete(tag: string): MaybePromise<void>
  /** Execute's row limit was reached: PortalSuspended. */
  suspended(): MaybePromise<void>
  /** The query string was empty: EmptyQueryResponse. */
  emptyQuery(): void
  notice(notice: Notice): void
  /** COPY … FROM STDIN: sends CopyInResponse; the statement then reads until null, and completes as any other. */
  copyIn(format: 0 | 1, columnCount: number): CopySource
  /** COPY … TO STDOUT: sends CopyOutResponse. */
  copyOut(format: 0 | 1, columnCount: number): CopyTarget
}

/** COPY data from the client. The pieces' borders mean nothing. */
export interface CopySource {
  /**
   * The next bytes, lent until the next call; null after CopyDone. CopyFail throws 57014, a wrong message 08P01, a lost client 08006,
   * a cancel what it was cancelled with.
   */
  read(): MaybePromise<Buffer | null>
  /** The session ends its own statement (a time-out): a read that waits, and every later one, throws `reason`. */
  abort(reason: PgError): void
}

/** COPY data to the client. Write one message's bytes between begin and end. */
export interface CopyTarget {
  /** Opens a CopyData message: append its bytes to the writer answered (append only) and call end() in the same turn. */
  begin(): ByteWriter
  /** Takes back what was appended since begin(), in the same turn. */
  abandon(): void
  /** A promise only when the client is slow. */
  end(): MaybePromise<void>
  /** All data was sent: CopyDone. `complete` follows. */
  done(): void
}

/** One client's session. The names are the protocol's; '' is the unnamed statement or portal. */
export interface Session {
  /** Reported once after the login, in this order (PostgreSQL 18 reports 15 settings). Read once. */
  readonly parameters: Iterable<readonly [name: string, value: string]>
  /** Asked whenever ReadyForQuery is due. */
  readonly transactionStatus: TransactionStatus
  /** One Query message: all its statements, their implicit transaction included. */
  query(text: string, sink: ResultSink): MaybePromise<void>
  /** `parameterTypes`: OIDs, 0 = to be inferred. */
  parse(name: string, text: string, parameterTypes: readonly number[]): MaybePromise<void>
  bind(portal: string, statement: string, parameters: BindParameters, resultFormats: readonly number[]): MaybePromise<void>
  describeStatement(name: string): MaybePromise<StatementDescription>
  /** Null: the portal returns no rows (NoData). */
  describePortal(name: string): MaybePromise<RowShape | null>
  /** `maxRows` 0 = all. `isLast`: its Sync is here already, so nothing more will belong to the implicit transaction. */
  execute(portal: string, maxRows: number, sink: ResultSink, isLast: boolean): MaybePromise<void>
  closeStatement(name: string): MaybePromise<void>
  closePortal(name: string): MaybePromise<void>
  /** Sync: ends the implicit transaction (which failed if a call since the last Sync did). */
  sync(): MaybePromise<void>
  /** pgwire found an error itself (bad message, unknown function call): the transaction fails as if a statement had. Not before sync(). */
  fail(error: PgError): void
  /** Ends the running statement with `reason` (57014 for CancelRequest); nothing if none runs. May be called inside any other call. */
  cancel(reason: PgError): void
  /**
   * How long a call may run on after the client has closed its side, ms; 0 or absent: to its end (PostgreSQL's client_connection_check_interval).
   * Asked when the client closes.
   */
  readonly connectionCheckMs?: number
  /** The connection is over, for whatever cause: roll back, release. Called once, after the running call has settled. */
  close(): MaybePromise<void>
}
