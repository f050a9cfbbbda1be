// CatalogLookup (names ↔ OIDs for reg* types and bodies) over a snapshot and the session's search path.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { collationByOid, pgTsConfigs, pgTsDicts } from '../sql/builtin/catalogs.ts'
import type { PgOperatorRow, PgProcRow } from '../sql/builtin/data/rows.ts'
import { formatType } from '../sql/functions/format-type.ts'
import type { CatalogLookup } from '../sql/types/eval-context.ts'
import { quoteIdentifier } from '../sql/types/quote.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import { PG_CATALOG_NAMESPACE } from './records.ts'
import { parseTypeName } from './type-name-text.ts'
import { typeSupportOf } from './user-type-support.ts'

/** `a.b."C d"` into parts, folded as SQL does; 42602 when it is no name. */
export function parseQualifiedName(text: string): string[] {
  const invalid = (): PgError => new PgError(SQLSTATE.invalidName, 'invalid name syntax')
  const parts: string[] = []
  let i = 0
  const space = (): void => {
    while (i < text.length && /\s/.test(text[i]!)) i++
  }
  for (;;) {
    space()
    let part = ''
    if (text[i] === '"') {
      for (i++; ; i++) {
        if (i >= text.length) throw invalid()
        if (text[i] !== '"') part += text[i]
        else if (text[i + 1] === '"') {
          part += '"'
          i++
        } else break
      }
      i++
      if (part === '') throw invalid()
    } else {
      const start = i
      while (i < text.length && /[A-Za-z0-9_$\u0080-\uffff]/.test(text[i]!)) i++
      part = text.slice(start, i).replace(/[A-Z]/g, (c) => c.toLowerCase())
      if (part === '' || /^[0-9$]/.test(part)) throw invalid()
    }
    parts.push(part)
    space()
    if (i >= text.length) return parts
    if (text[i] !== '.') throw invalid()
    i++
  }
}

/** `name(args)` split at the parenthesis; null arguments when there is none. */
function splitSignature(text: string): { name: string; args: string[] | null } {
  const open = text.indexOf('(')
  if (open < 0) return { name: text, args: null }
  const close = text.lastIndexOf(')')
  if (close < open) throw new PgError(SQLSTATE.invalidTextRepresentation, 'expected a right parenthesis')
  const inner = text.slice(open + 1, close).trim()
  return { name: text.slice(0, open), args: inner === '' ? [] : splitTopLevel(inner) }
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '"') quoted = !quoted
    else if (quoted) continue
    else if (c === '(') depth++
    else if (c === ')') depth--
    else if (c === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  parts.push(text.slice(start).trim())
  return parts
}

export function catalogLookup(snapshotOf: () => ReaderSnapshot, searchPath: () => readonly Oid[]): CatalogLookup {
  /** The schemas to look in: the one named, or the search path. */
  const schemas = (parts: readonly string[]): readonly Oid[] => {
    if (parts.length === 1) return searchPath()
    const namespace = snapshotOf().namespaceByName(parts[parts.length - 2]!)
    return namespace === null ? [] : [namespace.oid]
  }
  const named = <T>(text: string, find: (namespace: Oid, name: string) => T | null): T | null => {
    const parts = parseQualifiedName(text)
    for (const namespace of schemas(parts)) {
      const found = find(namespace, parts[parts.length - 1]!)
      if (found !== null) return found
    }
    return null
  }
  const qualified = (namespace: Oid, name: string, visible: boolean): string =>
    visible
      ? quoteIdentifier(name)
      : `${quoteIdentifier(snapshotOf().namespace(namespace)?.name ?? String(namespace))}.${quoteIdentifier(name)}`
  const typeName = (oid: Oid, typmod: number | null): string | null => {
    const snapshot = snapshotOf()
    if (snapshot.type(oid) === null) return null
    return formatType(
      oid,
      typmod,
      (type) => snapshot.type(type) ?? undefined,
      (type) => {
        const namespace = snapshot.type(type.oid)!.typnamespace
        let visible = false
        for (const path of searchPath()) {
          const found = snapshot.typeByName(path, type.typname)
          if (found === null) continue
          visible = found.oid === type.oid
          break
        }
        return qualified(namespace, type.typname, visible)
      },
    )
  }
  const procSignature = (proc: PgProcRow): string => proc.proargtypes.map((type) => typeName(type, null) ?? '???').join(',')
  const toType = (name: string): { oid: Oid; typmod: number } | null =>
    parseTypeName(name, (parts) => {
      for (const namespace of schemas(parts)) {
        const row = snapshotOf().typeByName(namespace, parts[parts.length - 1]!)
        if (row !== null) return row
      }
      return null
    })
  return {
    typeSupport: (oid) => typeSupportOf(snapshotOf(), oid),
    typeShape: (oid) => snapshotOf().type(oid),
    compositeColumns(type) {
      const snapshot = snapshotOf()
      const row = snapshot.type(type)
      const relation = row === null || row.typrelid === 0 ? null : snapshot.relation(row.typrelid)
      return relation?.columns.filter((column) => !column.dropped) ?? []
    },
    toRelation: (name) => named(name, (namespace, part) => snapshotOf().relationByName(namespace, part)?.oid ?? null),
    toType,
    toProc(name, withArguments) {
      const { name: bare, args } = withArguments ? splitSignature(name) : { name, args: null }
      const parts = parseQualifiedName(bare)
      const types = args?.map((arg) => toType(arg)?.oid ?? null) ?? null
      if (withArguments && args === null) throw new PgError(SQLSTATE.invalidTextRepresentation, 'expected a left parenthesis')
      if (types?.includes(null)) {
        const missing = args![types.indexOf(null)]!
        throw new PgError(SQLSTATE.undefinedObject, `type "${missing}" does not exist`)
      }
      const found = schemas(parts).flatMap((namespace) => [...snapshotOf().procsByName(namespace, parts[parts.length - 1]!)])
      return found
        .filter(
          (proc) => types === null || (proc.proargtypes.length === types.length && proc.proargtypes.every((type, i) => type === types[i])),
        )
        .map((proc) => proc.oid)
    },
    toOperator(name, withArguments) {
      const { name: bare, args } = withArguments ? splitSignature(name) : { name, args: null }
      const dot = /^(?:(.*)\.)?([^.]*)$/s.exec(bare.trim())!
      const namespaces = dot[1] === undefined ? searchPath() : schemas([...parseQualifiedName(dot[1]), ''])
      const wanted = args?.map((arg) => (arg.toLowerCase() === 'none' ? 0 : (toType(arg)?.oid ?? -1))) ?? null
      return namespaces
        .flatMap((namespace) => [...snapshotOf().operatorsByName(namespace, dot[2]!)])
        .filter((operator) => wanted === null || (wanted.length === 2 && operator.oprleft === wanted[0] && operator.oprright === wanted[1]))
        .map((operator) => operator.oid)
    },
    toNamespace: (name) => snapshotOf().namespaceByName(parseQualifiedName(name)[0]!)?.oid ?? null,
    toRole: (name) => snapshotOf().roleByName(parseQualifiedName(name)[0]!)?.oid ?? null,
    toCollation: (name) => named(name, (namespace, part) => snapshotOf().collationByName(namespace, part)?.oid ?? null),
    toTextSearchConfig: (name) =>
      named(name, (namespace, part) => pgTsConfigs().find((row) => row.cfgnamespace === namespace && row.cfgname === part)?.oid ?? null),
    toTextSearchDictionary: (name) =>
      named(name, (namespace, part) => pgTsDicts().find((row) => row.dictnamespace === namespace && row.dictname === part)?.oid ?? null),
    relationName(oid) {
      const snapshot = snapshotOf()
      const relation = snapshot.relation(oid)
      if (relation === null) return null
      return qualified(relation.namespace, relation.name, isRelationVisible(snapshot, searchPath(), relation))
    },
    typeName: (oid, typmod) => typeName(oid, typmod ?? null),
    procName(oid, withArguments) {
      const proc = snapshotOf().proc(oid)
      if (proc === null) return null
      const name = qualified(proc.pronamespace, proc.proname, procVisible(snapshotOf(), searchPath(), proc))
      return withArguments ? `${name}(${procSignature(proc)})` : name
    },
    operatorName(oid, withArguments) {
      const operator = snapshotOf().operator(oid)
      if (operator === null) return null
      const visible = searchPath().includes(operator.oprnamespace)
      const name = visible ? operator.oprname : `${snapshotOf().namespace(operator.oprnamespace)?.name}.${operator.oprname}`
      return withArguments ? `${name}(${operandName(operator.oprleft)},${operandName(operator.oprright)})` : name
    },
    namespaceName: (oid) => {
      const namespace = snapshotOf().namespace(oid)
      return namespace === null ? null : quoteIdentifier(namespace.name)
    },
    roleName: (oid) => {
      const role = snapshotOf().role(oid)
      return role === null ? null : quoteIdentifier(role.name)
    },
    collationName: (oid) => {
      const row = collationByOid(oid)
      return row === undefined ? null : qualified(row.collnamespace, row.collname, searchPath().includes(row.collnamespace))
    },
  }
  function operandName(type: PgOperatorRow['oprleft']): string {
    return type === 0 ? 'NONE' : (typeName(type, null) ?? '???')
  }
}

export function isRelationVisible(
  snapshot: ReaderSnapshot,
  searchPath: readonly Oid[],
  relation: { readonly oid: Oid; readonly namespace: Oid; readonly name: string },
): boolean {
  for (const namespace of searchPath) {
    const found = snapshot.relationByName(namespace, relation.name)
    if (found !== null) return found.oid === relation.oid
  }
  return false
}

export function procVisible(snapshot: ReaderSnapshot, searchPath: readonly Oid[], proc: PgProcRow): boolean {
  for (const namespace of searchPath) {
    if (namespace === proc.pronamespace) return true
    const same = snapshot
      .procsByName(namespace, proc.proname)
      .some(
        (other) =>
          other.proargtypes.length === proc.proargtypes.length && other.proargtypes.every((type, i) => type === proc.proargtypes[i]),
      )
    if (same) return false
  }
  return proc.pronamespace === PG_CATALOG_NAMESPACE
}
