import type { Bridge } from "./bridge.ts";
import type { TargetEstimate } from "./calibration.ts";
import { type Attempt, type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import type { Pass } from "./limits/upstream_shapes.ts";
import { openBridge } from "./open_bridge.ts";
import { openStream, type StreamReply } from "./open_stream.ts";
import { readUnary, readWhole, replyJson, type UnaryReply } from "./read_unary.ts";
import type { Target } from "./snapshot.ts";
import { splice } from "./splice.ts";
import { NetworkError, received } from "./upstream.ts";
import { upstreamDetails } from "./upstream_details.ts";
import { classifyAnswer, failure, retryAfterMs, type UpstreamError } from "./upstream_error.ts";
import type { Edit, FieldEvent } from "./wire.ts";
import { dropPass, endPass } from "./withheld.ts";

/** Most bytes read of an answer that is an error. */
const MAX_ERROR_BYTES = 65_536;

/** A reply that may go to the caller. */
export type Reply = UnaryReply | StreamReply;

/** Which target is tried, and how. */
export interface AttemptPlan {
  readonly target: Target;
  readonly index: number;
  readonly timeoutMs: number;
  /** It begins beside one that is slow. */
  readonly hedge: boolean;
  /** What it took of the pace of its target. */
  readonly pass: Pass | null;
}

/**
 * What came of a try: a reply, or why there is none. A `GatewayError`: the target cannot be sent the
 * request; `null`: another target served first.
 */
export type Outcome = Reply | UpstreamError | GatewayError | null;

/**
 * Tries one target: edits the request for it, sends it, and reads the answer until it is known to be
 * a reply. Of two that are tried at a time the first with a reply serves, and ends the other.
 *
 * @throws {GatewayError} when the call was cut
 */
export async function tryTarget(
  parts: Parts,
  call: Call,
  plan: AttemptPlan,
): Promise<Outcome> {
  const request = writtenRequest(parts, call, plan);
  if (request instanceof GatewayError) return request;
  const attempt = beginAttempt(parts, call, plan, request);
  // A provider may take minutes, and meanwhile only another attempt would need it.
  call.wire?.release();
  call.onCut = abortAttempts;
  const { url, headers, body } = request;
  const fetched = () => received(parts.fetch(url, { headers, body, signal: attempt.abort.signal }));
  try {
    const response = await (attempt.trace ? attempt.trace.run(fetched) : fetched());
    attempt.response = response;
    attempt.firstByteAt = parts.clock();
    attempt.status = response.status;
    attempt.upstreamRequestId = upstreamRequestId(response.headers);
    const reply = await readAnswer(parts, call, attempt, response);
    if (attempt.stopped !== null) return abandon(reply);
    if ("class" in reply) endAttempt(parts, call, attempt, reply);
    else serve(parts, call, attempt, reply);
    return reply;
  } catch (error) {
    attempt.abort.abort();
    const failed = error instanceof NetworkError ? networkFailure(attempt) : null;
    endAttempt(parts, call, attempt, failed, failed !== null);
    if (call.cut !== null) throw cutError(call.cut);
    if (attempt.stopped !== null) return null;
    // A mistake of ours must not look like an outage of the provider.
    if (failed === null) throw error;
    return failed;
  }
}

function abortAttempts({ attempts }: Call): void {
  for (const { abort } of attempts) abort.abort();
}

/** The reply goes to the caller: nothing else is needed any more. */
function serve(parts: Parts, call: Call, attempt: Attempt, reply: Reply): void {
  attempt.selected = true;
  stopOthers(parts, call);
  if (reply.kind === "unary") endAttempt(parts, call, attempt, null);
  else endPass(parts, call, attempt);
}

/** An abort alone does not end a body that nobody is reading now. */
function abandon(reply: Reply | UpstreamError): null {
  if ("source" in reply) reply.source.cancel();
  return null;
}

/** Ends every attempt that is under way and does not serve. */
export function stopOthers(parts: Parts, call: Call): void {
  for (const attempt of call.attempts) {
    if (attempt.selected || attempt.endedAt !== null) continue;
    attempt.stopped = call.cut === null ? "hedge_loser" : "cut";
    endAttempt(parts, call, attempt, null);
    attempt.abort.abort();
  }
}

function networkFailure({ timedOut, status }: Attempt): UpstreamError {
  return failure(timedOut ? "upstream_timeout" : "upstream_network", status);
}

interface UpstreamRequest {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly bridge: Bridge | null;
  readonly events: readonly FieldEvent[];
  readonly sentProofs: boolean;
  readonly estimate: TargetEstimate;
}

/** The request, or why this target cannot be sent it: its wire cannot hold what others may. */
function writtenRequest(
  parts: Parts,
  call: Call,
  plan: AttemptPlan,
): UpstreamRequest | GatewayError {
  try {
    return upstreamRequest(parts, call, plan);
  } catch (error) {
    dropPass(parts, plan.pass);
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

/** The caller's bytes, edited, on its own dialect; over a bridge a new body, and nothing of its headers. */
function upstreamRequest(
  parts: Parts,
  call: Call,
  { target, index }: AttemptPlan,
): UpstreamRequest {
  const { wire, features } = call;
  if (!wire || !features) throw new RangeError("Cannot send a call that was not routed");
  const dialect = parts.dialects.get(target.dialect);
  let sentProofs = false;
  const keeps = (proof: string) => {
    const kept = !call.withoutProofs && parts.proofs.accepts(proof, target.provider.name);
    sentProofs ||= kept;
    return kept;
  };
  const estimate = parts.calibration.plain(target.key, { base: features.estimatedInputTokens });
  const bridge = dialect === call.dialect
    ? null
    : openBridge(call, { dialect, target, estimate, keeps });
  const own = dialect.upstreamHeaders(bridge ? new Headers() : call.headers);
  const head = {
    url: dialect.upstreamUrl(target.provider.baseUrl, bridge ? "" : call.search),
    headers: upstreamHeaders(parts, call, { target, index, own }),
    bridge,
    estimate,
  };
  if (bridge) return { ...head, body: bridge.body, events: bridge.events, sentProofs };
  const edits = dialect.edits(wire, features, target, keeps);
  const events = edits.filter(takesAway).map(told);
  return { ...head, body: splice(wire.bytes, edits), events, sentProofs };
}

/** What the gateway adds or renames for a provider's sake takes nothing from the caller. */
function takesAway({ action }: Edit): boolean {
  return action === "stripped" || action === "clamped";
}

function told({ field, action }: Edit): FieldEvent {
  return { field, action, reason: "target-limit" };
}

/** An allow-list: nothing of the caller's own goes on unless it is named here or by the dialect. */
function upstreamHeaders(
  parts: Parts,
  call: Call,
  { target, index, own }: {
    readonly target: Target;
    readonly index: number;
    readonly own: Record<string, string>;
  },
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": call.features?.stream ? "text/event-stream" : "application/json",
    "accept-encoding": "identity",
    "user-agent": `pointsman/${parts.build.version}`,
    ...own,
  };
  const key = call.headers.get("idempotency-key");
  // A fallback's body differs, and providers refuse a key that comes back with another body.
  if (key !== null) headers["idempotency-key"] = index === 0 ? key : `${key}-${index + 1}`;
  copyTraceHeaders(call, headers);
  Object.assign(headers, target.provider.headers);
  if (target.provider.credential) {
    headers[target.provider.credential[0]] = target.provider.credential[1];
  }
  return headers;
}

/** A tracer sends a `traceparent` of its own, and no `tracestate`: that goes on in either case. */
function copyTraceHeaders({ headers, trace }: Call, to: Record<string, string>): void {
  const parent = headers.get("traceparent");
  if (parent === null) return;
  const traceId = trace?.traceId ?? null;
  if (traceId === null) to["traceparent"] = parent;
  else if (!parent.includes(traceId)) return;
  const state = headers.get("tracestate");
  if (state !== null) to["tracestate"] = state;
}

function upstreamRequestId(headers: Headers): string | null {
  const id = headers.get("x-request-id") ?? headers.get("request-id");
  return id !== null && /^[\w.:-]{1,128}$/.test(id) ? id : null;
}

function beginAttempt(
  parts: Parts,
  call: Call,
  plan: AttemptPlan,
  { body, bridge, events, sentProofs, estimate }: UpstreamRequest,
): Attempt {
  const attempt: Attempt = {
    ...plan,
    probe: call.group !== null && parts.health.begin(call.group, plan.target),
    ts: parts.now(),
    startedAt: parts.clock(),
    requestBytes: body.length,
    bridge,
    events,
    sentProofs,
    estimate,
    abort: new AbortController(),
    response: null,
    deadline: null,
    timedOut: false,
    endedAt: null,
    stopped: null,
    firstByteAt: null,
    status: null,
    responseBytes: 0,
    upstreamRequestId: null,
    error: null,
    told: [],
    selected: false,
    tap: null,
    facts: null,
    trace: null,
  };
  attempt.trace = call.trace?.beginAttempt(attempt) ?? null;
  attempt.deadline = parts.deadlines.set(plan.timeoutMs, () => {
    attempt.timedOut = true;
    attempt.abort.abort();
  });
  call.attempts.push(attempt);
  return attempt;
}

/**
 * Ends an attempt, once: its time, its error and, if it `counts`, what they say about the target. One
 * that was stopped says nothing.
 */
export function endAttempt(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  error: UpstreamError | null,
  counts = true,
): void {
  if (attempt.endedAt !== null || !call.group) return;
  attempt.deadline?.cancel();
  attempt.endedAt = parts.clock();
  if (call.cut !== null) attempt.stopped ??= "cut";
  attempt.error = attempt.stopped === null ? error : null;
  attempt.facts ??= attempt.tap?.facts() ?? null;
  call.waitedMs += ownWaitMs(call, attempt, attempt.endedAt);
  attempt.trace?.end(attempt);
  endPass(parts, call, attempt);
  parts.health.end(call.group, attempt.target, {
    probe: attempt.probe,
    error,
    counts: counts && attempt.stopped === null,
  });
}

/** The time of an attempt; what one that goes on waits for, too, is that one's. */
function ownWaitMs({ attempts }: Call, { startedAt }: Attempt, endedAt: number): number {
  const other = attempts.find((attempt) => attempt.endedAt === null);
  return (other ? Math.max(startedAt, other.startedAt) : endedAt) - startedAt;
}

function readAnswer(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<Reply | UpstreamError> {
  if (!response.ok) return readError(parts, attempt, response);
  if (call.features?.stream) return openStream(parts, call, attempt, response);
  return readUnary(parts, call, attempt, response);
}

async function readError(
  parts: Parts,
  attempt: Attempt,
  response: Response,
): Promise<UpstreamError> {
  const bytes = await readWhole(response, MAX_ERROR_BYTES);
  const body = bytes === null ? undefined : replyJson(bytes);
  attempt.told = upstreamDetails(body);
  return classifyAnswer(response.status, body, retryAfterMs(response.headers, parts.now()));
}
