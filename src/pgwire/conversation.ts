// The life of a connection after its login: takes the client's messages in order, calls the session, answers. Owns error-until-Sync, pipelines,
// the end. Invariant: at most one call into the session is under way; while one is, input is only kept (or read by its COPY). // hot

import type { ByteWriter } from '../base/bytes.ts'
import type { Notice } from '../base/errors.ts'
import { PgError } from '../base/errors.ts'
import { singleByteEncoding } from '../base/single-byte-encodings.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Client, ResultColumn, RowShape, Session, StartupRequest, StatementDescription } from './backend.ts'
import type { CancelKey } from './cancel-keys.ts'
import type { Link, Phase } from './link.ts'
import {
  backendKeyData,
  empty,
  errorResponse,
  noticeResponse,
  notification,
  parameterDescription,
  parameterStatus,
  readyForQuery,
  rowDescription,
} from './messages.ts'
import { ABSURD_LENGTH, BACKEND, FRONTEND, TARGET_PORTAL, TARGET_STATEMENT } from './protocol.ts'
import { type MessageReader, ParameterSlots, protocolViolation, resultFormats } from './read.ts'
import { Sink } from './sink.ts'

/** What the conversations of one server share. */
export interface ConversationHost {
  readonly reader: MessageReader
  /** Replaced whenever a Bind keeps it. */
  slots: ParameterSlots
  /** Something that is no PgError was thrown: logs it; answers the correlation id the client is told. */
  defect(error: unknown, client: Client | null): string
  /** The connection is over and its session closed. */
  ended(conversation: Conversation): void
}

const IDLE = 73
/** No message: the pause of a congested link. */
const CONGESTION = 0
/** Longest wait for a statement to notice that its session is to end, ms. */
const TERMINATE_GRACE_MS = 5000

export class Conversation implements Phase, Client {
  busy = true
  readonly request: StartupRequest
  readonly processId: number
  #link: Link
  readonly #host: ConversationHost
  readonly #sink: Sink
  #session: Session | null = null
  /** After an error in the extended protocol: everything up to Sync is dropped. */
  #skipping = false
  /** The message whose call is under way; 0 when none is. */
  #waitingFor = 0
  /** Inside run(): what is written is looked at when it ends. */
  #inTurn = false
  /** What is written ends an answer (ReadyForQuery): the client may be waiting for it. The rest of a pipeline waits for its Sync or a Flush. */
  #due = false
  /** Bytes still to come of a message that is dropped. */
  #discard = 0
  /** What the dropped message was, and how it is answered. */
  #oversized: { type: number; error: PgError } | null = null
  #terminating: PgError | null = null
  #over = false
  #sessionClosed = false
  /** A message is being read: what is thrown is pgwire's own finding, and the session must be told. */
  #reading = false
  /** Set by a drain: the session ends as soon as it is idle. */
  #leaving: PgError | null = null
  /** What a Describe asked for. */
  #describing = 0

  constructor(link: Link, host: ConversationHost, request: StartupRequest, processId: number) {
    this.#link = link
    this.#host = host
    this.request = request
    this.processId = processId
    this.#sink = new Sink(link)
  }

  /** The session is there: reports it to the client and takes the first message. */
  start(session: Session, key: CancelKey): void {
    this.#session = session
    const out = this.#link.out()
    for (const [name, value] of session.parameters) {
      parameterStatus(out, name, value)
      this.#changed(name, value)
    }
    backendKeyData(out, key.processId, key.secret)
    this.#ready(out)
    this.busy = false
    this.run()
  }

  // ---- Client

  get bytesReceived(): number {
    return this.#link.bytesReceived
  }

  get bytesSent(): number {
    return this.#link.bytesSent
  }

  notice(notice: Notice): void {
    if (this.#silent) return
    noticeResponse(this.#link.out(), notice)
    this.#link.flushSoon()
  }

  parameterStatus(name: string, value: string): void {
    this.#changed(name, value)
    if (this.#silent) return
    parameterStatus(this.#link.out(), name, value)
    if (!this.#inTurn) this.#link.flushSoon()
  }

  #changed(name: string, value: string): void {
    if (name === 'client_encoding') this.#link.encoding = singleByteEncoding(value)
  }

  notification(processId: number, channel: string, payload: string): void {
    if (this.#silent) return
    notification(this.#link.out(), processId, channel, payload)
    if (!this.#inTurn) this.#link.flushSoon()
  }

  terminate(reason: PgError): void {
    if (this.#over || this.#terminating !== null) return
    this.#terminating = reason
    if (!this.busy && !this.#inTurn) {
      this.#endWith(reason)
      return
    }
    this.#interrupt(reason)
    this.#link.abortDrain(reason)
    setTimeout(() => this.#link.destroy(), TERMINATE_GRACE_MS).unref()
  }

  /** Ends the session as soon as it is idle outside a transaction block. */
  endWhenIdle(reason: PgError): void {
    this.#leaving = reason
    if (!this.busy && !this.#inTurn) this.#leaveIfIdle()
  }

  #leaveIfIdle(): void {
    if (this.#leaving !== null && this.#session?.transactionStatus === IDLE) this.#endWith(this.#leaving)
  }

  /** A CancelRequest with our key. */
  cancel(): void {
    if (this.#waitingFor === 0 || this.#waitingFor === FRONTEND.sync) return
    this.#interrupt(new PgError(SQLSTATE.queryCanceled, 'canceling statement due to user request'))
  }

  get #silent(): boolean {
    return this.#over || this.#link.closed
  }

  #interrupt(reason: PgError): void {
    this.#session?.cancel(reason)
    this.#sink.copy?.abort(reason)
  }

  // ---- Phase

  input(): void {
    if (!this.busy) this.run()
    else this.#sink.copy?.wake()
  }

  inputEnded(): void {
    this.#sink.copy?.wake()
    if (!this.busy) {
      this.#finish()
      return
    }
    const ms = this.#session?.connectionCheckMs ?? 0
    if (ms > 0) setTimeout(() => this.#lost(), ms).unref()
  }

  overwhelmed(): void {
    this.#endWith(
      new PgError(SQLSTATE.outOfMemory, 'out of memory', {
        severity: 'FATAL',
        detail: 'Too much unfinished input on all connections together.',
      }),
    )
  }

  closed(): void {
    if (this.busy) this.#lost()
    else this.#finish()
  }

  #lost(): void {
    if (this.busy) this.#interrupt(new PgError(SQLSTATE.connectionFailure, 'connection to client lost', { severity: 'FATAL' }))
  }

  // ---- messages

  /** Takes messages until there is no whole one or a call must be waited for. */
  run(): void {
    const link = this.#link
    this.#inTurn = true
    try {
      while (!this.busy && !this.#over) {
        if (this.#terminating !== null) {
          this.#endWith(this.#terminating)
          break
        }
        if (!this.#next()) break
        if (!this.busy && link.congested) this.#block(CONGESTION, link.relieve())
      }
    } finally {
      this.#inTurn = false
    }
    if (this.busy) return
    if (this.#due) this.#flush()
    else link.hold()
    if (this.#over) return
    link.settle()
    if (this.#leaving !== null) this.#leaveIfIdle()
    if (link.inputOver) this.#finish()
    else link.resume()
  }

  /** Takes one message; false when it is not whole yet. */
  #next(): boolean {
    const link = this.#link
    if (this.#discard > 0) {
      this.#discard -= link.discard(this.#discard)
      if (this.#discard > 0) return false
      const oversized = this.#oversized
      this.#oversized = null
      if (oversized !== null) this.#failed(oversized.type, oversized.error, true)
      return true
    }
    if (!link.need(5)) return false
    const type = link.head[link.pos]!
    const length = link.head.readInt32BE(link.pos + 1)
    const limit = this.#limitOf(type)
    if (limit === 0) {
      this.#endWith(fatal(`invalid frontend message type ${type}`))
      return true
    }
    if (length < 4 || length > limit) {
      this.#badLength(type, length, limit)
      return true
    }
    if (!link.need(1 + length)) return false
    const start = link.pos + 5
    const end = link.pos + 1 + length
    link.pos = end
    if (type === FRONTEND.terminate) {
      this.#finish()
      return true
    }
    if (this.#skipping && type !== FRONTEND.sync) return true
    this.#take(type, start, end)
    return true
  }

  #limitOf(type: number): number {
    const { limits } = this.#link
    switch (type) {
      case FRONTEND.query:
      case FRONTEND.parse:
      case FRONTEND.bind:
      case FRONTEND.functionCall:
        return limits.maxMessageBytes
      case FRONTEND.copyData:
        return limits.maxCopyDataBytes
      case FRONTEND.execute:
      case FRONTEND.sync:
      case FRONTEND.describe:
      case FRONTEND.close:
      case FRONTEND.flush:
      case FRONTEND.terminate:
      case FRONTEND.copyDone:
      case FRONTEND.copyFail:
        return limits.maxSmallMessageBytes
      default:
        return 0
    }
  }

  /** Too large a statement is dropped and refused, and the session goes on; any other impossible length means the stream is lost. */
  #badLength(type: number, length: number, limit: number): void {
    const large = type === FRONTEND.query || type === FRONTEND.parse || type === FRONTEND.bind || type === FRONTEND.functionCall
    if (length < 4 || length > ABSURD_LENGTH || !large) {
      this.#endWith(fatal('invalid message length'))
      return
    }
    this.#discard = 1 + length
    if (this.#skipping) return
    const error = new PgError(SQLSTATE.programLimitExceeded, `message of ${length} bytes exceeds the limit of ${limit} bytes`)
    this.#oversized = { type, error }
  }

  #take(type: number, start: number, end: number): void {
    let result: unknown
    try {
      result = this.#call(type, start, end)
    } catch (error) {
      this.#failed(type, error, this.#reading)
      return
    }
    if (result instanceof Promise) this.#block(type, result)
    else this.#done(type, result)
  }

  #call(type: number, start: number, end: number): unknown {
    const session = this.#session!
    const host = this.#host
    const reader = host.reader.over(this.#link.head, start, end)
    reader.encoding = this.#link.encoding
    this.#reading = true
    switch (type) {
      case FRONTEND.bind: {
        const portal = reader.cstring()
        const statement = reader.cstring()
        const { slots } = host
        slots.read(reader)
        const formats = resultFormats(reader)
        reader.done()
        this.#reading = false
        const bound = session.bind(portal, statement, slots, formats)
        if (bound instanceof Promise) host.slots = new ParameterSlots()
        return bound
      }
      case FRONTEND.execute: {
        const portal = reader.cstring()
        const maxRows = reader.i32()
        reader.done()
        this.#reading = false
        this.#sink.describeRows = false
        return session.execute(portal, Math.max(maxRows, 0), this.#sink, this.#syncFollows())
      }
      case FRONTEND.sync:
        this.#skipping = false
        reader.done()
        this.#reading = false
        return session.sync()
      case FRONTEND.describe:
      case FRONTEND.close:
        return this.#describeOrClose(session, reader, type)
      case FRONTEND.parse: {
        const name = reader.cstring()
        const text = reader.cstring()
        const types = parameterTypes(reader)
        reader.done()
        this.#reading = false
        return session.parse(name, text, types)
      }
      case FRONTEND.query: {
        const text = reader.cstring()
        reader.done()
        this.#reading = false
        this.#sink.describeRows = true
        return session.query(text, this.#sink)
      }
      case FRONTEND.flush:
        reader.done()
        this.#flush()
        return undefined
      case FRONTEND.functionCall:
        throw new PgError(SQLSTATE.featureNotSupported, 'function call messages are not supported', {
          hint: 'Large objects, for which drivers send them, are not supported. Call other functions with SELECT.',
        })
      default:
        // CopyData, CopyDone, CopyFail after their COPY has failed: PostgreSQL ignores them too.
        return undefined
    }
  }

  #syncFollows(): boolean {
    const { head, pos } = this.#link
    return head.length >= pos + 5 && head[pos] === FRONTEND.sync && head.readInt32BE(pos + 1) === 4
  }

  #describeOrClose(session: Session, reader: MessageReader, type: number): unknown {
    const kind = reader.u8()
    const name = reader.cstring()
    reader.done()
    if (kind !== TARGET_STATEMENT && kind !== TARGET_PORTAL) {
      throw protocolViolation(`invalid ${type === FRONTEND.close ? 'CLOSE' : 'DESCRIBE'} message subtype ${kind}`)
    }
    this.#reading = false
    if (type === FRONTEND.close) return kind === TARGET_STATEMENT ? session.closeStatement(name) : session.closePortal(name)
    this.#describing = kind
    return kind === TARGET_STATEMENT ? session.describeStatement(name) : session.describePortal(name)
  }

  #block(type: number, result: Promise<unknown> | undefined): void {
    if (result === undefined) return
    this.busy = true
    this.#waitingFor = type
    // What came before in the pipeline does not wait for this.
    if (this.#due) {
      this.#due = false
      this.#link.flushSoon()
    }
    result.then(
      (value) => this.#unblock(type, value, false),
      (error: unknown) => this.#unblock(type, error, true),
    )
  }

  #unblock(type: number, value: unknown, failed: boolean): void {
    this.busy = false
    this.#waitingFor = 0
    if (this.#link.closed || this.#over) {
      this.#finish()
      return
    }
    if (type !== CONGESTION) {
      this.#inTurn = true
      if (failed) this.#failed(type, value, false)
      else this.#done(type, value)
    }
    this.run()
  }

  /** The session has done what the message asked for. */
  #done(type: number, value: unknown): void {
    const out = this.#link.out()
    switch (type) {
      case FRONTEND.bind:
        empty(out, BACKEND.bindComplete)
        return
      case FRONTEND.execute:
        this.#endStatement()
        return
      case FRONTEND.sync:
        this.#ready(out)
        return
      case FRONTEND.query:
        this.#endStatement()
        this.#ready(out)
        return
      case FRONTEND.parse:
        empty(out, BACKEND.parseComplete)
        return
      case FRONTEND.close:
        empty(out, BACKEND.closeComplete)
        return
      case FRONTEND.describe: {
        let shape = value as RowShape | null
        let formats: readonly number[] = shape?.formats ?? []
        if (this.#describing === TARGET_STATEMENT) {
          const description = value as StatementDescription
          parameterDescription(out, description.parameterTypes)
          shape = description.shape
          formats = []
        }
        if (shape === null) empty(out, BACKEND.noData)
        else this.#describe(out, shape.columns, formats)
        return
      }
    }
  }

  #describe(out: ByteWriter, columns: readonly ResultColumn[], formats: readonly number[]): void {
    try {
      rowDescription(out, columns, formats)
    } catch (error) {
      this.#failed(FRONTEND.describe, error, true)
    }
  }

  #ready(out: ByteWriter): void {
    readyForQuery(out, this.#session!.transactionStatus)
    this.#due = true
  }

  #flush(): void {
    this.#due = false
    this.#link.flush()
  }

  #endStatement(): void {
    this.#discard = this.#sink.reset()
  }

  /** `own`: found by pgwire, and the session does not know yet. */
  #failed(type: number, error: unknown, own: boolean): void {
    const lost = this.#sink.copy?.lost === true
    this.#endStatement()
    const pgError = error instanceof PgError ? error : this.#defect(error)
    if (own) this.#session!.fail(pgError)
    if (pgError.severity !== 'ERROR') {
      this.#endWith(pgError)
      return
    }
    errorResponse(this.#link.out(), pgError)
    this.#link.flushSoon()
    if (lost) {
      this.#endWith(fatal('terminating connection because protocol synchronization was lost'))
      return
    }
    if (type === FRONTEND.query || type === FRONTEND.functionCall || type === FRONTEND.sync) {
      this.#ready(this.#link.out())
    } else {
      this.#skipping = true
    }
  }

  #defect(error: unknown): PgError {
    const id = this.#host.defect(error, this)
    return new PgError(SQLSTATE.internalError, `internal error (correlation id ${id})`)
  }

  // ---- the end

  #endWith(reason: PgError): void {
    if (this.#over) return
    if (!this.#link.closed) errorResponse(this.#link.out(), reason)
    this.#finish()
  }

  /** Ends connection and session; while a call is under way, when it has settled. */
  #finish(): void {
    if (!this.#over) {
      this.#over = true
      this.#link.end()
    }
    if (this.busy && this.#session !== null) return
    if (this.#sessionClosed || this.#session === null) return
    this.#sessionClosed = true
    const ended = (): void => this.#host.ended(this)
    try {
      const closing = this.#session.close()
      if (closing instanceof Promise) {
        closing.then(ended, (error: unknown) => {
          this.#host.defect(error, this)
          ended()
        })
      } else ended()
    } catch (error) {
      this.#host.defect(error, this)
      ended()
    }
  }
}

function fatal(message: string): PgError {
  return new PgError(SQLSTATE.protocolViolation, message, { severity: 'FATAL' })
}

const NO_TYPES: readonly number[] = []

function parameterTypes(reader: MessageReader): readonly number[] {
  const count = reader.i16()
  if (count === 0) return NO_TYPES
  const types: number[] = []
  for (let i = 0; i < count; i++) types.push(reader.u32())
  return types
}
