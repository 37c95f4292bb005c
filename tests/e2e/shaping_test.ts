import assert from "node:assert/strict";
import { wait } from "@/core/wait.ts";
import { sumOf } from "../exposition.ts";
import { caller, type ConfigTree, type Loose, startTestGateway, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call, type CallOptions, metricsOf, send } from "../gateway_client.ts";
import { until } from "../until.ts";
import { after, echo, errorReply, hang, startUpstream } from "../upstream.ts";

const SMALL: CallOptions = { body: { max_tokens: 20 } };

/** A gateway whose caller is paced like this, before an upstream that answers at once. */
async function paced(shape: ConfigTree, server: ConfigTree = {}) {
  const upstream = await startUpstream(echo("echo"));
  const gateway = await startTestGateway({
    upstreams: [upstream.url],
    server,
    callers: [
      caller("ci", TOKEN, {
        traffic_shape: shape,
        rate: { rpm: 9_999, tpm: 999_999 },
        metrics_admin: true,
      }),
    ],
  });
  return {
    upstream,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

async function usage(url: string): Promise<Loose> {
  return await (await fetch(`${url}/v1/usage`, { headers: { "x-api-key": TOKEN } })).json();
}

Deno.test("gateway refuses calls that come too fast, says so, and counts them nowhere", async () => {
  await using place = await paced({ request_start_per_sec: 0.01, request_burst: 2 });
  const { url } = place.gateway;
  for (let count = 0; count < 2; count++) {
    assert.equal((await call(url, "openai-chat")).status, 200);
  }
  const refused = await call(url, "openai-chat");
  const { details } = assertError("openai-chat", refused, "traffic-shaped");
  assert.equal(details.bucket, "caller.request_start_per_sec");
  assert.equal(details.queue_wait_ms, 0);
  assert(details.retry_after_ms > 90_000);
  assert.equal(refused.headers.get("x-should-retry"), "false", "nobody waits so long by itself");
  const row = (await place.gateway.settled(3)).find(({ status }) => status === 429);
  assert.equal(row?.["charged_at"], undefined);
  assert.deepEqual(
    [row?.["traffic_shape_decision"], row?.["traffic_shape_bucket"], row?.["traffic_shape_scope"]],
    ["rejected", "caller.request_start_per_sec", "caller"],
  );
});

Deno.test("requests that are no calls go at the pace of their caller, and count nowhere", async () => {
  const seen: Loose[] = [];
  const headers = { "x-api-key": TOKEN };
  const body = JSON.stringify({ model: "fast", messages: [{ role: "user", content: "hello" }] });
  const requests: readonly (readonly [path: string, body?: string])[] = [
    ["/v1/models"],
    ["/v1/models/fast"],
    ["/v1/messages/count_tokens", body],
    ["/v1/usage"],
  ];
  await using place = await paced({
    request_start_per_sec: 0.001,
    request_burst: requests.length,
  });
  const ask = ([path, body]: typeof requests[number]) =>
    fetch(`${place.gateway.url}${path}`, body ? { method: "POST", headers, body } : { headers });
  for (const request of requests) {
    const answer = await ask(request);
    assert.equal(answer.status, 200, request[0]);
    seen.push(await answer.json());
  }
  const { rate, quota } = seen.at(-1)!;
  assert.deepEqual([rate.rpm.used, rate.tpm.used, quota.day.requests.used], [0, 0, 0]);
  for (const request of requests) {
    const answer = await ask(request);
    assert.equal(answer.status, 429, request[0]);
    assert.equal((await answer.json()).error.type, "traffic-shaped");
  }
  assert.equal((await call(place.gateway.url, "openai-chat")).status, 429, "one pace for all");
});

Deno.test("gateway refuses tokens that no burst ever holds, and gives the call's minute back", async () => {
  await using place = await paced({
    total_reserved_tokens_per_sec: 10,
    total_reserved_token_burst: 100,
  });
  const answer = await call(place.gateway.url, "anthropic", { body: { max_tokens: 1_000 } });
  const { details } = assertError("anthropic", answer, "traffic-shaped");
  assert.deepEqual([details.bucket, details.never_fits], [
    "caller.total_reserved_tokens_per_sec",
    true,
  ]);
  const { rate } = await usage(place.gateway.url);
  assert.deepEqual([rate.rpm.used, rate.tpm.used, rate.tpm.reserved], [0, 0, 0]);
  assert.equal((await call(place.gateway.url, "openai-chat", SMALL)).status, 200);
});

Deno.test("reload keeps how full a bucket is, and never fills it above its new burst", async () => {
  await using upstream = await startUpstream(echo("echo"));
  const config = (burst: number) => ({
    upstreams: [upstream.url],
    callers: [
      caller("ci", TOKEN, {
        traffic_shape: { request_start_per_sec: 0.001, request_burst: burst },
      }),
    ],
  });
  await using gateway = await startTestGateway(config(4));
  const admitted = async () => (await call(gateway.url, "openai-chat")).status === 200;
  assert(await admitted());
  assert(await gateway.reload(config(9)));
  assert.deepEqual([await admitted(), await admitted()], [true, true], "3 of 4 were left");
  assert(await gateway.reload(config(1)));
  assert.deepEqual([await admitted(), await admitted()], [true, false], "the last of 4");
  assert(await gateway.reload(config(9)));
  assert.equal(await admitted(), false, "a reload fills nothing");
});

Deno.test("calls in the queue are served in turn", async () => {
  const queue = { enabled: true, max_wait_ms: 20_000, max_depth: 10 };
  await using place = await paced({ request_start_per_sec: 50, request_burst: 1, queue });
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => call(place.gateway.url, "openai-chat", SMALL)),
  );
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200, 200]);
  const rows = await place.gateway.settled(6);
  const queued = rows.filter((row) => row["traffic_shape_decision"] === "queued");
  assert(queued.length >= 4 && queued.every((row) => row["queue_wait_ms"] > 0));
});

Deno.test("a thousand clients that leave the queue leave nothing behind", async () => {
  const queue = { enabled: true, max_wait_ms: 3_600_000, max_depth: 1_000 };
  await using place = await paced({ request_start_per_sec: 1, request_burst: 1, queue });
  const { url } = place.gateway;
  const waiting = async () =>
    sumOf(await metricsOf(url, TOKEN), "pointsman_queue_depth", { scope: "caller" });
  assert.equal((await call(url, "openai-chat")).status, 200);
  const leave = new AbortController();
  const calls = Array.from(
    { length: 1_000 },
    () =>
      send(url, "openai-chat", { ...SMALL, signal: leave.signal }).then(
        ({ status }) => status,
        () => null,
      ),
  );
  await until(async () => await waiting() >= 900);
  leave.abort();
  await Promise.all(calls);
  await until(async () => await waiting() === 0);
  // Their charges are back: the next call waits for its own turn only.
  assert.equal((await call(url, "openai-chat")).status, 200);
  const rows = place.gateway.rows();
  const last = rows.at(-1);
  assert(last?.["queue_wait_ms"] <= 2_000, `${last?.["queue_wait_ms"]}`);
  const counted = rows.filter((row) => row["charged_at"] !== undefined).length;
  assert(counted < 100, "who left the queue counts nowhere");
  const { rate } = await usage(url);
  assert.deepEqual([rate.rpm.used, rate.concurrent.used, rate.tpm.reserved], [counted, 0, 0]);
});

/** Two upstreams; what the first one's targets have more is said. */
async function twoTargets(first: ConfigTree, options: { readonly only?: true } = {}) {
  const upstream = await startUpstream(echo("echo"));
  const gateway = await startTestGateway({
    upstreams: options.only ? [upstream.url] : [upstream.url, upstream.url],
    targets: [{ traffic_shape: first }, {}],
  });
  return {
    upstream,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const SLOW = { request_start_per_sec: 0.001, request_burst: 1 };

Deno.test("target whose pace is used up is skipped for the next, and is no attempt", async () => {
  await using place = await twoTargets(SLOW);
  const models: (string | null)[] = [];
  for (let count = 0; count < 3; count++) {
    const { headers } = await call(place.gateway.url, "openai-chat");
    models.push(headers.get("x-router-model"), headers.get("x-router-attempts"));
  }
  assert.deepEqual(models, ["up-1", "1", "up-2", "1", "up-2", "1"]);
});

Deno.test("gateway answers 503 with the shortest wait when every target is held back", async () => {
  await using place = await twoTargets(SLOW, { only: true });
  assert.equal((await call(place.gateway.url, "openai-responses")).status, 200);
  const answer = await call(place.gateway.url, "openai-responses");
  const { details } = assertError("openai-responses", answer, "upstream-capacity-throttled");
  assert.deepEqual([details.target_count, details.hint], [1, "target-shape-throttled"]);
  const { retry_after_ms: wait } = details;
  assert.equal(answer.headers.get("retry-after"), String(Math.ceil(wait / 1_000)));
  assert(wait > 900_000);
  // What its siblings tell, too.
  assert.equal(details.target_dialect, "openai-responses");
  assert.equal(details.reason_code, "target-shape-throttled");
  assert.deepEqual([details.upstream_status, details.reason, details.error_class], [
    null,
    null,
    null,
  ]);
  assert.deepEqual([details.attempts, details.fallback_used], [0, false]);
  assert.equal(details.total_request_bytes_bucket, "1b-1kb");
  assert.equal(place.upstream.requests.length, 1);
});

Deno.test("provider that limits our rate is left alone for as long as it asked, then probed", async () => {
  await using upstream = await startUpstream({
    "up-1": [
      errorReply("openai-chat", 429, { headers: { "retry-after-ms": "400" } }),
      echo("echo"),
    ],
    "*": echo("echo"),
  });
  const backoff = { min_backoff_ms: 100, max_backoff_ms: 1_000 };
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    targets: [{ traffic_shape: { upstream_429_backoff: backoff } }],
  });
  const first = await call(gateway.url, "openai-chat");
  assertError("openai-chat", first, "upstream-rate-limited");
  const held = await call(gateway.url, "openai-chat");
  const { details } = assertError("openai-chat", held, "upstream-capacity-throttled");
  assert.equal(details.hint, "adaptive-backoff-provider-429");
  assert(details.retry_after_ms > 0 && details.retry_after_ms <= 480);
  assert.equal(upstream.requests.length, 1);
  await wait(details.retry_after_ms + 20);
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
});

Deno.test("probe that its caller leaves makes room for another", async () => {
  await using upstream = await startUpstream({
    "up-1": [errorReply("openai-chat", 429), hang(), after(0, echo("echo"))],
    "*": echo("echo"),
  });
  const backoff = { min_backoff_ms: 10, max_backoff_ms: 10 };
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    targets: [{ traffic_shape: { upstream_429_backoff: backoff } }],
  });
  await call(gateway.url, "openai-chat");
  await wait(20);
  const leave = new AbortController();
  const probe = send(gateway.url, "openai-chat", { signal: leave.signal }).catch(() => {});
  await upstream.request(2);
  assertError("openai-chat", await call(gateway.url, "openai-chat"), "upstream-capacity-throttled");
  leave.abort();
  await probe;
  await gateway.settled(3);
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
});

Deno.test("probe that cannot be written for its target makes room for another", async () => {
  await using upstream = await startUpstream({
    "up-1": [errorReply("anthropic", 429), echo("echo")],
    "*": echo("echo"),
  });
  const traffic_shape = { upstream_429_backoff: { min_backoff_ms: 10, max_backoff_ms: 10 } };
  const bridged = { inbound_dialects: ["openai-chat"], traffic_shape };
  await using gateway = await startTestGateway({
    upstreams: [upstream.url, upstream.url],
    group: {
      targets: [
        { provider: "p1-anthropic", model: "up-1", ...bridged },
        { provider: "p2-openai-chat", model: "up-2", traffic_shape },
      ],
    },
  });
  const ask = async (role: string) => {
    const body = { messages: [{ role, content: "Say hello." }] };
    const { status, headers } = await call(gateway.url, "openai-chat", { body });
    assert.equal(status, 200);
    return headers.get("x-router-model");
  };
  assert.equal(await ask("user"), "up-2", "the first one's provider limits our rate");
  await wait(50);
  assert.equal(await ask("system"), "up-2", "messages hold no call without a turn");
  assert.equal(await ask("user"), "up-1");
});
