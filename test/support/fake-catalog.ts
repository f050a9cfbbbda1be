// A catalogue snapshot over the builtin rows and a few tables, and the same tables as DDL for the oracle: what the analyzer's tests run on.

import { CancelToken } from '../../src/base/cancel.ts'
import { indexId, type Oid, tableId } from '../../src/base/ids.ts'
import { MemoryAccount } from '../../src/base/memory.ts'
import { builtinRelation, builtinRelationByName } from '../../src/catalog/builtin-relations.ts'
import { relationInfo } from '../../src/catalog/catalog-snapshot.ts'
import type { ColumnDescriptor, IndexDescriptor, RelationDescriptor } from '../../src/catalog/descriptors.ts'
import { EMPTY_TABLE, newColumn } from '../../src/catalog/new-descriptors.ts'
import type { CatalogSnapshot, RelationInfo } from '../../src/catalog/snapshot.ts'
import { arrayTypeRow, rowTypeRow } from '../../src/catalog/user-types.ts'
import { analyzeQuery } from '../../src/sql/analyzer/analyze.ts'
import { type AnalyzeContext, paramTypes } from '../../src/sql/analyzer/context.ts'
import { analyzeExpression } from '../../src/sql/analyzer/expression.ts'
import { writeStoredExpr, writeStoredQuery } from '../../src/sql/analyzer/stored.ts'
import { resolveTypeName } from '../../src/sql/analyzer/type-name.ts'
import { collationByName } from '../../src/sql/builtin/catalogs.ts'
import type { PgTypeRow } from '../../src/sql/builtin/data/rows.ts'
import { castByTypes } from '../../src/sql/builtin/pg-cast.ts'
import { defaultOpclass } from '../../src/sql/builtin/pg-index.ts'
import { operatorByOid, operatorsByName } from '../../src/sql/builtin/pg-operator.ts'
import { aggregateByProc, procByOid, procsByName } from '../../src/sql/builtin/pg-proc.ts'
import { typeByOid, typesByName } from '../../src/sql/builtin/pg-type.ts'
import { type NodeOf, nodeAs } from '../../src/sql/parser/nodes.ts'
import { parse } from '../../src/sql/parser/parse.ts'
import { sourceText } from '../../src/sql/parser/positions.ts'
import { TEXT_IO } from '../../src/sql/types/define.ts'
import type { EvalContext } from '../../src/sql/types/eval-context.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'

/** The oracle runs these; the fake catalogue reads the same text. One statement each: CREATE TABLE, CREATE VIEW, CREATE UNIQUE INDEX. */
export const SCHEMA: readonly string[] = [
  'CREATE TABLE t (a int PRIMARY KEY, b text, c numeric(10,2), d timestamptz DEFAULT now(), e int[], f boolean DEFAULT true)',
  'CREATE TABLE u (a int, x varchar(10), y boolean, z bigint)',
  'CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))',
  'CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY, v int NOT NULL, w int GENERATED ALWAYS AS (v * 2) STORED, j jsonb, r t)',
  'CREATE TABLE people (id bigint PRIMARY KEY, first_name text NOT NULL, last_name text, born date, "Weird Name" real)',
  'CREATE UNIQUE INDEX u_x ON u (x) WHERE y',
  'CREATE UNIQUE INDEX people_lower ON people (lower(last_name))',
  'CREATE VIEW v1 AS SELECT a, b, c FROM t WHERE f',
  'CREATE VIEW v2 AS SELECT x.a, count(*) AS n FROM t x JOIN u USING (a) GROUP BY x.a',
]

const PG_CATALOG = 11
const PUBLIC = 2200
const INFORMATION_SCHEMA_NAME = 'information_schema'

export interface FakeCatalog {
  readonly catalog: CatalogSnapshot
  readonly context: (text: string) => AnalyzeContext
}

export function fakeEvalContext(): EvalContext {
  return {
    io: TEXT_IO,
    transactionTimestamp: 0,
    statementTimestamp: 0,
    clockTimestamp: () => 0,
    random: () => 0.5,
    memory: new MemoryAccount('test', 1 << 30),
    cancel: new CancelToken(),
    session: { database: 'postgres', currentUser: 10 },
    catalog: {
      typeSupport: builtinTypeSupport,
      toRelation: (name: string) => builtinRelationByName(PG_CATALOG, name.split('.').at(-1)!)?.oid ?? null,
      typeShape: (oid: Oid) => typeByOid(oid) ?? null,
    },
    system: () => undefined,
    notice: () => {},
  } as unknown as EvalContext
}

export function fakeCatalog(): FakeCatalog {
  const relations = new Map<Oid, RelationDescriptor>()
  const indexes = new Map<Oid, RelationDescriptor>()
  let nextOid = 16384
  const oid = (): Oid => nextOid++
  let version = 0
  const rowTypes = new Map<Oid, PgTypeRow>()
  const informationSchema = typesByName('sql_identifier')[0]?.typnamespace ?? 0
  const namespaces = new Map([
    [PG_CATALOG, 'pg_catalog'],
    [PUBLIC, 'public'],
    [informationSchema, INFORMATION_SCHEMA_NAME],
  ])
  const namespace = (id: Oid, name: string) => ({ oid: id, name, owner: 10, acl: null })
  const info = (descriptor: RelationDescriptor): RelationInfo => relationInfo(descriptor)
  const catalog: CatalogSnapshot = {
    get version() {
      return String(version)
    },
    namespace: (id) => (namespaces.has(id) ? namespace(id, namespaces.get(id)!) : null),
    namespaceByName: (name) => {
      for (const [id, known] of namespaces) if (known === name) return namespace(id, name)
      return null
    },
    relation: (id) => {
      const own = relations.get(id)
      return own === undefined ? builtinRelation(id) : info(own)
    },
    relationByName: (schema, name) => {
      for (const relation of relations.values()) if (relation.namespace === schema && relation.name === name) return info(relation)
      return builtinRelationByName(schema, name)
    },
    indexTable: (index) => {
      const table = indexes.get(index)
      return table === undefined ? null : info(relations.get(table.oid)!)
    },
    type: (id) => rowTypes.get(id) ?? typeByOid(id) ?? null,
    typeByName: (schema, name) => {
      for (const row of rowTypes.values()) if (row.typname === name && row.typnamespace === schema) return row
      return typesByName(name).find((row) => row.typnamespace === schema) ?? null
    },
    userType: () => null,
    statistics: () => null,
    uncommittedLabels: () => new Set(),
    procsByName: (schema, name) => procsByName(name).filter((row) => row.pronamespace === schema),
    proc: (id) => procByOid(id) ?? null,
    isRestricted: (proc) => proc.proacl !== null,
    aggregate: (fn) => aggregateByProc(fn) ?? null,
    operatorsByName: (schema, name) => (schema === PG_CATALOG ? operatorsByName(name) : []),
    operator: (id) => operatorByOid(id) ?? null,
    cast: (source, target) => castByTypes(source, target) ?? null,
    collationByName: (schema, name) => {
      const row = schema === PG_CATALOG ? collationByName(name) : undefined
      return row === undefined ? null : { oid: row.oid, name: row.collname }
    },
    role: () => null,
    roleByName: () => null,
    comment: () => null,
  }
  const evaluation = fakeEvalContext()
  const context = (text: string): AnalyzeContext => ({
    catalog,
    searchPath: [PG_CATALOG, PUBLIC],
    currentUser: 10,
    params: paramTypes(),
    source: sourceText(text),
    eval: evaluation,
  })
  const put = (descriptor: RelationDescriptor): void => {
    relations.set(descriptor.oid, descriptor)
    for (const index of descriptor.table?.indexes ?? []) indexes.set(index.oid, descriptor)
    rowTypes.set(descriptor.rowType, rowTypeRow(descriptor))
    rowTypes.set(descriptor.rowArrayType, arrayTypeRow(descriptor.rowArrayType, `_${descriptor.name}`, rowTypeRow(descriptor)))
    version++
  }
  const blank = (name: string, kind: 'r' | 'v', columns: readonly ColumnDescriptor[]): RelationDescriptor => ({
    oid: oid(),
    name,
    namespace: PUBLIC,
    owner: 10,
    kind,
    persistence: 'p',
    acl: null,
    rowType: oid(),
    rowArrayType: oid(),
    columns,
    options: null,
    table: null,
    sequence: null,
    view: null,
    version: 1,
  })
  const index = (name: string, primary: boolean, columns: IndexDescriptor['columns'], predicate: string | null): IndexDescriptor => ({
    oid: oid(),
    name,
    id: indexId(1),
    accessMethod: 403,
    unique: true,
    primary,
    nullsNotDistinct: false,
    columns,
    include: [],
    predicate,
    state: 'public',
    options: null,
  })
  const indexColumn = (attnum: number, type: Oid, collation: Oid, expr: string | null): IndexDescriptor['columns'][number] => ({
    attnum,
    expr,
    type,
    collation,
    opclass: defaultOpclass(403, type)?.oid ?? 0,
    descending: false,
    nullsFirst: false,
  })

  for (const text of SCHEMA) {
    const { node } = parse(text)[0]!
    const create = nodeAs(node!, 'CreateStmt')
    if (create !== undefined) {
      const columns: ColumnDescriptor[] = []
      const generated: { attnum: number; raw: NodeOf['Constraint'] }[] = []
      const own: IndexDescriptor[] = []
      for (const element of create.tableElts ?? []) {
        const def = nodeAs(element, 'ColumnDef')!
        let made = newColumn(columns.length + 1, def.colname!, resolveTypeName(def.typeName!, context(text)))
        for (const item of def.constraints ?? []) {
          const constraint = nodeAs(item, 'Constraint')!
          if (constraint.contype === 'CONSTR_PRIMARY') {
            made = { ...made, notNull: true }
            own.push(index(`${create.relation!.relname}_pkey`, true, [indexColumn(made.attnum, made.type, made.collation, null)], null))
          }
          if (constraint.contype === 'CONSTR_NOTNULL') made = { ...made, notNull: true }
          if (constraint.contype === 'CONSTR_IDENTITY') made = { ...made, notNull: true, identity: 'a', identitySequence: 16000 }
          if (constraint.contype === 'CONSTR_GENERATED') generated.push({ attnum: made.attnum, raw: constraint })
          if (constraint.contype === 'CONSTR_DEFAULT') {
            const expr = analyzeExpression(constraint.raw_expr!, context(text), 'column default', {
              relation: null,
              target: { name: made.name, type: made.type, typmod: made.typmod },
            })
            made = { ...made, default: { oid: oid(), expr: writeStoredExpr(expr) } }
          }
        }
        columns.push(made)
      }
      const relation = blank(create.relation!.relname!, 'r', columns)
      const table = {
        ...EMPTY_TABLE,
        id: tableId(relation.oid),
        primaryKey: own[0]?.oid ?? 0,
        indexes: own,
        constraints: own.map((pk) => ({
          oid: oid(),
          name: pk.name,
          deferrable: false,
          deferred: false,
          validated: true,
          enforced: true,
          type: 'p' as const,
          index: pk.oid,
          columns: pk.columns.map((c) => c.attnum),
        })),
        nextIndexId: 2,
      }
      for (const { attnum, raw } of generated) {
        const at = columns[attnum - 1]!
        const expr = analyzeExpression(raw.raw_expr!, context(text), 'generated', {
          relation: info({ ...relation, table }),
          target: { name: at.name, type: at.type, typmod: at.typmod },
        })
        columns[attnum - 1] = { ...at, generated: 's', default: { oid: oid(), expr: writeStoredExpr(expr) } }
      }
      put({ ...relation, table })
      continue
    }
    const view = nodeAs(node!, 'ViewStmt')
    if (view !== undefined) {
      const query = analyzeQuery(view.query!, context(text))
      const columns = query.targetList
        .filter((entry) => !entry.resjunk)
        .map((entry, i) =>
          newColumn(i + 1, entry.resname!, { type: entry.expr.type, typmod: entry.expr.typmod, collation: entry.expr.collation }),
        )
      put({
        ...blank(view.view!.relname!, 'v', columns),
        view: { query: writeStoredQuery(query), checkOption: 'none', securityBarrier: false, securityInvoker: false },
      })
      continue
    }
    const stmt = nodeAs(node!, 'IndexStmt')!
    const table = catalog.relationByName(PUBLIC, stmt.relation!.relname!)!
    const predicate =
      stmt.whereClause === undefined
        ? null
        : writeStoredExpr(analyzeExpression(stmt.whereClause, context(text), 'index predicate', { relation: table }))
    const columns = (stmt.indexParams ?? []).map((item) => {
      const elem = nodeAs(item, 'IndexElem')!
      if (elem.name !== undefined) {
        const c = table.columns.find((known) => known.name === elem.name)!
        return indexColumn(c.attnum, c.type, c.collation, null)
      }
      const expr = analyzeExpression(elem.expr!, context(text), 'index expression', { relation: table })
      return indexColumn(0, expr.type, expr.collation, writeStoredExpr(expr))
    })
    const descriptor = table.descriptor!
    put({
      ...descriptor,
      table: { ...descriptor.table!, indexes: [...descriptor.table!.indexes, index(stmt.idxname!, false, columns, predicate)] },
    })
  }
  return { catalog, context }
}
