import assert from "node:assert/strict";
import { join } from "node:path";
import type { Queries } from "../storage/database.ts";
import { openAppendFile } from "../storage/append_file.ts";
import { openDatabase } from "../storage/open_database.ts";
import { closedPath, journalsOf } from "../storage/journal_folder.ts";
import { startCutProxy, type Verdict } from "./cut_proxy.ts";
import { startPostgres } from "./postgres.ts";
import {
  countRows,
  onEachDriver,
  onPostgres,
  openPlace,
  openStores,
  postgresServer,
  shipAll,
  shippedIds,
  writeRecords,
} from "./storage_drivers.ts";
import { idsBetween, makePlace, type Place, record } from "./storage_fixture.ts";
import { until } from "./until.ts";

/** What `record(1)` to `record(last)` come to in a database, whatever happened on the way. */
async function assertExact(db: Queries, last: number): Promise<void> {
  assert.deepEqual(await shippedIds(db), idsBetween(1, last));
  assert.equal(await countRows(db, "request_attempts"), last);
  const [sums] = await db.query(
    "SELECT cast(sum(input_tokens) AS bigint) AS tokens, " +
      "cast(sum(total_cost_nusd) AS bigint) AS cost FROM request_usage",
  );
  assert.equal(sums?.tokens, BigInt(100 * last + last * (last + 1) / 2));
  assert.equal(sums?.cost, BigInt(1_000 * last));
}

/** The database of a place, over a proxy. */
function through(place: Place, port: number): Place {
  const dsn = place.usageDb.dsn!.replace(
    /^postgres:\/\/\/(\w+)\?.*$/,
    `postgres://test@127.0.0.1:${port}/$1`,
  );
  return { ...place, usageDb: { ...place.usageDb, dsn } };
}

Deno.test("Postgres that restarts in the middle of a batch has all of it or nothing", async () => {
  await using server = await startPostgres();
  await using proxy = startCutProxy(server.socket);
  using local = makePlace();
  const direct = {
    ...local,
    usageDb: { ...local.usageDb, driver: "postgres" as const, dsn: await server.database() },
  };
  await writeRecords(direct, 1, 3_000);
  const place = through(direct, proxy.port);
  {
    await using database = await openPlace(place, { batchLines: 1_000 });
    await database.shipper.step();
    let crashed: Promise<void> | undefined;
    proxy.judge = (piece) => {
      if (piece.includes("INSERT INTO request_attempts")) crashed ??= server.crash();
      return "pass";
    };
    await assert.rejects(database.shipper.step());
    await crashed;
    assert(crashed, "the crash was in the middle");
  }
  proxy.judge = () => "pass";
  await server.start();
  await using database = await openPlace(place, { batchLines: 1_000 });
  assert.equal((await shippedIds(database.db)).length, 1_000);
  await shipAll(database.shipper);
  assert.deepEqual(database.shipper.counts, {
    inserted: 2_000,
    duplicate: 0,
    rejected: 0,
    gaps: 0,
  });
  await assertExact(database.db, 3_000);
});

const CUTS: Readonly<Record<string, { pattern: RegExp; verdict: Verdict; kept: number }>> = {
  "before its rows": { pattern: /INSERT INTO request_usage/, verdict: "cut", kept: 0 },
  "before its offset": { pattern: /usage_journal_offsets/, verdict: "cut", kept: 0 },
  "before COMMIT is there": { pattern: /commit/i, verdict: "cut", kept: 0 },
  "before the answer to COMMIT": { pattern: /commit/i, verdict: "cut-before-answer", kept: 200 },
};

for (const [when, { pattern, verdict, kept }] of Object.entries(CUTS)) {
  Deno.test(`connection cut ${when} loses no row and makes none twice`, async () => {
    using local = makePlace();
    const direct = await onPostgres(local);
    await writeRecords(direct, 1, 500);
    await using proxy = startCutProxy((await postgresServer()).socket);
    await using broken = await openPlace(through(direct, proxy.port), { batchLines: 200 });
    proxy.judge = (piece) => pattern.test(piece) ? verdict : "pass";
    await assert.rejects(broken.shipper.step());
    await proxy.cut;
    proxy.judge = () => "pass";

    await using database = await openPlace(direct, { batchLines: 200 });
    assert.equal((await shippedIds(database.db)).length, kept);
    await shipAll(database.shipper);
    const { inserted, duplicate } = database.shipper.counts;
    assert.deepEqual({ inserted, duplicate }, { inserted: 500 - kept, duplicate: 0 });
    await assertExact(database.db, 500);
    await assert.rejects(broken.shipper.step(), /connection is closed/);
  });
}

for (const missing of [1, 2, 40]) {
  onEachDriver(
    `closed segment that lost its last ${missing} bytes costs that line at most`,
    async (place) => {
      await writeRecords(place, 1, 20);
      const closed = closedPath(journalsOf(place.logging.path).calls, 1);
      const lines = Deno.readTextFileSync(closed).split("\n").length - 1;
      Deno.truncateSync(closed, Deno.statSync(closed).size - missing);
      await using database = await openPlace(place);
      await shipAll(database.shipper);
      const lost = missing === 1 ? [] : idsBetween(lines, lines);
      const left = idsBetween(1, 20).filter((id) => !lost.includes(id));
      assert.deepEqual(await shippedIds(database.db), left);
      assert.equal(database.shipper.counts.rejected, lost.length);
      assert.equal(database.shipper.unshippedBytes(), 0);
    },
    { rotateBytes: 3_000 },
  );
}

const SHIP = new URL("../main.ts", import.meta.url).pathname;

onEachDriver(
  "three processes that ship one journal at once make no duplicate and no gap",
  async (place) => {
    await writeRecords(place, 1, 2_000);
    const config = join(place.folder, "config.yaml");
    const { driver, path, dsn } = place.usageDb;
    const usageDb = { driver, path, ...dsn === null ? {} : { dsn }, ship_batch: 50 };
    Deno.writeTextFileSync(
      config,
      JSON.stringify({
        server: {
          logging: { path: place.logging.path },
          usage_db: { ...usageDb, migration_policy: "auto-safe" },
        },
        providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
        models: { fast: { strategy: "static", targets: [{ provider: "echo", model: "echo" }] } },
        callers: [{ id: "ci", token_sha256: "0".repeat(64), allow: ["fast"] }],
      }),
    );
    const ship = async () => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", SHIP, "usage", "ship", "--drain", "--config", config],
        env: { NO_COLOR: "1" },
      }).output();
      const decoder = new TextDecoder();
      assert.equal(code, 0, decoder.decode(stderr));
      return Number(/^Shipped (\d+) lines/m.exec(decoder.decode(stdout))?.[1]);
    };
    const shipped = await Promise.all([ship(), ship(), ship()]);
    assert.equal(shipped.reduce((sum, count) => sum + count, 0), 2_000, "each line is new once");
    await using database = await openPlace(place);
    await shipAll(database.shipper);
    assert.equal(database.shipper.counts.inserted, 0);
    await assertExact(database.db, 2_000);
  },
  { rotateBytes: 100_000 },
);

/** A device on which no byte has room: what it says is what a full disk says. */
const FULL = "/dev/full";

onEachDriver(
  "journal on a full disk holds its lines and ships them when there is room",
  async (place) => {
    let full = false;
    const openFile = (path: string) => {
      const file = openAppendFile(path);
      const write = (bytes: Uint8Array) => {
        if (!full) return file.write(bytes);
        using device = openAppendFile(FULL);
        return device.write(bytes);
      };
      return { ...file, write };
    };
    const { journal, store } = openStores(place, { openFile, retryMs: 20 });
    const append = (first: number, last: number) => {
      for (let n = first; n <= last; n += 1) journal.append(record(n));
    };
    append(1, 50);
    full = true;
    append(51, 100);
    assert.equal(journal.state, "write-failed");
    await until(() => store.counts.inserted === 50);
    full = false;
    await until(() => journal.state === "ok");
    append(101, 150);
    await until(() => store.counts.inserted === 150);
    await journal.close();
    await store.close(5_000);
    assert.equal(journal.counts.lost, 0);
    await using db = await openDatabase(place.usageDb, "read");
    await assertExact(db, 150);
  },
);
