// Coercions between types that are not polymorphic (parse_coerce.c's questions): can a value of one type become another, in which context,
// by which way, and which type a list of expressions has in common. Pure over CatalogSource.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import type { CatalogSource } from './catalog-source.ts'

const { unknown: UNKNOWN, text: TEXT, record: RECORD, _record: RECORD_ARRAY } = TYPE_OID

/** How much may happen: only implicitly, in an assignment, or because a cast was written. */
export const COERCION = { implicit: 0, assignment: 1, explicit: 2 } as const
export type CoercionContext = (typeof COERCION)[keyof typeof COERCION]

const CONTEXT_OF: Readonly<Record<string, CoercionContext>> = { i: COERCION.implicit, a: COERCION.assignment, e: COERCION.explicit }

/** relabel: the same bytes; func: call it; io: output then input function; array: element by element. */
export type CoercionPath =
  | { readonly method: 'relabel' }
  | { readonly method: 'func'; readonly proc: Oid }
  | { readonly method: 'io' }
  | { readonly method: 'array'; readonly element: CoercionPath; readonly sourceElement: Oid; readonly targetElement: Oid }

const RELABEL: CoercionPath = { method: 'relabel' }
const IO: CoercionPath = { method: 'io' }

/** A domain's base type, through nested domains; other types are their own. */
export function baseType(source: CatalogSource, oid: Oid): Oid {
  let current = oid
  for (;;) {
    const type = source.type(current)
    if (type === undefined || type.typtype !== 'd') return current
    current = type.typbasetype
  }
}

/** The typmod a domain imposes, or -1. */
export function baseTypmod(source: CatalogSource, oid: Oid, typmod: number): number {
  let current = oid
  let mod = typmod
  for (;;) {
    const type = source.type(current)
    if (type === undefined || type.typtype !== 'd') return mod
    current = type.typbasetype
    mod = type.typtypmod
  }
}

/** The element type of a true array type, else 0 (domains over arrays: ask their base type). */
export function elementType(source: CatalogSource, oid: Oid): Oid {
  const type = source.type(oid)
  if (type === undefined || type.typelem === 0 || type.typlen !== -1) return 0
  return type.typcategory === 'A' || oid === RECORD_ARRAY ? type.typelem : 0
}

export function arrayType(source: CatalogSource, oid: Oid): Oid {
  return source.type(oid)?.typarray ?? 0
}

export function typeCategory(source: CatalogSource, oid: Oid): string {
  return source.type(oid)?.typcategory ?? 'X'
}

export function isPreferred(source: CatalogSource, oid: Oid, category: string): boolean {
  const type = source.type(oid)
  return type?.typispreferred === true && type.typcategory === category
}

export function isComposite(source: CatalogSource, oid: Oid): boolean {
  return source.type(baseType(source, oid))?.typtype === 'c'
}

/** find_coercion_pathway: the way from one type to another, or null. */
export function coercionPath(source: CatalogSource, targetType: Oid, sourceType: Oid, context: CoercionContext): CoercionPath | null {
  const from = baseType(source, sourceType)
  const to = baseType(source, targetType)
  if (from === to) return RELABEL
  const cast = source.cast(from, to)
  if (cast !== undefined) {
    if (context < CONTEXT_OF[cast.castcontext]!) return null
    if (cast.castmethod === 'f') return { method: 'func', proc: cast.castfunc }
    return cast.castmethod === 'i' ? IO : RELABEL
  }
  if (to !== TYPE_OID.oidvector && to !== TYPE_OID.int2vector) {
    const sourceElement = elementType(source, from)
    const targetElement = elementType(source, to)
    if (sourceElement !== 0 && targetElement !== 0) {
      const element = coercionPath(source, targetElement, sourceElement, context)
      if (element !== null) return { method: 'array', element, sourceElement, targetElement }
    }
  }
  if (context >= COERCION.assignment && typeCategory(source, to) === 'S') return IO
  if (context >= COERCION.explicit && typeCategory(source, from) === 'S') return IO
  return null
}

/** The function that enforces a typmod on a value of its own type (varchar(n), numeric(p,s)): a cast from the type to itself. 0 = none. */
export function typmodCoercion(source: CatalogSource, type: Oid): Oid {
  const cast = source.cast(type, type)
  return cast?.castmethod === 'f' ? cast.castfunc : 0
}

/** can_coerce_type of one value whose target is no polymorphic type. */
export function isCoercible(source: CatalogSource, input: Oid, target: Oid, context: CoercionContext): boolean {
  return (
    input === target ||
    input === UNKNOWN ||
    coercionPath(source, target, input, context) !== null ||
    (input === RECORD && isComposite(source, target)) ||
    (target === RECORD && isComposite(source, input)) ||
    (target === RECORD_ARRAY && isComposite(source, elementType(source, input))) ||
    source.inheritsFrom(input, target)
  )
}

/**
 * select_common_type: of UNION, CASE, COALESCE, VALUES, ARRAY, IN … `context` names the construct in the error (42804); null answers 0
 * instead of throwing. `failing` is set to the index of the expression at fault, for the position.
 */
export function selectCommonType(
  source: CatalogSource,
  types: readonly Oid[],
  context: string | null,
  failing: { index: number } = { index: 0 },
): Oid {
  let chosen = types[0]!
  if (chosen !== UNKNOWN && types.every((type) => type === chosen)) return chosen
  chosen = baseType(source, chosen)
  let category = typeCategory(source, chosen)
  let preferred = source.type(chosen)?.typispreferred ?? false
  for (let i = 1; i < types.length; i++) {
    const next = baseType(source, types[i]!)
    if (next === UNKNOWN || next === chosen) continue
    const nextCategory = typeCategory(source, next)
    if (chosen === UNKNOWN) {
      // the first type that says something
    } else if (nextCategory !== category) {
      if (context === null) return 0
      failing.index = i
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `${context} types ${source.formatType(chosen)} and ${source.formatType(next)} cannot be matched`,
      )
    } else if (preferred || !isCoercible(source, chosen, next, COERCION.implicit) || isCoercible(source, next, chosen, COERCION.implicit))
      continue
    chosen = next
    category = nextCategory
    preferred = source.type(next)?.typispreferred ?? false
  }
  return chosen === UNKNOWN ? TEXT : chosen
}
