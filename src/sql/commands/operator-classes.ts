// Which operator class an index column uses, and the equality operators of a foreign key.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { typeText } from '../../catalog/type-names.ts'
import type { PgOpclassRow } from '../builtin/data/rows.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { castByTypes } from '../builtin/pg-cast.ts'
import { ACCESS_METHOD, amByName, amop, defaultOpclass, opclassByOid, opclassesByName, STRATEGY } from '../builtin/pg-index.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import type { CommandContext } from './context.ts'
import { load } from './names.ts'

const ANYARRAY = 2277
const ANYENUM = 3500
const ANYRANGE = 3831
const ANYMULTIRANGE = 4537
const RECORD = 2249

/** The type an operator class sees: domains by their base, then what the type may be relabelled to. */
function candidates(c: CommandContext, type: Oid): Oid[] {
  let row = c.snapshot.type(type)
  while (row !== null && row.typtype === 'd') row = c.snapshot.type(row.typbasetype)
  if (row === null) return [type]
  const list = [row.oid]
  if (row.typcategory === 'A' && row.typelem !== 0) list.push(ANYARRAY)
  if (row.typtype === 'e') list.push(ANYENUM)
  if (row.typtype === 'r') list.push(ANYRANGE)
  if (row.typtype === 'm') list.push(ANYMULTIRANGE)
  if (row.typtype === 'c') list.push(RECORD)
  return list
}

const binaryCoercible = (from: Oid, to: Oid): boolean =>
  castByTypes(from, to)?.castmethod === 'b' && castByTypes(from, to)?.castcontext === 'i'

function findDefault(c: CommandContext, method: Oid, type: Oid): PgOpclassRow | null {
  const list = candidates(c, type)
  for (const candidate of list) {
    const exact = defaultOpclass(method, candidate)
    if (exact !== undefined) return exact
  }
  // varchar → text, cidr → inet …: preferred types first
  const targets = [25, 869, 1042, 1043].filter((target) => binaryCoercible(list[0]!, target))
  for (const target of targets) {
    const found = defaultOpclass(method, target)
    if (found !== undefined) return found
  }
  return null
}

export function accessMethod(name: string): Oid {
  const row = amByName(name === 'rtree' ? 'gist' : name)
  if (row === undefined || row.amtype !== 'i') throw new PgError(SQLSTATE.undefinedObject, `access method "${name}" does not exist`)
  if (row.oid !== ACCESS_METHOD.btree && row.oid !== ACCESS_METHOD.hash)
    throw notSupported(`access method "${name}" is not supported`, 'Indexes of this server are ordered: use btree.')
  return row.oid
}

const methodName = (method: Oid): string => (method === ACCESS_METHOD.hash ? 'hash' : 'btree')

/** The class named, or the type's default one (42704). */
export async function operatorClass(c: CommandContext, method: Oid, type: Oid, names: readonly string[]): Promise<Oid> {
  const typeName = await load(() => typeText(c.snapshot, c.ctx.session.searchPath(true), type))
  if (names.length > 0) {
    const name = names[names.length - 1]!
    const [row] = opclassesByName(method, name)
    if (row === undefined)
      throw new PgError(
        SQLSTATE.undefinedObject,
        `operator class "${names.join('.')}" does not exist for access method "${methodName(method)}"`,
      )
    const accepts = await load(() => candidates(c, type).includes(row.opcintype) || binaryCoercible(candidates(c, type)[0]!, row.opcintype))
    if (!accepts) throw new PgError(SQLSTATE.datatypeMismatch, `operator class "${names.join('.')}" does not accept data type ${typeName}`)
    return row.oid
  }
  const row = await load(() => findDefault(c, method, type))
  if (row === null)
    throw new PgError(
      SQLSTATE.undefinedObject,
      `data type ${typeName} has no default operator class for access method "${methodName(method)}"`,
      {
        hint: 'You must specify an operator class for the index or define a default operator class for the data type.',
      },
    )
  return row.oid
}

export interface ForeignKeyOperators {
  readonly pfEqOp: Oid
  readonly ppEqOp: Oid
  readonly ffEqOp: Oid
}

/** Equality of referenced and referencing column by the referenced index's operator class; null when the types cannot be compared. */
export async function foreignKeyOperators(
  c: CommandContext,
  opclass: Oid,
  referenced: Oid,
  referencing: Oid,
): Promise<ForeignKeyOperators | null> {
  const row = opclassByOid(opclass)!
  const family = row.opcfamily
  const input = row.opcintype
  const pp = amop(family, input, input, STRATEGY.equal)
  if (pp === undefined) return null
  const [pk, fk] = await load(() => [candidates(c, referenced), candidates(c, referencing)])
  // A polymorphic operator class compares values of one type with each other, not any two types it takes.
  const polymorphic = typeByOid(input)?.typtype === 'p' && input !== TYPE_OID.record
  if (pk![0] === fk![0] || (fk!.includes(input) && !polymorphic)) return { pfEqOp: pp.amopopr, ppEqOp: pp.amopopr, ffEqOp: pp.amopopr }
  if (polymorphic) return null
  const pf = amop(family, input, fk![0]!, STRATEGY.equal)
  const ff = amop(family, fk![0]!, fk![0]!, STRATEGY.equal)
  if (pf !== undefined && ff !== undefined) return { pfEqOp: pf.amopopr, ppEqOp: pp.amopopr, ffEqOp: ff.amopopr }
  // implicit coercion of the referencing side to the operator class's type
  const cast = castByTypes(fk![0]!, input)
  if (cast?.castcontext === 'i' && typeByOid(input) !== undefined) return { pfEqOp: pp.amopopr, ppEqOp: pp.amopopr, ffEqOp: pp.amopopr }
  return null
}
