import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { RouteContext } from "@/core/strategy.ts";
import { unpackContext, unpackStatics } from "@/core/telemetry/context_record.ts";
import {
  caller,
  type ConfigOptions,
  DIALECTS,
  type Loose,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { rowsOf } from "../recorded_rows.ts";
import { reply, startUpstream } from "../upstream.ts";

/** Calls to each group. */
const CALLS = 40;

const BUILT_IN = ["cost", "dynamic_score", "failover", "latency", "static", "weighted"];
const GROUPS = [...BUILT_IN, "external", "script"];

/** Targets that differ in everything a strategy looks at, and serve some calls each. */
const TARGETS = ["echo", "echo-reasoning", "echo-no-usage", "echo"].map((model, at) => ({
  id: `t${at}`,
  provider: "echo",
  model,
  weight: 4 - at,
  inbound_dialects: DIALECTS,
  tags: at % 2 === 0 ? ["economy"] : [],
  tool_only: at === 2,
  context_tokens: at === 3 ? 1_500 : 100_000,
  input_price_per_million_usd: 3 / (1 + at),
  output_price_per_million_usd: 2 + at,
}));

/** Decides by everything that moves from call to call. */
function drawn({ seed, targets, features, pinnedIndex }: RouteContext) {
  const { index, signals } = targets[seed % targets.length]!;
  return {
    targetIndex: index,
    ...(features.outputCap === null ? { fallbackIndexes: [] } : {}),
    classLabel: `tokens:${features.estimatedInputTokens}`,
    metadata: { pinnedIndex, observed: signals.observations, p95: signals.p95LatencyMs },
  };
}

function options(policyUrl: string): ConfigOptions {
  const common = {
    targets: TARGETS,
    // A conversation draws alike in each of its calls, and so in an explained one.
    affinity: { enabled: true },
  };
  const scored = {
    routing_policy: {
      dynamic_score: {
        min_observations: 5,
        explore_percent: 20,
        thresholds: { max_p95_latency_ms: 2 },
        score_terms: [
          { name: "cheap", expression: "0.6*cost_score + 0.2*load_score" },
          { name: "fast", require_tags: ["economy"], expression: "0.4*latency_score" },
        ],
      },
    },
  };
  const policed = { script_timeout_ms: 1_000 };
  const external = { url: policyUrl, allow_hosts: ["127.0.0.1"], timeout_ms: 5_000 };
  const own: Loose = {
    dynamic_score: scored,
    script: { script: "drawn.ts", ...policed },
    external: { external_policy: external },
  };
  return {
    upstreams: [],
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    group: { targets: TARGETS },
    models: Object.fromEntries(
      GROUPS.map((strategy) => [strategy, { strategy, ...common, ...own[strategy] }]),
    ),
    server: { decision_telemetry: { sample_percent: 100 } },
    callers: [caller("ci", TOKEN, { allow: GROUPS })],
    files: { "drawn.ts": `export ${drawn.toString().replace("function drawn", "function route")}` },
  };
}

const asks = fc.record({
  dialect: fc.constantFrom(...DIALECTS),
  conversation: fc.nat({ max: 30 }),
  words: fc.nat({ max: 2_500 }),
  cap: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
  tools: fc.boolean(),
});
type Ask = typeof asks extends fc.Arbitrary<infer Value> ? Value : never;

/** Explains a call, and makes it. */
async function explainAndCall(url: string, group: string, ask: Ask) {
  const { dialect, conversation, words, cap, tools } = ask;
  const content = "word ".repeat(1 + words);
  const messages = [{ role: "user", content }];
  const tool = { name: "look", description: "looks", parameters: { type: "object" } };
  const { [dialect]: body } = {
    "openai-chat": {
      messages,
      max_tokens: cap,
      ...(tools ? { tools: [{ type: "function", function: tool }] } : {}),
    },
    "openai-responses": {
      input: content,
      max_output_tokens: cap,
      ...(tools ? { tools: [{ type: "function", ...tool }] } : {}),
    },
    "anthropic": {
      messages,
      max_tokens: cap ?? 50,
      ...(tools ? { tools: [{ name: "look", input_schema: { type: "object" } }] } : {}),
    },
  };
  const asked = {
    body: { model: group, ...body },
    headers: { "x-router-session": `c${conversation}` },
  };
  const explained = await call(url, dialect, {
    ...asked,
    path: "/v1/route/explain?call_policy=true",
    headers: { ...asked.headers, "x-router-dialect": dialect },
  });
  assert.equal(explained.status, 200, explained.text);
  const served = await call(url, dialect, asked);
  return { ask, explained: explained.json(), served };
}

/** A decision that was recorded: its context and its plan. */
interface Recorded {
  readonly context: RouteContext;
  readonly plan: string;
}

/** What was recorded, by the ids of calls, as soon as there is so much of it. */
async function recordedOf(gateway: TestGateway, count: number): Promise<Map<string, Recorded>> {
  const records = await rowsOf(gateway, "request_decision_records", count);
  const statics = new Map(
    (await rowsOf(gateway, "route_config_snapshots", GROUPS.length))
      .map(({ group_name, static_z }) => [group_name, unpackStatics(static_z)]),
  );
  return new Map(records.map((row) => {
    const { request_id, group_name, context_z: z, context_sha256: sha256, plan_json: plan } = row;
    const context = unpackContext({ z, sha256 }, statics.get(group_name)!);
    return [request_id, { context, plan }];
  }));
}

/** A target's scores, if it has any, are made of its terms. */
function assertScores({ raw, final, scores, terms }: Loose): void {
  if (terms === undefined) return;
  const sum = terms.reduce((sum: number, term: Loose) => sum + term.coefficient * term.value, 0);
  assert(Math.abs(raw - Math.max(0, sum)) < 1e-12 && final >= 0 && final <= 1);
  for (const { score, value } of terms) assert(scores[score] >= value);
}

Deno.test("explain tells the plan that a call with the same context is served by, for every strategy", async () => {
  await using policy = await startUpstream((exchange) =>
    reply(drawn(JSON.parse(new TextDecoder().decode(exchange.request.body))))(exchange)
  );
  await using gateway = await startTestGateway(options(policy.url));
  const made = [];
  for (const group of GROUPS) {
    for (const ask of fc.sample(asks, CALLS)) {
      made.push({ group, ...await explainAndCall(gateway.url, group, ask) });
    }
  }
  const recorded = await recordedOf(gateway, made.length);
  const plans = new Map(GROUPS.map((group) => [group, new Set<string>()]));
  let same = 0;
  for (const { group, ask, explained, served } of made) {
    const told = JSON.stringify({ group, ask, explained });
    assert.equal(served.status, 200, served.text);
    const { context, plan } = recorded.get(served.id)!;
    assert.deepEqual(
      [explained.seed, explained.features, explained.requirements, explained.conversation.key],
      [context.seed, context.features, context.requirements, context.conversationKey],
      told,
    );
    explained.eligible.forEach(assertScores);
    // What is observed of targets moves with the clock: then it is another context.
    const observed = explained.eligible.map(({ signals }: Loose) => signals);
    if (!isDeepStrictEqual(observed, context.targets.map(({ signals }) => signals))) continue;
    assert.equal(JSON.stringify(explained.plan), plan, told);
    const first = explained.eligible[explained.passes.at(-1).order[0]];
    assert.equal(served.headers.get("x-router-model"), first.model, told);
    plans.get(group)?.add(plan);
    same += 1;
  }
  assert(same > made.length / 2, `${same} of ${made.length} had the same context`);
  const few = GROUPS.filter((group) => plans.get(group)!.size < 2);
  assert.deepEqual(few, ["static"], "the others are seen to decide in more than one way");
});
