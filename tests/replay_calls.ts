import { hash } from "node:crypto";
import { costOf } from "@/core/cost.ts";
import { checkPlan } from "@/core/plan.ts";
import { planJson } from "@/core/plan_json.ts";
import { randomFrom } from "@/core/random.ts";
import type { CallRecord, DecisionRecord } from "@/core/record.ts";
import type { Plan, RouteContext } from "@/core/strategy.ts";
import { type GroupStatics, packContext, packStatics } from "@/core/telemetry/context_record.ts";
import { ENGINE } from "@/core/telemetry/engine.ts";
import { ASKING } from "@/policies/replay/plans.ts";
import { context } from "@/policies/sdk/context.ts";
import { openJournal } from "@/storage/journal.ts";
import { strategies } from "@/strategies/mod.ts";
import { openPlace, shipAll } from "./storage_drivers.ts";
import { type Place, record, requestId } from "./storage_fixture.ts";

/** A strategy that decides for test calls. */
export type TestStrategy =
  | "cost"
  | "dynamic_score"
  | "failover"
  | "latency"
  | "static"
  | "weighted";

/** The settings that test calls were decided under. */
export const FINGERPRINT = "f".repeat(32);
export const GROUP = "general";

/** Three targets, from cheap to dear. */
const TARGETS = context({
  targets: [1, 2, 3].map((n) => ({
    id: `t${n}`,
    provider: `p${n}`,
    model: `m${n}`,
    weight: 40 - 10 * n,
    tags: [n === 1 ? "economy" : "premium"],
    prices: { input: n * 1e8, cachedInput: n * 1e7, cacheWrite: null, output: n * 4e8 },
  })),
}).targets;

/** What the configuration says of the group, decided by a strategy. */
export function staticsOf(strategy: TestStrategy): GroupStatics {
  const options = strategies.get(strategy).options.parse({});
  return {
    strategy,
    options,
    base: { strategy: "weighted", options: {} },
    fallsBack: false,
    targets: Object.fromEntries(
      TARGETS.map(({ index: _, groupIndex, validation: __, signals: ___, ...statics }) => [
        groupIndex,
        statics,
      ]),
    ),
  };
}

/** The context of the nth test call: some of the targets, each observed or not. */
export function contextOf(n: number): RouteContext {
  const random = randomFrom(n);
  const below = (limit: number) => Math.floor(random() * limit);
  const eligible = TARGETS.filter((_, index) => index === n % 3 || random() < 0.7);
  return context({
    requestId: requestId(n),
    group: GROUP,
    seed: below(2 ** 32),
    features: { estimatedInputTokens: 1 + below(9_000), outputCap: n % 2 ? 256 : null },
    caller: { id: `caller-${n % 5}` },
    conversationKey: n % 4 === 0 ? null : `ck_${String(n % 37).padStart(32, "0")}`,
    budget: { pressure: random() },
    targets: eligible.map(({ index: _, signals, ...target }) => ({
      ...target,
      signals: random() < 0.8
        ? {
          ...signals,
          observations: 20 + below(400),
          successes: 20 + below(20),
          p50LatencyMs: 100 + below(2_000),
          p95LatencyMs: 2_100 + below(4_000),
          meanOutputTokens: below(900),
        }
        : signals,
    })),
  });
}

/** A call as the journal has it: its line, and how it was decided. */
export interface TestCall {
  readonly call: CallRecord;
  readonly decision: DecisionRecord;
}

/** The nth test call, decided by a strategy; every seventh was served by its first fallback. */
export function testCall(n: number, strategy: TestStrategy): TestCall {
  const given = contextOf(n);
  const { options } = staticsOf(strategy);
  const decide = strategies.get(strategy).create(options, {
    group: GROUP,
    policies: null,
    base: () => ({ targetIndex: 0 }),
  });
  return recorded(n, given, decide(given, ASKING) as Plan);
}

/** A call that was decided so; `row` changes its record. */
export function recorded(
  n: number,
  given: RouteContext,
  plan: Plan,
  row: Readonly<Record<string, string | number>> = {},
): TestCall {
  const checked = checkPlan(plan, given);
  const fellBack = n % 7 === 0 && checked.order.length > 1;
  const served = given.targets[checked.order[fellBack ? 1 : 0]!]!;
  const { z, bytes, sha256 } = packContext(given);
  const plan_json = planJson(plan, checked);
  const { usage, ...call } = record(n, usageOf(n, given, served));
  return {
    call: { ...call, usage: { ...usage, fallback_used: fellBack ? 1 : 0 } },
    decision: {
      requestId: requestId(n),
      ts: usage.ts,
      rows: {
        request_routing_decisions: [{
          ts: usage.ts,
          group_name: GROUP,
          strategy: "test",
          config_fingerprint: FINGERPRINT,
          policy_kind: "policy_digest" in row ? "script" : undefined,
          seed: given.seed,
          plan_sha256: hash("sha256", plan_json, "hex"),
          recorded: 1,
        }],
        request_fallback_transitions: fellBack
          ? [{ failed_target_id: given.targets[checked.order[0]!]!.id, attempt_index: 1 }]
          : [],
        request_decision_records: [{
          ts: usage.ts,
          group_name: GROUP,
          contract_version: 1,
          config_fingerprint: FINGERPRINT,
          engine: ENGINE,
          seed: given.seed,
          context_z: z,
          context_bytes: bytes,
          context_sha256: sha256,
          plan_json,
          ...row,
        }],
      },
    },
  };
}

function usageOf(n: number, given: RouteContext, served: RouteContext["targets"][number]) {
  const random = randomFrom(-n);
  const input = given.features.estimatedInputTokens;
  const cached = n % 3 === 0 ? Math.floor(input * random()) : 0;
  const output = Math.floor(random() * 800);
  const price = (value: number | null) => value === null ? null : BigInt(value);
  const { prices } = served;
  const cost = costOf(
    { input, cachedInput: cached, cacheWrite: 0, output, image: null, imageCount: 0 },
    {
      input: price(prices.input),
      cachedInput: price(prices.cachedInput),
      cacheWrite: null,
      output: price(prices.output),
      image: null,
      perImage: null,
      source: "",
      updatedAt: "",
    },
  );
  return {
    caller_id: given.caller.id,
    resolved_group: GROUP,
    target_index: served.groupIndex,
    latency_ms: 50 + n % 997,
    input_tokens: input,
    cached_input_tokens: cached,
    output_tokens: output,
    total_tokens: input + output,
    input_cost_nusd: Number(cost.input),
    cached_input_cost_nusd: Number(cost.cachedInput),
    cache_write_cost_nusd: 0,
    output_cost_nusd: Number(cost.output),
    image_cost_nusd: 0,
    total_cost_nusd: Number(cost.total),
  };
}

/** Writes calls to the journal of a place and ships them; gives its database. */
export async function shipRecorded(
  place: Place,
  { calls, statics, bundle }: {
    readonly calls: readonly TestCall[];
    readonly statics: GroupStatics;
    /** Columns of `policy_bundles`. */
    readonly bundle?: Readonly<Record<string, string>>;
  },
) {
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  journal.appendDecisionSource("route_config_snapshots", {
    config_fingerprint: FINGERPRINT,
    group_name: GROUP,
    first_seen_at: 1,
    static_z: packStatics(statics),
  });
  if (bundle) journal.appendDecisionSource("policy_bundles", { ...bundle, first_seen_at: 1 });
  for (const { call, decision } of calls) {
    journal.append(call);
    journal.appendDecision(decision);
  }
  await journal.close();
  const database = await openPlace(place);
  await shipAll(database.shipper);
  return database;
}
