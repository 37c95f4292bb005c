import type { Build, Tracer } from "./call.ts";
import type { Dialect } from "./dialect.ts";
import type { OpenStorage } from "./gateway_storage.ts";
import type { Log } from "./log.ts";
import type { Plugin } from "./plugin.ts";
import type { PolicyRunner } from "./policy_runner.ts";
import type { Registry } from "./registry.ts";
import type { Strategy } from "./strategy.ts";
import type { BuiltinUpstream } from "./upstream.ts";

/** What a gateway is put together from. The command line names them, and so do tests. */
export interface Adapters {
  readonly dialects: Registry<Dialect>;
  readonly strategies: Registry<Strategy>;
  readonly builtins: Registry<BuiltinUpstream>;
  createPolicyRunner(log: Log): PolicyRunner;
  createPlugins(): readonly Plugin[];
  /** `null` when calls are not traced; a caller's trace headers are passed on then. */
  createTracer(log: Log): Promise<Tracer | null>;
  readonly openStorage: OpenStorage;
  readonly build: Build;
  readonly replica: string | null;
  /** Instead of the key that is kept in the state, 32 bytes; `null`: that one. */
  readonly fingerprintKey: Uint8Array | null;
}
