// COPY FROM … ON_ERROR ignore: which rows are passed over, what is told of them, and what ends the copy all the same, held against PostgreSQL 18.

import { PGlite } from '@electric-sql/pglite'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

const DEFINITIONS = `
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE DOMAIN given AS int NOT NULL;
  CREATE TABLE t (a int, b positive, c text NOT NULL DEFAULT 'c', d given DEFAULT 1, e varchar(3))`

let server: TestServer
let client: pg.Client
let oracle: PGlite
beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect(`${ownTenant('copy_on_error')}.admin`)
  oracle = await PGlite.create()
  await client.query(DEFINITIONS)
  await oracle.exec(DEFINITIONS)
})
afterAll(async () => {
  await oracle.close()
  await server.stop()
})

interface Said {
  code: string
  message: string
  where?: string | undefined
}
const line = ({ code, message, where }: Said): string => `${code} ${message} | ${where ?? ''}`

async function theirs(options: string, data: string): Promise<string[]> {
  const said: string[] = []
  const onNotice = (notice: unknown): void => void said.push(line(notice as Said))
  try {
    const { affectedRows } = await oracle.query(`COPY t FROM '/dev/blob' (${options})`, [], { blob: new Blob([data]), onNotice })
    said.push(`COPY ${affectedRows}`)
  } catch (error) {
    said.push(line(error as Said))
  }
  return said
}

function ours(options: string, data: string): Promise<string[]> {
  const said: string[] = []
  const onNotice = (notice: unknown): void => void said.push(line(notice as Said))
  client.on('notice', onNotice)
  return new Promise<string[]>((resolve) => {
    client.query({
      submit: (wire: { query(text: string): void }) => wire.query(`COPY t FROM STDIN (${options})`),
      handleCommandComplete: (message: { text: string }) => said.push(message.text),
      handleError: (error: Said) => resolve([...said, line(error)]),
      handleReadyForQuery: () => resolve(said),
      handleCopyInResponse(wire: { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }) {
        wire.sendCopyFromChunk(Buffer.from(data))
        wire.endCopyFrom()
      },
    } as unknown as pg.Submittable)
  }).finally(() => client.off('notice', onNotice))
}

const GOOD = '1\t1\tx\t1\tabc\n'
const DATA: Readonly<Record<string, string>> = {
  'nothing wrong': GOOD,
  'no number': `${GOOD}no\t1\tx\t1\ta\n${GOOD}`,
  'too large a number': `99999999999\t1\tx\t1\ta\n${GOOD}`,
  'a check of a domain': `1\t-1\tx\t1\ta\n${GOOD}`,
  'NULL in a domain without': `1\t1\tx\t\\N\ta\n${GOOD}`,
  'too long a text': `1\t1\tx\t1\tabcd\n${GOOD}`,
  'two rows': `no\t1\tx\t1\ta\n${GOOD}1\tno\tx\t1\ta\n`,
  'a long value': `${'x'.repeat(200)}\t1\tx\t1\ta\n`,
  'a column too few': `${GOOD}1\t1\tx\n${GOOD}`,
  'a column too few behind no number': `no\t1\tx\n${GOOD}`,
  'a column too many': `${GOOD}1\t1\tx\t1\ta\tmore\n`,
  'a column too many behind no number': `no\t1\tx\t1\ta\tmore\n`,
  'NULL against NOT NULL': `${GOOD}1\t1\t\\N\t1\ta\n`,
}
const OPTIONS = [
  'ON_ERROR ignore',
  'ON_ERROR ignore, LOG_VERBOSITY verbose',
  'ON_ERROR ignore, LOG_VERBOSITY silent',
  'ON_ERROR ignore, REJECT_LIMIT 1',
  'ON_ERROR ignore, REJECT_LIMIT 1, LOG_VERBOSITY verbose',
  'ON_ERROR stop',
]

for (const [name, data] of Object.entries(DATA))
  it(name, async () => {
    for (const options of OPTIONS) expect([options, await ours(options, data)]).toEqual([options, await theirs(options, data)])
  })
