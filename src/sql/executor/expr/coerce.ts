// Casts that are no function call: through text, and into domains.

import { notSupported, PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { Present, TypeSupport } from '../../types/type.ts'
import { supportOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, eager } from './compiled.ts'
import { type TestCell, unary } from './logic.ts'

export function compileCoerceViaIO(cx: Compilation, source: Oid, target: Oid, arg: Compiled): Compiled {
  const { state } = cx
  let from: TypeSupport | null = null
  let to: TypeSupport | null = null
  return unary(arg, (value) => {
    if (value === null) return null
    from ??= supportOf(cx, source)
    to ??= supportOf(cx, target)
    return to.input(from.output(value as Present, state.ctx.io), -1, state.ctx)
  })
}

/** A domain's rules as the catalogue keeps them; checks see the value through `cell`. */
export interface DomainRules {
  readonly type: Oid
  readonly name: string
  readonly schema: string
  readonly notNull: boolean
  readonly checks: readonly { readonly name: string; readonly test: Compiled }[]
}

export function compileCoerceToDomain(cx: Compilation, rules: DomainRules, arg: Compiled, cell: TestCell): Compiled {
  if (!rules.notNull && rules.checks.length === 0) return arg
  const { name: dataType, schema } = rules
  if (rules.checks.some((check) => check.test.async)) throw notSupported('CHECK constraints of domains that wait are not implemented')
  /** As errors print it. */
  const typeName = (): string => cx.state.ctx.catalog.typeName(rules.type) ?? dataType
  return eager([arg], ([value]) => {
    if (value === null && rules.notNull) {
      throw new PgError(SQLSTATE.notNullViolation, `domain ${typeName()} does not allow null values`, { schema, dataType })
    }
    for (const { name, test } of rules.checks) {
      cell.value = value!
      if (test.eval([]) === false) {
        throw new PgError(SQLSTATE.checkViolation, `value for domain ${typeName()} violates check constraint "${name}"`, {
          schema,
          dataType,
          constraint: name,
        })
      }
    }
    return value!
  })
}
