import { idHeaders, json, limitHeaders } from "./answer.ts";
import { type Call, cutError, type Parts } from "./call.ts";
import type { Endpoint, Visit } from "./endpoints.ts";
import { tryCall } from "./engine.ts";
import { GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import { parseJson } from "./parse_json.ts";
import { pause } from "./pause.ts";
import { checkPlan } from "./plan.ts";
import { planJson } from "./plan_json.ts";
import { countCall } from "./reserve.ts";
import { askingOf, assertAnswered, beginDecision, decide } from "./route.ts";
import { plainContext } from "./route_context.ts";
import { shownTargets } from "./shown_targets.ts";
import type { Group } from "./snapshot.ts";
import type { Asking, PolicyRun, RouteContext } from "./strategy.ts";

const MAX_DRAWS = 10_000;
/** Draws in a row before other work gets its turn. */
const SLICE = 200;

/**
 * `POST /v1/route/explain`: how a call with this body would be routed, and why. No provider is called,
 * nothing is recorded, and a policy's fault here counts for nothing.
 */
export const explain: Endpoint = async (parts, visit) => {
  const dialect = dialectOf(parts, visit);
  const draws = drawsOf(visit);
  const remote = new URLSearchParams(visit.search).get("call_policy") === "true";
  const headers = { ...idHeaders(dialect, visit.id), "cache-control": "no-store" };
  return await tryCall(parts, dialect, visit, async (call) => {
    const body = await explained(parts, call, { draws, remote });
    return json(body, { headers: { ...headers, ...limitHeaders(parts, call) } });
  });
};

function dialectOf({ dialects }: Parts, { request }: Visit) {
  const name = request.headers.get("x-router-dialect") ?? "openai-chat";
  if (dialects.has(name)) return dialects.get(name);
  throw new GatewayError(
    "invalid-request",
    `Cannot read x-router-dialect: expected one of ${dialects.names.join(", ")}`,
    { reason: "not-one-of", path: "x-router-dialect" },
  );
}

function drawsOf({ search }: Visit): number {
  const text = new URLSearchParams(search).get("draws") ?? "0";
  const draws = Number(text);
  if (Number.isInteger(draws) && draws >= 0 && draws <= MAX_DRAWS) return draws;
  throw new GatewayError(
    "invalid-request",
    `Cannot read draws: expected a whole number from 0 to ${MAX_DRAWS}`,
    { reason: "out-of-range", path: "draws" },
  );
}

async function explained(
  parts: Parts,
  call: Call,
  { draws, remote }: { readonly draws: number; readonly remote: boolean },
): Promise<JsonObject> {
  await countCall(parts, call);
  const decision = beginDecision(parts, call, true);
  const asking = askingOf(call, decision, { trial: true, remote });
  await decide(parts, decision, asking);
  assertAnswered(call, decision);
  const { group, context, plan, checked } = decision;
  const shown = shownTargets(parts, call, decision);
  return {
    requestId: call.id,
    group: group.name,
    dialect: call.dialect.name,
    strategy: group.strategy,
    arm: decision.arm,
    configFingerprint: call.snapshot.fingerprint,
    policy: parts.policies.digestOf(group.name),
    now: context.now,
    seed: context.seed,
    requirements: [...context.requirements],
    features: plain(context.features),
    conversation: {
      key: context.conversationKey,
      source: context.conversationKeySource,
      pin: decision.pinState,
    },
    budget: { pressure: context.budget.pressure, rule: decision.budgetRule?.name ?? null },
    eligible: shown.eligible,
    rejected: shown.rejected,
    passes: decision.passes.map(({ pass, order }): JsonObject => ({ pass, order: [...order] })),
    ...(decision.runs.length > 0 ? { policyRuns: decision.runs.map(shownRun) } : {}),
    error: decision.error ? errorOf(decision.error) : null,
    plan: plan && checked && parseJson(planJson(plan, checked)),
    ...(draws > 0 && group.policy === null && plan
      ? { draws: await drawn(call, group, context, { draws, asking, idOf: shown.idOf }) }
      : {}),
  };
}

/** A value as its JSON reads. */
function plain(value: object): JsonObject {
  return parseJson(JSON.stringify(value));
}

/** What came of asking the policy: with `on_error: fallback` a fault is no error. */
function shownRun({ role, kind, outcome, fault, problem }: PolicyRun): JsonObject {
  return { role, kind, outcome, fault, problem };
}

function errorOf({ type, message, details }: GatewayError): JsonObject {
  return { type, message, details: { ...details } };
}

/**
 * How often each target comes first over many seeds.
 *
 * @throws {GatewayError} when the call was cut meanwhile
 */
async function drawn(
  call: Call,
  group: Group,
  context: RouteContext,
  { draws, asking, idOf }: {
    readonly draws: number;
    readonly asking: Asking;
    idOf(index: number): string;
  },
): Promise<JsonObject> {
  const counts = new Map<number, number>();
  const plain = plainContext(context);
  for (let draw = 0; draw < draws; draw++) {
    if (draw % SLICE === 0) await pause(call, 1);
    if (call.cut !== null) throw cutError(call.cut);
    // Multiples of the golden ratio spread over all seeds.
    const again = { ...plain, seed: Math.imul(draw, 0x9e37_79b1) >>> 0 };
    const plan = group.decide(again, asking);
    if (plan instanceof Promise) break;
    const first = checkPlan(plan, again).order[0] ?? 0;
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  const first = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .map(([index, count]) => ({ id: idOf(index), count }));
  return { count: draws, first };
}
