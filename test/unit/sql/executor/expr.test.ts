// Expressions over hand-made trees: fast closures and bodies agree, laziness, NULLs, arrays.

import { describe, expect, it } from 'vitest'
import type { Datum, Row } from '../../../../src/base/datum.ts'
import { Suspended, suspendable } from '../../../../src/base/long-work.ts'
import type { Expr } from '../../../../src/sql/analyzer/expr.ts'
import { makeCompilation } from '../../../../src/sql/executor/compile.ts'
import { compileExpr } from '../../../../src/sql/executor/expr/compile.ts'
import { ROW_SCOPE } from '../../../../src/sql/executor/expr/scope.ts'
import { type ArrayDatum, makeArray } from '../../../../src/sql/types/array.ts'
import { likeMatcher } from '../../../../src/sql/types/like.ts'
import { and, call, col, lit, makeState, op, T } from './harness.ts'

function evaluate(expr: Expr, row: Row = []): Datum | Promise<Datum> {
  return compileExpr(expr, ROW_SCOPE, makeCompilation(makeState())).eval(row)
}

const typed = { typmod: -1, collation: 0, location: -1 }
const boom = op('=', op('/', lit(1, T.int4), lit(0, T.int4)), lit(1, T.int4))

describe('expressions', () => {
  it('compares columns, constants and both', () => {
    const a = col(1, T.int4)
    for (const [name, values] of [
      ['<', [true, false, false]],
      ['<=', [true, true, false]],
      ['=', [false, true, false]],
      ['<>', [true, false, true]],
      ['>=', [false, true, true]],
      ['>', [false, false, true]],
    ] as const) {
      values.forEach((want, i) => {
        expect(evaluate(op(name, a, lit(5, T.int4)), [4 + i])).toBe(want)
        expect(evaluate(op(name, a, col(2, T.int4)), [4 + i, 5])).toBe(want)
        expect(evaluate(op(name, lit(4 + i, T.int4), col(1, T.int4)), [5])).toBe(want)
        expect(evaluate(op(name, op('+', a, lit(0, T.int4)), lit(5, T.int4)), [4 + i])).toBe(want)
      })
      expect(evaluate(op(name, a, lit(5, T.int4)), [null])).toBe(null)
      expect(evaluate(op(name, a, lit(null, T.int4)), [1])).toBe(null)
    }
  })

  it('orders NaN above all numbers', () => {
    const a = col(1, T.float8)
    const one = lit(1, T.float8)
    expect(evaluate(op('>', a, one), [Number.NaN])).toBe(true)
    expect(evaluate(op('<', a, one), [Number.NaN])).toBe(false)
    expect(evaluate(op('<=', a, one), [Number.NaN])).toBe(false)
    expect(evaluate(op('=', a, lit(Number.NaN, T.float8)), [Number.NaN])).toBe(true)
    expect(evaluate(op('>=', a, one), [Number.NaN])).toBe(true)
  })

  it('computes in range and fails out of it', () => {
    expect(evaluate(op('+', col(1, T.int4), lit(2, T.int4)), [40])).toBe(42)
    expect(() => evaluate(op('+', col(1, T.int4), lit(1, T.int4)), [2147483647])).toThrow('integer out of range')
    expect(evaluate(op('*', col(1, T.int4), lit(-5, T.int4)), [0])).toBe(0)
    expect(Object.is(evaluate(op('*', col(1, T.int4), lit(-5, T.int4)), [0]), -0)).toBe(false)
    expect(evaluate(op('+', col(1, T.int8), lit(1, T.int8)), [Number.MAX_SAFE_INTEGER])).toBe(9007199254740992n)
    expect(() => evaluate(boom)).toThrow('division by zero')
  })

  it('reads a list of parameters once per run, whatever the rows', () => {
    const cx = makeCompilation(makeState())
    let reads = 0
    const param = (id: number): Expr => ({ kind: 'Param', paramKind: 'extern', id, type: T.int4, ...typed })
    const list = (elements: Expr[]): Expr => ({
      kind: 'ScalarArrayOpExpr',
      opNo: 96,
      opFuncId: 65,
      useOr: true,
      args: [col(1, T.int4), { kind: 'ArrayExpr', elementType: T.int4, elements, multidims: false, type: T._int4, ...typed }],
      inputCollation: 0,
      type: T.bool,
      ...typed,
    })
    const given = (...values: Datum[]): Datum[] =>
      new Proxy(values, {
        get(target, key) {
          if (key === '0') reads++
          return Reflect.get(target, key)
        },
      })
    const found = compileExpr(list([1, 2, 3, 4, 5, 6].map(param)), ROW_SCOPE, cx)
    const computed = compileExpr(list([op('+', param(1), lit(1, T.int4)), ...[2, 3, 4, 5, 6].map(param)]), ROW_SCOPE, cx)
    for (const [first, wanted] of [
      [1, true],
      [7, null],
      [1, true],
    ] as const) {
      cx.run++
      cx.state.params = given(first, 2, 3, 4, null, 6)
      reads = 0
      for (let i = 0; i < 10; i++) expect(found.eval([1])).toBe(wanted)
      for (let i = 0; i < 10; i++) expect(computed.eval([first + 1])).toBe(true)
      expect(found.eval([null])).toBe(null)
      expect(reads).toBe(2)
    }
  })

  it('evaluates no more than it must', () => {
    expect(evaluate(and(lit(false, T.bool), boom))).toBe(false)
    expect(evaluate({ kind: 'BoolExpr', op: 'or', args: [lit(true, T.bool), boom], type: T.bool, ...typed })).toBe(true)
    expect(
      evaluate({ kind: 'CoalesceExpr', args: [lit(1, T.int4), op('/', lit(1, T.int4), lit(0, T.int4))], type: T.int4, ...typed }),
    ).toBe(1)
    const chosen: Expr = {
      kind: 'CaseExpr',
      arg: null,
      whens: [
        { condition: lit(null, T.bool), result: boom },
        { condition: lit(true, T.bool), result: lit('yes', T.text) },
      ],
      defaultResult: boom,
      type: T.text,
      ...typed,
    }
    expect(evaluate(chosen)).toBe('yes')
  })

  it('knows three truth values', () => {
    const nil = lit(null, T.bool)
    const yes = lit(true, T.bool)
    expect(evaluate(and(nil, yes))).toBe(null)
    expect(evaluate(and(yes, nil, lit(false, T.bool)))).toBe(false)
    expect(evaluate({ kind: 'BoolExpr', op: 'or', args: [nil, lit(false, T.bool), nil], type: T.bool, ...typed })).toBe(null)
    expect(evaluate({ kind: 'BooleanTest', arg: nil, test: 'not true', type: T.bool, ...typed })).toBe(true)
    expect(evaluate({ kind: 'NullTest', arg: col(1, T.int4), isNull: true, argIsRow: false, type: T.bool, ...typed }, [null])).toBe(true)
  })

  it('looks up IN lists by value, with NULLs', () => {
    const list = (elements: Datum[], useOr: boolean, name: string): Expr => {
      const equal = op(name, col(1, T.int4), lit(1, T.int4))
      return {
        kind: 'ScalarArrayOpExpr',
        opNo: equal.opNo,
        opFuncId: equal.opFuncId,
        args: [col(1, T.int4), lit(makeArray(T.int4, elements), T._int4)],
        useOr,
        inputCollation: 0,
        type: T.bool,
        ...typed,
      }
    }
    for (const elements of [
      [1, 2],
      [1, 2, 3, 4, 5, 6, 7, 8],
    ]) {
      expect(evaluate(list(elements, true, '='), [2])).toBe(true)
      expect(evaluate(list(elements, true, '='), [9])).toBe(false)
      expect(evaluate(list(elements, true, '='), [null])).toBe(null)
      expect(evaluate(list([...elements, null], true, '='), [9])).toBe(null)
      expect(evaluate(list([...elements, null], true, '='), [1])).toBe(true)
      expect(evaluate(list(elements, false, '<>'), [2])).toBe(false)
      expect(evaluate(list(elements, false, '<>'), [9])).toBe(true)
      expect(evaluate(list([...elements, null], false, '<>'), [9])).toBe(null)
    }
    expect(evaluate(list([], true, '='), [null])).toBe(false)
  })

  it('matches LIKE patterns', () => {
    for (const [pattern, yes, no] of [
      ['abc', ['abc'], ['abcd', 'ab']],
      ['a%', ['a', 'abc'], ['ba', '']],
      ['%c', ['c', 'abc'], ['cb']],
      ['%b%', ['b', 'abc'], ['ac']],
      ['a_c', ['abc', 'a😀c'], ['ac', 'abbc']],
      ['a%b%c', ['abc', 'axbxc'], ['acb', 'ab']],
      ['%a_b%z', ['xxaxbyz', 'aabz'], ['abz', 'axb']],
      ['100\\%', ['100%'], ['1000']],
      ['%_', ['a'], ['']],
      ['_%_', ['ab'], ['a']],
      ['', [''], ['a']],
      ['a%a', ['aa', 'aba'], ['a']],
    ] as [string, string[], string[]][]) {
      const matches = likeMatcher(pattern)
      for (const text of yes) expect(matches(text), `${text} like ${pattern}`).toBe(true)
      for (const text of no) expect(matches(text), `${text} like ${pattern}`).toBe(false)
    }
    expect(() => likeMatcher('a\\')('ab')).toThrow('LIKE pattern must not end with escape character')
  })

  it('reads and assigns array subscripts', () => {
    const array = makeArray(T.int4, [10, 20, 30])
    const ref = (more: object): Expr =>
      ({
        kind: 'SubscriptingRef',
        containerType: T._int4,
        elementType: T.int4,
        upper: [lit(2, T.int4)],
        lower: [],
        isSlice: false,
        arg: lit(array, T._int4),
        assign: null,
        type: T.int4,
        ...typed,
        ...more,
      }) as Expr
    expect(evaluate(ref({}))).toBe(20)
    expect(evaluate(ref({ upper: [lit(9, T.int4)] }))).toBe(null)
    expect((evaluate(ref({ isSlice: true, lower: [lit(2, T.int4)], upper: [null] })) as ArrayDatum).elements).toEqual([20, 30])
    const grown = evaluate(ref({ upper: [lit(5, T.int4)], assign: lit(50, T.int4) })) as ArrayDatum
    expect(grown.elements).toEqual([10, 20, 30, null, 50])
    const below = evaluate(ref({ upper: [lit(0, T.int4)], assign: lit(5, T.int4) })) as ArrayDatum
    expect([below.elements, below.lowerBounds]).toEqual([[5, 10, 20, 30], [0]])
    expect(() => evaluate(ref({ upper: [lit(null, T.int4)], assign: lit(5, T.int4) }))).toThrow('must not be null')
  })

  it('calls functions by their strictness', () => {
    expect(evaluate(call('abs', [col(1, T.int4)]), [-3])).toBe(3)
    expect(evaluate(call('abs', [col(1, T.int4)]), [null])).toBe(null)
  })
})

describe('expressions of thousands of parts', () => {
  const a = col(1, T.int4)
  const numbers = Array.from({ length: 1000 }, (_, i) => i)
  const boolean = { type: T.bool, typmod: -1, collation: 0, location: -1 }
  const arms = numbers.map((i) => and(op('=', a, lit(i * 2, T.int4)), op('<>', col(2, T.int4), lit(i, T.int4))))
  const or: Expr = { kind: 'BoolExpr', op: 'or', args: arms, ...boolean }
  const choice: Expr = {
    kind: 'CaseExpr',
    arg: null,
    whens: numbers.map((i) => ({ condition: op('=', a, lit(i, T.int4)), result: op('+', col(2, T.int4), lit(i, T.int4)) })),
    defaultResult: lit(-1, T.int4),
    ...typed,
    type: T.int4,
  }
  const rows: Row[] = [
    [6, 1],
    [6, 3],
    [7, 1],
    [null, 1],
    [1998, null],
    [999, 5],
  ]
  it.each([
    { name: 'OR', expr: or, values: [true, false, false, null, null, false] },
    {
      name: 'NOT OR',
      expr: { kind: 'BoolExpr', op: 'not', args: [or], ...boolean } as Expr,
      values: [false, true, true, null, null, true],
    },
    { name: 'CASE', expr: choice, values: [7, 9, 8, -1, -1, 1004] },
  ])('$name is compiled in steps when a row first gets there', async ({ expr, values }) => {
    expect(rows.map((row) => evaluate(expr, row))).toEqual(values)
    const compiled = compileExpr(expr, ROW_SCOPE, makeCompilation(makeState()))
    let stopped: unknown = null
    try {
      stopped = suspendable([], compiled.eval, rows[0]!)
    } catch (error) {
      stopped = error
    }
    expect(stopped).toBeInstanceOf(Suspended)
    let pauses = 0
    await (stopped as Suspended).run(() => {
      pauses++
      return null
    })
    expect(pauses).toBeGreaterThan(50)
    expect(rows.map((row) => suspendable([], compiled.eval, row))).toEqual(values)
  })
})
