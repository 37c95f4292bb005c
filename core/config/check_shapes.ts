import type { Json } from "../json.ts";
import { conflict, type Finding } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";
import { entriesOf, itemsOf, member } from "./view.ts";

const BURSTS = {
  request_start_per_sec: "request_burst",
  input_tokens_per_sec: "input_token_burst",
  output_reservation_tokens_per_sec: "output_reservation_token_burst",
  total_reserved_tokens_per_sec: "total_reserved_token_burst",
} as const;

/** Rates without a burst, backoffs whose least is above their most, queues nobody can stand in. */
export function* checkShapes(root: Json): Iterable<Finding> {
  for (const [path, shape] of shapesOf(root)) {
    for (const [rate, burst] of Object.entries(BURSTS)) {
      if (!isPositive(member(shape, rate)) || isPositive(member(shape, burst))) continue;
      yield conflict([...path, rate], `a rate needs "${burst}" above 0`);
    }
    for (const [kind, min, max] of BACKOFFS) {
      const own = member(shape, kind);
      if (numberOf(own, "min_backoff_ms", min) <= numberOf(own, "max_backoff_ms", max)) continue;
      yield conflict([...path, kind], "min_backoff_ms is above max_backoff_ms");
    }
    const queue = isCallers(path) ? member(shape, "queue") : undefined;
    if (member(queue, "enabled") !== true) continue;
    for (const key of ["max_wait_ms", "max_depth"]) {
      if (isPositive(member(queue, key))) continue;
      yield conflict([...path, "queue"], `a queue needs "${key}" above 0`);
    }
  }
}

const BACKOFFS = [
  ["upstream_429_backoff", 1_000, 60_000],
  ["upstream_quota_backoff", 30_000, 300_000],
] as const;

/** Every traffic shape with its path. */
function* shapesOf(root: Json): Iterable<readonly [ConfigPath, Json]> {
  const found = (path: ConfigPath, value: Json | undefined) =>
    value === undefined ? [] : [[path, value] as const];
  const fallback = ["server", "traffic_shape", "default_caller"];
  yield* found(fallback, member(root, ...fallback));
  for (const [name, provider] of entriesOf(member(root, "providers"))) {
    const path = ["providers", name];
    yield* found([...path, "traffic_shape"], member(provider, "traffic_shape"));
    for (const [ref, model] of entriesOf(member(provider, "models"))) {
      yield* found([...path, "models", ref, "traffic_shape"], member(model, "traffic_shape"));
    }
  }
  for (const [name, group] of entriesOf(member(root, "models"))) {
    for (const [at, target] of itemsOf(member(group, "targets"))) {
      const path = ["models", name, "targets", at, "traffic_shape"];
      yield* found(path, member(target, "traffic_shape"));
    }
  }
  for (const [at, caller] of itemsOf(member(root, "callers"))) {
    yield* found(["callers", at, "traffic_shape"], member(caller, "traffic_shape"));
  }
}

/** Only calls of callers may stand in a queue. */
function isCallers([first]: ConfigPath): boolean {
  return first === "callers" || first === "server";
}

function isPositive(value: Json | undefined): boolean {
  return typeof value === "number" && value > 0;
}

function numberOf(block: Json | undefined, key: string, unset: number): number {
  const value = member(block, key);
  return typeof value === "number" ? value : unset;
}
