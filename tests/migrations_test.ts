import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { assertCurrent, migrate, SchemaError } from "../storage/migrate.ts";
import { addColumn, checksum, createIndex, createTable, migration } from "../storage/migration.ts";
import { migrations } from "../storage/migrations/mod.ts";
import { tablesAfter } from "../storage/schema.ts";
import { columnsOf } from "../storage/table.ts";

const options = { routerVersion: "1.0.0", now: () => 42 };
const pets = { name: "pets", key: ["id"], columns: { text: ["id"] } } as const;
const first = migration({
  id: 2,
  name: "pets",
  backwardCompatible: true,
  steps: [createTable(pets), createIndex("pets", ["id"])],
});
const second = migration({
  id: 3,
  name: "legs",
  backwardCompatible: false,
  steps: [addColumn("pets", { name: "legs", kind: "int" })],
});
const all = [...migrations, first, second];

const names = (db: DatabaseSync) =>
  db.prepare("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").all()
    .map(({ name }) => name);
const code = (expected: string) => (error: unknown) =>
  error instanceof SchemaError && error.code === expected;

Deno.test("migrations are applied once, in order, and recorded", async () => {
  using db = new DatabaseSync(":memory:");
  assert.deepEqual(await migrate(db, { ...options, migrations: all }), [1, 2, 3]);
  assert.deepEqual(await migrate(db, { ...options, migrations: all }), []);
  await assertCurrent(db, all);
  db.exec("INSERT INTO pets (id) VALUES ('cat')");
  assert.equal(db.prepare("SELECT legs FROM pets").get()?.legs, 0);
  const row = db.prepare("SELECT * FROM schema_migrations WHERE id = 3").get()!;
  assert.deepEqual({ ...row }, {
    id: 3,
    name: "legs",
    checksum: await checksum(second),
    state: "applied",
    router_version: "1.0.0",
    backup_ref: "",
    error: "",
    backward_compatible: 0,
    started_at: 42,
    finished_at: 42,
  });
});

Deno.test("migration that fails leaves nothing of itself", async () => {
  using db = new DatabaseSync(":memory:");
  const broken = { ...second, steps: [createTable(pets), createIndex("birds", ["id"])] };
  await assert.rejects(migrate(db, { ...options, migrations: [...migrations, broken] }), /birds/);
  assert(!names(db).includes("pets"));
  assert.equal(db.prepare("SELECT count(*) AS n FROM schema_migrations").get()?.n, 1);
});

Deno.test("applied migration that was changed stops everything", async () => {
  using db = new DatabaseSync(":memory:");
  await migrate(db, { ...options, migrations: all });
  const changed = [...migrations, { ...first, steps: first.steps.slice(0, 1) }, second];
  await assert.rejects(
    migrate(db, { ...options, migrations: changed }),
    code("migration-checksum-mismatch"),
  );
  await assert.rejects(assertCurrent(db, changed), code("migration-checksum-mismatch"));
});

Deno.test("newer schema is served only when it is marked compatible", async () => {
  using db = new DatabaseSync(":memory:");
  await migrate(db, { ...options, migrations: [...migrations, first] });
  await migrate(db, { ...options, migrations });
  await assertCurrent(db, migrations);
  await migrate(db, { ...options, migrations: all });
  await assert.rejects(migrate(db, { ...options, migrations }), code("migration-newer"));
});

Deno.test("database that lacks a migration is not current", async () => {
  using db = new DatabaseSync(":memory:");
  await assert.rejects(assertCurrent(db, migrations), code("migration-pending"));
});

Deno.test("checksum does not depend on the order of members", async () => {
  const [step] = second.steps;
  const turned = Object.fromEntries(Object.entries(step!).toReversed()) as typeof step;
  assert.equal(await checksum({ ...second, steps: [turned!] }), await checksum(second));
});

Deno.test("checksums of released migrations stay as they are", async () => {
  const sums = await Promise.all(migrations.map(async (item) => [item.name, await checksum(item)]));
  assert.deepEqual(sums, [[
    "call_tables",
    "b1ce32b92fbfacd88fa5f568eb3a7bec4477a8f7eacc5f2ba2b28091acc8a383",
  ]]);
});

Deno.test("tables are what the migrations leave", () => {
  const found = columnsOf(tablesAfter(all).get("pets")!);
  assert.deepEqual(found, [{ name: "id", kind: "text" }, { name: "legs", kind: "int" }]);
});
