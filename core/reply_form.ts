import { eventsOf, responseOf } from "./chat_events.ts";
import type { Dialect, ReplyContext, ReplyFacts } from "./dialect.ts";
import { jsonBytes } from "./open_bridge.ts";
import { createFrameReader } from "./sse.ts";
import { stepAll } from "./stream.ts";
import { framesText } from "./stream_translator.ts";
import { failure, type UpstreamError } from "./upstream_error.ts";
import type { UsageReport } from "./usage.ts";
import type { WireBody } from "./wire.ts";

const encoder = new TextEncoder();

/** What writing a reply in its other form needs besides it. */
export interface OtherForm extends ReplyContext {
  /** The numbers the caller is shown: what the provider did not report is estimated. */
  usage(facts: ReplyFacts): UsageReport;
}

/** A reply in the form that was asked for. */
export interface Reformed extends WireBody {
  /** What the provider said; numbers that were only written are not among it. */
  readonly facts: ReplyFacts;
}

/** A whole reply as the stream its provider was asked for. */
export function streamOfReply(
  dialect: Dialect,
  { body, bytes, facts }: Reformed,
  { callId, request, usage }: OtherForm,
): Uint8Array<ArrayBuffer> {
  const writer = dialect.encodeStream({ callId, request: { ...request, includeUsage: true } });
  const response = { ...dialect.decodeResponse({ body, bytes }), usage: usage(facts) };
  return encoder.encode(framesText(stepAll(eventsOf(response), writer)));
}

/** A stream as the whole reply its provider was asked for, or what broke it. */
export function replyOfStream(
  dialect: Dialect,
  bytes: Uint8Array<ArrayBuffer>,
  context: OtherForm,
): Reformed | UpstreamError {
  const reader = createFrameReader({ maxFrameBytes: bytes.length });
  const frames = [...reader.push(bytes).frames, ...reader.rest().frames];
  const events = stepAll(frames.map(({ frame }) => frame), dialect.decodeStream());
  const response = responseOf(events);
  const bad = failure("upstream_bad_response", 200);
  if (response === null) return bad;
  if (response.finish.error) return response.finish.error;
  const written = dialect.readReply(dialect.encodeResponse(response, context));
  if (written === null) return bad;
  const facts = { ...written, usage: response.usage };
  const body = dialect.encodeResponse({ ...response, usage: context.usage(facts) }, context);
  return { body, bytes: jsonBytes(body), facts };
}
