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
  /** 42704 or 3F000 when there is no such type; 42601 on bad syntax. */
  parseType(name: string): { oid: Oid; typmod: number }
  /** The only one that a name of three parts may begin with. */
  database(): string
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
      const match = /^[^.\s]+/.exec(text.slice(at))
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
  const schemas = (parts: string[], what: 'relation' | 'qualified' = 'qualified'): readonly Oid[] => {
    if (parts.length === 1) return searchPathNow()
    const name = parts.join('.')
    if (parts.length > 3) throw new PgError(SQLSTATE.syntaxError, `improper ${what} name (too many dotted names): ${name}`)
    if (parts.length === 3 && parts[0] !== ports.database()) {
      const shown = what === 'relation' ? `"${name}"` : name
      throw new PgError(SQLSTATE.featureNotSupported, `cross-database references are not implemented: ${shown}`)
    }
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
  /** `name(type, type)`: the name and its argument types; 0 for NONE. */
  const signature = (text: string): { name: string; types: Oid[] } => {
    const open = outside(text, 0, '(')
    if (open < 0) throw malformed('expected a left parenthesis')
    const list = text.slice(open + 1).trimEnd()
    const name = text.slice(0, open)
    if (!list.endsWith(')')) throw malformed('expected a right parenthesis')
    const types: Oid[] = []
    let rest = list.slice(0, -1).trim()
    while (rest !== '') {
      const comma = outside(rest, 0, ',')
      const one = (comma < 0 ? rest : rest.slice(0, comma)).trim()
      types.push(/^none$/i.test(one) ? 0 : ports.parseType(one).oid)
      rest = comma < 0 ? '' : rest.slice(comma + 1).trim()
      if (comma >= 0 && rest === '') throw malformed('expected a type name')
    }
    return { name, types }
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
      for (const schema of schemas(parts, 'relation')) {
        const relation = snapshotNow().relationByName(schema, last(parts))
        if (relation !== null) return relation.oid
      }
      return null
    },
    toType(name) {
      try {
        return ports.parseType(name)
      } catch (error) {
        if (error instanceof PgError && (error.code === SQLSTATE.undefinedObject || error.code === SQLSTATE.invalidSchemaName)) return null
        throw error
      }
    },
    requireType: (name) => ports.parseType(name),
    toProc(name, withArguments) {
      const { name: own, types } = withArguments ? signature(name) : { name, types: null }
      const parts = splitName(own)
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
      const { name: own, types } = withArguments ? signature(name) : { name, types: null }
      const parts = splitName(own)
      if (types?.length === 1)
        throw new PgError(SQLSTATE.undefinedParameter, 'missing argument', {
          hint: 'Use NONE to denote the missing argument of a unary operator.',
        })
      if (types !== null && types.length !== 2)
        throw new PgError(SQLSTATE.tooManyArguments, 'too many arguments', { hint: 'Provide two argument types for operator.' })
      const symbol = last(parts)
      const spaces = schemas(parts)
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
      // By name alone only one that is the only one of it.
      const visible =
        searchPathNow().includes(operator.oprnamespace) &&
        (withArguments || searchPathNow().flatMap((one) => snapshot.operatorsByName(one, operator.oprname)).length === 1)
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
    textSearchConfigName: (oid) => named(pgTsConfigs().find((row) => row.oid === oid)?.cfgname),
    textSearchDictionaryName: (oid) => named(pgTsDicts().find((row) => row.oid === oid)?.dictname),
    collationName(oid) {
      const collation = collationByOid(oid)
      return collation === undefined ? null : qualified(PG_CATALOG_NAMESPACE, collation.collname, true)
    },
  }
}

const named = (name: string | undefined): string | null => (name === undefined ? null : quoteIdentifier(name))

const malformed = (message: string): PgError => new PgError(SQLSTATE.invalidTextRepresentation, message)

/** Where `char` stands outside of quotes and brackets, or -1. */
function outside(text: string, from: number, char: string): number {
  let quoted = false
  let depth = 0
  for (let i = from; i < text.length; i++) {
    const c = text[i]!
    if (c === '"') quoted = !quoted
    if (quoted) continue
    if (c === char && depth === 0) return i
    if (c === '(' || c === '[') depth++
    else if (c === ')' || c === ']') depth--
  }
  if (quoted || depth !== 0) throw malformed(char === ',' ? 'improper type name' : 'expected a left parenthesis')
  return -1
}

function sameTypes(a: readonly Oid[], b: readonly Oid[]): boolean {
  return a.length === b.length && a.every((type, i) => type === b[i])
}
