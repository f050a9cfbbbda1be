// The thread that parses large texts (parse-large.ts), one after another.

import { parentPort, type TransferListItem } from 'node:worker_threads'
import { type ErrorFields, PgError } from '../../base/errors.ts'
import type { Sqlstate } from '../../base/sqlstate.ts'
import { type CutTree, cutTree } from './cut-tree.ts'
import { mayHoldTenantStatement } from './split.ts'
import { holdsTenantStatement } from './tenant-statements.ts'
import { truncatedIdentifiers } from './truncation.ts'
import { loadParser, parseToBytes, type RawParseFailure } from './wasm.ts'

export type ParseAnswer =
  | { readonly kind: 'tree'; readonly tree: CutTree; readonly truncated: readonly string[] }
  | { readonly kind: 'failure'; readonly failure: RawParseFailure }
  /** Statements of ours are in it, which the grammar does not know. */
  | { readonly kind: 'tenant' }
  | { readonly kind: 'error'; readonly code: Sqlstate; readonly message: string; readonly fields: ErrorFields }

function answerTo(bytes: Uint8Array): ParseAnswer {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).utf8Slice()
  if (mayHoldTenantStatement(text) && holdsTenantStatement(text)) return { kind: 'tenant' }
  try {
    const parsed = parseToBytes(bytes)
    if (!(parsed instanceof Uint8Array)) return { kind: 'failure', failure: parsed }
    return { kind: 'tree', tree: cutTree(parsed), truncated: truncatedIdentifiers(text) }
  } catch (error) {
    if (!(error instanceof PgError)) throw error
    const { detail, hint } = error.fields
    return {
      kind: 'error',
      code: error.code,
      message: error.message,
      fields: { ...(detail === undefined ? {} : { detail }), ...(hint === undefined ? {} : { hint }) },
    }
  }
}

const port = parentPort!
let ready = loadParser()
port.on('message', (bytes: Uint8Array) => {
  // one text at a time: what asks next waits for the spare parser, should this text have used one up
  ready = ready.then(() => {
    const answer = answerTo(bytes)
    const transfer: TransferListItem[] = answer.kind === 'tree' ? [answer.tree.bytes.buffer as ArrayBuffer] : []
    port.postMessage(answer, transfer)
    return loadParser()
  })
})
