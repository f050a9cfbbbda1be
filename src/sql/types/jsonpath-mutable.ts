// Whether a path may give another result for the same document later: comparing dates and times with and without a time zone asks the
// session's zone, and so do the methods that convert between them (PostgreSQL's jspIsMutable).

import type { Oid } from '../../base/ids.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { templateOf } from './datetime-template.ts'
import type { JsonPath, PathExpr, PathStep } from './jsonpath.ts'

/** What is known of an item: no date or time, one without or with a time zone, or one of which only the value tells. */
type Known = 'other' | 'local' | 'zoned' | 'datetime'

interface Walk {
  readonly lax: boolean
  readonly typeOfVariable: (name: string) => Oid
  /** Of @. */
  current: Known
  mutable: boolean
}

const ZONE_KEYS: ReadonlySet<string> = new Set(['TZ', 'tz', 'TZH', 'TZM', 'OF'])
const CONVERTING: ReadonlySet<string> = new Set(['date', 'time', 'time_tz', 'timestamp', 'timestamp_tz'])

function ofVariable(type: Oid): Known {
  switch (type) {
    case T.date:
    case T.time:
    case T.timestamp:
      return 'local'
    case T.timetz:
    case T.timestamptz:
      return 'zoned'
    default:
      return 'other'
  }
}

function afterDatetime(template: PathExpr | undefined): Known {
  if (template?.kind !== 'literal' || typeof template.value !== 'string') return 'datetime'
  return templateOf(template.value).some((node) => node.kind === 'key' && ZONE_KEYS.has(node.key)) ? 'zoned' : 'local'
}

function afterStep(step: PathStep, before: Known, walk: Walk): Known {
  switch (step.kind) {
    case 'filter': {
      const outer = walk.current
      walk.current = before
      visit(step.predicate, walk)
      walk.current = outer
      return before
    }
    case 'index':
      for (const { from, to } of step.ranges) {
        visit(from, walk)
        if (to !== null) visit(to, walk)
      }
      return walk.lax ? before : 'other'
    case 'anyArray':
      return walk.lax ? before : 'other'
    case 'any':
      return step.first > 0 ? 'other' : before
    case 'method':
      if (step.name === 'datetime') return afterDatetime(step.args[0])
      if (!CONVERTING.has(step.name)) return 'other'
      walk.mutable = true
      return 'local'
    default:
      return 'other'
  }
}

function visit(expr: PathExpr, walk: Walk): Known {
  switch (expr.kind) {
    case 'current':
      return walk.current
    case 'variable':
      return ofVariable(walk.typeOfVariable(expr.name))
    case 'path':
      return expr.steps.reduce((known, step) => afterStep(step, known, walk), visit(expr.head, walk))
    case 'compare': {
      const left = visit(expr.left, walk)
      const right = visit(expr.right, walk)
      if (left !== 'other' && right !== 'other' && (left === 'datetime' || left !== right)) walk.mutable = true
      return 'other'
    }
    case 'arithmetic':
    case 'and':
    case 'or':
    case 'startsWith':
      visit(expr.left, walk)
      visit(expr.right, walk)
      return 'other'
    case 'unary':
    case 'not':
    case 'isUnknown':
    case 'exists':
    case 'likeRegex':
      visit(expr.arg, walk)
      return 'other'
    default:
      return 'other'
  }
}

/** `typeOfVariable`: of a value passed; 0 for a name that is not. */
export function pathIsMutable(path: JsonPath, typeOfVariable: (name: string) => Oid): boolean {
  const walk: Walk = { lax: path.lax, typeOfVariable, current: 'other', mutable: false }
  visit(path.expr, walk)
  return walk.mutable
}
