// The unique indexes that decide what a conflict is, for ON CONFLICT (columns and expressions) [WHERE predicate]: those over exactly these
// whose own predicate, if they are partial, the written one proves.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { IndexDescriptor } from '../../catalog/descriptors.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { Arbiter, ArbiterElement } from '../analyzer/query.ts'
import { opclassByOid, opclassesByName } from '../builtin/pg-index.ts'
import type { Glob } from './context.ts'
import { exprKey } from './expr-tree.ts'
import { storedOn } from './paths/index-match.ts'
import { predicateImpliedBy } from './predicate-proof.ts'
import { foldConstants } from './rewrite/fold-constants.ts'

/** OIDs; empty = any conflict counts. */
export function arbiterIndexes(arbiter: Arbiter | null, target: number, relation: RelationInfo, glob: Glob): readonly Oid[] {
  if (arbiter === null) return []
  if (arbiter.index !== 0) return [arbiter.index]
  const clauses = arbiter.where === null ? [] : [arbiter.where]
  const found = (relation.descriptor?.table?.indexes ?? []).filter(
    (index) =>
      index.unique &&
      index.state !== 'invalid' &&
      covers(index, arbiter.elements, target, glob) &&
      (index.predicate === null || predicateImpliedBy(storedOn(index.predicate, target, glob), clauses, glob)),
  )
  if (found.length === 0) {
    throw new PgError(SQLSTATE.invalidColumnReference, 'there is no unique or exclusion constraint matching the ON CONFLICT specification')
  }
  return found.map((index) => index.oid)
}

function covers(index: IndexDescriptor, elements: readonly ArbiterElement[], target: number, glob: Glob): boolean {
  const keys = elements.map(({ expr }) => exprKey(foldConstants(expr, glob)))
  const columnKeys = index.columns.map(({ attnum, expr }) =>
    expr === null ? `v${target}.${attnum}` : exprKey(foldConstants(storedOn(expr, target, glob), glob)),
  )
  const matches = (i: number, column: number): boolean => {
    const { collation, opclass } = elements[i]!
    const of = index.columns[column]!
    if (keys[i] !== columnKeys[column]) return false
    if (collation !== 0 && collation !== of.collation) return false
    if (opclass === null) return true
    const family = opclassByOid(of.opclass)?.opcfamily
    return opclassesByName(index.accessMethod, opclass).some((row) => row.opcfamily === family)
  }
  return (
    elements.every((_, i) => index.columns.some((__, column) => matches(i, column))) &&
    index.columns.every((_, column) => elements.some((__, i) => matches(i, column)))
  )
}
