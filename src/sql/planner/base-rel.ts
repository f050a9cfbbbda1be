// A relation of one query level's join problem, and the facts estimates are made from.

import type { TableDescriptor } from '../../catalog/descriptors.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { RangeTblEntry } from '../analyzer/query.ts'
import type { VirtualColumns } from '../analyzer/virtual-columns.ts'
import type { Root } from './context.ts'
import type { Equivalences } from './equivalence.ts'
import type { Path } from './paths/path.ts'
import type { Relids } from './relids.ts'

export interface BaseRel {
  /** Its bit in relation sets. */
  readonly bit: Relids
  readonly rti: number
  readonly rte: RangeTblEntry
  readonly info: RelationInfo | null
  readonly table: TableDescriptor | null
  /** Columns that its scans compute. */
  readonly virtual: VirtualColumns | null
  readonly tuples: number
  /** Of a subquery or a catalogue table: columns in which no value occurs twice, by attno. */
  readonly distinctColumns: ReadonlySet<number>
  /** Restrictions on this relation alone. */
  readonly quals: Expr[]
  /** attnos that anything in the level needs. */
  readonly needed: ReadonlySet<number>
  rows: number
  width: number
  readonly paths: Path[]
}

/** One level's join problem. */
export interface JoinProblem {
  readonly root: Root
  readonly rels: readonly BaseRel[]
  readonly relOf: ReadonlyMap<Relids, BaseRel>
  /** Range table index → bit. */
  readonly bitOf: ReadonlyMap<number, Relids>
  readonly ecs: Equivalences
  /** Conditions derived from another one and counted for themselves. */
  readonly implied: Map<Expr, readonly Expr[]>
  /** Selectivities of the arms of long conditions. */
  readonly estimated: WeakMap<Expr, number>
  /** Keys of orders that somebody may ask for: of ORDER BY, groups, windows, and what relations are joined by. */
  readonly usefulKeys: Set<string>
  relids(expr: Expr): Relids
}
