import assert from "node:assert/strict";
import {
  caller,
  databaseRows,
  DIALECTS,
  ECHO,
  journalRows,
  testConfig,
  TOKEN,
  writeConfig,
} from "../gateway.ts";
import { assertError, assertErrorFrame } from "../gateway_answers.ts";
import { call, readAnswer, send } from "../gateway_client.ts";
import { makeFolder, runServe, spawnGateway } from "../gateway_process.ts";
import { connectRaw, requestHead } from "../gateway_raw.ts";
import { partial, sampleReply, startUpstream } from "../upstream.ts";
import { gated, upToContent } from "./behaviours.ts";

const decoder = new TextDecoder();

Deno.test("gateway lets a stream end within the grace after SIGTERM", async () => {
  const stream = await sampleReply("openai-chat", { stream: true });
  const release = Promise.withResolvers<void>();
  const begun = new TextEncoder().encode(upToContent(stream)).length;
  await using upstream = await startUpstream(gated(stream, begun, release.promise));
  await using folder = await makeFolder({ upstreams: [upstream.url] });
  await using gateway = await spawnGateway(folder.dir);
  const response = await send(gateway.url, "openai-chat", {
    stream: true,
    body: { stream_options: { include_usage: true } },
  });
  gateway.kill("SIGTERM");
  await gateway.said(/"event":"drain_started".*"calls":1/);
  await assert.rejects(fetch(`${gateway.url}/healthz`), "nobody new gets in");
  release.resolve();
  assert.equal((await readAnswer(response)).text, decoder.decode(stream));
  assert.equal(await gateway.ended, 0);
  assert.deepEqual(databaseRows(folder.dir).map(({ status }) => status), [200]);
});

for (const dialect of DIALECTS) {
  Deno.test(`gateway ends an ${dialect} stream with an error after the grace`, async () => {
    const opening = upToContent(await sampleReply(dialect, { stream: true }));
    await using upstream = await startUpstream(partial(opening, "silence"));
    const server = { shutdown_grace_ms: 200 };
    await using folder = await makeFolder({ upstreams: [upstream.url], server });
    await using gateway = await spawnGateway(folder.dir);
    const response = await send(gateway.url, dialect, { stream: true });
    gateway.kill("SIGTERM");
    const answer = await readAnswer(response);
    assertErrorFrame(dialect, answer.text, { type: "shutting-down", id: answer.id });
    assert.equal(await gateway.ended, 0);
    assert.equal(await upstream.requests[0]?.ended, "aborted");
    const [row] = databaseRows(folder.dir);
    assert.deepEqual([row?.["status"], row?.["error"]], [503, "shutting-down"]);
  });
}

Deno.test("gateway leaves a record of a call whose body is still on the way after the grace", async () => {
  await using folder = await makeFolder({ ...ECHO, server: { shutdown_grace_ms: 50 } });
  await using gateway = await spawnGateway(folder.dir);
  using connection = await connectRaw(gateway.url);
  const headers = { "x-api-key": TOKEN, "content-length": "1000" };
  await connection.write(requestHead("POST /v1/messages", headers) + '{"model":');
  assert.equal((await call(gateway.url, "anthropic", {})).status, 200);
  gateway.kill("SIGTERM");
  await gateway.said(/"event":"drain_started".*"calls":1/);
  assert.equal(await gateway.ended, 0);
  const [cut, good] = databaseRows(folder.dir).map(({ status }) => status);
  // The server may end the connection before the grace is over; then the caller seems to have left.
  assert([499, 503].includes(cut), `status ${cut}`);
  assert.equal(good, 200);
});

Deno.test("gateway reloads on SIGHUP and on a changed file, and keeps what works", async () => {
  await using folder = await makeFolder(ECHO);
  await using gateway = await spawnGateway(folder.dir);
  const status = async (model: string) =>
    (await call(gateway.url, "openai-chat", { body: { model } })).status;
  assert.deepEqual([await status("fast"), await status("more")], [200, 403]);
  writeConfig(folder.dir, withGroups("more"));
  gateway.kill("SIGHUP");
  await gateway.said(/config_reloaded/);
  assert.deepEqual([await status("fast"), await status("more")], [200, 200]);
  Deno.writeTextFileSync(`${folder.dir}/config.yaml`, "providers: {}\nmodles: {}\n");
  await gateway.said(/config_rejected.*modles.*did you mean/);
  assert.deepEqual([await status("fast"), await status("more")], [200, 200]);
  const reloads = gateway.output().match(/config_reloaded/g)!.length;
  writeConfig(folder.dir, withGroups("more", "most"));
  await gateway.said(new RegExp(`(config_reloaded[^]*){${reloads + 1}}`));
  assert.deepEqual([await status("more"), await status("most")], [200, 200]);
});

/** The configuration with more groups, which the caller may use. */
function withGroups(...names: readonly string[]) {
  const target = { provider: "openai-chat", model: "echo" };
  return testConfig({
    ...ECHO,
    models: Object.fromEntries(names.map((name) => [name, { targets: [target] }])),
    callers: [caller("ci", TOKEN, { allow: ["fast", ...names] })],
  });
}

Deno.test("gateway refuses calls while its journal cannot be written, then goes on", async () => {
  await using folder = await makeFolder(ECHO);
  await using gateway = await spawnGateway(folder.dir);
  const calls = [await call(gateway.url, "anthropic")];
  const written = Deno.statSync(`${folder.dir}/state/journal/requests.jsonl`).size;
  await limitFileSize(gateway.pid, `${written + 100}`);
  calls.push(await call(gateway.url, "anthropic"));
  assert.equal(calls.at(-1)?.status, 200, "a call that has begun ends well");
  const refused = await call(gateway.url, "anthropic");
  calls.push(refused);
  assertError("anthropic", refused, "journal-unavailable");
  assert.equal(refused.headers.get("retry-after"), "5");
  const unready = await fetch(`${gateway.url}/readyz`);
  const { checks } = await unready.json();
  assert.equal(unready.status, 503);
  const journal = checks.find(({ name }: { name: string }) => name === "journal");
  assert.deepEqual([journal.ok, journal.code], [false, "write-failed"]);
  await gateway.said(/"journal_write_failed".*"reason":"Cannot write a whole line: the disk/);
  await limitFileSize(gateway.pid, "unlimited");
  await gateway.said(/journal_recovered/);
  const ready = await fetch(`${gateway.url}/readyz`);
  assert.equal((await ready.json()).status, "ready");
  calls.push(await call(gateway.url, "anthropic"));
  gateway.kill("SIGTERM");
  assert.equal(await gateway.ended, 0);
  const ids = calls.map(({ id }) => id);
  for (const rows of [journalRows(folder.dir), databaseRows(folder.dir)]) {
    assert.deepEqual(rows.map(({ request_id }) => request_id).toSorted(), ids.toSorted());
  }
});

/** Sets the largest file a process may write; its hard limit stays. */
async function limitFileSize(pid: number, bytes: string): Promise<void> {
  const args = ["--pid", String(pid), `--fsize=${bytes}:unlimited`];
  assert.equal((await new Deno.Command("prlimit", { args }).output()).code, 0);
}

Deno.test("gateway does not start beside another one with the same state", async () => {
  await using folder = await makeFolder(ECHO);
  await using gateway = await spawnGateway(folder.dir);
  const second = await runServe(folder.dir);
  assert.equal(second.code, 1);
  assert.match(second.output, /another gateway uses it; .*state_path/);
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
});

Deno.test("gateway does not start on a port that is taken, and says so", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  await using folder = await makeFolder({ ...ECHO, server: { listen: `127.0.0.1:${port}` } });
  const { code, output } = await runServe(folder.dir);
  assert.equal(code, 1);
  assert.match(
    output,
    new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port}.*in use.*server.listen`),
  );
  assert.doesNotMatch(output, /\n {4}at /, "a stack tells an operator nothing");
});
