// psql's backslash commands, on tables with every kind of constraint: none may meet an error. Needs psql; .ci/run installs it.

import { spawn, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

const present = spawnSync('psql', ['--version']).status === 0
if (!present && process.env['PGK_CI'] === '1') throw new Error('psql is needed here')
if (!present) console.log('psql is not installed: its tests are left out')

const SCHEMA = `
CREATE SCHEMA app;
CREATE TABLE app.users(id serial PRIMARY KEY, email varchar(200) NOT NULL UNIQUE, age int CHECK (age > 0), created timestamptz NOT NULL DEFAULT now());
CREATE TABLE app.orders(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES app.users(id) ON DELETE CASCADE,
  amount numeric(12,2) DEFAULT 0 NOT NULL, tags text[], data jsonb, total numeric GENERATED ALWAYS AS (amount * 2) STORED);
CREATE INDEX orders_user ON app.orders(user_id, amount DESC NULLS LAST) WHERE amount > 10;
CREATE INDEX users_lower ON app.users(lower(email));
CREATE VIEW app.v AS SELECT u.id, sum(o.amount) AS total FROM app.users u LEFT JOIN app.orders o ON o.user_id = u.id GROUP BY u.id;
CREATE SEQUENCE app.sq START 10 INCREMENT 5;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN app.posint AS int CHECK (VALUE > 0);
CREATE TABLE plain(a int, b text);
COMMENT ON TABLE app.users IS 'the users';
CREATE ROLE bob LOGIN PASSWORD 'x';
GRANT SELECT ON app.users TO bob;
INSERT INTO app.users(email, age) VALUES ('a@x', 3);
`

const COMMANDS = String.raw`
\d
\d app.users
\d+ app.users
\d app.orders
\d+ app.orders
\d+ app.v
\d app.sq
\d app.orders_user
\dt *.*
\dt+ app.*
\di+ app.*
\dv+ app.*
\ds+ app.*
\df+ lower
\dfa sum
\dn+
\du+
\dg
\l+
\dp app.*
\z
\dT+ app.*
\do +
\dC
\dc
\dx
\dF
\dFp
\db+
\dD+
\dy
\dX
\dP
\ddp
\drds
\dconfig work_mem
\dA+
\dAo btree
\dE
\dm
\dRp
\des
\conninfo
\encoding
\sf abs(int)
\sv app.v
\dd
select 1 as a, 'x' as b \gdesc
select r, c, v from (values ('a', 'x', 1), ('b', 'y', 2)) t(r, c, v) \crosstabview
select 'select 42' \gexec
\copy app.users to '/dev/null' csv header
\copy plain from stdin
1	x
2	y
\.
select count(*) from plain;
`

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

function psql(input: string, encoding = 'UTF8'): Promise<{ out: string; errors: string }> {
  const args = ['-X', '-q', '-h', '127.0.0.1', '-p', String(server.port), '-U', 'psql.admin']
  const child = spawn('psql', args, { env: { ...process.env, PGPASSWORD: 'admin', PGCLIENTENCODING: encoding } })
  let out = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', () => resolve({ out, errors })))
}

describe.skipIf(!present)('psql', () => {
  it('describes everything', async () => {
    expect((await psql(SCHEMA)).errors.replace(/^(NOTICE|HINT):.*\n/gm, '')).toBe('')
    const { out, errors } = await psql(COMMANDS)
    expect(errors.split('\n').filter((line) => /ERROR|FATAL|invalid command/.test(line))).toEqual([])
    for (const expected of [
      '"orders_user_id_fkey" FOREIGN KEY (user_id) REFERENCES app.users(id) ON DELETE CASCADE',
      '"orders_user" btree (user_id, amount DESC NULLS LAST) WHERE amount > 10::numeric',
      '"users_age_check" CHECK (age > 0)',
      'TABLE "app.orders" CONSTRAINT "orders_user_id_fkey" FOREIGN KEY (user_id) REFERENCES app.users(id) ON DELETE CASCADE',
      'generated always as identity',
      'bob=r/admin',
      '42',
    ]) {
      expect(out).toContain(expected)
    }
  })

  // what libpq asks for when psql runs in the C locale, as in most containers
  it('works in SQL_ASCII', async () => {
    const script = String.raw`
\encoding
CREATE TEMP TABLE unconverted (a text);
\copy unconverted from stdin with (encoding 'sql_ascii')
é
\.
SELECT a, length(a) FROM unconverted WHERE a = 'é';
`
    const { out, errors } = await psql(script, 'SQL_ASCII')
    expect(errors.replace(/^(NOTICE|HINT):.*\n/gm, '')).toBe('')
    expect(out).toMatch(/^SQL_ASCII\n/)
    expect(out).toContain(' é |      1')
  })

  it('works in WIN1252', async () => {
    const { out, errors } = await psql(
      String.raw`
\encoding
SELECT U&'\20AC' = chr(8364), length(U&'\00E9'), pg_client_encoding();
`,
      'WIN1252',
    )
    expect(errors.replace(/^(NOTICE|HINT):.*\n/gm, '')).toBe('')
    expect(out).toMatch(/^WIN1252\n/)
    expect(out).toContain('t        |      1 | WIN1252')
  })

  it('copies into columns of domains what they allow', async () => {
    const { out, errors } = await psql(String.raw`
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN word AS varchar(5) NOT NULL;
CREATE TABLE measured(a posint, b word);
COPY measured FROM STDIN;
1	fine
\.
COPY measured FROM STDIN;
2	fine
-1	bad
\.
COPY measured FROM STDIN;
1	\N
\.
COPY measured FROM STDIN;
1	toolong
\.
COPY measured FROM STDIN (ON_ERROR ignore);
-1	bad
3	good
\.
TABLE measured ORDER BY a;
`)
    expect(errors.split('\n').filter((line) => /ERROR|CONTEXT/.test(line))).toEqual([
      'ERROR:  value for domain posint violates check constraint "posint_check"',
      'CONTEXT:  COPY measured, line 2, column a: "-1"',
      'ERROR:  domain word does not allow null values',
      'CONTEXT:  COPY measured, line 1, column b: null input',
      'ERROR:  value too long for type character varying(5)',
      'CONTEXT:  COPY measured, line 1, column b: "toolong"',
    ])
    expect(out).toMatch(/1 \| fine\n +3 \| good\n\(2 rows\)/)
  })
})
