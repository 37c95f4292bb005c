import assert from "node:assert/strict";
import { wait } from "@/core/wait.ts";
import { DATA_CLASSES } from "../core/snapshot.ts";
import { type ChoreOptions, doChores } from "../storage/chores.ts";
import type { Queries } from "../storage/database.ts";
import { DAY_MS, HOUR_MS, MONDAY, shipCalls, someCalls } from "./report_calls.ts";
import { inTurns } from "../storage/turns.ts";
import { countRows, onEachDriver, writeRecords } from "./storage_drivers.ts";

const MINUTE_MS = 60_000;

function options(changes: Partial<ChoreOptions> = {}): ChoreOptions {
  return {
    rollups: { auto: true, finalizeAfterDays: 0 },
    retention: { enabled: false, dryRun: false, runAtMinute: 200, rules: [] },
    routerVersion: "test",
    ...changes,
  };
}

async function runs(db: Queries): Promise<string[]> {
  const rows = await db.query("SELECT * FROM usage_rollup_runs ORDER BY rollup_type, window_start");
  return rows.map(({ rollup_type, window_start, status }) =>
    `${rollup_type} ${new Date(Number(window_start)).toISOString().slice(0, 13)} ${status}`
  );
}

onEachDriver("drafts are made when their time has come, once", async (place) => {
  await using database = await shipCalls(place, someCalls(20));
  const { db } = database;
  const due = Date.UTC(2025, 11, 1);
  await doChores(db, options(), due + 9 * MINUTE_MS);
  assert.deepEqual(await runs(db), [
    "daily 2025-11-29T00 draft",
    "hourly 2025-11-30T22 draft",
    "monthly 2025-10-01T00 draft",
  ]);
  await doChores(db, options(), due + 10 * MINUTE_MS);
  await doChores(db, options(), due + 30 * MINUTE_MS);
  await doChores(db, options(), due + 60 * MINUTE_MS);
  const made = await runs(db);
  assert.deepEqual(made, [
    "daily 2025-11-29T00 draft",
    "daily 2025-11-30T00 draft",
    "hourly 2025-11-30T22 draft",
    "hourly 2025-11-30T23 draft",
    "monthly 2025-10-01T00 draft",
    "monthly 2025-11-01T00 draft",
  ]);
  await doChores(db, options(), due + 69 * MINUTE_MS);
  assert.deepEqual(await runs(db), made);
});

onEachDriver("windows that ended while nobody was there are drafted afterwards", async (place) => {
  await using database = await shipCalls(place, someCalls(20));
  const { db } = database;
  const stopped = Date.UTC(2025, 11, 1, 10, 40);
  const started = Date.UTC(2025, 11, 3, 13, 15);
  await doChores(db, options(), stopped);
  for (let turn = 0; turn < 4; turn++) await doChores(db, options(), started + turn * MINUTE_MS);
  const made = await runs(db);
  const days = made.filter((run) => run.startsWith("daily")).map((run) => run.slice(6, 16));
  assert.deepEqual(days, ["2025-11-30", "2025-12-01", "2025-12-02"]);
  const hours = made.filter((run) => run.startsWith("hourly"));
  assert.equal(hours[0], "hourly 2025-12-01T09 draft");
  assert.equal(hours.at(-1), "hourly 2025-12-03T12 draft");
  assert.equal(hours.length, 52);
});

onEachDriver("drafts become final when they are old enough, and not before", async (place) => {
  const shipped = someCalls(20).map((call) => ({
    ...call,
    usage: { ...call.usage, settled_at: MONDAY + 30 * DAY_MS },
  }));
  await using database = await shipCalls(place, shipped);
  const { db } = database;
  await db.query("UPDATE request_usage SET ingested_at = ts");
  const at = MONDAY + 2 * DAY_MS + HOUR_MS;
  await doChores(db, options(), at);
  const finalizing = options({ rollups: { auto: true, finalizeAfterDays: 3 } });
  await doChores(db, finalizing, at + 2 * DAY_MS);
  assert.equal((await runs(db)).filter((run) => run.endsWith("finalized")).length, 1);
  await doChores(db, finalizing, at + 3 * DAY_MS);
  const found = await runs(db);
  assert.ok(found.includes("daily 2025-11-18T00 finalized"), found.join("\n"));
  assert.ok(found.includes("daily 2025-11-20T00 draft"), found.join("\n"));
});

onEachDriver("retention runs once a day, at its minute", async (place) => {
  await using database = await shipCalls(place, someCalls(10));
  const { db } = database;
  const rules = DATA_CLASSES.map((dataClass) => ({
    dataClass,
    enabled: true,
    days: 30,
    batchSize: 500,
    requireFinalizedRollup: false,
  }));
  const retention = { enabled: true, dryRun: false, runAtMinute: 200, rules };
  const nightly = options({ retention, rollups: { auto: false, finalizeAfterDays: 0 } });
  const day = MONDAY + 60 * DAY_MS;
  await doChores(db, nightly, day + 199 * MINUTE_MS);
  assert.equal(await countRows(db, "request_usage"), 10);
  for (const minute of [200, 201, 1_439]) await doChores(db, nightly, day + minute * MINUTE_MS);
  assert.equal(await countRows(db, "request_usage"), 0);
  assert.equal(await countRows(db, "retention_jobs"), 1);
  await doChores(db, nightly, day + DAY_MS + 200 * MINUTE_MS);
  assert.equal(await countRows(db, "retention_jobs"), 2);
});

onEachDriver("a purge lets lines be shipped between its batches", async (place) => {
  await using database = await shipCalls(place, someCalls(200));
  const { db, shipper } = database;
  await writeRecords(place, 1_001, 1_010);
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(work: () => Promise<Result>) => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };
  const rule = { enabled: true, days: 1, batchSize: 5, requireFinalizedRollup: false } as const;
  const retention = {
    ...{ enabled: true, dryRun: false, runAtMinute: 0 },
    rules: [{ ...rule, dataClass: "usage_detail" } as const],
  };
  const old = () => countRows(db, `request_usage WHERE caller_id <> 'ci'`);
  const all = await old();
  const chores = options({ rollups: { auto: false, finalizeAfterDays: 0 }, retention });
  const purge = doChores(inTurns(db, inTurn), chores, MONDAY + 100 * DAY_MS);
  // The job has begun when its first batch is deleted.
  while (await inTurn(old) === all) await wait(1);
  await inTurn(() => shipper.step());
  const left = await inTurn(old);
  assert(left > 0 && left < all, `${left} of ${all} rows are left`);
  assert.equal(shipper.counts.inserted, 210);
  await purge;
  assert.equal(await old(), 0);
});
