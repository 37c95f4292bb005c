import assert from "node:assert/strict";
import type { Log } from "@/core/log.ts";
import { Slot } from "@/core/workers/slot.ts";
import { WorkerProcess } from "@/core/workers/worker_process.ts";
import { until } from "./until.ts";

/** A worker that says once that it lives, and then only answers what it is asked first. */
const SILENT = `
console.log('{"t":"q","m":"alive","a":[[{"type":"counter"}]]}');
for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  console.log(JSON.stringify({ t: "s", i: JSON.parse(line).i, r: "http://here" }));
}
`;

/** A worker that serves and ends. */
const BRIEF = `
for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  console.log(JSON.stringify({ t: "s", i: JSON.parse(line).i, r: "http://here" }));
  Deno.exit(0);
}
`;

/** A worker that never serves, and ends when it is told to stop. */
const STOPPED = `
for await (const lines of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  if (lines.includes('"stop"')) Deno.exit(0);
}
`;

const commandOf = (script: string) =>
  new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    stdin: "piped",
    stdout: "piped",
  });

const DESK = {
  counts: () => Promise.resolve([]),
  totals: () => Promise.reject(new Error("Cannot add up: there is no database")),
};

const START = {
  worker: 0,
  path: "",
  listen: "",
  first: {},
  latest: {},
  steady: 0,
  shipping: null,
};

Deno.test("worker that comes up may be silent for long, one that serves may not", async () => {
  const process = new WorkerProcess(commandOf(SILENT), DESK);
  await until(() => process.counts.length > 0);
  for (let beats = 0; beats < 20; beats++) process.beat();
  assert.equal(await process.start(START), "http://here");
  for (let beats = 0; beats < 4; beats++) process.beat();
  assert.equal((await process.ended).signal, "SIGKILL");
});

Deno.test("worker that was to end before it served is no worker that could not start", async () => {
  const told: string[] = [];
  const begun = Promise.withResolvers<void>();
  const log: Log = { configure() {}, write: (_level, _event, words) => void told.push(words) };
  let starts = 0;
  const slot = new Slot({
    worker: 0,
    desk: DESK,
    log,
    clock: () => performance.now(),
    command: () => commandOf((starts += 1) === 1 ? BRIEF : STOPPED),
    start() {
      if (starts === 2) begun.resolve();
      return START;
    },
    onEnd() {},
  });
  await slot.start();
  await begun.promise;
  await slot.stop();
  assert.deepEqual(told, ["A worker serves", "A worker ended and is replaced"]);
});
