// LIKE with a constant pattern: its matcher is made once. // hot

import { LONG } from '../../../base/long-work.ts'
import { like, likeMatcher } from '../../types/like.ts'
import type { Evaluator } from '../operator.ts'
import type { Compiled } from './compiled.ts'
import { evaluator } from './compiled.ts'

/** textlike and textnlike over a constant pattern; null for everything else. */
export function compileLike(prosrc: string, l: Compiled, r: Compiled): Evaluator | null {
  if (!r.constant || typeof r.value !== 'string') return null
  if (prosrc !== 'textlike' && prosrc !== 'textnlike' && prosrc !== 'namelike' && prosrc !== 'namenlike') return null
  const pattern = r.value
  const matches = likeMatcher(pattern)
  const text = evaluator(l)
  const wanted = prosrc === 'textlike' || prosrc === 'namelike'
  return (row) => {
    const value = text(row) as string | null
    if (value === null) return null
    return (value.length > LONG ? like(value, pattern) : matches(value)) === wanted
  }
}
