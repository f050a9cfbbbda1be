// Answers between nodes pass through the store, which keeps old versions: they are sealed for the one process that asked (X25519, HKDF, AES-GCM), so
// that statements' texts never lie there readable.

import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const TAG_BYTES = 16
const NO_NONCE = Buffer.alloc(12) // each key seals one text

const bytesOf = (key: KeyObject): Buffer => Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url')
const keyOf = (bytes: Buffer): KeyObject =>
  createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x: bytes.toString('base64url') } })

const secretOf = (privateKey: KeyObject, publicKey: KeyObject, about: string): Buffer =>
  Buffer.from(hkdfSync('sha256', diffieHellman({ privateKey, publicKey }), Buffer.alloc(0), about, KEY_BYTES))

/** For the holder of the key; `about` must be the same when it is opened. */
export function seal(publicKey: Buffer, about: string, text: string): Buffer {
  const own = generateKeyPairSync('x25519')
  const cipher = createCipheriv(CIPHER, secretOf(own.privateKey, keyOf(publicKey), about), NO_NONCE)
  return Buffer.concat([bytesOf(own.publicKey), cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

export interface Seals {
  readonly publicKey: Buffer
  open(about: string, sealed: Buffer): string
}

export function createSeals(): Seals {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  return {
    publicKey: bytesOf(publicKey),
    open(about, sealed) {
      const from = keyOf(sealed.subarray(0, KEY_BYTES))
      const decipher = createDecipheriv(CIPHER, secretOf(privateKey, from, about), NO_NONCE)
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
      return decipher.update(sealed.subarray(KEY_BYTES, sealed.length - TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    },
  }
}
