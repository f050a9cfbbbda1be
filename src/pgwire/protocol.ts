// Numbers of the protocol: versions, request codes, message types, size limits.

export const PROTOCOL_3_0 = 0x30000
export const PROTOCOL_3_2 = 0x30002
/** The newest this server speaks. */
export const PROTOCOL_LATEST = PROTOCOL_3_2

export const CANCEL_REQUEST = 80877102
export const SSL_REQUEST = 80877103
export const GSSENC_REQUEST = 80877104

const ascii = (c: string): number => c.charCodeAt(0)

/** Messages from the client. */
export const FRONTEND = {
  bind: ascii('B'),
  close: ascii('C'),
  copyData: ascii('d'),
  copyDone: ascii('c'),
  copyFail: ascii('f'),
  describe: ascii('D'),
  execute: ascii('E'),
  flush: ascii('H'),
  functionCall: ascii('F'),
  parse: ascii('P'),
  password: ascii('p'),
  query: ascii('Q'),
  sync: ascii('S'),
  terminate: ascii('X'),
} as const

/** Messages to the client. */
export const BACKEND = {
  authentication: ascii('R'),
  backendKeyData: ascii('K'),
  bindComplete: ascii('2'),
  closeComplete: ascii('3'),
  commandComplete: ascii('C'),
  copyData: ascii('d'),
  copyDone: ascii('c'),
  copyInResponse: ascii('G'),
  copyOutResponse: ascii('H'),
  dataRow: ascii('D'),
  emptyQueryResponse: ascii('I'),
  errorResponse: ascii('E'),
  negotiateProtocolVersion: ascii('v'),
  noData: ascii('n'),
  noticeResponse: ascii('N'),
  notificationResponse: ascii('A'),
  parameterDescription: ascii('t'),
  parameterStatus: ascii('S'),
  parseComplete: ascii('1'),
  portalSuspended: ascii('s'),
  readyForQuery: ascii('Z'),
  rowDescription: ascii('T'),
} as const

/** Where a statement or a portal is meant (Describe, Close). */
export const TARGET_STATEMENT = ascii('S')
export const TARGET_PORTAL = ascii('P')

/** Bounds of one server; every one can be set. Bytes count a message's length word and body. */
export interface WireLimits {
  /** Live sessions; one more is refused with 53300. */
  readonly maxConnections: number
  /** From accept to ReadyForQuery, ms: PostgreSQL's authentication_timeout. */
  readonly startupTimeoutMs: number
  /** Startup packets, as PostgreSQL. */
  readonly maxStartupBytes: number
  /** Password messages (a token may stand there), as PostgreSQL. */
  readonly maxPasswordBytes: number
  /** Query, Parse, Bind, FunctionCall: refused with 54000 and skipped when larger, the session lives. */
  readonly maxMessageBytes: number
  /** One CopyData; it is streamed, so the bound is PostgreSQL's own. */
  readonly maxCopyDataBytes: number
  /** All others, as PostgreSQL. */
  readonly maxSmallMessageBytes: number
  /** Input kept while a call is under way; then the socket is paused. */
  readonly maxPendingInputBytes: number
  /** Input kept by all connections together; whoever keeps more than the above then is ended with 53200. */
  readonly maxPendingInputBytesOfAll: number
  /** Output the kernel has not taken; then the producer waits. */
  readonly maxPendingOutputBytes: number
  /** Longest wait for a client that does not read, ms; then it is gone. */
  readonly stallTimeoutMs: number
  /** From the last message to the end of the connection, ms. */
  readonly lingerMs: number
}

export const DEFAULT_WIRE_LIMITS: WireLimits = {
  maxConnections: 1000,
  startupTimeoutMs: 60_000,
  maxStartupBytes: 10_000,
  maxPasswordBytes: 65_535,
  maxMessageBytes: 256 * 1024 * 1024,
  maxCopyDataBytes: 0x3fffffff,
  maxSmallMessageBytes: 10_000,
  maxPendingInputBytes: 256 * 1024,
  maxPendingInputBytesOfAll: 1024 * 1024 * 1024,
  maxPendingOutputBytes: 128 * 1024,
  stallTimeoutMs: 3_600_000,
  lingerMs: 5_000,
}

/** A length above this is no message but noise, whatever its type says (PostgreSQL's MaxAllocSize). */
export const ABSURD_LENGTH = 0x3fffffff
