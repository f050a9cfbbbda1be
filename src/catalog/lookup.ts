// CatalogLookup over a snapshot and a search path: what the reg* types, has_*_privilege and polymorphic bodies ask by name or OID.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { collationByOid, pgTsConfigs, pgTsDicts } from '../sql/builtin/catalogs.ts'
import type { CatalogLookup } from '../sql/types/eval-context.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import type { TypeSupport } from '../sql/types/type.ts'
import { PG_CATALOG_NAMESPACE } from './records.ts'
import type { CatalogSnapshot } from './snapshot.ts'
import { typeText } from './type-names.ts'
import { typeSupportOf } from './user-type-support.ts'

/** What lies outside the catalogue's reach: the grammar of type names. */
export interface LookupPorts {
  /** Null when there is no such type; 42601 on bad syntax. */
  parseType(name: string): { oid: Oid; typmod: number } | null
}

/** Splits a possibly qualified, possibly quoted name. 42602 on bad syntax. */
export function splitName(text: string): string[] {
  const invalid = () => new PgError(SQLSTATE.invalidName, 'invalid name syntax')
  const parts: string[] = []
  let at = 0
  const blank = () => {
    while (/\s/.test(text[at] ?? '')) at++
  }
  for (;;) {
    blank()
    let part = ''
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) throw invalid()
        if (text[at] !== '"') part += text[at]
        else if (text[at + 1] === '"') part += text[at++]
        else break
      }
      at++
      if (part === '') throw invalid()
    } else {
      const match = /^[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/.exec(text.slice(at))
      if (match === null) throw invalid()
      part = match[0].toLowerCase()
      at += match[0].length
    }
    parts.push(part)
    blank()
    if (at >= text.length) return parts
    if (text[at] !== '.') throw invalid()
    at++
  }
}

/** Support of any type, the keyspace's own included. */
export const snapshotTypeSupport: (snapshot: CatalogSnapshot, oid: Oid) => TypeSupport = typeSupportOf

/** `searchPath`: schemas in order, pg_catalog where it stands. Both are asked anew at each call: they change with the session. */
export function catalogLookup(snapshotNow: () => CatalogSnapshot, searchPathNow: () => readonly Oid[], ports: LookupPorts): CatalogLookup {
  /** Schemas a split name may mean: the named one, or the search path. */
  const schemas = (parts: string[]): readonly Oid[] => {
    if (parts.length === 1) return searchPathNow()
    if (parts.length > 3) throw new PgError(SQLSTATE.syntaxError, 'improper relation name (too many dotted names)')
    const namespace = snapshotNow().namespaceByName(parts[parts.length - 2]!)
    return namespace === null ? [] : [namespace.oid]
  }
  const last = (parts: string[]) => parts[parts.length - 1]!
  const qualified = (namespace: Oid, name: string, visible: boolean): string => {
    if (visible) return quoteIdentifier(name)
    const schema = snapshotNow().namespace(namespace)
    return schema === null ? quoteIdentifier(name) : `${quoteIdentifier(schema.name)}.${quoteIdentifier(name)}`
  }
  const typeName = (oid: Oid, typmod: number | null = null): string | null => {
    const snapshot = snapshotNow()
    if (snapshot.type(oid) === null) return null
    const names = searchPathNow().flatMap((schema) => snapshot.namespace(schema)?.name ?? [])
    return typeText(snapshot, names, oid, typmod)
  }
  const argumentList = (types: readonly Oid[]) => types.map((type) => typeName(type) ?? String(type)).join(',')
  const single = (name: string): string => {
    const parts = splitName(name)
    if (parts.length > 1) throw new PgError(SQLSTATE.invalidName, 'invalid name syntax')
    return parts[0]!
  }
  /** `name(type, type)`: the name and its argument types; null types when there is no list. */
  const signature = (text: string): { parts: string[]; types: Oid[] | null } => {
    const open = text.indexOf('(')
    if (open < 0) return { parts: splitName(text), types: null }
    if (!text.trimEnd().endsWith(')')) throw new PgError(SQLSTATE.invalidTextRepresentation, 'expected a right parenthesis')
    const list = text.slice(open + 1, text.lastIndexOf(')')).trim()
    const types = list === '' ? [] : list.split(',').map((one) => (/^\s*none\s*$/i.test(one) ? 0 : (ports.parseType(one)?.oid ?? -1)))
    return { parts: splitName(text.slice(0, open)), types }
  }
  return {
    typeSupport: (oid) => snapshotTypeSupport(snapshotNow(), oid),
    typeShape: (oid) => snapshotNow().type(oid),
    compositeColumns(type) {
      const snapshot = snapshotNow()
      const row = snapshot.type(type)
      const relation = row === null ? null : snapshot.relation(row.typrelid)
      return (relation?.columns ?? []).filter((column) => !column.dropped)
    },
    toRelation(name) {
      const parts = splitName(name)
      for (const schema of schemas(parts)) {
        const relation = snapshotNow().relationByName(schema, last(parts))
        if (relation !== null) return relation.oid
      }
      return null
    },
    toType: (name) => ports.parseType(name),
    toProc(name, withArguments) {
      const { parts, types } = withArguments ? signature(name) : { parts: splitName(name), types: null }
      if (withArguments && types === null) throw new PgError(SQLSTATE.invalidTextRepresentation, 'expected a left parenthesis')
      const found: Oid[] = []
      for (const schema of schemas(parts)) {
        for (const proc of snapshotNow().procsByName(schema, last(parts))) {
          if (types === null || sameTypes(proc.proargtypes, types)) found.push(proc.oid)
        }
        if (found.length > 0 && types !== null) break
      }
      return found
    },
    toOperator(name, withArguments) {
      const open = withArguments ? name.indexOf('(') : -1
      const path = (open < 0 ? name : name.slice(0, open)).trim()
      const dot = path.lastIndexOf('.')
      const symbol = path.slice(dot + 1)
      const spaces = dot < 0 ? searchPathNow() : schemas([...splitName(path.slice(0, dot)), symbol])
      const types = open < 0 ? null : signature(`x${name.slice(open)}`).types
      const found: Oid[] = []
      for (const schema of spaces) {
        for (const operator of snapshotNow().operatorsByName(schema, symbol)) {
          if (types === null || (operator.oprleft === types[0] && operator.oprright === types[1])) found.push(operator.oid)
        }
      }
      return found
    },
    toNamespace: (name) => snapshotNow().namespaceByName(single(name))?.oid ?? null,
    toRole: (name) => snapshotNow().roleByName(single(name))?.oid ?? null,
    toCollation(name) {
      const parts = splitName(name)
      for (const schema of schemas(parts)) {
        const collation = snapshotNow().collationByName(schema, last(parts))
        if (collation !== null) return collation.oid
      }
      return null
    },
    toTextSearchConfig: (name) => pgTsConfigs().find((row) => row.cfgname === last(splitName(name)))?.oid ?? null,
    toTextSearchDictionary: (name) => pgTsDicts().find((row) => row.dictname === last(splitName(name)))?.oid ?? null,
    relationName(oid) {
      const snapshot = snapshotNow()
      const relation = snapshot.relation(oid)
      if (relation === null) return null
      let visible = false
      for (const schema of searchPathNow()) {
        const found = snapshot.relationByName(schema, relation.name)
        if (found === null) continue
        visible = found.oid === oid
        break
      }
      return qualified(relation.namespace, relation.name, visible)
    },
    typeName,
    procName(oid, withArguments) {
      const snapshot = snapshotNow()
      const proc = snapshot.proc(oid)
      if (proc === null) return null
      let visible = false
      for (const schema of searchPathNow()) {
        const found = snapshot
          .procsByName(schema, proc.proname)
          .filter((one) => !withArguments || sameTypes(one.proargtypes, proc.proargtypes))
        if (found.length === 0) continue
        visible = withArguments ? found[0]!.oid === oid : found.length === 1 && found[0]!.oid === oid
        break
      }
      const name = qualified(proc.pronamespace, proc.proname, visible)
      return withArguments ? `${name}(${argumentList(proc.proargtypes)})` : name
    },
    operatorName(oid, withArguments) {
      const snapshot = snapshotNow()
      const operator = snapshot.operator(oid)
      if (operator === null) return null
      const visible = searchPathNow().includes(operator.oprnamespace)
      const schema = visible ? '' : `${quoteIdentifier(snapshot.namespace(operator.oprnamespace)?.name ?? '')}.`
      const side = (type: Oid) => (type === 0 ? 'NONE' : (typeName(type) ?? String(type)))
      return `${schema}${operator.oprname}${withArguments ? `(${side(operator.oprleft)},${side(operator.oprright)})` : ''}`
    },
    namespaceName(oid) {
      const namespace = snapshotNow().namespace(oid)
      return namespace === null ? null : quoteIdentifier(namespace.name)
    },
    roleName(oid) {
      const role = snapshotNow().role(oid)
      return role === null ? null : quoteIdentifier(role.name)
    },
    collationName(oid) {
      const collation = collationByOid(oid)
      return collation === undefined ? null : qualified(PG_CATALOG_NAMESPACE, collation.collname, true)
    },
  }
}

function sameTypes(a: readonly Oid[], b: readonly Oid[]): boolean {
  return a.length === b.length && a.every((type, i) => type === b[i])
}
