import {
  type Attempt,
  type Call,
  decidingAttempt,
  fallbackReason,
  isFallback,
  type Parts,
  servingAttempt,
  type Settlement,
} from "./call.ts";
import { contractColumns, validationAge } from "./contract_columns.ts";
import { costOf } from "./cost.ts";
import { diagnosticRows } from "./diagnostic_rows.ts";
import type { GatewayError } from "./errors.ts";
import type { Charge } from "./limits/charge.ts";
import { keyState, quotaState } from "./limits/standing.ts";
import { providerWords } from "./provider_words.ts";
import type { CallRecord, Row } from "./record.ts";
import { requestShape } from "./request_shape.ts";
import {
  callerColumns,
  endpointHost,
  groupColumns,
  snapshotColumns,
  targetColumns,
} from "./record_sections.ts";
import { scopesOf } from "./reserve.ts";
import { settleUsage } from "./settle_usage.ts";
import { shapeColumns } from "./shape_rows.ts";
import { ownDecisionRows } from "./telemetry/decision_rows.ts";
import { fieldEvents, translationShapes } from "./translation_rows.ts";
import { UPSTREAM_CLASSES, type UpstreamClass } from "./upstream_error.ts";

/** The record of a call: pure, from what the steps left in it. What is NULL is left out. */
export function callRecord(parts: Parts, call: Call, settlement: Settlement): CallRecord {
  const target = decidingAttempt(call)?.target;
  return {
    usage: {
      request_id: call.id,
      ts: call.ts,
      settled_at: parts.now(),
      status: settlement.status,
      endpoint: call.dialect.endpoint,
      inbound_dialect: call.dialect.name,
      requested_model: requestedModel(call),
      class_label: call.classLabel ?? undefined,
      client: call.client,
      client_request_id: call.callerIds.client,
      trace_id: traceId(call),
      caller_ip: call.clientIp ?? undefined,
    },
    sections: [
      callerColumns(call.credential),
      snapshotColumns(call.snapshot, parts),
      ...(call.group ? [groupColumns(call.group)] : []),
      ...(call.group?.contract ? [contractColumns(call)] : []),
      ...(target ? [targetColumns(target)] : []),
      ...(target?.validation ? [validationAge(target.validation, call.ts)] : []),
      endColumns(call, settlement),
      bridgeColumns(call),
      decisionColumns(call),
      timeColumns(call, settlement.at),
      tokenColumns(call, settlement),
      costColumns(call, settlement),
      billColumns(settlement),
      shapeColumns(call),
      cacheColumns(parts, call),
      limitColumns(parts, call, settlement.charge),
    ],
    attempts: call.attempts.map((attempt) => attemptRow(call, attempt, settlement)),
    errors: settlement.error ? [errorRow(call, settlement.error, settlement.status)] : [],
    children: childrenOf(parts, call, settlement),
  };
}

function childrenOf(
  { fingerprints }: Parts,
  call: Call,
  settlement: Settlement,
): Readonly<Record<string, readonly Row[]>> {
  const shape = requestShape(call, fingerprints);
  return {
    request_routing_decisions: ownDecisionRows(call, settlement),
    request_shapes: shape ? [shape] : [],
    request_translation_field_events: fieldEvents(call),
    request_translation_shapes: translationShapes(call, fingerprints),
    ...diagnosticRows(call, settlement),
  };
}

/** A name the caller may not use is never stored. */
function requestedModel(call: Call): string | undefined {
  if (call.group) return call.group.name;
  return call.requestedModel ? "rejected_model" : undefined;
}

function endColumns(call: Call, { error, facts, partial }: Settlement): Row {
  const { model, finish } = providerWords(facts);
  return {
    served_model: model,
    finish_reason: finish,
    stream: flag(call.wireFeatures?.stream === true),
    cache: call.cache?.status ?? "bypass",
    attempts: call.attempts.length,
    fallback_used: flag(call.attempts.some((attempt) => isFallback(call, attempt))),
    partial: flag(partial),
    error: error?.type,
    error_class: error ? errorClass(error) : undefined,
    error_origin: error ? errorOrigin(error) : undefined,
  };
}

/** How the call's target was chosen, as far as its group has a say in that beyond its strategy. */
function decisionColumns({ decision }: Call): Row {
  if (decision === null) return NO_COLUMNS;
  const { group, runs, pinState, arm, context } = decision;
  if (runs.length === 0 && pinState === "disabled") return NO_COLUMNS;
  return {
    pin_state: pinState,
    conversation_key: group.affinity.enabled ? context.conversationKey : undefined,
    policy_arm: runs.length > 0 ? arm : undefined,
    policy_digest: runs.find(({ role }) => role !== "shadow")?.digest ?? undefined,
  };
}

const NO_COLUMNS: Row = Object.freeze({});

function bridgeColumns(call: Call): Row {
  const attempt = decidingAttempt(call);
  return attempt?.bridge ? { bridge: attempt.bridge.direction } : {};
}

function timeColumns(call: Call, now: number): Row {
  const latency = now - call.startedAt;
  const serving = servingAttempt(call);
  const upstreamMs = call.attempts.reduce(
    (sum, attempt) => sum + (attempt.endedAt ?? now) - attempt.startedAt,
    0,
  );
  return {
    latency_ms: Math.round(latency),
    overhead_us: Math.max(0, Math.round((latency - call.waitedMs) * 1000)),
    policy_us: Math.round(call.decideMs * 1000),
    ttfb_ms: since(call, call.firstByteOutAt),
    ttft_ms: since(call, call.firstContentAt),
    upstream_ttfb_ms: serving && serving.firstByteAt !== null
      ? Math.round(serving.firstByteAt - serving.startedAt)
      : undefined,
    upstream_duration_ms: call.attempts.length > 0 ? Math.round(upstreamMs) : undefined,
    downstream_duration_ms: call.firstByteOutAt === null
      ? undefined
      : Math.round(now - call.firstByteOutAt),
  };
}

function since(call: Call, at: number | null): number | undefined {
  return at === null ? undefined : Math.round(at - call.startedAt);
}

function tokenColumns(call: Call, { usage, facts }: Settlement): Row {
  const { features } = call;
  const asked = features?.reasoning.requested === true;
  return {
    usage_source: usage.source,
    input_tokens: usage.input,
    cached_input_tokens: usage.cachedInput,
    cache_write_tokens: usage.cacheWrite,
    output_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    reasoning_tokens: usage.reasoning ?? undefined,
    image_tokens: usage.image ?? undefined,
    input_has_image: flag((features?.imageCount ?? 0) > 0),
    input_image_count: features?.imageCount,
    tool_call_count: facts?.toolCalls,
    reasoning_attempt_count: asked ? call.attempts.length : 0,
    reasoning_successful_attempt_count: flag(asked && servingAttempt(call) !== null),
    reasoning_reported_attempt_count: flag(asked && usage.reasoning !== null),
  };
}

/**
 * What was charged, by which counters are made again after a crash, and how the limits stand now.
 * `charged_at` (epoch ms, only where the call counts at all) is no column of the database.
 */
function limitColumns({ ledger }: Parts, call: Call, charge: Charge): Row {
  const at = ledger.moment();
  const scopes = scopesOf(call);
  const key = keyState(scopes, at);
  return {
    charged_at: charge.calls > 0 ? call.reservation?.chargedAt : undefined,
    charged_requests: charge.requests,
    charged_tokens: charge.tokens,
    charged_nusd: charge.nusd,
    quota_state: quotaState(scopes, at),
    key_state: key === "ok" ? call.credential.caller.status : key,
  };
}

/** What the cache holds now, and what it saved. */
function cacheColumns({ cache }: Parts, call: Call): Row {
  const { enabled, maxBytes } = call.snapshot.server.cache;
  if (!enabled) return NO_COLUMNS;
  const { items, bytes } = cache.size;
  const reply = call.cache?.reply;
  return {
    cache_enabled: 1,
    cache_items: items,
    cache_bytes: bytes,
    cache_max_bytes: maxBytes,
    ...(reply
      ? {
        saved_nusd: reply.costNusd,
        target_provider: reply.provider,
        target_model: reply.model,
      }
      : {}),
  };
}

function costColumns(call: Call, { cost }: Settlement): Row {
  const other = otherCost(call);
  if (!cost) return { ...NO_COST, other_attempts_cost_nusd: stored(other) };
  return {
    input_cost_nusd: stored(cost.input),
    cached_input_cost_nusd: stored(cost.cachedInput),
    cache_write_cost_nusd: stored(cost.cacheWrite),
    output_cost_nusd: stored(cost.output),
    image_cost_nusd: stored(cost.image),
    total_cost_nusd: stored(cost.total),
    other_attempts_cost_nusd: stored(other),
  };
}

/** What the provider of the reply says it bills; apart from the cost, which the catalog says. */
function billColumns({ facts }: Settlement): Row {
  if (!facts?.bill) return NO_COLUMNS;
  const { input, output, total } = facts.bill;
  return {
    upstream_reported_input_cost_nusd: input ?? undefined,
    upstream_reported_output_cost_nusd: output ?? undefined,
    upstream_reported_total_cost_nusd: total ?? undefined,
  };
}

const NO_COST = {
  input_cost_nusd: 0,
  cached_input_cost_nusd: 0,
  cache_write_cost_nusd: 0,
  output_cost_nusd: 0,
  image_cost_nusd: 0,
  total_cost_nusd: 0,
};

/** What attempts that did not serve cost the operator, where their provider reported usage. */
function otherCost(call: Call): bigint | null {
  let total: bigint | null = 0n;
  for (const attempt of call.attempts) {
    if (attempt.selected || !attempt.facts?.usage) continue;
    const cost = attemptCost(call, attempt);
    total = total === null || cost === null ? null : total + cost;
  }
  return total;
}

function attemptCost(call: Call, { facts, target, estimate }: Attempt): bigint | null {
  const reported = facts && { ...facts, contentBytes: 0 };
  const settled = settleUsage({
    facts: reported,
    complete: true,
    delivered: true,
    estimate: { ...estimate, input: 0 },
  });
  return costOf({ ...settled, imageCount: call.features?.imageCount ?? 0 }, target.prices).total;
}

function attemptRow(call: Call, attempt: Attempt, settlement: Settlement): Row {
  const { target, error } = attempt;
  const usage = attempt.facts?.usage;
  const left = leftDuring(call, attempt);
  return {
    attempt_index: attempt.index,
    ts: attempt.ts,
    provider: target.provider.name,
    model_ref: target.modelRef ?? undefined,
    model: target.model,
    dialect: target.dialect,
    endpoint_host: endpointHost(target),
    provider_key_id: target.provider.keyId || undefined,
    outcome: outcomeOf(call, attempt),
    error_class: error?.class,
    fallback_reason: fallbackReason(call, attempt),
    upstream_request_id: attempt.upstreamRequestId ?? undefined,
    retryable: flag(error !== null && UPSTREAM_CLASSES[error.class].next !== "none"),
    timed_out: flag(attempt.timedOut),
    client_canceled: flag(left),
    selected: flag(attempt.selected),
    duration_ms: Math.round((attempt.endedAt ?? settlement.at) - attempt.startedAt),
    attempt_timeout_ms: Math.round(attempt.timeoutMs),
    ttfb_ms: attempt.firstByteAt === null
      ? null
      : Math.round(attempt.firstByteAt - attempt.startedAt),
    status_code: attempt.status ?? undefined,
    retry_after_ms: error?.retryAfterMs ?? undefined,
    request_bytes: attempt.requestBytes,
    response_bytes: attempt.responseBytes,
    input_tokens: usage?.input ?? undefined,
    output_tokens: usage?.output ?? undefined,
    reasoning_tokens: usage?.reasoning ?? undefined,
    cost_nusd: !usage
      ? null
      : attempt.selected
      ? stored(settlement.cost?.total ?? null)
      : stored(attemptCost(call, attempt)),
  };
}

/** How an attempt ended, in one word of a closed list. */
export function outcomeOf(
  call: Call,
  attempt: Attempt,
): UpstreamClass | "client_disconnect" | "hedge_loser" | "internal_error" | "ok" {
  if (attempt.error) return attempt.error.class;
  if (attempt.stopped === "hedge_loser") return "hedge_loser";
  if (leftDuring(call, attempt)) return "client_disconnect";
  return attempt.selected ? "ok" : "internal_error";
}

/** Whether the caller left while this attempt was under way. */
function leftDuring(call: Call, { stopped, endedAt }: Attempt): boolean {
  return call.cut === "caller-gone" && (stopped === "cut" || endedAt === null);
}

function errorRow(call: Call, error: GatewayError, status: number): Row {
  const attempt = decidingAttempt(call);
  return {
    ts: call.ts,
    status,
    error_type: error.type,
    error_class: errorClass(error),
    error_message: error.message.slice(0, 200),
    error_origin: errorOrigin(error),
    retryable: flag(error.retryable),
    attempts: call.attempts.length,
    provider: attempt?.target.provider.name,
    model: attempt?.target.model,
    dialect: attempt?.target.dialect,
  };
}

/** The class of a failure, or the fault of a policy; empty where there is neither. */
export function errorClass(error: GatewayError): string {
  if (error.type === "client-closed-request") return "client_disconnect";
  const name = error.details["error_class"] ?? error.details["fault"];
  return typeof name === "string" ? name : "";
}

/** Whose fault it was. */
export function errorOrigin(error: GatewayError): "caller" | "gateway" | "upstream" {
  if (error.type.startsWith("upstream-")) return "upstream";
  return error.status < 500 ? "caller" : "gateway";
}

/** Id of the trace a call is part of: the tracer's own, else the caller's. */
export function traceId({ trace, callerIds }: Call): string | undefined {
  return trace?.traceId ?? callerIds.trace;
}

const flag = (value: boolean) => value ? 1 : 0;

const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/** A number where it is exact: lines of numbers are written several times faster. */
function stored(amount: bigint | null): number | bigint | null {
  if (amount === null || amount > MAX_EXACT) return amount;
  return Number(amount);
}
