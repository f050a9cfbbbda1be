// Set-returning functions of the target list. All that nest equally deep run side by side in one ProjectSet; those around them in another one
// above it, whose rows come from theirs. What a target computes of sets comes last of all.

import type { Expr } from '../analyzer/expr.ts'
import { COST, clampRows } from './cost.ts'
import { exprKey, mapChildren } from './expr-tree.ts'
import { common, overInput, type Path, project, Slots, targetList } from './paths/path.ts'

type SetCall = Extract<Expr, { kind: 'FuncExpr' | 'OpExpr' }>

const isSetCall = (expr: Expr): expr is SetCall => (expr.kind === 'FuncExpr' || expr.kind === 'OpExpr') && expr.retset

/** What one step above the rows reads: columns of the input, and calls that steps below have computed. */
interface Reads {
  readonly atoms: Expr[]
  readonly calls: Expr[]
}

interface Level extends Reads {
  /** The calls it runs, each once. */
  readonly runs: Map<string, Expr>
}

const noReads = (): Reads => ({ atoms: [], calls: [] })

interface Split {
  /** From the innermost calls on. */
  readonly levels: readonly Level[]
  /** What the targets themselves read. */
  readonly top: Reads
  /** Whether a target is made of what the outermost calls return, and thus stands above all of them. */
  readonly computesAbove: boolean
}

function splitAtSets(targets: readonly Expr[], isAtom: (expr: Expr) => boolean): Split {
  const levels: Level[] = []
  const visit = (expr: Expr, reads: Reads): number => {
    if (isAtom(expr)) {
      reads.atoms.push(expr)
      return 0
    }
    const isCall = isSetCall(expr)
    const own = isCall ? noReads() : reads
    let depth = 0
    mapChildren(expr, (child) => {
      depth = Math.max(depth, visit(child, own))
      return child
    })
    if (!isCall) return depth
    if (levels.length === depth) levels.push({ ...noReads(), runs: new Map() })
    const level = levels[depth]!
    level.runs.set(exprKey(expr), expr)
    level.atoms.push(...own.atoms)
    level.calls.push(...own.calls)
    reads.calls.push(expr)
    return depth + 1
  }
  const top = noReads()
  const depths = targets.map((target) => visit(target, top))
  return { levels, top, computesAbove: targets.some((target, i) => depths[i] === levels.length && !isSetCall(target)) }
}

/** `computed`: keys of expressions that are columns of `path`, whatever they are made of. */
export function projectSetPath(path: Path, rowsPerRow: number, computed: ReadonlySet<string> | null): Path {
  const rows = clampRows(path.rows * rowsPerRow)
  const total = path.total + rows * COST.tuple
  const isAtom = (e: Expr): boolean =>
    e.kind === 'Var' ||
    e.kind === 'Aggref' ||
    e.kind === 'WindowFunc' ||
    e.kind === 'GroupingFunc' ||
    (computed !== null && e.kind !== 'Const' && computed.has(exprKey(e)))
  return {
    ...path,
    rows,
    total,
    single: false,
    computesSets: true,
    build: (targets) => {
      const { levels, top, computesAbove } = splitAtSets(targets, isAtom)
      let slots = new Slots()
      for (const reads of [...levels, top]) for (const atom of reads.atoms) slots.add(atom)
      let plan = path.build(slots.exprs)
      const layer = (exprs: readonly Expr[]): void => {
        plan = {
          kind: 'ProjectSet',
          ...common(targetList(exprs.map((e) => overInput(e, slots))), [], rows, path.startup, total, path.width),
          input: plan,
        }
      }
      for (const [i, level] of levels.entries()) {
        // The outermost ones may stand in the output itself, beside what holds no sets or was computed below.
        if (i === levels.length - 1 && !computesAbove) {
          layer(targets)
          return plan
        }
        const below = slots
        const output = new Slots([...level.runs.values()])
        for (const reads of [...levels.slice(i + 1), top]) {
          for (const atom of reads.atoms) output.add(atom)
          for (const call of reads.calls) if (below.slotOf(call) !== undefined || level.runs.has(exprKey(call))) output.add(call)
        }
        layer(output.exprs)
        slots = output
      }
      return project(plan, slots, targets)
    },
  }
}
