// pgjdbc as an application uses it: values in both formats, batches, cursors, metadata, COPY, errors, cancellation. Run as a source file with the
// driver on the class path; where to connect is in PGHOST, PGPORT and PGPASSWORD. Ends with status 1 at the first difference.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public class Drivers {
  static void equal(Object expected, Object got) {
    if (!Objects.deepEquals(expected, got)) throw new AssertionError("expected " + expected + ", got " + got);
  }

  static Connection connect(String... settings) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", "java.admin");
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    for (int i = 0; i < settings.length; i += 2) properties.setProperty(settings[i], settings[i + 1]);
    return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/postgres", properties);
  }

  /** The named columns of every row, as text. */
  static List<String> rows(ResultSet set, String... columns) throws SQLException {
    List<String> all = new ArrayList<>();
    try (set) {
      while (set.next()) {
        List<String> one = new ArrayList<>();
        for (String column : columns) one.add(set.getString(column));
        all.add(String.join("|", one.stream().map(String::valueOf).toList()));
      }
    }
    return all;
  }

  static String stateOf(Action action) throws Exception {
    try {
      action.run();
    } catch (SQLException error) {
      return error.getSQLState();
    }
    throw new AssertionError("expected an error");
  }

  interface Action {
    void run() throws Exception;
  }

  static void values(Connection c) throws Exception {
    c.createStatement()
        .execute(
            "CREATE TABLE v (id serial PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, n numeric(30,10), f4 real, f8 float8, t text, vc varchar(20), by bytea,"
                + " d date, ti time, ts timestamp, tz timestamptz, u uuid, ia int[], ta text[], j jsonb)");
    UUID uuid = UUID.fromString("12345678-9abc-def0-1234-56789abcdef0");
    OffsetDateTime instant = OffsetDateTime.of(2020, 6, 1, 12, 30, 0, 0, ZoneOffset.UTC);
    // The sixth execution uses a named statement and binary results.
    for (int i = 0; i < 7; i++) {
      try (PreparedStatement insert =
          c.prepareStatement(
              "INSERT INTO v (b, i2, i4, i8, n, f4, f8, t, vc, by, d, ti, ts, tz, u, ia, ta, j) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?::jsonb)",
              Statement.RETURN_GENERATED_KEYS)) {
        Object[] given = {
          true, (short) -7, 2147483647, -9007199254740993L, new BigDecimal("12345678901234567890.0123456789"), 1.5f, -1.5e-300, "naïve ☃", "short",
          new byte[] {0, -1, 127}, LocalDate.of(2024, 2, 29), LocalTime.of(23, 59, 59, 123456000), LocalDateTime.of(1999, 12, 31, 23, 59, 59, 1000),
          instant, uuid, c.createArrayOf("int4", new Integer[] {1, null, 3}), c.createArrayOf("text", new String[] {"a\"b", null, ""}), "{\"k\": [1]}",
        };
        for (int p = 0; p < given.length; p++) insert.setObject(p + 1, given[p]);
        equal(1, insert.executeUpdate());
        try (ResultSet keys = insert.getGeneratedKeys()) {
          keys.next();
          equal(i + 1, keys.getInt("id"));
        }
      }
    }
    try (PreparedStatement select = c.prepareStatement("SELECT * FROM v WHERE id = ?")) {
      for (int i = 1; i <= 7; i++) {
        select.setInt(1, i);
        try (ResultSet r = select.executeQuery()) {
          r.next();
          equal(true, r.getBoolean("b"));
          equal(-9007199254740993L, r.getLong("i8"));
          equal(new BigDecimal("12345678901234567890.0123456789"), r.getBigDecimal("n"));
          equal(-1.5e-300, r.getDouble("f8"));
          equal("naïve ☃", r.getString("t"));
          equal(new byte[] {0, -1, 127}, r.getBytes("by"));
          equal(LocalDate.of(2024, 2, 29), r.getObject("d", LocalDate.class));
          equal(LocalTime.of(23, 59, 59, 123456000), r.getObject("ti", LocalTime.class));
          equal(LocalDateTime.of(1999, 12, 31, 23, 59, 59, 1000), r.getObject("ts", LocalDateTime.class));
          equal(instant, r.getObject("tz", OffsetDateTime.class));
          equal(uuid, r.getObject("u"));
          equal(new Integer[] {1, null, 3}, r.getArray("ia").getArray());
          equal(new String[] {"a\"b", null, ""}, r.getArray("ta").getArray());
          equal("{\"k\": [1]}", r.getString("j"));
        }
      }
    }
  }

  static void batchesAndCursors(Connection c) throws Exception {
    c.createStatement().execute("CREATE TABLE b (a int PRIMARY KEY, t text)");
    try (PreparedStatement insert = c.prepareStatement("INSERT INTO b VALUES (?, ?)")) {
      for (int i = 0; i < 1000; i++) {
        insert.setInt(1, i);
        insert.setString(2, i % 3 == 0 ? null : "row " + i);
        insert.addBatch();
      }
      equal(1000, insert.executeBatch().length);
      insert.setInt(1, 5);
      insert.addBatch();
      try {
        insert.executeBatch();
        throw new AssertionError("expected an error");
      } catch (BatchUpdateException error) {
        equal("23505", error.getSQLState());
        equal("b_pkey", ((PSQLException) error.getNextException()).getServerErrorMessage().getConstraint());
      }
    }
    c.setAutoCommit(false);
    try (PreparedStatement select = c.prepareStatement("SELECT a FROM b ORDER BY a")) {
      select.setFetchSize(64);
      int count = 0;
      try (ResultSet r = select.executeQuery()) {
        while (r.next()) equal(count++, r.getInt(1));
      }
      equal(1000, count);
    }
    Savepoint savepoint = c.setSavepoint();
    equal("42P01", stateOf(() -> c.createStatement().execute("SELECT * FROM nowhere")));
    equal("25P02", stateOf(() -> c.createStatement().execute("SELECT 1")));
    c.rollback(savepoint);
    try (Statement update = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
        ResultSet r = update.executeQuery("SELECT a, t FROM b WHERE a < 3 ORDER BY a")) {
      r.last();
      r.updateString("t", "changed");
      r.updateRow();
      r.absolute(1);
      r.deleteRow();
      r.moveToInsertRow();
      r.updateInt("a", 5000);
      r.insertRow();
    }
    c.commit();
    c.setAutoCommit(true);
    equal(List.of("1|row 1", "2|changed", "5000|null"), rows(c.createStatement().executeQuery("SELECT * FROM b WHERE a < 3 OR a > 2000 ORDER BY a"), "a", "t"));
  }

  static void metadata(Connection c, boolean describes) throws Exception {
    c.createStatement()
        .execute(
            "CREATE TABLE parent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code varchar(10) NOT NULL UNIQUE, price numeric(8,2) DEFAULT 1.5);"
                + "COMMENT ON COLUMN parent.code IS 'the code';"
                + "CREATE TABLE child (a int, b int, parent_id bigint NOT NULL REFERENCES parent ON DELETE CASCADE, PRIMARY KEY (a, b));"
                + "CREATE INDEX child_parent ON child (parent_id DESC, b); CREATE VIEW joined AS SELECT * FROM parent JOIN child ON parent.id = parent_id;"
                + "CREATE TYPE mood AS ENUM ('sad', 'glad')");
    DatabaseMetaData m = c.getMetaData();
    equal("PostgreSQL", m.getDatabaseProductName());
    equal(18, m.getDatabaseMajorVersion());
    equal(List.of("public|child|TABLE", "public|parent|TABLE", "public|joined|VIEW"),
        rows(m.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE").stream()
            .filter((row) -> row.matches("public\\|(child|parent|joined)\\|.*")).toList());
    equal(List.of("id|-5|int8|19|0|NO|null|YES", "code|12|varchar|10|0|NO|the code|NO", "price|2|numeric|8|2|YES|null|NO"),
        rows(m.getColumns(null, "public", "parent", null), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "REMARKS", "IS_AUTOINCREMENT"));
    equal(List.of("a|1|child_pkey", "b|2|child_pkey"), rows(m.getPrimaryKeys(null, "public", "child"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
    equal(List.of("parent|id|child|parent_id|0|child_parent_id_fkey|parent_pkey"),
        rows(m.getImportedKeys(null, "public", "child"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "DELETE_RULE", "FK_NAME", "PK_NAME"));
    equal(1, rows(m.getExportedKeys(null, null, "parent"), "FK_NAME").size());
    equal(1, rows(m.getCrossReference(null, null, "parent", null, null, "child"), "FK_NAME").size());
    equal(List.of("child_pkey|a|false|A", "child_pkey|b|false|A", "child_parent|parent_id|true|D", "child_parent|b|true|A"),
        rows(m.getIndexInfo(null, "public", "child", false, true), "INDEX_NAME", "COLUMN_NAME", "NON_UNIQUE", "ASC_OR_DESC").stream()
            .map((row) -> row.replace("|f|", "|false|").replace("|t|", "|true|")).toList());
    equal(List.of("id"), rows(m.getBestRowIdentifier(null, null, "parent", DatabaseMetaData.bestRowSession, false), "COLUMN_NAME"));
    equal(true, rows(m.getTypeInfo(), "TYPE_NAME").containsAll(List.of("int4", "text", "jsonb", "mood")));
    equal(true, rows(m.getSchemas(), "TABLE_SCHEM").containsAll(List.of("public", "pg_catalog", "information_schema")));
    equal(false, rows(m.getTablePrivileges(null, "public", "parent"), "PRIVILEGE").isEmpty());
    equal(false, rows(m.getColumnPrivileges(null, "public", "parent", "code"), "PRIVILEGE").isEmpty());
    equal(false, rows(m.getFunctions(null, "pg_catalog", "lower"), "FUNCTION_NAME").isEmpty());
    equal(false, rows(m.getFunctionColumns(null, "pg_catalog", "substr", null), "COLUMN_NAME").isEmpty());
    rows(m.getProcedures(null, null, "%"), "PROCEDURE_NAME");
    rows(m.getCatalogs(), "TABLE_CAT");
    rows(m.getUDTs(null, null, "%", null), "TYPE_NAME");
    rows(m.getClientInfoProperties(), "NAME");
    equal(false, m.getSQLKeywords().isEmpty());
    // In simple mode pgjdbc asks for no descriptions.
    if (!describes) return;
    try (PreparedStatement select = c.prepareStatement("SELECT code, price AS cost, 1 + ? FROM parent WHERE id = ?")) {
      equal(2, select.getParameterMetaData().getParameterCount());
      equal("int8", select.getParameterMetaData().getParameterTypeName(2));
      ResultSetMetaData r = select.getMetaData();
      equal("cost", r.getColumnLabel(2));
      equal(ResultSetMetaData.columnNoNulls, r.isNullable(1));
      equal(10, r.getPrecision(1));
      equal(false, r.isAutoIncrement(1));
    }
  }

  static void copyErrorsAndCancellation(Connection c) throws Exception {
    c.createStatement().execute("CREATE TABLE k (a int, t text)");
    CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
    equal(3L, copy.copyIn("COPY k FROM STDIN (FORMAT csv, HEADER)", new StringReader("a,t\n1,one\n2,\"two, too\"\n3,\n")));
    StringWriter out = new StringWriter();
    equal(3L, copy.copyOut("COPY (SELECT * FROM k ORDER BY a DESC) TO STDOUT (FORMAT csv)", out));
    equal("3,\n2,\"two, too\"\n1,one\n", out.toString());
    equal("22P02", stateOf(() -> copy.copyIn("COPY k FROM STDIN", new StringReader("x\ty\n"))));
    try (Statement slow = c.createStatement()) {
      slow.setQueryTimeout(1);
      equal("57014", stateOf(() -> slow.execute("SELECT pg_sleep(60)")));
    }
    c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    equal(Connection.TRANSACTION_SERIALIZABLE, c.getTransactionIsolation());
    c.setReadOnly(true);
    c.setAutoCommit(false);
    equal("25006", stateOf(() -> c.createStatement().execute("CREATE TABLE never (a int)")));
    c.rollback();
    c.setReadOnly(false);
    c.setAutoCommit(true);
    equal(true, c.isValid(5));
    // A plan whose table has changed is prepared anew
    try (PreparedStatement select = c.prepareStatement("SELECT * FROM k WHERE a = 1")) {
      for (int i = 0; i < 6; i++) select.executeQuery().close();
      c.createStatement().execute("ALTER TABLE k ADD COLUMN more int DEFAULT 7");
      try (ResultSet r = select.executeQuery()) {
        r.next();
        equal(7, r.getInt("more"));
      }
    }
    Array array = c.createArrayOf("int4", new Integer[] {1, 3});
    try (PreparedStatement select = c.prepareStatement("SELECT a FROM k WHERE a = ANY (?) ORDER BY a")) {
      select.setArray(1, array);
      equal(List.of("1", "3"), rows(select.executeQuery(), "a"));
    }
  }

  public static void main(String[] args) throws Exception {
    for (String mode : List.of("extended", "simple", "extendedForPrepared")) {
      try (Connection c = connect("preferQueryMode", mode, "reWriteBatchedInserts", String.valueOf(mode.equals("simple")))) {
        c.createStatement().execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public");
        values(c);
        batchesAndCursors(c);
        metadata(c, !mode.equals("simple"));
        copyErrorsAndCancellation(c);
        System.out.println(mode + " ok");
      }
    }
  }
}
