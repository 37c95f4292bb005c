import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { caller, type ConfigOptions, type ConfigTree, type Loose, TOKEN } from "../gateway.ts";
import { startTestGateway } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { makeFolder, spawnGateway } from "../gateway_process.ts";
import { until } from "../until.ts";
import { hang, reply, type SeenRequest, startUpstream } from "../upstream.ts";

const TARGETS = ["echo-reasoning", "echo"].map((model) => ({
  provider: "echo",
  model,
  input_price_per_million_usd: 1,
  output_price_per_million_usd: 2,
}));

/** A gateway whose group `asked` asks one server and tells another what became of its calls. */
function telling(policy: string, receiver: string, feedback: ConfigTree = {}): ConfigOptions {
  return {
    upstreams: [],
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    group: { targets: TARGETS },
    models: {
      asked: {
        strategy: "external",
        external_policy: {
          url: `${policy}/decide`,
          allow_hosts: ["127.0.0.1"],
          timeout_ms: 5_000,
          headers: { "x-team": "platform" },
          feedback: {
            enabled: true,
            url: `${receiver}/outcomes`,
            retry_backoff_ms: 10,
            ...feedback,
          },
        },
        targets: TARGETS,
      },
    },
    callers: [caller("ci", TOKEN, { allow: ["fast", "asked"] })],
  };
}

const DECIDES = reply({ targetIndex: 1, fallbackIndexes: [], classLabel: "small" });

const ask = ({ url }: { url: string }, body: ConfigTree = {}) =>
  call(url, "openai-chat", { body: { model: "asked", ...body } });

const idOf = (request: SeenRequest) => request.json()["requestId"];

Deno.test("policy is told what became of a call, in one line", async () => {
  await using policy = await startUpstream(DECIDES);
  await using receiver = await startUpstream(reply("", { status: 204 }));
  await using gateway = await startTestGateway(telling(policy.url, receiver.url));
  const answer = await ask(gateway);
  const told = await receiver.request(1);
  assert.equal(`${told.method} ${told.path}`, "POST /outcomes");
  assert.equal(told.headers.get("x-team"), "platform");
  const { latencyMs, ttfbMs, completedAt, conversationKey, ...line }: Loose = told.json();
  for (const number of [latencyMs, ttfbMs, completedAt]) assert(Number.isSafeInteger(number));
  assert.match(conversationKey, /^ck_[0-9a-f]{32}$/);
  const [row] = await gateway.settled(1);
  assert.deepEqual(line, {
    schema: "feedback.v1",
    requestId: answer.id,
    group: "asked",
    status: 200,
    errorClass: null,
    targetId: "echo/echo",
    provider: "echo",
    model: "echo",
    dialect: "openai-chat",
    attempts: 1,
    cache: "bypass",
    inputTokens: row?.["input_tokens"],
    cachedInputTokens: row?.["cached_input_tokens"] ?? 0,
    cacheWriteTokens: row?.["cache_write_tokens"] ?? 0,
    outputTokens: row?.["output_tokens"],
    reasoningTokens: line["reasoningTokens"],
    costNusd: row?.["cost_nusd"] ?? line["costNusd"],
    classLabel: "small",
  });
  assert.deepEqual(Object.keys(told.json()), [
    "schema",
    "requestId",
    "group",
    "conversationKey",
    "status",
    "errorClass",
    "targetId",
    "provider",
    "model",
    "dialect",
    "attempts",
    "cache",
    "inputTokens",
    "cachedInputTokens",
    "cacheWriteTokens",
    "outputTokens",
    "reasoningTokens",
    "costNusd",
    "latencyMs",
    "ttfbMs",
    "classLabel",
    "completedAt",
  ]);
});

Deno.test("policy is told of a call that it let fail, and of no other group's", async () => {
  await using policy = await startUpstream(reply({ targetIndex: 9 }));
  await using receiver = await startUpstream(reply({}));
  await using gateway = await startTestGateway(telling(policy.url, receiver.url));
  await call(gateway.url, "openai-chat");
  const { id } = await ask(gateway);
  const line: Loose = (await receiver.request(1)).json();
  assert.deepEqual(
    [line["requestId"], line["status"], line["errorClass"], line["attempts"], line["targetId"]],
    [id, 502, "policy-ineligible-target", 0, null],
  );
});

Deno.test("lines come in their order: one that is not taken is sent again, and those behind it wait", async () => {
  await using policy = await startUpstream(DECIDES);
  await using receiver = await startUpstream([
    reply("{}", { status: 500 }),
    (exchange) => Promise.resolve(exchange.reset()),
    reply("{}", { status: 302, headers: { location: "/elsewhere" } }),
    reply("{}"),
  ]);
  await using gateway = await startTestGateway(
    telling(policy.url, receiver.url, { max_retries: 1 }),
  );
  const ids = [];
  for (let count = 0; count < 3; count++) ids.push((await ask(gateway)).id);
  await receiver.request(6);
  assert.deepEqual(receiver.requests.map(idOf), [ids[0], ids[0], ids[0], ids[0], ids[1], ids[2]]);
  const failed = () =>
    gateway.logs.filter((line) => line.includes("policy_feedback_failed")).length;
  assert.equal(failed(), 1);
});

Deno.test("call does not wait for the server that is told of it", async () => {
  await using policy = await startUpstream(DECIDES);
  await using receiver = await startUpstream(hang());
  await using gateway = await startTestGateway(
    telling(policy.url, receiver.url, { timeout_ms: 5_000 }),
  );
  for (let count = 0; count < 3; count++) assert.equal((await ask(gateway)).status, 200);
  assert.equal(receiver.requests.length, 1);
});

Deno.test("lines that are too old, too long or have no place are dropped and counted", async () => {
  await using policy = await startUpstream(DECIDES);
  await using receiver = await startUpstream(reply("{}", { status: 500 }));
  const dropped = async ({ url }: { url: string }) => {
    const page =
      await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } }))
        .text();
    return Number(/^pointsman_policy_feedback_dropped_total (\d+)/m.exec(page)?.[1]);
  };
  const admin = {
    callers: [caller("ci", TOKEN, { allow: ["fast", "asked"], metrics_admin: true })],
  };
  const settings = (feedback: ConfigTree) => ({
    ...telling(policy.url, receiver.url, feedback),
    ...admin,
  });
  await using gateway = await startTestGateway(settings({ spool: { max_bytes: 1_200 } }));
  for (let count = 0; count < 5; count++) await ask(gateway);
  const full = await dropped(gateway);
  assert(full >= 2 && full < 5, `${full}`);
  await gateway.reload(settings({ max_request_bytes: 100 }));
  await ask(gateway);
  assert.equal(await dropped(gateway), full + 1);
  await gateway.reload(settings({ spool: { max_age_ms: 1 } }));
  await until(async () => await dropped(gateway) === 6);
});

Deno.test("receiver is down, the gateway is killed, the receiver comes back: all lines, in their order", async () => {
  await using policy = await startUpstream(DECIDES);
  const receiver = createServer();
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const address = receiver.address();
  assert(typeof address === "object" && address !== null);
  receiver.close();
  await once(receiver, "close");
  await using folder = await makeFolder(telling(policy.url, `http://127.0.0.1:${address.port}`));
  const ids: string[] = [];
  {
    await using gateway = await spawnGateway(folder.dir);
    for (let count = 0; count < 20; count++) ids.push((await ask(gateway)).id);
    await gateway.said(/policy_feedback_failed/);
    await gateway.kill("SIGKILL");
  }
  // A line whose answer did not arrive in time comes again: the id tells.
  const seen = new Set<unknown>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: address.port, onListen() {} },
    async (request) => {
      seen.add((await request.json()).requestId);
      return new Response(null, { status: 204 });
    },
  );
  try {
    await using gateway = await spawnGateway(folder.dir);
    ids.push((await ask(gateway)).id);
    await until(() => seen.size >= ids.length);
    assert.deepEqual([...seen], ids);
  } finally {
    await server.shutdown();
  }
});
