import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openJournal } from "../storage/journal.ts";
import {
  activePath,
  closedPath,
  journalsOf,
  readState,
  rejectedPath,
  segmentsOf,
  writeState,
} from "../storage/journal_folder.ts";
import {
  countRows,
  onEachDriver,
  openPlace,
  shipAll,
  shippedIds,
  writeRecords,
} from "./storage_drivers.ts";
import {
  idsBetween,
  linesOf,
  makePlace,
  type Place,
  record,
  requestId,
} from "./storage_fixture.ts";

onEachDriver(
  "shipper loads calls with their attempts and errors, and the defaults of the rest",
  async (place) => {
    const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
    journal.append({
      ...record(1, { gateway_id: "gw_1" }),
      errors: [{ error_type: "timeout", ts: 9 }],
    });
    journal.append(record(2, { total_cost_nusd: undefined, saved_nusd: 9_007_199_254_740_993n }));
    journal.appendSecurityEvent({ id: "sec_1", ts: 7, outcome: "denied" });
    await journal.close();
    await using database = await openPlace(place, { now: () => 77 });
    const { db, shipper } = database;
    await shipAll(shipper);

    const [usage] = await db.query(
      "SELECT * FROM request_usage WHERE request_id = $1",
      requestId(1),
    );
    assert.equal(usage?.input_tokens, 101n);
    assert.equal(usage?.ingested_at, 77n);
    assert.equal(usage?.strategy, "");
    assert.equal(usage?.ttft_ms, null);
    assert.equal(await countRows(db, "request_attempts"), 2);
    const errors = await db.query("SELECT request_id, error_type FROM request_errors");
    assert.deepEqual(errors.map((row) => ({ ...row })), [
      { request_id: requestId(1), error_type: "timeout" },
    ]);
    const [event] = await db.query("SELECT outcome FROM security_access_events");
    assert.equal(event?.outcome, "denied");
    const [big] = await db.query(
      "SELECT saved_nusd, total_cost_nusd FROM request_usage WHERE request_id = $1",
      requestId(2),
    );
    assert.equal(big?.saved_nusd, 9_007_199_254_740_993n);
    assert.equal(big?.total_cost_nusd, null);
    const [offset] = await db.query("SELECT * FROM usage_journal_offsets WHERE kind = 'requests'");
    assert.equal(offset?.lines, 2n);
    assert.equal(offset?.byte_offset, BigInt(Deno.statSync(place.logging.path).size));
    assert.equal(offset?.last_ts, 1_763_640_000_012n);
    assert.equal(shipper.unshippedBytes(), 0);
  },
);

onEachDriver("shipper leaves a line that is not whole until it is", async (place) => {
  await writeRecords(place, 1, 2);
  const whole = Deno.readFileSync(place.logging.path);
  await using database = await openPlace(place);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    Deno.writeFileSync(place.logging.path, whole.subarray(0, cut));
    await shipAll(database.shipper);
    const newlines = whole.subarray(0, cut).filter((byte) => byte === 10).length;
    assert.equal(database.shipper.counts.inserted, newlines);
  }
  assert.deepEqual(await shippedIds(database.db), idsBetween(1, 2));
  assert.equal(database.shipper.counts.rejected, 0);
});

onEachDriver("shipper goes through all segments, also while the journal rotates", async (place) => {
  await using database = await openPlace(place, { batchLines: 3 });
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (let n = 1; n <= 100; n += 1) {
    journal.append(record(n));
    if (n % 3 === 0) await database.shipper.step();
  }
  await journal.close();
  await shipAll(database.shipper);
  assert.deepEqual(await shippedIds(database.db), idsBetween(1, 100));
  assert.deepEqual(database.shipper.counts, { inserted: 100, duplicate: 0, rejected: 0, gaps: 0 });
}, { rotateBytes: 1_500 });

Deno.test("segment that is closed while the folder is read is not skipped", () => {
  using place = makePlace();
  const { calls } = journalsOf(place.logging.path);
  Deno.mkdirSync(calls.folder);
  Deno.writeTextFileSync(activePath(calls), "");
  writeState(calls, { journalId: `jrn_${"0".repeat(32)}`, segment: 1 });
  const { readDirSync } = Deno;
  Deno.readDirSync = (path) => {
    const entries = [...readDirSync(path)];
    Deno.readDirSync = readDirSync;
    Deno.renameSync(activePath(calls), closedPath(calls, 1));
    writeState(calls, { ...readState(calls)!, segment: 2 });
    Deno.writeTextFileSync(activePath(calls), "");
    return entries[Symbol.iterator]();
  };
  assert.deepEqual(segmentsOf(calls).map(({ number }) => number), [1, 2]);
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
    onEachDriver(
      `crash in a rotation ${step} step loses and repeats nothing, ${when}`,
      async (place) => {
        await writeRecords(place, 1, 5);
        await using database = await openPlace(place, { keep: 0 });
        if (shipped) await shipAll(database.shipper);
        crash(place);
        if (shipped) await shipAll(database.shipper);
        await database.shipper.removeShipped();
        await writeRecords(place, 6, 9);
        await shipAll(database.shipper);
        assert.deepEqual(await shippedIds(database.db), idsBetween(1, 9));
        assert.equal(database.shipper.counts.duplicate, 0);
        await using again = await openPlace(place);
        await shipAll(again.shipper);
        assert.equal(again.shipper.counts.inserted, 0);
      },
    );
  }
}

onEachDriver("a batch that is not full is the last one of its turn", async (place) => {
  await writeRecords(place, 1, 7);
  await using database = await openPlace(place, { batchLines: 3 });
  const more = [];
  for (let n = 0; n < 3; n += 1) more.push(await database.shipper.step());
  assert.deepEqual(more, [true, true, false]);
  assert.deepEqual(await shippedIds(database.db), idsBetween(1, 7));
  await writeRecords(place, 8, 8);
  assert.equal(await database.shipper.step(), false, "and what came since is not lost");
  assert.deepEqual(await shippedIds(database.db), idsBetween(1, 8));
});

onEachDriver("batch that is sent again changes nothing", async (place) => {
  await writeRecords(place, 1, 40);
  await using database = await openPlace(place, { batchLines: 7 });
  await shipAll(database.shipper);
  const rows = await database.db.query("SELECT * FROM request_usage ORDER BY request_id");
  await database.db.query("UPDATE usage_journal_offsets SET segment = 1, byte_offset = 0");
  await using again = await openPlace(place, { batchLines: 11 });
  await shipAll(again.shipper);
  assert.deepEqual(again.shipper.counts, { inserted: 0, duplicate: 40, rejected: 0, gaps: 0 });
  assert.deepEqual(await again.db.query("SELECT * FROM request_usage ORDER BY request_id"), rows);
  assert.equal(await countRows(again.db, "request_attempts"), 40);
}, { rotateBytes: 2_000 });

onEachDriver("two shippers on one folder make no duplicate and no gap", async (place) => {
  await writeRecords(place, 1, 60);
  await using one = await openPlace(place, { batchLines: 4, keep: 0 });
  await using two = await openPlace(place, { batchLines: 9, keep: 0 });
  while ([await one.shipper.step(), await two.shipper.step()].includes(true)) {
    await one.shipper.removeShipped();
    await two.shipper.removeShipped();
  }
  assert.deepEqual(await shippedIds(one.db), idsBetween(1, 60));
  const [offset] = await one.db.query("SELECT lines, rejected FROM usage_journal_offsets");
  assert.deepEqual({ ...offset }, { lines: 60n, rejected: 0n });
}, { rotateBytes: 2_000 });

onEachDriver("offset never goes back", async (place) => {
  await writeRecords(place, 1, 10);
  await using slow = await openPlace(place, { batchLines: 2 });
  await slow.shipper.step();
  await using fast = await openPlace(place);
  await shipAll(fast.shipper);
  await slow.shipper.step();
  const [offset] = await slow.db.query("SELECT byte_offset FROM usage_journal_offsets");
  assert.equal(offset?.byte_offset, BigInt(Deno.statSync(place.logging.path).size));
});

onEachDriver(
  "journal that lost its state ships again under a new id, without duplicates",
  async (place) => {
    await writeRecords(place, 1, 10);
    await using first = await openPlace(place);
    await shipAll(first.shipper);
    Deno.removeSync(join(place.folder, "journal", "requests.state"));
    await writeRecords(place, 11, 12);
    await using second = await openPlace(place);
    await shipAll(second.shipper);
    assert.deepEqual(await shippedIds(second.db), idsBetween(1, 12));
    assert.equal(second.shipper.counts.duplicate, 10);
  },
  { rotateBytes: 1_000 },
);

onEachDriver("journal of a writer that is gone is shipped, too", async (place) => {
  await writeRecords(place, 1, 3);
  const folder = join(place.folder, "journal");
  Deno.renameSync(place.logging.path, join(folder, "requests.3.jsonl"));
  await writeRecords(place, 4, 5);
  await using database = await openPlace(place);
  await shipAll(database.shipper);
  assert.deepEqual(await shippedIds(database.db), idsBetween(1, 5));
  const writers = await database.db.query("SELECT writer FROM usage_journal_offsets ORDER BY 1");
  assert.deepEqual(writers.map(({ writer }) => writer), [0n, 3n]);
});

const WRONG_LINES: Readonly<Record<string, string>> = {
  "that does not parse": '{"v":1,"seq":3,"reque',
  "without an id": '{"v":1,"seq":3,"ts":1}',
  "of a newer format": '{"v":2,"seq":3,"request_id":"req_x"}',
  "with text in a number": '{"v":1,"seq":3,"request_id":"req_x","status":"ok"}',
  "with an object": '{"v":1,"seq":3,"request_id":"req_x","client":{"a":1}}',
  "with a flag that is a word": '{"v":1,"seq":3,"request_id":"req_x","stream":true}',
  "with NULL where none may be": '{"v":1,"seq":3,"request_id":"req_x","client":null}',
  "with attempts that are no rows": '{"v":1,"seq":3,"request_id":"req_x","request_attempts":[1]}',
  "of an unknown event": '{"v":1,"seq":3,"table":"schema_migrations","row":{"id":9}}',
  "of zeros": "\0".repeat(50),
};

/** Numbers that callers and providers may say, and what stands for them. */
const NEAREST: readonly (readonly [column: string, said: string, kept: bigint])[] = [
  ["output_tokens", "4294967296", 2_147_483_647n],
  ["output_tokens", "-1e300", -2_147_483_647n],
  ["latency_ms", "1.5", 2n],
  ["total_cost_nusd", "9007199254740993", 9_007_199_254_740_993n],
  ["total_cost_nusd", "1e18", 1_000_000_000_000_000_000n],
  ["total_cost_nusd", "99999999999999999999", 9_007_199_254_740_991n],
];

for (const [column, said, kept] of NEAREST) {
  onEachDriver(`${column} ${said} costs no line: the nearest number is stored`, async (place) => {
    const line = `{"v":1,"seq":1,"request_id":"req_x","${column}":${said}}`;
    await writeRecords(place, 1, 1);
    Deno.writeTextFileSync(place.logging.path, `${line}\n`, { append: true });
    await using database = await openPlace(place);
    await shipAll(database.shipper);
    assert.equal(database.shipper.counts.rejected, 0);
    const sql = `SELECT ${column} AS kept FROM request_usage WHERE request_id = 'req_x'`;
    assert.deepEqual((await database.db.query(sql)).map((row) => BigInt(row.kept!)), [kept]);
  });
}

for (const [name, line] of Object.entries(WRONG_LINES)) {
  onEachDriver(`line ${name} goes to the rejected file, and shipping goes on`, async (place) => {
    await writeRecords(place, 1, 2);
    Deno.writeTextFileSync(place.logging.path, `${line}\n`, { append: true });
    await writeRecords(place, 4, 20);
    await using database = await openPlace(place);
    await shipAll(database.shipper);
    assert.deepEqual(await shippedIds(database.db), [...idsBetween(1, 2), ...idsBetween(4, 20)]);
    assert.equal(database.shipper.counts.rejected, 1);
    assert.deepEqual(linesOf(rejectedPath(place.logging.path)), [line]);
    const [offset] = await database.db.query("SELECT lines, rejected FROM usage_journal_offsets");
    assert.deepEqual({ ...offset }, { lines: 19n, rejected: 1n });
  });
}

onEachDriver("text keeps every character that its database has", async (place) => {
  const text = 'a"b\\c{d},\n\té😀NULL';
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  journal.append(record(1, { client: text, finish_reason: "" }));
  journal.append(record(2, { client: "a\u0000b" }));
  await journal.close();
  await using database = await openPlace(place);
  await shipAll(database.shipper);
  const rows = await database.db.query(
    "SELECT client, finish_reason FROM request_usage ORDER BY request_id",
  );
  assert.deepEqual({ ...rows[0] }, { client: text, finish_reason: "" });
  assert.equal(rows[1]?.client, "a\ufffdb");
});

onEachDriver(
  "names a column list does not know are ignored, and ingested_at is not taken",
  async (place) => {
    await writeRecords(place, 1, 1);
    const line = `{"v":0,"seq":2,"request_id":"${
      requestId(2)
    }","ingested_at":1,"new_thing":{"a":1}}\n`;
    Deno.writeTextFileSync(place.logging.path, line, { append: true });
    await using database = await openPlace(place, { now: () => 5 });
    await shipAll(database.shipper);
    assert.deepEqual(await shippedIds(database.db), idsBetween(1, 2));
    const rows = await database.db.query("SELECT DISTINCT ingested_at AS at FROM request_usage");
    assert.deepEqual(rows.map(({ at }) => at), [5n]);
  },
);

onEachDriver("numbers that are missing between lines are counted", async (place) => {
  await writeRecords(place, 1, 10);
  const lines = linesOf(place.logging.path).filter((_, n) => n < 3 || n > 5);
  Deno.writeTextFileSync(place.logging.path, `${lines.join("\n")}\n`);
  await using database = await openPlace(place);
  await shipAll(database.shipper);
  assert.equal(database.shipper.counts.gaps, 3);
});

onEachDriver(
  "shipped segments are removed beyond those kept, unshipped ones never",
  async (place) => {
    await writeRecords(place, 1, 8);
    await using database = await openPlace(place, { keep: 2, batchLines: 1 });
    const { calls } = journalsOf(place.logging.path);
    const exists = (segment: number) => {
      try {
        return Deno.statSync(closedPath(calls, segment)).isFile;
      } catch {
        return false;
      }
    };
    for (let n = 0; n < 4; n += 1) await database.shipper.step();
    await database.shipper.removeShipped();
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(exists), [
      false,
      false,
      false,
      true,
      true,
      true,
      true,
    ]);
    await shipAll(database.shipper);
    await database.shipper.removeShipped();
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(exists), [
      false,
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
    await writeRecords(place, 9, 12);
    await using again = await openPlace(place);
    await shipAll(again.shipper);
    assert.deepEqual(await shippedIds(again.db), idsBetween(1, 12));
  },
  { rotateBytes: 10 },
);

Deno.test("SQLite that is locked refuses the batch, and takes it later", async () => {
  using place = makePlace();
  await writeRecords(place, 1, 5);
  await using database = await openPlace(place);
  await database.db.query("PRAGMA busy_timeout = 0");
  using other = new DatabaseSync(place.usageDb.path);
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(database.shipper.step(), /locked/);
  other.exec("ROLLBACK");
  await shipAll(database.shipper);
  assert.deepEqual(await shippedIds(database.db), idsBetween(1, 5));
  assert.equal(database.shipper.counts.rejected, 0);
});
