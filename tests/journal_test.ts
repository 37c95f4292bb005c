import assert from "node:assert/strict";
import { join } from "node:path";
import type { DecisionRecord } from "../core/record.ts";
import { type AppendFile, openAppendFile } from "../storage/append_file.ts";
import { openJournal } from "../storage/journal.ts";
import { readState } from "../storage/journal_folder.ts";
import { journalsOf } from "../storage/journal_folder.ts";
import { linesOf, makePlace, type Place, record, requestId } from "./storage_fixture.ts";
import { until } from "./until.ts";

function open(place: Place, changes: Partial<Parameters<typeof openJournal>[1]> = {}) {
  return openJournal(place.logging, {
    log: place.log,
    now: Date.now,
    shipped: true,
    retryMs: 5,
    ...changes,
  });
}

const files = (place: Place) =>
  [...Deno.readDirSync(join(place.folder, "journal"))].map(({ name }) => name).toSorted();

/** A disk that can be told to fail: `room` bytes are left, and without room nothing may be cut off. */
function faultyDisk({ truncates = true } = {}) {
  const disk = { room: Infinity };
  const openFile = (path: string): AppendFile => {
    const file = openAppendFile(path);
    return {
      ...file,
      write(bytes) {
        if (disk.room <= 0) throw Object.assign(new Error("No space left"), { code: "ENOSPC" });
        const written = file.write(bytes.subarray(0, Math.min(bytes.length, disk.room)));
        disk.room -= written;
        return written;
      },
      truncate(size) {
        if (!truncates && disk.room <= 0) throw new Error("Input/output error");
        file.truncate(size);
      },
    };
  };
  return { disk, openFile };
}

Deno.test("journal writes one line per call, numbered, without what is at its default", async () => {
  using place = makePlace();
  const journal = open(place);
  assert.equal(journal.append(record(1)), undefined);
  journal.append({ ...record(2), attempts: [], errors: [{ error_type: "quota", ts: 5 }] });
  await journal.close();

  const [first, second] = linesOf(place.logging.path).map((line) => JSON.parse(line));
  assert.equal(first.v, 1);
  assert.equal(first.seq, 1);
  assert.equal(first.total_cost_nusd, 1000);
  assert.deepEqual(first.request_attempts[0].provider, "local");
  assert(!("request_errors" in first));
  assert.equal(second.seq, 2);
  assert(!("request_attempts" in second));
  assert.deepEqual(second.request_errors, [{ error_type: "quota", ts: 5 }]);
});

Deno.test("journal keeps every digit of an integer and every character of a text", async () => {
  using place = makePlace();
  const journal = open(place);
  const text = 'a"b\\c\n\u0000é😀\ud800';
  journal.append(record(1, { total_cost_nusd: 9_007_199_254_740_993n, client: text }));
  await journal.close();
  const [line] = linesOf(place.logging.path);
  assert.match(line!, /"total_cost_nusd":9007199254740993,?/);
  assert.equal(JSON.parse(line!).client, text);
});

Deno.test("journal files are for their owner only", async () => {
  using place = makePlace();
  const journal = open(place);
  journal.append(record(1));
  await journal.close();
  assert.equal(Deno.statSync(join(place.folder, "journal")).mode! & 0o777, 0o700);
  for (const name of files(place)) {
    assert.equal(Deno.statSync(join(place.folder, "journal", name)).mode! & 0o777, 0o600, name);
  }
});

Deno.test("journal of another gateway is refused", async () => {
  using place = makePlace();
  const journal = open(place);
  assert.throws(() => open(place), /another gateway writes it/);
  await journal.close();
  await open(place).close();
});

Deno.test("journal goes on with the next number after a restart", async () => {
  using place = makePlace({ rotateBytes: 600 });
  for (let run = 0; run < 3; run += 1) {
    const journal = open(place);
    journal.append(record(run * 2));
    journal.append(record(run * 2 + 1));
    await journal.close();
  }
  const lines = files(place).filter((name) => /^requests.*\.jsonl$/.test(name))
    .flatMap((name) => linesOf(join(place.folder, "journal", name)));
  assert.deepEqual(lines.map((line) => JSON.parse(line).seq), [1, 2, 3, 4, 5, 6]);
});

Deno.test("journal repairs a last line cut at any byte", async () => {
  using place = makePlace();
  const journal = open(place);
  journal.append(record(1, { client: "é😀" }));
  journal.append(record(2, { client: "é😀" }));
  await journal.close();
  const whole = Deno.readFileSync(place.logging.path);
  const firstEnd = whole.indexOf(10) + 1;

  for (let cut = firstEnd; cut <= whole.length; cut += 1) {
    Deno.writeFileSync(place.logging.path, whole.subarray(0, cut));
    place.events.length = 0;
    const again = open(place);
    again.append(record(3));
    await again.close();
    const ids = linesOf(place.logging.path).map((line) => JSON.parse(line).request_id);
    const kept = cut >= whole.length - 1;
    assert.deepEqual(ids, [1, ...kept ? [2] : [], 3].map(requestId), `cut at ${cut}`);
    const torn = cut > firstEnd && !kept;
    assert.equal(place.events.includes("journal_torn"), torn, `cut at ${cut}`);
  }
  assert(files(place).some((name) => name.startsWith("requests.jsonl.torn.")));
});

Deno.test("journal rotates at its size and counts segments up", async () => {
  using place = makePlace({ rotateBytes: 1_000 });
  const journal = open(place);
  for (let n = 1; n <= 7; n += 1) journal.append(record(n));
  await journal.close();
  const closed = files(place).filter((name) => /^requests\.\d{8}\.jsonl$/.test(name));
  assert.deepEqual(closed, [
    "requests.00000001.jsonl",
    "requests.00000002.jsonl",
    "requests.00000003.jsonl",
  ]);
  assert.equal(readState(journalsOf(place.logging.path).calls)?.segment, 4);
});

Deno.test("journal that is not shipped keeps the newest segments only", async () => {
  using place = makePlace({ rotateBytes: 10, keep: 2 });
  const journal = open(place, { shipped: false });
  for (let n = 1; n <= 6; n += 1) journal.append(record(n));
  await journal.close();
  const closed = files(place).filter((name) => /^requests\.\d{8}\.jsonl$/.test(name));
  assert.deepEqual(closed, ["requests.00000004.jsonl", "requests.00000005.jsonl"]);
});

Deno.test("journal without its state begins under a new id behind the closed segments", async () => {
  using place = makePlace({ rotateBytes: 10 });
  const { calls } = journalsOf(place.logging.path);
  const journal = open(place);
  for (let n = 1; n <= 3; n += 1) journal.append(record(n));
  await journal.close();
  const before = readState(calls)!;
  Deno.writeTextFileSync(join(place.folder, "journal", "requests.state"), "{");
  await open(place).close();
  const after = readState(calls)!;
  assert.notEqual(after.journalId, before.journalId);
  assert.match(after.journalId, /^jrn_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  assert.equal(after.segment, 3);
});

for (const room of [0, 1, 57, 200]) {
  for (const truncates of [true, false]) {
    const disk = `a disk with ${room} bytes left${truncates ? "" : " that cannot truncate"}`;
    Deno.test(`journal on ${disk} holds lines, then writes them in order`, async () => {
      using place = makePlace();
      const { disk, openFile } = faultyDisk({ truncates });
      const journal = open(place, { openFile });
      journal.append(record(1));
      disk.room = room;
      const waits = [2, 3].map((n) => journal.append(record(n)));
      assert.equal(journal.state, "write-failed");
      assert(place.events.includes("journal_write_failed"));
      disk.room = Infinity;
      await Promise.all(waits);
      assert.equal(journal.state, "ok");
      assert(place.events.includes("journal_recovered"));
      journal.append(record(4));
      await journal.close();
      const ids = linesOf(place.logging.path).map((line) => JSON.parse(line).request_id);
      assert.deepEqual(ids, [1, 2, 3, 4].map(requestId));
      assert.equal(journal.counts.lost, 0);
    });
  }
}

Deno.test("finishing call waits at most a second for a line that cannot be written", async () => {
  using place = makePlace();
  const { disk, openFile } = faultyDisk();
  const journal = open(place, { openFile });
  disk.room = 0;
  const began = performance.now();
  await journal.append(record(1));
  const waited = performance.now() - began;
  assert(waited > 900 && waited < 2_000, `waited ${waited} ms`);
  await journal.close();
  assert.equal(journal.counts.lost, 1);
});

Deno.test("journal counts the lines that fit neither disk nor memory", async () => {
  using place = makePlace();
  const { disk, openFile } = faultyDisk();
  const journal = open(place, { openFile, retryMs: 60_000 });
  disk.room = 0;
  const big = record(1, { client: "x".repeat(200_000) });
  for (let n = 0; n < 340; n += 1) journal.append(big);
  assert(journal.counts.lost > 0 && journal.counts.lost < 20, `lost ${journal.counts.lost}`);
  disk.room = Infinity;
  const lost = journal.counts.lost;
  await journal.close();
  assert.equal(linesOf(place.logging.path).length, 340 - lost);
});

Deno.test("journal on a device that is full says so", async () => {
  using place = makePlace();
  let path = "/dev/full";
  const journal = open(place, {
    openFile: (real) => {
      const file = openAppendFile(real.endsWith("requests.jsonl") ? path : real);
      return path === real ? file : { ...file, size: () => 0, truncate() {} };
    },
  });
  const written = journal.append(record(1));
  assert.equal(journal.state, "write-failed");
  path = place.logging.path;
  await written;
  assert.equal(journal.state, "ok");
  await journal.close();
  assert.equal(linesOf(place.logging.path).length, 1);
});

Deno.test("journal whose folder was taken away is written again when it is back", async () => {
  using place = makePlace({ rotateBytes: 10 });
  const folder = join(place.folder, "journal");
  const journal = open(place);
  journal.append(record(1));
  Deno.renameSync(folder, `${folder}.away`);
  const written = journal.append(record(2));
  assert.equal(journal.state, "write-failed");
  Deno.renameSync(`${folder}.away`, folder);
  await written;
  await until(() => journal.state === "ok");
  await journal.close();
  const ids = [join(folder, "requests.00000001.jsonl"), place.logging.path]
    .flatMap(linesOf).map((line) => JSON.parse(line).request_id);
  assert.deepEqual(ids, [1, 2].map(requestId));
});

Deno.test("journal under fsync call is durable when the promise ends, one sync for many", async () => {
  using place = makePlace({ fsync: "call" });
  let syncs = 0;
  const journal = open(place, {
    openFile: (path) => {
      const file = openAppendFile(path);
      return { ...file, syncLater: () => file.syncLater().then(() => void (syncs += 1)) };
    },
  });
  await Promise.all(Array.from({ length: 100 }, (_, n) => journal.append(record(n))));
  assert.equal(syncs, 1);
  await journal.append(record(100));
  assert.equal(syncs, 2);
  await journal.close();
});

Deno.test("journal is full past its unshipped bytes, and only when told to refuse", async () => {
  using place = makePlace({ maxUnshippedBytes: 1_000 });
  const journal = open(place);
  journal.setUnshipped(600);
  assert.equal(journal.state, "ok");
  journal.append(record(5));
  assert.equal(journal.state, "full");
  journal.configure({ maxUnshippedBytes: 1_000, onFull: "warn" });
  assert.equal(journal.state, "ok");
  journal.configure({ maxUnshippedBytes: 0, onFull: "refuse" });
  assert.equal(journal.state, "ok");
  await journal.close();
});

Deno.test("journal cuts a line past 256 KiB and says so", async () => {
  using place = makePlace();
  const journal = open(place);
  const attempts = Array.from({ length: 900 }, (_, attempt_index) => ({
    attempt_index,
    error_message: "x".repeat(1_000),
  }));
  journal.append({ ...record(1), attempts });
  journal.append(record(2));
  await journal.close();
  const [first, second] = linesOf(place.logging.path).map((line) => JSON.parse(line));
  assert.equal(first.truncated, 1);
  assert.equal(first.input_tokens, 101);
  assert.equal(first.request_attempts.length, 16);
  assert.equal(second.seq, 2);
});

Deno.test("security events go to a journal of their own", async () => {
  using place = makePlace();
  const journal = open(place);
  journal.appendSecurityEvent({ id: "sec_1", ts: 7, outcome: "denied" });
  await journal.close();
  const [line] = linesOf(join(place.folder, "journal", "events.jsonl"));
  assert.deepEqual(JSON.parse(line!), {
    v: 1,
    seq: 1,
    table: "security_access_events",
    row: { id: "sec_1", ts: 7, outcome: "denied" },
  });
});

/** A decision of the nth call. */
function decision(n: number): DecisionRecord {
  return { requestId: requestId(n), ts: n, rows: { request_routing_decisions: [{ arm: "base" }] } };
}

function decisionsIn(place: Place): readonly string[] {
  return linesOf(join(place.folder, "journal", "events.jsonl")).map((line) => {
    const { seq, decision, row } = JSON.parse(line);
    return `${seq} ${decision ?? row.id}`;
  });
}

Deno.test("decisions of one turn are written at once, before what comes after them", async () => {
  using place = makePlace();
  const writes: string[] = [];
  const openFile = (path: string): AppendFile => {
    const file = openAppendFile(path);
    const write = (bytes: Uint8Array) => {
      writes.push(new TextDecoder().decode(bytes));
      return file.write(bytes);
    };
    return { ...file, write };
  };
  const journal = open(place, { openFile });
  [1, 2, 3].forEach((n) => journal.appendDecision(decision(n)));
  assert.equal(writes.length, 0);
  await Promise.resolve();
  assert.deepEqual(writes.map((text) => text.split("\n").length - 1), [3]);
  journal.appendDecision(decision(4));
  journal.appendSecurityEvent({ id: "sae_5", ts: 5 });
  assert.equal(writes.length, 3);
  journal.appendDecision(decision(6));
  await journal.close();
  const ids = [1, 2, 3, 4].map((n) => `${n} ${requestId(n)}`);
  assert.deepEqual(decisionsIn(place), [...ids, "5 sae_5", `6 ${requestId(6)}`]);
  assert.equal(journal.counts.lost, 0);
});

Deno.test("decisions that a disk takes a part of are held, and written line by line", async () => {
  using place = makePlace();
  const { disk, openFile } = faultyDisk();
  const journal = open(place, { openFile });
  disk.room = 150;
  [1, 2, 3].forEach((n) => journal.appendDecision(decision(n)));
  await Promise.resolve();
  assert(place.events.includes("journal_write_failed"));
  assert.deepEqual(decisionsIn(place), []);
  disk.room = Infinity;
  await journal.close();
  assert.deepEqual(decisionsIn(place), [1, 2, 3].map((n) => `${n} ${requestId(n)}`));
  assert.equal(journal.counts.lost, 0);
});
