// The `options` startup parameter: command-line switches that set settings (`-c name=value`, `--name=value`), with backslash escapes.

import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'

/** Name and value pairs in order; in names '-' stands for '_' as in PostgreSQL. Other switches are FATAL (42601), as there. */
export function parseStartupOptions(options: string): [name: string, value: string][] {
  const words = splitWords(options)
  const settings: [string, string][] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    let assignment: string
    if (word === '-c') {
      const next = words[++i]
      if (next === undefined) throw refused("option requires an argument -- 'c'")
      assignment = next
    } else if (word.startsWith('-c')) assignment = word.slice(2)
    else if (word.startsWith('--')) assignment = word.slice(2)
    else throw refused(`invalid command-line argument for server process: ${word}`)
    const equals = assignment.indexOf('=')
    if (equals < 0) throw refused(word.startsWith('--') ? `--${assignment} requires a value` : `-c ${assignment} requires a value`)
    settings.push([assignment.slice(0, equals).replaceAll('-', '_'), assignment.slice(equals + 1)])
  }
  return settings
}

function splitWords(options: string): string[] {
  const words: string[] = []
  let word: string | null = null
  for (let i = 0; i < options.length; i++) {
    const c = options[i]!
    if (/[ \t\n\r\f\v]/.test(c)) {
      if (word !== null) words.push(word)
      word = null
    } else if (c === '\\' && i + 1 < options.length) word = (word ?? '') + options[++i]!
    else word = (word ?? '') + c
  }
  if (word !== null) words.push(word)
  return words
}

function refused(message: string): PgError {
  return new PgError(SQLSTATE.syntaxError, message, { severity: 'FATAL' })
}
