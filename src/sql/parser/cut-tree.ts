// A parse tree's JSON in parts that are each read in a moment: what a worker has parsed is put together here in steps. Every long list (rows of
// VALUES, items of IN, statements of a script) leaves its place to a mark and is told as parts of so many items. What is in no list, such as
// operators within operators, stays in one part.

import type { Steps } from '../../base/long-work.ts'

/** The parts one behind the other, a list's before those of the list it is in; the last one is the tree itself. */
export interface CutTree {
  readonly bytes: Uint8Array
  /** Where each part ends. */
  readonly ends: readonly number[]
  /** Which list a part's items belong to. */
  readonly lists: readonly number[]
  /** Whether marks are in it. */
  readonly marked: readonly boolean[]
}

/** Bytes of a part, and of a list that is cut. */
const PART_BYTES = 32 * 1024

/** A list's place: no node has such a field. */
const MARK = '#'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

export function cutTree(json: Uint8Array, partBytes = PART_BYTES): CutTree {
  const parts: Uint8Array[] = []
  const lists: number[] = []
  const marked: boolean[] = []
  // The JSON read so far, cut lists replaced by their marks: never longer than what it stands for.
  const out = Buffer.allocUnsafe(json.length + 32)
  let size = 0
  /** Of each open list where it begins, of an open object -1; and the commas in it that a part may end at. */
  const starts: number[] = []
  const commas: number[][] = []
  let marks: number[] = []
  let cut = 0

  const part = (from: number, to: number): void => {
    parts.push(Buffer.concat([Buffer.from('['), out.subarray(from, to), Buffer.from(']')]))
    lists.push(cut)
    marked.push(marks.some((mark) => mark >= from && mark < to))
  }
  const close = (start: number, at: readonly number[]): void => {
    let from = start + 1
    for (const comma of at) {
      part(from, comma)
      from = comma + 1
    }
    part(from, size)
    marks = marks.filter((mark) => mark < start)
    marks.push(start)
    size = start + out.latin1Write(`{"${MARK}":${cut}}`, start)
    cut++
  }

  for (let i = 0; i < json.length; i++) {
    const c = json[i]!
    if (c === CLOSE_LIST || c === CLOSE_OBJECT) {
      const start = starts.pop()!
      const at = commas.pop()!
      if (c === CLOSE_LIST && at.length > 0) {
        close(start, at)
        continue
      }
    } else if (c === OPEN_LIST || c === OPEN_OBJECT) {
      starts.push(c === OPEN_LIST ? size : -1)
      commas.push(NONE)
    } else if (c === COMMA) {
      const top = starts.length - 1
      const start = starts[top]!
      const at = commas[top]!
      if (start >= 0 && size - (at.length === 0 ? start : at[at.length - 1]!) > partBytes) {
        if (at === NONE) commas[top] = [size]
        else at.push(size)
      }
    } else if (c === QUOTE) {
      out[size++] = c
      for (i++; json[i] !== QUOTE; i++) {
        if (json[i] === BACKSLASH) out[size++] = json[i++]!
        out[size++] = json[i]!
      }
    }
    out[size++] = c
  }
  parts.push(out.subarray(0, size))
  lists.push(-1)
  marked.push(marks.length > 0)
  let end = 0
  const ends = parts.map((bytes) => {
    end += bytes.length
    return end
  })
  return { bytes: new Uint8Array(Buffer.concat(parts)), ends, lists, marked }
}

const NONE: number[] = []

/** The tree, put together part by part. */
export function* joinTree({ bytes, ends, lists, marked }: CutTree): Steps<unknown> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: unknown[][] = []
  let from = 0
  for (let i = 0; ; i++) {
    const part: unknown = JSON.parse(buffer.utf8Slice(from, ends[i]!))
    from = ends[i]!
    if (marked[i] === true) replaceMarks(part, found)
    if (i === ends.length - 1) return part
    const list = lists[i]!
    if (found[list] === undefined) found[list] = part as unknown[]
    else for (const item of part as unknown[]) found[list].push(item)
    yield
  }
}

/** Without recursion: a tree may be deep. */
function replaceMarks(root: unknown, lists: readonly unknown[][]): void {
  const rest: Record<string, unknown>[] = [root as Record<string, unknown>]
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    for (const key in node) {
      const value = node[key]
      if (typeof value !== 'object' || value === null) continue
      const list = (value as Record<string, unknown>)[MARK]
      if (list === undefined) rest.push(value as Record<string, unknown>)
      else node[key] = lists[list as number]
    }
  }
}
