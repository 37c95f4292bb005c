import { join } from "node:path";
import type { Log } from "../core/log.ts";
import type { LogEvent } from "../core/log_events.ts";
import type { CallRecord } from "../core/record.ts";
import type { LoggingSettings, UsageDbSettings } from "../core/snapshot.ts";
import type { StorageSettings } from "../storage/database_flags.ts";

/** A folder of its own for a test, removed at the end, with settings that point into it. */
export interface Place extends Disposable, Omit<StorageSettings, "logging" | "usageDb"> {
  readonly folder: string;
  readonly logging: LoggingSettings;
  readonly usageDb: UsageDbSettings;
  /** Events that were logged so far. */
  readonly events: LogEvent[];
  readonly log: Log;
}

/** Makes a place; `changes` replace settings of the journal. */
export function makePlace(changes: Partial<LoggingSettings> = {}): Place {
  const folder = Deno.makeTempDirSync();
  const events: LogEvent[] = [];
  return {
    folder,
    logging: {
      path: join(folder, "journal", "requests.jsonl"),
      rotateBytes: 1 << 28,
      keep: 14,
      fsync: "interval",
      fsyncIntervalMs: 60_000,
      maxUnshippedBytes: 0,
      onFull: "refuse",
      level: "info",
      format: "json",
      ...changes,
    },
    usageDb: {
      enabled: true,
      driver: "sqlite",
      path: join(folder, "usage.sqlite"),
      dsn: null,
      migrationPolicy: "auto-safe",
      shipIntervalMs: 10,
      shipBatch: 500,
    },
    baselines: [],
    groups: new Map(),
    rollups: { auto: false, finalizeAfterDays: 0 },
    retention: { enabled: true, dryRun: false, runAtMinute: null, rules: [] },
    events,
    log: { configure() {}, write: (_level, event) => void events.push(event) },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** The id of the nth test call. */
export function requestId(n: number): string {
  return `req_${n.toString(16).padStart(32, "0")}`;
}

/** The record of the nth test call: one attempt, 100 + n input tokens, 1,000 nano-USD. */
export function record(n: number, usage: CallRecord["usage"] | object = {}): CallRecord {
  const ts = 1_763_640_000_000 + n;
  return {
    usage: {
      request_id: requestId(n),
      ts,
      settled_at: ts + 10,
      status: 200,
      caller_id: "ci",
      resolved_group: "fast",
      target_provider: "local",
      target_model: "qwen3",
      cache: "miss",
      endpoint: "chat",
      attempts: 1,
      latency_ms: n,
      input_tokens: 100 + n,
      output_tokens: 10,
      total_tokens: 110 + n,
      total_cost_nusd: 1_000n,
      ...usage,
    },
    attempts: [{ provider: "local", model: "qwen3", outcome: "ok", selected: 1, ts }],
    errors: [],
  };
}

/** Ids from `first` to `last`, both included. */
export function idsBetween(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, n) => requestId(first + n));
}

/** Texts of the whole lines of a file. */
export function linesOf(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1);
}
