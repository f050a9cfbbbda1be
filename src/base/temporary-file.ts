// A file that is gone with the process: unlinked as soon as it is open (where the system lets us), so that not even a crash leaves it behind.

import { closeSync, mkdirSync, openSync, readSync, unlinkSync, write, writeSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

let sequence = 0

const writeLater = promisify(write)

/** The error to throw for one of the system's; `isFull`: no room is left. */
export type TemporaryFileError = (what: 'create' | 'write to' | 'read from', error: Error, isFull: boolean) => Error

function isDiskFull({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Bytes appended, now or without holding up other work, and read back. */
export class TemporaryFile {
  readonly #fd: number
  /** To be unlinked at the end. */
  readonly #path: string | null
  readonly #failed: TemporaryFileError
  #size = 0
  #open = true

  /** In `dir`, which is made where it is missing. */
  constructor(dir: string, failed: TemporaryFileError) {
    this.#failed = failed
    try {
      mkdirSync(dir, { recursive: true })
      const name = path.join(dir, `spill-${process.pid}-${++sequence}`)
      this.#fd = openSync(name, 'wx+')
      if (process.platform === 'win32') this.#path = name
      else {
        unlinkSync(name)
        this.#path = null
      }
    } catch (error) {
      throw this.#error('create', error as Error)
    }
  }

  get size(): number {
    return this.#size
  }

  #error(what: Parameters<TemporaryFileError>[0], error: Error): Error {
    return this.#failed(what, error, isDiskFull(error))
  }

  /** Answers the offset it was written at. */
  append(bytes: Uint8Array): number {
    const at = this.#size
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done)
    } catch (error) {
      throw this.#error('write to', error as Error)
    }
    this.#size += bytes.length
    return at
  }

  /** As append; nothing else is written until it is done. */
  async appendLater(bytes: Uint8Array): Promise<number> {
    const at = this.#size
    try {
      for (let done = 0; done < bytes.length; )
        done += (await writeLater(this.#fd, bytes, done, bytes.length - done, at + done)).bytesWritten
    } catch (error) {
      throw this.#error('write to', error as Error)
    }
    this.#size += bytes.length
    return at
  }

  read(offset: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length)
    try {
      for (let done = 0; done < length; ) {
        const got = readSync(this.#fd, buffer, done, length - done, offset + done)
        if (got === 0) throw new Error('unexpected end of file')
        done += got
      }
    } catch (error) {
      throw this.#error('read from', error as Error)
    }
    return buffer
  }

  /** Forgets what stands from `size` on: it is written over. */
  cut(size: number): void {
    this.#size = size
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#fd)
    if (this.#path !== null) unlinkSync(this.#path)
  }
}
