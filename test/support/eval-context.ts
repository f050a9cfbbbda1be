// An EvalContext over the builtin catalogue alone, for tests of types and function bodies.

import { CancelToken } from '../../src/base/cancel.ts'
import { PgError } from '../../src/base/errors.ts'
import { MemoryAccount } from '../../src/base/memory.ts'
import { SQLSTATE } from '../../src/base/sqlstate.ts'
import { collationByName, collationByOid, pgAuthids, pgNamespaces, pgTsConfigs, pgTsDicts } from '../../src/sql/builtin/catalogs.ts'
import { classByName, classByOid } from '../../src/sql/builtin/pg-class.ts'
import { operatorByOid, operatorsByName } from '../../src/sql/builtin/pg-operator.ts'
import { procByOid, procsByName } from '../../src/sql/builtin/pg-proc.ts'
import { typeByOid, typesByName } from '../../src/sql/builtin/pg-type.ts'
import { builtinSource } from '../../src/sql/functions/builtin-source.ts'
import { formatType } from '../../src/sql/functions/format-type.ts'
import { TEXT_IO } from '../../src/sql/types/define.ts'
import type { CatalogLookup, EvalContext } from '../../src/sql/types/eval-context.ts'
import { quoteIdentifier } from '../../src/sql/types/quote.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'

const plain = (name: string): string => name.replace(/^pg_catalog\./, '').replace(/^"(.*)"$/, '$1')
const SQL_TYPES: Record<string, string> = {
  integer: 'int4',
  bigint: 'int8',
  smallint: 'int2',
  boolean: 'bool',
  'double precision': 'float8',
  real: 'float4',
}

const catalog: CatalogLookup = {
  typeSupport: builtinTypeSupport,
  typeShape: (oid) => typeByOid(oid) ?? null,
  compositeColumns: () => [],
  toRelation: (name) => classByName(11, plain(name))?.oid ?? null,
  toType: (name) => {
    const type = typesByName(SQL_TYPES[plain(name)] ?? plain(name))[0]
    return type === undefined ? null : { oid: type.oid, typmod: -1 }
  },
  requireType(name) {
    const found = this.toType(name)
    if (found === null) throw new PgError(SQLSTATE.undefinedObject, `type "${name}" does not exist`)
    return found
  },
  toProc: (name) => procsByName(plain(name)).map((row) => row.oid),
  toOperator: (name) => operatorsByName(plain(name)).map((row) => row.oid),
  toNamespace: (name) => pgNamespaces().find((row) => row.nspname === plain(name))?.oid ?? null,
  toRole: (name) => pgAuthids().find((row) => row.rolname === plain(name))?.oid ?? null,
  toCollation: (name) => collationByName(plain(name))?.oid ?? null,
  toTextSearchConfig: (name) => pgTsConfigs().find((row) => row.cfgname === plain(name))?.oid ?? null,
  toTextSearchDictionary: (name) => pgTsDicts().find((row) => row.dictname === plain(name))?.oid ?? null,
  relationName: (oid) => {
    const row = classByOid(oid)
    return row === undefined ? null : quoteIdentifier(row.relname)
  },
  typeName: (oid, typmod) =>
    typeByOid(oid) === undefined
      ? null
      : typmod === undefined || typmod === null
        ? builtinSource.formatType(oid)
        : formatType(oid, typmod, typeByOid, (row) => quoteIdentifier(row.typname)),
  procName: (oid) => {
    const row = procByOid(oid)
    return row === undefined ? null : quoteIdentifier(row.proname)
  },
  operatorName: (oid) => operatorByOid(oid)?.oprname ?? null,
  textSearchConfigName: (oid) => pgTsConfigs().find((row) => row.oid === oid)?.cfgname ?? null,
  textSearchDictionaryName: (oid) => pgTsDicts().find((row) => row.oid === oid)?.dictname ?? null,
  namespaceName: (oid) => pgNamespaces().find((row) => row.oid === oid)?.nspname ?? null,
  roleName: (oid) => pgAuthids().find((row) => row.oid === oid)?.rolname ?? null,
  collationName: (oid) => collationByOid(oid)?.collname ?? null,
}

const absent = (what: string) => (): never => {
  throw new PgError(SQLSTATE.featureNotSupported, `${what} is not there in this test`)
}

export function testContext(parts: Partial<EvalContext> = {}): EvalContext {
  const clock = (): number => Math.floor((Date.now() - 946684800000) * 1000)
  return {
    io: { ...TEXT_IO, catalog },
    transactionTimestamp: clock(),
    statementTimestamp: clock(),
    clockTimestamp: clock,
    random: Math.random,
    setSeed: () => {},
    session: {
      currentUser: 10,
      sessionUser: 10,
      currentUserName: 'postgres',
      sessionUserName: 'postgres',
      database: 'postgres',
      keyspace: 'test',
      backendPid: 1,
      applicationName: '',
      clientAddress: null,
      clientPort: null,
      serverAddress: null,
      serverPort: null,
      backendStart: 0,
      serverStart: 0,
      searchPath: (implicit) => (implicit ? ['pg_catalog', 'public'] : ['public']),
    },
    settings: { show: absent('a setting'), set: absent('a setting'), check: absent('a setting') },
    catalog,
    sequences: {
      nextval: absent('a sequence'),
      currval: absent('a sequence'),
      lastval: absent('a sequence'),
      setval: absent('a sequence'),
    },
    memory: new MemoryAccount('test', 2 ** 30),
    cancel: new CancelToken(),
    notice: () => {},
    system: () => undefined,
    ...parts,
  }
}
