import type { Log } from "../log.ts";
import type { Snapshot } from "../snapshot.ts";
import type { LoadResult } from "./load.ts";
import type { Problem } from "./problem.ts";
import { type ConfigInForce, logProblems } from "./reload.ts";
import { keepRestartOnly } from "./restart_only.ts";
import type { ConfigFiles } from "./sources.ts";

/** The configuration of a process that is told when it changes. */
export interface FollowedConfig extends ConfigInForce {
  /** Brings a configuration into force that somebody has found good; tells whether it was taken. */
  follow(files: ConfigFiles): Promise<boolean>;
}

/** What a followed configuration needs. */
export interface FollowedConfigOptions {
  /** What the gateway started with. */
  readonly initial: Snapshot;
  load(files: ConfigFiles): LoadResult;
  readonly log: Log;
  /** Makes the policies of a configuration ready; problems refuse it. */
  prepare(snapshot: Snapshot): Promise<readonly Problem[]>;
  /** Called after each swap. */
  onSwap(snapshot: Snapshot): void;
}

/** Holds the snapshot in force; what it waits for a restart with is the supervisor's to tell. */
export function followedConfig(options: FollowedConfigOptions): FollowedConfig {
  const { initial, load, log, prepare, onSwap } = options;
  const reloads = { applied: 0, rejected: 0 };
  let snapshot = initial;
  let restartRequired = false;
  let turn: Promise<unknown> = Promise.resolve();

  async function follow(files: ConfigFiles): Promise<boolean> {
    const result = load(files);
    const problems = result.ok ? await prepare(result.snapshot) : result.problems;
    if (!result.ok || problems.length > 0) {
      logProblems(log, problems);
      reloads.rejected += 1;
      return false;
    }
    const merged = keepRestartOnly(snapshot, result.snapshot);
    snapshot = merged.snapshot;
    restartRequired = merged.waiting.length > 0;
    reloads.applied += 1;
    onSwap(snapshot);
    return true;
  }

  return {
    current: () => snapshot,
    reloads,
    get restartRequired() {
      return restartRequired;
    },
    // One after the other, so that the last one said is the one in force.
    follow(files) {
      const mine = turn.then(() => follow(files));
      turn = mine.catch(() => {});
      return mine;
    },
    [Symbol.dispose]() {},
  };
}
