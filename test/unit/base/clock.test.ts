// The clock: as fine as the monotonic one, as right as the system's.

import { expect, it } from 'vitest'
import { createClock, systemClock } from '../../../src/base/clock.ts'

it('has fractions of a millisecond between whole ones of the system', () => {
  let monotonic = 7.25
  const clock = createClock(
    () => 1_000_000,
    () => monotonic,
  )
  const first = clock.now()
  monotonic += 0.125
  expect(clock.now() - first).toBe(0.125)
})

it('keeps its pace while the system only rounds, and follows it when it was set', () => {
  let monotonic = 50
  let offset = 1_000_000
  const clock = createClock(
    () => Math.floor(offset + monotonic),
    () => monotonic,
  )
  const from = clock.now()
  for (let i = 0; i < 1000; i++) {
    const before = clock.now()
    monotonic += 33.3
    expect(clock.now() - before).toBeCloseTo(33.3, 6)
  }
  expect(clock.now() - from).toBeCloseTo(33_300, 5)
  // the machine slept for an hour, then somebody set the time back
  for (const set of [3_600_000, -7_200_000]) {
    offset += set
    monotonic += 101
    expect(Math.abs(clock.now() - (offset + monotonic))).toBeLessThan(2)
  }
})

it('of the system tells its time', () => {
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(50)
})
