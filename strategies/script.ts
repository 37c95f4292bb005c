import { resolve } from "node:path";
import type { z } from "zod";
import { block, choice, filled, whole } from "../core/config/kinds.ts";
import type { Strategy } from "../core/strategy.ts";
import { askPolicy } from "./ask_policy.ts";

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
  policy: (options, folder) => ({
    kind: "script",
    path: resolve(folder, options.script),
    root: folder,
    timeoutMs: options.script_timeout_ms,
    heapMb: options.script_heap_mb,
    maxConcurrent: options.script_max_concurrent,
    net: [],
  }),
  create: ({ on_error }, services) => askPolicy("script", on_error, services),
};
