import type { Call, Settlement } from "@/core/call.ts";
import type { GatewayError } from "@/core/errors.ts";
import { LIMIT_NAMES } from "@/core/limits/limit.ts";
import { SHAPE_SCOPES } from "@/core/shape_rows.ts";
import type { Exposition } from "./exposition.ts";
import { BATCH, NANO } from "./families.ts";
import { memo } from "@/core/memo.ts";
import { OTHER } from "./series.ts";

/** Families of limits, shaping and the cache. */
function declareLimitFamilies({ counter, histogram }: Exposition) {
  return {
    rejections: counter({
      name: "limit_rejections_total",
      help: "Calls that a hard limit refused.",
      labels: ["limit"],
    }),
    shapes: counter({
      name: "shape_decisions_total",
      help: "Decisions of traffic shapes.",
      labels: ["scope", "decision"],
    }),
    waits: histogram({
      name: "queue_wait_seconds",
      help: "Time that calls waited for their turn.",
      labels: ["scope"],
    }, BATCH),
    lookups: counter({
      name: "cache_lookups_total",
      help: "Calls by what the cache did for them, and the first reason why it did no more.",
      labels: ["group", "result", "reason"],
    }),
    saved: counter({
      name: "saved_usd_total",
      help: "What calls answered from the cache would have cost, in USD.",
      labels: ["group"],
    }, NANO),
  };
}

/** Counts what limits, shaping and the cache did with calls. */
export function limitCounter(
  exposition: Exposition,
): (call: Call, settlement: Settlement) => void {
  const families = declareLimitFamilies(exposition);
  const waits = families.waits.at("caller");
  const shapes = memo((scope: string) =>
    memo((decision: string) => families.shapes.at(scope, decision))
  );
  const saved = memo((group: string) => families.saved.at(group));
  const lookups = memo((group: string) =>
    memo((result: string) => memo((reason: string) => families.lookups.at(group, result, reason)))
  );
  return (call, { error }) => {
    const limit = error && limitOf(error);
    if (limit) families.rejections.at(limit).value += 1;
    for (const { decision, queuedMs } of call.shapings) {
      shapes("caller")(decision).value += 1;
      if (decision === "queued") waits.observe(queuedMs / 1000);
    }
    for (const { scope, decision } of call.upstreamShapings) {
      shapes(SHAPE_SCOPES[scope])(decision).value += 1;
    }
    if (!call.cache) return;
    const { status, reasons, reply } = call.cache;
    const group = call.group?.name ?? OTHER;
    lookups(group)(status)(reasons[0] ?? "").value += 1;
    if (reply?.costNusd) saved(group).value += reply.costNusd;
  };
}

/** The limit that refused a call; none when something else did. */
function limitOf({ type, details }: GatewayError): string | null {
  switch (type) {
    case "rpm-exceeded":
      return LIMIT_NAMES.rpm;
    case "tpm-exceeded":
      return LIMIT_NAMES.tpm;
    case "concurrency-exceeded":
      return LIMIT_NAMES.concurrent;
    case "key-exhausted":
      return LIMIT_NAMES["lifetime.tokens"];
    case "quota-exhausted":
      return String(details["limit_key"] ?? OTHER);
    default:
      return null;
  }
}
