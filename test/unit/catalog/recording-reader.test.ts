// What a plan asked of the catalogue, and whether it may outlast a change of it.

import { expect, it } from 'vitest'
import { CacheBudget } from '../../../src/base/cache-budget.ts'
import { CatalogImages } from '../../../src/catalog/images.ts'
import { FUNCTION_ACLS_KEY, nameKey, objectKey } from '../../../src/catalog/keys.ts'
import { areLasting, RecordingReader, stillHold } from '../../../src/catalog/recording-reader.ts'
import type { CatalogValue } from '../../../src/catalog/records.ts'
import type { CatalogReader } from '../../../src/catalog/transaction.ts'

const SCHEMA: CatalogValue = { kind: 'namespace', value: { oid: 2200, name: 'public', owner: 10, acl: null } }
const OWN: CatalogValue = { kind: 'index', table: 16384 }

const readerOf = (values: ReadonlyMap<string, CatalogValue>): CatalogReader => ({
  version: '1',
  image: new CatalogImages(new CacheBudget(0)).committed,
  below: null,
  ownKeys: [],
  get: (key) => values.get(key) ?? null,
  fetch: (key) => values.get(key) ?? null,
  committedValue: (key) => values.get(key) ?? null,
  scan: () => [],
  objects: () => [],
})

it('rests on names and built-in objects only, and on their staying what they were', () => {
  const values = new Map<string, CatalogValue>([
    [objectKey(2200), SCHEMA],
    [objectKey(16385), OWN],
    [FUNCTION_ACLS_KEY, '870'],
  ])
  const recording = new RecordingReader(readerOf(values))
  for (const key of [objectKey(2200), nameKey('r', 2200, 'pg_class'), FUNCTION_ACLS_KEY, objectKey(16384)]) recording.get(key)
  const lookups = recording.take()
  expect(areLasting(lookups)).toBe(true)
  expect(recording.take().size).toBe(0)
  expect(stillHold(lookups, readerOf(values))).toBe(true)
  const changes: [string, CatalogValue][] = [
    [objectKey(2200), { ...SCHEMA }],
    [nameKey('r', 2200, 'pg_class'), '16390'],
    [FUNCTION_ACLS_KEY, '870 871'],
    [objectKey(16384), OWN],
  ]
  for (const change of changes) expect([change, stillHold(lookups, readerOf(new Map([...values, change])))]).toEqual([change, false])
  recording.get(objectKey(16385))
  expect(areLasting(recording.take())).toBe(false)
})
