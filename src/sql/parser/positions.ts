// Byte offsets (what libpg-query reports) to character positions (what PostgreSQL's errors carry: code points, from 1) and to string indexes.

export interface SourceText {
  readonly text: string
  /** True when bytes, UTF-16 units and characters coincide: nothing to convert. */
  readonly ascii: boolean
  /** The UTF-16 index at each STEP-th byte, made when first asked for: the statements of a long script begin all over it. */
  marks: Mark[] | null
}

interface Mark {
  readonly byte: number
  readonly index: number
}

const STEP = 1024

/** From here on the engine counts faster than a loop over the characters. */
const LONG = 512

export function sourceText(text: string): SourceText {
  return { text, ascii: isAscii(text), marks: null }
}

/** How far the character at `index` reaches: its bytes in UTF-8 and its UTF-16 units. */
function advance(text: string, at: { byte: number; index: number }): void {
  const unit = text.charCodeAt(at.index)
  if (unit < 0x80) at.byte += 1
  else if (unit < 0x800) at.byte += 2
  else if (unit >= 0xd800 && unit < 0xdc00) {
    at.byte += 4
    at.index++
  } else at.byte += 3
  at.index++
}

function makeMarks(text: string): Mark[] {
  const marks: Mark[] = [{ byte: 0, index: 0 }]
  const at = { byte: 0, index: 0 }
  while (at.index < text.length) {
    advance(text, at)
    if (at.byte >= marks.length * STEP) marks.push({ ...at })
  }
  return marks
}

export function isAscii(text: string): boolean {
  if (text.length > LONG) return Buffer.byteLength(text) === text.length
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

/** UTF-16 index of a byte offset. */
export function indexOfByte(source: SourceText, byte: number): number {
  if (source.ascii) return Math.min(byte, source.text.length)
  source.marks ??= makeMarks(source.text)
  const mark = source.marks[Math.min(Math.floor(byte / STEP), source.marks.length - 1)]!
  // The mark may lie a character behind its step.
  const at = mark.byte <= byte ? { ...mark } : { ...source.marks[Math.floor(byte / STEP) - 1]! }
  while (at.index < source.text.length && at.byte < byte) advance(source.text, at)
  return at.index
}

/** Character position (from 1) of a UTF-16 index. */
export function positionOfIndex(text: string, index: number): number {
  let position = 1
  for (let i = 0; i < index; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0xdc00 || unit > 0xdfff) position++
  }
  return position
}

/** Character position (from 1) of a byte offset; undefined for "unknown" (negative). */
export function positionOfByte(source: SourceText, byte: number): number | undefined {
  if (byte < 0) return undefined
  return source.ascii ? byte + 1 : positionOfIndex(source.text, indexOfByte(source, byte))
}
