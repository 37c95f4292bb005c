import type { Parts } from "@/core/call.ts";
import type { LiveConfig } from "@/core/config/reload.ts";
import { isReady } from "@/core/health_endpoints.ts";
import type { PolicyStanding } from "@/core/policy_standing.ts";
import type { Target } from "@/core/snapshot.ts";
import type { Exposition } from "./exposition.ts";
import type { Reading } from "./family.ts";
import { OTHER } from "./series.ts";

const BREAKER = { closed: 0, half_open: 1, open: 2 } as const;
const TARGET = ["provider", "model"];

/** Declares what is looked up when somebody asks: nothing of it costs a call anything. */
export function declareGauges(exposition: Exposition, parts: Parts, config: LiveConfig): void {
  declareLoad(exposition, parts);
  declarePolicies(exposition, parts);
  declareStorage(exposition, parts);
  declareConfig(exposition, parts, config);
  declareProcess(exposition, parts);
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
  }, signal(({ breaker }) => breaker));
  gauge({
    name: "backoff_seconds",
    help: "Time for which a target is spared because its provider limits us.",
    labels: TARGET,
  }, signal(({ backoffSeconds }) => backoffSeconds));
}

function declarePolicies({ counted, gauge }: Exposition, { policies }: Parts): void {
  const labels = ["group"];
  const each = (read: (standing: PolicyStanding) => number) => () =>
    policies.standings().map((standing): Reading => [{ group: standing.group }, read(standing)]);
  gauge({
    name: "policy_quarantined",
    help: "1 while a policy is not asked because it failed too often.",
    labels,
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

function declareStorage({ counted, gauge }: Exposition, { journal, store }: Parts): void {
  const one = (read: () => number) => (): readonly Reading[] => [[{}, read()]];
  const count = (name: string, help: string, read: () => number) =>
    counted({ name, help }, one(read));
  const show = (name: string, help: string, read: () => number) => gauge({ name, help }, one(read));
  count("journal_lines_total", "Lines of the journal.", () => journal.counts.lines);
  count("journal_lost_total", "Lines that were never written.", () => journal.counts.lost);
  count("journal_torn_total", "Torn ends found at the start.", () => journal.counts.torn);
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
  if (!store) return;
  count("journal_gaps_total", "Lines missing between lines.", () => store.counts.gaps);
  counted({
    name: "shipper_lines_total",
    help: "Lines by what the usage database made of them.",
    labels: ["result"],
  }, () =>
    (["inserted", "duplicate", "rejected"] as const)
      .map((result) => [{ result }, store.counts[result]]));
  counted({
    name: "shipper_errors_total",
    help: "Failures to ship: of the database, or of the storage worker.",
    labels: ["class"],
  }, () => Object.entries(store.failures).map(([name, value]) => [{ class: name }, value]));
  show(
    "migration_schema_version",
    "The last migration of the usage database; 0 while that is not known.",
    () => store.migrations.version,
  );
  show(
    "migration_pending",
    "Migrations that the usage database lacks.",
    () => store.migrations.pending,
  );
  show("usage_db_up", "1 while the usage database takes lines.", () => Number(store.up));
}

function declareConfig(
  { counted, gauge }: Exposition,
  parts: Parts,
  config: LiveConfig,
): void {
  counted(
    { name: "config_reloads_total", help: "Reloads by what became of them.", labels: ["outcome"] },
    () => Object.entries(config.reloads).map(([outcome, value]) => [{ outcome }, value]),
  );
  gauge({
    name: "config_restart_required",
    help: "1 while the file says something that needs a restart.",
  }, () => [[{}, Number(config.restartRequired)]]);
  gauge(
    { name: "config_info", help: "The configuration in force.", labels: ["fingerprint"] },
    () => [[{ fingerprint: config.current().fingerprint }, 1]],
  );
  gauge(
    { name: "ready", help: "1 while calls may be sent here." },
    () => [[{}, Number(isReady(parts))]],
  );
}

function declareProcess({ gauge }: Exposition, { build, clock }: Parts): void {
  const { version, commit } = build;
  const startedAt = clock();
  const worker = "0";
  gauge({
    name: "build_info",
    help: "What runs.",
    labels: ["version", "commit", "deno"],
  }, () => [[{ version, commit, deno: Deno.version.deno }, 1]]);
  const show = (name: string, help: string, read: () => number) =>
    gauge({ name, help, labels: ["worker"] }, () => [[{ worker }, read()]]);
  show("process_resident_memory_bytes", "Resident memory.", () => Deno.memoryUsage().rss);
  show("process_heap_used_bytes", "Used heap.", () => Deno.memoryUsage().heapUsed);
  show("process_uptime_seconds", "Time since the start.", () => (clock() - startedAt) / 1000);
}
