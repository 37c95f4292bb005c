import assert from "node:assert/strict";
import { join } from "node:path";
import { nextTurn } from "@/core/wait.ts";
import { openJournal } from "../storage/journal.ts";
import { openDatabase } from "../storage/open_database.ts";
import {
  countRows,
  onEachDriver,
  openPlace,
  openStores,
  shipAll,
  shippedIds,
} from "./storage_drivers.ts";
import { idsBetween, linesOf, makePlace, type Place, record } from "./storage_fixture.ts";
import { until } from "./until.ts";

async function readIds(place: Place): Promise<string[]> {
  await using db = await openDatabase(place.usageDb, "read");
  return await shippedIds(db);
}

onEachDriver("usage store adds up a caller, also what was written a moment ago", async (place) => {
  const { journal, store } = openStores(place);
  journal.append(record(1));
  journal.append(record(2, { status: 502, total_cost_nusd: undefined }));
  journal.append(record(3, { cache: "hit", reasoning_tokens: 4, cached_input_tokens: 5 }));
  journal.append(record(4, { caller_id: "other" }));
  journal.append(record(1_000));
  const from = 1_763_640_000_000;
  assert.deepEqual(await store.totals("ci", from, from + 1_000), {
    requests: 3,
    errors: 1,
    cacheHits: 1,
    inputTokens: 306,
    cachedInputTokens: 5,
    cacheWriteTokens: 0,
    outputTokens: 30,
    reasoningTokens: 4,
    imageTokens: 0,
    costNusd: 2_000n,
    savedNusd: 0n,
    unpricedRequests: 1,
  });
  assert.equal(store.up, true);
  assert.equal(store.schema, "ok");
  journal.append(record(5));
  assert.equal((await store.totals("ci", from, from + 1_000)).requests, 4);
  assert.equal((await store.totals("nobody", from, from + 1_000)).costNusd, 0n);
  await journal.close();
  await store.close(5_000);
  assert.equal(store.counts.inserted, 6);
});

onEachDriver("usage store ships by itself, and what is left when it closes", async (place) => {
  const { journal, store } = openStores(place);
  for (let n = 1; n <= 50; n += 1) journal.append(record(n));
  await until(() => store.counts.inserted === 50);
  for (let n = 51; n <= 60; n += 1) journal.append(record(n));
  await journal.close();
  await store.close(5_000);
  assert.deepEqual(await readIds(place), idsBetween(1, 60));
});

Deno.test("usage store comes back when the database does, and calls notice nothing", async () => {
  using place = makePlace();
  Deno.mkdirSync(place.usageDb.path);
  const { journal, store } = openStores(place);
  for (let n = 1; n <= 20; n += 1) journal.append(record(n));
  await until(() => place.events.includes("shipper_backoff"));
  assert.equal(store.up, false);
  assert.equal(journal.state, "ok");
  await assert.rejects(store.totals("ci", 0, 1), /Cannot add up/);
  Deno.removeSync(place.usageDb.path);
  await until(() => store.up);
  assert.equal(store.counts.inserted, 20);
  await journal.close();
  await store.close(5_000);
  assert.deepEqual(await readIds(place), idsBetween(1, 20));
});

Deno.test("usage store that many asked in vain ships soon after its database is back", async () => {
  using place = makePlace();
  Deno.mkdirSync(place.usageDb.path);
  const { journal, store } = openStores(place);
  const failures = () => place.events.filter((event) => event === "shipper_backoff").length;
  journal.append(record(1));
  await until(() => failures() > 0);
  for (let asked = 0; asked < 12; asked++) await assert.rejects(store.totals("ci", 0, 1));
  const before = failures();
  await until(() => failures() > before);
  Deno.removeSync(place.usageDb.path);
  await until(() => store.counts.inserted === 1, 8_000);
  await journal.close();
  await store.close(5_000);
});

Deno.test("journal is full while the database is away, and takes calls again after", async () => {
  using place = makePlace({ maxUnshippedBytes: 2_000 });
  Deno.mkdirSync(place.usageDb.path);
  const { journal, store } = openStores(place);
  for (let n = 1; n <= 20; n += 1) journal.append(record(n));
  assert.equal(journal.state, "full");
  Deno.removeSync(place.usageDb.path);
  await until(() => journal.state === "ok");
  await journal.close();
  await store.close(5_000);
});

Deno.test("usage store that cannot ship closes within its time, and loses nothing", async () => {
  using place = makePlace();
  Deno.mkdirSync(place.usageDb.path);
  const { journal, store } = openStores(place);
  journal.append(record(1));
  await until(() => place.events.includes("shipper_backoff"));
  await journal.close();
  const began = performance.now();
  await store.close(200);
  assert(performance.now() - began < 2_000);
  Deno.removeSync(place.usageDb.path);
  const again = openStores(place);
  await until(() => again.store.up);
  await again.journal.close();
  await again.store.close(5_000);
  assert.deepEqual(await readIds(place), idsBetween(1, 1));
});

onEachDriver("usage store counts on when it had to open the database again", async (place) => {
  const { journal, store } = openStores(place);
  journal.append(record(1));
  await until(() => store.counts.inserted === 1);
  const unreadable = join(place.folder, "journal", "requests.7.jsonl");
  Deno.mkdirSync(unreadable);
  await until(() => !store.up);
  Deno.removeSync(unreadable);
  journal.append(record(2));
  await until(() => store.counts.inserted === 2);
  await journal.close();
  await store.close(5_000);
});

onEachDriver("usage store follows a journal that rotates all the time", async (place) => {
  const fast = { ...place, usageDb: { ...place.usageDb, shipIntervalMs: 0, shipBatch: 3 } };
  const { journal, store } = openStores(fast);
  for (let n = 1; n <= 1_500; n += 1) {
    journal.append(record(n));
    if (n % 3 === 0) await nextTurn();
  }
  await journal.close();
  await store.close(20_000);
  assert.deepEqual(await readIds(place), idsBetween(1, 1_500));
  assert.deepEqual(store.counts, { inserted: 1_500, duplicate: 0, rejected: 0, gaps: 0 });
}, { rotateBytes: 1_500, keep: 2 });

const WRITER = `
  import { openJournal } from "${new URL("../storage/journal.ts", import.meta.url)}";
  import { openUsageStore } from "${new URL("../storage/store.ts", import.meta.url)}";
  import { record } from "${new URL("./storage_fixture.ts", import.meta.url)}";
  const { first, ...settings } = JSON.parse(Deno.args[0]);
  const { logging } = settings;
  const log = { write() {}, configure() {} };
  const journal = openJournal(logging, { log, now: Date.now, shipped: true });
  openUsageStore({ ...settings, log, routerVersion: "t", onStatus() {} });
  for (let n = first; ; n += 1) {
    journal.append(record(n));
    if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (n % 500 === 0) console.log(n);
  }
`;

onEachDriver("kill -9 under load loses no whole line and makes no duplicate", async (place) => {
  const script = join(place.folder, "writer.ts");
  Deno.writeTextFileSync(script, WRITER);
  for (let run = 0; run < 4; run += 1) {
    const { logging, usageDb, rollups, retention } = place;
    const settings = { logging, usageDb, rollups, retention, first: run * 1_000_000 };
    const config = new URL("../deno.json", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", config, script, JSON.stringify(settings)],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    for (let chunk = 0; chunk <= run * 5; chunk += 1) await reader.read();
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
  }
  // The next start repairs what the last kill left.
  await openJournal(place.logging, { log: place.log, now: Date.now, shipped: true }).close();
  await using database = await openPlace(place);
  await shipAll(database.shipper);
  const folder = join(place.folder, "journal");
  const ids = [...Deno.readDirSync(folder)]
    .filter(({ name }) => /^requests(\.\d{8})?\.jsonl$/.test(name))
    .flatMap(({ name }) => linesOf(join(folder, name)))
    .map((line) => String(JSON.parse(line).request_id));
  assert(ids.length >= 2_000, `${ids.length} lines`);
  assert.deepEqual(await shippedIds(database.db), ids.toSorted());
  assert.equal(await countRows(database.db, "request_attempts"), ids.length);
  assert.equal(database.shipper.counts.rejected, 0);
}, { rotateBytes: 200_000, keep: 1_000 });

const FILLER = `
  import { openJournal } from "${new URL("../storage/journal.ts", import.meta.url)}";
  import { record } from "${new URL("./storage_fixture.ts", import.meta.url)}";
  const { logging } = JSON.parse(Deno.args[0]);
  const log = { write: (_level, event) => console.log(event), configure() {} };
  const journal = openJournal(logging, { log, now: Date.now, shipped: true });
  for (let n = 1; n <= 100 && journal.state === "ok"; n += 1) journal.append(record(n));
  console.log(journal.state);
  await journal.close();
`;

Deno.test("journal past the file size the system allows stops at a whole line", async () => {
  using place = makePlace();
  const script = join(place.folder, "filler.ts");
  Deno.writeTextFileSync(script, FILLER);
  const config = new URL("../deno.json", import.meta.url).pathname;
  const run = [Deno.execPath(), "run", "-A", "--no-check", "--config", config, script];
  const { stdout } = await new Deno.Command("sh", {
    // 512-byte blocks; the signal must be ignored to see the error instead.
    args: ["-c", "trap '' XFSZ; ulimit -f 20; exec \"$@\"", "sh", ...run, JSON.stringify(place)],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const said = new TextDecoder().decode(stdout).trim().split("\n");
  assert(said.includes("journal_write_failed") && said.includes("write-failed"), said.join());
  assert(linesOf(place.logging.path).length > 5);
  assert(Deno.readTextFileSync(place.logging.path).endsWith("}\n"));
});
