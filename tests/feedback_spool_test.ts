import assert from "node:assert/strict";
import { join } from "node:path";
import type { Spool } from "@/core/spool.ts";
import { feedbackSpools } from "@/storage/feedback_spool.ts";

const MAX = 1 << 20;

/** A folder of its own, and its spools. */
async function folder() {
  const dir = await Deno.makeTempDir();
  return {
    dir,
    open: (group = "fast", writer = 0, writers = 2) =>
      feedbackSpools(join(dir, "journal", "requests.jsonl"), writer, writers)(group),
    files: () => [...Deno.readDirSync(join(dir, "journal"))].map(({ name }) => name).sort(),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/** Takes everything that waits. */
function drain(spool: Spool): string[] {
  const texts: string[] = [];
  for (let line = spool.first(); line; line = spool.first()) {
    texts.push(line.text);
    spool.remove(line);
  }
  return texts;
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `{"n":${from + index}}`);

Deno.test("spool gives lines in their order, also those of an earlier process", async () => {
  await using place = await folder();
  {
    using spool = place.open();
    for (const line of numbered(0, 5)) spool.append(line, MAX);
    const first = spool.first();
    assert.equal(first?.text, '{"n":0}');
    spool.remove(first);
    spool.remove(first);
  }
  using spool = place.open();
  assert.equal(spool.bytes, 4 * 8);
  spool.append('{"n":5}', MAX);
  assert.deepEqual(drain(spool), numbered(1, 6));
  assert.equal(spool.bytes, 0);
  assert.equal(spool.dropped, 0);
});

Deno.test("spool drops the oldest lines when there is no place, and counts them", async () => {
  await using place = await folder();
  using spool = place.open();
  for (const line of numbered(0, 9)) spool.append(line, 40);
  assert.equal(spool.dropped, 4);
  assert.equal(spool.bytes, 40);
  const first = spool.first()!;
  spool.append('{"n":9}', 40);
  assert.equal(spool.dropped, 5);
  spool.remove(first);
  assert.deepEqual(drain(spool), numbered(5, 10));
  spool.append("x".repeat(41), 40);
  assert.equal(spool.dropped, 6);
});

Deno.test("spool removes what is delivered from the disk", async () => {
  await using place = await folder();
  using spool = place.open();
  const line = "y".repeat(1 << 18);
  for (let count = 0; count < 12; count++) spool.append(line, 1 << 24);
  assert.deepEqual(place.files(), [
    "feedback.0.fast.00000001.jsonl",
    "feedback.0.fast.00000002.jsonl",
    "feedback.0.fast.00000003.jsonl",
    "feedback.0.fast.offset",
  ]);
  assert.equal(drain(spool).length, 12);
  assert.deepEqual(place.files(), ["feedback.0.fast.00000003.jsonl", "feedback.0.fast.offset"]);
  spool.append("{}", MAX);
  assert.deepEqual(drain(spool), ["{}"]);
});

Deno.test("spool goes on behind a torn line, and with the oldest when its offset cannot be read", async () => {
  await using place = await folder();
  {
    using spool = place.open();
    for (const line of numbered(0, 3)) spool.append(line, MAX);
    spool.remove(spool.first()!);
  }
  const journal = join(place.dir, "journal");
  Deno.writeTextFileSync(join(journal, "feedback.0.fast.00000001.jsonl"), '{"n":', {
    append: true,
  });
  {
    using spool = place.open();
    spool.append('{"n":3}', MAX);
    assert.deepEqual(drain(spool), numbered(1, 4));
  }
  Deno.writeTextFileSync(join(journal, "feedback.0.fast.offset"), "broken");
  {
    using spool = place.open();
    assert.deepEqual(drain(spool), numbered(0, 4));
  }
  Deno.truncateSync(join(journal, "feedback.0.fast.00000001.jsonl"), 8);
  using spool = place.open();
  spool.append('{"n":8}', MAX);
  assert.deepEqual(drain(spool), ['{"n":8}']);
});

Deno.test("spools of groups and of processes do not mix, whatever the groups are called", async () => {
  await using place = await folder();
  using first = place.open("team/fast");
  using second = place.open("team");
  using third = place.open("team.00000001");
  using fourth = place.open("team", 1);
  const spools = [first, second, third, fourth];
  spools.forEach((spool, index) => spool.append(String(index), MAX));
  assert.deepEqual(spools.map(drain), [["0"], ["1"], ["2"], ["3"]]);
});

Deno.test("spool takes over what processes left that are no more", async () => {
  await using place = await folder();
  for (const writer of [0, 1, 2]) {
    using spool = place.open("gpt-4.1", writer, 3);
    for (const line of numbered(10 * writer, 10 * writer + 3)) spool.append(line, MAX);
    if (writer > 0) spool.remove(spool.first()!);
  }
  {
    using other = place.open("gpt-4", 2, 3);
    other.append('{"n":99}', MAX);
  }
  using second = place.open("gpt-4.1", 1, 2);
  using first = place.open("gpt-4.1", 0, 2);
  assert.equal(first.bytes, 3 * 8 + 2 * 9);
  assert.deepEqual(drain(first), [...numbered(0, 3), ...numbered(21, 23)]);
  assert.deepEqual(drain(second), numbered(11, 13));
  assert.deepEqual(place.files().filter((name) => name.startsWith("feedback.2.gpt-4.1")), []);
  using alone = place.open("gpt-4", 0, 1);
  assert.deepEqual(drain(alone), ['{"n":99}']);
});
