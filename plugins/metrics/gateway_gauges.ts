import type { Build } from "@/core/call.ts";
import type { ConfigInForce } from "@/core/config/reload.ts";
import type { UsageStore } from "@/core/record.ts";
import type { Exposition } from "./exposition.ts";

/** What a gateway has once, however many processes serve. */
export interface GatewayParts {
  /** `null` when the usage database is off. */
  readonly store: UsageStore | null;
  readonly config: ConfigInForce;
  /** Workers that were replaced. */
  restarts(): number;
}

/** Declares what the one process of a gateway tells, or the supervisor of several. */
export function declareOnce(exposition: Exposition, { store, config, restarts }: GatewayParts) {
  if (store !== null) declareStore(exposition, store);
  declareConfig(exposition, config);
  const help = "Worker processes that ended and were replaced.";
  exposition.counted({ name: "worker_restarts_total", help }, () => [[{}, restarts()]]);
}

function declareStore({ counted, gauge }: Exposition, store: UsageStore): void {
  counted(
    { name: "journal_gaps_total", help: "Lines missing between lines." },
    () => [[{}, store.counts.gaps]],
  );
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
  const show = (name: string, help: string, read: () => number) =>
    gauge({ name, help }, () => [[{}, read()]]);
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

function declareConfig({ counted, gauge }: Exposition, config: ConfigInForce): void {
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
}

/** A process, as it shows itself. */
export interface ProcessParts {
  readonly build: Build;
  /** Monotonic ms. */
  clock(): number;
  /** Its number, or `supervisor`. */
  readonly worker: string;
}

/** Declares what every process tells of itself. */
export function declareProcess(
  { gauge }: Exposition,
  { build, clock, worker }: ProcessParts,
): void {
  const { version, commit } = build;
  const startedAt = clock();
  gauge({
    name: "build_info",
    help: "What runs.",
    labels: ["version", "commit", "deno"],
    across: "first",
  }, () => [[{ version, commit, deno: Deno.version.deno }, 1]]);
  const show = (name: string, help: string, read: () => number) =>
    gauge({ name, help, labels: ["worker"] }, () => [[{ worker }, read()]]);
  show("process_resident_memory_bytes", "Resident memory.", () => Deno.memoryUsage().rss);
  show("process_heap_used_bytes", "Used heap.", () => Deno.memoryUsage().heapUsed);
  show("process_uptime_seconds", "Time since the start.", () => (clock() - startedAt) / 1000);
}
