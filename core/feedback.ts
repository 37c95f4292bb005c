import { type Call, decidingAttempt, type Settlement } from "./call.ts";
import { errorClass } from "./call_record.ts";
import { inputClasses } from "./cost.ts";

/** What became of a call, for the policy that decided about it; one line of JSON. */
export function feedbackLine(call: Call, settlement: Settlement, completedAt: number): string {
  const { decision } = call;
  const { status, usage, cost, error, at } = settlement;
  const attempt = decidingAttempt(call);
  const target = attempt?.target;
  const counted = usage.source !== "none";
  const input = inputClasses(usage);
  return JSON.stringify({
    schema: "feedback.v1",
    requestId: call.id,
    group: call.group?.name ?? null,
    conversationKey: decision?.context.conversationKey ?? null,
    status,
    errorClass: error ? errorClass(error) || error.type : null,
    targetId: target?.id ?? null,
    provider: target?.provider.name ?? null,
    model: target?.model ?? null,
    dialect: target?.dialect ?? null,
    attempts: call.attempts.length,
    cache: call.cache?.status ?? "bypass",
    inputTokens: counted ? usage.input : null,
    cachedInputTokens: counted ? input.cached : null,
    cacheWriteTokens: counted ? input.written : null,
    outputTokens: counted ? usage.output : null,
    reasoningTokens: counted ? usage.reasoning : null,
    costNusd: typeof cost?.total === "bigint" ? Number(cost.total) : null,
    latencyMs: Math.round(at - call.startedAt),
    ttfbMs: call.firstByteOutAt === null ? null : Math.round(call.firstByteOutAt - call.startedAt),
    classLabel: call.classLabel,
    completedAt,
  });
}
