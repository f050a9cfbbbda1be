// What must hold of crash-worker.ts's work after any crash: nothing acknowledged lost, nothing there by half, indexes agree with rows.

import { expect } from 'vitest'
import type { Transaction } from '../../src/storage/store.ts'
import { drain, wholeTable } from './conformance.ts'

const KEYS_PER_GROUP = 8
const LARGE_KEYS = 40_000

export async function checkState(
  txn: Transaction,
  acknowledged: Map<string, number>,
  tried: Map<string, number>,
  context: string,
): Promise<void> {
  const entries = await drain(txn, wholeTable)
  const groups = new Map<string, string[]>()
  const rows = new Map<string, string>()
  const indexed = new Map<string, string>()
  const large: string[] = []
  let money = 0
  let accounts = 0
  for (const [name, value] of entries) {
    if (name.startsWith('tr')) {
      const group = String(Number(name.slice(2, 8)))
      groups.set(group, [...(groups.get(group) ?? []), value])
      rows.set(name.slice(2), value)
    } else if (name.startsWith('ti')) {
      const [stamp, row] = name.slice(2).split(':') as [string, string]
      expect(indexed.has(row), `${context}: two index entries for ${row}`).toBe(false)
      indexed.set(row, stamp)
    } else if (name.startsWith('ta')) {
      money += Number(value)
      accounts++
    } else large.push(value)
  }
  expect(indexed, `${context}: index and rows`).toEqual(rows)
  expect(money, `${context}: money`).toBe(accounts * 1000)
  const within = (group: string, stamps: readonly string[], size: number): void => {
    expect(new Set(stamps).size, `${context}: group ${group} is torn`).toBe(1)
    expect(stamps.length, `${context}: group ${group} is not whole`).toBe(size)
    expect(Number(stamps[0]), `${context}: group ${group} lost an acknowledged commit`).toBeGreaterThanOrEqual(acknowledged.get(group) ?? 0)
    expect(Number(stamps[0]), `${context}: group ${group} has a commit nobody asked for`).toBeLessThanOrEqual(tried.get(group) ?? 0)
  }
  for (const [group, stamps] of groups) within(group, stamps, KEYS_PER_GROUP)
  for (const group of acknowledged.keys()) if (group !== 'large') expect(groups.has(group), `${context}: group ${group}`).toBe(true)
  if (large.length > 0) within('large', large, LARGE_KEYS)
  else expect(acknowledged.get('large') ?? 0, `${context}: the large group`).toBe(0)
}
