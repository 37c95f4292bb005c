import type { Log } from "../log.ts";
import { policyGroups } from "../policy_groups.ts";
import type { Snapshot } from "../snapshot.ts";
import { messageOf } from "../thrown.ts";
import type { LoadResult } from "./load.ts";
import { formatProblem, type Problem, totals } from "./problem.ts";
import { keepRestartOnly } from "./restart_only.ts";
import { watchFiles } from "./watch.ts";

/** The configuration in force. Closing it ends whatever changes it. */
export interface ConfigInForce extends Disposable {
  /** The snapshot for calls that begin now. */
  current(): Snapshot;
  /** Reloads since the start, by what became of them. */
  readonly reloads: { readonly applied: number; readonly rejected: number };
  /** Whether the file says something that only a restart brings into force. */
  readonly restartRequired: boolean;
}

/** The configuration in force, which follows its files. */
export interface LiveConfig extends ConfigInForce {
  /** Reads the configuration again; tells whether it was taken. */
  reload(): Promise<boolean>;
}

/** What a live configuration needs. */
export interface LiveConfigOptions {
  /** What the process started with. */
  readonly initial: LoadResult & { readonly ok: true };
  load(): Promise<LoadResult>;
  readonly log: Log;
  /** Makes the policies of a configuration ready; problems refuse it. */
  prepare(snapshot: Snapshot): Promise<readonly Problem[]>;
  /** Called after each swap, and not for the initial snapshot. */
  onSwap?(snapshot: Snapshot): void;
  /** Quiet time before a change counts, ms. */
  readonly debounceMs?: number;
}

/**
 * Holds the snapshot in force and swaps it when the config file or `env.json` changes, or on SIGHUP.
 * A configuration with errors changes nothing, and every error is logged.
 */
export function liveConfig(options: LiveConfigOptions): LiveConfig {
  const { initial, log, debounceMs = 250 } = options;
  const reloads = { applied: 0, rejected: 0 };
  let snapshot = initial.snapshot;
  let restartRequired = false;
  let latest = 0;

  async function reload(): Promise<boolean> {
    const mine = ++latest;
    // A later reload has read the newer file.
    const isOld = () => mine !== latest;
    try {
      const result = await options.load();
      if (isOld()) return false;
      const problems = result.ok ? await problemsOf(result.snapshot) : result.problems;
      if (isOld()) return false;
      if (result.ok && problems.length === 0) return take(result);
      logRejected(log, problems);
    } catch (error) {
      if (isOld()) return false;
      logFailed(log, error);
    }
    reloads.rejected += 1;
    return false;
  }

  async function problemsOf(loaded: Snapshot): Promise<readonly Problem[]> {
    const asks = policyGroups(loaded).some(({ policy }) => policy !== null);
    return asks ? await options.prepare(loaded) : [];
  }

  function take(result: LoadResult & { readonly ok: true }): true {
    const merged = keepRestartOnly(snapshot, result.snapshot);
    snapshot = merged.snapshot;
    logProblems(log, result.problems);
    logWaiting(log, merged.waiting);
    restartRequired = merged.waiting.length > 0;
    reloads.applied += 1;
    const fields = { fingerprint: snapshot.fingerprint, groups: snapshot.groups.size };
    log.write("info", "config_reloaded", "Configuration reloaded", fields);
    options.onSwap?.(snapshot);
    return true;
  }

  const watch = watchFiles({
    files: initial.files,
    debounceMs,
    onChange: reload,
    onFailure: () => log.write("warn", "config_warning", BLIND),
  });
  const signal = onHangup(reload);
  return {
    current: () => snapshot,
    reloads,
    get restartRequired() {
      return restartRequired;
    },
    reload,
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      signal[Symbol.dispose]();
    },
  };
}

const BLIND = "Cannot watch the configuration; send SIGHUP to reload it";

/** Logs what a start or a reload found. */
export function logProblems(log: Log, problems: readonly Problem[]): void {
  for (const problem of problems) {
    const { code, path } = problem;
    const [level, event] = problem.severity === "error"
      ? ["error", "config_rejected"] as const
      : ["warn", "config_warning"] as const;
    log.write(level, event, formatProblem(problem), { code, path });
  }
}

function logRejected(log: Log, problems: readonly Problem[]): void {
  logProblems(log, problems);
  const msg = `Configuration not changed: ${totals(problems)}`;
  log.write("error", "config_rejected", msg);
}

function logWaiting(log: Log, keys: readonly string[]): void {
  for (const path of keys) {
    const msg = `${path} changes at the next start; the running value stays`;
    log.write("warn", "config_warning", msg, { path });
  }
}

/** A loader that throws rejects the configuration like any other error. */
function logFailed(log: Log, error: unknown): void {
  const reason = messageOf(error);
  log.write("error", "config_rejected", `Configuration not changed: ${reason}`);
}

function onHangup(reload: () => void): Disposable {
  if (Deno.build.os === "windows") return { [Symbol.dispose]() {} };
  const listener = () => void reload();
  Deno.addSignalListener("SIGHUP", listener);
  return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGHUP", listener) };
}
