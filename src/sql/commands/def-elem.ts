// Options of utility statements (DefElem): reading values as strings, numbers, booleans and names.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type DefElem, type Node, type NodeOf, nodeAs, nodeTag, type RoleSpec, stringOf } from '../parser/nodes.ts'
import type { CommandContext } from './context.ts'
import { positionOf } from './names.ts'

export function defElems(nodes: readonly Node[] | undefined): DefElem[] {
  return (nodes ?? []).map((node) => nodeAs(node, 'DefElem')!)
}

/** defGetString: numbers and names as written. */
export function defString(def: DefElem): string {
  const arg = def.arg
  if (arg === undefined) throw new PgError(SQLSTATE.syntaxError, `${def.defname} requires a parameter`)
  switch (nodeTag(arg)) {
    case 'Integer':
      return String((arg as NodeOf).Integer.ival ?? 0)
    case 'Float':
      return (arg as NodeOf).Float.fval ?? '0'
    case 'Boolean':
      return (arg as NodeOf).Boolean.boolval ? 'true' : 'false'
    case 'TypeName':
      return ((arg as NodeOf).TypeName.names ?? []).map(stringOf).join('.')
    case 'List':
      return ((arg as NodeOf).List.items ?? []).map(stringOf).join('.')
    default:
      return stringOf(arg)
  }
}

/** defGetBoolean: no argument means true. */
export function defBoolean(def: DefElem): boolean {
  if (def.arg === undefined) return true
  const text = defString(def).toLowerCase()
  if (['true', 'on', '1'].includes(text)) return true
  if (['false', 'off', '0'].includes(text)) return false
  throw new PgError(SQLSTATE.syntaxError, `${def.defname} requires a Boolean value`)
}

export const defInteger = (def: DefElem): number => Number(defString(def))

export function roleSpecs(nodes: readonly Node[] | undefined): RoleSpec[] {
  return (nodes ?? []).map((node) => nodeAs(node, 'RoleSpec')!)
}

/** Each option at most once: PostgreSQL's words. */
export function conflicting(c: CommandContext, def: DefElem): PgError {
  return new PgError(SQLSTATE.syntaxError, 'conflicting or redundant options', positionOf(c, def.location))
}

/** reloptions as `name=value` texts. */
export function relationOptions(options: readonly DefElem[]): string[] | null {
  if (options.length === 0) return null
  return options.map(
    (def) =>
      `${def.defnamespace === undefined ? '' : `${def.defnamespace}.`}${def.defname}=${def.arg === undefined ? 'true' : defString(def)}`,
  )
}
