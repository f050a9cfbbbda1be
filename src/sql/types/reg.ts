// The reg* types: OIDs that read and print as names, through the session's catalogue and search path.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE, type Sqlstate } from '../../base/sqlstate.ts'
import { writeAscii } from './codecs.ts'
import type { CatalogLookup, EvalContext } from './eval-context.ts'
import { oidTypes } from './oid.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

interface RegKind {
  find(catalog: CatalogLookup, name: string): Oid | null
  print(catalog: CatalogLookup, oid: Oid): string | null
  missing(name: string): PgError
}

const missing =
  (code: Sqlstate, message: (name: string) => string) =>
  (name: string): PgError =>
    new PgError(code, message(name))

/** The only one of several, or 42725. */
function only(found: readonly Oid[], ambiguous: () => PgError): Oid | null {
  if (found.length > 1) throw ambiguous()
  return found[0] ?? null
}

const KINDS = {
  regclass: {
    find: (catalog, name) => catalog.toRelation(name),
    print: (catalog, oid) => catalog.relationName(oid),
    missing: missing(SQLSTATE.undefinedTable, (name) => `relation "${name}" does not exist`),
  },
  regtype: {
    find: (catalog, name) => catalog.toType(name)?.oid ?? null,
    print: (catalog, oid) => catalog.typeName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `type "${name}" does not exist`),
  },
  regproc: {
    find: (catalog, name) =>
      only(catalog.toProc(name, false), () => new PgError(SQLSTATE.ambiguousFunction, `more than one function named "${name}"`)),
    print: (catalog, oid) => catalog.procName(oid, false),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `function "${name}" does not exist`),
  },
  regprocedure: {
    find: (catalog, name) => catalog.toProc(name, true)[0] ?? null,
    print: (catalog, oid) => catalog.procName(oid, true),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `function "${name}" does not exist`),
  },
  regoper: {
    find: (catalog, name) =>
      only(catalog.toOperator(name, false), () => new PgError(SQLSTATE.ambiguousFunction, `more than one operator named ${name}`)),
    print: (catalog, oid) => catalog.operatorName(oid, false),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `operator does not exist: ${name}`),
  },
  regoperator: {
    find: (catalog, name) => catalog.toOperator(name, true)[0] ?? null,
    print: (catalog, oid) => catalog.operatorName(oid, true),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `operator does not exist: ${name}`),
  },
  regnamespace: {
    find: (catalog, name) => catalog.toNamespace(name),
    print: (catalog, oid) => catalog.namespaceName(oid),
    missing: missing(SQLSTATE.invalidSchemaName, (name) => `schema "${name}" does not exist`),
  },
  regrole: {
    find: (catalog, name) => catalog.toRole(name),
    print: (catalog, oid) => catalog.roleName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `role "${name}" does not exist`),
  },
  regcollation: {
    find: (catalog, name) => catalog.toCollation(name),
    print: (catalog, oid) => catalog.collationName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `collation "${name}" for encoding "UTF8" does not exist`),
  },
  regconfig: {
    find: (catalog, name) => catalog.toTextSearchConfig(name),
    print: (_catalog, oid) => String(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `text search configuration "${name}" does not exist`),
  },
  regdictionary: {
    find: (catalog, name) => catalog.toTextSearchDictionary(name),
    print: (_catalog, oid) => String(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `text search dictionary "${name}" does not exist`),
  },
} satisfies Record<string, RegKind>

function find(kind: RegKind, text: string, ctx: EvalContext): Oid | null {
  if (text === '-') return 0
  if (/^[0-9]+$/.test(text)) return oidTypes.oid.input(text, -1, ctx) as number
  return kind.find(ctx.catalog, text)
}

function required(kind: RegKind, text: string, ctx: EvalContext): Oid {
  const oid = find(kind, text, ctx)
  if (oid === null) throw kind.missing(text.replaceAll('"', ''))
  return oid
}

function regType(kind: RegKind): TypeSupport {
  const output: TypeSupport['output'] = (value, io) => {
    if (value === 0) return '-'
    return (io.catalog === undefined ? null : kind.print(io.catalog, value as number)) ?? String(value)
  }
  return {
    ...oidTypes.oid,
    input: (text, _typmod, ctx) => required(kind, text, ctx),
    output,
    writeText(value, out, io) {
      const text = output(value, io)
      if (Buffer.byteLength(text) === text.length) writeAscii(text, out)
      else out.utf8(text)
    },
  }
}

export const regTypes = {
  regclass: regType(KINDS.regclass),
  regtype: regType(KINDS.regtype),
  regproc: regType(KINDS.regproc),
  regprocedure: regType(KINDS.regprocedure),
  regoper: regType(KINDS.regoper),
  regoperator: regType(KINDS.regoperator),
  regnamespace: regType(KINDS.regnamespace),
  regrole: regType(KINDS.regrole),
  regcollation: regType(KINDS.regcollation),
  regconfig: regType(KINDS.regconfig),
  regdictionary: regType(KINDS.regdictionary),
}

/** to_reg*: NULL instead of an error when there is no such object. */
const lookup =
  (kind: RegKind) =>
  (name: string, ctx: EvalContext): Oid | null => {
    try {
      return find(kind, name, ctx)
    } catch (error) {
      // Ambiguity is "not found" here; bad syntax stays an error.
      if (error instanceof PgError && error.code === SQLSTATE.ambiguousFunction) return null
      throw error
    }
  }

export const regProcs = {
  text_regclass: (name, ctx) => required(KINDS.regclass, name, ctx),
  to_regclass: lookup(KINDS.regclass),
  to_regtype: lookup(KINDS.regtype),
  to_regproc: lookup(KINDS.regproc),
  to_regprocedure: lookup(KINDS.regprocedure),
  to_regoper: lookup(KINDS.regoper),
  to_regoperator: lookup(KINDS.regoperator),
  to_regnamespace: lookup(KINDS.regnamespace),
  to_regrole: lookup(KINDS.regrole),
  to_regcollation: lookup(KINDS.regcollation),
  to_regtypemod: (name, ctx) => ctx.catalog.toType(name)?.typmod ?? null,
  format_type(oid, typmod, ctx) {
    if (oid === null) return null
    if (oid === 0) return '-'
    return ctx.catalog.typeName(oid, typmod) ?? '???'
  },
} satisfies Procs
