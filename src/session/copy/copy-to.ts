// COPY … TO STDOUT: the rows of a plan in the format asked for, with the client's pace. // hot

import type { ByteWriter } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { CopyTarget, ResultSink } from '../../pgwire/backend.ts'
import type { RowTarget } from '../execution.ts'
import type { PlanEntry } from '../plan-cache.ts'
import { startExecution } from '../run-planned.ts'
import type { Session } from '../session.ts'
import type { CopyOptions } from './options.ts'
import { binaryWriter, type CopyColumn, csvWriter, type RowWriter, textWriter } from './writers.ts'

/** Checks FORCE_… lists against the columns copied: 42703, or 42P10 for a column that is not among them. */
export function matchColumns(list: readonly string[] | '*', columns: readonly string[], option: string): (index: number) => boolean {
  if (list === '*') return () => true
  for (const name of list) {
    if (!columns.includes(name)) {
      throw new PgError(SQLSTATE.invalidColumnReference, `${option} column "${name}" not referenced by COPY`)
    }
  }
  return (index) => list.includes(columns[index] ?? '')
}

function makeWriter(session: Session, columns: readonly CopyColumn[], options: CopyOptions): RowWriter {
  switch (options.format) {
    case 'text':
      return textWriter(columns, options, session.settings.io)
    case 'csv':
      return csvWriter(columns, options, session.settings.io)
    case 'binary':
      return binaryWriter(columns)
  }
}

class CopyRows implements RowTarget {
  readonly #target: CopyTarget
  readonly #writer: RowWriter

  #binaryHeader: boolean

  constructor(target: CopyTarget, writer: RowWriter, binary: boolean) {
    this.#target = target
    this.#writer = writer
    this.#binaryHeader = binary
  }

  /**
   * PostgreSQL sends one message per row, the binary header with the first of them, the trailer alone; so do we, since clients count on it.
   */
  rows(rows: readonly Row[], from: number, to: number): MaybePromise<void> {
    for (let i = from; i < to; i++) {
      const out = this.#begin()
      try {
        this.#writer.row(rows[i]!, out)
      } catch (error) {
        this.#target.abandon()
        throw error
      }
      const wait = this.#target.end()
      if (wait instanceof Promise) {
        const next = i + 1
        return wait.then(() => this.rows(rows, next, to))
      }
    }
  }

  #begin(): ByteWriter {
    const out = this.#target.begin()
    if (this.#binaryHeader) {
      this.#binaryHeader = false
      this.#writer.header(out)
    }
    return out
  }

  headerLine(): MaybePromise<void> {
    const out = this.#target.begin()
    try {
      this.#writer.header(out)
    } catch (error) {
      this.#target.abandon()
      throw error
    }
    return this.#target.end()
  }

  /** Nothing but the header has gone out yet if there were no rows. */
  binaryEnd(): MaybePromise<void> {
    this.#writer.trailer(this.#begin())
    return this.#target.end()
  }
}

export async function copyTo(session: Session, entry: PlanEntry, options: CopyOptions, sink: ResultSink): Promise<string> {
  const names = entry.columns!.map((column) => column.name)
  const force = matchColumns(options.forceQuote, names, 'FORCE_QUOTE')
  const columns: CopyColumn[] = entry.columns!.map((column, i) => ({
    name: column.name,
    support: session.planning.supportOf(column.typeOid),
    forceQuote: force(i),
  }))
  const writer = makeWriter(session, columns, options)
  const execution = await startExecution(session, entry, [], false)
  try {
    // The first row is computed before the copy starts, so that early errors are plain errors.
    await execution.open()
    const binary = options.format === 'binary'
    const target = sink.copyOut(binary ? 1 : 0, columns.length)
    const rows = new CopyRows(target, writer, binary)
    if (!binary && options.header !== 'off') await rows.headerLine()
    const sent = await execution.pump(rows, 0)
    if (binary) await rows.binaryEnd()
    target.done()
    return `COPY ${sent}`
  } finally {
    execution.close()
  }
}
