import assert from "node:assert/strict";
import { caller, type ConfigOptions, type Loose, startTestGateway, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call } from "../gateway_client.ts";
import { strategies } from "@/strategies/mod.ts";

const POLICY = `
export function route(ctx) {
  if (ctx.features.outputCap === 1) throw new Error("no");
  return { targetIndex: 1, fallbackIndexes: [], classLabel: ctx.conversationKeySource };
}`;

const TARGETS = [
  { provider: "echo", model: "echo", weight: 3, id: "first" },
  { provider: "echo", model: "echo-reasoning", id: "second" },
  { provider: "echo", model: "echo-no-usage", id: "tools", tool_only: true },
];

const OPTIONS: ConfigOptions = {
  upstreams: [],
  providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
  group: { targets: TARGETS, strategy: "weighted" },
  models: {
    policed: {
      strategy: "script",
      script: "policy.ts",
      script_timeout_ms: 1_000,
      targets: TARGETS,
    },
    lenient: {
      strategy: "script",
      script: "none.ts",
      script_timeout_ms: 1_000,
      base_strategy: "failover",
      on_error: "fallback",
      targets: TARGETS,
    },
  },
  callers: [caller("ci", TOKEN, { allow: ["fast", "policed", "lenient"] })],
  files: { "policy.ts": POLICY, "none.ts": "export const route = () => ({ order: [1] });" },
};

const explain = (url: string, body: object, more: { search?: string; headers?: Loose } = {}) =>
  call(url, "openai-chat", {
    path: `/v1/route/explain${more.search ?? ""}`,
    body: { ...body },
    headers: more.headers ?? {},
  });

Deno.test("explain tells the route of a call without making it", async () => {
  await using gateway = await startTestGateway(OPTIONS);
  const answer = await explain(gateway.url, { model: "fast" }, { search: "?draws=1000" });
  assert.equal(answer.status, 200, answer.text);
  const body = answer.json();
  assert.deepEqual(
    [body["group"], body["strategy"], body["dialect"], body["policy"], body["error"]],
    ["fast", "weighted", "openai-chat", null, null],
  );
  assert.deepEqual(body["rejected"], [{
    id: "tools",
    provider: "echo",
    model: "echo-no-usage",
    reasons: ["tool-only-target"],
  }]);
  const ranks = body["eligible"].map(({ rank }: Loose) => rank).sort();
  assert.deepEqual(ranks, [1, 2]);
  const [{ order }] = body["passes"];
  assert.equal(order[0], body["plan"].targetIndex);
  const { count, first } = body["draws"];
  assert.equal(count, 1_000);
  const share = first.find(({ id }: Loose) => id === "first").count / 1_000;
  assert(Math.abs(share - 0.75) < 0.03, `${share}`);
  assert.match(body["conversation"].key, /^ck_[0-9a-f]{32}$/);
  assert.deepEqual(gateway.rows(), [], "nothing is recorded");
});

Deno.test("explain tells what each target's score is made of", async () => {
  await using gateway = await startTestGateway({
    ...OPTIONS,
    group: {
      strategy: "dynamic_score",
      targets: [
        { ...TARGETS[0], input_price_per_million_usd: 1, output_price_per_million_usd: 1 },
        { ...TARGETS[1], input_price_per_million_usd: 2, output_price_per_million_usd: 2 },
      ],
    },
  });
  const { eligible } = (await explain(gateway.url, { model: "fast" })).json();
  const [first, second] = eligible;
  assert.deepEqual(first["scores"], { cost_score: 1, latency_score: 0.5, reliability_score: 0.5 });
  assert.equal(second["scores"].cost_score, 0.5);
  assert.deepEqual(first["terms"], [
    { term: "default", score: "cost_score", coefficient: 0.5, value: 1 },
    { term: "default", score: "latency_score", coefficient: 0.3, value: 0.5 },
    { term: "default", score: "reliability_score", coefficient: 0.2, value: 0.5 },
  ]);
  assert.deepEqual([first["raw"], second["raw"]], [0.75, 0.5]);
  assert.deepEqual([first["final"], second["final"]], [0.75, 0.25], "cold: by weight");
  assert.deepEqual(first["flags"], ["cold"]);
});

Deno.test("explain runs the group's policy, and a fault of it counts for nothing", async () => {
  await using gateway = await startTestGateway(OPTIONS);
  const fine = (await explain(gateway.url, { model: "policed" }, {
    headers: { "x-router-session": "s1" },
  })).json();
  assert.deepEqual(fine["plan"], { targetIndex: 1, fallbackIndexes: [], classLabel: "header" });
  assert.match(fine["policy"], /^[0-9a-f]{64}$/);
  for (let round = 0; round < 7; round++) {
    const { plan, error } = (await explain(gateway.url, { model: "policed", max_tokens: 1 }))
      .json();
    assert.deepEqual([plan, error.type, error.details.fault], [
      null,
      "routing-policy-error",
      "policy-threw",
    ]);
  }
  const served = await call(gateway.url, "openai-chat", { body: { model: "policed" } });
  assert.equal(served.status, 200);
});

Deno.test("explain tells the fault of a policy that another strategy stands in for", async () => {
  await using gateway = await startTestGateway(OPTIONS);
  const { plan, error, policyRuns } = (await explain(gateway.url, { model: "lenient" })).json();
  assert.deepEqual([plan.targetIndex, error], [0, null]);
  assert.deepEqual(policyRuns, [{
    role: "serve",
    kind: "script",
    outcome: "fallback",
    fault: "policy-plan-invalid",
    problem: "it has neither `targetIndex` nor `target`",
  }]);
});

Deno.test("explain says why nothing can serve, and refuses what a call would be refused", async () => {
  await using gateway = await startTestGateway({
    ...OPTIONS,
    server: { expose_route_headers: false },
    group: { targets: [TARGETS[2]!] },
  });
  const { plan, error, rejected } = (await explain(gateway.url, { model: "fast" })).json();
  assert.equal(plan, null);
  assert.equal(error.type, "no-eligible-target");
  assert.deepEqual(rejected, [{ id: "target-0", reasons: ["tool-only-target"] }]);
  const forbidden = await explain(gateway.url, { model: "other" });
  assertError("openai-chat", forbidden, "model-not-allowed");
  const odd = await explain(gateway.url, {}, { headers: { "x-router-dialect": "morse" } });
  assertError("openai-chat", odd, "invalid-request");
  const many = await explain(gateway.url, {}, { search: "?draws=10001" });
  assertError("openai-chat", many, "invalid-request");
});

Deno.test("explain counts in the minute's calls and nowhere else, and sees the budget", async () => {
  const keys = { rate: { rpm: 3 }, quota: { day: { requests: 1, tokens: 100_000 } } };
  await using gateway = await startTestGateway({
    ...OPTIONS,
    callers: [caller("ci", TOKEN, { allow: ["fast"], ...keys })],
  });
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
  for (let round = 0; round < 2; round++) {
    const answer = await explain(gateway.url, { model: "fast" });
    assert.equal(answer.status, 200, answer.text);
    assert(answer.json()["budget"].pressure > 0);
    assert.equal(answer.headers.get("x-ratelimit-remaining-requests"), String(1 - round));
  }
  assertError("openai-chat", await explain(gateway.url, { model: "fast" }), "rpm-exceeded");
});

Deno.test("explain lets other work go on between its draws", async () => {
  const weighted = strategies.get("weighted");
  const { create } = weighted;
  let [inRow, longest] = [0, 0];
  const turns = setInterval(() => inRow = 0, 0);
  const counted: typeof create = (options, services) => {
    const decide = create(options, services);
    return (context, asking) => {
      longest = Math.max(longest, inRow += 1);
      return decide(context, asking);
    };
  };
  Object.assign(weighted, { create: counted });
  try {
    await using gateway = await startTestGateway(OPTIONS);
    const answer = await explain(gateway.url, { model: "fast" }, { search: "?draws=10000" });
    assert.equal(answer.json()["draws"].count, 10_000, answer.text);
    assert(longest > 1 && longest <= 5_000, `${longest} draws in a row`);
  } finally {
    clearInterval(turns);
    Object.assign(weighted, { create });
  }
});
