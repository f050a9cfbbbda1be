// The embedded store's own promises: one process per data directory, formats, purge without a trace, full disks, eviction, garbage collection.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type LmdbStoreOptions, openLmdbStore } from '../../../../src/storage/lmdb/store.ts'
import type { Keyspace, Store } from '../../../../src/storage/store.ts'
import { drain, exclusive, failure, key, wholeTable } from '../../../kv/conformance.ts'

const opened: { store: Store; dataDir: string }[] = []

async function open(options: Partial<LmdbStoreOptions> = {}): Promise<{ store: Store; dataDir: string }> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'pgks-store-'))
  const made = { store: await openLmdbStore({ versionRetentionMs: 0, ...options, dataDir }), dataDir }
  opened.push(made)
  return made
}
afterEach(async () => {
  for (const { store, dataDir } of opened.splice(0)) {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
})

async function put(keyspace: Keyspace, name: string, value: string | Buffer): Promise<void> {
  const txn = keyspace.begin({ isolation: 'read committed' })
  try {
    await txn.lockKeys([key(name)], exclusive)
    await txn.put(key(name), Buffer.from(value))
    await txn.commit()
  } catch (error) {
    await txn.rollback()
    throw error
  }
}
async function get(keyspace: Keyspace, name: string): Promise<string | null> {
  const txn = keyspace.begin({ isolation: 'read committed' })
  const value = await txn.get(key(name))
  await txn.rollback()
  return value === null ? null : value.toString()
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function files(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? files(path) : [path]
  })
}

test('a value larger than any before is read whole, however short its key', async () => {
  const { store } = await open()
  const keyspace = await store.open(await store.keyspaces.create('one'))
  const value = 'v'.repeat(20_000_000)
  await put(keyspace, 'a', value)
  expect((await get(keyspace, 'a')) === value).toBe(true)
})

describe('data directory', () => {
  test('is locked while a store has it, and free afterwards', async () => {
    const { store, dataDir } = await open()
    expect((await failure(() => openLmdbStore({ dataDir }))).kind).toBe('unavailable')
    // the refusal has not disturbed the holder
    await put(await store.open(await store.keyspaces.create('one')), 'a', '1')
    await store.close()
    const again = await openLmdbStore({ dataDir })
    expect(await get(await again.open((await again.keyspaces.load('one'))!), 'a')).toBe('1')
    await again.close()
  })

  test('of a newer format, or of something else, is refused untouched', async () => {
    const { store, dataDir } = await open()
    const meta = await store.keyspaces.create('one')
    await put(await store.open(meta), 'a', '1')
    await store.close()
    const file = join(dataDir, 'keyspaces', String(meta.id), 'data.mdb')
    const bytes = readFileSync(file)
    const raised = Buffer.from(bytes)
    for (let at = raised.indexOf('pgkeyspace-lmdb'); at >= 0; at = raised.indexOf('pgkeyspace-lmdb', at + 1))
      raised.writeUInt32BE(99, at + 15)
    writeFileSync(file, raised)
    const newer = await openLmdbStore({ dataDir })
    const error = await failure(() => newer.open(meta))
    expect(error.kind).toBe('format')
    expect(error.message).toMatch(/format version 99/)
    await newer.close()
    expect(readFileSync(file).equals(raised)).toBe(true)
    writeFileSync(file, bytes)
  })

  test('half-made keyspaces vanish at the start, a missing one is not replaced by an empty one', async () => {
    const { store, dataDir } = await open()
    const meta = await store.keyspaces.create('one')
    await store.close()
    mkdirSync(join(dataDir, 'keyspaces', '4711'))
    writeFileSync(join(dataDir, 'keyspaces', '4711', 'data.mdb'), 'left over')
    rmSync(join(dataDir, 'keyspaces', String(meta.id)), { recursive: true })
    const again = await openLmdbStore({ dataDir })
    expect(readdirSync(join(dataDir, 'keyspaces'))).toEqual([])
    expect((await failure(() => again.open(meta))).kind).toBe('corrupt')
    await again.close()
  })
})

describe('purge', () => {
  test('leaves no byte of the tenant under the data directory', async () => {
    const { store, dataDir } = await open({ versionRetentionMs: 600_000 })
    const marker = 'ERASE-ME-'
    const name = 'erase-me-tenant'
    const other = await store.open(await store.keyspaces.create('neighbour'))
    const meta = await store.keyspaces.create(name, { owner: marker })
    const keyspace = await store.open(meta)
    for (let i = 0; i < 50; i++) await put(keyspace, `${marker}${i % 10}`, `${marker}${i}`)
    await put(other, 'a', 'kept')
    const holding = (): string[] => files(dataDir).filter((file) => /ERASE-ME-|erase-me-tenant/.test(readFileSync(file, 'latin1')))
    expect(holding().length).toBeGreaterThanOrEqual(2)
    await store.keyspaces.purge(meta.id)
    expect(holding()).toEqual([])
    expect(await get(other, 'a')).toBe('kept')
    expect(await store.keyspaces.load(name)).toMatchObject({ state: 'tombstone', config: {} })
  })

  test('waits for nobody: a keyspace with open transactions is refused', async () => {
    const { store } = await open()
    const meta = await store.keyspaces.create('one')
    const txn = (await store.open(meta)).begin({ isolation: 'read committed' })
    await txn.get(key('a'))
    expect((await failure(() => store.keyspaces.purge(meta.id))).kind).toBe('keyspaceUnavailable')
    await txn.rollback()
    await store.keyspaces.purge(meta.id)
  })
})

describe('full', () => {
  test('a keyspace at its largest size refuses, loses nothing and goes on when there is room', async () => {
    const { store } = await open({ maxKeyspaceBytes: 4 * 1024 * 1024 })
    const keyspace = await store.open(await store.keyspaces.create('small'))
    let stored = 0
    const error = await failure(async () => {
      for (;;) {
        await put(keyspace, `v${stored}`, Buffer.alloc(200_000, stored & 0xff))
        stored++
      }
    })
    expect(error.kind).toBe('diskFull')
    expect(stored).toBeGreaterThan(5)
    const reader = keyspace.begin({ isolation: 'read committed' })
    expect((await drain(reader, wholeTable)).length).toBe(stored)
    await reader.rollback()
    const txn = keyspace.begin({ isolation: 'read committed' })
    await txn.lockKeys([key('v0'), key('v1')], exclusive)
    await txn.delete(key('v0'))
    await txn.delete(key('v1'))
    await txn.commit()
    await pause(400)
    await put(keyspace, 'v0', 'small')
    expect(await get(keyspace, 'v0')).toBe('small')
  })
})

describe('memory and space', () => {
  test('more keyspaces than may be open: all of them work', async () => {
    const { store } = await open({ maxOpenKeyspaces: 3 })
    const keyspaces: Keyspace[] = []
    for (let i = 0; i < 10; i++) {
      keyspaces.push(await store.open(await store.keyspaces.create(`k${i}`)))
      await put(keyspaces[i]!, 'a', String(i))
    }
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 10; i++) {
        expect(await get(keyspaces[i]!, 'a')).toBe(String(i))
        expect(await keyspaces[i]!.storageBytes()).toBeGreaterThan(0)
      }
    }
  })

  test('superseded versions go when no snapshot needs them, and only then', async () => {
    const { store, dataDir } = await open()
    const meta = await store.keyspaces.create('gc')
    const keyspace = await store.open(meta)
    await put(keyspace, 'a', 'first')
    await put(keyspace, 'gone', 'first')
    const old = keyspace.begin({ isolation: 'repeatable read' })
    expect((await drain(old, wholeTable)).length).toBe(2)
    for (let i = 0; i < 300; i++) await put(keyspace, 'a', Buffer.alloc(10_000, i & 0xff))
    const deleter = keyspace.begin({ isolation: 'read committed' })
    await deleter.lockKeys([key('gone')], exclusive)
    await deleter.delete(key('gone'))
    await deleter.commit()
    await pause(300)
    expect(await drain(old, wholeTable)).toEqual([
      ['ta', 'first'],
      ['tgone', 'first'],
    ])
    await old.rollback()
    await pause(500)
    await store.close()
    const bytes = readFileSync(join(dataDir, 'keyspaces', String(meta.id), 'data.mdb'))
    expect(bytes.length).toBe(statSync(join(dataDir, 'keyspaces', String(meta.id), 'data.mdb')).size)
    const again = await openLmdbStore({ dataDir })
    // what is left: the format marker, the last timestamp, the last record of the log, the newest…
    expect((await again.keyspaces.purge(meta.id)).keysErased).toBe(4)
    await again.close()
  })
})
