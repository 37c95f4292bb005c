import { randomFrom } from "../core/random.ts";
import type { CallRecord, Row } from "../core/record.ts";
import { openJournal } from "../storage/journal.ts";
import type { ReportFilter } from "../storage/reports/report.ts";
import { openPlace, shipAll } from "./storage_drivers.ts";
import { type Place, requestId } from "./storage_fixture.ts";

/** 2025-11-17, a Monday, at midnight UTC. */
export const MONDAY = Date.UTC(2025, 10, 17);
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** A filter that wants every call of that week. */
export function filterOf(changes: Partial<ReportFilter> = {}): ReportFilter {
  return {
    from: MONDAY,
    to: MONDAY + 7 * DAY_MS,
    limit: 1_000,
    sort: null,
    labels: {},
    status: null,
    tokenIdPrefix: null,
    trafficShapedOnly: false,
    baseline: null,
    ...changes,
  };
}

/** Calls of a week that differ in everything reports look at; the same ones each time. */
export function someCalls(count: number, first = 0): CallRecord[] {
  const random = randomFrom(7 + first);
  const below = (limit: number) => Math.floor(random() * limit);
  return Array.from({ length: count }, (_, place) => {
    const n = first + place;
    return callOf(n, { ts: MONDAY + below(7 * DAY_MS), below });
  });
}

function callOf(
  n: number,
  { ts, below }: { readonly ts: number; below(limit: number): number },
): CallRecord {
  const status = [200, 200, 200, 200, 499, 429, 502][below(7)]!;
  const fellBack = below(5) === 0;
  const usage = usageRow(n, { ts, status, fellBack, below });
  const attempt = { provider: "acme", model: `m${n % 3}`, ts, duration_ms: below(900) };
  const failed = {
    ...attempt,
    attempt_index: 0,
    provider: "slow",
    outcome: "rate-limited",
    error_class: "rate-limited",
    status_code: 429,
    retry_after_ms: 1_000 + below(2_000),
  };
  const last = {
    ...attempt,
    attempt_index: fellBack ? 1 : 0,
    outcome: "ok",
    selected: 1,
    status_code: 200,
    ...(fellBack ? { fallback_reason: "rate-limited" } : {}),
  };
  const details = { ts, attempt_index: 0, error_class: "rate-limited", field_name: "code" };
  return {
    usage,
    attempts: fellBack ? [failed, last] : [last],
    errors: status < 400 ? [] : [{ ts, status, error_type: "upstream-failed" }],
    children: {
      request_shapes: [{ ts, inbound_dialect: "openai-chat", tool_count: n % 2 }],
      request_upstream_error_details: fellBack ? [{ ...details, field_value: "slow_down" }] : [],
      request_routing_decisions: [{ ts, group_name: "fast", strategy: "failover" }],
      request_target_filter_reasons: [{ target_id: "t1", stage: "shape", reason: "too-long" }],
      request_policy_executions: [{ role: "main", policy_kind: "script", duration_us: 40 }],
      request_routing_signals: [{ signal_name: "latency", int_value: 12 }],
      request_dynamic_score_terms: [{ score_name: "s", term_name: "cost", contribution_micro: 5 }],
      request_upstream_shape_events: [{ ts, provider: "acme", decision: "admitted" }],
    },
  };
}

function usageRow(
  n: number,
  { ts, status, fellBack, below }: {
    readonly ts: number;
    readonly status: number;
    readonly fellBack: boolean;
    below(limit: number): number;
  },
): CallRecord["usage"] {
  const input = below(5_000);
  const output = below(800);
  const labels: Row = {
    caller_id: `caller-${below(6)}`,
    caller_user: ["ada", "bob"][n % 2],
    caller_project: `p${below(3)}`,
    caller_environment: "prod",
    token_id: `k${below(4)}`,
    client: ["curl", "codex"][below(2)],
    caller_ip: "10.0.0.1",
    resolved_group: ["fast", "deep"][below(2)],
    requested_model: "fast",
    target_provider: ["acme", "slow"][below(2)],
    target_model: `m${below(3)}`,
    target_dialect: "openai-chat",
    cache: ["hit", "miss", "bypass"][below(3)],
    usage_source: ["upstream", "estimated"][below(2)],
  };
  return {
    request_id: requestId(n),
    ts,
    status,
    settled_at: ts + 10,
    ...labels,
    ...(status < 400 ? {} : { error: "upstream-failed", error_origin: "upstream" }),
    stream: below(2),
    partial: below(10) === 0 ? 1 : 0,
    attempts: fellBack ? 2 : 1,
    fallback_used: fellBack ? 1 : 0,
    latency_ms: below(3_000),
    ttft_ms: below(500),
    upstream_ttfb_ms: below(400),
    upstream_duration_ms: 1 + below(2_500),
    input_tokens: input,
    cached_input_tokens: below(input + 50),
    cache_write_tokens: below(200),
    output_tokens: output,
    total_tokens: input + output,
    ...(below(3) === 0
      ? { image_tokens: below(300), input_has_image: 1, input_image_count: 1 }
      : {}),
    reasoning_tokens: below(100),
    reasoning_attempt_count: below(2),
    ...(below(8) === 0 ? {} : { total_cost_nusd: below(5_000_000), image_cost_nusd: below(1_000) }),
    other_attempts_cost_nusd: fellBack ? below(10_000) : 0,
    saved_nusd: below(1_000),
    traffic_shape_applied: 1,
    traffic_shape_decision: ["admitted", "queued", "rejected"][below(3)],
    traffic_shape_scope: "caller",
    traffic_shape_bucket: "caller.requests",
    queue_wait_ms: below(600),
    pii_filter_mode: "redact",
    contract_present: 1,
  };
}

/** Writes calls to the journal of a place and ships them; gives its database. */
export async function shipCalls(place: Place, calls: readonly CallRecord[]) {
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (const call of calls) journal.append(call);
  await journal.close();
  const database = await openPlace(place);
  await shipAll(database.shipper);
  return database;
}
