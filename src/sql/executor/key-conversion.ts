// The sides of a foreign key may be of different types (integer and numeric, date and timestamp, char and text): a value of the one in the form of
// the other. What is looked for must be equal to the value; what ON UPDATE CASCADE writes is what an assignment would.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { DOMAIN_CHECK } from '../types/eval-context.ts'
import type { Present } from '../types/type.ts'
import { supportOf } from './comparison.ts'
import type { Compilation } from './compilation.ts'
import { type DirectCall, directCall, procOf } from './expr/call.ts'
import { fitKey } from './key-bounds.ts'
import { sameDatum } from './table-layout.ts'

interface ColumnType {
  readonly type: Oid
  readonly typmod: number
}

/** int2, int4, int8, float4, float8: keys hold their numbers alike. */
const NUMBERS: ReadonlySet<Oid> = new Set([20, 21, 23, 700, 701])
const BPCHAR = 1042
const FLOATS: ReadonlySet<Oid> = new Set([700, 701])
const DATA_EXCEPTION = '22'

/** A value as one of the other type that equals it; null when there is none. */
export type KeyConversion = (value: Present) => Present | null

export function keyConversion(from: Oid, to: Oid, cx: Compilation): KeyConversion {
  const source = baseType(from, cx)
  const target = baseType(to, cx)
  if (source === target) return (value) => value
  if (NUMBERS.has(source) && NUMBERS.has(target)) {
    const whole = !FLOATS.has(target) && FLOATS.has(source)
    return (value) => (whole && !Number.isInteger(value) ? null : fitKey(value, target))
  }
  const forth = castCall(source, target, cx)
  const castcontext = cx.catalog.cast(source, target)?.castcontext
  if (castcontext === 'i') return (value) => (forth === null ? value : (forth([value]) as Present))
  // a cast that may change the value: what comes back must be the same
  const back = castCall(target, source, cx)
  if (forth === null && back === null) return (value) => value
  return (value) => {
    try {
      const there = forth === null ? value : (forth([value]) as Present)
      const again = back === null ? there : (back([there]) as Present)
      return sameDatum(again, value, source, cx) ? there : null
    } catch (error) {
      // beyond what the other type can hold
      if (error instanceof PgError && error.code.startsWith(DATA_EXCEPTION)) return null
      throw error
    }
  }
}

/** Whether several values of `from` are one of `to`: char's trailing spaces mean nothing. */
export function isManyToOne(from: Oid, to: Oid, cx: Compilation): boolean {
  return baseType(to, cx) === BPCHAR && baseType(from, cx) !== BPCHAR
}

/** The value as an assignment to the column makes it. */
export function assignedKey(value: Datum, from: ColumnType, to: ColumnType, cx: Compilation): Datum {
  if (value === null || (from.type === to.type && from.typmod === to.typmod)) return value
  const { ctx } = cx.state
  const source = baseType(from.type, cx)
  const target = baseType(to.type, cx)
  const domain = to.type === target ? null : cx.catalog.type(to.type)
  let made: Datum = value
  if (source !== target) {
    const cast = castCall(source, target, cx)
    const { castmethod } = cx.catalog.cast(source, target) ?? { castmethod: 'i' }
    if (cast !== null) made = cast([value]) as Datum
    else if (castmethod === 'i') made = supportOf(cx, target).input(supportOf(cx, source).output(value, ctx.io), -1, ctx)
  }
  const typmod = domain === null ? to.typmod : domain.typtypmod
  const length = typmod < 0 ? null : castCall(target, target, cx, typmod)
  if (length !== null) made = length([made]) as Datum
  if (domain !== null) ctx.system(DOMAIN_CHECK)?.(to.type, made)
  return made
}

function baseType(type: Oid, cx: Compilation): Oid {
  const row = cx.catalog.type(type)
  return row?.typtype === 'd' ? baseType(row.typbasetype, cx) : type
}

/** The cast's function, with PostgreSQL's further arguments (typmod, whether the cast was written); null where it has none. */
function castCall(from: Oid, to: Oid, cx: Compilation, typmod = -1): DirectCall | null {
  const cast = cx.catalog.cast(from, to)
  if (cast === null || cast.castmethod !== 'f') return null
  const { pronargs } = procOf(cx, cast.castfunc)
  const argTypes = [from, 23, 16].slice(0, pronargs)
  const call = directCall(cx, { funcId: cast.castfunc, argTypes, type: to, typmod, collation: 0, variadic: false })
  const rest = [typmod, false].slice(0, pronargs - 1)
  return ([value]) => call([value!, ...rest])
}
