// CatalogSource over the builtin rows alone: what the catalogue falls back to, and what tests use.

import type { PgTypeRow } from '../builtin/data/rows.ts'
import { castByTypes } from '../builtin/pg-cast.ts'
import { operatorByTypes, operatorsByName } from '../builtin/pg-operator.ts'
import { procsByName } from '../builtin/pg-proc.ts'
import { rangeByMultirange, rangeByType, typeByOid, typesByName } from '../builtin/pg-type.ts'
import { quoteIdentifier } from '../types/quote.ts'
import type { CatalogSource } from './catalog-source.ts'
import { formatType } from './format-type.ts'

const PG_CATALOG = 11

function inSchema(schema: string | null, row: { readonly pronamespace: number }): boolean {
  return (row.pronamespace === PG_CATALOG) === (schema !== 'information_schema')
}

export const builtinSource: CatalogSource = {
  type: typeByOid,
  typeByName: (schema, name) => typesByName(name).find((row) => (row.typnamespace === PG_CATALOG) === (schema !== 'information_schema')),
  procs: (schema, name) => {
    const rows = procsByName(name)
    return rows.every((row) => inSchema(schema, row)) ? rows : rows.filter((row) => inSchema(schema, row))
  },
  operators: (schema, name) => (schema === null || schema === 'pg_catalog' ? operatorsByName(name) : []),
  operatorExact: (schema, name, left, right) =>
    schema === null || schema === 'pg_catalog' ? operatorByTypes(name, left, right) : undefined,
  cast: castByTypes,
  rangeSubtype: (type) => rangeByType(type)?.rngsubtype ?? 0,
  multirangeOfRange: (type) => rangeByType(type)?.rngmultitypid ?? 0,
  rangeOfMultirange: (type) => rangeByMultirange(type)?.rngtypid ?? 0,
  inheritsFrom: () => false,
  formatType: (oid) =>
    formatType<PgTypeRow>(oid, null, typeByOid, (row) =>
      row.typnamespace === PG_CATALOG ? quoteIdentifier(row.typname) : `information_schema.${quoteIdentifier(row.typname)}`,
    ),
}
