import { readLimited } from "./body.ts";
import { type Attempt, type Call, cutError, type Parts } from "./call.ts";
import type { ReplyFacts } from "./dialect.ts";
import type { Json } from "./json.ts";
import { openStream, type StreamReply } from "./open_stream.ts";
import type { Target } from "./snapshot.ts";
import { splice } from "./splice.ts";
import { classifyAnswer, failure, retryAfterMs, type UpstreamError } from "./upstream_error.ts";
import { endPass } from "./withheld.ts";

/** Most bytes read of an answer that is an error. */
const MAX_ERROR_BYTES = 65_536;

/** A reply that may go to the caller. */
export type Reply = UnaryReply | StreamReply;

/** A complete reply, as its provider sent it. */
export interface UnaryReply {
  readonly kind: "unary";
  readonly attempt: Attempt;
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly facts: ReplyFacts;
}

/** Which target is tried, and how. */
export interface AttemptPlan {
  readonly target: Target;
  readonly index: number;
  readonly timeoutMs: number;
}

/**
 * Tries one target: edits the request for it, sends it, and reads the answer until it is known to be
 * a reply.
 *
 * @returns the reply, or why there is none
 * @throws {GatewayError} when the call was cut
 */
export async function tryTarget(
  parts: Parts,
  call: Call,
  plan: AttemptPlan,
): Promise<Reply | UpstreamError> {
  const request = upstreamRequest(parts, call, plan);
  const attempt = beginAttempt(parts, call, plan, request.body.length);
  call.onCut = () => attempt.abort.abort();
  try {
    const response = await parts.fetch(request.url, { ...request, signal: attempt.abort.signal });
    attempt.firstByteAt = parts.clock();
    attempt.status = response.status;
    attempt.upstreamRequestId = upstreamRequestId(response.headers);
    const reply = await readAnswer(parts, call, attempt, response);
    if ("class" in reply) endAttempt(parts, call, attempt, reply);
    else if (reply.kind === "unary") endAttempt(parts, call, attempt, null);
    else endPass(parts, call, attempt);
    return reply;
  } catch (error) {
    attempt.abort.abort();
    const name = attempt.timedOut ? "upstream_timeout" : "upstream_network";
    const failed = failure(name, attempt.status);
    endAttempt(parts, call, attempt, failed, !isOurs(error));
    if (call.cut !== null) throw cutError(call.cut);
    if (isOurs(error)) throw error;
    return failed;
  }
}

/** A mistake of ours must not look like an outage of the provider. */
function isOurs(error: unknown): boolean {
  return error instanceof ReferenceError || error instanceof RangeError;
}

function upstreamRequest(parts: Parts, call: Call, { target, index }: AttemptPlan) {
  const { wire, features } = call;
  if (!wire || !features) throw new RangeError("Cannot send a call that was not routed");
  const edits = call.dialect.edits(wire, features, target);
  return {
    url: call.dialect.upstreamUrl(target.provider.baseUrl, call.search),
    headers: upstreamHeaders(parts, call, target, index),
    body: splice(wire.bytes, edits),
  };
}

/** An allow-list: nothing of the caller's own goes on unless it is named here or by the dialect. */
function upstreamHeaders(
  parts: Parts,
  call: Call,
  target: Target,
  index: number,
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": call.features?.stream ? "text/event-stream" : "application/json",
    "accept-encoding": "identity",
    "user-agent": `pointsman/${parts.build.version}`,
    ...call.dialect.upstreamHeaders(call.headers),
  };
  const key = call.headers.get("idempotency-key");
  // A fallback's body differs, and providers refuse a key that comes back with another body.
  if (key !== null) headers["idempotency-key"] = index === 0 ? key : `${key}-${index + 1}`;
  if (parts.copiesTraceHeaders) copyTraceHeaders(call.headers, headers);
  Object.assign(headers, target.provider.headers);
  if (target.provider.credential) {
    headers[target.provider.credential[0]] = target.provider.credential[1];
  }
  return headers;
}

function copyTraceHeaders(from: Headers, to: Record<string, string>): void {
  const parent = from.get("traceparent");
  if (parent === null) return;
  to["traceparent"] = parent;
  const state = from.get("tracestate");
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
  requestBytes: number,
): Attempt {
  const attempt: Attempt = {
    ...plan,
    probe: call.group !== null && parts.health.begin(call.group, plan.target),
    ts: parts.now(),
    startedAt: parts.clock(),
    requestBytes,
    abort: new AbortController(),
    deadline: null,
    timedOut: false,
    endedAt: null,
    firstByteAt: null,
    status: null,
    responseBytes: 0,
    upstreamRequestId: null,
    error: null,
    selected: false,
    usage: null,
  };
  attempt.deadline = parts.deadlines.set(plan.timeoutMs, () => {
    attempt.timedOut = true;
    attempt.abort.abort();
  });
  call.attempts.push(attempt);
  return attempt;
}

/**
 * Ends an attempt, once: its time, its error and, if it `counts`, what they say about the target.
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
  attempt.error = call.cut === null ? error : null;
  call.waitedMs += attempt.endedAt - attempt.startedAt;
  endPass(parts, call, attempt);
  parts.health.end(call.group, attempt.target, {
    probe: attempt.probe,
    error,
    counts: counts && call.cut === null,
  });
}

async function readAnswer(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<Reply | UpstreamError> {
  if (!response.ok) return await readError(parts, response);
  if (call.features?.stream) return await openStream(parts, call, attempt, response);
  return await readUnary(call, attempt, response);
}

async function readUnary(
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<UnaryReply | UpstreamError> {
  const bad = failure("upstream_bad_response", response.status);
  const bytes = await readReply(response, call.snapshot.server.maxResponseBytes);
  if (bytes === null) return bad;
  attempt.responseBytes = bytes.length;
  const body = parseJson(bytes);
  const facts = body === undefined ? null : call.dialect.readReply(body);
  if (facts === null) return bad;
  attempt.usage = facts.usage;
  attempt.selected = true;
  const { status, headers } = response;
  const contentType = headers.get("content-type") ?? "application/json";
  return { kind: "unary", attempt, status, contentType, bytes, facts };
}

/** `null` when it is too large. */
async function readReply(
  response: Response,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const length = Number(response.headers.get("content-length") ?? NaN);
  if (length <= maxBytes) return await response.bytes();
  if (length > maxBytes) {
    await response.body?.cancel();
    return null;
  }
  const tooLarge = new Error("too large");
  try {
    return await readLimited(response.body ?? new Blob().stream(), maxBytes, () => tooLarge);
  } catch (error) {
    if (error === tooLarge) return null;
    throw error;
  }
}

async function readError(parts: Parts, response: Response): Promise<UpstreamError> {
  const bytes = await readReply(response, MAX_ERROR_BYTES);
  const body = bytes === null ? undefined : parseJson(bytes);
  return classifyAnswer(response.status, body, retryAfterMs(response.headers, parts.now()));
}

const decoder = new TextDecoder();

/** `undefined` when it is no JSON. */
function parseJson(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}
