import { type Attempt, type Call, fallbackReason, precedingAttempt } from "../call.ts";
import type { Decision } from "../decision.ts";
import { memo } from "../memo.ts";
import type { Row } from "../record.ts";
import type { DecisionFacts } from "./decision_facts.ts";
import type { SeenContext } from "./recorded_context.ts";
import { runRow } from "./run_row.ts";
import { UPSTREAM_CLASSES } from "../upstream_error.ts";

/** All rows of a list name the same columns: so they go into their table together. */
const NOTHING = { candidate_index: null, int_value: null, text_value: null } as const;

/** Rows of `request_routing_signals`: where each pass put each target, and what it went by. */
export function passRows({ passes, ...facts }: DecisionFacts): readonly Row[] {
  const rows: Row[] = [];
  const add = (pass: string, signal_name: string, value: Row) =>
    rows.push({ seq: rows.length, pass, signal_name, ...NOTHING, ...value });
  for (const { pass, order } of passes) {
    for (const [place, candidate_index] of order.entries()) {
      add(pass, "rank", { candidate_index, int_value: place + 1 });
    }
  }
  add("pin", "pin_state", { text_value: facts.pinState });
  if (facts.budgetRule !== null) add("budget", "rule", { text_value: facts.budgetRule });
  add("availability", "deferred", { int_value: facts.deferredCount });
  add("availability", "panic", { int_value: facts.panic ? 1 : 0 });
  return rows;
}

/** Rows of `request_decision_shape_features`: what the decision knew of the request, but for what is not there. */
export function featureRows({ features, requirements }: SeenContext): readonly Row[] {
  const { reasoning, hostedTools, metadataKeys } = features;
  const rows: Row[] = [];
  const text = (feature_name: string, text_value: string) =>
    rows.push({ seq: rows.length, feature_name, int_value: null, text_value });
  const add = (feature_name: string, value: unknown) => {
    if (typeof value === "string" && value !== "none") text(feature_name, value);
    if (value === true || typeof value === "number" && value !== 0) {
      rows.push({ seq: rows.length, feature_name, int_value: Number(value), text_value: null });
    }
  };
  for (const [name, value] of Object.entries(features)) add(snakeCase(name), value);
  add("reasoning_kind", reasoning.kind);
  add("reasoning_budget", reasoning.budgetTokens);
  for (const name of requirements) text("requirement", name);
  for (const name of hostedTools) text("hosted_tool", name);
  for (const name of metadataKeys) text("metadata_key", name);
  return rows;
}

/** Rows of `request_cache_reasons`. */
export function cacheRows({ cache }: Call): readonly Row[] {
  if (cache === null) return [];
  const { status, reasons } = cache;
  return numbered(reasons.map((reason) => ({ status, reason })));
}

/** Rows of `request_policy_executions`. */
export function runRows({ runs, error }: Decision): readonly Row[] {
  return numbered(runs.map((run) => runRow(run, error?.type)));
}

/** Rows of `request_fallback_transitions`: how each attempt but the first came about. */
export function transitionRows(call: Call): readonly Row[] {
  return numbered(call.attempts.slice(1).map((attempt) => transition(call, attempt)));
}

function transition(call: Call, attempt: Attempt): Row {
  const failed = precedingAttempt(call, attempt);
  const name = failed?.error?.class;
  return {
    attempt_index: attempt.index,
    failed_target_id: failed?.target.id,
    fallback_target_id: attempt.target.id,
    fallback_reason: fallbackReason(call, attempt),
    error_class: name,
    retryable: name !== undefined && UPSTREAM_CLASSES[name].next !== "none" ? 1 : 0,
    hedged: attempt.hedge ? 1 : 0,
    fallback_succeeded: attempt.selected ? 1 : 0,
  };
}

function numbered(rows: readonly Row[]): readonly Row[] {
  return rows.map((row, seq) => ({ seq, ...row }));
}

/** Names of features are few. */
const snakeCase = memo((name: string) =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
);
