import type { Parts, Watcher } from "./call.ts";
import type { ConfigInForce } from "./config/reload.ts";
import type { Endpoint } from "./endpoints.ts";
import type { ServerSettings } from "./snapshot.ts";
import type { Counts } from "./workers/fleet.ts";

/** An optional capability with inputs and outputs of its own: it watches calls and answers on paths. */
export interface Plugin extends Watcher {
  readonly name: string;
  /** What answers `GET` and `HEAD`, by path. */
  readonly routes: Readonly<Record<string, Endpoint>>;
  /** Begins to work, before the first call. */
  start(parts: Parts, config: ConfigInForce): void;
  /** Takes new settings after a reload. */
  configure(settings: ServerSettings): void;
  /** What it counted in this process, to be put together with what others counted. */
  counts?(): Promise<Counts>;
  /** Ends, after the last call. */
  stop(): Promise<void>;
}
