// The child of crash.test.ts: writes until it is killed, and says on stdout what it is about to commit ("try") and what was acknowledged
// ("ack"). Every transaction stamps all keys of its group with one number, moves their index entries along, and shifts money between accounts.
//
//   argv: data directory, groups, seed, commits (0 = until killed), bytes of the memtable (none = as always)

import { writeSync } from 'node:fs'
import { openLmdbStore } from '../../src/storage/lmdb/store.ts'
import type { Keyspace } from '../../src/storage/store.ts'
import { randomFrom } from '../support/random.ts'

export const KEYS_PER_GROUP = 8
export const ACCOUNTS = 10
export const LARGE_KEYS = 40_000

const [dataDir, groupsText, seedText, commitsText, memtableText] = process.argv.slice(2)
const groups = Number(groupsText)
const commits = Number(commitsText ?? '0')
const random = randomFrom(Number(seedText)).below

const say = (line: string): void => {
  writeSync(1, `${line}\n`)
}
const pad = (n: number): string => n.toString().padStart(6, '0')
const rowKey = (group: number, i: number): Buffer => Buffer.from(`tr${pad(group)}${pad(i)}`)
const indexKey = (stamp: string, group: number, i: number): Buffer => Buffer.from(`ti${stamp}:${pad(group)}${pad(i)}`)
const accountKey = (i: number): Buffer => Buffer.from(`ta${pad(i)}`)
const lock = { mode: 'exclusive', wait: 'block', timeoutMs: 0, returnValues: true } as const

async function group(keyspace: Keyspace, number: number): Promise<void> {
  for (let done = 0; commits === 0 || done < commits; done++) {
    const txn = keyspace.begin({ isolation: 'read committed' })
    const keys = Array.from({ length: KEYS_PER_GROUP }, (_, i) => rowKey(number, i))
    const { values } = await txn.lockKeys(keys, lock)
    const stamp = pad(values![0] === null || values![0] === undefined ? 1 : Number(values![0].toString()) + 1)
    for (let i = 0; i < keys.length; i++) {
      const before = values![i]
      if (before !== null && before !== undefined) await txn.delete(indexKey(before.toString(), number, i))
      await txn.put(keys[i]!, Buffer.from(stamp))
      await txn.put(indexKey(stamp, number, i), Buffer.alloc(random(200)))
    }
    const [from, to] = [random(ACCOUNTS), random(ACCOUNTS)].sort((a, b) => a - b) as [number, number]
    if (from !== to) {
      const locked = await txn.lockKeys([accountKey(from), accountKey(to)], lock)
      const amount = random(100)
      const [a, b] = locked.values!.map((value) => Number(value?.toString() ?? '1000')) as [number, number]
      await txn.put(accountKey(from), Buffer.from(String(a - amount)))
      await txn.put(accountKey(to), Buffer.from(String(b + amount)))
    }
    if (random(10) === 0) {
      await txn.rollback()
      continue
    }
    say(`try ${number} ${Number(stamp)}`)
    await txn.commit()
    say(`ack ${number} ${Number(stamp)}`)
  }
}

/** A transaction too large for memory, again and again: all its keys carry one number, too. */
async function large(keyspace: Keyspace): Promise<void> {
  for (;;) {
    const txn = keyspace.begin({ isolation: 'read committed' })
    const first = await txn.get(Buffer.from(`tl${pad(0)}`))
    const stamp = first === null ? 1 : Number(first.toString()) + 1
    for (let i = 0; i < LARGE_KEYS; i++) {
      await txn.put(Buffer.from(`tl${pad(i)}`), Buffer.from(String(stamp)))
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    say(`try large ${stamp}`)
    await txn.commit()
    say(`ack large ${stamp}`)
  }
}

const store = await openLmdbStore({
  dataDir: dataDir!,
  versionRetentionMs: 0,
  ...(memtableText === undefined ? {} : { memtableBytes: Number(memtableText) }),
})
const meta = (await store.keyspaces.load('crash')) ?? (await store.keyspaces.create('crash'))
const keyspace = await store.open(meta)
say('ready')
const work = Array.from({ length: groups }, (_, number) => group(keyspace, number))
if (commits === 0) work.push(large(keyspace))
await Promise.all(work)
await store.close()
say('done')
