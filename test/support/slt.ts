// Files of SQL statements with their expected answers (sqllogictest's idea): read, run against anything that answers SQL, compare, re-record.
//
//   # comment
//   statement            what follows, up to ---- or a blank line, is one statement (or several, sent as one)
//   CREATE TABLE t (a int)
//   ----
//   CREATE TABLE
//
// The answer has one line per result: `column:type-oid|…` and a line per row for rows, then the command tag; `ERROR code: message` with its
// DETAIL, HINT and POSITION for an error; `NOTICE: message`. `statement unordered` sorts the rows. NULL prints as ∅, a line end in a value as ⏎.
// Answers are recorded from PostgreSQL 18 (scripts/record-slt.mjs), never typed. `own` marks a statement that only pg-keyspace knows:
// it is not sent to PostgreSQL and its answer is recorded from our own server, to be read by eye. `serializable` marks one that only a store with
// that isolation level can answer so.

export interface SltRecord {
  /** Line of `statement`, from 1. */
  readonly line: number
  readonly comments: readonly string[]
  readonly unordered: boolean
  readonly own: boolean
  readonly serializable: boolean
  readonly sql: string
  readonly expected: string
}

export interface SqlAnswer {
  readonly results: readonly {
    readonly columns: readonly { readonly name: string; readonly type: number }[]
    readonly rows: readonly (string | null)[][]
    readonly tag: string
  }[]
  readonly notices: readonly { readonly severity: string; readonly message: string }[]
  readonly error: {
    readonly code: string
    readonly message: string
    readonly detail?: string | undefined
    readonly hint?: string | undefined
    readonly position?: string | undefined
  } | null
}

export function parseSlt(text: string): { records: SltRecord[]; trailer: string[] } {
  const lines = text.split('\n')
  const records: SltRecord[] = []
  let comments: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    if (!line.startsWith('statement')) {
      if (line !== '') comments.push(line)
      continue
    }
    const words = line.split(' ')
    const start = i + 1
    const sql: string[] = []
    for (i++; i < lines.length && lines[i] !== '----' && lines[i] !== ''; i++) sql.push(lines[i]!)
    const expected: string[] = []
    if (lines[i] === '----') for (i++; i < lines.length && lines[i] !== ''; i++) expected.push(lines[i]!)
    records.push({
      line: start,
      comments,
      unordered: words.includes('unordered'),
      own: words.includes('own'),
      serializable: words.includes('serializable'),
      sql: sql.join('\n'),
      expected: expected.join('\n'),
    })
    comments = []
  }
  return { records, trailer: comments }
}

export function printSlt(records: readonly SltRecord[], trailer: readonly string[]): string {
  const parts = records.map((record) => {
    const head = [
      'statement',
      ...(record.unordered ? ['unordered'] : []),
      ...(record.own ? ['own'] : []),
      ...(record.serializable ? ['serializable'] : []),
    ].join(' ')
    const comments = record.comments.length > 0 ? `${record.comments.join('\n')}\n` : ''
    return `${comments}${head}\n${record.sql}\n----\n${record.expected}\n`
  })
  return `${parts.join('\n')}${trailer.length > 0 ? `\n${trailer.join('\n')}\n` : ''}`
}

/** Drivers keep the first word and the number of a tag: compare those. */
const shortTag = (tag: string) => [tag.split(' ')[0], ...(/\d+$/.exec(tag) ?? [])].join(' ')

const cell = (value: string | null) => (value === null ? '∅' : value === '' ? '␣' : value.replaceAll('\n', '⏎'))

/** Types whose OIDs depend on what was created before: told by being above the builtin ones. */
const typeName = (oid: number) => (oid >= 16384 ? 'user' : String(oid))

export function printAnswer(answer: SqlAnswer, unordered: boolean): string {
  const lines: string[] = []
  for (const notice of answer.notices) lines.push(`${notice.severity}: ${notice.message.replaceAll('\n', '⏎')}`)
  for (const result of answer.error === null ? answer.results : []) {
    if (result.columns.length > 0 || result.rows.length > 0) {
      lines.push(result.columns.map((column) => `${column.name}:${typeName(column.type)}`).join('|'))
      const rows = result.rows.map((row) => row.map(cell).join('|'))
      if (unordered) rows.sort()
      lines.push(...rows)
    }
    lines.push(shortTag(result.tag))
  }
  const { error } = answer
  if (error !== null) {
    lines.push(`ERROR ${error.code}: ${error.message.replaceAll('\n', '⏎')}`)
    if (error.detail) lines.push(`DETAIL: ${error.detail.replaceAll('\n', '⏎')}`)
    if (error.hint) lines.push(`HINT: ${error.hint.replaceAll('\n', '⏎')}`)
    if (error.position) lines.push(`POSITION: ${error.position}`)
  }
  return lines.join('\n')
}
