// Rows kept in the order they came, readable by position: CTE results, work tables, materialised inputs, window partitions. In memory up
// to work_mem, then in a spill file of which a few blocks are cached. // hot

import { ByteWriter } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { TemporaryFile } from '../../base/temporary-file.ts'
import { supportOf } from './comparison.ts'
import type { Compilation } from './compilation.ts'
import { rowSize } from './row-size.ts'
import { openSpillFile, RowCodec } from './spill.ts'

const BLOCK_ROWS = 256
const CACHED_BLOCKS = 8

export class TupleStore {
  readonly #cx: Compilation
  readonly #types: readonly Oid[]
  /** All rows; once spilled, those of the unfinished last block. */
  #rows: Row[] = []
  #charged = 0
  #spilled: { file: TemporaryFile; codec: RowCodec; blocks: number[]; cache: Map<number, Row[]> } | null = null
  #out: ByteWriter | null = null
  count = 0

  constructor(cx: Compilation, types: readonly Oid[]) {
    this.#cx = cx
    this.#types = types
  }

  add(row: Row): void {
    this.#rows.push(row)
    this.count++
    if (this.#spilled !== null) {
      if (this.#rows.length === BLOCK_ROWS) this.#writeBlock()
      return
    }
    const size = rowSize(row)
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
    this.#spilled = { file: openSpillFile(cx.state.spillDir()), codec, blocks: [], cache: new Map() }
    this.#out = new ByteWriter(64 * 1024)
    const rows = this.#rows
    for (let i = 0; i < rows.length; i += BLOCK_ROWS) {
      this.#rows = rows.slice(i, i + BLOCK_ROWS)
      if (this.#rows.length === BLOCK_ROWS) this.#writeBlock()
    }
    if (rows.length % BLOCK_ROWS === 0) this.#rows = []
    cx.state.memory.release(this.#charged)
    this.#charged = 0
  }

  #writeBlock(): void {
    const { file, codec, blocks } = this.#spilled!
    const out = this.#out!.reset()
    for (const row of this.#rows) codec.write(row, out)
    blocks.push(file.append(out.view()), out.length)
    this.#rows = []
  }

  get(index: number): Row {
    const spilled = this.#spilled
    if (spilled === null) return this.#rows[index]!
    const block = Math.floor(index / BLOCK_ROWS)
    if (block * 2 >= spilled.blocks.length) return this.#rows[index - block * BLOCK_ROWS]!
    let rows = spilled.cache.get(block)
    if (rows === undefined) {
      rows = []
      spilled.codec.readBlock(spilled.file.read(spilled.blocks[block * 2]!, spilled.blocks[block * 2 + 1]!), rows)
      if (spilled.cache.size >= CACHED_BLOCKS) spilled.cache.delete(spilled.cache.keys().next().value!)
      spilled.cache.set(block, rows)
    }
    return rows[index - block * BLOCK_ROWS]!
  }

  clear(): void {
    this.#spilled?.file.close()
    this.#spilled = null
    this.#out = null
    this.#rows = []
    this.count = 0
    this.#cx.state.memory.release(this.#charged)
    this.#charged = 0
  }
}
