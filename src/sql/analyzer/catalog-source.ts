// CatalogSource (what overload resolution asks) over a catalogue snapshot and a search path. Built-in rows come out in one step; made
// once per snapshot and path and kept while both live.

import type { Oid } from '../../base/ids.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import { rangeByMultirange, rangeByType } from '../builtin/pg-type.ts'
import type { CatalogSource, OperatorFacts, ProcFacts, TypeFacts } from '../functions/catalog-source.ts'
import { formatType } from '../functions/format-type.ts'
import { quoteIdentifier } from '../types/quote.ts'

const cache = new WeakMap<CatalogSnapshot, { path: readonly Oid[]; version: string; source: CatalogSource }>()

export function catalogSource(catalog: CatalogSnapshot, path: readonly Oid[]): CatalogSource {
  const known = cache.get(catalog)
  if (known !== undefined && known.version === catalog.version && samePath(known.path, path)) return known.source
  const source = makeSource(catalog, path)
  cache.set(catalog, { path, version: catalog.version, source })
  return source
}

function samePath(a: readonly Oid[], b: readonly Oid[]): boolean {
  return a === b || (a.length === b.length && a.every((oid, i) => oid === b[i]))
}

/** typname, qualified unless the search path finds this very type. */
export function typeNameInPath(
  catalog: CatalogSnapshot,
  path: readonly Oid[],
  type: { oid: Oid; typname: string; typnamespace: Oid },
): string {
  for (const schema of path) {
    const found = catalog.typeByName(schema, type.typname)
    if (found !== null) {
      if (found.oid === type.oid) return quoteIdentifier(type.typname)
      break
    }
  }
  const schema = catalog.namespace(type.typnamespace)?.name
  return schema === undefined ? quoteIdentifier(type.typname) : `${quoteIdentifier(schema)}.${quoteIdentifier(type.typname)}`
}

function makeSource(catalog: CatalogSnapshot, path: readonly Oid[]): CatalogSource {
  const schemas = (schema: string | null): readonly Oid[] => {
    if (schema === null) return path
    const namespace = catalog.namespaceByName(schema)
    return namespace === null ? [] : [namespace.oid]
  }
  function gather<T>(schema: string | null, find: (namespace: Oid) => readonly T[]): readonly T[] {
    let all: readonly T[] = []
    for (const namespace of schemas(schema)) {
      const found = find(namespace)
      if (found.length > 0) all = all.length === 0 ? found : [...all, ...found]
    }
    return all
  }
  const source: CatalogSource = {
    type: (oid) => (catalog.type(oid) as TypeFacts | null) ?? undefined,
    typeByName: (schema, name) => {
      for (const namespace of schemas(schema)) {
        const type = catalog.typeByName(namespace, name)
        if (type !== null) return type
      }
      return undefined
    },
    procs: (schema, name) => gather<ProcFacts>(schema, (namespace) => catalog.procsByName(namespace, name)),
    operators: (schema, name) => gather<OperatorFacts>(schema, (namespace) => catalog.operatorsByName(namespace, name)),
    operatorExact: (schema, name, left, right) => {
      for (const namespace of schemas(schema)) {
        for (const row of catalog.operatorsByName(namespace, name)) if (row.oprleft === left && row.oprright === right) return row
      }
      return undefined
    },
    cast: (from, to) => catalog.cast(from, to) ?? undefined,
    rangeSubtype: (type) => rangeByType(type)?.rngsubtype ?? 0,
    multirangeOfRange: (type) => rangeByType(type)?.rngmultitypid ?? 0,
    rangeOfMultirange: (type) => rangeByMultirange(type)?.rngtypid ?? 0,
    inheritsFrom: () => false,
    formatType: (oid) =>
      formatType(
        oid,
        null,
        (type) => catalog.type(type) ?? undefined,
        (type) => typeNameInPath(catalog, path, type),
      ),
  }
  return source
}
