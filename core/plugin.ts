import type { Parts, Watcher } from "./call.ts";
import type { LiveConfig } from "./config/reload.ts";
import type { Endpoint } from "./endpoints.ts";
import type { ServerSettings } from "./snapshot.ts";

/** An optional capability with inputs and outputs of its own: it watches calls and answers on paths. */
export interface Plugin extends Watcher {
  readonly name: string;
  /** What answers `GET` and `HEAD`, by path. */
  readonly routes: Readonly<Record<string, Endpoint>>;
  /** Begins to work, before the first call. */
  start(parts: Parts, config: LiveConfig): void;
  /** Takes new settings after a reload. */
  configure(settings: ServerSettings): void;
  /** Ends, after the last call. */
  stop(): Promise<void>;
}
