import assert from "node:assert/strict";
import { sumOf } from "../exposition.ts";
import {
  caller,
  type ConfigOptions,
  type ConfigTree,
  type Loose,
  startTestGateway,
  TOKEN,
} from "../gateway.ts";
import { call, type CallOptions, metricsOf } from "../gateway_client.ts";
import { echo, errorReply, reply, sampleReply, type Script, startUpstream } from "../upstream.ts";

const SMALL: CallOptions = { body: { max_tokens: 20, temperature: 0 } };

/** A gateway whose caller has these keys and may read metrics. */
async function watched(
  keys: ConfigTree,
  { script = echo("echo"), ...options }: Partial<ConfigOptions> & { readonly script?: Script } = {},
) {
  const upstream = await startUpstream(script);
  const gateway = await startTestGateway({
    upstreams: [upstream.url],
    callers: [caller("ci", TOKEN, { metrics_admin: true, ...keys })],
    ...options,
  });
  return {
    gateway,
    call: (options: CallOptions = SMALL) => call(gateway.url, "openai-chat", options),
    async metric(name: string, labels: Record<string, string> = {}) {
      return sumOf(await metricsOf(gateway.url, TOKEN), `pointsman_${name}`, labels);
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

for (
  const [limit, keys] of [
    ["rate.rpm", { rate: { rpm: 1 } }],
    ["rate.tpm", { rate: { tpm: 40 } }],
    ["quota.day.requests", { quota: { day: { requests: 1 } } }],
    ["quota.month.tokens", { quota: { month: { tokens: 40 } } }],
    ["quota.day.cost_usd", { quota: { day: { cost_usd: 0.00006 } } }],
    ["key.lifetime_tokens", { key: { lifetime_tokens: 40 } }],
  ] as const
) {
  Deno.test(`metrics count the calls that ${limit} refused`, async () => {
    await using place = await watched(keys);
    assert.equal((await place.call()).status, 200);
    assert.equal(await place.metric("limit_rejections_total"), 0);
    for (let count = 0; count < 2; count++) assert((await place.call()).status >= 400);
    assert.equal(await place.metric("limit_rejections_total", { limit }), 2);
    assert.equal(await place.metric("limit_rejections_total"), 2);
  });
}

Deno.test("metrics count what was charged above its reservation", async () => {
  const sample: Loose = JSON.parse(new TextDecoder().decode(await sampleReply("openai-chat")));
  const usage = { prompt_tokens: 10, completion_tokens: 500, total_tokens: 510 };
  await using place = await watched({ rate: { tpm: 9_999 } }, {
    script: reply({ ...sample, usage }),
  });
  await place.call();
  const reserved = (await place.gateway.settled(1))[0]?.["request_token_estimates"]?.[0];
  const above = 510 - reserved.total_reserved_tokens;
  assert(above > 400);
  assert.equal(await place.metric("limit_overrun_units_total", { limit: "rate.tpm" }), above);
  assert.equal(await place.metric("limit_overrun_units_total"), above, "of limits that are set");
});

Deno.test("every decision of a caller's shape is counted, and a row of its call", async () => {
  const traffic_shape = {
    request_start_per_sec: 2,
    request_burst: 1,
    total_reserved_tokens_per_sec: 1,
    total_reserved_token_burst: 99,
    queue: { enabled: true, max_wait_ms: 3_000, max_depth: 9 },
  };
  await using place = await watched({ traffic_shape });
  for (const answer of await Promise.all([place.call(), place.call()])) {
    assert.equal(answer.status, 200);
  }
  const refused = await place.call({ body: { max_tokens: 1_000 } });
  assert.equal(refused.json().error.details.bucket, "caller.total_reserved_tokens_per_sec");
  const rows: Loose[] = await place.gateway.settled(3);
  const events = rows.map((row) =>
    (row["request_traffic_shape_events"] ?? []).map(({ decision, bucket = "" }: Loose) =>
      `${decision} ${bucket}`.trim()
    )
  );
  assert.deepEqual(events[0], [], "what went straight through");
  assert.deepEqual(events[1], ["queued", "admitted"]);
  assert.equal(events[2][1], "rejected caller.total_reserved_tokens_per_sec");
  const queued = rows.flatMap((row) => row["request_traffic_shape_events"] ?? [])
    .filter(({ decision }: Loose) => decision === "queued").length;
  const decided = (decision: string) =>
    place.metric("shape_decisions_total", { scope: "caller", decision });
  assert.deepEqual(
    [await decided("rejected"), await decided("queued"), await decided("admitted")],
    [1, queued, 5 - queued],
  );
  assert.equal(await place.metric("queue_wait_seconds_count", { scope: "caller" }), queued);
  assert(await place.metric("queue_wait_seconds_sum") > 0);
  assert.equal(await place.metric("queue_depth"), 0);
});

Deno.test("what the shapes of targets decide is counted, and rows of the call", async () => {
  const refusal = errorReply("openai-chat", 429, { headers: { "retry-after": "30" } });
  await using place = await watched({}, {
    targets: [{ traffic_shape: { request_start_per_sec: 0.001, request_burst: 2 } }],
    script: [refusal, echo("echo")],
  });
  assert.equal((await place.call()).status, 503);
  assert.equal((await place.call()).status, 503);
  const [first, second]: Loose[] = (await place.gateway.settled(2)).map((row) =>
    row["request_upstream_shape_events"].map((event: Loose) => [
      event.scope,
      event.decision,
      event.backoff_reason ?? "",
      event.model,
    ])
  );
  assert.deepEqual(first, [
    ["target", "admitted", "", "up-1"],
    ["target", "cooldown_started", "provider-429", "up-1"],
  ]);
  assert.deepEqual(second, [["target", "skipped", "provider-429", "up-1"]]);
  for (const decision of ["admitted", "skipped", "cooldown_started"]) {
    const labels = { scope: "target", decision };
    assert.equal(await place.metric("shape_decisions_total", labels), 1, decision);
  }
  const seconds = await place.metric("backoff_seconds");
  assert(seconds > 25 && seconds <= 36, `${seconds}`);
});

Deno.test("metrics tell what the cache did, why, and what it saved", async () => {
  const server = { cache: { enabled: true } };
  await using place = await watched({}, {
    server,
    script: [errorReply("openai-chat", 500), echo("echo")],
  });
  for (const expected of [502, 200, 200]) assert.equal((await place.call()).status, expected);
  await place.call({ body: { max_tokens: 20 } });
  await place.call({ stream: true, body: { max_tokens: 20 } });
  const lookups = (result: string, reason: string) =>
    place.metric("cache_lookups_total", { group: "fast", result, reason });
  assert.deepEqual(
    [
      await lookups("miss", "cache-not-stored"),
      await lookups("miss", ""),
      await lookups("hit", ""),
      await lookups("bypass", "cache-temperature"),
      await lookups("bypass", "cache-streaming"),
    ],
    [1, 1, 1, 1, 1],
  );
  const rows = await place.gateway.settled(5);
  const saved = Number(rows.find(({ cache }) => cache === "hit")?.["saved_nusd"]);
  assert(saved > 0);
  assert.equal(Math.round(await place.metric("saved_usd_total") * 1e9), saved);
  assert.equal(await place.metric("cache_entries"), 1);
  const bytes = await place.metric("cache_bytes");
  assert(bytes > 0 && bytes < await place.metric("cache_max_bytes"));
});

Deno.test("details of a call are left out where diagnostics are off", async () => {
  await using place = await watched({
    traffic_shape: { request_start_per_sec: 9, request_burst: 9 },
  }, {
    server: { diagnostics: { enabled: false } },
  });
  await place.call();
  const [row] = await place.gateway.settled(1);
  assert.equal(row?.["traffic_shape_decision"], "admitted");
  for (const table of ["request_token_estimates", "request_traffic_shape_events"]) {
    assert.equal(row?.[table], undefined, table);
  }
});
