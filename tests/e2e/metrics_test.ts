import assert from "node:assert/strict";
import {
  CALL_PATH,
  caller,
  type ConfigOptions,
  DIALECTS,
  type Loose,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { call, send } from "../gateway_client.ts";
import { makeFolder, runServe } from "../gateway_process.ts";
import { exchangeRaw, requestHead } from "../gateway_raw.ts";
import { type Families, parseExposition, sumOf } from "../exposition.ts";
import { CALLER_FAMILIES, FAMILIES } from "../metric_families.ts";
import { until } from "../until.ts";
import {
  closedPort,
  echo,
  errorReply,
  hang,
  partial,
  reply,
  sampleReply,
  startUpstream,
} from "../upstream.ts";
import { upToContent } from "./behaviours.ts";

/** May read metrics, and may not call. */
const READER = `${TOKEN}-reader`;
const CALLERS = [
  caller("ci", TOKEN),
  caller("prometheus", READER, { metrics_admin: true, allow: [] }),
];

/** What `/metrics` says, read and checked. */
async function metricsOf(gateway: TestGateway): Promise<Families> {
  const response = await fetch(`${gateway.url}/metrics`, { headers: bearer(READER) });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return parseExposition(await response.text());
}

const bearer = (token: string) => ({ "authorization": `Bearer ${token}` });

/** One failing and one working upstream. */
async function inGateway(
  body: (gateway: TestGateway) => Promise<void>,
  options: Partial<ConfigOptions> = {},
): Promise<void> {
  await using first = await startUpstream(errorReply("openai-chat", 500));
  await using second = await startUpstream(echo("echo"));
  const upstreams = [first.url, second.url];
  await using gateway = await startTestGateway({ upstreams, callers: CALLERS, ...options });
  await body(gateway);
}

Deno.test("families, their types and their labels are the documented ones", async () => {
  const server = { metrics: { caller_label: true } };
  await inGateway(async (gateway) => {
    for (const stream of [true, false]) await call(gateway.url, "openai-chat", { stream });
    await call(gateway.url, "openai-chat", { body: { model: "unknown" } });
    await call(gateway.url, "openai-chat", { headers: bearer("rtr_nobody_0123456789abcdef") });
    const families = await metricsOf(gateway);
    const expected = { ...FAMILIES, ...CALLER_FAMILIES };
    assert.deepEqual(
      [...families.keys()].sort(),
      Object.keys(expected).map((name) => `pointsman_${name}`).sort(),
    );
    for (const [name, [type, labels]] of Object.entries(expected)) {
      const family = families.get(`pointsman_${name}`);
      assert.equal(family?.type, type, name);
      assert(family?.help, name);
      for (const sample of family?.samples ?? []) {
        const names = Object.keys(sample.labels).filter((label) => label !== "le");
        assert.deepEqual(names.sort(), labels.split(" ").filter(Boolean).sort(), name);
      }
    }
  }, { server });
});

Deno.test("metrics agree with the journal", async () => {
  // The lines of calls alone are counted here.
  const server = { decision_telemetry: { enabled: false } };
  await inGateway(async (gateway) => {
    for (const dialect of DIALECTS) {
      for (const stream of [true, false]) {
        for (let count = 0; count < 3; count++) await call(gateway.url, dialect, { stream });
      }
      await call(gateway.url, dialect, { raw: "{" });
    }
    const rows: Loose[] = await gateway.settled(21);
    const families = await metricsOf(gateway);
    const total = (column: string) => rows.reduce((sum, row) => sum + Number(row[column]), 0);
    const metric = (name: string, labels: Record<string, string> = {}) =>
      sumOf(families, `pointsman_${name}`, labels);
    assert.equal(metric("requests_total"), 21);
    assert.equal(metric("requests_total", { status_class: "2xx", group: "fast" }), 18);
    assert.equal(metric("requests_total", { status_class: "4xx", group: "other" }), 3);
    assert.equal(metric("errors_total", { error: "invalid-request", origin: "caller" }), 3);
    assert.equal(metric("request_duration_seconds_count", { stream: "true" }), 9);
    assert.equal(metric("ttft_seconds_count"), 9, "of streams");
    assert.equal(metric("overhead_seconds_count"), 21);
    assert.equal(metric("journal_write_seconds_count"), 21);
    assert.equal(metric("journal_lines_total"), 21);
    const input = ["input", "cached_input", "cache_write", "image"]
      .reduce((sum, name) => sum + metric("tokens_total", { class: name }), 0);
    assert(total("input_tokens") > 0);
    assert.equal(input, total("input_tokens"));
    assert.equal(metric("tokens_total", { class: "output" }), total("output_tokens"));
    assert(total("total_cost_nusd") > 0);
    assert.equal(Math.round(metric("cost_usd_total") * 1e9), total("total_cost_nusd"));
    assert.equal(metric("upstream_attempts_total"), total("attempts"));
    const failed = rows.flatMap((row) => row["request_attempts"])
      .filter(({ outcome }: Loose) => outcome === "upstream_overloaded").length;
    assert(failed > 0);
    assert.equal(metric("upstream_attempts_total", { outcome: "upstream_overloaded" }), failed);
    assert.equal(metric("fallbacks_total", { group: "fast" }), total("fallback_used"));
    assert.equal(metric("upstream_duration_seconds_count"), total("attempts"));
  }, { server });
});

Deno.test("classes of tokens and of cost do not overlap, but reasoning is output", async () => {
  const usage = {
    prompt_tokens: 1_000,
    completion_tokens: 50,
    total_tokens: 1_050,
    prompt_tokens_details: { cached_tokens: 800 },
    completion_tokens_details: { reasoning_tokens: 30 },
  };
  const said = JSON.parse(new TextDecoder().decode(await sampleReply("openai-chat")));
  await using upstream = await startUpstream(reply({ ...said, usage }));
  const targets = [{ cached_input_price_per_million_usd: 0.5 }];
  const upstreams = [upstream.url];
  await using gateway = await startTestGateway({ upstreams, targets, callers: CALLERS });
  await call(gateway.url, "openai-chat");
  const families = await metricsOf(gateway);
  const of = (name: string) =>
    Object.fromEntries(
      families.get(name)!.samples.map(({ labels, value }) => [labels["class"], value]),
    );
  const none = { cache_write: 0, image: 0 };
  assert.deepEqual(
    of("pointsman_tokens_total"),
    { ...none, input: 200, cached_input: 800, output: 50, reasoning: 30 },
  );
  assert.deepEqual(
    of("pointsman_cost_usd_total"),
    { ...none, input: 0.0002, cached_input: 0.0004, output: 0.0001 },
  );
});

Deno.test("names that callers make up add no series", async () => {
  await inGateway(async (gateway) => {
    const bad = (index: number) =>
      call(gateway.url, "openai-chat", {
        body: { model: `made-up-${index}` },
        headers: { "user-agent": `agent-${index}`, "x-request-id": `id-${index}` },
        path: `${CALL_PATH["openai-chat"]}?q=${index}`,
      });
    await bad(0);
    const linesOf = (families: Families) =>
      [...families.values()].reduce((sum, { samples }) => sum + samples.length, 0);
    const before = linesOf(await metricsOf(gateway));
    for (let from = 1; from <= 10_000; from += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => bad(from + index)));
    }
    const families = await metricsOf(gateway);
    assert.equal(linesOf(families), before);
    assert.equal(sumOf(families, "pointsman_requests_total", { group: "other" }), 10_001);
  });
});

Deno.test("metrics are for callers with the grant, and who is refused is counted", async () => {
  await inGateway(async (gateway) => {
    const get = async (token: string, method = "GET") => {
      const headers = token ? bearer(token) : {};
      const response = await fetch(`${gateway.url}/metrics`, { method, headers });
      return { status: response.status, text: await response.text() };
    };
    assert.equal((await get("")).status, 401);
    assert.equal((await get("rtr_nobody_0123456789abcdef")).status, 401);
    const forbidden = await get(TOKEN);
    assert.equal(forbidden.status, 403);
    assert.equal(JSON.parse(forbidden.text).error.type, "metrics-forbidden");
    assert.deepEqual(await get(READER, "HEAD"), { status: 200, text: "" });
    assert.equal((await get(READER, "POST")).status, 405);
    await call(gateway.url, "openai-chat", { headers: { authorization: "" } });
    const families = await metricsOf(gateway);
    const denied = (surface: string, reason: string) =>
      sumOf(families, "pointsman_auth_failures_total", { surface, reason });
    assert.equal(denied("metrics", "missing"), 1);
    assert.equal(denied("metrics", "unknown"), 1);
    assert.equal(denied("metrics", "forbidden"), 1);
    assert.equal(denied("api", "missing"), 1);
    const surfaces = gateway.securityEvents().map(({ surface }) => surface);
    assert.deepEqual(surfaces, ["metrics", "metrics", "api"]);
  });
});

Deno.test("second listener serves metrics alone and without a token, and moves with a reload", async () => {
  const [first, second] = [await freeAddress(), await freeAddress()];
  const options = (listen: string | undefined) => ({
    upstreams: [],
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    group: { targets: [{ provider: "echo", model: "echo" }] },
    server: listen === undefined ? {} : { metrics: { listen } },
  });
  await using gateway = await startTestGateway(options(first));
  const read = async (address: string, path = "/metrics") => {
    const response = await fetch(`http://${address}${path}`);
    return [response.status, await response.text()] as const;
  };
  const [status, text] = await read(first);
  assert.equal(status, 200);
  assert(parseExposition(text).has("pointsman_requests_total"));
  assert.equal((await read(first, "/v1/models"))[0], 404);
  const odd = await exchangeRaw(`http://${first}`, requestHead("GET /metrics", { host: "a b" }));
  assert.match(odd, /^HTTP\/1\.1 404 /, "and no host ends in the server's own error");
  assert(await gateway.reload(options(second)));
  await until(() => read(second).then(([status]) => status === 200, () => false));
  await assert.rejects(read(first));
  assert(await gateway.reload(options(undefined)));
  await until(() => read(second).then(() => false, () => true));
});

Deno.test("second listener that finds its address taken stops a start, and no running gateway", async () => {
  await using gateway = await startTestGateway({ upstreams: [], ...ECHO });
  const listen = new URL(gateway.url).host;
  const taken = { upstreams: [], ...ECHO, server: { metrics: { listen } } };
  assert(await gateway.reload(taken));
  await until(() => gateway.logs.some((line) => line.includes(`Cannot listen on ${listen}`)));
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
  await using folder = await makeFolder(taken);
  const { code, output } = await runServe(folder.dir);
  assert.equal(code, 1);
  assert(output.includes(`Cannot listen on ${listen}`), output);
});

Deno.test("gauges show what goes on", async () => {
  await using upstream = await startUpstream(hang());
  const upstreams = [upstream.url];
  const group = { breaker: { consecutive_failures: 1 } };
  await using gateway = await startTestGateway({ upstreams, callers: CALLERS, group });
  const leave = new AbortController();
  const hanging = send(gateway.url, "openai-chat", { signal: leave.signal }).catch(() => {});
  await upstream.request(1);
  const target = { provider: "p1-openai-chat", model: "up-1" };
  const busy = await metricsOf(gateway);
  assert.equal(sumOf(busy, "pointsman_inflight_requests", { group: "fast" }), 1);
  assert.equal(sumOf(busy, "pointsman_upstream_inflight", target), 1);
  assert.equal(sumOf(busy, "pointsman_breaker_state"), 0);
  leave.abort();
  await hanging;
  await gateway.settled(1);
  upstream.script(errorReply("openai-chat", 500));
  await call(gateway.url, "openai-chat");
  upstream.script(errorReply("anthropic", 429, { retryAfter: "20" }));
  await call(gateway.url, "anthropic");
  const after = await metricsOf(gateway);
  assert.equal(sumOf(after, "pointsman_inflight_requests"), 0);
  assert.equal(sumOf(after, "pointsman_breaker_state", target), 2);
  const seconds = sumOf(after, "pointsman_backoff_seconds", { provider: "p1-anthropic" });
  assert(seconds > 15 && seconds <= 24, `${seconds} s`);
  assert.equal(
    sumOf(after, "pointsman_upstream_attempts_total", { outcome: "client_disconnect" }),
    1,
  );
});

Deno.test("stream that breaks after content is an interruption, and its cause an origin", async () => {
  const stream = await sampleReply("openai-chat", { stream: true });
  await using upstream = await startUpstream(partial(upToContent(stream), "reset"));
  await using gateway = await startTestGateway({ upstreams: [upstream.url], callers: CALLERS });
  await call(gateway.url, "openai-chat", { stream: true });
  const families = await metricsOf(gateway);
  assert.equal(sumOf(families, "pointsman_stream_interruptions_total", { origin: "upstream" }), 1);
  assert.equal(
    sumOf(families, "pointsman_upstream_attempts_total", { outcome: "upstream_network" }),
    1,
  );
});

Deno.test("reloads are counted by what became of them, and a waiting restart is shown", async () => {
  await using gateway = await startTestGateway({ upstreams: [], ...ECHO });
  const reloads = async () => {
    const families = await metricsOf(gateway);
    const count = (outcome: string) =>
      sumOf(families, "pointsman_config_reloads_total", { outcome });
    const waiting = sumOf(families, "pointsman_config_restart_required");
    return [count("applied"), count("rejected"), waiting];
  };
  assert.deepEqual(await reloads(), [0, 0, 0]);
  assert(await gateway.reload({ upstreams: [], ...ECHO, server: { token_issuer: "new" } }));
  assert.deepEqual(await reloads(), [1, 0, 0]);
  assert(!await gateway.reload({ upstreams: [], ...ECHO, server: { nonsense: 1 } }));
  assert.deepEqual(await reloads(), [1, 1, 0]);
  assert(await gateway.reload({ upstreams: [], ...ECHO, server: { listen: "127.0.0.1:1" } }));
  assert.deepEqual(await reloads(), [2, 1, 1]);
});

Deno.test("shipping is measured", async () => {
  // Lines of calls alone.
  const server = { decision_telemetry: { enabled: false } };
  await using gateway = await startTestGateway({ upstreams: [], ...ECHO, server });
  for (let count = 0; count < 5; count++) await call(gateway.url, "openai-chat");
  await gateway.usageRows();
  await until(async () => {
    const families = await metricsOf(gateway);
    return sumOf(families, "pointsman_shipper_lines_total", { result: "inserted" }) === 5 &&
      sumOf(families, "pointsman_journal_unshipped_bytes") === 0 &&
      sumOf(families, "pointsman_journal_lag_seconds") === 0;
  });
  const families = await metricsOf(gateway);
  assert(sumOf(families, "pointsman_shipper_batch_seconds_count") > 0);
  assert.equal(sumOf(families, "pointsman_usage_db_up"), 1);
  assert.equal(sumOf(families, "pointsman_ready"), 1);
});

const ECHO = {
  providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
  group: { targets: [{ provider: "echo", model: "echo" }] },
  callers: CALLERS,
};

/** An address on this machine that nobody has. */
async function freeAddress(): Promise<string> {
  return new URL(await closedPort()).host;
}
