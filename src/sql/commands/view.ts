// CREATE [OR REPLACE] VIEW: the bound query is stored; its columns become the view's.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ColumnDescriptor, RelationDescriptor, ViewDescriptor } from '../../catalog/descriptors.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { checkRelationOwner } from '../../catalog/privileges.ts'
import { isTemporary } from '../../catalog/temporary.ts'
import type { Query } from '../analyzer/query.ts'
import { hasSample } from '../analyzer/table-sample.ts'
import { collationByOid } from '../builtin/catalogs.ts'
import { indeterminateCollation } from '../functions/collation-needed.ts'
import type { DefElem, ViewStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defBoolean, defElems, defString, relationOptions } from './def-elem.ts'
import { checkColumnName, load, partsOf } from './names.ts'
import { newRelation } from './new-relation.ts'
import { selectInto } from './select-into.ts'
import { plainColumn, typeText } from './table-builder.ts'
import { creationTarget } from './temporary.ts'

/** Columns a query's output gives to a view or table: unknown literals are text. */
export async function queryColumns(
  c: CommandContext,
  query: Query,
  aliases: readonly string[],
  what: 'view' | 'table',
): Promise<ColumnDescriptor[]> {
  const entries = query.targetList.filter((entry) => !entry.resjunk)
  const output = query.commandType === 'select' ? entries : query.returningList.filter((entry) => !entry.resjunk)
  if (aliases.length > output.length)
    throw new PgError(
      SQLSTATE.syntaxError,
      what === 'view' ? 'CREATE VIEW specifies more column names than columns' : 'too many column names were specified',
    )
  const columns: ColumnDescriptor[] = []
  const names = new Set<string>()
  for (const [i, entry] of output.entries()) {
    const name = aliases[i] ?? entry.resname ?? '?column?'
    if (names.has(name)) throw new PgError(SQLSTATE.duplicateColumn, `column "${name}" specified more than once`)
    names.add(name)
    if (what === 'table') checkColumnName(name)
    const type = entry.expr.type === 705 ? 25 : entry.expr.type
    if (entry.expr.collation === 0 && entry.expr.type !== 705) await refuseCollatable(c, name, type, what)
    columns.push(await plainColumn(c, i + 1, name, { type, typmod: entry.expr.typmod, collation: entry.expr.collation }))
  }
  return columns
}

/** A column of a type that needs a collation, and none was derived for it. */
async function refuseCollatable(c: CommandContext, name: string, type: Oid, what: 'view' | 'table'): Promise<void> {
  const row = await load(() => c.snapshot.type(type))
  if (row === null || row.typcollation === 0) return
  if (what === 'view') throw indeterminateCollation(`view column "${name}"`)
  throw new PgError(
    SQLSTATE.indeterminateCollation,
    `no collation was derived for column "${name}" with collatable type ${typeText(c, type)}`,
    {
      hint: 'Use the COLLATE clause to set the collation explicitly.',
    },
  )
}

export interface ViewOptions {
  readonly checkOption: ViewDescriptor['checkOption']
  readonly securityBarrier: boolean
  readonly securityInvoker: boolean
}

export function viewOptions(options: readonly DefElem[]): ViewOptions {
  let checkOption: ViewDescriptor['checkOption'] = 'none'
  let securityBarrier = false
  let securityInvoker = false
  for (const option of options) {
    switch (option.defname) {
      case 'check_option': {
        const value = defString(option)
        if (value !== 'local' && value !== 'cascaded')
          throw new PgError(SQLSTATE.invalidParameterValue, `invalid value for enum option "check_option": ${value}`, {
            detail: 'Valid values are "local" and "cascaded".',
          })
        checkOption = value
        break
      }
      case 'security_barrier':
        securityBarrier = defBoolean(option)
        break
      case 'security_invoker':
        securityInvoker = defBoolean(option)
        break
      default:
        throw new PgError(SQLSTATE.invalidParameterValue, `unrecognized parameter "${option.defname}"`)
    }
  }
  return { checkOption, securityBarrier, securityInvoker }
}

/** Recursion through itself cannot happen: the view does not exist while its query is analysed. */
export async function createView(c: CommandContext, stmt: ViewStmt): Promise<CommandResult> {
  const rv = stmt.view!
  if (rv.relpersistence === 'u') throw new PgError(SQLSTATE.syntaxError, 'views cannot be unlogged because they do not have storage')
  if (selectInto(stmt.query!) !== null) throw new PgError(SQLSTATE.featureNotSupported, 'views must not contain SELECT INTO')
  const query = await c.analysis.query(stmt.query!)
  if (query.hasModifyingCte) throw notSupported('views must not contain data-modifying statements in WITH')
  if (hasSample(query)) throw notSupported('TABLESAMPLE in a view is not supported')
  const options = viewOptions(defElems(stmt.options))
  const check =
    stmt.withCheckOption === 'LOCAL_CHECK_OPTION'
      ? 'local'
      : stmt.withCheckOption === 'CASCADED_CHECK_OPTION'
        ? 'cascaded'
        : options.checkOption
  const columns = await queryColumns(c, query, partsOf(stmt.aliases), 'view')
  const dependencies = c.analysis.dependencies(query, 0)
  const usesTemporary = dependencies.some((to) => isTemporary(to.objId))
  const { namespace, name, persistence } = await creationTarget(c, rv, { temporary: usesTemporary })
  if (usesTemporary && rv.relpersistence !== 't')
    c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `view "${name}" will be a temporary view` })
  const given = relationOptions(defElems(stmt.options)) ?? []
  if (stmt.withCheckOption !== undefined && stmt.withCheckOption !== 'NO_CHECK_OPTION') given.push(`check_option=${check}`)
  const view: ViewDescriptor = {
    query: c.analysis.store(query),
    checkOption: check,
    securityBarrier: options.securityBarrier,
    securityInvoker: options.securityInvoker,
  }
  const stored = { view, options: given.length === 0 ? null : given }
  const existing = await load(() => c.snapshot.relationByName(namespace.oid, name))
  let oid: number
  if (existing !== null) {
    if (!stmt.replace) throw new PgError(SQLSTATE.duplicateTable, `relation "${name}" already exists`)
    await c.lock(existing.oid, LOCK.accessExclusive, name)
    if (existing.relkind !== 'v') throw new PgError(SQLSTATE.wrongObjectType, `"${name}" is not a view`)
    await load(() => checkRelationOwner(c.snapshot, existing, c.ctx.session.currentUser))
    const old = await c.writer.lockRelation(existing.oid)
    await load(() => checkReplaceable(c, old, columns))
    oid = old.oid
    const kept = columns.map((column, i) => ({ ...column, acl: old.columns[i]?.acl ?? null, default: old.columns[i]?.default ?? null }))
    await c.writer.updateRelation({ ...old, ...stored, columns: kept })
  } else {
    const relation = await newRelation(c, { name, namespace: namespace.oid, kind: 'v', persistence }, { ...stored, columns })
    oid = relation.oid
    await c.writer.createRelation(relation)
  }
  const from: ObjectAddress = { classId: CLASS.rewrite, objId: oid, subId: 0 }
  await c.writer.setDependencies(
    from,
    dependencies.map((to) => ({ to, type: 'n' as const })),
  )
  return { tag: 'CREATE VIEW' }
}

/** Old columns stay as they are; new ones come behind them. */
function checkReplaceable(c: CommandContext, old: RelationDescriptor, columns: readonly ColumnDescriptor[]): void {
  const fail = (message: string, hint?: string): never => {
    throw new PgError(SQLSTATE.invalidTableDefinition, message, hint === undefined ? {} : { hint })
  }
  if (columns.length < old.columns.length) fail('cannot drop columns from view')
  for (const [i, before] of old.columns.entries()) {
    const after = columns[i]!
    if (before.name !== after.name)
      fail(
        `cannot change name of view column "${before.name}" to "${after.name}"`,
        'Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.',
      )
    if (before.type !== after.type || before.typmod !== after.typmod)
      fail(
        `cannot change data type of view column "${before.name}" from ${typeText(c, before.type, before.typmod)} to ${typeText(c, after.type, after.typmod)}`,
      )
    if (before.collation !== after.collation) {
      const name = (oid: Oid): string => collationByOid(oid)?.collname ?? ''
      fail(`cannot change collation of view column "${before.name}" from "${name(before.collation)}" to "${name(after.collation)}"`)
    }
  }
}
