import type { Parts } from "@/core/call.ts";
import type { ConfigInForce } from "@/core/config/reload.ts";
import { isReady } from "@/core/health_endpoints.ts";
import type { Target } from "@/core/snapshot.ts";
import { declareDelivery } from "./delivery_gauges.ts";
import type { Exposition } from "./exposition.ts";
import type { Reading } from "./family.ts";
import { declareOnce, declareProcess } from "./gateway_gauges.ts";
import { OTHER } from "./series.ts";

const BREAKER = { closed: 0, half_open: 1, open: 2 } as const;
const TARGET = ["provider", "model"];

/** Declares what is looked up when somebody asks: nothing of it costs a call anything. */
export function declareGauges(exposition: Exposition, parts: Parts, config: ConfigInForce): void {
  declareLoad(exposition, parts);
  declareDelivery(exposition, parts);
  declareJournal(exposition, parts);
  exposition.gauge(
    { name: "ready", help: "1 while calls may be sent here.", across: "min" },
    () => [[{}, Number(isReady(parts))]],
  );
  const { fleet, store, build, clock } = parts;
  declareProcess(exposition, { build, clock, worker: String(fleet?.worker ?? 0) });
  if (fleet === null) declareOnce(exposition, { store, config, restarts: () => 0 });
}

function declareLoad({ gauge }: Exposition, parts: Parts): void {
  gauge({
    name: "inflight_requests",
    help: "Calls under way; `other` before their group is known.",
    labels: ["group"],
  }, () => inflight(parts));
  const signal = (read: (standing: Standing) => number) => () =>
    standings(parts).map((standing): Reading => [standing.labels, read(standing)]);
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

function inflight({ live, current }: Parts): readonly Reading[] {
  const counts = new Map([...current().groups.keys(), OTHER].map((group) => [group, 0]));
  for (const { group } of live.all()) {
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
