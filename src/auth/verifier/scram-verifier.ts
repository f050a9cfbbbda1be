// What the store keeps of a password: PostgreSQL's `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`. Key derivation runs in the thread pool,
// never on the event loop. A room of its own below auth/, since CREATE ROLE and the bootstrap make verifiers too.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { notSupported } from '../../base/errors.ts'

const derive = promisify(pbkdf2)

export const SCRAM_KEY_BYTES = 32
export const SCRAM_SALT_BYTES = 16
/** PostgreSQL's scram_iterations. */
export const SCRAM_ITERATIONS = 4096

export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

export function hmacSha256(key: Uint8Array, data: Uint8Array | string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

export function sha256(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest()
}

/** Null when the text is no SCRAM-SHA-256 verifier. */
export function parseVerifier(text: string): ScramVerifier | null {
  const match = /^SCRAM-SHA-256\$(\d{1,10}):([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/.exec(text)
  if (match === null) return null
  const iterations = Number(match[1])
  if (iterations < 1 || iterations > 0x7fffffff) return null
  return {
    iterations,
    salt: Buffer.from(match[2]!, 'base64'),
    storedKey: Buffer.from(match[3]!, 'base64'),
    serverKey: Buffer.from(match[4]!, 'base64'),
  }
}

export function formatVerifier(verifier: ScramVerifier): string {
  const { iterations, salt, storedKey, serverKey } = verifier
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${serverKey.toString('base64')}`
}

/** A verifier of a password in plain text. */
export async function makeVerifier(password: string, options: { iterations?: number; salt?: Buffer } = {}): Promise<string> {
  const { iterations = SCRAM_ITERATIONS, salt = randomBytes(SCRAM_SALT_BYTES) } = options
  return formatVerifier(await keysOf(password, salt, iterations))
}

async function keysOf(password: string, salt: Buffer, iterations: number): Promise<ScramVerifier> {
  const salted = await derive(await prepare(password), salt, iterations, SCRAM_KEY_BYTES, 'sha256')
  return { iterations, salt, storedKey: sha256(hmacSha256(salted, 'Client Key')), serverKey: hmacSha256(salted, 'Server Key') }
}

/** Whether `password` is the one the verifier was made of. */
export async function passwordMatches(verifier: ScramVerifier, password: string): Promise<boolean> {
  const { storedKey } = await keysOf(password, verifier.salt, verifier.iterations)
  return timingSafeEqual(storedKey, verifier.storedKey)
}

/** A verifier that takes longer to check is not asked whether it is the empty password's. */
const MOST_CHECKED_ITERATIONS = 1_000_000

/**
 * What CREATE/ALTER ROLE … PASSWORD stores: a verifier as it is, anything else hashed; null for the empty password, be it in a verifier, which
 * is no password. `encryption`: the setting password_encryption. MD5 hashes are refused.
 */
export async function passwordToStore(password: string, encryption: string, iterations = SCRAM_ITERATIONS): Promise<string | null> {
  if (password === '') return null
  const verifier = parseVerifier(password)
  if (verifier !== null) return verifier.iterations <= MOST_CHECKED_ITERATIONS && (await passwordMatches(verifier, '')) ? null : password
  if (encryption === 'md5' || /^md5[0-9a-f]{32}$/.test(password)) {
    throw notSupported('MD5-encrypted passwords are not supported', 'Give the password in plain text, or its SCRAM-SHA-256 secret.')
  }
  return makeVerifier(password, { iterations })
}

/** SASLprep; as in PostgreSQL, a password it does not allow is taken as it is. */
async function prepare(password: string): Promise<string> {
  if (/^[ -~]*$/.test(password)) return password
  const { default: saslprep } = await import('saslprep')
  try {
    return saslprep(password)
  } catch {
    return password
  }
}
