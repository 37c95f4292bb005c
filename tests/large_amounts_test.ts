import assert from "node:assert/strict";
import { callerTotals } from "../storage/caller_totals.ts";
import { RollupError, runRollups } from "../storage/rollups/run_rollup.ts";
import { windowsOf } from "../storage/rollups/window.ts";
import { sections } from "../storage/reports/sections.ts";
import { DAY_MS, filterOf, MONDAY, shipCalls } from "./report_calls.ts";
import { run } from "./storage_commands.ts";
import { onEachDriver } from "./storage_drivers.ts";
import { record } from "./storage_fixture.ts";

/** The most that the column of an amount holds, nano-USD. */
const MOST = 2n ** 63n - 1n;
const WEEK = { from: MONDAY, to: MONDAY + 7 * DAY_MS };

const BASELINE = {
  id: "free",
  name: "Free",
  input: 0n,
  cachedInput: 0n,
  cacheWrite: 0n,
  output: 0n,
};

/** Calls of three groups: five at the limit, two a little below it, and small ones. */
const CALLS = Array.from({ length: 12 }, (_, n) =>
  record(n, {
    ts: MONDAY + n * 60_000,
    resolved_group: n < 5 ? "huge" : n < 7 ? "large" : "small",
    total_cost_nusd: n < 5 ? MOST - BigInt(n) : n < 7 ? MOST / 2n - BigInt(n) : 7n,
    other_attempts_cost_nusd: n === 11 ? MOST - 7n : 0,
    saved_nusd: MOST,
  }));

const HUGE = 5n * MOST - 10n;
const LARGE = 2n * (MOST / 2n) - 11n;
const COST = HUGE + LARGE + 35n;

onEachDriver(
  "amounts that no column holds together are added up to the last digit",
  async (place) => {
    await using database = await shipCalls(place, CALLS);
    const rows = async (id: string) => {
      const filter = filterOf({ baseline: BASELINE });
      return await sections.find((report) => report.id === id)!.query(database.db, filter);
    };
    const [overview] = await rows("overview");
    assert.deepEqual(
      [overview?.cost_nusd, overview?.spend_nusd, overview?.saved_nusd],
      [COST, COST + MOST - 7n, 12n * MOST],
    );
    const sort = { by: "cost_nusd", direction: "desc" } as const;
    const groups = await sections.find(({ id }) => id === "groups")!
      .query(database.db, filterOf({ sort }));
    assert.deepEqual(
      groups.map(({ resolved_group, cost_nusd }) => [resolved_group, cost_nusd]),
      [["huge", HUGE], ["large", LARGE], ["small", 35n]],
    );
    const [savings] = await rows("savings");
    assert.deepEqual([savings?.actual_nusd, savings?.savings_nusd], [COST, -COST]);
    const totals = await callerTotals(database.db, { callerId: "ci", from: 0, to: 2 ** 50 });
    assert.deepEqual([totals.costNusd, totals.savedNusd], [COST, 12n * MOST]);
  },
);

onEachDriver("every section and format takes such amounts", async (place) => {
  await using database = await shipCalls(place, CALLS);
  const filter = filterOf({ baseline: BASELINE });
  for (const report of sections) await report.query(database.db, filter);
  const window = ["--from", "2025-11-17", "--to", "2025-11-24"];
  for (const format of ["md", "table", "json"]) {
    const { out, code } = await run(place, "report", ...window, "--format", format);
    assert.equal(code, 0, out);
    if (format === "json") assert.match(out, new RegExp(`"cost_nusd": ${COST},`));
  }
});

onEachDriver(
  "a window whose amounts no column holds is not rolled up, and says why",
  async (place) => {
    await using database = await shipCalls(place, CALLS);
    const options = {
      finalize: false,
      force: true,
      now: Date.now() + 600_000,
      routerVersion: "test",
      actor: "test",
    };
    await assert.rejects(
      runRollups(database.db, windowsOf("daily", WEEK), options),
      (error) => error instanceof RollupError && /more than a column holds/.test(error.message),
    );
  },
);
