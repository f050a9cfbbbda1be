// libpg-query's WebAssembly, driven directly: one instance in use and one spare. A parse that ends in a trap or a stack overflow may leave
// the C side's error stack in any state, so that instance is thrown away and the spare takes over at once; memory grown by a huge
// statement goes the same way. Invariant: an instance that ever failed abnormally never parses again.

import { createRequire } from 'node:module'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

interface PgQueryModule {
  readonly HEAPU8: Uint8Array
  readonly HEAPU32: Uint32Array
  _malloc(size: number): number
  _free(pointer: number): void
  _wasm_parse_query_raw(text: number): number
  _wasm_free_parse_result(result: number): void
}

const createModule = createRequire(import.meta.url)('libpg-query/wasm/libpg-query.js') as () => Promise<PgQueryModule>

/** Bytes of WebAssembly memory above which an instance is replaced after the statement. */
const RECYCLE_BYTES = 192 * 1024 * 1024

let current: PgQueryModule | null = null
let spare: PgQueryModule | null = null
let refill: Promise<void> | null = null

function fillSpare(): Promise<void> {
  refill ??= createModule().then((module) => {
    refill = null
    if (current === null) current = module
    else spare = module
  })
  return refill
}

/** Call once at start and wait for it. */
export async function loadParser(): Promise<void> {
  while (current === null || spare === null) await fillSpare()
}

function discard(): void {
  current = spare
  spare = null
  // A failed instantiation leaves the spare empty; the next discard tries again.
  fillSpare().catch(() => {
    refill = null
  })
}

/** The bytes of a C string, lent until the next call. */
function cBytes(module: PgQueryModule, pointer: number): Buffer {
  const heap = module.HEAPU8
  const bytes = Buffer.from(heap.buffer, heap.byteOffset, heap.byteLength)
  return pointer === 0 ? bytes.subarray(0, 0) : bytes.subarray(pointer, bytes.indexOf(0, pointer))
}

const cString = (module: PgQueryModule, pointer: number): string => cBytes(module, pointer).utf8Slice()

export interface RawParseFailure {
  readonly message: string
  /** 1-based character position; 0 = none. */
  readonly cursorPosition: number
  readonly functionName: string
  readonly fileName: string
}

/** The parse tree's JSON text, or what the grammar said. */
export const parseToJson = (bytes: Uint8Array): string | RawParseFailure => parseRaw(bytes, (json) => json.utf8Slice())

/** The same as bytes. */
export const parseToBytes = (bytes: Uint8Array): Uint8Array | RawParseFailure => parseRaw(bytes, (json) => new Uint8Array(json))

function parseRaw<T>(bytes: Uint8Array, read: (json: Buffer) => T): T | RawParseFailure {
  const module = current
  if (module === null) {
    throw new PgError(SQLSTATE.cannotConnectNow, 'the parser is not loaded', { hint: 'Try again.' })
  }
  const text = module._malloc(bytes.length + 1)
  if (text === 0) {
    discard()
    throw new PgError(SQLSTATE.outOfMemory, 'out of memory', { detail: 'The statement does not fit the parser.' })
  }
  module.HEAPU8.set(bytes, text)
  module.HEAPU8[text + bytes.length] = 0
  let healthy = false
  try {
    const result = module._wasm_parse_query_raw(text)
    if (result === 0) throw new PgError(SQLSTATE.outOfMemory, 'out of memory')
    const word = (pointer: number): number => module.HEAPU32[pointer >> 2]!
    const error = word(result + 8)
    let answer: T | RawParseFailure
    if (error === 0) answer = read(cBytes(module, word(result)))
    else {
      answer = {
        message: cString(module, word(error)),
        functionName: cString(module, word(error + 4)),
        fileName: cString(module, word(error + 8)),
        cursorPosition: word(error + 16) | 0,
      }
    }
    module._wasm_free_parse_result(result)
    module._free(text)
    healthy = module.HEAPU8.length <= RECYCLE_BYTES
    return answer
  } catch (error) {
    if (error instanceof PgError) throw error
    throw stackDepthExceeded(error)
  } finally {
    if (!healthy) discard()
  }
}

export function stackDepthExceeded(cause?: unknown): PgError {
  return new PgError(SQLSTATE.statementTooComplex, 'stack depth limit exceeded', {
    hint: 'Split the statement, or nest its expressions and sub-selects less deeply.',
    cause,
  })
}
