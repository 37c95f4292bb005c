import assert from "node:assert/strict";
import { DATA_CLASSES, type DataClass, type RetentionRule } from "../core/snapshot.ts";
import { runRetention } from "../storage/retention/run_retention.ts";
import { runRollups } from "../storage/rollups/run_rollup.ts";
import { windowsOf } from "../storage/rollups/window.ts";
import { DAY_MS, MONDAY, shipCalls, someCalls } from "./report_calls.ts";
import { runAt } from "./storage_commands.ts";
import { countRows, onEachDriver, onPostgres, openPlace } from "./storage_drivers.ts";
import { makePlace, type Place, record, requestId } from "./storage_fixture.ts";
import { until } from "./until.ts";

/** 100 days after the week of the test calls. */
const NOW = MONDAY + 107 * DAY_MS;

function withRules(
  place: Place,
  rules: Partial<Record<DataClass, Partial<RetentionRule>>>,
  changes: Partial<Place["retention"]> = {},
): Place {
  const retention = {
    ...place.retention,
    rules: DATA_CLASSES.map((dataClass) => ({
      dataClass,
      enabled: rules[dataClass] !== undefined,
      days: 30,
      batchSize: 7,
      requireFinalizedRollup: false,
      ...rules[dataClass],
    })),
    ...changes,
  };
  return { ...place, retention };
}

const CHILDREN = ["request_attempts", "request_errors", "request_shapes"];

async function count(place: Place, table: string): Promise<number> {
  await using database = await openPlace(place);
  return await countRows(database.db, table);
}

async function fill(place: Place, calls = someCalls(60)): Promise<void> {
  await (await shipCalls(place, calls))[Symbol.asyncDispose]();
}

onEachDriver("retention deletes what is old enough, class by class", async (place) => {
  const young = record(900, { ts: NOW - 29 * DAY_MS });
  const shape = { request_shapes: [{ ts: NOW - 29 * DAY_MS }] };
  await fill(place, [...someCalls(60), { ...young, attempts: [], children: shape }]);
  const at = withRules(place, { usage_diagnostics: {}, decision_telemetry: {} });
  const { out, code } = await runAt(NOW, at, "retention", "run");
  assert.equal(code, 0, out);
  assert.match(out, /^request_shapes +usage_diagnostics +2026-02-02 +60 +0 +0 +60 +60$/m);
  assert.match(out, /^request_target_filter_reasons +decision_telemetry .* 60 +60$/m);
  assert.equal(await count(place, "request_shapes"), 1);
  assert.equal(await count(place, "request_attempts"), 0);
  assert.equal(await count(place, "request_routing_signals"), 0);
  assert.equal(await count(place, "request_usage"), 61);
});

onEachDriver("retention deletes a call with everything that hangs on it", async (place) => {
  await fill(place);
  const { out } = await runAt(NOW, withRules(place, { usage_detail: {} }), "retention", "run");
  assert.match(out, /^request_usage +usage_detail .* 60 +60$/m);
  for (const table of ["request_usage", ...CHILDREN, "request_dynamic_score_terms"]) {
    assert.equal(await count(place, table), 0, table);
  }
});

onEachDriver("a dry run counts, deletes nothing, and wins", async (place) => {
  await fill(place);
  const at = withRules(place, { usage_detail: {} }, { dryRun: true });
  const { out } = await runAt(NOW, at, "retention", "run", "--batches", "1");
  assert.match(out, /^request_usage .* 60 +0 +0 +60 +0\nDry run: nothing was deleted/m);
  assert.equal(await count(place, "request_usage"), 60);
  assert.equal(await count(place, "retention_job_table_results"), 1);
});

onEachDriver("retention stops after its batches, the oldest gone", async (place) => {
  const calls = someCalls(20);
  await fill(place, calls);
  const at = withRules(place, { usage_detail: {} });
  await runAt(NOW, at, "retention", "run", "--batches", "2");
  await using database = await openPlace(place);
  const left = await database.db.query("SELECT request_id FROM request_usage");
  const oldest = calls.map(({ usage }) => usage)
    .toSorted((a, b) => Number(a.ts) - Number(b.ts)).map(({ request_id }) => request_id);
  assert.deepEqual(
    left.map(({ request_id }) => request_id).toSorted(),
    oldest.slice(14).toSorted(),
  );
});

/** Holds as they are given, and which of the calls 1 to 6 they keep. */
const HOLDS: readonly (readonly [string[], number[]])[] = [
  [["--request-id", requestId(3)], [3]],
  [["--project", "p1"], [1, 3, 5]],
  [["--project", "P1", "--environment", "Dev"], [3]],
  [["--from", "2025-11-19", "--to", "2025-11-21"], [2, 3]],
  [[], [1, 2, 3, 4, 5, 6]],
];

for (const [words, kept] of HOLDS) {
  for (const held of ["usage_detail", "usage_diagnostics"] as const) {
    onEachDriver(
      `a hold on ${held} keeps its rows and their calls: ${words.join(" ") || "all"}`,
      async (place) => {
        await fill(
          place,
          [1, 2, 3, 4, 5, 6].map((n) =>
            record(n, {
              ts: MONDAY + n * DAY_MS,
              caller_project: n % 2 === 1 ? "p1" : "p2",
              caller_environment: n === 3 ? "dev" : "prod",
            })
          ),
        );
        const at = withRules(place, { usage_detail: {}, usage_diagnostics: {} });
        const made = await runAt(
          NOW,
          at,
          ...["hold", "create", "--class", held, "--reason", "case-7", "--actor", "ada", ...words],
        );
        const [, id = ""] = /^Created (hld_[0-9a-f]{32})$/m.exec(made.out) ?? [];
        const { out } = await runAt(NOW, at, "retention", "run");
        await using database = await openPlace(place);
        const ids = async (table: string) =>
          (await database.db.query(`SELECT request_id FROM ${table} ORDER BY request_id`))
            .map(({ request_id }) => Number(BigInt(`0x${String(request_id).slice(4)}`)));
        assert.deepEqual(await ids("request_usage"), kept, out);
        assert.deepEqual(
          await ids("request_attempts"),
          held === "usage_diagnostics" ? kept : [],
        );
        const released = ["hold", "release", id, "--reason", "closed", "--actor", "bob"];
        assert.equal((await runAt(NOW, at, ...released)).code, 0);
        assert.equal((await runAt(NOW, at, ...released)).code, 1);
        assert.match((await runAt(NOW, at, "hold", "list")).out, /reason=case-7 .*because=closed/);
        await runAt(NOW, at, "retention", "run");
        assert.deepEqual(await ids("request_usage"), []);
        assert.equal(await countRows(database.db, "legal_hold_audit_events"), 2);
      },
    );
  }
}

onEachDriver("a hold that would keep nothing is refused", async (place) => {
  await fill(place, []);
  const words = ["hold", "create", "--class", "usage_detail", "--reason", "r", "--actor", "ada"];
  for (const [from, to] of [["2025-11-20", "2025-11-20"], ["2025-11-21", "2025-11-20"]] as const) {
    const { out, code } = await runAt(NOW, place, ...words, "--from", from, "--to", to);
    assert.deepEqual([code, /--from must be before --to/.test(out)], [2, true]);
  }
  assert.equal(await count(place, "legal_holds"), 0);
});

onEachDriver("calls stay until a final daily rollup holds them", async (place) => {
  await fill(place);
  const at = withRules(place, { usage_detail: { requireFinalizedRollup: true } });
  const status = async () => (await runAt(NOW, at, "retention", "status")).out;
  assert.match(await status(), /^request_usage .* 60 +0 +60 +0 +0$/m);
  await using database = await openPlace(place);
  const { db } = database;
  const days = { from: MONDAY, to: MONDAY + 2 * DAY_MS };
  const options = { force: true, routerVersion: "test", actor: "test", now: Date.now() + 600_000 };
  await runRollups(db, windowsOf("daily", days), { ...options, finalize: false });
  assert.match(await status(), /^request_usage .* 60 +0 +60 +0 +0$/m);
  await runRollups(db, windowsOf("daily", days), { ...options, finalize: true });
  const [young] = await db.query(
    "SELECT count(*) AS n FROM request_usage WHERE ts >= $1",
    days.to,
  );
  await db.query(
    "UPDATE request_usage SET ingested_at = $1 WHERE request_id = " +
      "(SELECT min(request_id) FROM request_usage WHERE ts < $2)",
    options.now,
    days.to,
  );
  await runAt(NOW, at, "retention", "run");
  assert.equal(await countRows(db, "request_usage"), Number(young?.n) + 1);
});

onEachDriver("captures go when their own time has come, with their headers", async (place) => {
  await using database = await openPlace(place);
  const { db } = database;
  for (const [id, until] of [["old", NOW - 1], ["new", NOW]] as const) {
    await db.query(
      "INSERT INTO request_content_captures (id, request_id, retention_until) VALUES ($1, $2, $3)",
      id,
      id,
      until,
    );
    await db.query(
      "INSERT INTO request_content_headers (id, capture_id, request_id) VALUES ($1, $2, $3)",
      id,
      id,
      id,
    );
  }
  await runAt(NOW, withRules(place, { content_capture: {} }), "retention", "run");
  for (const table of ["request_content_captures", "request_content_headers"]) {
    const rows = await db.query(`SELECT id FROM ${table}`);
    assert.deepEqual(rows.map(({ id }) => id), ["new"], table);
  }
});

onEachDriver("each run is recorded, and the rules it ran by once", async (place) => {
  await fill(place);
  const at = withRules(place, { usage_diagnostics: {} });
  await runAt(NOW, at, "retention", "run");
  await runAt(NOW + 1, at, "retention", "run");
  const stricter = withRules(place, { usage_diagnostics: { days: 10 } });
  await runAt(NOW + 2, stricter, "retention", "run");
  assert.equal(await count(place, "retention_jobs"), 3);
  assert.equal(await count(place, "retention_policy_versions"), 2);
  const { out } = await runAt(NOW + 3, place, "report", "retention", "--since", "1h");
  assert.match(out, /\| request_shapes +\| usage_diagnostics +\| done +\|/);
});

Deno.test("retention that is off deletes nothing", async () => {
  using place = makePlace();
  await fill(place);
  const at = withRules(place, { usage_detail: {} }, { enabled: false });
  assert.equal((await runAt(NOW, at, "retention", "run")).code, 1);
  assert.equal(await count(place, "request_usage"), 60);
  const { out } = await runAt(NOW, at, "retention", "status", "--class", "decision_telemetry");
  assert.match(out, /^Nothing would be deleted: server\.retention\.classes has none/);
});

Deno.test("postgres: retention does not count the calls that another run deletes meanwhile", async () => {
  using folder = makePlace();
  const place = await onPostgres(folder);
  await fill(place);
  const { retention } = withRules(place, { usage_detail: {} });
  const options = { settings: retention, dataClass: null, batches: null, now: NOW };
  await using one = await openPlace(place);
  await using other = await openPlace(place);
  const running = await one.db.transaction(async (queries) => {
    await queries.query("DELETE FROM request_usage");
    const states = runRetention(other.db, { ...options, requestedBy: "test" });
    const waits = "SELECT 1 AS one FROM pg_locks WHERE NOT granted";
    await until(async () => (await queries.query(waits)).length > 0);
    return { states };
  });
  assert.deepEqual((await running.states).map(({ deleted }) => deleted), [0]);
});
