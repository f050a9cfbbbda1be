// A Backend without SQL for tests of the wire protocol: it answers a few fixed queries, now or later, and keeps a log of what it was asked.

import type { ByteWriter } from '../../src/base/bytes.ts'
import type { Datum } from '../../src/base/datum.ts'
import { PgError } from '../../src/base/errors.ts'
import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import { SQLSTATE } from '../../src/base/sqlstate.ts'
import type {
  Authenticator,
  Backend,
  BindParameters,
  Client,
  ResultColumn,
  ResultSink,
  RowShape,
  Session,
  TransactionStatus,
} from '../../src/pgwire/backend.ts'

export const textEncoder = {
  writeText: (value: NonNullable<Datum>, out: ByteWriter) => void out.utf8(String(value)),
  send: (value: NonNullable<Datum>, out: ByteWriter) => void out.utf8(String(value)),
}

export const int4Encoder = {
  writeText: (value: NonNullable<Datum>, out: ByteWriter) => void out.utf8(String(value)),
  send: (value: NonNullable<Datum>, out: ByteWriter) => out.i32(value as number),
}

export const column = (name: string, typeOid = 23, encoder: ResultColumn['encoder'] = int4Encoder): ResultColumn => ({
  name,
  tableOid: 0,
  columnNumber: 0,
  typeOid,
  typeLength: typeOid === 23 ? 4 : -1,
  typmod: -1,
  encoder,
})

/** Lets everyone in; the identity is the user's name. */
export const trust: Authenticator<string> = {
  begin: (request) => ({ next: () => ({ kind: 'ok', finalData: null, identity: request.parameters.get('user')! }) }),
}

const PARAMETERS: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO, MDY'],
  ['integer_datetimes', 'on'],
  ['server_encoding', 'UTF8'],
  ['server_version', '18.0'],
  ['standard_conforming_strings', 'on'],
  ['TimeZone', 'UTC'],
]

interface Portal {
  text: string
  values: (string | null)[]
  formats: readonly number[]
  sent: number
}

export interface StubOptions {
  /** Answer every call later, as a remote store makes a session do. */
  later?: boolean
  log?: string[]
}

/**
 * Queries: `select N` one row; `rows N` N rows of (i, text); `echo` its parameters; `error`, `fatal`, `defect`; `sleep` until cancelled; `copyin`, `copyout N`; `begin`,
 * `commit`; '' the empty query. Several are separated by ';'.
 */
export class StubSession implements Session {
  transactionStatus: TransactionStatus = 73
  closed = false
  received = 0
  readonly parameters = PARAMETERS
  readonly client: Client
  readonly #options: StubOptions
  readonly #statements = new Map<string, { text: string; types: readonly number[] }>()
  readonly #portals = new Map<string, Portal>()
  #cancel: ((reason: PgError) => void) | null = null

  constructor(client: Client, options: StubOptions) {
    this.client = client
    this.#options = options
  }

  #log(line: string): void {
    this.#options.log?.push(line)
  }

  #answer<T>(fn: () => MaybePromise<T>): MaybePromise<T> {
    return this.#options.later ? new Promise<void>((resolve) => setImmediate(resolve)).then(fn) : fn()
  }

  query(text: string, sink: ResultSink): MaybePromise<void> {
    this.#log(`query ${text}`)
    const parts = text.split(';').map((part) => part.trim())
    const step = (at: number): MaybePromise<void> => {
      if (at === parts.length || (at > 0 && parts[at] === '')) return undefined
      const done = this.#run(parts[at]!, [], [], 0, 0, sink)
      return done instanceof Promise ? done.then(() => step(at + 1)) : step(at + 1)
    }
    return this.#answer(() => step(0))
  }

  parse(name: string, text: string, types: readonly number[]): MaybePromise<void> {
    this.#log(`parse ${name} ${text} [${types}]`)
    if (text === 'syntax') throw new PgError(SQLSTATE.syntaxError, 'syntax error at or near "syntax"', { position: 1 })
    return this.#answer(() => void this.#statements.set(name, { text, types }))
  }

  bind(portal: string, statement: string, parameters: BindParameters, formats: readonly number[]): MaybePromise<void> {
    return this.#answer(() => {
      const found = this.#statements.get(statement)
      if (found === undefined) {
        throw new PgError(
          SQLSTATE.undefinedPstatement,
          statement === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${statement}" does not exist`,
        )
      }
      const values: (string | null)[] = []
      for (let i = 0; i < parameters.count; i++) {
        const end = parameters.end[i]!
        values.push(end < 0 ? null : parameters.buffer.utf8Slice(parameters.start[i]!, end))
      }
      this.#log(
        `bind ${portal} ${statement} ${JSON.stringify(values)} [${Array.from({ length: parameters.formatCount }, (_, i) => parameters.formats[i])}] [${formats}]`,
      )
      this.#portals.set(portal, { text: found.text, values, formats, sent: 0 })
    })
  }

  describeStatement(name: string) {
    return this.#answer(() => {
      const found = this.#statements.get(name)
      if (found === undefined) throw new PgError(SQLSTATE.undefinedPstatement, `prepared statement "${name}" does not exist`)
      return { parameterTypes: found.types, shape: this.#shape(found.text, []) }
    })
  }

  describePortal(name: string) {
    return this.#answer(() => this.#shape(this.#portal(name).text, this.#portal(name).formats))
  }

  execute(name: string, maxRows: number, sink: ResultSink): MaybePromise<void> {
    this.#log(`execute ${name} ${maxRows}`)
    return this.#answer(() => {
      const portal = this.#portal(name)
      return this.#run(portal.text, portal.values, portal.formats, maxRows, portal.sent, sink, portal)
    })
  }

  closeStatement(name: string): MaybePromise<void> {
    this.#log(`close statement ${name}`)
    return this.#answer(() => void this.#statements.delete(name))
  }

  closePortal(name: string): MaybePromise<void> {
    this.#log(`close portal ${name}`)
    return this.#answer(() => void this.#portals.delete(name))
  }

  sync(): MaybePromise<void> {
    this.#log('sync')
    return this.#answer(() => undefined)
  }

  fail(error: PgError): void {
    this.#log(`fail ${error.code}`)
    if (this.transactionStatus === 84) this.transactionStatus = 69
  }

  cancel(reason: PgError): void {
    this.#log(`cancel ${reason.code}`)
    this.#cancel?.(reason)
  }

  close(): MaybePromise<void> {
    this.#log('close')
    this.closed = true
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name)
    if (portal === undefined) throw new PgError(SQLSTATE.undefinedCursor, `portal "${name}" does not exist`)
    return portal
  }

  #shape(text: string, formats: readonly number[]): RowShape | null {
    if (text.startsWith('select')) return { columns: [column('abalance')], formats, io: null }
    if (text.startsWith('rows')) return { columns: [column('i'), column('t', 25, textEncoder)], formats, io: null }
    if (text === 'echo') return { columns: [column('a', 25, textEncoder), column('b', 25, textEncoder)], formats, io: null }
    return null
  }

  #run(
    text: string,
    values: (string | null)[],
    formats: readonly number[],
    maxRows: number,
    sent: number,
    sink: ResultSink,
    portal?: Portal,
  ): MaybePromise<void> {
    const [word, argument] = text.split(' ') as [string, string?]
    const shape = this.#shape(text, formats)
    switch (word.toLowerCase()) {
      case '':
        return sink.emptyQuery()
      case 'select':
        sink.describe(shape!)
        void sink.rows([[Number(argument)]])
        return sink.complete('SELECT 1')
      case 'echo':
        sink.describe(shape!)
        void sink.rows([values])
        return sink.complete('SELECT 1')
      case 'rows':
        return this.#rows(Number(argument), shape!, maxRows, sent, sink, portal)
      case 'error':
        if (this.transactionStatus === 84) this.transactionStatus = 69
        throw new PgError(SQLSTATE.divisionByZero, 'division by zero', { detail: 'd', hint: 'h', position: 3, table: 't' })
      case 'fatal':
        throw new PgError(SQLSTATE.adminShutdown, 'terminating connection due to administrator command', { severity: 'FATAL' })
      case 'defect':
        throw new TypeError('a defect')
      case 'notice':
        sink.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: 'hello' })
        return sink.complete('DO')
      case 'begin':
        this.transactionStatus = 84
        return sink.complete('BEGIN')
      case 'commit':
        this.transactionStatus = 73
        return sink.complete('COMMIT')
      case 'sleep':
        return new Promise((_, reject) => {
          this.#cancel = (reason) => {
            this.#cancel = null
            reject(reason)
          }
        })
      case 'copyin':
        return this.#copyIn(sink, Number(argument ?? Number.POSITIVE_INFINITY))
      case 'copyout':
        return this.#copyOut(sink, Number(argument))
      default:
        throw new PgError(SQLSTATE.syntaxError, `syntax error at or near "${word}"`, { position: 1 })
    }
  }

  async #copyIn(sink: ResultSink, failAfter: number): Promise<void> {
    const source = sink.copyIn(0, 2)
    this.received = 0
    for (;;) {
      const piece = await source.read()
      if (piece === null) break
      this.received += piece.length
      if (this.received > failAfter) throw new PgError(SQLSTATE.badCopyFileFormat, 'missing data for column "b"')
    }
    await sink.complete(`COPY ${this.received}`)
  }

  async #copyOut(sink: ResultSink, count: number): Promise<void> {
    const target = sink.copyOut(0, 1)
    for (let i = 0; i < count; i++) {
      target.begin().utf8(`line ${i}\n`)
      const wait = target.end()
      if (wait instanceof Promise) await wait
    }
    target.done()
    await sink.complete(`COPY ${count}`)
  }

  async #rows(count: number, shape: RowShape, maxRows: number, sent: number, sink: ResultSink, portal?: Portal): Promise<void> {
    sink.describe(shape)
    const to = maxRows > 0 ? Math.min(count, sent + maxRows) : count
    for (let i = sent; i < to; i++) {
      const wait = sink.rows([[i, i % 3 === 2 ? null : `row ${i} é`]])
      if (wait instanceof Promise) await wait
    }
    if (portal !== undefined) portal.sent = to
    if (maxRows > 0 && to - sent === maxRows) await sink.suspended()
    else await sink.complete(`SELECT ${to - sent}`)
  }
}

/** Answers every point SELECT with one row, as fast as can be: the yardstick of the protocol layer. */
export function stubBackend(options: StubOptions = {}): Backend<string> & { sessions: StubSession[] } {
  const sessions: StubSession[] = []
  return {
    sessions,
    startup(_identity, client) {
      const session = new StubSession(client, options)
      sessions.push(session)
      return session
    },
  }
}
