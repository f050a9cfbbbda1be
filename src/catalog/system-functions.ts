// catalogFunctions: every body the catalogue gives, by prosrc, for one session: visibility, definitions, comments, sizes, privileges.

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { collationByOid, keywordRows, pgTsConfigs, pgTsDicts } from '../sql/builtin/catalogs.ts'
import { classByName, indexesByRelation } from '../sql/builtin/pg-class.ts'
import { opclassByOid, opfamilyByOid } from '../sql/builtin/pg-index.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import { RecordDatum } from '../sql/types/record.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import {
  constraintDefinitionByOid,
  type DefinitionSource,
  type Deparser,
  functionArguments,
  functionResult,
  indexDefinition,
  viewDefinition,
} from './definition-functions.ts'
import { enumFunctions } from './enum-functions.ts'
import { identityFunctions } from './identity-functions.ts'
import { informationSchemaFunctions } from './information-schema-functions.ts'
import { CLASS } from './keys.ts'
import { splitName } from './lookup.ts'
import { pathOids } from './object-identity.ts'
import { privilegeFunctions } from './privilege-functions.ts'
import { PG_CATALOG_NAMESPACE } from './records.ts'
import { relationBytes } from './relation-size.ts'
import { serialSequence } from './serial-sequence.ts'
import { statisticsFunctions } from './statistics-functions.ts'
import { outRow, type SystemFunction } from './system-function.ts'
import type { TableActivity } from './table-activity.ts'
import { typeText } from './type-names.ts'
import { isRelationVisible, procVisible } from './visibility.ts'

function relationOf(snapshot: ReaderSnapshot, text: string, ctx: EvalContext): NonNullable<ReturnType<ReaderSnapshot['relation']>> {
  const oid = ctx.catalog.toRelation(text)
  const relation = oid === null ? null : snapshot.relation(oid)
  if (relation === null) throw new PgError(SQLSTATE.undefinedTable, `relation "${splitName(text).join('.')}" does not exist`)
  return relation
}

export function catalogFunctions(
  context: EvalContext,
  snapshotOf: () => ReaderSnapshot,
  deparser: Deparser,
  activity: TableActivity,
): Map<string, SystemFunction> {
  const source = (): DefinitionSource => ({ snapshot: snapshotOf(), searchPath: context.session.searchPath(true), deparser })
  const map = new Map<string, SystemFunction>([
    ...statisticsFunctions(snapshotOf, activity),
    ...privilegeFunctions(snapshotOf),
    ...informationSchemaFunctions(snapshotOf),
    ...enumFunctions(snapshotOf),
    ...identityFunctions(source),
  ])
  const add = (name: string, body: SystemFunction): void => {
    map.set(name, body)
  }
  const visible = (name: string, find: (oid: Oid, path: readonly Oid[]) => boolean | null): void =>
    add(name, (oid) => find(oid as Oid, pathOids(source())))

  visible('pg_table_is_visible', (oid, path) => {
    const relation = snapshotOf().relation(oid)
    return relation === null ? null : isRelationVisible(snapshotOf(), path, relation)
  })
  visible('pg_type_is_visible', (oid, path) => {
    const row = snapshotOf().type(oid)
    if (row === null) return null
    for (const namespace of path) {
      const found = snapshotOf().typeByName(namespace, row.typname)
      if (found !== null) return found.oid === oid
    }
    return false
  })
  visible('pg_function_is_visible', (oid, path) => {
    const proc = snapshotOf().proc(oid)
    return proc === null ? null : procVisible(snapshotOf(), path, proc)
  })
  visible('pg_operator_is_visible', (oid, path) => {
    const operator = snapshotOf().operator(oid)
    return operator === null ? null : path.includes(operator.oprnamespace)
  })
  const inPath = (name: string, namespaceOf: (oid: Oid) => Oid | undefined): void =>
    visible(name, (oid, path) => {
      const namespace = namespaceOf(oid)
      return namespace === undefined ? null : path.includes(namespace)
    })
  inPath('pg_opclass_is_visible', (oid) => opclassByOid(oid)?.opcnamespace)
  inPath('pg_opfamily_is_visible', (oid) => opfamilyByOid(oid)?.opfnamespace)
  inPath('pg_collation_is_visible', (oid) => collationByOid(oid)?.collnamespace)
  inPath('pg_ts_config_is_visible', (oid) => pgTsConfigs().find((row) => row.oid === oid)?.cfgnamespace)
  inPath('pg_ts_dict_is_visible', (oid) => pgTsDicts().find((row) => row.oid === oid)?.dictnamespace)
  for (const name of ['pg_conversion_is_visible', 'pg_ts_parser_is_visible', 'pg_ts_template_is_visible'])
    visible(name, (_oid, path) => path.includes(PG_CATALOG_NAMESPACE))
  visible('pg_statistics_obj_is_visible', () => null)

  add('format_type', (oid, typmod) => {
    if (oid === null) return null
    const { snapshot, searchPath } = source()
    return typeText(snapshot, searchPath, oid as Oid, typmod as number | null)
  })

  // definitions
  add('pg_get_constraintdef', (oid) => constraintDefinitionByOid(source(), oid as Oid, false))
  add('pg_get_constraintdef_ext', (oid, pretty) => constraintDefinitionByOid(source(), oid as Oid, pretty === true))
  add('pg_get_indexdef', (oid) => indexDefinition(source(), oid as Oid, 0, false))
  add('pg_get_indexdef_ext', (oid, column, pretty) => indexDefinition(source(), oid as Oid, column as number, pretty === true))
  add('pg_get_viewdef', (oid) => viewDefinition(source(), oid as Oid, false))
  add('pg_get_viewdef_ext', (oid, pretty) => viewDefinition(source(), oid as Oid, pretty === true))
  add('pg_get_viewdef_wrap', (oid) => viewDefinition(source(), oid as Oid, true))
  const viewByName =
    (pretty: boolean): SystemFunction =>
    (name, ctx) =>
      viewDefinition(source(), relationOf(snapshotOf(), name as string, ctx as EvalContext).oid, pretty)
  add('pg_get_viewdef_name', viewByName(false))
  add('pg_get_viewdef_name_ext', (name, pretty, ctx) => viewByName(pretty === true)(name, ctx))
  const expression = (node: string, relation: Oid, pretty: boolean): string =>
    // expressions of an index stand one a line
    node
      .split('\n')
      .map((stored) => (stored.startsWith('{') ? deparser.expression(stored, snapshotOf().relation(relation), pretty) : stored))
      .join(', ')
  add('pg_get_expr', (node, relation) => expression(node as string, relation as Oid, false))
  add('pg_get_expr_ext', (node, relation, pretty) => expression(node as string, relation as Oid, pretty === true))
  // no table is partitioned
  add('pg_partition_ancestors', () => [])
  add('pg_partition_tree', () => [])
  add('pg_partition_root', () => null)
  add('pg_get_partkeydef', () => null)
  add('pg_get_partition_constraintdef', () => null)
  add('pg_get_statisticsobjdef_columns', () => null)
  add('pg_get_statisticsobjdef', () => null)
  add('pg_get_triggerdef', () => null)
  add('pg_get_triggerdef_ext', () => null)
  const rule =
    (pretty: boolean): SystemFunction =>
    (oid) => {
      const view = snapshotOf().relation(oid as Oid)
      if (view?.descriptor?.view == null) return null
      return `CREATE RULE "_RETURN" AS\n    ON SELECT TO ${quoteIdentifier(snapshotOf().namespace(view.namespace)?.name ?? '')}.${quoteIdentifier(view.name)} DO INSTEAD ${viewDefinition(source(), view.oid, pretty)}`
    }
  add('pg_get_ruledef', rule(false))
  add('pg_get_ruledef_ext', rule(true))
  add('pg_get_function_arguments', (oid) => {
    const proc = snapshotOf().proc(oid as Oid)
    return proc === null ? null : functionArguments(source(), proc)
  })
  add('pg_get_function_identity_arguments', (oid) => {
    const proc = snapshotOf().proc(oid as Oid)
    return proc === null ? null : functionArguments(source(), proc)
  })
  add('pg_get_function_result', (oid) => {
    const proc = snapshotOf().proc(oid as Oid)
    return proc === null ? null : functionResult(source(), proc)
  })
  add('pg_get_function_arg_default', () => null)
  add('pg_get_function_sqlbody', (oid) => snapshotOf().proc(oid as Oid)?.prosqlbody ?? null)
  add('pg_get_functiondef', (oid) => {
    const proc = snapshotOf().proc(oid as Oid)
    if (proc === null) return null
    if (proc.prokind === 'a') throw new PgError(SQLSTATE.wrongObjectType, `"${proc.proname}" is an aggregate function`)
    const namespace = snapshotOf().namespace(proc.pronamespace)?.name ?? ''
    const language = { 12: 'internal', 13: 'c', 14: 'sql' }[proc.prolang] ?? 'internal'
    const volatility = { i: ' IMMUTABLE', s: ' STABLE', v: '' }[proc.provolatile] ?? ''
    const parallel = { s: ' PARALLEL SAFE', r: ' PARALLEL RESTRICTED', u: '' }[proc.proparallel] ?? ''
    const body = proc.prosqlbody === null ? `AS $function$${proc.prosrc}$function$` : proc.prosqlbody
    return (
      `CREATE OR REPLACE FUNCTION ${quoteIdentifier(namespace)}.${quoteIdentifier(proc.proname)}(${functionArguments(source(), proc)})\n` +
      ` RETURNS ${functionResult(source(), proc)}\n LANGUAGE ${language}\n${volatility}${parallel}${proc.proisstrict ? ' STRICT' : ''}${proc.proleakproof ? ' LEAKPROOF' : ''}\n${body}\n`
    )
  })
  add('pg_get_serial_sequence', (table, column, ctx) =>
    serialSequence(snapshotOf(), relationOf(snapshotOf(), table as string, ctx as EvalContext), column as string),
  )
  add('pg_get_replica_identity_index', (oid) => {
    const table = snapshotOf().relation(oid as Oid)?.descriptor?.table
    if (table?.replicaIdentity === 'i') return table.indexes.find((index) => index.oid === table.replicaIdentityIndex)?.oid ?? null
    return table?.replicaIdentity === 'd' && table.primaryKey !== 0 ? table.primaryKey : null
  })
  add('pg_sequence_parameters', (oid) => {
    const relation = snapshotOf().relation(oid as Oid)
    const sequence = relation?.descriptor?.sequence
    if (sequence == null) throw new PgError(SQLSTATE.wrongObjectType, `"${relation?.name ?? String(oid)}" is not a sequence`)
    const int8 = (text: string): Datum => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text))
    const values = [
      int8(sequence.start),
      int8(sequence.min),
      int8(sequence.max),
      int8(sequence.increment),
      sequence.cycle,
      sequence.cache,
      sequence.type,
    ]
    return new RecordDatum(outRow('pg_sequence_parameters'), values)
  })

  // comments (written in SQL by PostgreSQL)
  const classNamed = (name: string): Oid => classByName(PG_CATALOG_NAMESPACE, name)?.oid ?? 0
  add('obj_description', (oid, name) => {
    if (oid === null || name === null) return null
    if (typeof name === 'string') return snapshotOf().comment(classNamed(name), oid as Oid, 0)
    for (const classId of [CLASS.relation, CLASS.type, CLASS.proc, CLASS.namespace, CLASS.constraint, CLASS.operator]) {
      const found = snapshotOf().comment(classId, oid as Oid, 0)
      if (found !== null) return found
    }
    return null
  })
  add('col_description', (oid, column) =>
    oid === null || column === null ? null : snapshotOf().comment(CLASS.relation, oid as Oid, column as number),
  )
  add('shobj_description', (oid, name) =>
    oid === null || name === null ? null : snapshotOf().comment(classNamed(name as string), oid as Oid, 0),
  )

  // sizes, estimated
  add('pg_relation_size', (oid, fork) => {
    if (oid === null) return null
    if (typeof fork === 'string' && !['main', 'fsm', 'vm', 'init'].includes(fork))
      throw new PgError(SQLSTATE.invalidParameterValue, 'invalid fork name', {
        hint: 'Valid fork names are "main", "fsm", "vm", and "init".',
      })
    return typeof fork === 'string' && fork !== 'main' ? 0 : relationBytes(snapshotOf(), activity, oid as Oid, 'without')
  })
  add('pg_table_size', (oid) => relationBytes(snapshotOf(), activity, oid as Oid, 'without'))
  add('pg_indexes_size', (oid) => relationBytes(snapshotOf(), activity, oid as Oid, 'only'))
  add('pg_total_relation_size', (oid) => relationBytes(snapshotOf(), activity, oid as Oid, 'with'))
  add('pg_relation_filenode', (oid) => snapshotOf().relation(oid as Oid)?.descriptor?.table?.id ?? null)
  add('pg_relation_filepath', () => null)
  add('pg_tablespace_location', () => '')
  add('pg_get_keywords', () => {
    const rowType = outRow('pg_get_keywords')
    return keywordRows().map((row) => new RecordDatum(rowType, [row.word, row.catcode, row.barelabel, row.catdesc, row.baredesc]))
  })
  add('pg_relation_is_publishable', (oid) => snapshotOf().relation(oid as Oid)?.relkind === 'r')
  add('pg_encoding_to_char', (encoding) => (encoding === 6 ? 'UTF8' : encoding === 0 ? 'SQL_ASCII' : ''))
  add('PG_encoding_to_char', (encoding) => (encoding === 6 ? 'UTF8' : encoding === 0 ? 'SQL_ASCII' : ''))
  add('PG_char_to_encoding', (name) => (/^utf-?8$/i.test(name as string) ? 6 : /^sql_ascii$/i.test(name as string) ? 0 : -1))

  add('pg_index_column_has_property', (oid, column, property) => {
    const table = snapshotOf().indexTable(oid as Oid)
    const index = table?.descriptor?.table?.indexes.find((other) => other.oid === oid)
    if (index === undefined) return indexesByRelation(table?.oid ?? 0).length > 0 ? null : null
    const key = index.columns[(column as number) - 1]
    switch ((property as string).toLowerCase()) {
      case 'asc':
        return key === undefined ? null : !key.descending
      case 'desc':
        return key === undefined ? null : key.descending
      case 'nulls_first':
        return key === undefined ? null : key.nullsFirst
      case 'nulls_last':
        return key === undefined ? null : !key.nullsFirst
      case 'orderable':
      case 'search_array':
      case 'search_nulls':
        return key !== undefined
      case 'returnable':
        return true
      case 'distance_orderable':
        return false
      default:
        return null
    }
  })
  add('pg_options_to_table', (options) => {
    const rowType = outRow('pg_options_to_table')
    return (options as { elements: readonly Datum[] }).elements.map((option) => {
      const [name, value] = String(option).split(/=(.*)/s)
      return new RecordDatum(rowType, [name ?? '', value ?? null])
    })
  })
  return map
}
