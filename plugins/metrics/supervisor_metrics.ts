import type { Counts } from "@/core/workers/fleet.ts";
import { createExposition } from "./exposition.ts";
import { declareFamilies } from "./families.ts";
import {
  declareOnce,
  declareProcess,
  type GatewayParts,
  type ProcessParts,
} from "./gateway_gauges.ts";
import { watchLoop } from "./loop_delay.ts";
import { foldCounts } from "./prom_page.ts";

/** The numbers of a supervisor, which workers put together with theirs. */
export interface SupervisorMetrics extends Disposable {
  counts(): Promise<Counts>;
  /** What processes counted that are gone. */
  fold(counts: readonly Counts[]): Counts;
  /** A batch of records has reached the usage database, in so many ms. */
  onShipped(batchMs: number): void;
  /** Declares what there is once the supervisor has it. */
  start(parts: GatewayParts): void;
}

/** Builds the metrics of a supervisor: what a gateway has once. */
export function createSupervisorMetrics(
  { build, clock }: Omit<ProcessParts, "worker">,
): SupervisorMetrics {
  const exposition = createExposition();
  const families = declareFamilies(exposition);
  const shipBatch = families.shipBatch.at();
  declareProcess(exposition, { build, clock, worker: "supervisor" });
  const loop = watchLoop(families.loopDelay.at(), clock);
  return {
    counts: () => exposition.counts(),
    fold: foldCounts,
    onShipped: (batchMs) => shipBatch.observe(batchMs / 1000),
    start: (parts) => declareOnce(exposition, parts),
    [Symbol.dispose]: () => loop[Symbol.dispose](),
  };
}
