// What the COPY parsers hand over: one record's fields as ranges of bytes. // hot

/** Fields of one record. Reused: read it before asking for the next. */
export class Fields {
  /** Bytes of field i: data[start[i], end[i]); when `escaped[i]` is 1 its text is in `texts[i]` instead. */
  data: Buffer = Buffer.alloc(0)
  start = new Int32Array(32)
  end = new Int32Array(32)
  /** 0 plain, 1 see texts, 2 NULL, 3 DEFAULT. */
  form = new Uint8Array(32)
  texts: string[] = []
  count = 0

  push(start: number, end: number, form: number, text: string): void {
    const i = this.count++
    if (i === this.start.length) this.#grow()
    this.start[i] = start
    this.end[i] = end
    this.form[i] = form
    if (form === FORM_TEXT) this.texts[i] = text
  }

  #grow(): void {
    const size = this.start.length * 2
    const start = new Int32Array(size)
    const end = new Int32Array(size)
    const form = new Uint8Array(size)
    start.set(this.start)
    end.set(this.end)
    form.set(this.form)
    this.start = start
    this.end = end
    this.form = form
  }

  text(i: number): string {
    return this.form[i] === FORM_TEXT ? this.texts[i]! : this.data.utf8Slice(this.start[i], this.end[i])
  }
}

export const FORM_PLAIN = 0
export const FORM_TEXT = 1
export const FORM_NULL = 2
export const FORM_DEFAULT = 3

/** Cuts a byte stream into records. */
export interface RecordReader {
  /** More bytes of the stream; they are lent until the next feed. */
  feed(chunk: Buffer): void
  /** No more bytes will come: a last line without an end of line counts. */
  finish(): void
  /** The next whole record into `fields`; false when more bytes are needed or the end was reached. */
  next(fields: Fields): boolean
  /** Line of the record last read, from 1. */
  readonly line: number
  /** The field at which the last next() failed; -1: the record as a whole is to blame. */
  readonly field: number
  /** The record last read as text, for error contexts. */
  lineText(): string
  /** A record of the format: \. was read; what follows is ignored. */
  readonly ended: boolean
}
