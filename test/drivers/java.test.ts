// pgjdbc as its users use it (java/Drivers.java). PGJDBC_JAR names the driver; without it and a JDK this is skipped and says so, with
// REQUIRE_DRIVERS=1, as in CI, that is a failure.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { driverEnv, failureOf, works } from '../support/foreign.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const directory = fileURLToPath(new URL('./java/', import.meta.url))
const jar = process.env['PGJDBC_JAR'] ?? ''
// A source file needs the compiler that a JRE has not.
const present = existsSync(jar) && works('javac', ['-version'])
if (!present) process.stderr.write('java.test.ts is skipped: it needs a JDK and PGJDBC_JAR\n')

test.runIf(process.env['REQUIRE_DRIVERS'] === '1')('pgjdbc is here', () => {
  expect(present).toBe(true)
})

describe.skipIf(!present)('pgjdbc', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(async () => {
    await server.stop()
  })

  test('values, batches, cursors, metadata, COPY', { timeout: 300_000 }, async () => {
    expect(await failureOf('java', ['-cp', jar, 'Drivers.java'], directory, driverEnv(server))).toBeNull()
  })
})
