// Polymorphic arguments: whether actual types fit them together, and what they and the result then are.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { CatalogSource } from './catalog-source.ts'
import { arrayType, baseType, COERCION, elementType, isCoercible, selectCommonType } from './coercion-path.ts'

const FAMILY1: ReadonlySet<Oid> = new Set([T.anyelement, T.anyarray, T.anynonarray, T.anyenum, T.anyrange, T.anymultirange])
const FAMILY2: ReadonlySet<Oid> = new Set([
  T.anycompatible,
  T.anycompatiblearray,
  T.anycompatiblenonarray,
  T.anycompatiblerange,
  T.anycompatiblemultirange,
])

export function isPolymorphic(oid: Oid): boolean {
  return FAMILY1.has(oid) || FAMILY2.has(oid)
}

/** What the polymorphic arguments of one call turned out to be; 0 = not known from any argument. */
interface Binding {
  element: Oid
  array: Oid
  range: Oid
  multirange: Oid
  compatible: Oid
  compatibleArray: Oid
  compatibleRange: Oid
  compatibleMultirange: Oid
  /** Family 1 arguments there are. */
  polymorphicCount: number
}

const mismatch = (message: string, detail?: string): PgError =>
  new PgError(SQLSTATE.datatypeMismatch, message, detail === undefined ? {} : { detail })

/** Shared by the yes/no question (errors swallowed by the caller) and the enforcing one. Throws what PostgreSQL says. */
function bind(source: CatalogSource, actual: readonly Oid[], declared: readonly Oid[], enforce: boolean): Binding {
  const b: Binding = {
    element: 0,
    array: 0,
    range: 0,
    multirange: 0,
    compatible: 0,
    compatibleArray: 0,
    compatibleRange: 0,
    compatibleMultirange: 0,
    polymorphicCount: 0,
  }
  const name = (oid: Oid): string => source.formatType(oid)
  const alike = (known: Oid, type: Oid, what: string): Oid => {
    if (known !== 0 && known !== type)
      throw mismatch(`arguments declared "${what}" are not all alike`, `${name(known)} versus ${name(type)}`)
    return type
  }
  const notA = (what: string, kind: string, type: Oid): PgError =>
    mismatch(`argument declared ${what} is not ${kind} but type ${name(type)}`)
  const compatibleTypes: Oid[] = []
  let nonArray = false
  let isEnum = false
  let compatibleNonArray = false
  let hasCompatible = false

  for (let i = 0; i < declared.length; i++) {
    const type = declared[i]!
    if (!isPolymorphic(type)) continue
    const given = actual[i]!
    if (FAMILY1.has(type)) b.polymorphicCount++
    else hasCompatible = true
    if (type === T.anynonarray) nonArray = true
    if (type === T.anyenum) isEnum = true
    if (type === T.anycompatiblenonarray) compatibleNonArray = true
    if (given === T.unknown) continue
    const flat = baseType(source, given)
    switch (type) {
      case T.anyelement:
      case T.anynonarray:
      case T.anyenum:
        b.element = alike(b.element, given, 'anyelement')
        break
      case T.anyarray:
        b.array = alike(b.array, flat, 'anyarray')
        break
      case T.anyrange:
        b.range = alike(b.range, flat, 'anyrange')
        break
      case T.anymultirange:
        b.multirange = alike(b.multirange, flat, 'anymultirange')
        break
      case T.anycompatible:
      case T.anycompatiblenonarray:
        compatibleTypes.push(given)
        break
      case T.anycompatiblearray: {
        const element = elementType(source, flat)
        if (element === 0) throw notA('anycompatiblearray', 'an array', flat)
        compatibleTypes.push(element)
        break
      }
      case T.anycompatiblerange: {
        b.compatibleRange = alike(b.compatibleRange, flat, 'anycompatiblerange')
        const subtype = source.rangeSubtype(flat)
        if (subtype === 0) throw notA('anycompatiblerange', 'a range type', flat)
        compatibleTypes.push(subtype)
        break
      }
      case T.anycompatiblemultirange: {
        b.compatibleMultirange = alike(b.compatibleMultirange, flat, 'anycompatiblemultirange')
        const range = source.rangeOfMultirange(flat)
        if (range === 0) throw notA('anycompatiblemultirange', 'a multirange type', flat)
        compatibleTypes.push(source.rangeSubtype(range))
        break
      }
    }
  }

  if (b.array !== 0 && b.array !== T.anyarray) {
    const element = elementType(source, b.array)
    if (element === 0) throw notA('anyarray', 'an array', b.array)
    if (b.element === 0) b.element = element
    else if (b.element !== element)
      throw mismatch(
        'argument declared anyarray is not consistent with argument declared anyelement',
        `${name(b.array)} versus ${name(b.element)}`,
      )
  }
  if (b.multirange !== 0) {
    const range = source.rangeOfMultirange(b.multirange)
    if (range === 0) throw notA('anymultirange', 'a multirange type', b.multirange)
    if (b.range === 0) b.range = range
    else if (b.range !== range)
      throw mismatch(
        'argument declared anymultirange is not consistent with argument declared anyrange',
        `${name(b.multirange)} versus ${name(b.range)}`,
      )
  }
  if (b.range !== 0) {
    const subtype = source.rangeSubtype(b.range)
    if (subtype === 0) throw notA('anyrange', 'a range type', b.range)
    if (b.element === 0) b.element = subtype
    else if (b.element !== subtype)
      throw mismatch(
        'argument declared anyrange is not consistent with argument declared anyelement',
        `${name(b.range)} versus ${name(b.element)}`,
      )
  }
  if (nonArray && b.element !== 0 && elementType(source, baseType(source, b.element)) !== 0)
    throw mismatch(`type matched to anynonarray is an array type: ${name(b.element)}`)
  if (isEnum && (b.element !== 0 || !enforce) && source.type(baseType(source, b.element))?.typtype !== 'e')
    throw mismatch(`type matched to anyenum is not an enum type: ${name(b.element)}`)

  if (hasCompatible) {
    if (compatibleTypes.length > 0) {
      b.compatible = selectCommonType(source, compatibleTypes, 'arguments of anycompatible family cannot be cast to a common type')
      for (const type of compatibleTypes)
        if (!isCoercible(source, type, b.compatible, COERCION.implicit))
          throw mismatch('arguments of anycompatible family cannot be cast to a common type')
    } else if (enforce) b.compatible = T.text
    if (b.compatible !== 0) {
      if (compatibleNonArray && elementType(source, baseType(source, b.compatible)) !== 0)
        throw mismatch(`type matched to anycompatiblenonarray is an array type: ${name(b.compatible)}`)
      b.compatibleArray = arrayType(source, b.compatible)
      const subtype = b.compatibleRange === 0 ? b.compatible : source.rangeSubtype(b.compatibleRange)
      if (subtype !== b.compatible)
        throw mismatch(`anycompatiblerange type ${name(b.compatibleRange)} does not match anycompatible type ${name(b.compatible)}`)
    }
  }
  return b
}

/** check_generic_type_consistency: could these actual types be the declared polymorphic ones? */
export function genericTypesConsistent(source: CatalogSource, actual: readonly Oid[], declared: readonly Oid[]): boolean {
  try {
    bind(source, actual, declared, false)
    return true
  } catch (error) {
    if (error instanceof PgError) return false
    throw error
  }
}

const required = (type: Oid, what: string): Oid => {
  if (type === 0) throw mismatch(`could not determine polymorphic type ${what} because input has type unknown`)
  return type
}

/** The type a polymorphic one stands for under `b`. */
function resolved(source: CatalogSource, b: Binding, type: Oid): Oid {
  const arrayOf = (element: Oid): Oid => {
    const array = arrayType(source, element)
    if (array === 0) throw new PgError(SQLSTATE.undefinedObject, `could not find array type for data type ${source.formatType(element)}`)
    return array
  }
  switch (type) {
    case T.anyelement:
    case T.anynonarray:
    case T.anyenum:
      return b.element
    case T.anyarray:
      return b.array !== 0 ? b.array : arrayOf(b.element)
    case T.anyrange:
      return required(b.range, 'anyrange')
    case T.anymultirange:
      return required(b.multirange !== 0 ? b.multirange : source.multirangeOfRange(b.range), 'anymultirange')
    case T.anycompatible:
    case T.anycompatiblenonarray:
      return b.compatible
    case T.anycompatiblearray:
      return b.compatibleArray !== 0 ? b.compatibleArray : arrayOf(b.compatible)
    case T.anycompatiblerange:
      return required(b.compatibleRange !== 0 ? b.compatibleRange : source.rangeOfMultirange(b.compatibleMultirange), 'anycompatiblerange')
    case T.anycompatiblemultirange:
      return required(
        b.compatibleMultirange !== 0 ? b.compatibleMultirange : source.multirangeOfRange(b.compatibleRange),
        'anycompatiblemultirange',
      )
    default:
      return type
  }
}

/**
 * enforce_generic_type_consistency: the declared types with polymorphic ones replaced by what they are in this call, and the result type.
 * Types that are not polymorphic pass through.
 */
export function resolvePolymorphic(
  source: CatalogSource,
  actual: readonly Oid[],
  declared: readonly Oid[],
  resultType: Oid,
): { argTypes: Oid[]; resultType: Oid } {
  if (!declared.some(isPolymorphic)) return { argTypes: [...declared], resultType }
  const b = bind(source, actual, declared, true)
  if (b.array === T.anyarray) {
    // A column of type anyarray (pg_stats, pg_attribute.attmissingval): fine alone, but its element type is unknown.
    if (b.polymorphicCount !== 1 || (resultType !== T.anyarray && FAMILY1.has(resultType)))
      throw mismatch('cannot determine element type of "anyarray" argument')
    b.element = T.anyelement
  } else if (b.polymorphicCount > 0 && b.element === 0) {
    throw mismatch('could not determine polymorphic type because input has type unknown')
  }
  return { argTypes: declared.map((type) => resolved(source, b, type)), resultType: resolved(source, b, resultType) }
}
