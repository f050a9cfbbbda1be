// The passwords that exist before anybody has set one: the operator's, and that of `admin` in a new keyspace. Configured, or made by chance and told once.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from '../observability/log.ts'
import { SYSTEM_TENANT } from '../tenancy/tenant.ts'
import type { Config } from './config.ts'

/** A random password, easy to type. */
const randomPassword = () => randomBytes(15).toString('base64url')

/** The operator's: configured, kept from an earlier start, or made now and kept in a file only we can read. */
export function operatorPassword(config: Config, log: Logger): string {
  if (config.operatorPassword !== null) return config.operatorPassword
  const file = path.join(config.dataDir, 'operator-password')
  const generated = randomPassword()
  mkdirSync(config.dataDir, { recursive: true })
  try {
    // Of several processes that start at once one makes it.
    writeFileSync(file, `${generated}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readFileSync(file, 'utf8').trim()
    throw error
  }
  log.info({ user: `${SYSTEM_TENANT}.admin`, file }, `operator password generated: ${generated}`)
  return generated
}

export function bootstrapPassword(config: Config, log: Logger): string {
  if (config.bootstrapPassword !== 'generate') return config.bootstrapPassword
  const generated = randomPassword()
  log.info({ user: 'admin' }, `bootstrap password generated: ${generated}`)
  return generated
}
