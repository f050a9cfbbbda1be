// What every process computes once and keeps (PostgreSQL's own catalogue rows), computed while nobody waits for it: the first \d or the first
// look of a driver at the catalogue would otherwise pay for all of it at once.

import { runSteps } from '../base/long-work.ts'
import { makeSlicer } from '../base/slicer.ts'
import { readBuiltinTables } from '../catalog/virtual/rows.ts'

/** Who comes first is served first. */
const DELAY_MS = 1000

/** Answers how to call it off. */
export function startWarmUp(): () => void {
  const timer = setTimeout(() => {
    const slicer = makeSlicer()
    slicer.start()
    void runSteps(readBuiltinTables(), () => slicer.pause())
  }, DELAY_MS)
  timer.unref()
  return () => clearTimeout(timer)
}
