import {
  DATA_CLASSES,
  type DataClass,
  type RetentionRule,
  type ServerSettings,
} from "../snapshot.ts";
import type { ServerConfig } from "./schema_server.ts";

/** Turns what `server` says about reports, rollups and retention into settings. */
export function compileUsage(
  config: ServerConfig,
): Pick<
  ServerSettings,
  "decisionTelemetry" | "diagnostics" | "rollups" | "retention" | "baselines"
> {
  const { diagnostics, rollups, retention, admin_reports: reports } = config;
  return {
    decisionTelemetry: telemetry(config),
    diagnostics: {
      enabled: diagnostics.enabled,
      storeUpstreamErrors: diagnostics.store_sanitized_upstream_errors,
      maxErrorBytes: diagnostics.max_error_bytes,
    },
    rollups: { auto: rollups.auto, finalizeAfterDays: rollups.finalize_after_days },
    retention: {
      enabled: retention.enabled,
      dryRun: retention.dry_run,
      runAtMinute: minuteOf(retention.run_at_utc),
      rules: DATA_CLASSES.map((dataClass) => rule(dataClass, config)),
    },
    baselines: reports.baselines.map((baseline) => {
      const input = baseline.input_price_per_million_usd;
      return {
        id: baseline.id,
        name: baseline.name,
        input,
        cachedInput: baseline.cached_input_price_per_million_usd ?? input,
        cacheWrite: baseline.cache_write_price_per_million_usd ?? input,
        output: baseline.output_price_per_million_usd,
      };
    }),
  };
}

function telemetry({ decision_telemetry: written }: ServerConfig) {
  return {
    enabled: written.enabled,
    samplePercent: written.sample_percent,
    contexts: written.record_contexts,
    candidates: written.record_candidates,
    cacheReasons: written.record_cache_reasons,
    maxCandidates: written.max_candidates,
    maxFilterReasons: written.max_filter_reasons,
  };
}

/** The rule of a class; the last entry for it wins. Calls themselves stay unless somebody says otherwise. */
function rule(dataClass: DataClass, config: ServerConfig): RetentionRule {
  const { retention } = config;
  const written = retention.classes.findLast(({ data_class }) => data_class === dataClass);
  return {
    dataClass,
    enabled: written?.enabled ?? dataClass !== "usage_detail",
    days: written?.retention_days ?? usualDays(dataClass, config),
    batchSize: written?.batch_size ?? retention.default_batch_size,
    requireFinalizedRollup: written?.require_finalized_rollup ?? dataClass === "usage_detail",
  };
}

function usualDays(dataClass: DataClass, config: ServerConfig): number {
  switch (dataClass) {
    case "usage_detail":
      return 365;
    case "usage_diagnostics":
      return config.diagnostics.retention_days;
    case "security_access_events":
      return config.admin_reports.security.retention_days;
    case "decision_telemetry":
    case "content_capture":
      return 30;
  }
}

function minuteOf(clock: string | undefined): number | null {
  if (clock === undefined) return null;
  const [hours, minutes] = clock.split(":").map(Number);
  return hours! * 60 + minutes!;
}
