// Large texts are parsed by a thread of their own, so that nobody waits for them; their trees are put together here in steps. The thread is
// started by the first such text and ends when none has come for a while. Texts wait for one another, up to a bound; a statement that is
// cancelled while its text is being parsed takes the thread with it.

import { Worker } from 'node:worker_threads'
import { type CancelToken, orCancelled } from '../../base/cancel.ts'
import { PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { runSteps } from '../../base/long-work.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { joinTree } from './cut-tree.ts'
import type { RawStmt } from './nodes.ts'
import { checkedBytes, type ParsedStatement, parse, statementsOf, syntaxError } from './parse.ts'
import type { ParseAnswer } from './parse-worker.ts'
import { sourceText } from './positions.ts'

export interface ParsedText {
  readonly statements: readonly ParsedStatement[]
  /** Notices of identifiers that were cut (truncation.ts). */
  readonly truncated: readonly string[] | null
}

interface Job {
  readonly bytes: Uint8Array
  readonly done: (answer: ParseAnswer) => void
  readonly failed: (error: unknown) => void
}

/** Node runs compiled files only: straight from the sources every text is parsed at once. */
const ENTRY = import.meta.url.endsWith('.ts') ? null : new URL('./parse-worker.js', import.meta.url)

/** Whether a text is parsed aside. */
export const isLarge = (text: string): boolean => text.length > LIMITS.parseAtOnceLength && ENTRY !== null

const IDLE_MS = 30_000

let worker: Worker | null = null
let running: Job | null = null
const waiting: Job[] = []
let waitingBytes = 0
let idle: NodeJS.Timeout | null = null

function started(entry: URL): Worker {
  const made = new Worker(entry)
  made.unref()
  made.on('message', (answer: ParseAnswer) => {
    if (worker !== made) return
    const job = running
    running = null
    next()
    job?.done(answer)
  })
  let reason: unknown = null
  made.on('error', (error) => {
    reason = error
  })
  made.on('exit', () => {
    if (worker !== made) return
    worker = null
    const job = running
    running = null
    next()
    job?.failed(new PgError(SQLSTATE.outOfMemory, 'out of memory', { detail: 'The statement does not fit the parser.', cause: reason }))
  })
  return made
}

/** Gives the thread its next text, or lets it end. */
function next(): void {
  if (running !== null) return
  if (idle !== null) clearTimeout(idle)
  idle = null
  const job = waiting.shift()
  if (job === undefined) {
    idle = setTimeout(stop, IDLE_MS).unref()
    return
  }
  waitingBytes -= job.bytes.length
  running = job
  worker ??= started(ENTRY!)
  worker.postMessage(job.bytes, [job.bytes.buffer as ArrayBuffer])
}

function stop(): void {
  const ended = worker
  worker = null
  void ended?.terminate()
}

function abandon(job: Job): void {
  if (running === job) {
    stop()
    running = null
    next()
    return
  }
  const at = waiting.indexOf(job)
  if (at < 0) return
  waiting.splice(at, 1)
  waitingBytes -= job.bytes.length
}

function ask(bytes: Uint8Array, cancel: CancelToken): Promise<ParseAnswer> {
  if (waitingBytes + bytes.length > LIMITS.parseQueueBytes) {
    throw new PgError(SQLSTATE.insufficientResources, 'too many large statements are waiting to be parsed', { hint: 'Try again.' })
  }
  let job: Job
  const answer = new Promise<ParseAnswer>((done, failed) => {
    job = { bytes, done, failed }
  })
  waiting.push(job!)
  waitingBytes += bytes.length
  next()
  return orCancelled(answer, cancel, () => abandon(job))
}

/** The statements of a large text. */
export async function parseLarge(text: string, cancel: CancelToken): Promise<ParsedText> {
  const answer = await ask(checkedBytes(text), cancel)
  switch (answer.kind) {
    case 'tree': {
      const slicer = makeSlicer({ cancel })
      slicer.start()
      const { stmts } = (await runSteps(joinTree(answer.tree), () => slicer.pause())) as { stmts?: RawStmt[] }
      return { statements: statementsOf(sourceText(text), stmts ?? []), truncated: answer.truncated }
    }
    case 'failure':
      throw syntaxError(answer.failure, text)
    case 'error':
      throw new PgError(answer.code, answer.message, answer.fields)
    default:
      return { statements: parse(text), truncated: null }
  }
}
