import type { Call } from "./call.ts";
import type { Validation } from "./contract_terms.ts";
import { DAY_MS } from "./period.ts";
import type { Row } from "./record.ts";

/** Upper ends of the buckets of an age, in whole days. */
const AGES = [[7, "0-7d"], [30, "8-30d"], [90, "31-90d"]] as const;

/** What a group promised of the call's target, and which promise left it none. */
export function contractColumns({ group, decision }: Call): Row {
  if (!group?.contract) return {};
  const { workload, bucket } = group.contract.reported;
  return {
    contract_present: 1,
    contract_workload: workload,
    contract_bucket: bucket,
    contract_failure_reason: decision?.outcome === "no-eligible-target"
      ? brokenPromise(decision.context.rejected)
      : undefined,
  };
}

function brokenPromise(rejected: readonly { readonly reasons: readonly string[] }[]) {
  return rejected.flatMap(({ reasons }) => reasons)
    .find((reason) => reason.startsWith("contract-"));
}

/** How old the evaluation of a call's target was when the call came (epoch ms). */
export function validationAge({ validatedAt }: Validation, ts: number): Row {
  return { target_validation_age_bucket: validatedAt === null ? "none" : ageOf(ts - validatedAt) };
}

function ageOf(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  return AGES.find(([end]) => days <= end)?.[1] ?? "gt-90d";
}
