import { resolve } from "node:path";
import type { z } from "zod";
import {
  block,
  bytes,
  choice,
  filled,
  flag,
  headers,
  list,
  pattern,
  whole,
} from "../core/config/kinds.ts";
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
  script_permissions: block({
    net: list(place()).default([])
      .describe("hosts and ports that `router.fetchJSON` reaches; without any there is none"),
  }).prefault({}).describe("what the policy may do beside deciding"),
  script_http: block({
    timeout_ms: whole(1, 5000).default(200).describe("connect to last byte of a request"),
    max_response_bytes: bytes().default(65_536).describe("counted while it is read"),
    headers: headers().default({}).describe("sent with each request, and hidden from the policy"),
    allow_http: flag().default(false).describe("plain HTTP beyond this machine"),
  }).prefault({}).describe("how requests of the policy are made"),
});

/** A host and a port. */
function place() {
  return pattern(
    "host:port",
    /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]):[1-9]\d{0,4}$/,
    'a host in lower case and a port, such as "features.example:443"',
  );
}

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
    net: options.script_permissions.net,
    http: {
      timeoutMs: options.script_http.timeout_ms,
      maxResponseBytes: options.script_http.max_response_bytes,
      allowHttp: options.script_http.allow_http,
      headers: Object.fromEntries(
        Object.entries(options.script_http.headers)
          .map(([name, value]) => [name.toLowerCase(), value]),
      ),
    },
  }),
  recorded: ({ script_http: { headers, ...http }, ...options }) => ({
    ...options,
    script_http: { ...http, headers: Object.keys(headers) },
  }),
  create: ({ on_error }, services) => askPolicy("script", on_error, services),
};
