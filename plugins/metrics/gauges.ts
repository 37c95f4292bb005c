import type { Parts } from "@/core/call.ts";
import type { ConfigInForce } from "@/core/config/reload.ts";
import { isReady } from "@/core/health_endpoints.ts";
import type { ShadowCounts } from "@/core/shadow.ts";
import type { Target } from "@/core/snapshot.ts";
import type { Exposition } from "./exposition.ts";
import type { Reading } from "./family.ts";
import { declareOnce, declareProcess } from "./gateway_gauges.ts";
import { OTHER } from "./series.ts";

const BREAKER = { closed: 0, half_open: 1, open: 2 } as const;
const TARGET = ["provider", "model"];

/** Declares what is looked up when somebody asks: nothing of it costs a call anything. */
export function declareGauges(exposition: Exposition, parts: Parts, config: ConfigInForce): void {
  declareLoad(exposition, parts);
  declareJournal(exposition, parts);
  exposition.gauge(
    { name: "ready", help: "1 while calls may be sent here.", across: "min" },
    () => [[{}, Number(isReady(parts))]],
  );
  const { fleet, store, build, clock } = parts;
  declareProcess(exposition, { build, clock, worker: String(fleet?.worker ?? 0) });
  if (fleet === null) declareOnce(exposition, { store, config, restarts: () => 0 });
}

function declareLoad({ counted, gauge }: Exposition, parts: Parts): void {
  gauge({
    name: "inflight_requests",
    help: "Calls under way; `other` before their group is known.",
    labels: ["group"],
  }, () => inflight(parts));
  const signal = (read: (standing: Standing) => number) => () =>
    standings(parts).map((standing): Reading => [standing.labels, read(standing)]);
  gauge({
    name: "rollout_state",
    help: "1 while a rollout is active, 2 when it was taken back.",
    across: "max",
    labels: ["group"],
  }, () => rolloutStates(parts));
  counted(
    {
      name: "policy_shadow_agreement_total",
      help: "Decisions of shadow policies, by whether they chose the target that was to serve.",
      labels: ["group", "same"],
    },
    () =>
      shadowReadings(
        parts,
        ({ same, different }) => [["true", same], ["false", different]],
        "same",
      ),
  );
  counted(
    {
      name: "policy_shadow_skipped_total",
      help: "Decisions that a shadow policy did not make: it failed, or too many waited.",
      labels: ["group", "reason"],
    },
    () =>
      shadowReadings(
        parts,
        ({ faults, dropped }) => [["fault", faults], ["queue", dropped]],
        "reason",
      ),
  );
  gauge({
    name: "upstream_inflight",
    help: "Attempts under way.",
    labels: TARGET,
  }, signal(({ inflight }) => inflight));
  gauge({
    name: "breaker_state",
    help: "0 closed, 1 half open, 2 open.",
    labels: TARGET,
    across: "max",
  }, signal(({ breaker }) => breaker));
  gauge({
    name: "backoff_seconds",
    help: "Time for which a target is spared because its provider limits us.",
    labels: TARGET,
    across: "max",
  }, signal(({ backoffSeconds }) => backoffSeconds));
}

function rolloutStates({ current, rollouts }: Parts): readonly Reading[] {
  return [...current().groups.values()].filter(({ rollout }) => rollout !== null)
    .map((group) => [{ group: group.name }, rollouts.stateOf(group) === "active" ? 1 : 2]);
}

function shadowReadings(
  { shadows }: Parts,
  read: (counts: ShadowCounts) => readonly (readonly [string, number])[],
  label: string,
): readonly Reading[] {
  return [...shadows.counts].flatMap(([group, counts]) =>
    read(counts).map(([word, count]): Reading => [{ group, [label]: word }, count])
  );
}

function inflight({ live, current }: Parts): readonly Reading[] {
  const counts = new Map([...current().groups.keys(), OTHER].map((group) => [group, 0]));
  for (const { group } of live) {
    const name = group?.name ?? OTHER;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([group, count]) => [{ group }, count]);
}

/** How a provider's model stands: the sum, or the worst, of its targets. */
interface Standing {
  readonly labels: { readonly provider: string; readonly model: string };
  readonly inflight: number;
  readonly breaker: number;
  readonly backoffSeconds: number;
}

function standings(parts: Parts): readonly Standing[] {
  const found = new Map<string, Standing>();
  const targets = new Map<string, Target>();
  for (const group of parts.current().groups.values()) {
    for (const target of group.targets) targets.set(target.key, target);
  }
  for (const target of targets.values()) {
    const { name: provider } = target.provider;
    const key = JSON.stringify([provider, target.model]);
    const { inflight, breaker, backoffUntil } = parts.health.signals(target);
    const seconds = backoffUntil === null ? 0 : Math.max(0, backoffUntil - parts.now()) / 1000;
    const before = found.get(key);
    found.set(key, {
      labels: { provider, model: target.model },
      inflight: inflight + (before?.inflight ?? 0),
      breaker: Math.max(BREAKER[breaker], before?.breaker ?? 0),
      backoffSeconds: Math.max(seconds, before?.backoffSeconds ?? 0),
    });
  }
  return [...found.values()];
}

function declareJournal({ counted, gauge }: Exposition, { journal }: Parts): void {
  const one = (read: () => number) => (): readonly Reading[] => [[{}, read()]];
  const count = (name: string, help: string, read: () => number) =>
    counted({ name, help }, one(read));
  count("journal_lines_total", "Lines of the journal.", () => journal.counts.lines);
  count("journal_lost_total", "Lines that were never written.", () => journal.counts.lost);
  count("journal_torn_total", "Torn ends found at the start.", () => journal.counts.torn);
  // Each of several processes knows what waits of all journals, as well as of its own.
  const show = (name: string, help: string, read: () => number) =>
    gauge({ name, help, across: "max" }, one(read));
  show(
    "journal_unshipped_bytes",
    "Bytes that wait for the usage database.",
    () => journal.backlog.bytes,
  );
  show(
    "journal_lag_seconds",
    "Age of the oldest line that waits for the usage database.",
    () => journal.backlog.lagMs / 1000,
  );
}
