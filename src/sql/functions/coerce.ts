// can_coerce_type over a whole argument list, polymorphic declared types included, and binary coercibility.

import type { Oid } from '../../base/ids.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import type { CatalogSource } from './catalog-source.ts'
import { baseType, type CoercionContext, elementType, isCoercible, isComposite } from './coercion-path.ts'
import { genericTypesConsistent, isPolymorphic } from './polymorphic.ts'

const { any: ANY, record: RECORD, _record: RECORD_ARRAY } = TYPE_OID

/** can_coerce_type: every input to its target, and the polymorphic ones consistent with each other. */
export function canCoerce(source: CatalogSource, inputs: readonly Oid[], targets: readonly Oid[], context: CoercionContext): boolean {
  let generic = false
  for (let i = 0; i < inputs.length; i++) {
    const target = targets[i]!
    if (target === ANY) continue
    if (isPolymorphic(target)) generic = true
    else if (!isCoercible(source, inputs[i]!, target, context)) return false
  }
  return !generic || genericTypesConsistent(source, inputs, targets)
}

export function canCoerceOne(source: CatalogSource, input: Oid, target: Oid, context: CoercionContext): boolean {
  return input === target || canCoerce(source, [input], [target], context)
}

/** IsBinaryCoercible: a value of `input` is one of `target` as it is. */
export function isBinaryCoercible(source: CatalogSource, input: Oid, target: Oid): boolean {
  if (input === target || target === ANY || target === TYPE_OID.anyelement || target === TYPE_OID.anycompatible) return true
  const from = baseType(source, input)
  if (from === target) return true
  const type = source.type(from)
  switch (target) {
    case TYPE_OID.anyarray:
    case TYPE_OID.anycompatiblearray:
      if (elementType(source, from) !== 0) return true
      break
    case TYPE_OID.anynonarray:
    case TYPE_OID.anycompatiblenonarray:
      if (elementType(source, from) === 0) return true
      break
    case TYPE_OID.anyenum:
      if (type?.typtype === 'e') return true
      break
    case TYPE_OID.anyrange:
    case TYPE_OID.anycompatiblerange:
      if (type?.typtype === 'r') return true
      break
    case TYPE_OID.anymultirange:
    case TYPE_OID.anycompatiblemultirange:
      if (type?.typtype === 'm') return true
      break
    case RECORD:
      if (type?.typtype === 'c') return true
      break
    case RECORD_ARRAY:
      if (isComposite(source, elementType(source, from))) return true
      break
  }
  const cast = source.cast(from, target)
  return cast !== undefined && cast.castmethod === 'b' && cast.castcontext === 'i'
}
