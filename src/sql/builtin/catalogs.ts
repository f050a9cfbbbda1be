// The remaining catalogue tables, and every table by name: what a virtual pg_catalog relation lists before the tenant's own rows.

import { keywords } from './data/keywords.ts'
import { pgAuthMembers } from './data/pg_auth_members.ts'
import { pgAuthid } from './data/pg_authid.ts'
import { pgCollation } from './data/pg_collation.ts'
import { pgConversion } from './data/pg_conversion.ts'
import { pgDatabase } from './data/pg_database.ts'
import { pgDescription } from './data/pg_description.ts'
import { pgInitPrivs } from './data/pg_init_privs.ts'
import { pgLanguage } from './data/pg_language.ts'
import { pgNamespace } from './data/pg_namespace.ts'
import { pgShdescription } from './data/pg_shdescription.ts'
import { pgTablespace } from './data/pg_tablespace.ts'
import { pgTsConfig } from './data/pg_ts_config.ts'
import { pgTsConfigMap } from './data/pg_ts_config_map.ts'
import { pgTsDict } from './data/pg_ts_dict.ts'
import { pgTsParser } from './data/pg_ts_parser.ts'
import { pgTsTemplate } from './data/pg_ts_template.ts'
import type {
  PgAuthidRow,
  PgAuthMembersRow,
  PgCollationRow,
  PgConversionRow,
  PgDatabaseRow,
  PgDescriptionRow,
  PgInitPrivsRow,
  PgLanguageRow,
  PgNamespaceRow,
  PgShdescriptionRow,
  PgTablespaceRow,
  PgTsConfigMapRow,
  PgTsConfigRow,
  PgTsDictRow,
  PgTsParserRow,
  PgTsTemplateRow,
  SqlFeaturesRow,
  SqlImplementationInfoRow,
  SqlPartsRow,
  SqlSizingRow,
} from './data/rows.ts'
import { sqlFeatures } from './data/sql_features.ts'
import { sqlImplementationInfo } from './data/sql_implementation_info.ts'
import { sqlParts } from './data/sql_parts.ts'
import { sqlSizing } from './data/sql_sizing.ts'
import { pgCasts } from './pg-cast.ts'
import { pgAttributes, pgClasses, pgConstraints, pgIndexes } from './pg-class.ts'
import { pgAmops, pgAmprocs, pgAms, pgOpclasses, pgOpfamilies } from './pg-index.ts'
import { pgOperators } from './pg-operator.ts'
import { pgAggregates, pgProcs } from './pg-proc.ts'
import { pgRanges, pgTypes } from './pg-type.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

export const pgNamespaces = table<PgNamespaceRow>(pgNamespace)
export const pgLanguages = table<PgLanguageRow>(pgLanguage)
export const pgCollations = table<PgCollationRow>(pgCollation)
export const collationByOid = uniqueIndex(pgCollations, (row) => row.oid)
export const collationByName = uniqueIndex(pgCollations, (row) => row.collname)
export const pgConversions = table<PgConversionRow>(pgConversion)
export const pgDatabases = table<PgDatabaseRow>(pgDatabase)
/** The bootstrap superuser (OID 10) and the predefined roles; no passwords. */
export const pgAuthids = table<PgAuthidRow>(pgAuthid)
export const pgAuthMemberships = table<PgAuthMembersRow>(pgAuthMembers)
export const pgTablespaces = table<PgTablespaceRow>(pgTablespace)
export const pgDescriptions = table<PgDescriptionRow>(pgDescription)
export const descriptionsByObject = multiIndex(pgDescriptions, (row) => row.objoid)
export const pgShdescriptions = table<PgShdescriptionRow>(pgShdescription)
export const pgInitPrivileges = table<PgInitPrivsRow>(pgInitPrivs)
export const pgTsConfigs = table<PgTsConfigRow>(pgTsConfig)
export const pgTsConfigMaps = table<PgTsConfigMapRow>(pgTsConfigMap)
export const pgTsDicts = table<PgTsDictRow>(pgTsDict)
export const pgTsParsers = table<PgTsParserRow>(pgTsParser)
export const pgTsTemplates = table<PgTsTemplateRow>(pgTsTemplate)

export interface KeywordRow {
  readonly word: string
  /** U unreserved, C column name, T type or function name, R reserved. */
  readonly catcode: string
  readonly barelabel: boolean
  readonly catdesc: string
  readonly baredesc: string
}
export const keywordRows = table<KeywordRow>(keywords)
export const keywordByWord = uniqueIndex(keywordRows, (row) => row.word)

/** The builtin rows of a table of pg_catalog or information_schema, under PostgreSQL's column names. */
export const BUILTIN_ROWS: Readonly<Record<string, () => readonly object[]>> = {
  pg_aggregate: pgAggregates,
  pg_am: pgAms,
  pg_amop: pgAmops,
  pg_amproc: pgAmprocs,
  pg_attribute: pgAttributes,
  pg_auth_members: pgAuthMemberships,
  pg_authid: pgAuthids,
  pg_cast: pgCasts,
  pg_class: pgClasses,
  pg_collation: pgCollations,
  pg_constraint: pgConstraints,
  pg_conversion: pgConversions,
  pg_database: pgDatabases,
  pg_description: pgDescriptions,
  pg_index: pgIndexes,
  pg_init_privs: pgInitPrivileges,
  pg_language: pgLanguages,
  pg_namespace: pgNamespaces,
  pg_opclass: pgOpclasses,
  pg_operator: pgOperators,
  pg_opfamily: pgOpfamilies,
  pg_proc: pgProcs,
  pg_range: pgRanges,
  pg_shdescription: pgShdescriptions,
  pg_tablespace: pgTablespaces,
  pg_ts_config: pgTsConfigs,
  pg_ts_config_map: pgTsConfigMaps,
  pg_ts_dict: pgTsDicts,
  pg_ts_parser: pgTsParsers,
  pg_ts_template: pgTsTemplates,
  pg_type: pgTypes,
  sql_features: table<SqlFeaturesRow>(sqlFeatures),
  sql_implementation_info: table<SqlImplementationInfoRow>(sqlImplementationInfo),
  sql_parts: table<SqlPartsRow>(sqlParts),
  sql_sizing: table<SqlSizingRow>(sqlSizing),
}
