// A stable comparison sort in steps, so that it can give way: runs are sorted by the engine and merged in pairs. // hot

import type { Steps } from './long-work.ts'

const RUN = 512
/** Merged between two steps. */
const STEP = 2048

export function* mergeSort<T>(list: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let source: T[] = []
  for (let i = 0; i < list.length; i += RUN) {
    const run = list.slice(i, i + RUN).sort(compare)
    for (let k = 0; k < run.length; k++) source.push(run[k]!)
    yield
  }
  let target = new Array<T>(source.length)
  for (let width = RUN; width < source.length; width *= 2) {
    for (let start = 0; start < source.length; start += 2 * width) {
      const middle = Math.min(start + width, source.length)
      const end = Math.min(start + 2 * width, source.length)
      let a = start
      let b = middle
      for (let k = start; k < end; k++) {
        target[k] = a < middle && (b >= end || compare(source[a]!, source[b]!) <= 0) ? source[a++]! : source[b++]!
        if ((k & (STEP - 1)) === 0) yield
      }
    }
    const swap = source
    source = target
    target = swap
  }
  return source
}
