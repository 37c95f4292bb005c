import type { z } from "zod";
import { block, choice, filled, whole } from "../core/config/kinds.ts";
import { GatewayError } from "../core/errors.ts";
import type { PolicyVerdict, Strategy } from "../core/strategy.ts";

const options = block({
  script: filled("path").describe(
    "the policy in the folder of this file: a `.ts` source, or the manifest of a built one",
  ),
  script_timeout_ms: whole(1, 1000).default(50).describe("running time of a decision"),
  script_heap_mb: whole(16, 512).default(64).describe("heap above which its process is replaced"),
  script_max_concurrent: whole(1, 256).default(16)
    .describe("decisions under way at once; more wait 50 ms at most"),
  on_error: choice(["fail_closed", "fallback"]).default("fail_closed")
    .describe("when the policy fails: 502 `routing-policy-error`, or `base_strategy` decides"),
}, ["script_permissions", "script_http"]);

/** The plan of a policy in TypeScript; when there is none, an error or the group's base strategy. */
export const script: Strategy<z.infer<typeof options>> = {
  name: "script",
  options,
  policy: (options) => ({
    script: options.script,
    timeoutMs: options.script_timeout_ms,
    heapMb: options.script_heap_mb,
    maxConcurrent: options.script_max_concurrent,
    net: [],
  }),
  create: ({ on_error }, { group, policies, base }) => async (context, trial) => {
    const verdict = await policies?.decide(group, context, trial) ?? UNAVAILABLE;
    if (verdict.kind === "plan") return verdict.plan;
    if (on_error === "fallback") return base(context);
    throw policyError(group, verdict);
  },
};

const UNAVAILABLE: PolicyVerdict = { kind: "fault", fault: "policy-unavailable", digest: null };

function policyError(group: string, { fault, digest }: PolicyVerdict & { kind: "fault" }) {
  return new GatewayError(
    "routing-policy-error",
    `Cannot route: the policy of group "${group}" did not decide: ${fault}`,
    { group, policy: digest?.slice(0, 12) ?? null, fault },
  );
}
