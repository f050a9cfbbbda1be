// The EvalContext that literals are read with during analysis. It remembers whether the clock was asked ('now', 'today'): what a plan then
// holds is true at this moment only, so the plan must not be kept for later statements.

import type { EvalContext } from '../sql/types/eval-context.ts'

export interface WatchedEval {
  readonly eval: EvalContext
  usedClock(): boolean
}

export function watchClock(context: EvalContext): WatchedEval {
  let used = false
  const watched: EvalContext = {
    get io() {
      return context.io
    },
    get transactionTimestamp() {
      used = true
      return context.transactionTimestamp
    },
    get statementTimestamp() {
      used = true
      return context.statementTimestamp
    },
    clockTimestamp() {
      used = true
      return context.clockTimestamp()
    },
    random: () => context.random(),
    setSeed: (seed) => context.setSeed(seed),
    session: context.session,
    settings: context.settings,
    catalog: context.catalog,
    sequences: context.sequences,
    memory: context.memory,
    cancel: context.cancel,
    notice: (notice) => context.notice(notice),
    system: (prosrc) => context.system(prosrc),
  }
  return { eval: watched, usedClock: () => used }
}
