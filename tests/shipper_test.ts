import assert from "node:assert/strict";
import { join } from "node:path";
import { openJournal } from "../storage/journal.ts";
import {
  activePath,
  closedPath,
  journalsOf,
  readState,
  sideFiles,
  writeState,
} from "../storage/journal_folder.ts";
import { migrate } from "../storage/migrate.ts";
import { migrations } from "../storage/migrations/mod.ts";
import { openSqlite } from "../storage/sqlite.ts";
import {
  idsBetween,
  linesOf,
  makePlace,
  openDatabase,
  type Place,
  record,
  requestId,
  shipAll,
  shippedIds,
} from "./storage_fixture.ts";

async function write(place: Place, first: number, last: number): Promise<void> {
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (let n = first; n <= last; n += 1) journal.append(record(n));
  await journal.close();
}

Deno.test("shipper loads calls with their attempts and errors, and the defaults of the rest", async () => {
  using place = makePlace();
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  journal.append({
    ...record(1, { gateway_id: "gw_1" }),
    errors: [{ error_type: "timeout", ts: 9 }],
  });
  journal.append(record(2, { total_cost_nusd: undefined, saved_nusd: 9_007_199_254_740_993n }));
  journal.appendSecurityEvent({ id: "sec_1", ts: 7, outcome: "denied" });
  await journal.close();
  using database = await openDatabase(place, { now: () => 77 });
  const { db, shipper } = database;
  shipAll(shipper);

  const usage = db.prepare("SELECT * FROM request_usage WHERE request_id = ?").get(requestId(1))!;
  assert.equal(usage.input_tokens, 101);
  assert.equal(usage.ingested_at, 77);
  assert.equal(usage.strategy, "");
  assert.equal(usage.ttft_ms, null);
  assert.equal(db.prepare("SELECT count(*) AS n FROM request_attempts").get()?.n, 2);
  assert.equal(db.prepare("SELECT error_type FROM request_errors").get()?.error_type, "timeout");
  assert.equal(db.prepare("SELECT outcome FROM security_access_events").get()?.outcome, "denied");
  const big = db.prepare(
    "SELECT CAST(saved_nusd AS TEXT) AS t, total_cost_nusd AS c " +
      "FROM request_usage WHERE request_id = ?",
  ).get(requestId(2))!;
  assert.equal(big.t, "9007199254740993");
  assert.equal(big.c, null);
  const offset = db.prepare("SELECT * FROM usage_journal_offsets WHERE kind = 'requests'").get()!;
  assert.equal(offset.lines, 2);
  assert.equal(offset.byte_offset, Deno.statSync(place.logging.path).size);
  assert.equal(offset.last_ts, 1_763_640_000_012);
  assert.equal(shipper.unshippedBytes(), 0);
});

Deno.test("shipper leaves a line that is not whole until it is", async () => {
  using place = makePlace();
  await write(place, 1, 2);
  const whole = Deno.readFileSync(place.logging.path);
  using database = await openDatabase(place);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    Deno.writeFileSync(place.logging.path, whole.subarray(0, cut));
    shipAll(database.shipper);
    const newlines = whole.subarray(0, cut).filter((byte) => byte === 10).length;
    assert.equal(database.shipper.counts.inserted, newlines);
  }
  assert.deepEqual(shippedIds(database.db), idsBetween(1, 2));
  assert.equal(database.shipper.counts.rejected, 0);
});

Deno.test("shipper goes through all segments, also while the journal rotates", async () => {
  using place = makePlace({ rotateBytes: 1_500 });
  using database = await openDatabase(place, { batchLines: 3 });
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (let n = 1; n <= 100; n += 1) {
    journal.append(record(n));
    if (n % 3 === 0) database.shipper.step();
  }
  await journal.close();
  shipAll(database.shipper);
  assert.deepEqual(shippedIds(database.db), idsBetween(1, 100));
  assert.deepEqual(database.shipper.counts, { inserted: 100, duplicate: 0, rejected: 0, gaps: 0 });
});

/** What a crash leaves after each step of a rotation that closes segment 1. */
const CRASHES: Readonly<Record<string, (place: Place) => void>> = {
  "before the first": () => {},
  "after the rename": (place) => {
    const { calls } = journalsOf(place.logging.path);
    Deno.renameSync(activePath(calls), closedPath(calls, 1));
  },
  "after half of the state": (place) => {
    CRASHES["after the rename"]!(place);
    Deno.writeTextFileSync(join(place.folder, "journal", "requests.state.new"), '{"journal_');
  },
  "after the state": (place) => {
    CRASHES["after the rename"]!(place);
    const { calls } = journalsOf(place.logging.path);
    writeState(calls, { ...readState(calls)!, segment: 2 });
  },
  "after the last": (place) => {
    CRASHES["after the state"]!(place);
    Deno.writeTextFileSync(place.logging.path, "");
  },
};

for (const [step, crash] of Object.entries(CRASHES)) {
  for (const shipped of [false, true]) {
    const when = shipped ? "shipped before and after" : "shipped after";
    Deno.test(`crash in a rotation ${step} step loses and repeats nothing, ${when}`, async () => {
      using place = makePlace();
      await write(place, 1, 5);
      using database = await openDatabase(place, { keep: 0 });
      if (shipped) shipAll(database.shipper);
      crash(place);
      if (shipped) shipAll(database.shipper);
      database.shipper.removeShipped();
      await write(place, 6, 9);
      shipAll(database.shipper);
      assert.deepEqual(shippedIds(database.db), idsBetween(1, 9));
      assert.equal(database.shipper.counts.duplicate, 0);
      using again = await openDatabase(place);
      shipAll(again.shipper);
      assert.equal(again.shipper.counts.inserted, 0);
    });
  }
}

Deno.test("batch that is sent again changes nothing", async () => {
  using place = makePlace({ rotateBytes: 2_000 });
  await write(place, 1, 40);
  using database = await openDatabase(place, { batchLines: 7 });
  shipAll(database.shipper);
  const rows = database.db.prepare("SELECT * FROM request_usage ORDER BY request_id").all();
  database.db.exec("UPDATE usage_journal_offsets SET segment = 1, byte_offset = 0");
  using again = await openDatabase(place, { batchLines: 11 });
  shipAll(again.shipper);
  assert.deepEqual(again.shipper.counts, { inserted: 0, duplicate: 40, rejected: 0, gaps: 0 });
  assert.deepEqual(again.db.prepare("SELECT * FROM request_usage ORDER BY request_id").all(), rows);
  assert.equal(again.db.prepare("SELECT count(*) AS n FROM request_attempts").get()?.n, 40);
});

Deno.test("two shippers on one folder make no duplicate and no gap", async () => {
  using place = makePlace({ rotateBytes: 2_000 });
  await write(place, 1, 60);
  using one = await openDatabase(place, { batchLines: 4, keep: 0 });
  using two = await openDatabase(place, { batchLines: 9, keep: 0 });
  while ([one.shipper.step(), two.shipper.step()].includes(true)) {
    one.shipper.removeShipped();
    two.shipper.removeShipped();
  }
  assert.deepEqual(shippedIds(one.db), idsBetween(1, 60));
  const offset = one.db.prepare("SELECT lines, rejected FROM usage_journal_offsets").get()!;
  assert.deepEqual({ ...offset }, { lines: 60, rejected: 0 });
});

Deno.test("offset never goes back", async () => {
  using place = makePlace();
  await write(place, 1, 10);
  using slow = await openDatabase(place, { batchLines: 2 });
  slow.shipper.step();
  using fast = await openDatabase(place);
  shipAll(fast.shipper);
  slow.shipper.step();
  const { byte_offset } = slow.db.prepare("SELECT byte_offset FROM usage_journal_offsets").get()!;
  assert.equal(byte_offset, Deno.statSync(place.logging.path).size);
});

Deno.test("journal that lost its state ships again under a new id, without duplicates", async () => {
  using place = makePlace({ rotateBytes: 1_000 });
  await write(place, 1, 10);
  using first = await openDatabase(place);
  shipAll(first.shipper);
  Deno.removeSync(join(place.folder, "journal", "requests.state"));
  await write(place, 11, 12);
  using second = await openDatabase(place);
  shipAll(second.shipper);
  assert.deepEqual(shippedIds(second.db), idsBetween(1, 12));
  assert.equal(second.shipper.counts.duplicate, 10);
});

Deno.test("journal of a writer that is gone is shipped, too", async () => {
  using place = makePlace();
  await write(place, 1, 3);
  const folder = join(place.folder, "journal");
  Deno.renameSync(place.logging.path, join(folder, "requests.3.jsonl"));
  await write(place, 4, 5);
  using database = await openDatabase(place);
  shipAll(database.shipper);
  assert.deepEqual(shippedIds(database.db), idsBetween(1, 5));
  const writers = database.db.prepare("SELECT writer FROM usage_journal_offsets ORDER BY 1").all();
  assert.deepEqual(writers.map(({ writer }) => writer), [0, 3]);
});

const WRONG_LINES: Readonly<Record<string, string>> = {
  "that does not parse": '{"v":1,"seq":3,"reque',
  "without an id": '{"v":1,"seq":3,"ts":1}',
  "of a newer format": '{"v":2,"seq":3,"request_id":"req_x"}',
  "with text in a number": '{"v":1,"seq":3,"request_id":"req_x","status":"ok"}',
  "with a fraction": '{"v":1,"seq":3,"request_id":"req_x","latency_ms":1.5}',
  "with an object": '{"v":1,"seq":3,"request_id":"req_x","client":{"a":1}}',
  "with a number past 64 bits": '{"v":1,"seq":3,"request_id":"req_x","ts":99999999999999999999}',
  "with NULL where none may be": '{"v":1,"seq":3,"request_id":"req_x","client":null}',
  "with attempts that are no rows": '{"v":1,"seq":3,"request_id":"req_x","request_attempts":[1]}',
  "of an unknown event": '{"v":1,"seq":3,"table":"schema_migrations","row":{"id":9}}',
  "of zeros": "\0".repeat(50),
};

for (const [name, line] of Object.entries(WRONG_LINES)) {
  Deno.test(`line ${name} goes to the rejected file, and shipping goes on`, async () => {
    using place = makePlace();
    await write(place, 1, 2);
    Deno.writeTextFileSync(place.logging.path, `${line}\n`, { append: true });
    await write(place, 4, 20);
    using database = await openDatabase(place);
    shipAll(database.shipper);
    assert.deepEqual(shippedIds(database.db), [...idsBetween(1, 2), ...idsBetween(4, 20)]);
    assert.equal(database.shipper.counts.rejected, 1);
    assert.deepEqual(linesOf(sideFiles(place.logging.path).rejected), [line]);
    const offset = database.db.prepare("SELECT lines, rejected FROM usage_journal_offsets").get()!;
    assert.deepEqual({ ...offset }, { lines: 19, rejected: 1 });
  });
}

Deno.test("names a column list does not know are ignored, and ingested_at is not taken", async () => {
  using place = makePlace();
  await write(place, 1, 1);
  const line = `{"v":0,"seq":2,"request_id":"${
    requestId(2)
  }","ingested_at":1,"new_thing":{"a":1}}\n`;
  Deno.writeTextFileSync(place.logging.path, line, { append: true });
  using database = await openDatabase(place, { now: () => 5 });
  shipAll(database.shipper);
  assert.deepEqual(shippedIds(database.db), idsBetween(1, 2));
  const rows = database.db.prepare("SELECT DISTINCT ingested_at AS at FROM request_usage").all();
  assert.deepEqual(rows.map(({ at }) => at), [5]);
});

Deno.test("numbers that are missing between lines are counted", async () => {
  using place = makePlace();
  await write(place, 1, 10);
  const lines = linesOf(place.logging.path).filter((_, n) => n < 3 || n > 5);
  Deno.writeTextFileSync(place.logging.path, `${lines.join("\n")}\n`);
  using database = await openDatabase(place);
  shipAll(database.shipper);
  assert.equal(database.shipper.counts.gaps, 3);
});

Deno.test("shipped segments are removed beyond those kept, unshipped ones never", async () => {
  using place = makePlace({ rotateBytes: 10 });
  await write(place, 1, 8);
  using database = await openDatabase(place, { keep: 2, batchLines: 1 });
  const { calls } = journalsOf(place.logging.path);
  const exists = (segment: number) => {
    try {
      return Deno.statSync(closedPath(calls, segment)).isFile;
    } catch {
      return false;
    }
  };
  for (let n = 0; n < 4; n += 1) database.shipper.step();
  database.shipper.removeShipped();
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(exists), [
    false,
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
  shipAll(database.shipper);
  database.shipper.removeShipped();
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(exists), [
    false,
    false,
    false,
    false,
    false,
    true,
    true,
  ]);
  await write(place, 9, 12);
  using again = await openDatabase(place);
  shipAll(again.shipper);
  assert.deepEqual(shippedIds(again.db), idsBetween(1, 12));
});

Deno.test("database that is locked refuses the batch, and takes it later", async () => {
  using place = makePlace();
  await write(place, 1, 5);
  using database = await openDatabase(place);
  database.db.exec("PRAGMA busy_timeout = 0");
  using other = openSqlite(place.usageDb.path);
  other.exec("BEGIN IMMEDIATE");
  assert.throws(() => database.shipper.step(), /locked/);
  other.exec("ROLLBACK");
  shipAll(database.shipper);
  assert.deepEqual(shippedIds(database.db), idsBetween(1, 5));
  assert.equal(database.shipper.counts.rejected, 0);
});

Deno.test("two processes may migrate the same database", async () => {
  using place = makePlace();
  using one = openSqlite(place.usageDb.path);
  using two = openSqlite(place.usageDb.path);
  const options = { migrations, routerVersion: "test", now: Date.now };
  const applied = await Promise.all([migrate(one, options), migrate(two, options)]);
  assert.deepEqual(applied.flat(), [1]);
});
