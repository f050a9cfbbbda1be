// Mutual TLS to PD (gRPC and HTTP) and to the stores. openssl makes the certificates; without it the tests say so.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/storage/tikv/client.ts'
import type { TlsOptions } from '../../src/storage/tikv/grpc.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import type { Certificates } from '../fake-tikv/listen.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (!hasOpenssl) console.log('skipped: tikv/tls needs the openssl command')

const directory = mkdtempSync(path.join(tmpdir(), 'pgks-tikv-tls-'))
afterAll(() => rmSync(directory, { recursive: true }))
const file = (name: string): string => path.join(directory, name)
const openssl = (...args: string[]): void => {
  execFileSync('openssl', args, { stdio: 'ignore', cwd: directory })
}
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function authority(name: string): void {
  openssl('req', '-x509', ...newKey, '-days', '1', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`)
}

function signed(name: string, by: string, extensions: string): void {
  writeFileSync(file(`${name}.ext`), extensions)
  openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
  openssl(
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial'],
    ...['-days', '1', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
  )
}

const pem = (name: string): string => readFileSync(file(name), 'utf8')
const credentials = (ca: string, own: string): Certificates => ({ ca: pem(`${ca}.pem`), cert: pem(`${own}.pem`), key: pem(`${own}.key`) })

describe.runIf(hasOpenssl)('TLS to the cluster', () => {
  let fake: Fake
  beforeAll(async () => {
    for (const name of ['ours', 'others']) authority(name)
    signed('server', 'ours', 'subjectAltName=IP:127.0.0.1')
    signed('elsewhere', 'ours', 'subjectAltName=DNS:elsewhere.example')
    signed('client', 'ours', 'extendedKeyUsage=clientAuth')
    signed('stranger', 'others', 'extendedKeyUsage=clientAuth')
    fake = await startFake({ stores: 2, keyspaces: [], pdPort: 0, seed: 1, certificates: credentials('ours', 'server') })
  })
  afterAll(() => fake.close())

  const attempt = (pdAddress: string, tls?: TlsOptions) =>
    connect({ pdEndpoints: [pdAddress], startTimeoutMs: 300, ...(tls === undefined ? {} : { tls }) })

  test.each([true, false])('everything works with a certificate of the cluster’s authority, batching %s', async (batching) => {
    const client = await connect({ pdEndpoints: [fake.pdAddress], tls: credentials('ours', 'client'), batching })
    const shop = await client.keyspace(`shop-${batching}`, { create: true })
    await shop.put('a', '1')
    const values = await shop.transaction(async (txn) => [await txn.get('a'), ...(await txn.lock(['a', 'b']))], { mode: 'pessimistic' })
    expect(values.map((value) => value?.toString())).toEqual(['1', '1', undefined])
    await client.close()
  })

  test.each([
    ['no TLS', () => undefined],
    ['no certificate', () => ({ ca: pem('ours.pem') })],
    ['a stranger’s certificate', () => credentials('ours', 'stranger')],
    ['another authority', () => credentials('others', 'client')],
  ])('refused: %s', async (_, tls) => {
    await expect(attempt(fake.pdAddress, tls())).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('refused: a server whose certificate names another host', async () => {
    const other = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1, certificates: credentials('ours', 'elsewhere') })
    await expect(attempt(other.pdAddress, credentials('ours', 'client'))).rejects.toMatchObject({ kind: 'unavailable' })
    await other.close()
  })
})
