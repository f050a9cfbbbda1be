// TLS for the wire server: contexts from PEM, and what channel binding needs of a certificate (RFC 5929 tls-server-end-point).

import { createHash } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'

export interface TlsSettings {
  readonly context: SecureContext
  /** Hash of the certificate that a client binds to; null when the certificate's signature names no hash (Ed25519). */
  readonly endPoint: Buffer | null
  /** Ask clients for a certificate (it is checked against `ca`; who may come without one is the authenticator's business). */
  readonly requestCertificate: boolean
}

export interface TlsFiles {
  /** PEM, the server's own certificate first. */
  readonly certificate: string | Buffer
  readonly key: string | Buffer
  /** PEM of the authorities that sign clients' certificates. */
  readonly clientAuthorities?: string | Buffer
}

/** TLS 1.2 and 1.3. Throws what OpenSSL says of bad files. */
export function createTlsSettings(files: TlsFiles): TlsSettings {
  const { certificate, key, clientAuthorities } = files
  const context = createSecureContext({
    cert: certificate,
    key,
    minVersion: 'TLSv1.2',
    ...(clientAuthorities === undefined ? {} : { ca: clientAuthorities }),
  })
  const hash = signatureHash(firstCertificate(certificate.toString()))
  const endPoint = hash === null ? null : createHash(hash).update(firstCertificate(certificate.toString())).digest()
  return { context, endPoint, requestCertificate: clientAuthorities !== undefined }
}

function firstCertificate(pem: string): Buffer {
  const match = /-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/.exec(pem)
  if (match === null) throw new Error('the TLS certificate file holds no PEM certificate')
  return Buffer.from(match[1]!, 'base64')
}

/** DER of the signature algorithms' OIDs, and the hash the binding uses: MD5 and SHA-1 are replaced by SHA-256. */
const HASH_BY_OID: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256',
  '2a864886f70d010105': 'sha256',
  '2a864886f70d01010e': 'sha224',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d0401': 'sha256',
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
}
const RSA_PSS = '2a864886f70d01010a'
const DIGEST_BY_OID: Readonly<Record<string, string>> = {
  '2b0e03021a': 'sha256',
  '608648016503040204': 'sha224',
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
}

interface Der {
  tag: number
  start: number
  end: number
}

function derAt(der: Buffer, at: number): Der {
  const tag = der[at]!
  let length = der[at + 1]!
  let start = at + 2
  if (length >= 0x80) {
    const size = length & 0x7f
    length = der.readUIntBE(start, size)
    start += size
  }
  return { tag, start, end: start + length }
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, signature } */
function signatureHash(certificate: Buffer): string | null {
  const body = derAt(certificate, derAt(certificate, 0).start)
  const algorithm = derAt(certificate, body.end)
  const oid = derAt(certificate, algorithm.start)
  const name = certificate.toString('hex', oid.start, oid.end)
  if (name !== RSA_PSS) return HASH_BY_OID[name] ?? null
  // RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, … }
  const parameters = derAt(certificate, oid.end)
  if (parameters.start === parameters.end) return 'sha256'
  const hash = derAt(certificate, parameters.start)
  if (hash.tag !== 0xa0) return 'sha256'
  const hashOid = derAt(certificate, derAt(certificate, hash.start).start)
  return DIGEST_BY_OID[certificate.toString('hex', hashOid.start, hashOid.end)] ?? null
}
