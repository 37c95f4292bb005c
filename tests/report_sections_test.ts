import assert from "node:assert/strict";
import fc from "fast-check";
import { type CostInput, costOf } from "../core/cost.ts";
import type { BaselinePrices } from "../core/snapshot.ts";
import type { CallRecord } from "../core/record.ts";
import { baselineCost } from "../storage/reports/baseline.ts";
import type { ReportRow } from "../storage/reports/report.ts";
import { sections } from "../storage/reports/sections.ts";
import { sparkline } from "../storage/reports/sparkline.ts";
import { DAY_MS, filterOf, MONDAY, shipCalls, someCalls } from "./report_calls.ts";
import { onEachDriver, openPlace } from "./storage_drivers.ts";
import { record, requestId } from "./storage_fixture.ts";

const BASELINE: BaselinePrices = {
  id: "big",
  name: "Big model",
  input: 3_000_000_000n,
  cachedInput: 300_000_000n,
  cacheWrite: 3_750_000_000n,
  output: 15_000_000_000n,
};

const section = (id: string) => sections.find((report) => report.id === id)!;

type Usage = CallRecord["usage"];
const number = (usage: Usage, name: string) => BigInt(usage[name] ?? 0);
const sum = (list: readonly Usage[], name: string) =>
  list.reduce((whole, usage) => whole + number(usage, name), 0n);

/** By its definition: the smallest value that p percent do not pass. */
function nearestRank(values: readonly bigint[], percent: number): bigint | null {
  const sorted = values.toSorted((a, b) => a < b ? -1 : a > b ? 1 : 0);
  return sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? null;
}

/** The row a group of calls must have in a volume section. */
function expected(list: readonly Usage[]): ReportRow {
  return {
    calls: BigInt(list.length),
    errors: BigInt(list.filter(({ status }) => Number(status) >= 400).length),
    input_tokens: sum(list, "input_tokens"),
    output_tokens: sum(list, "output_tokens"),
    total_tokens: sum(list, "total_tokens"),
    cost_nusd: sum(list, "total_cost_nusd"),
    spend_nusd: sum(list, "total_cost_nusd") + sum(list, "other_attempts_cost_nusd"),
    unpriced: BigInt(list.filter((usage) => usage.total_cost_nusd === undefined).length),
  };
}

onEachDriver("every section reads a database that holds everything", async (place) => {
  await using database = await shipCalls(place, someCalls(400));
  const filter = filterOf({ baseline: BASELINE });
  for (const report of sections) {
    const rows = await report.query(database.db, filter);
    if (report.id !== "retention") assert.ok(rows.length > 0, report.id);
    const missing = report.columns.filter(({ name, isOptional }) =>
      !isOptional && !(name in (rows[0] ?? { [name]: "" }))
    );
    assert.deepEqual(missing, [], report.id);
  }
});

for (
  const [id, columns] of Object.entries({
    groups: ["resolved_group"],
    providers: ["target_provider"],
    models: ["target_provider", "target_model"],
    callers: ["caller_id"],
    tokens: ["caller_id", "token_id"],
    projects: ["caller_project", "caller_environment"],
    clients: ["client"],
    ips: ["caller_ip"],
  })
) {
  onEachDriver(`${id} add up to what the calls say, the most calls first`, async (place) => {
    const calls = someCalls(300);
    await using database = await shipCalls(place, calls);
    const groups = Map.groupBy(
      calls.map(({ usage }) => usage),
      (usage) => columns.map((name) => usage[name]).join("|"),
    );
    const rows = await section(id).query(database.db, filterOf());
    assert.equal(rows.length, groups.size);
    for (const row of rows) {
      const list = groups.get(columns.map((name) => row[name]).join("|"))!;
      const labels = Object.fromEntries(columns.map((name) => [name, row[name]]));
      assert.deepEqual({ ...row }, { ...labels, ...expected(list) });
    }
    const counts = rows.map((row) => Number(row.calls));
    assert.deepEqual(counts, counts.toSorted((a, b) => b - a));
  });
}

onEachDriver("percentiles are of the nearest rank, per group and over all", async (place) => {
  const calls = someCalls(257);
  await using database = await shipCalls(place, calls);
  const usages = calls.map(({ usage }) => usage);
  const latencies = (list: readonly Usage[]) => list.map((usage) => number(usage, "latency_ms"));
  const [row] = await section("overview").query(database.db, filterOf());
  for (const percent of [50, 95, 99]) {
    assert.equal(row?.[`latency_p${percent}_ms`], nearestRank(latencies(usages), percent));
  }
  const groups = Map.groupBy(usages, (usage) => `${usage.caller_id}|${usage.resolved_group}`);
  for (const row of await section("downstream").query(database.db, filterOf())) {
    const list = groups.get(`${row.caller_id}|${row.resolved_group}`)!;
    for (const percent of [50, 95, 99]) {
      assert.equal(row[`latency_p${percent}_ms`], nearestRank(latencies(list), percent));
    }
  }
});

const FILTERS = [
  [
    "caller",
    { labels: { caller_id: "caller-3" } },
    (usage: Usage) => usage.caller_id === "caller-3",
  ],
  [
    "two labels",
    { labels: { target_provider: "acme", client: "curl" } },
    (usage: Usage) => usage.target_provider === "acme" && usage.client === "curl",
  ],
  ["status", { status: [400, 499] }, ({ status }: Usage) => status === 499 || status === 429],
  ["prefix", { tokenIdPrefix: "k1" }, (usage: Usage) => usage.token_id === "k1"],
  [
    "window",
    { from: MONDAY + DAY_MS, to: MONDAY + 2 * DAY_MS },
    ({ ts }: Usage) => Number(ts) >= MONDAY + DAY_MS && Number(ts) < MONDAY + 2 * DAY_MS,
  ],
  ["value with a quote", { labels: { caller_id: "x' or 1=1 --" } }, () => false],
] as const;

for (const [name, changes, isWanted] of FILTERS) {
  onEachDriver(`report counts only the calls of its filter: ${name}`, async (place) => {
    const calls = someCalls(200);
    await using database = await shipCalls(place, calls);
    const wanted = calls.map(({ usage }) => usage).filter(isWanted);
    const [row] = await section("overview").query(database.db, filterOf(changes));
    assert.equal(row?.calls, BigInt(wanted.length));
    assert.equal(row?.cost_nusd, sum(wanted, "total_cost_nusd"));
    const listed = await section("requests").query(database.db, filterOf(changes));
    assert.deepEqual(
      listed.map(({ request_id }) => request_id).toSorted(),
      wanted.map(({ request_id }) => request_id).toSorted(),
    );
  });
}

onEachDriver("rows are ranked by any column, and cut after that", async (place) => {
  const calls = someCalls(120);
  await using database = await shipCalls(place, calls);
  const sort = { by: "latency_ms", direction: "asc" } as const;
  const rows = await section("requests").query(database.db, filterOf({ sort, limit: 5 }));
  const least = calls.map(({ usage }) => Number(usage.latency_ms)).toSorted((a, b) => a - b);
  assert.deepEqual(rows.map((row) => Number(row.latency_ms)), least.slice(0, 5));
});

onEachDriver("hours and days hold their calls, and charts show the gaps", async (place) => {
  const at = (n: number, ts: number) => record(n, { ts, total_cost_nusd: 5n });
  const hours = [0, 1, 1, 4].map((hour, n) => at(n, MONDAY + hour * 3_600_000 + 59 * 60_000));
  await using database = await shipCalls(place, hours);
  const report = section("hourly");
  const rows = await report.query(database.db, filterOf());
  const begins = rows.map((row) => (Number(row.begin) - MONDAY) / 3_600_000);
  assert.deepEqual(begins, [4, 1, 0]);
  assert.deepEqual(rows.map(({ calls }) => calls), [1n, 2n, 1n]);
  const [chart] = report.charts(rows);
  assert.deepEqual(chart?.points.map(({ value }) => value), [1n, 2n, 0n, 0n, 1n]);
  const [day] = await section("daily").query(database.db, filterOf());
  assert.deepEqual([day?.begin, day?.calls, day?.cost_nusd], [BigInt(MONDAY), 4n, 20n]);
});

onEachDriver("a baseline prices every call as the gateway prices calls", async (place) => {
  const usage = fc.record({
    input: fc.nat(2_000_000),
    cachedInput: fc.nat(2_000_000),
    cacheWrite: fc.nat(2_000_000),
    output: fc.nat(200_000),
    image: fc.option(fc.nat(5_000)),
  });
  const usages = fc.sample(usage, { numRuns: 300, seed: 11 });
  const imageCost = 1_234n;
  const calls = usages.map((item, n) =>
    record(n, {
      input_tokens: item.input,
      cached_input_tokens: item.cachedInput,
      cache_write_tokens: item.cacheWrite,
      output_tokens: item.output,
      image_tokens: item.image ?? undefined,
      image_cost_nusd: imageCost,
    })
  );
  await using database = await shipCalls(place, calls);
  for (const baseline of [BASELINE, ODD_PRICES]) {
    const found = await database.db.query(
      `SELECT request_id, ${baselineCost(baseline)} AS cost FROM request_usage AS u`,
    );
    const costs = new Map(found.map(({ request_id, cost }) => [request_id, cost]));
    for (const [n, item] of usages.entries()) {
      const cost = baselineOf(baseline, item) + imageCost;
      assert.equal(costs.get(requestId(n)), cost, JSON.stringify(item));
    }
  }
});

const ODD_PRICES: BaselinePrices = {
  ...BASELINE,
  input: 123_456_789n,
  cachedInput: 12_345_000n,
  cacheWrite: 0n,
};

/** What the gateway would have charged, but for images. */
function baselineOf(baseline: BaselinePrices, usage: Omit<CostInput, "imageCount">): bigint {
  const prices = { ...baseline, image: 0n, perImage: null, source: "", updatedAt: "" };
  return costOf({ ...usage, imageCount: 0 }, prices).total!;
}

onEachDriver("savings of many thousand USD are told, of calls of any size", async (place) => {
  const MOST = 2 ** 31 - 1;
  const call = (n: number) =>
    record(n, { input_tokens: 0, output_tokens: MOST, total_cost_nusd: 1_000_000_000n });
  await using database = await shipCalls(place, [1, 2, 3].map(call));
  const [row] = await section("savings").query(database.db, filterOf({ baseline: BASELINE }));
  assert.equal(row?.baseline_nusd, 3n * BigInt(MOST) * 15_000n);
  assert.equal(row?.savings_nusd, 3n * BigInt(MOST) * 15_000n - 3_000_000_000n);
  assert.equal(row?.savings_rate_micro, 999_969n);
});

onEachDriver(
  "savings leave unpriced calls out, and count what failed calls cost",
  async (place) => {
    const tokens = { input_tokens: 1_000_000, output_tokens: 0 };
    await using database = await shipCalls(place, [
      record(1, { ...tokens, ts: MONDAY, total_cost_nusd: 1_000_000_000n }),
      record(2, { ...tokens, ts: MONDAY, total_cost_nusd: undefined }),
      record(3, { ...tokens, ts: MONDAY, status: 502, total_cost_nusd: 500_000_000n }),
      record(4, { ...tokens, ts: MONDAY, cache: "hit", total_cost_nusd: 0n }),
    ]);
    const [row] = await section("savings").query(database.db, filterOf({ baseline: BASELINE }));
    assert.deepEqual({ ...row }, {
      calls: 4n,
      baseline_nusd: 6_000_000_000n,
      actual_nusd: 1_500_000_000n,
      cache_savings_nusd: 3_000_000_000n,
      left_out: 1n,
      savings_nusd: 4_500_000_000n,
      savings_rate_micro: 750_000n,
    });
    const cheap = { ...BASELINE, input: 100_000_000n };
    const [loss] = await section("savings").query(database.db, filterOf({ baseline: cheap }));
    assert.equal(loss?.savings_nusd, -1_300_000_000n);
  },
);

onEachDriver("fallbacks name who failed, why, and who came next", async (place) => {
  const calls = someCalls(100).filter(({ attempts }) => attempts.length > 1);
  await using database = await shipCalls(place, calls);
  const rows = await section("fallbacks").query(database.db, filterOf());
  assert.equal(
    rows.reduce((whole, { fallbacks }) => whole + BigInt(fallbacks ?? 0), 0n),
    BigInt(calls.length),
  );
  for (const row of rows) {
    assert.deepEqual([row.failed_provider, row.next_provider, row.reason ?? row.fallback_reason], [
      "slow",
      "acme",
      "rate-limited",
    ]);
  }
});

onEachDriver("sections of an empty database are empty", async (place) => {
  await using database = await openPlace(place);
  for (const report of sections) {
    const rows = await report.query(database.db, filterOf({ baseline: BASELINE }));
    const single = ["overview", "savings", "advisor", "migrations"].includes(report.id);
    assert.equal(rows.length > 0, single, report.id);
  }
});

Deno.test("sparkline draws at most 80 bars, the largest full", () => {
  assert.equal(sparkline([]), "");
  assert.equal(sparkline([0n, 0n]), "  ");
  assert.equal(sparkline([1n, 4n, 8n, 0n]), "▁▄█ ");
  const line = sparkline(Array.from({ length: 1_000 }, (_, n) => BigInt(n)));
  assert.ok(line.length <= 80);
  assert.equal(line.at(-1), "█");
});
