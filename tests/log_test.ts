import assert from "node:assert/strict";
import { createLog, type LogLevel, type LogSettings } from "@/core/log.ts";
import { NOW } from "./builders.ts";

/** A log whose lines a test reads, at a clock it moves. */
function logAt(settings: Partial<LogSettings> = {}) {
  const clock = { now: NOW };
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", ...settings }, {
    now: () => clock.now,
    line: (text) => void lines.push(text),
  });
  return { log, clock, lines, parsed: () => lines.map((line) => JSON.parse(line)) };
}

Deno.test("log writes one JSON object a line", () => {
  const { log, lines } = logAt();
  log.write("warn", "breaker_opened", "Target is failing", { provider: "acme", status: 503 });
  assert.deepEqual(lines, [
    `{"ts":"2026-11-20T12:00:00.000Z","level":"warn","event":"breaker_opened",` +
    `"msg":"Target is failing","provider":"acme","status":503}`,
  ]);
});

Deno.test("log writes readable text when asked", () => {
  const { log, lines } = logAt({ format: "text" });
  log.write("warn", "breaker_opened", "Target is failing", { provider: "acme", status: 503 });
  log.write("error", "call_failed", "Cannot go on");
  assert.deepEqual(lines, [
    "2026-11-20T12:00:00.000Z WARN  Target is failing  provider=acme status=503",
    "2026-11-20T12:00:00.000Z ERROR Cannot go on",
  ]);
});

for (const format of ["json", "text"] as const) {
  Deno.test(`log leaves out fields without a value in ${format}`, () => {
    const { log, lines } = logAt({ format });
    log.write("info", "breaker_opened", "Target is failing", { error: undefined, status: null });
    assert(!lines[0]!.includes("error"));
    assert(lines[0]!.includes("status"));
  });
}

Deno.test("log writes no field that its event does not have", () => {
  const { log, parsed } = logAt();
  const foreign: Record<string, string> = { provider: "acme", prompt: "my secret" };
  log.write("warn", "breaker_opened", "Target is failing", foreign);
  assert.deepEqual(Object.keys(parsed()[0]), ["ts", "level", "event", "msg", "provider"]);
});

Deno.test("log keeps a message with line breaks on one line of JSON", () => {
  const { log, lines } = logAt();
  log.write("info", "config_warning", "first\nsecond");
  assert.equal(lines[0]!.split("\n").length, 1);
});

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

for (const [rank, level] of LEVELS.entries()) {
  Deno.test(`log of level ${level} writes ${LEVELS.slice(rank).join(", ")}`, () => {
    const { log, parsed } = logAt({ level });
    for (const each of LEVELS) log.write(each, "call_settled", "Call is settled");
    assert.deepEqual(parsed().map((line) => line.level), LEVELS.slice(rank));
  });
}

Deno.test("log takes new settings", () => {
  const { log, lines } = logAt();
  log.write("debug", "call_settled", "one");
  log.configure({ level: "debug", format: "text" });
  log.write("debug", "call_settled", "two");
  assert.deepEqual(lines, ["2026-11-20T12:00:00.000Z DEBUG two"]);
});

Deno.test("log writes 10 equal events a second and counts the rest", () => {
  const { log, clock, parsed } = logAt();
  for (let count = 0; count < 25; count++) log.write("warn", "call_failed", "Cannot go on");
  assert.equal(parsed().length, 10);
  assert(parsed().every((line) => !("suppressed" in line)));
  clock.now += 1_000;
  log.write("warn", "call_failed", "Cannot go on");
  log.write("warn", "call_failed", "Cannot go on");
  assert.equal(parsed().length, 12);
  assert.deepEqual(parsed().slice(10).map((line) => line.suppressed), [15, undefined]);
});

Deno.test("log carries what it suppressed over quiet seconds", () => {
  const { log, clock, parsed } = logAt();
  for (let count = 0; count < 11; count++) log.write("warn", "call_failed", "Cannot go on");
  clock.now += 3_600_000;
  log.write("warn", "call_failed", "Cannot go on");
  assert.equal(parsed().at(-1).suppressed, 1);
});

Deno.test("log suppresses one event and not another", () => {
  const { log, parsed } = logAt();
  for (let count = 0; count < 11; count++) log.write("warn", "call_failed", "Cannot go on");
  log.write("warn", "breaker_opened", "Target is failing");
  assert.equal(parsed().at(-1).event, "breaker_opened");
});

Deno.test("log counts no line that its level drops", () => {
  const { log, parsed } = logAt();
  for (let count = 0; count < 100; count++) log.write("debug", "call_settled", "Call is settled");
  log.configure({ level: "debug", format: "json" });
  log.write("debug", "call_settled", "Call is settled");
  assert.deepEqual(parsed().map((line) => "suppressed" in line), [false]);
});

Deno.test("a console that is full does not end what was about to be logged", async () => {
  const module = new URL("../core/log.ts", import.meta.url).href;
  const code = `import { printError } from "${module}"; printError("lost"); Deno.exit(7);`;
  const { code: exit } = await new Deno.Command("sh", {
    args: ["-c", `exec "$0" eval "$1" 2>/dev/full`, Deno.execPath(), code],
  }).output();
  assert.equal(exit, 7);
});
