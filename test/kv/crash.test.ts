// Durability of the embedded store. Random committed work in a child process that is killed with SIGKILL at random moments: nothing
// acknowledged may be missing, nothing may be there by half, indexes agree with rows. And, as a page cache outlives a kill: the system calls
// of a child show that every acknowledgement comes after a flush.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLmdbStore } from '../../src/storage/lmdb/store.ts'
import { compileProgram } from '../support/compile.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { checkState } from './crash-check.ts'

const CYCLES = process.env['LONG'] === '1' ? 60 : 5
const GROUPS = 6

let program: ReturnType<typeof compileProgram>
beforeAll(() => {
  program = compileProgram('test/kv/crash-worker.ts')
})
afterAll(() => program.dispose())

/** Runs the worker, kills it a while after it first said `word`, and answers what it said. */
function runAndKill(dataDir: string, seed: number, word: 'ready' | 'ack', afterMs: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program.file, dataDir, String(GROUPS), String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    let timer: NodeJS.Timeout | null = null
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (timer === null && output.includes(word)) timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== null) reject(new Error(`the worker ended by itself with code ${code}`))
      // a last line without its end was not written whole
      else resolve(output.slice(0, output.lastIndexOf('\n')).split('\n'))
    })
  })
}

describe('kill -9', () => {
  test(`${CYCLES} cycles`, { timeout: 120_000 + CYCLES * 20_000 }, async () => {
    const seed = testSeed('SEED')
    console.log(`crash seed ${seed}`)
    const pick = randomFrom(seed).below
    const dataDir = mkdtempSync(join(tmpdir(), 'pgks-crash-'))
    const acknowledged = new Map<string, number>()
    const tried = new Map<string, number>()
    let total = 0
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      for (const line of await runAndKill(dataDir, pick(1_000_000), cycle % 2 === 0 ? 'ack' : 'ready', 20 + pick(700))) {
        const [what, group, stamp] = line.split(' ')
        if (what === 'try') tried.set(group!, Number(stamp))
        if (what === 'ack') {
          acknowledged.set(group!, Number(stamp))
          total++
        }
      }
      const context = `seed ${seed}, cycle ${cycle}`
      const store = await openLmdbStore({ dataDir, versionRetentionMs: 0 })
      try {
        const meta = await store.keyspaces.load('crash')
        if (meta === null) continue
        const txn = (await store.open(meta)).begin({ isolation: 'repeatable read' })
        await checkState(txn, acknowledged, tried, context)
        await txn.rollback()
      } finally {
        await store.close()
      }
    }
    rmSync(dataDir, { recursive: true, force: true })
    console.log(`${total} acknowledged commits over ${CYCLES} kills, none lost`)
    expect(total).toBeGreaterThan(CYCLES)
  })
})

describe('system calls', () => {
  const strace = spawnSync('strace', ['-V']).status === 0
  test('every acknowledgement comes after a flush', { timeout: 120_000 }, async (context) => {
    if (!strace) {
      console.log('skipped: strace is not installed, so the order of flush and acknowledgement was not traced')
      context.skip('strace is not installed')
    }
    const dataDir = mkdtempSync(join(tmpdir(), 'pgks-trace-'))
    const trace = join(dataDir, 'trace.txt')
    const commits = 20
    const run = spawnSync(
      'strace',
      ['-f', '-y', '-s', '32', '-e', 'trace=openat,write,pwrite64,pwritev,writev,fdatasync,fsync,msync', '-o', trace].concat([
        process.execPath,
        program.file,
        join(dataDir, 'data'),
        '1',
        '7',
        String(commits),
      ]),
      { encoding: 'utf8' },
    )
    if (run.status !== 0 && /ptrace|Operation not permitted/.test(run.stderr)) {
      console.log('skipped: strace may not trace here, so the order of flush and acknowledgement was not traced')
      rmSync(dataDir, { recursive: true, force: true })
      context.skip('ptrace is not permitted')
    }
    expect(run.status, run.stderr).toBe(0)
    const events = parseTrace(readFileSync(trace, 'utf8'))
    rmSync(dataDir, { recursive: true, force: true })
    expect(flushedBeforeAcknowledged(events)).toBeGreaterThan(commits / 2)
    // one synchronous write per commit, if any is to be spared
    const logged = events.filter((event) => event.what === 'log').length
    expect(logged).toBeGreaterThan(commits / 2)
    expect(logged).toBeLessThan(commits * 2)
    // the checker itself must be able to fail
    const unlogged = events.filter((event) => event.what !== 'log')
    expect(() => flushedBeforeAcknowledged(unlogged)).toThrow(/not published/)
    const early = events.map((event) => (event.what === 'log' ? { ...event, began: 0 } : event))
    expect(() => flushedBeforeAcknowledged(early)).toThrow(/not published/)
    const unflushed = events.filter((event) => event.what !== 'flush')
    expect(() => flushedBeforeAcknowledged(unflushed)).toThrow(/without a flush/)
  })
})

interface TraceEvent {
  /**
   * log: a write to a log file opened with O_DSYNC, durable when it is completed; data: pages into data.mdb; meta: through a descriptor opened
   * with O_DSYNC, which publishes them; what the worker says.
   */
  readonly what: 'log' | 'data' | 'meta' | 'flush' | 'try' | 'ack'
  /** How many events there were when the call began. */
  readonly began: number
}

/** Completed calls in order of their completion; the keyspace's own files only. */
function parseTrace(text: string): TraceEvent[] {
  const events: TraceEvent[] = []
  const started = new Map<string, { call: string; began: number }>()
  const synchronous = new Set<string>()
  for (const line of text.split('\n')) {
    const match = /^(\d+)\s+(.*)$/.exec(line)
    if (match === null) continue
    const [, pid, rest] = match as unknown as [string, string, string]
    let call = rest
    let began = events.length
    if (rest.includes('<unfinished ...>')) {
      started.set(pid, { call: rest.replace('<unfinished ...>', ''), began })
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    if (resumed !== null) {
      const first = started.get(pid)
      call = (first?.call ?? '') + resumed[1]!
      began = first?.began ?? began
    }
    const opened = /^openat\(.*keyspaces\/\d+\/data\.mdb(\.log-\d)?".*O_DSYNC.*= (\d+)/.exec(call)
    if (opened !== null) synchronous.add(opened[2]!)
    const written = /^p?writev?(?:64)?\((\d+)<[^>]*keyspaces\/\d+\/data\.mdb(\.log-\d)?>.*= (\d+)/.exec(call)
    if (written !== null) {
      const durable = synchronous.has(written[1]!)
      if (written[2] === undefined) events.push({ what: durable ? 'meta' : 'data', began })
      else if (durable) events.push({ what: 'log', began })
    } else if (/^(?:fdatasync|fsync)\(\d+<[^>]*keyspaces\/\d+\/data\.mdb>\s*\)\s*= 0/.test(call)) events.push({ what: 'flush', began })
    else if (/^write\(1<[^>]*>, "ack /.test(call)) events.push({ what: 'ack', began })
    else if (/^write\(1<[^>]*>, "try /.test(call)) events.push({ what: 'try', began })
  }
  return events
}

/**
 * Counts acknowledgements. Throws for one before which nothing that began after its "try" was published: written to the log, or written to
 * LMDB, flushed and then named by a meta page (other transactions, such as garbage collection, may be under way meanwhile).
 */
function flushedBeforeAcknowledged(events: readonly TraceEvent[]): number {
  let transaction = -1
  let flushed = true
  let tried = -1
  let published = -1
  let acknowledgements = 0
  events.forEach(({ what, began }, at) => {
    if (what === 'try') tried = at
    else if (what === 'log') published = Math.max(published, began)
    else if (what === 'data') {
      if (transaction < 0) transaction = at
      flushed = false
    } else if (what === 'flush') flushed = true
    else if (what === 'meta') {
      if (!flushed) throw new Error('published without a flush')
      published = Math.max(published, transaction)
      transaction = -1
    } else {
      if (published <= tried) throw new Error('acknowledged, but not published')
      acknowledgements++
    }
  })
  return acknowledgements
}
