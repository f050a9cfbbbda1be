// The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 5929): two messages in, two out. A wrong proof is answered with
// false, not an error, so that all failures are told in one place and in one way. Malformed messages are errors with PostgreSQL's texts.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { PgError } from '../base/errors.ts'
import { SQLSTATE, type Sqlstate } from '../base/sqlstate.ts'
import { hmacSha256, SCRAM_KEY_BYTES, type ScramVerifier, sha256 } from './verifier/scram-verifier.ts'

export const SCRAM = 'SCRAM-SHA-256'
export const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS'

const NONCE_BYTES = 18

export interface ScramExchange {
  /** client-first-message → server-first-message */
  first(message: Uint8Array): Buffer
  /** client-final-message → server-final-message, or null when the proof is wrong. */
  final(message: Uint8Array): Buffer | null
}

export interface ScramOptions {
  readonly verifier: ScramVerifier
  /** The mechanism the client chose. */
  readonly mechanism: typeof SCRAM | typeof SCRAM_PLUS
  /** tls-server-end-point of this connection; null when PLUS was not offered. */
  readonly endPoint: Buffer | null
  /** For tests. */
  readonly nonce?: string
}

export function createScramExchange(options: ScramOptions): ScramExchange {
  const { verifier, mechanism, endPoint } = options
  const plus = mechanism === SCRAM_PLUS
  let bindingFlag = ''
  let clientFirstBare = ''
  let serverFirst = ''
  let nonce = ''

  function readHeader(message: string): string {
    const flag = message[0] ?? ''
    let rest: string
    if (flag === 'p') {
      if (!plus)
        throw malformed('The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.')
      const comma = message.indexOf(',')
      const type = message.slice(2, comma < 0 ? undefined : comma)
      if (message[1] !== '=' || comma < 0) throw malformed('Expected attribute "p" with a channel-binding type.')
      if (type !== 'tls-server-end-point') throw fatal(SQLSTATE.protocolViolation, `unsupported SCRAM channel-binding type "${type}"`)
      bindingFlag = `p=${type}`
      rest = message.slice(comma)
    } else if (flag === 'n' || flag === 'y') {
      if (plus) throw malformed('The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.')
      if (flag === 'y' && endPoint !== null) {
        throw fatal(SQLSTATE.invalidAuthorizationSpecification, 'SCRAM channel binding negotiation error', {
          detail:
            'The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.',
        })
      }
      bindingFlag = flag
      rest = message.slice(1)
    } else throw malformed(`Unexpected channel-binding flag "${flag}".`)
    if (rest[0] !== ',') throw malformed(`Comma expected, but found character "${rest[0] ?? ''}".`)
    if (rest[1] === 'a') throw fatal(SQLSTATE.featureNotSupported, 'client uses authorization identity, but it is not supported')
    if (rest[1] !== ',') throw malformed(`Unexpected attribute "${rest[1] ?? ''}" in client-first-message.`)
    return rest.slice(2)
  }

  return {
    first(message) {
      const text = textOf(message)
      clientFirstBare = readHeader(text)
      if (clientFirstBare.startsWith('m=')) throw fatal(SQLSTATE.featureNotSupported, 'client requires an unsupported SCRAM extension')
      const [user, clientNonce] = clientFirstBare.split(',')
      // The name in here is ignored, as in PostgreSQL: the startup packet has said who it is.
      if (!user?.startsWith('n=')) throw malformed('Attribute expected, but found something else.')
      if (!clientNonce?.startsWith('r=')) throw malformed('Expected attribute "r" with the nonce.')
      if (!/^r=[!-+\--~]+$/.test(clientNonce)) throw fatal(SQLSTATE.protocolViolation, 'non-printable characters in SCRAM nonce')
      nonce = clientNonce.slice(2) + (options.nonce ?? randomBytes(NONCE_BYTES).toString('base64'))
      serverFirst = `r=${nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`
      return Buffer.from(serverFirst)
    },

    final(message) {
      const text = textOf(message)
      const proofAt = text.lastIndexOf(',p=')
      const attributes = text.split(',')
      const binding = attributes[0] ?? ''
      if (!binding.startsWith('c=')) throw malformed('Expected attribute "c" in client-final-message.')
      const header = Buffer.from(`${bindingFlag},,`)
      const expected = (plus ? Buffer.concat([header, endPoint!]) : header).toString('base64')
      if (binding.slice(2) !== expected) {
        throw plus
          ? fatal(SQLSTATE.invalidAuthorizationSpecification, 'SCRAM channel binding check failed')
          : fatal(SQLSTATE.protocolViolation, 'unexpected SCRAM channel-binding attribute in client-final-message')
      }
      if (attributes[1] !== `r=${nonce}`) {
        throw fatal(SQLSTATE.protocolViolation, 'invalid SCRAM response', { detail: 'Nonce does not match.' })
      }
      if (proofAt < 0) throw malformed('Expected attribute "p" in client-final-message.')
      const encoded = text.slice(proofAt + 3)
      const proof = Buffer.from(encoded, 'base64')
      if (proof.length !== SCRAM_KEY_BYTES || proof.toString('base64') !== encoded)
        throw malformed('Malformed proof in client-final-message.')

      const authMessage = `${clientFirstBare},${serverFirst},${text.slice(0, proofAt)}`
      const clientKey = hmacSha256(verifier.storedKey, authMessage)
      for (let i = 0; i < SCRAM_KEY_BYTES; i++) clientKey[i] = clientKey[i]! ^ proof[i]!
      if (!timingSafeEqual(sha256(clientKey), verifier.storedKey)) return null
      return Buffer.from(`v=${hmacSha256(verifier.serverKey, authMessage).toString('base64')}`)
    },
  }
}

function textOf(message: Uint8Array): string {
  if (message.length === 0) throw malformed('The message is empty.')
  if (message.includes(0)) throw malformed('Message length does not match input length.')
  return Buffer.from(message.buffer, message.byteOffset, message.length).toString('utf8')
}

function malformed(detail: string): PgError {
  return fatal(SQLSTATE.protocolViolation, 'malformed SCRAM message', { detail })
}

function fatal(code: Sqlstate, message: string, fields: { detail?: string } = {}): PgError {
  return new PgError(code, message, { ...fields, severity: 'FATAL' })
}
