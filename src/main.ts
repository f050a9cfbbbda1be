#!/usr/bin/env node
// Entry point: configuration from arguments and environment, a server, signals.

import { runProcess } from './server/process.ts'
import { openEngine } from './server/server.ts'

await runProcess(openEngine, process.argv.slice(2))
