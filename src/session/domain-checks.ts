// A domain's rules for values that no expression brings: what an input function reads (in a row's or an array's text, in COPY, from JSON) is
// checked as a cast to the domain would check it. Compiled once for a version of the catalogue.

import type { Datum } from '../base/datum.ts'
import type { Oid } from '../base/ids.ts'
import type { Expr } from '../sql/analyzer/expr.ts'
import { makeCompilation } from '../sql/executor/compile.ts'
import { compileExpr } from '../sql/executor/expr/compile.ts'
import type { Compiled } from '../sql/executor/expr/compiled.ts'
import { ROW_SCOPE } from '../sql/executor/expr/scope.ts'
import type { ExecState } from '../sql/executor/operator.ts'
import { makeVar } from '../sql/planner/expr-tree.ts'
import type { Session } from './session.ts'

const MAX_COMPILED = 64

interface Check {
  readonly state: ExecState
  readonly compiled: Compiled
}

export class DomainChecks {
  readonly #session: Session
  readonly #checks = new Map<Oid, Check>()
  #version: string | null = null

  constructor(session: Session) {
    this.#session = session
  }

  /** 23514 or 23502 if the domain does not allow the value. */
  check(domain: Oid, value: Datum): void {
    const { planning, block } = this.#session
    const snapshot = planning.snapshot()
    if (snapshot.version !== this.#version || this.#checks.size >= MAX_COMPILED) {
      this.#checks.clear()
      this.#version = snapshot.version
    }
    let check = this.#checks.get(domain)
    if (check === undefined) {
      const state = planning.execState(block.txn!)
      const input = makeVar(1, 1, { type: snapshot.type(domain)!.typbasetype, typmod: -1, collation: 0 })
      const expr: Expr = { kind: 'CoerceToDomain', arg: input, type: domain, typmod: -1, collation: 0, format: 'implicit', location: -1 }
      check = { state, compiled: compileExpr(expr, ROW_SCOPE, makeCompilation(state, planning.compileOptions)) }
      this.#checks.set(domain, check)
    }
    check.state.txn = block.txn!
    // checks that wait are refused when they are compiled
    void check.compiled.eval([value])
  }
}
