// Statements of every kind that could keep the event loop: [name, statement or function of a client, what must run before it].

const list = (n, item) => Array.from({ length: n }, (_, i) => item(i)).join(', ')
const MB = 1_000_000
const EMPTY = ['DROP SCHEMA IF EXISTS s1 CASCADE', 'CREATE SCHEMA s1']
const TABLES = [...EMPTY, { many: [300, (i) => `CREATE TABLE s1.t${i} (id int PRIMARY KEY, t text UNIQUE)`] }]

/** Tables the cases read. */
export const SETUP = [
  'CREATE TABLE rows_a AS SELECT g AS id, md5(g::text) AS t, g % 1000 AS grp, (g::bigint * 7919 % 1000003)::int AS v FROM generate_series(1, 150000) g',
  'CREATE TABLE rows_b AS SELECT * FROM rows_a',
  'CREATE TABLE small (id int PRIMARY KEY, t text)',
  "INSERT INTO small SELECT g, 'row ' || g FROM generate_series(1, 1000) g",
  'CREATE TABLE texts (id int PRIMARY KEY, t text)',
  `INSERT INTO texts SELECT 1, repeat('word and more words, ', ${Math.floor((2 * MB) / 21)})`,
  `INSERT INTO texts SELECT 2, repeat('0123456789abcdef', ${(30 * MB) / 16})`,
  `INSERT INTO texts SELECT 3, repeat('9', 100000)`,
  'CREATE TABLE docs (id int PRIMARY KEY, j jsonb)',
  "INSERT INTO docs SELECT 1, jsonb_object_agg('key ' || g, g) FROM generate_series(1, 200000) g",
  "INSERT INTO docs SELECT 2, jsonb_agg(jsonb_build_object('id', g, 'name', 'name ' || g)) FROM generate_series(1, 100000) g",
  'ANALYZE rows_a',
  'ANALYZE rows_b',
]

const many = (count, sql) => async (client) => {
  await client.query('BEGIN')
  for (let i = 0; i < count; i += 50) await client.query(Array.from({ length: Math.min(50, count - i) }, (_, k) => sql(i + k)).join(';'))
  await client.query('COMMIT')
}

const text = (id) => `(SELECT t FROM texts WHERE id = ${id})`
const doc = (id) => `(SELECT j FROM docs WHERE id = ${id})`

export const CASES = [
  // rows
  ['scan with a filter', 'SELECT count(*) FROM rows_a WHERE v % 10 = 3'],
  ['result of every row', 'SELECT * FROM rows_a'],
  ['sort by text', 'SELECT id FROM rows_a ORDER BY t OFFSET 149999'],
  ['sort by text, 1M rows', 'SELECT x FROM (SELECT md5(g::text) x FROM generate_series(1, 1000000) g) s ORDER BY x OFFSET 999999'],
  ['sort by numeric', 'SELECT id FROM rows_a ORDER BY v::numeric / 7 OFFSET 149999'],
  ['sort by two keys', 'SELECT id FROM rows_a ORDER BY grp DESC, t OFFSET 149999'],
  ['top 50,000', 'SELECT count(*) FROM (SELECT id FROM rows_a ORDER BY v::numeric LIMIT 50000) s'],
  ['group by text, many groups', 'SELECT count(*) FROM (SELECT t, count(*), sum(v) FROM rows_a GROUP BY t) s'],
  ['group by, few groups', 'SELECT grp, count(*), sum(v), avg(v) FROM rows_a GROUP BY grp'],
  ['grouping sets', 'SELECT count(*) FROM (SELECT grp, t, sum(v) FROM rows_a GROUP BY CUBE (grp, t)) s'],
  ['hash join', 'SELECT count(*) FROM rows_a a JOIN rows_b b ON a.t = b.t'],
  ['nested loop', 'SELECT count(*) FROM rows_a a JOIN small s ON a.v < s.id WHERE s.id % 50 = 0'],
  ['distinct', 'SELECT count(DISTINCT t) FROM rows_a'],
  ['select distinct', 'SELECT count(*) FROM (SELECT DISTINCT t FROM rows_a) s'],
  ['union', 'SELECT count(*) FROM (SELECT t FROM rows_a UNION SELECT t FROM rows_b) s'],
  ['except', 'SELECT count(*) FROM (SELECT t FROM rows_a EXCEPT SELECT t FROM rows_b) s'],
  ['window over one partition', 'SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY t) r, sum(v) OVER (ORDER BY id) FROM rows_a) s'],
  ['window, whole partition frame', 'SELECT max(r) FROM (SELECT sum(v) OVER () r, lag(v) OVER () l FROM rows_a) s'],
  [
    'window, moving frame',
    'SELECT max(r) FROM (SELECT max(v) OVER (ORDER BY id ROWS BETWEEN 100 PRECEDING AND 100 FOLLOWING) r FROM rows_a) s',
  ],
  [
    'window, range frame',
    'SELECT max(r) FROM (SELECT count(*) OVER (ORDER BY v RANGE BETWEEN 1000 PRECEDING AND 1000 FOLLOWING) r FROM rows_a) s',
  ],
  ['ntile, cume_dist', 'SELECT max(r) FROM (SELECT ntile(7) OVER (ORDER BY v) r, cume_dist() OVER (ORDER BY grp) FROM rows_a) s'],
  ['array_agg', 'SELECT cardinality(array_agg(t)) FROM rows_a'],
  ['array_agg ordered', 'SELECT cardinality(array_agg(t ORDER BY t)) FROM rows_a'],
  ['string_agg', "SELECT length(string_agg(t, ',')) FROM rows_a"],
  ['string_agg ordered', "SELECT length(string_agg(t, ',' ORDER BY t)) FROM rows_a"],
  ['jsonb_agg', 'SELECT jsonb_array_length(jsonb_agg(t)) FROM rows_a'],
  ['jsonb_object_agg', 'SELECT count(*) FROM (SELECT jsonb_object_agg(id, t) FROM rows_a) s'],
  ['json_agg to the client', 'SELECT json_agg(a) FROM rows_a a'],
  ['percentile', 'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v), mode() WITHIN GROUP (ORDER BY t) FROM rows_a'],
  ['generate_series in the target list', 'SELECT count(*) FROM (SELECT generate_series(1, 1000000)) s'],
  ['generate_series', 'SELECT count(*) FROM generate_series(1, 1000000)'],
  ['generate_series of timestamps', "SELECT count(*) FROM generate_series('2000-01-01'::timestamp, '2030-01-01', '10 minutes')"],
  ['unnest of a large array', 'SELECT count(*) FROM unnest((SELECT array_agg(t) FROM rows_a)) u'],
  ['recursive', 'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 200000) SELECT max(n) FROM r'],
  ['recursive union', 'WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n + 1 FROM r WHERE n < 100000) SELECT max(n) FROM r'],
  ['materialised cte', 'WITH c AS MATERIALIZED (SELECT * FROM rows_a) SELECT count(*) FROM c a, c b WHERE a.id = b.id'],
  ['correlated subquery', 'SELECT count(*) FROM small s WHERE (SELECT count(*) FROM small x WHERE x.id % 100 < s.id) > 5'],
  ['rows of dear functions', "SELECT sum(length(md5(repeat('x', 100000 + g)))) FROM generate_series(1, 1000) g"],
  ['filter of dear functions', "SELECT count(*) FROM generate_series(1, 1000) g WHERE repeat('ab', 50000 + g) ~ 'b$'"],
  ['rows of long texts', "SELECT repeat('x', 100000) FROM generate_series(1, 1000)"],
  ['= ANY of a large array', 'SELECT count(*) FROM rows_a WHERE id = ANY ((SELECT array_agg(id) FROM rows_b)::int[])'],

  // changes
  ['insert select', 'INSERT INTO changed SELECT id, t FROM rows_a', ['CREATE TABLE changed (id int PRIMARY KEY, t text)']],
  [
    'insert with three indexes',
    'INSERT INTO changed SELECT id, t, v FROM rows_a',
    ['CREATE TABLE changed (id int PRIMARY KEY, t text UNIQUE, v int)', 'CREATE INDEX ON changed (v)'],
  ],
  [
    'insert on conflict',
    'INSERT INTO changed SELECT id, t FROM rows_a ON CONFLICT (id) DO UPDATE SET t = excluded.t',
    ['CREATE TABLE changed (id int PRIMARY KEY, t text)', 'INSERT INTO changed SELECT id, t FROM rows_a'],
  ],
  ['update of every row', 'UPDATE changed SET v = v + 1', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['delete of every row', 'DELETE FROM changed', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  [
    'foreign keys',
    'INSERT INTO changed SELECT id, id % 1000 + 1 FROM rows_a',
    ['CREATE TABLE changed (id int PRIMARY KEY, s int REFERENCES small)'],
  ],
  [
    'deferred foreign keys',
    'INSERT INTO changed SELECT id, id % 1000 + 1 FROM rows_a',
    ['CREATE TABLE changed (id int PRIMARY KEY, s int REFERENCES small DEFERRABLE INITIALLY DEFERRED)'],
  ],
  [
    'cascade',
    'DELETE FROM parent',
    [
      'CREATE TABLE parent (id int PRIMARY KEY)',
      'INSERT INTO parent SELECT id FROM small',
      'CREATE TABLE changed (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE)',
      'CREATE INDEX ON changed (p)',
      'INSERT INTO changed SELECT id, id % 1000 + 1 FROM rows_a',
    ],
    ['DROP TABLE parent CASCADE'],
  ],
  [
    'rollback of many rows',
    async (client) => {
      await client.query('BEGIN')
      await client.query('INSERT INTO changed SELECT id, t FROM rows_a')
      await client.query('ROLLBACK')
    },
    ['CREATE TABLE changed (id int PRIMARY KEY, t text)'],
  ],
  [
    'rollback to a savepoint',
    async (client) => {
      await client.query('BEGIN')
      await client.query('INSERT INTO changed SELECT id, t FROM rows_a; SAVEPOINT s')
      await client.query('UPDATE changed SET t = id')
      await client.query('ROLLBACK TO s')
      await client.query('COMMIT')
    },
    ['CREATE TABLE changed (id int PRIMARY KEY, t text)'],
  ],
  ['returning', 'INSERT INTO changed SELECT id, t FROM rows_a RETURNING *', ['CREATE TABLE changed (id int PRIMARY KEY, t text)']],
  [
    'merge',
    'MERGE INTO changed c USING rows_a a ON a.id = c.id WHEN MATCHED THEN UPDATE SET v = a.v + 1 WHEN NOT MATCHED THEN INSERT VALUES (a.id, a.t, a.grp, a.v)',
    ['CREATE TABLE changed AS SELECT * FROM rows_a WHERE id % 2 = 0'],
  ],
  ['copy in', { copyIn: 'changed', lines: 150_000 }, ['CREATE TABLE changed (id int PRIMARY KEY, t text)']],
  ['copy out', { copyOut: 'rows_a' }],
  [
    'insert of 50,000 values',
    (client) => client.query(`INSERT INTO changed VALUES ${list(50_000, (i) => `(${i}, 'text ${i}')`)}`),
    ['CREATE TABLE changed (id int PRIMARY KEY, t text)'],
  ],
  [
    'array of 300,000 bound',
    (client) => client.query('SELECT count(*) FROM unnest($1::text[]) u', [Array.from({ length: 300_000 }, (_, i) => `value ${i}`)]),
  ],
  [
    'array of 300,000 int bound',
    (client) => client.query('SELECT count(*) FROM rows_a WHERE id = ANY ($1::int[])', [Array.from({ length: 300_000 }, (_, i) => i)]),
  ],

  // definitions
  ['create index', 'CREATE INDEX ON changed (t)', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['create unique index', 'CREATE UNIQUE INDEX ON changed (t)', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['create index concurrently', 'CREATE INDEX CONCURRENTLY ON changed (v)', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['add a primary key', 'ALTER TABLE changed ADD PRIMARY KEY (id)', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['change of a type', 'ALTER TABLE changed ALTER v TYPE text', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['add a check', 'ALTER TABLE changed ADD CHECK (v >= 0)', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['set not null', 'ALTER TABLE changed ALTER v SET NOT NULL', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  [
    'add a foreign key',
    'ALTER TABLE changed ADD FOREIGN KEY (grp) REFERENCES small',
    ['CREATE TABLE changed AS SELECT id, t, grp + 1 AS grp FROM rows_a WHERE grp < 900'],
  ],
  [
    'add a column with a volatile default',
    'ALTER TABLE changed ADD r double precision DEFAULT random()',
    ['CREATE TABLE changed AS SELECT * FROM rows_a'],
  ],
  ['create table as', 'CREATE TABLE changed AS SELECT * FROM rows_a'],
  ['truncate of a large table', 'TRUNCATE changed', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['drop of a large table', 'DROP TABLE changed', ['CREATE TABLE changed AS SELECT * FROM rows_a']],
  ['analyze', 'ANALYZE rows_a'],
  ['300 tables made', many(300, (i) => `CREATE TABLE s1.t${i} (id int PRIMARY KEY, t text UNIQUE)`), EMPTY],
  ['truncate of 300 tables', (client) => client.query(`TRUNCATE ${list(300, (i) => `s1.t${i}`)}`), TABLES],
  ['catalogue: columns', 'SELECT count(*) FROM information_schema.columns'],
  [
    'catalogue: constraints',
    'SELECT count(*) FROM information_schema.table_constraints c JOIN information_schema.constraint_column_usage u USING (constraint_name)',
  ],
  [
    'catalogue: pg_attribute',
    'SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE a.attnum > 0',
  ],
  ['catalogue: pg_indexes', 'SELECT * FROM pg_indexes'],
  ['catalogue: pg_proc', 'SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid) FROM pg_proc p'],
  ['first login to many tables', { login: true }],
  ['drop of 300 tables', 'DROP SCHEMA s1 CASCADE', TABLES],
  [
    'grant on all',
    'GRANT SELECT ON ALL TABLES IN SCHEMA s2 TO PUBLIC',
    ['DROP SCHEMA IF EXISTS s2 CASCADE', 'CREATE SCHEMA s2', { many: [300, (i) => `CREATE TABLE s2.t${i} (id int)`] }],
    ['DROP SCHEMA s2 CASCADE'],
  ],

  // large statements
  ['values of 50,000 rows', (client) => client.query(`SELECT count(*) FROM (VALUES ${list(50_000, (i) => `(${i}, 'text ${i}')`)}) v`)],
  ['IN of 100,000', (client) => client.query(`SELECT count(*) FROM rows_a WHERE id IN (${list(100_000, (i) => i)})`)],
  [
    '10,000 ORs',
    (client) => client.query(`SELECT count(*) FROM small WHERE ${Array.from({ length: 10_000 }, (_, i) => `id = ${i}`).join(' OR ')}`),
  ],
  [
    '10,000 ORs of ANDs',
    (client) =>
      client.query(
        `SELECT count(*) FROM small WHERE ${Array.from({ length: 10_000 }, (_, i) => `(id = ${i} AND t <> 'x${i}')`).join(' OR ')}`,
      ),
  ],
  ['1,600 columns', (client) => client.query(`SELECT ${list(1600, (i) => `id + ${i} AS c${i}`)} FROM small LIMIT 1`)],
  [
    '120 left joins',
    (client) =>
      client.query(
        `SELECT count(*) FROM small s0 ${Array.from({ length: 120 }, (_, i) => `LEFT JOIN small s${i + 1} ON s${i + 1}.id = s${i}.id`).join(' ')}`,
      ),
  ],
  [
    '60 inner joins',
    (client) =>
      client.query(
        `SELECT count(*) FROM small s0 ${Array.from({ length: 60 }, (_, i) => `JOIN small s${i + 1} ON s${i + 1}.id = s${i}.id`).join(' ')}`,
      ),
  ],
  ['500 unions', (client) => client.query(Array.from({ length: 500 }, (_, i) => `SELECT ${i} AS x`).join(' UNION '))],
  ['2,000 union alls', (client) => client.query(Array.from({ length: 2000 }, (_, i) => `SELECT ${i} AS x`).join(' UNION ALL '))],
  [
    'case of 5,000 branches',
    (client) => client.query(`SELECT CASE id ${Array.from({ length: 5000 }, (_, i) => `WHEN ${i} THEN 'v${i}'`).join(' ')} END FROM small`),
  ],
  ['2,000 statements at once', (client) => client.query(Array.from({ length: 2000 }, (_, i) => `SELECT ${i}`).join(';'))],
  ['20,000 concatenations', (client) => client.query(`SELECT ${Array.from({ length: 1500 }, (_, i) => `'a${i}'`).join(' || ')}`)],
  ['a literal of 5 MB', (client) => client.query(`SELECT length('${'x'.repeat(5 * MB)}')`)],
  ['a syntax error behind 5 MB', (client) => client.query(`SELECT ${list(500_000, (i) => i)} FROMM`).catch(() => {})],

  // one value of megabytes
  ['regexp_replace of 2 MB', `SELECT length(regexp_replace(${text(1)}, '(a)(n)', '\\2\\1', 'g'))`],
  ['regexp_matches of 2 MB', `SELECT count(*) FROM regexp_matches(${text(1)}, '\\w+', 'g')`],
  ['regexp_split of 2 MB', `SELECT count(*) FROM regexp_split_to_table(${text(1)}, ',\\s*')`],
  ['regexp_count of 2 MB', `SELECT regexp_count(${text(1)}, 'w.r')`],
  ['~ on 30 MB', `SELECT ${text(2)} ~ 'fg'`],
  ['catastrophic regexp', `SELECT repeat('a', 30000) ~ '(a+)+b'`],
  ['like on 30 MB', `SELECT ${text(2)} LIKE '%abc%fg%'`],
  ['encode hex of 30 MB', `SELECT length(encode(convert_to(${text(2)}, 'UTF8'), 'hex'))`],
  ['decode hex of 30 MB', `SELECT length(decode(${text(2)}, 'hex'))`],
  ['encode base64 of 30 MB', `SELECT length(encode(convert_to(${text(2)}, 'UTF8'), 'base64'))`],
  ['decode base64 of 30 MB', `SELECT length(decode(${text(2)}, 'base64'))`],
  ['encode escape of 30 MB', `SELECT length(encode(convert_to(${text(2)}, 'UTF8'), 'escape'))`],
  ['bytea to the client, 30 MB', `SELECT convert_to(${text(2)}, 'UTF8')`],
  ['bytea bound, 30 MB', (client) => client.query('SELECT length($1::bytea)', [Buffer.alloc(30 * MB, 7)])],
  ['text bound, 30 MB', (client) => client.query('SELECT length($1::text)', ['y'.repeat(30 * MB)])],
  ['md5 of 100 MB', "SELECT md5(repeat('0123456789', 10000000))"],
  ['sha256 of 100 MB', "SELECT sha256(convert_to(repeat('0123456789', 10000000), 'UTF8'))"],
  ['upper of 30 MB', `SELECT length(upper(${text(2)}))`],
  ['initcap of 30 MB', `SELECT length(initcap(${text(2)}))`],
  ['reverse of 30 MB', `SELECT length(reverse(${text(2)}))`],
  ['replace in 30 MB', `SELECT length(replace(${text(2)}, 'a', 'bb'))`],
  ['translate of 30 MB', `SELECT length(translate(${text(2)}, 'abc', 'xy'))`],
  ['substr of 30 MB', `SELECT substr(${text(2)}, 20000000, 10)`],
  ['position in 30 MB', `SELECT position('fg' in ${text(2)})`],
  ['strpos, lpad, trim of 30 MB', `SELECT length(lpad(${text(2)}, 40000000, 'ab')), length(btrim(${text(2)}, '0123'))`],
  ['|| of 30 MB', `SELECT length(${text(2)} || ${text(2)} || 'x')`],
  ['= of 30 MB', `SELECT ${text(2)} || 'a' = ${text(2)} || 'b', ${text(2)} || 'a' < ${text(2)} || 'b'`],
  ['string_to_array of 2 MB', `SELECT cardinality(string_to_array(${text(1)}, ' '))`],
  ['string_to_table of 2 MB', `SELECT count(*) FROM string_to_table(${text(1)}, ' ')`],
  ['array_to_string', `SELECT length(array_to_string(string_to_array(${text(1)}, ' '), ','))`],
  ['array out and in', `SELECT string_to_array(${text(1)}, ' ')::text::text[] IS NULL`],
  [
    'array position and remove',
    "SELECT array_position(a, 'none'), cardinality(array_remove(a, 'and')), cardinality(array_replace(a, 'and', 'x')) FROM (SELECT string_to_array(t, ' ') a FROM texts WHERE id = 1) s",
  ],
  ['array @>', 'SELECT a @> a, a && a FROM (SELECT array_agg(id) a FROM rows_a WHERE id < 20000) s'],
  [
    'array appended to 20,000 times',
    'WITH RECURSIVE r(n, a) AS (SELECT 1, ARRAY[1] UNION ALL SELECT n + 1, a || n FROM r WHERE n < 5000) SELECT max(cardinality(a)) FROM r',
  ],
  [
    'array_fill, array_sort, shuffle',
    'SELECT cardinality(array_fill(7, ARRAY[1000000])), cardinality(array_sort(a)), cardinality(array_shuffle(a)) FROM (SELECT array_agg(t) a FROM rows_a) s',
  ],
  ['format of megabytes', `SELECT length(format('%s %L %I', ${text(1)}, ${text(1)}, ${text(1)}))`],
  ['quote_literal of 30 MB', `SELECT length(quote_literal(${text(2)}))`],
  ['hash of 30 MB', `SELECT hashtext(${text(2)}), hashtextextended(${text(2)}, 1)`],
  ['levenshtein, split_part', `SELECT length(split_part(${text(1)}, ' ', 300000)), length(split_part(${text(1)}, 'w', -2))`],
  ['numeric of 100,000 digits multiplied', `SELECT length((x * x)::text) FROM (SELECT ${text(3)}::numeric x) s`],
  ['numeric of 100,000 digits divided', `SELECT length(div(x * x, x + 1)::text) FROM (SELECT ${text(3)}::numeric x) s`],
  ['numeric of 100,000 digits in and out', `SELECT length((${text(3)}::numeric + 1)::text)`],
  ['factorial', 'SELECT length(factorial(20000)::text)'],
  ['numeric power', 'SELECT length((3.1::numeric ^ 10000)::text)'],
  ['numeric sqrt, ln, exp', 'SELECT sqrt(2::numeric(1000, 900)), ln(2::numeric(1000, 900)), exp(2::numeric(1000, 900))'],
  ['numeric gcd', `SELECT length(gcd(${text(3)}::numeric, ${text(3)}::numeric - 7)::text)`],
  ['sum of long numerics', 'SELECT length(sum(repeat(id::text, 200)::numeric)::text) FROM rows_a WHERE id < 20000'],
  ['jsonb of 200,000 keys in', `SELECT jsonb_typeof(x::text::jsonb) FROM (SELECT ${doc(1)} x) s`],
  ['jsonb of 100,000 objects in', `SELECT jsonb_typeof(x::text::jsonb) FROM (SELECT ${doc(2)} x) s`],
  ['json of 100,000 objects checked', `SELECT json_typeof(x::text::json), json_array_length(x::text::json) FROM (SELECT ${doc(2)} x) s`],
  [
    'jsonb bound, 10 MB',
    (client) => client.query('SELECT jsonb_typeof($1::jsonb)', [`[${list(250_000, (i) => `{"id":${i},"name":"name ${i}"}`)}]`]),
  ],
  [
    'jsonb literal, 10 MB',
    (client) => client.query(`SELECT jsonb_typeof('[${list(250_000, (i) => `{"id":${i},"name":"name ${i}"}`)}]'::jsonb)`),
  ],
  ['jsonb to the client', `SELECT ${doc(2)}`],
  ['jsonb stored and read', 'SELECT jsonb_array_length(j) FROM docs WHERE id = 2'],
  ['jsonb ->', `SELECT ${doc(1)} -> 'key 7', ${doc(2)} -> 99999`],
  ['jsonb ||', `SELECT jsonb_typeof(${doc(1)} || ${doc(1)}), jsonb_typeof(${doc(2)} || ${doc(2)})`],
  ['jsonb - key', `SELECT jsonb_typeof(${doc(1)} - 'key 5'), jsonb_typeof(${doc(2)} - 5)`],
  ['jsonb =', `SELECT ${doc(1)} || '{"a":1}' = ${doc(1)} || '{"a":2}', ${doc(2)} < ${doc(2)}`],
  ['jsonb @>', `SELECT ${doc(1)} @> ${doc(1)}`],
  ['jsonb array @>', `SELECT ${doc(2)} @> '[{"id": 99999}]'`],
  ['jsonb array @> itself', `SELECT x @> x FROM (SELECT jsonb_agg(id) x FROM rows_a WHERE id <= 20000) s`],
  ['jsonb_set', `SELECT jsonb_typeof(jsonb_set(${doc(2)}, '{500,name}', '"x"'))`],
  ['jsonb_each', `SELECT count(*) FROM jsonb_each(${doc(1)})`],
  ['jsonb_array_elements', `SELECT count(*) FROM jsonb_array_elements(${doc(2)})`],
  ['jsonb_to_recordset', `SELECT count(*) FROM jsonb_to_recordset(${doc(2)}) AS x(id int, name text)`],
  ['jsonb_pretty', `SELECT length(jsonb_pretty(${doc(2)}))`],
  ['jsonb_path_query', `SELECT count(*) FROM jsonb_path_query(${doc(2)}, '$[*] ? (@.id > 500).name')`],
  ['jsonb_path_exists', `SELECT jsonb_path_exists(${doc(2)}, '$[*] ? (@.name == "none")')`],
  ['jsonb_strip_nulls', `SELECT jsonb_typeof(jsonb_strip_nulls(${doc(2)}))`],
  ['to_jsonb of a large array', 'SELECT jsonb_array_length(to_jsonb(a)) FROM (SELECT array_agg(t) a FROM rows_a) s'],
  ['row_to_json', 'SELECT sum(length(row_to_json(a)::text)) FROM rows_a a'],
  ['xml-like nesting', `SELECT (repeat('[', 6000) || repeat(']', 6000))::jsonb IS NULL`],
  ['bit strings of 10 Mbit', "SELECT length(repeat('10', 5000000)::varbit), bit_count(repeat('10', 5000000)::varbit)"],
  [
    'bytea functions',
    `SELECT length(overlay(b placing b from 5)), position('\\x00'::bytea in b), bit_count(b), length(reverse(b)) FROM (SELECT convert_to(t, 'UTF8') b FROM texts WHERE id = 2) s`,
  ],
  ['pg_sleep', 'SELECT pg_sleep(0.2)'],
]
