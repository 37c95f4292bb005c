import { readLimited } from "./body.ts";
import type { Attempt, Call, Parts } from "./call.ts";
import type { Dialect, ReplyFacts } from "./dialect.ts";
import { isObject, type Json } from "./json.ts";
import { decodedRequest, replyContext, shownUsage } from "./open_bridge.ts";
import { parseJson } from "./parse_json.ts";
import { type OtherForm, type Reformed, replyOfStream } from "./reply_form.ts";
import { isBounded } from "./scan.ts";
import { received } from "./upstream.ts";
import { upstreamDetails } from "./upstream_details.ts";
import { classifyAnswer, type UpstreamError } from "./upstream_error.ts";

/** A complete reply, as the caller gets it. */
export interface UnaryReply {
  readonly kind: "unary";
  readonly attempt: Attempt;
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly facts: ReplyFacts;
}

/** Reads a whole reply: as it came on the caller's dialect, translated over a bridge. */
export async function readUnary(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<UnaryReply | UpstreamError> {
  const { status, headers } = response;
  const bytes = await readWhole(response, call.snapshot.server.maxResponseBytes);
  if (bytes === null) return noReply(attempt, bytes);
  attempt.responseBytes = bytes.length;
  const dialect = parts.dialects.get(attempt.target.dialect);
  const streamed = isEventStream(headers);
  const reply = streamed
    ? replyOfStream(dialect, bytes, askedContext(call, attempt))
    : wholeReply(dialect, bytes);
  if (reply === null) return noReply(attempt, bytes);
  if ("class" in reply) return reply;
  const { facts } = reply;
  const translated = attempt.bridge?.reply(reply, facts) ?? reply.bytes;
  if ("class" in translated) return translated;
  attempt.facts = facts;
  const own = attempt.bridge === null && !streamed ? headers.get("content-type") : null;
  return {
    kind: "unary",
    attempt,
    status,
    contentType: own ?? "application/json",
    bytes: translated,
    facts,
  };
}

/** Whether an answer is a stream of events. */
export function isEventStream(headers: Headers): boolean {
  return /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");
}

/** What the provider itself was asked, for a reply in the other form. */
export function askedContext(call: Call, { bridge, estimate }: Attempt): OtherForm {
  return {
    ...replyContext(call, bridge?.asked ?? decodedRequest(call).request),
    usage: (facts) => shownUsage(estimate, facts),
  };
}

/** Why a success is no reply: some providers and brokers say so in its body. */
export function noReply(attempt: Attempt, bytes: Uint8Array | null): UpstreamError {
  const body = bytes === null ? undefined : replyJson(bytes);
  attempt.told = upstreamDetails(body);
  return classifyAnswer(attempt.status ?? 200, body, null);
}

/** A reply of the whole answer; `null` when it is none of the dialect. */
export function wholeReply(dialect: Dialect, bytes: Uint8Array<ArrayBuffer>): Reformed | null {
  const body = replyJson(bytes);
  const facts = isObject(body) ? dialect.readReply(body) : null;
  return isObject(body) && facts ? { body, bytes, facts } : null;
}

/**
 * The body of an answer; `null` when it is too large.
 *
 * @throws {NetworkError}
 */
export async function readWhole(
  response: Response,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(response.headers.get("content-length") ?? NaN) > maxBytes) {
    await response.body?.cancel();
    return null;
  }
  // A length beside chunks is not theirs (RFC 9112 6.3), and `bytes()` leaves 9 KB more to collect.
  return await received(readUpTo(maxBytes, response.body ?? new Blob().stream()));
}

async function readUpTo(
  maxBytes: number,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const tooLarge = new Error("too large");
  try {
    return await readLimited(body, maxBytes, () => tooLarge);
  } catch (error) {
    if (error === tooLarge) return null;
    throw error;
  }
}

const decoder = new TextDecoder();

/** What has no more bytes cannot have so many values that parsing them holds up other calls. */
const SMALL_BYTES = 1024 * 1024;

/** `undefined` when it is no JSON, or so much of it that no reply has it. */
export function replyJson(bytes: Uint8Array): Json | undefined {
  if (bytes.length > SMALL_BYTES && !isBounded(bytes)) return undefined;
  try {
    return parseJson(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}
