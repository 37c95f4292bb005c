import assert from "node:assert/strict";
import { childTables, eventTables, tables } from "../storage/schema.ts";
import { onEachDriver, openPlace } from "./storage_drivers.ts";
import { makePlace } from "./storage_fixture.ts";
import { SPECIFIED } from "./storage_tables.ts";

/** Every child of a call has this one, too. */
const CHILD_KEY = "request_id";

/** `request_usage` has the indexes of queries that its `ts` alone would not serve. */
const INDEXES: Readonly<Record<string, string>> = {
  request_usage: "ts; caller_id, ts; caller_project, caller_environment, ts; client_request_id; " +
    "conversation_key; ingested_at",
  request_attempts: "ts",
  request_errors: "ts",
  request_decision_records: "ts",
  request_routing_decisions: "ts",
  request_shapes: "ts",
  request_token_estimates: "ts",
  request_trace_events: "ts",
  request_traffic_shape_events: "ts",
  request_translation_shapes: "ts",
  request_upstream_error_details: "ts",
  request_upstream_shape_events: "ts",
  request_content_captures: "request_id; retention_until",
  security_access_events: "ts",
  usage_rollup_runs: "rollup_type, window_start",
  usage_rollup_hourly: "bucket_start, resolved_group",
  usage_rollup_daily: "bucket_start, resolved_group",
  usage_rollup_monthly_billing: "bucket_start, resolved_group",
  usage_rollup_histograms: "bucket_start, resolved_group",
  usage_rollup_decision_buckets: "bucket_start, resolved_group",
  eval_outcomes: "conversation_key",
  eval_outcome_requests: "request_id",
};

interface Specified {
  readonly key: readonly string[];
  /** Kinds of the columns, by name. */
  readonly columns: ReadonlyMap<string, string>;
}

function specified(): Map<string, Specified> {
  const entries = SPECIFIED.trim().split(/\n(?=\S)/).flatMap((text) => {
    const [, names, key, rest] = /^(\S+) \[(.*?)\]:\s*([^]*)$/.exec(text)!;
    const columns = new Map<string, string>();
    let kind = "";
    for (const word of rest!.replaceAll(";", " ").split(/\s+/)) {
      if (/^(text|int|bigint|bool)\??$/.test(word)) kind = word;
      else for (const column of expand(word)) columns.set(column, kind);
    }
    return expand(names!).map((name) => {
      const more = childTables.includes(name) ? [[CHILD_KEY, "text"] as const] : [];
      return [name, { key: key!.split(", "), columns: new Map([...columns, ...more]) }] as const;
    });
  });
  return new Map(entries);
}

function expand(word: string): string[] {
  const match = /^(.*?)\{(.*?)\}(.*)$/.exec(word);
  if (!match) return [word];
  const [, before, choices, after] = match;
  return choices!.split(",").flatMap((choice) => expand(`${before}${choice}${after}`));
}

/** What an engine calls a column: type, whether it may be NULL, default. */
const WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sqlite: { text: "TEXT", bool: "INTEGER", int: "INTEGER", bigint: "INTEGER" },
  postgres: { text: "text", bool: "integer", int: "integer", bigint: "bigint" },
};

function wording(kind: string, driver: string): string {
  const type = WORDS[driver]![kind.replace("?", "")]!;
  if (kind.endsWith("?")) return type;
  return `${type} NOT NULL DEFAULT ${kind.startsWith("text") ? "''" : "0"}`;
}

/** Rows `table_name`, `name`, `type`, `required`, `default_value`, and the place in the key from 1. */
const CATALOGUE: Readonly<Record<string, string>> = {
  sqlite: `SELECT m.name AS table_name, c.name, c.type, c."notnull" AS required,
      c.dflt_value AS default_value, c.pk AS place
    FROM sqlite_master AS m, pragma_table_info(m.name) AS c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`,
  postgres: `SELECT c.table_name::text, c.column_name::text AS name, c.data_type::text AS type,
      (c.is_nullable = 'NO')::int AS required, split_part(c.column_default, '::', 1) AS default_value,
      coalesce(k.ordinal_position, 0)::int AS place
    FROM information_schema.columns AS c
    JOIN information_schema.tables AS t USING (table_schema, table_name)
    LEFT JOIN information_schema.key_column_usage AS k
      USING (table_schema, table_name, column_name)
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'`,
};

onEachDriver(
  "database has the tables, keys, columns and types that are specified",
  async (place) => {
    await using database = await openPlace(place);
    const { driver } = place.usageDb;
    const found = Map.groupBy(
      await database.db.query(CATALOGUE[driver]!),
      ({ table_name }) => String(table_name),
    );
    const expected = specified();
    assert.deepEqual([...found.keys()].toSorted(), [...expected.keys()].toSorted());
    assert.deepEqual([...tables.keys()].toSorted(), [...expected.keys()].toSorted());
    for (const [table, rows] of found) {
      const { key, columns } = expected.get(table)!;
      const words = rows.map((row) => {
        const rest = row.required === 1n ? ` NOT NULL DEFAULT ${row.default_value}` : "";
        return [String(row.name), `${row.type}${rest}`] as const;
      });
      const wanted = [...columns].map(([name, kind]) => [name, wording(kind, driver)] as const);
      assert.deepEqual(Object.fromEntries(words), Object.fromEntries(wanted), table);
      const keys = rows.filter(({ place }) => place !== 0n)
        .toSorted((a, b) => Number(a.place) - Number(b.place));
      assert.deepEqual(keys.map(({ name }) => name), key, `key of ${table}`);
    }
  },
);

onEachDriver("database has the indexes that its queries use, and no more", async (place) => {
  await using database = await openPlace(place);
  const rows = await database.db.query(database.db.engine.indexesSql);
  const found = rows.map(({ name }) => String(name)).filter((name) => name.startsWith("idx_"));
  const wanted = Object.entries(INDEXES).flatMap(([table, lists]) =>
    lists.split("; ").map((list) => `idx_${table}_${list.replaceAll(", ", "_")}`)
  );
  assert.deepEqual(found.toSorted(), wanted.toSorted());
});

onEachDriver("view shows amounts in USD, exact to the nano", async (place) => {
  await using database = await openPlace(place);
  const { db } = database;
  await db.query(
    "INSERT INTO request_usage (request_id, total_cost_nusd, charged_nusd) VALUES ('a', $1, 1)",
    1_234_567_890_000_000_001n,
  );
  await db.query("INSERT INTO request_usage (request_id) VALUES ('b')");
  const rows = await db.query(
    "SELECT CAST(total_cost_usd AS text) AS cost, CAST(charged_usd AS text) AS charged " +
      "FROM request_usage_usd ORDER BY request_id",
  );
  assert.equal(Number(rows[0]?.cost), 1_234_567_890.000000001);
  assert.equal(Number(rows[0]?.charged), 1e-9);
  assert.equal(rows[1]?.cost, null);
  if (place.usageDb.driver === "postgres") {
    assert.match(String(rows[0]?.cost), /^1234567890\.0000000010*$/);
  }
});

Deno.test("every table a line may name exists, and its rows have what they are joined by", () => {
  for (const name of childTables) assert.equal(tables.get(name)?.key[0], CHILD_KEY, name);
  for (const name of eventTables) assert(tables.has(name), name);
});

Deno.test("SQLite tables are strict, the file is for its owner only, and in WAL mode", async () => {
  using place = makePlace();
  await using database = await openPlace(place);
  const { db } = database;
  const loose = await db.query(
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 " +
      "AND name NOT LIKE 'sqlite_%'",
  );
  assert.deepEqual(loose, []);
  assert.equal(Deno.statSync(place.usageDb.path).mode! & 0o777, 0o600);
  assert.equal((await db.query("PRAGMA journal_mode"))[0]?.journal_mode, "wal");
  assert.equal((await db.query("PRAGMA synchronous"))[0]?.synchronous, 1n);
});
