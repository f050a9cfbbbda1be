// Prepared statements and portals: what a client has named, and what it is reading.

import type { Datum } from '../base/datum.ts'
import type { Oid } from '../base/ids.ts'
import type { RowShape } from '../pgwire/backend.ts'
import type { TupleStore } from '../sql/executor/tuple-store.ts'
import type { StatementClass } from '../sql/parser/classify.ts'
import type { ParsedStatement } from '../sql/parser/parse.ts'
import type { Micros } from '../sql/types/eval-context.ts'
import type { Execution } from './execution.ts'
import type { PlanEntry } from './plan-cache.ts'

/** A statement ready to be bound: Parse, PREPARE, or a simple query's own. */
export interface PreparedStatement {
  readonly name: string
  /** Null: an empty query string. */
  readonly statement: ParsedStatement | null
  readonly class: StatementClass | null
  /** The statement's own text. */
  readonly text: string
  /** As the client declared them: 0 or missing = inferred. */
  readonly declaredTypes: readonly Oid[]
  /** Made by PREPARE rather than by Parse. */
  readonly fromSql: boolean
  readonly preparedAt: Micros
  /** The plan last used; checked against the catalogue version and search path before each use. Null for utility statements. */
  plan: PlanEntry | null
  planSearchPath: string
  parameterTypes: readonly Oid[]
  /** What Describe answered; a later plan with other columns is an error, as clients rely on it. */
  describedColumns: RowShape['columns'] | null
  runs: number
}

/** The columns a statement answers, or null. EXECUTE and FETCH answer those of another one. */
export type ColumnsOf = (prepared: PreparedStatement) => RowShape['columns'] | null

export interface Portal {
  readonly name: string
  readonly prepared: PreparedStatement
  readonly params: readonly Datum[]
  readonly resultFormats: readonly number[]
  /** Null of the unnamed one, which is bound for what runs now. */
  readonly boundAt: Micros | null
  shape: RowShape | null
  execution: Execution | null
  /** Rows of a portal that had to run to its end at once (utility results, RETURNING), and how many were sent. */
  held: TupleStore | null
  heldAt: number
  /** The tag of a utility statement whose rows are held. */
  heldTag?: string
  /** `failed`: an error while it ran, or in the subtransaction that bound it. */
  state: 'ready' | 'active' | 'done' | 'failed'
  /** Counted by Portals, as cursors are. */
  number: number
  /** The plan it was bound with: what Describe said holds until the portal closes. */
  plan: PlanEntry | null
}
