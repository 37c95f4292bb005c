import type { Log } from "../log.ts";
import type { Snapshot } from "../snapshot.ts";
import type { LoadResult } from "./load.ts";
import type { Problem } from "./problem.ts";
import { type ConfigInForce, logProblems } from "./reload.ts";
import { keepRestartOnly } from "./restart_only.ts";
import type { ConfigFiles } from "./sources.ts";

/** What a followed configuration needs. */
export interface FollowedConfigOptions {
  /** What the process started with. */
  readonly initial: Snapshot;
  load(files: ConfigFiles): Promise<LoadResult>;
  readonly log: Log;
  /** Makes the policies of a configuration ready; problems refuse it. */
  prepare(snapshot: Snapshot): Promise<readonly Problem[]>;
  /** Called after each swap. */
  onSwap(snapshot: Snapshot): void;
}

/** The configuration of a process that is told when it changes; what waits for a restart is kept. */
export class FollowedConfig implements ConfigInForce {
  readonly reloads = { applied: 0, rejected: 0 };
  restartRequired = false;
  readonly #options: FollowedConfigOptions;
  #snapshot: Snapshot;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: FollowedConfigOptions) {
    this.#options = options;
    this.#snapshot = options.initial;
  }

  current(): Snapshot {
    return this.#snapshot;
  }

  /**
   * Brings a configuration into force that somebody has found good; tells whether it was taken. One
   * after the other: the last one said is the one in force.
   */
  follow(files: ConfigFiles): Promise<boolean> {
    const taken = this.#turn.then(() => this.#follow(files));
    this.#turn = taken.catch(() => {});
    return taken;
  }

  [Symbol.dispose](): void {}

  async #follow(files: ConfigFiles): Promise<boolean> {
    const { load, log, prepare, onSwap } = this.#options;
    const result = await load(files);
    const problems = result.ok ? await prepare(result.snapshot) : result.problems;
    if (!result.ok || problems.length > 0) {
      logProblems(log, problems);
      this.reloads.rejected += 1;
      return false;
    }
    const merged = keepRestartOnly(this.#snapshot, result.snapshot);
    this.#snapshot = merged.snapshot;
    this.restartRequired = merged.waiting.length > 0;
    this.reloads.applied += 1;
    onSwap(this.#snapshot);
    return true;
  }
}
