// client_min_messages: which notices a client is sent. Errors are, whatever it says.

import type { Notice } from '../../base/errors.ts'

/** PostgreSQL's levels, from the least to the gravest; a debug message of no particular level counts as debug2. */
const LEVELS = ['debug5', 'debug4', 'debug3', 'debug2', 'debug1', 'log', 'info', 'notice', 'warning', 'error']

/** INFO is what the client asked for (VERBOSE) and always sent. */
export function isSent(severity: Notice['severity'], clientMinMessages: string): boolean {
  if (severity === 'INFO') return true
  return LEVELS.indexOf(severity === 'DEBUG' ? 'debug2' : severity.toLowerCase()) >= LEVELS.indexOf(clientMinMessages)
}
