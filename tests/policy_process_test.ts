import assert from "node:assert/strict";
import { childrenOf, policyCode, startHost } from "./policy_support.ts";
import { until } from "./until.ts";

/** What a process has open: the same files, pipes and sockets give the same texts. */
function openOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(folder)].flatMap(({ name }) => {
    try {
      return Deno.readLinkSync(`${folder}/${name}`);
    } catch {
      // It looked at its memory, and was done.
      return [];
    }
  }).filter((target) => target !== `/proc/${pid}/statm`).sort();
}

/**
 * Whether the main thread is done with its start, while another one may decide already: the last that the
 * runtime opens is for the thread that waits for signals, which has the name of the process.
 */
function hasStarted(pid: number): boolean {
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)];
  const names = threads.map(({ name }) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${name}/comm`).trim()
  );
  return names.filter((name) => name === names[0]).length === 2;
}

const TRIES = policyCode(`
  if (ctx.tries === 1) return import("node:fs");
  if (ctx.tries === 2) return import("https://localhost/");
  if (ctx.tries === 3) return fetch("http://127.0.0.1:1/");
  if (ctx.tries === 4) return new Deno.Command("true").outputSync();
  if (ctx.tries === 5) throw new Error("5");
  return { targetIndex: 0 };`);

Deno.test("policy host opens nothing and starts nothing once it decides", async () => {
  await using test = await startHost(TRIES, { timeoutMs: 1_000 });
  const pid = test.host.pid!;
  await test.decide();
  await until(() => hasStarted(pid));
  const before = openOf(pid);
  // More than 200: a second realm decides, too.
  for (let round = 0; round < 250; round++) await test.decide({ tries: round % 6 });
  assert(test.host.alive);
  assert.deepEqual(openOf(pid), before);
  assert.deepEqual([...childrenOf(pid)], []);
});

Deno.test("policy host is started with one permission, and without an environment", async () => {
  await using test = await startHost(TRIES);
  const read = (name: string) =>
    Deno.readTextFileSync(`/proc/${test.host.pid}/${name}`).split("\0").filter(Boolean);
  const allowed = read("cmdline").filter((argument) => /^(-A|--allow|--unsafe)/.test(argument));
  assert.equal(allowed.length, 1);
  assert.match(allowed[0]!, /^--allow-read=\/.*\/policies\/sandbox\/$/);
  assert(read("cmdline").includes("--no-prompt") && read("cmdline").includes("--no-remote"));
  const names = read("environ").map((entry) => entry.split("=")[0]);
  assert.deepEqual(names.sort(), ["DENO_NO_UPDATE_CHECK", "DENO_V8_FLAGS", "TZ"]);
});
