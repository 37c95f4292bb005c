import type { Parts } from "@/core/call.ts";
import { LIMIT_NAMES } from "@/core/limits/limit.ts";
import type { Target } from "@/core/snapshot.ts";
import type { Exposition } from "./exposition.ts";
import type { Reading } from "./family.ts";
import { NANO } from "./families.ts";

/** Declares what is known of limits, queues, estimates and the cache when somebody asks. */
export function declareLimitGauges({ counted, gauge }: Exposition, parts: Parts): void {
  const { cache, callerShapes, ledger } = parts;
  counted({
    name: "limit_overrun_units_total",
    help: "Calls, tokens or USD charged above what was reserved for them.",
    labels: ["limit"],
  }, () =>
    [...ledger.overruns].map(([key, units]): Reading => [
      { limit: LIMIT_NAMES[key] },
      key.endsWith(".cost") ? units / NANO : units,
    ]));
  gauge({
    name: "queue_depth",
    help: "Calls that wait for their turn.",
    labels: ["scope"],
  }, () => [[{ scope: "caller" }, callerShapes.depth]]);
  const show = (name: string, help: string, read: () => number) =>
    gauge({ name, help }, () => [[{}, read()]]);
  show("cache_entries", "Replies in the memory of the cache.", () => cache.size.items);
  show("cache_bytes", "Bytes they take.", () => cache.size.bytes);
  show(
    "cache_max_bytes",
    "Bytes they may take; 0 while the cache is off.",
    () => maxBytes(parts),
  );
  declareEstimates({ gauge }, parts);
}

function maxBytes({ current }: Parts): number {
  const { enabled, maxBytes } = current().server.cache;
  return enabled ? maxBytes : 0;
}

function declareEstimates({ gauge }: Pick<Exposition, "gauge">, parts: Parts): void {
  const labels = ["provider", "model", "dialect"];
  const { calibration } = parts;
  gauge({
    name: "token_estimate_ratio",
    help: "Input tokens as reported, by those estimated from characters.",
    labels,
    across: "average",
  }, () => estimates(parts, ({ key }) => calibration.of(key).input.ratio));
  gauge({
    name: "token_estimate_error_ratio",
    help: "How far reported input tokens lie from the estimate that was learned, on average.",
    labels,
    across: "average",
  }, () => estimates(parts, ({ key }) => calibration.of(key).input.deviation));
}

/** One reading for each target that has told something. */
function estimates(
  { calibration, current }: Parts,
  read: (target: Target) => number,
): readonly Reading[] {
  const readings = new Map<string, Reading>();
  for (const { targets } of current().groups.values()) {
    for (const target of targets) {
      if (calibration.inputTokenRatio(target.key) === null) continue;
      const { provider, model, dialect } = target;
      readings.set(target.key, [{ provider: provider.name, model, dialect }, read(target)]);
    }
  }
  return [...readings.values()];
}
