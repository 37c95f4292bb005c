import { eventsOf, responseOf } from "./chat_events.ts";
import type { Dialect, ReplyContext } from "./dialect.ts";
import { jsonBytes } from "./open_bridge.ts";
import { createFrameReader } from "./sse.ts";
import { stepAll } from "./stream.ts";
import { framesText } from "./stream_translator.ts";
import { failure, type UpstreamError } from "./upstream_error.ts";
import type { WireBody } from "./wire.ts";

const encoder = new TextEncoder();

/** A whole reply as the stream its provider was asked for. */
export function streamOfReply(
  dialect: Dialect,
  reply: WireBody,
  { callId, request }: ReplyContext,
): Uint8Array<ArrayBuffer> {
  const writer = dialect.encodeStream({ callId, request: { ...request, includeUsage: true } });
  return encoder.encode(framesText(stepAll(eventsOf(dialect.decodeResponse(reply)), writer)));
}

/** A stream as the whole reply its provider was asked for, or what broke it. */
export function replyOfStream(
  dialect: Dialect,
  bytes: Uint8Array<ArrayBuffer>,
  context: ReplyContext,
): WireBody | UpstreamError {
  const reader = createFrameReader({ maxFrameBytes: bytes.length });
  const frames = [...reader.push(bytes).frames, ...reader.rest().frames];
  const events = stepAll(frames.map(({ frame }) => frame), dialect.decodeStream());
  const response = responseOf(events);
  if (response === null) return failure("upstream_bad_response", 200);
  if (response.finish.error) return response.finish.error;
  const body = dialect.encodeResponse(response, context);
  return { body, bytes: jsonBytes(body) };
}
