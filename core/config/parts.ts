import type { Dialect } from "../dialect.ts";
import type { Registry } from "../registry.ts";
import type { PolicyDecider, Strategy } from "../strategy.ts";
import type { BuiltinUpstream } from "../upstream.ts";

/** What a configuration may name, handed in by the composition root. */
export interface Parts {
  readonly dialects: Registry<Pick<Dialect, "name" | "authScheme" | "upstreamUrl">>;
  readonly strategies: Registry<Strategy>;
  readonly builtins: Registry<Pick<BuiltinUpstream, "name" | "serves">>;
  /** Asks the policies of groups; absent where nothing is decided. */
  readonly policies?: PolicyDecider;
  /** Where to listen instead of `server.listen`: the value of `--listen`, which is an address. */
  readonly listen?: string | undefined;
}

/** What a check knows beside the configuration. */
export interface CheckFacts extends Parts {
  /** Epoch ms. */
  readonly now: number;
  /** Values of variables; an empty value counts as unset. */
  lookup(name: string): string | undefined;
}

/** What compiling needs beside the configuration. */
export interface CompileFacts extends CheckFacts {
  /** Absolute folder that relative paths start at. */
  readonly folder: string;
}
