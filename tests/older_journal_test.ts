import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { isObject, type JsonObject } from "@/core/json.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { runReplay } from "@/policies/replay/run_replay.ts";
import { createDecisionArchive } from "@/storage/decision_archive.ts";
import type { Queries } from "@/storage/database.ts";
import { onEachDriver, openPlace, shipAll } from "./storage_drivers.ts";
import type { Place } from "./storage_fixture.ts";

/** What a gateway wrote when it still made the rows of a decision itself, and its state beside it. */
const RECORDED = new URL("fixtures/journal/", import.meta.url);
/** Members of a line that are no column of its table. */
const OF_THE_LINE = ["v", "seq", "charged_at"];

function lines(name: string): readonly JsonObject[] {
  const text = Deno.readTextFileSync(new URL(name, RECORDED));
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

/** Puts the recorded journals where those of a place are. */
function putJournals({ logging }: Place): void {
  const folder = dirname(logging.path);
  Deno.mkdirSync(folder, { recursive: true });
  for (const { name } of Deno.readDirSync(RECORDED)) {
    Deno.copyFileSync(new URL(name, RECORDED), join(folder, name));
  }
}

/** Fails unless a table has exactly these rows, with every value of theirs. */
async function assertRows(db: Queries, table: string, written: readonly JsonObject[]) {
  const rows = await db.query(`SELECT * FROM ${table}`);
  assert.equal(rows.length, written.length, table);
  for (const given of written) {
    const alike = rows.some((row) =>
      Object.entries(given).every(([name, value]) =>
        OF_THE_LINE.includes(name) || sameValue(row[name], value)
      )
    );
    assert(alike, `${table} lacks ${JSON.stringify(given)}`);
  }
}

function sameValue(found: unknown, written: unknown): boolean {
  return typeof written === "number" ? Number(found) === written : found === written;
}

/** Rows of a line by table: the call's own, and those that ride in it. */
function rowsOf(line: JsonObject): readonly (readonly [string, readonly JsonObject[]])[] {
  const own = Object.entries(line).filter(([, value]) => !Array.isArray(value));
  const children = Object.entries(line).flatMap(([name, value]) =>
    Array.isArray(value) ? [[name, value.filter(isObject)] as const] : []
  );
  const isCall = "settled_at" in line;
  return isCall ? [["request_usage", [Object.fromEntries(own)]], ...children] : children;
}

onEachDriver("lines of the previous format are loaded with every value", async (place) => {
  putJournals(place);
  const rejected: string[] = [];
  await using database = await openPlace(place, {
    onRejected: (_, reason) => rejected.push(reason),
  });
  await shipAll(database.shipper);
  assert.deepEqual(rejected, []);
  const [call] = lines("requests.jsonl");
  const [decision, snapshot] = lines("events.jsonl");
  const tables = [...rowsOf(call!), ...rowsOf(decision!)];
  assert(tables.length >= 10);
  for (const [table, rows] of tables) await assertRows(database.db, table, rows);
  assert(isObject(snapshot?.["row"]));
  await assertRows(database.db, "route_config_snapshots", [snapshot["row"]]);
});

onEachDriver("a decision of the previous format is made again, and is the same", async (place) => {
  putJournals(place);
  await using database = await openPlace(place);
  await shipAll(database.shipper);
  const { driver, path, dsn } = place.usageDb;
  const { verdicts } = await runReplay({
    archive: createDecisionArchive({ settingsOf: () => assert.fail() }),
    place: { driver, path, dsn },
    strategies: import.meta.resolve("@/strategies/mod.ts"),
    filter: { group: null, since: 0, until: Number.MAX_SAFE_INTEGER },
    candidate: null,
    jobs: 1,
    limit: null,
    onProgress() {},
  });
  assert.equal(verdicts.identical, 1);
});

Deno.test("counters that an older gateway stored go on from where they were", () => {
  const now = 1_795_310_445_000;
  const ledger = new Ledger({ now: () => now, clock: () => 0 });
  ledger.restore("caller:ci", {
    rpm: [1_795_310_440_098, 1],
    tpm: [1_795_310_440_098, 6],
    day: {
      requests: [1_795_305_600_000, 1],
      tokens: [1_795_305_600_000, 6],
      cost: [1_795_305_600_000, 9_000],
    },
    month: {
      requests: [1_793_491_200_000, 1],
      tokens: [1_793_491_200_000, 6],
      cost: [1_793_491_200_000, 9_000],
    },
    lifetime: 6,
  });
  const account = ledger.account("caller:ci");
  const taken =
    (["rpm", "tpm", "day.requests", "day.cost", "month.tokens", "lifetime.tokens"] as const)
      .map((key) => account.taken(key, ledger.moment()));
  assert.deepEqual(taken, [1, 6, 1, 9_000, 6, 6]);
});
