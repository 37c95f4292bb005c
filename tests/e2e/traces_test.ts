import assert from "node:assert/strict";
import {
  CALL_PATH,
  type ConfigTree,
  DIALECTS,
  ECHO,
  journalRows,
  type Loose,
  startTestGateway,
  TOKEN,
} from "../gateway.ts";
import { call, readAnswer, send } from "../gateway_client.ts";
import { type GatewayProcess, makeFolder, spawnGateway } from "../gateway_process.ts";
import { type SeenSpan, startCollector } from "../otlp_collector.ts";
import { until } from "../until.ts";
import {
  type Behaviour,
  echo,
  errorReply,
  hang,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";
import { flood } from "./behaviours.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`, tracestate: "vendor=1" };
const STEPS = ["accept", "decode", "admit", "route", "send", "relay", "settle"];

/** Runs a traced gateway before two upstreams, the first of which fails, and gives what it exported. */
async function traced(
  body: (gateway: GatewayProcess, upstreams: readonly TestUpstream[]) => Promise<void>,
  { behaviour = errorReply("openai-chat", 500), group = {}, server = {}, env = {} }: {
    readonly behaviour?: Behaviour;
    readonly group?: ConfigTree;
    readonly server?: ConfigTree;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
) {
  await using collector = startCollector();
  await using first = await startUpstream(behaviour);
  await using second = await startUpstream(echo("echo"));
  await using folder = await makeFolder({ upstreams: [first.url, second.url], group, server });
  await using gateway = await spawnGateway(folder.dir, { env: { ...collector.env, ...env } });
  await body(gateway, [first, second]);
  gateway.kill("SIGTERM");
  assert.equal(await gateway.ended, 0);
  const { spans, metrics } = collector;
  return { spans, metrics, rows: journalRows(folder.dir), requests: second.requests };
}

const childrenOf = (spans: readonly SeenSpan[], parent: SeenSpan) =>
  spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);
const calls = (spans: readonly SeenSpan[]) =>
  spans.filter(({ name, kind }) => name.startsWith("chat") && kind === "internal");

function one<Item>(items: readonly Item[]): Item {
  assert.equal(items.length, 1);
  return items[0]!;
}

Deno.test("trace of a call is a tree that goes on from the caller's and into the provider", async () => {
  const { spans, rows, requests } = await traced(async ({ url }) => {
    const headers = { ...PARENT, baggage: "who=me" };
    assert.equal((await call(url, "openai-chat", { headers })).status, 200);
  });
  const root = one(calls(spans));
  assert.equal(root.name, "chat fast");
  assert(spans.every(({ traceId }) => traceId === TRACE_ID));
  const server = one(spans.filter(({ spanId }) => spanId === root.parentSpanId));
  assert.equal(server.kind, "server");
  assert.equal(server.name, `POST ${CALL_PATH["openai-chat"]}`);
  assert.equal(server.attributes["http.route"], CALL_PATH["openai-chat"]);
  assert.equal(server.parentSpanId, PARENT.traceparent.slice(36, 52));
  const steps = childrenOf(spans, root).toSorted((a, b) => a.start < b.start ? -1 : 1);
  assert.deepEqual(steps.map(({ name }) => name), STEPS);
  assert(steps.every(({ kind, start, end }) => kind === "internal" && start <= end));
  assert(steps.every(({ start }, index) => index === 0 || start >= steps[index - 1]!.end));
  const attempts = childrenOf(spans, steps[STEPS.indexOf("send")]!);
  assert.deepEqual(attempts.map(({ name }) => name).sort(), ["chat up-1", "chat up-2"]);
  const fetches = attempts.map((attempt) => one(childrenOf(spans, attempt)));
  assert(fetches.every(({ scope, kind }) => scope === "deno" && kind === "client"));
  const sent = one(requests).headers;
  const serving = fetches.find(({ parentSpanId }) =>
    parentSpanId === attempts.find(({ name }) => name === "chat up-2")?.spanId
  );
  assert.equal(sent.get("traceparent"), `00-${TRACE_ID}-${serving?.spanId}-01`);
  assert.equal(sent.get("tracestate"), PARENT.tracestate);
  assert.equal(sent.get("baggage"), null);
  assert.equal(one(rows)["trace_id"], TRACE_ID);
});

Deno.test("a hedge has a span beside that of the slow target, and the loser's says no error", async () => {
  const hedge = { enabled: true, after_ms: 20, max_percent: 100 };
  const { spans, metrics } = await traced(async ({ url }) => {
    assert.equal((await call(url, "openai-chat")).status, 200);
  }, { behaviour: hang(), group: { hedge } });
  const send = one(spans.filter(({ name }) => name === "send"));
  const [slow, fast] = childrenOf(spans, send).toSorted((a, b) => a.start < b.start ? -1 : 1);
  assert.deepEqual([slow?.name, fast?.name], ["chat up-1", "chat up-2"]);
  assert.deepEqual([slow?.failed, fast?.failed], [false, false]);
  assert(slow!.start <= fast!.start && fast!.start < slow!.end);
  assert.equal(one(calls(spans)).attributes["pointsman.fallback_reason"], undefined);
  const durations = metrics.get("gen_ai.client.operation.duration") ?? [];
  const errors = durations.map(({ attributes }) => attributes["error.type"]);
  assert.deepEqual(new Set(errors), new Set(["hedge_loser", undefined]));
});

Deno.test("spans say what the conventions ask, and nothing of the content", async () => {
  const { spans, metrics, rows } = await traced(async ({ url }) => {
    const body = { temperature: 0.25, top_p: 0.5, max_completion_tokens: 99 };
    await call(url, "openai-chat", { body });
  });
  const row = one(rows);
  const usage = {
    "gen_ai.usage.input_tokens": row["input_tokens"],
    "gen_ai.usage.output_tokens": row["output_tokens"],
    "gen_ai.usage.cache_read.input_tokens": 0,
    "gen_ai.usage.reasoning.output_tokens": 0,
  };
  const reply = {
    "gen_ai.response.model": "echo",
    "gen_ai.response.finish_reasons": ["stop"],
    ...usage,
  };
  const operation = { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai" };
  const { attributes, events, failed } = one(calls(spans));
  const {
    "gen_ai.response.time_to_first_chunk": chunk,
    "pointsman.overhead_us": overhead,
    ...said
  } = attributes;
  assert(Number(chunk) > 0 && Number(overhead) > 0);
  assert.deepEqual(said, {
    ...operation,
    ...reply,
    "gen_ai.request.model": "fast",
    "gen_ai.request.stream": false,
    "gen_ai.request.max_tokens": 99,
    "gen_ai.request.temperature": 0.25,
    "gen_ai.request.top_p": 0.5,
    "gen_ai.output.type": "text",
    "gen_ai.usage.cache_creation.input_tokens": 0,
    "pointsman.request_id": row["request_id"],
    "pointsman.group": "fast",
    "pointsman.strategy": "failover",
    "pointsman.cache": "bypass",
    "pointsman.attempts": 2,
    "pointsman.fallback_reason": "upstream_overloaded",
    "pointsman.cost_nusd": row["total_cost_nusd"],
  });
  assert.deepEqual([events, failed], [0, false]);
  const attempt = (name: string) => one(spans.filter((span) => span.name === name));
  const [bad, good] = [attempt("chat up-1"), attempt("chat up-2")];
  assert.deepEqual([bad.failed, good.failed], [true, false]);
  assert.equal(bad.attributes["error.type"], "upstream_overloaded");
  const { "gen_ai.response.time_to_first_chunk": _, "server.port": port, ...saidOfGood } =
    good.attributes;
  assert(Number(port) > 0);
  assert.deepEqual(saidOfGood, {
    ...operation,
    ...reply,
    "gen_ai.request.model": "up-2",
    "server.address": "127.0.0.1",
  });
  const count = (name: string, labels: Record<string, string>) =>
    metrics.get(name)?.filter(({ attributes }) =>
      Object.entries(labels).every(([key, value]) => attributes[key] === value)
    ).reduce((sum, { count }) => sum + Number(count), 0);
  const model = { "gen_ai.request.model": "up-2", ...operation };
  assert.equal(count("gen_ai.client.operation.duration", model), 1);
  assert.equal(
    count("gen_ai.client.operation.duration", { "error.type": "upstream_overloaded" }),
    1,
  );
  assert.equal(count("gen_ai.client.operation.time_to_first_chunk", model), 1);
  for (const type of ["input", "output"]) {
    assert.equal(count("gen_ai.client.token.usage", { "gen_ai.token.type": type }), 1);
  }
});

Deno.test("span of a streamed call ends with its last byte, in every dialect", async () => {
  const { spans, rows } = await traced(async ({ url }, [first]) => {
    first!.script(echo("echo-drip-20ms"));
    for (const dialect of DIALECTS) await readAnswer(await send(url, dialect, { stream: true }));
  });
  assert.equal(calls(spans).length, 3);
  for (const root of calls(spans)) {
    const row = one(rows.filter(({ trace_id }) => trace_id === root.traceId));
    assert.equal(root.attributes["pointsman.request_id"], row["request_id"]);
    assert.equal(root.attributes["gen_ai.request.stream"], true);
    const relay = one(childrenOf(spans, root).filter(({ name }) => name === "relay"));
    const attempt = one(
      spans.filter(({ name, traceId }) => name === "chat up-1" && traceId === root.traceId),
    );
    assert(relay.end >= attempt.end && root.end >= relay.end);
    assert(root.end - root.start >= 20_000_000n, "the frames came one after the other");
  }
});

Deno.test("spans of calls that end together are all there, each within its parent", async () => {
  const CALLS = 50;
  const { spans, rows } = await traced(async ({ url }) => {
    await Promise.all(Array.from({ length: CALLS }, () => call(url, "openai-chat")));
  }, { behaviour: echo("echo") });
  assert.equal(new Set(rows.map(({ trace_id }) => trace_id)).size, CALLS);
  const known = new Map(spans.map((span) => [span.spanId, span]));
  for (const { trace_id } of rows) {
    const own = spans.filter(({ traceId, scope }) => traceId === trace_id && scope !== "deno");
    assert.deepEqual(
      own.map(({ name }) => name).sort(),
      [...STEPS, "chat fast", "chat up-1"].sort(),
    );
    for (const { parentSpanId, start, end } of own.filter(({ name }) => name !== "chat fast")) {
      const parent = known.get(parentSpanId)!;
      assert(parent.start <= start && start <= end && end <= parent.end);
    }
  }
});

Deno.test("spans of calls that the end of the gateway cuts are all there", async () => {
  const count = 100;
  const server = { shutdown_grace_ms: 50, usage_db: { enabled: false } };
  const answers: Promise<unknown>[] = [];
  const { spans, rows } = await traced(async ({ url }, [upstream]) => {
    while (answers.length < count) answers.push(call(url, "openai-chat"));
    await until(() => upstream!.requests.length === count);
  }, { behaviour: hang(), server });
  await Promise.all(answers);
  assert.equal(rows.length, count);
  const roots = calls(spans);
  assert.equal(roots.length, count, "nothing waits for a timer that no longer runs");
  const steps = roots.map((root) => childrenOf(spans, root).length);
  assert.deepEqual(new Set(steps), new Set([STEPS.length - 1]), "all but relay");
  assert.equal(spans.filter(({ name }) => name === "chat up-1").length, count);
});

Deno.test("a call that is not sampled has no span, and its provider is told", async () => {
  const { spans, metrics, rows, requests } = await traced(async ({ url }) => {
    assert.equal((await call(url, "openai-chat")).status, 200);
  }, { env: { OTEL_TRACES_SAMPLER: "always_off" } });
  assert.deepEqual(spans, []);
  const traceId = one(rows)["trace_id"];
  assert.match(
    one(requests).headers.get("traceparent") ?? "",
    RegExp(`^00-${traceId}-\\w{16}-00$`),
  );
  assert.equal(metrics.get("gen_ai.client.operation.duration")?.length, 2);
});

Deno.test("calls that fail or are left end their spans, and strangers have none", async () => {
  const { spans, rows } = await traced(async (gateway, [first]) => {
    const { url } = gateway;
    await call(url, "openai-chat", { raw: "{" });
    await call(url, "openai-chat", {
      headers: { authorization: "Bearer rtr_nobody_0123456789abc" },
    });
    const headers = { "content-type": "application/json", "x-api-key": TOKEN };
    const body = JSON.stringify({ model: "fast", messages: [{ role: "user", content: "count" }] });
    const counted = await fetch(`${url}/v1/messages/count_tokens`, {
      method: "POST",
      headers,
      body,
    });
    assert.equal(counted.status, 200);
    await counted.body?.cancel();
    first!.script(hang());
    const leave = new AbortController();
    const hanging = send(url, "openai-chat", { signal: leave.signal }).catch(() => {});
    await first!.request(first!.requests.length + 1);
    leave.abort();
    await hanging;
  });
  assert.equal(rows.length, 2);
  const errors = calls(spans).map(({ attributes, failed }) => [attributes["error.type"], failed]);
  assert.deepEqual(errors.sort(), [["client-closed-request", true], ["invalid-request", true]]);
  const known = new Set(spans.map(({ spanId }) => spanId));
  const orphans = spans.filter(({ parentSpanId }) => parentSpanId && !known.has(parentSpanId));
  assert.deepEqual(orphans.filter(({ scope }) => scope !== "deno"), []);
  assert.equal(spans.filter(({ kind, scope }) => kind === "server" && scope === "deno").length, 4);
});

Deno.test("a caller that leaves a traced stream leaves its whole record", async () => {
  const LEAVERS = 10;
  const headers = { ...PARENT, "user-agent": "curl/8", "x-request-id": "mine" };
  const frame = `data: ${
    JSON.stringify({ choices: [{ index: 0, delta: { content: "hello" }, finish_reason: null }] })
  }\n\n`;
  const { spans, rows } = await traced(async ({ url }) => {
    for (let leaver = 0; leaver < LEAVERS; leaver++) {
      const leave = new AbortController();
      const { body } = await send(url, "openai-chat", {
        stream: true,
        headers,
        signal: leave.signal,
      });
      await body!.getReader().read();
      leave.abort();
    }
  }, { behaviour: flood({ frame, count: 1_000_000, ending: "" }) });
  assert.equal(rows.length, LEAVERS);
  for (const row of rows) {
    const { status, truncated, attempts, client, client_request_id, trace_id } = row;
    assert.deepEqual(
      { status, truncated, attempts, client, client_request_id, trace_id },
      {
        status: 499,
        truncated: 0,
        attempts: 1,
        client: "curl",
        client_request_id: "mine",
        trace_id: TRACE_ID,
      },
    );
    assert(row["output_tokens"] > 0 && row["total_cost_nusd"] > 0);
  }
  assert.equal(calls(spans).length, LEAVERS);
});

Deno.test("trace headers pass unchanged, each once, where nobody traces", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using folder = await makeFolder({ upstreams: [upstream.url] });
  await using gateway = await spawnGateway(folder.dir);
  await call(gateway.url, "openai-chat", { headers: { ...PARENT, baggage: "who=me" } });
  await call(gateway.url, "openai-chat");
  const [first, second] = upstream.requests.map(({ headers }) => headers);
  assert.equal(first?.get("traceparent"), PARENT.traceparent);
  assert.equal(first?.get("tracestate"), PARENT.tracestate);
  assert.equal(first?.get("baggage"), null);
  assert.equal(second?.get("traceparent"), null);
  assert.equal(second?.get("tracestate"), null);
  assert.equal(journalRows(folder.dir)[0]?.["trace_id"], TRACE_ID);
});

Deno.test("trace headers pass unchanged where the platform was told to trace nothing", async () => {
  for (const name of ["OTEL_SDK_DISABLED", "OTEL_DENO_TRACING"]) {
    const env = { [name]: String(name === "OTEL_SDK_DISABLED") };
    const { spans, metrics, rows, requests } = await traced(async ({ url }) => {
      await call(url, "openai-chat", { headers: PARENT });
      await call(url, "openai-chat");
    }, { env });
    assert.deepEqual(spans, []);
    const isMeasured = metrics.has("gen_ai.client.operation.duration");
    assert.equal(isMeasured, name === "OTEL_DENO_TRACING", "metrics have a switch of their own");
    const sent = requests.map(({ headers }) => headers.get("traceparent"));
    assert.deepEqual(sent, [PARENT.traceparent, null]);
    assert.deepEqual(rows.map(({ trace_id }) => trace_id), [TRACE_ID, null]);
  }
});

Deno.test("a provider gets one traceparent however the switch of traces is spelt", async () => {
  const { spans, rows, requests } = await traced(async ({ url }) => {
    await call(url, "openai-chat", { headers: PARENT });
  }, { env: { OTEL_DENO: "True" } });
  assert.equal(calls(spans).length, 1);
  assert.match(
    one(requests).headers.get("traceparent") ?? "",
    RegExp(`^00-${TRACE_ID}-\\w{16}-01$`),
  );
  assert.equal(one(rows)["trace_id"], TRACE_ID);
});

Deno.test("a traceparent that names no trace gives a call no trace id", async () => {
  await using gateway = await startTestGateway(ECHO);
  const wrong = [
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE_ID}-${"0".repeat(16)}-01`,
    `ff-${TRACE_ID}-b7ad6b7169203331-01`,
    "garbage",
  ];
  for (const traceparent of wrong) {
    await call(gateway.url, "openai-chat", { headers: { traceparent } });
  }
  assert.deepEqual(gateway.rows().map(({ trace_id }) => trace_id), wrong.map(() => null));
});

Deno.test("log lines of calls say the trace, and the step in which a call failed", async () => {
  await using upstream = await startUpstream(errorReply("openai-chat", 500));
  await using gateway = await startTestGateway({ upstreams: [upstream.url] });
  await call(gateway.url, "openai-chat", { headers: PARENT, raw: "{" });
  await call(gateway.url, "openai-chat", { body: { model: "nobody-has-this" } });
  await call(gateway.url, "openai-chat");
  upstream.script(echo("echo"));
  await call(gateway.url, "openai-chat", { headers: PARENT });
  const lines: Loose[] = gateway.logs.map((line) => JSON.parse(line));
  const failed = lines.filter(({ event }) => event === "call_failed");
  assert.deepEqual(failed.map(({ step }) => step), ["decode", "admit", "send"]);
  const traces = lines.filter(({ trace_id }) => trace_id === TRACE_ID);
  assert.deepEqual(traces.map(({ event }) => event), ["call_failed", "call_settled"]);
});
