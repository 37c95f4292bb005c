import type { Adapters } from "@/core/adapters.ts";
import { CLOCKS } from "@/core/gateway.ts";
import { dialects } from "@/dialects/mod.ts";
import { createPlugins, upstreams } from "@/plugins/mod.ts";
import { createPolicyRunner } from "@/policies/runner.ts";
import { openStorage } from "@/storage/open_storage.ts";
import { strategies } from "@/strategies/mod.ts";

/** What test gateways are put together from. */
export const ADAPTERS: Adapters = {
  dialects,
  strategies,
  builtins: upstreams,
  createPolicyRunner: (log) => createPolicyRunner({ log, ...CLOCKS }),
  createPlugins,
  createTracer: () => Promise.resolve(null),
  openStorage,
  build: { version: "0.0.0-test", commit: "", builtAt: "" },
  replica: null,
  fingerprintKey: new Uint8Array(32),
};
