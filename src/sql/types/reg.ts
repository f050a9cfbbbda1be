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
  /** `text`: as it was written. */
  missing(text: string): PgError
  /** How no object at all is written, 0 aside. */
  readonly none: '-' | '0'
}

const missing =
  (code: Sqlstate, message: (text: string) => string) =>
  (text: string): PgError =>
    new PgError(code, message(text))

/** The parts of a name as the catalogue has them: PostgreSQL prints these, and of functions and operators what was written. */
function shown(text: string): string {
  const parts = text.match(/"(?:[^"]|"")*"|[^.\s]+/g) ?? []
  return parts.map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase())).join('.')
}

/** The only one of several, or 42725. */
function only(found: readonly Oid[], ambiguous: () => PgError): Oid | null {
  if (found.length > 1) throw ambiguous()
  return found[0] ?? null
}

const KINDS = {
  regclass: {
    find: (catalog, name) => catalog.toRelation(name),
    print: (catalog, oid) => catalog.relationName(oid),
    missing: missing(SQLSTATE.undefinedTable, (name) => `relation "${shown(name)}" does not exist`),
    none: '-',
  },
  regtype: {
    find: (catalog, name) => catalog.requireType(name).oid,
    print: (catalog, oid) => catalog.typeName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `type "${name}" does not exist`),
    none: '-',
  },
  regproc: {
    find: (catalog, name) =>
      only(catalog.toProc(name, false), () => new PgError(SQLSTATE.ambiguousFunction, `more than one function named "${name}"`)),
    print: (catalog, oid) => catalog.procName(oid, false),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `function "${name}" does not exist`),
    none: '-',
  },
  regprocedure: {
    find: (catalog, name) => catalog.toProc(name, true)[0] ?? null,
    print: (catalog, oid) => catalog.procName(oid, true),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `function "${name}" does not exist`),
    none: '-',
  },
  regoper: {
    find: (catalog, name) =>
      only(catalog.toOperator(name, false), () => new PgError(SQLSTATE.ambiguousFunction, `more than one operator named ${name}`)),
    print: (catalog, oid) => catalog.operatorName(oid, false),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `operator does not exist: ${name}`),
    none: '0',
  },
  regoperator: {
    find: (catalog, name) => catalog.toOperator(name, true)[0] ?? null,
    print: (catalog, oid) => catalog.operatorName(oid, true),
    missing: missing(SQLSTATE.undefinedFunction, (name) => `operator does not exist: ${name}`),
    none: '0',
  },
  regnamespace: {
    find: (catalog, name) => catalog.toNamespace(name),
    print: (catalog, oid) => catalog.namespaceName(oid),
    missing: missing(SQLSTATE.invalidSchemaName, (name) => `schema "${shown(name)}" does not exist`),
    none: '-',
  },
  regrole: {
    find: (catalog, name) => catalog.toRole(name),
    print: (catalog, oid) => catalog.roleName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `role "${shown(name)}" does not exist`),
    none: '-',
  },
  regcollation: {
    find: (catalog, name) => catalog.toCollation(name),
    print: (catalog, oid) => catalog.collationName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `collation "${shown(name)}" for encoding "UTF8" does not exist`),
    none: '-',
  },
  regconfig: {
    find: (catalog, name) => catalog.toTextSearchConfig(name),
    print: (catalog, oid) => catalog.textSearchConfigName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `text search configuration "${shown(name)}" does not exist`),
    none: '-',
  },
  regdictionary: {
    find: (catalog, name) => catalog.toTextSearchDictionary(name),
    print: (catalog, oid) => catalog.textSearchDictionaryName(oid),
    missing: missing(SQLSTATE.undefinedObject, (name) => `text search dictionary "${shown(name)}" does not exist`),
    none: '-',
  },
} satisfies Record<string, RegKind>

function find(kind: RegKind, text: string, ctx: EvalContext): Oid | null {
  if (text === kind.none) return 0
  if (/^[0-9]+$/.test(text)) return oidTypes.oid.input(text, -1, ctx) as number
  return kind.find(ctx.catalog, text)
}

function required(kind: RegKind, text: string, ctx: EvalContext): Oid {
  const oid = find(kind, text, ctx)
  if (oid === null) throw kind.missing(text)
  return oid
}

function regType(kind: RegKind): TypeSupport {
  const output: TypeSupport['output'] = (value, io) => {
    if (value === 0) return kind.none
    return (io.catalog === undefined ? null : kind.print(io.catalog, value as number)) ?? String(value)
  }
  return {
    ...oidTypes.oid,
    input(text, _typmod, ctx) {
      try {
        return required(kind, text, ctx)
      } catch (error) {
        // The grammar's position inside the text is not one in the statement.
        if (!(error instanceof PgError) || error.fields.position === undefined) throw error
        const { position: _, ...fields } = error.fields
        throw new PgError(error.code, error.message, fields)
      }
    },
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
      // Neither bad names nor ambiguous ones are found; only what the grammar or the way to the object forbids stays an error.
      if (!(error instanceof PgError) || error.code === SQLSTATE.featureNotSupported) throw error
      if (error.code === SQLSTATE.syntaxError && !error.message.startsWith('invalid type name')) throw error
      return null
    }
  }

export const regProcs = {
  text_regclass(name, ctx) {
    const oid = find(KINDS.regclass, name, ctx)
    if (oid !== null) return oid
    const parts = shown(name).split('.')
    if (parts.length > 1 && ctx.catalog.toNamespace(`"${parts.at(-2)}"`) === null)
      throw new PgError(SQLSTATE.invalidSchemaName, `schema "${parts.at(-2)}" does not exist`)
    throw KINDS.regclass.missing(name)
  },
  to_regclass: lookup(KINDS.regclass),
  to_regtype: lookup(KINDS.regtype),
  to_regproc: lookup(KINDS.regproc),
  to_regprocedure: lookup(KINDS.regprocedure),
  to_regoper: lookup(KINDS.regoper),
  to_regoperator: lookup(KINDS.regoperator),
  to_regnamespace: lookup(KINDS.regnamespace),
  to_regrole: lookup(KINDS.regrole),
  to_regcollation: lookup(KINDS.regcollation),
  to_regtypemod(name, ctx) {
    const kind: RegKind = { ...KINDS.regtype, find: (catalog, text) => catalog.requireType(text).typmod }
    return lookup(kind)(name, ctx)
  },
  format_type(oid, typmod, ctx) {
    if (oid === null) return null
    if (oid === 0) return '-'
    return ctx.catalog.typeName(oid, typmod) ?? '???'
  },
} satisfies Procs
