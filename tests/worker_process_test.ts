import assert from "node:assert/strict";
import { WorkerProcess } from "@/core/workers/worker_process.ts";
import { until } from "./until.ts";

/** A worker that says once that it lives, and then only answers what it is asked first. */
const SILENT = `
console.log('{"t":"q","m":"alive","a":[[{"type":"counter"}]]}');
for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  console.log(JSON.stringify({ t: "s", i: JSON.parse(line).i, r: "http://here" }));
}
`;

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
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", SILENT],
    stdin: "piped",
    stdout: "piped",
  });
  const process = new WorkerProcess(command, {
    counts: () => Promise.resolve([]),
    totals: () => Promise.reject(new Error("Cannot add up: there is no database")),
  });
  await until(() => process.counts.length > 0);
  for (let beats = 0; beats < 20; beats++) process.beat();
  assert.equal(await process.start(START), "http://here");
  for (let beats = 0; beats < 4; beats++) process.beat();
  assert.equal((await process.ended).signal, "SIGKILL");
});
