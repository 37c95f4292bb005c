import assert from "node:assert/strict";
import { join } from "node:path";
import type { Queries } from "../storage/database.ts";
import { openJournal } from "../storage/journal.ts";
import { usd } from "../storage/reports/cell.ts";
import { render } from "../storage/reports/render.ts";
import { sections } from "../storage/reports/sections.ts";
import { parseTime, parseWindow } from "../storage/time_window.ts";
import { isEqual, verify } from "../storage/verify.ts";
import { filterOf } from "./report_calls.ts";
import { run } from "./storage_commands.ts";
import { onEachDriver, openPlace, shipAll } from "./storage_drivers.ts";
import { makePlace, type Place, record } from "./storage_fixture.ts";

async function write(place: Place, count: number): Promise<void> {
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (let n = 1; n <= count; n += 1) {
    const failed = n % 10 === 0;
    journal.append(record(n, {
      caller_id: n % 4 === 0 ? "=cmd|x" : "ci",
      ...(failed ? { status: 502, error: "upstream-failed", error_class: "upstream-5xx" } : {}),
      ...(n % 25 === 0 ? { total_cost_nusd: undefined, partial: 1 } : {}),
    }));
  }
  await journal.close();
}

async function shipped(place: Place, count: number): Promise<void> {
  await write(place, count);
  await using database = await openPlace(place);
  await shipAll(database.shipper);
}

onEachDriver("report prints every section as Markdown, with what it covers", async (place) => {
  await shipped(place, 100);
  const { out, code } = await run(place, "report");
  assert.equal(code, 0);
  assert.match(out, /- Complete to: 2025-11-20T12:00:00\.110Z\n/);
  assert.match(out, /- Rows: 100 calls, 4\.0% unpriced\./);
  assert.match(out, /\| Errors +\| +10 \|/);
  assert.match(out, /\| Partial +\| +4 \|/);
  assert.match(out, /\| Input tokens +\| +15,050 \|/);
  assert.match(out, /\| Cost +\| +\$0\.000096 \|/);
  assert.match(out, /\| Latency p50 +\| +50 ms \|/);
  assert.match(out, /\| Latency p95 +\| +95 ms \|/);
  assert.match(out, /\| Latency p99 +\| +99 ms \|/);
  assert.match(out, /\| =cmd\\\|x +\| +25 \|/);
  assert.match(out, /\| upstream-failed +\| upstream-5xx +\| \(none\) +\| +502 \| +10 \|/);
  for (const { title } of sections.filter(({ isDefault }) => isDefault)) {
    assert.match(out, new RegExp(`^## ${title}$`, "m"));
  }
});

onEachDriver("report as JSON has exact integers", async (place) => {
  await shipped(place, 20);
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  journal.append(record(21, { total_cost_nusd: 9_007_199_254_740_993n }));
  await journal.close();
  await using database = await openPlace(place);
  await shipAll(database.shipper);
  const { out } = await run(place, "report", "overview", "groups", "--format", "json");
  assert.match(out, /"cost_nusd": 9007199254760993,/);
  const value = JSON.parse(out);
  assert.deepEqual(Object.keys(value.sections), ["overview", "groups"]);
  assert.equal(value.sections.overview[0].calls, 21);
  assert.equal(value.sections.groups[0].resolved_group, "fast");
});

Deno.test("report as CSV takes one section, and disarms formulas", async () => {
  using place = makePlace();
  await shipped(place, 8);
  const { out } = await run(
    place,
    "report",
    "callers",
    "--format",
    "csv",
    "--db",
    place.usageDb.path,
  );
  assert.deepEqual(out.trimEnd().split("\r\n"), [
    "caller_id,calls,errors,input_tokens,output_tokens,total_tokens,cost_usd,spend_usd,unpriced",
    "ci,6,0,624,60,684,0.000006,0.000006,0",
    "'=cmd|x,2,0,212,20,232,0.000002,0.000002,0",
  ]);
  assert.equal((await run(place, "report", "--format", "csv")).code, 2);
});

onEachDriver("report covers its window only, and writes to a file when told", async (place) => {
  await shipped(place, 100);
  const out = join(place.folder, "report.json");
  const window = ["--from", "2025-11-20T12:00:00.010Z", "--to", "2025-11-20T12:00:00.020Z"];
  const ran = await run(place, "report", "overview", ...window, "--format", "json", "--out", out);
  assert.deepEqual(ran, { out: "", code: 0 });
  const [row] = JSON.parse(Deno.readTextFileSync(out)).sections.overview;
  assert.equal(row.calls, 10);
  assert.equal(row.latency_p50_ms, 14);
});

onEachDriver("report on an empty database says so", async (place) => {
  await (await openPlace(place))[Symbol.asyncDispose]();
  const { out, code } = await run(place, "report");
  assert.equal(code, 0);
  assert.match(out, /Complete to: nothing shipped yet/);
  assert.match(out, /\| Latency p50 +\| unknown \|/);
});

for (
  const [name, words, code] of [
    ["of a database that is missing", ["report"], 1],
    ["of an unknown section", ["report", "nonsense"], 2],
    ["of an empty window", ["report", "--from", "2025-01-02", "--to", "2025-01-01"], 2],
    ["since nonsense", ["report", "--since", "soon"], 2],
    ["from nonsense", ["usage", "verify", "--from", "soon"], 2],
    ["with no limit", ["report", "--limit", "0"], 2],
  ] as const
) {
  Deno.test(`report ${name} exits ${code}`, async () => {
    using place = makePlace();
    assert.equal((await run(place, ...words)).code, code);
  });
}

onEachDriver("usage ship ships a batch, and everything with --drain", async (place) => {
  const few = { ...place, usageDb: { ...place.usageDb, shipBatch: 10 } };
  await write(place, 35);
  assert.match(
    (await run(few, "usage", "ship")).out,
    /^Shipped 10 lines; .* [1-9]\d* bytes left$/m,
  );
  assert.match(
    (await run(few, "usage", "ship", "--drain")).out,
    /^Shipped 25 lines; .* 0 bytes left$/m,
  );
});

onEachDriver("usage verify agrees, also while lines wait", async (place) => {
  await shipped(place, 50);
  await write(place, 0);
  const { out, code } = await run(place, "usage", "verify");
  assert.equal(code, 0, out);
  assert.match(out, /^journal +50 +6775 +0\.000048$/m);
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  journal.append(record(51));
  await journal.close();
  assert.match((await run(place, "usage", "verify")).out, /Waiting to be shipped: 1\n/);
}, { rotateBytes: 5_000 });

const DAMAGE: Readonly<Record<string, readonly [string, RegExp]>> = {
  "a row is missing": [
    "DELETE FROM request_usage WHERE latency_ms = 7",
    /Missing in the database: 1 \(req_0{31}7\)/,
  ],
  "tokens changed": [
    "UPDATE request_usage SET total_tokens = 1 WHERE latency_ms = 7",
    /Different: 1/,
  ],
  "a cost changed": [
    "UPDATE request_usage SET total_cost_nusd = 7 WHERE latency_ms < 3",
    /Different: 2/,
  ],
  "a row was added": [
    "INSERT INTO request_usage (request_id, ts) VALUES ('req_new', 1763640000005)",
    /Only in the database: 1/,
  ],
};

for (const [name, [sql, expected]] of Object.entries(DAMAGE)) {
  onEachDriver(`usage verify exits 1 when ${name}`, async (place) => {
    await shipped(place, 20);
    {
      await using database = await openPlace(place);
      await database.db.query(sql);
    }
    const { out, code } = await run(place, "usage", "verify");
    assert.equal(code, 1);
    assert.match(out, expected);
  });
}

onEachDriver("usage verify agrees with a gateway that ships meanwhile", async (place) => {
  await shipped(place, 20);
  await using database = await openPlace(place);
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  const { db, shipper } = database;
  journal.append(record(21));
  const query: Queries["query"] = async (sql, ...values) => {
    const rows = await db.query(sql, ...values);
    if (sql.includes("request_id IN")) await shipAll(shipper);
    return rows;
  };
  const verdict = await verify({ ...db, query }, place.logging.path, null);
  await journal.close();
  assert.deepEqual([verdict.waiting, verdict.extra, isEqual(verdict)], [1, 0, true]);
});

onEachDriver("usage verify agrees on a database that another replica ships to", async (place) => {
  await shipped(place, 20);
  using beside = makePlace();
  const other = { ...place, logging: beside.logging };
  const journal = openJournal(other.logging, { log: place.log, now: Date.now, shipped: true });
  journal.append(record(21));
  await journal.close();
  {
    await using database = await openPlace(other);
    await shipAll(database.shipper);
  }
  for (const [replica, rows] of [[place, 1], [other, 20]] as const) {
    const { out, code } = await run(replica, "usage", "verify");
    assert.equal(code, 0, out);
    assert.match(out, RegExp(`^Rows of other journals: ${rows}$`, "m"));
  }
});

onEachDriver("usage verify looks at its window only", async (place) => {
  await shipped(place, 20);
  {
    await using database = await openPlace(place);
    await database.db.query("DELETE FROM request_usage WHERE latency_ms = 7");
  }
  const window = ["--from", "2025-11-20T12:00:00.008Z", "--to", "2025-11-21"];
  assert.equal((await run(place, "usage", "verify", ...window)).code, 0);
});

Deno.test("usage rebuild makes an equal database out of the journal, and only an empty one", async () => {
  using place = makePlace({ rotateBytes: 3_000 });
  await shipped(place, 60);
  const other = { ...place, usageDb: { ...place.usageDb, path: join(place.folder, "new.sqlite") } };
  const folder = join(place.folder, "journal");
  assert.match((await run(other, "usage", "rebuild", "--from", folder)).out, /^Shipped 60 lines/);
  assert.equal((await run(other, "usage", "verify")).code, 0);
  assert.equal((await run(other, "usage", "rebuild", "--from", folder)).code, 1);
});

Deno.test("Markdown escapes table syntax and HTML", () => {
  const report = {
    ...sections[0]!,
    id: "x",
    columns: [{ name: "a", title: "A", format: "text" as const }],
  };
  const filter = filterOf();
  const head = { filter, calls: 1n, unpriced: 0n, completeTo: null, isInterpolated: false };
  const text = render("md", head, [{ report, rows: [{ a: "<b>|`x`\n[y](z)" }] }], Infinity);
  assert.match(text, /\| &lt;b&gt;\\\|\\`x\\` \\\[y\\\]\(z\) \|/);
});

Deno.test("money is printed with every digit it has", () => {
  const cases = [[0n, "0.00"], [1n, "0.000000001"], [54_399_000n, "0.054399"], [
    -5_000_000_000n,
    "-5.00",
  ]];
  for (const [nusd, text] of cases) assert.equal(usd(nusd as bigint), text);
});

Deno.test("times are read as UTC, and wrong ones refused", () => {
  assert.equal(parseTime("2025-11-20"), Date.UTC(2025, 10, 20));
  assert.equal(parseTime("2025-11-20 01:02:03"), Date.UTC(2025, 10, 20, 1, 2, 3));
  assert.equal(parseTime("2025-11-20T01:02:03+02:00"), Date.UTC(2025, 10, 19, 23, 2, 3));
  for (
    const wrong of ["", "now", "2025-13-01", "2025-11-31", "2025-02-29", "2025-11-20T25:00:00Z"]
  ) {
    assert.throws(() => parseTime(wrong), RangeError);
  }
  assert.deepEqual(parseWindow({ since: "7d" }, 1_000_000_000), {
    from: 395_200_001,
    to: 1_000_000_001,
  });
  assert.throws(() => parseWindow({ since: "1h", from: "2025-01-01" }, 0), RangeError);
});
