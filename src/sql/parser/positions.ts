// Byte offsets (what libpg-query reports) to character positions (what PostgreSQL's errors carry: code points, from 1) and to string indexes.

export interface SourceText {
  readonly text: string
  /** True when bytes, UTF-16 units and characters coincide: nothing to convert. */
  readonly ascii: boolean
}

export function sourceText(text: string): SourceText {
  return { text, ascii: isAscii(text) }
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

/** UTF-16 index of a byte offset. */
export function indexOfByte(source: SourceText, byte: number): number {
  if (source.ascii) return Math.min(byte, source.text.length)
  let bytes = 0
  let index = 0
  while (index < source.text.length && bytes < byte) {
    const unit = source.text.charCodeAt(index)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 4
      index++
    } else bytes += 3
    index++
  }
  return index
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
