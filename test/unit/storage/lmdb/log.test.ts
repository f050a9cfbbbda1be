// The embedded store's write-ahead log: what a crash leaves behind is read again, what is torn is not, what is missing is noticed, and the
// files stay small. A crash is a copy of the files of a store that is still open.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type LmdbStoreOptions, openLmdbStore } from '../../../../src/storage/lmdb/store.ts'
import type { Keyspace, KeyspaceMeta, Store } from '../../../../src/storage/store.ts'
import { drain, exclusive, failure, key, wholeTable } from '../../../kv/conformance.ts'

const directories: string[] = []
const stores: Store[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'pgks-log-'))
  directories.push(made)
  return made
}
async function open(options: LmdbStoreOptions): Promise<Store> {
  const store = await openLmdbStore({ versionRetentionMs: 0, ...options })
  stores.push(store)
  return store
}
async function put(keyspace: Keyspace, name: string, value: string | Buffer): Promise<void> {
  const txn = keyspace.begin({ isolation: 'read committed' })
  await txn.lockKeys([key(name)], exclusive)
  await txn.put(key(name), Buffer.from(value))
  await txn.commit()
}
async function contents(keyspace: Keyspace): Promise<Map<string, string>> {
  const txn = keyspace.begin({ isolation: 'read committed' })
  const entries = await drain(txn, wholeTable)
  await txn.rollback()
  return new Map(entries.map(([name, value]) => [name.slice(1), value]))
}
const keyspaceFile = (dataDir: string, meta: KeyspaceMeta, name: string): string => join(dataDir, 'keyspaces', String(meta.id), name)

/** What a kill would leave now. */
function crashed(dataDir: string): string {
  const copy = directory()
  cpSync(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith('-lock') && !path.endsWith('/lock') })
  return copy
}

describe('after a crash', () => {
  test('every commit is there, be it in LMDB, in one log or in both', async () => {
    const dataDir = directory()
    const store = await open({ dataDir, memtableBytes: 20_000 })
    const meta = await store.keyspaces.create('one')
    const keyspace = await store.open(meta)
    const expected = new Map<string, string>()
    for (let i = 0; i < 400; i++) {
      await put(keyspace, `k${i % 70}`, `value ${i}`)
      expected.set(`k${i % 70}`, `value ${i}`)
      if (i % 40 !== 13) continue
      const again = await open({ dataDir: crashed(dataDir) })
      expect(await contents(await again.open(meta))).toEqual(expected)
      await put(await again.open(meta), 'another', 'after the crash')
      expect((await contents(await again.open(meta))).get('another')).toBe('after the crash')
    }
  })

  test('a torn record is as if it had never been begun, at whatever byte it was torn', async () => {
    const dataDir = directory()
    const store = await open({ dataDir })
    const meta = await store.keyspaces.create('one')
    const keyspace = await store.open(meta)
    await put(keyspace, 'a', '1')
    const image = crashed(dataDir)
    const before = readFileSync(keyspaceFile(image, meta, 'data.mdb.log-0'))
    await put(keyspace, 'b', 'two'.repeat(20))
    const after = readFileSync(keyspaceFile(dataDir, meta, 'data.mdb.log-0'))
    const from = after.findIndex((byte, i) => byte !== before[i])
    let to = after.length
    while (after[to - 1] === 0) to--
    expect(to - from).toBeGreaterThan(100)
    const found = async (log: Buffer): Promise<string[]> => {
      const dataDir = directory()
      cpSync(image, dataDir, { recursive: true })
      writeFileSync(keyspaceFile(dataDir, meta, 'data.mdb.log-0'), log)
      const opened = await openLmdbStore({ dataDir })
      const keys = [...(await contents(await opened.open(meta))).keys()]
      await opened.close()
      return keys
    }
    for (let torn = from; torn < to; torn += 7) {
      const part = Buffer.from(before)
      after.copy(part, from, from, torn)
      expect(await found(part), `torn at ${torn}`).toEqual(['a'])
    }
    for (const flipped of [from, from + 1, from + 9, Math.floor((from + to) / 2), to - 1]) {
      const damaged = Buffer.from(after)
      damaged[flipped]! ^= 0x10
      expect(await found(damaged), `damaged at ${flipped}`).toEqual(['a'])
    }
    expect(await found(after)).toEqual(['a', 'b'])
  })

  test('records missing before others are damage, not an older state', async () => {
    const dataDir = directory()
    const store = await open({ dataDir })
    const meta = await store.keyspaces.create('one')
    await put(await store.open(meta), 'a', '1')
    await put(await store.open(meta), 'b', '2')
    const image = crashed(dataDir)
    const log = keyspaceFile(image, meta, 'data.mdb.log-0')
    const bytes = readFileSync(log)
    // the second record alone
    const size = (16 + bytes.readUInt32LE(4) + 7) & ~7
    writeFileSync(log, bytes.subarray(size))
    const again = await open({ dataDir: image })
    const error = await failure(() => again.open(meta))
    expect(error.kind).toBe('corrupt')
    expect(error.message).toMatch(/lost the records before number/)
  })
})

describe('files', () => {
  test('stay bounded under load and are given back when nothing is written', async () => {
    const dataDir = directory()
    const store = await open({ dataDir, memtableBytes: 50_000 })
    const meta = await store.keyspaces.create('one')
    const keyspace = await store.open(meta)
    const sizes = (): number[] => [0, 1].map((n) => statSync(keyspaceFile(dataDir, meta, `data.mdb.log-${n}`)).size)
    for (let i = 0; i < 300; i++) await put(keyspace, `k${i}`, Buffer.alloc(2000, 65))
    expect(Math.max(...sizes())).toBeGreaterThan(0)
    expect(Math.max(...sizes())).toBeLessThan(1024 * 1024)
    const deadline = Date.now() + 20_000
    while (sizes().some((size) => size > 0) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sizes()).toEqual([0, 0])
    await put(keyspace, 'k0', 'again')
    const again = await open({ dataDir: crashed(dataDir) })
    const found = await contents(await again.open(meta))
    expect(found.size).toBe(300)
    expect(found.get('k0')).toBe('again')
  })

  test('are empty after an orderly end', async () => {
    const dataDir = directory()
    const store = await openLmdbStore({ dataDir })
    const meta = await store.keyspaces.create('one')
    await put(await store.open(meta), 'a', '1')
    await store.close()
    for (const name of ['data.mdb.log-0', 'data.mdb.log-1']) truncateSync(keyspaceFile(dataDir, meta, name))
    const again = await open({ dataDir })
    expect(await contents(await again.open(meta))).toEqual(new Map([['a', '1']]))
  })

  test('of version 1, without a log, are read and made version 2', async () => {
    const dataDir = directory()
    const store = await openLmdbStore({ dataDir })
    const meta = await store.keyspaces.create('one')
    await put(await store.open(meta), 'a', '1')
    await store.close()
    const file = keyspaceFile(dataDir, meta, 'data.mdb')
    const versions = (bytes: Buffer): number[] => {
      const found: number[] = []
      for (let at = bytes.indexOf('pgkeyspace-lmdb'); at >= 0; at = bytes.indexOf('pgkeyspace-lmdb', at + 1))
        found.push(bytes.readUInt32BE(at + 15))
      return found
    }
    const bytes = readFileSync(file)
    for (let at = bytes.indexOf('pgkeyspace-lmdb'); at >= 0; at = bytes.indexOf('pgkeyspace-lmdb', at + 1)) bytes.writeUInt32BE(1, at + 15)
    writeFileSync(file, bytes)
    for (const name of readdirSync(keyspaceFile(dataDir, meta, ''))) if (name.includes('.log-')) rmSync(keyspaceFile(dataDir, meta, name))
    const again = await openLmdbStore({ dataDir })
    await put(await again.open(meta), 'b', '2')
    // an older release would not see what is in the log: by then it must refuse
    expect(versions(readFileSync(file))).toContain(2)
    expect([...(await contents(await again.open(meta))).keys()]).toEqual(['a', 'b'])
    await again.close()
  })

  test.skipIf(process.platform !== 'linux')('on a full disk refuse the commit, and keep what there was', async () => {
    const dataDir = directory()
    const store = await openLmdbStore({ dataDir })
    const meta = await store.keyspaces.create('one')
    await put(await store.open(meta), 'a', '1')
    await store.close()
    const again = await open({ dataDir })
    const keyspace = await again.open(meta)
    // a log is opened when it is first written
    for (const name of ['data.mdb.log-0', 'data.mdb.log-1']) {
      rmSync(keyspaceFile(dataDir, meta, name))
      symlinkSync('/dev/full', keyspaceFile(dataDir, meta, name))
    }
    expect((await failure(() => put(keyspace, 'b', '2'))).kind).toBe('diskFull')
    expect((await failure(() => put(keyspace, 'c', '3'))).kind).toBe('diskFull')
    expect(await contents(keyspace)).toEqual(new Map([['a', '1']]))
  })
})
