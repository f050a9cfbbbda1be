// One file of the write-ahead log: records one behind the other from its start. A write is durable when it is done, by one system call where
// the system can (O_DSYNC), else by a flush behind it. The file is written over in place while in use, so that a commit need not wait for
// the file system to note a new size as well; bytes of earlier rounds behind the last record are told by their sequence numbers.

import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  write,
} from 'node:fs'
import { dirname } from 'node:path'
import { syncDirectory } from './files.ts'
import { decodeRecord, type LogRecord, recordEnd } from './log-record.ts'
import { addressOf } from './native.ts'

/** Elsewhere the flag is missing, or does not reach the disk. */
const SYNCHRONOUS = process.platform === 'linux' ? constants.O_DSYNC : 0
const SMALLEST_GROWTH = 64 * 1024
const LARGEST_GROWTH = 1024 * 1024

const errnoOf = (error: NodeJS.ErrnoException): number => Math.abs(error.errno ?? 5)

export const logFiles = (dataFile: string): [string, string] => [`${dataFile}.log-0`, `${dataFile}.log-1`]

/** Makes both files, empty, where they are missing: durably, so that a commit need not wait for the directory. */
export function makeLogFiles(dataFile: string): void {
  const missing = logFiles(dataFile).filter((path) => !existsSync(path))
  if (missing.length === 0) return
  for (const path of missing) closeSync(openSync(path, 'a', 0o600))
  syncDirectory(dirname(dataFile))
}

export class LogFile {
  readonly #path: string
  #descriptor = -1
  /** Where the next record goes. */
  #offset = 0
  /** Bytes of the file. */
  #size = 0

  constructor(path: string) {
    this.#path = path
  }

  get size(): number {
    return this.#size
  }

  /** Whole records from the start on, whatever round they are of. */
  read(): LogRecord[] {
    if (!existsSync(this.#path)) return []
    const bytes = readFileSync(this.#path)
    this.#size = bytes.length
    if (bytes.length === 0) return []
    const address = addressOf(bytes)
    const records: LogRecord[] = []
    for (let at = 0; ; ) {
      const record = decodeRecord(bytes, address, at)
      // sequence numbers ascend within a round
      if (record === null || (records.length > 0 && record.sequence <= records[records.length - 1]!.sequence)) return records
      records.push(record)
      at = recordEnd(record)
    }
  }

  /** Appends durably; `done` gets 0 or an errno, after which nothing of the record is left unless the file is `broken`. */
  append(record: Buffer, done: (errno: number) => void): void {
    try {
      if (this.#descriptor < 0) {
        this.#descriptor = openSync(this.#path, constants.O_RDWR | SYNCHRONOUS)
        this.#size = fstatSync(this.#descriptor).size
      }
    } catch (error) {
      const errno = errnoOf(error as NodeJS.ErrnoException)
      queueMicrotask(() => done(errno))
      return
    }
    const end = this.#offset + record.length
    let bytes = record
    if (end > this.#size) {
      const growth = Math.min(LARGEST_GROWTH, Math.max(SMALLEST_GROWTH, this.#size))
      bytes = Buffer.alloc(Math.ceil(end / growth) * growth - this.#offset)
      record.copy(bytes)
    }
    this.#write(bytes, 0, (errno) => {
      if (errno === 0) {
        this.#offset = end
        done(0)
        return
      }
      this.#undo()
      // on a nearly full disk the record alone may still find room
      if (bytes.length > record.length && !this.broken) this.#exactly(record, done)
      else done(errno)
    })
  }

  #exactly(record: Buffer, done: (errno: number) => void): void {
    this.#write(record, 0, (errno) => {
      if (errno === 0) this.#offset += record.length
      else this.#undo()
      done(errno)
    })
  }

  #write(bytes: Buffer, from: number, done: (errno: number) => void): void {
    write(this.#descriptor, bytes, from, bytes.length - from, this.#offset + from, (error, written) => {
      if (error !== null) done(errnoOf(error))
      else if (from + written < bytes.length) this.#write(bytes, from + written, done)
      else {
        this.#size = Math.max(this.#size, this.#offset + bytes.length)
        if (SYNCHRONOUS !== 0) done(0)
        else fdatasync(this.#descriptor, (failed) => done(failed === null ? 0 : errnoOf(failed)))
      }
    })
  }

  /** What could not be made durable could not be removed either: it may come back at the next start. */
  broken = false
  /** A record that could not be made durable must not come back at the next start. */
  #undo(): void {
    try {
      ftruncateSync(this.#descriptor, this.#offset)
      fdatasyncSync(this.#descriptor)
      this.#size = this.#offset
    } catch {
      // the disk refuses this, too: whoever asks learns it from `broken`
      this.broken = true
    }
  }

  /** Its records are in LMDB: the next one goes to the start again. */
  restart(): void {
    this.#offset = 0
  }

  /** Gives the space back; only after `restart`. */
  empty(): void {
    this.close()
    if (this.#size === 0) return
    const descriptor = openSync(this.#path, constants.O_RDWR)
    try {
      ftruncateSync(descriptor, 0)
    } finally {
      closeSync(descriptor)
    }
    this.#size = 0
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor)
    this.#descriptor = -1
  }
}
