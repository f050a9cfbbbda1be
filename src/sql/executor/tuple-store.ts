// Rows kept in the order they came, readable by position: CTE results, work tables, materialised inputs, window partitions. In memory up
// to work_mem, then in a spill file of which a few blocks are cached. // hot

import { ByteWriter } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import type { TemporaryFile } from '../../base/temporary-file.ts'
import { supportOf } from './comparison.ts'
import type { Batch, ExecState } from './operator.ts'
import { rowSize } from './row-size.ts'
import { openSpillFile, RowCodec } from './spill.ts'

/** A block ends with so many rows, or bytes. */
const BLOCK_ROWS = 256
const BLOCK_BYTES = 256 * 1024
const CACHED_BLOCKS = 32
const CACHED_BYTES = 4 * 1024 * 1024

interface Block {
  /** The index of its first row, and how many it has. */
  readonly first: number
  readonly count: number
  /** In the file. */
  readonly at: number
  readonly length: number
}

class SpilledRows {
  readonly file: TemporaryFile
  readonly #codec: RowCodec
  readonly #out = new ByteWriter(64 * 1024)
  readonly #blocks: Block[] = []
  /** Rows of the blocks used last, by the blocks' positions. */
  readonly #cache = new Map<number, Row[]>()
  #cachedBytes = 0
  /** The block used last. */
  #recent = 0
  /** The rows of the unfinished last block. */
  #rows: Row[] = []
  #bytes = 0
  #first = 0

  constructor(file: TemporaryFile, codec: RowCodec) {
    this.file = file
    this.#codec = codec
  }

  add(row: Row, size: number): void {
    this.#rows.push(row)
    this.#bytes += size
    if (this.#rows.length < BLOCK_ROWS && this.#bytes < BLOCK_BYTES) return
    const out = this.#out.reset()
    for (const one of this.#rows) this.#codec.write(one, out)
    const count = this.#rows.length
    this.#blocks.push({ first: this.#first, count, at: this.file.append(out.view()), length: out.length })
    this.#first += count
    this.#rows = []
    this.#bytes = 0
  }

  get(index: number): Row {
    if (index >= this.#first) return this.#rows[index - this.#first]!
    const at = this.#blockOf(index)
    return this.#rowsOf(at)[index - this.#blocks[at]!.first]!
  }

  /** Mostly the one used last or its neighbour. */
  #blockOf(index: number): number {
    const blocks = this.#blocks
    for (let at = this.#recent; at < blocks.length && at < this.#recent + 2; at++) {
      const { first, count } = blocks[at]!
      if (index >= first && index < first + count) {
        this.#recent = at
        return at
      }
    }
    let low = 0
    let high = blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (blocks[middle]!.first <= index) low = middle
      else high = middle - 1
    }
    this.#recent = low
    return low
  }

  #rowsOf(at: number): Row[] {
    let rows = this.#cache.get(at)
    if (rows !== undefined) return rows
    const block = this.#blocks[at]!
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < CACHED_BLOCKS && this.#cachedBytes + block.length <= CACHED_BYTES) break
      this.#cache.delete(oldest)
      this.#cachedBytes -= this.#blocks[oldest]!.length
    }
    rows = []
    this.#codec.readBlock(this.file.read(block.at, block.length), rows)
    this.#cache.set(at, rows)
    this.#cachedBytes += block.length
    return rows
  }
}

/** Whose memory it takes, and where it spills to: a compilation, or a session. */
export interface TupleStoreOwner {
  readonly state: Pick<ExecState, 'memory' | 'workMem' | 'spillDir' | 'ctx'>
}

export class TupleStore {
  readonly #cx: TupleStoreOwner
  readonly #types: readonly Oid[]
  /** All rows, until they are spilled. */
  #rows: Row[] = []
  #charged = 0
  #spilled: SpilledRows | null = null
  count = 0

  constructor(cx: TupleStoreOwner, types: readonly Oid[]) {
    this.#cx = cx
    this.#types = types
  }

  add(row: Row): void {
    this.count++
    const size = rowSize(row)
    if (this.#spilled !== null) {
      this.#spilled.add(row, size)
      return
    }
    this.#rows.push(row)
    const { memory, workMem } = this.#cx.state
    if (this.#charged + size <= workMem && memory.tryCharge(size)) this.#charged += size
    else this.#spill()
  }

  addAll(rows: readonly Row[], count: number): void {
    for (let i = 0; i < count; i++) this.add(rows[i]!)
  }

  #spill(): void {
    const cx = this.#cx
    const codec = new RowCodec(this.#types, (type) => supportOf(cx, type))
    const spilled = new SpilledRows(openSpillFile(cx.state.spillDir()), codec)
    this.#spilled = spilled
    for (const row of this.#rows) spilled.add(row, rowSize(row))
    this.#rows = []
    cx.state.memory.release(this.#charged)
    this.#charged = 0
  }

  /** Whether they are more than work_mem. */
  get spilled(): boolean {
    return this.#spilled !== null
  }

  get(index: number): Row {
    return this.#spilled === null ? this.#rows[index]! : this.#spilled.get(index)
  }

  /** Fills `out` with rows from `from` on: `most` of them, or fewer where they are long; at least one. */
  read(out: Batch, from: number, most: number): void {
    const end = Math.min(this.count, from + most)
    let at = from
    // in memory all of them together are within work_mem
    for (let bytes = 0; at < end && bytes < LIMITS.batchBytes; at++) {
      const row = this.get(at)
      out.rows[at - from] = row
      if (this.#spilled !== null) bytes += rowSize(row)
    }
    out.count = at - from
  }

  clear(): void {
    this.#spilled?.file.close()
    this.#spilled = null
    this.#rows = []
    this.count = 0
    this.#cx.state.memory.release(this.#charged)
    this.#charged = 0
  }
}
