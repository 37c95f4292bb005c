import assert from "node:assert/strict";
import type { Queries, UsageDatabase } from "../storage/database.ts";
import { sections } from "../storage/reports/sections.ts";
import {
  insertDecisionBuckets,
  insertHistograms,
  insertRollup,
} from "../storage/rollups/rollup_sql.ts";
import { RollupError, type RollupOptions, runRollups } from "../storage/rollups/run_rollup.ts";
import { verifyRollup } from "../storage/rollups/verify_rollup.ts";
import { type RollupType, windowsOf } from "../storage/rollups/window.ts";
import { DAY_MS, filterOf, HOUR_MS, MONDAY, shipCalls, someCalls } from "./report_calls.ts";
import { runAt } from "./storage_commands.ts";
import { countRows, onEachDriver, openPlace, shipAll } from "./storage_drivers.ts";
import { makePlace, type Place, record } from "./storage_fixture.ts";

const WEEK = { from: MONDAY, to: MONDAY + 7 * DAY_MS };
/** Long enough after the calls of a test were loaded. */
const later = () => Date.now() + 600_000;

function options(changes: Partial<RollupOptions> = {}): RollupOptions {
  return {
    finalize: false,
    force: true,
    now: later(),
    routerVersion: "test",
    actor: "test",
    ...changes,
  };
}

const SUMMED = ["groups", "callers", "projects", "clients", "models", "tokens", "cache"];

async function reports(db: Queries) {
  const rows: Record<string, unknown> = {};
  for (const { id, query } of sections.filter(({ id }) => SUMMED.includes(id))) {
    rows[id] = (await query(db, filterOf())).map((row) => ({ ...row }));
  }
  const [overview] = await sections[0]!.query(db, filterOf());
  const { latency_p50_ms: _50, latency_p95_ms: _95, latency_p99_ms: _99, ...sums } = overview!;
  return { ...rows, overview: sums };
}

/** Reports without rollups see calls only. */
async function fromCalls(db: UsageDatabase) {
  const state = (status: string) => db.query("UPDATE usage_rollup_runs SET status = $1", status);
  await state("hidden");
  const found = await reports(db);
  await state("finalized");
  return found;
}

/** Reports without rows of calls see rollups only. */
async function purge(db: UsageDatabase): Promise<void> {
  await db.query("DELETE FROM request_usage");
}

for (const types of [["daily"], ["hourly"], ["daily", "hourly"]] as const) {
  onEachDriver(`${types.join(" and ")} rollups say what the calls said`, async (place) => {
    await using database = await shipCalls(place, someCalls(500));
    const { db } = database;
    const before = await reports(db);
    for (const type of types) {
      await runRollups(db, windowsOf(type, WEEK), options({ finalize: true }));
    }
    assert.deepEqual(await reports(db), before);
    await purge(db);
    assert.deepEqual(await reports(db), before);
  });
}

onEachDriver("reports take days from rollups, the rest from calls", async (place) => {
  await using database = await shipCalls(place, someCalls(300));
  const { db } = database;
  const before = await reports(db);
  const days = windowsOf("daily", { from: MONDAY + DAY_MS, to: MONDAY + 3 * DAY_MS });
  await runRollups(db, days, options({ finalize: true }));
  const hours = windowsOf("hourly", { from: MONDAY + 2 * DAY_MS, to: MONDAY + 4 * DAY_MS });
  await runRollups(db, hours, options({ finalize: true }));
  assert.deepEqual(await reports(db), before);
  const hourly = sections.find(({ id }) => id === "hourly")!;
  const rows = await hourly.query(db, filterOf());
  assert.equal(rows.reduce((sum, { calls }) => sum + Number(calls), 0), 300);
});

onEachDriver("a rollup that runs twice gives the same rows and checksum", async (place) => {
  await using database = await shipCalls(place, someCalls(200));
  const { db } = database;
  const windows = windowsOf("daily", WEEK);
  const rows = async () =>
    (await db.query("SELECT * FROM usage_rollup_daily ORDER BY bucket_start, row_no"))
      .map(({ run_id: _, ...row }) => row);
  const first = await runRollups(db, windows, options());
  const firstRows = await rows();
  const second = await runRollups(db, windows, options());
  assert.deepEqual(second.map(({ checksum }) => checksum), first.map(({ checksum }) => checksum));
  assert.deepEqual(await rows(), firstRows);
  assert.equal(await countRows(db, "usage_rollup_runs"), 7);
  assert.notDeepEqual(second.map(({ id }) => id), first.map(({ id }) => id));
});

onEachDriver("calls that come after a window is final go to an adjustment", async (place) => {
  const calls = someCalls(120);
  await using database = await shipCalls(place, calls.slice(0, 90));
  const { db } = database;
  const [window] = windowsOf("daily", { from: MONDAY, to: MONDAY + DAY_MS });
  const final = options({ finalize: true });
  const [run] = await runRollups(db, [window!], final);
  await assert.rejects(runRollups(db, [window!], final), (error: Error) => {
    assert.ok(error instanceof RollupError);
    return error.message.includes(run!.id);
  });

  const lateCalls = calls.slice(90).map((call) => ({
    ...call,
    usage: { ...call.usage, ts: MONDAY + 5 },
  }));
  await using late = await shipCalls(place, lateCalls);
  await late.db.query(
    "UPDATE request_usage SET ingested_at = $1 WHERE ts = $2",
    final.now,
    MONDAY + 5,
  );
  const before = await fromCalls(db);
  assert.deepEqual(await reports(db), before, "nobody waits for the adjustment");
  const [adjustment] = await runRollups(db, [window!], options({ now: final.now + 600_000 }));
  assert.deepEqual([adjustment?.adjusts, adjustment?.calls], [run!.id, 30]);
  assert.deepEqual(await reports(db), before);
  assert.deepEqual(await verifyRollup(db, run!.id), []);
  assert.deepEqual(await verifyRollup(db, adjustment!.id), []);
});

onEachDriver("a call of a window that is final and purged is in reports", async (place) => {
  await using database = await shipCalls(place, someCalls(40));
  const final = options({ finalize: true });
  for (const type of ["daily", "hourly"] as const) {
    await runRollups(database.db, windowsOf(type, WEEK), final);
  }
  await purge(database.db);
  const ts = MONDAY + 3 * DAY_MS;
  await using late = await shipCalls(place, [record(500, { ts, latency_ms: 77 })]);
  await late.db.query("UPDATE request_usage SET ingested_at = $1", final.now);
  for (const id of ["overview", "hourly", "daily"]) {
    const rows = await sections.find((section) => section.id === id)!.query(late.db, filterOf());
    assert.equal(rows.reduce((sum, { calls }) => sum + Number(calls), 0), 41, id);
  }
});

onEachDriver("a window becomes final only when journals are shipped past it", async (place) => {
  const end = MONDAY + DAY_MS;
  await using database = await shipCalls(place, [
    record(1, { ts: MONDAY, settled_at: end + HOUR_MS - 1 }),
  ]);
  const windows = windowsOf("daily", { from: MONDAY, to: end });
  const careful = options({ finalize: true, force: false });
  await assert.rejects(runRollups(database.db, windows, careful), RollupError);
  await using more = await shipCalls(place, [
    record(2, { ts: MONDAY, settled_at: end + HOUR_MS }),
  ]);
  await shipAll(more.shipper);
  const [run] = await runRollups(more.db, windows, options({ finalize: true, force: false }));
  assert.deepEqual([run?.status, run?.calls], ["finalized", 2]);
});

onEachDriver("a window that is being loaded does not become final", async (place) => {
  await using database = await shipCalls(place, [record(1, { ts: MONDAY })]);
  const windows = windowsOf("daily", { from: MONDAY, to: MONDAY + DAY_MS });
  const now = options({ finalize: true, now: Date.now() + 60_000 });
  await assert.rejects(runRollups(database.db, windows, now), /within the last 2 minutes/);
  assert.equal(await countRows(database.db, "usage_rollup_runs"), 0);
  const [run] = await runRollups(database.db, windows, options({ finalize: true }));
  assert.equal(run?.calls, 1);
});

onEachDriver("histograms and decision buckets count every call once", async (place) => {
  await using database = await shipCalls(
    place,
    [0, 10, 11, 300_000, 300_001].map((ms, n) => ({
      ...record(n, { ts: MONDAY + n, latency_ms: ms }),
      children: {
        request_target_filter_reasons: [
          { seq: 0, stage: "shape", reason: "too-long" },
          { seq: 1, stage: "shape", reason: "too-long" },
        ],
      },
    })),
  );
  const { db } = database;
  await runRollups(db, windowsOf("daily", { from: MONDAY, to: MONDAY + DAY_MS }), options());
  const buckets = await db.query(
    "SELECT le_ms, count FROM usage_rollup_histograms WHERE metric = 'latency' ORDER BY le_ms",
  );
  assert.deepEqual(buckets.map(({ le_ms, count }) => [Number(le_ms), Number(count)]), [
    [10, 2],
    [20, 1],
    [300_000, 1],
    [2 ** 31 - 1, 1],
  ]);
  const [reason] = await db.query(
    "SELECT * FROM usage_rollup_decision_buckets WHERE bucket_kind = 'filter'",
  );
  assert.deepEqual([reason?.bucket_name, reason?.source_request_count], ["too-long", 5n]);
});

onEachDriver("percentiles over rollups are near, and of all calls", async (place) => {
  await using database = await shipCalls(place, someCalls(800));
  const { db } = database;
  const [exact] = await sections[0]!.query(db, filterOf());
  const days = { from: MONDAY, to: MONDAY + 6 * DAY_MS };
  await runRollups(db, windowsOf("daily", days), options({ finalize: true }));
  const [near] = await sections[0]!.query(db, filterOf());
  await db.query("DELETE FROM request_usage WHERE ts < $1", days.to);
  assert.deepEqual(await sections[0]!.query(db, filterOf()), [near]);
  for (const percent of [50, 95, 99]) {
    const name = `latency_p${percent}_ms`;
    const [is, was] = [Number(near?.[name]), Number(exact?.[name])];
    // Calls spread evenly over 0 to 3,000 ms, in buckets up to 3,000 ms wide.
    assert.ok(is > was * 0.8 && is < was * 1.8, `${name}: ${is} for ${was}`);
  }
});

const BOUNDS: readonly (readonly [RollupType, string, string, number])[] = [
  ["hourly", "2025-11-17T01:00:00Z", "2025-11-17T03:00:00Z", 2],
  ["daily", "2025-11-17", "2025-11-24", 7],
  ["monthly", "2025-11-01", "2026-02-01", 3],
  ["hourly", "2025-11-17T01:00:01Z", "2025-11-17T03:00:00Z", 0],
  ["daily", "2025-11-17", "2025-11-17T12:00:00Z", 0],
  ["monthly", "2025-11-01", "2025-11-30", 0],
  ["daily", "2025-11-17", "2025-11-17", 0],
];

for (const [type, from, to, count] of BOUNDS) {
  Deno.test(`${type} windows from ${from} to ${to} are ${count || "refused"}`, () => {
    const windows = () => windowsOf(type, { from: Date.parse(from), to: Date.parse(to) });
    if (count === 0) assert.throws(windows, RangeError);
    else assert.equal(windows().length, count);
  });
}

async function damage(place: Place, sql: string): Promise<void> {
  await using database = await openPlace(place);
  await database.db.query(sql);
}

onEachDriver("rollup commands run, tell how things stand, and verify", async (place) => {
  await (await shipCalls(place, someCalls(80)))[Symbol.asyncDispose]();
  const at = (...words: string[]) => runAt(later(), place, "rollup", ...words);
  const days = ["--from", "2025-11-17", "--to", "2025-11-19"];
  const draft = await at("run", "--type", "daily", ...days);
  assert.equal(draft.out.match(/draft/g)?.length, 2, draft.out);
  const final = await at("run", "--type", "daily", ...days, "--finalize", "--force");
  assert.equal(final.out.match(/finalized/g)?.length, 2, final.out);
  assert.equal((await at("run", "--type", "daily", ...days)).code, 1);
  assert.match(
    (await at("status")).out,
    /^daily +0 drafts, 2 final, 0 adjustments; .* final without a gap to 2025-11-19/m,
  );
  const [, id = ""] = /^(rol_[0-9a-f]{32}) /.exec(final.out) ?? [];
  assert.deepEqual(await at("verify", id), { out: "Rollup and calls agree\n", code: 0 });
  await damage(place, "UPDATE request_usage SET total_tokens = total_tokens + 1");
  assert.deepEqual([(await at("verify", id)).code, (await at("verify", "rol_none")).code], [1, 1]);
});

Deno.test("rollup run refuses bounds that are none", async () => {
  using place = makePlace();
  const words = ["rollup", "run", "--type", "daily", "--from", "2025-11-17T01:00:00Z", "--to"];
  assert.equal((await runAt(later(), place, ...words, "2025-11-18")).code, 2);
});

Deno.test("a run reads the calls of its window by their time, however many others there are", async () => {
  using place = makePlace();
  await using database = await openPlace(place);
  const [window] = windowsOf("daily", WEEK);
  const source = { runId: "r", window: window!, after: -1, until: later() };
  for (const sql of [insertRollup, insertHistograms, insertDecisionBuckets]) {
    const plan = await database.db.query(`EXPLAIN QUERY PLAN ${sql(source)}`);
    const steps = plan.map(({ detail }) => String(detail));
    const reads = steps.filter((step) => /^(?:SCAN|SEARCH) (?:u|request_usage)\b/.test(step));
    assert(reads.length > 0, steps.join("\n"));
    for (const step of reads) assert.match(step, /idx_request_usage_ts /, sql.name);
  }
});
