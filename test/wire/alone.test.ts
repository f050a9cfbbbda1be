// The wire server alone, as the README shows it: everything from the one entry file of `pg-keyspace/pgwire`.

import { Client } from 'pg'
import { expect, test } from 'vitest'
import {
  type Authenticator,
  type Backend,
  createWireServer,
  PgError,
  type ResultColumn,
  type Session,
  SQLSTATE,
} from '../../src/pgwire/server.ts'

test('a server that answers every query with the text of the query', async () => {
  const text: ResultColumn = {
    name: 'echo',
    tableOid: 0,
    columnNumber: 0,
    typeOid: 25,
    typeLength: -1,
    typmod: -1,
    encoder: {
      writeText: (value, out) => void out.utf8(String(value)),
      send: (value, out) => void out.utf8(String(value)),
    },
  }
  const unsupported = (): never => {
    throw new PgError(SQLSTATE.featureNotSupported, 'only simple queries here')
  }
  const session: Session = {
    parameters: [
      ['server_version', '18.0'],
      ['client_encoding', 'UTF8'],
    ],
    transactionStatus: 73,
    async query(query, sink) {
      sink.describe({ columns: [text], formats: [], io: null })
      await sink.rows([[query]])
      await sink.complete('SELECT 1')
    },
    parse: unsupported,
    bind: unsupported,
    describeStatement: unsupported,
    describePortal: unsupported,
    execute: unsupported,
    closeStatement: unsupported,
    closePortal: unsupported,
    sync() {},
    fail() {},
    cancel() {},
    close() {},
  }
  const backend: Backend<string> = { startup: () => session }
  const authenticator: Authenticator<string> = {
    begin: (request) => ({
      next: () => ({ kind: 'ok', finalData: null, identity: request.parameters.get('user')! }),
    }),
  }
  const server = createWireServer({ backend, authenticator })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })

  const client = new Client({ host: '127.0.0.1', port, user: 'anyone' })
  await client.connect()
  expect((await client.query('Grüße 👋')).rows).toEqual([{ echo: 'Grüße 👋' }])
  await expect(client.query('select $1', [1])).rejects.toMatchObject({ code: '0A000' })
  await client.end()
  await server.shutdown(0)
})
