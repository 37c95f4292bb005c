import assert from "node:assert/strict";
import { Command } from "commander";
import { ExitError, type World } from "../core/command.ts";
import { storageCommands } from "../storage/commands.ts";
import { migrations } from "../storage/migrations/mod.ts";
import { openDatabase } from "../storage/open_database.ts";
import { openUsageStore } from "../storage/store.ts";
import { validateSchema } from "../storage/validate_schema.ts";
import { onEachDriver } from "./storage_drivers.ts";
import { makePlace, type Place } from "./storage_fixture.ts";
import { until } from "./until.ts";

function worldOf(place: Place): { world: World; said: string[] } {
  const said: string[] = [];
  const world: World = {
    env: (name) => name === "USAGE_DSN" ? place.usageDb.dsn ?? undefined : undefined,
    stdin: () => Promise.resolve(""),
    print: (text) => void said.push(text),
    printError: (text) => void said.push(text),
    now: () => 42,
  };
  return { world, said };
}

/** Runs `migrate` on the database of a place, told by flags; gives its output and exit code. */
async function run(place: Place, ...words: string[]): Promise<{ out: string; code: number }> {
  const { world, said } = worldOf(place);
  const program = new Command().exitOverride();
  const settingsOf = () => Promise.reject(new Error("Cannot be asked"));
  storageCommands({ settingsOf, routerVersion: "1.2.3" })(program, world);
  const { driver, path } = place.usageDb;
  const flags = driver === "sqlite" ? ["--db", path] : ["--dsn-env", "USAGE_DSN"];
  try {
    await program.parseAsync(["migrate", ...words, ...flags], { from: "user" });
    return { out: said.join("\n"), code: 0 };
  } catch (error) {
    if (error instanceof ExitError) {
      return { out: [...said, error.message].join("\n"), code: error.code };
    }
    throw error;
  }
}

onEachDriver("migrate plans, applies and tells, with exit codes for a pipeline", async (place) => {
  const plan = await run(place, "plan");
  assert.equal(plan.code, 3);
  assert.match(plan.out, /^-- 1 call_tables: safe at a start, the previous release can go on/);
  assert.match(plan.out, /CREATE VIEW request_usage_usd AS SELECT/);
  assert.equal((await run(place, "status")).code, 3);

  const first = await run(place, "apply", "--to", "1");
  assert.deepEqual(first, { out: "Applied 1 call_tables\nApplied 1 in all", code: 0 });
  const json = await run(place, "plan", "--json");
  assert.equal(json.code, 3);
  assert.deepEqual(
    JSON.parse(json.out).pending.map(({ id }: { id: number }) => id),
    migrations.slice(1).map(({ id }) => id),
  );
  assert.equal((await run(place, "apply")).code, 0);
  assert.deepEqual(await run(place, "apply"), { out: "Nothing to apply", code: 0 });
  assert.deepEqual(await run(place, "plan"), { out: "Nothing is pending", code: 0 });
  const status = await run(place, "status");
  assert.equal(status.code, 0);
  assert.match(status.out, /^ {3}1 {2}call_tables +1970-01-01T00:00:00\.042Z {2}b1ce32b92fbf$/m);
  assert.match(status.out, /Schema is current$/);
});

onEachDriver("migrate status exits 1 when a table was damaged", async (place) => {
  await run(place, "apply");
  {
    await using db = await openDatabase(place.usageDb, "write");
    await db.query("DROP INDEX idx_request_usage_ingested_at");
  }
  const { out, code } = await run(place, "status");
  assert.equal(code, 1);
  assert.match(out, /fault: index idx_request_usage_ingested_at is missing/);
  assert.equal((await run(place, "apply")).code, 1);
});

onEachDriver("gateway under deployment-job is not ready until somebody migrates", async (place) => {
  const store = openUsageStore({
    logging: place.logging,
    usageDb: { ...place.usageDb, migrationPolicy: "deployment-job" },
    rollups: place.rollups,
    retention: place.retention,
    log: place.log,
    routerVersion: "test",
    onStatus() {},
  });
  await until(() => store.schema === "pending");
  assert.equal(store.up, false);
  await until(() => place.events.includes("migration_pending"));
  assert.equal((await run(place, "apply")).code, 0);
  // Who asks for totals need not wait for the next look.
  await store.totals("ci", 0, 1);
  assert.equal(store.schema, "ok");
  await store.close(5_000);
});

onEachDriver("gateway under validate starts on the schema of its program only", async (place) => {
  const usageDb = { ...place.usageDb, migrationPolicy: "validate" as const };
  await run(place, "apply", "--to", "2");
  const { world, said } = worldOf(place);
  await assert.rejects(validateSchema(usageDb, world), /the schema is not current: 6 migrations/);
  assert.match(said.join(), /-- 3 decision_tables/);
  await run(place, "apply");
  await validateSchema(usageDb, world);
});

for (
  const [name, words] of [
    ["two databases", ["--db", "x", "--dsn-env", "Y"]],
    ["a variable that is not set", ["--dsn-env", "NOT_SET"]],
    ["a driver without its database", ["--driver", "postgres"]],
    ["a time without a unit", ["--db", "x", "--lock-timeout", "5"]],
    ["no number", ["--db", "x", "--to", "last"]],
  ] as const
) {
  Deno.test(`migrate apply with ${name} exits 2`, async () => {
    using place = makePlace();
    const { world } = worldOf(place);
    const program = new Command().exitOverride();
    storageCommands({ settingsOf: () => place, routerVersion: "" })(program, world);
    const ran = program.parseAsync(["migrate", "apply", ...words], { from: "user" });
    await assert.rejects(ran, (error) => error instanceof ExitError && error.code === 2);
  });
}
