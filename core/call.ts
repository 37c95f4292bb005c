import type { CacheOutcome } from "./cache/entry.ts";
import type { ReplyCache } from "./cache/reply_cache.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import type { Dialect, ReplyFacts } from "./dialect.ts";
import type { RequestFeatures, WireFeatures } from "./features.ts";
import type { Health } from "./health.ts";
import type { CallerShapes, Taken } from "./limits/caller_shapes.ts";
import type { Pass, UpstreamShapes } from "./limits/upstream_shapes.ts";
import type { Ledger, Reservation } from "./limits/ledger.ts";
import type { LedgerStore } from "./limits/ledger_store.ts";
import type { Shaping } from "./limits/shape.ts";
import type { Log } from "./log.ts";
import { GatewayError } from "./errors.ts";
import type { RetryBudget } from "./retry.ts";
import type { Journal, UsageStore } from "./record.ts";
import type { Registry } from "./registry.ts";
import type { Credential, Group, Snapshot, Target } from "./snapshot.ts";
import type { UpstreamFetch } from "./upstream.ts";
import type { UpstreamError } from "./upstream_error.ts";
import type { UsageReport } from "./usage.ts";
import type { WireRequest } from "./wire.ts";

/** What the engine is made of; `main.ts` hands it in. */
export interface Parts {
  /** The configuration in force; a call keeps the one it began with. */
  current(): Snapshot;
  readonly dialects: Registry<Dialect>;
  readonly fetch: UpstreamFetch;
  readonly journal: Journal;
  /** `null` when the usage database is off. */
  readonly store: UsageStore | null;
  readonly health: Health;
  readonly ledger: Ledger;
  readonly ledgerStore: LedgerStore;
  readonly cache: ReplyCache;
  readonly callerShapes: CallerShapes;
  readonly upstreamShapes: UpstreamShapes;
  readonly log: Log;
  readonly build: Build;
  /** Calls in flight. */
  readonly live: Set<Call>;
  /** Epoch ms. */
  now(): number;
  /** Monotonic ms. */
  clock(): number;
  /** In [0, 1). */
  random(): number;
  /** 32 hex digits that never repeat. */
  newId(): string;
  /** Addresses of a host name. */
  resolve(hostname: string, signal: AbortSignal): Promise<readonly string[]>;
  readonly retries: RetryBudget;
  readonly deadlines: Deadlines;
  /** Whether a caller's trace headers are copied upstream (not when a tracer injects its own). */
  readonly copiesTraceHeaders: boolean;
  /** Label of this replica; `null` when not set. */
  readonly replica: string | null;
}

/** What was built; empty where unknown. */
export interface Build {
  readonly version: string;
  readonly commit: string;
  readonly builtAt: string;
}

/** Why a call was ended from outside. */
export type Cut = "caller-gone" | "shutting-down";

/** One try at one target. */
export interface Attempt {
  readonly target: Target;
  /** From 0. */
  readonly index: number;
  /** Epoch ms. */
  readonly ts: number;
  /** Monotonic ms, as all times below. */
  readonly startedAt: number;
  /** To the last byte of a unary reply, or to the first content of a stream. */
  readonly timeoutMs: number;
  readonly probe: boolean;
  readonly requestBytes: number;
  readonly abort: AbortController;
  /** Aborts it when its time is over. */
  deadline: Deadline | null;
  timedOut: boolean;
  endedAt: number | null;
  firstByteAt: number | null;
  status: number | null;
  responseBytes: number;
  upstreamRequestId: string | null;
  error: UpstreamError | null;
  selected: boolean;
  usage: UsageReport | null;
}

/** One call: what it is, and what the steps made of it. `settle` reads it once. */
export interface Call {
  readonly id: string;
  /** Epoch ms at which it was accepted. */
  readonly ts: number;
  /** Monotonic ms, as all times below. */
  readonly startedAt: number;
  readonly snapshot: Snapshot;
  readonly dialect: Dialect;
  readonly credential: Credential;
  readonly headers: Headers;
  /** With `?`, or empty. */
  readonly search: string;
  readonly clientIp: string | null;
  cut: Cut | null;
  /** Ends what the call waits for now; `cutCall` runs it. */
  onCut: (() => void) | null;
  settled: boolean;

  /** Step decode. */
  wire: WireRequest | null;
  wireFeatures: WireFeatures | null;
  /** The group's name as asked for; only a name the caller may use is stored. */
  requestedModel: string;
  /** Step admit. */
  group: Group | null;
  features: RequestFeatures | null;
  /** What it holds of its limits; `null` before it took the first. */
  reservation: Reservation | null;
  /** What it took of its caller's pace, and what came of that. */
  readonly shaped: Taken[];
  shaping: Shaping | null;
  /** Time spent in the queue of its caller, ms. */
  queuedMs: number;
  /** What its attempt took of the pace of its target; `null` between attempts. */
  pass: Pass | null;
  /** What the cache did for it; `null` before it was asked. */
  cache: CacheOutcome | null;
  /** It has everything it needs of them. */
  admitted: boolean;
  /** Step route. */
  classLabel: string | null;
  decideMs: number;
  /** Step send. */
  attempts: Attempt[];
  /** Time spent waiting for the caller's body and for providers, ms. */
  waitedMs: number;
  /** Step relay. */
  firstByteOutAt: number | null;
  firstContentAt: number | null;
}

/** How a call ended. */
export interface Ending {
  /** HTTP status of the end, also behind a stream that began with 200. */
  readonly status: number;
  readonly error: GatewayError | null;
  /** It ended early, after first content. */
  readonly partial: boolean;
  /** What was learned of the reply; `null` when there was none. */
  readonly facts: ReplyFacts | null;
}

/** The attempt whose reply reached the caller. */
export function servingAttempt(call: Call): Attempt | null {
  return call.attempts.find((attempt) => attempt.selected) ?? null;
}

/** Ends a call from outside: what it waits for is aborted. */
export function cutCall(call: Call, cut: Cut): void {
  if (call.settled || call.cut !== null) return;
  call.cut = cut;
  call.onCut?.();
}

/** What the caller of a cut call is told, if it is still there, and what its record says. */
export function cutError(cut: Cut): GatewayError {
  return cut === "caller-gone"
    ? new GatewayError("client-closed-request", "Cannot finish the call: the caller left")
    : new GatewayError("shutting-down", "Cannot finish the call: the gateway is shutting down");
}
