// FOR UPDATE and its kin: the rows below carry their keys and whole old versions up to LockRows; the output is computed above it, from what
// was locked.

import { type Expr, ROW_KEY_ATTNO } from '../analyzer/expr.ts'
import { makeVar } from './expr-tree.ts'
import { collectAtoms, common, overInput, type Path, passThrough, project, Slots } from './paths/path.ts'
import { type LockRows, XMIN_ATTNO } from './plan.ts'
import type { JoinedLevel } from './planned-level.ts'
import { NO_RELS, overlap, type Relids } from './relids.ts'

const BYTEA = 17
const XID = 28

export function rowKey(rti: number): Expr {
  return makeVar(rti, ROW_KEY_ATTNO, { type: BYTEA, typmod: -1, collation: 0 })
}

/** Where the relation's xmin stands; 0 if nothing asks for it. */
export const xminSlot = (slots: Slots, rti: number): number =>
  slots.slotOf(makeVar(rti, XMIN_ATTNO, { type: XID, typmod: -1, collation: 0 })) ?? 0

/** The columns that are stored of a relation, as Vars. */
export function columnVars(joined: Pick<JoinedLevel, 'root' | 'query'>, rti: number): (Expr & { kind: 'Var' })[] {
  const rte = joined.query.rtable[rti - 1]!
  const columns = (rte.kind === 'relation' ? joined.root.catalog.relation(rte.relation)?.descriptor?.columns : null) ?? []
  return columns.filter((column) => !column.dropped && column.generated !== 'v').map((column) => makeVar(rti, column.attnum, column))
}

/** Conditions that a changed row of the relations in `bits` has to meet anew; it is still the one its cursor stands on. */
export function recheckQuals(joined: JoinedLevel, bits: Relids): Expr[] {
  return joined.quals.filter((qual) => qual.kind !== 'CurrentOfExpr' && overlap(joined.problem.relids(qual), bits))
}

export function lockRowsPath(path: Path, joined: JoinedLevel): Path {
  const { query, problem, root } = joined
  const marks = query.rowMarks.filter((mark) => {
    const rte = query.rtable[mark.rti - 1]
    return rte?.kind === 'relation' && problem.bitOf.has(mark.rti) && root.catalog.relation(rte.relation)?.descriptor?.table != null
  })
  if (marks.length === 0) return path
  root.glob.hasRowMarks = true
  const bits = marks.reduce((set, mark) => set | problem.bitOf.get(mark.rti)!, NO_RELS)
  const quals = recheckQuals(joined, bits)
  return {
    ...path,
    build: (targets) => {
      const slots = new Slots()
      collectAtoms([...targets, ...quals], slots)
      const locked: LockRows['marks'][number][] = marks.map((mark) => {
        const rte = query.rtable[mark.rti - 1]!
        return {
          relation: rte.kind === 'relation' ? rte.relation : 0,
          strength: mark.strength,
          wait: mark.wait,
          keySlot: slots.add(rowKey(mark.rti)),
          rowSlots: slots.exprs.flatMap((e, i) =>
            e.kind === 'Var' && e.varno === mark.rti && e.attno > 0 ? [{ attnum: e.attno, slot: i + 1 }] : [],
          ),
          xminSlot: xminSlot(slots, mark.rti),
        }
      })
      const plan: LockRows = {
        kind: 'LockRows',
        ...common(passThrough(slots.exprs), [], path.rows, path.startup, path.total, path.width),
        input: path.build(slots.exprs),
        marks: locked,
        recheck: quals.map((qual) => overInput(qual, slots)),
        restartOnChange: joined.special.some((join) => overlap(join.synLeft | join.synRight, bits)),
      }
      return project(plan, slots, targets)
    },
  }
}
