// Node's fast single-encoding methods of Buffer, which its published types leave out. Offsets in bytes, `end` exclusive.

declare global {
  interface Buffer {
    utf8Slice(start?: number, end?: number): string
    latin1Slice(start?: number, end?: number): string
    /** Answers the bytes written; never splits a character. */
    utf8Write(text: string, offset?: number, length?: number): number
    latin1Write(text: string, offset?: number, length?: number): number
    hexWrite(text: string, offset?: number, length?: number): number
    base64Write(text: string, offset?: number, length?: number): number
  }
}

export {}
