// A file that is gone with the process: unlinked as soon as it is open (where the system lets us), so that not even a crash leaves it behind.

import { mkdirSync, openSync, unlinkSync } from 'node:fs'
import path from 'node:path'

export const TEMPORARY_PREFIX = 'spill-'
let sequence = 0

/** Opens one for reading and writing in `dir`, which is made where it is missing. `path`: to be unlinked when the descriptor is closed. Throws the system's errors. */
export function openTemporaryFile(dir: string): { fd: number; path: string | null } {
  mkdirSync(dir, { recursive: true })
  const name = path.join(dir, `${TEMPORARY_PREFIX}${process.pid}-${++sequence}`)
  const fd = openSync(name, 'wx+')
  if (process.platform === 'win32') return { fd, path: name }
  unlinkSync(name)
  return { fd, path: null }
}

/** Whether a system error says that there is no room left. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}
