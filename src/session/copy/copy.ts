// COPY: the statement's parts, privileges, and which way it goes. The server touches no file that a client names (tenancy N10).

import { notSupported, PgError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type RelationInfo, withCatalog } from '../../catalog/snapshot.ts'
import { isTemporary } from '../../catalog/temporary.ts'
import type { ResultSink } from '../../pgwire/backend.ts'
import { resolveRelation } from '../../sql/analyzer/expression.ts'
import { selectInto } from '../../sql/commands/select-into.ts'
import type { Node, NodeOf } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { positionOfByte } from '../../sql/parser/positions.ts'
import { cannotExecuteReadOnly } from '../read-only.ts'
import type { Session } from '../session.ts'
import { innerStatement } from '../utility/cursors.ts'
import { copyFrom } from './copy-from.ts'
import { copyTo } from './copy-to.ts'
import { type CopyOptions, copyOptions, type RawCopyOption } from './options.ts'

/** The connection converts from and to what its client speaks: text in COPY's messages like all other, binary forms only on their way out. */
function checkEncoding({ clientEncoding }: Session, { encoding, format }: CopyOptions, isFrom: boolean): void {
  const told = encoding === null || encoding === 'UTF8' || encoding === 'SQL_ASCII' ? null : encoding
  const spoken = clientEncoding?.name ?? null
  if (encoding !== null && told !== spoken) {
    throw notSupported(`COPY in an encoding other than the client's is not supported`, `SET client_encoding = '${encoding}' first.`)
  }
  if (isFrom && format === 'binary' && spoken !== null) {
    throw notSupported(`COPY FROM in binary format with client_encoding ${spoken} is not supported`, 'Use client_encoding UTF8.')
  }
}

function optionValue(arg: Node | undefined): { value: RawCopyOption['value']; star: boolean } {
  if (arg === undefined) return { value: null, star: false }
  const node = arg as Partial<NodeOf>
  if (node.A_Star !== undefined) return { value: null, star: true }
  if (node.List !== undefined) {
    return { value: (node.List.items ?? []).map((item) => (item as NodeOf).String.sval ?? ''), star: false }
  }
  if (node.String !== undefined) return { value: node.String.sval ?? '', star: false }
  if (node.Integer !== undefined) return { value: String(node.Integer.ival ?? 0), star: false }
  if (node.Float !== undefined) return { value: node.Float.fval ?? '', star: false }
  if (node.Boolean !== undefined) return { value: node.Boolean.boolval ? 'true' : 'false', star: false }
  return { value: null, star: false }
}

export function runCopy(session: Session, statement: ParsedStatement, node: NodeOf['CopyStmt'], sink: ResultSink): MaybePromise<string> {
  const isFrom = node.is_from === true
  if (node.filename !== undefined || node.is_program) {
    throw new PgError(
      SQLSTATE.insufficientPrivilege,
      node.is_program ? 'COPY to or from an external program is not available' : 'COPY to or from a file of the server is not available',
      { hint: "Use COPY … FROM STDIN or TO STDOUT; psql's \\copy command works for files of the client." },
    )
  }
  const raw = (node.options ?? []).map((option): RawCopyOption => {
    const element = (option as NodeOf).DefElem
    const position = element.location === undefined ? undefined : positionOfByte(statement.source, element.location)
    return { name: element.defname ?? '', ...optionValue(element.arg), position: position ?? null }
  })
  const options = copyOptions(raw, isFrom)
  checkEncoding(session, options, isFrom)
  if (node.query !== undefined) {
    if (selectInto(node.query) !== null) throw new PgError(SQLSTATE.featureNotSupported, 'COPY (SELECT INTO) is not supported')
    const plan = session.planning.plan(innerStatement(statement, node.query), [])
    return andThen(plan, (entry) => {
      if (entry.columns === null) throw new PgError(SQLSTATE.featureNotSupported, 'COPY query must have a RETURNING clause')
      return copyTo(session, entry, options, sink)
    })
  }
  const context = session.planning.analyzeContext(statement, [])
  const relation = withCatalog(() => resolveRelation(node.relation!, context, { missingOk: false }))
  return andThen(relation, (found) => {
    const columns = columnsOf(found!, node)
    if (isFrom && session.block.modes.readOnly && !isTemporary(found!.oid)) throw cannotExecuteReadOnly('COPY FROM')
    if (isFrom) return copyFrom(session, statement, node, found!, columns, options, sink)
    if (found!.relkind === 'v') {
      throw new PgError(SQLSTATE.wrongObjectType, `cannot copy from view "${found!.name}"`, {
        hint: 'Try the COPY (SELECT ...) TO variant.',
      })
    }
    if (found!.relkind === 'S') throw new PgError(SQLSTATE.wrongObjectType, `cannot copy from sequence "${found!.name}"`)
    return andThen(session.planning.plan(innerStatement(statement, selectOf(node, found!, columns)), []), (entry) =>
      copyTo(session, entry, options, sink),
    )
  })
}

/** The attnums a COPY names, or all that are neither dropped nor generated. */
function columnsOf(relation: RelationInfo, node: NodeOf['CopyStmt']): number[] {
  const generated = (attnum: number) => relation.descriptor?.columns[attnum - 1]?.generated !== '' && relation.descriptor !== null
  const names = node.attlist
  if (names === undefined) return relation.columns.filter((column) => !column.dropped && !generated(column.attnum)).map((c) => c.attnum)
  const attnums: number[] = []
  for (const item of names) {
    const name = (item as NodeOf).String.sval ?? ''
    const column = relation.columns.find((candidate) => !candidate.dropped && candidate.name === name)
    if (column === undefined) {
      throw new PgError(SQLSTATE.undefinedColumn, `column "${name}" of relation "${relation.name}" does not exist`)
    }
    if (generated(column.attnum)) {
      throw new PgError(SQLSTATE.invalidColumnReference, `column "${name}" is a generated column`, {
        detail: 'Generated columns cannot be used in COPY.',
      })
    }
    if (attnums.includes(column.attnum)) throw new PgError(SQLSTATE.duplicateColumn, `column "${name}" specified more than once`)
    attnums.push(column.attnum)
  }
  return attnums
}

/** COPY t TO is the query over its columns, so that privileges and expressions go the ordinary way. */
function selectOf(node: NodeOf['CopyStmt'], relation: RelationInfo, attnums: readonly number[]): Node {
  const range = node.relation!
  if (attnums.length === 0) throw notSupported('COPY of a table without columns is not supported')
  return {
    SelectStmt: {
      targetList: attnums.map((attnum) => ({
        ResTarget: {
          val: { ColumnRef: { fields: [{ String: { sval: relation.columns[attnum - 1]!.name } }], location: -1 } },
          location: -1,
        },
      })),
      fromClause: [{ RangeVar: { ...range, inh: true } }],
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  } as Node
}
