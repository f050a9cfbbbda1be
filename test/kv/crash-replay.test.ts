// A power cut at any moment: the system calls of a child are traced with all they write, and the disk is built anew as it may look after any
// of them. What was flushed is there; of what was not, any part may be: none, all, or some of it, torn between sectors.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLmdbStore } from '../../src/storage/lmdb/store.ts'
import { compileProgram } from '../support/compile.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { checkState } from './crash-check.ts'

const SECTOR = 512
const CALLS = 'openat,pwrite64,pwritev,writev,lseek,write,fdatasync,fsync,ftruncate'
const POINTS = process.env['LONG'] === '1' ? 2000 : 40

type Change = { readonly what: 'write'; readonly at: number; readonly bytes: Buffer } | { readonly what: 'truncate'; readonly size: number }
type Event = { readonly began: number } & (
  | { readonly what: 'change'; readonly file: string; readonly change: Change; readonly synchronous: boolean }
  | { readonly what: 'flush'; readonly file: string }
  | { readonly what: 'say'; readonly text: string }
)

const fromHex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex')

/** Completed calls on the keyspace's files and on standard output, in order of completion. strace -f -y -xx -v. */
function parse(trace: string): Event[] {
  const events: Event[] = []
  const started = new Map<string, { call: string; began: number }>()
  const synchronous = new Set<string>()
  const offsets = new Map<string, number>()
  for (const line of trace.split('\n')) {
    const match = /^(\d+)\s+(.*)$/.exec(line)
    if (match === null) continue
    const [, pid, rest] = match as unknown as [string, string, string]
    if (rest.includes('<unfinished ...>')) {
      started.set(pid, { call: rest.replace(/ ?<unfinished \.\.\.>/, ''), began: events.length })
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const before = resumed === null ? undefined : started.get(pid)
    const call = resumed === null ? rest : (before?.call ?? '') + resumed[1]!
    const began = before?.began ?? events.length
    if (call.startsWith('openat(')) {
      const opened = /, ([A-Z_|]+)(?:, \d+)?\)\s+= (\d+)</.exec(call)
      if (opened === null) continue
      if (opened[1]!.includes('O_DSYNC')) synchronous.add(opened[2]!)
      else synchronous.delete(opened[2]!)
      continue
    }
    const head = /^(\w+)\((\d+)<((?:\\x[0-9a-f]{2})*)>(.*)\)\s+= (-?\d+)$/.exec(call)
    if (head === null) continue
    const [, name, descriptor, path, args, result] = head as unknown as [string, string, string, string, string, string]
    const file = /keyspaces\/\d+\/(data\.mdb(?:\.log-\d)?)$/.exec(fromHex(path).toString())?.[1]
    const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((found) => fromHex(found[1]!))
    if (name === 'write' && descriptor === '1') {
      for (const text of strings) events.push({ what: 'say', text: text.toString().trim(), began })
      continue
    }
    if (file === undefined) continue
    if (Number(result) < 0) throw new Error(`${name} failed: ${result}`)
    if (name === 'lseek') offsets.set(descriptor, Number(result))
    else if (name === 'fdatasync' || name === 'fsync') events.push({ what: 'flush', file, began })
    else if (name === 'ftruncate') {
      const change = { what: 'truncate', size: Number(/\d+/.exec(args)![0]) } as const
      events.push({ what: 'change', file, change, synchronous: false, began })
    } else {
      const bytes = Buffer.concat(strings)
      if (bytes.length !== Number(result)) throw new Error(`${name} of ${result} bytes shows ${bytes.length}`)
      let at = offsets.get(descriptor) ?? 0
      if (name.startsWith('pwrite')) at = Number(/, (\d+)\s*$/.exec(args)![1])
      else offsets.set(descriptor, at + bytes.length)
      events.push({ what: 'change', file, change: { what: 'write', at, bytes }, synchronous: synchronous.has(descriptor), began })
    }
  }
  return events
}

type Disk = Map<string, Buffer>

function apply(disk: Disk, file: string, change: Change, bytes: number): void {
  const before = disk.get(file) ?? Buffer.alloc(0)
  if (change.what === 'truncate') {
    const after = Buffer.alloc(change.size)
    before.copy(after)
    disk.set(file, after)
    return
  }
  const end = change.at + bytes
  let into = before
  if (end > before.length) {
    into = Buffer.alloc(end)
    before.copy(into)
  }
  change.bytes.copy(into, change.at, 0, bytes)
  disk.set(file, into)
}

/** The disk after the first `count` events, with `keep` saying how many bytes of each change that is not flushed have reached it. */
function diskAfter(base: Disk, events: readonly Event[], count: number, keep: (bytes: number) => number): Disk {
  const disk: Disk = new Map([...base].map(([file, bytes]) => [file, Buffer.from(bytes)]))
  const pending = new Map<string, Change[]>()
  const flush = (file: string, which: (change: Change) => boolean): void => {
    const rest: Change[] = []
    for (const change of pending.get(file) ?? []) {
      if (which(change)) apply(disk, file, change, change.what === 'write' ? change.bytes.length : 0)
      else rest.push(change)
    }
    pending.set(file, rest)
  }
  const note = (file: string, change: Change): void => {
    pending.set(file, [...(pending.get(file) ?? []), change])
  }
  events.slice(0, count).forEach((event) => {
    if (event.what === 'flush') flush(event.file, () => true)
    else if (event.what === 'change') {
      if (event.synchronous) {
        flush(event.file, (change) => change.what === 'truncate')
        apply(disk, event.file, event.change, event.change.what === 'write' ? event.change.bytes.length : 0)
      } else note(event.file, event.change)
    }
  })
  // calls that had begun
  for (const event of events.slice(count)) if (event.what === 'change' && event.began < count) note(event.file, event.change)
  for (const [file, changes] of pending) {
    for (const change of changes) {
      const bytes = change.what === 'write' ? keep(change.bytes.length) : keep(1)
      if (bytes > 0) apply(disk, file, change, bytes)
    }
  }
  return disk
}

const strace = spawnSync('strace', ['-V']).status === 0

test(`${POINTS} moments of a trace`, { timeout: POINTS * 2000 + 60_000 }, async (context) => {
  if (!strace) {
    console.log('skipped: strace is not installed, so no writes were traced')
    context.skip('strace is not installed')
  }
  const seed = testSeed('SEED')
  const { below } = randomFrom(seed)
  const root = mkdtempSync(join(tmpdir(), 'pgks-replay-'))
  const program = compileProgram('test/kv/crash-worker.ts')
  try {
    const dataDir = join(root, 'data')
    const work = (commits: number, memtable: number): string[] => [
      program.file,
      dataDir,
      '3',
      String(seed),
      String(commits),
      String(memtable),
    ]
    expect(spawnSync(process.execPath, work(3, 1_000_000), { encoding: 'utf8' }).status).toBe(0)
    const image = join(root, 'image')
    cpSync(dataDir, image, { recursive: true, filter: (path) => !path.endsWith('-lock') && !path.endsWith('/lock') })
    const [id] = readdirSync(join(image, 'keyspaces')) as [string]
    const base: Disk = new Map()
    for (const name of readdirSync(join(image, 'keyspaces', id))) base.set(name, readFileSync(join(image, 'keyspaces', id, name)))
    const trace = join(root, 'trace.txt')
    const run = spawnSync(
      'strace',
      ['-f', '-y', '-xx', '-v', '-s', '1048576', '-e', `trace=${CALLS}`, '-o', trace, process.execPath, ...work(14, 40_000)],
      { encoding: 'utf8' },
    )
    if (run.status !== 0 && /ptrace|Operation not permitted/.test(run.stderr)) {
      console.log('skipped: strace may not trace here, so no writes were traced')
      context.skip('ptrace is not permitted')
    }
    expect(run.status, run.stderr).toBe(0)
    const events = parse(readFileSync(trace, 'utf8'))
    const files = new Set(events.flatMap((event) => (event.what === 'change' ? [event.file] : [])))
    expect([...files].sort(), 'the trace shows commits and checkpoints').toEqual(['data.mdb', 'data.mdb.log-0', 'data.mdb.log-1'])
    const first = events.findIndex((event) => event.what === 'say' && event.text.startsWith('try'))
    let unfinished = 0
    const look = async (count: number, keep: (bytes: number) => number): Promise<void> => {
      const acknowledged = new Map<string, number>()
      const tried = new Map<string, number>()
      events.forEach((event, at) => {
        if (event.what !== 'say' || event.began >= count) return
        const [what, group, stamp] = event.text.split(' ')
        if (what === 'try') tried.set(group!, Number(stamp))
        else if (what === 'ack' && at < count) acknowledged.set(group!, Number(stamp))
      })
      // groups that have not tried yet are as the untraced run left them
      for (const event of events) {
        if (event.what !== 'say') continue
        const [what, group, stamp] = event.text.split(' ')
        if (what === 'try' && !tried.has(group!)) tried.set(group!, Number(stamp) - 1)
      }
      for (const [group, stamp] of tried) if ((acknowledged.get(group) ?? 0) < stamp) unfinished++
      const directory = join(root, `at-${count}`)
      cpSync(image, directory, { recursive: true })
      const keyspace = join(directory, 'keyspaces', id)
      mkdirSync(keyspace, { recursive: true })
      for (const [name, bytes] of diskAfter(base, events, count, keep)) writeFileSync(join(keyspace, name), bytes)
      const store = await openLmdbStore({ dataDir: directory, versionRetentionMs: 0 })
      try {
        const txn = (await store.open((await store.keyspaces.load('crash'))!)).begin({ isolation: 'repeatable read' })
        await checkState(txn, acknowledged, tried, `seed ${seed}, after ${count} of ${events.length} events`)
        await txn.rollback()
      } finally {
        await store.close()
        rmSync(directory, { recursive: true, force: true })
      }
    }
    const some = (bytes: number): number => [0, bytes, Math.min(bytes, SECTOR * below(Math.ceil(bytes / SECTOR) + 1))][below(3)]!
    const ways = [() => 0, (bytes: number) => bytes, some, some]
    for (let point = 0; point < POINTS; point++) {
      await look(first + below(events.length - first), ways[point % ways.length]!)
    }
    expect(unfinished).toBeGreaterThan(0)
    // the check itself must be able to fail: a log whose writes are not durable when they are done loses commits
    const lazy = events.map((event) => (event.what === 'change' && event.file !== 'data.mdb' ? { ...event, synchronous: false } : event))
    const last = events.findLastIndex((event) => event.what === 'say' && event.text.startsWith('ack')) + 1
    events.splice(0, events.length, ...lazy)
    await expect(look(last, () => 0)).rejects.toThrow(/lost an acknowledged commit|has lost the records/)
  } finally {
    program.dispose()
    rmSync(root, { recursive: true, force: true })
  }
})
