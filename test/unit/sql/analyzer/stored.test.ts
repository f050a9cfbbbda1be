// Stored trees: what is shared between tenants and what is not.

import { expect, it } from 'vitest'
import type { Const } from '../../../../src/sql/analyzer/expr.ts'
import { readStoredExpr, writeStoredExpr } from '../../../../src/sql/analyzer/stored.ts'
import { builtinTypeSupport } from '../../../../src/sql/types/registry.ts'

const TEXT = 25
const constant = (type: number, value: string): Const => ({ kind: 'Const', type, typmod: -1, collation: 0, location: -1, value })
/** A tenant's own type: its values carry the tenant's name. */
const own = (tenant: string) => () => ({
  ...builtinTypeSupport(TEXT),
  value: {
    ...builtinTypeSupport(TEXT).value,
    read: (buffer: Buffer, start: number, end: number) => `${tenant}:${buffer.utf8Slice(start, end)}`,
  },
})

it('never hands a value of one tenant’s own type to another', () => {
  const stored = writeStoredExpr(constant(20_000, 'red'), own('a'))
  expect(readStoredExpr(stored, own('a'))).toMatchObject({ value: 'a:red' })
  expect(readStoredExpr(stored, own('b'))).toMatchObject({ value: 'b:red' })
})

it('shares trees of builtin types', () => {
  const stored = writeStoredExpr(constant(TEXT, 'red'))
  expect(readStoredExpr(stored)).toBe(readStoredExpr(stored))
})
