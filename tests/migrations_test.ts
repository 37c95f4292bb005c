import assert from "node:assert/strict";
import type { Queries, UsageDatabase } from "../storage/database.ts";
import { openDatabase } from "../storage/open_database.ts";
import { assertCurrent, migrate } from "../storage/migrate.ts";
import {
  addColumn,
  checksum,
  createIndex,
  createTable,
  createView,
  dataJob,
  migration,
  SchemaError,
} from "../storage/migration.ts";
import { migrations } from "../storage/migrations/mod.ts";
import { tablesAfter } from "../storage/schema.ts";
import { schemaStatus } from "../storage/schema_status.ts";
import { columnsOf } from "../storage/table.ts";
import { countRows, onEachDriver } from "./storage_drivers.ts";
import { type Place } from "./storage_fixture.ts";

const options = { routerVersion: "1.0.0", now: () => 42 };
const released = migrations.length;
const pets = { name: "pets", key: ["id"], columns: { text: ["id"] } } as const;
const first = migration({
  id: released + 1,
  name: "pets",
  backwardCompatible: true,
  safe: true,
  steps: [createTable(pets), createIndex("pets", ["id"])],
});
const second = migration({
  id: released + 2,
  name: "legs",
  backwardCompatible: false,
  safe: false,
  steps: [
    addColumn("pets", { name: "legs_nusd", kind: "bigint" }),
    createView({ name: "legs_view", of: "pets", columns: ["id"], usd: ["legs_nusd"] }),
  ],
});
const all = [...migrations, first, second];
const ids = all.map(({ id }) => id);

function open(place: Place): Promise<UsageDatabase> {
  return openDatabase(place.usageDb, "write");
}

async function tablesOf(db: Queries & Pick<UsageDatabase, "engine">): Promise<Set<string>> {
  return new Set((await db.query(db.engine.columnsSql)).map((row) => String(row.table_name)));
}

const code = (expected: string) => (error: unknown) =>
  error instanceof SchemaError && error.code === expected;

onEachDriver("migrations are applied once, in order, and recorded", async (place) => {
  await using db = await open(place);
  const full = { ...options, migrations: all, backupRef: "dump-7" };
  assert.deepEqual(await migrate(db, full), ids);
  assert.deepEqual(await migrate(db, full), []);
  await assertCurrent(db, all);
  await db.query("INSERT INTO pets (id) VALUES ('cat')");
  assert.equal((await db.query("SELECT legs_nusd FROM pets"))[0]?.legs_nusd, 0n);
  const [row] = await db.query(`SELECT * FROM schema_migrations WHERE id = ${second.id}`);
  assert.deepEqual({ ...row }, {
    id: BigInt(second.id),
    name: "legs",
    checksum: checksum(second),
    state: "applied",
    router_version: "1.0.0",
    backup_ref: "dump-7",
    error: "",
    backward_compatible: 0n,
    started_at: 42n,
    finished_at: 42n,
  });
  assert.deepEqual((await schemaStatus(db, all)).faults, []);
});

onEachDriver("migration that fails leaves nothing of itself", async (place) => {
  await using db = await open(place);
  const broken = { ...second, steps: [createTable(pets), createIndex("birds", ["id"])] };
  await assert.rejects(migrate(db, { ...options, migrations: [...migrations, broken] }), /birds/);
  assert(!(await tablesOf(db)).has("pets"));
  assert.equal(await countRows(db, "schema_migrations"), released);
});

onEachDriver("migrations stop at one that is not safe, or at one that was named", async (place) => {
  await using db = await open(place);
  const named = { ...options, migrations: all, to: 1 };
  assert.deepEqual(await migrate(db, named), [1]);
  const safe = { ...options, migrations: all, safeOnly: true };
  assert.deepEqual(await migrate(db, safe), ids.slice(1, -1));
  await assert.rejects(assertCurrent(db, all), code("migration-pending"));
});

onEachDriver("applied migration that was changed stops everything", async (place) => {
  await using db = await open(place);
  await migrate(db, { ...options, migrations: all });
  const changed = [...migrations, { ...first, steps: first.steps.slice(0, 1) }, second];
  const refused = code("migration-checksum-mismatch");
  await assert.rejects(migrate(db, { ...options, migrations: changed }), refused);
  await assert.rejects(assertCurrent(db, changed), refused);
  const { faults } = await schemaStatus(db, changed);
  assert.match(faults.join(), /migration \d+ "pets" was changed/);
});

onEachDriver("newer schema is served only when it is marked compatible", async (place) => {
  await using db = await open(place);
  await migrate(db, { ...options, migrations: [...migrations, first] });
  await migrate(db, { ...options, migrations });
  await assertCurrent(db, migrations);
  await migrate(db, { ...options, migrations: all });
  await assert.rejects(migrate(db, { ...options, migrations }), code("migration-newer"));
});

onEachDriver("database that lacks a migration is not current", async (place) => {
  await using db = await open(place);
  await assert.rejects(assertCurrent(db, migrations), code("migration-pending"));
});

onEachDriver("status names what somebody took away", async (place) => {
  await using db = await open(place);
  await migrate(db, { ...options, migrations: all });
  await db.query("DROP VIEW legs_view");
  await db.query("ALTER TABLE pets DROP COLUMN legs_nusd");
  await db.query("DROP INDEX idx_pets_id");
  assert.deepEqual((await schemaStatus(db, all)).faults, [
    "column pets.legs_nusd is missing",
    "column legs_view.id is missing",
    "index idx_pets_id is missing",
  ]);
});

onEachDriver("migration waits for another one, and gives up at its time", async (place) => {
  await using one = await open(place);
  await using two = await open(place);
  // SQLite locks in a transaction of the work, Postgres for all of it.
  await one.exclusively(
    { lockMs: 0, statementMs: 1_000 },
    (alone) =>
      alone.transaction(async () => {
        const attempt = migrate(two, { ...options, migrations: all, lockMs: 50 });
        await assert.rejects(attempt, code("migration-locked"));
      }),
  );
  assert.deepEqual(await migrate(two, { ...options, migrations: all, lockMs: 50 }), ids);
});

onEachDriver("transaction that fails leaves nothing, and the next one works", async (place) => {
  await using db = await open(place);
  await migrate(db, { ...options, migrations: all });
  const insert = "INSERT INTO pets (id) VALUES ($1)";
  await assert.rejects(
    db.transaction(async (queries) => {
      await queries.query(insert, "cat");
      throw new Error("Cannot go on");
    }),
    /Cannot go on/,
  );
  await db.transaction((queries) => queries.query(insert, "dog"));
  assert.deepEqual((await db.query("SELECT id FROM pets")).map(({ id }) => id), ["dog"]);
});

onEachDriver("reader cannot write", async (place) => {
  {
    await using db = await open(place);
    await migrate(db, { ...options, migrations: all });
  }
  await using reader = await openDatabase(place.usageDb, "read");
  await assert.rejects(reader.query("INSERT INTO pets (id) VALUES ('cat')"), /read-?only/);
});

Deno.test("checksum does not depend on the order of members", () => {
  const [step] = second.steps;
  const turned = Object.fromEntries(Object.entries(step!).toReversed()) as typeof step;
  const steps = [turned!, ...second.steps.slice(1)];
  assert.equal(checksum({ ...second, steps }), checksum(second));
});

Deno.test("checksums of released migrations stay as they are", () => {
  const sums = migrations.map((item) => [item.name, checksum(item)]);
  assert.deepEqual(Object.fromEntries(sums), SUMS);
});

const SUMS = {
  call_tables: "b1ce32b92fbfacd88fa5f568eb3a7bec4477a8f7eacc5f2ba2b28091acc8a383",
  diagnostic_tables: "cef0c32542a95fb60bd7d3ee93a40e8222008e7eea7a9947c31136480e53d5de",
  decision_tables: "673e9f4a2a6e05807fb66d99e97ad171d717e405771faa0db32ee11a96ffe394",
  content_tables: "87a2f2f0d48947ae825b55e9f7430469e0d8a0166e5d81b19e857e71283bcf46",
  rollup_tables: "8ccc1fe5bb0d89970933cc1aaa49fdcfeaf40b290e8749eb5aec137563aae089",
  retention_tables: "edf21fa8465e702cbedd8a3e26e7256e911151f85a86593a03d5194468ed44c5",
  control_tables: "e23edf5d84014285e4f433dcf3a581a9ae3d66a2721687f2f136146de36d6e00",
  usage_usd: "ba35c335a799836e56310ee2de522a05d9ac5b33980ef3f8404d01f1b708d172",
};

Deno.test("names of indexes and columns fit into what Postgres allows", () => {
  const names = migrations.flatMap(({ steps }) => steps).flatMap((step) => {
    if (step.do !== "createIndex") return [];
    return [`idx_${step.table}_${step.columns.join("_")}`];
  });
  const columns = [...tablesAfter(migrations).values()].flatMap(columnsOf).map(({ name }) => name);
  assert.deepEqual([...names, ...columns].filter((name) => name.length > 63), []);
});

Deno.test("tables are what the migrations leave", () => {
  const found = columnsOf(tablesAfter(all).get("pets")!);
  assert.deepEqual(found, [{ name: "id", kind: "text" }, { name: "legs_nusd", kind: "bigint" }]);
});

const filled = migration({
  id: released + 1,
  name: "filled",
  backwardCompatible: true,
  safe: false,
  steps: [
    addColumn("request_usage", { name: "host", kind: "text" }),
    dataJob({
      id: "fill_host",
      table: "request_usage",
      key: "request_id",
      column: "host",
      // NULL is refused, so that a bad row breaks the job off.
      value: "nullif('h-' || replica, 'h-bad')",
    }),
  ],
});

/** A database with rows that are older than the migration above. */
async function withRows(place: Place, rows: number): Promise<UsageDatabase> {
  const db = await open(place);
  await migrate(db, { ...options, migrations });
  const columns = ["request_id", "ts", "replica"];
  const values = (n: number) => [`req_${String(n).padStart(6, "0")}`, n, `r${n % 3}`];
  const made = Array.from({ length: rows }, (_, n) => ({ columns, values: values(n) }));
  await db.insert("request_usage", made);
  return db;
}

onEachDriver("data job goes on where it was broken off", async (place) => {
  await using db = await withRows(place, 2_500);
  await db.query("UPDATE request_usage SET replica = 'bad' WHERE ts = 2100");
  const job = { ...options, migrations: [...migrations, filled] };
  const left = () => countRows(db, "request_usage WHERE host = ''");
  await assert.rejects(migrate(db, job));
  assert.equal(await left(), 500);
  const { jobs } = await schemaStatus(db, job.migrations);
  assert.deepEqual(jobs, [{ id: "fill_host", state: "failed", rowsDone: 2_000, rowsTotal: 2_500 }]);
  await assertCurrent(db, job.migrations);
  assert.deepEqual(await migrate(db, { ...job, safeOnly: true }), []);
  assert.equal(await left(), 500, "a start runs no job");
  await db.query("UPDATE request_usage SET replica = 'r0' WHERE ts = 2100");
  // Rows behind the cursor are not touched again.
  await db.query("UPDATE request_usage SET host = 'kept' WHERE ts = 0");
  assert.deepEqual(await migrate(db, job), []);
  assert.equal(await left(), 0);
  assert.deepEqual((await schemaStatus(db, job.migrations)).jobs, []);
  const [done] = await db.query("SELECT state, rows_done, error FROM schema_data_jobs");
  assert.deepEqual({ ...done }, { state: "done", rows_done: 2_500n, error: "" });
  const hosts = await db.query("SELECT host FROM request_usage WHERE ts IN (0, 4) ORDER BY ts");
  assert.deepEqual(hosts.map(({ host }) => host), ["kept", "h-r1"]);
});

Deno.test("migration with a data job is not safe at a start", () => {
  for (const { name, safe, steps } of migrations) {
    assert(!safe || steps.every((step) => step.do !== "dataJob"), name);
  }
});
