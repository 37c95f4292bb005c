import assert from "node:assert/strict";
import { join } from "node:path";
import type { BaselinePrices } from "../core/snapshot.ts";
import { sections } from "../storage/reports/sections.ts";
import { DAY_MS, MONDAY, shipCalls, someCalls } from "./report_calls.ts";
import { run, runAt, runAtTerminal } from "./storage_commands.ts";
import { countRows, onEachDriver, openPlace, writeRecords } from "./storage_drivers.ts";
import { makePlace, type Place, record, requestId } from "./storage_fixture.ts";

const WEEK = ["--from", "2025-11-17", "--to", "2025-11-24"];

async function withCalls(place: Place): Promise<void> {
  await (await shipCalls(place, someCalls(60)))[Symbol.asyncDispose]();
}

onEachDriver("report shows all evidence of a call, and no content", async (place) => {
  const call = record(1, {
    ts: MONDAY,
    status: 502,
    attempts: 2,
    bridge: "openai-chat>anthropic",
    client_request_id: "mine-1",
    traffic_shape_decision: "admitted",
  });
  const children = {
    request_shapes: [{ ts: MONDAY, tool_count: 3 }],
    request_translation_shapes: [{ ts: MONDAY, bridge_direction: "openai-chat>anthropic" }],
    request_upstream_error_details: [{ ts: MONDAY, field_name: "code", field_value: "overloaded" }],
  };
  await using database = await shipCalls(place, [{ ...call, children }]);
  await database.db.query(
    "INSERT INTO request_content_captures (id, request_id, content_text, encryption_nonce, scope) " +
      "VALUES ('cap', $1, 'SECRET-TEXT', 'SECRET-NONCE', 'request')",
    requestId(1),
  );
  for (const id of [requestId(1), "mine-1"]) {
    const { out, code } = await run(place, "report", "request", id);
    assert.equal(code, 0, out);
    for (
      const said of [
        "# Call req_0",
        "Evidence: partial_missing; missing: errors",
        "\\| field_value +\\| overloaded +\\|",
        "\\| tool_count +\\| 3 +\\|",
        "\\| total_cost_nusd +\\| +\\$0.000001 \\|",
        "## Captures",
      ]
    ) assert.match(out, new RegExp(said));
    assert.doesNotMatch(out, /SECRET/);
  }
  const { out } = await run(place, "report", "request", requestId(1), "--format", "json");
  const evidence = JSON.parse(out);
  assert.equal(evidence.request.clientRequestId, "mine-1");
  assert.equal(evidence.costs.totalCostNusd, 1000);
  assert.equal(evidence.timing.latencyMs, 1);
  assert.equal(evidence.attempts[0].provider, "local");
  assert.equal(evidence.shape[0].toolCount, 3);
  assert.equal(evidence.evidenceSections.errors, "missing");
  assert.equal(evidence.evidenceSections.decisionTelemetry, "not_applicable");
  assert.doesNotMatch(out, /SECRET/);
  assert.equal((await run(place, "report", "request", "req_none")).code, 1);
});

onEachDriver("report prints every section in every format", async (place) => {
  await withCalls(place);
  const prices = ["--baseline-input-price-per-million-usd", "3"];
  prices.push("--baseline-output-price-per-million-usd", "15.5");
  for (const format of ["md", "table", "json"]) {
    const names = sections.map(({ id }) => id);
    const words = ["report", ...names, ...WEEK, ...prices, "--format", format];
    const { out, code } = await run(place, ...words);
    assert.equal(code, 0, out);
    for (const { id, title } of sections) assert.ok(out.includes(format === "json" ? id : title));
  }
});

onEachDriver("report for a terminal draws its hours", async (place) => {
  await withCalls(place);
  const { out } = await run(place, "report", "hourly", ...WEEK, "--format", "table");
  assert.match(out, /^Calls {7,}[ ▁▂▃▄▅▆▇█]+ {2}at most \d+$/m);
  assert.doesNotMatch(out, /\|/);
});

onEachDriver("report for a terminal puts columns that do not fit below", async (place) => {
  await withCalls(place);
  const words = ["report", "groups", "hourly", ...WEEK, "--format", "table"];
  const [wide, narrow] = [await run(place, ...words), await runAtTerminal(80, place, ...words)];
  const [all, fitted] = [wide.out, narrow.out].map((out) => out.split("\n"));
  assert.ok(all!.some((line) => line.length > 80), "or there is nothing to fit");
  const tables = fitted!.filter((line) => !line.startsWith("Window"));
  assert.deepEqual(tables.filter((line) => line.length > 80), []);
  const cells = (lines: readonly string[]) =>
    new Set(lines.filter((line) => !/[▁-█]/.test(line)).join("  ").split(/ {2,}/));
  assert.deepEqual(cells(all!).difference(cells(fitted!)), new Set(), "nothing is left out");
  const heads = fitted!.filter((line) => line.startsWith("Group "));
  assert.ok(heads.length > 1, "each band says whose row it is");
});

onEachDriver("report names what it was asked for", async (place) => {
  await withCalls(place);
  const { out } = await run(
    place,
    ...["report", "overview", "--month", "2025-11", "--caller", "Caller-1", "--status", "5xx"],
  );
  assert.match(out, /- Window: 2025-11-01T00:00:00Z to 2025-12-01T00:00:00Z/);
  assert.match(out, /- Filters: caller_id = caller-1, status = 500-599\n/);
});

const CHEAP: BaselinePrices = {
  id: "cheap",
  name: "Cheap model",
  input: 1_000_000_000n,
  cachedInput: 1_000_000_000n,
  cacheWrite: 1_000_000_000n,
  output: 2_000_000_000n,
};

Deno.test("report takes a baseline of the configuration", async () => {
  using place = makePlace();
  await withCalls(place);
  const words = ["report", "savings", ...WEEK, "--baseline"];
  const configured = { ...place, baselines: [CHEAP] };
  const { out, code } = await run(configured, ...words, "cheap");
  assert.equal(code, 0, out);
  assert.match(out, /- Baseline: Cheap model\n/);
  for (const id of ["dear", "catalog:acme/none"]) {
    const refused = await run(configured, ...words, id);
    assert.deepEqual([refused.code, refused.out.includes(id)], [2, true]);
  }
});

for (
  const [name, words] of [
    ["savings without a baseline", ["savings"]],
    ["one price of a baseline", ["overview", "--baseline-input-price-per-million-usd", "3"]],
    ["an unknown section", ["grups"]],
    ["an unknown sort column", ["groups", "--sort", "nonsense"]],
    ["a status that is none", ["groups", "--status", "900"]],
    ["a month that is none", ["groups", "--month", "2025-13"]],
    ["a month and a span", ["groups", "--month", "2025-12", "--since", "1h"]],
    ["a call without its id", ["request"]],
    ["a call as csv", ["request", "req_1", "--format", "csv"]],
  ] as const
) {
  Deno.test(`report refuses ${name}`, async () => {
    using place = makePlace();
    assert.equal((await run(place, "report", ...words)).code, 2);
  });
}

onEachDriver("report loads a journal first when told", async (place) => {
  await (await openPlace(place))[Symbol.asyncDispose]();
  await writeRecords(place, 1, 30);
  const log = ["--log", place.logging.path];
  const { out } = await run(place, "report", "overview", ...log, "--format", "json");
  assert.equal(JSON.parse(out).calls, 30);
});

onEachDriver("usage import loads a file once, and says what it refused", async (place) => {
  await using database = await openPlace(place);
  await writeRecords(place, 1, 1_200);
  const path = place.logging.path;
  assert.deepEqual(await run(place, "usage", "import", path), {
    out: "Imported 1200 lines; 0 were there already, 0 rejected\n",
    code: 0,
  });
  assert.match((await run(place, "usage", "import", path)).out, /^Imported 0 lines; 1200 were/);
  assert.equal(await countRows(database.db, "request_attempts"), 1_200);
  const other = join(place.folder, "other.jsonl");
  const good = `{"v":1,"seq":1,"request_id":"req_new","ts":1}`;
  const wrong = [`{"v":1,"ts":"x","request_id":"req_bad"}`, "no json", `{"v":9}`];
  Deno.writeTextFileSync(other, [...wrong, good].join("\n"));
  const mixed = await run(place, "usage", "import", other);
  assert.deepEqual(mixed, {
    out: "Imported 1 lines; 0 were there already, 3 rejected\n" +
      "Line 1: Cannot load a line: request_usage.ts is no value of it",
    code: 1,
  });
});

Deno.test("report without a window is of the last day", async () => {
  using place = makePlace();
  await withCalls(place);
  const { out } = await runAt(MONDAY + DAY_MS, place, "report", "overview");
  assert.match(out, /- Window: 2025-11-17T00:00:00.001Z to 2025-11-18T00:00:00.001Z/);
});

Deno.test("commands name the file that they cannot read or write, and load nothing", async () => {
  using place = makePlace();
  await withCalls(place);
  const missing = join(place.folder, "none");
  for (
    const [words, said] of [
      [["usage", "import", missing], `Cannot read "${missing}": there is no such file`],
      [["report", "--log", missing], `Cannot read "${missing}": there is no such file`],
      [["report", ...WEEK, "--out", join(missing, "x")], `Cannot write "${join(missing, "x")}": `],
      [["usage", "rebuild", "--from", missing], `"${missing}" holds no journal of it`],
    ] as const
  ) {
    const { out, code } = await run(place, ...words);
    assert(out.includes(said), out);
    assert.equal(code, 1);
  }
});
