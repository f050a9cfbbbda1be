// TLS: after SSLRequest, direct, ALPN, and what the session learns of it. The certificate is made by openssl; without it the tests say so.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { WireServer } from '../../src/pgwire/server.ts'
import { createTlsSettings } from '../../src/pgwire/tls.ts'
import { msg, WireClient } from '../support/wire-client.ts'
import { startStub } from '../support/wire-server.ts'

const haveOpenssl = spawnSync('openssl', ['version']).status === 0
if (!haveOpenssl) console.log('skipped: wire/tls needs the openssl command')
const dir = mkdtempSync(path.join(tmpdir(), 'pgks-tls-'))
afterAll(() => rmSync(dir, { recursive: true }))

function makeCertificate(name: string, ...algorithm: string[]): { certificate: Buffer; key: Buffer } {
  const key = path.join(dir, `${name}.key`)
  const certificate = path.join(dir, `${name}.crt`)
  execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-keyout', key, '-out', certificate, ...algorithm],
    { stdio: 'ignore' },
  )
  return { certificate: readFileSync(certificate), key: readFileSync(key) }
}

const running: WireServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.shutdown(0)))
})

describe.runIf(haveOpenssl)('TLS', () => {
  const files = haveOpenssl ? makeCertificate('rsa', '-newkey', 'rsa:2048', '-sha256') : null
  const settings = () => createTlsSettings(files!)

  test.each([
    ['RSA with SHA-256', 'sha256', ['-newkey', 'rsa:2048', '-sha256']],
    ['RSA with SHA-512', 'sha512', ['-newkey', 'rsa:2048', '-sha512']],
    ['ECDSA with SHA-384', 'sha384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-sha384']],
    ['RSA-PSS', 'sha384', ['-newkey', 'rsa:2048', '-sha384', '-sigopt', 'rsa_padding_mode:pss']],
  ])('tls-server-end-point of a certificate signed by %s', (name, hash, algorithm) => {
    const made = makeCertificate(name.replaceAll(' ', '-'), ...algorithm)
    const { endPoint } = createTlsSettings(made)
    expect(endPoint).toEqual(createHash(hash).update(new X509Certificate(made.certificate).raw).digest())
  })

  test('an Ed25519 certificate names no hash: no channel binding', () => {
    expect(createTlsSettings(makeCertificate('ed', '-newkey', 'ed25519')).endPoint).toBeNull()
  })

  test('after SSLRequest', async () => {
    const { port, sessions } = await startStub({ tls: settings }, running)
    const client = await WireClient.connect(port)
    client.send(msg.sslRequest())
    expect(await client.byte()).toBe('S')
    await client.upgrade()
    client.send(msg.startup({ user: 'u' }))
    await client.until('Z')
    client.send(msg.query('rows 3000'))
    expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
    const { tls } = sessions[0]!.client.request
    expect(tls).toMatchObject({ version: 'TLSv1.3', cipherBits: 256, clientCertificate: null })
    expect(tls!.endPoint).toHaveLength(32)
    client.end()
  })

  test('plain connections are served beside TLS', async () => {
    const { port, sessions } = await startStub({ tls: settings }, running)
    const client = await WireClient.session(port)
    expect(sessions[0]!.client.request.tls).toBeNull()
    client.end()
  })

  test('direct TLS needs ALPN postgresql', async () => {
    const { port } = await startStub({ tls: settings }, running)
    const client = await WireClient.connectTls(port)
    client.send(msg.startup({ user: 'u' }))
    expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
    client.send(msg.sslRequest())
    expect((await client.untilEnd()).at(-1)).toBe('ErrorResponse FATAL 08P01 invalid frontend message type 0')
    const without = await WireClient.connectTls(port, [])
    without.send(msg.startup({ user: 'u' }))
    expect(await without.untilEnd()).toEqual([])
    await expect(WireClient.connectTls(port, ['http/1.1'])).rejects.toThrow()
  })

  test('direct TLS to a server without it is closed; noise instead of a handshake too', async () => {
    const plain = await startStub({}, running)
    await expect(WireClient.connectTls(plain.port)).rejects.toThrow()
    const { port, server } = await startStub({ tls: settings }, running)
    const client = await WireClient.connect(port)
    client.send(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5]))
    await client.untilEnd()
    const other = await WireClient.session(port)
    other.end()
    await expect.poll(() => server.sessionCount).toBe(0)
  })

  test('big answers and COPY under TLS', async () => {
    const { port } = await startStub({ tls: settings }, running)
    const client = await WireClient.connectTls(port)
    client.send(msg.startup({ user: 'u' }))
    await client.until('Z')
    client.send(msg.query('copyout 200000'))
    const answer = await client.answer()
    expect(answer).toHaveLength(200_004)
    expect(answer[123_457]).toBe('CopyData "line 123456\\n"')
    client.send(msg.query('copyin'), msg.copyData(Buffer.alloc(5_000_000)), msg.copyDone())
    expect((await client.answer())[1]).toBe('CommandComplete COPY 5000000')
    client.end()
  })
})
