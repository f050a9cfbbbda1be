import { describe, expect, test } from 'vitest'
import { createScramExchange, type ScramOptions } from '../../../src/auth/scram-exchange.ts'
import {
  formatVerifier,
  makeVerifier,
  parseVerifier,
  passwordMatches,
  passwordToStore,
  type ScramVerifier,
} from '../../../src/auth/verifier/scram-verifier.ts'
import { PgError } from '../../../src/base/errors.ts'

// RFC 7677, section 3: user "user", password "pencil".
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const FINAL = `c=biws,r=${CLIENT_NONCE}${SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`

const pencil = async (): Promise<ScramVerifier> => parseVerifier(await makeVerifier('pencil', { salt: SALT }))!
const exchange = async (options: Partial<ScramOptions> = {}) =>
  createScramExchange({ verifier: await pencil(), mechanism: 'SCRAM-SHA-256', endPoint: null, nonce: SERVER_NONCE, ...options })

function refusal(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    if (error instanceof PgError)
      return `${error.severity} ${error.code} ${error.message}${error.fields.detail ? `: ${error.fields.detail}` : ''}`
    throw error
  }
  throw new Error('not refused')
}

test('the RFC’s conversation', async () => {
  const scram = await exchange()
  expect(scram.first(Buffer.from(`n,,n=user,r=${CLIENT_NONCE}`)).toString()).toBe(
    `r=${CLIENT_NONCE}${SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
  )
  expect(scram.final(Buffer.from(FINAL))!.toString()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

test('a wrong proof is null, not an error', async () => {
  const other = parseVerifier(await makeVerifier('other', { salt: SALT }))!
  const scram = await exchange({ verifier: other })
  scram.first(Buffer.from(`n,,n=user,r=${CLIENT_NONCE}`))
  expect(scram.final(Buffer.from(FINAL))).toBeNull()
})

describe('messages that are refused', () => {
  test.each([
    ['', 'FATAL 08P01 malformed SCRAM message: The message is empty.'],
    ['n,,n=user\0', 'FATAL 08P01 malformed SCRAM message: Message length does not match input length.'],
    ['x,,n=u,r=abc', 'FATAL 08P01 malformed SCRAM message: Unexpected channel-binding flag "x".'],
    [
      'p=tls-server-end-point,,n=u,r=abc',
      'FATAL 08P01 malformed SCRAM message: The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.',
    ],
    ['n,a=other,n=u,r=abc', 'FATAL 0A000 client uses authorization identity, but it is not supported'],
    ['n,,m=x,n=u,r=abc', 'FATAL 0A000 client requires an unsupported SCRAM extension'],
    ['n,,n=u,r=a\u0001', 'FATAL 08P01 non-printable characters in SCRAM nonce'],
    ['n,,r=abc', 'FATAL 08P01 malformed SCRAM message: Attribute expected, but found something else.'],
  ])('client-first %j', async (message, expected) => {
    const scram = await exchange()
    expect(refusal(() => scram.first(Buffer.from(message)))).toBe(expected)
  })

  test.each([
    [FINAL.replace('biws', 'eSws'), 'FATAL 08P01 unexpected SCRAM channel-binding attribute in client-final-message'],
    [FINAL.replace(SERVER_NONCE, 'x'), 'FATAL 08P01 invalid SCRAM response: Nonce does not match.'],
    [FINAL.replace(/,p=.*/, ''), 'FATAL 08P01 malformed SCRAM message: Expected attribute "p" in client-final-message.'],
    [FINAL.replace(/p=.*/, 'p=abcd'), 'FATAL 08P01 malformed SCRAM message: Malformed proof in client-final-message.'],
  ])('client-final %j', async (message, expected) => {
    const scram = await exchange()
    scram.first(Buffer.from(`n,,n=user,r=${CLIENT_NONCE}`))
    expect(refusal(() => scram.final(Buffer.from(message)))).toBe(expected)
  })

  test('a downgrade: the client could bind the channel and was told we cannot', async () => {
    const scram = await exchange({ endPoint: Buffer.alloc(32) })
    expect(refusal(() => scram.first(Buffer.from('y,,n=u,r=abc')))).toMatch(/^FATAL 28000 SCRAM channel binding negotiation error/)
  })

  test('another channel: the certificate the client saw is not ours', async () => {
    const scram = await exchange({ mechanism: 'SCRAM-SHA-256-PLUS', endPoint: Buffer.alloc(32, 1) })
    scram.first(Buffer.from(`p=tls-server-end-point,,n=user,r=${CLIENT_NONCE}`))
    const binding = Buffer.concat([Buffer.from('p=tls-server-end-point,,'), Buffer.alloc(32, 2)]).toString('base64')
    expect(refusal(() => scram.final(Buffer.from(FINAL.replace('biws', binding))))).toBe('FATAL 28000 SCRAM channel binding check failed')
  })
})

test('verifiers: format, parse, match, prepared text', async () => {
  const text = await makeVerifier('I\u00adX', { iterations: 5000 })
  expect(text).toMatch(/^SCRAM-SHA-256\$5000:/)
  const verifier = parseVerifier(text)!
  expect(formatVerifier(verifier)).toBe(text)
  // SASLprep maps the soft hyphen to nothing.
  expect(await passwordMatches(verifier, 'IX')).toBe(true)
  expect(await passwordMatches(verifier, 'ix')).toBe(false)
  // What SASLprep prohibits is taken as it is.
  expect(await passwordMatches(parseVerifier(await makeVerifier('a\u0007'))!, 'a\u0007')).toBe(true)
  for (const bad of ['', 'secret', 'SCRAM-SHA-256$0:AAAA$AAAA:AAAA', text.slice(0, -1), `${text}x`]) expect(parseVerifier(bad)).toBeNull()
})

test('what a role keeps: a verifier as given, no MD5, anything else hashed', async () => {
  const text = await makeVerifier('x')
  expect(await passwordToStore(text, 'scram-sha-256')).toBe(text)
  const refused = 'MD5-encrypted passwords are not supported'
  await expect(passwordToStore('md50123456789abcdef0123456789abcdef', 'scram-sha-256')).rejects.toThrow(refused)
  await expect(passwordToStore('plain', 'md5')).rejects.toThrow(refused)
  expect(await passwordMatches(parseVerifier((await passwordToStore('plain', 'scram-sha-256'))!)!, 'plain')).toBe(true)
})
