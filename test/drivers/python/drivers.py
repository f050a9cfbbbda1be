"""Python's drivers as applications use them: psycopg 3 (text and binary), psycopg2, asyncpg. Where to connect is in PGHOST, PGPORT and PGPASSWORD."""

import asyncio
import datetime
import decimal
import os
import unittest
import uuid

import asyncpg
import psycopg
import psycopg2
import psycopg2.errorcodes
import psycopg2.extras
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

HOST = os.environ["PGHOST"]
PORT = int(os.environ["PGPORT"])
USER = "python.admin"
PASSWORD = os.environ["PGPASSWORD"]

UTC = datetime.timezone.utc
VALUES = {
    "b": True,
    "i2": -7,
    "i4": 2147483647,
    "i8": -9007199254740993,
    "n": decimal.Decimal("12345678901234567890.0123456789"),
    "f": -1.5e-300,
    "t": "naïve ☃ \U0001f600",
    "by": bytes(range(256)),
    "d": datetime.date(2024, 2, 29),
    "ti": datetime.time(23, 59, 59, 999999),
    "ts": datetime.datetime(1999, 12, 31, 23, 59, 59, 123456),
    "tz": datetime.datetime(2020, 6, 1, 12, 30, tzinfo=UTC),
    "iv": datetime.timedelta(days=3, seconds=4, microseconds=5),
    "u": uuid.UUID("12345678-9abc-def0-1234-56789abcdef0"),
    "ia": [1, None, 3],
    "ta": ["a", 'quo"te', None, ""],
}
TYPES = {
    "b": "bool", "i2": "int2", "i4": "int4", "i8": "int8", "n": "numeric", "f": "float8", "t": "text", "by": "bytea", "d": "date",
    "ti": "time", "ts": "timestamp", "tz": "timestamptz", "iv": "interval", "u": "uuid", "ia": "int4[]", "ta": "text[]",
}  # fmt: skip


def ddl(table):
    return f"CREATE TABLE {table} (id serial PRIMARY KEY, {', '.join(f'{c} {t}' for c, t in TYPES.items())}, j jsonb)"


class Psycopg3(unittest.TestCase):
    def setUp(self):
        self.conn = psycopg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname="postgres")
        self.addCleanup(self.conn.close)

    def test_values_come_back_in_both_formats(self):
        for binary in (False, True):
            with self.conn.cursor(binary=binary, row_factory=dict_row) as cur:
                cur.execute("DROP TABLE IF EXISTS v3")
                cur.execute(ddl("v3"))
                marks = ", ".join("%b" if binary else "%s" for _ in VALUES)
                columns = ", ".join(VALUES)
                cur.execute(f"INSERT INTO v3 ({columns}, j) VALUES ({marks}, %s)", [*VALUES.values(), Jsonb({"k": [1, None, "x"]})])
                cur.execute(f"INSERT INTO v3 ({columns}) VALUES ({marks})", [None] * len(VALUES))
                cur.execute(f"SELECT {columns}, j FROM v3 ORDER BY id")
                full, empty = cur.fetchall()
                self.assertEqual(full, {**VALUES, "j": {"k": [1, None, "x"]}})
                self.assertEqual(set(empty.values()), {None})
        self.conn.rollback()

    def test_copy_both_ways(self):
        with self.conn.cursor() as cur:
            cur.execute("CREATE TABLE c3 (a int, b text, c timestamptz)")
            now = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
            with cur.copy("COPY c3 (a, b, c) FROM STDIN") as copy:
                for i in range(2000):
                    copy.write_row((i, None if i % 7 == 0 else f"tab\t{i}\\", now))
            with cur.copy("COPY c3 FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["int4", "text", "timestamptz"])
                copy.write_row((9999, "binary", now))
            rows = []
            with cur.copy("COPY (SELECT * FROM c3 WHERE a IN (7, 8, 9999) ORDER BY a) TO STDOUT (FORMAT binary)") as copy:
                copy.set_types(["int4", "text", "timestamptz"])
                rows = list(copy.rows())
            self.assertEqual(rows, [(7, None, now), (8, "tab\t8\\", now), (9999, "binary", now)])
        self.conn.rollback()

    def test_transactions_savepoints_and_errors(self):
        with self.conn.transaction():
            self.conn.execute("CREATE TABLE t3 (a int PRIMARY KEY)")
            with self.assertRaises(psycopg.errors.UniqueViolation) as caught:
                with self.conn.transaction():
                    self.conn.execute("INSERT INTO t3 VALUES (1)")
                    self.conn.execute("INSERT INTO t3 VALUES (1)")
            self.assertEqual(caught.exception.diag.constraint_name, "t3_pkey")
            self.assertEqual(caught.exception.diag.table_name, "t3")
            self.assertEqual(self.conn.execute("SELECT count(*) FROM t3").fetchone(), (0,))
        with self.assertRaises(psycopg.errors.UndefinedTable) as caught:
            self.conn.execute("SELECT * FROM nowhere")
        self.assertEqual(caught.exception.diag.statement_position, "15")
        self.conn.rollback()
        self.conn.execute("DROP TABLE t3")
        self.conn.commit()

    def test_pipeline_prepared_and_executemany(self):
        with self.conn.cursor() as cur:
            cur.execute("CREATE TABLE p3 (a int, b text)")
            cur.executemany("INSERT INTO p3 VALUES (%s, %s) RETURNING a", [(i, str(i)) for i in range(100)], returning=True)
            returned = []
            while True:
                returned.append(cur.fetchone()[0])
                if not cur.nextset():
                    break
            self.assertEqual(returned, list(range(100)))
            with self.conn.pipeline():
                first = self.conn.execute("SELECT count(*) FROM p3")
                second = self.conn.execute("SELECT %s::int + 1", [41], prepare=True)
            self.assertEqual((first.fetchone(), second.fetchone()), ((100,), (42,)))
        with self.conn.cursor(name="server_side") as cur:
            cur.itersize = 30
            cur.execute("SELECT a FROM p3 ORDER BY a")
            self.assertEqual([row[0] for row in cur], list(range(100)))
        self.conn.rollback()

    def test_notifications_and_two_phase_names(self):
        self.conn.autocommit = True
        self.conn.execute("LISTEN news")
        self.conn.execute("NOTIFY news, 'hello'")
        notify = next(self.conn.notifies(timeout=10))
        self.assertEqual((notify.channel, notify.payload), ("news", "hello"))
        self.assertGreaterEqual(self.conn.info.server_version, 180000)
        self.assertEqual(self.conn.info.parameter_status("server_encoding"), "UTF8")


class Psycopg2(unittest.TestCase):
    def setUp(self):
        self.conn = psycopg2.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname="postgres")
        self.addCleanup(self.conn.close)

    def test_values(self):
        psycopg2.extras.register_uuid()
        with self.conn.cursor() as cur:
            cur.execute(ddl("v2"))
            columns = ", ".join(VALUES)
            given = {**VALUES, "by": psycopg2.Binary(VALUES["by"])}
            cur.execute(f"INSERT INTO v2 ({columns}, j) VALUES ({', '.join(f'%({c})s' for c in VALUES)}, '{{\"k\": 1}}')", given)
            cur.execute(f"SELECT {columns}, j FROM v2")
            row = list(cur.fetchone())
            row[list(VALUES).index("by")] = bytes(row[list(VALUES).index("by")])
            self.assertEqual(row, [*VALUES.values(), {"k": 1}])
        self.conn.rollback()

    def test_execute_values_named_cursors_and_errors(self):
        with self.conn.cursor() as cur:
            cur.execute("CREATE TABLE e2 (a int CHECK (a < 1000), b text)")
            psycopg2.extras.execute_values(cur, "INSERT INTO e2 VALUES %s", [(i, "x" * (i % 5)) for i in range(500)])
        with self.conn.cursor(name="scroll", scrollable=True) as cur:
            cur.execute("SELECT a FROM e2 ORDER BY a")
            self.assertEqual(cur.fetchmany(2), [(0,), (1,)])
            cur.scroll(400, mode="absolute")
            self.assertEqual(cur.fetchone(), (400,))
        with self.conn.cursor() as cur:
            with self.assertRaises(psycopg2.Error) as caught:
                cur.execute("INSERT INTO e2 VALUES (1000, '')")
            self.assertEqual(caught.exception.pgcode, psycopg2.errorcodes.CHECK_VIOLATION)
            self.assertEqual(caught.exception.diag.constraint_name, "e2_a_check")
        self.conn.rollback()

    def test_isolation_levels(self):
        self.conn.set_session(isolation_level="SERIALIZABLE", readonly=True)
        with self.conn.cursor() as cur:
            cur.execute("SHOW transaction_isolation")
            self.assertEqual(cur.fetchone(), ("serializable",))
            with self.assertRaises(psycopg2.errors.ReadOnlySqlTransaction):
                cur.execute("CREATE TABLE never (a int)")


class Asyncpg(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.conn = await asyncpg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database="postgres")
        self.addAsyncCleanup(self.conn.close)

    async def test_values_arrays_and_composites(self):
        conn = self.conn
        await conn.execute("DROP TABLE IF EXISTS va; DROP TYPE IF EXISTS mood; DROP TYPE IF EXISTS pair")
        await conn.execute(ddl("va"))
        marks = ", ".join(f"${i}" for i in range(1, len(VALUES) + 1))
        columns = ", ".join(VALUES)
        row = await conn.fetchrow(f"INSERT INTO va ({columns}, j) VALUES ({marks}, '[1]') RETURNING {columns}, j", *VALUES.values())
        self.assertEqual(dict(row), {**VALUES, "j": "[1]"})
        # Types of the tenant's own are looked up in the catalogue
        await conn.execute("CREATE TYPE pair AS (n int, label text)")
        await conn.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        self.assertEqual(tuple(await conn.fetchval("SELECT $1::pair", (1, "x"))), (1, "x"))
        self.assertEqual(await conn.fetchval("SELECT $1::mood", "glad"), "glad")
        self.assertEqual(await conn.fetchval("SELECT array_agg(p) FROM unnest($1::pair[]) p", [(1, "a"), (2, None)]), [(1, "a"), (2, None)])

    async def test_copy_cursors_and_concurrency(self):
        conn = self.conn
        await conn.execute("DROP TABLE IF EXISTS ca; CREATE TABLE ca (a int, b text)")
        await conn.copy_records_to_table("ca", records=[(i, f"r{i}") for i in range(3000)])
        async with conn.transaction():
            cursor = await conn.cursor("SELECT a FROM ca ORDER BY a")
            await cursor.forward(1000)
            self.assertEqual([r["a"] for r in await cursor.fetch(2)], [1000, 1001])
        pool = await asyncpg.create_pool(host=HOST, port=PORT, user=USER, password=PASSWORD, database="postgres", min_size=1, max_size=8)
        counts = await asyncio.gather(*(pool.fetchval("SELECT count(*) FROM ca WHERE a % $1 = 0", n) for n in range(1, 31)))
        self.assertEqual(counts[:3], [3000, 1500, 1000])
        await pool.close()

    async def test_cancellation_and_time_outs(self):
        with self.assertRaises(asyncio.TimeoutError):
            await self.conn.fetchval("SELECT pg_sleep(30)", timeout=0.2)
        with self.assertRaises(asyncpg.QueryCanceledError):
            await self.conn.execute("SET statement_timeout = 100; SELECT pg_sleep(30)")
        await self.conn.execute("RESET statement_timeout")
        self.assertEqual(await self.conn.fetchval("SELECT 1"), 1)

    async def test_prepared_statements_survive_a_changed_table(self):
        await self.conn.execute("DROP TABLE IF EXISTS pa; CREATE TABLE pa (a int); INSERT INTO pa VALUES (1)")
        self.assertEqual([tuple(r) for r in await self.conn.fetch("SELECT * FROM pa")], [(1,)])
        other = await asyncpg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database="postgres")
        await other.execute("ALTER TABLE pa ADD COLUMN b text DEFAULT 'new'")
        await other.close()
        self.assertEqual([tuple(r) for r in await self.conn.fetch("SELECT * FROM pa")], [(1, "new")])
