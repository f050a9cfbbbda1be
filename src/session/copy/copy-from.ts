// COPY … FROM STDIN: bytes from the client into rows of a table, in batches, with the client held back when the store is slower. // hot

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { objectKey } from '../../catalog/keys.ts'
import { checkPermissions, type PermissionInfo } from '../../catalog/privileges.ts'
import type { ObjectRecord } from '../../catalog/records.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { ResultSink } from '../../pgwire/backend.ts'
import { analyzeCopyWhere } from '../../sql/analyzer/expression.ts'
import type { NodeOf } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { relationLocks } from '../../sql/planner/relation-locks.ts'
import { DOMAIN_CHECK } from '../../sql/types/eval-context.ts'
import type { TypeSupport } from '../../sql/types/type.ts'
import { lockRelations } from '../gates.ts'
import { StalePlan } from '../plan-cache.ts'
import type { Session } from '../session.ts'
import { BinaryReader } from './binary-reader.ts'
import { copyInsert } from './copy-insert.ts'
import { matchColumns } from './copy-to.ts'
import { CsvReader } from './csv-reader.ts'
import { Fields, FORM_DEFAULT, FORM_NULL, FORM_PLAIN, FORM_TEXT, type RecordReader } from './fields.ts'
import type { CopyOptions } from './options.ts'
import { TextReader } from './text-reader.ts'

const INT2: Oid = 21
const INT4: Oid = 23
/** Soft errors that ON_ERROR IGNORE passes over: what the input of a type or domain says of a value. */
const IGNORED_CLASSES = ['22', '23']
const MAX_CONTEXT = 100

interface Column {
  readonly name: string
  readonly attnum: number
  readonly type: Oid
  readonly typmod: number
  readonly support: TypeSupport
  /** Its rules look at NULL, too. */
  readonly domain: boolean
}

/** Decimal digits of a small integer straight from the bytes; NaN when it is anything else: then the type's own input decides. */
function smallInteger(data: Buffer, start: number, end: number): number {
  let at = start
  const negative = data[at] === 45
  if (negative) at++
  if (end - at > 9 || at === end) return Number.NaN
  let value = 0
  for (; at < end; at++) {
    const digit = data[at]! - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return negative ? -value : value
}

const clipped = (text: string): string => (text.length > MAX_CONTEXT ? `${text.slice(0, MAX_CONTEXT)}...` : text)

class RowParser {
  readonly #session: Session
  readonly #columns: readonly Column[]
  readonly #options: CopyOptions
  readonly #relation: string
  readonly reader: RecordReader
  readonly #fields = new Fields()
  #column = ''
  skipped = 0
  /** Of the row last read: which columns ask for their default; null = none. */
  defaulted: Uint8Array | null = null

  constructor(session: Session, relation: RelationInfo, columns: readonly Column[], options: CopyOptions) {
    this.#session = session
    this.#columns = columns
    this.#options = options
    this.#relation = relation.name
    const names = columns.map((column) => column.name)
    for (const list of [options.forceNotNull, options.forceNull])
      for (const name of list === '*' ? [] : list)
        if (!relation.columns.some((column) => column.name === name && !column.dropped))
          throw new PgError(SQLSTATE.undefinedColumn, `column "${name}" of relation "${relation.name}" does not exist`)
    this.reader =
      options.format === 'text'
        ? new TextReader(options)
        : options.format === 'binary'
          ? new BinaryReader(columns.length)
          : new CsvReader(
              options,
              matchColumns(options.forceNotNull, names, 'FORCE_NOT_NULL'),
              matchColumns(options.forceNull, names, 'FORCE_NULL'),
            )
  }

  /** The header line, once it is here; true when there is none to wait for any more. */
  header(): boolean {
    if (!this.reader.next(this.#fields)) return false
    if (this.#options.header !== 'match') return true
    const { count } = this.#fields
    const fail = (message: string) => this.#located(new PgError(SQLSTATE.badCopyFileFormat, message))
    if (count !== this.#columns.length) {
      throw fail(`wrong number of fields in header line: got ${count}, expected ${this.#columns.length}`)
    }
    for (let i = 0; i < count; i++) {
      const { name } = this.#columns[i]!
      const isNull = this.#fields.form[i] === FORM_NULL
      const got = isNull ? this.#options.null : this.#fields.text(i)
      if (isNull || got !== name)
        throw fail(
          `column name mismatch in header line field ${i + 1}: got ${isNull ? `null value ("${got}")` : `"${got}"`}, expected "${name}"`,
        )
    }
    return true
  }

  /** The next row's values by position in the column list; null when more bytes are needed. */
  next(): Datum[] | null {
    for (;;) {
      const fields = this.#fields
      this.#column = ''
      let more: boolean
      try {
        more = this.reader.next(fields)
      } catch (error) {
        this.#column = this.#columns[this.reader.field]?.name ?? ''
        throw this.#located(error)
      }
      if (!more) return null
      if (fields.count > this.#columns.length && this.#options.format !== 'binary') {
        throw this.#located(new PgError(SQLSTATE.badCopyFileFormat, 'extra data after last expected column'))
      }
      try {
        return this.#values(fields)
      } catch (error) {
        if (
          this.#options.onError !== 'ignore' ||
          !(error instanceof PgError) ||
          error.code === SQLSTATE.badCopyFileFormat ||
          !IGNORED_CLASSES.some((prefix) => error.code.startsWith(prefix))
        ) {
          throw this.#located(error)
        }
        this.#skip(error)
      }
    }
  }

  #values(fields: Fields): Datum[] {
    const columns = this.#columns
    const values: Datum[] = new Array(columns.length)
    this.defaulted = null
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!
      if (i >= fields.count) {
        // the whole line is to blame
        this.#column = ''
        throw new PgError(SQLSTATE.badCopyFileFormat, `missing data for column "${column.name}"`)
      }
      const form = fields.form[i]!
      if (form === FORM_NULL) {
        values[i] = null
        if (column.domain) {
          this.#column = column.name
          this.#session.context.system(DOMAIN_CHECK)?.(column.type, null)
        }
      } else if (form === FORM_DEFAULT) {
        this.defaulted ??= new Uint8Array(columns.length)
        this.defaulted[i] = 1
        values[i] = null
      } else {
        this.#column = column.name
        values[i] = this.#value(fields, i, form, column)
      }
    }
    return values
  }

  #value(fields: Fields, i: number, form: number, column: Column): Datum {
    const context = this.#session.context
    const start = fields.start[i]!
    const end = fields.end[i]!
    if (this.#options.format === 'binary') return column.support.receive(fields.data, start, end, column.typmod, context)
    if (form === FORM_PLAIN && (column.type === INT4 || column.type === INT2)) {
      const value = smallInteger(fields.data, start, end)
      if (!Number.isNaN(value) && (column.type === INT4 || (value >= -32768 && value <= 32767))) return value
    }
    const text = form === FORM_TEXT ? fields.texts[i]! : fields.data.utf8Slice(start, end)
    return column.support.input(text, column.typmod, context)
  }

  #skip(error: PgError): void {
    this.skipped++
    const { rejectLimit, verbosity } = this.#options
    if (verbosity === 'verbose') {
      this.#session.notice({
        severity: 'NOTICE',
        code: SQLSTATE.successfulCompletion,
        message: `skipping row due to data type incompatibility at line ${this.reader.line} for column "${this.#column}": ${this.#input()}`,
        where: `COPY ${this.#relation}`,
      })
    }
    if (rejectLimit !== null && this.skipped > rejectLimit) {
      throw new PgError(
        SQLSTATE.invalidTextRepresentation,
        `skipped more than REJECT_LIMIT (${rejectLimit}) rows due to data type incompatibility`,
        {
          where: this.where(),
          cause: error,
        },
      )
    }
  }

  /** CONTEXT as PostgreSQL gives it: table, line, and the column or the line's text. */
  where(): string {
    const { line } = this.reader
    const head = `COPY ${this.#relation}, line ${line}`
    if (this.#options.format === 'binary') return this.#column === '' ? head : `${head}, column ${this.#column}`
    if (this.#column === '') return `${head}: "${clipped(this.reader.lineText())}"`
    return `${head}, column ${this.#column}: ${this.#input()}`
  }

  /** What was read for the column. */
  #input(): string {
    const i = this.#columns.findIndex((column) => column.name === this.#column)
    return this.#fields.form[i] === FORM_NULL ? 'null input' : `"${clipped(i < this.#fields.count ? this.#fields.text(i) : '')}"`
  }

  #located(error: unknown): unknown {
    // what the binary format has before its first row belongs to no line
    if (this.#options.format === 'binary' && this.reader.line === 0) return error
    return error instanceof PgError ? error.with({ where: this.where() }) : error
  }
}

/** Answers what the copy needs permission for. */
function checkTarget(session: Session, relation: RelationInfo, attnums: readonly number[]): PermissionInfo[] {
  if (relation.relkind === 'v') {
    throw new PgError(SQLSTATE.wrongObjectType, `cannot copy to view "${relation.name}"`, {
      hint: 'To enable copying to a view, provide an INSTEAD OF INSERT trigger.',
    })
  }
  if (relation.relkind === 'S') throw new PgError(SQLSTATE.wrongObjectType, `cannot copy to sequence "${relation.name}"`)
  if (relation.descriptor?.table == null)
    throw new PgError(SQLSTATE.wrongObjectType, `cannot copy to non-table relation "${relation.name}"`)
  const permissions: PermissionInfo[] = [
    {
      relation: relation.oid,
      requiredSelect: false,
      requiredInsert: true,
      requiredUpdate: false,
      requiredDelete: false,
      rowMarked: false,
      selectedColumns: [],
      insertedColumns: attnums,
      updatedColumns: [],
      checkAs: 0,
    },
  ]
  checkPermissions(session.planning.snapshot(), permissions, session.roles.current)
  return permissions
}

/** Rows need no freezing here, but who asks for it is to hear, as from PostgreSQL, where others could see them too early. */
function checkFreeze(session: Session, { oid, descriptor }: RelationInfo): void {
  if (session.portals.cursors.size > 0)
    throw new PgError(SQLSTATE.invalidTransactionState, 'cannot perform COPY FREEZE because of prior transaction activity')
  const start = session.block.subtransactionStart?.catalog ?? 0
  const before = session.catalogTxn?.valueAt(start, objectKey(oid)) as ObjectRecord | null | undefined
  const isNew = before === null || (before?.kind === 'relation' && before.value.table?.id !== descriptor?.table?.id)
  if (isNew) return
  throw new PgError(
    SQLSTATE.objectNotInPrerequisiteState,
    'cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction',
  )
}

export async function copyFrom(
  session: Session,
  statement: ParsedStatement,
  node: NodeOf['CopyStmt'],
  relation: RelationInfo,
  attnums: readonly number[],
  options: CopyOptions,
  sink: ResultSink,
): Promise<string> {
  const permissions = checkTarget(session, relation, attnums)
  const { version } = session.planning.snapshot()
  await lockRelations(session, relationLocks(permissions, session.planning.snapshot()))
  if (session.planning.snapshot().version !== version) throw new StalePlan()
  const txn = await session.transaction(false, false)
  const columns = attnums.map((attnum): Column => {
    const { name, type, typmod } = relation.columns[attnum - 1]!
    const domain = session.planning.snapshot().type(type)?.typtype === 'd'
    return { name, attnum, type, typmod, support: session.planning.supportOf(type), domain }
  })
  const where =
    node.whereClause === undefined
      ? null
      : analyzeCopyWhere(node.whereClause, relation, session.planning.analyzeContext(statement, [], false))
  const insert = copyInsert(session, relation.descriptor!, attnums, where, txn, session.planning.analyzeContext(statement, [], false))
  const parser = new RowParser(session, relation, columns, options)
  if (options.freeze) checkFreeze(session, relation)
  const source = sink.copyIn(options.format === 'binary' ? 1 : 0, columns.length)
  // one turn of the event loop may bring many chunks, one behind the other
  const slicer = makeSlicer({ cancel: session.cancelToken })
  let headerPending = options.header !== 'off'
  let batch: Row[] = []
  let marks: (Uint8Array | null)[] = []
  /** Bytes that came since the last batch was handed on. */
  let bytes = 0
  /** When the batch's first row came. */
  let since = 0
  let total = 0
  const write = async (): Promise<void> => {
    total += await insert.rows(batch, marks)
    batch = []
    marks = []
    bytes = 0
  }
  try {
    for (let ended = false; !ended; ) {
      // A slow client hears soon whether what it has sent will do.
      if (batch.length > 0 && performance.now() - since > LIMITS.copyBatchMs) await write()
      const read = source.read()
      const chunk = read instanceof Promise ? await read : read
      session.cancelToken.check()
      if (chunk === null) {
        parser.reader.finish()
        ended = true
      } else if (!parser.reader.ended) {
        parser.reader.feed(chunk)
        bytes += chunk.length
      }
      if (headerPending) {
        if (!parser.header()) continue
        headerPending = false
      }
      for (let row = parser.next(); row !== null; row = parser.next()) {
        if (batch.length === 0) since = performance.now()
        batch.push(row)
        marks.push(parser.defaulted)
        if (batch.length < LIMITS.batchRows && bytes < LIMITS.batchBytes) continue
        await write()
        const pause = slicer.pause()
        if (pause !== null) await pause
      }
    }
    if (batch.length > 0) await write()
    await insert.finish()
  } catch (error) {
    throw error instanceof PgError && error.fields.where === undefined && batch.length > 0 ? error.with({ where: parser.where() }) : error
  }
  if (parser.skipped > 0 && options.verbosity !== 'silent') {
    session.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `${parser.skipped} row${parser.skipped === 1 ? ' was' : 's were'} skipped due to data type incompatibility`,
    })
  }
  return `COPY ${total}`
}
