// The primary of several workers (WORKERS > 1, TiKV only): starts them, hands each new connection to one of them in turn (node:cluster does), replaces
// one that ended by itself, adds up their metrics, and ends when all have ended. It serves no statement itself.

import cluster, { type Worker } from 'node:cluster'
import { startOperationsServer } from '../observability/http.ts'
import type { Logger } from '../observability/log.ts'
import { type MetricsSnapshot, renderTogether } from '../observability/metrics.ts'
import type { Config } from './config.ts'
import { bootstrapPassword, operatorPassword } from './first-passwords.ts'
import { listeningLine } from './run.ts'
import { stopOnSignal } from './stop-on-signal.ts'
import type { PrimaryMessage, WorkerMessage } from './worker.ts'

/** A worker that has lived shorter than this is replaced after as long a pause. */
const SHORT_LIFE_MS = 2000
const ANSWER_MS = 3000
/** Beyond the grace for sessions: what the end of everything else may take. */
const END_MS = 10_000

interface Answer {
  readonly metrics: MetricsSnapshot
  readonly notReady: string | null
}

const send = (worker: Worker, message: PrimaryMessage): void => void (worker.isConnected() && worker.send(message))

export async function runPrimary(config: Config, log: Logger): Promise<void> {
  // What is made by chance must be the same for all.
  const environment = {
    BOOTSTRAP_PASSWORD: bootstrapPassword(config, log),
    OPERATOR_PASSWORD: operatorPassword(config, log),
  }
  const workers = new Set<Worker>()
  const waiting = new Map<number, (answer: Answer) => void>()
  let asked = 0
  let isStopping = false
  let allGone: (() => void) | null = null

  /** Resolves with its port; rejects when it ends before it is ready. */
  const start = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork(environment)
      const startedAt = performance.now()
      let isReady = false
      workers.add(worker)
      worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'ready') {
          isReady = true
          resolve(message.pgPort)
        } else waiting.get(message.id)?.(message)
      })
      worker.once('exit', (code, signal) => {
        workers.delete(worker)
        if (workers.size === 0) allGone?.()
        if (!isReady) reject(new Error(`a worker ended before it was ready (${signal ?? code})`))
        if (isStopping || !isReady) return
        log.error({ worker: worker.id, pid: worker.process.pid, code, signal }, 'a worker ended; another takes its place')
        replace(performance.now() - startedAt < SHORT_LIFE_MS ? SHORT_LIFE_MS : 0)
      })
    })
  const replace = (afterMs: number): void => {
    setTimeout(() => {
      if (isStopping) return
      start().catch((error: Error) => {
        if (isStopping) return
        log.error({ err: error }, 'a worker could not be started; tried again')
        replace(SHORT_LIFE_MS)
      })
    }, afterMs)
  }

  const ask = (worker: Worker): Promise<Answer | null> =>
    new Promise((resolve) => {
      const id = ++asked
      const done = (answer: Answer | null): void => {
        clearTimeout(timer)
        waiting.delete(id)
        resolve(answer)
      }
      const timer = setTimeout(() => done(null), ANSWER_MS)
      waiting.set(id, done)
      send(worker, { type: 'ask', id })
    })
  const answers = async (): Promise<Answer[]> => (await Promise.all([...workers].map(ask))).filter((answer) => answer !== null)

  let isReady = false
  const operations = await startOperationsServer({
    host: config.metricsHost,
    port: config.metricsPort,
    metrics: { render: async () => renderTogether((await answers()).map(({ metrics }) => metrics)) },
    async notReady() {
      if (isStopping) return 'shutting down'
      if (!isReady) return 'starting'
      const all = await answers()
      return all.some(({ notReady }) => notReady === null) ? null : (all[0]?.notReady ?? 'no worker answers')
    },
    log,
  })

  const stop = async (): Promise<void> => {
    isStopping = true
    const gone = workers.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => (allGone = resolve))
    for (const worker of workers) send(worker, { type: 'stop' })
    const timer = setTimeout(() => {
      for (const worker of workers) worker.process.kill('SIGKILL')
    }, config.shutdownGraceMs + END_MS)
    await gone
    clearTimeout(timer)
    await operations.close()
  }
  stopOnSignal(log, stop)
  try {
    const [pgPort] = await Promise.all(Array.from({ length: config.workers }, start))
    isReady = true
    process.stdout.write(`${listeningLine({ pgPort: pgPort!, metricsPort: operations.port, workers: config.workers })}\n`)
  } catch (error) {
    await stop()
    throw error
  }
}
