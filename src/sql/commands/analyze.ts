// ANALYZE and VACUUM: which tables, who may, and what is found out about them goes into the catalogue. Old versions are the store's business, so
// VACUUM alone has nothing to do.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { relationInfo } from '../../catalog/catalog-snapshot.ts'
import { OBJECT_PREFIX } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { ownsObject } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID, type ObjectRecord } from '../../catalog/records.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { type Node, nodeAs, type VacuumStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defBoolean, defElems } from './def-elem.ts'
import { mayMaintain } from './maintenance.ts'
import { columnNamed, findRelation, load, lockNamed, partsOf, rangeVarParts, undefinedColumn } from './names.ts'
import { alterTable } from './table-builder.ts'

const PAGE = 8192

const ANALYZE_OPTIONS = ['verbose', 'skip_locked', 'buffer_usage_limit']
const VACUUM_OPTIONS = [
  ...ANALYZE_OPTIONS,
  ...['analyze', 'freeze', 'full', 'disable_page_skipping', 'index_cleanup', 'process_main', 'process_toast', 'truncate', 'parallel'],
  ...['skip_database_stats', 'only_database_stats'],
]

interface Options {
  readonly isVacuum: boolean
  readonly analyze: boolean
  readonly verbose: boolean
  readonly skipLocked: boolean
}

/** A table to analyse; `columns` null = all. */
interface Target {
  readonly relation: RelationInfo
  readonly columns: readonly number[] | null
}

function optionsOf(stmt: VacuumStmt): Options {
  const isVacuum = stmt.is_vacuumcmd ?? false
  const options = defElems(stmt.options)
  const known = isVacuum ? VACUUM_OPTIONS : ANALYZE_OPTIONS
  for (const option of options) {
    if (known.includes(option.defname!)) continue
    throw new PgError(SQLSTATE.syntaxError, `unrecognized ${isVacuum ? 'VACUUM' : 'ANALYZE'} option "${option.defname}"`, {
      position: (option.location ?? 0) + 1,
    })
  }
  const isSet = (name: string): boolean => options.some((option) => option.defname === name && defBoolean(option))
  return { isVacuum, analyze: !isVacuum || isSet('analyze'), verbose: isSet('verbose'), skipLocked: isSet('skip_locked') }
}

/** The database's owner may, too. */
async function mayAnalyze(c: CommandContext, relation: RelationInfo, verb: string): Promise<boolean> {
  const user = c.ctx.session.currentUser
  const allowed =
    relation.oid >= FIRST_NORMAL_OID &&
    ((await mayMaintain(c, relation)) || (await load(() => ownsObject(c.snapshot, c.snapshot.database().owner, user))))
  if (!allowed && relation.oid >= FIRST_NORMAL_OID)
    c.ctx.notice({
      severity: 'WARNING',
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied to ${verb} "${relation.name}", skipping it`,
    })
  return allowed
}

/** False: another has the lock, and SKIP_LOCKED says to go on without. */
async function lockUnlessSkipped(c: CommandContext, relation: RelationInfo, options: Options): Promise<boolean> {
  try {
    await c.lock(relation.oid, LOCK.shareUpdateExclusive, relation.name, false)
    return true
  } catch (error) {
    if (!(error instanceof PgError) || error.code !== SQLSTATE.lockNotAvailable) throw error
    c.ctx.notice({
      severity: 'WARNING',
      code: SQLSTATE.lockNotAvailable,
      message: `skipping ${options.isVacuum ? 'vacuum' : 'analyze'} of "${relation.name}" --- lock not available`,
    })
    return false
  }
}

async function namedTarget(c: CommandContext, node: Node, options: Options): Promise<Target | null> {
  const verb = options.isVacuum ? 'vacuum' : 'analyze'
  const target = nodeAs(node, 'VacuumRelation')!
  const parts = rangeVarParts(target.relation!)
  if (options.skipLocked) {
    const found = await load(() => findRelation(c, parts, false))
    if (found !== null && found.oid >= FIRST_NORMAL_OID && !(await lockUnlessSkipped(c, found, options))) return null
  }
  const relation = (await lockNamed(c, parts, LOCK.shareUpdateExclusive))!
  const names = partsOf(target.va_cols)
  if (names.length > 0 && !options.analyze)
    throw new PgError(SQLSTATE.featureNotSupported, 'ANALYZE option must be specified when a column list is provided')
  const columns: number[] = []
  for (const [i, name] of names.entries()) {
    const column = relation.descriptor === null ? null : columnNamed(relation.descriptor, name)
    if (column === null) throw undefinedColumn(name, relation.name)
    if (names.indexOf(name) !== i)
      throw new PgError(SQLSTATE.duplicateColumn, `column "${name}" of relation "${relation.name}" appears more than once`)
    columns.push(column.attnum)
  }
  if (relation.relkind !== 'r') {
    c.ctx.notice({
      severity: 'WARNING',
      code: SQLSTATE.warning,
      message: `skipping "${relation.name}" --- cannot ${verb} non-tables or special system tables`,
    })
    return null
  }
  if (!(await mayAnalyze(c, relation, verb))) return null
  return { relation, columns: columns.length === 0 ? null : columns }
}

/** Every table that is the user's. */
async function ownTargets(c: CommandContext, options: Options): Promise<Target[]> {
  const targets: Target[] = []
  for (const { value } of await c.catalog.scan(OBJECT_PREFIX)) {
    const record = value as ObjectRecord
    if (record.kind !== 'relation' || record.value.kind !== 'r') continue
    const relation = relationInfo(record.value)
    if (!(await load(() => ownsObject(c.snapshot, relation.owner, c.ctx.session.currentUser)))) continue
    if (options.skipLocked) {
      if (!(await lockUnlessSkipped(c, relation, options))) continue
    } else await c.lock(relation.oid, LOCK.shareUpdateExclusive, relation.name)
    targets.push({ relation, columns: null })
  }
  return targets
}

/** Analyses a table that is locked; its descriptor is read anew, it may have changed before the lock was had. */
export async function analyzeOne(
  c: CommandContext,
  oid: Oid,
  columns: readonly number[] | null,
  isAutomatic: boolean,
  verbose: boolean,
): Promise<void> {
  const relation = await load(() => c.snapshot.relation(oid))
  const table = relation?.descriptor ?? null
  if (relation === null || table === null || table.table === null) return
  const schema = await load(() => c.snapshot.namespace(relation.namespace)?.name ?? '')
  const info = (message: string): void => {
    if (verbose) c.ctx.notice({ severity: 'INFO', code: SQLSTATE.successfulCompletion, message })
  }
  info(`analyzing "${schema}.${table.name}"`)
  const target = Number(c.ctx.settings.show('default_statistics_target', true) ?? 100)
  const found = await c.ports.data.analyze(table, { attnums: columns, target })
  const pages = Math.ceil(found.bytes / PAGE)
  info(
    `"${table.name}": scanned ${pages} of ${pages} pages, containing ${found.rows} live rows and 0 dead rows; ` +
      `${found.sampled} rows in sample, ${found.rows} estimated total rows`,
  )
  await c.writer.alterRelation(oid, (old) => alterTable(old, () => ({ relTuples: found.rows, relPages: pages })))
  const last = c.ctx.clockTimestamp() as number
  await c.writer.changeStatistics(oid, (old) => {
    const run = isAutomatic ? old.autoanalyzed : old.analyzed
    const now = { last, count: (run?.count ?? 0) + 1 }
    return {
      ...old,
      columns: { ...old.columns, ...found.columns },
      expressions: { ...old.expressions, ...found.expressions },
      analyzed: isAutomatic ? old.analyzed : now,
      autoanalyzed: isAutomatic ? now : old.autoanalyzed,
    }
  })
}

export async function vacuum(c: CommandContext, stmt: VacuumStmt): Promise<CommandResult> {
  const options = optionsOf(stmt)
  if (options.isVacuum) c.preventInTransactionBlock('VACUUM')
  const targets: Target[] = []
  for (const node of stmt.rels ?? []) {
    const target = await namedTarget(c, node, options)
    if (target !== null) targets.push(target)
  }
  if ((stmt.rels ?? []).length === 0 && options.analyze) targets.push(...(await ownTargets(c, options)))
  if (options.analyze) for (const { relation, columns } of targets) await analyzeOne(c, relation.oid, columns, false, options.verbose)
  return { tag: options.isVacuum ? 'VACUUM' : 'ANALYZE' }
}
