// Files of the data directory: making directory entries durable, and the lock against a second process.

import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { KvError } from '../kv-error.ts'
import { Environment } from './native.ts'

/** Makes creations, renames and deletions inside a directory durable. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Locks a data directory: a reader slot in a small environment. LMDB guards slots by locks of the operating system, which end with their
 * process however it ends. Registered first and looked around second, so that of two starters at least one gives way.
 */
export function lockDataDirectory(dataDir: string): Environment {
  mkdirSync(`${dataDir}/lock`, { recursive: true })
  const environment = new Environment(`${dataDir}/lock/data.mdb`)
  // a load takes the slot
  environment.loadString(0, 'F')
  const readers = environment.readers()
  if (readers.length > 1) {
    const others = readers.filter((pid) => pid !== process.pid)
    environment.close()
    const who = others.length > 0 ? `process ${others.join(', ')}` : 'this process'
    throw new KvError('unavailable', `data directory "${dataDir}" is in use by ${who}`)
  }
  return environment
}
