// The writes of one transaction until its commit: by physical key and, for scans, in key order. Up to some MiB they are in memory; what is more goes to
// sorted runs in temporary files (write-run.ts), eight of a size merged to one, and so does what a savepoint would have to restore. // hot
//
// Invariant: of a key the newest entry counts: that in memory, in what is being spilled, in the newest run that has one.

import { ByteWriter } from '../../base/bytes.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { TemporaryFile } from '../../base/temporary-file.ts'
import { lowerBound } from '../lower-bound.ts'
import { decodeEntry, encodeEntry, nameHash, openWriteFile, type WriteEntry, type WriteRun, writeRun } from './write-run.ts'

/** What the writes of all transactions together take up in memory. */
export interface WriteMemory {
  bufferedBytes: number
}

export interface WriteBufferOptions {
  readonly memory: WriteMemory
  /** Where temporary files go. */
  readonly dir: string
  /** Bytes in memory from which they do. */
  readonly spillAt: number
}

const ENTRY_BYTES = 160
const UNDO_BYTES = 96
const SPLICE_AT_MOST = 8
/** Runs of one level that become one of the next. */
const MERGE_RUNS = 8

const sizeOf = (entry: WriteEntry): number => ENTRY_BYTES + 2 * entry.key.length + (entry.value?.length ?? 0)
const undoSizeOf = (entry: WriteEntry): number => UNDO_BYTES + (entry.value?.length ?? 0)

/** Names and entries in order. */
interface Sorted {
  readonly names: readonly string[]
  readonly entries: ReadonlyMap<string, WriteEntry>
}

export class WriteBuffer {
  readonly #options: WriteBufferOptions
  #entries = new Map<string, WriteEntry>()
  /** On its way into a run. */
  #frozen: Sorted | null = null
  /** The newest first. */
  #runs: WriteRun[] = []
  #spilling: Promise<void> | null = null
  #sorted: string[] | null = null
  #fresh: string[] = []
  /** What rolling back has to restore, the newest last; kept from the first savepoint on. */
  #undo: WriteEntry[] | null = null
  #undoFile: TemporaryFile | null = null
  /** The parts of `undoFile`: where they begin, and how many entries lie before them. */
  #undoParts: { at: number; before: number }[] = []
  #undoCount = 0
  #bytes = 0
  #spilledBytes = 0
  #closed = false

  constructor(options: WriteBufferOptions) {
    this.#options = options
  }

  /** Bytes in memory and in files. */
  get bytes(): number {
    return this.#bytes + this.#spilledBytes
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && !this.isSpilled
  }

  /** Whether there is more than memory holds. */
  get isSpilled(): boolean {
    return this.#frozen !== null || this.#runs.length > 0
  }

  #charge(bytes: number): void {
    if (this.#closed) return
    this.#bytes += bytes
    this.#options.memory.bufferedBytes += bytes
  }

  /** The newest entry, be it an absent one. */
  #find(name: string): WriteEntry | undefined {
    const own = this.#entries.get(name)
    if (own !== undefined || !this.isSpilled) return own
    const frozen = this.#frozen?.entries.get(name)
    if (frozen !== undefined || this.#runs.length === 0) return frozen
    const hash = nameHash(name)
    for (const run of this.#runs) {
      const entry = run.get(name, hash)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  get(name: string): WriteEntry | undefined {
    const found = this.#find(name)
    return found?.absent === true ? undefined : found
  }

  /** Writes; the caller awaits `relieve` before it writes much more. */
  set(key: Buffer, name: string, value: Buffer | null, unchecked: boolean): void {
    if (this.#undo !== null) {
      const before = this.#find(name) ?? { key, name, value: null, unchecked: false, absent: true }
      this.#undo.push(before)
      this.#undoCount++
      this.#charge(undoSizeOf(before))
    }
    this.#put({ key, name, value, unchecked, absent: false })
  }

  #put(entry: WriteEntry): void {
    const { name } = entry
    const before = this.#entries.get(name)
    if (before !== undefined) this.#charge(-sizeOf(before))
    else if (this.#sorted !== null) this.#fresh.push(name)
    this.#charge(sizeOf(entry))
    this.#entries.set(name, entry)
  }

  #restore(entry: WriteEntry): void {
    if (!entry.absent || this.isSpilled) {
      this.#put(entry)
      return
    }
    const before = this.#entries.get(entry.name)
    if (before === undefined) return
    this.#charge(-sizeOf(before))
    this.#entries.delete(entry.name)
    // the sorted view may keep names that are gone: readers look entries up
  }

  // Savepoints

  /** What is written from now on can be undone down to here. */
  mark(): number {
    this.#undo ??= []
    return this.#undoCount
  }

  rollbackTo(mark: number): MaybePromise<void> {
    if (this.#spilling === null && mark >= this.#undoCount - (this.#undo?.length ?? 0)) return this.#undoTo(mark)
    return this.#rollbackSpilled(mark)
  }

  #undoTo(mark: number): undefined {
    const undo = this.#undo!
    while (this.#undoCount > mark && undo.length > 0) {
      const entry = undo.pop()!
      this.#undoCount--
      this.#charge(-undoSizeOf(entry))
      this.#restore(entry)
    }
  }

  async #rollbackSpilled(mark: number): Promise<void> {
    await this.#spilling
    for (;;) {
      this.#undoTo(mark)
      if (this.#undoCount <= mark) return
      await this.relieve()
      const { at, before } = this.#undoParts.pop()!
      const file = this.#undoFile!
      const part = file.read(at, file.size - at)
      file.cut(at)
      for (let from = 0; from < part.length; ) {
        const { entry, end } = decodeEntry(part, from)
        this.#undo!.push(entry)
        this.#charge(undoSizeOf(entry))
        from = end
      }
      this.#undoCount = before + this.#undo!.length
      this.#spilledBytes -= part.length
    }
  }

  // Files

  /** A promise while more is in memory than should be: writers wait for it. */
  relieve(): Promise<void> | undefined {
    if (this.#spilling !== null) return this.#spilling
    if (this.#bytes <= this.#options.spillAt) return undefined
    this.#spilling = this.#spill().finally(() => {
      this.#spilling = null
    })
    // Whoever waits is told; if nobody does, the next one tries again.
    this.#spilling.catch(() => undefined)
    return this.#spilling
  }

  /** A failure leaves all readable where it was. */
  async #spill(): Promise<void> {
    if (this.#undo !== null && this.#undo.length > 0) await this.#spillUndo(this.#undo)
    if (this.#frozen === null && this.#entries.size > 0) {
      this.#frozen = this.#inMemory()
      this.#entries = new Map()
      this.#sorted = null
    }
    if (this.#frozen !== null) {
      const { names, entries } = this.#frozen
      const run = await writeRun(this.#options.dir, inOrder(this.#frozen), names.length, 0)
      this.#runs.unshift(run)
      this.#frozen = null
      let bytes = 0
      for (const entry of entries.values()) bytes += sizeOf(entry)
      this.#charge(-bytes)
      this.#spilledBytes += run.bytes
    }
    for (let level = 0; ; level++) {
      const alike = this.#runs.filter((run) => run.level === level)
      if (alike.length < MERGE_RUNS) return
      await this.#merge(alike, level + 1)
    }
  }

  /** These neighbours become one run. */
  async #merge(runs: readonly WriteRun[], level: number): Promise<void> {
    const expected = runs.reduce((sum, { count }) => sum + count, 0)
    const sources = runs.map((run) => run.entries('', null, false))
    const merged = await writeRun(this.#options.dir, merge(sources, false), expected, level)
    this.#runs.splice(this.#runs.indexOf(runs[0]!), runs.length, merged)
    this.#spilledBytes += merged.bytes
    for (const run of runs) {
      this.#spilledBytes -= run.bytes
      run.close()
    }
  }

  async #spillUndo(undo: WriteEntry[]): Promise<void> {
    const count = undo.length
    const bytes = new ByteWriter()
    let freed = 0
    for (const entry of undo) {
      encodeEntry(bytes, entry)
      freed += undoSizeOf(entry)
    }
    this.#undoFile ??= openWriteFile(this.#options.dir)
    const before = this.#undoCount - count
    const at = await this.#undoFile.appendLater(bytes.view())
    undo.splice(0, count)
    this.#undoParts.push({ at, before })
    this.#charge(-freed)
    this.#spilledBytes += bytes.length
  }

  // In order

  /** What is in memory; of some names there may be no entry any more. */
  #inMemory(): Sorted {
    const entries = this.#entries
    if (this.#sorted === null) this.#sorted = [...entries.keys()].sort()
    else if (this.#fresh.length > SPLICE_AT_MOST) {
      const all = new Set(this.#sorted)
      for (const name of this.#fresh) all.add(name)
      this.#sorted = [...all].sort()
    } else {
      for (const name of this.#fresh) {
        const at = lowerBound(this.#sorted, name)
        if (this.#sorted[at] !== name) this.#sorted.splice(at, 0, name)
      }
    }
    this.#fresh = []
    return { names: this.#sorted, entries }
  }

  /** Up to `limit` entries of names in [low, high), ascending or descending. */
  range(low: string, high: string, reverse: boolean, limit: number): WriteEntry[] {
    const found: WriteEntry[] = []
    for (const entry of this.#walk(low, high, reverse)) {
      if (entry.absent) continue
      found.push(entry)
      if (found.length === limit) break
    }
    return found
  }

  /** All in ascending order. Nothing may be written meanwhile. */
  *all(): Generator<WriteEntry, undefined> {
    for (const entry of this.#walk('', null, false)) if (!entry.absent) yield entry
  }

  /** Waits for what is on its way into a file. */
  async settled(): Promise<void> {
    await this.#spilling
  }

  #walk(low: string, high: string | null, reverse: boolean): Iterable<WriteEntry> {
    const own = inOrder(this.#inMemory(), low, high, reverse)
    if (!this.isSpilled) return own
    const older = this.#runs.map((run) => run.entries(low, high, reverse))
    return merge(this.#frozen === null ? [own, ...older] : [own, inOrder(this.#frozen, low, high, reverse), ...older], reverse)
  }

  close(): void {
    if (this.#closed) return
    this.#charge(-this.#bytes)
    this.#closed = true
    const close = (): void => {
      for (const run of this.#runs) run.close()
      this.#undoFile?.close()
      this.#runs = []
      this.#undoFile = null
    }
    if (this.#spilling === null) close()
    else this.#spilling.then(close, close)
  }
}

function* inOrder({ names, entries }: Sorted, low = '', high: string | null = null, reverse = false): Generator<WriteEntry, undefined> {
  const from = lowerBound(names, low)
  const to = high === null ? names.length : lowerBound(names, high)
  for (let n = 0; n < to - from; n++) {
    const entry = entries.get(names[reverse ? to - 1 - n : from + n]!)
    if (entry !== undefined) yield entry
  }
}

/** Several ordered sources as one; of a name that several have, the first source's entry. */
function* merge(sources: readonly Generator<WriteEntry, undefined>[], reverse: boolean): Generator<WriteEntry, undefined> {
  const heads = sources.map((source) => source.next().value)
  for (;;) {
    let best: WriteEntry | undefined
    for (const head of heads) {
      if (head !== undefined && (best === undefined || (reverse ? head.name > best.name : head.name < best.name))) best = head
    }
    if (best === undefined) return
    yield best
    for (let i = 0; i < heads.length; i++) if (heads[i]?.name === best.name) heads[i] = sources[i]!.next().value
  }
}
