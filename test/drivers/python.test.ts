// psycopg 3, psycopg2, asyncpg, SQLAlchemy and Django (python/requirements.txt) as their users use them. DRIVERS_PYTHON names an interpreter that
// has them; without one this is skipped and says so, with REQUIRE_DRIVERS=1, as in CI, that is a failure.

import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { driverEnv, failureOf, works } from '../support/foreign.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const directory = fileURLToPath(new URL('./python/', import.meta.url))
const python = process.env['DRIVERS_PYTHON'] ?? 'python3'
const present = works(python, ['-c', 'import asyncpg, django, psycopg, psycopg2, sqlalchemy'])
if (!present) process.stderr.write(`python.test.ts is skipped: ${python} has not what test/drivers/python/requirements.txt lists\n`)

test.runIf(process.env['REQUIRE_DRIVERS'] === '1')("Python's drivers are here", () => {
  expect(present).toBe(true)
})

describe.skipIf(!present)('Python', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(async () => {
    await server.stop()
  })

  test.each(['drivers', 'orms'])('%s', { timeout: 300_000 }, async (module) => {
    expect(await failureOf(python, ['-B', '-m', 'unittest', module], directory, driverEnv(server))).toBeNull()
  })
})
