import type { Call, Parts } from "@/core/call.ts";
import type { PolicyStanding } from "@/core/policy_standing.ts";
import type { Exposition } from "./exposition.ts";
import type { Reading } from "./family.ts";
import { memo } from "@/core/memo.ts";
import { OTHER } from "./series.ts";

/** A script takes microseconds, a server milliseconds; seconds. */
const DECISION = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** Counts what the policies did that calls asked. */
export function policyCounter({ counter, histogram }: Exposition): (call: Call) => void {
  const decisions = counter({
    name: "policy_decisions_total",
    help: "Runs of policies by what came of them.",
    labels: ["group", "kind", "outcome"],
  });
  const faults = counter({
    name: "policy_faults_total",
    help: "Runs of policies that failed, by the fault.",
    labels: ["group", "fault"],
  });
  const duration = histogram({
    name: "policy_duration_seconds",
    help: "Time of a run of a policy.",
    labels: ["group"],
  }, DECISION);
  const groups = memo((group: string) => ({
    runs: memo((kind: string) => memo((outcome: string) => decisions.at(group, kind, outcome))),
    faults: memo((fault: string) => faults.at(group, fault)),
    duration: duration.at(group),
  }));
  return ({ group, policyRuns }) => {
    for (const { kind, outcome, fault, cost } of policyRuns) {
      const series = groups(group?.name ?? OTHER);
      series.runs(kind)(outcome).value += 1;
      series.duration.observe(cost.durationUs / 1e6);
      if (fault) series.faults(fault).value += 1;
    }
  };
}

/** How policies stand and what is told to their servers, looked up when somebody asks. */
export function declarePolicies({ counted, gauge }: Exposition, { policies }: Parts): void {
  const labels = ["group"];
  const each = (read: (standing: PolicyStanding) => number) => () =>
    policies.standings().map((standing): Reading => [{ group: standing.group }, read(standing)]);
  gauge({
    name: "policy_quarantined",
    help: "1 while a policy is not asked because it failed too often.",
    labels,
    across: "max",
  }, each(({ state }) => Number(state === "quarantined")));
  gauge({
    name: "policy_queue_depth",
    help: "Decisions that wait for a place in a policy host.",
    labels,
  }, each(({ queued }) => queued));
  counted({
    name: "policy_host_restarts_total",
    help: "Policy hosts that ended by themselves or were killed.",
    labels,
  }, each(({ hostRestarts }) => hostRestarts));
  counted({
    name: "policy_nondeterminism_total",
    help: "Plans that were not the same when they were made again.",
    labels,
  }, each(({ nondeterminism }) => nondeterminism));
  counted({
    name: "policy_reload_total",
    help: "Changed policies by what became of them.",
    labels: ["result"],
  }, () => Object.entries(policies.reloads).map(([result, value]) => [{ result }, value]));
  counted({
    name: "policy_feedback_dropped_total",
    help: "Lines about calls that no policy's server took before they had to go.",
  }, () => [[{}, policies.feedback.dropped]]);
}
