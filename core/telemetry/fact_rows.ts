import { isObject, type Json, type JsonObject } from "../json.ts";
import { planDigest } from "../plan_json.ts";
import type { DecisionRecord, Row } from "../record.ts";
import { candidateRows, filterReasonRows, scoreRows } from "./candidate_rows.ts";
import { packJson } from "./context_record.ts";
import type { DecisionFacts } from "./decision_facts.ts";
import { featureRows, passRows } from "./pass_rows.ts";
import { namedContext, type SeenContext } from "./recorded_context.ts";

/** What becomes of the facts of a decision. */
export interface FactRows {
  /** Columns that its own row gets. */
  readonly own: Row;
  /** Rows without their `request_id`, by table. */
  readonly rows: DecisionRecord["rows"];
}

/**
 * Makes the rows of a decision from its facts.
 *
 * @throws {TypeError} when they are not what `factsJson` writes
 */
export function rowsOfFacts(written: Json): FactRows {
  const { context: recorded = null, ...others } = isObject(written) ? written : {};
  const facts = { ...others, context: namedContext(recorded) };
  if (!isFacts(facts)) throw new TypeError("Cannot read the facts of a decision");
  const { context, scores, record, maxCandidates, maxFilterReasons } = facts;
  return {
    own: record ? { plan_sha256: planDigest(record.plan_json) } : {},
    rows: {
      request_target_candidates: candidateRows(facts, maxCandidates),
      request_dynamic_score_terms: scores ? scoreRows(facts, scores, maxCandidates) : [],
      request_target_filter_reasons: filterReasonRows(facts, maxFilterReasons),
      request_routing_signals: passRows(facts),
      request_decision_shape_features: featureRows(context),
      request_decision_records: record ? [recordRow(context, { recorded, record })] : [],
    },
  };
}

/** What the decision can be made again from. */
function recordRow(
  context: SeenContext,
  { recorded, record }: { readonly recorded: Json; readonly record: Row },
): Row {
  const { z, bytes, sha256 } = packJson(JSON.stringify(recorded));
  return {
    ts: context.now,
    group_name: context.group,
    seed: context.seed,
    context_z: z,
    context_bytes: bytes,
    context_sha256: sha256,
    ...record,
  };
}

function isFacts(value: JsonObject): value is JsonObject & DecisionFacts {
  return isObject(value["context"]) && Array.isArray(value["eligible"]) &&
    Array.isArray(value["rejected"]) && Array.isArray(value["passes"]);
}
