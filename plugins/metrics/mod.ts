import { GatewayError } from "@/core/errors.ts";
import { type Endpoint, identify } from "@/core/endpoints.ts";
import type { Parts } from "@/core/call.ts";
import type { Plugin } from "@/core/plugin.ts";
import { type CallerCounter, callerCounter } from "./callers.ts";
import { callCounter } from "./calls.ts";
import { createExposition } from "./exposition.ts";
import type { Page } from "./family.ts";
import { declareFamilies } from "./families.ts";
import { declareGauges } from "./gauges.ts";
import { createListener } from "./listener.ts";
import { limitCounter } from "./limits.ts";
import { declareLimitGauges } from "./limit_gauges.ts";
import { declarePolicies, policyCounter } from "./policies.ts";
import { watchLoop } from "./loop_delay.ts";

const PATH = "/metrics";

/** Metrics on `/metrics` and on a listener of their own: those of all processes that serve. */
export function createMetrics(): Plugin {
  const exposition = createExposition();
  const families = declareFamilies(exposition);
  const journalWrite = families.journalWrite.at();
  const shipBatch = families.shipBatch.at();
  const countCall = callCounter(families);
  const countLimits = limitCounter(exposition);
  const countPolicies = policyCounter(exposition);
  const listener = createListener(PATH, answer);
  let callers: CallerCounter | null = null;
  let labelsCallers = false;
  let parts: Parts | null = null;
  let loop: Disposable | null = null;

  function page(): Promise<Page> {
    callers?.choose();
    return exposition.page();
  }

  async function answer(): Promise<Response> {
    const fleet = parts?.fleet ?? null;
    const { contentType, text } =
      await (fleet === null ? page() : exposition.pageOf(await fleet.counts()));
    return new Response(text, {
      headers: { "content-type": contentType, "cache-control": "no-store" },
    });
  }

  /** The families of callers are there from the moment somebody wants them. */
  function labelCallers(wanted: boolean): void {
    if (wanted) callers ??= callerCounter(exposition);
    labelsCallers = wanted;
  }

  const serve: Endpoint = (parts, visit) => {
    const { who } = identify(parts, visit);
    if (who.caller.metricsAdmin) return answer();
    throw new GatewayError("metrics-forbidden", "Cannot read metrics: the key lacks metrics_admin");
  };

  return {
    name: "metrics",
    counts() {
      callers?.choose();
      return exposition.counts();
    },
    routes: { [PATH]: serve },
    start(started, config) {
      parts = started;
      const { metrics } = config.current().server;
      labelCallers(metrics.callerLabel);
      declareGauges(exposition, started, config);
      declareLimitGauges(exposition, started);
      declarePolicies(exposition, started);
      loop = watchLoop(families.loopDelay.at(), started.clock);
      listener.open(metrics.listen, started.fleet !== null);
    },
    configure({ metrics }) {
      labelCallers(metrics.callerLabel);
      listener.move(metrics.listen).catch((error: Error) =>
        parts?.log.write("warn", "config_warning", error.message)
      );
    },
    async stop() {
      loop?.[Symbol.dispose]();
      await listener.move(null);
    },
    onSettled(call, settlement, journalMs) {
      countCall(call, settlement);
      countLimits(call, settlement);
      countPolicies(call);
      journalWrite.observe(journalMs / 1000);
      if (labelsCallers) callers?.count(call, settlement);
    },
    onShipped: (batchMs) => shipBatch.observe(batchMs / 1000),
    onDenied: (surface, reason) => void (families.denials.at(surface, reason).value += 1),
  };
}
