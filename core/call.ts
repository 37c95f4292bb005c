import type { Bridge } from "./bridge.ts";
import type { Affinity } from "./affinity.ts";
import type { AuthFailure } from "./auth.ts";
import type { Bag, Placed } from "./bag.ts";
import type { Calibration, TargetEstimate, TokenEstimate } from "./calibration.ts";
import type { CallerIds } from "./caller_ids.ts";
import type { CacheOutcome } from "./cache/entry.ts";
import type { ReplyCache } from "./cache/reply_cache.ts";
import type { Cost } from "./cost.ts";
import type { Conversation } from "./conversation.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import type { Decision } from "./decision.ts";
import type { DecodedRequest, Dialect, ReplyFacts, Tap } from "./dialect.ts";
import type { RequestFeatures, WireFeatures } from "./features.ts";
import type { Fingerprints } from "./fingerprints.ts";
import type { Health } from "./health.ts";
import type { HedgeBudget } from "./hedge_budget.ts";
import type { Charge } from "./limits/charge.ts";
import type { Budget } from "./limits/standing.ts";
import type { CallerShapes, Taken } from "./limits/caller_shapes.ts";
import type { Pass, UpstreamShapes, UpstreamShaping } from "./limits/upstream_shapes.ts";
import type { Ledger, Reservation } from "./limits/ledger.ts";
import type { LedgerStore } from "./limits/ledger_store.ts";
import type { Shaping } from "./limits/shape.ts";
import type { Log } from "./log.ts";
import { GatewayError } from "./errors.ts";
import type { ProofMemory } from "./proof_memory.ts";
import type { PolicyRunner } from "./policy_runner.ts";
import type { RolloutGuard } from "./rollout_guard.ts";
import type { Shadows } from "./shadow.ts";
import type { RetryBudget } from "./retry.ts";
import type { Journal, UsageStore } from "./record.ts";
import type { Registry } from "./registry.ts";
import type { Credential, Group, Snapshot, Target } from "./snapshot.ts";
import type { PolicyRun } from "./strategy.ts";
import type { UpstreamFetch } from "./upstream.ts";
import type { UpstreamDetail } from "./upstream_details.ts";
import type { UpstreamError } from "./upstream_error.ts";
import type { Usage } from "./usage.ts";
import type { FieldEvent, WireRequest } from "./wire.ts";
import type { Fleet } from "./workers/fleet.ts";

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
  readonly calibration: Calibration;
  readonly proofs: ProofMemory;
  readonly affinity: Affinity;
  readonly rollouts: RolloutGuard;
  readonly shadows: Shadows;
  /** Mixed into the keys of conversations where the configuration says nothing. */
  readonly conversationSalt: string;
  readonly policies: PolicyRunner;
  readonly ledger: Ledger;
  readonly ledgerStore: LedgerStore;
  readonly cache: ReplyCache;
  readonly callerShapes: CallerShapes;
  readonly upstreamShapes: UpstreamShapes;
  readonly log: Log;
  readonly build: Build;
  /** Calls in flight. */
  readonly live: Bag<Call>;
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
  readonly hedges: HedgeBudget;
  readonly deadlines: Deadlines;
  /** Label of this replica; `null` when not set. */
  readonly replica: string | null;
  /** `null` where no other process serves beside this one. */
  readonly fleet: Fleet | null;
  /** `gw_` and 16 hex digits: all processes of one state are one gateway. */
  readonly gatewayId: string;
  readonly fingerprints: Fingerprints;
  /** `null` when calls are not traced. */
  readonly tracer: Tracer | null;
  /** Told what becomes of calls. */
  readonly watchers: readonly Watcher[];
  readonly drain: Drain;
}

/** Whether the gateway is ending; `/readyz` says so first. */
export interface Drain {
  draining: boolean;
}

/** Sees what becomes of calls. Synchronous, quick, and without a say in it. */
export interface Watcher {
  /** A call has its record; `journalMs` is what writing it took. */
  onSettled(call: Call, settlement: Settlement, journalMs: number): void;
  /** A batch of records has reached the usage database, in so many ms. */
  onShipped(batchMs: number): void;
  /**
   * A request was refused for what it showed, or for the grant it lacks. `surface` is `api`, or the
   * name of the plugin whose path it was.
   */
  onDenied(surface: string, reason: AuthFailure | "forbidden"): void;
}

/** Makes traces; all of this is absent when nobody traces. */
export interface Tracer {
  /** Names the server's own span after the path that was found; empty when there is none. */
  found(method: string, route: string): void;
  /** Begins the trace of a call, in step accept. One that is never ended leaves nothing. */
  begin(): CallTrace;
  /** Writes the traces of calls that ended. */
  flush(): void;
}

/** The trace of one call: a span, and below it one for each step and attempt. */
export interface CallTrace {
  /** 32 hex digits; `null` where calls are measured, and nobody takes spans. */
  readonly traceId: string | null;
  enter(step: Step): void;
  beginAttempt(attempt: Attempt): AttemptTrace;
  end(call: Call, settlement: Settlement): void;
}

/** The span of one attempt. */
export interface AttemptTrace {
  /** Runs what sends the request, so that the request names this span as its parent. */
  run<Value>(send: () => Value): Value;
  end(attempt: Attempt): void;
}

/** The steps of a call, in order. */
export type Step = "accept" | "decode" | "admit" | "route" | "send" | "relay" | "settle";

/** What was built; empty where unknown. */
export interface Build {
  readonly version: string;
  readonly commit: string;
  readonly builtAt: string;
}

/** Why a call was ended from outside. */
export type Cut = "caller-gone" | "shutting-down";

/** Why an attempt was ended although its provider had not: its call was, or another served first. */
export type Stop = "cut" | "hedge_loser";

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
  /** It began beside one that was slow; the first with content serves. */
  readonly hedge: boolean;
  /** What it took of the pace of its target, until it gives that back. */
  pass: Pass | null;
  readonly probe: boolean;
  readonly requestBytes: number;
  /** `null` when the target speaks the caller's dialect. */
  readonly bridge: Bridge | null;
  /** What became of the caller's fields, as far as it is worth telling. */
  readonly events: readonly FieldEvent[];
  /** Reasoning of earlier turns was sent along. */
  readonly sentProofs: boolean;
  /** What its tokens are where the provider does not report them. */
  readonly estimate: TargetEstimate;
  readonly abort: AbortController;
  /**
   * Held for as long as the attempt: once a response is garbage, an abort no longer ends the reading
   * of its body (seen on Deno 2.9.6).
   */
  response: Response | null;
  /** Aborts it when its time is over. */
  deadline: Deadline | null;
  timedOut: boolean;
  endedAt: number | null;
  /** Why it was ended from this side; `null`: it was not. */
  stopped: Stop | null;
  firstByteAt: number | null;
  status: number | null;
  responseBytes: number;
  upstreamRequestId: string | null;
  error: UpstreamError | null;
  /** What its provider said of the failure, in known words. */
  told: readonly UpstreamDetail[];
  selected: boolean;
  /** Reads its stream; `null` when that is not what it answers with. */
  tap: Tap | null;
  /** What was learned of its reply; `null` when there was none. */
  facts: ReplyFacts | null;
  trace: AttemptTrace | null;
}

/** One call: what it is, and what the steps made of it. `settle` reads it once. */
export interface Call extends Placed {
  readonly id: string;
  /** Epoch ms at which it was accepted. */
  readonly ts: number;
  /** Monotonic ms, as all times below. */
  readonly startedAt: number;
  readonly snapshot: Snapshot;
  /** That of its path, until its body is read. */
  dialect: Dialect;
  readonly credential: Credential;
  /** Those of the request: until it has its answer, then they may be gone. */
  readonly headers: Headers;
  /** A label for the program that calls. */
  readonly client: string;
  readonly callerIds: CallerIds;
  /** With `?`, or empty. */
  readonly search: string;
  readonly clientIp: string | null;
  cut: Cut | null;
  /** Ends what the call waits for now; `cutCall` runs it. */
  onCut: ((call: Call) => void) | null;
  settled: boolean;
  step: Step;
  trace: CallTrace | null;

  /** Step decode. */
  wire: WireRequest | null;
  wireFeatures: WireFeatures | null;
  /** In the neutral form, or why not; only a call that may need a bridge has it. */
  decoded: DecodedRequest | GatewayError | null;
  /** The group's name as asked for; only a name the caller may use is stored. */
  requestedModel: string;
  /** Step admit. */
  group: Group | null;
  features: RequestFeatures | null;
  estimate: TokenEstimate | null;
  /** What it holds of its limits; `null` before it took the first. */
  reservation: Reservation | null;
  /** What it took of its caller's pace, and what came of that. */
  readonly shaped: Taken[];
  readonly shapings: Shaping[];
  /** What the shapes of its targets decided. */
  readonly upstreamShapings: TargetShaping[];
  /** What the cache did for it; `null` before it was asked. */
  cache: CacheOutcome | null;
  /** It has everything it needs of them. */
  admitted: boolean;
  /** Found when first asked for. */
  conversation: Conversation | null;
  budget: Budget | null;
  /** Step route; `null` before it. */
  decision: Decision | null;
  classLabel: string | null;
  decideMs: number;
  /** What each policy did that was asked, in order; `settle` and what watches it read them. */
  readonly policyRuns: PolicyRun[];
  /** Step send. */
  attempts: Attempt[];
  /** Another target may still serve first: a stream is given to the caller from its content on. */
  contested: boolean;
  /** A provider refused the reasoning of earlier turns: it is not sent again. */
  withoutProofs: boolean;
  /** Time spent waiting for the caller's body, for providers and for policies' servers, ms. */
  waitedMs: number;
  /** Step relay. */
  firstByteOutAt: number | null;
  firstContentAt: number | null;
}

/** What a shape decided about a target; epoch ms. */
export interface TargetShaping extends UpstreamShaping {
  readonly ts: number;
  readonly target: Target;
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

/** An ending with its numbers. */
export interface Settlement extends Ending {
  readonly usage: Usage;
  /** `null` when nothing is to be charged. */
  readonly cost: Cost | null;
  /** What counts against limits. */
  readonly charge: Charge;
  /** Monotonic ms at which the call was settled. */
  readonly at: number;
  /** The step in which it ended. */
  readonly step: Step;
}

/** Notes the step a call goes on to. */
export function enter(call: Call, step: Step): void {
  call.step = step;
  call.trace?.enter(step);
}

/** The attempt whose reply reached the caller. */
export function servingAttempt(call: Call): Attempt | null {
  return call.attempts.find((attempt) => attempt.selected) ?? null;
}

/** The attempt that tells how a call went: the one that served, else the one that failed last. */
export function decidingAttempt(call: Call): Attempt | undefined {
  const { attempts } = call;
  if (attempts.length < 2) return attempts[0];
  return servingAttempt(call) ?? failedLast(attempts) ?? attempts.at(-1);
}

function failedLast(attempts: readonly Attempt[]): Attempt | undefined {
  return attempts.filter(({ error }) => error !== null)
    .toSorted((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0)).at(-1);
}

/** Whether an attempt was needed because the one before it failed. */
export function isFallback(call: Call, { index, hedge }: Attempt): boolean {
  return index > 0 && (!hedge || call.attempts[index - 1]?.error !== null);
}

/** Why there was an attempt after the first, in one word of a closed list. */
export function fallbackReason(
  call: Call,
  { index, hedge }: Attempt,
): UpstreamError["class"] | "hedge" | undefined {
  if (hedge) return call.attempts[index - 1]?.error?.class ?? "hedge";
  return failedLast(call.attempts.slice(0, index))?.error?.class;
}

/**
 * The attempt in whose place, or beside which, one after the first was made: the one before it. A hedge
 * that was stopped did not fail: whoever did is meant then.
 */
export function precedingAttempt(
  { attempts }: Call,
  { index, hedge }: Attempt,
): Attempt | undefined {
  const before = attempts[index - 1];
  if (hedge || before?.error) return before;
  return failedLast(attempts.slice(0, index)) ?? before;
}

/** Ends a call from outside: what it waits for is aborted. */
export function cutCall(call: Call, cut: Cut): void {
  if (call.settled || call.cut !== null) return;
  call.cut = cut;
  call.onCut?.(call);
}

/** Aborted when the call is cut, as long as it waits for nothing else. */
export function cutSignal(call: Call): AbortSignal {
  const controller = new AbortController();
  if (call.cut !== null) controller.abort();
  call.onCut = () => controller.abort();
  return controller.signal;
}

/** What the caller of a cut call is told, if it is still there, and what its record says. */
export function cutError(cut: Cut): GatewayError {
  return cut === "caller-gone"
    ? new GatewayError("client-closed-request", "Cannot finish the call: the caller left")
    : new GatewayError("shutting-down", "Cannot finish the call: the gateway is shutting down");
}
