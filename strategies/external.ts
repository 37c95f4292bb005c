import { z } from "zod";
import { compileExternalPolicy, withoutAddress } from "../core/config/compile_policy.ts";
import { block, choice } from "../core/config/kinds.ts";
import { externalPolicy } from "../core/config/schema_policies.ts";
import type { Strategy } from "../core/strategy.ts";
import { askPolicy } from "./ask_policy.ts";

const options = block({
  external_policy: block({
    ...externalPolicy.shape,
    mode: choice(["enforce", "shadow", "baseline"]).default("enforce")
      .describe(
        "its plan is followed; or `base_strategy` decides, and it is asked beside it about every call, or not at all",
      ),
    on_error: choice(["fail_closed", "fallback"]).default("fail_closed")
      .describe("when the policy fails: 502 `routing-policy-error`, or `base_strategy` decides"),
  }).describe("a policy that another server holds"),
});

/** The plan that a server of the operator gives; when there is none, an error or the base strategy. */
export const external: Strategy<z.infer<typeof options>> = {
  name: "external",
  options,
  policy: ({ external_policy: { mode, on_error: _, ...policy } }) =>
    mode === "enforce" ? compileExternalPolicy(policy) : null,
  shadow: ({ external_policy: { mode, on_error: _, ...policy } }) =>
    mode === "shadow" ? policy : null,
  recorded: ({ external_policy: policy }) => ({ external_policy: withoutAddress(policy) }),
  create: ({ external_policy: { mode, on_error } }, services) =>
    mode === "enforce" ? askPolicy("external", on_error, services) : services.base,
};
