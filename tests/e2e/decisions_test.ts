import assert from "node:assert/strict";
import { join } from "node:path";
import { unpackContext, unpackStatics } from "@/core/telemetry/context_record.ts";
import { type ConfigTree, startTestGateway, type TestGateway } from "../gateway.ts";
import { rowsOf } from "../recorded_rows.ts";
import { echo, hang, reply, startUpstream } from "../upstream.ts";

const EVERYTHING: ConfigTree = { decision_telemetry: { sample_percent: 100 } };

async function call(
  gateway: TestGateway,
  more: ConfigTree = {},
  signal: AbortSignal | null = null,
): Promise<number> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    signal,
    headers: { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "fast",
      messages: [{ role: "user", content: "canary-of-a-prompt" }],
      ...more,
    }),
  });
  await response.body?.cancel();
  return response.status;
}

Deno.test("a decision is recorded with all it saw, and read again", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: EVERYTHING,
    group: { strategy: "dynamic_score" },
  });
  assert.equal(await call(gateway, { max_tokens: 9 }), 200);
  const [record] = await rowsOf(gateway, "request_decision_records", 1);
  const [decision] = await rowsOf(gateway, "request_routing_decisions", 1);
  const [source] = await rowsOf(gateway, "route_config_snapshots", 1);
  const context = unpackContext(
    { z: record!.context_z, sha256: record!.context_sha256 },
    unpackStatics(source!.static_z),
  );
  assert.match(record!.context_z, /^\{"names":1,.*"features":\[.*"caller":\[.*"signals":\[/);
  assert.equal(context.features.outputCap, 9);
  assert.equal(context.targets[0]!.provider, "p1-openai-chat");
  assert.equal(context.seed, decision!.seed);
  assert.deepEqual(
    [decision!.strategy, decision!.outcome, decision!.recorded, decision!.cold_start],
    ["dynamic_score", "planned", 1, 1],
  );
  const candidates = await rowsOf(gateway, "request_target_candidates", 1);
  assert.deepEqual(candidates.filter(({ selected }) => selected === 1).length, 1);
  const terms = await rowsOf(gateway, "request_dynamic_score_terms", 3);
  assert.deepEqual(
    [...new Set(terms.map(({ score_name }) => score_name))].sort(),
    ["cost_score", "latency_score", "reliability_score"],
  );
  const features = await rowsOf(gateway, "request_decision_shape_features", 3);
  assert(
    features.some(({ feature_name, int_value }) =>
      feature_name === "output_cap" && int_value === 9
    ),
  );
  const signals = await rowsOf(gateway, "request_routing_signals", 1);
  assert(signals.some(({ pass, int_value }) => pass === "availability" && int_value === 1));
  const events = Deno.readTextFileSync(join(gateway.dir, "state", "journal", "events.jsonl"));
  assert(!events.includes("canary-of-a-prompt"));
});

Deno.test("content that a policy may see is told apart by its digest, and not stored", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: EVERYTHING,
    group: { include_request: true },
  });
  await call(gateway);
  await call(gateway, { messages: [{ role: "user", content: "another one" }] });
  const digests = (await rowsOf(gateway, "request_decision_records", 2))
    .map(({ content_sha256 }) => content_sha256);
  assert.match(digests.join(), /^[0-9a-f]{64},[0-9a-f]{64}$/);
  assert.notEqual(digests[0], digests[1]);
});

Deno.test("of calls that are not sampled, the decision alone is recorded", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: { decision_telemetry: { sample_percent: 0 } },
  });
  for (let n = 0; n < 3; n++) await call(gateway);
  const decisions = await rowsOf(gateway, "request_routing_decisions", 3);
  assert.deepEqual(decisions.map(({ recorded }) => recorded), [0, 0, 0]);
  const usage = await gateway.usageRows();
  for (const decision of decisions) {
    const call = usage.find(({ request_id }) => request_id === decision.request_id)!;
    assert.deepEqual(
      [decision.ts, decision.group_name, decision.strategy, decision.config_fingerprint],
      [call.ts, "fast", call.strategy, call.routing_config_fingerprint],
    );
    assert.equal(decision.provider, "p1-openai-chat");
  }
  const events = Deno.readTextFileSync(join(gateway.dir, "state", "journal", "events.jsonl"));
  assert.equal(events, "", "the lines of the calls say it all");
  assert.equal((await rowsOf(gateway, "request_decision_records", 0)).length, 0);
  assert.equal((await rowsOf(gateway, "request_target_candidates", 0)).length, 0);
});

Deno.test("a call that no target can take is recorded in full, sampled or not", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: { decision_telemetry: { sample_percent: 0, max_filter_reasons: 1 } },
    targets: [{ tool_only: true, honors_max_tokens: false }],
  });
  assert.equal(await call(gateway, { max_tokens: 5 }), 502);
  const [decision] = await rowsOf(gateway, "request_routing_decisions", 1);
  assert.deepEqual(
    [decision!.outcome, decision!.eligible_count, decision!.plan_sha256],
    ["no-eligible-target", 0, null],
  );
  const reasons = await rowsOf(gateway, "request_target_filter_reasons", 1);
  assert.deepEqual(reasons.map(({ reason }) => reason), ["tool-only-target"]);
});

Deno.test("nothing is recorded where telemetry is off", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: { decision_telemetry: { enabled: false } },
  });
  await call(gateway);
  await gateway.settled(1);
  await gateway.usageRows();
  assert.equal((await rowsOf(gateway, "request_routing_decisions", 0)).length, 0);
});

Deno.test("a fallback is recorded in full, sampled or not, with the step to the next target", async () => {
  await using failing = await startUpstream(reply({ error: {} }, { status: 500 }));
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [failing.url, upstream.url],
    server: { decision_telemetry: { sample_percent: 0 } },
  });
  assert.equal(await call(gateway), 200);
  const [step] = await rowsOf(gateway, "request_fallback_transitions", 1);
  assert.deepEqual(
    [step!.failed_target_id, step!.fallback_target_id, step!.error_class, step!.fallback_succeeded],
    ["p1-openai-chat/up-1", "p2-openai-chat/up-2", "upstream_overloaded", 1],
  );
  const [decision] = await rowsOf(gateway, "request_routing_decisions", 1);
  assert.equal(decision!.recorded, 1);
});

Deno.test("a decision that its caller did not wait for is no error of the policy, and not recorded", async () => {
  await using policy = await startUpstream(hang());
  await using gateway = await startTestGateway({
    upstreams: [policy.url],
    server: EVERYTHING,
    group: {
      strategy: "external",
      external_policy: { url: policy.url, allow_hosts: ["127.0.0.1"] },
    },
  });
  const stop = new AbortController();
  const left = call(gateway, {}, stop.signal);
  await policy.request(1);
  stop.abort();
  await assert.rejects(left);
  const [row] = await gateway.settled(1);
  assert.equal(row?.["status"], 499);
  policy.script([reply({ targetIndex: 0 }), echo("echo")]);
  assert.equal(await call(gateway), 200);
  const decisions = await rowsOf(gateway, "request_routing_decisions", 1);
  assert.deepEqual(decisions.map(({ outcome }) => outcome), ["planned"]);
});

Deno.test("a number that no column holds costs neither its call nor its decision a row", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({ upstreams: [upstream.url], server: EVERYTHING });
  const most = Number.MAX_SAFE_INTEGER;
  assert.equal(await call(gateway, { max_tokens: 2 ** 31 }), 200);
  assert.equal(await call(gateway, { max_tokens: most, n: 2 }), 200);
  for (const budget_tokens of [1024.5, 1e300]) {
    const headers = {
      authorization: `Bearer ${gateway.token}`,
      "content-type": "application/json",
    };
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: "POST",
      headers,
      body: JSON.stringify({
        model: "fast",
        max_tokens: 4_000,
        messages: [{ role: "user", content: "x" }],
        thinking: { type: "enabled", budget_tokens },
      }),
    });
    await response.body?.cancel();
    assert.equal(response.status, 200);
  }
  await gateway.settled(4);
  await gateway.usageRows();
  const estimates = await rowsOf(gateway, "request_token_estimates", 4);
  assert.deepEqual(
    estimates.map((row) => row.requested_output_cap_tokens),
    [2 ** 31 - 1, 2 ** 31 - 1, 4_000, 4_000],
  );
  assert.equal((await rowsOf(gateway, "request_decision_records", 4)).length, 4);
  assert.deepEqual(gateway.logs.filter((line) => line.includes("line_rejected")), []);
});

Deno.test("a body is parsed once, though its decision is recorded", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({ upstreams: [upstream.url], server: EVERYTHING });
  const { parse } = JSON;
  let parsed = 0;
  JSON.parse = new Proxy(parse, {
    apply(target, self, [text, ...more]) {
      parsed += Number(text.includes("canary-of-a-prompt") && text.includes('"model":"fast"'));
      return Reflect.apply(target, self, [text, ...more]);
    },
  });
  try {
    assert.equal(await call(gateway), 200);
    await rowsOf(gateway, "request_decision_records", 1);
  } finally {
    JSON.parse = parse;
  }
  assert.equal(parsed, 1);
});
