// The process around a server: configuration from arguments and environment, the ready line, signals, the exit code. main.ts calls it. With several
// workers this process only keeps them (workers.ts); each of them is a process of its own that comes through here, too.

import cluster from 'node:cluster'
import { createLogger, type Logger } from '../observability/log.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { listeningLine, type OpenEngine, startServer } from './run.ts'
import { stopOnSignal } from './stop-on-signal.ts'
import { runWorker } from './worker.ts'
import { runPrimary } from './workers.ts'

const EXIT_CONFIG = 2
const EXIT_START = 1

/** Resolves when the server is ready, or the process is on its way out. */
export async function runProcess<Identity>(openEngine: OpenEngine<Identity>, args: readonly string[]): Promise<void> {
  let config: Config
  try {
    config = loadConfig({ args, env: process.env })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(`pg-keyspace: ${error.message}`)
    process.exitCode = EXIT_CONFIG
    return
  }
  const log = createLogger(config.logLevel)
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'))
  try {
    if (cluster.isWorker) await runWorker(config, openEngine, log)
    else if (config.workers > 1) await runPrimary(config, log)
    else await runAlone(config, openEngine, log)
  } catch (error) {
    log.fatal({ err: error }, 'start failed')
    console.error(`pg-keyspace: ${(error as Error).message}`)
    process.exit(EXIT_START)
  }
}

async function runAlone<Identity>(config: Config, openEngine: OpenEngine<Identity>, log: Logger): Promise<void> {
  const server = await startServer(config, openEngine, log)
  stopOnSignal(log, () => server.stop())
  process.stdout.write(`${listeningLine(server)}\n`)
}
