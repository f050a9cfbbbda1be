// The process around a server: configuration from arguments and environment, the ready line, signals, the exit code. main.ts calls it.

import { createLogger } from '../observability/log.ts'
import { ConfigError, loadConfig } from './config.ts'
import { listeningLine, type OpenEngine, startServer } from './run.ts'

const EXIT_CONFIG = 2
const EXIT_START = 1

/** Resolves when the server is ready, or the process is on its way out. */
export async function runProcess<Identity>(openEngine: OpenEngine<Identity>, args: readonly string[]): Promise<void> {
  let config: ReturnType<typeof loadConfig>
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
  let server: Awaited<ReturnType<typeof startServer>>
  try {
    server = await startServer(config, openEngine, log)
  } catch (error) {
    log.fatal({ err: error }, 'start failed')
    console.error(`pg-keyspace: ${(error as Error).message}`)
    process.exitCode = EXIT_START
    return
  }
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    // A second signal does not wait.
    if (stopping) process.exit(EXIT_START)
    stopping = true
    log.info({ signal }, 'shutting down')
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'shutdown failed')
        process.exit(EXIT_START)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.stdout.write(`${listeningLine(server)}\n`)
}
