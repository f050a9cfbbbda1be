// Pseudo-types that a value can have after all: void, aclitem and the text-like ones nobody reads from a client.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { textValueCodec } from './codecs.ts'
import { defineType } from './define.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

const cannotAccept = (type: string) => (): never => {
  throw new PgError(SQLSTATE.featureNotSupported, `cannot accept a value of type ${type}`)
}

const ACLITEM = /^(?:group |user )?("(?:[^"]|"")*"|[^=" ]*)=((?:[arwdDxtXUCTcsAm]\*?)*)(?:\/("(?:[^"]|"")*"|[^=" ]+))?$/

function stringLike(input: (text: string) => string): TypeSupport {
  return defineType<string>({
    input,
    output: (value) => value,
    hashKey: (value) => value,
    size: (value) => 24 + value.length,
    value: textValueCodec,
    key: null,
  })
}

export const pseudoTypes = {
  void: stringLike(() => ''),
  trigger: stringLike(cannotAccept('trigger')),
  event_trigger: stringLike(cannotAccept('event_trigger')),
  aclitem: stringLike((text) => {
    if (!ACLITEM.test(text))
      throw new PgError(SQLSTATE.invalidTextRepresentation, text.includes('=') ? `invalid aclitem "${text}"` : 'missing "=" sign')
    return text
  }),
}

export const pseudoProcs = {
  aclitem_eq: (a, b) => a === b,
} satisfies Procs
